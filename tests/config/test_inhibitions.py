"""Inhibitions: how they are written, and those that would be of no effect, or of too much."""

import pytest

from constructs_lib.config.inhibitions import Inhibition
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT


def test_inhibition_spares_the_heartbeat() -> None:
    """A label that both alerts lack is equal, so a target by team or severity would take the heartbeat with it.

    And alerts of other teams: they may be called as the source is, or be meant by the target's labels.
    """
    every = Inhibition(
        source={"alertname": "NodeDown"}, target={"severity": "warning"}, equal=("node", "cluster", "node")
    )
    assert every.to_dict() == {
        "source_matchers": ['alertname="NodeDown"', 'origin=""'],
        "target_matchers": ['alertname!="Heartbeat"', 'severity="warning"', 'origin=""'],
        "equal": ["cluster", "node"],
    }


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
        ({**DOWN, "origin": "shop"}, SLOW, ("job",), "names the label 'origin', which only alerts of other teams have"),
        (DOWN, {"origin": "shop"}, ("job",), "names the label 'origin', .* and those silence nothing: leave it out"),
        (DOWN, SLOW, ("origin",), "names the label 'origin'"),
        (DOWN, {"alertname": HEARTBEAT}, ("job",), "would stop the heartbeat, and so raise its alarm: leave it out"),
    ],
)
def test_an_inhibition_that_silences_all_or_nothing_is_refused(
    source: dict[str, str], target: dict[str, str], equal: tuple[str, ...], message: str
) -> None:
    """One sentence says why."""
    with pytest.raises(ConstructError, match=message):
        Inhibition(source=source, target=target, equal=equal)
