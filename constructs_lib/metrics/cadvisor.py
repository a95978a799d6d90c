"""cAdvisor in the kubelet: what containers use.

A pod's own cgroup has series too, with an empty label `container`. The label `name`, the container runtime's id once
more, is left out.
"""

from constructs_lib.config.discovery import CADVISOR as JOB
from constructs_lib.metrics.model import Kind, Metric, Program

CONTAINER = ("namespace", "pod", "container", "id", "image")

CADVISOR = Program(
    name="cadvisor",
    version="1.36",
    job=JOB,
    metrics=(
        Metric("container_cpu_usage_seconds_total", Kind.COUNTER, (*CONTAINER, "cpu")),
        Metric("container_memory_working_set_bytes", Kind.GAUGE, CONTAINER),
    ),
    source="https://github.com/google/cadvisor/blob/v0.56.2/docs/storage/prometheus.md",
)
