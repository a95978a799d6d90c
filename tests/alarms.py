"""What alarms of CloudWatch look at, as a template and as CloudWatch itself say it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def seen(alarm: Mapping[str, Any]) -> Seen:
    """Of an alarm's properties: its own metric, or one that its expression reckons with, as by filling its gaps."""
    if "Metrics" not in alarm:
        return _seen(alarm, alarm["Statistic"], alarm["Period"])
    said = next(each for each in alarm["Metrics"] if "MetricStat" in each)
    (judged,) = (each for each in alarm["Metrics"] if each.get("ReturnData", True))
    filled = re.fullmatch(rf"FILL\({said['Id']}, (\d+)\)", judged.get("Expression", ""))
    of = said["MetricStat"]
    return _seen(of["Metric"], of["Stat"], of["Period"], float(filled[1]) if filled else None)


def _seen(metric: Mapping[str, Any], statistic: str, period: int, silence: float | None = None) -> Seen:
    return Seen(
        namespace=metric["Namespace"],
        metric=metric["MetricName"],
        dimensions={each["Name"]: each["Value"] for each in metric.get("Dimensions", ())},
        statistic=statistic,
        period=period,
        silence=silence,
    )
