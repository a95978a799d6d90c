"""A server that lists and watches namespaces and ConfigMaps as the API server does, and says no where it is told to.

It takes Events, each name once.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

Document = dict[str, Any]


class ApiServer:
    """What there is, by path, and every change of it in its order."""

    def __init__(self) -> None:
        self.url = ""
        self.forbidden: set[str] = set()
        self.events: dict[str, Document] = {}
        self._objects: dict[str, dict[str, Document]] = {}
        self._changes: list[tuple[str, str, Document]] = []
        self._changed = threading.Condition()
        self.ended = False

    def put(self, path: str, metadata: Document, **body: Any) -> None:
        """Make an object, or change it."""
        with self._changed:
            found = self._objects.setdefault(path, {})
            kind = "MODIFIED" if metadata["name"] in found else "ADDED"
            self._happens(path, kind, {"metadata": metadata, **body})
            found[metadata["name"]] = self._changes[-1][2]

    def delete(self, path: str, name: str) -> None:
        """Take an object away."""
        with self._changed:
            self._happens(path, "DELETED", self._objects[path].pop(name))

    def _happens(self, path: str, kind: str, document: Document) -> None:
        version = str(len(self._changes) + 1)
        document = {**document, "metadata": {**document["metadata"], "uid": "uid", "resourceVersion": version}}
        self._changes.append((path, kind, document))
        self._changed.notify_all()

    def listed(self, path: str, selector: str = "") -> Document:
        """The answer to a list."""
        with self._changed:
            items = [each for each in self._objects.get(path, {}).values() if selected(each, selector)]
            return {"items": items, "metadata": {"resourceVersion": str(len(self._changes))}}

    def watched(self, path: str, version: int, selector: str = "") -> Iterator[Document]:
        """The answer to a watch, until the server ends."""
        while True:
            with self._changed:
                while not self.ended and len(self._changes) == version:
                    self._changed.wait()
                if self.ended:
                    return
                changes, version = self._changes[version:], len(self._changes)
            yield from (
                {"type": kind, "object": document}
                for of, kind, document in changes
                if of == path and selected(document, selector)
            )

    def end(self) -> None:
        """Let every watch end."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()


def selected(document: Document, selector: str) -> bool:
    """Whether an object's labels are as a selector demands, of keys that are there, equal or not equal."""
    labels = document["metadata"].get("labels", {})
    for demand in filter(None, selector.split(",")):
        key, unequal, value = demand.partition("!=")
        if not unequal:
            key, equal, value = demand.partition("=")
        if unequal and labels.get(key) == value:
            return False
        if not unequal and (labels.get(key) != value if equal else key not in labels):
            return False
    return True


@contextmanager
def serving() -> Iterator[ApiServer]:
    """A server on a free port of loopback."""
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlparse(self.path)
            query = parse_qs(url.query)
            if url.path in api.forbidden:
                self.send_error(403)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            (selector,) = query.get("labelSelector", [""])
            watched = api.watched(url.path, int(query["resourceVersion"][0]), selector) if "watch" in query else None
            for document in [api.listed(url.path, selector)] if watched is None else watched:
                line = json.dumps(document).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            new = api.events.setdefault(event["metadata"]["name"], event) is event
            body = json.dumps(event).encode()
            self.send_response(201 if new else 409)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api.url = f"http://127.0.0.1:{server.server_port}"
        yield api
        api.end()
        server.shutdown()


@contextmanager
def threads_end(api: ApiServer, stop: Callable[[], None]) -> Iterator[None]:
    """Whoever watches is stopped in the end, and its threads with it: in what is left of a process, they abort it."""
    before = set(threading.enumerate())
    yield
    stop()
    api.end()
    until = time.monotonic() + 30
    # Those of the server wait for another request of the client. Others may just be on their way.
    while left := {each.name for each in set(threading.enumerate()) - before if "process_request" not in each.name}:
        assert time.monotonic() < until, left
        time.sleep(0.01)
