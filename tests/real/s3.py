"""S3 on loopback: versitygw, and a proxy before it that counts what passes and harms it when it is told to."""

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.cluster.programs import built
from tests.real.loopback import free_port, soon

ACCESS, SECRET = "AKIAIOSFODNN7EXAMPLE", "of-loopback-alone"
REGION, BUCKET = "us-east-1", "backup"
AT_ONCE = 64 * 1024


class Harm(StrEnum):
    """What happens to one request, or to its answer."""

    FAILED = "answered 500, without the store"
    SLOW_DOWN = "answered 503, without the store"
    UNANSWERED = "never answered"
    CUT = "its body cut in half"
    FLIPPED = "one bit of its body flipped"
    LOST = "done by the store, its answer lost"
    ANSWER_CUT = "the body of its answer cut in half"
    ANSWER_FLIPPED = "one bit of the body of its answer flipped"


REFUSALS = {Harm.FAILED: (500, "InternalError"), Harm.SLOW_DOWN: (503, "SlowDown")}


@dataclass(frozen=True, slots=True)
class Request:
    """One that a client sent.

    Args:
        number: Of all since the store began, from 1.
        method: Of HTTP.
        key: Of the object; empty where it is about the bucket.
        size: Of its body, in bytes.
        only_new: Whether it may replace nothing.
    """

    number: int
    method: str
    key: str
    size: int
    only_new: bool


class Proxy(ThreadingHTTPServer):
    """Between clients and the store.

    Args:
        upstream: Port of the store on loopback.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()  # bytes of bodies that the store took, by key
        self.puts: Counter[str] = Counter()  # how many of them, by key
        self.harm: Callable[[Request], Harm | None] = lambda _: None
        self.after: Callable[[Request], None] = lambda _: None  # when the store has done it, before that is told
        self.skew = timedelta(0)  # of the store's clock, as clients see it
        self.released = threading.Event()  # whoever is not answered waits for it, or for the client to go
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed cut their connections."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one to the store for it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def setup(self) -> None:
        super().setup()
        self.store = HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)

    def finish(self) -> None:
        self.store.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        _, _, key = unquote(urlsplit(self.path).path).lstrip("/").partition("/")
        with self.server.lock:
            number = len(self.server.requests) + 1
            request = Request(number, self.command, key, size, self.headers.get("If-None-Match") == "*")
            self.server.requests.append(request)
        harm = self.server.harm(request)
        if harm in REFUSALS:
            self._refuse(size, *REFUSALS[harm])
        elif harm is Harm.UNANSWERED:
            self.rfile.read(size)
            self.server.released.wait(timeout=300)
            self.close_connection = True
        else:
            try:
                self._forward(request, harm)
            except (HTTPException, OSError):  # either side has gone
                self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815

    def _refuse(self, size: int, status: int, code: str) -> None:
        self.rfile.read(size)
        body = f"<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _forward(self, request: Request, harm: Harm | None) -> None:
        self.store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "expect":  # was answered already
                self.store.putheader(name, value)
        self.store.endheaders()
        if not self._copy(self.rfile, self.store.send, request.size, harm, (Harm.CUT, Harm.FLIPPED)):
            self.store.close()
            self.close_connection = True
            return
        answer = self.store.getresponse()
        if self.command in {"PUT", "POST"} and answer.status < 300:
            with self.server.lock:
                self.server.sent[request.key] += request.size
                self.server.puts[request.key] += 1
        self.server.after(request)
        if harm is Harm.LOST:
            answer.read()
            self.close_connection = True
            return
        self._answer(answer, harm)

    def _answer(self, answer: HTTPResponse, harm: Harm | None) -> None:
        self.send_response_only(answer.status, answer.reason)
        size = None if (text := answer.headers.get("Content-Length")) is None else int(text)
        body = answer.read() if size is None else b""
        for name, value in answer.headers.items():
            if name.lower() == "date":
                value = self._skewed(value)  # noqa: PLW2901
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        if size is None:
            self.wfile.write(body)
        elif self.command != "HEAD":
            harms = (Harm.ANSWER_CUT, Harm.ANSWER_FLIPPED)
            self.close_connection |= not self._copy(answer, self.wfile.write, size, harm, harms)
        answer.read()

    def _skewed(self, date: str) -> str:
        return format_datetime(parsedate_to_datetime(date) + self.server.skew, usegmt=True)

    @staticmethod
    def _copy(
        source: BufferedIOBase,
        target: Callable[[bytes], object],
        size: int,
        harm: Harm | None,
        harms: tuple[Harm, Harm],
    ) -> bool:
        """Copy a body; whether it is whole."""
        cut, flipped = harms
        passed, end = 0, size // 2 if harm is cut else size
        while passed < end:
            data = source.read(min(AT_ONCE, end - passed))
            if not data:
                return False
            if harm is flipped and passed <= size // 2 < passed + len(data):
                at = size // 2 - passed
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            target(data)
            passed += len(data)
        return harm is not cut


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket of S3.

    Args:
        directory: Where its objects are files.
        proxy: By which clients reach it.
        direct: Its URL without the proxy.
    """

    directory: Path
    proxy: Proxy
    direct: str

    @property
    def environment(self) -> dict[str, str]:
        """Of a client, which finds it by the variables of AWS."""
        return environment(self.proxy.url)

    def keys(self, prefix: str = "") -> set[str]:
        """Of its objects."""
        found = (path.relative_to(self.directory) for path in self.directory.rglob("*") if path.is_file())
        unfinished = ".sgwtmp"
        return {str(key) for key in found if key.parts[0] != unfinished and str(key).startswith(prefix)}

    def path(self, key: str) -> Path:
        """The file that an object is."""
        return self.directory / key


def environment(url: str) -> dict[str, str]:
    """By which clients of AWS find a store and its bucket, and nothing else that may be on this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **own,
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextmanager
def gateway(directory: Path) -> Iterator[int]:
    """A versitygw whose buckets are directories, and its port."""
    port = free_port()
    options = ("--port", f"127.0.0.1:{port}", "--region", REGION, "--health", "/health", "--quiet", "--keep-alive")
    root = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    command = [built("versitygw"), *options, "posix", str(directory)]
    with subprocess.Popen(command, env={**os.environ, **root}, stdout=subprocess.DEVNULL) as program:
        try:
            soon(f"http://127.0.0.1:{port}/health")
            yield port
        finally:
            program.kill()


@contextmanager
def store(directory: Path) -> Iterator[Store]:
    """A bucket, behind a proxy."""
    (directory / BUCKET).mkdir(parents=True)
    with gateway(directory) as port, Proxy(port) as proxy:
        serving = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield Store(directory / BUCKET, proxy, f"http://127.0.0.1:{port}")
        finally:
            proxy.released.set()
            proxy.shutdown()
            serving.join()
