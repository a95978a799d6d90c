"""Logs: whether the collectors read and deliver them, and the store takes them in, keeps and finds them."""

from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.loki import LOKI
from constructs_lib.rules.compaction import compaction_alerts
from constructs_lib.rules.log_collector import log_collector_alerts, log_collector_recordings
from constructs_lib.rules.log_limits import LIMITS, LogStoreLimits
from constructs_lib.rules.log_members import member_alerts, member_recordings
from constructs_lib.rules.loki import loki_alerts, loki_recordings
from constructs_lib.rules.model import Evaluator, RuleGroup

__all__ = ["LogStoreLimits", "logs"]


def logs(
    by: Evaluator, *, loki: str = LOKI.job, collector: str = ALLOY.job, limits: LogStoreLimits = LIMITS
) -> RuleGroup:
    """The group `logs`; whether targets answer at all is asked for every job by the group `observability`.

    Args:
        by: Who evaluates it.
        loki: The job of the store's members.
        collector: The job of the collectors, one on each node.
        limits: From where on somebody must hear of it.
    """
    return RuleGroup(
        name="logs",
        recordings=(
            *loki_recordings(by, loki, limits),
            *member_recordings(by, loki, limits),
            *log_collector_recordings(by, collector, limits),
        ),
        alerts=(
            *loki_alerts(by, loki, limits),
            *member_alerts(by, loki, limits),
            *compaction_alerts(by, loki, limits),
            *log_collector_alerts(by, collector, limits),
        ),
    )
