"""What the alerts on logs have in common, be they on the store or on its collectors: their thresholds."""

from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.rules.requests import Lasting
from constructs_lib.thresholds import check_durations, check_shares


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStoreLimits:
    """What the group `logs` bears; what the store itself refuses is said by its own configuration.

    Args:
        errors: The share of pushes, of queries, or of tries to write a chunk that may fail.
        writes: Over what pushes are counted; of few there must be an alert, too, since whoever is refused waits.
        queries: Over what queries are counted.
        flushes: Over what tries to write chunks to the object store are counted; at the declared rate, what is not
            written fills the memory within 6 to 8 minutes.
        streams: The share of all streams that the store takes that a tenant may have.
        uncompacted: How long ago the index may have been compacted, or the retention applied.
        stuck: The share of the collectors that may be stuck before somebody is woken: less than a zone of three has.
        delay: In which nine of ten lines must be in the store, once they are read.
        lines: Over what these are counted.
    Raises:
        ConstructError: a share outside of 0 to 1, or a duration that is too short.
    """

    errors: float = 0.1
    writes: Lasting = field(
        default_factory=lambda: Lasting(window=timedelta(minutes=10), fewest=3, hold=timedelta(minutes=5))
    )
    queries: Lasting = field(
        default_factory=lambda: Lasting(window=timedelta(minutes=10), fewest=20, hold=timedelta(minutes=5))
    )
    flushes: Lasting = field(
        default_factory=lambda: Lasting(window=timedelta(minutes=5), fewest=3, hold=timedelta(minutes=5))
    )
    streams: float = 0.8
    uncompacted: timedelta = timedelta(hours=3)
    stuck: float = 0.3
    delay: timedelta = timedelta(minutes=1)
    lines: Lasting = field(
        default_factory=lambda: Lasting(window=timedelta(minutes=10), fewest=30, hold=timedelta(minutes=10))
    )

    def __post_init__(self) -> None:
        check_shares(errors=self.errors, streams=self.streams, stuck=self.stuck)
        check_durations(uncompacted=self.uncompacted)
        if self.delay <= timedelta(0):
            raise ConstructError(f"delay is {self.delay}, in which no line arrives: use more than 0")


LIMITS = LogStoreLimits()
