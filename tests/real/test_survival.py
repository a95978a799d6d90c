"""What running servers live through: a kill."""

from datetime import timedelta

import pytest

from tests.cluster.kubernetes import Kubernetes
from tests.real.prometheus import PrometheusPod

SOON = timedelta(minutes=2)


@pytest.mark.stage(4)
@pytest.mark.trap(4)
@pytest.mark.trap(6)
def test_killed_server_comes_back_with_its_samples(cluster: Kubernetes, servers: list[PrometheusPod]) -> None:
    """SIGKILL while it writes: it replays its log within the startup probe's time and still has what it had."""
    server = servers[0]
    (sample,) = server.query(f'up{{job="prometheus",pod="{server.name}"}}')
    was = server.restarts()

    cluster.kill_process("monitoring", server.name)

    cluster.wait("the killed server restarted", lambda: server.restarts() == was + 1, SOON)
    cluster.wait_ready("monitoring", f"pod/{server.name}", timeout=timedelta(minutes=15))
    assert server.query(f'up{{job="prometheus",pod="{server.name}"}}', time=sample["value"][0]) == [sample]
