"""The alerts on services and what they run out of: what they read, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.filling import RoomLimits
from constructs_lib.rules.model import BACKEND, PLATFORM, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.services import ServiceLimits, services

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("api",))
LIMITS = ServiceLimits()
BY_CONTAINER = "by (namespace, pod, container)"


def limit(resource: str) -> str:
    return f'max {BY_CONTAINER} (kube_pod_container_resource_limits{{job="kube-state-metrics",resource="{resource}"}})'


FREE = "kubelet_volume_stats_available_bytes"
SIZE = "kubelet_volume_stats_capacity_bytes"
CONDITIONS = {
    "ServiceDown": (
        'max by (job) (up{job=~"api|web\\\\.v2"}) == 0 or absent(up{job="api"}) or absent(up{job="web.v2"})'
    ),
    "ContainerCpuNearLimit": (
        f'sum {BY_CONTAINER} (rate(container_cpu_usage_seconds_total{{job="cadvisor"}}[1m])) / {limit("cpu")} > 0.9'
    ),
    "ContainerMemoryNearLimit": (
        f'max {BY_CONTAINER} (container_memory_working_set_bytes{{job="cadvisor"}}) / {limit("memory")} > 0.85'
    ),
    "ContainerOutOfMemory": (
        f'time() - max {BY_CONTAINER} (kube_pod_container_status_last_terminated_timestamp{{job="kube-state-metrics"}})'
        " < 1800 and on (namespace, pod, container) "
        f"max {BY_CONTAINER} (kube_pod_container_status_last_terminated_reason"
        '{job="kube-state-metrics",reason="OOMKilled"}) == 1'
    ),
    "VolumeAlmostFull": f'max by (namespace, persistentvolumeclaim) ((1 - {FREE}{{job="kubelet"}} / {SIZE})) > 0.85',
    "VolumeFillingUp": (
        f"min by (namespace, persistentvolumeclaim) ({FREE} / {SIZE} < 0.4"
        f' and predict_linear({FREE}{{job="kubelet"}}[2h], 14400) / {SIZE} < 0)'
    ),
    "VolumeInodesAlmostFull": (
        "max by (namespace, persistentvolumeclaim)"
        ' ((1 - kubelet_volume_stats_inodes_free{job="kubelet"} / kubelet_volume_stats_inodes)) > 0.85'
    ),
}


def group(by: Evaluator = BY) -> RuleGroup:
    return services(by, jobs=("api", "web.v2"))


def alerts(of: RuleGroup | None = None) -> dict[str, Alert]:
    return {alert.name: alert for alert in (of or group()).alerts}


def test_the_group_reads_what_it_says() -> None:
    """No alert comes or goes by accident; a service without pods is down, too."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS


def test_each_alert_has_somebody_who_can_do_something() -> None:
    """The services are their makers', what they run on is the platform's; what stops users is told at night."""
    assert {name for name, alert in alerts().items() if alert.team == BACKEND} == {"ServiceDown"}
    assert {alert.team for alert in alerts().values()} == {BACKEND, PLATFORM}
    critical = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert critical == {"ServiceDown", "VolumeFillingUp"}


@pytest.mark.parametrize("name", CONDITIONS)
def test_texts_name_what_is_told_apart(name: str) -> None:
    """Whoever is woken must know which container, volume or service."""
    alert = alerts()[name]
    kept = {label for labels in re.findall(r"by \((.*?)\)", alert.expr) for label in labels.split(", ")}
    assert set(re.findall(r"\$labels\.(\w+)", alert.description)) == kept


@pytest.mark.trap(88)
def test_only_declared_services_are_missed() -> None:
    """Not what a managed control plane hides."""
    assert re.findall(r'absent\(up\{job="(.*?)"\}\)', alerts()["ServiceDown"].expr) == ["api", "web.v2"]
    assert sum("absent" in alert.expr for alert in alerts().values()) == 1


def test_a_group_without_services_is_refused() -> None:
    """It could not say that anything is down."""
    with pytest.raises(ConstructError, match="the rule group services watches no job: name at least one, or leave"):
        services(BY, jobs=())


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit, and the job of the exporter is the app's."""
    ours = alerts(
        services(
            replace(BY, interval=timedelta(seconds=30)),
            jobs=["api"],
            objects="objects",
            limits=ServiceLimits(
                down=timedelta(minutes=1),
                cpu=0.8,
                memory=0.95,
                busy=timedelta(minutes=5),
                killed_since=timedelta(hours=1),
            ),
            full=RoomLimits(used=0.5),
        )
    )
    assert ours["ServiceDown"].hold == timedelta(minutes=1)
    assert re.search(r"\[2m\]\).*job=\"objects\".* > 0\.8$", ours["ContainerCpuNearLimit"].expr)
    assert re.search(r"job=\"objects\".* > 0\.95$", ours["ContainerMemoryNearLimit"].expr)
    assert ours["ContainerMemoryNearLimit"].hold == ours["ContainerCpuNearLimit"].hold == timedelta(minutes=5)
    assert "< 3600 and" in ours["ContainerOutOfMemory"].expr
    assert ours["VolumeAlmostFull"].expr.endswith("> 0.5")


def test_a_drill_at_work_is_nobodys_business() -> None:
    """It fills what is thrown away as fast as it can: neither its claims nor its processor time are heard of."""
    ours = alerts(services(BY, jobs=["api"], drills=["restore-drill", "another"]))
    assert 'pod!~"(restore-drill|another)-.+"' in ours["ContainerCpuNearLimit"].expr
    others = 'persistentvolumeclaim!~"(restore-drill|another)-.+"'
    assert {name for name, alert in ours.items() if others in alert.expr} == {
        *("VolumeAlmostFull", "VolumeFillingUp", "VolumeInodesAlmostFull")
    }


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"cpu": 90}, "cpu is 90, but it is a part of a whole: use more than 0 and less than 1"),
        ({"memory": 1.0}, "memory is 1, but it is a part of a whole"),
        ({"down": timedelta(seconds=15)}, "down is 15s, too short to tell trouble from chance: use 1m or more"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always fires, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)
