"""The ways in which pods run, and what a component makes of each."""

from datetime import UTC, time, timedelta
from typing import Any

import pytest
from constructs import Construct

from constructs_lib.contract import Namespace, PodSecurity
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Component, HostPath, Mount, PerNode, Placement, Scheduled, Stateless
from tests.minimal import CLUSTER, IMAGE, NAMESPACE, WEB, component, container, unrendered
from tests.rendered import Objects, rendered

HOST = Namespace(name="monitoring-host", level=PodSecurity.PRIVILEGED, cluster=CLUSTER)
ROOT = Mount(source=HostPath("root", "/"), path="/host", follow_host=True)


def build(chart: Construct) -> None:
    component(chart, "any", workload=Stateless(user=1000))
    component(chart, "many", workload=Stateless(user=1000, replicas=2))
    everywhere = component(chart, "everywhere", containers=False, workload=PerNode(user=1000), namespace=HOST)
    everywhere.add_container(container(mounts=(ROOT,)))
    nightly = Component(
        chart,
        "nightly",
        namespace=NAMESPACE,
        name="nightly",
        program="program",
        image=IMAGE,
        workload=Scheduled(at=time(3, 15), user=1000),
        placement=Placement(),
    )
    nightly.add_container(container(ports=()))


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A single pod, two of them, one on every node, and one every night."""
    return rendered(build)


def pod(workload: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def test_a_stateless_pod_is_gone_before_its_successor_starts(objects: Objects) -> None:
    """Two at a time would be scraped both, and every series would be there twice."""
    assert objects.named("Deployment", "any")["spec"]["strategy"] == {"type": "Recreate"}
    assert objects.named("Deployment", "many")["spec"]["strategy"] == {"type": "RollingUpdate"}


def test_a_stateless_pod_leaves_a_lost_node_after_a_minute(objects: Objects) -> None:
    """It has no volume that must follow it, so nothing is gained by waiting for five."""
    tolerations = pod(objects.named("Deployment", "any"))["tolerations"]
    assert {each["key"]: each["tolerationSeconds"] for each in tolerations} == {
        "node.kubernetes.io/not-ready": 60,
        "node.kubernetes.io/unreachable": 60,
    }


@pytest.mark.trap(84)
def test_only_two_of_a_kind_have_a_budget(objects: Objects) -> None:
    """A budget of a single pod would block every drain; one of two lets one go, also when it is ill."""
    (budget,) = objects.of("PodDisruptionBudget")
    assert budget["metadata"]["name"] == "many"
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert budget["spec"]["selector"]["matchLabels"].items() <= (
        objects.named("Deployment", "many")["spec"]["template"]["metadata"]["labels"].items()
    )


def test_only_named_pods_have_a_headless_service(objects: Objects) -> None:
    """Pods of a Deployment or a DaemonSet have no names that it could resolve."""
    assert [service["metadata"]["name"] for service in objects.of("Service")] == ["any", "many", "everywhere"]


@pytest.mark.trap(78)
def test_a_pod_on_every_node_shares_its_network_and_tolerates_everything(objects: Objects) -> None:
    """A node with a taint is watched like the others, and mounts made later are seen."""
    spec = pod(objects.named("DaemonSet", "everywhere"))
    assert spec["hostNetwork"] is True
    assert spec["hostPID"] is True
    assert spec["tolerations"] == [{"operator": "Exists"}]
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount == {"name": "root", "mountPath": "/host", "readOnly": True, "mountPropagation": "HostToContainer"}
    assert spec["volumes"] == [{"name": "root", "hostPath": {"path": "/", "type": "Directory"}}]


@pytest.mark.trap(78)
def test_a_pod_on_every_node_has_no_more_rights_than_others(objects: Objects) -> None:
    """It reads as nobody, without a capability, and writes nowhere."""
    spec = pod(objects.named("DaemonSet", "everywhere"))
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.trap(61)
def test_a_pod_on_every_node_may_have_a_network_of_its_own() -> None:
    """Then its policy holds, and it is reached by its own address."""

    def build(chart: Construct) -> None:
        apart = component(chart, "apart", workload=PerNode(user=1000, on_host=False))
        component(chart, "caller").connect_to(apart.endpoint(WEB))

    ours = rendered(build)

    assert not {"hostNetwork", "hostPID"} & pod(ours.named("DaemonSet", "apart")).keys()
    assert pod(ours.named("DaemonSet", "apart"))["tolerations"] == [{"operator": "Exists"}]
    assert ours.named("NetworkPolicy", "apart")["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8080}]


def test_a_directory_of_the_node_may_be_made_where_it_is_missing() -> None:
    """Else a pod waits for it."""
    assert HostPath("state", "/var/lib/state", create=True).to_dict()["hostPath"]["type"] == "DirectoryOrCreate"


def test_who_owns_the_files_of_a_node_is_root() -> None:
    """Kubernetes starts no container of root that must not be root; without a capability it is like any other user."""
    ours = rendered(lambda chart: component(chart, "root", workload=PerNode(user=0), namespace=HOST))
    context = pod(ours.named("DaemonSet", "root"))["securityContext"]
    assert context["runAsUser"] == 0
    assert context["runAsNonRoot"] is False
    assert ours.containers[0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.trap(77)
def test_a_pod_that_needs_the_host_is_refused_where_it_would_never_start() -> None:
    """The API server would take the DaemonSet and refuse its pods."""
    with pytest.raises(ConstructError, match=r"the namespace monitoring enforces restricted, .*: use Namespaces.privi"):
        component(unrendered(), "everywhere", workload=PerNode(user=1000), namespace=NAMESPACE)


@pytest.mark.trap(79)
def test_the_door_of_a_pod_on_the_host_is_its_nodes_addresses() -> None:
    """No policy that names pods opens the way to a pod that has its node's address."""

    def connected(chart: Construct) -> None:
        everywhere = component(chart, "everywhere", workload=PerNode(user=1000), namespace=HOST)
        component(chart, "caller").connect_to(everywhere.endpoint(WEB))

    egress = rendered(connected).named("NetworkPolicy", "caller")["spec"]["egress"]
    assert {"to": [{"ipBlock": {"cidr": "10.8.0.0/16"}}], "ports": [{"protocol": "TCP", "port": 8080}]} in egress


@pytest.mark.parametrize("replicas", [0, -1])
def test_no_replica_is_refused(replicas: int) -> None:
    """A Deployment of none would be there, and nothing of it."""
    with pytest.raises(ConstructError, match=f"there are {replicas} replicas: use 1 or more, or leave the"):
        Stateless(user=1000, replicas=replicas)


def test_what_is_scheduled_ends_and_nobody_asks_it(objects: Objects) -> None:
    """One at a time, twice again where it fails, and no Service; what failed can be read."""
    job = objects.only("CronJob")["spec"]
    own = job["jobTemplate"]["spec"]
    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("15 3 * * *", "Etc/UTC", "Forbid")
    assert (own["backoffLimit"], own["activeDeadlineSeconds"]) == (2, 1800)
    assert own["template"]["spec"]["restartPolicy"] == "Never"
    assert (job["successfulJobsHistoryLimit"], job["failedJobsHistoryLimit"]) == (1, 3)
    labels = own["template"]["metadata"]["labels"]
    assert objects.named("NetworkPolicy", "nightly")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert "nightly" not in {each["metadata"]["name"] for each in objects.of("Service")}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"at": time(0, 5, 1)}, "started at 00:05:01 every day: use a whole minute"),
        ({"at": time(0, 5, tzinfo=UTC)}, "in UTC without saying so"),
        ({"end_within": timedelta(seconds=59)}, "must end within 0:00:59: use a minute or more"),
    ],
)
def test_a_schedule_that_is_none_is_refused(more: dict[str, Any], message: str) -> None:
    """Kubernetes would refuse it, or kill what it has just begun."""
    with pytest.raises(ConstructError, match=message):
        Scheduled(**{"at": time(0, 5), "user": 1000, **more})
