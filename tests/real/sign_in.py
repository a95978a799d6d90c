"""A provider of OpenID Connect on loopback, and a browser that is led to one and back."""

import http.client
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.cluster.outside.provider import EMAIL, Provider, handler, openssl
from tests.cluster.outside.servers import context

CLIENT, SECRET = "monitoring", "of-loopback-alone"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GREETING = b"as it came"


@dataclass
class Program:
    """What is to be protected: it answers everything, remembers what it was asked, and may be slow.

    Who asks for a WebSocket gets the first bytes back that they send.
    """

    port: int = 0
    slow: timedelta = timedelta(0)
    seen: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)


def answering(program: Program) -> type[BaseHTTPRequestHandler]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        program.seen.append((handler.command, handler.path, dict(handler.headers.items())))
        time.sleep(program.slow.total_seconds())
        if handler.headers.get("Upgrade") == "websocket":
            handler.wfile.write(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            handler.wfile.write(handler.rfile.read(len(GREETING)))
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "7")
        handler.end_headers()
        handler.wfile.write(b"secrets" if handler.command != "HEAD" else b"")

    methods = {f"do_{method}": answer for method in METHODS}
    return type("Handler", (BaseHTTPRequestHandler,), {**methods, "log_message": lambda *_: None})


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None, *, address: str = "127.0.0.1"
) -> Iterator[int]:
    """A server on this machine, by its port."""
    server = ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class LoopbackProvider(Provider):
    """One on loopback, whose certificate it signed itself.

    Args:
        directory: Of its keys.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, client=CLIENT, secret=SECRET)
        self.certificate, key = directory / "provider.crt", directory / "provider.key"
        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key))
        names = ("-subj", "/CN=provider", "-addext", "subjectAltName=DNS:localhost")
        openssl(*new, *names, "-out", str(self.certificate))
        self.tls = context(str(self.certificate), str(key))


@contextmanager
def providing(directory: Path) -> Iterator[LoopbackProvider]:
    """A provider, as its clients find it."""
    provider = LoopbackProvider(directory)
    with serving(handler(provider), provider.tls) as port:
        provider.issuer = f"https://localhost:{port}"
        yield provider


@contextmanager
def programs() -> Iterator[Program]:
    """A program that is to be protected."""
    program = Program()
    with serving(answering(program)) as port:
        program.port = port
        yield program


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a browser asks one host."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class Answer:
    """What a browser was told."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def location(self) -> str:
        return self.headers["Location"] or ""

    @property
    def cookies(self) -> dict[str, str]:
        """Name -> all that was said of it."""
        said = self.headers.get_all("Set-Cookie") or []
        return {each.partition("=")[0]: each.partition("=")[2] for each in said}


Way: TypeAlias = Callable[[Request], Answer]


class Browser:
    """Asks for one host, and keeps its cookies.

    Args:
        host: Of whose name it asks.
        site: How it is asked.
        issuer: The provider to whom it may be led.
        provider: How that is asked.
        email: Who it is, for the provider; whom that is told when absent.
    """

    def __init__(self, host: str, site: Way, *, issuer: str, provider: Way, email: str | None = None) -> None:
        self.host, self.issuer = host, issuer
        self.jar: dict[str, str] = {}
        self._site, self._provider = site, provider
        self._known = {"Cookie": f"{EMAIL}={email}"} if email else {}

    def ask(self, path: str, method: str = "GET", *, body: bytes = b"", **headers: str) -> Answer:
        """One request, whose redirects it does not follow."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        told = {"Host": self.host, **({"Cookie": cookies} if cookies else {}), **named}
        answer = self._site(Request(method=method, path=path, headers=told, body=body))
        for name, said in answer.cookies.items():
            value, _, flags = said.partition(";")
            if value and "Max-Age=0" not in flags and "Expires=Thu, 01 Jan 1970" not in flags:
                self.jar[name] = value
            else:
                self.jar.pop(name, None)
        return answer

    def sign_in(self, path: str = "/", *, back: "Browser | None" = None, **headers: str) -> Answer:
        """Follow where it is led until the way back from the provider has been answered.

        Args:
            path: What it asks for.
            back: Who comes back; itself when absent.
            headers: That it sends on its way there and back.
        """
        return (back or self).ask(self.leave(path, **headers), **headers)

    def leave(self, path: str, **headers: str) -> str:
        """Ask for a page, and log in at the provider to which that leads: the way back, by path and query."""
        asked = self.ask(path, **headers)
        assert asked.code == 302, asked
        assert asked.location.startswith(f"{self.issuer}/authorize?"), asked.location
        to = urlsplit(asked.location)
        there = Request(method="GET", path=f"{to.path}?{to.query}", headers={"Host": str(to.hostname), **self._known})
        way = urlsplit(self._provider(there).location)
        assert (way.scheme, way.netloc, way.path) == ("https", self.host, "/oauth2/callback")
        return f"{way.path}?{way.query}"


def by(connect: Callable[[], http.client.HTTPConnection]) -> Way:
    """One connection a request."""

    def asked(request: Request) -> Answer:
        connection = connect()
        try:
            connection.request(request.method, request.path, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    return asked


def on_loopback(host: str, port: int, provider: LoopbackProvider) -> Browser:
    """A browser whose requests come as the controller hands them on.

    Args:
        host: Of whose name it asks.
        port: Where that is answered.
        provider: To whom it may be led.
    """
    site = by(lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=30))
    come = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": host}
    trusted = ssl.create_default_context(cafile=str(provider.certificate))
    return Browser(
        host,
        lambda request: site(replace(request, headers={**come, **request.headers})),
        issuer=provider.issuer,
        provider=by(
            lambda: http.client.HTTPSConnection(
                "localhost", urlsplit(provider.issuer).port, context=trusted, timeout=30
            )
        ),
    )
