"""What production's own timers make longer than a run in CI can be: `make soak`."""

import json
import time
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.rules.nodes import NodeLimits
from tests.cluster.cluster import Cluster
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.real.notifications import within
from tests.real.outside import HEARTBEAT, PAGERDUTY
from tests.real.prometheus import DIST, PrometheusPod
from tests.real.teams import HOSTILE, churn, documents, namespace
from tests.real.test_teams import ROLE, rules, without_api_server

# Prometheus says of every alert that it is over four of its repetitions from now, unless it says it again.
BELIEVED = timedelta(minutes=4)
# The node counts as lost, its pods are evicted, and the one that tells starts elsewhere.
MOVED = timedelta(seconds=10 + 60 + 30)

pytestmark = pytest.mark.soak


def test_heartbeat_stops_when_no_prometheus_reaches_alertmanager(
    cluster: Kubernetes, outside: Outside, servers: list[PrometheusPod]
) -> None:
    """Its receiver, who hears nothing any more, raises the alarm; it beats again when the way is open."""
    assert servers
    assert PROD.heartbeat_interval is not None
    interval = PROD.heartbeat_interval.total_seconds()

    def last() -> float:
        return max(each.at for each in outside.received(HEARTBEAT.host))

    cluster.wait("the heart beats", lambda: last() > 0, timedelta(minutes=2))
    closed = time.time()
    cluster.kubectl("-n", "monitoring", "delete", "networkpolicy", "prometheus")  # what is left is the default deny
    try:
        for server in servers:  # a policy cuts no connection that is open already
            cluster.kill_process("monitoring", server.name)
        cluster.wait("it has stopped", lambda: time.time() - last() > 3 * interval, timedelta(minutes=12))
    finally:
        cluster.apply(DIST)

    assert closed - interval < last() < closed + BELIEVED.total_seconds() + 2 * interval
    opened = time.time()
    cluster.wait("it beats again", lambda: last() > opened, timedelta(minutes=3))


@pytest.mark.stage(9)
def test_lost_node_is_told_of_although_its_teller_was_there(
    cluster: Kubernetes, outside: Outside, servers: list[PrometheusPod]
) -> None:
    """The worst node: kube-state-metrics ran there, and must first start on another one."""
    assert servers
    (pod,) = cluster.find("pods", "monitoring", "app.kubernetes.io/name=kube-state-metrics")
    stopped = time.time()
    cluster.stop_node(pod["spec"]["nodeName"])

    def heard() -> list[float]:
        return [each.at for each in outside.received(PAGERDUTY.host) if "NodeNotReady" in json.dumps(each.body)]

    at = cluster.wait("somebody is paged for the lost node", heard, timedelta(minutes=15))[0]

    assert at - stopped < within(NodeLimits().not_ready + MOVED)


def test_five_minutes_without_the_api_server(cluster: Cluster, servers: list[PrometheusPod]) -> None:
    """What other teams released stays live, also over a restart of Prometheus and the collector."""
    cluster.apply(documents(*namespace(HOSTILE, ROLE), churn(0)))
    cluster.wait("the rule is live", lambda: "Churn0" in rules(servers[1], HOSTILE), timedelta(minutes=2))

    without_api_server(cluster, servers[1], timedelta(minutes=5))
