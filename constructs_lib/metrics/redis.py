"""The exporter of Redis; one exporter watches one server.

While the server is down, only `redis_up` and the exporter's own metrics are there.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

REDIS_EXPORTER = Program(
    name="redis_exporter",
    version="1.74.0",
    job="redis",
    metrics=(
        Metric("redis_up", Kind.GAUGE),
        Metric(
            "redis_instance_info",
            Kind.GAUGE,
            (
                "role",
                "redis_version",
                "redis_build_id",
                "redis_mode",
                "os",
                "maxmemory_policy",
                "tcp_port",
                "run_id",
                "process_id",
                "master_replid",
            ),
        ),
        Metric("redis_memory_max_bytes", Kind.GAUGE),
        Metric("redis_memory_used_bytes", Kind.GAUGE),
        Metric("redis_rejected_connections_total", Kind.COUNTER),
    ),
    source="https://github.com/oliver006/redis_exporter/blob/v1.74.0/exporter/exporter.go",
)
