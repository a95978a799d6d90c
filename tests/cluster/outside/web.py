"""The services outside that speak HTTP."""

import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from tests.cluster.outside.record import Received
from tests.cluster.outside.services import Answer, Mailbox

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
        server = cast("Server", self.server)
        host = self.headers.get("Host", "").partition(":")[0]
        fault = server.record.fault(host)
        answer = self._answer(host, body) if fault is None else Answer(fault, "this host fails just now")
        headers = dict(self.headers)
        server.record.add(Received(host=host, path=self.path, body=body, status=answer.status, headers=headers))
        self._say(answer)

    def _answer(self, host: str, body: Any) -> Answer:
        services = [each for each in cast("Server", self.server).services if not isinstance(each, Mailbox)]
        answers = [service.answer(self.path, body) for service in services if service.host == host]
        return min(answers, key=lambda answer: answer.status, default=Answer(421, f"nobody serves {host} here"))

    def _say(self, answer: Answer) -> None:
        if isinstance(answer.body, str):
            kind, content = "text/plain; charset=utf-8", answer.body.encode()
        else:
            kind, content = "application/json", json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
