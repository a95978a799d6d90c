"""The alerts on notifications that do not reach their receiver. Part of the groups `observability` and `teams`."""

from datetime import timedelta

from constructs_lib.config.receivers import TEAMS_RECEIVER
from constructs_lib.metrics.alertmanager import ALERTMANAGER
from constructs_lib.promql import Matcher, metric, not_equal
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import counter
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.units import prometheus_duration

# A failure stands for all attempts of a group_interval, 1 minute by default: the window has two when that is 7.
# https://prometheus.io/docs/alerting/latest/configuration/#route
WITHIN = timedelta(minutes=15)
# The share that may fail; a heartbeat of the same kind that arrives each minute leaves one half of the failing rest.
SHARE, STEP = 0.2, 0.04


def notifications_failing(by: Evaluator, job: str) -> Alert:
    """The alert on the platform's receivers, which no channel that a team chose can raise.

    Args:
        by: Who evaluates it.
        job: Of the members.
    """
    return _failing(
        by,
        job,
        name="AlertmanagerNotificationsFailing",
        severity=Severity.CRITICAL,
        whose=not_equal(TEAMS_RECEIVER),
        ours="chat",
        others=TEAMS_RECEIVER,
        summary="Notifications do not reach their receiver, so nobody hears of alerts.",
    )


def team_notifications_failing(by: Evaluator, job: str) -> Alert:
    """The alert on what other teams hear by; the platform's team hears of it, since they do not.

    Args:
        by: Who evaluates it.
        job: Of the members.
    """
    return _failing(
        by,
        job,
        name="TeamNotificationsFailing",
        severity=Severity.WARNING,
        whose=TEAMS_RECEIVER,
        ours=TEAMS_RECEIVER,
        others="chat",
        summary="Notifications to other teams do not reach them, so some team does not hear of its alerts.",
    )


def _failing(
    by: Evaluator,
    job: str,
    *,
    name: str,
    severity: Severity,
    whose: str | Matcher,
    ours: str,
    others: str,
    summary: str,
) -> Alert:
    """One failure of each member is forgiven: when a receiver hiccups, the second member fails as well, seconds later.

    What one member cannot send, the next one does, so only what all fail at is not heard; one to which nothing is left
    to do says nothing of it. Reasons are added up first, since those that did not occur are 0.

    Args:
        by: Who evaluates it.
        job: Of the members.
        whose: Of which receivers.
        ours: The name of one of them.
        others: That of one that is none of them.
    Source: https://github.com/prometheus/alertmanager/blob/v0.34.1/doc/alertmanager-mixin/alerts.libsonnet
    """
    failed, all_of_them = "alertmanager_notifications_failed_total", "alertmanager_notifications_total"
    hold, window = lasting(by).hold, WITHIN // by.interval
    last = -(-hold // by.interval)
    # A failure, and the next one while the window still holds the first, for longer than the hold; or just too late.
    first, soon, late, end = 2 * window, window * 7 // 12, window * 13 // 12, 8 * window

    def notified(
        integration: str,
        *events: tuple[int, int, int],
        pod: int = 0,
        of: str = job,
        reason: str = "other",
        to: str = ours,
    ) -> dict[str, str]:
        """What a member says, of tuples of an evaluation and how many failed and arrived since the one before."""
        labels = {"job": of, "pod": f"{job}-{pod}", "integration": integration, "receiver_name": to}
        times = [at for at, _, _ in events] + [end]

        def runs(*counts: int) -> str:
            steps = zip(counts, times, times[1:], strict=False)
            return counter(
                (0, times[0]), *(run for count, at, then in steps for run in ((count, 1), (0, then - at - 1)))
            )

        return {
            ALERTMANAGER.series(failed, **labels, reason=reason): runs(*(fails for _, fails, _ in events)),
            ALERTMANAGER.series(all_of_them, **labels): runs(*(fails + arrived for _, fails, arrived in events)),
        }

    before, again = first - window // 2, first + soon
    counted, total = (
        f"sum by (pod, integration) (increase({metric(counter_, job=job, receiver_name=whose)}"
        f"[{prometheus_duration(WITHIN)}]))"
        for counter_ in (failed, all_of_them)
    )
    return Alert(
        name=name,
        expr=f"min by (integration) (({counted} - 1) / ({total} > 0)) > {SHARE:g}",
        hold=hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description="Whichever member of Alertmanager sends them, {{ $value | humanizePercentage }} of notifications "
        "by {{ $labels.integration }} fail.",
        proof=Proof(
            # What arrived before is long ago; the third member has nothing to do.
            fires=notified("slack", (before, 0, 99), (first, 1, 0), (again, 1, 3), reason="authError")
            | notified("slack", (first, 1, 0), (again, 1, 0), pod=1)
            | notified("slack", pod=2)
            | notified("pagerduty", (first, 1, 0), (again, 1, 0))
            | notified("slack", (first, 0, 99), (again, 0, 99), of="another", reason="authError")
            | notified("slack", (first, 0, 99), (again, 0, 99), to=others),
            at=(again + last) * by.interval,
            count=2,
            quiet=notified("slack", (first, 1, 4), (again, 1, 0))
            | notified("slack", (first, 1, 0), (again, 9, 0), pod=1)
            # It recovers just in time; it fails too seldom.
            | notified("webhook", (first, 1, 0), (again, 1, 0), (again + last, 0, 99))
            | notified("pagerduty", (first, 1, 0), (first + late, 1, 0))
            # Another member is heard.
            | notified("email", (first, 1, 0), (again, 1, 0))
            | notified("email", (first, 0, 1), (again, 0, 1), pod=1)
            # What another exporter says of the same.
            | notified("opsgenie", (first, 0, 1), (again, 0, 1))
            | notified("opsgenie", (first, 1, 0), (again, 1, 0), of="another", reason="authError")
            # And whom it is not about.
            | notified("discord", (first, 0, 1), (again, 0, 1))
            | notified("discord", (first, 1, 0), (again, 1, 0), to=others),
            step=(3, STEP),
        ),
    )
