"""Alerts on what the collectors' metrics of spans say of services. Part of the group `traces`."""

from collections.abc import Mapping

from constructs_lib.metrics.jaeger import SPAN_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.counting import repeats
from constructs_lib.rules.model import BACKEND, Alert, Evaluator, Recording, Severity
from constructs_lib.rules.requests import Pace, Words, failing
from constructs_lib.rules.trace_limits import TraceLimits
from constructs_lib.units import prometheus_duration

CALLS = "traces_span_metrics_calls_total"
# Requests per second to each service, whichever collector counted them.
SERVED = "service_status:traces_span_metrics_calls:rate"
SERVER, CLIENT = "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"
ERROR, OTHERS = "STATUS_CODE_ERROR", ("STATUS_CODE_UNSET", "STATUS_CODE_OK")
OVERFLOW = {"otel_metric_overflow": "true"}


def span_recordings(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Recording, ...]:
    """What the alerts of this file read.

    Args:
        by: Who records it.
        job: Of the metrics of spans.
        limits: Over what it is counted.
    """
    calls, window = metric(CALLS, job=job, span_kind=SERVER), prometheus_duration(limits.spans.onset(by).window)
    return (Recording(SERVED, f"sum by (service_name, status_code) (rate({calls}[{window}]))"),)


def span_alerts(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of the metrics of spans.
        limits: From where on somebody must hear of it.
    """
    return (
        repeats(
            by,
            name="SpanMetricsOverflowing",
            kept="exported_job",
            counter=CALLS,
            job=job,
            series=lambda of: SPAN_METRICS.series(CALLS, job=of, exported_job="web", **OVERFLOW),
            begins=True,
            only=OVERFLOW,
            others=(SPAN_METRICS.series(CALLS, job=job, exported_job="web"),),
            summary="A service has more kinds of spans than are counted apart: metrics of the rest say nothing.",
            description="{{ $value | humanize }} spans of {{ $labels.exported_job }} within 15 minutes are counted "
            "without their names.",
        ),
        _errors(by, job, limits),
    )


def _errors(by: Evaluator, job: str, limits: TraceLimits) -> Alert:
    """Of what a service is asked; what it asks of others fails in their spans, too."""
    onset, share = limits.spans.onset(by), limits.span_errors

    def series(of: str, service: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        rest = ((every[0] - failed[0]) / 2, (every[1] - failed[1]) / 2)
        served: dict[str, Pace] = {ERROR: failed, **dict.fromkeys(OTHERS, rest)}
        own = {
            SPAN_METRICS.series(CALLS, job=of, service_name=service, span_kind=SERVER, status_code=code): onset.runs(
                *pace
            )
            for code, pace in served.items()
        }
        calls = SPAN_METRICS.series(CALLS, job=of, service_name=service, span_kind=CLIENT, status_code=ERROR)
        return {**own, calls: onset.runs(1000, 1000)}

    words = Words(
        name="SpanErrorsHigh",
        severity=Severity.WARNING,
        team=BACKEND,
        summary=f"More than {share:.0%} of the requests to a service fail, as its spans say.",
        description="{{ $value | humanizePercentage }} of the requests to {{ $labels.service_name }} fail.",
    )
    failed = f"sum by (service_name) ({metric(SERVED, status_code=ERROR)})"
    every = f"sum by (service_name) ({metric(SERVED)})"
    return failing(by, limits.spans, words, failed=failed, every=every, share=share, jobs=(job,), series=series)
