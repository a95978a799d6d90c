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
from constructs_lib.config.receivers import PEER_WAIT
from constructs_lib.config.routes import Timing
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.real.notifications import MEMBERS, amtool, members_seen, raise_alert, told, turn_is_over
from tests.real.outside import HEARTBEAT

OURS = "app.kubernetes.io/part-of=monitoring"
SOON, LATER = timedelta(minutes=1), timedelta(minutes=3)
GOSSIP = "9094"
WARNING = {"team": "platform", "severity": "warning"}

pytestmark = [pytest.mark.stage(7), pytest.mark.usefixtures("servers")]


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
    assert at - raised < 1.2 * (Timing().group_wait + PEER_WAIT).total_seconds()
    together(cluster)
    for member in MEMBERS:
        (silence,) = json.loads(amtool(cluster, member, "silence", "query", "--output=json"))
        assert silence["matchers"][0]["value"] == "Silenced"
    assert len(told(outside, "MemberKilled")) == 1
    assert told(outside, "Silenced") == []


@pytest.mark.stage(8.5)  # when both have told that the incidents of test_delivery.py are over: alone, each would tell
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

    at = arrived(cluster, outside, "GossipHealed")

    turn_is_over(cluster, at)
    assert len(told(outside, "GossipHealed")) == 1
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
    """Budgets let one of each pair go, and one of three, and only one; the drain ends, and who stays sends."""
    node, pods = next(iter(nodes_of_pairs(cluster).items()))
    left = [member for member in MEMBERS if member not in pods]
    budgets = [each["metadata"]["name"] for each in cluster.find("poddisruptionbudgets", "monitoring")]
    proxies = ["alertmanager-proxy", "jaeger-query-proxy", "prometheus-proxy"]
    assert budgets == sorted(["alertmanager", "grafana", "jaeger-collector", "loki", "prometheus", *proxies])
    # What has its volume there can be nowhere else; each node has a member of Loki.
    there = (pod["metadata"] for pod in cluster.find("pods", "monitoring", OURS) if pod["spec"]["nodeName"] == node)
    gone = [each["name"] for each in there if each["ownerReferences"][0]["kind"] == "StatefulSet"]
    assert {*pods, "loki"} <= {*gone, *(name.rpartition("-")[0] for name in gone)}
    try:
        drain = ("drain", node, "--ignore-daemonsets", f"--pod-selector={OURS}", "--timeout=120s")
        cluster.kubectl(*drain)
        raise_alert(cluster, "Drained", *left, **WARNING)

        arrived(cluster, outside, "Drained")

        blocked = cluster.find("poddisruptionbudgets", "monitoring")
        assert {each["metadata"]["name"]: each["status"]["disruptionsAllowed"] for each in blocked} == {
            each: 0 if any(pod.startswith(each) for pod in gone) else 1 for each in budgets
        }
    finally:
        cluster.kubectl("uncordon", node)
    cluster.wait_ready("monitoring", "statefulset/loki", *(f"pod/{pod}" for pod in (*pods, *left)))
    together(cluster)
    assert len(told(outside, "Drained")) == 1


@pytest.fixture(scope="module")
def lost(cluster: Kubernetes) -> Iterator[tuple[list[str], float]]:
    """The pods of the two pairs that went with a node, and when."""
    node, pods = next(iter(nodes_of_pairs(cluster).items()))
    cluster.stop_node(node)
    yield pods, time.time()
    cluster.start_node(node)


@pytest.mark.stage(9)
def test_lost_node_takes_no_alert_with_it(cluster: Kubernetes, outside: Outside, lost: tuple[list[str], float]) -> None:
    """One Prometheus or one Alertmanager, or one of each, goes with it: who is left sends, and the heart beats on."""
    pods, since = lost
    left = [member for member in MEMBERS if member not in pods]
    raise_alert(cluster, "NodeLost", *left, **WARNING)

    arrived(cluster, outside, "NodeLost")

    assert PROD.heartbeat_interval is not None
    interval = PROD.heartbeat_interval.total_seconds()

    def beats() -> list[float]:
        return [each.at for each in outside.received(HEARTBEAT.host) if each.at > since]

    cluster.wait("the heart beats twice", lambda: len(beats()) > 1, timedelta(minutes=4))
    assert max(later - earlier for earlier, later in itertools.pairwise([since, *beats()])) < 2 * interval
    assert len(told(outside, "NodeLost")) == 1
