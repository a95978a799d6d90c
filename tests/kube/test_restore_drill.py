"""What tries to restore: its pod, who gets credentials, whom it reaches, and what is refused."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import cdk8s
import kubernetes_validate  # type: ignore[import-untyped]  # it has no stubs
import pytest
from constructs import Construct
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

from constructs_lib.contract import Bucket, BucketAccess, Identity, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube import Backup, KubeStateMetrics, PrometheusHA, Resources, RestoreDrill, StorageClass, Volume
from constructs_lib.restore_points import BackupLimits, Origin, RestorePoints
from constructs_lib.rules.backups import backups
from constructs_lib.units import Bytes, Cpu
from tests.minimal import IMAGE, NAMESPACE, prometheus, unrendered
from tests.rendered import Document, Objects, containers_of, rendered, template

POINTS = RestorePoints(bucket=Bucket(name="prod-backup", region="eu-central-1"))
HOUR = timedelta(hours=1)
VOLUME = Volume(Bytes.gib(120), "thrown-away")


def drill(
    scope: Construct, id: str = "drill", *, of: PrometheusHA | None = None, within: timedelta | None = None, **more: Any
) -> RestoreDrill:
    points = replace(POINTS, limits=BackupLimits(drill_within=within)) if within else POINTS
    backup = Backup(scope, "backup", prometheus=of or prometheus(scope), image=IMAGE, points=points)
    return RestoreDrill(scope, id, **{"backup": backup, "volume": VOLUME, **more})


def build(chart: cdk8s.Chart) -> None:
    drill(chart)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One, with what is its default, beside the Prometheus whose points it tries."""
    return rendered(build)


@pytest.fixture(scope="module")
def pod(objects: Objects) -> Document:
    return template(objects.only("CronJob"))


def test_a_point_is_restored_before_prometheus_starts_on_it(pod: Document) -> None:
    """By the agent, of whose turn it is; then Prometheus is asked, and ended, by the agent, too."""
    found = containers_of(pod)
    assert list(found) == ["restore", "prometheus", "compare"]
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["restore"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert found["restore"]["args"] == [
        *("drill-restore", "--data=/drill", "--bucket=prod-backup", "--region=eu-central-1"),
        *(f"--source=blue/monitoring/prometheus/prometheus-{number}" for number in range(2)),
    ]
    assert found["compare"]["args"] == ["drill", "--data=/drill", "--server=127.0.0.1:9090"]
    assert {found[each]["image"] for each in ("restore", "compare")} == {IMAGE.reference()}


def test_no_container_needs_what_older_clusters_do_not_know(pod: Document) -> None:
    """An init container that goes on beside the others: Kubernetes 1.27 and 1.28 would wait for its end."""
    assert all("restartPolicy" not in each for each in containers_of(pod).values())


def test_prometheus_is_that_of_the_environment_and_leaves_blocks_alone(objects: Objects, pod: Document) -> None:
    """Of the same image; it scrapes nothing, deletes nothing for its age, compacts nothing, and may be ended."""
    server = containers_of(pod)["prometheus"]
    assert server["image"] == containers_of(template(objects.only("StatefulSet")))["prometheus"]["image"]
    assert objects.file("restore-drill-config", "prometheus.yml") == {
        "storage": {"tsdb": {"retention": {"time": "100y"}}}
    }
    assert server["args"] == [
        "--config.file=/etc/prometheus/config/prometheus.yml",
        "--storage.tsdb.path=/drill/tsdb",
        "--storage.tsdb.min-block-duration=1y",
        "--storage.tsdb.max-block-duration=1y",
        "--no-storage.tsdb.allow-overlapping-compaction",
        "--web.listen-address=127.0.0.1:9090",
        "--web.enable-lifecycle",
    ]
    assert "ports" not in server


def test_the_volume_goes_with_the_pod(pod: Document) -> None:
    """A claim is made for it; whoever compares cannot write there."""
    (data,) = (each for each in pod["spec"]["volumes"] if each["name"] == "data")
    assert data["ephemeral"]["volumeClaimTemplate"]["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "120Gi"}},
        "storageClassName": "thrown-away",
    }
    mounts = {
        name: {each["mountPath"]: each.get("readOnly", False) for each in found["volumeMounts"]}
        for name, found in containers_of(pod).items()
    }
    assert mounts == {
        "restore": {"/drill": False},
        "prometheus": {"/drill": False, "/etc/prometheus/config": True},
        "compare": {"/drill": True},
    }


def test_it_runs_every_day_and_ends(objects: Objects) -> None:
    """In UTC, after backups have been made, never twice at a time."""
    job = objects.only("CronJob")["spec"]
    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("0 4 * * *", "Etc/UTC", "Forbid")
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 4 * 3600


def test_who_drains_a_node_takes_no_try(objects: Objects) -> None:
    """A drill of hours meets one sooner or later: its pod starts again, until its time is over. What is damaged is not
    tried again, and who empties nodes to save them waits for its end.
    """
    job = objects.only("CronJob")["spec"]["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 2
    assert job["podFailurePolicy"]["rules"] == [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}, "onPodConditions": []},
    ]
    assert job["template"]["metadata"]["annotations"].items() >= {
        ("karpenter.sh/do-not-disrupt", "true"),
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
    }


def test_no_volume_outlives_its_use_for_long(objects: Objects) -> None:
    """It goes with its pod, that with its Job, and that six hours after its end: else each would wait for the next."""
    assert objects.only("CronJob")["spec"]["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] == 6 * 3600


def test_it_acts_as_nobody_else_and_may_read_alone() -> None:
    """Below the prefixes of the Prometheus, by a service account of its own."""
    made = drill(unrendered())
    identity = Identity(cluster="blue", namespace="monitoring", service_account="restore-drill")
    assert made.buckets == tuple(
        BucketAccess(identity=identity, bucket=POINTS.bucket, prefix=prefix, rights=Rights.READ)
        for prefix in ("blocks/blue/monitoring/prometheus/", "points/blue/monitoring/prometheus/")
    )
    assert made.origin == Origin(cluster="blue", namespace="monitoring", component="prometheus")


def test_who_restores_alone_gets_credentials(pod: Document) -> None:
    """Prometheus and what asks it reach nothing of AWS, and none has a token of the API server."""
    assert pod["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"] == "prometheus,compare"
    assert pod["spec"]["serviceAccountName"] == "restore-drill"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not any("projected" in each for each in pod["spec"]["volumes"])


def test_it_reaches_the_bucket_and_credentials_and_nothing_else(objects: Objects) -> None:
    """And names, without which there is no bucket; nobody reaches it."""
    policy = objects.named("NetworkPolicy", "restore-drill")["spec"]
    assert "ingress" not in policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    reached = [(peer, [port["port"] for port in rule["ports"]]) for rule in policy["egress"] for peer in rule["to"]]
    blocks = {peer["ipBlock"]["cidr"]: ports for peer, ports in reached if "ipBlock" in peer}
    assert blocks == {"0.0.0.0/0": [443], "169.254.170.23/32": [80]}
    (names,) = (ports for peer, ports in reached if "ipBlock" not in peer)
    assert names == [53, 53]


def test_it_has_no_service_and_no_right_in_the_cluster(objects: Objects) -> None:
    """Nobody asks it anything, and it asks the API server nothing."""
    ours = [each["kind"] for each in objects.documents if each["metadata"]["name"].startswith("restore-drill")]
    assert sorted(ours) == ["ConfigMap", "CronJob", "NetworkPolicy", "ServiceAccount"]


@pytest.mark.parametrize("version", [each for each in all_versions() if int(each.split(".")[1]) >= 27])
def test_kubernetes_knows_every_field(objects: Objects, version: str) -> None:
    """Of each version from 1.27 on."""
    ours = [each for each in objects.documents if each["metadata"]["name"].startswith("restore-drill")]
    assert len(ours) == 4
    for document in ours:
        kubernetes_validate.validate(dict(document), version, strict=True)


def test_what_is_said_is_what_is_rendered() -> None:
    """Time, resources, the names of a Prometheus with one server."""

    def other(chart: cdk8s.Chart) -> None:
        drill(
            chart,
            of=prometheus(chart, "small", replicas=1),
            name="rehearsal",
            at=time(22, 30),
            within=timedelta(hours=1),
            resources=Resources(cpu=Cpu(200), memory=Bytes.mib(300)),
        )

    job = rendered(other).only("CronJob")
    found = containers_of(template(job))
    assert (job["metadata"]["name"], job["spec"]["schedule"]) == ("rehearsal", "30 22 * * *")
    assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 3600
    assert found["prometheus"]["resources"]["requests"]["memory"] == "300Mi"
    assert [each for each in found["restore"]["args"] if each.startswith("--source=")] == [
        "--source=blue/monitoring/small/small-0"
    ]


def test_what_is_made_is_tried_and_missed_by_one_value() -> None:
    """How often, by what, and when that is too late: agent, drill and alerts have it of the restore points."""
    limits = BackupLimits(every=6 * HOUR, late=3 * HOUR, queued=True, drill_within=2 * HOUR)
    points = replace(POINTS, limits=limits)

    def queued(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart)
        backup = Backup(chart, "backup", prometheus=ours, image=IMAGE, points=points, queues_reached_at=("0.0.0.0/0",))
        made = RestoreDrill(chart, "drill", backup=backup, volume=VOLUME)
        ours.scrape(KubeStateMetrics(chart, "objects", namespace=NAMESPACE).metrics)
        ours.add_rules(lambda by: backups(by, points.limits, drills=(made.name,)))

    objects = rendered(queued)
    agent = containers_of(template(objects.only("StatefulSet")))["backup"]["args"]
    assert [each for each in agent if each.startswith(("--every=", "--queue="))] == [
        "--every=21600",
        "--queue=blue_monitoring_$(POD_NAME)",
    ]
    assert objects.only("CronJob")["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 2 * 3600
    (group,) = objects.file("prometheus-rules", "backups.yaml")["groups"]
    older_than = {each["alert"]: each["expr"].rpartition(" > ")[2] for each in group["rules"]}
    assert older_than["BackupTooOld"] == f"{(6 + 3) * 3600}"
    assert older_than["RestoreDrillTooOld"] == f"{(24 + 2) * 3600}"


def test_the_images_of_the_cluster_are_those_of_the_drill() -> None:
    """A site that runs another Prometheus has its restore tried by that one."""
    own = Image(registry="quay.io", repository="prometheus/prometheus", tag="v3.14.0")
    namespace = replace(NAMESPACE, cluster=replace(NAMESPACE.cluster, images=(own,)))
    pod = template(
        rendered(lambda chart: drill(chart, of=prometheus(chart, namespace=namespace)) and None).only("CronJob")
    )
    assert containers_of(pod)["prometheus"]["image"] == own.reference()


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "volume": (
        {"volume": Volume(Bytes.gib(99))},
        r"^the volume of restore-drill is 99Gi, but what is restored comes from one of 100Gi: use as much or more$",
    ),
    "time": ({"at": time(2, 0, 1)}, r"^a pod is started at 02:00:01 every day: use a whole minute"),
    "midnight": (
        {"at": time(20, 1)},
        r"^restore-drill starts at 20:01 and may take 4h, until after midnight in UTC, when it is another server's "
        r"turn, which would hide that this one cannot be restored: start it earlier, or lower BackupLimits"
        r"\.drill_within$",
    ),
    "long": (
        {"within": timedelta(hours=8), "at": time(16, 1)},
        r"^restore-drill starts at 16:01 and may take 8h, until after midnight in UTC",
    ),
    "name": ({"name": "g" * 53}, r"^'g{53}' cannot be a component's name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_not_try_is_refused(name: str) -> None:
    """One sentence says what to change."""
    more, refusal = REFUSED[name]
    with pytest.raises(ConstructError, match=refusal):
        drill(unrendered(), **more)


@pytest.mark.parametrize("first", [True, False])
def test_a_class_that_keeps_what_is_thrown_away_is_refused(first: bool) -> None:
    """Whichever of the two is made first: a volume would be left behind, and paid for, each day."""

    def kept(chart: cdk8s.Chart) -> None:
        StorageClass(chart, "class", name="thrown-away")

    sentence = (
        r"^the volume of restore-drill is of the class thrown-away, which keeps a volume when its claim goes, so every "
        r"drill would leave one behind: use a class that is made with keep=False$"
    )
    with pytest.raises(ConstructError, match=sentence):
        rendered(*((kept, build) if first else (build, kept)))


def test_a_class_that_does_not_keep_it_is_taken() -> None:
    """Beside another one, which keeps the servers' own."""
    found = rendered(
        build,
        lambda chart: StorageClass(chart, "kept"),
        lambda chart: StorageClass(chart, "class", name="thrown-away", keep=False),
    )
    assert {each["metadata"]["name"]: each["reclaimPolicy"] for each in found.of("StorageClass")} == {
        "gp3": "Retain",
        "thrown-away": "Delete",
    }
