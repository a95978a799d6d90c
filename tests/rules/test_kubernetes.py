"""The alerts on what Kubernetes could not do: what they read, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.kubernetes import KubernetesLimits, kubernetes
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api",))
LIMITS = KubernetesLimits()
CONDITIONS = {
    "ContainerCrashLooping": (
        "max by (namespace, pod, container) ("
        "sum by (namespace, pod, uid, container) (count_over_time("
        'kube_pod_container_status_running{job="kube-state-metrics"}[12m]))'
        " - sum by (namespace, pod, uid, container) (sum_over_time("
        'kube_pod_container_status_running{job="kube-state-metrics"}[12m])) >= 8'
        " and on (namespace, pod, uid, container)"
        ' changes(kube_pod_container_status_restarts_total{job="kube-state-metrics"}[30m]) > 1'
        ' and on (namespace, pod, uid, container) kube_pod_container_status_running{job="kube-state-metrics"}'
        " unless on (namespace, pod, uid, container)"
        ' kube_pod_container_status_terminated_reason{job="kube-state-metrics",reason="Completed"} == 1)'
    ),
    "InitContainerCrashLooping": (
        "max by (namespace, pod, container) ("
        "sum by (namespace, pod, uid, container) (count_over_time("
        'kube_pod_init_container_status_running{job="kube-state-metrics"}[12m]))'
        " - sum by (namespace, pod, uid, container) (sum_over_time("
        'kube_pod_init_container_status_running{job="kube-state-metrics"}[12m])) >= 8'
        " and on (namespace, pod, uid, container)"
        ' changes(kube_pod_init_container_status_restarts_total{job="kube-state-metrics"}[30m]) > 1'
        ' and on (namespace, pod, uid, container) kube_pod_init_container_status_running{job="kube-state-metrics"}'
        " unless on (namespace, pod, uid, container)"
        ' kube_pod_init_container_status_terminated_reason{job="kube-state-metrics",reason="Completed"} == 1)'
    ),
    "ContainerRestarting": (
        "max by (namespace, pod, container) (changes("
        'kube_pod_container_status_restarts_total{job="kube-state-metrics"}[1h])) > 5'
    ),
    "PodUnschedulable": 'max by (namespace, pod) (kube_pod_status_unschedulable{job="kube-state-metrics"}) == 1',
    "ContainerWaiting": (
        "max by (namespace, pod, container) ("
        'kube_pod_container_status_waiting_reason{job="kube-state-metrics",reason=~"'
        "ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError|CreateContainerError"
        '"} or kube_pod_init_container_status_waiting_reason{job="kube-state-metrics",reason=~"'
        "ImagePullBackOff|ErrImagePull|InvalidImageName|CreateContainerConfigError|CreateContainerError"
        '"}) == 1'
    ),
    "PersistentVolumeClaimPending": (
        "max by (namespace, persistentvolumeclaim)"
        ' (kube_persistentvolumeclaim_status_phase{job="kube-state-metrics",phase="Pending"}) == 1'
        " and on (namespace, persistentvolumeclaim)"
        ' kube_pod_spec_volumes_persistentvolumeclaims_info{job="kube-state-metrics"}'
    ),
    "DeploymentRolloutStuck": (
        "max by (namespace, deployment) (kube_deployment_status_condition"
        '{job="kube-state-metrics",condition="Progressing",status="false"}) == 1'
    ),
    "DeploymentReplicasMissing": (
        'max by (namespace, deployment) (kube_deployment_spec_replicas{job="kube-state-metrics"})'
        ' - max by (namespace, deployment) (kube_deployment_status_replicas_available{job="kube-state-metrics"}) > 0'
        " and max by (namespace, deployment) (changes("
        'kube_deployment_status_replicas_updated{job="kube-state-metrics"}[10m])) == 0'
    ),
    "StatefulSetReplicasMissing": (
        'max by (namespace, statefulset) (kube_statefulset_replicas{job="kube-state-metrics"})'
        ' - max by (namespace, statefulset) (kube_statefulset_status_replicas_available{job="kube-state-metrics"}) > 0'
        " and max by (namespace, statefulset) (changes("
        'kube_statefulset_status_replicas_updated{job="kube-state-metrics"}[10m])) == 0'
    ),
    "DaemonSetPodsMissing": (
        'max by (namespace, daemonset) (kube_daemonset_status_desired_number_scheduled{job="kube-state-metrics"})'
        ' - max by (namespace, daemonset) (kube_daemonset_status_number_available{job="kube-state-metrics"}) > 0'
        " and max by (namespace, daemonset) (changes("
        'kube_daemonset_status_updated_number_scheduled{job="kube-state-metrics"}[10m])) == 0'
    ),
    "KubeStateMetricsErrors": (
        'max by (resource) (increase(kube_state_metrics_list_total{job="telemetry",result="error"}[5m])) > 0'
        ' or max by (resource) (increase(kube_state_metrics_watch_total{job="telemetry",result="error"}[5m])) > 0'
    ),
    "JobFailed": (
        'max by (namespace, job_name) (kube_job_failed{job="kube-state-metrics",condition="true"}) == 1'
        " and on (namespace, job_name) ("
        'time() - max by (namespace, job_name) (kube_job_status_start_time{job="kube-state-metrics"}) < 86400'
        " or ("
        'max by (namespace, job_name) (kube_job_status_start_time{job="kube-state-metrics"} offset 1d)'
        " unless max by (namespace, job_name)"
        ' (kube_job_failed{job="kube-state-metrics",condition="true"} offset 1d) == 1))'
    ),
}


def alerts(
    by: Evaluator = BY, limits: KubernetesLimits = LIMITS, objects: str = "kube-state-metrics"
) -> dict[str, Alert]:
    return {alert.name: alert for alert in kubernetes(by, objects=objects, telemetry="telemetry", limits=limits).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS


def test_all_of_it_can_wait_for_the_day() -> None:
    """Whether a service is down is asked elsewhere; here it is one pod of it, or a rollout that stands still."""
    assert {(alert.severity, alert.team) for alert in alerts().values()} == {(Severity.WARNING, PLATFORM)}


def test_what_must_be_told_soon_is_told_within_minutes() -> None:
    """A pod without a node after 3 minutes; what is counted need not last."""
    assert {name: alert.hold for name, alert in alerts().items()} == {
        "ContainerCrashLooping": timedelta(0),
        "InitContainerCrashLooping": timedelta(0),
        "PodUnschedulable": timedelta(minutes=3),
        "ContainerRestarting": timedelta(0),
        "ContainerWaiting": timedelta(minutes=10),
        "PersistentVolumeClaimPending": timedelta(minutes=10),
        "DeploymentRolloutStuck": timedelta(minutes=5),
        "JobFailed": timedelta(0),
        "KubeStateMetricsErrors": timedelta(minutes=10),
        "DeploymentReplicasMissing": timedelta(minutes=10),
        "StatefulSetReplicasMissing": timedelta(minutes=10),
        "DaemonSetPodsMissing": timedelta(minutes=10),
    }


@pytest.mark.parametrize(("seconds", "minutes", "times"), [(15, 1, 4), (15, 2, 8), (30, 2, 4), (60, 9, 9)])
def test_a_crash_loop_is_so_many_minutes_without_running(seconds: int, minutes: int, times: int) -> None:
    """Counted by scrapes, within ten minutes more, after which the kubelet forgets a crash."""
    by, limits = (
        replace(BY, interval=timedelta(seconds=seconds)),
        replace(LIMITS, crash_looping=timedelta(minutes=minutes)),
    )
    expr = alerts(by, limits=limits)["ContainerCrashLooping"].expr
    assert f"[{10 + minutes}m])) >= {times} and" in expr


@pytest.mark.trap(83)
@pytest.mark.trap(88)
@pytest.mark.parametrize("name", CONDITIONS)
def test_alerts_outlive_the_exporter_and_ask_for_nothing_hidden(name: str) -> None:
    """The labels are the object's alone, so that a second exporter doubles nothing, and no series must be there."""
    alert = alerts()[name]
    said = set(re.findall(r"\$labels\.(\w+)", alert.description))
    (kept,) = re.findall(r"^\w+ by \((.*?)\)", alert.expr)
    assert said == set(kept.split(", "))
    assert "absent" not in alert.expr


def test_without_telemetry_nothing_is_said_of_it() -> None:
    """An app that does not scrape it has all the other alerts."""
    without = kubernetes(BY, telemetry=None).alerts
    assert alerts().keys() - {alert.name for alert in without} == {"KubeStateMetricsErrors"}
    assert len(without) == len(CONDITIONS) - 1


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit, and the job of the exporter is the app's."""
    ours = alerts(
        objects="objects",
        limits=KubernetesLimits(
            crash_looping=timedelta(minutes=5),
            unschedulable=timedelta(minutes=6),
            restarts=9,
            restarts_within=timedelta(hours=2),
            incomplete=timedelta(minutes=20),
            waiting=timedelta(minutes=30),
            stuck=timedelta(minutes=1),
            failed_since=timedelta(hours=1),
        ),
    )
    assert "[15m])) >= 20 and" in ours["ContainerCrashLooping"].expr
    assert ours["PodUnschedulable"].hold == timedelta(minutes=6)
    assert ours["ContainerRestarting"].expr.endswith('{job="objects"}[2h])) > 9')
    assert ours["DaemonSetPodsMissing"].hold == timedelta(minutes=20)
    assert ours["ContainerWaiting"].hold == ours["PersistentVolumeClaimPending"].hold == timedelta(minutes=30)
    assert ours["DeploymentRolloutStuck"].hold == timedelta(minutes=1)
    assert "[20m]" in ours["DaemonSetPodsMissing"].expr
    assert "< 3600 or" in ours["JobFailed"].expr
    assert ours["JobFailed"].expr.count("offset 1h") == 2
    assert all('job="kube-state-metrics"' not in alert.expr for alert in ours.values())


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"restarts": 0}, "restarts is 0, which is exceeded at once: use 1 or more"),
        ({"crash_looping": timedelta(0)}, "crash_looping is 0:00:00, too short to tell trouble from chance: use 1m"),
        ({"unschedulable": timedelta(seconds=30)}, "unschedulable is 30s, too short to tell trouble from chance"),
        ({"incomplete": timedelta(seconds=-1)}, "incomplete is -1 day, 23:59:59, too short to tell trouble"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that speaks of every pod that starts."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)
