"""Names of hosts under which people reach something."""

import re
from urllib.parse import urlsplit

from constructs_lib.errors import ConstructError
from constructs_lib.urls import https_url

LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# A Secret with the host's certificate is named after it, with four characters more.
LIMIT = 249


def host_name(value: str, *, of: str) -> str:
    """Give back a host's name.

    Raises:
        ConstructError: no DNS name in lower case, a wildcard, or an address.
    """
    if value.startswith("*"):
        raise ConstructError(f"{value!r} cannot be {of}, which would be many hosts: name each")
    if not re.fullmatch(rf"({LABEL}\.)*{LABEL}", value) or len(value) > LIMIT or re.search(r"(^|\.)\d+$", value):
        raise ConstructError(
            f"{value!r} cannot be {of}: use a DNS name of up to {LIMIT} lower-case letters, digits, dashes and dots, "
            "such as 'prometheus.example.com'"
        )
    return value


def public_host(url: str, *, of: str) -> str:
    """The host of a URL under which people reach something from outside.

    Args:
        of: What it is the URL of.
    Raises:
        ConstructError: no https URL, or one with a path or a port.
    """
    parts = urlsplit(https_url(url, of=f"the URL of {of}", path=False))
    if parts.port not in {None, 443}:
        raise ConstructError(f"the URL of {of} is {url!r}, but the way in listens on 443: leave the port out")
    return host_name(str(parts.hostname), of=f"the host of {of}")
