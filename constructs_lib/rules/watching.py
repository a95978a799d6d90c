"""Alerts on whoever watches the API server for us: kube-state-metrics for objects, others for pods and nodes.

The first is part of the group `kubernetes`, of the others Prometheus of `observability`, and the collectors of logs of
`logs`. All go on with what they knew before, so that nothing else would tell: no new pod would be missed.
"""

from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import TELEMETRY
from constructs_lib.metrics.model import Program
from constructs_lib.metrics.prometheus import PROMETHEUS
from constructs_lib.promql import metric
from constructs_lib.rules.counting import Again
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.objects import KEEP_FIRING
from constructs_lib.units import prometheus_duration

# Whoever fails tries again within a minute: https://pkg.go.dev/k8s.io/client-go/tools/cache#Reflector
TRIED_AGAIN = timedelta(minutes=5)


def _again(by: Evaluator) -> Again:
    """What fails for longer than an upgrade of the API server takes."""
    window = max(TRIED_AGAIN, by.window)
    return Again(course=Course(interval=by.interval, hold=2 * window), window=window)


def object_alerts(by: Evaluator, job: str | None) -> tuple[Alert, ...]:
    """Whether kube-state-metrics sees what it tells of; nothing when nobody scrapes what it says of itself.

    Args:
        by: Who evaluates it.
        job: By which its own telemetry is scraped.
    """
    if job is None:
        return ()
    again, names = _again(by), ("kube_state_metrics_list_total", "kube_state_metrics_watch_total")

    def requests(name: str, job: str = job, result: str = "error") -> str:
        return TELEMETRY.series(name, job=job, result=result, resource=name)

    window = prometheus_duration(again.window)
    failed = (f"max by (resource) (increase({metric(name, job=job, result='error')}[{window}])) > 0" for name in names)
    return (
        Alert(
            name="KubeStateMetricsErrors",
            expr=" or ".join(failed),
            hold=again.course.hold,
            keep_firing=KEEP_FIRING,
            severity=Severity.WARNING,
            team=PLATFORM,
            summary="kube-state-metrics cannot read objects, so alerts on them are blind.",
            description="kube-state-metrics keeps failing to read {{ $labels.resource }} from the API server.",
            proof=Proof(
                fires={requests(name): again.keeps() for name in names},
                at=again.course.at,
                count=2,
                quiet={requests(name): again.stops() for name in names}
                | {requests(name, result="success"): again.keeps() for name in names}
                | {requests(name, "another"): again.keeps() for name in names},
                step=2,  # what is seen once or twice
            ),
        ),
    )


def discovery_alerts(by: Evaluator) -> tuple[Alert, ...]:
    """Whether each server finds targets.

    Args:
        by: Whose servers are watched.
    """
    return (
        discovery_failing(
            by,
            PROMETHEUS,
            name="PrometheusDiscoveryFailing",
            job=by.job,
            summary="A Prometheus server cannot ask the API server for targets, and scrapes those that it knows.",
            description="{{ $labels.pod }} keeps failing to list or watch what it should scrape.",
        ),
    )


def discovery_failing(by: Evaluator, program: Program, *, name: str, job: str, summary: str, description: str) -> Alert:
    """An alert on whoever finds pods by the discovery of Prometheus, each for itself.

    Where connections are refused, or the API server asks to come again later, it tries again without counting that.

    Args:
        program: That does it.
        job: By which that is scraped.
    """
    failures, again = "prometheus_sd_kubernetes_failures_total", _again(by)
    ours, another = (program.series(failures, job=of, pod=f"{of}-0", node="node-a") for of in (job, "another"))
    return Alert(
        name=name,
        expr=f"increase({metric(failures, job=job)}[{prometheus_duration(again.window)}]) > 0",
        hold=again.course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={ours: again.keeps()},
            at=again.course.at,
            quiet={ours: again.stops(), another: again.keeps()},
            step=2,  # what is seen once or twice
        ),
    )
