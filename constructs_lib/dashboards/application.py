"""How the applications answer: how much they are asked, how much of it fails, and how long it takes."""

from collections.abc import Collection

from constructs_lib.config.datasources import PROMETHEUS
from constructs_lib.dashboards import containers
from constructs_lib.dashboards.layout import LOW, Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.names import APPLICATION, JAEGER, LOGS
from constructs_lib.dashboards.panels import (
    COUNT,
    RANGE,
    RATE,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
    Panel,
    choice,
    figure,
    graph,
    latest,
    of_jobs,
    series,
    share,
    to_dashboard,
)
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import Matcher, matches, metric
from constructs_lib.rules.application import QUANTILE, REQUESTS, SERVER_ERRORS, ApplicationLimits
from constructs_lib.rules.objects import LIMITS, KubernetesLimits
from constructs_lib.rules.services import ServiceLimits
from constructs_lib.units import prometheus_duration

SERVICE = matches("$service")
NAMED = "{{service}}"
QUANTILES = (0.5, QUANTILE, 0.99)


def application_performance(
    *,
    jobs: Collection[str],
    objects: str = KUBE_STATE_METRICS.job,
    limits: ApplicationLimits = ApplicationLimits(),
    used: ServiceLimits = ServiceLimits(),
    pods: KubernetesLimits = LIMITS,
    traces: str | None = JAEGER,
) -> Dashboard:
    """The dashboard `application-performance`, against the limits of the groups `application` and `services`.

    Args:
        jobs: Of the services, at least one.
        objects: The job of kube-state-metrics.
        limits: What callers bear.
        used: What containers may use.
        pods: How often containers may restart.
        traces: The dashboard that tells of the same services by their spans; None where there is none.
    Raises:
        ConstructError: no job.
    """
    ours = of_jobs(APPLICATION, jobs)
    asked = metric("http_requests_total", job=ours)
    serving, of = metric("http_requests_total", job=ours, service=SERVICE), "the chosen services"
    return dashboard(
        name=APPLICATION,
        title="Application performance",
        says="How much the services are asked, how much of it fails, and how long it takes.",
        variables=(choice("service", "Whose answers are shown.", PROMETHEUS, f"label_values({asked}, service)"),),
        rows=(
            Row(
                "In all",
                ((6, _answered(ours)), (6, _failed(ours, limits)), (6, _slowest(ours, limits)), (6, _pods(serving))),
                height=LOW,
            ),
            Row("Services", ((8, _rate()), (8, _errors(limits)), (8, _latency(ours, limits, traces)))),
            Row("Answers", ((12, _codes()), (12, _quantiles(ours)))),
            Row(
                "Containers",
                (
                    (8, containers.cpu(serving, of=of, objects=objects, limits=used)),
                    (8, containers.memory(serving, of=of, objects=objects, limits=used)),
                    (8, _restarts(serving, objects, pods)),
                ),
            ),
        ),
    )


def _answered(ours: Matcher) -> Panel:
    requests = metric("http_requests_total", job=ours, service=SERVICE)
    return figure(
        "Requests",
        "How many requests were answered in the time that is looked at.",
        COUNT,
        latest(f"sum(increase({requests}[{RANGE}]))", "requests"),
    )


def _failed(ours: Matcher, limits: ApplicationLimits) -> Panel:
    requests = metric("http_requests_total", job=ours, service=SERVICE)
    failed = metric("http_requests_total", job=ours, service=SERVICE, code=matches(SERVER_ERRORS))
    every = f"sum(increase({requests}[{RANGE}]))"
    return figure(
        "Failed requests",
        "The share of all requests that were answered with 5xx in the time that is looked at.",
        SHARE,
        latest(share(f"sum(increase({failed}[{RANGE}]))", every), "failed"),
        warning=limits.errors,
        critical=limits.errors_high,
    )


def _slowest(ours: Matcher, limits: ApplicationLimits) -> Panel:
    buckets = metric("http_request_duration_seconds_bucket", job=ours, service=SERVICE)
    return figure(
        f"Slowest {1 - QUANTILE:.0%}",
        f"What {QUANTILE:.0%} of the answers of the slowest service took at most in the time that is looked at.",
        SECONDS,
        latest(
            f"max(histogram_quantile({QUANTILE:g}, sum by (service, le) (increase({buckets}[{RANGE}]))))", "slowest"
        ),
        warning=limits.latency.total_seconds(),
    )


def _pods(serving: str) -> Panel:
    return figure(
        "Pods",
        "How many pods answer for the chosen services.",
        COUNT,
        series(f"count(count by (namespace, pod) ({serving})) or vector(0)", "pods"),
    )


def _rate() -> Panel:
    return graph(
        "Requests, by service",
        "How many requests each service answers.",
        REQUESTS_A_SECOND,
        series(f"sum by (service) ({metric(REQUESTS, service=SERVICE)})", NAMED),
        link=to_dashboard("What this service writes", LOGS, app="service"),
    )


def _errors(limits: ApplicationLimits) -> Panel:
    failed = metric(REQUESTS, code=matches(SERVER_ERRORS), service=SERVICE)
    every = f"sum by (service) ({metric(REQUESTS, service=SERVICE)})"
    return graph(
        "Failed requests, by service",
        "The share of its requests that each service answers with 5xx.",
        SHARE,
        series(share(f"sum by (service) ({failed})", every), NAMED),
        warning=limits.errors,
        critical=limits.errors_high,
        link=to_dashboard("What this service writes", LOGS, app="service"),
    )


def _latency(ours: Matcher, limits: ApplicationLimits, traces: str | None) -> Panel:
    """Of the buckets themselves, since what is recorded of them has no exemplars."""
    buckets = metric("http_request_duration_seconds_bucket", job=ours, service=SERVICE)
    slowest = f"histogram_quantile({QUANTILE:g}, sum by (service, le) (rate({buckets}[{RATE}])))"
    return graph(
        f"Slowest {1 - QUANTILE:.0%}, by service",
        f"What {QUANTILE:.0%} of each service's answers take at most.",
        SECONDS,
        series(slowest, NAMED, exemplars=True),
        warning=limits.latency.total_seconds(),
        link=to_dashboard("Spans of this service", traces, service="service") if traces else None,
    )


def _codes() -> Panel:
    return graph(
        "Requests, by answer",
        "How many requests of the chosen services end with each HTTP status.",
        REQUESTS_A_SECOND,
        series(f"sum by (code) ({metric(REQUESTS, service=SERVICE)})", "{{code}}"),
        stacked=True,
    )


def _quantiles(ours: Matcher) -> Panel:
    buckets = metric("http_request_duration_seconds_bucket", job=ours, service=SERVICE)
    every = f"sum by (le) (rate({buckets}[{RATE}]))"
    return graph(
        "Time to answer",
        "What half of all answers of the chosen services take at most, and nearly all of them.",
        SECONDS,
        *(
            series(f"histogram_quantile({quantile:g}, {every})", f"{quantile:.0%}", exemplars=quantile == QUANTILE)
            for quantile in QUANTILES
        ),
    )


def _restarts(serving: str, objects: str, limits: KubernetesLimits) -> Panel:
    within = prometheus_duration(limits.restarts_within)
    restarts = containers.restarts(objects, limits.restarts_within)
    return graph(
        "Restarts",
        f"How often each container of the chosen services has restarted within {within}.",
        COUNT,
        series(f"{restarts} and on (namespace, pod) {serving}", containers.NAMED),
        warning=limits.restarts,
        link=containers.lines_of_pod(),
    )
