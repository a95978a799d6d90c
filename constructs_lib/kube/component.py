"""A component: a workload with its Services, its identity, its disruption budget and its one NetworkPolicy."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cdk8s
import cdk8s_plus_27 as kplus
from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.contract import (
    MANAGED_BY,
    PART_OF,
    VERSION,
    Bucket,
    BucketAccess,
    Endpoint,
    ExternalHost,
    Identity,
    Namespace,
    Pods,
    PodSecurity,
    Port,
    Rights,
)
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube.manifest import Body, ConfigMap, Manifest
from constructs_lib.kube.network import Connections, Destination, PodPeer, PolicyPort
from constructs_lib.kube.pod import Container, Placement
from constructs_lib.kube.volumes import HostPath, Mount
from constructs_lib.kube.workload import Scheduled, Stateful, Stateless, Workload
from constructs_lib.names import dns_label
from constructs_lib.units import whole_seconds

# A StatefulSet writes the revision into a label of its pods: its name, a dash and ten characters more.
NAME_LIMIT = 52
# Of the files that a program reads at its start alone.
FILES_HASH = "constructs-lib/files"
# What EKS gives no credentials of AWS: https://github.com/aws/amazon-eks-pod-identity-webhook
WITHOUT_CREDENTIALS = "eks.amazonaws.com/skip-containers"
# Of a service account, by which the same webhook gives its pods the role in place of EKS Pod Identity.
ROLE = "eks.amazonaws.com/role-arn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentEndpoint(Endpoint):
    """A door of a component of this app, which opens for whoever connects."""

    connections: Connections = field(compare=False, repr=False)

    def admit(self, caller: Pods) -> None:
        if not self.nodes:  # no policy holds for pods that share their node's network
            self.connections.admit(PodPeer(caller), PolicyPort.of(self.port))


class Component(Construct):
    """What the construct of a program is: one workload and all that belongs to it.

    Containers and connections may be added until the chart is rendered. The selector is name, component and instance,
    and never changes: Kubernetes would refuse the next release.

    Args:
        namespace: Where it lives.
        name: Of the Service, the workload and the other objects; two of a kind in one namespace differ by it.
        program: The label `app.kubernetes.io/name`.
        role: The label `app.kubernetes.io/component`, where a program has several; the program when absent.
        image: Of the program; its tag, or that of the cluster's own in its place, is the label
            `app.kubernetes.io/version`, which is in no selector.
        workload: How its pods run.
        placement: On which nodes.
        sticky: Whether a caller of the Service stays with the pod that it got first.
    Raises:
        ConstructError: a name that Kubernetes refuses, or a namespace that would refuse the pods; when rendered, that
            for a directory of the node, too, no container, or names that clash in the pod.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str,
        program: str,
        role: str | None = None,
        image: Image,
        workload: Workload,
        placement: Placement,
        sticky: bool = False,
    ) -> None:
        dns_label(name, of="a component's name", limit=NAME_LIMIT)
        if workload.on_host and namespace.level is not PodSecurity.PRIVILEGED:
            raise ConstructError(
                f"{name} needs its node's network, but the namespace {namespace.name} enforces {namespace.level}, so "
                "its pods would be refused: use Namespaces.privileged"
            )
        super().__init__(scope, id)
        self.namespace = namespace
        self.name = name
        self.headless = f"{name}-headless"
        self.pods = Pods.of_component(namespace.name, program=program, role=role or program, instance=name)
        self.labels: Mapping[str, str] = {
            **dict(self.pods.labels),
            PART_OF: "monitoring",
            MANAGED_BY: "constructs-lib",
            VERSION: namespace.cluster.image(image).tag,
        }
        self.workload = workload
        self._connections = Connections()
        self._connections.allow(Destination.dns(namespace.cluster))
        self._placement = placement
        self._ports: dict[str, Port] = {}
        self._containers: dict[str, Container] = {}
        self._init_containers: dict[str, Container] = {}
        self._mounts: dict[str, set[Mount]] = {}
        self._buckets: set[BucketAccess] = set()
        self._users_of_buckets: set[tuple[str, ...]] = set()
        self._restart_with: list[ConfigMap] = []
        self._service_account = self._make_service_account()
        self._make_services(sticky)
        self._manifest("workload", workload.api_version, workload.kind, self._workload)
        self._make_budget()
        policy = self._connections.to_dict
        self._manifest("network-policy", "networking.k8s.io/v1", "NetworkPolicy", lambda: policy(self.pods))

    def endpoint(self, port: Port, *, honor_labels: bool = False) -> ComponentEndpoint:
        """A door: the Services and the policies know its port from here on.

        Args:
            port: Where it is.
            honor_labels: Whether its metrics are about other objects, whose labels win over its own.
        Raises:
            ConstructError: another port of the same name; when rendered, a port that no container opens.
        """
        taken = self._ports.setdefault(port.name, port)
        if taken != port:
            raise ConstructError(
                f"{self.name} has the port {port.name!r} twice, {taken.number} and {port.number}: rename one"
            )
        return ComponentEndpoint(
            pods=self.pods,
            service=self.name,
            port=port,
            nodes=self.namespace.cluster.nodes if self.workload.on_host else (),
            honor_labels=honor_labels,
            connections=self._connections,
        )

    def members(self, port: Port) -> tuple[ComponentEndpoint, ...]:
        """The same door of every pod by the pod's own name, for who must reach each of them.

        Raises:
            ConstructError: as for an endpoint.
        """
        count = self.workload.replicas or 0
        return tuple(
            replace(self.endpoint(port), service=f"{self.name}-{ordinal}.{self.headless}") for ordinal in range(count)
        )

    def add_container(self, container: Container) -> None:
        """Run a container in every pod; the first one is the program itself.

        Raises:
            ConstructError: another container of the same name.
        """
        self._take(container, self._containers, other=self._init_containers)

    def add_init_container(self, container: Container) -> None:
        """Run a container to its end before the others of every pod start; several run in the order of their adding.

        Raises:
            ConstructError: another container of the same name, or a probe, which Kubernetes refuses here.
        Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/
        """
        if container.startup or container.readiness or container.liveness:
            raise ConstructError(
                f"{self.name} has a probe on its init container {container.name!r}, which Kubernetes refuses: "
                "leave it out"
            )
        self._take(container, self._init_containers, other=self._containers)

    def _take(self, container: Container, into: dict[str, Container], *, other: Mapping[str, Container]) -> None:
        if container.name in other or into.setdefault(container.name, container) != container:
            raise ConstructError(f"{self.name} has two different containers {container.name!r}: rename one")

    def mount(self, mount: Mount, *, into: str) -> None:
        """Let a container see a volume. Idempotent.

        Args:
            mount: What it sees, and where.
            into: Name of the container; when rendered, it must be there.
        """
        self._mounts.setdefault(into, set()).add(mount)

    def connect_to(self, endpoint: Endpoint | ExternalHost) -> None:
        """Open an endpoint to this component: egress here, ingress there where it is ours. Idempotent."""
        if isinstance(endpoint, ExternalHost):
            self._connections.allow(Destination.host(endpoint))
            return
        self._connections.allow(Destination.endpoint(endpoint))
        endpoint.admit(self.pods)

    def allow(self, destination: Destination) -> None:
        """Open the way to what is no component: egress here alone. Idempotent."""
        self._connections.allow(destination)

    def use_bucket(self, bucket: Bucket, *, prefix: str = "", rights: Rights, containers: tuple[str, ...] = ()) -> None:
        """Open the way to a bucket and to the credentials for it, which EKS Pod Identity gives to the pods. Idempotent.

        The other half of the contract, the role, is made in AWS, of the same names. It is the whole service account's:
        containers that use no bucket are kept from its credentials. Where the cluster has a web identity, the service
        account names its role, and the pods ask STS for it, which must be within `reached_at` as S3 is: by public
        addresses, or by an interface endpoint of its own.

        Args:
            bucket: Which one.
            prefix: Of the keys that are meant; all of them when empty.
            rights: What is done there.
            containers: Who does it, by name; all containers of the pod when empty.
        Raises:
            ConstructError: a prefix that would match keys of others, too, or a role whose name IAM refuses; when
                rendered, a container that is not there.
        """
        identity = Identity(
            cluster=self.namespace.cluster.name, namespace=self.namespace.name, service_account=self.name
        )
        self._buckets.add(BucketAccess(identity=identity, bucket=bucket, prefix=prefix, rights=rights))
        self._users_of_buckets.add(containers)
        self.allow(Destination.outside(bucket.reached_at, 443))
        if web_identity := self.namespace.cluster.web_identity:
            self._service_account.metadata.add_annotation(ROLE, web_identity.role_arn(identity))
        else:
            self.allow(Destination.pod_identity())

    @property
    def buckets(self) -> tuple[BucketAccess, ...]:
        """What its service account must be allowed to do in AWS."""
        return tuple(sorted(self._buckets))

    def restart_with(self, files: ConfigMap) -> None:
        """Replace the pods one after the other when these files change: for a program that never reads them again."""
        if files not in self._restart_with:
            self._restart_with.append(files)

    def _manifest(self, id: str, api_version: str, kind: str, body: Body, *, name: str | None = None) -> None:
        Manifest(
            self,
            id,
            api_version=api_version,
            kind=kind,
            name=name or self.name,
            namespace=self.namespace.name,
            labels=self.labels,
            body=body,
        )

    def _make_service_account(self) -> kplus.ServiceAccount:
        return kplus.ServiceAccount(
            self,
            "service-account",
            metadata=cdk8s.ApiObjectMetadata(name=self.name, namespace=self.namespace.name, labels=dict(self.labels)),
            automount_token=False,  # containers that need the token mount it themselves
        )

    def _make_services(self, sticky: bool) -> None:
        if isinstance(self.workload, Scheduled):
            return  # nobody asks it anything

        def spec(**more: Any) -> Mapping[str, Any]:
            if not self._ports:
                raise ConstructError(f"{self.name} has no endpoint, so its Service would have no port: give it one")
            ports = [
                {"name": p.name, "port": p.number, "targetPort": p.name, "protocol": p.transport.value}
                for p in sorted(self._ports.values(), key=lambda port: (port.number, port.transport))
            ]
            return {"spec": {"selector": dict(self.pods.labels), "ports": ports, **more}}

        affinity = {"sessionAffinity": "ClientIP"} if sticky else {}
        # The pods' own names must resolve before they are ready, or members would not find each other at the start.
        by_name = {"clusterIP": "None", "publishNotReadyAddresses": True}
        self._manifest("service", "v1", "Service", lambda: spec(**affinity))
        if isinstance(self.workload, Stateful):  # the others' pods have no names
            self._manifest("headless-service", "v1", "Service", lambda: spec(**by_name), name=self.headless)

    def _make_budget(self) -> None:
        if (self.workload.replicas or 1) < 2:
            return  # a budget of a single pod would block every drain, or allow everything
        k8s.KubePodDisruptionBudget(
            self,
            "disruption-budget",
            metadata=k8s.ObjectMeta(name=self.name, namespace=self.namespace.name, labels=dict(self.labels)),
            spec=k8s.PodDisruptionBudgetSpec(
                max_unavailable=k8s.IntOrString.from_number(1),
                selector=k8s.LabelSelector(match_labels=dict(self.pods.labels)),
                unhealthy_pod_eviction_policy="AlwaysAllow",
            ),
        )

    def _workload(self) -> Mapping[str, Any]:
        annotations = {
            **({FILES_HASH: self._files_hash()} if self._restart_with else {}),
            **({WITHOUT_CREDENTIALS: ",".join(names)} if (names := self._without_credentials()) else {}),
        }
        metadata = {"labels": dict(self.labels), **({"annotations": annotations} if annotations else {})}
        template = {"metadata": metadata, "spec": self._pod()}
        return {"spec": self.workload.spec(pods=self.pods, headless=self.headless, template=template)}

    def _files_hash(self) -> str:
        texts = [(name, text) for each in self._restart_with for name, text in sorted(each.files().items())]
        return hashlib.sha256(repr(texts).encode()).hexdigest()[:16]

    def _without_credentials(self) -> list[str]:
        """The containers that use no bucket, where others of the pod do."""
        if not self._users_of_buckets or () in self._users_of_buckets:
            return []
        users = {name for names in self._users_of_buckets for name in names}
        names = [*self._init_containers, *self._containers]
        for name in sorted(users.difference(names)):
            raise ConstructError(f"{self.name} uses a bucket by the container {name!r}, which it has not: add it")
        return [name for name in names if name not in users]

    def _complete(self, containers: Mapping[str, Container]) -> list[Container]:
        """Containers with all that is mounted into them."""
        return [
            replace(
                each,
                mounts=(*each.mounts, *sorted(self._mounts.get(each.name, set()), key=lambda mount: mount.path)),
            )
            for each in containers.values()
        ]

    def _pod(self) -> dict[str, Any]:
        containers, before = self._complete(self._containers), self._complete(self._init_containers)
        self._refuse_clashes(containers, before)
        sources = {mount.source.name: mount.source for each in (*before, *containers) for mount in each.mounts}
        user, secrets = self.workload.user, self.namespace.cluster.pull_secrets
        host = {"hostNetwork": True, "hostPID": True} if self.workload.on_host else {}
        volumes = [volume for source in sources.values() if (volume := source.to_dict()) is not None]
        return {
            **host,
            "serviceAccountName": self.name,
            **({"imagePullSecrets": [{"name": each} for each in secrets]} if secrets else {}),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": whole_seconds(self.workload.stop_within),
            "securityContext": {
                "runAsNonRoot": user != 0,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",  # else every start walks through the whole volume
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **self._spread(),
            **self._placement.to_dict(self.workload.tolerations),
            **({"initContainers": [each.to_dict(self.namespace.cluster) for each in before]} if before else {}),
            "containers": [each.to_dict(self.namespace.cluster) for each in containers],
            **({"volumes": volumes} if volumes else {}),
        }

    def _refuse_clashes(self, containers: Sequence[Container], before: Sequence[Container]) -> None:
        """What two containers may not share, and what a pod and its doors need."""
        if not containers:
            raise ConstructError(f"{self.name} has no container: add one")
        for name in self._mounts.keys() - self._containers.keys() - self._init_containers.keys():
            raise ConstructError(f"{self.name} mounts a volume into the container {name!r}, which it has not: add it")
        opened = [port for container in containers for port in container.ports]
        mounted = {mount.source for container in (*before, *containers) for mount in container.mounts}
        for source in (mount.source for container in (*before, *containers) for mount in container.mounts):
            if isinstance(source, HostPath) and self.namespace.level is not PodSecurity.PRIVILEGED:
                raise ConstructError(
                    f"{self.name} mounts {source.path} of its node, but the namespace {self.namespace.name} enforces "
                    f"{self.namespace.level}, so its pods would be refused: use Namespaces.privileged"
                )
        for kind, names in (
            ("the port", Counter(port.name for port in opened)),
            ("the port", Counter(f"{port.number}/{port.transport.value}" for port in opened)),
            ("the volume", Counter(source.name for source in mounted)),
        ):
            for name, count in names.items():
                if count > 1:
                    raise ConstructError(f"{self.name} has {kind} {name!r} in two containers, differently: rename one")
        for port in self._ports.values():
            if port not in opened:
                raise ConstructError(
                    f"{self.name} has the endpoint {port.name!r}, but no container opens it: add the port"
                )

    def _spread(self) -> dict[str, Any]:
        """Two replicas never share a node, and rarely a zone: a volume may be bound to the only zone that is left.

        Source: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
        """
        if (self.workload.replicas or 1) < 2:
            return {}
        labels = {"labelSelector": {"matchLabels": dict(self.pods.labels)}}
        # A node whose taint keeps the pods away must not count as an empty one.
        common: dict[str, Any] = {"maxSkew": 1, "nodeTaintsPolicy": "Honor"}
        # With fewer domains than replicas, two would share a node while another node is drained, and stay there.
        nodes = {
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "minDomains": self.workload.replicas,
        }
        if isinstance(self.workload, Stateless):  # pods that are about to go must not count for those that replace them
            common["matchLabelKeys"] = ["pod-template-hash"]
        zones = {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
        return {"topologySpreadConstraints": [{**common, **nodes, **labels}, {**common, **zones, **labels}]}
