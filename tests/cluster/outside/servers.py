"""Servers of the processes outside."""

import ssl
from socket import socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

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


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
