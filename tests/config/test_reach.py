"""Which alerts reach which routes: those that none reaches are refused."""

import pytest

from constructs_lib.config.reach import refuse_unreachable
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
