"""The alerts on the monitoring itself: what they read, and that all figures follow from who evaluates them."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity
from constructs_lib.rules.observability import observability

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api", "prom"))
COUNTERS = {
    "PrometheusWritesFailed": "prometheus_tsdb_wal_writes_failed_total",
    "PrometheusRuleFailures": "prometheus_rule_evaluation_failures_total",
    "PrometheusRuleEvaluationsMissed": "prometheus_rule_group_iterations_missed_total",
    "SampleLimitExceeded": "prometheus_target_scrapes_exceeded_sample_limit_total",
    "LabelLimitExceeded": "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "BodySizeLimitExceeded": "prometheus_target_scrapes_exceeded_body_size_limit_total",
}
CONDITIONS = {
    "TargetDown": "up == 0",
    "JobDown": "count by (job) (up == 0) / count by (job) (up) > 0.5",
    "JobMissing": 'absent(up{job="api"}) or absent(up{job="prom"})',
    "PrometheusReplicaMissing": '(count(prometheus_ready{job="prom"} == 1) or vector(0)) < 2',
    "PrometheusRestarting": 'changes(process_start_time_seconds{job="prom"}[1h]) > 2',
    "PrometheusReloadFailed": 'prometheus_config_last_reload_successful{job="prom"} == 0',
    "ScrapeSamplesNearLimit": "scrape_samples_post_metric_relabeling / scrape_sample_limit > 0.8",
}
NAMES = sorted({*COUNTERS, *CONDITIONS})


def alerts(by: Evaluator = BY) -> dict[str, Alert]:
    group = observability(by)
    assert group.name == "observability"
    return {alert.name: alert for alert in group.alerts}


def test_the_group_holds_these_alerts() -> None:
    """No alert comes or goes by accident."""
    assert sorted(alerts()) == NAMES


@pytest.mark.parametrize(
    ("interval", "hold"), [(1, 300), (7, 301), (15, 300), (30, 300), (60, 600), (120, 1200)], ids=str
)
def test_every_condition_must_last_five_minutes_and_ten_evaluations(interval: int, hold: int) -> None:
    """Whatever the interval; only restarts are counted over an hour of their own."""
    ours = alerts(replace(BY, interval=timedelta(seconds=interval)))
    assert ours.pop("PrometheusRestarting").hold == timedelta(0)
    assert {alert.hold for alert in ours.values()} == {timedelta(seconds=hold)}


@pytest.mark.parametrize(("seconds", "window"), [(15, "1m"), (30, "2m")])
@pytest.mark.parametrize(("name", "counter"), COUNTERS.items())
def test_counters_are_read_over_four_scrapes_of_our_own_job(name: str, counter: str, seconds: int, window: str) -> None:
    """The window follows from the interval, and only Prometheus' own series are read."""
    by = replace(BY, interval=timedelta(seconds=seconds))
    assert alerts(by)[name].expr == f'increase({counter}{{job="prom"}}[{window}]) > 0'


@pytest.mark.parametrize(("name", "expr"), CONDITIONS.items())
def test_conditions_that_are_no_counters(name: str, expr: str) -> None:
    """Each reads what it says, of the job, the jobs and the replicas that it was told."""
    assert alerts()[name].expr == expr


def test_what_makes_alerts_impossible_wakes_somebody() -> None:
    """What leaves something unwatched is critical, all else can wait for the day."""
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {
        *("JobDown", "JobMissing"),
        *("PrometheusReloadFailed", "PrometheusRestarting", "PrometheusRuleFailures", "PrometheusWritesFailed"),
    }
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_comes_with_its_proof(name: str) -> None:
    """The series that make it fire and those that do not are different, and speak of the metrics that it reads."""
    alert = alerts()[name]
    read = set(re.findall(r"\b(?:up|[a-z]+(?:_[a-z]+)+)\b", re.sub(r'"[^"]*"|by \(.*?\)', "", alert.expr)))
    assert alert.proof.fires != alert.proof.quiet
    for series in (alert.proof.fires, alert.proof.quiet):
        assert {selector.partition("{")[0] for selector in series} == read
    assert alert.proof.at > alert.hold


@pytest.mark.trap(88)
@pytest.mark.parametrize("name", NAMES)
def test_no_alert_waits_for_what_a_managed_control_plane_hides(name: str) -> None:
    """Only jobs that are scraped are missed: not schedulers, controllers and etcd, which EKS hides."""
    expr = alerts()[name].expr
    assert not re.search(r"scheduler|controller-manager|etcd", expr)
    assert set(re.findall(r'absent\(up\{job="([^"]*)"\}\)', expr)) in ({"api", "prom"}, set())
    assert expr.count("absent") == 2 * (name == "JobMissing")


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_reads_as_sentences(name: str) -> None:
    """The summary holds no values, the description does, and both end as sentences do."""
    alert = alerts()[name]
    assert "{{" not in alert.summary
    assert "{{" in alert.description
    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")
