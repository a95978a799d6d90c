"""The process that runs the services outside: `python -m tests.cluster.outside.receivers CONFIGURATION`."""

import json
import ssl
import sys
import threading
from pathlib import Path
from socket import socket
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from tests.cluster.outside.mail import MailHandler
from tests.cluster.outside.record import Record
from tests.cluster.outside.services import KINDS, MAIL_PORT, WEB_PORT, Mailbox, Service
from tests.cluster.outside.web import WebHandler

PATIENCE = 60  # seconds that a client may be silent


class Server(ThreadingTCPServer):
    """Accepts connections, and hands each with all that it needs to a handler in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseRequestHandler], tls: ssl.SSLContext, record: Record) -> None:
        self.tls, self.record = tls, record
        self.services: list[Service] = []
        self.hosts: dict[str, str] = {}  # by address
        super().__init__(("", port), handler)

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


def main(configuration: Path) -> None:
    """Serve until the machine ends."""
    given = json.loads(configuration.read_text())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(given["certificate"], given["key"])
    record = Record(configuration.parent)
    services = [KINDS[each.pop("kind")](**each) for each in given["services"]]
    web, mail = WebServer(WEB_PORT, WebHandler, tls, record), Server(MAIL_PORT, MailHandler, tls, record)
    for server in (web, mail):
        server.services = [service for service in services if isinstance(service, Mailbox) == (server is mail)]
        server.hosts = given["hosts"]
    threading.Thread(target=mail.serve_forever, daemon=True).start()
    web.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
