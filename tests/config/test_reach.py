"""Which alerts reach which routes: those that none reaches are refused, and those by which one is told twice."""

from dataclasses import replace
from typing import Any

import pytest

from constructs_lib.config.reach import refuse_doubled, refuse_unreachable
from constructs_lib.config.routes import Route
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import Severity

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


HOOK = Route(receiver="hook")
COPY = Route(receiver="hook", continue_=True)
NIGHT: dict[str, Any] = {"active_time_intervals": ("night",)}
DAY: dict[str, Any] = {"mute_time_intervals": ("night",)}


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        ([COPY], "hook would hear twice of everything, by the route of everything to hook and by default: keep one"),
        (
            [replace(CRITICAL, receiver="chat", continue_=True), CHAT],
            'chat would hear twice of severity="critical", team="a", by the route of severity="critical", team="a" '
            'to chat and by the route of team="a" to chat',
        ),
        (
            [replace(COPY, severities=tuple(Severity)), Route(receiver="pager", severities=(Severity.CRITICAL,))],
            'hook would hear twice of severity="(none|warning)", by the route of severity=~.* and by default',
        ),
        (
            [replace(CHAT, routes=(Route(receiver="chat", labels={"x": "y"}, continue_=True),))],
            'twice of team="a", x="y", by the route of x="y" to chat and by the route of team="a" to chat',
        ),
        (
            [COPY, replace(CHAT, routes=(replace(HOOK, labels={"x": "y"}),)), ALL],
            'twice of team="a", x="y", by the route of everything to hook and by the route of x="y" to hook',
        ),
        (
            [replace(CHAT, routes=(replace(COPY, team="a"), ALL), continue_=True), PAGER],
            'hook would hear twice of team="a", by the route of team="a" to hook and by default',
        ),
        ([replace(COPY, **NIGHT)], "hook would hear twice of everything"),
        ([replace(COPY, **NIGHT), replace(HOOK, **NIGHT)], "hook would hear twice of everything"),
    ],
)
def test_routes_by_which_one_hears_twice_are_refused(routes: list[Route], message: str) -> None:
    """Whatever else the alert is, nobody wants it twice."""
    with pytest.raises(ConstructError, match=message):
        refuse_doubled(routes, default=HOOK)


@pytest.mark.parametrize(
    "routes",
    [
        # Whether it hears twice is for the alert to say, and this one is always critical.
        [
            replace(COPY, labels={"alertname": "NotificationsFailing"}),
            Route(receiver="pager", severities=(Severity.CRITICAL,)),
        ],
        [replace(COPY, team="a"), CHAT],
        [replace(COPY, severities=(Severity.CRITICAL,)), Route(receiver="pager", severities=(Severity.CRITICAL,))],
        [replace(COPY, **NIGHT), replace(HOOK, **DAY)],
        [Route(receiver="pager", continue_=True), CHAT],
    ],
)
def test_a_copy_that_another_route_may_take_is_accepted(routes: list[Route]) -> None:
    """So is one to somebody else, and one at another time of day."""
    refuse_doubled(routes, default=HOOK)  # raises nothing
