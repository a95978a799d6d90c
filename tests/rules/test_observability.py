"""The alerts on the monitoring itself: what they read, and that all figures follow from the interval."""

import re
from datetime import timedelta

import pytest

from constructs_lib.config.prometheus import ScrapeDefaults
from constructs_lib.rules.model import Alert, Severity, Team
from constructs_lib.rules.observability import observability

USUAL = ScrapeDefaults()
SLOW = ScrapeDefaults(interval=timedelta(seconds=30))
COUNTERS = {
    "PrometheusRuleFailures": "prometheus_rule_evaluation_failures_total",
    "PrometheusRuleEvaluationsMissed": "prometheus_rule_group_iterations_missed_total",
    "SampleLimitExceeded": "prometheus_target_scrapes_exceeded_sample_limit_total",
    "LabelLimitExceeded": "prometheus_target_scrape_pool_exceeded_label_limits_total",
    "BodySizeLimitExceeded": "prometheus_target_scrapes_exceeded_body_size_limit_total",
}
NAMES = {"TargetDown", "PrometheusReplicaMissing", "PrometheusReloadFailed", "ScrapeSamplesNearLimit", *COUNTERS}


def alerts(scrape: ScrapeDefaults = USUAL, job: str = "prom", replicas: int = 2) -> dict[str, Alert]:
    group = observability(scrape, job=job, replicas=replicas)
    assert group.name == "observability"
    return {alert.name: alert for alert in group.alerts}


def test_the_group_holds_these_alerts() -> None:
    """No alert comes or goes by accident."""
    assert set(alerts()) == NAMES


@pytest.mark.parametrize(("scrape", "hold"), [(USUAL, 5), (SLOW, 10)])
def test_every_condition_must_last_for_twenty_evaluations(scrape: ScrapeDefaults, hold: int) -> None:
    """Five minutes at the default interval, ten at twice that."""
    assert {alert.hold for alert in alerts(scrape).values()} == {timedelta(minutes=hold)}


@pytest.mark.parametrize(("scrape", "window"), [(USUAL, "1m"), (SLOW, "2m")])
@pytest.mark.parametrize(("name", "counter"), COUNTERS.items())
def test_counters_are_read_over_four_scrapes_of_our_own_job(
    name: str, counter: str, scrape: ScrapeDefaults, window: str
) -> None:
    """The window follows from the interval, and only Prometheus' own series are read."""
    assert alerts(scrape)[name].expr == f'increase({counter}{{job="prom"}}[{window}]) > 0'


def test_conditions_that_are_no_counters() -> None:
    """Each reads what it says, of the job and the number of replicas that were given."""
    ours = alerts(job="mine", replicas=3)
    assert ours["TargetDown"].expr == "up == 0"
    assert ours["PrometheusReplicaMissing"].expr == '(count(up{job="mine"} == 1) or vector(0)) < 3'
    assert ours["PrometheusReloadFailed"].expr == 'prometheus_config_last_reload_successful{job="mine"} == 0'
    near = "scrape_samples_post_metric_relabeling / scrape_sample_limit > 0.8"
    assert ours["ScrapeSamplesNearLimit"].expr == near


def test_what_makes_alerts_impossible_wakes_somebody() -> None:
    """Rules that fail and configuration that is refused are critical, all else can wait for the day."""
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {"PrometheusRuleFailures", "PrometheusReloadFailed"}
    assert {alert.team for alert in alerts().values()} == {Team.PLATFORM}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_alert_comes_with_its_proof(name: str) -> None:
    """The series that make it fire and those that do not are different, and speak of the metrics that it reads."""
    alert = alerts()[name]
    read = set(re.findall(r"(?:up|[a-z]+(?:_[a-z]+)+)(?=[{\[ ])", alert.expr)) - {"rate"}
    assert alert.proof.fires != alert.proof.quiet
    for series in (alert.proof.fires, alert.proof.quiet):
        assert {selector.partition("{")[0] for selector in series} == read
    assert alert.proof.at > alert.hold


@pytest.mark.trap(88)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_alert_waits_for_what_a_managed_control_plane_hides(name: str) -> None:
    """Schedulers, controllers and etcd cannot be scraped on EKS: an alert on their absence would fire for ever."""
    assert not re.search(r"absent|scheduler|controller-manager|etcd", alerts()[name].expr)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_alert_reads_as_sentences(name: str) -> None:
    """The summary holds no values, the description does, and both end as sentences do."""
    alert = alerts()[name]
    assert "{{" not in alert.summary
    assert "{{" in alert.description
    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")
