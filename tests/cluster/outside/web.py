"""The services outside that speak HTTP."""

import json
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from tests.cluster.outside.record import Received
from tests.cluster.outside.services import Answer, Mailbox, Service, Site

if TYPE_CHECKING:
    from tests.cluster.outside.servers import Server


class WebHandler(BaseHTTPRequestHandler):
    """One connection, with one request after the other."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        receivers = [each for each in self._services() if not isinstance(each, Mailbox | Site)]
        answer = self._best(receiver.answer(self.path, body) for receiver in receivers)
        headers = dict(self.headers)
        received = Received(host=self._host, path=self.path, body=body, status=answer.status, headers=headers)
        self._server.record.add(received)
        self._say(answer)

    def do_GET(self) -> None:
        """What people open; nobody is sent anything by it, so it is not written down."""
        self._say(self._best(each.page() for each in self._services() if isinstance(each, Site)))

    @property
    def _server(self) -> "Server":
        return cast("Server", self.server)

    @property
    def _host(self) -> str:
        return self.headers.get("Host", "").partition(":")[0]

    def _services(self) -> Iterator[Service]:
        return (each for each in self._server.services if each.host == self._host)

    def _best(self, answers: Iterable[Answer]) -> Answer:
        fault = self._server.record.fault(self._host)
        if fault is not None:
            return Answer(fault, "this host fails just now")
        nobody = Answer(421, f"nobody serves {self._host} here")
        return min(answers, key=lambda answer: answer.status, default=nobody)

    def _say(self, answer: Answer) -> None:
        if isinstance(answer.body, str):
            kind, content = "text/plain; charset=utf-8", answer.body.encode()
        else:
            kind, content = "application/json", json.dumps(answer.body).encode()
        self.send_response(answer.status)
        if answer.location:
            self.send_header("Location", answer.location)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
