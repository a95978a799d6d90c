"""The monitoring stack in the cluster: assembly only."""

import cdk8s

from apps.environments import Environment
from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.config.prometheus import ScrapeDefaults
from constructs_lib.contract import Pods, PortRange
from constructs_lib.kube import Links, Namespaces, PrometheusHA, Retention, StorageClass, Volume
from constructs_lib.kube.prometheus import PROMETHEUS
from constructs_lib.rules.model import RuleGroup
from constructs_lib.rules.observability import observability


def monitoring(app: cdk8s.App, name: str, values: Environment) -> None:
    """Add the whole stack of one environment.

    Args:
        app: Gets one chart a component; what the others need comes first.
        name: Of the environment.
        values: What the site chose.
    """
    foundation = cdk8s.Chart(app, "foundation")
    namespaces = Namespaces(foundation, "namespaces", cluster=values.facts(name), name=values.namespace)
    if values.make_storage_class and values.storage_class:
        StorageClass(foundation, "storage-class", name=values.storage_class)

    chart = cdk8s.Chart(app, "prometheus")
    chart.add_dependency(foundation)
    prometheus = PrometheusHA(
        chart,
        "prometheus",
        namespace=namespaces.restricted,
        replicas=values.prometheus_replicas,
        retention=Retention(time=values.retention),
        volume=Volume(values.prometheus_volume, values.storage_class or None),
        scrape=ScrapeDefaults(interval=values.scrape_interval),
        links=Links(external_url=values.prometheus_url, runbooks=values.runbooks_url),
    )
    prometheus.scrape_cluster()
    prometheus.scrape_annotated(Annotated(ports=values.scrape_ports))
    for service in values.application_services:
        pods = Pods.named(values.application_namespace, service)
        prometheus.scrape_pods(PodsJob(job=service, pods=pods, ports=values.scrape_ports))
    for database, port in values.infrastructure.items():
        pods = Pods.named(values.application_namespace, database)
        prometheus.scrape_pods(PodsJob(job=database, pods=pods, ports=PortRange.only(port)))
    prometheus.add_rules(*rule_groups(values))


def rule_groups(values: Environment) -> tuple[RuleGroup, ...]:
    """What Prometheus evaluates in one environment.

    Args:
        values: What the site chose.
    """
    scrape = ScrapeDefaults(interval=values.scrape_interval)
    return (observability(scrape, job=PROMETHEUS, replicas=values.prometheus_replicas),)
