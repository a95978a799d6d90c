"""What running servers live through: a change of their rules, a kill."""

from datetime import timedelta

import pytest

from tests.cluster.kubernetes import Kubernetes
from tests.real.prometheus import DIST, PrometheusPod

SOON = timedelta(minutes=2)


@pytest.mark.stage(3)
def test_new_rule_is_live_without_a_restart(
    cluster: Kubernetes, servers: list[PrometheusPod], rule_added: float
) -> None:
    """A rule group that is added to the mounted ConfigMap is evaluated within two minutes, by the same process."""
    for server in servers:
        reloaded = f'prometheus_config_last_reload_success_timestamp_seconds{{pod="{server.name}"}}'

        def live(server: PrometheusPod = server, reloaded: str = reloaded) -> float | None:
            if "added" not in {group["name"] for group in server.api("rules")["groups"]}:
                return None
            at = float(server.query(reloaded)[0]["value"][1])
            return at if at > rule_added else None

        at = cluster.wait(f"the rule is live on {server.name}", live, timedelta(minutes=2, seconds=30))

        assert at is not None
        assert at - rule_added < timedelta(minutes=2).total_seconds()
    assert [server.restarts() for server in servers] == [0, 0]
    cluster.apply(DIST)
    assert cluster.get("statefulset", "prometheus", "monitoring")["metadata"]["generation"] == 1


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
