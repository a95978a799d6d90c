"""How Jaeger itself is: whether it takes spans in, keeps and finds them; and what the spans say of services."""

from constructs_lib.config.datasources import PROMETHEUS
from constructs_lib.dashboards import containers
from constructs_lib.dashboards.layout import Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import JAEGER, LOGS
from constructs_lib.dashboards.panels import (
    A_SECOND,
    RATE,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
    Panel,
    choice,
    graph,
    or_none,
    series,
    share,
    to_dashboard,
)
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import matches, metric
from constructs_lib.rules.services import ServiceLimits
from constructs_lib.rules.span_metrics import CALLS, ERROR, SERVED, SERVER
from constructs_lib.rules.trace_collectors import ACCEPTED, CAPACITY, REFUSED, SIZE
from constructs_lib.rules.trace_limits import LIMITS, TraceLimits
from constructs_lib.rules.trace_store import FAILED, LOST, QUERIES, WRITTEN

SERVICE = matches("$service")
NAMED = "{{service_name}}"


def jaeger_health(
    *,
    collector: str = JAEGER_COLLECTOR.job,
    query: str | None = JAEGER_QUERY.job,
    spans: str | None = SPAN_METRICS.job,
    searched: bool = True,
    objects: str = KUBE_STATE_METRICS.job,
    limits: TraceLimits = LIMITS,
    used: ServiceLimits = ServiceLimits(),
) -> Dashboard:
    """The dashboard `jaeger`, against the limits of the groups `traces` and `services`.

    Args:
        collector: The job of the collectors.
        query: The job of those that ask the store; None where collectors do themselves.
        spans: The job of the metrics of spans; None where there are none.
        searched: Whether the store is OpenSearch, or Elasticsearch; of one within the collector no writes are told.
        objects: The job of kube-state-metrics.
        limits: From where on somebody must hear of it.
        used: What containers may use.
    """
    pods, of = containers.pods_of(JAEGER, [collector, *([query] if query else [])]), "Jaeger"
    services = (choice("service", "Whose spans are shown.", PROMETHEUS, _services(spans)),) if spans else ()
    return dashboard(
        name=JAEGER,
        title="Jaeger",
        says="Whether Jaeger takes spans in, keeps and finds them, and what the spans say of services.",
        variables=services,
        rows=(
            Row("Collectors", ((8, _accepted(collector)), (8, _refused(collector)), (8, _queue(collector, limits)))),
            *((Row("Writes", ((12, _write(collector, limits)), (12, _unwritten(collector)))),) if searched else ()),
            Row("Queries", ((12, _queries()), (12, _failed_queries(limits)))),
            *(
                (Row("Services, as their spans say", ((8, _rate()), (8, _errors(limits)), (8, _operations(spans)))),)
                if spans
                else ()
            ),
            Row(
                "What it needs",
                (
                    (12, containers.cpu(pods, of=of, objects=objects, limits=used)),
                    (12, containers.memory(pods, of=of, objects=objects, limits=used)),
                ),
            ),
        ),
    )


def _services(job: str) -> str:
    return f"label_values({metric(CALLS, job=job)}, service_name)"


def _accepted(job: str) -> Panel:
    return graph(
        "Spans taken in",
        "How many spans each collector takes in.",
        A_SECOND,
        series(f"sum by (pod) (rate({metric(ACCEPTED, job=job)}[{RATE}]))", "{{pod}}"),
    )


def _refused(job: str) -> Panel:
    return graph(
        "Spans refused",
        "How many spans each collector refuses, which are lost unless they are sent again.",
        A_SECOND,
        series(or_none(f"sum by (pod) (rate({metric(REFUSED, job=job)}[{RATE}]))", "pod"), "{{pod}}"),
    )


def _queue(job: str, limits: TraceLimits) -> Panel:
    return graph(
        "Queue, of its size",
        "How full the queue of each collector is, which refuses spans when it is full.",
        SHARE,
        series(f"sum by (pod) ({metric(SIZE, job=job)}) / sum by (pod) ({metric(CAPACITY, job=job)})", "{{pod}}"),
        warning=limits.queue,
    )


def _write(job: str, limits: TraceLimits) -> Panel:
    """On average, as the alert has it: the buckets end where it is long too late."""
    spent, count = (f"sum by (pod) (rate({metric(f'{WRITTEN}_{part}', job=job)}[{RATE}]))" for part in ("sum", "count"))
    return graph(
        "Time to write",
        "How long a write of each collector to the store takes on average.",
        SECONDS,
        series(f"{spent} / {count}", "{{pod}}"),
        warning=limits.write.total_seconds(),
    )


def _unwritten(job: str) -> Panel:
    lost, failed = (f"sum by (pod) (rate({metric(name, job=job)}[{RATE}]))" for name in (LOST, FAILED))
    return graph(
        "Spans and writes that fail",
        "How many spans the store refuses, which are lost, and how many writes fail as a whole, to be tried again.",
        A_SECOND,
        series(or_none(lost, "pod"), "spans of {{pod}}"),
        series(or_none(failed, "pod"), "writes of {{pod}}"),
    )


def _queries() -> Panel:
    return graph(
        "Queries, by operation",
        "How often the store is asked, and whether it answers.",
        REQUESTS_A_SECOND,
        series(metric(QUERIES), "{{operation}} {{result}}"),
    )


def _failed_queries(limits: TraceLimits) -> Panel:
    failed, every = f"sum by (operation) ({metric(QUERIES, result='err')})", f"sum by (operation) ({metric(QUERIES)})"
    return graph(
        "Failed queries, by operation",
        "The share of the queries to the store that fail.",
        SHARE,
        series(share(failed, every), "{{operation}}"),
        warning=limits.errors,
    )


def _rate() -> Panel:
    return graph(
        "Requests, by service",
        "How many requests each service is asked.",
        REQUESTS_A_SECOND,
        series(f"sum by (service_name) ({metric(SERVED, service_name=SERVICE)})", NAMED),
        link=to_dashboard("What this service writes", LOGS, app="service_name"),
    )


def _errors(limits: TraceLimits) -> Panel:
    failed = f"sum by (service_name) ({metric(SERVED, status_code=ERROR, service_name=SERVICE)})"
    return graph(
        "Failed requests, by service",
        "The share of the requests to each service that fail.",
        SHARE,
        series(share(failed, f"sum by (service_name) ({metric(SERVED, service_name=SERVICE)})"), NAMED),
        warning=limits.span_errors,
        link=to_dashboard("What this service writes", LOGS, app="service_name"),
    )


def _operations(job: str) -> Panel:
    calls = metric(CALLS, job=job, span_kind=SERVER, service_name=SERVICE)
    return graph(
        "Requests, by operation",
        "The operations of the chosen services that are asked most.",
        REQUESTS_A_SECOND,
        series(
            f"topk({containers.MOST}, sum by (service_name, span_name) (rate({calls}[{RATE}])))",
            "{{service_name}} {{span_name}}",
        ),
    )
