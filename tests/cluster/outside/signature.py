"""Requests signed as AWS wants them, and what a signature must be.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
TIME = "%Y%m%dT%H%M%SZ"
SIGNED_BY = re.compile(
    rf"{ALGORITHM} Credential=(\w+)/(\d{{8}})/([\w-]+)/([\w-]+)/aws4_request, ?"
    r"SignedHeaders=([\w;-]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of a user, or of a session if they have a token."""

    access_key: str
    secret_key: str
    token: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """For what a key signs: a day such as 20261128, a region and a service."""

    day: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def key(self, secret_key: str) -> bytes:
        """The key of a secret that signs for it, and for nothing else."""
        key = f"AWS4{secret_key}".encode()
        for part in str(self).split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


@dataclass(frozen=True, slots=True)
class SignedBy:
    """What a request says of its signature.

    Args:
        headers: Names of those that are signed, in their order.
    """

    access_key: str
    scope: Scope
    headers: tuple[str, ...]
    signature: str

    @classmethod
    def read(cls, authorization: str) -> "SignedBy | None":
        """From the header of that name; None where it is no signature."""
        found = SIGNED_BY.fullmatch(authorization)
        if found is None:
            return None
        access_key, day, region, service, headers, signature = found.groups()
        return cls(access_key, Scope(day, region, service), tuple(headers.split(";")), signature)


@dataclass(frozen=True, slots=True)
class Request:
    """What is signed.

    Args:
        target: Path and query, encoded, as they are sent.
        headers: By names in lower case, with the time in `x-amz-date`.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def signature(self, key: bytes, scope: Scope, names: Sequence[str]) -> str:
        """By a key.

        Args:
            key: That of the scope.
            names: Of the headers that are signed, in their order.
        """
        path, _, query = self.target.partition("?")
        # A parameter without a value is signed with an empty one.
        parameters = sorted((n, value) for n, _, value in (part.partition("=") for part in query.split("&") if part))
        request = [
            self.method,
            path or "/",
            "&".join(f"{name}={value}" for name, value in parameters),
            *(f"{name}:{' '.join(self.headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(self.body).hexdigest(),
        ]
        digest = hashlib.sha256("\n".join(request).encode()).hexdigest()
        text = "\n".join([ALGORITHM, self.headers["x-amz-date"], str(scope), digest])
        return hmac.digest(key, text.encode(), "sha256").hex()


def signed(
    credentials: Credentials, method: str, url: str, body: bytes = b"", *, service: str, region: str
) -> dict[str, str]:
    """The headers of a request that its sender signs.

    Args:
        url: Encoded, as it is sent.
    """
    target = urlsplit(url)
    time = datetime.now(UTC).strftime(TIME)
    headers = {"host": target.netloc, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": time}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    scope, names = Scope(time[:8], region, service), sorted(headers)
    request = Request(method, f"{target.path}?{target.query}", headers, body)
    made = request.signature(scope.key(credentials.secret_key), scope, names)
    by = f"Credential={credentials.access_key}/{scope}, SignedHeaders={';'.join(names)}, Signature={made}"
    return headers | {"authorization": f"{ALGORITHM} {by}"}
