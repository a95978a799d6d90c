"""Alertmanager."""

from constructs_lib.metrics.model import Kind, Metric, Program

ALERTMANAGER = Program(
    name="alertmanager",
    version="0.34.1",
    job="alertmanager",
    metrics=(
        # Only of what gossips: one that is alone has no cluster.
        Metric("alertmanager_cluster_members", Kind.GAUGE),
        # Of the text that was loaded last: equal where the files are.
        Metric("alertmanager_config_hash", Kind.GAUGE),
        Metric("alertmanager_config_last_reload_successful", Kind.GAUGE),
        # With receiver-name-in-metrics. Each stands for all attempts until the next one of its group is due.
        Metric("alertmanager_notifications_total", Kind.COUNTER, ("integration", "receiver_name")),
        # Of every receiver and every reason, 0 from the start; the reasons are other, clientError, serverError,
        # contextCanceled, contextDeadlineExceeded, authError and rateLimited.
        Metric("alertmanager_notifications_failed_total", Kind.COUNTER, ("integration", "receiver_name", "reason")),
    ),
    source="https://github.com/prometheus/alertmanager/tree/v0.34.1",
)
