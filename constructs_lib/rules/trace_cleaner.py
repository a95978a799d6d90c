"""An alert on what deletes spans: without it, the store is full in the end. Part of the group `traces`."""

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.rules.objects import KEEP_FIRING
from constructs_lib.rules.trace_limits import TraceLimits
from constructs_lib.units import prometheus_duration

SUCCEEDED, MADE = "kube_cronjob_status_last_successful_time", "kube_cronjob_created"


def cleaner_alerts(by: Evaluator, cleaner: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        cleaner: The name of the CronJob.
        limits: From where on somebody must hear of it.
    """
    return (_not_deleted(by, cleaner, limits),)


def _not_deleted(by: Evaluator, cleaner: str, limits: TraceLimits) -> Alert:
    """Also where it is suspended, or never started: no Job fails then. One that has never succeeded was made once."""
    job = KUBE_STATE_METRICS.job
    age, seconds = limits.uncleaned.total_seconds(), by.interval.total_seconds()
    course = Course(interval=by.interval, hold=lasting(by).hold)
    # It becomes too old with the first evaluation after the peace.
    then, soon = (PEACE - 0.5) * seconds - age, PEACE + course.evaluations
    last = " or ".join(metric(name, job=job, cronjob=cleaner) for name in (SUCCEEDED, MADE))

    def told(name: str, namespace: str, *runs: tuple[float, int], **other: str) -> dict[str, str]:
        labels = {"job": job, "cronjob": cleaner, **other}
        return {KUBE_STATE_METRICS.series(name, namespace=namespace, **labels): samples(*runs)}

    old, made, again = (then, course.long), (then - age, course.long), ((then, soon), (soon * seconds, course.long))
    strangers = [
        told(name, "two", made, **{label: "another"}) for name in (SUCCEEDED, MADE) for label in ("cronjob", "job")
    ]
    return Alert(
        name="SpansNotDeleted",
        expr=f"time() - max by (namespace, cronjob) ({last}) > {age:.0f}",
        hold=course.hold,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Nobody deletes spans that are too old, so their store fills.",
        description=f"{{{{ $labels.cronjob }}}} has not succeeded within {prometheus_duration(limits.uncleaned)}.",
        proof=Proof(
            fires=told(SUCCEEDED, "one", old) | told(MADE, "one", made) | told(MADE, "new", old),
            at=course.at,
            count=2,
            quiet=told(SUCCEEDED, "one", *again)
            | told(MADE, "one", made)
            | told(MADE, "new", *again)
            | {series: run for each in strangers for series, run in each.items()},
            step=seconds,
        ),
    )
