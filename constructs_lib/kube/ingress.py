"""The one way in: hosts, each of which leads to one component, by Ingress objects or by routes of a Gateway.

An app says `serve` to either.
"""

from collections.abc import Mapping
from typing import Any

from constructs import Construct

from constructs_lib.config.controllers import (
    UNLIMITED,
    ClusterIssuer,
    Controller,
    ControllerObject,
    Gateway,
    Issuer,
    RequestLimits,
)
from constructs_lib.config.host_names import host_name
from constructs_lib.contract import Endpoint, Namespace, Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube.manifest import Body, Manifest, labels_without_pods
from constructs_lib.kube.network import Connections, PodPeer, PolicyPort
from constructs_lib.names import dns_label
from constructs_lib.units import go_duration

# Names of objects begin with the name of their way in, and some end with that of a Service.
NAME_LIMIT = 20
# What cert-manager starts while somebody signs a certificate, to prove that a host is ours.
# https://cert-manager.io/docs/configuration/acme/http01/
SOLVER, SOLVER_PORT = ("acme.cert-manager.io/http01-solver", "true"), 8089
# https://gateway-api.sigs.k8s.io/reference/spec/#httproutespec
HOSTS_OF_A_ROUTE = 16


class _Hosts:
    """Which host leads to which door.

    Args:
        name: Of the way in.
        namespace: Of the components.
        caller: To whom the doors are opened.
    """

    def __init__(self, name: str, namespace: Namespace, caller: Pods) -> None:
        self._name = dns_label(name, of="the name of a way in", limit=NAME_LIMIT)
        self._namespace, self._caller = namespace.name, caller
        self._doors: dict[str, Endpoint] = {}

    def add(self, host: str, endpoint: Endpoint) -> bool:
        """Open a door; whether its host is new."""
        host_name(host, of="a host")
        if endpoint.pods.namespace != self._namespace:
            raise ConstructError(
                f"{host} leads to {endpoint.service} in the namespace {endpoint.pods.namespace}, but {self._name} is "
                f"in {self._namespace}, and reaches no other: make a second one there"
            )
        known = self._doors.get(host)
        if known not in {None, endpoint}:
            raise ConstructError(
                f"{host} leads to both {known.address} and {endpoint.address}: give each a host of its own"
            )
        endpoint.admit(self._caller)
        self._doors[host] = endpoint
        return known is None

    def doors(self) -> Mapping[str, Endpoint]:
        """By host, when the chart is rendered."""
        if not self._doors:
            raise ConstructError(f"{self._name} serves no host: serve one, or leave it out")
        return dict(sorted(self._doors.items()))


class Ingress(Construct):
    """Hosts as Ingress objects, each with a certificate of its own: one that cannot be signed holds up no other.

    A component admits the controller's pods once it is served; so do the pods by which cert-manager proves that a host
    is ours.

    Args:
        namespace: Of the components.
        name: Of its objects, where a host does not name them.
        controller: Who reads them.
        issuer: Who signs the certificates.
        limits: What may come in.
    Raises:
        ConstructError: a name that is none, or limits that the controller cannot be told; when rendered, no host.
    Source: https://kubernetes.io/docs/concepts/services-networking/ingress/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = "ingress",
        controller: Controller,
        issuer: ClusterIssuer | Issuer,
        limits: RequestLimits = UNLIMITED,
    ) -> None:
        super().__init__(scope, id)
        self._namespace, self._name, self._controller, self._issuer = namespace, name, controller, issuer
        self._hosts = _Hosts(name, namespace, controller.pods)
        self._instructions = controller.instructions(namespace.name, name, limits)
        for each in self._instructions.objects:
            self._make(each)
        self._redirect()
        self._admit_solvers()

    def serve(self, host: str, endpoint: Endpoint) -> None:
        """Lead a host to a component, which opens that door to the controller's pods. Idempotent.

        Args:
            host: Such as `prometheus.example.com`; its DNS record leads to the controller.
            endpoint: Where the component answers by HTTP; who may do what there is the component's own matter.
        Raises:
            ConstructError: a host that is none or leads elsewhere already, or a component of another namespace.
        """
        if not self._hosts.add(host, endpoint):
            return
        self._tell_of(endpoint)
        signed_by, issuer = self._issuer.annotation
        self._ingress(
            f"host-{host}",
            host,
            {**self._instructions.ingress, signed_by: issuer},
            lambda: {
                "rules": [self._rule(host, endpoint)],
                "tls": [{"hosts": [host], "secretName": f"{host}-tls"}],
            },
        )

    def _make(self, each: ControllerObject) -> None:
        self._manifest(each.name, each.api_version, each.kind, each.name, lambda: {"spec": each.spec})

    def _redirect(self) -> None:
        """From HTTP, where the controller needs an Ingress for that."""
        if self._instructions.redirect is not None:
            self._ingress(
                "redirect",
                f"{self._name}-redirect",
                self._instructions.redirect,
                lambda: {"rules": [self._rule(host, door) for host, door in self._hosts.doors().items()]},
            )

    def _ingress(self, id: str, name: str, annotations: Mapping[str, str], spec: Body) -> None:
        def body() -> Mapping[str, Any]:
            return {"spec": {"ingressClassName": self._controller.class_name, **spec()}}

        made = self._manifest(id, "networking.k8s.io/v1", "Ingress", name, body)
        for annotation, value in annotations.items():
            made.metadata.add_annotation(annotation, value)

    def _rule(self, host: str, endpoint: Endpoint) -> dict[str, Any]:
        backend = {"service": {"name": self._service(endpoint), "port": {"name": endpoint.port.name}}}
        return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}

    def _service(self, endpoint: Endpoint) -> str:
        """The component's own, or one beside it that tells the controller more."""
        return f"{self._name}-{endpoint.service}" if self._instructions.service else endpoint.service

    def _tell_of(self, endpoint: Endpoint) -> None:
        """Make the Service beside the component's own, where the controller must know more."""
        name = self._service(endpoint)
        if name == endpoint.service or self.node.try_find_child(f"service-{name}"):
            return

        def body() -> Mapping[str, Any]:
            opened = {door.port for door in self._hosts.doors().values() if door.service == endpoint.service}
            ports = [
                {"name": port.name, "port": port.number, "targetPort": port.name, "protocol": port.transport.value}
                for port in sorted(opened)
            ]
            return {"spec": {"selector": dict(endpoint.pods.labels), "ports": ports}}

        made = self._manifest(f"service-{name}", "v1", "Service", dns_label(name, of="a Service"), body)
        for annotation, value in self._instructions.service.items():
            made.metadata.add_annotation(annotation, value)

    def _admit_solvers(self) -> None:
        """Where nothing may connect, no proof would come in, and no certificate ever be signed."""
        connections, solvers = Connections(), Pods(self._namespace.name, (SOLVER,))
        connections.admit(PodPeer(self._controller.pods), PolicyPort(PortRange.only(SOLVER_PORT)))

        def body() -> Mapping[str, Any]:
            self._hosts.doors()  # refuses none
            return connections.to_dict(solvers)

        self._manifest("acme-solvers", "networking.k8s.io/v1", "NetworkPolicy", f"{self._name}-acme-solvers", body)

    def _manifest(self, id: str, api_version: str, kind: str, name: str, body: Body) -> Manifest:
        labels = labels_without_pods("ingress", self._name)
        return Manifest(
            self,
            id,
            api_version=api_version,
            kind=kind,
            name=name,
            namespace=self._namespace.name,
            labels=labels,
            body=body,
        )


class Routes(Construct):
    """Hosts as routes of a Gateway that exists; certificates, and who proves that a host is ours, are its own matter.

    No route can limit a request's body. Not every Gateway limits its time: Traefik 3.6 does not.

    Args:
        namespace: Of the components; the Gateway's listeners admit routes from it.
        name: Of its objects, where a host does not name them.
        gateway: Who reads them.
        limits: What may come in.
    Raises:
        ConstructError: a name that is none, or a limit of the body; when rendered, no host or too many.
    Source: https://gateway-api.sigs.k8s.io/api-types/httproute/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = "routes",
        gateway: Gateway,
        limits: RequestLimits = UNLIMITED,
    ) -> None:
        if limits.body is not None:
            raise ConstructError(
                f"{name} limits the body of a request to {limits.body}, which no route of a Gateway can: leave it "
                "out, or use Ingress"
            )
        super().__init__(scope, id)
        self._namespace, self._name, self._gateway, self._limits = namespace, name, gateway, limits
        self._hosts = _Hosts(name, namespace, gateway.pods)
        self._route("redirect", f"{name}-redirect", self._redirect)

    def serve(self, host: str, endpoint: Endpoint) -> None:
        """Lead a host to a component, which opens that door to the Gateway's pods. Idempotent.

        Args:
            host: Such as `prometheus.example.com`; its DNS record leads to the Gateway.
            endpoint: Where the component answers by HTTP; who may do what there is the component's own matter.
        Raises:
            ConstructError: a host that is none or leads elsewhere already, or a component of another namespace.
        """
        if not self._hosts.add(host, endpoint):
            return
        time = self._limits.timeout
        rule = {
            "backendRefs": [{"name": endpoint.service, "port": endpoint.port.number}],
            **({"timeouts": {"request": go_duration(time)}} if time else {}),
        }
        parents = [self._gateway.listener(self._gateway.https)]
        self._route(f"host-{host}", host, lambda: {"parentRefs": parents, "hostnames": [host], "rules": [rule]})

    def _redirect(self) -> Mapping[str, Any]:
        hosts = list(self._hosts.doors())
        if len(hosts) > HOSTS_OF_A_ROUTE:
            raise ConstructError(
                f"{self._name} serves {len(hosts)} hosts, and a route has {HOSTS_OF_A_ROUTE} at most: make a second one"
            )
        to_https = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        parents = [self._gateway.listener(self._gateway.http)]
        return {"parentRefs": parents, "hostnames": hosts, "rules": [{"filters": [to_https]}]}

    def _route(self, id: str, name: str, spec: Body) -> None:
        Manifest(
            self,
            id,
            api_version="gateway.networking.k8s.io/v1",
            kind="HTTPRoute",
            name=name,
            namespace=self._namespace.name,
            labels=labels_without_pods("routes", self._name),
            body=lambda: {"spec": spec()},
        )
