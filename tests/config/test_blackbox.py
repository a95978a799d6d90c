"""What the blackbox exporter asks of hosts outside: how, which answers are good, and what is refused."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.blackbox import BEHIND_LOGIN, OPEN, BlackboxConfig, HttpsModule, ProbedHost
from constructs_lib.config.discovery import probes
from constructs_lib.config.prometheus import Limits
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, ExternalHost, Pods, Port
from constructs_lib.errors import ConstructError
from tests.config.relabeling import relabeled

EVERYWHERE = ("0.0.0.0/0",)
GRAFANA = ProbedHost(url="https://grafana.example.com/api/health", addresses=EVERYWHERE)
JAEGER = ProbedHost(url="https://jaeger.example.com:8443", addresses=EVERYWHERE, module=BEHIND_LOGIN)
EXPORTER = Endpoint(
    pods=Pods.named("monitoring", "blackbox-exporter"), service="blackbox", port=Port(name="metrics", number=9115)
)


def module(host: ProbedHost) -> dict[str, Any]:
    (found,) = BlackboxConfig(hosts=[host]).to_dict()["modules"].values()
    return dict(found)


def test_modules_are_those_of_the_hosts() -> None:
    """Each once, whoever has it, by name."""
    another = replace(GRAFANA, url="https://another.example.com")
    assert BlackboxConfig(hosts=[GRAFANA, another, JAEGER]).to_dict() == {
        "modules": {"behind-login": BEHIND_LOGIN.to_dict("ip4"), "open": OPEN.to_dict("ip4")}
    }


def test_a_host_is_well_that_answers_200_and_a_redirect_is_not_followed() -> None:
    """To a login, above all, which answers while what is behind it does not."""
    assert module(GRAFANA) == {
        "prober": "http",
        "timeout": "5s",
        "http": {"valid_status_codes": [200], "follow_redirects": False, "preferred_ip_protocol": "ip4"},
    }


def test_a_host_behind_a_login_may_send_us_away() -> None:
    """By a redirect or a refusal, and no redirect is followed either."""
    assert module(JAEGER)["http"]["valid_status_codes"] == [401, 403]
    assert module(JAEGER)["http"]["follow_redirects"] is False


@pytest.mark.parametrize("ca", [None, SecretKey("authorities", "ca.crt")], ids=["the image's", "own"])
def test_certificates_are_verified_whoever_signed_them(ca: SecretKey | None) -> None:
    """An authority of one's own takes the place of all others, and nothing turns the verification off."""
    asked = module(replace(GRAFANA, module=HttpsModule(name="own", ca=ca)))["http"]
    expected = {"ca_file": "/etc/blackbox-exporter/credentials/authorities/ca.crt"} if ca else None
    assert asked.get("tls_config") == expected
    assert "insecure_skip_verify" not in str(asked)


@pytest.mark.parametrize(
    ("addresses", "family", "name"),
    [
        (EVERYWHERE, "ip4", "open"),
        (("2001:db8::/32", "192.0.2.0/24"), "ip4", "open"),
        (("2001:db8::/32",), "ip6", "open-ip6"),
    ],
    ids=["IPv4", "both", "IPv6 alone"],
)
def test_a_host_is_asked_by_the_protocol_that_is_open(addresses: tuple[str, ...], family: str, name: str) -> None:
    """The exporter tries one address, of IPv6 unless it is told otherwise: there, the policy may let nothing out."""
    (modules,) = BlackboxConfig(hosts=[replace(GRAFANA, addresses=addresses)]).to_dict().values()
    assert list(modules) == [name]
    assert modules[name]["http"]["preferred_ip_protocol"] == family


def test_a_host_is_reached_at_the_port_of_its_url() -> None:
    """That of HTTPS where it says none."""
    assert GRAFANA.server == ExternalHost(host="grafana.example.com", port=443, addresses=EVERYWHERE)
    assert JAEGER.server.port == 8443


def test_a_probe_is_told_by_the_url_that_was_asked() -> None:
    """The address is the exporter's, the module the host's."""
    job = probes(EXPORTER, [GRAFANA, JAEGER], Limits())
    groups = job.to_dict()["static_configs"]
    assert [
        relabeled({"__address__": url, **group["labels"]}, job.relabelings)
        for group in groups
        for url in group["targets"]
    ] == [
        {
            "__address__": "blackbox.monitoring.svc.cluster.local:9115",
            "__param_target": host.url,
            "__param_module": host.module.name,
            "instance": host.url,
        }
        for host in (JAEGER, GRAFANA)
    ]
    assert (job.name, job.to_dict()["metrics_path"]) == ("blackbox", "/probe")


def test_the_order_of_hosts_does_not_matter() -> None:
    """In neither file."""
    hosts = [GRAFANA, JAEGER, replace(GRAFANA, url="https://a.example.com")]
    one, other = (probes(EXPORTER, each, Limits()).to_dict() for each in (hosts, hosts[::-1]))
    assert one == other
    modules = [BlackboxConfig(hosts=each).to_dict()["modules"] for each in (hosts, hosts[::-1])]
    assert list(modules[0]) == list(modules[1])


def test_probes_read_nothing_of_the_api_server() -> None:
    """Where their targets are is known."""
    assert probes(EXPORTER, [GRAFANA], Limits()).discovery.rights() == set()


@pytest.mark.parametrize(
    "url",
    [
        *("http://grafana.example.com", "https://Grafana.example.com", "https://grafana..example.com"),
        *("https://grafana.example.com?x", "https://grafana.example.com/a b", "https://grafana.example.com/%zz"),
        *("https://[2001:db8::1]/", "https://grafana.example.com/\n", "https://grafana.example.com/#top"),
    ],
)
def test_a_url_that_is_none_of_https_is_refused(url: str) -> None:
    """Or that Go would read in another way."""
    with pytest.raises(ConstructError, match=r"^the URL of a host is 'https?://.*: use HTTPS and lower case, such as "):
        ProbedHost(url=url, addresses=EVERYWHERE)


def test_a_url_with_a_password_is_refused_and_not_shown() -> None:
    """The message may end in a log."""
    with pytest.raises(ConstructError, match=r"^the URL of a host of the host a.example.com holds credentials") as told:
        ProbedHost(url="https://me:secret@a.example.com", addresses=EVERYWHERE)
    assert "secret" not in str(told.value)


def test_a_port_that_is_none_is_refused() -> None:
    """Though it has as many digits as one."""
    with pytest.raises(ConstructError, match=r"^70000 is not a port: use 1 to 65535$"):
        ProbedHost(url="https://grafana.example.com:70000", addresses=EVERYWHERE)


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        ((), r"^addresses of grafana.example.com is empty: give the ranges in which its name resolves$"),
        (("192.0.2.1/24",), r"^'192.0.2.1/24' cannot be an address range of grafana.example.com, "),
    ],
    ids=["none", "no range"],
)
def test_a_host_without_an_address_range_is_refused(addresses: tuple[str, ...], message: str) -> None:
    """A NetworkPolicy knows no names."""
    with pytest.raises(ConstructError, match=message):
        replace(GRAFANA, addresses=addresses)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "Open"}, r"^'Open' cannot be a module's name: "),
        ({"codes": ()}, r"^codes of the module open is empty, which means 200 to 299: name some$"),
        ({"codes": (200, 199)}, r"^199 of the module open is no status of an answer: use 200 to 599$"),
        ({"codes": (600,)}, r"^600 of the module open is no status of an answer: use 200 to 599$"),
        ({"timeout": timedelta(0)}, r"^timeout of the module open is 0:00:00: use more than 0$"),
        ({"timeout": timedelta(microseconds=1)}, r"^a duration is 0:00:00.000001: use whole milliseconds"),
    ],
    ids=["name", "no code", "too low", "too high", "no time", "a fraction"],
)
def test_a_module_that_cannot_work_is_refused(more: dict[str, Any], message: str) -> None:
    """Most of it would be accepted by the exporter, and mean something else."""
    with pytest.raises(ConstructError, match=message):
        HttpsModule(**{"name": "open", **more})
