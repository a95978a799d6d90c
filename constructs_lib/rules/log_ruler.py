"""Alerts on the ruler of Loki, without which no alert on logs fires. Part of the group `logs` where it is on."""

from constructs_lib.metrics.loki import LOKI
from constructs_lib.rules.counting import repeats, stops
from constructs_lib.rules.model import Alert, Evaluator, Severity


def ruler_alerts(by: Evaluator, job: str) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of Loki.
    """
    return (
        # Also where no member has ever read a rule: a file that it cannot read is an error in its log and nowhere else.
        stops(
            by,
            name="LogRulesNotEvaluated",
            counter="loki_prometheus_rule_evaluations_total",
            job=job,
            series=lambda of, pod: LOKI.series("loki_prometheus_rule_evaluations_total", job=of, pod=f"loki-{pod}"),
            absent=True,
            severity=Severity.WARNING,
            summary="Loki evaluates no alert on logs.",
            description="Loki has evaluated {{ $value }} rules",
        ),
        repeats(
            by,
            name="LogRulesFailing",
            kept="pod",
            counter="loki_prometheus_rule_evaluation_failures_total",
            job=job,
            series=lambda of: LOKI.series("loki_prometheus_rule_evaluation_failures_total", job=of, pod="loki-0"),
            summary="Loki fails to evaluate alerts on logs, which do not fire meanwhile.",
            description="{{ $labels.pod }} has failed {{ $value | humanize }} times within 15 minutes.",
        ),
        repeats(
            by,
            name="LogAlertsNotSent",
            kept="alertmanager",
            counter="loki_prometheus_notifications_errors_total",
            job=job,
            series=lambda of: LOKI.series(
                "loki_prometheus_notifications_errors_total", job=of, pod="loki-0", alertmanager="http://one:9093"
            ),
            summary="Loki cannot tell a member of Alertmanager of alerts on logs.",
            description="{{ $labels.alertmanager }} has not taken {{ $value | humanize }} alerts within 15 minutes.",
        ),
    )
