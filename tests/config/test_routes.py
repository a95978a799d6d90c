"""Routes, their timing, and inhibition: how they are written, and those that would be of no effect, or of too much."""

from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.routes import Inhibition, Route, Timing, level, refuse_unreachable
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT, Severity


def test_a_route_says_what_it_wants() -> None:
    """Labels in the order of their names, so that the same route is the same text."""
    route = Route(
        receiver="chat",
        team="backend",
        severities=(Severity.WARNING, Severity.CRITICAL),
        labels={"service": "api", "cluster": "blue"},
        active_time_intervals=("night",),
        continue_=True,
    )
    assert route.to_dict() == {
        "receiver": "chat",
        "matchers": ['cluster="blue"', 'service="api"', 'severity=~"critical|warning"', 'team="backend"'],
        "active_time_intervals": ["night"],
        "continue": True,
    }
    assert Route(receiver="chat").to_dict() == {"receiver": "chat"}


def test_a_route_beside_others_takes_nothing_from_them() -> None:
    """Alertmanager asks nobody above when a route has answered, even one with `continue`; a last one makes up."""
    copy = Route(receiver="archive", continue_=True)
    inner = Route(receiver="chat", team="a", routes=(copy,))
    everybody = {"receiver": "archive", "continue": True}
    assert level([copy, inner], otherwise="default") == [
        everybody,
        {"receiver": "chat", "matchers": ['team="a"'], "routes": [everybody, {"receiver": "chat"}]},
        {"receiver": "default"},
    ]
    assert level([copy, Route(receiver="chat")], otherwise="default") == [everybody, {"receiver": "chat"}]
    assert level([], otherwise="default") == []


def test_quotes_and_backslashes_are_text() -> None:
    """They are written such that they are read as themselves."""
    route = Route(receiver="chat", labels={"path": 'C:\\"x", y="z'})
    assert route.to_dict()["matchers"] == [r'path="C:\\\"x\", y=\"z"']


def test_inhibition_spares_the_heartbeat() -> None:
    """A label that both alerts lack is equal, so a target by team or severity would take the heartbeat with it."""
    every = Inhibition(
        source={"alertname": "NodeDown"}, target={"severity": "warning"}, equal=("node", "cluster", "node")
    )
    assert every.to_dict() == {
        "source_matchers": ['alertname="NodeDown"'],
        "target_matchers": ['alertname!="Heartbeat"', 'severity="warning"'],
        "equal": ["cluster", "node"],
    }


CHAT, PAGER = Route(receiver="chat", team="a"), Route(receiver="pager", team="b")
CRITICAL = Route(receiver="pager", team="a", severities=(Severity.CRITICAL,))
ALL = Route(receiver="pager")


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            [CHAT, CRITICAL],
            'no alert reaches the route of severity="critical", team="a" to pager, since all are taken before '
            r'\(team="a"\): put it first, or let that go on by continue_',
        ),
        ([CHAT, PAGER, CHAT], 'no alert reaches the route of team="a" to chat'),
        (
            [Route(receiver="chat", active_time_intervals=("night",)), CHAT],
            r'the route of team="a" to chat, since all are taken before \(everything\)',
        ),
        (
            [Route(receiver="chat", team="a", routes=(PAGER,))],
            'the route of team="b" to pager is within one that wants another team: put it outside',
        ),
        (
            [
                *(Route(receiver="chat", severities=(each,)) for each in Severity),
                Route(receiver="x", severities=tuple(Severity)),
            ],
            r'before \(severity="critical" and severity=',
        ),
        (
            [
                Route(receiver="chat", labels={"x": "y"}),
                Route(receiver="x", team="a", routes=(Route(receiver="z", labels={"x": "y"}),)),
            ],
            r'no alert reaches the route of x="y" to z, since all are taken before \(x="y"\)',
        ),
        (
            [Route(receiver="chat", team="a", routes=(CHAT, ALL))],
            r'the route of everything to pager, since all are taken before \(team="a"\)',
        ),
    ],
)
def test_a_route_that_no_alert_reaches_is_refused(routes: list[Route], message: str) -> None:
    """Whoever wrote it would wait in vain."""
    with pytest.raises(ConstructError, match=message):
        refuse_unreachable(routes, within={})


@pytest.mark.parametrize(
    "routes",
    [
        [CRITICAL, CHAT, PAGER, ALL],
        [Route(receiver="chat", team="a", labels={"cluster": "blue"}), CHAT],
        [Route(receiver="chat", severities=(Severity.WARNING,)), CRITICAL, CHAT],
        [Route(receiver="chat", mute_time_intervals=("night",), continue_=True), CHAT],
        [Route(receiver="chat", team="a", routes=(CRITICAL,)), Route(receiver="chat", team="b", routes=(ALL,))],
    ],
)
def test_a_route_that_some_alert_reaches_is_taken(routes: list[Route]) -> None:
    """What differs in a label, comes first, or follows one that lets alerts go on."""
    refuse_unreachable(routes, within={})  # raises nothing


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Route(receiver="chat", team="a b"),
            "'a b' cannot be the team of a route: use letters, digits and dashes",
        ),
        (lambda: Route(receiver="chat", labels={"a-b": "c"}), "'a-b' cannot be a label of a route to chat"),
        (
            lambda: Route(receiver="chat", labels={"pod": ""}),
            "the label pod of a route to chat is '': use printable text",
        ),
        (lambda: Route(receiver="chat", labels={"pod": "a\nb"}), "use printable text, and at least one letter"),
        (lambda: Route(receiver="chat", labels={"team": "a"}), "has 'team' among its labels: say it as team"),
        (
            lambda: Route(receiver="chat", labels={"severity": "x"}),
            "has 'severity' among its labels: say it as severities",
        ),
        (
            lambda: Route(receiver="chat", active_time_intervals=("night",), mute_time_intervals=("night",)),
            "the route of everything to chat is silent during 'night' and outside of it: keep one",
        ),
        (
            lambda: Route(receiver="chat", active_time_intervals=("night",), routes=(CHAT,)),
            "has time intervals, which the routes within it would not inherit: give them to those",
        ),
    ],
)
def test_a_route_that_contradicts_itself_is_refused(make: Any, message: str) -> None:
    """Before it is part of anything."""
    with pytest.raises(ConstructError, match=message):
        make()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"group_wait": timedelta(hours=-1)},
            "a duration is -1 day, 23:00:00: use whole milliseconds, from 0 to a century",
        ),
        ({"group_interval": timedelta(0)}, "the group_interval is 0s: use 1s or more"),
        ({"repeat_interval": timedelta(0)}, "the repeat_interval is 0s, no multiple of the group_interval 1m"),
        (
            {"repeat_interval": timedelta(seconds=90)},
            "the repeat_interval is 1m30s, no multiple of the group_interval 1m, and would be rounded up to one",
        ),
    ],
)
def test_a_timing_that_is_not_kept_is_refused(fields: dict[str, timedelta], message: str) -> None:
    """Alertmanager would round it, or not take it at all."""
    with pytest.raises(ConstructError, match=message):
        Timing(**fields)


DOWN, SLOW = {"alertname": "Down"}, {"alertname": "Slow"}


@pytest.mark.trap(31)
@pytest.mark.parametrize(
    ("source", "target", "equal", "message"),
    [
        (DOWN, SLOW, (), "has no equal labels, so one alert would silence the whole cluster: name some"),
        (DOWN, {}, ("job",), "says nothing of one side, which means every alert: name at least one label"),
        ({}, SLOW, ("job",), "says nothing of one side"),
        (DOWN, DOWN, ("job",), "silences nothing, since Alertmanager lets no alert silence its like: name others"),
        (
            DOWN,
            SLOW,
            ("job", "alertname"),
            "silences nothing, since 'alertname' must be equal and is not: leave it out",
        ),
        (DOWN, SLOW, ("a-b",), "'a-b' cannot be a label of the inhibition of"),
        ({"a": ""}, SLOW, ("job",), "the label a of the inhibition of .* is '': use printable text"),
        (DOWN, {"alertname": HEARTBEAT}, ("job",), "would stop the heartbeat, and so raise its alarm: leave it out"),
    ],
)
def test_an_inhibition_that_silences_all_or_nothing_is_refused(
    source: dict[str, str], target: dict[str, str], equal: tuple[str, ...], message: str
) -> None:
    """One sentence says why."""
    with pytest.raises(ConstructError, match=message):
        Inhibition(source=source, target=target, equal=equal)
