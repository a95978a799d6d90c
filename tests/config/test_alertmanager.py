"""The file alertmanager.yml, field by field: routes, the heartbeat, and what would never be heard."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
import yaml

from constructs_lib.config import to_yaml
from constructs_lib.config.alertmanager import (
    CREDENTIALS,
    DEFAULT_INHIBITIONS,
    RETENTION,
    AlertmanagerConfig,
    Inhibition,
    Route,
    Timing,
)
from constructs_lib.config.intervals import Hours, TimeInterval
from constructs_lib.config.receivers import Heartbeat, Receiver, Slack, Webhook
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT, Severity

HOOK, CHAT, PAGER = (
    Receiver(name=name, integrations=(Webhook(url=SecretKey("receivers", f"{name}-url")),))
    for name in ("hook", "chat", "pager")
)
NIGHT = TimeInterval(name="night", times=(Hours(time(0), time(6)),))
BEAT = Heartbeat(url=SecretKey("receivers", "heartbeat-url"), interval=timedelta(minutes=2))


def config(*routes: Route, **more: Any) -> AlertmanagerConfig:
    """One whose receivers are those that are named."""
    named = {route.receiver for route in routes} | {inner.receiver for route in routes for inner in route.routes}
    receivers = (HOOK, *(each for each in (CHAT, PAGER) if each.name in named))
    return AlertmanagerConfig(**{"default": "hook", "receivers": receivers, "routes": routes, **more})


def routes(*given: Route, **more: Any) -> list[dict[str, Any]]:
    """What is written of them, after the heartbeat and the alerts of other teams."""
    written: list[dict[str, Any]] = config(*given, **more).to_dict()["route"]["routes"]
    return written[2:]


def test_the_whole_document_without_routes() -> None:
    """The default receiver hears of everything, by incident, in time."""
    assert config().to_dict() == {
        "route": {
            "receiver": "hook",
            "group_by": ["alertname", "cluster", "namespace", "job"],
            "group_wait": "30s",
            "group_interval": "1m",
            "repeat_interval": "4h",
            "routes": [
                {"receiver": "nobody", "matchers": ['alertname="Heartbeat"', 'origin=""']},
                {
                    "receiver": "hook",
                    "matchers": ['origin!=""'],
                    "group_by": ["alertname", "cluster", "namespace", "origin", "team"],
                },
            ],
        },
        "receivers": [
            {
                "name": "hook",
                "webhook_configs": [
                    {"send_resolved": True, "url_file": f"{CREDENTIALS}/receivers/hook-url", "max_alerts": 0}
                ],
            },
            {"name": "nobody"},
        ],
    }


def test_routes_keep_their_order_and_their_own_routes() -> None:
    """The first that fits wins, on each level."""
    day = Route(receiver="chat", severities=(Severity.WARNING,), mute_time_intervals=("night",))
    written = routes(
        Route(receiver="pager", team="b", routes=(day,)), Route(receiver="chat", team="a"), intervals=(NIGHT,)
    )
    assert written == [
        {
            "receiver": "pager",
            "matchers": ['team="b"'],
            "routes": [{"receiver": "chat", "matchers": ['severity="warning"'], "mute_time_intervals": ["night"]}],
        },
        {"receiver": "chat", "matchers": ['team="a"']},
    ]


def test_the_order_of_verbs_does_not_matter() -> None:
    """Receivers, time intervals and inhibitions are sorted; only routes have an order that means something."""
    day = TimeInterval(name="day", times=(Hours(time(6), time(0)),))
    other = Inhibition(source={"alertname": "A"}, target={"alertname": "B"}, equal=("pod", "namespace"))
    way = (Route(receiver="chat", team="a"), Route(receiver="pager", team="b"))
    first = config(*way, intervals=(NIGHT, day), inhibitions=(*DEFAULT_INHIBITIONS, other))
    second = AlertmanagerConfig(
        default="hook",
        receivers=(PAGER, HOOK, CHAT),
        routes=way,
        intervals=(day, NIGHT),
        inhibitions=(other, *DEFAULT_INHIBITIONS),
    )
    assert to_yaml(first.to_dict()) == to_yaml(second.to_dict())
    assert [each["name"] for each in first.to_dict()["receivers"]] == ["chat", "hook", "nobody", "pager"]
    assert [each["name"] for each in first.to_dict()["time_intervals"]] == ["day", "night"]


def test_the_file_reads_back_as_the_same_data() -> None:
    """Nothing is lost or retyped on the way: times and numbers are text to Alertmanager."""
    document = config(
        Route(receiver="chat", active_time_intervals=("night",)), intervals=(NIGHT,), heartbeat=BEAT
    ).to_dict()
    assert yaml.safe_load(to_yaml(document)) == document


@pytest.mark.trap(30)
def test_the_heartbeat_has_a_route_of_its_own() -> None:
    """First, alone, at once, and again at each look; an alert of another team, called alike, is no beat."""
    document = config(Route(receiver="chat", team="platform"), heartbeat=BEAT).to_dict()
    assert document["route"]["routes"][0] == {
        "receiver": "heartbeat",
        "matchers": ['alertname="Heartbeat"', 'origin=""'],
        "group_by": ["alertname"],
        "group_wait": "0s",
        "group_interval": "2m",
        "repeat_interval": "52s500ms",
    }
    assert [each["name"] for each in document["receivers"]] == ["chat", "heartbeat", "hook"]


def test_a_job_that_is_down_silences_its_targets() -> None:
    """And those of no other job, of no other cluster, and of no other team."""
    assert {
        "source_matchers": ['alertname="JobDown"', 'origin=""'],
        "target_matchers": ['alertname="TargetDown"', 'origin=""'],
        "equal": ["cluster", "job"],
    } in config(inhibitions=DEFAULT_INHIBITIONS).to_dict()["inhibit_rules"]


@pytest.mark.parametrize("alert", ["JobDown", "JobMissing"])
def test_hosts_that_nobody_asks_are_silent(alert: str) -> None:
    """Who asks them is away, which is told: that no probe arrives says the same."""
    assert {
        "source_matchers": [f'alertname="{alert}"', 'job="blackbox-exporter"', 'origin=""'],
        "target_matchers": ['alertname="JobDown"', 'job="blackbox"', 'origin=""'],
        "equal": ["cluster"],
    } in config(inhibitions=DEFAULT_INHIBITIONS).to_dict()["inhibit_rules"]


CHANNELS = Slack(api_url=SecretKey("receivers", "slack-url"), channel="#alerts-{team}")


def test_other_teams_hear_of_their_own_alerts_before_any_route_is_asked() -> None:
    """Those that have an origin, and no others; no two teams hear by one notification."""
    document = config(Route(receiver="chat", continue_=True), teams=(CHANNELS,)).to_dict()
    assert document["route"]["routes"][1] == {
        "receiver": "teams",
        "matchers": ['origin!=""'],
        "group_by": ["alertname", "cluster", "namespace", "origin", "team"],
    }
    (theirs,) = (each for each in document["receivers"] if each["name"] == "teams")
    assert theirs["slack_configs"][0]["channel"] == "#alerts-{{ .CommonLabels.team }}"


def test_route_of_a_team_is_asked_about_its_own_alerts_alone() -> None:
    """Within the route of other teams, so that it takes none of the platform's."""
    wake = Route(receiver="pager", team="shop", severities=(Severity.CRITICAL,))
    document = config(receivers=(HOOK, PAGER), teams=(CHANNELS,), team_routes=(wake,)).to_dict()

    assert document["route"]["routes"][1]["routes"] == [
        {"receiver": "pager", "matchers": ['severity="critical"', 'team="shop"']}
    ]
    assert len(document["route"]["routes"]) == 2


def test_routes_of_teams_are_refused_like_all_others() -> None:
    """One that no alert reaches, one to a receiver that does not exist, one by which somebody hears twice."""
    shop = Route(receiver="pager", team="shop")
    for routes, sentence in (
        ((shop, replace(shop, severities=(Severity.CRITICAL,))), "no alert reaches the route"),
        ((replace(shop, receiver="nobody-knows"),), "has no such receiver"),
        ((replace(shop, continue_=True), replace(shop, continue_=False)), "pager would hear twice"),
    ):
        with pytest.raises(ConstructError, match=sentence):
            config(receivers=(HOOK, PAGER), teams=(CHANNELS,), team_routes=routes)


ROOMS = Receiver(name="chat", integrations=(CHANNELS,))


def test_a_channel_of_each_team_takes_alerts_of_one_team_at_a_time() -> None:
    """Else nobody could say whose channel it is; inherited groups count as well as a route's own."""
    message = (
        "chat has a channel of each team, but the route of .* to chat puts alerts of several .*: have 'team' in its"
    )
    by_team, mixed = Route(receiver="chat", group_by=("team",)), Route(receiver="chat", team="a")
    for way in (by_team, replace(by_team, group_by=("...",)), replace(by_team, routes=(mixed,))):
        assert config(way, receivers=(HOOK, ROOMS)).to_dict()
    for way in (mixed, replace(by_team, routes=(replace(mixed, group_by=()),))):
        with pytest.raises(ConstructError, match=message):
            config(way, receivers=(HOOK, ROOMS))
    with pytest.raises(ConstructError, match="but the route of everything to chat puts"):
        config(default="chat", receivers=(ROOMS,))


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: config(default="mail"), "the default receiver 'mail' does not exist: use one of hook"),
        (lambda: config(default="mail", receivers=()), "does not exist: there is none yet, so declare it"),
        (
            lambda: config(Route(receiver="mail", team="a")),
            'the route of team="a" to mail has no such receiver: use one of hook',
        ),
        (
            lambda: config(Route(receiver="chat", active_time_intervals=("noon",)), intervals=(NIGHT,)),
            "the route of everything to chat has no such time interval 'noon': use one of night",
        ),
        (
            lambda: config(
                Route(receiver="chat", team="a", routes=(Route(receiver="pager", mute_time_intervals=("noon",)),))
            ),
            "no such time interval 'noon': there is none yet, so declare it",
        ),
        (lambda: config(receivers=(HOOK, CHAT)), "the receiver chat would never hear of anything: add a route"),
        (lambda: config(receivers=(HOOK, HOOK)), "there are 2 receivers of the name 'hook': give each its own"),
        (lambda: config(intervals=(NIGHT, NIGHT)), "there are 2 time intervals of the name 'night'"),
        (
            lambda: config(receivers=(HOOK, Receiver(name="nobody", integrations=HOOK.integrations))),
            "a receiver has the name 'nobody', which is ours: choose another one",
        ),
        (
            lambda: config(receivers=(HOOK, Receiver(name="heartbeat", integrations=HOOK.integrations))),
            "a receiver has the name 'heartbeat', which is ours",
        ),
        (
            lambda: config(receivers=(HOOK, Receiver(name="teams", integrations=HOOK.integrations))),
            "a receiver has the name 'teams', which is ours",
        ),
    ],
)
def test_names_that_are_missing_taken_or_useless_are_refused(make: Any, message: str) -> None:
    """One sentence says which, and what there is."""
    with pytest.raises(ConstructError, match=message):
        make()


def test_routes_that_no_alert_reaches_are_refused() -> None:
    """On every level, and after the heartbeat's, which is the first."""
    with pytest.raises(
        ConstructError, match=r'no alert reaches .*, since all are taken before .*alertname="Heartbeat"'
    ):
        config(Route(receiver="chat", labels={"alertname": HEARTBEAT, "cluster": "blue"}))
    with pytest.raises(ConstructError, match='no alert reaches the route of team="a" to chat'):
        config(Route(receiver="pager", routes=(Route(receiver="chat"), Route(receiver="chat", team="a"))))


def test_a_copy_to_whom_hears_by_default_is_refused() -> None:
    """It would hear of the same twice."""
    with pytest.raises(ConstructError, match=r'hook would hear twice of team="a", by the route .* and by default'):
        config(Route(receiver="hook", team="a", continue_=True), Route(receiver="chat", team="b"))


@pytest.mark.trap(28)
def test_a_repetition_that_is_forgotten_is_refused() -> None:
    """What the log has forgotten is sent again, too early."""
    assert config(timing=Timing(repeat_interval=RETENTION)).to_dict()["route"]["repeat_interval"] == "5d"
    with pytest.raises(
        ConstructError, match=r"the repeat_interval is 5d1h, but what was sent is forgotten, .* after 5d:"
    ):
        config(timing=Timing(repeat_interval=RETENTION + HOURS))
    with pytest.raises(ConstructError, match="is 4h, but what was sent is forgotten, and so repeated, after 3h"):
        config(retention=3 * HOURS)


@pytest.mark.trap(28)
def test_a_repetition_of_a_route_that_is_forgotten_is_refused() -> None:
    """On every level: a route has its own timing, and one log for all."""
    kept, forgotten = (Timing(repeat_interval=RETENTION + more) for more in (timedelta(0), HOURS))
    assert routes(Route(receiver="chat", timing=kept))[0]["repeat_interval"] == "5d"
    inner = Route(receiver="chat", team="a", timing=forgotten)
    with pytest.raises(
        ConstructError,
        match=r'the repeat_interval of the route of team="a" to chat is 5d1h, but what was sent is forgotten',
    ):
        config(Route(receiver="pager", timing=kept, routes=(inner,)))
