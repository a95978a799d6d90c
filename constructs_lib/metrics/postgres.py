"""The exporter of PostgreSQL, with what it exposes unless told otherwise; one exporter watches one server.

While the server is down, only `pg_up` and the exporter's own metrics are there.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

POSTGRES_EXPORTER = Program(
    name="postgres_exporter",
    version="0.17.1",
    job="postgres",
    metrics=(
        Metric("pg_up", Kind.GAUGE),
        Metric("pg_exporter_last_scrape_error", Kind.GAUGE),
        Metric("pg_replication_lag_seconds", Kind.GAUGE),
        Metric("pg_settings_max_connections", Kind.GAUGE, ("server",)),
        Metric("pg_stat_database_deadlocks", Kind.COUNTER, ("datid", "datname")),
        Metric("pg_stat_database_numbackends", Kind.GAUGE, ("datid", "datname")),
    ),
    source="https://github.com/prometheus-community/postgres_exporter/tree/v0.17.1/collector",
)
