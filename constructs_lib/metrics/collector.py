"""The collectors beside each Prometheus and Grafana, which take over what other teams' releases hand over."""

from constructs_lib import __version__
from constructs_lib.metrics.model import Kind, Metric, Program

# The same program, beside Grafana.
DASHBOARDS_JOB = "dashboard-collector"

COLLECTOR = Program(
    name="collector",
    version=__version__,
    job="collector",
    metrics=(
        # 1 while it is refused; its Event says why.
        Metric("collector_refused", Kind.GAUGE, ("origin", "team", "config_map")),
        # 1 of every namespace that opted in, and whose it is.
        Metric("collector_namespace", Kind.GAUGE, ("origin", "team")),
        # Of what was seen and is not live yet; 0 when there is none.
        Metric("collector_oldest_change_seconds", Kind.GAUGE),
        # Namespaces that cannot be watched at the moment, though nobody says that it is not allowed.
        Metric("collector_failed_watches", Kind.GAUGE),
    ),
    source="https://prometheus.io/docs/instrumenting/exposition_formats/",
)
