"""Jaeger 2 as collector and as query, and the metrics that its collectors make of spans.

Both are the same program, OpenTelemetry's collector of version 0.140.0 inside. Each series has two more labels that are
empty, and left out: `otel_scope_schema_url` and `otel_scope_version`. No count of the exporter is here, since all of
them are of what went into a buffer; nor is that of what was written to the store, which grows though nothing was.
"""

from constructs_lib.metrics.model import Kind, Metric, Program

SCOPE = "otel_scope_name"
STORE = ("kind", "name", "role", SCOPE)
QUEUE = ("data_type", "exporter", SCOPE)

JAEGER_COLLECTOR = Program(
    name="jaeger-collector",
    version="2.13.0",
    job="jaeger-collector",
    metrics=(
        # Single spans that the store refused for good, after their sender was told that they are taken: they are lost.
        Metric("jaeger_storage_bulk_index_errors_total", Kind.COUNTER, STORE),
        # Of whole writes that were given up, to be tried again; there once it has happened. While there is no
        # connection at all, none begins, so that it stands still: the first failure is the only one.
        Metric("jaeger_storage_bulk_index_latency_err_seconds", Kind.HISTOGRAM, STORE),
        # Of those that the store answered; there with the first one. Its buckets end at 5 seconds and above.
        Metric("jaeger_storage_bulk_index_latency_ok_seconds", Kind.HISTOGRAM, STORE),
        # In the unit that its size has: spans, here.
        Metric("otelcol_exporter_queue_capacity", Kind.GAUGE, QUEUE),
        # With what is being written.
        Metric("otelcol_exporter_queue_size", Kind.GAUGE, QUEUE),
        # Both are there with the first request.
        Metric("otelcol_receiver_accepted_spans_total", Kind.COUNTER, ("receiver", "transport", SCOPE)),
        Metric("otelcol_receiver_refused_spans_total", Kind.COUNTER, ("receiver", "transport", SCOPE)),
    ),
    source="https://github.com/jaegertracing/jaeger/tree/v2.13.0/internal/storage",
)

JAEGER_QUERY = Program(
    name="jaeger-query",
    version="2.13.0",
    job="jaeger-query",
    metrics=(
        # Of each operation and result, ok or err, once it has happened. A trace that is not there is no error.
        Metric("jaeger_storage_requests_total", Kind.COUNTER, (*STORE, "operation", "result")),
    ),
    source="https://github.com/jaegertracing/jaeger/tree/v2.13.0/internal/storage",
)

SPAN_METRICS = Program(
    name="span-metrics",
    version="2.13.0",
    job="span-metrics",
    metrics=(
        # The page says the service twice: as its job, which becomes exported_job, and as service_name. Spans beyond the
        # number of series that a service may have are counted in one that has only the first of the two, and
        # otel_metric_overflow="true".
        Metric(
            "traces_span_metrics_calls_total",
            Kind.COUNTER,
            ("exported_job", "otel_metric_overflow", SCOPE, "service_name", "span_kind", "span_name", "status_code"),
        ),
    ),
    source="https://github.com/jaegertracing/jaeger/blob/v2.13.0/cmd/jaeger/internal/components.go",
)
