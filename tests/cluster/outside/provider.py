"""Who logs people in, by OpenID Connect: `python -m tests.cluster.outside.provider CONFIGURATION`.

Source: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import WebServer, context
from tests.cluster.outside.services import WEB_PORT

EMAIL = "email"  # the cookie by which it knows a browser


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Provider:
    """Logs in whoever comes, as the person that they say, or else as the one that it is told.

    It binds a code to the client, its redirect URL and its proof (PKCE), gives it once, and signs with RS256.

    Args:
        directory: Of its key.
        client: Whom it knows.
        secret: By which it knows them.
    """

    def __init__(self, directory: Path, *, client: str, secret: str) -> None:
        self.key = directory / "signing.key"
        self._client = (client, secret)
        self.email, self.groups = "jane@example.com", ["staff"]
        self.lifetime = timedelta(hours=1)
        self.refreshes = True
        self.issuer = ""
        self._codes: dict[str, Mapping[str, str]] = {}
        self._tokens: dict[str, str] = {}  # that a client may come again with -> for whom
        openssl("genrsa", "-out", str(self.key), "2048")
        modulus = openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode().strip().split("=")[1]
        self._jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "e": "AQAB"}
        self._jwk["n"] = base64url(bytes.fromhex(modulus))

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

    def authorize(self, asked: Mapping[str, str], email: str) -> str:
        """Where the browser is sent, logged in."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == self._client[0]
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = {**asked, "email": email, "groups": json.dumps(self.groups)}
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: Mapping[str, str], client: tuple[str, str]) -> dict[str, Any] | None:
        """Tokens for a code or for an earlier token; None for who has no right to them."""
        if client != self._client:
            return None
        if asked["grant_type"] == "refresh_token":
            if not self.refreshes or asked["refresh_token"] not in self._tokens:
                return None
            email = self._tokens.pop(asked["refresh_token"])
            return self._given({"email": email, "groups": json.dumps(self.groups)})
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
            "aud": self._client[0],
            "sub": told["email"],
            "email": told["email"],
            "email_verified": True,
            "groups": json.loads(told["groups"]),
            "iat": now,
            "exp": now + ends,
            **({"nonce": told["nonce"]} if "nonce" in told else {}),
        }
        again = secrets.token_urlsafe(16)
        self._tokens[again] = told["email"]
        tokens = {"id_token": self._signed(claims), "access_token": secrets.token_urlsafe(16), "refresh_token": again}
        return {**tokens, "token_type": "Bearer", "expires_in": ends}

    def _signed(self, claims: Mapping[str, Any]) -> str:
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{base64url(openssl('dgst', '-sha256', '-sign', str(self.key), given=text.encode()))}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    provider: Provider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/.well-known/openid-configuration":
            self._answer(200, self.provider.document())
        elif parts.path == "/keys":
            self._answer(200, self.provider.keys())
        elif parts.path == "/authorize":
            known = SimpleCookie(self.headers["Cookie"] or "")
            email = known[EMAIL].value if EMAIL in known else self.provider.email
            self._answer(302, {}, Location=self.provider.authorize(_single(parts.query), email))
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


def handler(provider: Provider) -> type[Handler]:
    """What answers for a provider."""
    return type("Handler", (Handler,), {"provider": provider})


def _single(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def openssl(*arguments: str, given: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def main(configuration: Path) -> None:
    """Serve until the machine ends."""
    given = json.loads(configuration.read_text())
    provider = Provider(configuration.parent, client=given["client"], secret=given["secret"])
    provider.issuer = given["issuer"]
    tls = context(given["certificate"], given["key"])
    WebServer((given["address"], WEB_PORT), handler(provider), tls, Record(configuration.parent)).serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
