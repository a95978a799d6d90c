"""What containers use of what they may, and how full volumes are: the same panels for every program."""

from collections.abc import Collection
from datetime import timedelta

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries

from constructs_lib.dashboards.names import LOGS
from constructs_lib.dashboards.panels import RATE, SHARE, graph, of_jobs, series, to_dashboard
from constructs_lib.metrics.cadvisor import CADVISOR
from constructs_lib.promql import metric
from constructs_lib.rules.filling import RoomLimits
from constructs_lib.rules.objects import CONTAINER
from constructs_lib.rules.services import ServiceLimits
from constructs_lib.rules.volumes import VOLUMES
from constructs_lib.units import prometheus_duration

NAMED = "{{namespace}}/{{pod}} {{container}}"
MOST = 10  # curves that can be told apart


def memory_of_limit(objects: str) -> str:
    """The share of its limit that each container uses; where there is no limit, there is no share."""
    used = metric("container_memory_working_set_bytes", job=CADVISOR.job)
    return f"max by ({CONTAINER}) ({used}) / {_limit(objects, 'memory')}"


def cpu_of_limit(objects: str) -> str:
    """Likewise, of processor time."""
    used = metric("container_cpu_usage_seconds_total", job=CADVISOR.job)
    return f"sum by ({CONTAINER}) (rate({used}[{RATE}])) / {_limit(objects, 'cpu')}"


def volumes_used() -> str:
    """The share of each claim's volume that is used."""
    return f"max by ({VOLUMES.by}) (1 - {VOLUMES.selected} / {VOLUMES.size})"


def restarts(objects: str, within: timedelta) -> str:
    """How often each container has restarted within a time."""
    counted = metric("kube_pod_container_status_restarts_total", job=objects)
    return f"max by ({CONTAINER}) (changes({counted}[{prometheus_duration(within)}]))"


def pods_of(dashboard: str, jobs: Collection[str]) -> str:
    """One series for each pod that is scraped by the jobs."""
    return metric("up", job=of_jobs(dashboard, jobs))


def memory(pods: str, *, of: str, objects: str, limits: ServiceLimits) -> timeseries.Panel:
    """Memory of the containers of some pods.

    Args:
        pods: An expression of series of these pods.
        of: What they are called in a sentence.
        objects: The job of kube-state-metrics.
        limits: Of the alerts on containers.
    """
    return graph(
        "Memory, of its limit",
        f"How much of the memory that they may use the containers of {of} do use, beyond which they are killed.",
        SHARE,
        series(f"({memory_of_limit(objects)}) and on (namespace, pod) {pods}", NAMED),
        warning=limits.memory,
        link=lines_of_pod(),
    )


def cpu(pods: str, *, of: str, objects: str, limits: ServiceLimits) -> timeseries.Panel:
    """Processor time of the containers of some pods; what it takes is what `memory` takes."""
    return graph(
        "Processor time, of its limit",
        f"How much of the processor time that they may use the containers of {of} do use, beyond which they wait.",
        SHARE,
        series(f"({cpu_of_limit(objects)}) and on (namespace, pod) {pods}", NAMED),
        warning=limits.cpu,
        link=lines_of_pod(),
    )


def volume(pods: str, *, of: str, objects: str, full: RoomLimits) -> timeseries.Panel:
    """Volumes of some pods; what else it takes is what `memory` takes."""
    mounted = metric("kube_pod_spec_volumes_persistentvolumeclaims_info", job=objects)
    theirs = f"({mounted} and on (namespace, pod) {pods})"
    return graph(
        "Volumes, of their size",
        f"How full the volumes of {of} are.",
        SHARE,
        series(
            f"({volumes_used()}) and on (namespace, persistentvolumeclaim) {theirs}",
            "{{namespace}}/{{persistentvolumeclaim}}",
        ),
        warning=full.used,
    )


def lines_of_pod() -> build.DashboardLink:
    """To what the pod of a curve writes."""
    return to_dashboard("What this pod writes", LOGS, namespace="namespace", pod="pod")


def _limit(job: str, resource: str) -> str:
    return f"max by ({CONTAINER}) ({metric('kube_pod_container_resource_limits', job=job, resource=resource)})"
