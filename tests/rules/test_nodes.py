"""The alerts on nodes: what they read, what may be full for ever, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.filling import ROOM, RoomLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.nodes import NodeLimits, nodes

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api",))
LIMITS = NodeLimits()
FREE = (
    'node_filesystem_avail_bytes{job="node-exporter",fstype=~"ext2|ext3|ext4|xfs|btrfs|zfs",'
    'mountpoint!~"/var/lib/kubelet/pods/.+"}'
)
CONDITIONS = {
    "NodeNotReady": (
        'max by (node) (kube_node_status_condition{job="kube-state-metrics",condition="Ready",status="true"}) == 0'
    ),
    "NodeFilesystemAlmostFull": (
        f"max by (node, device) ((1 - {FREE} / node_filesystem_size_bytes) and node_filesystem_readonly == 0) > 0.85"
    ),
    "NodeFilesystemFillingUp": (
        "min by (node, device) (node_filesystem_avail_bytes / node_filesystem_size_bytes < 0.4"
        f" and predict_linear({FREE}[2h], 14400) / node_filesystem_size_bytes < 0 and node_filesystem_readonly == 0)"
    ),
    "NodeFilesystemInodesAlmostFull": (
        f"max by (node, device) ((1 - {FREE.replace('avail_bytes', 'files_free')} / node_filesystem_files)"
        " and node_filesystem_readonly == 0) > 0.85"
    ),
    "NodeMemoryHigh": (
        'max by (node) (1 - node_memory_MemAvailable_bytes{job="node-exporter"} / node_memory_MemTotal_bytes) > 0.9'
    ),
    "NodeCpuSaturated": "node:cpu_utilisation:ratio > 0.9",
    "NodeClockSkew": 'max by (node) (abs(node_timex_offset_seconds{job="node-exporter"})) > 0.05',
    "NodeClockApart": 'max by (node) (abs(node_time_seconds{job="node-exporter"} - timestamp(node_time_seconds))) > 2',
}


def alerts(group: RuleGroup | None = None) -> dict[str, Alert]:
    return {alert.name: alert for alert in (group or nodes(BY)).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident; what is read-only, in memory, or a pod's volume may be full."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS


@pytest.mark.parametrize(("seconds", "window"), [(15, "1m"), (30, "2m")])
def test_the_utilisation_of_processors_is_recorded(seconds: int, window: str) -> None:
    """For the alert and for dashboards; over four scrapes, and waiting for a disk is no work."""
    (recording,) = nodes(replace(BY, interval=timedelta(seconds=seconds))).recordings
    assert recording.name == "node:cpu_utilisation:ratio"
    assert recording.expr == (
        f'1 - sum by (node) (rate(node_cpu_seconds_total{{job="node-exporter",mode=~"idle|iowait"}}[{window}]))'
        ' / count by (node) (node_cpu_seconds_total{job="node-exporter",mode="idle"})'
    )


def test_only_what_takes_pods_away_wakes_somebody() -> None:
    """A node that is gone, or will be of no use within hours."""
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {"NodeNotReady", "NodeFilesystemFillingUp"}
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


def test_a_reboot_wakes_nobody() -> None:
    """Nor does a spot node that is reclaimed: both take minutes."""
    assert alerts()["NodeNotReady"].hold == timedelta(minutes=5)


@pytest.mark.parametrize("name", CONDITIONS)
def test_alerts_are_told_apart_by_node(name: str) -> None:
    """The labels of exporters would make another alert of the same trouble when an exporter restarts."""
    alert = alerts()[name]
    kept = {label for labels in re.findall(r"by \((.*?)\)", alert.expr) for label in labels.split(", ")}
    assert set(re.findall(r"\$labels\.(\w+)", alert.description)) == (kept or {"node"})


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit, and the jobs of the exporters are the app's."""
    ours = alerts(
        nodes(
            BY,
            objects="objects",
            machines="machines",
            limits=NodeLimits(
                not_ready=timedelta(minutes=7),
                memory=0.95,
                cpu=0.8,
                busy=timedelta(minutes=30),
                skew=timedelta(seconds=1),
                apart=timedelta(seconds=5),
                skewed=timedelta(minutes=2),
            ),
            full=RoomLimits(
                used=0.7,
                used_for=timedelta(minutes=5),
                full_within=timedelta(hours=12),
                pace=timedelta(hours=6),
                free=0.5,
                growing_for=timedelta(hours=1),
            ),
        )
    )
    assert {name: alert.hold // timedelta(minutes=1) for name, alert in ours.items()} == {
        "NodeNotReady": 7,
        "NodeFilesystemAlmostFull": 5,
        "NodeFilesystemFillingUp": 60,
        "NodeFilesystemInodesAlmostFull": 5,
        "NodeMemoryHigh": 30,
        "NodeCpuSaturated": 30,
        "NodeClockSkew": 2,
        "NodeClockApart": 2,
    }
    assert 'job="objects"' in ours["NodeNotReady"].expr
    assert ours["NodeFilesystemAlmostFull"].expr.endswith("> 0.7")
    assert re.search(r"< 0\.5 and .*job=\"machines\".*\[6h\], 43200\)", ours["NodeFilesystemFillingUp"].expr)
    assert "within 12h" in ours["NodeFilesystemFillingUp"].description
    assert ours["NodeMemoryHigh"].expr.endswith("> 0.95")
    assert ours["NodeCpuSaturated"].expr.endswith("> 0.8")
    assert ours["NodeClockSkew"].expr.endswith("> 1")
    assert ours["NodeClockApart"].expr.endswith("> 5")


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"memory": 90}, "memory is 90, but it is a part of a whole: use more than 0 and less than 1"),
        ({"cpu": 0}, "cpu is 0, but it is a part of a whole"),
        (
            {"not_ready": timedelta(seconds=10)},
            "not_ready is 10s, too short to tell trouble from chance: use 1m or more",
        ),
        ({"skew": timedelta(0)}, "skew is 0:00:00, which no clock keeps: use 1ms or more"),
        ({"apart": timedelta(milliseconds=500)}, "apart is 0:00:00.500000, which a slow scrape takes: use 1s or more"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always fires, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"used": 1.0}, "used is 1, but it is a part of a whole: use more than 0 and less than 1"),
        ({"free": -0.1}, "free is -0.1, but it is a part of a whole"),
        ({"growing_for": timedelta(seconds=15)}, "growing_for is 15s, too short to tell trouble from chance"),
        (
            {"full_within": timedelta(days=1)},
            "full_within is 1d, more than four times the pace's 2h: a single large file would look like growth",
        ),
    ],
)
def test_room_that_cannot_be_measured_is_refused(limits: dict[str, object], refusal: str) -> None:
    """A look far ahead from a short past takes every file for growth."""
    with pytest.raises(ConstructError, match=refusal):
        replace(ROOM, **limits)
