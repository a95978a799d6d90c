"""The alerts on the monitoring itself: what they read, and that all figures follow from who evaluates them."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity
from constructs_lib.rules.observability import ObservabilityLimits, observability

BY = Evaluator(
    interval=timedelta(seconds=15),
    job="prom",
    replicas=2,
    jobs=("api", "prom"),
    alertmanager_job="alerts",
    alertmanagers=3,
    series=1000,
)
WITHOUT = replace(BY, alertmanager_job=None, alertmanagers=0)
COUNTERS = {
    "PrometheusWritesFailed": "prometheus_tsdb_wal_writes_failed_total",
    "PrometheusRuleFailures": "prometheus_rule_evaluation_failures_total",
    "PrometheusRuleEvaluationsMissed": "prometheus_rule_group_iterations_missed_total",
    "SampleLimitExceeded": "prometheus_target_scrapes_exceeded_sample_limit_total",
    "LabelLimitExceeded": "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "BodySizeLimitExceeded": "prometheus_target_scrapes_exceeded_body_size_limit_total",
}
NOTIFIED = "sum by (pod, integration) (increase(alertmanager_notifications"
CONDITIONS = {
    "Heartbeat": "vector(1)",
    "AlertmanagerMembersMissing": '(min(alertmanager_cluster_members{job="alerts"}) or vector(0)) < 3',
    "AlertmanagerConfigInconsistent": 'count(count_values("hash", alertmanager_config_hash{job="alerts"})) > 1',
    "AlertmanagerReloadFailed": 'alertmanager_config_last_reload_successful{job="alerts"} == 0',
    "AlertmanagerNotificationsFailing": (
        f'min by (integration) (({NOTIFIED}_failed_total{{job="alerts",receiver_name!="teams"}}[15m])) - 1)'
        f' / ({NOTIFIED}_total{{job="alerts",receiver_name!="teams"}}[15m])) > 0)) > 0.2'
    ),
    "PrometheusNotificationErrors": (
        'max by (pod, alertmanager) (rate(prometheus_notifications_errors_total{job="prom"}[5m])'
        " / rate(prometheus_notifications_sent_total[5m])) > 0.1"
    ),
    "PrometheusNotificationsDropped": (
        'min by (pod) (increase(prometheus_notifications_dropped_total{job="prom"}[5m])) > 0'
    ),
    "PrometheusDiscoveryFailing": 'increase(prometheus_sd_kubernetes_failures_total{job="prom"}[5m]) > 0',
    "ObservabilityCostHigh": (
        'sum(rate(observability_cost_total{origin=""}[1h])) / sum(rate(infrastructure_cost_total{origin=""}[1h]))'
        " > 0.05"
    ),
    "MostTargetsDown": '1 - avg(up{job!~"annotated-pods|annotated-services",origin=""}) > 0.5',
    "TargetDown": 'up{origin=""} == 0',
    "JobDown": '1 - avg by (job) (up{job!~"annotated-pods|annotated-services",origin=""}) > 0.5',
    "JobMissing": 'absent(up{job="api"}) or absent(up{job="prom"})',
    "PrometheusReplicaMissing": '(count(prometheus_ready{job="prom"} == 1) or vector(0)) < 2',
    "PrometheusRestarting": 'changes(process_start_time_seconds{job="prom"}[1h]) > 2',
    "PrometheusReloadFailed": 'prometheus_config_last_reload_successful{job="prom"} == 0',
    "PrometheusSeriesNearMemory": 'prometheus_tsdb_head_series{job="prom"} > 600',
    "ScrapeSamplesNearLimit": 'scrape_samples_post_metric_relabeling{origin=""} / scrape_sample_limit > 0.8',
}
NAMES = sorted({*COUNTERS, *CONDITIONS})
# What is counted over a time of its own, or must not wait.
AT_ONCE = {"Heartbeat", "PrometheusRestarting"}
SOON = {"PrometheusSeriesNearMemory"}  # what may grow too large within minutes


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
    """Whatever the interval; only what is counted over a time of its own fires at once, as the heartbeat does.

    What speaks for all targets comes two evaluations before what speaks for some: early enough to keep that silent.
    A new configuration may take its time to reach every member, and so may an upgrade of the API server.
    """
    ours = alerts(replace(BY, interval=timedelta(seconds=interval)))
    assert ours.pop("MostTargetsDown").hold == timedelta(seconds=hold - 2 * interval)
    assert ours.pop("AlertmanagerConfigInconsistent").hold == timedelta(seconds=max(hold, 600))
    assert ours.pop("PrometheusDiscoveryFailing").hold == timedelta(seconds=2 * max(300, 4 * interval))
    assert {alert.hold for name, alert in ours.items() if name in AT_ONCE} == {timedelta(0)}
    assert {alert.hold for name, alert in ours.items() if name not in AT_ONCE | SOON} == {timedelta(seconds=hold)}
    assert {alert.hold for name, alert in ours.items() if name in SOON} == {timedelta(seconds=4 * interval)}


@pytest.mark.parametrize(("seconds", "window"), [(15, "1m"), (30, "2m")])
@pytest.mark.parametrize(("name", "counter"), COUNTERS.items())
def test_counters_are_read_over_four_scrapes_of_our_own_job(name: str, counter: str, seconds: int, window: str) -> None:
    """The window follows from the interval, and only Prometheus' own series are read."""
    by = replace(BY, interval=timedelta(seconds=seconds))
    spared = r',rule_group!~".*;(.+)/.+"' if "Rule" in name else ""  # those of other teams
    assert alerts(by)[name].expr == f'increase({counter}{{job="prom"{spared}}}[{window}]) > 0'


@pytest.mark.parametrize(("name", "expr"), CONDITIONS.items())
def test_conditions_that_are_no_counters(name: str, expr: str) -> None:
    """Each reads what it says, of the job, the jobs and the replicas that it was told."""
    assert alerts()[name].expr == expr


def test_a_target_is_named_so_that_its_owner_knows_it() -> None:
    """An address alone tells nobody whose pod it is, least of all of those that many teams have in one job."""
    said = re.findall(r"\$labels\.(\w+)", alerts()["TargetDown"].description)
    assert set(said) == {"instance", "job", "namespace", "pod"}


def test_without_an_alertmanager_nothing_is_said_of_one() -> None:
    """Its alerts would wait for series that never come; all others are the same."""
    left_out = {
        "AlertmanagerConfigInconsistent",
        "AlertmanagerMembersMissing",
        "AlertmanagerNotificationsFailing",
        "AlertmanagerReloadFailed",
    }
    left_out |= {"PrometheusNotificationErrors", "PrometheusNotificationsDropped"}
    assert alerts().keys() - alerts(WITHOUT).keys() == left_out
    assert alerts(WITHOUT).keys() < alerts().keys()


@pytest.mark.trap(26)
def test_a_member_that_is_alone_is_missed_by_its_scrape() -> None:
    """Without gossip, it tells of no cluster."""
    alone = alerts(replace(BY, alertmanagers=1))["AlertmanagerMembersMissing"]
    assert alone.expr == '(count(up{job="alerts"} == 1) or vector(0)) < 1'


def test_a_member_that_is_alone_differs_from_nobody() -> None:
    """There is nothing to compare it with."""
    missing = alerts().keys() - alerts(replace(BY, alertmanagers=1)).keys()
    assert missing == {"AlertmanagerConfigInconsistent"}


def test_an_alertmanager_without_members_is_refused() -> None:
    """Nobody could be missed."""
    with pytest.raises(ConstructError, match="the Alertmanager of the job 'alerts' has 0 members: use 1 or more"):
        observability(replace(BY, alertmanagers=0))


@pytest.mark.trap(32)
def test_notifications_count_as_failed_for_whatever_reason() -> None:
    """A new version's new reason must not be missed: no reason is selected, and all are added up."""
    assert "reason" not in alerts()["AlertmanagerNotificationsFailing"].expr


def test_the_share_of_the_cost_can_be_chosen() -> None:
    """It is one value; what is no share is refused."""
    dear = {alert.name: alert for alert in observability(BY, ObservabilityLimits(cost=0.2)).alerts}
    assert dear["ObservabilityCostHigh"].expr.endswith(" > 0.2")
    with pytest.raises(ConstructError, match="cost is 5, but it is a part of a whole: use more than 0 and less than 1"):
        ObservabilityLimits(cost=5)


def test_what_makes_alerts_impossible_wakes_somebody() -> None:
    """What leaves something unwatched or unheard is critical, all else can wait; the heartbeat is nobody's."""
    severities = {name: alert.severity for name, alert in alerts().items()}
    assert {name for name, severity in severities.items() if severity is Severity.CRITICAL} == {
        *("JobDown", "JobMissing", "MostTargetsDown"),
        *("PrometheusReloadFailed", "PrometheusRestarting", "PrometheusRuleFailures", "PrometheusWritesFailed"),
        "PrometheusSeriesNearMemory",
        *("AlertmanagerReloadFailed", "AlertmanagerNotificationsFailing", "PrometheusNotificationsDropped"),
    }
    assert {name for name, severity in severities.items() if severity is Severity.NONE} == {"Heartbeat"}
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


@pytest.mark.parametrize("name", sorted({*NAMES} - {"Heartbeat"}))
def test_every_alert_comes_with_its_proof(name: str) -> None:
    """The series that make it fire and those that do not are different, and speak of the metrics that it reads."""
    alert = alerts()[name]
    bare = re.sub(r'"[^"]*"|\[\w+\]|by \(.*?\)', "", alert.expr)
    read = set(re.findall(r"\b(?:up|[a-z]+(?:_[a-z]+)+)\b(?![(=!])", bare))
    assert alert.proof.fires != alert.proof.quiet
    for series in (alert.proof.fires, alert.proof.quiet):
        assert {selector.partition("{")[0] for selector in series} == read
    assert alert.proof.at > alert.hold


def test_the_heartbeat_needs_no_series_and_no_time() -> None:
    """It fires from the first evaluation on, whatever is scraped."""
    proof = alerts()["Heartbeat"].proof
    assert (dict(proof.fires), dict(proof.quiet), proof.at) == ({}, {}, timedelta(0))


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
    assert ("{{" in alert.description) == (name != "Heartbeat")
    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")
