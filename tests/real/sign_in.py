"""A provider of OpenID Connect on loopback, and a browser that is led there and back.

Source: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

import base64
import hashlib
import http.client
import json
import secrets
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.cluster.outside.servers import context

CLIENT, SECRET = "monitoring", "of-loopback-alone"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
GREETING = b"as it came"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """Logs in whoever comes, as the person that it is told.

    It binds a code to the client, its redirect URL and its proof (PKCE), gives it once, and signs with RS256.
    """

    def __init__(self, directory: Path) -> None:
        self.key, self.certificate = directory / "signing.key", directory / "provider.crt"
        self.email, self.groups = "jane@example.com", ["staff"]
        self.lifetime = timedelta(hours=1)
        self.refreshes = True
        self.issuer = ""
        self._codes: dict[str, Mapping[str, str]] = {}
        self._tokens: set[str] = set()
        _openssl("genrsa", "-out", str(self.key), "2048")
        modulus = _openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode().strip().split("=")[1]
        self._jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "e": "AQAB"}
        self._jwk["n"] = base64url(bytes.fromhex(modulus))
        names = ("-subj", "/CN=provider", "-addext", "subjectAltName=DNS:localhost")
        new = (
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            str(directory / "provider.key"),
        )
        _openssl(*new, *names, "-out", str(self.certificate))
        self.tls = context(str(self.certificate), str(directory / "provider.key"))

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._jwk]}

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Where the browser is sent, logged in."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked, "email": self.email, "groups": json.dumps(self.groups)}
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: Mapping[str, str], client: tuple[str, str]) -> dict[str, Any] | None:
        """Tokens for a code or for an earlier token; None for who has no right to them."""
        if client != (CLIENT, SECRET):
            return None
        if asked["grant_type"] == "refresh_token":
            if not self.refreshes or asked["refresh_token"] not in self._tokens:
                return None
            self._tokens.remove(asked["refresh_token"])
            return self._given({"email": self.email, "groups": json.dumps(self.groups)})
        told = self._codes.pop(asked["code"], None)
        if told is None or told["redirect_uri"] != asked["redirect_uri"]:
            return None
        proof = base64url(hashlib.sha256(asked.get("code_verifier", "").encode()).digest())
        if (told.get("code_challenge_method"), told.get("code_challenge")) != ("S256", proof):
            return None
        return self._given(told)

    def _given(self, told: Mapping[str, str]) -> dict[str, Any]:
        now, ends = int(time.time()), int(self.lifetime.total_seconds())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": told["email"],
            "email": told["email"],
            "email_verified": True,
            "groups": json.loads(told["groups"]),
            "iat": now,
            "exp": now + ends,
            **({"nonce": told["nonce"]} if "nonce" in told else {}),
        }
        again = secrets.token_urlsafe(16)
        self._tokens.add(again)
        tokens = {"id_token": self._signed(claims), "access_token": secrets.token_urlsafe(16), "refresh_token": again}
        return {**tokens, "token_type": "Bearer", "expires_in": ends}

    def _signed(self, claims: Mapping[str, Any]) -> str:
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{base64url(_openssl('dgst', '-sha256', '-sign', str(self.key), given=text.encode()))}"


class _ProviderHandler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            self._answer(200, self.provider.document())
        elif parts.path == "/keys":
            self._answer(200, self.provider.keys())
        elif parts.path == "/authorize":
            self._answer(302, {}, Location=self.provider.authorize(_single(parts.query)))
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        asked = _single(self.rfile.read(int(self.headers["Content-Length"])).decode())
        client = (asked.get("client_id", ""), asked.get("client_secret", ""))
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            user, _, password = base64.b64decode(given).decode().partition(":")
            client = (user, password)
        tokens = self.provider.token(asked, client)
        self._answer(200, tokens) if tokens else self._answer(400, {"error": "invalid_grant"})

    def _answer(self, code: int, body: Mapping[str, Any], **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """It talks by what it answers."""


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


@contextmanager
def providing(directory: Path) -> Iterator[Provider]:
    """A provider, as its clients find it."""
    provider = Provider(directory)
    handler = type("Handler", (_ProviderHandler,), {"provider": provider})
    with serving(handler, provider.tls) as port:
        provider.issuer = f"https://localhost:{port}"
        yield provider


@contextmanager
def programs() -> Iterator[Program]:
    """A program that is to be protected."""
    program = Program()
    with serving(answering(program)) as port:
        program.port = port
        yield program


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


class Browser:
    """Asks for one host, as the controller hands it on, and keeps its cookies.

    Args:
        host: Of whose name it asks.
        port: Where that is answered.
        provider: To whom it may be led.
    """

    def __init__(self, host: str, port: int, provider: Provider) -> None:
        self.host, self.port, self.provider = host, port, provider
        self.jar: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request, whose redirects it does not follow."""
        told = {"Host": self.host, "X-Forwarded-Proto": "https", "X-Forwarded-Host": self.host}
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = _asked(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=30),
            method,
            path,
            {**told, **({"Cookie": cookies} if cookies else {}), **named},
        )
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
        asked = self.ask(path, **headers)
        assert asked.code == 302, asked
        assert asked.location.startswith(f"{self.provider.issuer}/authorize?"), asked.location
        to = urlsplit(asked.location)
        trusted = ssl.create_default_context(cafile=str(self.provider.certificate))
        connection = http.client.HTTPSConnection("localhost", to.port, context=trusted, timeout=30)
        way = urlsplit(_asked(connection, "GET", f"{to.path}?{to.query}", {}).location)
        assert (way.scheme, way.netloc, way.path) == ("https", self.host, "/oauth2/callback")
        return (back or self).ask(f"{way.path}?{way.query}", **headers)


def _asked(connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str]) -> Answer:
    try:
        connection.request(method, path, headers=dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def _openssl(*arguments: str, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout
