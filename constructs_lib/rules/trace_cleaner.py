"""An alert on what deletes spans: without it, the store is full in the end. Part of the group `traces`."""

from constructs_lib.rules.cron_jobs import overdue
from constructs_lib.rules.model import Alert, Evaluator, Severity
from constructs_lib.rules.trace_limits import TraceLimits


def cleaner_alerts(by: Evaluator, cleaner: str, limits: TraceLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        cleaner: The name of the CronJob.
        limits: From where on somebody must hear of it.
    """
    return (
        overdue(
            by,
            "SpansNotDeleted",
            cron_jobs=cleaner,
            such_as=cleaner,
            within=limits.uncleaned,
            severity=Severity.WARNING,
            summary="Nobody deletes spans that are too old, so their store fills.",
        ),
    )
