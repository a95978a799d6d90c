"""What brings other teams' dashboards in, beside every Grafana."""

import json

import cdk8s
import pytest

from constructs_lib.config.platform import Platform
from constructs_lib.contract import Cluster, Namespace, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Allowed, Collector, Grafana, Login, PrometheusHA, SecretKey
from constructs_lib.kube.dashboard_collector import DashboardCollector
from constructs_lib.rules.observability import observability
from constructs_lib.rules.teams import teams
from tests.minimal import IMAGE, NAMESPACE, prometheus
from tests.rendered import Document, Objects, rendered, template

LOGIN = Login(password=SecretKey("grafana", "admin-password"), secret_key=SecretKey("grafana", "secret-key"))


def grafana(chart: cdk8s.Chart, ours: PrometheusHA, name: str = "grafana", namespace: Namespace = NAMESPACE) -> Grafana:
    made = Grafana(
        chart,
        name,
        name=name,
        namespace=namespace,
        database=None,
        root_url="https://grafana.example.com",
        login=LOGIN,
    )
    made.add_datasource(ours)
    return made


def collector(ours: PrometheusHA) -> Collector:
    return Collector(ours, "collector", prometheus=ours, image=IMAGE, allowed=Allowed(ports=PortRange(8000, 9999)))


def build(chart: cdk8s.Chart) -> None:
    ours = prometheus(chart, "prometheus")
    people = grafana(chart, ours)
    DashboardCollector(people, "collector", grafana=people, collector=collector(ours), image=IMAGE, allowed=7)
    ours.add_rules(teams, observability)


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(build)


@pytest.fixture(scope="module")
def pod(objects: Objects) -> Document:
    return template(objects.named("StatefulSet", "grafana"))["spec"]


def test_collector_joins_the_pod_and_sees_no_database(pod: Document):
    """Both see one directory of the volume, by the same path; the rest of it is Grafana's."""
    assert [container["name"] for container in pod["containers"]] == ["grafana", "collector"]
    people, ours = (
        {mount["mountPath"]: mount for mount in container["volumeMounts"]} for container in pod["containers"]
    )

    shared = {"name": "data", "subPath": "teams", "mountPath": "/etc/grafana/teams"}
    assert ours["/etc/grafana/teams"] == shared
    assert people["/etc/grafana/teams"] == {**shared, "readOnly": True}
    assert [path for path, mount in ours.items() if mount["name"] == "data"] == ["/etc/grafana/teams"]
    assert "--output=/etc/grafana/teams" in pod["containers"][1]["args"]


def test_token_is_the_collectors_alone(pod: Document):
    """Grafana asks the API server nothing."""
    with_token = [
        container["name"]
        for container in pod["containers"]
        if any(mount["name"] == "api-access" for mount in container["volumeMounts"])
    ]

    assert with_token == ["collector"]
    assert pod["automountServiceAccountToken"] is False


def test_pod_can_be_drained_and_is_ready_without_the_collector(pod: Document):
    """No volume is lost with the pod, and what the collector cannot do takes no Grafana out of its Service."""
    assert "emptyDir" not in str(pod)
    assert "readinessProbe" not in pod["containers"][1]
    assert pod["containers"][1]["livenessProbe"]["httpGet"]["port"] == "collector"


def test_grafana_reads_the_folders_last(objects: Objects):
    """At its start it leaves out whatever comes after a directory that is not there yet."""
    providers = objects.file("grafana-providers", "providers.yaml")["providers"]

    assert [each["options"]["path"] for each in providers][-1] == "/etc/grafana/teams/live"
    assert providers[-1]["options"]["foldersFromFilesStructure"] is True
    assert "folder" not in providers[-1]


def test_nobody_gave_it_the_right_to_read_config_maps(objects: Objects):
    """Everywhere it may list namespaces; the role with more is offered, and bound by nobody here."""
    bound = {each["roleRef"]["name"] for each in objects.of("ClusterRoleBinding", "RoleBinding")}
    offered = objects.named("ClusterRole", "monitoring-grafana-collected")
    everywhere = objects.named("ClusterRole", "monitoring-grafana-collector")

    assert offered["metadata"]["name"] not in bound
    assert everywhere["rules"] == [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}]
    assert offered["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]


def test_network_is_open_to_the_api_server_and_from_prometheus(objects: Objects):
    """And no further than Grafana's own."""
    policy = objects.named("NetworkPolicy", "grafana")["spec"]

    blocks = [peer["ipBlock"]["cidr"] for rule in policy["egress"] for peer in rule["to"] if "ipBlock" in peer]
    assert sorted(blocks) == ["10.0.0.1/32", "10.9.0.0/24"]
    (rule,) = (rule for rule in policy["ingress"] if rule["ports"] == [{"protocol": "TCP", "port": 8082}])
    assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for peer in rule["from"]] == ["prometheus"]


def test_prometheus_scrapes_it_by_a_job_of_its_own(objects: Objects):
    """Both collectors are scraped."""
    jobs = [job["job_name"] for job in objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]]

    assert {"collector", "dashboard-collector"} <= set(jobs)


def test_rules_on_teams_hear_both_collectors_and_nobody_is_woken_for_either(objects: Objects):
    """What was live is live without them, so they are neither a job that is down nor one that is missing."""
    groups = {name: str(objects.file("prometheus-rules", f"{name}.yaml")) for name in ("teams", "observability")}

    assert 'collector_refused{job=~"collector|dashboard-collector"}' in groups["teams"]
    assert 'absent(up{job="prometheus"})' in groups["observability"]
    assert 'absent(up{job="dashboard-collector"})' not in groups["observability"]
    assert '|collector|dashboard-collector"' in groups["observability"]


def test_contract_tells_who_takes_dashboards(objects: Objects, pod: Document):
    """The very document that the collector beside Grafana mounts."""
    text = objects.named("ConfigMap", "prometheus-collector")["data"]["platform.json"]

    taken = Platform.from_contract(json.loads(text)).dashboards
    assert taken is not None
    assert (taken.account, taken.role, taken.allowed) == ("grafana", "monitoring-grafana-collected", 7)
    assert "--platform=/etc/collector/platform.json" in pod["containers"][1]["args"]
    assert {"name": "collector", "configMap": {"name": "prometheus-collector"}} in pod["volumes"]


def test_two_collectors_of_dashboards_are_refused():
    """A team would not know to whom it hands over."""

    def two(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart, "prometheus")
        beside = collector(ours)
        for name in ("grafana", "another"):
            people = grafana(chart, ours, name)
            DashboardCollector(people, "collector", grafana=people, collector=beside, image=IMAGE)

    with pytest.raises(ConstructError, match="go to two collectors, of another and another one: keep one"):
        rendered(two)


def test_grafana_of_another_namespace_is_refused():
    """Its pods would wait for a ConfigMap for ever."""

    def apart(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart, "prometheus")
        cluster: Cluster = NAMESPACE.cluster
        people = grafana(chart, ours, namespace=Namespace(name="people", cluster=cluster))
        DashboardCollector(people, "collector", grafana=people, collector=collector(ours), image=IMAGE)

    with pytest.raises(ConstructError, match=r"grafana is in the namespace people, but .* is in monitoring: put both"):
        rendered(apart)


def test_no_dashboard_at_all_is_refused():
    """Every one would be refused in the cluster."""

    def none(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart, "prometheus")
        people = grafana(chart, ours)
        DashboardCollector(people, "collector", grafana=people, collector=collector(ours), image=IMAGE, allowed=0)

    with pytest.raises(ConstructError, match="a namespace may have 0 dashboards: use 1 or more"):
        rendered(none)
