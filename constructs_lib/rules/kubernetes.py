"""What Kubernetes itself could not do: keep containers running, place pods, finish jobs.

Of its own programs only the API server is read, through kube-state-metrics: schedulers and controllers are hidden on
managed clusters.
"""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.course import PEACE, Course, events
from constructs_lib.rules.limits import check_counts, check_durations
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.units import prometheus_duration

CONTAINER = "namespace, pod, container"
# Of what kube-state-metrics tells: it restarts within that time, and its series are gone meanwhile.
KEEP_FIRING = timedelta(minutes=2)
WAITING = "kube_pod_container_status_waiting_reason"
# By kind: how many pods there should be, how many there are, and what is said to be missing.
WORKLOADS = {
    "Deployment": ("kube_deployment_spec_replicas", "kube_deployment_status_replicas_available", "Replicas"),
    "StatefulSet": ("kube_statefulset_replicas", "kube_statefulset_status_replicas_available", "Replicas"),
    "DaemonSet": ("kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_available", "Pods"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesLimits:
    """What the group `kubernetes` bears.

    Args:
        crash_looping: How long a container may wait again and again to be started.
        unschedulable: How long a pod may have no node: longer than an autoscaler takes to add one.
        restarts: How many times a container may restart ...
        restarts_within: ... in this time.
        incomplete: How long a workload may lack pods: longer than a rollout takes to replace one.
        failed_since: How long after its start a failed job is spoken of: it may stay for ever in the history of its
            CronJob.
    Raises:
        ConstructError: a duration below 1 minute, or no restart.
    """

    crash_looping: timedelta = timedelta(minutes=2)
    unschedulable: timedelta = timedelta(minutes=3)
    restarts: int = 5
    restarts_within: timedelta = timedelta(hours=1)
    incomplete: timedelta = timedelta(minutes=10)
    failed_since: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        check_counts(restarts=self.restarts)
        check_durations(
            crash_looping=self.crash_looping,
            unschedulable=self.unschedulable,
            restarts_within=self.restarts_within,
            incomplete=self.incomplete,
            failed_since=self.failed_since,
        )


def kubernetes(
    by: Evaluator, *, objects: str = KUBE_STATE_METRICS.job, limits: KubernetesLimits = KubernetesLimits()
) -> RuleGroup:
    """The group `kubernetes`.

    Args:
        by: Who evaluates it.
        objects: The job of kube-state-metrics.
        limits: From where on somebody must hear of it.
    """
    return RuleGroup(
        name="kubernetes",
        alerts=(
            _crash_looping(by, objects, limits),
            _restarting(by, objects, limits),
            _unschedulable(by, objects, limits),
            *(_incomplete(by, objects, limits, kind) for kind in WORKLOADS),
            _job_failed(by, objects, limits),
        ),
    )


def _crash_looping(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """Between two waits the container runs for moments, in which it has no reason to wait: hence the window."""
    waits = metric(WAITING, job=job, reason="CrashLoopBackOff")
    course = Course(interval=by.interval, hold=limits.crash_looping)
    window, last = by.window // by.interval, course.evaluations - by.window // by.interval

    def waiting(pod: str, **labels: str) -> str:
        return KUBE_STATE_METRICS.series(WAITING, **{"job": job, "pod": pod, "reason": "CrashLoopBackOff"} | labels)

    # It is seen waiting as seldom as the window allows, and for the last time so that its window ends just in time.
    seen = {*range(0, last, window), last} if last >= 0 else set()
    recovers = " ".join("1" if evaluation in seen else "_" for evaluation in range(last + 1)) or "_"
    return Alert(
        name="ContainerCrashLooping",
        expr=f"max by ({CONTAINER}) (max_over_time({waits}[{prometheus_duration(by.window)}])) >= 1",
        hold=limits.crash_looping,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container crashes again and again.",
        description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} keeps crashing at its start.",
        proof=Proof(
            fires={waiting("looping"): f"_x{PEACE} " + f"1 _x{window - 1} " * course.long},
            at=course.at,
            quiet={
                waiting("recovering"): f"_x{PEACE} {recovers}",
                waiting("running"): course.steady(0),
                waiting("starting", reason="ContainerCreating"): course.steady(1),
                waiting("another", job="another"): course.steady(1),
            },
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


def _incomplete(by: Evaluator, job: str, limits: KubernetesLimits, kind: str) -> Alert:
    wanted, there, what = WORKLOADS[kind]
    label = kind.lower()
    course = Course(interval=by.interval, hold=limits.incomplete)

    def pods(name: str, job: str = job) -> str:
        return KUBE_STATE_METRICS.series(name, job=job, namespace="shop", **{label: "api"})

    parts = (f"max by (namespace, {label}) ({metric(name, job=job)})" for name in (wanted, there))
    return Alert(
        name=f"{kind}{what}Missing",
        expr=f"{' - '.join(parts)} > 0",
        hold=limits.incomplete,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary=f"A {kind} has fewer available pods than it should have.",
        description=f"The {kind} {{{{ $labels.namespace }}}}/{{{{ $labels.{label} }}}} lacks {{{{ $value }}}} pods.",
        proof=Proof(
            # What another exporter says of the same workload must neither stand in for a pod nor miss one.
            fires={
                pods(wanted): course.steady(3),
                pods(there): course.lasts(3, 2),
                pods(there, "another"): course.steady(9),
            },
            at=course.at,
            quiet={
                pods(wanted): course.steady(3),
                pods(there): course.recovers(3, 2),
                pods(wanted, "another"): course.steady(9),
            },
        ),
    )


def _job_failed(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    failed, started = "kube_job_failed", "kube_job_status_start_time"
    since = limits.failed_since.total_seconds()
    found = PEACE * by.interval

    def series(name: str, of: str, **labels: str) -> str:
        condition = {"condition": "true"} if name == failed else {}
        return KUBE_STATE_METRICS.series(name, **{"job": job, "job_name": of} | condition | labels)

    def start(age: float) -> str:
        """When a job began that has this age when it is found to have failed."""
        return f"{found.total_seconds() - age:.1f}x{4 * PEACE}"

    fails, recent, old = f"_x{PEACE} 1x{4 * PEACE}", start(since - 0.5), start(since + 0.5)
    return Alert(
        name="JobFailed",
        expr=(
            f"max by (namespace, job_name) ({metric(failed, job=job, condition='true')}) == 1 "
            f"and on (namespace, job_name) "
            f"time() - max by (namespace, job_name) ({metric(started, job=job)}) < {since:.0f}"
        ),
        hold=timedelta(0),
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A Job has failed and is not tried again.",
        description="The Job {{ $labels.namespace }}/{{ $labels.job_name }} has failed.",
        proof=Proof(
            fires={series(failed, "broken"): fails, series(started, "broken"): recent},
            at=found,
            quiet={
                series(failed, "old"): fails,
                series(started, "old"): old,
                series(started, "old", job="another"): recent,
                series(failed, "fine", condition="false"): fails,
                series(failed, "fine", job="another"): fails,
                series(started, "fine"): recent,
            },
        ),
    )
