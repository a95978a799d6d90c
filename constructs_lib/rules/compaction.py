"""Alerts on what one member of Loki does for all: to compact the index, and to delete what is old. Part of `logs`."""

from datetime import timedelta

from constructs_lib.metrics.loki import LOKI
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration

COMPACTED = "loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds"
RETAINED = "loki_compactor_apply_retention_last_successful_run_timestamp_seconds"
# No process knows what another one did: once all are replaced, the first success takes two of the intervals between
# them, 10 minutes by default, and however long it lasts itself.
# https://grafana.com/docs/loki/latest/configure/#compactor (compaction_interval)
FIRST_WITHIN = timedelta(hours=1)


def compaction_alerts(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Alert, ...]:
    """The alerts of this file, two of them by the names of Loki's own mixin.

    Args:
        by: Who evaluates them.
        job: Of Loki.
        limits: From where on somebody must hear of it.
    Source: https://github.com/grafana/loki/blob/v3.7.8/production/loki-mixin/alerts.libsonnet
    """
    within = prometheus_duration(limits.uncompacted)
    return (
        _too_many(by, job),
        _too_old(
            by,
            job,
            limits,
            name="LokiCompactorHasNotSuccessfullyRunCompaction",
            last=COMPACTED,
            summary="Nobody compacts Loki's index, so queries become slow, and nothing old is deleted.",
            description=f"No member of {{{{ $labels.job }}}} has compacted the index within {within}.",
        ),
        _too_old(
            by,
            job,
            limits,
            name="LokiRetentionNotApplied",
            last=RETAINED,
            summary="Nobody deletes what Loki has kept for long enough, so the object store grows.",
            description=f"No member of {{{{ $labels.job }}}} has looked for what is too old within {within}.",
        ),
    )


def _too_many(by: Evaluator, job: str) -> Alert:
    name, course = "loki_boltdb_shipper_compactor_running", lasting(by)

    def runs(pod: int, job: str = job) -> str:
        return LOKI.series(name, job=job, pod=f"loki-{pod}")

    return Alert(
        name="LokiTooManyCompactorsRunning",
        expr=f"sum by (job) ({metric(name, job=job)}) > 1",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="More than one member of Loki compacts the index, each against the other.",
        description="{{ $value }} members of {{ $labels.job }} compact the index.",
        proof=Proof(
            fires={runs(0): course.steady(1), runs(1): course.lasts(0, 1)},
            at=course.at,
            quiet={runs(0): course.steady(1), runs(1): course.recovers(0, 1)}
            # Those of another job, all the time.
            | {runs(pod, "another"): course.steady(1) for pod in range(2)},
        ),
    )


def _too_old(
    by: Evaluator, job: str, limits: LogStoreLimits, *, name: str, last: str, summary: str, description: str
) -> Alert:
    """The last of all members counts, since any of them may be the one; what none has done is as old as 1970."""
    age, seconds = limits.uncompacted.total_seconds(), by.interval.total_seconds()
    course = Course(interval=by.interval, hold=max(FIRST_WITHIN, lasting(by).hold))
    # It becomes too old with the first evaluation after the peace.
    then, soon = (PEACE - 0.5) * seconds - age, PEACE + course.evaluations

    def done(*runs: tuple[float, int], pod: int = 0, job: str = job) -> dict[str, str]:
        return {LOKI.series(last, job=job, pod=f"loki-{pod}"): samples(*runs)}

    return Alert(
        name=name,
        expr=f"time() - max by (job) ({metric(last, job=job)}) > {age:.0f}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires=done((then - age, course.long), pod=0) | done((then, course.long), pod=1),
            at=course.at,
            quiet=done((then - age, soon), (soon * seconds, course.long), pod=0)
            | done((then, course.long), pod=1)
            | done((then - age, course.long), job="another")
            # Which does not stand in for ours either.
            | done((then, course.long), pod=2, job="another"),
            step=seconds,
        ),
    )
