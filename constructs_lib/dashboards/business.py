"""What the company lives by: leads, the AI models that work on them, queues, and what it costs."""

from collections.abc import Collection
from datetime import timedelta

from constructs_lib.dashboards.layout import LOW, Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import BUSINESS
from constructs_lib.dashboards.panels import (
    COUNT,
    DOLLARS,
    RANGE,
    RATE,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
    Panel,
    figure,
    graph,
    latest,
    of_jobs,
    series,
    share,
)
from constructs_lib.promql import Matcher, metric
from constructs_lib.rules.application import WEEK, ApplicationLimits
from constructs_lib.rules.models import ERRORS, HOUR, QUANTILE, REQUESTS, ModelLimits
from constructs_lib.rules.observability import COST_OVER, ObservabilityLimits
from constructs_lib.units import prometheus_duration

NAMED = "{{model}}"


def business(
    *,
    jobs: Collection[str],
    limits: ApplicationLimits = ApplicationLimits(),
    models: ModelLimits = ModelLimits(),
    costs: ObservabilityLimits = ObservabilityLimits(),
) -> Dashboard:
    """The dashboard `business`, against the limits of the groups `application`, `models` and `observability`.

    Args:
        jobs: Of the services, at least one.
        limits: How long no lead may come, and how many entries may wait in a queue.
        models: How slow and how dear models may be.
        costs: What the monitoring may cost.
    Raises:
        ConstructError: no job.
    """
    ours = of_jobs(BUSINESS, jobs)
    return dashboard(
        name=BUSINESS,
        title="Business",
        says="Leads, the AI models that work on them, the queues in which they wait, and what it costs.",
        rows=(
            Row("In all", ((6, _leads(ours)), (6, _calls(ours)), (6, _spent(ours)), (6, _waiting(ours))), height=LOW),
            Row("Leads", ((12, _by_source(ours)), (12, _as_usual(ours, limits)))),
            Row("AI models", ((8, _rate()), (8, _errors(models)), (8, _latency(ours, models)))),
            Row("Queues and costs", ((8, _queues(ours, limits)), (8, _cost(ours, models)), (8, _monitoring(costs)))),
        ),
    )


def _created(ours: Matcher, within: str, before: timedelta | None = None) -> str:
    offset = f" offset {prometheus_duration(before)}" if before else ""
    return f"increase({metric('leads_created_total', job=ours)}[{within}]{offset})"


def _leads(ours: Matcher) -> Panel:
    return figure(
        "Leads",
        "How many leads were created in the time that is looked at.",
        COUNT,
        latest(f"sum({_created(ours, RANGE)})", "leads"),
    )


def _calls(ours: Matcher) -> Panel:
    calls = metric("ai_model_requests_total", job=ours)
    return figure(
        "Calls of AI models",
        "How many calls of AI models there were in the time that is looked at.",
        COUNT,
        latest(f"sum(increase({calls}[{RANGE}]))", "calls"),
    )


def _spent(ours: Matcher) -> Panel:
    cost = metric("ai_model_cost_dollars_total", job=ours)
    return figure(
        "Spent on AI models",
        "What all AI models have cost in the time that is looked at.",
        DOLLARS,
        latest(f"sum(increase({cost}[{RANGE}]))", "spent"),
    )


def _waiting(ours: Matcher) -> Panel:
    return figure(
        "Waiting in queues",
        "How many entries wait in all queues together.",
        COUNT,
        series(f"sum(max by (queue) ({metric('queue_depth', job=ours)}))", "waiting"),
    )


def _by_source(ours: Matcher) -> Panel:
    within = prometheus_duration(HOUR)
    return graph(
        "Leads an hour, by source",
        f"How many leads of each source were created within {within}.",
        COUNT,
        series(f"sum by (source) ({_created(ours, within)})", "{{source}}"),
        stacked=True,
    )


def _as_usual(ours: Matcher, limits: ApplicationLimits) -> Panel:
    """Without what was a week ago in the first week, which is then 0."""
    within = prometheus_duration(limits.without_lead)
    return graph(
        "Leads, as usual",
        f"How many leads were created within {within}, and how many a week before.",
        COUNT,
        series(f"sum({_created(ours, within)})", "now"),
        series(f"sum({_created(ours, within, WEEK)}) or vector(0)", "a week before"),
    )


def _rate() -> Panel:
    return graph(
        "Calls, by model",
        "How often each AI model is called.",
        REQUESTS_A_SECOND,
        series(metric(REQUESTS), NAMED),
    )


def _errors(limits: ModelLimits) -> Panel:
    return graph(
        "Failed calls, by model",
        "The share of its calls to which each AI model gives no usable answer.",
        SHARE,
        series(share(metric(ERRORS), metric(REQUESTS)), NAMED),
        warning=limits.errors,
    )


def _latency(ours: Matcher, limits: ModelLimits) -> Panel:
    """Of the buckets themselves, since what is recorded of them has no exemplars."""
    buckets = metric("ai_model_request_duration_seconds_bucket", job=ours)
    slowest = f"histogram_quantile({QUANTILE:g}, sum by (model, le) (rate({buckets}[{RATE}])))"
    return graph(
        f"Slowest {1 - QUANTILE:.0%}, by model",
        f"What {QUANTILE:.0%} of each AI model's answers take at most until they are whole.",
        SECONDS,
        series(slowest, NAMED, exemplars=True),
        warning=limits.latency.total_seconds(),
    )


def _queues(ours: Matcher, limits: ApplicationLimits) -> Panel:
    return graph(
        "Queues",
        "How many entries wait in each queue.",
        COUNT,
        series(f"max by (queue) ({metric('queue_depth', job=ours)})", "{{queue}}"),
        warning=limits.queue,
    )


def _cost(ours: Matcher, limits: ModelLimits) -> Panel:
    cost = metric("ai_model_cost_dollars_total", job=ours)
    return graph(
        "Cost of AI models, by hour",
        "What each AI model has cost within an hour.",
        DOLLARS,
        series(f"sum by (model) (increase({cost}[{prometheus_duration(HOUR)}]))", NAMED),
        warning=limits.dollars_per_hour,
    )


def _monitoring(limits: ObservabilityLimits) -> Panel:
    within = prometheus_duration(COST_OVER)
    ours, every = (
        f"sum(rate({metric(f'{what}_cost_total', origin='')}[{within}]))"
        for what in ("observability", "infrastructure")
    )
    return graph(
        "Cost of the monitoring",
        "Which share of the infrastructure's cost is the monitoring's.",
        SHARE,
        series(f"{ours} / {every}", "share"),
        warning=limits.cost,
    )
