"""Ask the live Prometheus and Loki all that dashboards ask, after some busy minutes.

It is not found by itself, since it takes long and proves nothing that `make prove` does not: `make pictures` names it.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any

import pytest

from apps.environments import PROD
from constructs_lib.config.datasources import PROMETHEUS
from constructs_lib.units import prometheus_duration
from pictures.answers import Answers, Series, rounded
from pictures.files import ANSWERS, boards
from tests.cluster.errors import ClusterError
from tests.cluster.kubernetes import Kubernetes
from tests.dashboards.filled import ANNOTATION, Asked, asked
from tests.real.busy import END, HAPPENS, SPANS
from tests.real.logs import NANOSECONDS, LokiPod
from tests.real.prometheus import PrometheusPod
from tests.real.teams import documents
from tests.real.tracing import APPLICATIONS, query, sending

STEP, SPAN, LINES = PROD.scrape_interval, timedelta(minutes=END + 1), 100
SOON = timedelta(minutes=2)


@pytest.fixture
def happened(cluster: Kubernetes, servers: list[PrometheusPod], store: list[LokiPod]) -> Iterator[None]:
    """Some minutes in which something happens, and somebody looks."""
    assert servers
    begun, coming = time.monotonic(), list(HAPPENS)
    with ExitStack() as spans:
        for way, service, options in SPANS:
            name = f"seen-{service}-{len(options)}"
            spans.enter_context(sending(cluster, way, name, "--service", service, *options))
        while (minutes := (time.monotonic() - begun) / 60) < END:
            while coming and coming[0][0] <= minutes:
                _, come, go = coming.pop(0)
                if come:
                    cluster.apply(documents(*come))
                if go:
                    cluster.kubectl("delete", "--wait=false", "--namespace", APPLICATIONS, "pod", *go)
            with suppress(OSError, AssertionError, ClusterError):  # somebody who looks may wait in vain
                query(cluster, "/api/services")
                query(cluster, "/api/traces?service=backend&limit=5")
                store[1].count(f'{{namespace="{APPLICATIONS}"}} |= "error"', 5)
            time.sleep(10)
        yield
    made = [each["metadata"]["name"] for _, come, _ in HAPPENS for each in come]
    cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "--namespace", APPLICATIONS, "pod", *made)


@pytest.mark.usefixtures("happened")
def test_every_panel_is_asked_for(servers: list[PrometheusPod], store: list[LokiPod]) -> None:
    """And has found something to draw."""
    step = int(STEP.total_seconds())
    count = int(SPAN / STEP) + 1
    begin = int(time.time()) // step * step - step * count
    asking = Asking(servers[0], store[0], begin, step, count)
    found: dict[str, dict[str, list[list[Series]]]] = {}
    for board in boards():
        panels = found.setdefault(board["uid"], {})
        span = prometheus_duration(SPAN)
        for each in asked(json.dumps(board), interval=prometheus_duration(4 * STEP), span=span):
            panels.setdefault(each.panel, []).append(asking.find(each))
    marks = [panels.pop(ANNOTATION) for panels in found.values()]
    answers = Answers(begin=begin, step=step, count=count, found=found, marks=marks[0][0])
    ANSWERS.write_text(answers.to_json())

    assert [
        (board, panel) for board, panels in found.items() for panel, queries in panels.items() if not any(queries)
    ] == []


class Asking:
    """Asks as Grafana does, for the same time."""

    def __init__(self, prometheus: PrometheusPod, loki: LokiPod, begin: int, step: int, count: int) -> None:
        self._prometheus, self._loki = prometheus, loki
        self._begin, self._step, self._count = begin, step, count
        self._end = begin + step * (count - 1)

    def find(self, each: Asked) -> list[Series]:
        """What a query finds; who gets no answer asks again."""
        cluster = self._prometheus.cluster
        (found,) = cluster.wait(f"{each.panel} of {each.dashboard} is answered", lambda: [self._ask(each)], SOON)
        return found

    def _ask(self, each: Asked) -> list[Series]:
        path, unit = "query" if each.instant else "query_range", 1 if each.source == PROMETHEUS else NANOSECONDS
        limits = {"time": str(self._end * unit)} if each.instant else self._limits(unit)
        if each.source == PROMETHEUS:
            said = self._prometheus.api(path, query=each.expr, **limits)
        else:
            said = self._loki.api(path, query=each.expr, limit=LINES, **limits)
        return [self._series(one) for one in said["result"]]

    def _limits(self, unit: int) -> dict[str, str]:
        return {"start": str(self._begin * unit), "end": str(self._end * unit), "step": str(self._step)}

    def _series(self, one: Mapping[str, Any]) -> Series:
        if "stream" in one:
            lines = [(int(at) // 10**6 / 1000, text) for at, text in one["values"]]
            return Series(labels=one["stream"], lines=lines)
        if "value" in one:
            return Series(labels=one["metric"], values=[rounded(one["value"][1])])
        values: list[float | None] = [None] * self._count
        for at, value in one["values"]:
            values[round((float(at) - self._begin) / self._step)] = rounded(value)
        return Series(labels=one["metric"], values=values)
