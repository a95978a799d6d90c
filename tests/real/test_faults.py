"""Half of the monitoring breaks: no alert is lost, and what comes twice is counted."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.config.routes import Timing
from constructs_lib.rules.nodes import NodeLimits
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.record import Received
from tests.cluster.outside.world import Outside
from tests.real.notifications import MEMBERS, amtool, members_seen, raise_alert, told, within
from tests.real.outside import HEARTBEAT, PAGERDUTY
from tests.real.prometheus import PrometheusPod

OURS = "app.kubernetes.io/part-of=monitoring"
# A member waits so long for each one before it, which may have sent already.
PEER_TIMEOUT = timedelta(seconds=15)
SOON, LATER = timedelta(minutes=1), timedelta(minutes=3)
GOSSIP = "9094"
WARNING = {"team": "platform", "severity": "warning"}

pytestmark = [pytest.mark.stage(4), pytest.mark.usefixtures("servers")]


def arrived(cluster: Kubernetes, outside: Outside, alertname: str, times: int = 1) -> float:
    """Wait until the webhook heard of an alert so many times; give back when it first did."""

    def heard() -> float | None:
        all_of_it = told(outside, alertname)
        return all_of_it[0].at if len(all_of_it) >= times else None

    at = cluster.wait(f"the webhook hears of {alertname}", heard, LATER)
    assert at is not None
    return at


def together(cluster: Kubernetes) -> None:
    cluster.wait("both members see each other", lambda: members_seen(cluster) == [2, 2], LATER)


@contextmanager
def cut(cluster: Kubernetes, pod: str) -> Iterator[None]:
    """Let no packet of the gossip through to a pod or from it."""
    sides = itertools.product(("INPUT", "OUTPUT"), ("tcp", "udp"), ("--dport", "--sport"))
    rules = [(chain, "-p", transport, port, GOSSIP, "-j", "DROP") for chain, transport, port in sides]

    def all_rules(action: str) -> None:
        for rule in rules:
            subprocess.run([*cluster.in_network_of("monitoring", pod), "iptables", action, *rule], check=True)

    all_rules("-I")
    try:
        yield
    finally:
        all_rules("-D")


@pytest.mark.trap(27)
def test_killed_member_loses_nothing(cluster: Kubernetes, outside: Outside) -> None:
    """The member that would have sent is killed while it waits: the other one sends, once; silences stay."""
    together(cluster)
    amtool(cluster, MEMBERS[0], "silence", "add", "alertname=Silenced", "--comment=test", "--duration=2h")
    raise_alert(cluster, "Silenced", **WARNING)
    raised = raise_alert(cluster, "MemberKilled", **WARNING)

    cluster.kill_process("monitoring", MEMBERS[0], "alertmanager")

    at = arrived(cluster, outside, "MemberKilled")
    assert at - raised < 1.2 * (Timing().group_wait + PEER_TIMEOUT).total_seconds()
    together(cluster)
    for member in MEMBERS:
        (silence,) = json.loads(amtool(cluster, member, "silence", "query", "--output=json"))
        assert silence["matchers"][0]["value"] == "Silenced"
    assert len(told(outside, "MemberKilled")) == 1
    assert told(outside, "Silenced") == []


@pytest.mark.trap(21)
@pytest.mark.trap(22)
@pytest.mark.trap(24)
def test_members_that_cannot_talk_both_send_and_find_each_other_again(cluster: Kubernetes, outside: Outside) -> None:
    """Twice is better than never: as long as the gossip port is cut, both send; healed, one does."""
    together(cluster)
    with cut(cluster, MEMBERS[0]):
        cluster.wait("each member is alone", lambda: members_seen(cluster) == [1, 1], LATER)
        raise_alert(cluster, "GossipCut", **WARNING)
        arrived(cluster, outside, "GossipCut", times=2)
    together(cluster)
    raise_alert(cluster, "GossipHealed", **WARNING)

    arrived(cluster, outside, "GossipHealed")

    assert len(told(outside, "GossipCut")) == 2


def nodes_of_pairs(cluster: Kubernetes) -> dict[str, list[str]]:
    """By node, which of the two Prometheus and Alertmanagers run there, those with most of them first."""
    nodes: dict[str, list[str]] = {}
    for pod in cluster.find("pods", "monitoring", OURS):
        if pod["metadata"]["name"] in {*MEMBERS, "prometheus-0", "prometheus-1"}:
            nodes.setdefault(pod["spec"]["nodeName"], []).append(pod["metadata"]["name"])
    return dict(sorted(nodes.items(), key=lambda each: -len(each[1])))


@pytest.mark.trap(84)
def test_drained_node_gives_up_its_pods_and_no_alert(cluster: Kubernetes, outside: Outside) -> None:
    """Budgets let one of each pair go, and only one; the drain ends, and who stays sends."""
    node, pods = next(iter(nodes_of_pairs(cluster).items()))
    left = [member for member in MEMBERS if member not in pods]
    budgets = [each["metadata"]["name"] for each in cluster.find("poddisruptionbudgets", "monitoring")]
    assert budgets == ["alertmanager", "prometheus"]
    try:
        drain = ("drain", node, "--ignore-daemonsets", f"--pod-selector={OURS}", "--timeout=120s")
        cluster.kubectl(*drain)
        raise_alert(cluster, "Drained", *left, **WARNING)

        arrived(cluster, outside, "Drained")

        blocked = cluster.find("poddisruptionbudgets", "monitoring")
        assert {each["metadata"]["name"]: each["status"]["disruptionsAllowed"] for each in blocked} == {
            each: 0 if any(pod.startswith(each) for pod in pods) else 1 for each in budgets
        }
    finally:
        cluster.kubectl("uncordon", node)
    cluster.wait_ready("monitoring")
    together(cluster)
    assert len(told(outside, "Drained")) == 1


@pytest.mark.stage(5)
def test_lost_node_is_told_of_by_those_that_are_left(
    cluster: Kubernetes, outside: Outside, servers: list[PrometheusPod]
) -> None:
    """One Prometheus and one Alertmanager go with it: the other two tell of it, in time, and the heart goes on."""
    node, pods = next((node, pods) for node, pods in nodes_of_pairs(cluster).items() if not watched_from(cluster, node))
    assert pods
    stopped = time.time()
    cluster.stop_node(node)

    def heard() -> list[Received]:
        return [each for each in outside.received(PAGERDUTY.host) if "NodeNotReady" in json.dumps(each.body)]

    first = cluster.wait("somebody is paged for the lost node", heard, timedelta(minutes=6))[0]

    lost_after = timedelta(seconds=10)  # the cluster's own, before the node counts as lost
    assert first.at - stopped < within(NodeLimits().not_ready + lost_after + PEER_TIMEOUT)
    assert len(heard()) == 1
    beats = [each.at for each in outside.received(HEARTBEAT.host) if each.at > stopped]
    assert PROD.heartbeat_interval is not None
    assert max(b - a for a, b in itertools.pairwise([stopped, *beats])) < 2 * PROD.heartbeat_interval.total_seconds()


def watched_from(cluster: Kubernetes, node: str) -> bool:
    """Whether kube-state-metrics runs on a node: it would first have to move to another one."""
    (pod,) = cluster.find("pods", "monitoring", "app.kubernetes.io/name=kube-state-metrics")
    return bool(pod["spec"]["nodeName"] == node)
