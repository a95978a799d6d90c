"""Alerts on logs: what is counted, and what is refused."""

import re
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.rules.log_model import LinesProof, LogAlert, LogRuleGroup
from constructs_lib.rules.model import Severity
from constructs_lib.rules.uncaught_errors import HANDLED, LINES, uncaught_errors

PROOF = LinesProof(counted=("it says refused: 1", "it says denied: 2"), spared=("refused: it was a test",))
MINUTES = timedelta(minutes=5)


def alert(**more: Any) -> LogAlert:
    values: dict[str, Any] = {
        "name": "LoginsRefused",
        "streams": {"namespace": "shop", "app": "door"},
        "texts": ("refused: ", "denied: "),
        "but": ("a test",),
        "by": ("pod",),
        "above": 3,
        "within": MINUTES,
        "severity": Severity.WARNING,
        "team": "backend",
        "summary": "Many logins are refused.",
        "description": "{{ $labels.pod }} has refused {{ $value }} logins.",
        "proof": PROOF,
    }
    return LogAlert(**values | more)


def test_lines_that_hold_one_of_the_texts_are_counted() -> None:
    """As they stand: quotes and backslashes are text."""
    assert alert().expr == (
        'sum by (pod) (count_over_time({app="door",namespace="shop"}'
        ' |= "refused: " or "denied: " != "a test" [5m])) > 3'
    )
    odd = alert(texts=('"a\\b"',), but=(), proof=LinesProof(counted=('x "a\\b" y',), spared=()))
    assert '|= "\\"a\\\\b\\"" [5m]' in odd.expr
    assert [alert().counts(line) for line in (*PROOF.counted, *PROOF.spared)] == [True, True, False]


def test_a_group_is_a_file() -> None:
    """With the link to each alert's page, and nothing that is not said."""
    group = LogRuleGroup(name="doors", alerts=(alert(hold=timedelta(minutes=1)), alert(name="Another")))
    first, second = group.to_dict("https://r.example.com/")["groups"][0]["rules"]
    assert first["for"] == "1m"
    assert "for" not in second
    assert first["labels"] == {"severity": "warning", "team": "backend"}
    assert first["annotations"]["runbook_url"] == "https://r.example.com/LoginsRefused.md"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"name": "logins"}, "'logins' is not an alert's name"),
        ({"severity": "bad"}, "severity of the alert LoginsRefused is 'bad': use one of"),
        ({"team": "no team"}, "for the team 'no team'"),
        ({"summary": "{{ $value | loud }}"}, "use {{ $value }} or"),
        ({"streams": {}}, "searches no stream: name one by a label, such as namespace"),
        ({"streams": {"name space": "shop"}}, "'name space' cannot be a label"),
        ({"streams": {"namespace": ""}}, "the label namespace of the alert LoginsRefused is ''"),
        ({"by": ("some pod",)}, "counts by 'some pod', which is no label's name"),
        ({"by": ()}, "says pod, but counts by no label, so nothing would stand there: add it to by"),
        ({"above": -1}, "fires above -1 lines, so always: use 0 or more"),
        ({"within": timedelta(seconds=59)}, "within 0:00:59: use whole seconds, 0:01:00 to 1 day"),
        ({"within": timedelta(days=2)}, "since each evaluation reads all of them again"),
        ({"within": timedelta(seconds=60.5)}, "use whole seconds"),
        ({"hold": timedelta(seconds=-1)}, "holds for -1 day, 23:59:59: use 0 or more"),
        ({"texts": ()}, "searches for no text, so every line would count: give one"),
        ({"texts": (" ",)}, "searches for ' ': use printable text of one line"),
        ({"but": ("one\ntwo",)}, r"searches for 'one\ntwo': use printable text of one line"),
        ({"proof": LinesProof(counted=("nothing",), spared=())}, "has the line 'nothing', which is not counted"),
        ({"proof": LinesProof(counted=(), spared=("refused: 1",))}, "spares the line 'refused: 1', which is counted"),
        (
            {"proof": LinesProof(counted=("refused: denied: ",), spared=PROOF.spared)},
            "has no line that is counted for 'denied: ' alone: add one",
        ),
        (
            {"proof": LinesProof(counted=PROOF.counted, spared=("a test of nothing",))},
            "has no line that is spared for 'a test' alone: add one",
        ),
    ],
)
def test_what_cannot_work_is_refused(more: dict[str, Any], message: str) -> None:
    """Loki would refuse the whole file and say so in its log alone, or nobody would ever hear."""
    with pytest.raises(ConstructError, match=re.escape(message)):
        alert(**more)


@pytest.mark.parametrize(
    ("name", "alerts", "message"),
    [
        ("Doors", ("One",), "'Doors' is not a rule group's name"),
        ("doors", (), "the rule group doors has no alert"),
        ("doors", ("One", "Two", "One"), "the rule group doors has 2 alerts 'One': name each apart"),
    ],
)
def test_a_group_that_is_none_is_refused(name: str, alerts: tuple[str, ...], message: str) -> None:
    """As of rules on metrics."""
    with pytest.raises(ConstructError, match=message):
        LogRuleGroup(name=name, alerts=tuple(alert(name=each) for each in alerts))


def test_errors_that_nobody_caught_are_told_by_their_languages() -> None:
    """In the namespace alone, by application, and not what Go's server has caught itself."""
    (found,) = uncaught_errors(namespace="shop", above=2, within=MINUTES, team="web").alerts
    assert (found.streams, found.by, found.team) == ({"namespace": "shop"}, ("namespace", "app"), "web")
    assert found.expr.endswith("[5m])) > 2")
    assert all(found.counts(line) for line in LINES.values())
    assert not found.counts(HANDLED)
