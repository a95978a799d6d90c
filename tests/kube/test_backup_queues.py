"""Agents that are started by queues: what is rendered with them, and that nothing else is."""

import re
from dataclasses import replace
from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import Bucket, Namespace
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Backup, PrometheusHA
from constructs_lib.restore_points import BackupLimits, Origin, RestorePoints
from tests.minimal import CLUSTER, IMAGE, NAMESPACE, prometheus, unrendered
from tests.rendered import Document, rendered, template, text

PRIVATE = "10.1.2.0/24"
REACHED_BY_S3 = "52.219.0.0/16"
POINTS = RestorePoints(bucket=Bucket(name="prod-backup", region="eu-central-1", reached_at=(REACHED_BY_S3,)))
QUEUED = replace(POINTS, limits=BackupLimits(queued=True))
ORIGIN = Origin(cluster="blue", namespace="monitoring", component="prometheus")
QUEUE = "--queue=blue_monitoring_$(POD_NAME)"


def backup(ours: PrometheusHA, **more: Any) -> Backup:
    """Its points are started by queues where their addresses are given."""
    points = QUEUED if "queues_reached_at" in more else POINTS
    return Backup(ours, "backup", prometheus=ours, image=IMAGE, **{"points": points, **more})


def lines(*queues_reached_at: str) -> list[str]:
    """What is rendered; without a queue where no address is given."""

    def build(chart: cdk8s.Chart) -> None:
        backup(prometheus(chart), **({"queues_reached_at": queues_reached_at} if queues_reached_at else {}))

    return text(build).splitlines()


def peer(cidr: str) -> Document:
    return {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"protocol": "TCP", "port": 443}]}


def test_each_agent_asks_the_queue_of_its_own_pod() -> None:
    """By the name that the other half gives it, and no other container is told of it."""
    objects = rendered(lambda chart: backup(prometheus(chart), queues_reached_at=(PRIVATE,)))
    pod = template(objects.named("StatefulSet", "prometheus"))["spec"]
    arguments = {each["name"]: each["args"] for each in (*pod["initContainers"], *pod["containers"])}
    assert [name for name, args in arguments.items() if any("queue" in arg for arg in args)] == ["backup"]
    assert arguments["backup"][-1] == QUEUE
    for replica in ("prometheus-0", "prometheus-1"):
        assert QUEUE.removeprefix("--queue=").replace("$(POD_NAME)", replica) == ORIGIN.queue(replica)


def test_with_queues_one_argument_and_one_way_more_is_rendered() -> None:
    """To SQS by TLS, from Prometheus' pods; and all that is there without them stays as it is."""
    without, with_queues = lines(), lines(PRIVATE)
    more = [line for line in with_queues if line not in without]
    assert [line.strip(" -") for line in more] == [f"queue={QUEUE.partition('=')[2]}", f"cidr: {PRIVATE}"]
    objects = rendered(lambda chart: backup(prometheus(chart), queues_reached_at=(PRIVATE,)))
    egress = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]
    assert peer(PRIVATE) in egress
    before = rendered(lambda chart: backup(prometheus(chart))).named("NetworkPolicy", "prometheus")["spec"]["egress"]
    assert [rule for rule in egress if rule != peer(PRIVATE)] == before


def test_the_way_to_the_bucket_may_be_that_to_the_queue() -> None:
    """Where both are reached by the same addresses, no rule is added; private ones are left out of public ones."""
    without = lines()
    more = [line for line in lines(REACHED_BY_S3) if line not in without]
    assert [line.strip(" -") for line in more] == [f"queue={QUEUE.partition('=')[2]}"]
    objects = rendered(lambda chart: backup(prometheus(chart), queues_reached_at=("0.0.0.0/0",)))
    egress = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]
    (public,) = (rule["to"][0]["ipBlock"] for rule in egress if "0.0.0.0/0" in str(rule))
    assert "10.0.0.0/8" in public["except"]


def test_the_role_gets_no_bucket_more() -> None:
    """What a service account may do with queues, the other half says by itself."""
    ours, other = prometheus(unrendered()), prometheus(unrendered())
    backup(ours)
    backup(other, queues_reached_at=(PRIVATE,))
    assert ours.buckets == other.buckets


LONG = Namespace(name="monitoring", cluster=replace(CLUSTER, name="a" * 57))
DOTTED = Namespace(name="monitoring", cluster=replace(CLUSTER, name="eu.blue"))


@pytest.mark.parametrize(
    ("namespace", "reached_at", "sentence"),
    [
        (NAMESPACE, (), "queues_reached_at of prometheus is empty: give the ranges of SQS's addresses"),
        (
            NAMESPACE,
            ("10.1.2.3/24",),
            "'10.1.2.3/24' cannot be an address range of SQS, 10.1.2.3/24 has host bits set: ",
        ),
        (LONG, (PRIVATE,), "'a{57}_monitoring_prometheus-0' of 81 characters cannot be a queue of SQS, which takes up"),
        (
            DOTTED,
            (PRIVATE,),
            "'eu.blue_monitoring_prometheus-0' of 31 characters cannot be a queue of SQS, which takes",
        ),
    ],
    ids=["nowhere", "no-range", "long-name", "dotted-name"],
)
def test_queues_that_cannot_be_asked_are_refused(
    namespace: Namespace, reached_at: tuple[str, ...], sentence: str
) -> None:
    """At once and in one sentence; without queues, the same names may be."""
    ours = prometheus(unrendered(), namespace=namespace)
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        backup(ours, queues_reached_at=reached_at)
    backup(prometheus(unrendered(), namespace=namespace))


def test_the_last_replica_has_the_longest_name() -> None:
    """Ten of them fit where the eleventh does not."""
    almost = Namespace(name="monitoring", cluster=replace(CLUSTER, name="a" * 56))
    backup(prometheus(unrendered(), namespace=almost, replicas=10), queues_reached_at=(PRIVATE,))
    with pytest.raises(ConstructError, match="_prometheus-10' of 81 characters cannot be a queue of SQS"):
        backup(prometheus(unrendered(), namespace=almost, replicas=11), queues_reached_at=(PRIVATE,))


@pytest.mark.parametrize(
    ("points", "more", "sentence"),
    [
        (
            QUEUED,
            {},
            "queues start backups to prod-backup, as BackupLimits.queued says, but queues_reached_at is absent, so "
            "that no agent would ask them: give the ranges of SQS's addresses, or leave queued out",
        ),
        (
            POINTS,
            {"queues_reached_at": (PRIVATE,)},
            "queues_reached_at is 10.1.2.0/24, but no queue starts backups to prod-backup, as BackupLimits.queued "
            "says: leave queues_reached_at out, or let queues start them",
        ),
    ],
    ids=["no-address", "no-queue"],
)
def test_queues_that_are_there_for_one_side_alone_are_refused(
    points: RestorePoints, more: dict[str, Any], sentence: str
) -> None:
    """Agents ask queues where, and only where, the rules on them and the other half know of some."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}$"):
        backup(prometheus(unrendered()), points=points, **more)
