"""A server that answers what it is told to, in place of a Prometheus, and how that is encoded."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from constructs_lib.agent.prometheus import Prometheus

METRICS = "/metrics"
BLOCKS, READ, QUIT, READY = "/api/v1/status/tsdb/blocks", "/api/v1/read", "/-/quit", "/-/ready"
SOON = timedelta(seconds=2)


class Answering(ThreadingHTTPServer):
    """A server that answers each path by what it is told to: a status, and pieces of a body, one after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, bytes]]] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def client(self) -> Prometheus:
        return Prometheus(f"127.0.0.1:{self.server_port}", patience=SOON, starting=SOON)


class Handler(BaseHTTPRequestHandler):
    """The last of several answers stands."""

    server: Answering

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body))
        answers = self.server.answers[self.path]
        status, said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer  # noqa: N815


@contextmanager
def answering(**answers: list[tuple[int, bytes]]) -> Iterator[Answering]:
    with Answering() as server:
        server.answers |= {READ: answers.get("read", []), BLOCKS: answers.get("blocks", [])}
        server.answers |= {READY: answers.get("ready", []), QUIT: answers.get("quit", [])}
        server.answers |= {METRICS: answers.get("metrics", [])}
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def varint(number: int) -> bytes:
    """As protobuf writes it."""
    number %= 2**64
    more = number >> 7
    return bytes([number & 0x7F | (0x80 if more else 0)]) + (varint(more) if more else b"")


def text(number: int, data: bytes) -> bytes:
    """A field of some length."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number: int, value: int) -> bytes:
    """A field of a number, which is left out where that is 0."""
    return varint(number << 3) + varint(value) if value else b""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some samples of a series, as a block has them.

    Args:
        samples: How many.
        begin: Of the first one, in milliseconds since 1970.
        rest: What follows their number, whatever it is.
        kind: 1 of floats, 2 and 3 of histograms.
    """

    samples: int = 120
    begin: int = 1_700_000_000_000
    rest: bytes = b"\x12\x0a\x22"
    kind: int = 1

    def encoded(self) -> bytes:
        data = struct.pack(">H", self.samples) + self.rest
        times = whole(1, self.begin) + whole(2, self.begin + 60_000)
        return text(2, times + whole(3, self.kind) + text(4, data))


@dataclass(frozen=True, slots=True)
class Part:
    """What one frame has of a series.

    Args:
        labels: By name.
        chunks: In the order of their times.
    """

    labels: dict[str, str]
    chunks: list[Chunk] = field(default_factory=lambda: [Chunk()])

    def frame(self) -> bytes:
        labels = [
            text(1, text(1, name.encode()) + text(2, value.encode())) for name, value in sorted(self.labels.items())
        ]
        series = b"".join((*labels, *(chunk.encoded() for chunk in self.chunks)))
        body = text(1, series)
        return varint(len(body)) + b"\xde\xad\xbe\xef" + body
