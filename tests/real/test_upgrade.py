"""A release over a running one, and a change of configuration alone: what must not restart does not."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml

from apps.environments import PROD
from constructs_lib.kube.alertmanager import WEB
from constructs_lib.promql import metric
from tests.cluster.kubernetes import Kubernetes
from tests.real.conftest import ADDED, EARLIER
from tests.real.notifications import MEMBERS
from tests.real.prometheus import DIST, PrometheusPod

SOON, IN_TIME = timedelta(minutes=2, seconds=30), timedelta(minutes=2)


def test_release_over_an_earlier_one_restarts_nothing_that_stays_the_same(
    cluster: Kubernetes, before_upgrade: dict[str, dict[str, Any]], servers: list[PrometheusPod]
) -> None:
    """No immutable field is in the way, and pods whose template is what it was are the same pods, never restarted."""
    templates = [
        {each["metadata"]["name"]: each["spec"]["template"] for each in workloads(directory)}
        for directory in (EARLIER, DIST)
    ]
    same = {name for name, template in templates[0].items() if templates[1].get(name) == template}
    # They got a priority, Prometheus a container more, Alertmanager an argument; both keep their volumes.
    assert same == templates[0].keys() - {"prometheus", "alertmanager", "kube-state-metrics"}
    assert {"prometheus-0", "alertmanager-0"} <= before_upgrade.keys()
    for name, pod in before_upgrade.items():
        if pod["metadata"]["labels"]["app.kubernetes.io/instance"] in same:
            assert cluster.get("pod", name, "monitoring")["metadata"]["uid"] == pod["metadata"]["uid"]
    assert [server.restarts() for server in servers] == [0, 0]


@pytest.mark.stage(0)
def test_samples_survive_the_upgrade(servers: list[PrometheusPod], before_upgrade: dict[str, dict[str, Any]]) -> None:
    """The new pods have the volumes of the old ones, and so what these had scraped."""
    for server in servers:
        ended = server.pod()["metadata"]["creationTimestamp"]
        started = before_upgrade[server.name]["metadata"]["creationTimestamp"]
        assert started < ended
        instance = metric("up", job="prometheus", pod=server.name)
        (first,) = server.query(f"min(min_over_time(timestamp({instance})[1h:5s]))")
        assert float(first["value"][1]) < datetime.fromisoformat(ended).timestamp()


def workloads(directory: Any) -> list[dict[str, Any]]:
    documents = [
        document for path in sorted((directory / "k8s").iterdir()) for document in yaml.safe_load_all(path.read_text())
    ]
    return [document for document in documents if document["kind"] in {"StatefulSet", "Deployment", "DaemonSet"}]


@pytest.mark.stage(3)
@pytest.mark.trap(16)
def test_new_receivers_and_routes_are_live_without_a_restart(cluster: Kubernetes, rule_added: float) -> None:
    """A change of Alertmanager's file is read by every member within two minutes, by the same process."""
    for member in MEMBERS:

        def live(member: str = member) -> bool:
            _, body = cluster.http_get("monitoring", member, WEB.number, "/api/v2/status")
            return ADDED in json.loads(body)["config"]["original"]

        cluster.wait(f"the change is live on {member}", live, SOON)

        _, metrics = cluster.http_get("monitoring", member, WEB.number, "/metrics")
        name = "alertmanager_config_last_reload_success_timestamp_seconds"
        (read,) = re.findall(rf"^{name} (\S+)$", metrics, re.MULTILINE)
        assert 0 < float(read) - rule_added < IN_TIME.total_seconds()
        statuses = cluster.get("pod", member, "monitoring")["status"]["containerStatuses"]
        assert [status["restartCount"] for status in statuses] == [0, 0]


@pytest.mark.stage(3)
@pytest.mark.trap(16)
def test_new_rule_is_live_without_a_restart(
    cluster: Kubernetes, servers: list[PrometheusPod], rule_added: float
) -> None:
    """A rule group that is added to the mounted ConfigMap is evaluated within two minutes, by the same process."""
    for server in servers:
        # The last reload may be another's: what a team releases reloads it, too.
        group = f'prometheus_rule_group_iterations_missed_total{{pod="{server.name}",rule_group=~".+;added"}}'
        first = f"min_over_time(timestamp({group})[30m:5s])"

        def live(server: PrometheusPod = server, first: str = first) -> float:
            assert "added" in {group["name"] for group in server.api("rules")["groups"]}
            return float(server.query(first)[0]["value"][1])

        scraped = cluster.wait(f"the rule is live on {server.name}", live, SOON)

        assert 0 < scraped - rule_added < (IN_TIME + PROD.scrape_interval).total_seconds()
    assert [server.restarts() for server in servers] == [0, 0]


@pytest.mark.stage(3)
@pytest.mark.usefixtures("rule_added", "servers")
def test_taking_it_back_touches_no_workload(cluster: Kubernetes) -> None:
    """What was added by hand goes with the next apply, and no workload is another one for it."""
    names = [(each["kind"], each["metadata"]["name"], each["metadata"]["namespace"]) for each in workloads(DIST)]
    before = [cluster.get(*name)["metadata"]["generation"] for name in names]

    cluster.apply(DIST)

    assert [cluster.get(*name)["metadata"]["generation"] for name in names] == before
