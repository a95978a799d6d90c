"""A client for where no DNS knows the names outside."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from tests.cluster.outside.services import WEB_PORT

PATIENCE = 10  # seconds
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Connection(http.client.HTTPSConnection):
    """To a host at an address, whose certificate is verified.

    Args:
        authority: Path of the certificate of its authority.
    """

    def __init__(self, host: str, address: str, authority: str) -> None:
        self._address, self._trust = address, ssl.create_default_context(cafile=authority)
        super().__init__(host)

    def connect(self) -> None:
        plain = socket.create_connection((self._address, WEB_PORT), PATIENCE)
        self.sock: Any = self._trust.wrap_socket(plain, server_hostname=self.host)


def ask(
    host: str,
    address: str,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str],
    authority: str,
) -> tuple[int, str]:
    """Status and body of the answer of a host at an address, whose certificate is verified.

    Args:
        authority: Path of the certificate of its authority.
    """
    connection = Connection(host, address, authority)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
