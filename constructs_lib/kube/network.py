"""NetworkPolicies as the shadow of wiring: who is named here, and how a component's one policy is written.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from constructs_lib.contract import (
    MONITORED_BY,
    NAMESPACE_NAME,
    Cluster,
    Endpoint,
    ExternalHost,
    Namespace,
    Pods,
    Port,
    PortRange,
    Transport,
)

DNS_PODS = Pods("kube-system", (("k8s-app", "kube-dns"),))
KUBELET_PORT = 10250
# Where EKS' Pod Identity agent hands out a role's credentials, on every node, and to those alone who may have the role.
# https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
POD_IDENTITY_AGENT = ("169.254.170.23/32", 80)
# Where no host of the outside world is: private, shared (which clouds give to pods), loopback and link-local addresses.
# https://www.iana.org/assignments/iana-ipv4-special-registry/
NOT_OUTSIDE = tuple(
    ip_network(cidr)
    for cidr in (
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)


@dataclass(frozen=True, slots=True, order=True)
class PolicyPort:
    """Ports that a rule opens."""

    ports: PortRange
    transport: Transport = Transport.TCP

    @classmethod
    def of(cls, port: Port) -> "PolicyPort":
        return cls(PortRange.only(port.number), port.transport)

    def to_dict(self) -> dict[str, Any]:
        end = {} if self.ports.is_single else {"endPort": self.ports.last}
        return {"protocol": self.transport.value, "port": self.ports.first, **end}


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods, by labels, of one namespace."""

    pods: Pods

    def to_dict(self) -> dict[str, Any]:
        return {
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: self.pods.namespace}},
            "podSelector": {"matchLabels": dict(self.pods.labels)},
        }


@dataclass(frozen=True, slots=True)
class OptedInPeer:
    """All pods of the namespaces that opted in to be monitored from a namespace."""

    monitoring: str

    def to_dict(self) -> dict[str, Any]:
        return {"namespaceSelector": {"matchLabels": {MONITORED_BY: self.monitoring}}}


@dataclass(frozen=True, slots=True)
class AddressPeer:
    """Whatever has an address in a range: for peers that are no pods."""

    cidr: str
    but: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"ipBlock": {"cidr": self.cidr, **({"except": list(self.but)} if self.but else {})}}


Peer = PodPeer | OptedInPeer | AddressPeer


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Peers, and the ports that are open there: the caller's side of a connection."""

    peers: tuple[Peer, ...]
    ports: tuple[PolicyPort, ...]

    @classmethod
    def api_server(cls, cluster: Cluster) -> "Destination":
        """The API server, which is no pod."""
        peers = tuple(AddressPeer(cidr) for cidr in cluster.api_server)
        # The Service `kubernetes` listens on 443, the endpoints behind it on a port of their own.
        ports = sorted({443, cluster.api_server_port})
        return cls(peers=peers, ports=tuple(PolicyPort(PortRange.only(port)) for port in ports))

    @classmethod
    def kubelets(cls, cluster: Cluster) -> "Destination":
        """The kubelets, which share the addresses of their nodes."""
        return cls(
            peers=tuple(AddressPeer(cidr) for cidr in cluster.nodes), ports=(PolicyPort(PortRange.only(KUBELET_PORT)),)
        )

    @classmethod
    def dns(cls, cluster: Cluster) -> "Destination":
        """Where names are resolved: the pods of kube-dns, and a cache on the node where there is one."""
        ports = tuple(PolicyPort(PortRange.only(53), transport) for transport in Transport)
        return cls(peers=(PodPeer(DNS_PODS), *(AddressPeer(cidr) for cidr in cluster.dns)), ports=ports)

    @classmethod
    def endpoint(cls, endpoint: Endpoint) -> "Destination":
        """The door of a component, of this release or of another one."""
        peers: tuple[Peer, ...] = tuple(AddressPeer(cidr) for cidr in endpoint.nodes) or (PodPeer(endpoint.pods),)
        return cls(peers=peers, ports=(PolicyPort.of(endpoint.port),))

    @classmethod
    def host(cls, host: ExternalHost) -> "Destination":
        """A server outside the cluster: a range that holds private networks as well leaves these out."""
        return cls.outside(host.addresses, host.port)

    @classmethod
    def outside(cls, ranges: Iterable[str], port: int) -> "Destination":
        """The outside world, whose names no policy knows.

        Args:
            ranges: Of addresses; what is not outside is taken out of those that hold it, such as 0.0.0.0/0.
            port: Of TCP.
        """
        peers = []
        for cidr in ranges:
            inner = [each for each in NOT_OUTSIDE if _holds(ip_network(cidr), each)]
            peers.append(AddressPeer(cidr, tuple(str(each) for each in inner)))
        return cls(peers=tuple(peers), ports=(PolicyPort(PortRange.only(port)),))

    @classmethod
    def pod_identity(cls) -> "Destination":
        """The agent of EKS Pod Identity on the pod's own node."""
        (cidr, port) = POD_IDENTITY_AGENT
        return cls(peers=(AddressPeer(cidr),), ports=(PolicyPort(PortRange.only(port)),))

    @classmethod
    def pods(cls, pods: Pods, ports: PortRange) -> "Destination":
        """Pods of somebody else's release."""
        return cls(peers=(PodPeer(pods),), ports=(PolicyPort(ports),))

    @classmethod
    def opted_in(cls, namespace: Namespace, ports: PortRange) -> "Destination":
        """All pods of the namespaces that opted in to be monitored from this one."""
        return cls(peers=(OptedInPeer(namespace.name),), ports=(PolicyPort(ports),))


@dataclass(slots=True)
class Connections:
    """The open connections of one component: to and from whom, and on which ports. Adding twice is adding once."""

    ingress: dict[Peer, set[PolicyPort]] = field(default_factory=dict)
    egress: dict[Peer, set[PolicyPort]] = field(default_factory=dict)

    def admit(self, peer: Peer, port: PolicyPort) -> None:
        self.ingress.setdefault(peer, set()).add(port)

    def allow(self, destination: Destination) -> None:
        for peer in destination.peers:
            self.egress.setdefault(peer, set()).update(destination.ports)

    def to_dict(self, pods: Pods) -> dict[str, Any]:
        return {
            "spec": {
                "podSelector": {"matchLabels": dict(pods.labels)},
                "policyTypes": ["Ingress", "Egress"],
                # An empty list is kept as none, and so would be changed by every apply.
                **({"ingress": _rules("from", self.ingress.items())} if self.ingress else {}),
                **({"egress": _rules("to", self.egress.items())} if self.egress else {}),
            }
        }


def _holds(outer: IPv4Network | IPv6Network, inner: IPv4Network | IPv6Network) -> bool:
    """Whether a range is a real part of another one; Kubernetes refuses an exception that is not."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner != outer and inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner != outer and inner.subnet_of(outer)
    return False


def _rules(side: str, connections: Iterable[tuple[Peer, set[PolicyPort]]]) -> list[dict[str, Any]]:
    """One rule a peer, in an order that does not depend on the order of the verbs."""
    ordered = sorted(connections, key=lambda connection: repr(connection[0]))
    return [{side: [peer.to_dict()], "ports": [port.to_dict() for port in sorted(ports)]} for peer, ports in ordered]
