"""The judge of alarms: each row of the tables of CloudWatch's documentation, and what an alarm like ours makes of them.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.alarms import Change, Seen, State, decide, judge

OK, ALARM, UNKNOWN = State
POINTS = {"0": False, "X": True, "-": None}
TREATED = ("missing", "ignore", "breaching", "notBreaching")
KEPT = None  # the state that it had
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("was", State)
@pytest.mark.parametrize(
    ("breaching", "points", "states"),
    [
        (3, "0-X-X", (OK, OK, OK, OK)),
        (3, "0----", (OK, OK, OK, OK)),
        (3, "-----", (UNKNOWN, KEPT, ALARM, OK)),
        (3, "0XX-X", (ALARM, ALARM, ALARM, ALARM)),
        (3, "--X--", (ALARM, KEPT, ALARM, OK)),
        (2, "0-X-X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "00X0X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0-X--", (OK, OK, ALARM, OK)),
        (2, "----0", (OK, OK, ALARM, OK)),
        (2, "---X-", (ALARM, KEPT, ALARM, OK)),
    ],
)
def test_missing_data_is_what_the_documentation_says(
    breaching: int, points: str, states: tuple[State | None, ...], was: State
) -> None:
    """Three periods are judged, of five that are looked at."""
    found = [
        decide([POINTS[each] for each in points], periods=3, breaching=breaching, silence=treated, was=was)
        for treated in TREATED
    ]
    assert found == [state or was for state in states]


@pytest.mark.parametrize("points", ["----X", "---X-"])
def test_what_may_be_over_with_the_next_period_is_no_alarm_yet(points: str) -> None:
    """Where missing data is missing: the section on premature transitions."""
    found = decide([POINTS[each] for each in points], periods=3, breaching=3, silence="missing", was=OK)
    assert found == OK


def alarm(comparison: str = "GreaterThanThreshold", **more: Any) -> dict[str, Any]:
    """On the age of something, in hours, of which two in a row are too old; silence is twice as old as that."""
    dimensions = [{"Name": "Replica", "Value": "a"}]
    metric = {"Namespace": "ours", "MetricName": "Age", "Dimensions": dimensions}
    said = {"Id": "said", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Maximum"}, "ReturnData": False}
    filled = {"Id": "expr_1", "Expression": "FILL(said, 52)", "ReturnData": True}
    limits = {"Threshold": 26, "EvaluationPeriods": 2, "ComparisonOperator": comparison}
    return {"Metrics": [filled, said], "TreatMissingData": "breaching", "AlarmDescription": "Old.", **limits, **more}


def judged(made: Mapping[str, Any], *ages: float | None) -> State:
    """By what was said in each hour, the last of which ends now; nothing was said before."""
    said = {NOW - number * HOUR: age for number, age in enumerate(reversed(ages))}

    def told(metric: Seen, begin: datetime, end: datetime) -> float | None:
        assert (metric.namespace, metric.metric, metric.statistic) == ("ours", "Age", "Maximum")
        assert metric.dimensions == {"Replica": "a"}
        assert end - begin == HOUR
        return said.get(end)

    return judge(made, told, NOW)


@pytest.mark.parametrize(
    ("ages", "state"),
    [
        ((25, 26), OK),
        ((26, 27), OK),
        ((27, 28), ALARM),
        ((27, 28, 1), OK),
        ((1, None), OK),
        ((1, None, None), ALARM),
        ((None, 1), OK),
        ((), ALARM),
    ],
    ids=str,
)
def test_a_gap_that_is_filled_counts_at_once(ages: tuple[float | None, ...], state: State) -> None:
    """As an age does; without it, the hours before would be judged in its place."""
    assert judged(alarm(), *ages) == state


def test_a_gap_that_is_not_filled_lets_older_data_count() -> None:
    """Which is why ours are filled."""
    metric = {"Namespace": "ours", "MetricName": "Age", "Dimensions": [{"Name": "Replica", "Value": "a"}]}
    plain = {name: value for name, value in alarm().items() if name != "Metrics"}
    plain |= {**metric, "Period": 3600, "Statistic": "Maximum"}
    assert judged(plain, 1, 1, None, None) == OK
    assert judged(alarm(), 1, 1, None, None) == ALARM


@pytest.mark.parametrize(
    ("comparison", "states"),
    [
        ("GreaterThanThreshold", (OK, OK, ALARM)),
        ("GreaterThanOrEqualToThreshold", (OK, ALARM, ALARM)),
        ("LessThanThreshold", (ALARM, OK, OK)),
        ("LessThanOrEqualToThreshold", (ALARM, ALARM, OK)),
    ],
)
def test_a_value_is_compared_as_is_said(comparison: str, states: tuple[State, ...]) -> None:
    """Below the threshold, at it, and above."""
    assert tuple(judged(alarm(comparison), age, age) for age in (25, 26, 27)) == states


def test_who_is_told_depends_on_the_state() -> None:
    """The message has the names by which receivers know it."""
    made = alarm(AlarmActions=["topic"], OKActions=["other"])
    change = Change(name="TooOld", alarm=made, was=OK, now=ALARM, at=NOW, region="us-east-1", account="0")
    told = json.loads(change.message)
    assert change.actions == ["topic"]
    assert change.subject == 'ALARM: "TooOld" in us-east-1'
    assert len(replace(change, name=100 * "a").subject) == 100
    assert (told["AlarmName"], told["AlarmDescription"]) == ("TooOld", "Old.")
    assert (told["OldStateValue"], told["NewStateValue"]) == ("OK", "ALARM")
    assert told["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:0:alarm:TooOld"
