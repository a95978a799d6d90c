"""Alerts on the way of alerts: from Prometheus to Alertmanager's members, and from there to people.

They are part of the group `observability`. What breaks this way as a whole can only be heard of by the heartbeat's end.
"""

from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.alertmanager import ALERTMANAGER
from constructs_lib.metrics.prometheus import PROMETHEUS
from constructs_lib.promql import metric
from constructs_lib.rules.counting import Again, lasting
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.notifications import notifications_failing
from constructs_lib.rules.onset import Onset
from constructs_lib.rules.requests import Pace
from constructs_lib.rules.scraping import too_few, up
from constructs_lib.units import prometheus_duration

# Prometheus repeats what fires each minute or somewhat later, the heartbeat at least: four times that always shows one.
# https://prometheus.io/docs/prometheus/latest/command-line/prometheus/ (rules.alert.resend-delay)
REPEATED_WITHIN = timedelta(minutes=5)
# A changed ConfigMap reaches the last pod within two minutes, and its reloader soon after.
CONFIGURED_WITHIN = timedelta(minutes=10)
# Alerts that a member may fail to take, for each that it takes.
ERRORS = 0.1


def alertmanager_alerts(by: Evaluator) -> tuple[Alert, ...]:
    """The alerts of this file; none when no Alertmanager is scraped.

    Args:
        by: Who sends its alerts there.
    Raises:
        ConstructError: an Alertmanager without members.
    """
    if (job := by.alertmanager_job) is None:
        return ()
    if by.alertmanagers < 1:
        raise ConstructError(f"the Alertmanager of the job {job!r} has {by.alertmanagers} members: use 1 or more")
    return (
        _members_missing(by, job),
        _reload_failed(by, job),
        *([_inconsistent(by, job)] if by.alertmanagers > 1 else ()),
        notifications_failing(by, job),
        _notification_errors(by),
        _notifications_dropped(by),
    )


def _members_missing(by: Evaluator, job: str) -> Alert:
    pods = [f"{job}-{ordinal}" for ordinal in range(by.alertmanagers)]
    course = lasting(by)
    if by.alertmanagers == 1:
        # One that is alone has no cluster to tell of.
        expr = f"(count({metric('up', job=job)} == 1) or vector(0)) < 1"
        proof = too_few(by, present=[up(job)], others=[up("another")], last=up(job))
    else:
        name = "alertmanager_cluster_members"
        # Gone, or on its own beside the others: either way, some member sees too few.
        expr = f"(min({metric(name, job=job)}) or vector(0)) < {by.alertmanagers}"
        seen = {ALERTMANAGER.series(name, job=job, pod=pod): course.steady(by.alertmanagers) for pod in pods}
        last, few = list(seen)[-1], by.alertmanagers - 1
        another = {ALERTMANAGER.series(name, job="another", pod="another-0"): course.steady(0)}
        proof = Proof(
            fires=seen | {last: course.lasts(by.alertmanagers, few)},
            at=course.at,
            quiet=seen | {last: course.recovers(by.alertmanagers, few)} | another,
        )
    return Alert(
        name="AlertmanagerMembersMissing",
        expr=expr,
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Fewer members of Alertmanager know each other than there should be.",
        description=f"Only {{{{ $value }}}} of {by.alertmanagers} members of Alertmanager are in its cluster.",
        proof=proof,
    )


def _reload_failed(by: Evaluator, job: str) -> Alert:
    name = "alertmanager_config_last_reload_successful"
    ours = ALERTMANAGER.series(name, job=job, pod=f"{job}-0")
    another = ALERTMANAGER.series(name, job="another", pod="another-0")
    course = lasting(by)
    return Alert(
        name="AlertmanagerReloadFailed",
        expr=f"{metric(name, job=job)} == 0",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Alertmanager refuses its new configuration and keeps the old one.",
        description="{{ $labels.pod }} has not been able to load its configuration.",
        proof=Proof(
            fires={ours: course.lasts(1, 0)},
            at=course.at,
            quiet={ours: course.recovers(1, 0), another: course.steady(0)},
        ),
    )


def _inconsistent(by: Evaluator, job: str) -> Alert:
    """A member whose reloader does not tell it of changes fails at nothing: it goes on with what it has."""
    name = "alertmanager_config_hash"
    pods = [f"{job}-{ordinal}" for ordinal in range(by.alertmanagers)]
    course = Course(interval=by.interval, hold=max(CONFIGURED_WITHIN, lasting(by).hold))
    seen = {ALERTMANAGER.series(name, job=job, pod=pod): course.steady(1) for pod in pods}
    last = list(seen)[-1]
    another = {ALERTMANAGER.series(name, job="another", pod="another-0"): course.steady(2)}
    return Alert(
        name="AlertmanagerConfigInconsistent",
        expr=f'count(count_values("hash", {metric(name, job=job)})) > 1',
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Members of Alertmanager have different configurations.",
        description=f"{{{{ $value }}}} configurations are in force among {by.alertmanagers} members of Alertmanager.",
        proof=Proof(
            fires=seen | {last: course.lasts(1, 2)},
            at=course.at,
            quiet=seen | {last: course.recovers(1, 2)} | another,
        ),
    )


def _notification_errors(by: Evaluator) -> Alert:
    """A server that cannot reach one member relies on that member's neighbours, which nobody would notice."""
    failed, sent = "prometheus_notifications_errors_total", "prometheus_notifications_sent_total"
    onset = Onset(interval=by.interval, window=max(REPEATED_WITHIN, by.window), hold=lasting(by).hold)
    step, growing = ERRORS / 5, (100, 200)
    high, low = ERRORS + step / 2, ERRORS - step / 2
    new = onset.crossing((0, high * growing[1]), growing, ERRORS)
    # Of one to which nothing is sent any more, as if it were seen at the same moment.
    turns = ERRORS * growing[0] * (onset.increments - new + 0.5) / (new - 0.5)

    def member(url: str, errors: Pace, arrived: Pace, job: str = by.job) -> dict[str, str]:
        labels = {"job": job, "pod": f"{job}-0", "alertmanager": f"http://{url}:9093/api/v2/alerts"}
        return {
            PROMETHEUS.series(failed, **labels): onset.runs(*errors),
            PROMETHEUS.series(sent, **labels): onset.runs(*arrived),
        }

    window = prometheus_duration(onset.window)
    ratio = f"rate({metric(failed, job=by.job)}[{window}]) / rate({sent}[{window}])"
    return Alert(
        name="PrometheusNotificationErrors",
        # What does not arrive does not count as sent: when nothing does, this is infinite.
        expr=f"max by (pod, alertmanager) ({ratio}) > {ERRORS}",
        hold=onset.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A Prometheus server fails to send its alerts to a member of Alertmanager.",
        description="{{ $labels.pod }} keeps failing to send alerts to {{ $labels.alertmanager }}.",
        proof=Proof(
            fires=member("a", (0, high * growing[1]), growing) | member("b", (0, turns), (growing[0], 0)),
            at=onset.at(new),
            count=2,
            quiet=member("a", (0, low * growing[1]), growing) | member("a", growing, growing, "another"),
            step=step,
        ),
    )


def _notifications_dropped(by: Evaluator) -> Alert:
    """What one member does not take, another one does: only what none takes is lost."""
    name = "prometheus_notifications_dropped_total"
    course, window = lasting(by), max(REPEATED_WITHIN, by.window)
    again = Again(course=course, window=window)

    def to(member: str, pod: str = f"{by.job}-0", job: str = by.job) -> str:
        return PROMETHEUS.series(name, job=job, pod=pod, alertmanager=f"http://{member}:9093/api/v2/alerts")

    return Alert(
        name="PrometheusNotificationsDropped",
        expr=f"min by (pod) (increase({metric(name, job=by.job)}[{prometheus_duration(window)}])) > 0",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A Prometheus server reaches no member of Alertmanager, so its alerts are lost.",
        description="{{ $labels.pod }} keeps dropping its alerts, whichever member it sends them to.",
        proof=Proof(
            fires=dict.fromkeys([to("a"), to("b")], again.keeps()),
            at=course.at,
            quiet={
                to("a"): again.stops(),
                to("a", f"{by.job}-1"): again.keeps(),
                to("b", f"{by.job}-1"): course.steady(0),
                to("a", "another-0", "another"): again.keeps(),
            },
            step=2,  # what is seen once or twice
        ),
    )
