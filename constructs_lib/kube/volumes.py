"""What a container sees of files: configuration, credentials, its own volume, the node's.

Source: https://kubernetes.io/docs/concepts/storage/volumes/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from constructs_lib.config.prometheus import SERVICE_ACCOUNT
from constructs_lib.errors import ConstructError
from constructs_lib.kube.storage import Volume
from constructs_lib.units import Bytes


class VolumeSource(Protocol):
    """What can be mounted."""

    @property
    def name(self) -> str:
        """Of the volume within its pod."""

    def to_dict(self) -> Mapping[str, Any] | None:
        """The pod's volume; None where the workload's claim provides it."""


@dataclass(frozen=True, slots=True)
class ConfigMapFiles:
    """All files of a ConfigMap, as a directory: a single file (subPath) would never be refreshed.

    Args:
        name: Of the volume within its pod.
        config_map: Which one.
        optional: Whether a pod starts without it; else it waits.
    """

    name: str
    config_map: str
    optional: bool = False

    def to_dict(self) -> Mapping[str, Any]:
        source = {"name": self.config_map, **({"optional": True} if self.optional else {})}
        return {"name": self.name, "configMap": source}


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


@dataclass(frozen=True, slots=True)
class Scratch:
    """A directory on the node that begins empty and ends with its pod; `kubectl drain` does not end such a pod.

    Args:
        name: Of the volume within its pod.
        limit: Of what is in it: a pod that exceeds it is evicted.
    Source: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
    """

    name: str
    limit: Bytes

    def to_dict(self) -> Mapping[str, Any]:
        return {"name": self.name, "emptyDir": {"sizeLimit": self.limit.kubernetes()}}


@dataclass(frozen=True, slots=True)
class ThrownAway:
    """A persistent volume that is made for one pod, and goes with it: for more than a node's disk has.

    A pod that has ended, and is still there, still has it.

    Args:
        volume: What is claimed; of a class that keeps no volumes, or each pod leaves one behind.
        name: Of the volume within its pod; the claim is called by the pod's name and this one.
    Source: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
    """

    volume: Volume
    name: str = "data"

    def to_dict(self) -> Mapping[str, Any]:
        return {"name": self.name, "ephemeral": {"volumeClaimTemplate": {"spec": self.volume.to_dict()}}}


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Keys of a Secret as files, brought up to date when it changes: a key that comes later changes no pod.

    Args:
        secret: Which one.
        optional: Whether a pod starts without it, or without one of `keys`; else it waits, and a drain may end in a pod
            that never starts.
        keys: Which of them; all when empty.
    """

    secret: str
    optional: bool = False
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"secret-{self.secret}".replace(".", "-")[:63].rstrip("-")

    def to_dict(self) -> Mapping[str, Any]:
        items = [{"key": key, "path": key} for key in self.keys]
        optional = {"optional": True} if self.optional else {}
        return {
            "name": self.name,
            "secret": {"secretName": self.secret, **({"items": items} if items else {}), **optional},
        }


@dataclass(frozen=True, slots=True)
class HostPath:
    """A directory of the node; only a namespace that enforces `privileged` admits it.

    Args:
        name: Of the volume within its pod.
        path: On the node.
        create: Whether it is made where it is missing; else the pod waits for it.
    """

    name: str
    path: str
    create: bool = False

    def to_dict(self) -> Mapping[str, Any]:
        kind = "DirectoryOrCreate" if self.create else "Directory"
        return {"name": self.name, "hostPath": {"path": self.path, "type": kind}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a container sees a volume.

    Args:
        source: What it sees.
        path: Where.
        sub_path: The one directory of the volume that it sees; all of the volume when absent.
        read_only: Whether it may not write there.
        follow_host: Whether it sees what is mounted on the node below a directory later, too.
    Raises:
        ConstructError: a part of files that are brought up to date, since that part would not be.
    Source: https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
    """

    source: VolumeSource
    path: str
    sub_path: str | None = None
    read_only: bool = True
    follow_host: bool = False

    def __post_init__(self) -> None:
        if self.sub_path is not None and isinstance(self.source, ConfigMapFiles | SecretFiles | ApiAccess):
            raise ConstructError(
                f"the mount at {self.path} takes {self.sub_path!r} alone out of {self.source.name}, and would never "
                "see a change: leave sub_path out"
            )

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.source.name,
            "mountPath": self.path,
            **({"subPath": self.sub_path} if self.sub_path is not None else {}),
            **({"readOnly": True} if self.read_only else {}),
            **({"mountPropagation": "HostToContainer"} if self.follow_host else {}),
        }


API_ACCESS = Mount(source=ApiAccess(), path=SERVICE_ACCOUNT)
