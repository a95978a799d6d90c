"""What the blackbox exporter asks of hosts outside of the cluster, and which answers are good, as typed data.

Source: https://github.com/prometheus/blackbox_exporter/blob/v0.28.0/CONFIGURATION.md
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any, Literal

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import ExternalHost
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label
from constructs_lib.units import go_duration
from constructs_lib.urls import absolute_url

# Also the job by which the exporter itself is scraped.
EXPORTER = "blackbox-exporter"
CREDENTIALS = "/etc/blackbox-exporter/credentials"
# So much earlier than the scrape the exporter gives up, so that its answer still arrives: `--timeout-offset`.
OFFSET = timedelta(milliseconds=500)
HTTPS = 443
NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# What Go takes for a URL as well: https://pkg.go.dev/net/url#Parse
URL = re.compile(
    rf"https://{NAME}(\.{NAME})*"
    r"(:\d{1,5})?(/([-\w.~!$&'()*+,;=:@/?]|%[0-9a-fA-F]{2})*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsModule:
    """How a host is asked, and which answers are good; the certificate is always verified, a redirect never followed.

    A redirect leads to another host, to which no network is open, or to a login, which answers while all behind it is
    down.

    Args:
        name: Of the module.
        codes: The status codes that are good.
        timeout: Of one question, half a second less than that of the scrape at most.
        ca: The certificates of the authorities that are trusted, in place of those of the image: for an authority of
            one's own.
    Raises:
        ConstructError: a name that is none, no code or one that is none, or no time or no whole milliseconds of it.
    """

    name: str
    codes: tuple[int, ...] = (200,)
    timeout: timedelta = timedelta(seconds=5)
    ca: SecretKey | None = None

    def __post_init__(self) -> None:
        dns_label(self.name, of="a module's name")
        if not self.codes:
            raise ConstructError(f"codes of the module {self.name} is empty, which means 200 to 299: name some")
        for code in self.codes:
            if not 200 <= code <= 599:
                raise ConstructError(f"{code} of the module {self.name} is no status of an answer: use 200 to 599")
        if self.timeout <= timedelta(0):
            raise ConstructError(f"timeout of the module {self.name} is {self.timeout}: use more than 0")
        go_duration(self.timeout)

    def to_dict(self, family: str) -> dict[str, Any]:
        """As the exporter reads it.

        Args:
            family: The protocol of addresses that is tried first.
        """
        tls = {"tls_config": {"ca_file": self.ca.path_below(CREDENTIALS)}} if self.ca else {}
        return {
            "prober": "http",
            "timeout": go_duration(self.timeout),
            "http": {
                "valid_status_codes": sorted(set(self.codes)),
                "follow_redirects": False,
                "preferred_ip_protocol": family,
                **tls,
            },
        }


OPEN = HttpsModule(name="open")
# Asked as by a program, a host with a login refuses. By a redirect, Prometheus itself would answer just the same.
BEHIND_LOGIN = HttpsModule(name="behind-login", codes=(401, 403))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedHost:
    """A host outside of the cluster that must answer.

    Args:
        url: What is asked for, by HTTPS; the label `instance` of its series.
        addresses: The ranges in which its name resolves, for the network policy.
        module: How it is asked.
    Raises:
        ConstructError: a URL that is none or of no HTTPS, or no address range, or one that is none.
    """

    url: str
    addresses: tuple[str, ...]
    module: HttpsModule = OPEN

    def __post_init__(self) -> None:
        absolute_url(self.url, of="the URL of a host")
        if not URL.fullmatch(self.url):
            raise ConstructError(
                f"the URL of a host is {self.url!r}: use HTTPS and lower case, such as 'https://grafana.example.com/'"
            )
        _ = self.server

    @property
    def server(self) -> ExternalHost:
        """Where it is."""
        host, port, _ = self.asked
        return ExternalHost(host=host, port=port, addresses=self.addresses)

    @property
    def asked(self) -> tuple[str, int, str]:
        """What tells it from others, however it is spelled: its name, its port and the path."""
        address, _, path = self.url.removeprefix("https://").partition("/")
        host, _, port = address.partition(":")
        return host, int(port or HTTPS), f"/{path}"

    @property
    def family(self) -> Literal["ip4", "ip6"]:
        """The exporter tries one address, of the later protocol where there is a choice: only where IPv6 is open."""
        return "ip4" if any(ip_network(each).version == 4 for each in self.addresses) else "ip6"

    @property
    def module_name(self) -> str:
        """Under which the exporter has its module."""
        return self.module.name if self.family == "ip4" else f"{self.module.name}-{self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackboxConfig:
    """The whole file `blackbox.yml`.

    Args:
        hosts: Whose modules it holds.
    """

    hosts: Iterable[ProbedHost]

    def to_dict(self) -> dict[str, Any]:
        modules = {host.module_name: host.module.to_dict(host.family) for host in self.hosts}
        return {"modules": dict(sorted(modules.items()))}
