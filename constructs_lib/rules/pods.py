"""Alerts on pods that do not run, for want of a node or since they crash. Part of the group `kubernetes`."""

from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.course import PEACE, Course, events
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.objects import CONTAINER, KEEP_FIRING, KubernetesLimits
from constructs_lib.units import prometheus_duration

# After so long a run the kubelet forgets earlier crashes, and begins anew with a short wait.
# https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
FORGOTTEN = timedelta(minutes=10)


def pod_alerts(by: Evaluator, job: str, limits: KubernetesLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of kube-state-metrics.
        limits: From where on somebody must hear of it.
    """
    return (
        _crash_looping(by, job, limits),
        _restarting(by, job, limits),
        _unschedulable(by, job, limits),
    )


def _crash_looping(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """It begins when the container is seen waiting again and again, and lasts for as long as it may crash again.

    The kubelet waits for up to five minutes, and forgets the crashes after a run of ten. So a container is still
    looping that runs for minutes between: else each run would end the alert, and each crash begin it anew. What has
    waited in that time for as long as it takes to begin is enough, but for one or two crashes at the start, such as of
    a program that waits for its database. With its pod, gone or replaced by one of the same name, it is over at once.
    """
    waits, runs = (f"kube_pod_container_status_{what}" for what in ("waiting_reason", "restarts_total"))
    course = Course(interval=by.interval, hold=limits.crash_looping)
    within = FORGOTTEN + limits.crash_looping
    window, whole, enough = by.window // by.interval, within // by.interval, course.evaluations
    # So many waits in a row do not fill the hold with what the short window shows of them; nor does a break between.
    row = max(1, enough - window + 1)
    spread = [number // row * (row + window) + number % row for number in range(enough - 1)]
    course = Course(interval=by.interval, hold=limits.crash_looping, onset=whole - enough - 1)
    again = f"1 _x{window - 1} " * (course.long // window)

    def waiting(pod: str, **labels: str) -> str:
        return KUBE_STATE_METRICS.series(waits, **{"job": job, "pod": pod, "reason": "CrashLoopBackOff"} | labels)

    def running(pod: str, **labels: str) -> str:
        return KUBE_STATE_METRICS.series(runs, **{"job": job, "pod": pod} | labels)

    def there(*pods: str) -> dict[str, str]:
        return {running(pod): course.steady(0) for pod in pods}

    def at(*evaluations: int) -> str:
        seen = ("1" if number in evaluations else "_" for number in range(evaluations[-1] + 1))
        return f"_x{PEACE} {' '.join(seen)}"

    selected = metric(waits, job=job, reason="CrashLoopBackOff")
    return Alert(
        name="ContainerCrashLooping",
        expr=(
            f"max by ({CONTAINER}) ((max_over_time({selected}[{prometheus_duration(by.window)}]) >= 1"
            f" or sum_over_time({selected}[{prometheus_duration(within)}]) >= {enough})"
            f" and on (namespace, pod, uid, container) {metric(runs, job=job)})"
        ),
        hold=limits.crash_looping,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container crashes again and again.",
        description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} keeps crashing.",
        proof=Proof(
            # One is seen waiting as seldom as the short window allows; one waits at times, and runs for long between.
            fires={
                waiting("looping"): f"_x{PEACE + course.onset} {again}",
                waiting("running at times"): at(*spread, course.onset),
            }
            | there("looping", "running at times"),
            at=course.at,
            count=2,
            quiet={
                # Its short window ends just in time.
                waiting("recovering"): at(*range(0, row - 1, window), row - 1),
                # Its first wait is forgotten when the last one comes.
                waiting("seldom"): at(*spread, whole),
                waiting("running"): course.steady(0),
                waiting("starting", reason="ContainerCreating"): course.steady(1),
                waiting("another", job="another"): course.steady(1),
                # Gone just in time, and another one of its name is there.
                waiting("replaced", uid="old"): f"_x{PEACE} 1x{enough - 1} stale",
                running("replaced", uid="old"): f"_x{PEACE} 0x{enough - 1} stale",
                waiting("gone"): course.steady(1),
            }
            | there("recovering", "seldom", "running", "starting", "another")
            | {running("gone", job="another"): course.steady(0), running("replaced", uid="new"): course.steady(0)},
        ),
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
