"""Hosts that people open, as both servers tell of them: that they answer, until when, and which of them does not."""

import ssl
import subprocess
from datetime import timedelta

import pytest

from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.promql import metric
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.services import WEB_PORT, Site
from tests.cluster.outside.world import Outside
from tests.real.outside import SITES
from tests.real.prometheus import PrometheusPod

SOON = timedelta(minutes=1)
JOB = BLACKBOX_EXPORTER.job
ALL = {site.host: 1.0 for site in SITES}

pytestmark = pytest.mark.usefixtures("servers")


def told(server: PrometheusPod, name: str) -> dict[str, float]:
    """What a server knows of each host, by its name."""
    found = server.query(metric(name, job=JOB))
    return {each["metric"]["instance"].split("/")[2]: float(each["value"][1]) for each in found}


def end_of_certificate(outside: Outside, host: str) -> float:
    """Of the one that the host itself shows, in seconds since 1970."""
    address = f"{outside.addresses[host]}:{WEB_PORT}"
    client = [*outside.enter, "openssl", "s_client", "-connect", address, "-servername", host]
    shown = subprocess.run(client, input="", capture_output=True, check=True, text=True).stdout
    read = ["openssl", "x509", "-noout", "-enddate"]
    end = subprocess.run(read, input=shown, capture_output=True, check=True, text=True).stdout
    return float(ssl.cert_time_to_seconds(end.strip().removeprefix("notAfter=")))


def all_told(servers: list[PrometheusPod], expected: dict[str, float]) -> bool:
    for server in servers:
        assert told(server, "probe_success") == expected
    return True


def test_each_host_answers_as_it_must(cluster: Kubernetes, servers: list[PrometheusPod]) -> None:
    """By itself, or by leading to a login, which is not followed."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)
    codes = {site.host: 302.0 if site.login else 200.0 for site in SITES}
    assert [told(server, "probe_http_status_code") for server in servers] == [codes, codes]


def test_the_end_of_its_certificate_is_told(
    cluster: Kubernetes, outside: Outside, servers: list[PrometheusPod]
) -> None:
    """It is that of the certificate that the host shows."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)
    ends = {host: end_of_certificate(outside, host) for host in ALL}
    assert [told(server, "probe_ssl_earliest_cert_expiry") for server in servers] == [ends, ends]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.host)
def test_a_host_that_fails_is_told_of_alone(
    cluster: Kubernetes, outside: Outside, servers: list[PrometheusPod], site: Site
) -> None:
    """Within a minute, with its status, while the others answer; and so is that it answers again."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)

    with outside.failing(site.host):
        cluster.wait("it is told of", lambda: all_told(servers, {**ALL, site.host: 0.0}), SOON)
        codes = [told(server, "probe_http_status_code")[site.host] for server in servers]

    assert codes == [503, 503]
    cluster.wait("all hosts answer again", lambda: all_told(servers, ALL), SOON)
