"""The alerts on hosts outside: what they read, whom they wake, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.rules.hosts import LIMITS, HostLimits, hosts
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity
from tests.rules.reading import complaints, reads_as_sentences

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("prom",))
CONDITIONS = {
    "HostNotAnswering": 'probe_http_status_code and probe_success{job="asks"} == 0',
    "CertificateNearExpiry": 'probe_ssl_earliest_cert_expiry{job="asks"} - time() < 1209600',
    "CertificateAboutToExpire": 'probe_ssl_earliest_cert_expiry{job="asks"} - time() < 259200',
}


def alerts(by: Evaluator = BY, limits: HostLimits = LIMITS) -> dict[str, Alert]:
    return {alert.name: alert for alert in hosts(by, job="asks", limits=limits).alerts}


def test_every_alert_reads_what_it_says() -> None:
    """No alert comes or goes by accident; all read the job that the app names, that of the probes by default."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS
    assert set(re.findall(r'job="(\w+)"', " ".join(alert.expr for alert in hosts(BY).alerts))) == {"blackbox"}
    assert hosts(BY).name == "hosts"


def test_every_metric_is_read_as_it_is_exposed() -> None:
    """And of the exporter, nothing is declared that nobody reads."""
    assert list(complaints([BLACKBOX_EXPORTER], [hosts(BY)])) == []


def test_what_says_that_nobody_reaches_a_host_wakes_somebody() -> None:
    """And what is urgent; a certificate that has two weeks can wait for the day."""
    urgent = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert urgent == {"HostNotAnswering", "CertificateAboutToExpire"}
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


@pytest.mark.parametrize("name", CONDITIONS)
def test_texts_are_sentences_that_name_the_host(name: str) -> None:
    """By its URL."""
    reads_as_sentences(alerts()[name])
    assert "{{ $labels.instance }}" in alerts()[name].description


@pytest.mark.parametrize(("interval", "hold"), [(15, 300), (30, 300), (60, 600)])
def test_holds_follow_from_the_interval(interval: int, hold: int) -> None:
    """Five minutes and ten evaluations: what is replaced has a moment for it."""
    found = alerts(replace(BY, interval=timedelta(seconds=interval)))
    assert {alert.hold.total_seconds() for alert in found.values()} == {hold}


def test_every_threshold_can_be_chosen() -> None:
    """For certificates of a week, say, that are renewed two days before their end."""
    chosen = alerts(limits=HostLimits(near=timedelta(days=1), last=timedelta(hours=6)))
    assert chosen["CertificateNearExpiry"].expr.endswith(" < 86400")
    assert chosen["CertificateAboutToExpire"].expr.endswith(" < 21600")


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"near": timedelta(0)}, r"^near is 0:00:00, too short to tell trouble from chance: use 1m or more$"),
        ({"last": timedelta(seconds=59)}, r"^last is 59s, too short to tell trouble from chance: use 1m or more$"),
        ({"last": timedelta(days=14)}, r"^last is 14d, near is 14d: use less for last, or nobody is warned before "),
    ],
    ids=["near", "last", "no time between"],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, timedelta], refusal: str) -> None:
    """Each would make an alert that speaks never, or too late."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)
