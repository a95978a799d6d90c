"""Alerts on pods that do not run, for want of a node or since they crash. Part of the group `kubernetes`."""

from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.course import Course, events
from constructs_lib.rules.crash_loops import KINDS, crash_looping
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.objects import CONTAINER, KEEP_FIRING, KubernetesLimits
from constructs_lib.units import prometheus_duration


def pod_alerts(by: Evaluator, job: str, limits: KubernetesLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of kube-state-metrics.
        limits: From where on somebody must hear of it.
    """
    return (
        *(crash_looping(by, job, limits, kind) for kind in KINDS),
        _restarting(by, job, limits),
        _unschedulable(by, job, limits),
    )


def _restarting(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """Loops that are slow enough not to be seen waiting; counted exactly, since an increase would be extrapolated."""
    name = "kube_pod_container_status_restarts_total"
    often, seldom, at = events(by.interval, limits.restarts_within, limits.restarts)
    ours, another = (KUBE_STATE_METRICS.series(name, job=each, pod="slow") for each in (job, "another"))
    counted = f"changes({metric(name, job=job)}[{prometheus_duration(limits.restarts_within)}])"
    return Alert(
        name="ContainerRestarting",
        expr=f"max by ({CONTAINER}) ({counted}) > {limits.restarts}",
        hold=timedelta(0),
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container restarts again and again, with longer runs between.",
        description=(
            "{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} has restarted {{ $value }} times "
            f"within {prometheus_duration(limits.restarts_within)}."
        ),
        proof=Proof(fires={ours: often}, at=at, quiet={ours: seldom, another: often}),
    )


def _unschedulable(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    name = "kube_pod_status_unschedulable"
    course = Course(interval=by.interval, hold=limits.unschedulable)
    ours, another = (KUBE_STATE_METRICS.series(name, job=each, pod="homeless") for each in (job, "another"))
    return Alert(
        name="PodUnschedulable",
        expr=f"max by (namespace, pod) ({metric(name, job=job)}) == 1",
        hold=limits.unschedulable,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="No node takes a pod.",
        description="{{ $labels.namespace }}/{{ $labels.pod }} cannot be scheduled.",
        proof=Proof(
            fires={ours: course.appears()},
            at=course.at,
            quiet={ours: course.vanishes(), another: course.steady(1)},
        ),
    )
