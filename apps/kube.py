"""The monitoring stack in the cluster: assembly only."""

from collections.abc import Iterator
from dataclasses import dataclass

import cdk8s

from apps.alerting import alerting
from apps.backup import Daily, back_up
from apps.dashboards import dashboards
from apps.environment import Environment
from apps.external_secrets import external_secrets
from apps.volumes import made
from apps.ways_in import ways_in
from constructs_lib.config.discovery import INFRASTRUCTURE, Annotated, PodsJob
from constructs_lib.config.grafana import METRICS_USER
from constructs_lib.config.prometheus import Limits, ScrapeDefaults
from constructs_lib.contract import Endpoint, ExternalHost, Namespace, Pods, Port, PortRange
from constructs_lib.dashboards.system_health import system_health
from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    Alertmanager,
    Allowed,
    BasicAuth,
    Collector,
    DashboardCollector,
    Embedded,
    Grafana,
    KubeStateMetrics,
    Links,
    LogCollector,
    Login,
    LogLimits,
    LokiStore,
    Namespaces,
    NodeExporter,
    Placement,
    PostgresExporter,
    PostgresStore,
    PrometheusHA,
    Queryable,
    RedisExporter,
    Resources,
    Retention,
    SearchStore,
    SecretKey,
    StaticVolumes,
    StorageClass,
    Tracing,
    Volume,
)
from constructs_lib.metrics.jaeger import JAEGER_QUERY, SPAN_METRICS
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.postgres import POSTGRES_EXPORTER
from constructs_lib.metrics.redis import REDIS_EXPORTER
from constructs_lib.rules.application import application
from constructs_lib.rules.backups import backups
from constructs_lib.rules.databases import databases
from constructs_lib.rules.hosts import hosts
from constructs_lib.rules.kubernetes import kubernetes
from constructs_lib.rules.logs import logs
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.rules.models import models
from constructs_lib.rules.nodes import nodes
from constructs_lib.rules.observability import observability
from constructs_lib.rules.services import services
from constructs_lib.rules.teams import teams
from constructs_lib.rules.traces import traces
from constructs_lib.rules.uncaught_errors import uncaught_errors

POSTGRES, REDIS = POSTGRES_EXPORTER.job, REDIS_EXPORTER.job


@dataclass(frozen=True, slots=True)
class Stack:
    """What is asked of a stack beside its manifests.

    Args:
        prometheus: Who evaluates its rules.
        loki: Whose buckets somebody must make.
        tracing: Where applications send spans; None where they do not.
        collector: What other teams' releases come in by; None where they do not.
    """

    prometheus: PrometheusHA
    loki: LokiStore
    tracing: Tracing | None
    collector: Collector | None


def monitoring(app: cdk8s.App, name: str, values: Environment) -> Stack:
    """Add the whole stack of one environment.

    Args:
        app: Gets one chart a component; a chart is a file, and `kubectl apply -f` reads files in their names' order.
        name: Of the environment.
        values: What the site chose.
    Raises:
        ConstructError: values that contradict each other, or that a construct refuses.
    """
    foundation = cdk8s.Chart(app, "00-foundation")
    namespaces = Namespaces(foundation, "namespaces", cluster=values.facts(name), name=values.namespace)
    if values.make_storage_class:
        if not values.storage_class:
            raise ConstructError("make_storage_class is on, but storage_class is empty: name the class, or turn it off")
        StorageClass(foundation, "storage-class", name=values.storage_class)
    for each, volumes in made(values):
        StaticVolumes(
            foundation,  # before whoever claims them: a claim that has been given a volume keeps it
            f"volumes-{each.component}",
            namespace=namespaces.restricted,
            volume=Volume(each.volume.size, values.storage_class or None),
            volumes=volumes,
        )
    external_secrets(foundation, namespaces.restricted, values)

    prometheus = _prometheus(app, namespaces.restricted, values)
    alertmanager = alerting(cdk8s.Chart(app, "alertmanager"), namespaces.restricted, values)
    prometheus.send_alerts_to(alertmanager)

    objects = KubeStateMetrics(
        cdk8s.Chart(app, "kube-state-metrics"),
        "kube-state-metrics",
        namespace=namespaces.restricted,
        placement=Placement(priority_class=values.priority_class),
    )
    prometheus.scrape(objects.metrics, limits=_of_the_cluster(values))
    prometheus.scrape(objects.telemetry, job=f"{KUBE_STATE_METRICS.job}-telemetry")  # whether it sees what it tells of
    nodes = NodeExporter(cdk8s.Chart(app, "node-exporter"), "node-exporter", namespace=namespaces.privileged)
    prometheus.scrape(nodes.metrics)

    loki = _logs(app, namespaces, values, prometheus, alertmanager)
    tracing = _traces(app, namespaces.restricted, values, prometheus)
    asked: list[Queryable] = [loki, *([tracing] if tracing else []), alertmanager]
    grafana = _grafana(app, namespaces.restricted, values, prometheus, *asked)
    _watch_databases(app, namespaces.restricted, values, prometheus)
    ways_in(
        app,
        namespaces.restricted,
        values,
        prometheus=prometheus,
        grafana=grafana,
        alertmanager=alertmanager,
        tracing=tracing,
    )
    for service in values.application_services:
        pods = Pods.named(values.application_namespace, service)
        prometheus.scrape_pods(PodsJob(job=service, pods=pods, ports=values.scrape_ports))
    for database, port in values.infrastructure.items():
        pods = Pods.named(values.application_namespace, database)
        prometheus.scrape_pods(PodsJob(job=database, pods=pods, ports=PortRange.only(port)))
    collector = _collector(prometheus, grafana, values)
    daily = back_up(app, namespaces.restricted, values, prometheus, _people_store(values))
    by = prometheus.evaluator
    prometheus.add_rules(*_rules(by, values, loki, tracing, daily))
    points = values.restore_points
    grafana.set_home(system_health(backups=points.limits if points else None))
    grafana.add_dashboard(*dashboards(by, values, loki, tracing))
    return Stack(prometheus, loki, tracing, collector)


def _logs(
    app: cdk8s.App, namespaces: Namespaces, values: Environment, prometheus: PrometheusHA, alertmanager: Alertmanager
) -> LokiStore:
    """What every container writes, in Loki; applications may send more to it."""
    loki = LokiStore(
        cdk8s.Chart(app, "loki"),
        "loki",
        namespace=namespaces.restricted,
        replicas=values.loki_replicas,
        store=values.logs_store,
        volume=Volume(values.loki_volume, values.storage_class or None),
        resources=Resources(cpu=values.loki_cpu, memory=values.loki_memory, memory_headroom=4),
        limits=LogLimits(
            retention=values.logs_retention,
            rate=values.logs_rate,
            burst=values.logs_rate.scaled(2),
            # What is above the rate of a stream may be lost, what is above that of all is sent again.
            stream_rate=values.logs_rate,
            streams=values.logs_streams,
        ),
        placement=Placement(priority_class=values.priority_class),
    )
    prometheus.scrape(loki.web)
    for service in values.application_services:
        loki.web.admit(Pods.named(values.application_namespace, service))
    if values.application_services:
        loki.add_rules(uncaught_errors(namespace=values.application_namespace))
        loki.send_alerts_to(alertmanager, links=Links(external_url=values.grafana_url, runbooks=values.runbooks_url))
    nodes = LogCollector(cdk8s.Chart(app, "log-collector"), "log-collector", namespace=namespaces.privileged)
    nodes.ship_to(loki.web)
    prometheus.scrape(nodes.metrics)
    return loki


def _traces(app: cdk8s.App, namespace: Namespace, values: Environment, prometheus: PrometheusHA) -> Tracing | None:
    """What applications tell of their requests, in Jaeger."""
    if not values.tracing:
        return None
    tracing = Tracing(
        cdk8s.Chart(app, "jaeger"),
        "tracing",
        namespace=namespace,
        store=_span_store(values),
        collectors=values.jaeger_collectors,
        collector_resources=Resources(cpu=values.jaeger_cpu, memory=values.jaeger_memory),
        placement=Placement(priority_class=values.priority_class),
    )
    prometheus.scrape(tracing.metrics)
    if tracing.query_metrics:
        prometheus.scrape(tracing.query_metrics)
    if tracing.span_metrics:
        prometheus.scrape(tracing.span_metrics, job=SPAN_METRICS.job, limits=_of_the_cluster(values))
    for service in values.application_services:
        tracing.admit(Pods.named(values.application_namespace, service))
    return tracing


def _grafana(
    app: cdk8s.App, namespace: Namespace, values: Environment, prometheus: PrometheusHA, *others: Queryable
) -> Grafana:
    """What people see of all that; whoever comes in from outside must not read its metrics."""
    key = SecretKey(values.grafana_metrics_credentials, "password")
    metrics = BasicAuth(METRICS_USER, key) if values.ingress else None
    grafana = Grafana(
        cdk8s.Chart(app, "grafana"),
        "grafana",
        namespace=namespace,
        replicas=values.grafana_replicas,
        database=_people_store(values),
        volume=Volume(values.grafana_volume, values.storage_class or None),
        resources=Resources(cpu=values.grafana_cpu, memory=values.grafana_memory, memory_headroom=4),
        root_url=values.grafana_url,
        login=Login(
            password=SecretKey(values.grafana_credentials, "admin-password"),
            secret_key=SecretKey(values.grafana_credentials, "secret-key"),
            metrics=metrics.password if metrics else None,
        ),
        placement=Placement(priority_class=values.priority_class),
    )
    for source in (prometheus, *others):
        grafana.add_datasource(source)
    prometheus.scrape(grafana.web, basic_auth=metrics)
    return grafana


def _people_store(values: Environment) -> PostgresStore | None:
    host, database = values.grafana_postgres_host, values.grafana_database
    if database and not (host or "").startswith(f"{database.name}."):
        raise ConstructError(
            f"grafana_postgres_host is {host or ''!r}, but grafana_database_vpc asks AWS for the server "
            f"{database.name}: deploy MonitoringDatabase, and use the address that it says"
        )
    if not host:
        return None
    return PostgresStore(
        server=ExternalHost(
            host=host,
            port=values.grafana_postgres_port,
            addresses=values.grafana_postgres_at,
        ),
        database=values.grafana_postgres_database,
        user=values.grafana_postgres_user,
        password=SecretKey(values.grafana_credentials, "postgres-password"),
        ca=SecretKey(values.grafana_credentials, "postgres-ca") if values.grafana_postgres_ca else None,
    )


def _span_store(values: Environment) -> SearchStore | Embedded:
    if not values.traces_host:
        return Embedded(
            volume=Volume(values.traces_volume, values.storage_class or None), retention=values.traces_retention
        )
    return SearchStore(
        server=ExternalHost(host=values.traces_host, port=values.traces_port, addresses=values.traces_at),
        user=values.traces_user,
        password=SecretKey(values.traces_credentials, "opensearch-password"),
        ca=SecretKey(values.traces_credentials, "opensearch-ca") if values.traces_ca else None,
        prefix=values.traces_prefix,
        shards=values.traces_shards,
        replicas=values.traces_copies,
        nodes=values.traces_nodes,
        retention=values.traces_retention,
    )


def _collector(prometheus: PrometheusHA, grafana: Grafana, values: Environment) -> Collector | None:
    image = values.agent_image
    if image is None:
        return None
    allowed = Allowed(ports=values.scrape_ports)
    collector = Collector(prometheus, "collector", prometheus=prometheus, image=image, allowed=allowed)
    DashboardCollector(grafana, "collector", grafana=grafana, collector=collector, image=image)
    return collector


def _rules(
    by: Evaluator, values: Environment, loki: LokiStore, tracing: Tracing | None, daily: Daily
) -> Iterator[RuleGroup]:
    """What somebody must hear of; a group about nothing is left out."""
    yield observability(by)
    yield kubernetes(by)
    yield nodes(by)
    yield logs(by, store=loki.config)
    if tracing:
        alone = tracing.query is tracing.collector
        yield traces(by, query=None if alone else JAEGER_QUERY.job, searched=not alone)
    if values.agent_image:
        yield teams(by)
    if points := values.restore_points:
        yield backups(by, points.limits, databases=daily.databases, drills=daily.drills)
    if values.hosts_at:
        yield hosts(by)
    if values.application_services:
        yield services(by, jobs=values.application_services, drills=daily.drills)
        yield application(by, jobs=values.application_services)
        yield models(by, jobs=values.application_services)
    postgres, redis = POSTGRES if values.postgres_service else None, REDIS if values.redis_service else None
    if postgres or redis:
        yield databases(by, postgres=postgres, redis=redis)


def _prometheus(app: cdk8s.App, namespace: Namespace, values: Environment) -> PrometheusHA:
    prometheus = PrometheusHA(
        cdk8s.Chart(app, "prometheus"),
        "prometheus",
        namespace=namespace,
        replicas=values.prometheus_replicas,
        retention=Retention(time=values.retention),
        volume=Volume(values.prometheus_volume, values.storage_class or None),
        scrape=ScrapeDefaults(interval=values.scrape_interval),
        resources=Resources(cpu=values.prometheus_cpu, memory=values.prometheus_memory),
        links=Links(external_url=values.prometheus_url, runbooks=values.runbooks_url),
        placement=Placement(priority_class=values.priority_class),
    )
    prometheus.scrape_cluster(_of_the_cluster(values))
    prometheus.scrape_annotated(Annotated(ports=values.scrape_ports))
    return prometheus


def _of_the_cluster(values: Environment) -> Limits:
    return Limits(samples=values.cluster_sample_limit, body=INFRASTRUCTURE.body)


def _watch_databases(app: cdk8s.App, namespace: Namespace, values: Environment, prometheus: PrometheusHA) -> None:
    """Scrape what is no exporter itself through one."""

    def server(service: str, port: int) -> Endpoint:
        pods = Pods.named(values.application_namespace, service)
        return Endpoint(pods=pods, service=service, port=Port(name="database", number=port))

    if values.postgres_service:
        postgres = PostgresExporter(
            cdk8s.Chart(app, "postgres-exporter"),
            "postgres-exporter",
            namespace=namespace,
            server=server(values.postgres_service, 5432),
            user=values.postgres_user,
            password=SecretKey(values.databases_credentials, "postgres-password"),
            sslmode="disable",  # within the cluster, policies confine plain connections
        )
        prometheus.scrape(postgres.metrics, job=POSTGRES)
    if values.redis_service:
        redis = RedisExporter(
            cdk8s.Chart(app, "redis-exporter"),
            "redis-exporter",
            namespace=namespace,
            server=server(values.redis_service, 6379),
            password=SecretKey(values.databases_credentials, "redis-password"),
        )
        prometheus.scrape(redis.metrics, job=REDIS)
