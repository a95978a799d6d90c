"""What becomes of dashboards as they come, change and go, and when Grafana sees them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import kubernetes
import pytest

from constructs_lib.agent import cluster, collect_dashboards
from constructs_lib.agent.cluster import Item
from constructs_lib.agent.collect_dashboards import DashboardCollector, Options
from constructs_lib.config.collected import COLLECT, DASHBOARD, DATA, RULE_GROUP, object_name
from constructs_lib.config.platform import DashboardsTaken
from constructs_lib.config.teams import Owner
from constructs_lib.units import Bytes
from tests.agent.api_server import ApiServer, serving, threads_end
from tests.agent.test_cluster import CONFIG_MAPS, LABELS, NAMESPACES
from tests.agent.test_collect import PATIENCE, told
from tests.config.test_platform import PLATFORM
from tests.config.test_team_dashboards import text

ALLOWED = 4
TAKEN = replace(PLATFORM, dashboards=DashboardsTaken(account="grafana", role="monitoring-grafana-c", allowed=ALLOWED))
Start = Callable[[], DashboardCollector]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with serving() as api:
        api.put(NAMESPACES, {"name": "shop", "labels": LABELS})
        yield api


@pytest.fixture
def start(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Gives a collector that watches; another one of the same files is as after a restart."""
    monkeypatch.setattr(cluster, "FIRST_WAIT", 0.05)
    contract = tmp_path / "platform.json"
    contract.write_text(json.dumps(TAKEN.to_contract()))
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(kubernetes.client.Configuration(host=api.url)))
    started: list[DashboardCollector] = []

    def make() -> DashboardCollector:
        for each in started:
            each.stop()
        made = DashboardCollector(Options(platform=contract, output=tmp_path / "teams", port=1), core)
        made.prepare()
        made.start()
        started.append(made)
        return made

    with threads_end(api, lambda: [each.stop() for each in started]):  # type: ignore[arg-type, return-value]
        yield make


def release(api: ApiServer, name: str, said: str | None = None, *, kind: str = DASHBOARD, **more: Any) -> None:
    """A dashboard, or whatever a text says."""
    metadata = {"name": object_name(DASHBOARD, name), "namespace": "shop", "labels": {COLLECT: kind}}
    api.put(CONFIG_MAPS, metadata, data={DATA: text(name, **more) if said is None else said})


def wait(collector: DashboardCollector, condition: Callable[[], object]) -> None:
    """Let it work until something is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        collector.step(timedelta(seconds=0.1))


def live(tmp_path: Path, namespace: str = "shop") -> dict[str, str]:
    """The title of each dashboard that Grafana would read."""
    found = sorted((tmp_path / "teams" / "live" / namespace).glob("*.json"))
    return {path.stem.removeprefix("dashboard-"): json.loads(path.read_text())["title"] for path in found}


def refused(collector: DashboardCollector) -> set[str]:
    return {name.removeprefix("dashboard-") for _, name in collector.refusals()}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def reasons(api: ApiServer) -> list[str]:
    return [each["message"] for each in told(api, "Refused")]


def test_dashboards_come_change_and_go(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Each is a file in the folder of its namespace, as its team wrote it."""
    release(api, "orders")
    release(api, "stock")
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"orders": "Orders", "stock": "Stock"})
    file = tmp_path / "teams" / "live" / "shop" / "dashboard-orders.json"
    assert json.loads(file.read_text()) == json.loads(text("orders"))

    release(api, "orders", title="All orders")
    api.delete(CONFIG_MAPS, "dashboard-stock")
    wait(collector, lambda: live(tmp_path) == {"orders": "All orders"})

    api.delete(NAMESPACES, "shop")
    wait(collector, lambda: not any((tmp_path / "teams" / "live").iterdir()))


def test_grafana_reads_nothing_before_all_is_there(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """It would delete from its database what is still to come."""
    for name in "abc":
        release(api, name)
    collector = start()
    seen = []

    def whole() -> bool:
        seen.append(sorted(live(tmp_path)))
        return bool(seen[-1])

    wait(collector, whole)

    assert seen[-1] == ["a", "b", "c"]


def test_namespace_that_gives_no_right_keeps_nobody_waiting(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Most have no dashboard; nor is there anything of them."""
    api.put(NAMESPACES, {"name": "closed", "labels": LABELS})
    api.forbidden.add("/api/v1/namespaces/closed/configmaps")
    release(api, "a")

    wait(start(), lambda: live(tmp_path) == {"a": "A"})


def test_namespace_that_cannot_be_watched_keeps_the_others_waiting_for_a_while(
    start: Start, api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is live of it in Grafana's database may not go for a fault of a moment."""
    broken = "/api/v1/namespaces/broken/configmaps"
    api.put(NAMESPACES, {"name": "broken", "labels": LABELS})
    api.put(broken, {"name": "a", "namespace": "broken", "labels": {COLLECT: DASHBOARD}}, data=7)
    release(api, "a")
    collector = start()
    wait(collector, (tmp_path / "teams" / ".first" / "shop").exists)
    for _ in range(5):
        collector.step(timedelta(seconds=0.05))
    assert live(tmp_path) == {}

    monkeypatch.setattr(collect_dashboards, "SETTLED_WITHIN", timedelta(0))

    wait(collector, lambda: live(tmp_path) == {"a": "A"})


def test_no_dashboard_at_all_is_whole_too(start: Start, tmp_path: Path) -> None:
    """Then Grafana is to delete what was there."""
    wait(start(), (tmp_path / "teams" / "live").is_dir)


def test_restart_changes_no_file(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """What is live is there before the API server answers; what went meanwhile goes when it does."""
    release(api, "a")
    release(api, "b")
    wait(start(), lambda: len(live(tmp_path)) == 2)
    file = tmp_path / "teams" / "live" / "shop" / "dashboard-a.json"
    before = file.stat()

    api.delete(CONFIG_MAPS, "dashboard-b")
    collector = start()
    assert live(tmp_path) == {"a": "A", "b": "B"}
    wait(collector, lambda: live(tmp_path) == {"a": "A"})

    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_start_takes_away_what_is_no_longer_accepted(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Grafana must not read what another version of the collector refuses, API server or not."""
    release(api, "a")
    release(api, "b")
    wait(start(), lambda: len(live(tmp_path)) == 2)
    file = tmp_path / "teams" / "live" / "shop" / "dashboard-b.json"
    file.write_text(file.read_text().replace("shop_b", "system-health"))

    start()

    assert live(tmp_path) == {"a": "A"}


def test_broken_version_leaves_the_last_good_one(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """The team hears why, and again when it is mended."""
    release(api, "a")
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"a": "A"})

    release(api, "a", "{")
    wait(collector, lambda: refused(collector) == {"a"})
    assert live(tmp_path) == {"a": "A"}
    assert reasons(api)[0].startswith("the dashboard a is no JSON")
    assert told(api, "Live") == []

    release(api, "a", title="Mended")
    wait(collector, lambda: live(tmp_path) == {"a": "Mended"} and not refused(collector))
    assert [each["involvedObject"]["name"] for each in told(api, "Live")] == ["dashboard-a"]


@pytest.mark.parametrize("uid", ["system-health", "depot_a"], ids=["platform", "another namespace"])
def test_nobody_replaces_anothers_dashboard(start: Start, api: ApiServer, tmp_path: Path, uid: str) -> None:
    """Whatever uid a team claims, it is refused alone."""
    release(api, "a", uid=uid)
    release(api, "b")
    collector = start()

    wait(collector, lambda: live(tmp_path) == {"b": "B"} and refused(collector) == {"a"})

    assert reasons(api) == [
        f"the uid of the dashboard a is '{uid}', but only 'shop_a' is nobody else's: use it",
    ]


def test_title_is_that_of_the_first_by_name(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Whatever came first: both at once would keep Grafana from saving anything."""
    release(api, "b", title="Shop")
    release(api, "c", title=" Shop ")
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"b": "Shop"} and refused(collector) == {"c"})
    assert reasons(api)[-1].startswith("the title 'Shop' of dashboard-c is that of dashboard-b in the same folder")

    release(api, "a", title="Shop")
    wait(collector, lambda: live(tmp_path) == {"a": "Shop"} and refused(collector) == {"b", "c"})

    release(api, "a", title="Another")
    wait(collector, lambda: live(tmp_path) == {"a": "Another", "b": "Shop"} and refused(collector) == {"c"})


def test_two_of_a_title_are_there_at_no_time(start: Start, tmp_path: Path) -> None:
    """Not even until the later one is looked at again."""
    collector, owner = start(), Owner(namespace="shop", team="sales")
    wait(collector, (tmp_path / "teams" / "live").is_dir)
    collector.stop()

    for name in "ba":
        data = {DATA: text(name, title="Shop")}
        item = Item(namespace="shop", name=f"dashboard-{name}", uid="uid", kind=DASHBOARD, data=data)
        collector.bring(item, owner)

    assert live(tmp_path) == {"a": "Shop"}


def test_last_good_version_gives_way_to_the_title_of_an_earlier_one(
    start: Start, api: ApiServer, tmp_path: Path
) -> None:
    """It would be there twice."""
    release(api, "b", title="Shop")
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"b": "Shop"})
    release(api, "b", "{")
    wait(collector, lambda: refused(collector) == {"b"})

    release(api, "a", title="Shop")

    wait(collector, lambda: live(tmp_path) == {"a": "Shop"} and refused(collector) == {"b"})


def test_same_title_in_two_namespaces_is_none_twice(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Each has its folder."""
    api.put(NAMESPACES, {"name": "depot", "labels": LABELS})
    metadata = {"name": "dashboard-a", "namespace": "depot", "labels": {COLLECT: DASHBOARD}}
    api.put("/api/v1/namespaces/depot/configmaps", metadata, data={DATA: text("a", uid="depot_a")})
    release(api, "a")

    wait(start(), lambda: live(tmp_path) == live(tmp_path, "depot") == {"a": "A"})


def test_namespace_has_so_many_and_no_more(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Those after them, by name, are refused, also where they were live before."""
    for name in "bcdef":
        release(api, name)
    collector = start()
    wait(collector, lambda: "".join(live(tmp_path)) == "bcde" and refused(collector) == {"f"})
    assert reasons(api)[-1].startswith("the namespace shop has 4 dashboards before this one already")

    release(api, "a")
    wait(collector, lambda: "".join(live(tmp_path)) == "abcd" and refused(collector) == {"e", "f"})

    for name in "abc":
        api.delete(CONFIG_MAPS, f"dashboard-{name}")
    wait(collector, lambda: "".join(live(tmp_path)) == "def" and not refused(collector))


def test_number_that_the_platform_changes_is_felt(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Its contract is read again; one that takes no dashboard lets none stay."""
    release(api, "a")
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"a": "A"})

    (tmp_path / "platform.json").write_text(json.dumps(PLATFORM.to_contract()))
    wait(collector, lambda: live(tmp_path) == {} and refused(collector) == {"a"})

    (tmp_path / "platform.json").write_text(json.dumps(TAKEN.to_contract()))
    wait(collector, lambda: live(tmp_path) == {"a": "A"} and not refused(collector))


def test_all_together_have_so_much_room(
    start: Start, api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grafana's own volume must not become full; what is live stays, and may become smaller."""
    monkeypatch.setattr(collect_dashboards, "ROOM", Bytes(8 * 1024))
    release(api, "a", description="x" * 6000)
    collector = start()
    wait(collector, lambda: live(tmp_path) == {"a": "A"})

    release(api, "b", description="x" * 3000)
    wait(collector, lambda: refused(collector) == {"b"})
    assert "dashboard-b needs 3 KiB, but of 8Ki for all teams' dashboards 6 KiB are used" in reasons(api)[-1]

    release(api, "a")
    wait(
        collector,
        lambda: (
            live(tmp_path) == {"a": "A"}
            and "xxx" not in (tmp_path / "teams" / "live" / "shop" / "dashboard-a.json").read_text()
        ),
    )
    release(api, "b", description="x" * 3001)
    wait(collector, lambda: sorted(live(tmp_path)) == ["a", "b"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({DATA: text("a", description="x" * 256 * 1024)}, "dashboard-a holds more than 256 KiB: split the dashboard"),
        ({}, "dashboard-a holds nothing: it must hold data.json"),
        ({DATA: text("a"), "b.json": "{}"}, "dashboard-a holds b.json, data.json: it must hold data.json"),
    ],
)
def test_what_a_config_map_must_hold_is_said(start: Start, api: ApiServer, data: dict[str, str], sentence: str) -> None:
    """One file, of up to 256 KiB."""
    metadata = {"name": "dashboard-a", "namespace": "shop", "labels": {COLLECT: DASHBOARD}}
    api.put(CONFIG_MAPS, metadata, data=data)
    collector = start()

    wait(collector, lambda: reasons(api) == [sentence])


def test_config_map_of_another_name_is_refused(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """Its name tells the uid, and that nobody else in the namespace has it."""
    api.put(CONFIG_MAPS, {"name": "orders", "namespace": "shop", "labels": {COLLECT: DASHBOARD}}, data={DATA: text()})
    collector = start()

    wait(collector, lambda: reasons(api) == ["the ConfigMap orders holds a dashboard: call it dashboard-<name>"])

    assert live(tmp_path) == {}


def test_what_is_no_dashboard_is_somebody_elses(start: Start, api: ApiServer, tmp_path: Path) -> None:
    """It is neither taken over nor refused here."""
    release(api, "rules", kind=RULE_GROUP)
    release(api, "a")
    collector = start()

    wait(collector, lambda: live(tmp_path) == {"a": "A"})

    assert refused(collector) == set()


def test_command_writes_what_grafana_reads_and_tells_of_it(api: ApiServer, tmp_path: Path) -> None:
    """As the container runs it, and it ends when it is told to."""
    contract, output, kubeconfig = tmp_path / "platform.json", tmp_path / "teams", tmp_path / "kubeconfig"
    contract.write_text(json.dumps(TAKEN.to_contract()))
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    clusters = [{"name": "a", "cluster": {"server": api.url}}]
    access = {"clusters": clusters, "contexts": [context], "users": [{"name": "a", "user": {}}], "current-context": "a"}
    kubeconfig.write_text(json.dumps(access))
    release(api, "a")
    release(api, "b", "{")
    port = free_port()
    command = [sys.executable, "-m", "constructs_lib.agent", "collect-dashboards", f"--platform={contract}"]
    command += [f"--output={output}", f"--port={port}"]

    with subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)}) as running:
        try:
            until = time.monotonic() + PATIENCE
            while live(tmp_path) != {"a": "A"}:
                assert time.monotonic() < until
                time.sleep(0.1)
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                metrics = answer.read().decode()
            assert 'collector_namespace{origin="shop",team="sales"} 1.0' in metrics
            assert 'collector_refused{config_map="dashboard-b",origin="shop",team="sales"} 1.0' in metrics
            running.terminate()
            assert running.wait(timeout=PATIENCE) == 0
        finally:
            running.kill()
