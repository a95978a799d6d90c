"""What the collector knows of the cluster follows what the API server tells."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import kubernetes
import pytest

from constructs_lib.agent import cluster as module
from constructs_lib.agent.cluster import Cluster
from constructs_lib.config.collected import COLLECT, RULE_GROUP
from constructs_lib.contract import MONITORED_BY, TEAM_OF_NAMESPACE
from tests.agent.api_server import ApiServer, serving, threads_end

NAMESPACES, CONFIG_MAPS = "/api/v1/namespaces", "/api/v1/namespaces/shop/configmaps"
LABELS = {MONITORED_BY: "monitoring", TEAM_OF_NAMESPACE: "sales"}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with serving() as api:
        yield api


@pytest.fixture
def changes() -> list[tuple[str, str | None]]:
    return []


@pytest.fixture
def cluster(
    api: ApiServer, changes: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cluster]:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    configuration = kubernetes.client.Configuration(host=api.url)
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    cluster = Cluster(core, "monitoring", lambda *change: changes.append(change))
    with threads_end(api, cluster.stop):
        cluster.start()
        yield cluster


def wait(of: Callable[[], Any]) -> Any:
    until = time.monotonic() + 20
    while not (found := of()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return found


def release(api: ApiServer) -> None:
    """A namespace that opted in, and a rule group in it."""
    api.put(NAMESPACES, {"name": "shop", "labels": LABELS})
    api.put(
        CONFIG_MAPS, {"name": "rule-group-a", "namespace": "shop", "labels": {COLLECT: RULE_GROUP}}, data={"a": "b"}
    )


def test_config_maps_of_namespaces_that_opted_in_are_known(api: ApiServer, cluster: Cluster):
    """With the owner that the namespace's labels name."""
    release(api)

    (item,) = wait(lambda: cluster.items("shop")).values()

    assert (item.kind, item.data) == (RULE_GROUP, {"a": "b"})
    assert cluster.owners()["shop"].team == "sales"


def test_config_map_that_goes_is_gone(api: ApiServer, cluster: Cluster, changes: list[tuple[str, str | None]]):
    """And all of its namespace is looked at again, since others may take its place."""
    release(api)
    wait(lambda: cluster.items("shop"))
    changes.clear()

    api.delete(CONFIG_MAPS, "rule-group-a")

    wait(lambda: cluster.items("shop") == {})
    wait(lambda: ("shop", None) in changes)


@pytest.mark.parametrize("late", [False, True])
def test_namespace_that_is_being_deleted_is_gone_at_once(api: ApiServer, cluster: Cluster, late: bool):
    """Its pods may take minutes to end, and its binding may be gone before its ConfigMaps."""
    release(api)
    if not late:
        wait(lambda: cluster.items("shop"))

    api.put(NAMESPACES, {"name": "shop", "labels": LABELS, "deletionTimestamp": "2026-01-01T00:00:00Z"})

    wait(lambda: cluster.known and cluster.owner("shop") is None)
    assert cluster.items("shop") is None


def test_namespace_that_gave_no_right_is_unknown_and_no_fault(api: ApiServer, cluster: Cluster):
    """Until it gives the right: then its ConfigMaps are there."""
    api.forbidden.add(CONFIG_MAPS)
    release(api)
    wait(lambda: cluster.owner("shop"))

    assert (cluster.items("shop"), cluster.failing()) == (None, 0)

    api.forbidden.clear()
    wait(lambda: cluster.items("shop"))


def test_label_that_changes_hands_the_namespace_over(api: ApiServer, cluster: Cluster):
    """To another team."""
    release(api)
    wait(lambda: cluster.items("shop"))

    api.put(NAMESPACES, {"name": "shop", "labels": {**LABELS, TEAM_OF_NAMESPACE: "stock"}})

    wait(lambda: cluster.owners()["shop"].team == "stock")
