"""From a line to its trace and back, and from a metric to a trace, as Grafana's data sources are told to lead."""

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
import yaml

from constructs_lib.units import parse_duration
from tests.cluster.cluster import Cluster
from tests.real.logs import NANOSECONDS, WRITERS, LokiPod, writer
from tests.real.prometheus import PrometheusPod
from tests.real.teams import documents
from tests.real.tracing import query, sent

pytestmark = [pytest.mark.stage(6.8), pytest.mark.usefixtures("servers")]
SERVICE = "linked"
SOON = timedelta(minutes=2)


@pytest.fixture(scope="module")
def sources(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """What each data source is told besides its address, by uid, with the dollars that Grafana leaves."""
    text = cluster.get("configmap", "grafana-datasources", "monitoring")["data"]["datasources.yaml"]
    return {each["uid"]: each["jsonData"] for each in yaml.safe_load(text.replace("$$", "$"))["datasources"]}


@pytest.fixture(scope="module")
def trace(cluster: Cluster, writers: float) -> str:
    """A trace, of whose one request a program writes a line."""
    assert writers
    (trace,) = sent(cluster, "http", SERVICE, "--requests", "1", "--traces", "1", "--service", SERVICE)
    line = f'level=error trace_id={trace} msg="no stock"'
    cluster.apply(documents(writer(SERVICE, 1, 1, 200, app=SERVICE, text=line)))
    return trace


@pytest.fixture(scope="module")
def line(cluster: Cluster, store: list[LokiPod], trace: str) -> str:
    """The line, as Loki has it."""
    since = time.time() - 60

    def written() -> str:
        (found,) = (each.text for each in store[0].lines(SERVICE, since) if trace in each.text)
        return found

    return cluster.wait("the line is found", written, SOON)


def span_of(cluster: Cluster, trace: str) -> dict[str, Any]:
    """The one span of a trace, as the data source is answered."""
    (found,) = json.loads(query(cluster, f"/api/traces/{trace}"))["data"]
    (span,) = found["spans"]
    return dict(span)


def filled(text: str, span: dict[str, Any]) -> str:
    """A query with what Grafana knows of a span; nothing else is left to fill in."""
    known = {"__span.traceId": span["traceID"], "__span.name": span["operationName"]}
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(known[found[1]]), text)


def test_a_line_leads_to_its_trace(cluster: Cluster, sources: dict[str, dict[str, Any]], line: str, trace: str) -> None:
    """By what the data source of logs finds in it."""
    (field,) = sources["loki"]["derivedFields"]
    assert (field["datasourceUid"], field["url"]) == ("jaeger", "${__value.raw}")
    found = re.search(field["matcherRegex"], line)
    assert found
    assert span_of(cluster, found[1])["traceID"] == trace


def test_a_span_leads_to_its_line(
    cluster: Cluster, sources: dict[str, dict[str, Any]], store: list[LokiPod], line: str, trace: str
) -> None:
    """By what the data source of traces asks, within the time that it asks for."""
    leads = sources["jaeger"]["tracesToLogsV2"]
    assert leads["datasourceUid"] == "loki"
    span = span_of(cluster, trace)
    before, after = parse_duration(leads["spanStartTimeShift"][1:]), parse_duration(leads["spanEndTimeShift"])
    assert leads["spanStartTimeShift"].startswith("-")
    start = span["startTime"] / 1e6 - before.total_seconds()
    end = (span["startTime"] + span["duration"]) / 1e6 + after.total_seconds()
    times = {"start": int(start * NANOSECONDS), "end": int(end * NANOSECONDS)}

    found = store[1].api("query_range", query=filled(leads["query"], span), **times)["result"]

    assert [text for stream in found for _, text in stream["values"]] == [line]
    assert {stream["stream"]["namespace"] for stream in found} == {WRITERS}


def test_a_span_leads_to_its_metrics(
    cluster: Cluster, sources: dict[str, dict[str, Any]], servers: list[PrometheusPod], trace: str
) -> None:
    """Every query that the data source of traces offers is answered; nothing has failed."""
    leads = sources["jaeger"]["tracesToMetrics"]
    assert leads["datasourceUid"] == "prometheus"
    span = span_of(cluster, trace)
    asked = {each["name"]: filled(each["query"], span) for each in leads["queries"]}

    def of_the_service() -> bool:
        series = servers[0].query(asked["Spans a second"])
        return SERVICE in {each["metric"]["service_name"] for each in series}

    cluster.wait("the span is counted", of_the_service, SOON)
    assert SERVICE not in {each["metric"]["service_name"] for each in servers[0].query(asked["Failed spans a second"])}


def test_an_exemplar_leads_to_its_trace(
    cluster: Cluster, sources: dict[str, dict[str, Any]], servers: list[PrometheusPod], trace: str
) -> None:
    """By the label that the data source of metrics knows: of the durations of spans, here."""
    leads = {each["name"] for each in sources["prometheus"]["exemplarTraceIdDestinations"]}
    assert {each["datasourceUid"] for each in sources["prometheus"]["exemplarTraceIdDestinations"]} == {"jaeger"}
    buckets = f'traces_span_metrics_duration_seconds_bucket{{service_name="{SERVICE}"}}'
    since = str(time.time() - 600)

    def exemplified() -> str:
        found = servers[0].api("query_exemplars", query=buckets, start=since, end=str(time.time()))
        labels = [each["labels"] for series in found for each in series["exemplars"]]
        (own,) = {each[name] for each in labels for name in leads & each.keys()}
        return own

    own = cluster.wait("there is an exemplar", exemplified, SOON)
    assert own == trace
    assert span_of(cluster, own)["traceID"] == trace
