"""Traces: whether collectors take spans in, the store keeps and finds them, and what the spans say of services."""

from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.rules.span_metrics import span_alerts, span_recordings
from constructs_lib.rules.trace_cleaner import cleaner_alerts
from constructs_lib.rules.trace_collectors import collector_alerts
from constructs_lib.rules.trace_limits import LIMITS, TraceLimits
from constructs_lib.rules.trace_store import query_alerts, query_recordings, store_alerts

__all__ = ["TraceLimits", "traces"]

CLEANER = "jaeger-index-cleaner"


def traces(
    by: Evaluator,
    *,
    collector: str = JAEGER_COLLECTOR.job,
    query: str | None = JAEGER_QUERY.job,
    spans: str | None = SPAN_METRICS.job,
    searched: bool = True,
    cleaner: str = CLEANER,
    limits: TraceLimits = LIMITS,
) -> RuleGroup:
    """The group `traces`; whether targets answer at all is asked for every job by the group `observability`.

    Args:
        by: Who evaluates it.
        collector: The job of the collectors.
        query: The job of those that ask the store; None where collectors do themselves.
        spans: The job of the metrics of spans; None where there are none.
        searched: Whether the store is OpenSearch, or Elasticsearch; of one within the collector no writes are told, and
            it deletes by itself.
        cleaner: The CronJob that deletes what is too old of the other two.
        limits: From where on somebody must hear of it.
    """
    asks = collector if query is None else query
    return RuleGroup(
        name="traces",
        recordings=(
            *query_recordings(by, asks, limits),
            *(span_recordings(by, spans, limits) if spans is not None else ()),
        ),
        alerts=(
            *collector_alerts(by, collector, limits),
            *((*store_alerts(by, collector, limits), *cleaner_alerts(by, cleaner, limits)) if searched else ()),
            *query_alerts(by, asks, limits),
            *(span_alerts(by, spans, limits) if spans is not None else ()),
        ),
    )
