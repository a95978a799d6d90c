"""On a quiet day no alert on hosts fires, and each trouble with them does, by itself."""

import pytest

from apps.environments import PROD
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.rules.hosts import hosts
from constructs_lib.rules.model import HEARTBEAT, Evaluator
from constructs_lib.rules.observability import observability
from constructs_lib.rules.proving import alone
from tests.real.healthy.hosts import quiet
from tests.real.healthy.kubernetes import DAY
from tests.real.simulation import WHOLE, Course, judged, minute, steady

BY = Evaluator(interval=PROD.scrape_interval, job="prometheus", replicas=2, jobs=("prometheus",))
(BEAT,) = (alert for alert in observability(BY).alerts if alert.name == HEARTBEAT)
HOSTS = hosts(BY)
GROUPS = (HOSTS, alone(BEAT))
EXPIRY = f'probe_ssl_earliest_cert_expiry instance="{PROD.prometheus_url}/api/"'


def away(t: float) -> float:
    """It answers no more from some time in the last hour on."""
    return 0.0 if t >= minute(30) else 1.0


TROUBLES: dict[str, tuple[str, Course, set[str]]] = {
    "HostNotAnswering": (f"probe_success {PROD.grafana_url}/", away, set()),
    "CertificateNearExpiry": (EXPIRY, steady(13 * DAY), set()),
    # Who is told that it is urgent was told before.
    "CertificateAboutToExpire": (EXPIRY, steady(2 * DAY), {"CertificateNearExpiry"}),
}


def test_nothing_fires_on_a_quiet_day() -> None:
    """Not while no host answers for a moment, nor when certificates are a month before their end."""
    assert judged(quiet(PROD), GROUPS, fired=[], within=WHOLE) == ""


@pytest.mark.parametrize("alert", TROUBLES)
def test_one_trouble_among_what_is_healthy_is_heard_of(alert: str) -> None:
    """Its own alert fires, and no other but what led to it."""
    part, course, before = TROUBLES[alert]
    assert judged(quiet(PROD).but(part, course), GROUPS, fired={alert, *before}, within=WHOLE) == ""


def test_every_alert_has_its_trouble() -> None:
    """A new one brings its own."""
    assert {alert.name for alert in HOSTS.alerts} == TROUBLES.keys()


def test_every_metric_of_hosts_is_there() -> None:
    """All series that rules may read, and no others."""
    shown = quiet(PROD).shown[BLACKBOX_EXPORTER.name]
    assert shown == {name for each in BLACKBOX_EXPORTER.metrics for name in each.series()}
