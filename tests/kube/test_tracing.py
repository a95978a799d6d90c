"""Jaeger: its processes, who reaches which, the cleaner, and what is refused."""

from dataclasses import replace
from typing import Any

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import ExternalHost, Pods
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Embedded, Sampling, SearchStore, Tracing, Volume
from constructs_lib.units import Bytes
from tests.minimal import NAMESPACE, prometheus, unrendered
from tests.policies import one_sided, opened
from tests.rendered import Objects, rendered, template

SERVER = ExternalHost(host="search.example.com", port=9200, addresses=("198.51.100.0/24",))
STORE = SearchStore(
    server=SERVER, user="jaeger", password=SecretKey("tracing", "password"), ca=SecretKey("trust", "ca")
)
API = Pods.named("shop", "api")


def tracing(scope: Construct, name: str = "jaeger", **more: Any) -> Tracing:
    return Tracing(scope, name, name=name, **{"namespace": NAMESPACE, "store": STORE, **more})


def build(chart: cdk8s.Chart) -> None:
    traces = tracing(chart, sampling=Sampling(default=0.1))
    scraper = prometheus(chart)
    assert traces.query_metrics
    assert traces.span_metrics
    scraper.scrape(traces.metrics)
    scraper.scrape(traces.query_metrics)
    scraper.scrape(traces.span_metrics, job="span-metrics")
    traces.admit(API)
    traces.admit(API)


def build_embedded(chart: cdk8s.Chart) -> None:
    traces = tracing(chart, store=Embedded(volume=Volume(Bytes.gib(3))), metrics=None)
    prometheus(chart).scrape(traces.metrics)
    traces.admit(API)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Two collectors and a query with OpenSearch, scraped, with an application that sends."""
    return rendered(build)


@pytest.fixture(scope="module")
def embedded() -> Objects:
    """One process with its volume."""
    return rendered(build_embedded)


def container(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    (found,) = template(objects.named(kind, name))["spec"]["containers"]
    return dict(found)


@pytest.mark.trap(63)
def test_each_process_reads_one_file(objects: Objects) -> None:
    """And nothing of the variables and flags that Jaeger 1 knew."""
    for name in ("jaeger-collector", "jaeger-query"):
        found = container(objects, "Deployment", name)
        assert found["args"] == ["--config=/etc/jaeger/config/jaeger.yaml"]
        assert [each["name"] for each in found["env"]] == ["GOMEMLIMIT"]
        assert objects.file(f"{name}-config", "jaeger.yaml")["service"]
    assert objects.named("Deployment", "jaeger-collector")["spec"]["replicas"] == 2
    assert objects.named("Deployment", "jaeger-query")["spec"]["replicas"] == 1


@pytest.mark.trap(64)
def test_probes_ask_what_listens_for_them(objects: Objects, embedded: Objects) -> None:
    """By the port of health, at the path that this version has."""
    for found in (
        container(objects, "Deployment", "jaeger-collector"),
        container(objects, "Deployment", "jaeger-query"),
        container(embedded, "StatefulSet", "jaeger-collector"),
    ):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert (found[probe]["httpGet"]["path"], found[probe]["httpGet"]["port"]) == ("/status", "health")
        assert {"name": "health", "containerPort": 13133, "protocol": "TCP"} in found["ports"]


def test_applications_send_to_the_names_that_they_know(objects: Objects, embedded: Objects) -> None:
    """By gRPC and HTTP, to the collectors alone; people ask the query by its own name, whoever it is."""
    for each, more in ((objects, {8889, 5778}), (embedded, {16686})):
        ports = {port["port"] for port in each.named("Service", "jaeger-collector")["spec"]["ports"]}
        assert ports == {4317, 4318, 8888} | more
        asked = {port["port"] for port in each.named("Service", "jaeger-query")["spec"]["ports"]}
        assert 16686 in asked
    assert opened(objects, "jaeger-collector", "ingress", peer="api") == {4317, 4318, 5778}
    assert opened(objects, "jaeger-query", "ingress", peer="api") == set()
    assert opened(embedded, "jaeger-collector", "ingress", peer="api") == {4317, 4318}
    selector = embedded.named("Service", "jaeger-query")["spec"]["selector"]
    assert selector == embedded.named("Service", "jaeger-collector")["spec"]["selector"]


def test_prometheus_reaches_the_metrics_alone(objects: Objects) -> None:
    """Of both, and what is counted of spans."""
    assert opened(objects, "jaeger-collector", "ingress", peer="prometheus") == {8888, 8889}
    assert opened(objects, "jaeger-query", "ingress", peer="prometheus") == {8888}
    assert not one_sided(objects)


def test_all_that_use_the_store_reach_it_and_nobody_else(objects: Objects, embedded: Objects) -> None:
    """Collector, query and cleaner; they do not reach each other."""
    for name in ("jaeger-collector", "jaeger-query", "jaeger-index-cleaner"):
        assert opened(objects, name, "egress") == {9200}
        assert opened(objects, name, "egress", peer="jaeger-collector") == set()
    assert opened(embedded, "jaeger-collector", "egress") == set()


def test_a_store_that_may_be_anywhere_is_in_no_private_network() -> None:
    """Else a collector would reach whatever listens there in the cluster; a private range by itself is meant."""

    def ranges(*addresses: str) -> list[dict[str, Any]]:
        server = replace(SERVER, addresses=addresses)
        objects = rendered(lambda chart: tracing(chart, store=replace(STORE, server=server)) and None)
        rules = objects.named("NetworkPolicy", "jaeger-collector")["spec"]["egress"]
        return [peer["ipBlock"] for rule in rules for peer in rule["to"] if "ipBlock" in peer]

    (everywhere,) = ranges("0.0.0.0/0")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(everywhere["except"])
    assert ranges("10.20.0.0/16") == [{"cidr": "10.20.0.0/16"}]


def test_credentials_are_files_of_the_secrets(objects: Objects) -> None:
    """Mounted as directories, so that a new password arrives."""
    for name in ("jaeger-collector", "jaeger-query"):
        mounts = {each["mountPath"]: each for each in container(objects, "Deployment", name)["volumeMounts"]}
        assert {"/etc/jaeger/credentials/tracing", "/etc/jaeger/credentials/trust"} <= mounts.keys()


@pytest.mark.trap(67)
def test_a_cleaner_deletes_our_indices_every_night(objects: Objects) -> None:
    """After the retention and the day that an index is of; by the prefix, the user and the trust of the others."""
    job = objects.named("CronJob", "jaeger-index-cleaner")["spec"]
    found = container(objects, "CronJob", "jaeger-index-cleaner")
    variables = {each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"] for each in found["env"]}

    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("5 0 * * *", "Etc/UTC", "Forbid")
    assert job["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert found["args"] == ["8", "https://search.example.com:9200"]
    assert variables == {
        "INDEX_PREFIX": "jaeger",
        "ES_USERNAME": "jaeger",
        "ES_PASSWORD": {"name": "tracing", "key": "password"},
        "ES_TLS_ENABLED": "true",
        "ES_TLS_CA": "/etc/jaeger/credentials/trust/ca",
    }
    assert "jaeger-index-cleaner" not in {each["metadata"]["name"] for each in objects.of("Service")}


def test_one_process_on_a_volume_is_all_that_there_is(embedded: Objects) -> None:
    """It has its volume, and nobody cleans for it."""
    assert embedded.of("Deployment", "CronJob") == []
    claim = embedded.named("StatefulSet", "jaeger-collector")["spec"]["volumeClaimTemplates"][0]
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    mounts = container(embedded, "StatefulSet", "jaeger-collector")["volumeMounts"]
    assert [each["name"] for each in mounts if not each.get("readOnly")] == ["data"]


@pytest.mark.parametrize("more", [{"collectors": 2}, {"collectors": 1, "queries": 2}])
def test_several_processes_on_one_volume_are_refused(more: dict[str, int]) -> None:
    """Each would have its own spans."""
    with pytest.raises(ConstructError, match=r"jaeger keeps its spans on a volume, .*: use 1 and 1, or keep them in"):
        tracing(unrendered(), store=Embedded(), **more)


def test_shares_are_read_again_without_a_restart() -> None:
    """The file of shares is no part of the template."""

    def annotations(sampling: Sampling) -> dict[str, str]:
        objects = rendered(lambda chart: tracing(chart, sampling=sampling) and None)
        found: dict[str, str] = template(objects.named("Deployment", "jaeger-collector"))["metadata"]["annotations"]
        assert objects.file("jaeger-collector-sampling", "sampling.json") == sampling.to_dict()
        return found

    assert annotations(Sampling(default=0.1)) == annotations(Sampling(default=0.2))


def test_a_change_of_the_file_replaces_the_pods() -> None:
    """Jaeger reads it at its start alone."""

    def annotations(**more: Any) -> dict[str, str]:
        objects = rendered(lambda chart: tracing(chart, **more) and None)
        found: dict[str, str] = template(objects.named("Deployment", "jaeger-collector"))["metadata"]["annotations"]
        return found

    assert annotations() == annotations()
    assert annotations() != annotations(metrics=None)
