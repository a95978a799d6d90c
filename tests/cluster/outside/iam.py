"""What versitygw's IAM tells those who serve requests, as its own S3 asks it: keys of signatures, and what is allowed.

Source: https://github.com/versity/versitygw/blob/v1.8.0/iamapi/private/types.go
"""

import base64
import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.outside.client import PATIENCE
from tests.cluster.outside.signature import Credentials, Scope, signed

REGION = "us-east-1"  # by which it is asked, whatever its own is
PROTOCOL = {"X-Vgw-Private-Protocol": "1", "Content-Type": "application/json"}
UNKNOWN = {"NoSuchIdentity", "InvalidToken"}  # of whom it is asked about


class Iam:
    """A client.

    Args:
        path: Of the socket.
        root: Who alone may ask.
    """

    def __init__(self, path: str, root: Credentials) -> None:
        self._path, self._root = path, root

    def key(self, access_key: str, token: str, scope: Scope) -> bytes | None:
        """By which a user or a session signs; None for nobody, and for a session with another token than its own."""
        asked = {"date": scope.day, "region": scope.region, "service": scope.service}
        answer = self._ask("derive-signing-key", access_key, token, asked)
        return base64.b64decode(answer["derivedKey"]) if answer else None

    def allows(
        self, access_key: str, token: str, action: str, resource: str, conditions: Mapping[str, str] = {}
    ) -> bool:
        """Whether the policies of a user, or of the role of a session, allow it, and none of them denies it.

        Args:
            conditions: By key, what they may have conditions on; what is said of who asks, IAM knows by itself.
        """
        about = {"actions": [action], "resources": [resource]}
        condition = {key: [value] for key, value in conditions.items()}
        answer = self._ask("evaluate-policy", access_key, token, {**about, "condition": condition})
        if answer is None or answer.get("hasSessionPolicy"):
            return False
        return bool(answer["decisions"] == [["allow"]])

    def _ask(self, what: str, access_key: str, token: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        path = f"/private/{what}"
        body = json.dumps({"accessKeyId": access_key, "sessionToken": token, **asked}).encode()
        headers = signed(self._root, "POST", f"http://unix{path}", body, service="iam", region=REGION)
        connection = _Connection(self._path)
        try:
            connection.request("POST", path, body, headers | PROTOCOL)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        found: dict[str, Any] = json.loads(text)
        if answer.status == 200:
            return found
        if found.get("code") in UNKNOWN:
            return None
        raise ClusterError(f"IAM answers {what} with {answer.status}: {text}")


class _Connection(HTTPConnection):
    """To a socket of this machine."""

    def __init__(self, path: str) -> None:
        self._path = path
        super().__init__("unix", timeout=PATIENCE)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
