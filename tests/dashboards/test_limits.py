"""What panels colour is what alerts tell: the same constants, of the same series."""

import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.config.log_limits import LogLimits
from constructs_lib.dashboards.application import application_performance
from constructs_lib.dashboards.business import business
from constructs_lib.dashboards.jaeger import jaeger_health
from constructs_lib.dashboards.logs import log_lines
from constructs_lib.dashboards.loki import loki_health
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.panels import ANY, CRITICAL, FINE, WARNING
from constructs_lib.dashboards.prometheus import prometheus_health
from constructs_lib.dashboards.system_health import system_health
from constructs_lib.promql import without_strings
from constructs_lib.restore_points import BackupLimits
from constructs_lib.rules.application import ApplicationLimits, application
from constructs_lib.rules.filling import RoomLimits
from constructs_lib.rules.kubernetes import kubernetes
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.logs import logs
from constructs_lib.rules.model import Alert, Severity
from constructs_lib.rules.models import ModelLimits, models
from constructs_lib.rules.nodes import NodeLimits, nodes
from constructs_lib.rules.objects import KubernetesLimits
from constructs_lib.rules.observability import ObservabilityLimits, observability
from constructs_lib.rules.services import ServiceLimits, services
from constructs_lib.rules.trace_limits import TraceLimits
from constructs_lib.rules.traces import traces
from constructs_lib.rules.uncaught_errors import uncaught_errors
from tests.dashboards.filled import asked, panels
from tests.dashboards.made import BY, DASHBOARDS, GROUPS, JOBS, LOG_RULES
from tests.rules.test_logs import STORE

ALERTS = {alert.name: alert for group in GROUPS for alert in group.alerts}
RECORDED = {recording.name: recording.expr for group in GROUPS for recording in group.recordings}
COLOURS = {Severity.WARNING: WARNING, Severity.CRITICAL: CRITICAL}
USED, CPU, MEMORY = "services", "Processor time, of its limit", "Memory, of its limit"
CONTAINERS = {CPU: ("ContainerCpuNearLimit",), MEMORY: ("ContainerMemoryNearLimit",)}
# Beginnings of what programs expose, and of no label or word of PromQL.
PROGRAMS_SAY = (
    *("up", "node_", "kube_", "kubelet_", "container_", "http_", "ai_", "queue_", "observability_", "infrastructure_"),
    *("prometheus_", "process_", "backup_", "scrape_", "alertmanager_", "loki_", "otelcol_", "jaeger_", "traces_"),
)
# By dashboard and panel, the alerts whose limits it shows.
TOLD: dict[str, dict[str, tuple[str, ...]]] = {
    "system-health": {
        **CONTAINERS,
        "Targets down, by job": ("JobDown",),
        "Processor time": ("NodeCpuSaturated",),
        "Memory": ("NodeMemoryHigh",),
        "Disks": ("NodeFilesystemAlmostFull",),
        "Restarts": ("ContainerRestarting",),
        "Volumes": ("VolumeAlmostFull",),
        "Age of restore points": ("BackupTooOld",),
    },
    "application-performance": {
        **CONTAINERS,
        "Failed requests": ("ApiErrors", "ApiErrorsHigh"),
        "Failed requests, by service": ("ApiErrors", "ApiErrorsHigh"),
        "Slowest 5%": ("ApiSlow",),
        "Slowest 5%, by service": ("ApiSlow",),
        "Restarts": ("ContainerRestarting",),
    },
    "business": {
        "Failed calls, by model": ("ModelErrors",),
        "Slowest 5%, by model": ("ModelSlow",),
        "Queues": ("QueueDeep",),
        "Cost of AI models, by hour": ("ModelCostHigh",),
        "Cost of the monitoring": ("ObservabilityCostHigh",),
    },
    "prometheus": {
        **CONTAINERS,
        "Restarts": ("PrometheusRestarting",),
        "Series in memory": ("PrometheusSeriesNearMemory",),
        "Samples, of their limit": ("ScrapeSamplesNearLimit",),
        "Alerts not taken": ("PrometheusNotificationErrors",),
        "Notifications not delivered": ("AlertmanagerNotificationsFailing",),
        "Volumes, of their size": ("VolumeAlmostFull",),
    },
    "loki": {
        **CONTAINERS,
        "Failed requests, by way": ("LokiWritesFailing",),
        "Streams, of their limit": ("LokiStreamsNearLimit",),
        "Disks, of their size": ("LokiDiskFull",),
        "Failed writes to the store": ("LokiFlushesFailing",),
        "Last compaction": ("LokiRetentionNotApplied",),
        "Delay, by node": ("LogLinesLate",),
    },
    "jaeger": {
        **CONTAINERS,
        "Queue, of its size": ("SpanQueueNearFull",),
        "Time to write": ("SpanStoreSlow",),
        "Failed queries, by operation": ("TraceQueriesFailing",),
        "Failed requests, by service": ("SpanErrorsHigh",),
    },
}
CASES = [
    pytest.param(board, panel, tuple(ALERTS[name] for name in names), id=f"{board}-{panel}")
    for board, told in TOLD.items()
    for panel, names in told.items()
]


def limits(board: Dashboard) -> dict[str, dict[str, float]]:
    """By panel, the limit of each colour but the one of what is fine."""
    found = {}
    for panel in panels(json.loads(board.to_json())):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        if steps:  # nothing but what is fine is no limit
            assert steps[0] == {"value": None, "color": FINE}
            assert panel["fieldConfig"]["defaults"]["thresholds"]["mode"] == "absolute"
            found[panel["title"]] = {step["color"]: step["value"] for step in steps[1:]}
    return {title: colours for title, colours in found.items() if colours}


def exposed(expr: str) -> set[str]:
    """The names of the series that are read, also by what is recorded."""
    names = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", without_strings(expr)))
    through = {name for recorded in names & RECORDED.keys() for name in exposed(RECORDED[recorded])}
    return {name for name in names - RECORDED.keys() if name.startswith(PROGRAMS_SAY)} | through


@pytest.mark.parametrize(("board", "panel", "alerts"), CASES)
def test_a_panel_is_coloured_where_its_alert_fires(board: str, panel: str, alerts: tuple[Alert, ...]) -> None:
    """At the alert's own threshold, in the colour of how soon somebody must look."""
    shown = limits(DASHBOARDS[board])[panel]

    assert shown.keys() == {COLOURS[alert.severity] for alert in alerts}
    for alert in alerts:
        assert re.search(rf">=? {re.escape(f'{shown[COLOURS[alert.severity]]:g}')}(?![\d.])", alert.expr), alert.expr


@pytest.mark.parametrize(("board", "panel", "alerts"), CASES)
def test_a_panel_shows_what_its_alert_looks_at(board: str, panel: str, alerts: tuple[Alert, ...]) -> None:
    """All the series that the alert reads, by whichever recording."""
    queries = asked(DASHBOARDS[board].to_json(), interval="1m", span="1h")
    shown = set().union(*(exposed(each.expr) for each in queries if each.panel == panel))

    for alert in alerts:
        assert exposed(alert.expr)
        assert exposed(alert.expr) <= shown


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=list(DASHBOARDS))
def test_every_limit_is_an_alert_s(board: Dashboard) -> None:
    """Or any at all, of what there should be none of."""
    others = {title: colours for title, colours in limits(board).items() if title not in TOLD.get(board.name, {})}
    of_lines = {alert.name: {COLOURS[alert.severity]: alert.above} for alert in LOG_RULES.alerts}

    assert {title: colours for title, colours in others.items() if set(colours.values()) != {ANY}} == (
        of_lines if board.name == "logs" else {}
    )


CHANGED: list[tuple[Callable[[], Dashboard], dict[str, dict[str, float]]]] = [
    (
        lambda: system_health(limits=NodeLimits(cpu=0.71, memory=0.72)),
        {"Processor time": {WARNING: 0.71}, "Memory": {WARNING: 0.72}},
    ),
    (
        lambda: system_health(used=ServiceLimits(cpu=0.73, memory=0.74)),
        {CPU: {WARNING: 0.73}, MEMORY: {WARNING: 0.74}},
    ),
    (
        lambda: system_health(full=RoomLimits(used=0.75), pods=KubernetesLimits(restarts=9)),
        {"Disks": {WARNING: 0.75}, "Volumes": {WARNING: 0.75}, "Restarts": {WARNING: 9}},
    ),
    (
        lambda: system_health(backups=BackupLimits(every=timedelta(hours=6))),
        {"Age of restore points": {CRITICAL: 8 * 3600}},
    ),
    (
        lambda: application_performance(
            jobs=JOBS,
            limits=ApplicationLimits(errors=0.07, errors_high=0.33, latency=timedelta(seconds=3)),
            used=ServiceLimits(cpu=0.73, memory=0.74),
            pods=KubernetesLimits(restarts=9),
        ),
        {
            "Failed requests": {WARNING: 0.07, CRITICAL: 0.33},
            "Failed requests, by service": {WARNING: 0.07, CRITICAL: 0.33},
            "Slowest 5%": {WARNING: 3},
            "Slowest 5%, by service": {WARNING: 3},
            CPU: {WARNING: 0.73},
            MEMORY: {WARNING: 0.74},
            "Restarts": {WARNING: 9},
        },
    ),
    (
        lambda: business(
            jobs=JOBS,
            limits=ApplicationLimits(queue=77),
            models=ModelLimits(errors=0.08, latency=timedelta(seconds=4), dollars_per_hour=5),
            costs=ObservabilityLimits(cost=0.09),
        ),
        {
            "Failed calls, by model": {WARNING: 0.08},
            "Slowest 5%, by model": {WARNING: 4},
            "Queues": {WARNING: 77},
            "Cost of AI models, by hour": {WARNING: 5},
            "Cost of the monitoring": {WARNING: 0.09},
        },
    ),
    (
        lambda: log_lines(alerts=uncaught_errors(namespace="shop", above=3).alerts),
        {"ErrorsUncaught": {WARNING: 3}},
    ),
    (
        lambda: prometheus_health(
            replace(BY, series=1000), used=ServiceLimits(cpu=0.73, memory=0.74), full=RoomLimits(used=0.75)
        ),
        {
            "Series in memory": {CRITICAL: 600},
            "Volumes, of their size": {WARNING: 0.75},
            CPU: {WARNING: 0.73},
            MEMORY: {WARNING: 0.74},
        },
    ),
    (
        lambda: loki_health(
            store=STORE,
            limits=LogStoreLimits(
                errors=0.11, streams=0.12, uncompacted=timedelta(hours=1), delay=timedelta(seconds=5)
            ),
            used=ServiceLimits(cpu=0.73, memory=0.74),
        ),
        {
            "Failed requests, by way": {CRITICAL: 0.11},
            "Streams, of their limit": {WARNING: 0.12},
            "Failed writes to the store": {CRITICAL: 0.11},
            "Last compaction": {WARNING: 3600},
            "Delay, by node": {WARNING: 5},
            CPU: {WARNING: 0.73},
            MEMORY: {WARNING: 0.74},
        },
    ),
    (
        lambda: jaeger_health(
            limits=TraceLimits(queue=0.13, write=timedelta(seconds=6), errors=0.14, span_errors=0.15),
            used=ServiceLimits(cpu=0.73, memory=0.74),
        ),
        {
            "Queue, of its size": {WARNING: 0.13},
            "Time to write": {WARNING: 6},
            "Failed queries, by operation": {WARNING: 0.14},
            "Failed requests, by service": {WARNING: 0.15},
            CPU: {WARNING: 0.73},
            MEMORY: {WARNING: 0.74},
        },
    ),
]


@pytest.mark.parametrize(("make", "expected"), CHANGED, ids=[make().name for make, _ in CHANGED])
def test_another_limit_is_another_colour(make: Callable[[], Dashboard], expected: dict[str, dict[str, float]]) -> None:
    """Whoever changes a limit of the alerts changes the panel with the same value."""
    board = make()

    assert {title: colours for title, colours in limits(board).items() if title in expected} == expected
    assert board != DASHBOARDS[board.name]


def test_the_limit_of_streams_follows_from_the_store() -> None:
    """Of which each is on as many members as its factor says."""
    lines = replace(STORE, limits=replace(STORE.limits, streams=100))

    assert " / 300" in loki_health(store=lines).to_json()
    assert STORE.ring
    assert isinstance(STORE.limits, LogLimits)
    assert " / 300" not in loki_health(store=STORE).to_json()


@pytest.mark.parametrize(
    ("dashboard", "rules", "arguments"),
    [
        (system_health, nodes, {"limits": "limits", "full": "full", "objects": "objects", "machines": "machines"}),
        (system_health, services, {"used": "limits"}),
        (system_health, kubernetes, {"pods": "limits"}),
        (application_performance, application, {"limits": "limits"}),
        (application_performance, services, {"used": "limits", "objects": "objects"}),
        (business, application, {"limits": "limits"}),
        (business, models, {"models": "limits"}),
        (business, observability, {"costs": "limits"}),
        (prometheus_health, services, {"used": "limits", "full": "full", "objects": "objects"}),
        (loki_health, logs, {"loki": "loki", "collector": "collector", "limits": "limits"}),
        (
            jaeger_health,
            traces,
            {each: each for each in ("collector", "query", "spans", "searched", "limits")},
        ),
    ],
)
def test_dashboards_and_rules_have_the_same_defaults(
    dashboard: Callable[..., object], rules: Callable[..., object], arguments: dict[str, str]
) -> None:
    """Or an app that gives neither would colour what nobody is told of."""
    shown, told = (inspect.signature(each).parameters for each in (dashboard, rules))

    for ours, theirs in arguments.items():
        assert shown[ours].default == told[theirs].default
        assert shown[ours].default is not inspect.Parameter.empty
