"""Something breaks, and somebody hears of it: once, in time, and once more when it is over."""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from apps.environments import PROD
from constructs_lib.rules.kubernetes import KubernetesLimits
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.record import Received
from tests.cluster.outside.world import Outside
from tests.real.notifications import Told, raise_alert, told, turn_is_over, within
from tests.real.outside import HEARTBEAT, MAILBOX, PAGERDUTY, SLACK, WEBHOOK
from tests.real.prometheus import PrometheusPod

INCIDENTS = Path(__file__).with_name("incidents.yaml")
APPLICATIONS = PROD.application_namespace
HOME = "test/home"
SOON = timedelta(minutes=1)
# Whose alert goes where: another receiver, and so another protocol, for each.
WAYS = {
    WEBHOOK.host: {"team": "platform", "severity": "warning"},
    PAGERDUTY.host: {"team": "platform", "severity": "critical"},
    MAILBOX.host: {"team": "database", "severity": "warning"},
    SLACK.host: {"team": "backend", "severity": "warning"},
}


@dataclass(frozen=True, slots=True)
class Incident:
    """What went wrong, and when.

    Args:
        alertname: Of the alert that tells of it.
        hold: How long it must last.
        since: In seconds since 1970.
    """

    alertname: str
    hold: timedelta
    since: float


@pytest.fixture(scope="session")
def crashing(cluster: Kubernetes, servers: list[PrometheusPod]) -> Incident:
    """A container that ends as soon as it is started, again and again."""
    assert servers
    cluster.apply(INCIDENTS)

    def again() -> bool:
        (pod,) = cluster.find("pods", APPLICATIONS, "app=crashing")
        (status,) = pod["status"]["containerStatuses"]
        return bool(status["restartCount"] > 1)

    cluster.wait("the container has restarted twice", again, 2 * SOON)
    return Incident("ContainerCrashLooping", KubernetesLimits().crash_looping, time.time())


@pytest.fixture(scope="session")
def homeless(cluster: Kubernetes, crashing: Incident) -> Incident:
    """The pod of a Deployment that ran, was deleted, and finds no node any more."""
    assert crashing
    cluster.kubectl("label", "node", "n2", f"{HOME}=yes")
    cluster.wait_ready(APPLICATIONS, "deployment/homeless")
    cluster.kubectl("label", "node", "n2", f"{HOME}-")
    cluster.kubectl("-n", APPLICATIONS, "delete", "pod", "-l", "app=homeless", "--wait=false")
    since = time.time()

    def unschedulable() -> bool:
        pods = cluster.find("pods", APPLICATIONS, "app=homeless")
        return any(each["reason"] == "Unschedulable" for pod in pods for each in pod["status"]["conditions"])

    cluster.wait("the new pod finds no node", unschedulable, SOON)
    return Incident("PodUnschedulable", KubernetesLimits().unschedulable, since)


@pytest.fixture(scope="session")
def incidents(crashing: Incident, homeless: Incident) -> list[Incident]:
    """Both, as they begin; their alerts ripen while other tests run."""
    return [crashing, homeless]


@pytest.fixture(scope="session")
def raised(cluster: Kubernetes, servers: list[PrometheusPod]) -> float:
    """One alert for every receiver, told to both members; when that was."""
    assert servers
    return max(raise_alert(cluster, "Test", instance=host, **labels) for host, labels in WAYS.items())


@pytest.mark.stage(1)
def test_things_break(incidents: list[Incident], raised: float) -> None:
    """What the tests below wait for begins here, so that it ripens while others run."""
    assert raised > min(incident.since for incident in incidents)


@pytest.mark.stage(3)
@pytest.mark.parametrize("host", WAYS)
def test_every_kind_of_receiver_hears(cluster: Kubernetes, outside: Outside, raised: float, host: str) -> None:
    """Once, in time, by the protocol and with the credential that the real service wants, over TLS."""

    def heard() -> list[Received]:
        return [each for each in outside.received(host) if "It is a test." in json.dumps(each.body)]

    first = cluster.wait(f"{host} hears of the alert", heard, SOON)[0]

    assert first.at - raised < within(timedelta(0))
    once(cluster, first.at, heard)
    assert [each for each in outside.refused(host) if each.at > raised] == []
    if host == PAGERDUTY.host:  # whose details Alertmanager reads as YAML: a text may become a list of its first words
        assert f"instance={host}" in str(first.body["payload"]["custom_details"]["firing"])


def once(cluster: Kubernetes, since: float, heard: Callable[[], Sequence[object]]) -> None:
    """Nothing comes in the time in which the other member would have sent, too."""
    turn_is_over(cluster, since)
    assert len(heard()) == 1


def in_time(cluster: Kubernetes, outside: Outside, incident: Incident) -> None:
    """Somebody hears of an incident, once, as soon as can be."""

    def heard() -> list[Told]:
        return told(outside, incident.alertname, namespace=APPLICATIONS)

    limit = timedelta(seconds=within(incident.hold))
    first = cluster.wait(f"the webhook hears of {incident.alertname}", heard, limit)[0]

    assert first.status == "firing"
    assert first.at - incident.since < limit.total_seconds()
    once(cluster, first.at, heard)


@pytest.mark.trap(3)
@pytest.mark.stage(3)
def test_one_notification_in_time(cluster: Kubernetes, outside: Outside, crashing: Incident) -> None:
    """Two Prometheus saw it and told two Alertmanagers: one person hears of it, once, as soon as can be."""
    in_time(cluster, outside, crashing)


@pytest.mark.stage(5)
def test_one_notification_in_time_when_one_prometheus_is_killed(
    cluster: Kubernetes, outside: Outside, homeless: Incident, killed: PrometheusPod
) -> None:
    """The alert was pending in both; what the killed one forgets, the other one knows."""
    assert killed.restarts() > 0
    in_time(cluster, outside, homeless)


@pytest.mark.stage(6)
def test_recovery_begins(cluster: Kubernetes, incidents: list[Incident]) -> None:
    """Both are repaired; that they were is told later."""
    assert incidents
    repaired = '[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["sleep"]}]'
    cluster.kubectl("-n", APPLICATIONS, "patch", "deployment", "crashing", "--type=json", f"--patch={repaired}")
    cluster.kubectl("label", "node", "n2", f"{HOME}=yes")
    cluster.wait_ready(APPLICATIONS, "deployment/crashing", "deployment/homeless")


@pytest.mark.stage(8)
@pytest.mark.parametrize("kind", ["ContainerCrashLooping", "PodUnschedulable"])
def test_one_notification_says_that_it_is_over(cluster: Kubernetes, outside: Outside, kind: str) -> None:
    """Of the whole incident there were two: one at the beginning, one at the end."""

    def over() -> bool:
        statuses = [each.status for each in told(outside, kind, namespace=APPLICATIONS)]
        assert statuses == ["firing", "resolved"]  # what else it was is shown
        return True

    cluster.wait(f"the webhook hears that {kind} is over", over, timedelta(minutes=5))


@pytest.mark.trap(30)
@pytest.mark.stage(8)
def test_heartbeat_keeps_its_interval(outside: Outside, rule_added: float) -> None:
    """From the first beat after the upgrade to the last, whichever member sent it."""
    beats = [each.at for each in outside.received(HEARTBEAT.host) if each.at > rule_added]
    gaps = [later - earlier for earlier, later in itertools.pairwise(beats)]
    assert PROD.heartbeat_interval is not None
    interval = PROD.heartbeat_interval.total_seconds()
    assert len(beats) >= 4
    # Where a member takes over, its turn may come a third of an interval later, and then it waits for its place.
    assert max(gaps) < 2 * interval, gaps
    # A member that is killed or alone beats once more: that is no harm, and so not the mean.
    assert statistics.median(gaps) == pytest.approx(interval, rel=0.2), gaps
