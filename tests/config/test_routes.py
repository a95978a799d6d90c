"""Routes and their timing: how they are written, and those that contradict themselves."""

from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.routes import Route, Timing, level
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import Severity


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


def test_a_route_has_its_own_pace() -> None:
    """The timing as a whole, the groups in the order of their names; what it does not say is inherited, so not written.

    No label at all is said, too: Alertmanager then has one group, where an absent list would be the one above.
    """
    slow = Timing(group_wait=timedelta(0), group_interval=timedelta(minutes=10), repeat_interval=timedelta(days=1))
    assert Route(receiver="chat", timing=slow, group_by=("team", "cluster", "team")).to_dict() == {
        "receiver": "chat",
        "group_wait": "0s",
        "group_interval": "10m",
        "repeat_interval": "1d",
        "group_by": ["cluster", "team"],
    }
    assert Route(receiver="chat", group_by=()).to_dict() == {"receiver": "chat", "group_by": []}
    assert Route(receiver="chat", group_by=("...",)).to_dict() == {"receiver": "chat", "group_by": ["..."]}


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
            lambda: Route(receiver="chat", labels={"origin": "shop"}),
            "wants the label 'origin', which only alerts of other teams have, and no route takes those: say by `teams`",
        ),
        (
            lambda: Route(receiver="chat", group_by=("a-b",)),
            "'a-b' cannot be a label of the groups of the route of everything to chat: use letters",
        ),
        (
            lambda: Route(receiver="chat", group_by=("...", "job")),
            r"the route of everything to chat is grouped by '\.\.\.', which means all labels, and by others: keep one",
        ),
        (
            lambda: Route(receiver="chat", labels={"severity": "x"}),
            "has 'severity' among its labels: say it as severities",
        ),
        (
            lambda: Route(receiver="chat", active_time_intervals=("night",), mute_time_intervals=("night",)),
            "the route of everything to chat is silent during 'night' and outside of it: keep one",
        ),
        (
            lambda: Route(
                receiver="chat", active_time_intervals=("night",), routes=(Route(receiver="chat", team="a"),)
            ),
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
