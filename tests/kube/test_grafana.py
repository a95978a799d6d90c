"""Grafana: its replicas, whom it reaches, what it reads, and what is refused."""

import json
from typing import Any

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.contract import Endpoint, ExternalHost, Pods, Port
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.system_health import system_health
from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    Embedded,
    Grafana,
    Login,
    LokiSource,
    PostgresStore,
    SecretKey,
    Tracing,
    Volume,
)
from constructs_lib.units import Bytes
from tests.minimal import NAMESPACE, alertmanager, loki, prometheus, unrendered
from tests.policies import one_sided, opened
from tests.rendered import Objects, rendered, template

SERVER = ExternalHost(host="sql.example.com", port=5433, addresses=("198.51.100.0/24",))
DATABASE = PostgresStore(server=SERVER, password=SecretKey("sql", "password"), ca=SecretKey("trust", "ca"))
LOGIN = Login(password=SecretKey("people", "admin-password"), secret_key=SecretKey("people", "secret-key"))
ELSEWHERE = Endpoint(pods=Pods.named("others", "loki"), service="loki", port=Port(name="web", number=3100))


def dashboard(name: str, title: str) -> Dashboard:
    return Dashboard(name=name, title=title, text=json.dumps({"uid": name, "title": title, "panels": []}))


ONE, TWO = dashboard("one", "First"), dashboard("two", "Second")


def grafana(scope: Construct, name: str = "grafana", **more: Any) -> Grafana:
    settings = {"namespace": NAMESPACE, "root_url": "https://grafana.example.com", "login": LOGIN}
    return Grafana(scope, name, name=name, **{**settings, "database": DATABASE, **more})


def build(chart: cdk8s.Chart) -> None:
    seen = grafana(chart)
    scraper, traces = prometheus(chart), Tracing(chart, "tracing", namespace=NAMESPACE, store=Embedded())
    for source in (scraper, loki(chart), traces, alertmanager(chart), scraper):
        seen.add_datasource(source)
    seen.add_datasource(LokiSource(endpoint=ELSEWHERE, name="others", tenant="shop"))
    seen.add_dashboard(ONE, TWO)
    seen.set_home(TWO)
    seen.read_dashboards_below("/var/lib/grafana/teams")
    scraper.scrape(seen.web)


def build_alone(chart: cdk8s.Chart) -> None:
    seen = grafana(chart, database=None, volume=Volume(Bytes.gib(3)))
    seen.add_datasource(prometheus(chart))


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Two replicas on PostgreSQL, with a data source of each kind and one of another release, and two dashboards."""
    return rendered(build)


@pytest.fixture(scope="module")
def alone() -> Objects:
    """One on a file."""
    return rendered(build_alone)


def workload(objects: Objects) -> dict[str, Any]:
    return dict(objects.named("StatefulSet", "grafana")["spec"])


def program(objects: Objects) -> dict[str, Any]:
    (found,) = template(objects.named("StatefulSet", "grafana"))["spec"]["containers"]
    return dict(found)


@pytest.mark.trap(33)
def test_several_share_a_database_and_one_has_a_file(objects: Objects, alone: Objects) -> None:
    """Two on PostgreSQL by default, one on its volume."""
    assert workload(objects)["replicas"] == 2
    assert workload(alone)["replicas"] == 1
    (claim,) = workload(alone)["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "3Gi"
    assert "type = sqlite3" in alone.named("ConfigMap", "grafana-config")["data"]["grafana.ini"]


@pytest.mark.trap(33)
def test_several_on_a_file_are_refused() -> None:
    """Each would have users and dashboards of its own, or they would lock each other out."""
    with pytest.raises(
        ConstructError, match="grafana has 2 replicas, but keeps all on a file of SQLite, which is that of one: use 1"
    ):
        grafana(unrendered(), database=None, replicas=2)


@pytest.mark.trap(34)
def test_no_volume_keeps_a_rollout_or_a_drain_waiting(objects: Objects, alone: Objects) -> None:
    """Each pod has its own, which its successor of the same name takes over; none is lost with a drain."""
    for each in (objects, alone):
        assert workload(each)["volumeClaimTemplates"]
        volumes = template(each.named("StatefulSet", "grafana"))["spec"]["volumes"]
        assert not any("emptyDir" in volume for volume in volumes)


@pytest.mark.trap(35)
def test_several_find_each_other_by_their_own_names(objects: Objects, alone: Objects) -> None:
    """By TCP and UDP, and the policy lets them; one alone opens nothing."""
    ini = objects.named("ConfigMap", "grafana-config")["data"]["grafana.ini"]
    names = ",".join(f"grafana-{n}.grafana-headless.monitoring.svc.cluster.local:9094" for n in (0, 1))
    assert f"ha_peers = {names}" in ini
    assert {p["protocol"] for p in program(objects)["ports"] if p["containerPort"] == 9094} == {"TCP", "UDP"}
    for direction in ("ingress", "egress"):
        assert opened(objects, "grafana", direction, peer="grafana") == {9094}
        assert opened(alone, "grafana", direction, peer="grafana") == set()
    assert program(alone)["ports"] == [{"name": "web", "containerPort": 3000, "protocol": "TCP"}]


@pytest.mark.trap(36)
def test_all_replicas_have_one_secret_key_and_wait_for_it(objects: Objects) -> None:
    """Out of a Secret that somebody made once: no pod starts without it, and none makes its own."""
    volumes = template(objects.named("StatefulSet", "grafana"))["spec"]["volumes"]
    secrets = {
        volume["secret"]["secretName"]: volume["secret"].get("optional", False)
        for volume in volumes
        if "secret" in volume
    }
    assert secrets == {"people": False, "sql": False, "trust": False}
    assert not objects.of("Secret")


@pytest.mark.trap(40)
def test_it_writes_on_its_volume_alone(objects: Objects) -> None:
    """Its data, and the sockets of its data sources; no plugin is fetched."""
    writable = {each["mountPath"] for each in program(objects)["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/var/lib/grafana", "/tmp"}  # noqa: S108 - of the container
    assert program(objects)["securityContext"]["readOnlyRootFilesystem"] is True


def test_each_data_source_is_reached_and_nobody_else(objects: Objects) -> None:
    """The way is open on both sides where both are ours, and on this one to another release."""
    peers = {"prometheus": {9090}, "loki": {3100}, "jaeger-collector": {16686}, "alertmanager": {9093}}
    for peer, ports in peers.items():
        assert opened(objects, "grafana", "egress", peer=peer) == ports
        assert ports <= opened(objects, peer, "ingress", peer="grafana")
    assert opened(objects, "grafana", "egress") == {5433}
    assert opened(objects, "grafana", "ingress", peer="prometheus") == {3000}
    assert not one_sided(objects)
    sources = objects.file("grafana-datasources", "datasources.yaml")["datasources"]
    assert [each["uid"] for each in sources] == ["prometheus", "loki", "jaeger", "alertmanager", "others"]


@pytest.mark.trap(39)
def test_each_dashboard_is_in_a_config_map_of_its_own(objects: Objects) -> None:
    """Which stays small, and is read again when it changes."""
    mounts = {each["mountPath"] for each in program(objects)["volumeMounts"]}
    for each in (ONE, TWO):
        data = objects.named("ConfigMap", f"grafana-dashboard-{each.name}")["data"]
        assert data == {f"{each.name}.json": each.to_json()}
        assert f"/etc/grafana/dashboards/{each.name}" in mounts
    ini = objects.named("ConfigMap", "grafana-config")["data"]["grafana.ini"]
    assert f"default_home_dashboard_path = /etc/grafana/dashboards/{TWO.name}/{TWO.name}.json" in ini


def test_dashboards_of_others_are_read_below_their_path(objects: Objects) -> None:
    """Beside those of the platform."""
    found = objects.file("grafana-providers", "providers.yaml")["providers"]
    assert [each["options"]["path"] for each in found] == ["/etc/grafana/dashboards", "/var/lib/grafana/teams"]


def test_a_change_of_a_dashboard_restarts_nothing_and_one_of_a_data_source_does() -> None:
    """Grafana reads the one again, and the other at its start alone."""

    def hashed(title: str, name: str) -> Any:
        def build(chart: cdk8s.Chart) -> None:
            seen = grafana(chart)
            seen.add_datasource(LokiSource(endpoint=ELSEWHERE, name=name))
            seen.add_dashboard(dashboard("one", title))

        return template(rendered(build).named("StatefulSet", "grafana"))["metadata"]["annotations"]

    assert hashed("before", "loki") == hashed("after", "loki")
    assert hashed("before", "loki") != hashed("before", "logs")


def test_a_database_that_is_away_restarts_nothing(objects: Objects) -> None:
    """It is asked for by who sends requests, not by who kills."""
    probes = {
        name: program(objects)[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert probes == {"startup": "/api/health", "readiness": "/api/health", "liveness": "/healthz"}


def test_two_data_sources_of_one_name_are_refused() -> None:
    """One would replace the other."""
    seen = grafana(unrendered())
    seen.add_datasource(LokiSource(endpoint=ELSEWHERE))
    seen.add_datasource(LokiSource(endpoint=ELSEWHERE))
    with pytest.raises(ConstructError, match="grafana has two different data sources 'loki': rename one"):
        seen.add_datasource(LokiSource(endpoint=ELSEWHERE, tenant="shop"))


def test_no_data_source_is_refused() -> None:
    """When rendered, since they may come in any order."""
    with pytest.raises(ConstructError, match="grafana has no data source, so that it could show nothing: add one"):
        rendered(lambda chart: grafana(chart) and None)


def test_a_dashboard_of_a_data_source_that_is_not_there_is_refused() -> None:
    """Each of its panels would show nothing but an error."""

    def build(chart: cdk8s.Chart) -> None:
        seen = grafana(chart)
        seen.add_datasource(LokiSource(endpoint=ELSEWHERE, name="logs"))
        seen.set_home(system_health())

    with pytest.raises(ConstructError, match="system-health asks the data source 'prometheus', but grafana has logs"):
        rendered(build)


def test_logs_of_a_tenant_must_be_named() -> None:
    """Grafana would be told that there is no tenant."""
    chart = unrendered()
    with pytest.raises(ConstructError, match="loki has tenants, so it must be said whose logs are seen"):
        grafana(chart).add_datasource(loki(chart, tenants=2, volume=Volume(Bytes.gib(100))))


def test_two_dashboards_of_one_name_and_two_homes_are_refused() -> None:
    """People would see one of them by chance."""
    seen = grafana(unrendered())
    seen.set_home(dashboard("one", "first"))
    seen.set_home(dashboard("one", "first"))
    with pytest.raises(ConstructError, match="grafana has two different dashboards 'one': rename one"):
        seen.add_dashboard(dashboard("one", "second"))
    with pytest.raises(ConstructError, match="grafana has two different dashboards as its home: keep one"):
        seen.set_home(dashboard("two", "second"))


def test_a_url_that_is_none_is_refused_at_once() -> None:
    """Before anything is rendered."""
    with pytest.raises(ConstructError, match="root_url is 'grafana': use a URL"):
        grafana(unrendered(), root_url="grafana")
