"""Other teams' dashboards come into every Grafana, change there and go; none of them can hurt anybody."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.collected import DASHBOARD
from constructs_lib.config.team_dashboards import dashboard_uid
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.real.prometheus import PrometheusPod
from tests.real.teams import Document, config_map, documents, namespace
from tests.real.test_grafana import NAMES, GrafanaPod
from tests.real.test_teams import heard

SOON = timedelta(minutes=2)
GALLERY, FORGER = "gallery", "forger"
ROLE, ACCOUNT = "monitoring-grafana-collected", "grafana"
OURS = "/etc/grafana/teams/live"


def board(name: str, *, space: str = GALLERY, **changes: Any) -> Document:
    """A dashboard of one panel, with changes."""
    source = {"type": "prometheus", "uid": "prometheus"}
    panel = {
        "id": 1,
        "type": "timeseries",
        "title": "Pods",
        "datasource": source,
        "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
        "targets": [{"refId": "A", "datasource": source, "expr": f'sum(up{{namespace="{space}"}})'}],
    }
    data = {"uid": dashboard_uid(space, name), "title": name.title(), "schemaVersion": 41, "panels": [panel]}
    return config_map(DASHBOARD, name, {**data, **changes}, namespace=space)


ELSEWHERE = {"datasource": {"type": "prometheus", "uid": "of-nobody"}}
# Name of the ConfigMap -> what its team is told.
REFUSED: Mapping[str, tuple[Document, str]] = {
    each["metadata"]["name"]: (each, told)
    for each, told in (
        (board("blind", space=FORGER, annotations={"list": [ELSEWHERE]}), "names the data source 'of-nobody'"),
        (board("ours", space=FORGER, uid="system-health"), "uid of the dashboard ours is 'system-health'"),
        (board("theirs", space=FORGER, uid="gallery_orders"), "only 'forger_theirs' is nobody else's"),
        (board("twice", space=FORGER, title="Honest"), "title 'Honest' of dashboard-twice is that of dashboard-honest"),
        (config_map(DASHBOARD, "text", "up == 1", namespace=FORGER), "the dashboard text is no JSON"),
    )
}


@pytest.fixture(scope="session")
def replicas(cluster: Cluster, servers: list[PrometheusPod]) -> list[GrafanaPod]:
    """Both Grafanas."""
    assert servers
    return [GrafanaPod(cluster, name) for name in NAMES]


@pytest.fixture(scope="session")
def released(cluster: Cluster, replicas: list[GrafanaPod]) -> Iterator[float]:
    """When two teams had released their dashboards, in seconds since 1970."""
    assert replicas
    cluster.apply(documents(*namespace(GALLERY, ROLE, ACCOUNT), *namespace(FORGER, ROLE, ACCOUNT)))
    cluster.apply(documents(board("orders"), board("stock"), board("honest", space=FORGER)))
    cluster.apply(documents(*(document for document, _ in REFUSED.values())))
    yield time.time()
    cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "namespace", GALLERY, FORGER)


def shown(replica: GrafanaPod, folder: str) -> dict[str, str]:
    """The title of each dashboard in a folder of other teams, by its uid; none may have a fault."""
    found = [each for path, each in replica.report()["dashboards"].items() if path.startswith(f"{OURS}/{folder}/")]
    assert [each for each in found if each["folder"] != folder or each["faults"]] == []
    return {each["uid"]: each["title"] for each in found}


def wait_shown(cluster: Cluster, replicas: list[GrafanaPod], folder: str, expected: Mapping[str, str]) -> None:
    """Until every Grafana shows just these in a folder: two minutes at most."""
    for each in replicas:

        def as_expected(each: GrafanaPod = each) -> bool:
            assert (each.name, shown(each, folder)) == (each.name, expected)
            return True

        cluster.wait(f"{each.name} shows what is released", as_expected, SOON)


def wait_refused(cluster: Kubernetes, server: PrometheusPod, space: str, name: str) -> None:
    """Until a Prometheus knows that the collectors of both Grafanas refuse a ConfigMap."""
    refused = metric("collector_refused", job="dashboard-collector", origin=space, team=space, config_map=name)

    def by_both() -> bool:
        assert sorted(each["metric"]["pod"] for each in server.query(refused)) == NAMES
        return True

    cluster.wait("the metric says so", by_both, SOON)


@pytest.mark.stage(3)
def test_dashboards_of_a_team_are_in_every_grafana_within_two_minutes(
    cluster: Cluster, replicas: list[GrafanaPod], released: float
) -> None:
    """In a folder of the name of its namespace, beside the platform's own, which are as they were."""
    wait_shown(cluster, replicas, GALLERY, {"gallery_orders": "Orders", "gallery_stock": "Stock"})

    assert time.time() - released < SOON.total_seconds()
    for each in replicas:
        found = each.report()["dashboards"].values()
        assert len([one for one in found if one["folder"] == "Platform"]) >= 7
        assert [one for one in found if one["faults"]] == []


@pytest.mark.stage(4)
@pytest.mark.parametrize("name", REFUSED)
def test_what_could_hurt_is_refused_and_said_to_its_team(
    cluster: Kubernetes, servers: list[PrometheusPod], released: float, name: str
) -> None:
    """In an Event beside the ConfigMap, and in a metric of the collectors of both Grafanas."""
    assert released
    _, told = REFUSED[name]

    def events() -> list[str]:
        field = f"involvedObject.name={name}"
        found = json.loads(cluster.kubectl("-n", FORGER, "get", "events", "--field-selector", field, "-o", "json"))
        return [each["message"] for each in found["items"] if each["reason"] == "Refused"]

    message = cluster.wait(f"{name} is refused", events, SOON)[0]

    assert told in message
    for server in servers:
        wait_refused(cluster, server, FORGER, name)


@pytest.mark.stage(4.1)
def test_nothing_that_is_refused_is_shown(cluster: Cluster, replicas: list[GrafanaPod], released: float) -> None:
    """The team's other dashboard is, and nobody else's is touched."""
    assert released
    wait_shown(cluster, replicas, FORGER, {"forger_honest": "Honest"})
    wait_shown(cluster, replicas, GALLERY, {"gallery_orders": "Orders", "gallery_stock": "Stock"})


@pytest.mark.stage(4.1)
def test_rights_cover_exactly_the_namespaces_that_gave_them(cluster: Kubernetes, released: float) -> None:
    """ConfigMaps are read, and Events written, where a team bound the role: nowhere else, and nothing more."""
    assert released
    account = f"system:serviceaccount:monitoring:{ACCOUNT}"

    def may(verb: str, resource: str, space: str) -> bool:
        try:
            return cluster.kubectl("auth", "can-i", verb, resource, "--namespace", space, "--as", account) == "yes\n"
        except ClusterError as error:  # its exit code is the answer, too
            if not str(error).endswith(": no"):
                raise
            return False

    for verb, resource in (("list", "configmaps"), ("watch", "configmaps"), ("create", "events")):
        assert [may(verb, resource, space) for space in (GALLERY, "stranger", "monitoring")] == [True, False, False]
    for verb, resource in (("list", "secrets"), ("get", "configmaps"), ("update", "configmaps"), ("list", "pods")):
        assert not may(verb, resource, GALLERY)


@pytest.mark.stage(4.2)
def test_change_replaces_what_was_shown_and_a_broken_one_does_not(
    cluster: Cluster, servers: list[PrometheusPod], replicas: list[GrafanaPod], released: float
) -> None:
    """By the same uid, so that links to it stay true; what is broken leaves the last good one."""
    assert released
    begun = time.time()
    cluster.apply(documents(board("stock", uid="orders"), board("orders", title="All orders")))

    wait_shown(cluster, replicas, GALLERY, {"gallery_orders": "All orders", "gallery_stock": "Stock"})

    assert time.time() - begun < SOON.total_seconds()
    wait_refused(cluster, servers[0], GALLERY, "dashboard-stock")
    wait_shown(cluster, replicas, GALLERY, {"gallery_orders": "All orders", "gallery_stock": "Stock"})


@pytest.mark.stage(4.3)
def test_killed_collector_leaves_no_gap(cluster: Cluster, replicas: list[GrafanaPod], released: float) -> None:
    """What was shown is shown all the time, Grafana runs on, and what is released then is live soon."""
    assert released
    replica = replicas[1]

    def restarts() -> dict[str, int]:
        return {each["name"]: each["restartCount"] for each in replica.pod()["status"]["containerStatuses"]}

    before, was = shown(replica, GALLERY), restarts()
    cluster.kill_process("monitoring", replica.name, "collector")
    cluster.apply(documents(board("stock", title="All stock")))

    def changed() -> bool:
        found = shown(replica, GALLERY)
        assert before.keys() == found.keys()
        return found["gallery_stock"] == "All stock"

    begun = time.time()
    while not changed():
        assert time.time() - begun < SOON.total_seconds()
        time.sleep(1)
    assert restarts() == {**was, "collector": was["collector"] + 1}


@pytest.mark.stage(5)
def test_team_of_what_is_refused_hears_of_it(cluster: Kubernetes, outside: Outside, released: float) -> None:
    """In its own channel, which is named after it."""
    assert released
    cluster.wait("the team hears", lambda: heard(outside, FORGER, "TeamReleaseRefused"), SOON)


@pytest.mark.stage(6)
def test_removing_the_release_removes_all_of_it(cluster: Cluster, replicas: list[GrafanaPod], released: float) -> None:
    """One ConfigMap, its dashboard; the whole namespace, its folder; all else stays."""
    assert released
    begun = time.time()
    cluster.kubectl("-n", GALLERY, "delete", "configmap", "dashboard-orders")
    wait_shown(cluster, replicas, GALLERY, {"gallery_stock": "All stock"})
    assert time.time() - begun < SOON.total_seconds()

    begun = time.time()
    cluster.kubectl("delete", "--wait=false", "namespace", GALLERY)
    wait_shown(cluster, replicas, GALLERY, {})
    assert time.time() - begun < SOON.total_seconds()
    wait_shown(cluster, replicas, FORGER, {"forger_honest": "Honest"})
    for each in replicas:
        assert len([one for one in each.report()["dashboards"].values() if one["folder"] == "Platform"]) >= 7
