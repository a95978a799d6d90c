"""Alerts on the store of spans, as collectors write to it and people ask it. Part of the group `traces`.

A collector that has no connection to the store begins no write, so that it counts no failure but the first; and a store
that refuses single spans answers all the same. So what is asked is whether writes fail, whether there are none though
spans wait, and whether spans are refused, each by itself.

Source: https://github.com/olivere/elastic/blob/v7.0.32/bulk_processor.go (work, commit, waitForActiveConnection)
"""

from collections.abc import Mapping
from datetime import timedelta

from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting, repeats
from constructs_lib.rules.course import PEACE, counter
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Recording, Severity, samples
from constructs_lib.rules.onset import Onset
from constructs_lib.rules.requests import Pace, Words, failing
from constructs_lib.rules.trace_limits import TraceLimits
from constructs_lib.units import prometheus_duration

# Per second.
QUERIES = "operation_result:jaeger_storage_requests:rate"
LOST, FAILED = "jaeger_storage_bulk_index_errors_total", "jaeger_storage_bulk_index_latency_err_seconds_count"
WRITTEN, REQUESTS = "jaeger_storage_bulk_index_latency_ok_seconds", "jaeger_storage_requests_total"
WAITING = "otelcol_exporter_queue_size"
# What fails is tried again within some seconds.
FAILED_WITHIN = timedelta(minutes=5)
SLOW_FOR = timedelta(minutes=10)


def store_alerts(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """Those on writes.

    Args:
        by: Who evaluates them.
        job: Of the collectors.
        limits: From where on somebody must hear of it.
    """
    pod = "jaeger-collector-0"
    return (
        repeats(
            by,
            name="SpansLostAtStore",
            kept="pod",
            counter=LOST,
            job=job,
            series=lambda of: JAEGER_COLLECTOR.series(LOST, job=of, pod=pod),
            summary="The store refuses spans that a collector has taken in: they are lost.",
            description="The store has refused {{ $value | humanize }} spans of {{ $labels.pod }} within 15 minutes.",
        ),
        repeats(
            by,
            name="SpanStoreFailing",
            kept="pod",
            counter=FAILED,
            job=job,
            series=lambda of: JAEGER_COLLECTOR.series(FAILED, job=of, pod=pod),
            begins=True,
            within=FAILED_WITHIN,
            summary="Writes to the store of spans fail as a whole, and are tried again while senders wait.",
            description="{{ $value | humanize }} writes of {{ $labels.pod }} to the store have failed of late.",
        ),
        _stuck(by, job),
        _slow(by, job, limits.write),
    )


def query_recordings(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Recording, ...]:
    """What the alert on queries reads.

    Args:
        by: Who records it.
        job: Of whoever asks the store.
        limits: Over what it is counted.
    """
    requests, window = metric(REQUESTS, job=job), prometheus_duration(limits.queries.onset(by).window)
    return (Recording(QUERIES, f"sum by (operation, result) (rate({requests}[{window}]))"),)


def query_alerts(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """That on queries.

    Args:
        by: Who evaluates it.
        job: Of whoever asks the store.
        limits: From where on somebody must hear of it.
    """
    onset = limits.queries.onset(by)
    asked = {"much": "find_traces", "little": "get_trace"}

    def series(of: str, who: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        results: dict[str, Pace] = {"err": failed, "ok": (every[0] - failed[0], every[1] - failed[1])}
        return {
            JAEGER_QUERY.series(REQUESTS, job=of, operation=asked[who], result=result): onset.runs(*pace)
            for result, pace in results.items()
        }

    words = Words(
        name="TraceQueriesFailing",
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The store of spans fails to answer queries.",
        description="{{ $value | humanizePercentage }} of the queries {{ $labels.operation }} fail.",
    )
    failed = f"sum by (operation) ({metric(QUERIES, result='err')})"
    every = f"sum by (operation) ({metric(QUERIES)})"
    return (
        failing(by, limits.queries, words, failed=failed, every=every, share=limits.errors, jobs=(job,), series=series),
    )


def _stuck(by: Evaluator, job: str) -> Alert:
    """Whatever waits goes with the next write, and that takes no second."""
    written, hold, window = f"{WRITTEN}_count", lasting(by).hold, by.window
    # The window sees the last write until the sample before it has left.
    last = window // by.interval - 1
    pause, long = last + hold // by.interval, 8 * (window + hold) // by.interval

    def collector(pod: int, waiting: int, writes: str, job: str = job) -> dict[str, str]:
        names = {"job": job, "pod": f"jaeger-collector-{pod}"}
        return {
            JAEGER_COLLECTOR.series(WAITING, **names): samples((waiting, long)),
            JAEGER_COLLECTOR.series(written, **names): writes,
        }

    none, seldom = counter((0, long)), samples(*((count, last) for count in range(1, long // last)))
    increase = f"increase({metric(written, job=job)}[{prometheus_duration(window)}])"
    return Alert(
        name="SpanStoreStuck",
        expr=f"sum by (pod) ({metric(WAITING, job=job)}) > 0 unless sum by (pod) ({increase}) > 0",
        hold=hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A collector writes nothing to the store of spans, though spans wait: senders wait, too.",
        description="{{ $value | humanize1024 }}B of spans wait at {{ $labels.pod }}.",
        proof=Proof(
            fires={
                **collector(0, 1, counter((1, PEACE), (0, long))),
                JAEGER_COLLECTOR.series(written, job="another", pod="jaeger-collector-0"): counter((1, long)),
            },
            at=(PEACE - 1 + pause) * by.interval,
            quiet={
                **collector(0, 1, counter((1, PEACE), (0, pause - 1), (1, long))),
                **collector(1, 1, seldom),
                **collector(2, 0, none),
                **collector(3, 1, none, job="another"),
            },
            step=(1, 2),  # what is seen once or twice
        ),
    )


def _slow(by: Evaluator, job: str, limit: timedelta) -> Alert:
    """On average, since the buckets end where it is long too late; and for longer than a single write is seen."""
    onset = Onset(interval=by.interval, window=max(SLOW_FOR, by.window), hold=max(SLOW_FOR, by.window))
    seconds, window = limit.total_seconds(), prometheus_duration(onset.window)
    high, low = 1.05 * seconds, 0.95 * seconds
    writes = (1.0, 4.0)

    def collector(lasted: float, written: Pace = writes, job: str = job) -> dict[str, str]:
        """Writes at once before the onset, and so long ones after it."""
        paces: dict[str, Pace] = {"sum": (0, lasted * written[1]), "count": written}
        names = {"job": job, "pod": "jaeger-collector-0"}
        return {
            JAEGER_COLLECTOR.series(f"{WRITTEN}_{part}", **names): onset.runs(*pace) for part, pace in paces.items()
        }

    spent, count = (
        f"sum by (pod) (rate({metric(f'{WRITTEN}_{part}', job=job)}[{window}]))" for part in ("sum", "count")
    )
    return Alert(
        name="SpanStoreSlow",
        expr=f"{spent} / {count} > {seconds:g}",
        hold=onset.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The store of spans takes long to write.",
        description="A write of {{ $labels.pod }} takes {{ $value | humanizeDuration }} on average.",
        proof=Proof(
            fires=collector(high) | collector(0, (9, 9), job="another"),
            at=onset.at(onset.crossing((0, high * writes[1]), writes, seconds)),
            quiet=collector(low) | collector(9 * seconds, job="another"),
            step=seconds / 10,
        ),
    )
