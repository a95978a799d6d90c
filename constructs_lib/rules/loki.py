"""Alerts on the store of logs as others see it: whether it takes lines in, and answers. Part of the group `logs`.

Loki is one program here that is all of its parts, so each of its members bears the series of all.

Source: https://github.com/grafana/loki/blob/v3.7.8/production/loki-mixin/alerts.libsonnet
"""

from collections.abc import Mapping
from datetime import timedelta

from constructs_lib.metrics.loki import LOKI
from constructs_lib.promql import matches, metric, not_equal
from constructs_lib.rules.counting import repeats, stops
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Recording, Severity
from constructs_lib.rules.requests import Lasting, Pace, Words, failing
from constructs_lib.units import prometheus_duration

# Requests per second.
WRITES, QUERIES = "route_code:loki_writes:rate", "route_code:loki_queries:rate"
# As Loki calls them. No probe is among them: by its 503 a member only says that it starts.
WRITE_ROUTES = ("loki_api_v1_push", "otlp_v1_logs")
QUERY_ROUTES = (
    *("loki_api_v1_query", "loki_api_v1_query_range", "loki_api_v1_labels", "loki_api_v1_label_name_values"),
    *("loki_api_v1_series", "loki_api_v1_index_stats", "loki_api_v1_index_volume", "loki_api_v1_index_volume_range"),
)
PROBE_ROUTE = "ready"
SERVER_ERRORS = "5.."
# By which lines are lost, and nodes may stand still.
# https://github.com/grafana/loki/blob/v3.7.8/pkg/ingester/instance.go (Push, whose error is that of the last stream)
STREAM_LIMIT = "stream_limit"
REFUSED_WITHIN = timedelta(minutes=5)


def loki_recordings(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Recording, ...]:
    """What the alerts of this file read.

    Args:
        by: Who records it.
        job: Of Loki.
        limits: Over what it is counted.
    """

    def rate(over: Lasting, routes: tuple[str, ...]) -> str:
        requests = metric("loki_request_duration_seconds_count", job=job, route=matches("|".join(routes)))
        return f"sum by (route, status_code) (rate({requests}[{prometheus_duration(over.onset(by).window)}]))"

    return (
        Recording(WRITES, rate(limits.writes, WRITE_ROUTES)),
        Recording(QUERIES, rate(limits.queries, QUERY_ROUTES)),
    )


def loki_alerts(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of Loki.
        limits: From where on somebody must hear of it.
    """
    writes = Words(
        name="LokiWritesFailing",
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Loki fails to take in lines, which wait at the collectors until they are lost.",
        description="Loki answers {{ $value | humanizePercentage }} of the requests of {{ $labels.route }} with 5xx.",
    )
    queries = Words(
        name="LokiQueriesFailing",
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Loki fails to answer queries.",
        description="Loki answers {{ $value | humanizePercentage }} of the requests of {{ $labels.route }} with 5xx.",
    )
    return (
        # From end to end: whatever is wrong with collectors, network or store, when no line arrives at all.
        stops(
            by,
            name="LogsStopped",
            counter="loki_ingester_wal_records_logged_total",
            job=job,
            series=lambda of, pod: LOKI.series("loki_ingester_wal_records_logged_total", job=of, pod=f"loki-{pod}"),
            severity=Severity.CRITICAL,
            summary="No line arrives in Loki from anywhere.",
            description="Loki has taken in {{ $value }} lines",
        ),
        _failing(by, job, limits.writes, writes, share=limits.errors, requests=WRITES, routes=WRITE_ROUTES),
        _failing(by, job, limits.queries, queries, share=limits.errors, requests=QUERIES, routes=QUERY_ROUTES),
        repeats(
            by,
            name="LokiLinesDiscarded",
            kept="reason",
            counter="loki_discarded_samples_total",
            job=job,
            series=_discarded,
            begins=True,
            only={"reason": not_equal(STREAM_LIMIT)},
            others=(_discarded(job, reason=STREAM_LIMIT),),
            summary="Loki refuses lines, which are lost, or wait until it takes them.",
            description="Loki has refused {{ $value | humanize }} lines within 15 minutes: {{ $labels.reason }}.",
        ),
        repeats(
            by,
            name="LokiStreamLimitReached",
            kept="tenant",
            counter="loki_discarded_samples_total",
            job=job,
            series=lambda of: _discarded(of, reason=STREAM_LIMIT),
            begins=True,
            only={"reason": STREAM_LIMIT},
            others=(_discarded(job),),
            within=REFUSED_WITHIN,
            severity=Severity.CRITICAL,
            summary="Loki refuses the lines of every new stream: they are lost, or hold up those of their node.",
            description="Loki has refused {{ $value | humanize }} lines of new streams of the tenant "
            "{{ $labels.tenant }}.",
        ),
        repeats(
            by,
            name="LokiRequestPanics",
            kept="pod",
            counter="loki_panic_total",
            job=job,
            series=lambda of: LOKI.series("loki_panic_total", job=of, pod="loki-0"),
            summary="Loki keeps failing at requests by a fault of its own.",
            description="{{ $labels.pod }} has panicked {{ $value | humanize }} times within 15 minutes.",
        ),
    )


def _discarded(job: str, reason: str = "some-reason") -> str:
    return LOKI.series("loki_discarded_samples_total", job=job, pod="loki-0", reason=reason)


def _failing(
    by: Evaluator, job: str, over: Lasting, words: Words, *, share: float, requests: str, routes: tuple[str, ...]
) -> Alert:
    """By route, as Loki's mixin has it."""
    onset = over.onset(by)

    def series(of: str, route: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        """Of what does not fail, some is the caller's own fault; a member that starts says so to its probe."""
        rest = (every[0] - failed[0], every[1] - failed[1])
        codes: dict[str, Pace] = {"500": failed, "429": (rest[0] / 2, rest[1] / 2), "204": (rest[0] / 2, rest[1] / 2)}
        known = {"much": routes[0], "little": routes[-1]}
        counted = {
            LOKI.series(
                "loki_request_duration_seconds_count", job=of, route=known[route], status_code=code
            ): onset.runs(*pace)
            for code, pace in codes.items()
        }
        starts = LOKI.series("loki_request_duration_seconds_count", job=job, route=PROBE_ROUTE, status_code="503")
        return {**counted, starts: onset.runs(100, 100)}

    failed = f"sum by (route) ({metric(requests, status_code=matches(SERVER_ERRORS))})"
    every = f"sum by (route) ({metric(requests)})"
    return failing(by, over, words, failed=failed, every=every, share=share, jobs=(job,), series=series)
