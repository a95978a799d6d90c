"""What the collector tells of itself, by the contract in `constructs_lib.metrics.collector`."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector as Source

from constructs_lib.config.teams import Owner


class Told(Protocol):
    """What is asked for it."""

    def owners(self) -> dict[str, Owner]:
        """Who opted in, by namespace."""

    def refusals(self) -> list[tuple[str, str]]:
        """Namespace and name of what is not live as it is."""

    def age(self) -> float:
        """Of the oldest change that is not live yet, in seconds."""

    def failing(self) -> int:
        """How many namespaces cannot be watched."""


class Metrics(Source):
    """Asked at each scrape.

    Args:
        told: Who knows.
    """

    def __init__(self, told: Told) -> None:
        self._told = told

    def collect(self) -> Iterator[GaugeMetricFamily]:
        owners = self._told.owners()
        namespaces = GaugeMetricFamily("collector_namespace", "Namespaces that opted in.", labels=["origin", "team"])
        for owner in owners.values():
            namespaces.add_metric([owner.namespace, owner.team], 1)
        yield namespaces
        refused = GaugeMetricFamily(
            "collector_refused", "ConfigMaps that are not live as they are.", labels=["origin", "team", "config_map"]
        )
        for namespace, name in self._told.refusals():
            if namespace in owners:
                refused.add_metric([namespace, owners[namespace].team, name], 1)
        yield refused
        age = "Age of the oldest change that is not live yet."
        yield GaugeMetricFamily("collector_oldest_change_seconds", age, value=self._told.age())
        failing = "Namespaces that cannot be watched, though we may."
        yield GaugeMetricFamily("collector_failed_watches", failing, value=self._told.failing())
