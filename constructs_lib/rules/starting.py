"""Alerts on what cannot even start: containers without image or configuration, claims without a volume, rollouts.

Part of the group `kubernetes`.
"""

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.promql import matches, metric
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.rules.objects import CONTAINER, KEEP_FIRING, KubernetesLimits

# What does not pass by itself. The kubelet takes turns between the first two: it tries again, and waits.
REASONS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError")
WAITING = ("kube_pod_container_status_waiting_reason", "kube_pod_init_container_status_waiting_reason")


def starting_alerts(by: Evaluator, job: str, limits: KubernetesLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of kube-state-metrics.
        limits: From where on somebody must hear of it.
    """
    return _container_waiting(by, job, limits), _claim_pending(by, job, limits), _rollout_stuck(by, job, limits)


def _container_waiting(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """Those that a pod begins with, too: the others only say that they wait for them."""
    course = Course(interval=by.interval, hold=limits.waiting)

    def waits(name: str, pod: str, reason: str, job: str = job) -> str:
        return KUBE_STATE_METRICS.series(name, job=job, pod=pod, reason=reason)

    first, *_, last = REASONS
    selected = (metric(name, job=job, reason=matches("|".join(REASONS))) for name in WAITING)
    return Alert(
        name="ContainerWaiting",
        expr=f"max by ({CONTAINER}) ({' or '.join(selected)}) == 1",
        hold=limits.waiting,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A container cannot be started: its image cannot be had, or something that it names does not exist.",
        description="{{ $labels.container }} of {{ $labels.namespace }}/{{ $labels.pod }} waits for its image or its "
        "configuration.",
        proof=Proof(
            fires={
                waits(name, name, reason): course.appears() for name, reason in zip(WAITING, (first, last), strict=True)
            },
            at=course.at,
            count=2,
            quiet={
                series: values
                for name in WAITING
                for series, values in (
                    (waits(name, name, first), course.vanishes()),
                    (waits(name, name, "ContainerCreating"), course.steady(1)),
                    (waits(name, name, first, "another"), course.steady(1)),
                )
            },
        ),
    )


def _claim_pending(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """Without a pod that wants it, a claim may wait: many storage classes make no volume before there is one."""
    phase, wanted = "kube_persistentvolumeclaim_status_phase", "kube_pod_spec_volumes_persistentvolumeclaims_info"
    course = Course(interval=by.interval, hold=limits.waiting)

    def claim(name: str, of: str = phase, job: str = job, **labels: str) -> str:
        labels |= {"phase": labels.get("phase", "Pending")} if of == phase else {}
        return KUBE_STATE_METRICS.series(of, job=job, persistentvolumeclaim=name, **labels)

    one_of_them = "namespace, persistentvolumeclaim"
    return Alert(
        name="PersistentVolumeClaimPending",
        expr=(
            f"max by ({one_of_them}) ({metric(phase, job=job, phase='Pending')}) == 1"
            f" and on ({one_of_them}) {metric(wanted, job=job)}"
        ),
        hold=limits.waiting,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A claim gets no volume, so its pod does not start.",
        description="{{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} waits for a volume, and a pod for it.",
        proof=Proof(
            fires={claim("data"): course.lasts(0, 1), claim("data", wanted): course.steady(1)},
            at=course.at,
            quiet={
                claim("late"): course.recovers(0, 1),
                claim("late", wanted): course.steady(1),
                claim("late", phase="Bound"): course.steady(1),
                claim("late", job="another"): course.steady(1),
                claim("unwanted"): course.steady(1),
                claim("unwanted", wanted, "another"): course.steady(1),
            },
        ),
    )


def _rollout_stuck(by: Evaluator, job: str, limits: KubernetesLimits) -> Alert:
    """Its old pods are still there, so that nothing is missing; Kubernetes says so after `progressDeadlineSeconds`."""
    name = "kube_deployment_status_condition"
    course = Course(interval=by.interval, hold=limits.stuck)

    def progress(of: str = "api", **labels: str) -> str:
        known = {"job": job, "deployment": of, "condition": "Progressing", "status": "false"}
        return KUBE_STATE_METRICS.series(name, **known | labels)

    selected = metric(name, job=job, condition="Progressing", status="false")
    return Alert(
        name="DeploymentRolloutStuck",
        expr=f"max by (namespace, deployment) ({selected}) == 1",
        hold=limits.stuck,
        keep_firing=KEEP_FIRING,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A Deployment's rollout makes no progress.",
        description="The rollout of {{ $labels.namespace }}/{{ $labels.deployment }} has passed its deadline.",
        proof=Proof(
            fires={progress(): course.lasts(0, 1)},
            at=course.at,
            quiet={
                progress(): course.recovers(0, 1),
                progress(status="true"): course.steady(1),
                progress(condition="ReplicaFailure"): course.steady(1),
                progress(job="another"): course.steady(1),
            },
        ),
    )
