"""What a component's pod is made of: containers with their probes, resources and variables.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Cluster, Port
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube.volumes import Mount
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


@dataclass(frozen=True, slots=True)
class FieldOfPod:
    """A variable's value that the pod itself knows (downward API), such as `metadata.name`."""

    path: str

    def to_dict(self) -> dict[str, Any]:
        return {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": self.path}}}


@dataclass(frozen=True, slots=True)
class Text:
    """A variable's value that is no secret."""

    value: str

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value}


@dataclass(frozen=True, slots=True)
class OfSecret:
    """A variable's value out of a Secret, for programs that read no file; it is fixed when the container starts."""

    key: SecretKey

    def to_dict(self) -> dict[str, Any]:
        return {"valueFrom": {"secretKeyRef": {"name": self.key.secret, "key": self.key.key}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a component's pod; it writes nowhere but on its mounts and has no capability.

    Args:
        name: Within the pod.
        image: What runs.
        command: In place of the image's entry point.
        args: Of the command, or of the entry point.
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
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    environment: Mapping[str, FieldOfPod | Text | OfSecret] = field(default_factory=dict)
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
            "command": list(self.command),
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

    def to_dict(self, also: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """What it adds to a pod.

        Args:
            also: Tolerations that every pod of the workload has.
        """
        tolerations = [
            *({"key": key, "operator": "Exists", "effect": effect} for key, effect in self.tolerations),
            *map(dict, also),
        ]
        return {
            **({"nodeSelector": dict(self.node_labels)} if self.node_labels else {}),
            **({"tolerations": tolerations} if tolerations else {}),
            **({"priorityClassName": self.priority_class} if self.priority_class else {}),
        }
