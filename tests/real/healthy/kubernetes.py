"""What kube-state-metrics says on a quiet day: pods are started again or moved, a new one waits for a node."""

from collections.abc import Callable

from apps.environment import Environment
from constructs_lib.contract import GRAFANA_BACKUP, RESTORE_DRILL
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS, TELEMETRY
from constructs_lib.rules.cron_jobs import MADE, SUCCEEDED
from tests.real.healthy.workloads import NODES, RESTARTED, RESTARTED_AT, Workload, target_of
from tests.real.simulation import WHOLE, Course, System, but, happens, minute, only, steady

DAY = 86400
# Of every container.
LIMITS = {"cpu": ("core", 1.0), "memory": ("byte", 2.0**30)}
CONDITIONS = {"Ready": "true", "MemoryPressure": "false", "DiskPressure": "false", "PIDPressure": "false"}
# What each kind of workload has, of the newest kind, and wants to have.
REPLICAS = {
    "deployment": (
        "kube_deployment_status_replicas_available",
        "kube_deployment_status_replicas_updated",
        "kube_deployment_spec_replicas",
    ),
    "statefulset": (
        "kube_statefulset_status_replicas_available",
        "kube_statefulset_status_replicas_updated",
        "kube_statefulset_replicas",
    ),
    "daemonset": (
        "kube_daemonset_status_number_available",
        "kube_daemonset_status_updated_number_scheduled",
        "kube_daemonset_status_desired_number_scheduled",
    ),
}
# One pod less: a rollout, a pod that moves to another node, a rollout that takes a quarter of an hour for each node.
LESS = {"backend": (minute(30), 2), "alertmanager": (minute(33), 2), "node-exporter": (minute(10), 15)}
# Ended before, each for a reason: when, in seconds before the beginning.
ENDED = {"worker-0": ("OOMKilled", 2 * DAY), "qdrant-0": ("Error", 9 * DAY), "api-0": ("Completed", DAY)}
# Waits for the database at its start, and is held back for that once.
CRASHED = "backend-1"


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """All objects, as one exporter tells of them."""
    target = target_of(pods, KUBE_STATE_METRICS.job)

    def tell(name: str, course: Course, **labels: str) -> None:
        system.add(KUBE_STATE_METRICS, target, name, course, **labels)

    for node in NODES:
        for condition, good in CONDITIONS.items():
            for status in ("true", "false", "unknown"):
                labels = {"node": node, "condition": condition, "status": status}
                tell("kube_node_status_condition", steady(status == good), **labels)
    for workload in pods:
        available, updated, wanted = REPLICAS[workload.kind]
        labels = {"namespace": workload.namespace, workload.kind: workload.name}
        count = steady(workload.replicas)
        start, minutes = LESS.get(workload.name, (0, 0))
        tell(wanted, count, **labels)
        tell(available, but(count, start, minutes * workload.replicas, workload.replicas - 1), **labels)
        of_the_newest = count
        for pod in range(workload.replicas):
            of_the_newest = but(of_the_newest, start + 60 * minutes * pod, minutes, pod + 1)
        tell(updated, of_the_newest, **labels)
        for pod, node in workload.pods():
            container = {"namespace": workload.namespace, "pod": pod, "uid": f"uid-{pod}", "container": workload.name}
            _tell_of_container(tell, container, node)
    # A day ago a batch failed; the one of today did not.
    for batch, age in {"report-1": 1.5 * DAY, "report-2": DAY / 2}.items():
        labels = {"namespace": values.application_namespace, "job_name": batch}
        tell("kube_job_status_start_time", steady(WHOLE.total_seconds() - age), **labels)
        if batch == "report-1":
            tell("kube_job_failed", steady(1), **labels, condition="true")
            tell("kube_job_failed", steady(0), **labels, condition="false")
    add_cleaning(system, pods, values)
    add_saving(system, pods, values)
    _tell_of_starts(tell, pods, values)
    _tell_of_itself(system, pods)
    # A pod came for which a node had to be started first.
    new = {"namespace": values.application_namespace, "pod": "report-3", "uid": "uid-report-3"}
    tell("kube_pod_status_unschedulable", only(minute(50), 2), **new)
    report = {**new, "container": "report"}
    tell("kube_pod_container_status_running", but(only(minute(52), 8), minute(53), 7, 0), **report)
    tell("kube_pod_container_status_restarts_total", only(minute(52), 8, 0), **report)
    tell("kube_pod_container_status_terminated_reason", only(minute(53), 7), **report, reason="Completed")


def add_cleaning(system: System, pods: list[Workload], values: Environment) -> None:
    """What is too old is deleted every night, where somebody else keeps the spans."""
    if values.tracing and values.traces_host:
        _add_nightly(system, pods, values, "jaeger-index-cleaner")


def add_saving(system: System, pods: list[Workload], values: Environment) -> None:
    """What people made in Grafana is saved every night, and a restore is tried, where that was asked for."""
    if values.grafana_backup:
        _add_nightly(system, pods, values, GRAFANA_BACKUP)
    if values.restore_points and values.drill_storage_class:
        _add_nightly(system, pods, values, RESTORE_DRILL)


def _add_nightly(system: System, pods: list[Workload], values: Environment, cron_job: str) -> None:
    target = target_of(pods, KUBE_STATE_METRICS.job)
    for name, age in {MADE: 9 * DAY, SUCCEEDED: DAY}.items():
        course = steady(WHOLE.total_seconds() - age)
        system.add(KUBE_STATE_METRICS, target, name, course, namespace=values.namespace, cronjob=cron_job)


def _tell_of_itself(system: System, pods: list[Workload]) -> None:
    """It lists and watches, and begins anew when a connection ends."""
    itself = target_of(pods, TELEMETRY.job)
    for resource in ("*v1.Node", "*v1.Pod"):
        for name in ("kube_state_metrics_list_total", "kube_state_metrics_watch_total"):
            labels = {"result": "success", "resource": resource}
            system.add(TELEMETRY, itself, name, happens(minute(5), minute(14)), **labels)
    # The API server was upgraded.
    failed = {"result": "error", "resource": "*v1.Pod"}
    system.add(TELEMETRY, itself, "kube_state_metrics_watch_total", happens(minute(13), minute(14)), **failed)


def _tell_of_starts(tell: Callable[..., None], pods: list[Workload], values: Environment) -> None:
    """Rollouts are done, claims have volumes, but one that no pod wants yet; one image came at the second attempt."""
    for workload in pods:
        labels = {"namespace": workload.namespace, workload.kind: workload.name}
        for status in ("true", "false", "unknown") if workload.kind == "deployment" else ():
            more = {"reason": "NewReplicaSetAvailable", "condition": "Progressing", "status": status}
            tell("kube_deployment_status_condition", steady(status == "true"), **labels, **more)
        for pod, _ in workload.pods() if workload.kind == "statefulset" else ():
            claim = {"namespace": workload.namespace, "persistentvolumeclaim": f"data-{pod}"}
            for phase in ("Pending", "Bound", "Lost"):
                tell("kube_persistentvolumeclaim_status_phase", steady(phase == "Bound"), **claim, phase=phase)
            wants = {"pod": pod, "uid": f"uid-{pod}", "volume": "data", "ephemeral": "false"}
            tell("kube_pod_spec_volumes_persistentvolumeclaims_info", steady(1), **claim, **wants)
    spare = {"namespace": values.application_namespace, "persistentvolumeclaim": "spare", "phase": "Pending"}
    tell("kube_persistentvolumeclaim_status_phase", steady(1), **spare)
    new = {"namespace": values.application_namespace, "pod": "report-4", "uid": "uid-report-4"}
    prepare, report = {**new, "container": "prepare"}, {**new, "container": "report", "reason": "PodInitializing"}
    tell("kube_pod_init_container_status_waiting_reason", only(minute(40), 1), **prepare, reason="ErrImagePull")
    tell("kube_pod_init_container_status_waiting_reason", only(minute(41), 1), **prepare, reason="ImagePullBackOff")
    tell("kube_pod_container_status_waiting_reason", only(minute(40), 3), **report)
    # Twice, what it needs is not there yet; then it is done.
    restarts = but(but(only(minute(42), 18, 2), minute(42), 0.5, 0), minute(42.5), 0.5, 1)
    tell("kube_pod_init_container_status_restarts_total", restarts, **prepare)
    tell("kube_pod_init_container_status_running", only(minute(42), 18, 0), **prepare)
    tell("kube_pod_init_container_status_terminated_reason", only(minute(43), 17), **prepare, reason="Completed")


def _tell_of_container(tell: Callable[..., None], container: dict[str, str], node: str) -> None:
    pod = container["pod"]
    for resource, (unit, limit) in LIMITS.items():
        labels = {**container, "node": node, "resource": resource, "unit": unit}
        tell("kube_pod_container_resource_limits", steady(limit), **labels)
    crashes = {RESTARTED: (RESTARTED_AT,), CRASHED: (minute(30), minute(31))}.get(pod, ())
    tell("kube_pod_container_status_restarts_total", happens(*crashes), **container)
    if pod in ENDED:
        reason, ago = ENDED[pod]
        tell("kube_pod_container_status_last_terminated_reason", steady(1), **container, reason=reason)
        tell("kube_pod_container_status_last_terminated_timestamp", steady(-ago), **container)
    elif crashes:
        since = only(crashes[0], 99)
        tell("kube_pod_container_status_last_terminated_reason", since, **container, reason="Error")
        tell("kube_pod_container_status_last_terminated_timestamp", only(crashes[0], 99, crashes[-1]), **container)
    runs = but(steady(1), crashes[-1], 0.5, 0) if pod == CRASHED else steady(1)
    tell("kube_pod_container_status_running", runs, **container)
