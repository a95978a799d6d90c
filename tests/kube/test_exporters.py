"""The exporters: what they may read, whom they ask, and how Prometheus scrapes them."""

from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import Endpoint, ExternalHost, Namespace, Pods, PodSecurity, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube import KubeStateMetrics, NodeExporter, PostgresExporter, RedisExporter, SecretKey
from tests.minimal import CLUSTER, NAMESPACE, prometheus, unrendered
from tests.rendered import Objects, rendered

HOST = Namespace(name="monitoring-host", level=PodSecurity.PRIVILEGED, cluster=CLUSTER)
POSTGRES = Endpoint(pods=Pods.named("shop", "db"), service="db", port=Port(name="database", number=5432))
ELSEWHERE = ExternalHost(host="redis.example.com", port=6380, addresses=("203.0.113.0/28",))
PASSWORD = SecretKey("databases", "password")


def build(chart: cdk8s.Chart) -> None:
    server = prometheus(chart)
    server.scrape(KubeStateMetrics(chart, "objects", namespace=NAMESPACE).metrics)
    server.scrape(NodeExporter(chart, "nodes", namespace=HOST).metrics)
    postgres = PostgresExporter(
        chart, "postgres", namespace=NAMESPACE, server=POSTGRES, user="monitoring", password=PASSWORD
    )
    server.scrape(postgres.metrics, job="postgres")
    redis = RedisExporter(chart, "redis", namespace=NAMESPACE, server=ELSEWHERE, password=PASSWORD, scheme="rediss")
    server.scrape(redis.metrics, job="redis")
    RedisExporter(chart, "open", name="open", namespace=NAMESPACE, server=ELSEWHERE)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One of each, scraped, and one of a server that wants no password."""
    return rendered(build)


def container(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = objects.named(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def job(objects: Objects, name: str) -> dict[str, Any]:
    jobs = objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    (found,) = (each for each in jobs if each["job_name"] == name)
    return dict(found)


def egress(objects: Objects, name: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = objects.named("NetworkPolicy", name)["spec"]["egress"]
    return rules


@pytest.mark.trap(14)
def test_the_labels_of_objects_win_over_those_of_their_teller(objects: Objects) -> None:
    """Else every `pod` and `namespace` would be kube-state-metrics' own, and no join would match."""
    ours = job(objects, "kube-state-metrics")
    assert ours["honor_labels"] is True
    assert not {"pod", "namespace", "node"} & {step.get("target_label") for step in ours["relabel_configs"]}
    assert "honor_labels" not in job(objects, "node-exporter")


def test_object_metrics_may_read_what_they_watch_and_no_secret(objects: Objects) -> None:
    """The role lists exactly the kinds that the program is told to watch."""
    role = objects.named("ClusterRole", "monitoring-kube-state-metrics")
    allowed = {resource for rule in role["rules"] for resource in rule["resources"]}
    (watched,) = [
        arg.removeprefix("--resources=").split(",")
        for arg in container(objects, "Deployment", "kube-state-metrics")["args"]
        if arg.startswith("--resources=")
    ]
    assert allowed == set(watched)
    assert not allowed & {"secrets", "configmaps"}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list", "watch"}


@pytest.mark.trap(83)
def test_object_metrics_have_one_teller(objects: Objects) -> None:
    """A second one would double every series."""
    assert objects.named("Deployment", "kube-state-metrics")["spec"]["replicas"] == 1
    assert objects.named("Deployment", "kube-state-metrics")["spec"]["strategy"] == {"type": "Recreate"}


def test_object_metrics_are_not_killed_with_the_api_server(objects: Objects) -> None:
    """/livez asks the API server, and restarting would help nobody when that is away."""
    program = container(objects, "Deployment", "kube-state-metrics")
    assert program["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert program["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "telemetry", "scheme": "HTTP"}


@pytest.mark.parametrize("watched", [frozenset(), frozenset({"pods", "secrets"})])
def test_kinds_that_it_must_not_read_are_refused(watched: frozenset[str]) -> None:
    """To list all Secrets is to know every password."""
    with pytest.raises(ConstructError, match=r"kube-state-metrics watches (nothing|secrets): use some of cronjobs, "):
        KubeStateMetrics(unrendered(), "objects", namespace=NAMESPACE, watched=watched)


@pytest.mark.trap(78)
def test_a_node_is_read_through_its_root_with_the_nodes_own_port(objects: Objects) -> None:
    """Where it listens is where it is scraped, and what is mounted later on the node is seen."""
    program = container(objects, "DaemonSet", "node-exporter")
    assert program["ports"] == [{"name": "metrics", "containerPort": 9100, "protocol": "TCP"}]
    assert "--path.rootfs=/host/root" in program["args"]
    assert program["volumeMounts"][0]["mountPropagation"] == "HostToContainer"
    assert objects.named("DaemonSet", "node-exporter")["spec"]["template"]["spec"]["hostNetwork"] is True


@pytest.mark.trap(79)
def test_nodes_are_scraped_by_their_addresses(objects: Objects) -> None:
    """A pod on the host network is reached by its node's address alone."""
    rule = {"to": [{"ipBlock": {"cidr": "10.8.0.0/16"}}], "ports": [{"protocol": "TCP", "port": 9100}]}
    assert rule in egress(objects, "prometheus")


@pytest.mark.trap(77)
def test_a_node_exporter_in_a_restricted_namespace_is_refused() -> None:
    """Its pods would never start."""
    with pytest.raises(ConstructError, match="node-exporter needs its node's network, but the namespace monitoring "):
        NodeExporter(unrendered(), "nodes", namespace=NAMESPACE)


def test_a_second_node_exporter_takes_another_port() -> None:
    """Two of them share one node's ports."""

    def another(chart: cdk8s.Chart) -> None:
        NodeExporter(chart, "nodes", namespace=HOST, port=19100)

    program = container(rendered(another), "DaemonSet", "node-exporter")
    assert "--web.listen-address=:19100" in program["args"]
    assert program["ports"][0]["containerPort"] == 19100


def test_a_password_is_a_file_that_the_exporter_is_told_of(objects: Objects) -> None:
    """Name and address are no secret; the password is read from the Secret's file."""
    program = container(objects, "Deployment", "postgres-exporter")
    assert {each["name"]: each["value"] for each in program["env"]} == {
        "DATA_SOURCE_URI": "db.shop.svc.cluster.local:5432/postgres?sslmode=require",
        "DATA_SOURCE_USER": "monitoring",
        "DATA_SOURCE_PASS_FILE": "/etc/exporter/credentials/databases/password",
    }
    assert program["volumeMounts"] == [
        {"name": "secret-databases", "mountPath": "/etc/exporter/credentials/databases", "readOnly": True}
    ]


def test_a_password_that_can_only_be_a_variable_is_a_reference(objects: Objects) -> None:
    """The value stays in the Secret; where there is none, there is no variable."""
    environment = {each["name"]: each for each in container(objects, "Deployment", "redis-exporter")["env"]}
    assert environment["REDIS_PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "databases", "key": "password"}}
    assert environment["REDIS_ADDR"]["value"] == "rediss://redis.example.com:6380"
    assert [each["name"] for each in container(objects, "Deployment", "open")["env"]] == ["REDIS_ADDR"]


def test_an_exporter_reaches_its_server_and_nobody_else(objects: Objects) -> None:
    """Pods by their labels, a server outside by its addresses."""
    database = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
    database["podSelector"] = {"matchLabels": {"app.kubernetes.io/name": "db"}}
    (to_pods,) = (rule for rule in egress(objects, "postgres-exporter") if rule["ports"][0]["port"] != 53)
    assert to_pods == {"to": [database], "ports": [{"protocol": "TCP", "port": 5432}]}
    (outside,) = (rule for rule in egress(objects, "redis-exporter") if rule["ports"][0]["port"] != 53)
    assert outside == {"to": [{"ipBlock": {"cidr": "203.0.113.0/28"}}], "ports": [{"protocol": "TCP", "port": 6380}]}


def test_a_server_outside_needs_its_addresses() -> None:
    """A NetworkPolicy knows no names."""
    with pytest.raises(ConstructError, match=r"addresses of redis.example.com is empty: give the ranges in which"):
        ExternalHost(host="redis.example.com", port=6379, addresses=())
