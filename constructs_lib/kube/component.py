"""A component: a workload with its Service, its identity, its disruption budget and its one NetworkPolicy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import cdk8s
import cdk8s_plus_27 as kplus
from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.contract import (
    COMPONENT,
    INSTANCE,
    MANAGED_BY,
    NAME,
    PART_OF,
    VERSION,
    Caller,
    Endpoint,
    Namespace,
    Pods,
    Port,
    dns_label,
)
from constructs_lib.errors import ConstructError
from constructs_lib.kube.manifest import Manifest
from constructs_lib.kube.network import Destination, PodPeer, PolicyPort, Rules
from constructs_lib.kube.pod import Container, Placement
from constructs_lib.kube.storage import Volume
from constructs_lib.units import whole_seconds

# A StatefulSet writes the revision into a label of its pods: its name, a dash and ten characters more.
NAME_LIMIT = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentEndpoint(Endpoint):
    """A door of a component of this app, which opens for whoever connects."""

    component: "Component" = field(compare=False, repr=False)

    def admit(self, caller: Caller) -> None:
        self.component.rules.admit(PodPeer(caller.pods), PolicyPort.of(self.port))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """Pods with a name and a volume of their own each, as a StatefulSet.

    Args:
        replicas: At least 1.
        volume: What each pod claims.
        user: The id of user and group that own the files and run every container.
        stop_within: How long a pod may take to end by itself.
    """

    replicas: int
    volume: Volume
    user: int
    stop_within: timedelta


class Component(Construct):
    """What every construct of a program builds on: one workload and all that belongs to it.

    Containers and connections may be added until the chart is rendered. The selector is name, component and instance,
    and never changes: Kubernetes would refuse the next release.

    Args:
        namespace: Where it lives; its Pod Security level must allow it.
        name: Of the Service, the workload and the other objects; two of a kind in one namespace differ by it.
        program: The label `app.kubernetes.io/name`.
        version: The label `app.kubernetes.io/version`, which is in no selector.
        workload: How its pods run.
        placement: On which nodes.
        sticky: Whether a caller of the Service stays with the pod that it got first.
    Raises:
        ConstructError: a name that Kubernetes refuses, or no replica.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str,
        program: str,
        version: str,
        workload: Stateful,
        placement: Placement,
        sticky: bool = False,
    ) -> None:
        dns_label(name, of="a component's name", limit=NAME_LIMIT)
        if workload.replicas < 1:
            raise ConstructError(f"{name} has {workload.replicas} replicas: use 1 or more, or leave the construct out")
        super().__init__(scope, id)
        self.namespace = namespace
        self.name = name
        self.pods = Pods(namespace.name, ((NAME, program), (COMPONENT, program), (INSTANCE, name)))
        self.labels: Mapping[str, str] = {
            **dict(self.pods.labels),
            PART_OF: namespace.name,
            MANAGED_BY: "constructs-lib",
            VERSION: version,
        }
        self.rules = Rules()
        self.rules.allow(Destination.dns(namespace.cluster))
        self._workload = workload
        self._placement = placement
        self._ports: dict[str, Port] = {}
        self._containers: dict[str, Container] = {}
        self._make_identity()
        self._make_services(sticky)
        self._make_workload()
        self._make_budget()
        self._manifest("network-policy", "networking.k8s.io/v1", "NetworkPolicy", lambda: self.rules.to_dict(self.pods))

    def endpoint(self, port: Port) -> ComponentEndpoint:
        """A door: the Service and the policies know its port from here on."""
        taken = self._ports.setdefault(port.name, port)
        if taken != port:
            raise ConstructError(
                f"{self.name} has the port {port.name!r} twice, {taken.number} and {port.number}: rename one"
            )
        return ComponentEndpoint(pods=self.pods, service=self.name, port=port, component=self)

    def add_container(self, container: Container) -> None:
        """Run a container in every pod; the first one is the program itself.

        Raises:
            ConstructError: another container of the same name.
        """
        taken = self._containers.setdefault(container.name, container)
        if taken != container:
            raise ConstructError(f"{self.name} has two different containers {container.name!r}: rename one")

    def connect_to(self, endpoint: Endpoint) -> None:
        """Open an endpoint to this component: egress here, ingress there where it is ours."""
        self.rules.allow(Destination(peers=(PodPeer(endpoint.pods),), ports=(PolicyPort.of(endpoint.port),)))
        endpoint.admit(self)

    def allow(self, destination: Destination) -> None:
        """Open the way to what is no component: egress here alone."""
        self.rules.allow(destination)

    def _manifest(self, id: str, api_version: str, kind: str, body: Any, *, suffix: str = "") -> None:
        Manifest(
            self,
            id,
            api_version=api_version,
            kind=kind,
            name=f"{self.name}{suffix}",
            namespace=self.namespace.name,
            labels=self.labels,
            body=body,
        )

    def _make_identity(self) -> None:
        kplus.ServiceAccount(
            self,
            "service-account",
            metadata=cdk8s.ApiObjectMetadata(name=self.name, namespace=self.namespace.name, labels=dict(self.labels)),
            automount_token=False,  # containers that need the token mount it themselves
        )

    def _make_services(self, sticky: bool) -> None:
        def spec(**more: Any) -> dict[str, Any]:
            ports = [
                {"name": p.name, "port": p.number, "targetPort": p.name, "protocol": p.transport.value}
                for p in self._ports.values()
            ]
            return {"spec": {"selector": dict(self.pods.labels), "ports": ports, **more}}

        affinity = {"sessionAffinity": "ClientIP"} if sticky else {}
        self._manifest("service", "v1", "Service", lambda: spec(**affinity))
        self._manifest(
            "headless-service",
            "v1",
            "Service",
            # The pods' own names must resolve before they are ready, or members would not find each other at the start.
            lambda: spec(clusterIP="None", publishNotReadyAddresses=True),
            suffix="-headless",
        )

    def _make_budget(self) -> None:
        if self._workload.replicas < 2:
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

    def _make_workload(self) -> None:
        workload = self._workload

        def body() -> Mapping[str, Any]:
            return {
                "spec": {
                    "replicas": workload.replicas,
                    "serviceName": f"{self.name}-headless",
                    "podManagementPolicy": "Parallel",
                    "selector": {"matchLabels": dict(self.pods.labels)},
                    "template": {"metadata": {"labels": dict(self.labels)}, "spec": self._pod()},
                    "volumeClaimTemplates": [
                        {
                            "metadata": {"name": "data", "labels": dict(self.pods.labels)},
                            "spec": workload.volume.to_dict(),
                        }
                    ],
                }
            }

        self._manifest("workload", "apps/v1", "StatefulSet", body)

    def _pod(self) -> dict[str, Any]:
        if not self._containers:
            raise ConstructError(f"{self.name} has no container: add one")
        containers = self._containers.values()
        sources = {mount.source.name: mount.source for container in containers for mount in container.mounts}
        user = self._workload.user
        return {
            "serviceAccountName": self.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": whole_seconds(self._workload.stop_within),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",  # else every start walks through the whole volume
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **self._spread(),
            **self._placement.to_dict(),
            "containers": [container.to_dict(self.namespace.cluster.registry) for container in containers],
            "volumes": [volume for source in sources.values() if (volume := source.to_dict()) is not None],
        }

    def _spread(self) -> dict[str, Any]:
        """Replicas never share a node, and rarely a zone: a volume may be bound to the only zone that is left."""
        if self._workload.replicas < 2:
            return {}
        return {
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    "whenUnsatisfiable": when,
                    "labelSelector": {"matchLabels": dict(self.pods.labels)},
                }
                for key, when in (
                    ("kubernetes.io/hostname", "DoNotSchedule"),
                    ("topology.kubernetes.io/zone", "ScheduleAnyway"),
                )
            ]
        }
