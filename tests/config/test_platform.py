"""The contract that a platform publishes, and other teams read."""

import json
from dataclasses import replace
from typing import Any

import pytest

from constructs_lib.config.platform import DashboardsTaken, Platform
from constructs_lib.config.teams import Allowed
from constructs_lib.contract import Endpoint, Pods, Port, PortRange
from constructs_lib.errors import ConstructError

PLATFORM = Platform(
    prometheus=Endpoint(
        pods=Pods.of_component("monitoring", program="prometheus", role="prometheus", instance="prometheus"),
        service="prometheus",
        port=Port(name="web", number=9090),
    ),
    account="prometheus",
    role="monitoring-prometheus-collected",
    allowed=Allowed(ports=PortRange(8000, 9999), reserved_recordings=("a:b:c",)),
)


def contract() -> dict[str, Any]:
    """The document as it is published."""
    document: dict[str, Any] = json.loads(json.dumps(PLATFORM.to_contract()))
    return document


def test_contract_is_read_as_it_was_written():
    """Through JSON and back."""
    assert Platform.from_contract(contract()) == PLATFORM


@pytest.mark.parametrize("within", [(), ("allowed",), ("allowed", "limits"), ("allowed", "ports"), ("prometheus",)])
def test_contract_of_a_later_version_is_read_all_the_same(within: tuple[str, ...]) -> None:
    """What it has added is for those who know it: else every team would upgrade in one step with the platform."""
    document = contract()
    part = document
    for name in within:
        part = part[name]
    part["exemplars"] = 7
    assert Platform.from_contract(document) == PLATFORM


def test_contract_tells_of_dashboards_where_somebody_takes_them():
    """One of before says nothing of them, and is read all the same."""
    taking = replace(PLATFORM, dashboards=DashboardsTaken(account="grafana", role="monitoring-grafana-c", allowed=7))

    assert Platform.from_contract(json.loads(json.dumps(taking.to_contract()))) == taking
    assert "dashboards" not in contract()


@pytest.mark.parametrize("lacking", ["account", "role", "allowed"])
def test_contract_that_lacks_something_of_dashboards_is_one_sentence(lacking: str):
    """As of the rest."""
    taken = {"account": "grafana", "role": "monitoring-grafana-c", "allowed": 7}
    del taken[lacking]

    with pytest.raises(ConstructError, match=f"cannot be read, KeyError '{lacking}': take all of platform.json"):
        Platform.from_contract({**contract(), "dashboards": taken})


@pytest.mark.parametrize("lacking", ["prometheus", "account", "role", "allowed"])
def test_contract_that_lacks_something_is_one_sentence(lacking: str):
    """An old document names what it lacks."""
    document = contract()
    del document[lacking]

    with pytest.raises(ConstructError, match=f"cannot be read, KeyError '{lacking}': take all of platform.json"):
        Platform.from_contract(document)


def test_namespace_opts_in_by_two_labels():
    """Who may come in, and who hears."""
    assert PLATFORM.namespace_labels("sales") == {
        "constructs-lib/monitored-by": "monitoring",
        "constructs-lib/team": "sales",
    }


def test_contract_of_another_format_says_which_version_to_use() -> None:
    """The document is not what is old then."""
    with pytest.raises(ConstructError, match="of the format 2, this version reads 1: use the version"):
        Platform.from_contract({**contract(), "format": 2})
