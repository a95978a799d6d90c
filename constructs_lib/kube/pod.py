"""What a component's pod is made of: containers with their probes, resources and mounts.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from constructs_lib.config.prometheus import SERVICE_ACCOUNT
from constructs_lib.contract import Cluster, Port
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.units import Bytes, Cpu, whole_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container is promised, and how far it may go beyond.

    Args:
        cpu: Promised.
        memory: Promised.
        cpu_burst: The limit of processor time, as a multiple of what is promised.
        memory_headroom: The limit of memory, likewise; above it the container is killed.
    Raises:
        ConstructError: a limit below what is promised.
    """

    cpu: Cpu
    memory: Bytes
    cpu_burst: float = 4.0
    memory_headroom: float = 2.0

    def __post_init__(self) -> None:
        for name in ("cpu_burst", "memory_headroom"):
            if getattr(self, name) < 1:
                raise ConstructError(
                    f"{name} is {getattr(self, name)}, which puts the limit below the request: use 1 or more"
                )

    @property
    def cpu_limit(self) -> Cpu:
        return Cpu(round(self.cpu.millis * self.cpu_burst))

    @property
    def memory_limit(self) -> Bytes:
        return self.memory.scaled(self.memory_headroom)

    def to_dict(self) -> dict[str, Any]:
        return {
            "requests": {"cpu": self.cpu.kubernetes(), "memory": self.memory.kubernetes()},
            "limits": {"cpu": self.cpu_limit.kubernetes(), "memory": self.memory_limit.kubernetes()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question by HTTP that tells how a container is.

    Args:
        path: Answers 200 when all is well.
        port: Where.
        period: Between two questions.
        timeout: Of one question.
        failures: In a row until it counts.
    """

    path: str
    port: Port
    period: timedelta
    timeout: timedelta = timedelta(seconds=3)
    failures: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "httpGet": {"path": self.path, "port": self.port.name, "scheme": "HTTP"},
            "periodSeconds": whole_seconds(self.period),
            "timeoutSeconds": whole_seconds(self.timeout),
            "failureThreshold": self.failures,
        }


class VolumeSource(Protocol):
    """What can be mounted."""

    @property
    def name(self) -> str:
        """Of the volume within its pod."""

    def to_dict(self) -> Mapping[str, Any] | None:
        """The pod's volume; None where the workload's claim provides it."""


@dataclass(frozen=True, slots=True)
class ConfigMapFiles:
    """All files of a ConfigMap, as a directory: a single file (subPath) would never be refreshed."""

    name: str
    config_map: str

    def to_dict(self) -> Mapping[str, Any]:
        return {"name": self.name, "configMap": {"name": self.config_map}}


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """What a client of the API server needs: a token of the pod's service account that is renewed, and the authority.

    Only the containers that mount it can act as the service account; nothing mounts it by itself.
    Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
    """

    name: str = "api-access"

    def to_dict(self) -> Mapping[str, Any]:
        sources = [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        ]
        return {"name": self.name, "projected": {"sources": sources}}


@dataclass(frozen=True, slots=True)
class Claimed:
    """The persistent volume that the workload claims for each of its pods."""

    name: str = "data"

    def to_dict(self) -> None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a container sees a volume."""

    source: VolumeSource
    path: str
    read_only: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.source.name, "mountPath": self.path, **({"readOnly": True} if self.read_only else {})}


API_ACCESS = Mount(source=ApiAccess(), path=SERVICE_ACCOUNT)


@dataclass(frozen=True, slots=True)
class FieldOfPod:
    """A variable's value that the pod itself knows (downward API), such as `metadata.name`."""

    path: str

    def to_dict(self) -> dict[str, Any]:
        return {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": self.path}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a component's pod; it writes nowhere but on its mounts and has no capability.

    Args:
        name: Within the pod.
        image: What runs.
        args: Of the image's entry point.
        ports: Where it listens.
        environment: Variables, by name.
        mounts: What it sees of volumes.
        resources: What it is promised and may use.
        startup: Until this succeeds, the other probes wait.
        readiness: While this fails, no Service sends requests.
        liveness: When this fails, the container is restarted.
    """

    name: str
    image: Image
    args: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, FieldOfPod] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    resources: Resources
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None

    def to_dict(self, cluster: Cluster) -> dict[str, Any]:
        ports = [{"name": p.name, "containerPort": p.number, "protocol": p.transport.value} for p in self.ports]
        environment = [{"name": name, **value.to_dict()} for name, value in self.environment.items()]
        probes = {"startupProbe": self.startup, "readinessProbe": self.readiness, "livenessProbe": self.liveness}
        body: dict[str, Any] = {
            "name": self.name,
            "image": cluster.image(self.image).reference(cluster.registry),
            "args": list(self.args),
            "env": environment,
            "ports": ports,
            "volumeMounts": [mount.to_dict() for mount in self.mounts],
            **{name: probe.to_dict() for name, probe in probes.items() if probe},
            "resources": self.resources.to_dict(),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        return {key: value for key, value in body.items() if value != []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """On which nodes a component may run.

    Args:
        node_labels: That a node must carry.
        tolerations: Taints, by key and effect, that do not keep it away.
        priority_class: Who gives way when nodes are full; it must exist.
    """

    node_labels: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[tuple[str, str], ...] = ()
    priority_class: str | None = None

    def to_dict(self) -> dict[str, Any]:
        tolerations = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in self.tolerations]
        return {
            **({"nodeSelector": dict(self.node_labels)} if self.node_labels else {}),
            **({"tolerations": tolerations} if tolerations else {}),
            **({"priorityClassName": self.priority_class} if self.priority_class else {}),
        }
