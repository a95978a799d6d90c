"""How the counters of a proof run: they grow at one pace for longer than the window, and at another from then on."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.rules.course import PEACE, counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """The moment from which counters grow differently, seen through a window.

    Prometheus' windows are open at their beginning, so n scrapes show n - 1 increments; with every evaluation after the
    onset, one more of these is new. Half and double the window would see other parts of new and old.

    Args:
        interval: Between two evaluations.
        window: Over which rates are taken.
        hold: How long the condition must last.
    Source: https://prometheus.io/docs/prometheus/latest/migration/
    """

    interval: timedelta
    window: timedelta
    hold: timedelta

    @property
    def increments(self) -> int:
        """How many increments a window holds."""
        return -(-self.window // self.interval) - 1

    @property
    def peace(self) -> int:
        """How many evaluations come before the onset: more than a window of double length sees."""
        return 2 * (self.increments + 1) + PEACE

    def runs(self, before: float, after: float) -> str:
        """A counter that grows by the one with each evaluation before the onset, and by the other after it."""
        evaluations = -(-self.hold // self.interval)
        return counter((before, self.peace), (after, 3 * (self.peace + self.increments + evaluations)))

    def mean(self, before: float, after: float, new: int) -> float:
        """What the window shows on average of such a counter, once so many of its increments are new."""
        return (before * (self.increments - new) + after * new) / self.increments

    def crossing(self, part: tuple[float, float], whole: tuple[float, float], share: float) -> int:
        """How many increments must be new for a part of a whole to be more than that share of it."""
        counts = range(1, self.increments + 1)
        return next(new for new in counts if self.mean(*part, new) > share * self.mean(*whole, new))

    def at(self, new: int) -> timedelta:
        """When an alert fires that is true as soon as so many increments are new."""
        return (self.peace - 1 + new) * self.interval + self.hold
