"""What saves a database: its pod, whose are which credentials, whom it reaches, and what is refused."""

import csv
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Bucket, BucketAccess, ExternalHost, Identity, Namespace, Port, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Placement, PostgresBackup, PostgresStore
from constructs_lib.kube.postgres_backup import CLIENTS
from constructs_lib.restore_points import RestorePoints
from constructs_lib.units import Bytes
from tests.minimal import CLUSTER, IMAGE, NAMESPACE, component, unrendered
from tests.policies import one_sided, opened
from tests.rendered import Document, Objects, containers_of, rendered, template

POINTS = RestorePoints(bucket=Bucket(name="prod-backup", region="eu-central-1"))
SERVER = ExternalHost(host="db.example.com", port=5433, addresses=("10.20.0.0/16",))
STORE = PostgresStore(
    server=SERVER,
    database="people",
    user="owner",
    password=SecretKey("grafana", "password"),
    ca=SecretKey("trust", "ca.crt"),
)
WHERE = ["--bucket=prod-backup", "--region=eu-central-1", "--source=blue/monitoring/grafana-backup/database"]


def saver(scope: Construct, id: str = "saver", **more: Any) -> PostgresBackup:
    return PostgresBackup(
        scope, id, **{"namespace": NAMESPACE, "store": STORE, "image": IMAGE, "points": POINTS, **more}
    )


def build(chart: cdk8s.Chart) -> None:
    saver(chart)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One, with what is its default."""
    return rendered(build)


@pytest.fixture(scope="module")
def pod(objects: Objects) -> Document:
    return template(objects.only("CronJob"))


def mounts(pod: Document, container: str) -> dict[str, str]:
    """Path -> volume."""
    return {each["mountPath"]: each["name"] for each in containers_of(pod)[container]["volumeMounts"]}


def variables(pod: Document) -> dict[str, str]:
    """Of the clients."""
    return {each["name"]: each["value"] for each in containers_of(pod)["postgres"]["env"]}


def test_a_job_fetches_restores_dumps_and_sends_in_this_order(pod: Document) -> None:
    """Each begins when the one before has done its part; what fails is tried by a new pod, which begins anew."""
    found = containers_of(pod)
    assert list(found) == ["fetch", "postgres", "send"]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["send"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert found["fetch"]["args"] == ["fetch-dump", "--file=/scratch/restore.dump", *WHERE, "--requests=/etc/restore"]
    assert found["send"]["args"] == ["send-dump", "--file=/scratch/database.dump", *WHERE]
    assert {found[each]["image"] for each in ("fetch", "send")} == {IMAGE.reference()}


def test_it_runs_every_night(objects: Objects) -> None:
    """In UTC, never twice at a time, and it ends."""
    job = objects.only("CronJob")["spec"]
    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("0 2 * * *", "Etc/UTC", "Forbid")
    assert job["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 1800
    assert "ttlSecondsAfterFinished" not in job["jobTemplate"]["spec"]  # who looks in the morning finds its log


def test_the_clients_run_the_script_on_the_files_of_the_agent(objects: Objects, pod: Document) -> None:
    """What was fetched is what is restored, and what was dumped is what is sent."""
    found, script = containers_of(pod), objects.named("ConfigMap", "grafana-backup-script")["data"]
    assert found["postgres"]["command"] == ["sh", "/etc/postgres-backup/script/run.sh"]
    assert mounts(pod, "postgres")["/etc/postgres-backup/script"] == "script"
    assert script.keys() == {"run.sh"}
    given = variables(pod)
    assert f"--file={given['FETCHED']}" in found["fetch"]["args"]
    assert f"--file={given['DUMPED']}" in found["send"]["args"]
    assert all(f"${name}" in script["run.sh"] for name in ("FETCHED", "DUMPED", "PASSWORD_FILE", "LOCK_WITHIN"))


def test_the_server_is_verified_and_the_password_is_a_file(pod: Document) -> None:
    """No argument and no variable of the pod holds it."""
    assert variables(pod) == {
        "PGHOST": "db.example.com",
        "PGPORT": "5433",
        "PGDATABASE": "people",
        "PGUSER": "owner",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/postgres-backup/credentials/trust/ca.crt",
        "PGCONNECT_TIMEOUT": "10",
        "PASSWORD_FILE": "/etc/postgres-backup/credentials/grafana/password",
        "FETCHED": "/scratch/restore.dump",
        "DUMPED": "/scratch/database.dump",
        "LOCK_WITHIN": "60s",
        "HOME": "/scratch",
    }
    volumes = {each["name"]: each.get("secret", {}).get("secretName") for each in pod["spec"]["volumes"]}
    for secret in ("grafana", "trust"):
        assert volumes[mounts(pod, "postgres")[f"/etc/postgres-backup/credentials/{secret}"]] == secret


def test_who_has_the_password_has_no_role_and_who_has_the_role_no_password(pod: Document) -> None:
    """EKS' webhook reads the annotation as a line of a CSV file."""
    (skipped,) = csv.reader([pod["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"]])
    assert skipped == ["postgres"]
    for agent in ("fetch", "send"):
        assert not [volume for volume in mounts(pod, agent).values() if volume.startswith("secret-")]
        assert "env" not in containers_of(pod)[agent]


def test_all_write_to_one_scratch_that_ends_with_the_pod_and_nowhere_else(pod: Document) -> None:
    """As one user, and bounded."""
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes["scratch"] == {"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}}
    for name, container in containers_of(pod).items():
        writable = [each for each in container["volumeMounts"] if not each.get("readOnly")]
        assert writable == [{"name": "scratch", "mountPath": "/scratch"}], name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
    security = pod["spec"]["securityContext"]
    assert {security[each] for each in ("runAsUser", "runAsGroup", "fsGroup")} == {65534}


def test_what_is_to_be_restored_is_said_by_a_config_map_that_need_not_be_there(objects: Objects, pod: Document) -> None:
    """Nobody renders it: whoever restores makes it, and takes it away again."""
    (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == "restore")
    assert volume["configMap"] == {"name": "grafana-backup-restore", "optional": True}
    assert mounts(pod, "fetch")["/etc/restore"] == "restore"
    assert [each["metadata"]["name"] for each in objects.of("ConfigMap")] == ["grafana-backup-script"]
    assert saver(unrendered()).requests == "grafana-backup-restore"


def test_it_reaches_the_database_and_the_bucket_and_nobody_reaches_it(objects: Objects) -> None:
    """And the node's agent, which has the role's credentials; the API server is none of its business."""
    policy = objects.only("NetworkPolicy")["spec"]
    blocks = {
        rule["to"][0]["ipBlock"]["cidr"]: rule["ports"] for rule in policy["egress"] if "ipBlock" in rule["to"][0]
    }
    assert blocks == {
        "10.20.0.0/16": [{"protocol": "TCP", "port": 5433}],
        "0.0.0.0/0": [{"protocol": "TCP", "port": 443}],
        "169.254.170.23/32": [{"protocol": "TCP", "port": 80}],
    }
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert objects.of("Service") == []
    assert template(objects.only("CronJob"))["spec"]["automountServiceAccountToken"] is False
    assert "serviceAccountToken" not in str(objects.documents)


def test_a_database_in_the_cluster_lets_it_in() -> None:
    """The way is open on both sides."""
    port = Port(name="sql", number=5432)

    def build(chart: cdk8s.Chart) -> None:
        saver(chart, store=replace(STORE, server=component(chart, "database", port).endpoint(port)))

    found = rendered(build)
    assert opened(found, "grafana-backup", "egress", peer="program") == {5432}
    assert opened(found, "database", "ingress", peer="postgres-backup") == {5432}
    assert one_sided(found) == set()
    given = variables(template(found.named("CronJob", "grafana-backup")))
    assert (given["PGHOST"], given["PGPORT"]) == ("database.monitoring.svc.cluster.local", "5432")


def test_nobody_in_the_cluster_may_delete() -> None:
    """The role lists, reads and adds below the saver's own prefixes; AWS is told them by the origin."""
    ours = saver(unrendered())
    identity = Identity(cluster="blue", namespace="monitoring", service_account="grafana-backup")
    prefix = "points/blue/monitoring/grafana-backup/"
    assert ours.buckets == (BucketAccess(identity=identity, bucket=POINTS.bucket, prefix=prefix, rights=Rights.ADD),)
    assert ours.origin.prefixes == tuple(each.prefix for each in ours.buckets)
    assert f"--source={ours.source}" in WHERE


def test_another_one_has_restore_points_requests_and_choices_of_its_own() -> None:
    """By cluster, namespace and name; and every choice arrives."""
    elsewhere = Namespace(name="elsewhere", cluster=CLUSTER)

    def build(chart: cdk8s.Chart) -> None:
        made = saver(
            chart,
            namespace=elsewhere,
            name="shop-backup",
            version=16,
            at=time(23, 30),
            scratch=Bytes.gib(20),
            placement=Placement(priority_class="low"),
        )
        assert made.source == "blue/elsewhere/shop-backup/database"
        assert made.requests == "shop-backup-restore"
        saver(chart, "other")

    found = rendered(build).named("CronJob", "shop-backup")
    pod = template(found)
    assert found["spec"]["schedule"] == "30 23 * * *"
    assert "--source=blue/elsewhere/shop-backup/database" in containers_of(pod)["send"]["args"]
    assert {"name": "scratch", "emptyDir": {"sizeLimit": "20Gi"}} in pod["spec"]["volumes"]
    assert pod["spec"]["priorityClassName"] == "low"


@pytest.mark.parametrize("version", CLIENTS)
def test_the_clients_are_of_the_servers_major_version(version: int) -> None:
    """What later ones dump does not restore into it, and earlier ones refuse it."""
    pod = template(rendered(lambda chart: saver(chart, version=version) and None).only("CronJob"))
    assert containers_of(pod)["postgres"]["image"].startswith(f"docker.io/library/postgres:{version}.")


def test_a_change_of_the_script_changes_no_template(pod: Document) -> None:
    """The next pod reads it anyway."""
    assert pod["metadata"]["annotations"].keys() == {
        "eks.amazonaws.com/skip-containers",
        "karpenter.sh/do-not-disrupt",
        "cluster-autoscaler.kubernetes.io/safe-to-evict",
    }


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"version": 14}, r"^grafana-backup has no clients of PostgreSQL 14: use a server of 15, 16, 17, 18$"),
        (
            {"store": replace(STORE, ca=None)},
            r"^grafana-backup could not verify the certificate of db\.example\.com:5433, .*: give the store a ca$",
        ),
        (
            {"points": replace(POINTS, keep=timedelta(days=1))},
            r"^a restore point is made every 1d, but kept for 1 days only, .*, or keep them for longer$",
        ),
        (
            {"scratch": Bytes.mib(64 - 1)},
            r"^the scratch of grafana-backup is 63Mi, too small for a dump: use 64Mi or more$",
        ),
        ({"at": time(2, 0, 1)}, r"^a pod is started at 02:00:01 every day: use a whole minute"),
        ({"name": "g" * 53}, r"^'g{53}' cannot be a component's name"),
    ],
    ids=["version", "authority", "kept", "scratch", "time", "name"],
)
def test_what_could_not_save_is_refused(more: dict[str, Any], refusal: str) -> None:
    """One sentence says what to change."""
    with pytest.raises(ConstructError, match=refusal):
        saver(unrendered(), **more)


@pytest.mark.parametrize(
    "more", [{"points": replace(POINTS, keep=timedelta(days=2))}, {"scratch": Bytes.mib(64)}], ids=["kept", "scratch"]
)
def test_what_just_suffices_is_taken(more: dict[str, Any]) -> None:
    """On the other side of each limit."""
    assert saver(unrendered(), **more).name == "grafana-backup"
