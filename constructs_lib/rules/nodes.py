"""The machines: whether they are ready, and whether they have room, memory, processor time and the right time."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.node_exporter import NODE_EXPORTER
from constructs_lib.promql import matches, matches_not, metric
from constructs_lib.rules.clock import clock_alerts
from constructs_lib.rules.course import PEACE, Course, counter
from constructs_lib.rules.filling import ROOM, Disks, RoomLimits, room
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Recording, RuleGroup, Severity
from constructs_lib.rules.objects import KEEP_FIRING
from constructs_lib.thresholds import check_durations, check_shares
from constructs_lib.units import prometheus_duration

UTILISATION = "node:cpu_utilisation:ratio"
STEP = 0.002  # of a share, which proofs must notice
# What keeps files; not what lives in memory, or is an image and full by its nature.
FILESYSTEMS = "ext2|ext3|ext4|xfs|btrfs|zfs"
# Volumes of pods are the kubelet's, which knows their claims.
POD_VOLUMES = "/var/lib/kubelet/pods/.+"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimits:
    """What the group `nodes` bears.

    Args:
        not_ready: How long a node may not be ready: longer than a reboot takes, or a spot node to be reclaimed.
        memory: The share of its memory that may be used.
        cpu: The share of its processor time that may be used.
        busy: How long more of either may be used.
        skew: By how much its clock may be wrong, as the kernel says: 1 ms or more.
        apart: By how much its clock and that of Prometheus may differ, 1 s or more.
        skewed: For how long either.
    Raises:
        ConstructError: a share outside of 0 to 1, a duration below 1 minute, a skew below 1 ms, or clocks less than 1 s
            apart.
    """

    not_ready: timedelta = timedelta(minutes=5)
    memory: float = 0.9
    cpu: float = 0.9
    busy: timedelta = timedelta(minutes=15)
    skew: timedelta = timedelta(milliseconds=50)
    apart: timedelta = timedelta(seconds=2)
    skewed: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        check_shares(memory=self.memory, cpu=self.cpu)
        check_durations(not_ready=self.not_ready, busy=self.busy, skewed=self.skewed)
        if self.skew < timedelta(milliseconds=1):
            raise ConstructError(f"skew is {self.skew}, which no clock keeps: use 1ms or more")
        if self.apart < timedelta(seconds=1):
            raise ConstructError(f"apart is {self.apart}, which a slow scrape takes: use 1s or more")


def nodes(
    by: Evaluator,
    *,
    objects: str = KUBE_STATE_METRICS.job,
    machines: str = NODE_EXPORTER.job,
    limits: NodeLimits = NodeLimits(),
    full: RoomLimits = ROOM,
) -> RuleGroup:
    """The group `nodes`.

    Args:
        by: Who evaluates it.
        objects: The job of kube-state-metrics.
        machines: The job of the node exporters.
        limits: From where on somebody must hear of it.
        full: How full disks may be.
    """
    return RuleGroup(
        name="nodes",
        recordings=(_utilisation(by, machines),),
        alerts=(
            _not_ready(by, objects, limits),
            *room(by, _disks(machines), full),
            _memory(by, machines, limits),
            _cpu(by, machines, limits),
            *clock_alerts(by, machines, skew=limits.skew, apart=limits.apart, hold=limits.skewed),
        ),
    )


def _utilisation(by: Evaluator, job: str) -> Recording:
    """The share of a node's processor time that is worked; waiting for a disk is not."""
    idle = metric("node_cpu_seconds_total", job=job, mode=matches("idle|iowait"))
    processors = metric("node_cpu_seconds_total", job=job, mode="idle")
    return Recording(
        UTILISATION,
        f"1 - sum by (node) (rate({idle}[{prometheus_duration(by.window)}])) / count by (node) ({processors})",
    )


def _not_ready(by: Evaluator, job: str, limits: NodeLimits) -> Alert:
    name = "kube_node_status_condition"
    course = Course(interval=by.interval, hold=limits.not_ready)

    def node(name_of: str = "node-a", **labels: str) -> str:
        known = {"job": job, "node": name_of, "condition": "Ready", "status": "true"}
        return KUBE_STATE_METRICS.series(name, **known | labels)

    return Alert(
        name="NodeNotReady",
        expr=f"max by (node) ({metric(name, job=job, condition='Ready', status='true')}) == 0",
        hold=limits.not_ready,
        keep_firing=KEEP_FIRING,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A node is not ready, and its pods are moved away.",
        description="The node {{ $labels.node }} is not ready, or does not report.",
        proof=Proof(
            # Every other state of the condition, every other condition, and what another exporter says.
            fires={
                node(): course.lasts(1, 0),
                node(status="unknown"): course.lasts(0, 1),
                node(condition="DiskPressure"): course.steady(1),
                node(job="another"): course.steady(1),
            },
            at=course.at,
            quiet={node(): course.recovers(1, 0)},
        ),
    )


def _disks(job: str) -> Disks:
    return Disks(
        name="NodeFilesystem",
        what="A node's disk",
        which="{{ $labels.device }} of {{ $labels.node }}",
        program=NODE_EXPORTER,
        job=job,
        by="node, device",  # it may be mounted in several places
        size="node_filesystem_size_bytes",
        free="node_filesystem_avail_bytes",
        inodes="node_filesystem_files",
        inodes_free="node_filesystem_files_free",
        only={"fstype": matches(FILESYSTEMS), "mountpoint": matches_not(POD_VOLUMES)},
        readonly="node_filesystem_readonly",
        disk={"device": "/dev/a", "node": "node-a", "fstype": "ext4", "mountpoint": "/"},
        others=({"fstype": "tmpfs"}, {"mountpoint": "/var/lib/kubelet/pods/a/volumes/b/mount"}),
    )


def _memory(by: Evaluator, job: str, limits: NodeLimits) -> Alert:
    left, total = "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"
    course = Course(interval=by.interval, hold=limits.busy)
    much, little = 1 - limits.memory + STEP / 2, 1 - limits.memory - STEP / 2

    def node(name: str, available: str, job: str = job) -> dict[str, str]:
        labels = {"job": job, "node": name}
        return {
            NODE_EXPORTER.series(left, **labels): available,
            NODE_EXPORTER.series(total, **labels): course.steady(1),
        }

    return Alert(
        name="NodeMemoryHigh",
        expr=f"max by (node) (1 - {metric(left, job=job)} / {total}) > {limits.memory:g}",
        hold=limits.busy,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A node has hardly any memory left.",
        description="{{ $labels.node }} uses {{ $value | humanizePercentage }} of its memory.",
        proof=Proof(
            fires=node("node-a", course.lasts(0.5, little)),
            at=course.at,
            quiet=node("node-a", course.recovers(0.5, little))
            | node("node-b", course.steady(much))
            | node("node-c", course.steady(little), "another"),
            step=STEP,
        ),
    )


def _cpu(by: Evaluator, job: str, limits: NodeLimits) -> Alert:
    ramp = by.window // by.interval - 1  # so many increases are in a window
    course = Course(interval=by.interval, hold=limits.busy, onset=ramp)
    over, under = limits.cpu + STEP / 2, limits.cpu - STEP / 2

    def node(name: str, *runs: tuple[float, int], job: str = job) -> dict[str, str]:
        """A node with one processor; pairs of the share that is worked, and how many evaluations that lasts."""

        def spent(mode: str, part: float) -> str:
            increases = ((1 - share) * part if mode != "user" else share for share, _ in runs)
            seconds = (increase * by.interval.total_seconds() for increase in increases)
            return counter(*zip(seconds, (count for _, count in runs), strict=True))

        modes = {"idle": 0.75, "iowait": 0.25, "user": 1.0}
        name_of = "node_cpu_seconds_total"
        return {
            NODE_EXPORTER.series(name_of, job=job, node=name, cpu="0", mode=mode): spent(mode, part)
            for mode, part in modes.items()
        }

    peace, last = (limits.cpu / 2, PEACE + 1), course.evaluations + ramp - 1
    return Alert(
        name="NodeCpuSaturated",
        expr=f"{UTILISATION} > {limits.cpu:g}",
        hold=limits.busy,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A node's processors have hardly any time left.",
        description="{{ $labels.node }} works for {{ $value | humanizePercentage }} of its processor time.",
        proof=Proof(
            fires=node("node-a", peace, (over, course.long)) | node("node-a", (0, course.long), job="another"),
            at=course.at,
            quiet=node("node-a", peace, (over, last), (limits.cpu / 2, course.long))
            | node("node-b", (under, course.long))
            | node("node-b", (1, course.long), job="another"),
            step=STEP,
        ),
    )
