"""Grafana's data sources: what each needs, how they lead to each other, and what Grafana would misread."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.datasources import (
    TRACE_ID,
    AlertmanagerSource,
    DataSource,
    JaegerSource,
    LokiSource,
    PrometheusSource,
    named,
    provisioned,
)
from constructs_lib.contract import Endpoint, Pods, Port
from constructs_lib.errors import ConstructError


def door(name: str, port: int) -> Endpoint:
    return Endpoint(pods=Pods.named("watching", name), service=name, port=Port(name="web", number=port))


METRICS = PrometheusSource(endpoint=door("prometheus", 9090), interval=timedelta(seconds=15))
LOGS = LokiSource(endpoint=door("loki", 3100))
TRACES = JaegerSource(endpoint=door("jaeger-query", 16686))
ALERTS = AlertmanagerSource(endpoint=door("alertmanager", 9093))
ALL: tuple[DataSource, ...] = (METRICS, LOGS, TRACES, ALERTS)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def read(*sources: DataSource) -> dict[str, dict[str, Any]]:
    """By uid, with the dollars that Grafana leaves."""

    def plain(value: Any) -> Any:
        match value:
            case str():
                return value.replace("$$", "$")
            case dict():
                return {key: plain(each) for key, each in value.items()}
            case list():
                return [plain(each) for each in value]
            case _:
                return value

    return {each["uid"]: plain(each) for each in provisioned({each.name: each for each in sources})["datasources"]}


def test_each_is_asked_by_grafana_itself_where_it_answers() -> None:
    """By fixed uids, since dashboards name them, and nobody changes one in the browser."""
    found = read(*ALL)
    assert {uid: (each["type"], each["url"]) for uid, each in found.items()} == {
        "prometheus": ("prometheus", "http://prometheus.watching.svc.cluster.local:9090"),
        "loki": ("loki", "http://loki.watching.svc.cluster.local:3100"),
        "jaeger": ("jaeger", "http://jaeger-query.watching.svc.cluster.local:16686"),
        "alertmanager": ("alertmanager", "http://alertmanager.watching.svc.cluster.local:9093"),
    }
    assert all((each["access"], each["editable"]) == ("proxy", False) for each in found.values())


@pytest.mark.trap(38)
@pytest.mark.parametrize(
    ("sources", "default"),
    [
        pytest.param(ALL, "prometheus", id="all"),
        pytest.param((LOGS, METRICS, replace(METRICS, name="another")), "prometheus", id="the-first-prometheus"),
        pytest.param((LOGS, TRACES), "loki", id="no-prometheus"),
    ],
)
def test_exactly_one_is_the_default(sources: tuple[DataSource, ...], default: str) -> None:
    """With two of them, Grafana would not start."""
    assert [uid for uid, each in read(*sources).items() if each["isDefault"]] == [default]


def test_what_is_left_out_is_deleted() -> None:
    """Without tracing, no data source of it stays in the database."""
    assert provisioned({"prometheus": METRICS})["prune"] is True


@pytest.mark.parametrize(
    ("sources", "keys"),
    [
        pytest.param(
            ALL, {"exemplarTraceIdDestinations", "derivedFields", "tracesToLogsV2", "tracesToMetrics"}, id="all"
        ),
        pytest.param((METRICS, LOGS, ALERTS), set(), id="no-traces"),
        pytest.param((METRICS, TRACES), {"exemplarTraceIdDestinations", "tracesToMetrics"}, id="no-logs"),
        pytest.param((LOGS, TRACES), {"derivedFields", "tracesToLogsV2"}, id="no-metrics"),
    ],
)
def test_links_lead_to_what_there_is(sources: tuple[DataSource, ...], keys: set[str]) -> None:
    """Both ways, and nowhere else: every uid that a link names is one of these."""
    found = read(*sources)
    links = {"exemplarTraceIdDestinations", "derivedFields", "tracesToLogsV2", "tracesToMetrics"}
    assert {key for each in found.values() for key in each["jsonData"]} & links == keys
    targets = re.findall(r"'(?:datasourceUid|alertmanagerUid)': '?(\w+)", str(found))
    assert set(targets) <= found.keys()


def test_rules_of_prometheus_and_loki_are_shown_with_the_silences_of_alertmanager() -> None:
    """Where there is one."""
    assert read(*ALL)["loki"]["jsonData"]["alertmanagerUid"] == "alertmanager"
    assert read(*ALL)["prometheus"]["jsonData"]["alertmanagerUid"] == "alertmanager"
    assert "alertmanagerUid" not in read(METRICS)["prometheus"]["jsonData"]


@pytest.mark.parametrize(
    "line",
    [
        f'{{"level":"error","trace_id":"{TRACE}","message":"no"}}',
        f'{{"traceId": "{TRACE}"}}',
        f"level=error traceID={TRACE} msg=no",
        f"error [trace_id={TRACE} span_id=00f067aa0ba902b7] no",
        f"trace.id: {TRACE}",
        f"{{'trace-id': '{TRACE}'}}",
    ],
)
def test_a_trace_is_found_in_a_line(line: str) -> None:
    """However the program writes it: as JSON, as pairs, or as its library's prefix does."""
    found = re.search(TRACE_ID, line)
    assert found
    assert found[1] == TRACE


@pytest.mark.parametrize("line", ["a trace of it", "trace_id=none", "span_id=00f067aa0ba902b7", f"id={TRACE}"])
def test_no_trace_is_found_where_there_is_none(line: str) -> None:
    """Else people would be led to nothing."""
    assert re.search(TRACE_ID, line) is None


def test_no_dollar_is_taken_for_a_variable() -> None:
    """Grafana replaces them in these files by variables of its process, which are empty."""
    text = str(provisioned({each.name: each for each in ALL}))
    assert "$" in text
    assert "$" not in text.replace("$$", "")


def test_a_tenant_is_named_by_its_header() -> None:
    """Where Loki tells tenants apart."""
    found = read(replace(LOGS, tenant="shop"))["loki"]
    assert found["jsonData"]["httpHeaderName1"] == "X-Scope-OrgID"
    assert found["secureJsonData"] == {"httpHeaderValue1": "shop"}
    assert "secureJsonData" not in read(LOGS)["loki"]


def test_rates_span_four_scrapes() -> None:
    """Grafana derives the shortest window from the interval that it is told."""
    found = read(replace(METRICS, interval=timedelta(seconds=30)))
    assert found["prometheus"]["jsonData"]["timeInterval"] == "30s"


@pytest.mark.parametrize("name", ["", "two words", "a" * 41, "café"])
def test_a_name_that_cannot_be_a_uid_is_refused(name: str) -> None:
    with pytest.raises(ConstructError, match=f"{name!r} cannot be a data source: use up to 40 letters"):
        named(name)
