"""The platform's dashboards and the rules beside them, as one environment has them."""

from datetime import timedelta

from constructs_lib.dashboards.application import application_performance
from constructs_lib.dashboards.business import business
from constructs_lib.dashboards.jaeger import jaeger_health
from constructs_lib.dashboards.logs import log_lines
from constructs_lib.dashboards.loki import loki_health
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.prometheus import prometheus_health
from constructs_lib.dashboards.system_health import system_health
from constructs_lib.restore_points import BackupLimits
from constructs_lib.rules.application import application
from constructs_lib.rules.backups import backups
from constructs_lib.rules.kubernetes import kubernetes
from constructs_lib.rules.logs import logs
from constructs_lib.rules.model import Evaluator
from constructs_lib.rules.models import models
from constructs_lib.rules.nodes import nodes
from constructs_lib.rules.observability import observability
from constructs_lib.rules.services import services
from constructs_lib.rules.traces import traces
from constructs_lib.rules.uncaught_errors import uncaught_errors
from tests.rules.test_logs import STORE

JOBS = ("api", "data-service")
BY = Evaluator(
    interval=timedelta(seconds=15),
    job="prometheus",
    replicas=2,
    jobs=JOBS,
    alertmanager_job="alertmanager",
    alertmanagers=2,
    series=100_000,
)
RESTORE_POINTS = BackupLimits(every=timedelta(days=1))
LOG_RULES = uncaught_errors(namespace="shop")
GROUPS = (
    observability(BY),
    kubernetes(BY),
    nodes(BY),
    logs(BY, store=STORE),
    traces(BY),
    services(BY, jobs=JOBS),
    application(BY, jobs=JOBS),
    models(BY, jobs=JOBS),
    backups(BY, RESTORE_POINTS),
)


def made() -> tuple[Dashboard, ...]:
    """All that there are, with all that they can have."""
    return (
        system_health(backups=RESTORE_POINTS),
        application_performance(jobs=JOBS),
        business(jobs=JOBS),
        log_lines(alerts=LOG_RULES.alerts),
        prometheus_health(BY),
        loki_health(store=STORE),
        jaeger_health(),
    )


DASHBOARDS = {dashboard.name: dashboard for dashboard in made()}
# Without what an environment may lack.
LESSER = (
    application_performance(jobs=["api"], traces=None),
    log_lines(),
    prometheus_health(Evaluator(interval=BY.interval, job="prometheus", replicas=1, jobs=())),
    loki_health(store=STORE, collector=None),
    jaeger_health(query=None, spans=None, searched=False),
    system_health(),
)
