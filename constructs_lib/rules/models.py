"""The AI models: failed and slow calls, and what they cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.models import MODELS
from constructs_lib.promql import metric
from constructs_lib.rules.limits import check_shares
from constructs_lib.rules.model import ML, Alert, Evaluator, Proof, Recording, RuleGroup, Severity
from constructs_lib.rules.onset import Onset
from constructs_lib.rules.requests import Lasting, Pace, Words, failing, slow
from constructs_lib.units import prometheus_duration

# Calls per second, over the window of the limits.
REQUESTS, ERRORS = "model:ai_model_requests:rate", "model:ai_model_errors:rate"
DURATIONS = "model_le:ai_model_request_duration_seconds_bucket:rate"
QUANTILE = 0.95
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What the group `models` bears.

    Args:
        errors: The share of the calls of a model that may fail.
        latency: In which 95 % of a model's answers must be whole.
        dollars_per_hour: What one model may cost.
        lasting: Over what calls are counted, and how long trouble must last.
    Raises:
        ConstructError: a share outside of 0 to 1, or nothing that a model may cost or take.
    """

    errors: float = 0.05
    latency: timedelta = timedelta(seconds=10)
    dollars_per_hour: float = 10
    lasting: Lasting = field(default_factory=lambda: Lasting(fewest=15))

    def __post_init__(self) -> None:
        check_shares(errors=self.errors)
        if self.latency <= timedelta(0):
            raise ConstructError(f"latency is {self.latency}, in which nothing is answered: use more than 0")
        if self.dollars_per_hour <= 0:
            raise ConstructError(f"dollars_per_hour is {self.dollars_per_hour:g}, always exceeded: use more than 0")


def models(by: Evaluator, limits: ModelLimits = ModelLimits()) -> RuleGroup:
    """The group `models`, on whatever exports the metrics of `constructs_lib.metrics.models`.

    Args:
        by: Who evaluates it.
        limits: From where on somebody must hear of it.
    """
    window = prometheus_duration(limits.lasting.onset(by).window)
    buckets = metric("ai_model_request_duration_seconds_bucket")
    return RuleGroup(
        name="models",
        recordings=(
            Recording(REQUESTS, f"sum by (model) (rate({metric('ai_model_requests_total')}[{window}]))"),
            Recording(ERRORS, f"sum by (model) (rate({metric('ai_model_errors_total')}[{window}]))"),
            Recording(DURATIONS, f"sum by (model, le) (rate({buckets}[{window}]))"),
        ),
        alerts=(_errors(by, limits), _slow(by, limits), _cost(by, limits)),
    )


def _errors(by: Evaluator, limits: ModelLimits) -> Alert:
    def series(model: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        onset = limits.lasting.onset(by)
        return {
            MODELS.series("ai_model_errors_total", model=model): onset.runs(*failed),
            MODELS.series("ai_model_requests_total", model=model): onset.runs(*every),
        }

    words = Words(
        name="ModelErrors",
        severity=Severity.WARNING,
        team=ML,
        summary="Too many calls of an AI model fail.",
        description="{{ $value | humanizePercentage }} of the calls of {{ $labels.model }} fail.",
    )
    return failing(by, limits.lasting, words, failed=ERRORS, every=REQUESTS, share=limits.errors, series=series)


def _slow(by: Evaluator, limits: ModelLimits) -> Alert:
    words = Words(
        name="ModelSlow",
        severity=Severity.WARNING,
        team=ML,
        summary="An AI model answers too slowly.",
        description=f"One in {1 / (1 - QUANTILE):.0f} answers of {{{{ $labels.model }}}} takes more than "
        "{{ $value | humanizeDuration }}.",
    )
    return slow(
        by,
        limits.lasting,
        words,
        buckets=DURATIONS,
        label="model",
        quantile=QUANTILE,
        limit=limits.latency,
        program=MODELS,
        histogram="ai_model_request_duration_seconds",
    )


def _cost(by: Evaluator, limits: ModelLimits) -> Alert:
    name, budget = "ai_model_cost_dollars_total", limits.dollars_per_hour
    onset = Onset(interval=by.interval, window=HOUR, hold=limits.lasting.onset(by).hold)
    each = budget * by.interval / HOUR
    new = onset.crossing((0, 1.05 * each), (each, each), 1)

    def costs(before: float, after: float) -> Mapping[str, str]:
        """Of two programs that call the same model."""
        return {
            MODELS.series(name, model="large", instance=f"10.0.0.{host}:8080"): onset.runs(before / 2, after / 2)
            for host in (1, 2)
        }

    return Alert(
        name="ModelCostHigh",
        expr=f"sum by (model) (increase({metric(name)}[{prometheus_duration(HOUR)}])) > {budget:g}",
        hold=onset.hold,
        severity=Severity.WARNING,
        team=ML,
        summary="An AI model costs more than its budget.",
        description="{{ $labels.model }} has cost {{ $value | humanize }} dollars within an hour.",
        proof=Proof(
            fires=costs(0, 1.05 * each),
            at=onset.at(new),
            quiet=costs(0.95 * each, 0.95 * each),
            step=budget / 10,
        ),
    )
