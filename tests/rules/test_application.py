"""The alerts on applications: what they read, and which thresholds can be chosen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.application import ApplicationLimits, application
from constructs_lib.rules.model import BACKEND, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.requests import Lasting

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api", "web.v2"))
OURS = r'job=~"api|web\\.v2"'
LIMITS = ApplicationLimits()
ALL = "sum by (service) (service_code:http_requests:rate)"
FAILED = 'sum by (service) (service_code:http_requests:rate{code=~"5.."})'
SLOWEST = "histogram_quantile(0.95, service_le:http_request_duration_seconds_bucket:rate)"
TIMED = 'sum by (service) (service_le:http_request_duration_seconds_bucket:rate{le="+Inf"})'
CONDITIONS = {
    "ApiErrors": f"{FAILED} / {ALL} > 0.05 and {ALL} > 0.1",
    "ApiErrorsHigh": f"{FAILED} / {ALL} > 0.25 and {ALL} > 0.1",
    "ApiSlow": f"{SLOWEST} > 1 and {TIMED} > 0.1",
    "QueueDeep": f"max by (queue) (queue_depth{{{OURS}}}) > 1000",
    "LeadsStopped": (
        f"sum(increase(leads_created_total{{{OURS}}}[2h])) == 0"
        f" and sum(increase(leads_created_total{{{OURS}}}[2h] offset 7d)) > 10"
    ),
}


def group(by: Evaluator = BY, limits: ApplicationLimits = LIMITS) -> RuleGroup:
    return application(by, jobs=("api", "web.v2"), limits=limits)


def alerts(by: Evaluator = BY, limits: ApplicationLimits = LIMITS) -> dict[str, Alert]:
    return {alert.name: alert for alert in group(by, limits).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident; what fails is told from what the caller did wrong."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS


def test_what_is_expensive_is_recorded_once() -> None:
    """Rates are taken of what programs expose, then summed, never the other way round."""
    assert {recording.name: recording.expr for recording in group().recordings} == {
        "service_code:http_requests:rate": f"sum by (service, code) (rate(http_requests_total{{{OURS}}}[5m]))",
        "service_le:http_request_duration_seconds_bucket:rate": (
            f"sum by (service, le) (rate(http_request_duration_seconds_bucket{{{OURS}}}[5m]))"
        ),
    }


def test_a_group_without_services_is_refused() -> None:
    """It would speak of any exporter that has metrics of the same names."""
    with pytest.raises(ConstructError, match="the rule group application watches no job: name at least one, or leave"):
        application(BY, jobs=())


def test_only_what_users_notice_wakes_somebody() -> None:
    """All of it is the same team's."""
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {"ApiErrorsHigh"}
    assert {alert.team for alert in alerts().values()} == {BACKEND}


@pytest.mark.parametrize(
    ("interval", "window", "hold", "guard"), [(15, "5m", 180, "0.1"), (60, "5m", 240, "0.1"), (150, "10m", 600, "0.05")]
)
def test_windows_and_holds_are_four_scrapes_at_least(interval: int, window: str, hold: int, guard: str) -> None:
    """One scrape may fail; the guard is the same number of requests in a longer window."""
    by = replace(BY, interval=timedelta(seconds=interval))
    assert all(f"[{window}]" in recording.expr for recording in group(by).recordings)
    ours = alerts(by)
    assert ours.pop("LeadsStopped").hold == timedelta(minutes=15)
    assert {alert.hold for alert in ours.values()} == {timedelta(seconds=hold)}
    assert ours["ApiErrors"].expr.endswith(f"> {guard}")


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit."""
    ours = alerts(
        limits=ApplicationLimits(
            errors=0.01,
            errors_high=0.1,
            latency=timedelta(milliseconds=300),
            queue=50,
            without_lead=timedelta(hours=6),
            usual_leads=100,
            lasting=Lasting(window=timedelta(minutes=10), fewest=300, hold=timedelta(minutes=5)),
        )
    )
    assert ours["ApiErrors"].expr == f"{FAILED} / {ALL} > 0.01 and {ALL} > 0.5"
    assert ours["ApiErrorsHigh"].expr == f"{FAILED} / {ALL} > 0.1 and {ALL} > 0.5"
    assert ours["ApiSlow"].expr == f"{SLOWEST} > 0.3 and {TIMED} > 0.5"
    assert ours["QueueDeep"].expr.endswith("> 50")
    assert "[6h]" in ours["LeadsStopped"].expr
    assert ours["LeadsStopped"].expr.endswith("[6h] offset 7d)) > 100")
    assert ours.pop("LeadsStopped").hold == timedelta(minutes=45)
    assert {alert.hold for alert in ours.values()} == {timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"errors": 5}, "errors is 5, but it is a part of a whole: use more than 0 and less than 1"),
        ({"errors": 0.3}, "errors_high is 0.25, errors 0.3: use more for the former"),
        ({"latency": timedelta(0)}, "latency is 0:00:00, in which nothing is answered: use more than 0"),
        ({"queue": 0}, "queue is 0, which is exceeded at once: use 1 or more"),
        ({"usual_leads": 0}, "usual_leads is 0, which is exceeded at once: use 1 or more"),
        ({"without_lead": timedelta(seconds=5)}, "without_lead is 5s, too short to tell trouble from chance"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always fires, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(ApplicationLimits(), **limits)


@pytest.mark.parametrize(
    ("lasting", "refusal"),
    [
        ({"window": timedelta(seconds=30)}, "window is 30s, too short to tell trouble from chance: use 1m or more"),
        ({"hold": timedelta(0)}, "hold is 0:00:00, too short to tell trouble from chance: use 1m or more"),
        ({"fewest": 0}, "fewest is 0, which is exceeded at once: use 1 or more"),
    ],
)
def test_what_lets_a_single_request_decide_is_refused(lasting: dict[str, object], refusal: str) -> None:
    """One failed request of one is a share of 1."""
    with pytest.raises(ConstructError, match=refusal):
        replace(Lasting(), **lasting)
