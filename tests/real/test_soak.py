"""What production's own timers make longer than a run in CI can be: `make soak`."""

import time
from datetime import timedelta

import pytest

from apps.environments import PROD
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.real.outside import HEARTBEAT
from tests.real.prometheus import DIST, PrometheusPod

# Prometheus says of every alert that it is over four of its repetitions from now, unless it says it again.
BELIEVED = timedelta(minutes=4)

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

    cluster.wait("it has stopped", lambda: time.time() - last() > 3 * interval, timedelta(minutes=12))

    assert closed - interval < last() < closed + BELIEVED.total_seconds() + 2 * interval
    cluster.apply(DIST)
    opened = time.time()
    cluster.wait("it beats again", lambda: last() > opened, timedelta(minutes=3))
