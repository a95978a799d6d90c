"""The AI models: failed and slow calls, and what they cost."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.models import MODELS
from constructs_lib.promql import Matcher, metric
from constructs_lib.rules.jobs import among
from constructs_lib.rules.model import ML, Alert, Evaluator, Proof, Recording, RuleGroup, Severity
from constructs_lib.rules.onset import Onset
from constructs_lib.rules.requests import STRANGER, Lasting, Pace, Words, failing, slow
from constructs_lib.thresholds import check_shares
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


def models(by: Evaluator, *, jobs: Collection[str], limits: ModelLimits = ModelLimits()) -> RuleGroup:
    """The group `models`, on what services export of the metrics of `constructs_lib.metrics.models`.

    Args:
        by: Who evaluates it.
        jobs: Of the services that may call models, at least one.
        limits: From where on somebody must hear of it.
    Raises:
        ConstructError: no job.
    """
    ours, names = among(jobs, group="models"), tuple(jobs)
    window = prometheus_duration(limits.lasting.onset(by).window)
    requests, errors = (metric(f"ai_model_{what}_total", job=ours) for what in ("requests", "errors"))
    buckets = metric("ai_model_request_duration_seconds_bucket", job=ours)
    return RuleGroup(
        name="models",
        recordings=(
            Recording(REQUESTS, f"sum by (model) (rate({requests}[{window}]))"),
            Recording(ERRORS, f"sum by (model) (rate({errors}[{window}]))"),
            Recording(DURATIONS, f"sum by (model, le) (rate({buckets}[{window}]))"),
        ),
        alerts=(_errors(by, names, limits), _slow(by, names, limits), _cost(by, names, ours, limits)),
    )


def _errors(by: Evaluator, jobs: tuple[str, ...], limits: ModelLimits) -> Alert:
    def series(job: str, model: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        onset = limits.lasting.onset(by)
        return {
            MODELS.series("ai_model_errors_total", job=job, model=model): onset.runs(*failed),
            MODELS.series("ai_model_requests_total", job=job, model=model): onset.runs(*every),
        }

    words = Words(
        name="ModelErrors",
        severity=Severity.WARNING,
        team=ML,
        summary="Too many calls of an AI model fail.",
        description="{{ $value | humanizePercentage }} of the calls of {{ $labels.model }} fail.",
    )
    return failing(
        by, limits.lasting, words, failed=ERRORS, every=REQUESTS, share=limits.errors, jobs=jobs, series=series
    )


def _slow(by: Evaluator, jobs: tuple[str, ...], limits: ModelLimits) -> Alert:
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
        jobs=jobs,
        program=MODELS,
        histogram="ai_model_request_duration_seconds",
    )


def _cost(by: Evaluator, jobs: tuple[str, ...], ours: Matcher, limits: ModelLimits) -> Alert:
    name, budget = "ai_model_cost_dollars_total", limits.dollars_per_hour
    onset = Onset(interval=by.interval, window=HOUR, hold=limits.lasting.onset(by).hold)
    each = budget * by.interval / HOUR
    new = onset.crossing((0, 1.05 * each), (each, each), 1)

    def costs(before: float, after: float, *callers: str) -> Mapping[str, str]:
        """Of two programs that call the same model."""
        return {
            MODELS.series(name, job=job, model="large", instance=f"10.0.0.{host}:8080"): onset.runs(
                before / 2, after / 2
            )
            for host, job in enumerate(callers or (jobs[0], jobs[-1]), 1)
        }

    return Alert(
        name="ModelCostHigh",
        expr=f"sum by (model) (increase({metric(name, job=ours)}[{prometheus_duration(HOUR)}])) > {budget:g}",
        hold=onset.hold,
        severity=Severity.WARNING,
        team=ML,
        summary="An AI model costs more than its budget.",
        description="{{ $labels.model }} has cost {{ $value | humanize }} dollars within an hour.",
        proof=Proof(
            fires=costs(0, 1.05 * each),
            at=onset.at(new),
            quiet={**costs(0.95 * each, 0.95 * each), **costs(each, each, STRANGER)},
            step=budget / 10,
        ),
    )
