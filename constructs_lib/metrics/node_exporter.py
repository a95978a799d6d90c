"""The node exporter: what the kernel says of a node; by the collectors cpu, filesystem, meminfo, time and timex."""

from constructs_lib.metrics.model import Kind, Metric, Program

# One that cannot be read has no size, and tells why by the label device_error of the rest; it is left out.
FILESYSTEM = ("device", "fstype", "mountpoint")

NODE_EXPORTER = Program(
    name="node_exporter",
    version="1.12.1",
    job="node-exporter",
    metrics=(
        Metric("node_cpu_seconds_total", Kind.COUNTER, ("cpu", "mode")),
        Metric("node_filesystem_avail_bytes", Kind.GAUGE, FILESYSTEM),
        Metric("node_filesystem_files", Kind.GAUGE, FILESYSTEM),
        Metric("node_filesystem_files_free", Kind.GAUGE, FILESYSTEM),
        Metric("node_filesystem_readonly", Kind.GAUGE, FILESYSTEM),
        Metric("node_filesystem_size_bytes", Kind.GAUGE, FILESYSTEM),
        Metric("node_memory_MemAvailable_bytes", Kind.GAUGE),
        Metric("node_memory_MemTotal_bytes", Kind.GAUGE),
        Metric("node_time_seconds", Kind.GAUGE),
        Metric("node_timex_offset_seconds", Kind.GAUGE),
    ),
    source="https://github.com/prometheus/node_exporter/tree/v1.12.1/collector",
)
