"""How Loki has stored logs, and stores them, as typed data.

Source: https://grafana.com/docs/loki/latest/operations/storage/schema/
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from constructs_lib.errors import ConstructError
from constructs_lib.units import go_duration

DAY = timedelta(days=1)


class Index(StrEnum):
    """How logs are found again: https://grafana.com/docs/loki/latest/operations/storage/schema/"""

    TSDB = "tsdb"
    BOLTDB_SHIPPER = "boltdb-shipper"


class Kept(StrEnum):
    """Where logs and their index are."""

    S3 = "s3"
    FILESYSTEM = "filesystem"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaPeriod:
    """Since when logs are stored in one way.

    Args:
        since: The first day, in UTC.
        index: How they are found again.
        version: Of the schema: 11, 12 or 13.
        kept: Where they are; when absent, where the store is now.
        prefix: Of the index' tables.
    Raises:
        ConstructError: a day before Loki, a version that ended or is an experiment, or a prefix that is none.
    Source: https://grafana.com/docs/loki/latest/operations/storage/schema/
    """

    since: date
    index: Index = Index.TSDB
    version: int = 13
    kept: Kept | None = None
    prefix: str = "index_"

    def __post_init__(self) -> None:
        if isinstance(self.since, datetime) or not 2018 <= self.since.year <= 2200:
            raise ConstructError(f"a schema period is since {self.since}: use a day from 2018 on")
        if self.version not in {11, 12, 13}:
            raise ConstructError(f"the schema since {self.since} has the version {self.version}: use 11, 12 or 13")
        if not re.fullmatch(r"[a-z0-9_]{0,40}[a-z_]", self.prefix):  # the number of the day follows
            raise ConstructError(
                f"the index since {self.since} has the prefix {self.prefix!r}: use small letters, digits and "
                "underscores, no digit last"
            )

    @property
    def is_current(self) -> bool:
        """Whether new logs may be stored in this way."""
        return self.index is Index.TSDB and self.version == 13

    def to_dict(self, kept: Kept) -> dict[str, Any]:
        return {
            "from": self.since.isoformat(),
            "store": self.index.value,
            "object_store": (self.kept or kept).value,
            "schema": f"v{self.version}",
            "index": {"prefix": self.prefix, "period": go_duration(DAY)},  # Loki deletes by whole tables of a day
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSchema:
    """How logs were stored, and are: existing ones stay readable while their period is declared.

    Args:
        periods: In order; a new one begins on a day to come, or logs of that day would not be found any more.
        has_begun: Whether the last period has begun when this is deployed. Until then Loki would not start if it took
            what the schema before version 13 cannot store: structured metadata.
    Raises:
        ConstructError: no period, periods out of order, or a last one that is not TSDB with version 13.
    Source: https://grafana.com/docs/loki/latest/operations/storage/schema/#changing-the-schema
    """

    periods: tuple[SchemaPeriod, ...] = (SchemaPeriod(since=date(2024, 4, 1)),)
    has_begun: bool = True

    def __post_init__(self) -> None:
        if not self.periods:
            raise ConstructError("the schema has no period, so no log could be stored: give one")
        for earlier, later in pairwise(self.periods):
            if later.since <= earlier.since:
                raise ConstructError(
                    f"the schema's period since {later.since} comes after that since {earlier.since}: put the earliest "
                    "first, each on a day of its own"
                )
        if not (last := self.periods[-1]).is_current:
            raise ConstructError(
                f"the schema's last period, since {last.since}, is {last.index} with version {last.version}, which "
                "the next Loki will not write: add one of tsdb with version 13"
            )

    @property
    def takes_metadata(self) -> bool:
        """Whether lines may come with more than labels."""
        return self.has_begun or (len(self.periods) > 1 and self.periods[-2].is_current)
