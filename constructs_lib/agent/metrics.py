"""What the collector tells of itself, by the contract in `constructs_lib.metrics.collector`."""

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector as Source

from constructs_lib.agent.cluster import Cluster
from constructs_lib.agent.queue import Queue


class Metrics(Source):
    """Asked at each scrape.

    Args:
        cluster: Who opted in, and who can be watched.
        queue: What waits.
        refusals: Gives namespace and name of what is not live as it is.
    """

    def __init__(self, cluster: Cluster, queue: Queue, refusals: Callable[[], list[tuple[str, str]]]) -> None:
        self._cluster, self._queue, self._refusals = cluster, queue, refusals

    def collect(self) -> Iterator[GaugeMetricFamily]:
        owners = self._cluster.owners()
        namespaces = GaugeMetricFamily("collector_namespace", "Namespaces that opted in.", labels=["origin", "team"])
        for owner in owners.values():
            namespaces.add_metric([owner.namespace, owner.team], 1)
        yield namespaces
        refused = GaugeMetricFamily(
            "collector_refused", "ConfigMaps that are not live as they are.", labels=["origin", "team", "config_map"]
        )
        for namespace, name in self._refusals():
            if namespace in owners:
                refused.add_metric([namespace, owners[namespace].team, name], 1)
        yield refused
        age = "Age of the oldest change that is not live yet."
        yield GaugeMetricFamily("collector_oldest_change_seconds", age, value=self._queue.age())
        failing = "Namespaces that cannot be watched, though we may."
        yield GaugeMetricFamily("collector_failed_watches", failing, value=self._cluster.failing())
