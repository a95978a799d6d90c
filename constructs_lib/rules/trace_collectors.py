"""Alerts on the collectors of spans as their senders see them: whether they take spans in. Part of `traces`."""

from datetime import timedelta

from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting, repeats, stops
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.trace_limits import TraceLimits

ACCEPTED, REFUSED = "otelcol_receiver_accepted_spans_total", "otelcol_receiver_refused_spans_total"
SIZE, CAPACITY = "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"
STEP = 0.02  # of a share, which proofs must notice
# So long that the store's own alert comes first where it is the store.
FULL_FOR = timedelta(minutes=10)


def collector_alerts(by: Evaluator, job: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of the collectors.
        limits: From where on somebody must hear of it.
    """
    return (
        # Where no span has ever arrived, nobody sends any yet.
        stops(
            by,
            name="TracesStopped",
            counter=ACCEPTED,
            job=job,
            series=lambda of, pod: JAEGER_COLLECTOR.series(ACCEPTED, job=of, pod=f"jaeger-collector-{pod}"),
            severity=Severity.WARNING,
            summary="No span arrives at any collector, though some did.",
            description="The collectors have taken in {{ $value }} spans",
        ),
        # Whose sender gave up while it waited are among them.
        repeats(
            by,
            name="SpansRefused",
            kept="pod",
            counter=REFUSED,
            job=job,
            series=lambda of: JAEGER_COLLECTOR.series(REFUSED, job=of, pod="jaeger-collector-0"),
            summary="A collector keeps refusing spans, which are lost unless they are sent again.",
            description="{{ $labels.pod }} has refused {{ $value | humanize }} spans within 15 minutes.",
        ),
        _queue(by, job, limits.queue),
    )


def _queue(by: Evaluator, job: str, share: float) -> Alert:
    course = Course(interval=by.interval, hold=max(FULL_FOR, lasting(by).hold))
    room = 20000
    over, under = ((share + step) * room for step in (STEP / 2, -STEP / 2))

    def queue(name: str, pod: int = 0, job: str = job) -> str:
        return JAEGER_COLLECTOR.series(name, job=job, pod=f"jaeger-collector-{pod}")

    rooms = {queue(CAPACITY, pod): course.steady(room) for pod in range(2)}
    return Alert(
        name="SpanQueueNearFull",
        expr=f"sum by (pod) ({metric(SIZE, job=job)}) / sum by (pod) ({metric(CAPACITY, job=job)}) > {share:g}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Spans wait at a collector; when its queue is full, it refuses more.",
        description="The queue of {{ $labels.pod }} is filled by {{ $value | humanizePercentage }}.",
        proof=Proof(
            fires=rooms
            | {queue(SIZE): course.lasts(under, over), queue(SIZE, 1): course.steady(0)}
            | {queue(CAPACITY, job="another"): course.steady(room)},
            at=course.at,
            quiet=rooms
            | {queue(SIZE): course.recovers(under, over), queue(SIZE, 1): course.steady(under)}
            | {queue(SIZE, job="another"): course.steady(room)},
            step=STEP,
        ),
    )
