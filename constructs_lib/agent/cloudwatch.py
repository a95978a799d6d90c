"""CloudWatch as the agent knows it: it is told metrics, and nothing else is asked of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from constructs_lib.agent.store import FAILURES

PATIENCE = timedelta(seconds=10)  # with an answer
TRIES = 2


class CloudWatchError(OSError):
    """CloudWatch did not take what it was told; later it may."""


class CloudWatch:
    """Metrics of one namespace.

    Args:
        client: Of CloudWatch, as `connect` makes it.
        namespace: Of the metrics.
    """

    def __init__(self, client: Any, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    @classmethod
    def connect(cls, *, region: str, namespace: str, tries: int = TRIES) -> "CloudWatch":
        """Reach CloudWatch with the credentials that the process finds; its account is theirs.

        Args:
            region: Whose alarms look at the metrics.
            namespace: Of the metrics.
            tries: How often it is told the same thing, each time after a longer pause.
        """
        config = Config(
            connect_timeout=PATIENCE.total_seconds(),
            read_timeout=PATIENCE.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": tries},
            tcp_keepalive=True,
        )
        return cls(get_session().create_client("cloudwatch", region_name=region, config=config), namespace)

    def tell(self, values: Mapping[str, float], *, unit: str, dimensions: Mapping[str, str]) -> None:
        """Tell values as they are now, by CloudWatch's clock: a node's may be wrong.

        Args:
            values: By metric.
            unit: Of all of them, as CloudWatch spells it.
            dimensions: Whose they are.
        Raises:
            CloudWatchError: it did not take them.
        """
        whose = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        data = [
            {"MetricName": name, "Dimensions": whose, "Value": value, "Unit": unit} for name, value in values.items()
        ]
        try:
            self._client.put_metric_data(Namespace=self._namespace, MetricData=data)
        except FAILURES as error:
            raise CloudWatchError(
                f"CloudWatch does not take {', '.join(values)}: {' '.join(str(error).split())}"
            ) from error
