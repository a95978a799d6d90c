"""How the series of a proof run: in peace at first, then bad for as long as it takes, or for one evaluation less."""

import math
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.rules.model import samples

# So many evaluations of peace come first.
PEACE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The course of a condition that must last.

    Args:
        interval: Between two evaluations.
        hold: How long the condition must last, more than 0.
        onset: How many evaluations after the first bad sample the condition is first met: the length of a ramp.
    """

    interval: timedelta
    hold: timedelta
    onset: int = 0

    @property
    def evaluations(self) -> int:
        """How many evaluations in a row must find the condition met before the one at which it fires."""
        return -(-self.hold // self.interval)

    @property
    def at(self) -> timedelta:
        """When what turned bad after the peace has lasted long enough."""
        return (PEACE + self.onset + self.evaluations) * self.interval

    @property
    def long(self) -> int:
        """More evaluations than a proof looks at."""
        return 3 * (PEACE + self.onset + self.evaluations)

    def steady(self, value: float) -> str:
        """A series that never changes."""
        return samples((value, self.long))

    def lasts(self, good: float, bad: float) -> str:
        """A series that turns bad and stays so."""
        return samples((good, PEACE), (bad, self.long))

    def recovers(self, good: float, bad: float) -> str:
        """A series that turns bad and recovers just in time."""
        return samples((good, PEACE), (bad, self.evaluations), (good, self.long))

    def appears(self, value: float = 1) -> str:
        """A series that is only there while something is bad, from its beginning on."""
        return f"_x{PEACE} {samples((value, self.long))}"

    def vanishes(self, value: float = 1) -> str:
        """A series that is only there while something is bad, which ends just in time."""
        return f"_x{PEACE} {samples((value, self.evaluations))} stale"


def events(interval: timedelta, within: timedelta, most: int) -> tuple[str, str, timedelta]:
    """A counter of events that come too often, one of events that just do not, and when the first has had too many.

    Args:
        interval: Between two evaluations.
        within: The time in which they are counted.
        most: How many there may be in that time.
    """
    evaluations = within // interval
    often, seldom = evaluations // (most + 3), -(-evaluations // most)
    counts = range(8 * (most + 3))
    too_many, few = (samples(*((count, spacing) for count in counts)) for spacing in (often, seldom))
    return too_many, few, (most + 1) * often * interval


def counter(*runs: tuple[float, int]) -> str:
    """A counter in promtool's notation: pairs of its increase per evaluation, and how many evaluations that lasts."""
    value, text = 1000.0, []  # far from 0, where rates are not extrapolated
    for increase, count in ((_binary(increase), count) for increase, count in runs):
        text.append(f"{value + increase:.17g}+{increase:.17g}x{count - 1}")
        value += increase * count
    return " ".join(text)


def _binary(value: float) -> float:
    """The nearest number of 20 binary digits: it can be added up without rounding, which would look like a reset."""
    fraction, exponent = math.frexp(value)
    return math.ldexp(round(fraction * 2**20), exponent - 20)
