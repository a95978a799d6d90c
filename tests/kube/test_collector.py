"""What brings other teams' releases in, beside every Prometheus."""

import json

import cdk8s
import pytest

from constructs_lib import versions
from constructs_lib.config.platform import Platform
from constructs_lib.contract import PortRange
from constructs_lib.kube import Allowed, Collector
from constructs_lib.rules.model import Recording, RuleGroup
from constructs_lib.rules.teams import teams
from tests.minimal import IMAGE, alert, prometheus
from tests.rendered import Objects, rendered

OWN = RuleGroup(name="own", alerts=(alert(expr="up == 0"),), recordings=(Recording("a:b:c", "up"),))


def build(chart: cdk8s.Chart) -> None:
    """The rules come last."""
    ours = prometheus(chart, "prometheus")
    Collector(ours, "collector", prometheus=ours, image=IMAGE, allowed=Allowed(ports=PortRange(8000, 9999)))
    ours.add_rules(OWN, teams)


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(build)


def test_collector_joins_the_pod_and_can_harm_no_sample(objects: Objects):
    """It sees its own directory of the volume, and nothing beside it."""
    pod = objects.only("StatefulSet")["spec"]["template"]["spec"]

    assert [container["name"] for container in pod["containers"]] == ["prometheus", "collector"]
    mounts = {mount.get("subPath", mount["name"]): mount for mount in pod["containers"][1]["volumeMounts"]}
    assert [name for name, mount in mounts.items() if not mount.get("readOnly")] == ["collected"]
    assert {name for name, mount in mounts.items() if mount["name"] == "data"} == {"collected", "programs"}


def test_pod_can_be_drained(objects: Objects):
    """No volume is lost with the pod, which a drain would refuse to lose."""
    assert "emptyDir" not in str(objects.only("StatefulSet"))


def test_promtool_is_that_of_the_server(objects: Objects):
    """It is copied from the image that Prometheus itself runs."""
    pod = objects.only("StatefulSet")["spec"]["template"]["spec"]

    (copying,) = pod["initContainers"]
    assert copying["image"] == pod["containers"][0]["image"] == versions.PROMETHEUS.reference()
    assert copying["args"][-1] in pod["containers"][1]["args"][-2]


def test_prometheus_is_ready_without_the_collector(objects: Objects):
    """What the collector cannot do takes no Prometheus out of its Service."""
    collector = objects.only("StatefulSet")["spec"]["template"]["spec"]["containers"][1]

    assert "readinessProbe" not in collector
    assert "startupProbe" not in collector


def test_prometheus_reads_what_is_collected_beside_its_own(objects: Objects):
    """The platform's own rules are mounted as ever, and depend on no collector."""
    config = objects.file("prometheus-config", "prometheus.yml")

    assert config["rule_files"] == ["/etc/prometheus/rules/*.yaml", "/prometheus/collected/rules/*.yaml"]
    assert config["scrape_config_files"] == ["/prometheus/collected/jobs/*.yaml"]
    assert "collector" in [job["job_name"] for job in config["scrape_configs"]]


def test_network_is_open_to_namespaces_that_opted_in(objects: Objects):
    """In the range that teams are allowed, and no wider."""
    egress = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]

    (rule,) = (each for each in egress if "constructs-lib/monitored-by" in str(each))
    assert rule["ports"] == [{"protocol": "TCP", "port": 8000, "endPort": 9999}]


def test_nobody_gave_it_the_right_to_read_config_maps(objects: Objects):
    """Everywhere it may list namespaces; the role with more is offered, and bound by nobody here."""
    bound = {each["roleRef"]["name"] for each in objects.of("ClusterRoleBinding", "RoleBinding")}
    offered = objects.named("ClusterRole", "monitoring-prometheus-collected")
    everywhere = objects.named("ClusterRole", "monitoring-prometheus-collector")

    assert offered["metadata"]["name"] not in bound
    assert everywhere["rules"] == [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}]
    rights = {(resource, verb) for rule in offered["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert rights == {
        *((resource, verb) for resource in ("configmaps", "pods") for verb in ("list", "watch")),
        ("events", "create"),
    }


def test_contract_reserves_what_the_platform_records(objects: Objects):
    """Also what is added after the collector."""
    text = objects.named("ConfigMap", "prometheus-collector")["data"]["platform.json"]

    platform = Platform.from_contract(json.loads(text))
    assert platform.namespace == "monitoring"
    assert platform.allowed.reserved_recordings == ("a:b:c",)


def test_rules_on_teams_know_the_collector(objects: Objects):
    """They are functions of whoever evaluates them, and so know its job."""
    group = objects.file("prometheus-rules", "teams.yaml")["groups"][0]

    assert 'job=~"collector"' in str(group)


def test_metrics_port_is_an_endpoint_of_prometheus():
    """Other releases see the port, and none is opened to them."""

    def made(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart, "prometheus")
        collector = Collector(ours, "collector", prometheus=ours, image=IMAGE, allowed=Allowed(ports=PortRange.only(1)))
        assert collector.metrics.address == "prometheus.monitoring.svc.cluster.local:8082"
        assert collector.platform.prometheus.port == ours.web.port

    rendered(made)
