"""Logs: whether the collectors read and deliver them, and the store takes them in, keeps and finds them."""

from constructs_lib.config.loki import LokiConfig
from constructs_lib.errors import ConstructError
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.loki import LOKI
from constructs_lib.rules.compaction import compaction_alerts
from constructs_lib.rules.log_collector import log_collector_alerts, log_collector_recordings
from constructs_lib.rules.log_limits import LIMITS, LogStoreLimits
from constructs_lib.rules.log_members import member_alerts, member_recordings
from constructs_lib.rules.log_ruler import ruler_alerts
from constructs_lib.rules.loki import loki_alerts, loki_recordings
from constructs_lib.rules.model import Alert, Evaluator, RuleGroup

__all__ = ["LogStoreLimits", "logs"]


def logs(
    by: Evaluator,
    *,
    store: LokiConfig | None,
    loki: str = LOKI.job,
    collector: str | None = ALLOY.job,
    limits: LogStoreLimits = LIMITS,
) -> RuleGroup:
    """The group `logs`; whether targets answer at all is asked for every job by the group `observability`.

    Args:
        by: Who evaluates it.
        store: What the store reads, `LokiStore.config`; None where there is none.
        loki: The job of the store's members.
        collector: The job of the collectors, one on each node; None where there are none.
        limits: From where on somebody must hear of it.
    Raises:
        ConstructError: neither of the two.
    """
    if store is None and collector is None:
        raise ConstructError("the rule group logs watches no job: give a store or collectors, or leave the group out")
    return RuleGroup(
        name="logs",
        recordings=(
            *((*loki_recordings(by, loki, limits), *member_recordings(by, loki, limits)) if store else ()),
            *(log_collector_recordings(by, collector, limits) if collector is not None else ()),
        ),
        alerts=(
            *(_store_alerts(by, loki, store, limits) if store else ()),
            *(log_collector_alerts(by, collector, limits) if collector is not None else ()),
        ),
    )


def _store_alerts(by: Evaluator, job: str, store: LokiConfig, limits: LogStoreLimits) -> tuple[Alert, ...]:
    return (
        *loki_alerts(by, job, limits),
        *member_alerts(by, job, store, limits),
        *compaction_alerts(by, job, limits),
        *(ruler_alerts(by, job) if store.ruler else ()),
    )
