"""What Jaeger says on a quiet day: a burst of spans arrives, and a node of the store is replaced."""

from apps.environment import Environment
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from tests.real.healthy.kubernetes import add_cleaning
from tests.real.healthy.workloads import Workload, workloads
from tests.real.simulation import Course, System, Target, but, counts, grows, happens, minute, only, steady, sways

BURST_AT, REPLACED_AT = minute(15), minute(33)
# Requests to each service in a second, as one collector counts them.
SERVED = {"api": 10.0, "backend": 2.0}
STATUSES = {"STATUS_CODE_UNSET": 0.9, "STATUS_CODE_OK": 0.095, "STATUS_CODE_ERROR": 0.005}
WRITES = 2.0
# Queries in a second.
QUERIES = {"find_traces": 0.05, "get_trace": 0.1, "get_services": 0.02}
COLLECTED = {"otel_scope_name": "go.opentelemetry.io/collector/receiver/receiverhelper", "receiver": "otlp"}
QUEUED = {
    "data_type": "traces",
    "exporter": "jaeger_storage_exporter",
    "otel_scope_name": "go.opentelemetry.io/collector/exporter/exporterhelper",
}


def quiet(values: Environment) -> System:
    """Four hours of traces alone, and of who deletes old ones."""
    system, pods = System(values.scrape_interval), workloads(values)
    add(system, pods, values)
    add_cleaning(system, pods, values)
    return system


def add(system: System, pods: list[Workload], values: Environment) -> None:
    """Collectors, what they count of spans, and whoever asks the store."""
    searched = values.traces_host is not None
    kind = "opensearch" if searched else "badger"
    store = {"kind": kind, "name": "main", "role": "tracestore", "otel_scope_name": "jaeger-v2"}
    asks = JAEGER_QUERY.job if searched else JAEGER_COLLECTOR.job
    for target in (target for workload in pods for target in workload.targets()):
        if target.job == JAEGER_COLLECTOR.job:
            _add_collector(system, target)
            if searched:
                _add_writes(system, target, store)
        if target.job == SPAN_METRICS.job:
            _add_spans(system, target)
        if target.job == asks:
            for operation, rate in QUERIES.items():
                # The store does not answer while a node of it is replaced.
                failed = happens(*(REPLACED_AT + 10 * number for number in range(6)))
                for result, course in {"ok": counts(rate), "err": failed}.items():
                    asked = {"operation": operation, "result": result, **store}
                    system.add(JAEGER_QUERY, target, "jaeger_storage_requests_total", course, **asked)


def _add_collector(system: System, target: Target) -> None:
    def tell(name: str, course: Course, /, **own: str) -> None:
        system.add(JAEGER_COLLECTOR, target, name, course, **own)

    for transport, rate in {"grpc": 30.0, "http": 3.0}.items():
        tell("otelcol_receiver_accepted_spans_total", counts(rate), transport=transport, **COLLECTED)
        tell("otelcol_receiver_refused_spans_total", happens(BURST_AT, minute(35)), transport=transport, **COLLECTED)
    tell("otelcol_exporter_queue_size", but(sways(100, 90), BURST_AT, 8, 18_000), **QUEUED)
    tell("otelcol_exporter_queue_capacity", steady(20_000), **QUEUED)


def _add_writes(system: System, target: Target, store: dict[str, str]) -> None:
    def tell(name: str, course: Course, /, **own: str) -> None:
        system.add(JAEGER_COLLECTOR, target, name, course, **store, **own)

    tell("jaeger_storage_bulk_index_errors_total", happens(minute(12)))
    # None is written while a node is replaced, and then it takes long for a while.
    written, took = counts(WRITES), grows(0.04 * WRITES)

    def late(t: float) -> float:
        return (took(t) or 0) + 100 * (t >= REPLACED_AT)

    courses: dict[str, Course] = {"count": written, "sum": late, "bucket": written}
    for part, course in courses.items():
        for le in ("5", "+Inf") if part == "bucket" else ("",):
            own = {"le": le} if le else {}
            ok, failed = but(course, REPLACED_AT, 2, course(REPLACED_AT)), only(REPLACED_AT, 600)
            tell(f"jaeger_storage_bulk_index_latency_ok_seconds_{part}", ok, **own)
            tell(f"jaeger_storage_bulk_index_latency_err_seconds_{part}", but(failed, REPLACED_AT + 60, 600, 4), **own)


def _add_spans(system: System, target: Target) -> None:
    def tell(course: Course, service: str, /, **own: str) -> None:
        labels = {"otel_metric_overflow": "", "service_name": service, "span_kind": "", "span_name": ""}
        labels |= {"status_code": "", "exported_job": service, "otel_scope_name": "spanmetricsconnector"}
        system.add(SPAN_METRICS, target, "traces_span_metrics_calls_total", course, **(labels | own))

    for service, rate in SERVED.items():
        for status, share in STATUSES.items():
            tell(counts(rate * share), service, span_kind="SPAN_KIND_SERVER", span_name="GET /", status_code=status)
        # A service behind it, which nobody traces, fails all the time.
        behind = {"span_kind": "SPAN_KIND_CLIENT", "span_name": "POST", "status_code": "STATUS_CODE_ERROR"}
        tell(counts(rate), service, **behind)
    # Somebody tries names that there are not, for a moment.
    tell(but(only(minute(20), 600, 3), minute(21), 600, 40), "", exported_job="api", otel_metric_overflow="true")
