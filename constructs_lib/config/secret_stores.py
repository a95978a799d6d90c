"""Stores of secrets outside the cluster, as the External Secrets Operator knows them: which one, and where in it."""

from dataclasses import dataclass

from constructs_lib.errors import ConstructError
from constructs_lib.names import object_name


@dataclass(frozen=True, slots=True)
class ClusterSecretStore:
    """A store of secrets that all namespaces may ask.

    Args:
        name: It exists.
    Raises:
        ConstructError: a name that is none.
    Source: https://external-secrets.io/latest/api/clustersecretstore/
    """

    name: str

    def __post_init__(self) -> None:
        object_name(self.name, of="a ClusterSecretStore")

    def to_dict(self) -> dict[str, str]:
        return {"kind": "ClusterSecretStore", "name": self.name}


@dataclass(frozen=True, slots=True)
class SecretStore:
    """A store of secrets that its own namespace alone may ask.

    Args:
        name: It exists, in the namespace of the Secret.
    Raises:
        ConstructError: a name that is none.
    Source: https://external-secrets.io/latest/api/secretstore/
    """

    name: str

    def __post_init__(self) -> None:
        object_name(self.name, of="a SecretStore")

    def to_dict(self) -> dict[str, str]:
        return {"kind": "SecretStore", "name": self.name}


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a store has a value.

    Args:
        key: As the store names it, such as `monitoring/prod/grafana`.
        property: Of the JSON that is there; all that is there when absent.
    Raises:
        ConstructError: an empty one, or one in blanks, which no store would find.
    Source: https://external-secrets.io/latest/guides/all-keys-one-secret/
    """

    key: str
    property: str | None = None

    def __post_init__(self) -> None:
        for kind, text in (("key", self.key), ("property", self.property)):
            if text is not None and (not text or text != text.strip()):
                raise ConstructError(
                    f"{text!r} cannot be a {kind} of a store of secrets: use text without blanks around"
                )

    def to_dict(self) -> dict[str, str]:
        return {"key": self.key, **({"property": self.property} if self.property else {})}
