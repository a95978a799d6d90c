"""Restore points: whether each server and database has one that is young enough, whether new ones can be made, and
whether somebody has tried to restore one.

What the volume bears, the group `services` says; and that an agent is away, TargetDown, in the morning.
"""

from collections.abc import Mapping
from datetime import timedelta

from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.promql import metric
from constructs_lib.restore_points import STARTS_EVERY, BackupLimits
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.cron_jobs import overdue
from constructs_lib.rules.jobs import among
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity, samples
from constructs_lib.units import prometheus_duration

MADE, SUCCEEDED = "backup_last_success_timestamp_seconds", "backup_last_attempt_succeeded"
SIZE = "backup_restore_point_bytes"
STARTED = "backup_last_start_timestamp_seconds"
# Between two evaluations of a proof that goes on for a day: as far as Prometheus looks back for a sample.
SPARSE = timedelta(minutes=5)
# Likewise for a week, where each sample is looked at when it is made.
HOUR = timedelta(hours=1)
# Of what its largest restore point of these days had, a server's newest one must have so much.
LARGEST_WITHIN, LEAST = timedelta(days=7), 0.5


def backups(
    by: Evaluator,
    limits: BackupLimits,
    *,
    job: str = BACKUP.job,
    databases: tuple[str, ...] = (),
    drills: tuple[str, ...] = (),
) -> RuleGroup:
    """The group `backups`.

    Args:
        by: Who evaluates it, and is backed up.
        limits: From where on somebody must hear of it: those of its `RestorePoints`.
        job: By which the agents are scraped.
        databases: The CronJobs that save one each.
        drills: The CronJobs that try to restore, each from one Prometheus.
    """
    alerts = [_too_old(by, limits, job), _unknown(by, limits, job), _failing(by, limits, job), _shrunk(by, job)]
    if limits.queued:
        alerts.append(_unstarted(by, limits, job))
    if databases:
        alerts.append(_unsaved(by, limits, databases))
    if drills:
        alerts.append(_undrilled(by, limits, drills))
    return RuleGroup(name="backups", alerts=tuple(alerts))


def age(job: str) -> str:
    """How old the newest restore point of each server is."""
    return _since(MADE, job)


def _since(of: str, job: str) -> str:
    """A pod that is replaced has two addresses for a while."""
    return f"time() - max by (pod) ({metric(of, job=job)})"


def _pod(by: Evaluator, ordinal: int) -> str:
    return f"{by.job}-{ordinal}"


def _too_old(by: Evaluator, limits: BackupLimits, job: str) -> Alert:
    """Of each server by itself: they hold slightly different samples, and none can be restored from another's."""
    return _older(
        by,
        "BackupTooOld",
        of=MADE,
        than=limits.oldest,
        job=job,
        severity=Severity.CRITICAL,
        summary="The newest restore point of a Prometheus server is too old.",
        description="The newest restore point of {{ $labels.pod }} is {{ $value | humanizeDuration }} old.",
    )


def _unstarted(by: Evaluator, limits: BackupLimits, job: str) -> Alert:
    """Restore points are made all the same, each day later than they should be, and nothing else says so.

    Of two in a row: once a year there is none on the day on which a clock is put forward over the time of the day.
    """
    return _older(
        by,
        "BackupStartsMissing",
        of=STARTED,
        than=2 * STARTS_EVERY + limits.late,
        job=job,
        severity=Severity.WARNING,
        summary="Backups of a Prometheus server are not started when they should be.",
        description="The last start for {{ $labels.pod }} came {{ $value | humanizeDuration }} ago: its agent starts "
        "by itself, later each day.",
    )


def _older(
    by: Evaluator,
    name: str,
    *,
    of: str,
    than: timedelta,
    job: str,
    severity: Severity,
    summary: str,
    description: str,
) -> Alert:
    """What should have happened to each server is longer ago than it may be."""
    oldest, seconds = than.total_seconds(), by.interval.total_seconds()
    course = lasting(by)
    # It becomes too old with the first evaluation after the peace; the next one is made just in time.
    then, soon = (PEACE - 0.5) * seconds - oldest, PEACE + course.evaluations

    def made(pod: int, *runs: tuple[float, int], job: str = job, host: int = 1) -> Mapping[str, str]:
        text = " ".join(f"{value:.12g}x{count - 1}" for value, count in runs)
        return {BACKUP.series(of, job=job, pod=_pod(by, pod), instance=f"10.0.0.{host}:8083"): text}

    old, young = (then, course.long), (0, course.long)
    return Alert(
        name=name,
        expr=f"{_since(of, job)} > {oldest:.0f}",
        hold=course.hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={**made(0, old), **made(1, young), **made(0, young, job="another")},
            at=course.at,
            quiet={
                **made(0, (then, soon), (soon * seconds, course.long)),
                **made(1, old),
                **made(1, young, host=2),
                **made(2, old, job="another"),
            },
            step=seconds,
        ),
    )


def _unknown(by: Evaluator, limits: BackupLimits, job: str) -> Alert:
    """Nothing is too old that is not there. As patient: a new server has no finished block for three hours."""
    course = Course(interval=SPARSE, hold=limits.oldest)

    def up(pod: int, run: str = course.steady(1), job: str = by.job) -> Mapping[str, str]:
        return {SCRAPE.series("up", job=job, pod=_pod(by, pod), instance=f"10.0.0.{pod}:9090"): run}

    def made(pod: int, run: str = course.steady(0), job: str = job) -> Mapping[str, str]:
        return {BACKUP.series(MADE, job=job, pod=_pod(by, pod)): run}

    gone = f"{samples((0, PEACE))} stale"
    back = f"{gone} _x{course.evaluations - 1} {course.steady(0)}"
    return Alert(
        name="BackupMissing",
        expr=f"max by (pod) ({metric('up', job=by.job)}) unless on (pod) {metric(MADE, job=job)}",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Nobody knows of a restore point of a Prometheus server.",
        description=f"For {prometheus_duration(course.hold)}, nobody has known of a restore point of "
        "{{ $labels.pod }}.",
        proof=Proof(
            # Of one, the agent is gone; of another, none was ever made.
            fires={
                **up(0),
                **made(0),
                **up(1),
                **made(1, gone),
                **made(1, job="another"),
                **up(2, course.appears()),
            },
            at=course.at,
            count=2,
            quiet={**up(0), **made(0), **up(1), **made(1, back), **up(2, job="another")},
            every=SPARSE,
        ),
    )


def _failing(by: Evaluator, limits: BackupLimits, job: str) -> Alert:
    """What one attempt does not bring about, the next one may."""
    course = Course(interval=by.interval, hold=max(limits.failing, lasting(by).hold))

    def succeeded(pod: int, run: str, job: str = job) -> Mapping[str, str]:
        return {BACKUP.series(SUCCEEDED, job=job, pod=_pod(by, pod)): run}

    return Alert(
        name="BackupFailing",
        expr=f"max by (pod) ({metric(SUCCEEDED, job=job)}) == 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Restore points of a Prometheus server cannot be made.",
        description=f"For {prometheus_duration(course.hold)}, every attempt to back up {{{{ $labels.pod }}}} has "
        "failed.",
        proof=Proof(
            fires={**succeeded(0, course.lasts(1, 0)), **succeeded(1, course.steady(1))},
            at=course.at,
            quiet={
                **succeeded(0, course.recovers(1, 0)),
                **succeeded(1, course.steady(1)),
                **succeeded(2, course.steady(0), job="another"),
            },
        ),
    )


def _shrunk(by: Evaluator, job: str) -> Alert:
    """A server that has lost its history makes young and whole restore points of what little it has stored since.

    How large they were, its agent asks the bucket when it starts; and the other server, which scrapes it, too, knows.
    """
    course, window = Course(interval=HOUR, hold=HOUR), prometheus_duration(LARGEST_WITHIN)
    week = LARGEST_WITHIN // HOUR

    def told(pod: int, run: str, job: str = job, host: int = 1) -> Mapping[str, str]:
        return {BACKUP.series(SIZE, job=job, pod=_pod(by, pod), instance=f"10.0.0.{host}:8083"): run}

    def lessens(after: int) -> tuple[str, str]:
        """By a little, and after so many evaluations below half of the first ones, in a pod that has replaced it."""
        return f"{samples((100, PEACE), (60, after))} stale", f"_x{PEACE + after} {samples((49, course.long + after))}"

    (large, small), (old, now) = lessens(week // 2), lessens(week)
    return Alert(
        name="RestorePointShrunk",
        expr=f"max by (pod) ({metric(SIZE, job=job)}) / "
        f"max by (pod) (max_over_time({metric(SIZE, job=job)}[{window}])) < {LEAST:g}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The newest restore point of a Prometheus server is much smaller than those before.",
        description="The newest restore point of {{ $labels.pod }} has {{ $value | humanizePercentage }} of the bytes "
        f"of its largest within {window}.",
        proof=Proof(
            fires={
                **told(0, large),
                **told(0, small, host=2),
                **told(0, samples((1000, 2 * week)), job="another"),
                **told(1, samples((100, 2 * week))),
            },
            at=course.at + week // 2 * HOUR,
            quiet={
                **told(0, samples((100, PEACE), (49, course.evaluations), (100, 2 * week))),
                **told(1, samples((100, PEACE), (50, 2 * week))),
                **told(1, samples((1000, 2 * week)), job="another"),
                **told(2, old),
                **told(2, now, host=2),
                **told(3, f"_x{PEACE} {samples((1, 2 * week))}"),
            },
            step=0.05,
            every=HOUR,
        ),
    )


def _unsaved(by: Evaluator, limits: BackupLimits, databases: tuple[str, ...]) -> Alert:
    """A Job that failed is spoken of by itself; this is what nobody has repaired since, or what was never started."""
    return overdue(
        by,
        "DatabaseBackupTooOld",
        cron_jobs=among(databases, group="backups"),
        such_as=databases[0],
        within=limits.unsaved,
        severity=Severity.CRITICAL,
        summary="The newest restore point of a database is too old.",
    )


def _undrilled(by: Evaluator, limits: BackupLimits, drills: tuple[str, ...]) -> Alert:
    """Backups go on meanwhile, so it can wait for the morning; a Job that failed is spoken of by itself, too."""
    return overdue(
        by,
        "RestoreDrillTooOld",
        cron_jobs=among(drills, group="backups"),
        such_as=drills[0],
        within=limits.undrilled,
        severity=Severity.WARNING,
        summary="Nobody knows whether the restore points of Prometheus can be restored.",
    )
