"""Servers on loopback: a port for them, and what they answer."""

import json
import socket
from datetime import timedelta
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.cluster.waiting import wait


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def asked(url: str, data: object = None, *, tenant: str | None = None) -> str | None:
    """What it answers; nothing when it does not, or says that it cannot."""
    body = None if data is None else json.dumps(data).encode()
    headers = {"Content-Type": "application/json", **({"X-Scope-OrgID": tenant} if tenant else {})}
    try:
        with urlopen(Request(url, data=body, headers=headers), timeout=10) as answer:  # noqa: S310
            text: str = answer.read().decode()
            return text
    except (URLError, ConnectionError, TimeoutError):
        return None


def soon(url: str, data: object = None, *, within: timedelta = timedelta(seconds=90), tenant: str | None = None) -> str:
    """What it answers as soon as it does."""

    def answers() -> tuple[str, ...]:
        answer = asked(url, data, tenant=tenant)
        return () if answer is None else (answer,)  # which may be empty

    return wait(f"{url} answers", answers, within)[0]
