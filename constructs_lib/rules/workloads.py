"""Alerts on workloads that lack pods, and on Jobs that failed. Part of the group `kubernetes`."""

from datetime import timedelta

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import metric
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.rules.objects import KEEP_FIRING, KubernetesLimits
from constructs_lib.units import prometheus_duration

# Of a day that a proof needs.
EVALUATIONS = 96
# By kind: how many pods there should be, how many there are and how many are of the newest kind, and what is missing.
WORKLOADS = {
    "Deployment": (
        "kube_deployment_spec_replicas",
        "kube_deployment_status_replicas_available",
        "kube_deployment_status_replicas_updated",
        "Replicas",
    ),
    "StatefulSet": (
        "kube_statefulset_replicas",
        "kube_statefulset_status_replicas_available",
        "kube_statefulset_status_replicas_updated",
        "Replicas",
    ),
    "DaemonSet": (
        "kube_daemonset_status_desired_number_scheduled",
        "kube_daemonset_status_number_available",
        "kube_daemonset_status_updated_number_scheduled",
        "Pods",
    ),
}


def workload_alerts(by: Evaluator, job: str, limits: KubernetesLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of kube-state-metrics.
        limits: From where on somebody must hear of it.
    """
    return (*(_incomplete(by, job, limits, kind) for kind in WORKLOADS), _job_failed(by, job, limits))


def _incomplete(by: Evaluator, job: str, limits: KubernetesLimits, kind: str) -> Alert:
    """A rollout lacks a pod from its beginning to its end, on many nodes for an hour: it must stand still as well.

    Source: https://github.com/kubernetes-monitoring/kubernetes-mixin/blob/master/alerts/apps_alerts.libsonnet
    """
    wanted, there, updated, what = WORKLOADS[kind]
    label = kind.lower()
    window = limits.incomplete // by.interval
    # The window sees a change from its later sample on until the earlier one has left it.
    course = Course(interval=by.interval, hold=limits.incomplete, onset=window - 1)
    step = course.onset + course.evaluations

    def pods(name: str, of: str = "api", job: str = job) -> str:
        return KUBE_STATE_METRICS.series(name, job=job, namespace="shop", **{label: of})

    lacking, standing = (
        f"max by (namespace, {label}) ({each})"
        for each in (
            metric(wanted, job=job),
            f"changes({metric(updated, job=job)}[{prometheus_duration(limits.incomplete)}])",
        )
    )
    return Alert(
        name=f"{kind}{what}Missing",
        expr=f"{lacking} - max by (namespace, {label}) ({metric(there, job=job)}) > 0 and {standing} == 0",
        hold=limits.incomplete,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary=f"A {kind} has fewer available pods than it should have.",
        description=f"The {kind} {{{{ $labels.namespace }}}}/{{{{ $labels.{label} }}}} lacks {{{{ $value }}}} pods.",
        proof=Proof(
            # A rollout that stops at its second pod. What another exporter says of the same workload must neither stand
            # in for a pod, nor miss one, nor move.
            fires={
                pods(wanted): course.steady(3),
                pods(there): course.lasts(3, 2),
                pods(updated): course.lasts(3, 1),
                pods(there, job="another"): course.steady(9),
                pods(updated, job="another"): "0+1x9999",
            },
            at=course.at,
            quiet={
                pods(wanted): course.steady(3),
                pods(there): course.steady(3),
                pods(updated): course.steady(3),
                pods(wanted, job="another"): course.steady(9),
                # A rollout, each of whose pods is there just in time.
                pods(wanted, "slow"): course.steady(3),
                pods(there, "slow"): course.steady(2),
                pods(updated, "slow"): samples((0, PEACE), *((count, step) for count in range(1, 5))),
                # A node's end, without a rollout; after it, the pod is there again just in time.
                pods(wanted, "moved"): course.steady(3),
                pods(there, "moved"): samples((3, PEACE), (2, course.evaluations), (3, course.long)),
                pods(updated, "moved"): course.steady(3),
            },
        ),
    )


def _job_failed(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """A Job does not say when it failed: either it began not long ago, or it was there then and had not failed yet."""
    failed, started = "kube_job_failed", "kube_job_status_start_time"
    since = prometheus_duration(limits.failed_since)
    # It looks back for a day: so many evaluations in a second one are enough.
    every = limits.failed_since / EVALUATIONS
    seconds, found = limits.failed_since.total_seconds(), PEACE + EVALUATIONS
    length = 4 * found

    def fails(of: str, job: str = job, condition: str = "true") -> str:
        return KUBE_STATE_METRICS.series(failed, job=job, job_name=of, condition=condition)

    def began(of: str, job: str = job) -> str:
        return KUBE_STATE_METRICS.series(started, job=job, job_name=of)

    def then(age: float) -> str:
        """When a Job began that has this age when it is found to have failed."""
        return f"{(found * every).total_seconds() - age:.1f}x{length}"

    young, too_old, old = then(seconds - 0.5), then(seconds + 0.5), then(3 * seconds)
    one_of_them = "max by (namespace, job_name)"
    return Alert(
        name="JobFailed",
        expr=(
            f"{one_of_them} ({metric(failed, job=job, condition='true')}) == 1 and on (namespace, job_name) "
            f"(time() - {one_of_them} ({metric(started, job=job)}) < {seconds:.0f} or ("
            f"{one_of_them} ({metric(started, job=job)} offset {since}) unless "
            f"{one_of_them} ({metric(failed, job=job, condition='true')} offset {since}) == 1))"
        ),
        hold=timedelta(0),
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A Job has failed and is not tried again.",
        description="The Job {{ $labels.namespace }}/{{ $labels.job_name }} has failed.",
        proof=Proof(
            # One is young; of one that is old, it is known from now on that a day ago it was there and had not failed.
            fires={
                fails("young"): f"_x{found} 1x{length}",
                began("young"): f"_x{PEACE + 1} {young}",
                fails("long"): f"_x{PEACE + EVALUATIONS // 4} 1x{length}",
                began("long"): f"_x{PEACE} {old}",
                began("long", "another"): old,
                fails("long", "another"): f"1x{length}",
                fails("long", condition="unknown"): f"1x{length}",
            },
            at=found * every,
            count=2,
            quiet={
                # It had failed when it was seen first.
                fails("old"): f"_x{PEACE} 1x{length}",
                began("old"): f"_x{PEACE} {old}",
                began("old", "another"): young,
                # It is seen now for the first time.
                fails("new to us"): f"_x{found} 1x{EVALUATIONS // 2} stale",
                began("new to us"): f"_x{found} {too_old}",
                began("new to us", "another"): old,
                fails("fine", condition="false"): f"_x{found} 1x{length}",
                fails("fine", "another"): f"_x{found} 1x{length}",
                began("fine"): young,
            },
            every=every,
        ),
    )
