"""CloudWatch, as tests know it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.cluster.errors import ClusterError
from tests.cluster.outside.door import CLOUDWATCH
from tests.cluster.outside.moto import Moto


@dataclass(frozen=True, slots=True)
class Told:
    """A value of a metric.

    Args:
        at: When it was told, in seconds since 1970.
        unit: As CloudWatch spells it.
    """

    at: float
    value: float
    unit: str


class Metrics:
    """Those that moto keeps."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto

    def told(self, namespace: str, name: str, dimensions: Mapping[str, str], *, since: float = 0) -> list[Told]:
        """What was told of a metric, oldest first; of values of the same second, the average.

        Args:
            dimensions: All of the metric's.
            since: Seconds since 1970.
        Raises:
            ClusterError: there is another metric that has these dimensions, and more: moto would mix them.
        """
        whose = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        metric = {"Namespace": namespace, "MetricName": name, "Dimensions": whose}
        for each in self._moto.ask(CLOUDWATCH, "ListMetrics", **metric)["Metrics"]:
            if len(each["Dimensions"]) != len(whose):
                raise ClusterError(f"{name} is told of {whose}, and of {each['Dimensions']}: name all dimensions")
        period = {"StartTime": since, "EndTime": time.time() + 1, "Period": 1, "Statistics": ["Average"]}
        found = self._moto.ask(CLOUDWATCH, "GetMetricStatistics", **metric, **period)["Datapoints"]
        told = [Told(each["Timestamp"], each["Average"], each["Unit"]) for each in found]
        return [each for each in told if each.at >= since]
