"""What a container sees of files: configuration, credentials, its own volume, the node's.

Source: https://kubernetes.io/docs/concepts/storage/volumes/
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from constructs_lib.config.prometheus import SERVICE_ACCOUNT
from constructs_lib.config.secrets import SecretKey


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


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """Keys of Secrets as files `<secret>/<key>`, brought up to date when a Secret changes.

    A pod starts only when all of them are there: a missing credential stops the release, not the notification.

    Args:
        name: Of the volume.
        keys: Asked when the chart is rendered.
    """

    name: str
    keys: Callable[[], Sequence[SecretKey]]

    def to_dict(self) -> Mapping[str, Any]:
        secrets: dict[str, list[str]] = {}
        for each in sorted(set(self.keys())):
            secrets.setdefault(each.secret, []).append(each.key)
        sources = [
            {"secret": {"name": secret, "items": [{"key": key, "path": f"{secret}/{key}"} for key in keys]}}
            for secret, keys in secrets.items()
        ]
        return {"name": self.name, "projected": {"sources": sources}}


@dataclass(frozen=True, slots=True)
class HostPath:
    """A directory of the node; only a namespace that enforces `privileged` admits it."""

    name: str
    path: str

    def to_dict(self) -> Mapping[str, Any]:
        return {"name": self.name, "hostPath": {"path": self.path, "type": "Directory"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """Where a container sees a volume.

    Args:
        source: What it sees.
        path: Where.
        read_only: Whether it may not write there.
        follow_host: Whether it sees what is mounted on the node below a directory later, too.
    """

    source: VolumeSource
    path: str
    read_only: bool = True
    follow_host: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.source.name,
            "mountPath": self.path,
            **({"readOnly": True} if self.read_only else {}),
            **({"mountPropagation": "HostToContainer"} if self.follow_host else {}),
        }


API_ACCESS = Mount(source=ApiAccess(), path=SERVICE_ACCOUNT)
