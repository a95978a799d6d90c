"""The monitoring stack in the cluster: assembly only."""

import cdk8s

from apps.environments import Environment
from constructs_lib.config.discovery import INFRASTRUCTURE, Annotated, PodsJob
from constructs_lib.config.prometheus import Limits, ScrapeDefaults
from constructs_lib.contract import Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Links, Namespaces, PrometheusHA, Resources, Retention, StorageClass, Volume
from constructs_lib.rules.observability import observability


def monitoring(app: cdk8s.App, name: str, values: Environment) -> PrometheusHA:
    """Add the whole stack of one environment, and give back who evaluates its rules.

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

    prometheus = PrometheusHA(
        cdk8s.Chart(app, "prometheus"),
        "prometheus",
        namespace=namespaces.restricted,
        replicas=values.prometheus_replicas,
        retention=Retention(time=values.retention),
        volume=Volume(values.prometheus_volume, values.storage_class or None),
        scrape=ScrapeDefaults(interval=values.scrape_interval),
        resources=Resources(cpu=values.prometheus_cpu, memory=values.prometheus_memory),
        links=Links(external_url=values.prometheus_url, runbooks=values.runbooks_url),
    )
    prometheus.scrape_cluster(Limits(samples=values.cluster_sample_limit, body=INFRASTRUCTURE.body))
    prometheus.scrape_annotated(Annotated(ports=values.scrape_ports))
    for service in values.application_services:
        pods = Pods.named(values.application_namespace, service)
        prometheus.scrape_pods(PodsJob(job=service, pods=pods, ports=values.scrape_ports))
    for database, port in values.infrastructure.items():
        pods = Pods.named(values.application_namespace, database)
        prometheus.scrape_pods(PodsJob(job=database, pods=pods, ports=PortRange.only(port)))
    prometheus.add_rules(observability(prometheus.evaluator))
    return prometheus
