"""What is in front of OpenSearch: `python -m tests.cluster.outside.search_proxy CONFIGURATION`.

It speaks TLS, asks for a password, fails when tests want it, and lets indices look older than they are: OpenSearch
takes no time of creation from anybody.
"""

import json
import sys
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from tests.cluster.outside.files import Numbers
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import HandingOn, WebServer, context
from tests.cluster.outside.services import WEB_PORT

STORE = ("127.0.0.1", 9200)
BULK, EVERYTHING = "/_bulk", "/"  # what may fail: paths that end, or begin, like this
AGED = "aged.json"  # name of an index -> milliseconds that it looks older
# Of one connection, and so not handed on; and what would let the store compress what is read here.
OWN = {
    *("connection", "keep-alive", "transfer-encoding", "content-length", "host", "authorization"),
    *("accept-encoding", "expect"),
}


class Proxy(WebServer):
    """Hands on what the one user asks."""

    def __init__(self, configuration: Path) -> None:
        given = json.loads(configuration.read_text())
        self._aged = Numbers(configuration.with_name(AGED))
        self.authorization: str = given["authorization"]
        tls = context(given["certificate"], given["key"])
        super().__init__(("", WEB_PORT), Handler, tls, Record(configuration.parent))

    def fault(self, path: str) -> int | None:
        """The status with which a request has to fail just now."""
        bulk = self.record.fault(BULK) if urlsplit(path).path.endswith(BULK) else None
        return bulk or self.record.fault(EVERYTHING)

    def aged(self, content: bytes) -> bytes:
        """An answer in which indices are as old as tests want them to be."""
        ages = self._aged.read()
        try:
            document = json.loads(content) if ages else None
        except ValueError:
            document = None
        if not isinstance(document, dict) or not ages.keys() & document.keys():
            return content
        for name in ages.keys() & document.keys():
            settings: dict[str, Any] = document[name].get("settings", {})
            # The second with `flat_settings`.
            for place, key in ((settings.get("index", {}), "creation_date"), (settings, "index.creation_date")):
                if key in place:
                    place[key] = str(int(place[key]) - ages[name])
        return json.dumps(document).encode()


class Handler(HandingOn):
    """What the proxy says."""

    store = STORE

    def do_GET(self) -> None:  # noqa: N802 - as below
        proxy, body = cast("Proxy", self.server), self._body()
        if self.headers.get("Authorization") != proxy.authorization:
            self._refuse(401, "the user or the password is wrong")
        elif fault := proxy.fault(self.path):
            self._refuse(fault, "the store fails just now")
        else:
            try:
                asked = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
                status, headers, content = self.handed_on(body, asked)
            except (HTTPException, OSError) as error:
                self._refuse(502, f"the store does not answer: {error!r}")
            else:
                self._say(status, headers, proxy.aged(content) if self.command == "GET" else content)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base class asks for these names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # fields after the last chunk, and the empty line
            pass
        return b"".join(chunks)

    def _refuse(self, status: int, reason: str) -> None:
        headers = HTTPMessage()
        headers["Content-Type"] = "application/json"
        if status == 401:
            headers["WWW-Authenticate"] = "Basic"
        self._say(status, headers, json.dumps({"error": {"reason": reason}, "status": status}).encode())

    def _say(self, status: int, headers: HTTPMessage, content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in OWN:
                self.send_header(name, value)
        # What is asked by HEAD has the length of a body that does not come.
        self.send_header("Content-Length", str(len(content) or headers.get("Content-Length", 0)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


if __name__ == "__main__":
    Proxy(Path(sys.argv[1])).serve_forever()
