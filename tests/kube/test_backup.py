"""What makes restore points of every Prometheus server, and restores them."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import Bucket, BucketAccess, Identity, Namespace, PortRange, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.kube import API_ACCESS, Allowed, Backup, Collector, ConfigMap, PrometheusHA, Retention
from constructs_lib.restore_points import BackupLimits, RestorePoints
from constructs_lib.rules.backups import backups
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.rules.observability import observability
from tests.minimal import CLUSTER, IMAGE, component, container, loki, prometheus, unrendered
from tests.policies import one_sided
from tests.rendered import Document, Objects, rendered, template, text

POINTS = RestorePoints(bucket=Bucket(name="prod-backup", region="eu-central-1"))
COMMON = [
    "--data=/prometheus",
    "--bucket=prod-backup",
    "--region=eu-central-1",
    "--source=blue/monitoring/prometheus/$(POD_NAME)",
]
WHOLE_VOLUME = {"name": "data", "mountPath": "/prometheus"}


def collector(ours: PrometheusHA) -> Collector:
    return Collector(ours, "collector", prometheus=ours, image=IMAGE, allowed=Allowed(ports=PortRange(8000, 9999)))


def backup(ours: PrometheusHA, **more: Any) -> Backup:
    return Backup(ours, "backup", prometheus=ours, image=IMAGE, **{"points": POINTS, **more})


def build(chart: cdk8s.Chart) -> None:
    """The rules come last."""
    ours = prometheus(chart)
    collector(ours)
    backup(ours)
    ours.add_rules(backups_of_a_day, observability)


def backups_of_a_day(by: Evaluator) -> RuleGroup:
    return backups(by, POINTS.limits)


def made_every(every: timedelta) -> RestorePoints:
    return replace(POINTS, limits=BackupLimits(every=every))


def pod_of(objects: Objects, name: str = "prometheus") -> Document:
    found: Document = template(objects.named("StatefulSet", name))
    return found


def named(pod: Document, name: str) -> dict[str, Any]:
    """A container of either kind."""
    (found,) = (each for each in (*pod["spec"]["initContainers"], *pod["spec"]["containers"]) if each["name"] == name)
    return dict(found)


def with_credentials(pod: Document) -> set[str]:
    """Whom EKS' webhook gives the role's credentials: it reads the annotation as a line of a CSV file."""
    (skipped,) = csv.reader([pod["metadata"].get("annotations", {}).get("eks.amazonaws.com/skip-containers", "")])
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    return {each["name"] for each in containers} - set(skipped)


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(build)


@pytest.fixture(scope="module")
def pod(objects: Objects) -> Document:
    return pod_of(objects)


@pytest.mark.trap(75)
def test_the_agent_is_beside_the_server_whose_volume_it_reads(pod: Document) -> None:
    """In its pod: a volume of one node is mounted nowhere else."""
    assert [each["name"] for each in pod["spec"]["containers"]] == ["prometheus", "collector", "backup"]
    agent = named(pod, "backup")
    assert agent["args"] == [
        "backup",
        *COMMON,
        *("--keep-days=30", "--expiry-days=90", "--every=86400", "--port=8083"),
    ]
    assert agent["image"] == IMAGE.reference()
    assert agent["ports"] == [{"name": "backup", "containerPort": 8083, "protocol": "TCP"}]


def test_a_volume_is_restored_before_its_server_starts(pod: Document) -> None:
    """By the same image, from the same place."""
    (restore,) = (each for each in pod["spec"]["initContainers"] if each["name"] == "restore")
    assert restore["args"] == ["restore", *COMMON, "--requests=/etc/restore"]
    assert restore["image"] == named(pod, "backup")["image"]


@pytest.mark.parametrize("container", ["backup", "restore"])
def test_whose_restore_points_they_are_is_known_by_the_pod(pod: Document, container: str) -> None:
    """Kubernetes fills its name into the arguments."""
    (variable,) = named(pod, container)["env"]
    assert variable["name"] == "POD_NAME"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@pytest.mark.parametrize("container", ["prometheus", "backup", "restore"])
def test_the_volume_is_mounted_once_and_as_a_whole(pod: Document, container: str) -> None:
    """As one user: the kernel refuses a hard link from one mount to another, and to another user's file."""
    mounts = [each for each in named(pod, container)["volumeMounts"] if each["name"] == "data"]
    assert mounts == [WHOLE_VOLUME]
    assert pod["spec"]["securityContext"]["runAsUser"] == 65534
    assert "runAsUser" not in named(pod, container)["securityContext"]


def test_what_is_to_be_restored_is_said_by_a_config_map_that_need_not_be_there(objects: Objects, pod: Document) -> None:
    """Nobody renders it: whoever restores makes it, and takes it away again."""
    (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == "restore")
    assert volume["configMap"] == {"name": "prometheus-restore", "optional": True}
    mounts = named(pod, "restore")["volumeMounts"]
    assert {"name": "restore", "mountPath": "/etc/restore", "readOnly": True} in mounts
    assert len(mounts) == 2
    assert "prometheus-restore" not in {each["metadata"]["name"] for each in objects.documents}


@pytest.mark.parametrize("container", ["backup", "restore"])
def test_neither_has_the_rights_of_prometheus(pod: Document, container: str) -> None:
    """No token of the API server; and nothing is written but on the volume."""
    agent = named(pod, container)
    assert API_ACCESS.source.name not in {each["name"] for each in agent["volumeMounts"]}
    assert agent["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_prometheus_is_ready_without_the_agent(pod: Document) -> None:
    """Only what hangs is started again."""
    agent = named(pod, "backup")
    assert {"readinessProbe", "startupProbe"}.isdisjoint(agent)
    assert agent["livenessProbe"]["httpGet"] == {"path": "/metrics", "port": "backup", "scheme": "HTTP"}


@pytest.mark.trap(74)
def test_nobody_may_delete_series_for_a_backup(pod: Document) -> None:
    """The admin API, which makes snapshots, stays off."""
    assert not [each for each in named(pod, "prometheus")["args"] if "admin" in each]


ORDERS: dict[str, list[Callable[[PrometheusHA], object]]] = {
    "alone": [backup],
    "after the collector": [collector, backup],
    "before the collector": [backup, collector],
    "before a stranger": [backup, lambda ours: ours.add_container(container("stranger", ports=()))],
    "before a stranger at the start": [
        backup,
        lambda ours: ours.add_init_container(container("stranger", ports=())),
    ],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_the_role_belongs_to_the_agent_alone(order: list[Callable[[PrometheusHA], object]]) -> None:
    """Whoever else is in the pod, and whenever they came."""

    def build(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart)
        for add in order:
            add(ours)

    pod = pod_of(rendered(build))
    assert with_credentials(pod) == {"backup", "restore"}
    assert "restore" in [each["name"] for each in pod["spec"]["initContainers"]]


def test_a_pod_of_which_all_use_a_bucket_says_nothing_of_it() -> None:
    """And neither does one that uses none, nor one of which one use is everybody's."""

    def build(chart: cdk8s.Chart) -> None:
        loki(chart)
        prometheus(chart)
        both = component(chart, "both")
        both.add_container(container("helper", ports=()))
        both.use_bucket(POINTS.bucket, rights=Rights.READ, containers=("helper",))
        both.use_bucket(POINTS.bucket, rights=Rights.READ)

    objects = rendered(build)
    assert "skip-containers" not in str(objects.documents)
    assert with_credentials(pod_of(objects, "both")) == {"program", "helper"}


def test_several_users_of_buckets_have_credentials() -> None:
    """Each names its own container."""

    def build(chart: cdk8s.Chart) -> None:
        ours = component(chart, "three")
        for name, rights in {"reader": Rights.READ, "writer": Rights.WRITE}.items():
            ours.add_container(container(name, ports=()))
            ours.use_bucket(POINTS.bucket, rights=rights, containers=(name,))

    assert with_credentials(pod_of(rendered(build), "three")) == {"reader", "writer"}


def test_who_uses_a_bucket_is_said_beside_what_the_pod_starts_with() -> None:
    """Neither annotation replaces the other."""

    def build(chart: cdk8s.Chart) -> None:
        ours = component(chart, "pair")
        ours.add_container(container("helper", ports=()))
        ours.use_bucket(POINTS.bucket, rights=Rights.READ, containers=("helper",))
        files = ConfigMap(chart, "files", name="files", namespace="monitoring", labels={}, files=dict)
        ours.restart_with(files)

    assert pod_of(rendered(build), "pair")["metadata"]["annotations"].keys() == {
        "constructs-lib/files",
        "eks.amazonaws.com/skip-containers",
    }


def test_nobody_in_the_cluster_may_delete() -> None:
    """The role lists, reads and adds below the component's own prefixes."""
    ours = prometheus(unrendered())
    backup(ours)
    identity = Identity(cluster="blue", namespace="monitoring", service_account="prometheus")
    assert ours.buckets == tuple(
        BucketAccess(
            identity=identity, bucket=POINTS.bucket, prefix=f"{kind}/blue/monitoring/prometheus/", rights=Rights.ADD
        )
        for kind in ("blocks", "points")
    )


def test_the_way_to_the_bucket_and_to_its_credentials_is_open(objects: Objects) -> None:
    """By TLS to the one, to the node's agent for the other; and the servers reach the agents' metrics."""
    egress = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]
    blocks = {rule["to"][0]["ipBlock"]["cidr"]: rule["ports"] for rule in egress if "ipBlock" in rule["to"][0]}
    assert blocks["0.0.0.0/0"] == [{"protocol": "TCP", "port": 443}]
    assert blocks["169.254.170.23/32"] == [{"protocol": "TCP", "port": 80}]
    assert one_sided(objects) == set()
    ingress = objects.named("NetworkPolicy", "prometheus")["spec"]["ingress"]
    assert {"protocol": "TCP", "port": 8083} in [port for rule in ingress for port in rule["ports"]]


def test_agents_are_scraped_and_wake_nobody_when_they_are_away(objects: Objects) -> None:
    """The age of the newest restore point does."""
    config = objects.file("prometheus-config", "prometheus.yml")
    assert "backup" in [job["job_name"] for job in config["scrape_configs"]]
    (group,) = objects.file("prometheus-rules", "observability.yaml")["groups"]
    rules = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert 'job="backup"' not in rules["JobMissing"]
    assert "|backup|" in rules["JobDown"]
    (ours,) = objects.file("prometheus-rules", "backups.yaml")["groups"]
    assert {rule["alert"] for rule in ours["rules"] if rule["labels"]["severity"] == "critical"} == {
        "BackupTooOld",
        "BackupMissing",
    }


def test_another_prometheus_has_restore_points_of_its_own() -> None:
    """By cluster, namespace and name, wherever it is; so have its requests."""
    elsewhere = Namespace(name="elsewhere", cluster=CLUSTER)

    def build(chart: cdk8s.Chart) -> None:
        made = backup(prometheus(chart, "other", namespace=elsewhere))
        assert made.origin.path == "blue/elsewhere/other"
        assert made.requests == "other-restore"
        assert made.metrics.address == "other.elsewhere.svc.cluster.local:8083"

    pod = pod_of(rendered(build), "other")
    assert "--source=blue/elsewhere/other/$(POD_NAME)" in named(pod, "backup")["args"]
    assert "--source=blue/elsewhere/other/$(POD_NAME)" in named(pod, "restore")["args"]
    assert {"configMap": {"name": "other-restore", "optional": True}, "name": "restore"} in pod["spec"]["volumes"]


def test_the_same_is_rendered_whoever_comes_first() -> None:
    """Collector and agent do not know each other; only the order of what is in the pod differs."""

    def made(*order: Callable[[PrometheusHA], object]) -> list[str]:
        def build(chart: cdk8s.Chart) -> None:
            ours = prometheus(chart)
            for add in order:
                add(ours)

        return [each for each in text(build).split("---\n") if "kind: StatefulSet" not in each]

    assert made(collector, backup) == made(backup, collector)


@pytest.mark.parametrize(
    ("every", "argument"),
    [(timedelta(hours=2), 7200), (timedelta(days=30) - timedelta(seconds=1), 2591999)],
    ids=str,
)
def test_restore_points_are_made_as_often_as_one_likes(every: timedelta, argument: int) -> None:
    """From two hours, which a block takes, to what they are kept for."""
    pod = pod_of(rendered(lambda chart: backup(prometheus(chart), points=made_every(every))))
    assert f"--every={argument}" in named(pod, "backup")["args"]


@pytest.mark.parametrize(
    ("every", "refusal"),
    [
        (timedelta(hours=2) - timedelta(seconds=1), r"^a restore point is made every 1:59:59, .* use 2h or more$"),
        (timedelta(minutes=1), r"^a restore point is made every 0:01:00, "),
        (
            timedelta(days=30),
            r"^a restore point is made every 30d, but kept for 30 days only, .*: make them more often",
        ),
        (timedelta(hours=2, milliseconds=1), r"^a duration is 2:00:00.001000: use whole seconds"),
    ],
    ids=["too often", "all the time", "too seldom", "not whole"],
)
def test_a_time_between_restore_points_that_is_none_is_refused(every: timedelta, refusal: str) -> None:
    """One sentence says what to use."""
    with pytest.raises(ConstructError, match=refusal):
        backup(prometheus(unrendered()), points=made_every(every))


def test_a_retention_with_which_objects_would_expire_is_refused() -> None:
    """A block that is on the disk for long is needed by a point that is kept for long."""
    backup(prometheus(unrendered(), retention=Retention(time=timedelta(days=48))))

    with pytest.raises(ConstructError, match=r"^a retention of 49 days, .*: lower the retention or keep, or let"):
        backup(prometheus(unrendered(), retention=Retention(time=timedelta(days=49))))
