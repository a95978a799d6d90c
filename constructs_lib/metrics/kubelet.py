"""The kubelet: what it says of the volumes that pods have mounted."""

from constructs_lib.config.discovery import KUBELET as JOB
from constructs_lib.metrics.model import Kind, Metric, Program

KUBELET = Program(
    name="kubelet",
    version="1.36",
    job=JOB,
    metrics=(
        Metric("kubelet_volume_stats_available_bytes", Kind.GAUGE, ("namespace", "persistentvolumeclaim")),
        Metric("kubelet_volume_stats_capacity_bytes", Kind.GAUGE, ("namespace", "persistentvolumeclaim")),
        Metric("kubelet_volume_stats_inodes", Kind.GAUGE, ("namespace", "persistentvolumeclaim")),
        Metric("kubelet_volume_stats_inodes_free", Kind.GAUGE, ("namespace", "persistentvolumeclaim")),
    ),
    source="https://kubernetes.io/docs/reference/instrumentation/metrics/",
)
