"""A program's metrics as far as rules and dashboards read them; proofs take their series from here.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from dataclasses import dataclass
from enum import StrEnum

from constructs_lib.errors import ConstructError
from constructs_lib.promql import metric

# What a scrape adds to every series, whatever the program: see constructs_lib.config.discovery. The last two only have
# the targets of other teams' releases: see constructs_lib.config.teams.
TARGET_LABELS = frozenset({"job", "instance", "namespace", "pod", "node", "app", "team", "origin"})


class Kind(StrEnum):
    """The types of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNTYPED = "unknown"


# What the series of a metric of several series are called, and the label that they have besides.
SUFFIXES = {
    Kind.HISTOGRAM: {"_bucket": ("le",), "_sum": (), "_count": ()},
    Kind.SUMMARY: {"": ("quantile",), "_sum": (), "_count": ()},
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a program.

    Args:
        name: As the exposition declares it; a histogram's without suffix.
        kind: Its type.
        labels: Of every series, besides those of its target.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()

    def series(self) -> dict[str, frozenset[str]]:
        """The names of its series, and the labels of each."""
        suffixes = SUFFIXES.get(self.kind, {"": ()})
        return {f"{self.name}{suffix}": frozenset({*self.labels, *more}) for suffix, more in suffixes.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What one program exposes.

    Args:
        name: Of the program.
        version: In which the metrics were found.
        job: Under which it is scraped unless an app says otherwise.
        metrics: That rules and dashboards may read.
        source: Where they are documented or written.
    """

    name: str
    version: str
    job: str
    metrics: tuple[Metric, ...]
    source: str

    def labels_of(self, series: str) -> frozenset[str] | None:
        """The labels that a series of this name has besides those of its target; None when there is none."""
        return next((labels for each in self.metrics for name, labels in each.series().items() if name == series), None)

    def series(self, name: str, /, **labels: str) -> str:
        """A series as the program exposes it, for a proof; labels that are not given have a value that says nothing.

        Raises:
            ConstructError: a metric or a label that the program does not have.
        """
        own = self.labels_of(name)
        if own is None:
            raise ConstructError(f"{self.name} has no metric {name!r}: use one of its metrics, or declare it")
        if unknown := labels.keys() - own - TARGET_LABELS:
            raise ConstructError(f"{name} of {self.name} has no label {min(unknown)!r}: use {', '.join(sorted(own))}")
        # Spelled out, or a matcher that is dropped from a rule would go unnoticed.
        return metric(name, **{"job": self.job, **{label: f"some-{label}" for label in sorted(own)}, **labels})
