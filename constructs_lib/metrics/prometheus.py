"""Prometheus itself, and what it writes beside the series of every target that it scrapes."""

from constructs_lib.metrics.model import Kind, Metric, Program

PROMETHEUS = Program(
    name="prometheus",
    version="3.13.3",
    job="prometheus",
    metrics=(
        Metric("prometheus_config_last_reload_successful", Kind.GAUGE),
        # Of every member, by its URL, 0 from the start; what is sent has arrived.
        Metric("prometheus_notifications_dropped_total", Kind.COUNTER, ("alertmanager",)),
        Metric("prometheus_notifications_errors_total", Kind.COUNTER, ("alertmanager",)),
        Metric("prometheus_notifications_sent_total", Kind.COUNTER, ("alertmanager",)),
        Metric("prometheus_ready", Kind.GAUGE),
        Metric("prometheus_rule_evaluation_failures_total", Kind.COUNTER, ("rule_group",)),
        Metric("prometheus_rule_group_iterations_missed_total", Kind.COUNTER, ("rule_group",)),
        Metric("prometheus_sd_kubernetes_failures_total", Kind.COUNTER),
        Metric("prometheus_target_scrape_pool_exceeded_label_limits_total", Kind.COUNTER),
        # Of every job, by its name, as long as it is configured; also 0, when discovery finds nothing of it.
        Metric("prometheus_target_scrape_pool_targets", Kind.GAUGE, ("scrape_job",)),
        Metric("prometheus_target_scrapes_exceeded_body_size_limit_total", Kind.COUNTER),
        Metric("prometheus_target_scrapes_exceeded_sample_limit_total", Kind.COUNTER),
        Metric("prometheus_tsdb_head_series", Kind.GAUGE),
        Metric("prometheus_tsdb_wal_writes_failed_total", Kind.COUNTER),
        Metric("process_start_time_seconds", Kind.GAUGE),
    ),
    source="https://github.com/prometheus/prometheus/tree/v3.13.3",
)
# Of any job: https://prometheus.io/docs/concepts/jobs_instances/
SCRAPE = Program(
    name="a scrape by prometheus",
    version="3.13.3",
    job="any",
    metrics=(
        Metric("up", Kind.GAUGE),
        # With extra_scrape_metrics
        Metric("scrape_sample_limit", Kind.GAUGE),
        Metric("scrape_samples_post_metric_relabeling", Kind.GAUGE),
    ),
    source="https://prometheus.io/docs/prometheus/latest/configuration/configuration/",
)
