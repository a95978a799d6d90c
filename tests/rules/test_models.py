"""The alerts on AI models: what they read, and which thresholds can be chosen."""

from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import ML, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.models import ModelLimits, models
from constructs_lib.rules.requests import Lasting

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api",))
OURS = 'job=~"api|worker"'
LIMITS = ModelLimits()
ALL, FAILED = "model:ai_model_requests:rate", "model:ai_model_errors:rate"
BUCKETS = "model_le:ai_model_request_duration_seconds_bucket:rate"
TIMED = f'sum by (model) ({BUCKETS}{{le="+Inf"}})'


def group(limits: ModelLimits = LIMITS) -> RuleGroup:
    return models(BY, jobs=("api", "worker"), limits=limits)


def alerts(limits: ModelLimits = LIMITS) -> dict[str, Alert]:
    return {alert.name: alert for alert in group(limits).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident, and each tells one model from the other."""
    assert {name: alert.expr for name, alert in alerts().items()} == {
        "ModelErrors": f"{FAILED} / {ALL} > 0.05 and {ALL} > 0.05",
        "ModelSlow": f"histogram_quantile(0.95, {BUCKETS}) > 10 and {TIMED} > 0.05",
        "ModelCostHigh": f"sum by (model) (increase(ai_model_cost_dollars_total{{{OURS}}}[1h])) > 10",
    }
    assert {alert.team for alert in alerts().values()} == {ML}
    assert {alert.severity for alert in alerts().values()} == {Severity.WARNING}


def test_what_is_expensive_is_recorded_once() -> None:
    """By model, for the alerts and for dashboards."""
    assert {recording.name: recording.expr for recording in group().recordings} == {
        ALL: f"sum by (model) (rate(ai_model_requests_total{{{OURS}}}[5m]))",
        FAILED: f"sum by (model) (rate(ai_model_errors_total{{{OURS}}}[5m]))",
        BUCKETS: f"sum by (model, le) (rate(ai_model_request_duration_seconds_bucket{{{OURS}}}[5m]))",
    }


def test_a_group_without_services_is_refused() -> None:
    """It would speak of any exporter that has metrics of the same names."""
    with pytest.raises(ConstructError, match="the rule group models watches no job: name at least one, or leave"):
        models(BY, jobs=())


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit."""
    chosen = ModelLimits(
        errors=0.2,
        latency=timedelta(minutes=1),
        dollars_per_hour=2.5,
        lasting=Lasting(window=timedelta(minutes=10), fewest=60, hold=timedelta(minutes=5)),
    )
    ours = alerts(chosen)
    assert ours["ModelErrors"].expr == f"{FAILED} / {ALL} > 0.2 and {ALL} > 0.1"
    assert ours["ModelSlow"].expr == f"histogram_quantile(0.95, {BUCKETS}) > 60 and {TIMED} > 0.1"
    assert ours["ModelCostHigh"].expr.endswith("> 2.5")
    assert {alert.hold for alert in ours.values()} == {timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"errors": 0}, "errors is 0, but it is a part of a whole: use more than 0 and less than 1"),
        ({"latency": timedelta(0)}, "latency is 0:00:00, in which nothing is answered: use more than 0"),
        ({"dollars_per_hour": 0}, "dollars_per_hour is 0, always exceeded: use more than 0"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always fires, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(ModelLimits(), **limits)
