"""What the alerts on traces have in common, be they on the collectors, the store or the spans: their thresholds."""

from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.rules.requests import Lasting
from constructs_lib.thresholds import check_durations, check_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLimits:
    """What the group `traces` bears; what collectors refuse is said by their own configuration.

    Args:
        queue: The share of a collector's queue that may be full.
        write: How long a write to the store may take on average.
        errors: The share of the queries to the store that may fail.
        queries: Over what these are counted; it is people who ask, so there are few, and what failed for a
            moment must be out of the window before it has lasted.
        span_errors: The share of the requests to a service that may fail, as its spans say.
        spans: Over what these are counted.
        uncleaned: How long ago what is too old may have been deleted, which happens every night.
    Raises:
        ConstructError: a share outside of 0 to 1, no time to write in, or a duration that is too short.
    """

    queue: float = 0.8
    write: timedelta = timedelta(seconds=1)
    errors: float = 0.1
    queries: Lasting = field(
        default_factory=lambda: Lasting(window=timedelta(minutes=5), fewest=3, hold=timedelta(minutes=10))
    )
    span_errors: float = 0.05
    spans: Lasting = field(default_factory=Lasting)
    uncleaned: timedelta = timedelta(hours=50)

    def __post_init__(self) -> None:
        check_shares(queue=self.queue, errors=self.errors, span_errors=self.span_errors)
        check_durations(uncleaned=self.uncleaned)
        if self.write <= timedelta(0):
            raise ConstructError(f"write is {self.write}, in which nothing is written: use more than 0")


LIMITS = TraceLimits()
