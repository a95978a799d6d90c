"""Loki: its pods, what they are to each other, their bucket, and what is refused."""

from datetime import timedelta
from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import BucketAccess, Identity, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.kube import LogLimits, Loses, Resources, Volume
from constructs_lib.units import Bytes, Cpu
from tests.minimal import LOGS, loki, prometheus, unrendered
from tests.policies import Connection, one_sided
from tests.rendered import Objects, rendered, text


def build(chart: cdk8s.Chart) -> None:
    prometheus(chart).scrape(loki(chart).web)
    loki(chart, "single", replicas=1, store=None)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Three pods with a bucket, scraped by a Prometheus, and a single one with its volume."""
    return rendered(build)


def pod(objects: Objects, name: str = "loki") -> dict[str, Any]:
    found: dict[str, Any] = objects.named("StatefulSet", name)["spec"]["template"]["spec"]
    return found


def container(objects: Objects, name: str = "loki") -> dict[str, Any]:
    found: dict[str, Any] = pod(objects, name)["containers"][0]
    return found


def egress(objects: Objects, name: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = objects.named("NetworkPolicy", name)["spec"]["egress"]
    return rules


@pytest.mark.trap(42)
@pytest.mark.parametrize("replicas", [3, 5])
def test_several_pods_on_volumes_of_their_own_are_refused(replicas: int) -> None:
    """Each would find its own logs alone."""
    with pytest.raises(ConstructError, match=rf"on a volume, but there are {replicas} replicas, .*: keep them in"):
        loki(unrendered(), store=None, replicas=replicas)


@pytest.mark.trap(42)
@pytest.mark.parametrize("accept", Loses)
def test_two_pods_on_volumes_are_refused_whatever_they_may_lose(accept: Loses) -> None:
    """That is no way to lose logs, but not to find them."""
    with pytest.raises(ConstructError, match="on a volume, but there are 2 replicas"):
        loki(unrendered(), store=None, replicas=2, accept=accept)


@pytest.mark.trap(43)
def test_two_pods_say_what_they_lose() -> None:
    """A quorum of two is two, and of one is that one."""
    with pytest.raises(
        ConstructError,
        match=r"loki has 2 replicas, which survive no loss of one \(with replication 2 they lose "
        r"writes-while-one-is-away; with replication 1 .*\): use 3, or accept one",
    ):
        loki(unrendered(), replicas=2)
    with pytest.raises(ConstructError, match="loki has 3 replicas and accepts writes-while-one-is-away: that is for 2"):
        loki(unrendered(), accept=Loses.WRITES_WHILE_ONE_IS_AWAY)


@pytest.mark.trap(43)
@pytest.mark.parametrize(
    ("more", "factor"),
    [
        ({"replicas": 1}, 1),
        ({"replicas": 2, "accept": Loses.WRITES_WHILE_ONE_IS_AWAY}, 2),
        ({"replicas": 2, "accept": Loses.RECENT_LOGS_OF_THE_ONE_AWAY}, 1),
        ({"replicas": 3}, 3),
        ({"replicas": 5}, 3),
    ],
)
def test_each_line_is_held_as_often_as_one_pod_may_go(more: dict[str, Any], factor: int) -> None:
    """Never more often than there are pods: then none would be taken."""
    assert loki(unrendered(), **more).config.to_dict()["common"]["replication_factor"] == factor


@pytest.mark.trap(45)
def test_pods_reach_each_other_before_they_are_ready(objects: Objects) -> None:
    """By gossip, by gRPC and by HTTP, both ways; their names are known from the start."""
    ways = [("TCP", port, port) for port in (3100, 7946, 9095)]
    among = {Connection("monitoring/loki", "monitoring/loki", *way) for way in ways}
    rules = objects.named("NetworkPolicy", "loki")["spec"]
    for side, direction in (("ingress", "from"), ("egress", "to")):
        opened = {
            Connection("monitoring/loki", "monitoring/loki", port["protocol"], port["port"], port["port"])
            for rule in rules[side]
            for peer in rule[direction]
            if peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/instance") == "loki"
            for port in rule["ports"]
        }
        assert opened == among
    assert not one_sided(objects)
    headless = objects.named("Service", "loki-headless")["spec"]
    assert headless["publishNotReadyAddresses"] is True
    assert {port["port"] for port in headless["ports"]} == {3100, 7946, 9095}
    assert objects.file("loki-config", "loki.yaml")["memberlist"]["join_members"] == [
        "dns+loki-headless.monitoring.svc.cluster.local:7946"
    ]


def test_a_single_pod_has_one_door(objects: Objects) -> None:
    """It has nobody to gossip with, and no budget that would keep a drain from it."""
    assert [port["containerPort"] for port in container(objects, "single")["ports"]] == [3100]
    assert {budget["metadata"]["name"] for budget in objects.of("PodDisruptionBudget")} == {"loki", "prometheus"}


@pytest.mark.trap(49)
def test_the_one_variable_of_the_file_is_replaced(objects: Objects) -> None:
    """Without the flag, the pod would tell others a dollar sign for its address."""
    assert container(objects)["args"] == [
        "-config.file=/etc/loki/config/loki.yaml",
        "-config.expand-env=true",
        "-target=all",
    ]
    variables = {each["name"]: each for each in container(objects)["env"]}
    assert variables["POD_IP"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"


@pytest.mark.trap(50)
def test_garbage_is_collected_before_the_pod_is_killed(objects: Objects) -> None:
    """The limit of the collector follows from that of the container."""
    variables = {each["name"]: each.get("value") for each in container(objects)["env"]}
    limit = Bytes.parse(container(objects)["resources"]["limits"]["memory"])
    assert limit == Bytes.gib(2)
    assert variables["GOMEMLIMIT"] == str(limit.scaled(0.9).count)


@pytest.mark.trap(50)
@pytest.mark.trap(52)
def test_a_pod_that_reads_again_what_was_written_ahead_is_left_in_peace(objects: Objects) -> None:
    """Liveness asks what answers meanwhile; the image has no shell, so that all probes ask by HTTP."""
    probes = {name: container(objects)[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    alive = "/loki/api/v1/status/buildinfo"
    assert paths == {"startup": alive, "readiness": "/ready", "liveness": alive}
    ingester = objects.file("loki-config", "loki.yaml")["ingester"]
    assert ingester["lifecycler"]["min_ready_duration"] == "15s"


@pytest.mark.trap(51)
def test_a_pod_has_time_to_store_what_it_holds(objects: Objects) -> None:
    """Before it ends; and the next one goes when all know that it is back."""
    assert pod(objects)["terminationGracePeriodSeconds"] == 300
    assert objects.named("StatefulSet", "loki")["spec"]["minReadySeconds"] == 30


@pytest.mark.trap(56)
def test_the_way_to_the_bucket_and_to_its_credentials_is_open(objects: Objects) -> None:
    """And neither for a pod that keeps its logs on its volume."""
    blocks = {
        rule["to"][0]["ipBlock"]["cidr"]: rule["ports"]
        for rule in egress(objects, "loki")
        if "ipBlock" in rule["to"][0]
    }
    assert blocks == {
        "0.0.0.0/0": [{"protocol": "TCP", "port": 443}],
        "169.254.170.23/32": [{"protocol": "TCP", "port": 80}],
    }
    assert not [rule for rule in egress(objects, "single") if "ipBlock" in rule["to"][0]]


@pytest.mark.trap(56)
def test_the_other_half_learns_who_needs_which_bucket() -> None:
    """Cluster, namespace and service account, and all keys of the bucket: Loki knows no prefix."""
    identity = Identity(cluster="blue", namespace="monitoring", service_account="loki")
    assert loki(unrendered()).buckets == (BucketAccess(identity=identity, bucket=LOGS, rights=Rights.WRITE),)
    assert loki(unrendered(), store=None, replicas=1).buckets == ()


@pytest.mark.trap(57)
def test_a_pod_writes_to_its_volume_alone(objects: Objects) -> None:
    """Temporary files too: what is too old is listed in one before it is deleted."""
    assert container(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = container(objects)["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts if not mount.get("readOnly")] == ["/loki"]
    assert {"name": "TMPDIR", "value": "/loki"} in container(objects)["env"]


def test_a_change_of_the_file_replaces_the_pods_and_nothing_else_does() -> None:
    """Loki reads it at the start alone."""

    def template(**more: Any) -> dict[str, Any]:
        found: dict[str, Any] = rendered(lambda chart: loki(chart, **more)).only("StatefulSet")["spec"]["template"]
        return found

    assert template() == template()
    changed = template(limits=LogLimits(retention=timedelta(days=31)))
    assert changed["spec"] == template()["spec"]
    assert changed["metadata"]["labels"] == template()["metadata"]["labels"]
    assert changed["metadata"]["annotations"].keys() == template()["metadata"]["annotations"].keys()
    assert changed["metadata"]["annotations"] != template()["metadata"]["annotations"]


def test_the_same_store_renders_the_same_bytes() -> None:
    """No clock is read."""
    assert text(build) == text(build)


def test_a_volume_that_what_is_written_ahead_would_fill_is_refused() -> None:
    """Above nine tenths, Loki takes no more."""
    with pytest.raises(ConstructError, match="the volume of loki is 33Gi, but at 10Mi a second up to 30Gi are written"):
        loki(unrendered(), volume=Volume(Bytes.gib(33)))
    with pytest.raises(ConstructError, match="10Mi a second of 2 tenants each up to 60Gi are written ahead"):
        loki(unrendered(), tenants=2)
    loki(unrendered(), volume=Volume(Bytes.gib(34)))


def test_memory_that_does_not_suffice_is_refused() -> None:
    """As it is by the file, which knows how it is shared out."""
    with pytest.raises(ConstructError, match="a pod of Loki may have 7500 streams, but its memory limit of 256Mi suff"):
        loki(unrendered(), resources=Resources(cpu=Cpu(100), memory=Bytes.mib(128)))


def test_no_replica_is_refused() -> None:
    """What is not wanted is left out."""
    with pytest.raises(ConstructError, match="there are 0 replicas: use 1 or more"):
        loki(unrendered(), replicas=0)
