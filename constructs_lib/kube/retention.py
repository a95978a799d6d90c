"""What stays on local disk."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.errors import ConstructError


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long samples stay on local disk, whichever limit comes first.

    Args:
        time: At least two hours, the span of one block.
        share_of_volume: The size limit; what is left holds the write-ahead log and compaction's temporary files.
    Raises:
        ConstructError: less than a block, or a share that lets the volume fill up.
    Source: https://prometheus.io/docs/prometheus/latest/storage/#right-sizing-retention-size
    """

    time: timedelta = timedelta(days=30)
    share_of_volume: float = 0.8

    def __post_init__(self) -> None:
        if self.time < timedelta(hours=2):
            raise ConstructError(f"the retention is {self.time}, less than one block of 2 hours: use 2 hours or more")
        if not 0.1 <= self.share_of_volume <= 0.8:
            raise ConstructError(
                f"the size limit is {100 * self.share_of_volume:g}% of the volume: use 10% to 80%, since the "
                "write-ahead log and compaction need the rest, the file system takes some 3% for itself, and alerts "
                "that speak above 85% of what it leaves would not end"
            )
