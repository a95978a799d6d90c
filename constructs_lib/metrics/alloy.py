"""Grafana Alloy as the collector of logs: it tails files by `loki.source.file`, and sends lines by `loki.write`.

The label `tenant` is empty where lines are sent for no tenant, and left out; so is `controller_id` of what is not part
of a module.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

COMPONENT = ("component_id", "component_path")

ALLOY = Program(
    name="alloy",
    version="1.19.2",
    job="log-collector",
    metrics=(
        # Of each state that a component is in: healthy, unhealthy, unknown or exited.
        Metric("alloy_component_controller_running_components", Kind.GAUGE, ("controller_path", "health_type")),
        # Files that are tailed at the moment, whatever its name says; 0 from the start.
        Metric("loki_source_file_files_active_total", Kind.GAUGE, COMPONENT),
        # All from the first line on, dropped ones 0 for every reason: ingester_error, rate_limited, stream_limited,
        # line_too_long and queue_is_full.
        Metric("loki_write_batch_retries_total", Kind.COUNTER, (*COMPONENT, "host")),
        Metric("loki_write_dropped_entries_total", Kind.COUNTER, (*COMPONENT, "host", "reason")),
        Metric("loki_write_sent_entries_total", Kind.COUNTER, (*COMPONENT, "host")),
        # Of each line from when it was read until it was sent or dropped.
        Metric("loki_write_entry_propagation_latency_seconds", Kind.HISTOGRAM, (*COMPONENT, "host")),
        # As of Prometheus, whose discovery it has.
        Metric("prometheus_sd_kubernetes_failures_total", Kind.COUNTER, COMPONENT),
    ),
    source="https://github.com/grafana/alloy/tree/v1.19.2/internal/component",
)
