"""Loki, as one program that is all of its parts."""

from constructs_lib.metrics.model import Kind, Metric, Program

LOKI = Program(
    name="loki",
    version="3.7.8",
    job="loki",
    metrics=(
        # Seconds since 1970, of this process: 0 until it has compacted, which one member does for all.
        Metric("loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds", Kind.GAUGE),
        # 1 of the member that is to compact.
        Metric("loki_boltdb_shipper_compactor_running", Kind.GAUGE),
        # Likewise, of what is older than it may be: marked to be deleted.
        Metric("loki_compactor_apply_retention_last_successful_run_timestamp_seconds", Kind.GAUGE),
        # There once it has happened. The label `policy` is empty where no policies are declared, and left out.
        Metric("loki_discarded_samples_total", Kind.COUNTER, ("reason", "tenant", "retention_hours", "format")),
        # Of single tries to write a chunk to the object store, each of which is tried again.
        Metric("loki_ingester_chunks_flush_failures_total", Kind.COUNTER),
        Metric("loki_ingester_chunks_flush_requests_total", Kind.COUNTER),
        # As this member holds them: each stream is on as many members as the replication factor says.
        Metric("loki_ingester_memory_streams", Kind.GAUGE, ("tenant",)),
        # Between 0 and 1, whatever its name says; asked every 10 seconds, of the file system that the log is on.
        Metric("loki_ingester_wal_disk_usage_percent", Kind.GAUGE),
        # One or more for each push that is taken in.
        Metric("loki_ingester_wal_records_logged_total", Kind.COUNTER),
        Metric("loki_panic_total", Kind.COUNTER),
        # Of the ruler, where it is on, and once it has a group: of each member that it tells, and of each group, by the
        # path of its file.
        Metric("loki_prometheus_notifications_errors_total", Kind.COUNTER, ("user", "alertmanager")),
        Metric("loki_prometheus_rule_evaluation_failures_total", Kind.COUNTER, ("user", "rule_group")),
        Metric("loki_prometheus_rule_evaluations_total", Kind.COUNTER, ("user", "rule_group")),
        # By HTTP from outside, and by gRPC among members: those routes begin with a slash.
        Metric("loki_request_duration_seconds", Kind.HISTOGRAM, ("method", "route", "status_code", "ws")),
        # Of every ring, as this member sees it; 0 of each state from the start.
        Metric("loki_ring_members", Kind.GAUGE, ("name", "state")),
    ),
    source="https://github.com/grafana/loki/tree/v3.7.8/pkg",
)
