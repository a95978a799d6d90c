"""kube-state-metrics: what the API server says of its objects, as series.

To be scraped with honor_labels: namespace, pod and node are those of the object, not of the exporter. Those that an
object does not have are still the exporter's (a node's series bears its namespace and pod), so rules aggregate by the
labels that they mean; then an alert outlives a restart of the exporter, too.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

CONTAINER = ("namespace", "pod", "uid", "container")

KUBE_STATE_METRICS = Program(
    name="kube-state-metrics",
    version="2.20.0",
    job="kube-state-metrics",
    metrics=(
        Metric("kube_pod_status_unschedulable", Kind.GAUGE, ("namespace", "pod", "uid")),
        Metric("kube_pod_container_status_running", Kind.GAUGE, CONTAINER),
        Metric("kube_pod_init_container_status_running", Kind.GAUGE, CONTAINER),
        Metric("kube_pod_container_status_terminated_reason", Kind.GAUGE, (*CONTAINER, "reason")),
        Metric("kube_pod_init_container_status_terminated_reason", Kind.GAUGE, (*CONTAINER, "reason")),
        Metric("kube_pod_container_status_waiting_reason", Kind.GAUGE, (*CONTAINER, "reason")),
        Metric("kube_pod_init_container_status_waiting_reason", Kind.GAUGE, (*CONTAINER, "reason")),
        Metric("kube_pod_container_status_restarts_total", Kind.COUNTER, CONTAINER),
        Metric("kube_pod_init_container_status_restarts_total", Kind.COUNTER, CONTAINER),
        Metric("kube_pod_container_status_last_terminated_reason", Kind.GAUGE, (*CONTAINER, "reason")),
        Metric("kube_pod_container_status_last_terminated_timestamp", Kind.GAUGE, CONTAINER),
        Metric("kube_pod_container_resource_limits", Kind.GAUGE, (*CONTAINER, "node", "resource", "unit")),
        Metric(
            "kube_pod_spec_volumes_persistentvolumeclaims_info",
            Kind.GAUGE,
            ("namespace", "pod", "uid", "volume", "persistentvolumeclaim", "ephemeral"),
        ),
        Metric("kube_persistentvolumeclaim_status_phase", Kind.GAUGE, ("namespace", "persistentvolumeclaim", "phase")),
        Metric("kube_deployment_spec_replicas", Kind.GAUGE, ("namespace", "deployment")),
        Metric("kube_deployment_status_replicas_available", Kind.GAUGE, ("namespace", "deployment")),
        Metric("kube_deployment_status_replicas_updated", Kind.GAUGE, ("namespace", "deployment")),
        Metric(
            "kube_deployment_status_condition",
            Kind.GAUGE,
            ("namespace", "deployment", "reason", "condition", "status"),
        ),
        Metric("kube_statefulset_replicas", Kind.GAUGE, ("namespace", "statefulset")),
        Metric("kube_statefulset_status_replicas_available", Kind.GAUGE, ("namespace", "statefulset")),
        Metric("kube_statefulset_status_replicas_updated", Kind.GAUGE, ("namespace", "statefulset")),
        Metric("kube_daemonset_status_desired_number_scheduled", Kind.GAUGE, ("namespace", "daemonset")),
        Metric("kube_daemonset_status_number_available", Kind.GAUGE, ("namespace", "daemonset")),
        Metric("kube_daemonset_status_updated_number_scheduled", Kind.GAUGE, ("namespace", "daemonset")),
        # Seconds since 1970; the second is there once it has succeeded.
        Metric("kube_cronjob_created", Kind.GAUGE, ("namespace", "cronjob")),
        Metric("kube_cronjob_status_last_successful_time", Kind.GAUGE, ("namespace", "cronjob")),
        Metric("kube_job_failed", Kind.GAUGE, ("namespace", "job_name", "condition")),
        Metric("kube_job_status_start_time", Kind.GAUGE, ("namespace", "job_name")),
        Metric("kube_node_status_condition", Kind.GAUGE, ("node", "condition", "status")),
    ),
    source="https://github.com/kubernetes/kube-state-metrics/tree/v2.20.0/docs/metrics",
)

# What it says of itself, at a port of its own. Results are success and error, each there once it has happened; of a
# resource that is watched from the first object on, as new API servers allow, there is no list.
TELEMETRY = Program(
    name="kube-state-metrics' telemetry",
    version="2.20.0",
    job="kube-state-metrics-telemetry",
    metrics=(
        Metric("kube_state_metrics_list_total", Kind.COUNTER, ("result", "resource")),
        Metric("kube_state_metrics_watch_total", Kind.COUNTER, ("result", "resource")),
    ),
    source="https://github.com/kubernetes/kube-state-metrics/blob/v2.20.0/pkg/watch/watch.go",
)
