"""What is wrong at the moment, and what will be: the dashboard that people see first."""

from constructs_lib.contract import ORIGIN
from constructs_lib.dashboards import containers
from constructs_lib.dashboards.firing import all_firing, firing
from constructs_lib.dashboards.layout import COLUMNS, LOW, Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import PROMETHEUS, SYSTEM_HEALTH
from constructs_lib.dashboards.panels import (
    AGE,
    ANY,
    COUNT,
    SHARE,
    Panel,
    figure,
    graph,
    latest,
    listing,
    series,
    to_dashboard,
)
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.node_exporter import NODE_EXPORTER
from constructs_lib.promql import matches, matches_not, metric
from constructs_lib.restore_points import BackupLimits
from constructs_lib.rules.backups import age
from constructs_lib.rules.filling import ROOM, RoomLimits
from constructs_lib.rules.model import Severity
from constructs_lib.rules.nodes import FILESYSTEMS, POD_VOLUMES, UTILISATION, NodeLimits
from constructs_lib.rules.objects import LIMITS, KubernetesLimits
from constructs_lib.rules.scraping import SHARE_DOWN
from constructs_lib.rules.services import ServiceLimits
from constructs_lib.rules.workloads import WORKLOADS
from constructs_lib.units import prometheus_duration


def system_health(
    *,
    objects: str = KUBE_STATE_METRICS.job,
    machines: str = NODE_EXPORTER.job,
    limits: NodeLimits = NodeLimits(),
    used: ServiceLimits = ServiceLimits(),
    pods: KubernetesLimits = LIMITS,
    full: RoomLimits = ROOM,
    backups: BackupLimits | None = None,
) -> Dashboard:
    """The dashboard `system-health`, against the limits of the groups `nodes`, `services`, `kubernetes` and `backups`.

    Args:
        objects: The job of kube-state-metrics.
        machines: The job of the node exporters.
        limits: What nodes bear.
        used: What containers may use.
        pods: How often containers may restart.
        full: How full disks and volumes may be.
        backups: How old restore points may be; None where none are made.
    """
    of_all = (_jobs_down(), _pods_missing(objects), *((_restore_points(backups),) if backups else ()))
    return dashboard(
        name=SYSTEM_HEALTH,
        title="System health",
        says="What is wrong at the moment, and what will be soon.",
        rows=(
            Row(
                "What is wrong",
                ((6, _critical()), (6, _warnings()), (6, _targets_down()), (6, _nodes_not_ready(objects))),
                height=LOW,
            ),
            Row("Alerts", ((24, _alerts()),)),
            Row("Targets and workloads", tuple((COLUMNS // len(of_all), panel) for panel in of_all)),
            Row("Nodes", ((8, _cpu(limits)), (8, _memory(machines, limits)), (8, _disks(machines, full)))),
            Row(
                "Containers and volumes",
                (
                    (6, _containers_cpu(objects, used)),
                    (6, _containers_memory(objects, used)),
                    (6, _restarts(objects, pods)),
                    (6, _volumes(full)),
                ),
            ),
        ),
    )


def _critical() -> Panel:
    return figure(
        "Critical alerts",
        "How many alerts fire that somebody must look at now, at night too.",
        COUNT,
        series(firing(Severity.CRITICAL), "critical"),
        critical=ANY,
    )


def _warnings() -> Panel:
    return figure(
        "Warnings",
        "How many alerts fire that somebody must look at on the next working day.",
        COUNT,
        series(firing(Severity.WARNING), "warning"),
        warning=ANY,
    )


def _targets_down() -> Panel:
    return figure(
        "Targets down",
        "How many targets of the platform cannot be scraped, so that nothing is known of them.",
        COUNT,
        series(f"sum({metric('up', **{ORIGIN: ''})} == bool 0)", "down"),
        warning=ANY,
        link=to_dashboard("How Prometheus is", PROMETHEUS),
    )


def _nodes_not_ready(objects: str) -> Panel:
    ready = metric("kube_node_status_condition", job=objects, condition="Ready", status="true")
    return figure(
        "Nodes not ready",
        "How many nodes are not ready, whose pods are moved away.",
        COUNT,
        series(f"sum(max by (node) ({ready}) == bool 0)", "not ready"),
        critical=ANY,
    )


def _alerts() -> Panel:
    return listing(
        "Firing alerts",
        "All alerts of Prometheus that fire; where not even the heartbeat does, nothing is evaluated.",
        COUNT,
        latest(all_firing(), "{{alertname}}"),
        of_value="Series",
    )


def _jobs_down() -> Panel:
    return graph(
        "Targets down, by job",
        "The share of each job's targets that cannot be scraped.",
        SHARE,
        series(f"1 - avg by (job) ({metric('up', origin='')})", "{{job}}"),
        critical=SHARE_DOWN,
        link=to_dashboard("How Prometheus is", PROMETHEUS),
    )


def _restore_points(limits: BackupLimits) -> Panel:
    return graph(
        "Age of restore points",
        "How old the newest restore point of each Prometheus server is.",
        AGE,
        series(age(BACKUP.job), "{{pod}}"),
        critical=limits.oldest.total_seconds(),
    )


def _pods_missing(objects: str) -> Panel:
    """Sums, since of each workload there would be a curve at 0."""
    asked = [
        series(
            f"sum by (namespace) (clamp_min(max by (namespace, {kind.lower()}) ({metric(wanted, job=objects)})"
            f" - max by (namespace, {kind.lower()}) ({metric(there, job=objects)}), 0))",
            f"{{{{namespace}}}}, of {kind}s",
        )
        for kind, (wanted, there, _, _) in WORKLOADS.items()
    ]
    return graph(
        "Pods missing", "How many pods the workloads of a namespace lack of those that they should have.", COUNT, *asked
    )


def _cpu(limits: NodeLimits) -> Panel:
    return graph(
        "Processor time",
        "The share of each node's processor time that is worked.",
        SHARE,
        series(metric(UTILISATION), "{{node}}"),
        warning=limits.cpu,
    )


def _memory(job: str, limits: NodeLimits) -> Panel:
    left, total = metric("node_memory_MemAvailable_bytes", job=job), metric("node_memory_MemTotal_bytes")
    return graph(
        "Memory",
        "The share of each node's memory that is used.",
        SHARE,
        series(f"max by (node) (1 - {left} / {total})", "{{node}}"),
        warning=limits.memory,
    )


def _disks(job: str, full: RoomLimits) -> Panel:
    """As the alerts look at them: what is written to, and keeps files."""
    files = {"fstype": matches(FILESYSTEMS), "mountpoint": matches_not(POD_VOLUMES)}
    left = metric("node_filesystem_avail_bytes", job=job, **files)
    size, readonly = metric("node_filesystem_size_bytes"), metric("node_filesystem_readonly")
    return graph(
        "Disks",
        "The share of each node's disks that is used.",
        SHARE,
        series(f"max by (node, device) ((1 - {left} / {size}) and {readonly} == 0)", "{{node}} {{device}}"),
        warning=full.used,
    )


def _containers_cpu(objects: str, limits: ServiceLimits) -> Panel:
    return graph(
        "Processor time, of its limit",
        "The containers that use most of the processor time that they may, beyond which they wait.",
        SHARE,
        series(f"topk({containers.MOST}, {containers.cpu_of_limit(objects)})", containers.NAMED),
        warning=limits.cpu,
        link=containers.lines_of_pod(),
    )


def _containers_memory(objects: str, limits: ServiceLimits) -> Panel:
    return graph(
        "Memory, of its limit",
        "The containers that use most of the memory that they may, beyond which they are killed.",
        SHARE,
        series(f"topk({containers.MOST}, {containers.memory_of_limit(objects)})", containers.NAMED),
        warning=limits.memory,
        link=containers.lines_of_pod(),
    )


def _restarts(objects: str, limits: KubernetesLimits) -> Panel:
    within = prometheus_duration(limits.restarts_within)
    return graph(
        "Restarts",
        f"The containers that have restarted most often within {within}.",
        COUNT,
        series(f"topk({containers.MOST}, {containers.restarts(objects, limits.restarts_within)})", containers.NAMED),
        warning=limits.restarts,
        link=containers.lines_of_pod(),
    )


def _volumes(full: RoomLimits) -> Panel:
    return graph(
        "Volumes",
        "The fullest volumes of all claims.",
        SHARE,
        series(f"topk({containers.MOST}, {containers.volumes_used()})", "{{namespace}}/{{persistentvolumeclaim}}"),
        warning=full.used,
    )
