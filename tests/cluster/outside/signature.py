"""Requests signed as AWS wants them.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of a user, or of a session if they have a token."""

    access_key: str
    secret_key: str
    token: str = ""


def signed(
    credentials: Credentials, method: str, url: str, body: bytes = b"", *, service: str, region: str
) -> dict[str, str]:
    """The headers of a request that its sender signs.

    Args:
        url: Encoded, as it is sent.
    """
    target = urlsplit(url)
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": target.netloc, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": time}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(headers))
    # A parameter without a value is signed with an empty one.
    query = sorted(
        (name, value) for name, _, value in (part.partition("=") for part in target.query.split("&") if part)
    )
    request = [
        method,
        target.path or "/",
        "&".join(f"{name}={value}" for name, value in query),
        *(f"{name}:{headers[name]}" for name in sorted(headers)),
        "",
        names,
        headers["x-amz-content-sha256"],
    ]
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([ALGORITHM, time, scope, hashlib.sha256("\n".join(request).encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    by = f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    return headers | {"authorization": f"{ALGORITHM} {by}"}
