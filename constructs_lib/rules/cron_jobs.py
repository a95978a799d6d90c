"""An alert on a CronJob that has not succeeded for too long, for groups whose subject depends on one."""

from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import Matcher, metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.rules.objects import KEEP_FIRING
from constructs_lib.units import prometheus_duration

SUCCEEDED, MADE = "kube_cronjob_status_last_successful_time", "kube_cronjob_created"


def overdue(
    by: Evaluator,
    name: str,
    *,
    cron_jobs: str | Matcher,
    such_as: str,
    within: timedelta,
    severity: Severity,
    summary: str,
) -> Alert:
    """Also where it is suspended, or never started: no Job fails then. One that has never succeeded was made once.

    Args:
        by: Who evaluates it.
        name: Of the alert.
        cron_jobs: Which ones, by name; each for itself.
        such_as: The name of one of these, for the proof.
        within: How long ago the last success may be.
        severity: How soon somebody must look.
        summary: What it means.
    """
    job = KUBE_STATE_METRICS.job
    age, seconds = within.total_seconds(), by.interval.total_seconds()
    course = Course(interval=by.interval, hold=lasting(by).hold)
    # It becomes too old with the first evaluation after the peace.
    then, soon = (PEACE - 0.5) * seconds - age, PEACE + course.evaluations
    last = " or ".join(metric(each, job=job, cronjob=cron_jobs) for each in (SUCCEEDED, MADE))

    def told(series: str, namespace: str, *runs: tuple[float, int], **other: str) -> dict[str, str]:
        labels = {"job": job, "cronjob": such_as, **other}
        return {KUBE_STATE_METRICS.series(series, namespace=namespace, **labels): samples(*runs)}

    old, made, again = (then, course.long), (then - age, course.long), ((then, soon), (soon * seconds, course.long))
    strangers = [
        told(each, "two", made, **{label: "another"}) for each in (SUCCEEDED, MADE) for label in ("cronjob", "job")
    ]
    return Alert(
        name=name,
        expr=f"time() - max by (namespace, cronjob) ({last}) > {age:.0f}",
        hold=course.hold,
        keep_firing=KEEP_FIRING,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=f"{{{{ $labels.cronjob }}}} has not succeeded within {prometheus_duration(within)}.",
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
