"""Addresses that people follow."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from constructs_lib.errors import ConstructError


def absolute_url(value: str, *, of: str, path: bool = True) -> str:
    """Give back a URL that a browser can open.

    Args:
        value: The URL.
        of: What it is, for the message.
        path: Whether it may have one: the probes would not find a program that serves below a path.
    Raises:
        ConstructError: no absolute URL, one with credentials, or one with a path where there must be none.
    """
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConstructError(f"{of} is {value!r}: use a URL such as 'https://prometheus.example.com'")
    if parts.username or parts.password:
        raise ConstructError(f"{of} of the host {parts.hostname} holds credentials: take them out of the URL")
    if not path and parts.path.strip("/"):
        raise ConstructError(f"{of} is {value!r}, with a path: give it a host of its own")
    return value


def https_url(value: str, *, of: str, path: bool = True) -> str:
    """Give back an absolute URL that nobody can read on its way.

    Args:
        value: The URL.
        of: What it is, for the message.
        path: Whether it may have one.
    Raises:
        ConstructError: no absolute URL, or one of another scheme.
    """
    if urlsplit(absolute_url(value, of=of, path=path)).scheme != "https":
        raise ConstructError(f"{of} is {value!r}, which anybody could read on its way: use an https URL")
    return value


def page_of(name: str, *, runbooks: str) -> str:
    """Where the page of an alert, or of an alarm, is.

    Args:
        name: Of the alert.
        runbooks: The URL below which each has a page: its name with the suffix `.md`.
    """
    return f"{runbooks.rstrip('/')}/{name}.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the links in notifications lead.

    Args:
        external_url: Under which people reach Prometheus, or Grafana for alerts on logs, without a path.
        runbooks: Below which every alert has a page of its name.
    Raises:
        ConstructError: no absolute URL; or a path, under which the probes would not find
            Prometheus.
    """

    external_url: str
    runbooks: str

    def __post_init__(self) -> None:
        absolute_url(self.external_url, of="external_url", path=False)
        absolute_url(self.runbooks, of="runbooks")
