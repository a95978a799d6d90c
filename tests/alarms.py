"""What alarms of CloudWatch look at, as a template and as CloudWatch itself say it, and when they sound.

No stand-in of AWS judges an alarm that fills the gaps of its metric, so that is done here, as its documentation says.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any

# How many periods more than those that are judged are looked at, for where data is missing; in AWS it depends on the
# length of the period, and in the examples of the documentation it is as many.
MORE = 2
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": gt,
    "GreaterThanOrEqualToThreshold": ge,
    "LessThanThreshold": lt,
    "LessThanOrEqualToThreshold": le,
}
# What metric had as its statistic from one moment until before another one; None where nothing was said.
Told = Callable[["Seen", datetime, datetime], float | None]


class State(StrEnum):
    """Of an alarm, as CloudWatch calls it."""

    OK = "OK"
    ALARM = "ALARM"
    UNKNOWN = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The metric that an alarm looks at: the first one, where it reckons with several.

    Args:
        namespace: Of the metric.
        metric: Its name.
        dimensions: By name.
        statistic: Of a period.
        period: In seconds.
        silence: What stands in place of a period in which nothing was said; None where nothing does.
    """

    namespace: str
    metric: str
    dimensions: Mapping[str, Any]
    statistic: str
    period: int
    silence: float | None = None

    def filled(self, value: float | None) -> float | None:
        """What is judged of a period."""
        return self.silence if value is None else value


def seen(alarm: Mapping[str, Any]) -> Seen:
    """Of an alarm's properties: its own metric, or one that its expression reckons with, as by filling its gaps."""
    if "Metrics" not in alarm:
        return _seen(alarm, alarm["Statistic"], alarm["Period"])
    said = next(each for each in alarm["Metrics"] if "MetricStat" in each)
    (judged,) = (each for each in alarm["Metrics"] if each.get("ReturnData", True))
    filled = re.fullmatch(rf"FILL\({said['Id']}, (\d+)\)", judged.get("Expression", ""))
    of = said["MetricStat"]
    return _seen(of["Metric"], of["Stat"], of["Period"], float(filled[1]) if filled else None)


def judge(alarm: Mapping[str, Any], told: Told, at: datetime, was: State = State.UNKNOWN) -> State:
    """The state of an alarm, by what was told before a moment.

    Args:
        alarm: Its properties.
        told: What the metric had.
        at: When the last of its periods ends.
        was: Its state until now, which remains where there is too little to judge.
    """
    metric, breaches = seen(alarm), COMPARISONS[alarm["ComparisonOperator"]]
    judged, period = alarm["EvaluationPeriods"], timedelta(seconds=metric.period)
    ends = [at - number * period for number in reversed(range(judged + MORE))]
    values = [told(metric, end - period, end) for end in ends]
    return decide(
        [None if each is None else breaches(each, alarm["Threshold"]) for each in map(metric.filled, values)],
        periods=judged,
        breaching=alarm.get("DatapointsToAlarm", judged),
        silence=alarm.get("TreatMissingData", "missing"),
        was=was,
    )


def decide(points: Sequence[bool | None], *, periods: int, breaching: int, silence: str, was: State) -> State:
    """The state of an alarm, by periods that breach, do not, or have no data, oldest first.

    What is missing is filled in only where fewer periods have data than are judged.

    Args:
        points: All that are looked at.
        periods: How many of them are judged.
        breaching: How many of these must breach.
        silence: How missing data is treated, as CloudWatch calls it.
        was: The state until now.
    """
    real = [point for point in points if point is not None][-periods:]
    missing = periods - len(real)
    counted = sum(real) + (missing if silence == "breaching" else 0)
    if counted >= breaching:
        return State.ALARM
    if not missing or False in real or silence in {"breaching", "notBreaching"}:
        return State.OK
    if silence == "missing" and not real:
        return State.UNKNOWN
    # Too few, all of which breach: an alarm where more would have come since the oldest one of them, but have not.
    oldest = len(points) - points.index(True) if real else 0
    return State.ALARM if silence == "missing" and oldest >= breaching else was


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What CloudWatch says of an alarm that has another state now.

    Args:
        name: Of the alarm.
        alarm: Its properties.
        was: The state before.
        now: The state since.
        at: Since when.
        region: Of the alarm.
        account: Likewise.
    """

    name: str
    alarm: Mapping[str, Any]
    was: State
    now: State
    at: datetime
    region: str
    account: str

    @property
    def actions(self) -> list[str]:
        """ARNs of those who are told."""
        of = {State.ALARM: "AlarmActions", State.OK: "OKActions", State.UNKNOWN: "InsufficientDataActions"}
        return list(self.alarm.get(of[self.now], ()))

    @property
    def subject(self) -> str:
        """Of the notification, as long as SNS takes one."""
        return f'{self.now}: "{self.name}" in {self.region}'[:100]

    @property
    def message(self) -> str:
        """Of the notification, as JSON.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        """
        told = {
            "AlarmName": self.name,
            "AlarmDescription": self.alarm["AlarmDescription"],
            "AWSAccountId": self.account,
            "NewStateValue": self.now,
            "NewStateReason": f"judged by the tests at {self.at:%H:%M:%S}",
            "StateChangeTime": f"{self.at:%Y-%m-%dT%H:%M:%S.000+0000}",
            "Region": self.region,
            "AlarmArn": arn(self.name, region=self.region, account=self.account),
            "OldStateValue": self.was,
            **{name: self.alarm.get(name, []) for name in ("OKActions", "AlarmActions", "InsufficientDataActions")},
        }
        return json.dumps(told)


def arn(name: str, *, region: str, account: str) -> str:
    """Of an alarm."""
    return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


def _seen(metric: Mapping[str, Any], statistic: str, period: int, silence: float | None = None) -> Seen:
    return Seen(
        namespace=metric["Namespace"],
        metric=metric["MetricName"],
        dimensions={each["Name"]: each["Value"] for each in metric.get("Dimensions", ())},
        statistic=statistic,
        period=period,
        silence=silence,
    )
