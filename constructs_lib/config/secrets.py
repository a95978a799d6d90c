"""References to credentials: which Secret, and which of its keys; never the credential itself."""

import re
from dataclasses import dataclass

from constructs_lib.errors import ConstructError
from constructs_lib.names import object_name


@dataclass(frozen=True, slots=True, order=True)
class SecretKey:
    """One key of a Secret that exists in the namespace of whoever needs it.

    Args:
        secret: Name of the Secret.
        key: Within it: letters, digits, dashes, underscores and dots.
    Raises:
        ConstructError: a name that Kubernetes refuses.
    Source: https://kubernetes.io/docs/concepts/configuration/secret/
    """

    secret: str
    key: str

    def __post_init__(self) -> None:
        object_name(self.secret, of="a Secret")
        if not re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", self.key) or self.key in {".", ".."}:
            raise ConstructError(
                f"{self.key!r} cannot be a key of the Secret {self.secret}: use letters, digits, dashes and dots"
            )

    def path_below(self, directory: str) -> str:
        """Where a container finds it that mounts its credentials as a directory."""
        return f"{directory}/{self.secret}/{self.key}"
