"""Every query of every dashboard, on the live Prometheus and Loki: it finds what is there, as its legend names it."""

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import yaml

from apps.environments import PROD
from constructs_lib.config.datasources import LOKI, PROMETHEUS
from constructs_lib.units import prometheus_duration
from tests.cluster.kubernetes import Kubernetes
from tests.dashboards.filled import ANNOTATION, Asked, Offered, asked, offered
from tests.real.logs import NANOSECONDS, LokiPod
from tests.real.prometheus import DIST, PrometheusPod
from tests.real.tracing import sending

pytestmark = pytest.mark.stage(6.6)  # when there is something to see, and nothing is broken yet
PREFIX = "grafana-dashboard-"
# https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/#use-__rate_interval
RATE, SPAN = prometheus_duration(4 * PROD.scrape_interval), "1h"
LOOKED_AT = timedelta(minutes=5)
SOON, AFTER_COMPACTION = timedelta(minutes=2), timedelta(minutes=12)
# Where nothing is to be seen while all is well.
ONLY_IN_TROUBLE = {ANNOTATION: "marks are of alerts that somebody must hear of"}
SLOW = {"Last compaction": AFTER_COMPACTION}  # Loki compacts every ten minutes


def _boards() -> dict[str, str]:
    """The dashboards of dist/prod, by name."""
    documents = yaml.safe_load_all((DIST / "k8s" / "grafana.k8s.yaml").read_text())
    maps = [each for each in documents if each["kind"] == "ConfigMap" and each["metadata"]["name"].startswith(PREFIX)]
    return {each["metadata"]["name"].removeprefix(PREFIX): text for each in maps for text in each["data"].values()}


BOARDS = _boards()
QUERIES = [each for text in BOARDS.values() for each in asked(text, interval=RATE, span=SPAN)]
VARIABLES = [each for text in BOARDS.values() for each in offered(text)]
IDS = [f"{each.dashboard}-{each.panel}-{number}" for number, each in enumerate(QUERIES)]


@dataclass(frozen=True, slots=True)
class Found:
    """A series with its values, or a stream with its lines."""

    labels: Mapping[str, str]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sources:
    """What Grafana asks."""

    prometheus: PrometheusPod
    loki: LokiPod

    def find(self, each: Asked) -> list[Found]:
        """What a query finds, over the last minutes, or at the end of them."""
        return self._of_prometheus(each) if each.source == PROMETHEUS else self._of_loki(each)

    def choices(self, each: Offered) -> list[str]:
        """The values of a variable."""
        path = f"label/{each.label}/values"
        if each.source == PROMETHEUS:
            found: list[str] = self.prometheus.api(path, **{"match[]": each.series})
        else:
            found = self.loki.api(path, **({"query": each.series} if each.series else {}))
        return found

    def _of_prometheus(self, each: Asked) -> list[Found]:
        if each.instant:
            return [Found(one["metric"], [one["value"][1]]) for one in self.prometheus.query(each.expr)]
        end = time.time()
        limits = {"start": str(end - LOOKED_AT.total_seconds()), "end": str(end), "step": "15"}
        found = self.prometheus.api("query_range", query=each.expr, **limits)["result"]
        return [Found(one["metric"], [value for _, value in one["values"]]) for one in found]

    def _of_loki(self, each: Asked) -> list[Found]:
        end = int(time.time() * NANOSECONDS)
        limits = {"start": end - int(LOOKED_AT.total_seconds()) * NANOSECONDS, "end": end, "limit": 100, "step": 15}
        found: list[dict[str, Any]] = self.loki.api("query_range", query=each.expr, **limits)["result"]
        return [Found(one.get("metric", one.get("stream", {})), [value[1] for value in one["values"]]) for one in found]


def complaint(each: Asked, found: Sequence[Found]) -> str:
    """What is wrong with what a query has found; nothing if a panel shows it as it is meant."""
    if not found:
        return "there is no data"
    lacking = [dict(one.labels) for one in found if not each.labels <= one.labels.keys()]
    if lacking:
        return f"its legend uses {sorted(each.labels)}, and there are only {lacking[0]}"
    if not each.lines and all(math.isnan(float(value)) for one in found for value in one.values):
        return "no value is a number"
    return ""


@pytest.fixture(scope="module")
def sources(cluster: Kubernetes, servers: list[PrometheusPod], store: list[LokiPod]) -> Iterator[Sources]:
    """Both, while an application sends spans by either way, some of which failed, and after lines were stored."""
    for member in store:
        member.flush()
    with ExitStack() as stack:
        for way, options in (("grpc", ()), ("http", ("--error",))):
            stack.enter_context(
                sending(cluster, way, f"seen-{way}", "--service", f"seen-{way}", "--rate", "2", *options)
            )
        yield Sources(servers[0], store[0])


@pytest.mark.parametrize("each", QUERIES, ids=IDS)
def test_a_query_finds_what_its_legend_names(cluster: Kubernetes, sources: Sources, each: Asked) -> None:
    """With all values of its variables: series or lines, with numbers, and with the labels of the legend."""
    if each.panel in ONLY_IN_TROUBLE:
        found = sources.find(each)
        assert not found or complaint(each, found) == ""
        return

    def shown() -> bool:
        said = complaint(each, sources.find(each))
        assert not said, f"{said}: {each.expr}"
        return True

    cluster.wait(f"{each.panel} of {each.dashboard} shows something", shown, SLOW.get(each.panel, SOON))


@pytest.mark.parametrize("each", VARIABLES, ids=lambda each: f"{each.dashboard}-{each.variable}")
def test_a_variable_has_values_and_each_query_takes_one(cluster: Kubernetes, sources: Sources, each: Offered) -> None:
    """Some panel shows what there is of one of them, and Prometheus and Loki understand all of it."""
    values = cluster.wait(f"there are values of {each.variable}", lambda: sources.choices(each), SOON)

    def changed(value: str) -> list[Asked]:
        queries = asked(BOARDS[each.dashboard], interval=RATE, span=SPAN, values={each.variable: [value]})
        return [query for query in queries if query not in QUERIES]

    assert changed(values[0]), "no query uses it"
    # Of what was there an hour ago, nothing may be left to show.
    assert any(complaint(query, sources.find(query)) == "" for value in values for query in changed(value)), values


def test_there_are_all_dashboards() -> None:
    """None is passed over: each data source has one that asks it."""
    assert len(BOARDS) >= 7
    assert {each.source for each in QUERIES} == {PROMETHEUS, LOKI}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "there is no data"),
        ([Found({"pod": "a"}, ["1"])], r"its legend uses \['node'\], and there are only \{'pod': 'a'\}"),
        ([Found({"node": "a"}, ["1"]), Found({}, ["1"])], r"and there are only \{\}"),
        ([Found({"node": "a"}, ["NaN"])], "no value is a number"),
        ([Found({"node": "a"}, ["NaN", "0"])], "^$"),
    ],
    ids=["none", "label", "label of one", "no number", "good"],
)
def test_what_would_be_shown_wrongly_is_found(found: list[Found], said: str) -> None:
    """The tests above can fail."""
    each = Asked(dashboard="d", panel="p", source=PROMETHEUS, expr="up", labels=frozenset({"node"}))

    assert re.search(said, complaint(each, found))
