"""Grafana on the cluster, by what stands for it: it reads all that is rendered, reaches all it needs, and is two."""

import json
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.kubernetes import is_ready
from tests.cluster.outside.world import Outside
from tests.cluster.programs import built
from tests.real.outside import GRAFANA_KEY, GRAFANA_PASSWORD, SQL
from tests.real.prometheus import PODS_BY_JOB

pytestmark = pytest.mark.usefixtures("servers")
SOON = timedelta(minutes=2)
REPORT = "/stand-in/report"
NAMES = sorted(PODS_BY_JOB["grafana"])


@dataclass(frozen=True, slots=True)
class GrafanaPod:
    """One replica, asked from within its pod."""

    cluster: Cluster
    name: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of what it answers."""
        return self.cluster.http_get("monitoring", self.name, 3000, path)

    def report(self) -> Any:
        """What the stand-in says of all that it read and reached."""
        status, body = self.get(REPORT)
        assert status == 200, body
        return json.loads(body)

    def login(self, password: str) -> str:
        """The status of the answer to an administrator with a password."""
        enter = self.cluster.in_network_of("monitoring", self.name)
        body = json.dumps({"user": "admin", "password": password})
        post = [*enter, built("probe"), "post", "http://localhost:3000/login", body]
        return subprocess.run(post, check=False, capture_output=True, text=True).stdout[:3]

    def pod(self) -> dict[str, Any]:
        """The pod as the API server has it."""
        return self.cluster.get("pod", self.name, "monitoring")

    def restarts(self) -> int:
        """How often any of its containers was started again."""
        return sum(each["restartCount"] for each in self.pod()["status"]["containerStatuses"])


@pytest.fixture(scope="module")
def replicas(cluster: Cluster) -> list[GrafanaPod]:
    """Both."""
    return [GrafanaPod(cluster, name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_it_finds_nothing_wrong(cluster: Cluster, name: str) -> None:
    """With settings, data sources and their links, and dashboards, as they are mounted."""
    report = GrafanaPod(cluster, name).report()

    assert report["faults"] == []
    assert {path: each["faults"] for path, each in report["dashboards"].items() if each["faults"]} == {}
    assert len([each for each in report["dashboards"].values() if each["folder"] == "Platform"]) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_its_data_sources(cluster: Cluster, name: str) -> None:
    """Each by the address that is rendered, from its own pod, through all policies."""
    replica = GrafanaPod(cluster, name)

    def reached() -> bool:
        found = {uid: each["reached"] for uid, each in replica.report()["datasources"].items()}
        assert set(found.values()) == {"ok"}, found
        return True

    cluster.wait(f"{name} reaches all data sources", reached, SOON)
    assert replica.report()["datasources"].keys() == {"prometheus", "loki", "jaeger", "alertmanager"}


def test_replicas_share_one_database(outside: Outside, replicas: list[GrafanaPod]) -> None:
    """By TLS with the authority of the Secret; what is written there is in PostgreSQL, and encrypted with one key."""
    assert outside.sql
    for each in replicas:
        found = each.report()["database"]
        assert (found["type"], found["failing"]) == ("postgres", "")
        assert set(NAMES) <= found["instances"].keys()
        assert len({one["secret"] for one in found["instances"].values()}) == 1
    rows = outside.sql.query("SELECT name FROM stand_in_instances ORDER BY name")

    assert {name for (name,) in rows} >= set(NAMES)


def test_replicas_find_each_other(cluster: Cluster, replicas: list[GrafanaPod]) -> None:
    """Each asks the other by TCP and by UDP, and is asked."""
    address = {each.name: each.pod()["status"]["podIP"] for each in replicas}
    for each, other in (replicas, reversed(replicas)):

        def found(each: GrafanaPod = each, other: GrafanaPod = other) -> bool:
            peers = each.report()["peers"]
            assert peers["seen"].get(address[other.name]) == {"tcp": other.name, "udp": other.name}, peers
            assert peers["asked"].get(address[other.name]) == ["tcp", "udp"], peers
            return True

        cluster.wait(f"{each.name} and {other.name} find each other", found, SOON)


def test_the_administrator_logs_in_with_the_password_of_the_secret(replicas: list[GrafanaPod]) -> None:
    """And with no other one; no secret is in what is told."""
    assert replicas[0].login(GRAFANA_PASSWORD) == "200"
    assert replicas[1].login("admin") == "401"
    told = json.dumps([each.report() for each in replicas])
    assert not [secret for secret in (GRAFANA_PASSWORD, GRAFANA_KEY, SQL.password) if secret in told]


@pytest.mark.stage(7)
def test_nobody_is_sent_there_while_its_database_is_away(
    cluster: Cluster, outside: Outside, replicas: list[GrafanaPod]
) -> None:
    """No replica is ready then, none is started again for it, and all are ready soon afterwards."""
    assert outside.sql
    restarts = [each.restarts() for each in replicas]

    with outside.sql.stopped():
        cluster.wait("no replica is ready", lambda: not any(is_ready(each.pod()) for each in replicas), SOON)

    cluster.wait("all replicas are ready", lambda: all(is_ready(each.pod()) for each in replicas), SOON)
    assert [each.restarts() for each in replicas] == restarts
