"""What the construct tells the function.

Standard library only: both read it alike.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import SOURCE

# Of the function's environment, and of the event that starts it: the moment for which it is started.
VARIABLE, TIME = "WATCHED", "time"
DAY = timedelta(days=1)
# Longer than all attempts of one look take, so that alarms count looks; and often enough for one that looks at a day.
OFTENEST, SELDOMEST = timedelta(hours=1), DAY / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The replicas whose restore points are looked at, and how often.

    Args:
        bucket: Its name.
        region: Of the bucket.
        sources: Of each, cluster, namespace, component and replica, with slashes between them.
        keep: How long a restore point is kept.
        every: How often: whole minutes, an hour to half a day.
    Raises:
        ConstructError: no replica, one twice, one of which no restore point could be read, or another interval.
    """

    bucket: str
    region: str
    sources: tuple[str, ...]
    keep: timedelta
    every: timedelta

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConstructError(f"no replica's restore points in {self.bucket} are watched: name one, or no watch")
        for source, count in Counter(self.sources).items():
            if not SOURCE.fullmatch(source):
                raise ConstructError(f"{source!r} is no replica: use CLUSTER/NAMESPACE/COMPONENT/REPLICA")
            if count > 1:
                raise ConstructError(f"the restore points of {source} are watched twice: name it once")
        if not OFTENEST <= self.every <= SELDOMEST or self.every % timedelta(minutes=1):
            raise ConstructError(
                f"restore points in {self.bucket} are looked at every {self.every}: use whole minutes, from {OFTENEST} "
                f"to {SELDOMEST}"
            )

    def to_json(self) -> str:
        """What stands in the function's environment."""
        body = {
            "bucket": self.bucket,
            "region": self.region,
            "sources": self.sources,
            "keep": int(self.keep.total_seconds()),
            "every": int(self.every.total_seconds()),
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Watched":
        """Read it there."""
        body = json.loads(text)
        return cls(
            bucket=body["bucket"],
            region=body["region"],
            sources=tuple(body["sources"]),
            keep=timedelta(seconds=body["keep"]),
            every=timedelta(seconds=body["every"]),
        )
