"""Alertmanager's configuration, read by the real amtool: hundreds of random accepted ones, and where alerts go."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import cdk8s
import pytest

from apps.alerting import alerting
from apps.environments import load
from constructs_lib.config import to_yaml
from constructs_lib.config.alertmanager import DEFAULT_INHIBITIONS, AlertmanagerConfig
from constructs_lib.config.intervals import WORKING_DAYS, TimeInterval
from constructs_lib.config.notifications import (
    GRAPH_URL,
    PAGER_SEVERITY,
    PAGER_SOURCE,
    PLAIN_TEXT,
    RUNBOOK_URL,
    SHOWN,
    SILENCE_URL,
    SLACK_COLOR,
    SLACK_TEXT,
    SUBJECT,
    TITLE,
    each,
)
from constructs_lib.config.receivers import Heartbeat, Receiver, Slack, Webhook
from constructs_lib.config.routes import Route
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Namespace
from constructs_lib.rules.model import HEARTBEAT, Severity
from tests.real.amtool import checked, filled, routed
from tests.real.documents import Documents

TOGETHER = 40  # so many documents in one call


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_accepted_here_is_accepted_there(seed: int) -> None:
    """Nothing that the model accepts is refused by Alertmanager, or read in two ways: some hundreds of files."""
    documents = Documents(seed)

    read = checked(*(to_yaml(documents.next().to_dict()) for _ in range(TOGETHER)))

    assert read.returncode == 0, read.stdout
    assert read.stdout.count("SUCCESS") == TOGETHER
    assert "level=" not in read.stdout


def barest(
    routes: tuple[Route, ...], above: Mapping[str, frozenset[str]] | None = None
) -> Iterator[tuple[Route, list[dict[str, str]]]]:
    """For each route that has none of its own, the alerts that have only the labels which it wants."""
    for route in routes:
        wanted = dict(above or {})
        for label, values in route.demands.items():
            wanted[label] = wanted.get(label, values) & values
        if route.routes:
            yield from barest(route.routes, wanted)
        else:
            yield route, [dict(zip(wanted, values, strict=True)) for values in product(*map(sorted, wanted.values()))]


def test_every_accepted_route_is_reached_by_some_alert() -> None:
    """What is not refused as unreachable is not, on every level, whatever the text of the labels."""
    documents, asked = Documents(0), 0
    while asked < 100:
        config = documents.next()
        text = to_yaml(config.to_dict())
        for route, alerts in barest(config.routes):
            asked += 1
            assert any(route.receiver in routed(text, **alert) for alert in alerts), f"{route} in {text}"


def hook(name: str) -> Receiver:
    return Receiver(name=name, integrations=(Webhook(url=SecretKey("receivers", f"{name}-url")),))


# What a site of several teams has: a pager for what cannot wait, a room for each team, a copy of all for the archive.
TEAMS = AlertmanagerConfig(
    default="platform",
    receivers=tuple(hook(name) for name in ("platform", "pager", "backend", "backend-pager", "database", "archive")),
    routes=(
        Route(receiver="archive", continue_=True),
        Route(
            receiver="backend",
            team="backend",
            routes=(
                Route(receiver="backend-pager", severities=(Severity.CRITICAL,), labels={"service": "api"}),
                Route(receiver="backend", severities=(Severity.WARNING,), active_time_intervals=("office-hours",)),
            ),
        ),
        Route(receiver="database", team="database", severities=(Severity.WARNING,)),
        Route(receiver="pager", severities=(Severity.CRITICAL,)),
    ),
    inhibitions=DEFAULT_INHIBITIONS,
    intervals=(TimeInterval(name="office-hours", weekdays=WORKING_DAYS, location="Europe/Berlin"),),
    heartbeat=Heartbeat(url=SecretKey("receivers", "heartbeat-url")),
    teams=(Slack(api_url=SecretKey("receivers", "slack-url"), channel="#alerts-{team}"),),
)


@pytest.mark.parametrize(
    ("labels", "heard"),
    [
        ({"team": "backend", "severity": "critical"}, "backend"),
        ({"team": "backend", "severity": "critical", "service": "api"}, "backend-pager"),
        ({"team": "backend", "severity": "warning", "service": "api"}, "backend"),
        ({"team": "database", "severity": "warning"}, "database"),
        ({"team": "database", "severity": "critical"}, "pager"),
        ({"team": "ml", "severity": "critical"}, "pager"),
        ({"team": "ml", "severity": "warning"}, "platform"),
        ({"team": "backend-two", "severity": "warning"}, "platform"),
        ({}, "platform"),
    ],
)
def test_an_alert_goes_to_its_team_by_its_severity(labels: dict[str, str], heard: str) -> None:
    """The archive hears of all, and one more of each; by default that is the platform's team."""
    assert routed(to_yaml(TEAMS.to_dict()), alertname="Some", **labels) == ["archive", heard]


def test_the_heartbeat_goes_nowhere_else() -> None:
    """Neither to a team nor to the archive, whatever its labels; without a server to tell, to nobody."""
    labels = {"alertname": HEARTBEAT, "team": "backend", "severity": "critical"}
    assert routed(to_yaml(TEAMS.to_dict()), **labels) == ["heartbeat"]
    assert routed(to_yaml(replace(TEAMS, heartbeat=None).to_dict()), **labels) == ["nobody"]


@pytest.mark.parametrize(
    "labels",
    [
        {"severity": "critical"},
        {"severity": "warning", "team": "backend"},
        {"severity": "critical", "team": "backend", "service": "api"},
        {"severity": "none", "alertname": HEARTBEAT},
        {"severity": "critical", "alertname": "AlertmanagerNotificationsFailing"},
        *({"alertname": each.source["alertname"], **dict.fromkeys(each.equal, "a")} for each in DEFAULT_INHIBITIONS),
    ],
)
def test_an_alert_of_another_team_goes_to_that_team_alone(labels: dict[str, str]) -> None:
    """Whatever it is called, however severe it is: to no route, nor the heartbeat; where no way is said, by default."""
    alert = {"alertname": "Some", "team": "checkout", "origin": "shop", **labels}
    assert routed(to_yaml(TEAMS.to_dict()), **alert) == ["teams"]
    assert routed(to_yaml(replace(TEAMS, teams=(), heartbeat=None).to_dict()), **alert) == ["platform"]


def alerting_of(name: str) -> AlertmanagerConfig:
    """What the app makes of an environment."""
    values = dict(load(env_file=None))[name]
    namespace = Namespace(name=values.namespace, cluster=values.facts(name))
    return alerting(cdk8s.Chart(cdk8s.App(), "alertmanager"), namespace, values).config


@pytest.mark.parametrize(("name", "theirs"), [("dev", "webhook"), ("staging", "teams"), ("prod", "teams")])
def test_no_alert_of_another_team_wakes_the_platform(name: str, theirs: str) -> None:
    """Of every environment: to the team's channel, or to the webhook; the platform's own still come where they did."""
    config = alerting_of(name)
    for severity, alertname in product(Severity, ["Some", HEARTBEAT, "JobDown"]):
        labels = {"alertname": alertname, "severity": str(severity), "origin": "shop", "team": "checkout"}
        assert routed(to_yaml(config.to_dict()), **labels) == [theirs]
        assert routed(to_yaml(config.to_dict()), **labels, namespace="shop", job="shop/cart") == [theirs]
    ours = routed(to_yaml(config.to_dict()), alertname="JobDown", severity="critical", team="platform")
    assert ours == ["pagerduty" if name == "prod" else "webhook"]


@pytest.mark.parametrize(
    ("namespace", "heard"), [("monitoring", "pagerduty"), ("insurance-lead-gen", "pagerduty"), ("shop", "webhook")]
)
def test_full_volume_of_somebody_else_wakes_nobody(namespace: str, heard: str) -> None:
    """Only those of the monitoring and of the applications do."""
    text = to_yaml(alerting_of("prod").to_dict())
    labels = {"alertname": "VolumeFillingUp", "severity": "critical", "team": "platform", "namespace": namespace}
    assert routed(text, **labels) == [heard]


def test_a_team_hears_in_its_own_channel() -> None:
    """As Alertmanager fills it in."""
    (way,) = TEAMS.teams
    assert (
        filled(way.to_dict("/")["channel"], {**NOTIFICATION, "commonLabels": {"team": "checkout"}})
        == "#alerts-checkout"
    )


SHARED = {
    "alertname": "PodDown",
    "cluster": "shop prod",
    "environment": "prod",
    "namespace": "shop",
    "severity": "critical",
    "team": "backend",
}
RUNBOOK = "https://runbooks.example.com/PodDown"
GRAPH = "https://prometheus.example.com/graph?g0.expr=up+%3D%3D+0&g0.tab=1"
SILENCE = (
    "https://alertmanager.example.com/#/silences/new?filter="
    "%7Balertname%3D%22PodDown%22%2Ccluster%3D%22shop%20prod%22%2Cnamespace%3D%22shop%22%7D"
)


def alert(status: str, pod: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {**SHARED, "pod": pod, "node": "n1"},
        "annotations": {"summary": "A pod is down.", "description": f"{pod} does not answer.", "runbook_url": RUNBOOK},
        "generatorURL": GRAPH,
    }


def notification(*alerts: dict[str, Any], status: str = "firing") -> dict[str, Any]:
    return {
        "receiver": "chat",
        "status": status,
        "externalURL": "https://alertmanager.example.com",
        "alerts": list(alerts),
        "groupLabels": {name: SHARED[name] for name in ("alertname", "cluster", "namespace")},
        "commonLabels": SHARED,
        "commonAnnotations": {"summary": "A pod is down.", "runbook_url": RUNBOOK},
    }


NOTIFICATION = notification(alert("firing", "api-0"), alert("resolved", "api-1"))
OVER = notification(alert("resolved", "api-1"), status="resolved")
# What somebody tries a receiver with.
BARE = {
    "status": "firing",
    "alerts": [{"status": "firing", "labels": {"alertname": "Test"}, "annotations": {}}],
    "groupLabels": {"alertname": "Test"},
    "commonLabels": {"alertname": "Test"},
    "commonAnnotations": {},
}
TWO = (
    "* [firing] api-0 does not answer.\nnamespace=shop, node=n1, pod=api-0\n\n"
    "* [resolved] api-1 does not answer.\nnamespace=shop, node=n1, pod=api-1\n\n"
)


@pytest.mark.parametrize(
    ("template", "data", "text"),
    [
        (TITLE, NOTIFICATION, "[FIRING:1] CRITICAL PodDown shop prod shop: A pod is down."),
        (TITLE, OVER, "[RESOLVED] CRITICAL PodDown shop prod shop: A pod is down."),
        (TITLE, BARE, "[FIRING:1] Test"),
        (SUBJECT, NOTIFICATION, "CRITICAL PodDown shop prod shop: A pod is down."),
        (RUNBOOK_URL, NOTIFICATION, RUNBOOK),
        (GRAPH_URL, NOTIFICATION, GRAPH),
        (SILENCE_URL, NOTIFICATION, SILENCE),
        (PAGER_SEVERITY, NOTIFICATION, "critical"),
        (PAGER_SOURCE, NOTIFICATION, "shop prod"),
        (PAGER_SOURCE, BARE, "Alertmanager"),
        (SLACK_COLOR, NOTIFICATION, "danger"),
        (SLACK_COLOR, BARE, "warning"),
        (SLACK_COLOR, OVER, "good"),
        (
            SLACK_TEXT,
            NOTIFICATION,
            f"<{RUNBOOK}|Runbook> <{GRAPH}|Graph> <{SILENCE}|Silence> environment=prod team=backend \n{TWO}",
        ),
        (
            PLAIN_TEXT,
            NOTIFICATION,
            f"{TWO}Runbook: {RUNBOOK}\nGraph: {GRAPH}\nSilence: {SILENCE}\nenvironment=prod team=backend ",
        ),
        (
            PLAIN_TEXT,
            OVER,
            "* [resolved] api-1 does not answer.\nnamespace=shop, node=n1, pod=api-1\n\n"
            f"Runbook: {RUNBOOK}\nGraph: {GRAPH}\nenvironment=prod team=backend ",
        ),
        (each(".Alerts.Firing"), BARE, "* [firing] \n\n"),
    ],
)
def test_a_notification_says_what_happened_where_and_what_to_do(template: str, data: dict[str, Any], text: str) -> None:
    """As Alertmanager itself fills it in; check-config does not look into templates."""
    assert filled(template, data) == text


def test_a_notification_of_very_many_alerts_is_short() -> None:
    """The rest is counted."""
    text = filled(PLAIN_TEXT, notification(*(alert("firing", f"api-{number}") for number in range(SHOWN + 1))))
    assert text.count("does not answer") == SHOWN
    assert f"{SHOWN} of {SHOWN + 1} are shown.\n" in text


def test_what_alerts_do_not_share_is_said_of_each() -> None:
    """A rule of another team may say in its summary which pod it means."""
    data = notification(alert("firing", "api-0"))
    text = filled(PLAIN_TEXT, {**data, "commonAnnotations": {}})
    assert "* [firing] A pod is down. api-0 does not answer.\n" in text
    assert "Runbook" not in text


@pytest.mark.parametrize("labels", [{}, {"severity": "none"}, {"severity": "critical "}])
def test_an_unknown_severity_is_one_that_pagerduty_knows(labels: dict[str, str]) -> None:
    """It would refuse the event."""
    assert filled(PAGER_SEVERITY, {**NOTIFICATION, "commonLabels": labels}) == "error"


def test_what_alertmanager_refuses_is_seen() -> None:
    """The judge is awake: a document that names nobody's receiver, and one whose matcher is read in two ways."""
    text = to_yaml(TEAMS.to_dict())

    refused = checked(text.replace("receiver: archive", "receiver: attic"))
    doubtful = checked(text.replace('team="database"', "team='database"))

    assert refused.returncode != 0
    assert 'undefined receiver "attic" used in route' in refused.stdout
    assert "level=WARN" in doubtful.stdout
