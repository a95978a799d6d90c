"""Redis, by its usual exporter."""

from constructs_lib.metrics.redis import REDIS_EXPORTER
from constructs_lib.promql import metric
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.database import EXPORTER, STEP, DatabaseLimits, down
from constructs_lib.rules.model import DATABASE, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration


def redis_alerts(by: Evaluator, job: str, limits: DatabaseLimits) -> tuple[Alert, ...]:
    """The alerts on servers of Redis.

    Args:
        by: Who evaluates them.
        job: Of their exporters.
        limits: From where on somebody must hear of it.
    """
    return (
        down(by, job, limits, name="Redis", program=REDIS_EXPORTER, up="redis_up"),
        _memory(by, job, limits),
        _rejected(by, job, limits),
    )


def _memory(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    """Redis as a cache evicts what is old and is full for ever, so it is asked only where writes would be refused."""
    used, most, told = "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_instance_info"
    course = Course(interval=by.interval, hold=limits.strained)
    over, under = limits.memory + STEP / 2, limits.memory - STEP / 2
    keeping = "noeviction"

    def server(
        pod: str, memory: str, *, limit: int = 1, policy: str = keeping, used_by: str = job, told_by: str = job
    ) -> dict[str, str]:
        labels = {"pod": pod, "namespace": "monitoring"}
        return {
            REDIS_EXPORTER.series(used, **labels, job=used_by): memory,
            REDIS_EXPORTER.series(most, **labels, job=used_by): course.steady(limit),
            REDIS_EXPORTER.series(told, **labels, job=told_by, maxmemory_policy=policy): course.steady(1),
        }

    return Alert(
        name="RedisMemoryNearLimit",
        # Without a limit, it says 0.
        expr=(
            f"{metric(used, job=job)} / ({most} != 0) > {limits.memory:g}"
            f" and on (namespace, pod) {metric(told, job=job, maxmemory_policy=keeping)}"
        ),
        hold=limits.strained,
        severity=Severity.WARNING,
        team=DATABASE,
        summary="Redis uses nearly all the memory that it may; beyond that it refuses to write.",
        description=f"The server that {EXPORTER} watches uses {{{{ $value | humanizePercentage }}}} of its memory.",
        proof=Proof(
            fires=server("full", course.lasts(0.5, over)),
            at=course.at,
            quiet=server("tidied", course.recovers(0.5, over))
            | server("nearly", course.steady(under))
            | server("unlimited", course.steady(1), limit=0)
            | server("cache", course.steady(1), policy="allkeys-lru")
            | server("used", course.steady(1), used_by="another")
            | server("told", course.steady(1), told_by="another"),
            step=STEP,
        ),
    )


def _rejected(by: Evaluator, job: str, limits: DatabaseLimits) -> Alert:
    name = "redis_rejected_connections_total"
    window = by.window // by.interval
    course = Course(interval=by.interval, hold=limits.strained, onset=0)
    ours, another = (
        REDIS_EXPORTER.series(name, job=each, pod="exporter", namespace="monitoring") for each in (job, "another")
    )
    # It happens as seldom as the window allows: one of half the length is without any now and then. In the quiet series
    # it stops in time for this window, and too late for one of double length.
    again = [(count, window - 1) for count in range(1, course.long)]
    last = (course.evaluations - window + 1) // (window - 1) + 1
    return Alert(
        name="RedisRejectedConnections",
        expr=f"increase({metric(name, job=job)}[{prometheus_duration(by.window)}]) > 0",
        hold=limits.strained,
        severity=Severity.WARNING,
        team=DATABASE,
        summary="Redis keeps refusing connections.",
        description=f"The Redis server that {EXPORTER} watches keeps refusing connections.",
        proof=Proof(
            fires={ours: samples((0, PEACE), *again)},
            at=course.at,
            quiet={ours: samples((0, PEACE), *again[:last], (last, course.long)), another: samples((0, PEACE), *again)},
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )
