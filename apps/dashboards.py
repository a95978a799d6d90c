"""The dashboards of an environment: assembly only."""

from collections.abc import Iterator

from apps.environment import Environment
from constructs_lib.dashboards.application import application_performance
from constructs_lib.dashboards.business import business
from constructs_lib.dashboards.jaeger import jaeger_health
from constructs_lib.dashboards.logs import log_lines
from constructs_lib.dashboards.loki import loki_health
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import JAEGER
from constructs_lib.dashboards.prometheus import prometheus_health
from constructs_lib.kube import LokiStore, Tracing
from constructs_lib.metrics.jaeger import JAEGER_QUERY
from constructs_lib.rules.model import Evaluator


def dashboards(by: Evaluator, values: Environment, loki: LokiStore, tracing: Tracing | None) -> Iterator[Dashboard]:
    """All but the home; one about nothing is left out.

    Args:
        by: Who evaluates the alerts, whose limits they show.
        values: What the site chose.
        loki: Whose logs are seen.
        tracing: Whose traces; None where there are none.
    """
    yield prometheus_health(by)
    yield loki_health(store=loki.config)
    yield log_lines(alerts=[alert for group in loki.rules for alert in group.alerts])
    if tracing:
        alone = tracing.query is tracing.collector
        yield jaeger_health(query=None if alone else JAEGER_QUERY.job, searched=not alone)
    if values.application_services:
        yield application_performance(jobs=values.application_services, traces=JAEGER if tracing else None)
        yield business(jobs=values.application_services)
