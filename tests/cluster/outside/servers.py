"""Servers of the processes outside."""

import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPMessage
from http.server import BaseHTTPRequestHandler
from socket import socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any, ClassVar

from tests.cluster.outside.record import Record
from tests.cluster.outside.services import Service

PATIENCE = 60  # seconds that a client may be silent


class Server(ThreadingTCPServer):
    """Accepts connections, and hands each with all that it needs to a handler in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseRequestHandler], tls: ssl.SSLContext, record: Record
    ) -> None:
        self.tls, self.record = tls, record
        self.services: list[Service] = []
        self.hosts: dict[str, str] = {}  # by address
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket, Any]:
        connection, client = super().get_request()
        connection.settimeout(PATIENCE)
        return connection, client


class WebServer(Server):
    """Speaks TLS from the first byte."""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            secure = self.tls.wrap_socket(request, server_side=True)
        except OSError as error:  # it does not trust us, or only looked whether the port is open
            print(f"no TLS with {client_address[0]}: {error}", flush=True)  # noqa: T201 - the process's log
            request.close()
            return
        super().process_request_thread(secure, client_address)


class HandingOn(BaseHTTPRequestHandler):
    """One connection, with one request after the other, and one to a store for it.

    Attributes:
        store: Host and port of the store, on the same machine.
    """

    store: ClassVar[tuple[str, int]]
    protocol_version = "HTTP/1.1"
    timeout = 10 * PATIENCE  # seconds: longer than clients keep a connection that nobody uses
    wbufsize = -1  # else the second packet of an answer would wait for the client to acknowledge the first one

    def setup(self) -> None:
        super().setup()
        self._store = HTTPConnection(*self.store, timeout=PATIENCE)

    def finish(self) -> None:
        self._store.close()
        super().finish()

    def handed_on(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, HTTPMessage, bytes]:
        """Status, headers and body of the store's answer to a request.

        Raises:
            HTTPException: it does not answer.
            OSError: likewise.
        """
        try:
            self._store.request(self.command, self.path, body or None, headers)
            answer = self._store.getresponse()
            return answer.status, answer.headers, answer.read()
        except (HTTPException, OSError):
            self._store.close()  # the next request opens it again
            raise


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
