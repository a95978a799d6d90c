"""Hosts that people open, as both servers tell of them: that they answer, until when, and which of them does not.

They are asked as people ask them: by the load balancer outside, and the controller.
"""

import ssl
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.promql import metric
from tests.cluster.kubernetes import Kubernetes
from tests.real.outside import BALANCER, BEHIND_LOGIN, JAEGER, LOGIN
from tests.real.prometheus import PrometheusPod
from tests.real.way_in import People

SOON = timedelta(minutes=1)
JOB = BLACKBOX_EXPORTER.job
PROVIDER = LOGIN.host
ALL = dict.fromkeys((*BALANCER.hosts, PROVIDER), 1.0)

pytestmark = pytest.mark.usefixtures("servers")


def told(server: PrometheusPod, name: str) -> dict[str, float]:
    """What a server knows of each host, by its name."""
    found = server.query(metric(name, job=JOB))
    return {each["metric"]["instance"].split("/")[2]: float(each["value"][1]) for each in found}


def all_told(servers: list[PrometheusPod], expected: dict[str, float]) -> bool:
    for server in servers:
        assert told(server, "probe_success") == expected
    return True


def test_each_host_answers_as_it_must(cluster: Kubernetes, servers: list[PrometheusPod]) -> None:
    """By itself, or by refusing who has not logged in; the provider of logins, too."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)
    codes = {host: 401.0 if host in BEHIND_LOGIN else 200.0 for host in ALL}
    assert [told(server, "probe_http_status_code") for server in servers] == [codes, codes]


def test_the_end_of_its_certificate_is_told(cluster: Kubernetes, people: People, servers: list[PrometheusPod]) -> None:
    """It is that of the certificate that the host shows to who comes from outside."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)
    ends = {host: float(ssl.cert_time_to_seconds(people.certificate(host)["notAfter"])) for host in BALANCER.hosts}
    for server in servers:
        found = told(server, "probe_ssl_earliest_cert_expiry")
        assert {host: found[host] for host in ends} == ends


@pytest.mark.stage(7)
def test_a_host_that_fails_is_told_of_alone(cluster: Kubernetes, servers: list[PrometheusPod]) -> None:
    """Within a minute, with its status, while the others answer; and so is that it answers again."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)

    def scale(replicas: int) -> None:
        cluster.kubectl("scale", "deployment/jaeger-query-proxy", "--namespace=monitoring", f"--replicas={replicas}")

    def told_of() -> bool:
        assert all_told(servers, {**ALL, JAEGER: 0.0})
        # A question that came while its last pods ended has had no answer at all.
        assert [told(server, "probe_http_status_code")[JAEGER] for server in servers] == [503, 503]
        return True

    scale(0)
    try:
        cluster.wait("it is told of", told_of, SOON)
    finally:
        scale(PROD.sign_in_replicas)

    cluster.wait("all hosts answer again", lambda: all_told(servers, ALL), SOON)
    cluster.wait_ready("monitoring", "deployment/jaeger-query-proxy")


@pytest.mark.stage(7)
def test_that_nobody_can_come_in_is_told(cluster: Kubernetes, people: People, servers: list[PrometheusPod]) -> None:
    """Though everything on the cluster is well: what is asked is the whole way."""
    cluster.wait("all hosts answer", lambda: all_told(servers, ALL), SOON)

    with people.balancer.refusing():
        cluster.wait("it is told of", lambda: all_told(servers, {**dict.fromkeys(ALL, 0.0), PROVIDER: 1.0}), SOON)

    cluster.wait("all hosts answer again", lambda: all_told(servers, ALL), SOON)
