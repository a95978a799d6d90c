"""How long Loki keeps logs, and how much of them may come, as typed data.

Source: https://grafana.com/docs/loki/latest/configure/#limits_config
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from constructs_lib.config.log_schema import DAY, LogSchema
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, go_duration

MINUTE = timedelta(minutes=1)
QUERY_TIMEOUT = timedelta(minutes=5)
# What was written ahead stays on the volume until the next checkpoint but one, and the volume may be 90 % full:
# https://grafana.com/docs/loki/latest/operations/storage/wal/#disk-space-requirements measured 15 GB at 5 MB/s.
AHEAD_PER_RATE = 3 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """How long logs stay, and how much may come; what is above a limit is refused, and whoever sent it hears so.

    Args:
        retention: Whole days, at least one; what is older is deleted, within some hours.
        rate: Of all that comes in, per second; each pod takes its part of it.
        burst: What each pod takes at once.
        stream_rate: Per second, of the logs with the same labels.
        streams: Sets of labels at the same time, over the whole store.
        line: The longest line; what is longer is cut.
        late: How old a line may be when it comes.
        entries: Lines in the answer to one query.
        split: Queries are answered in parts of this length, several at a time, and parts that were answered are kept.
    Raises:
        ConstructError: limits that contradict each other, or that Loki takes for none.
    Source: https://grafana.com/docs/loki/latest/configure/#limits_config
    """

    retention: timedelta = timedelta(days=30)
    rate: Bytes = Bytes.mib(10)
    burst: Bytes = Bytes.mib(20)
    stream_rate: Bytes = Bytes.mib(5)
    streams: int = 5000
    line: Bytes = Bytes(256 * 1024)
    late: timedelta = timedelta(days=7)
    entries: int = 5000
    split: timedelta = timedelta(minutes=15)

    def __post_init__(self) -> None:
        if self.retention < DAY or self.retention % DAY:
            raise ConstructError(
                f"the retention of logs is {self.retention}: use whole days, 1 or more, since Loki's index is by days"
            )
        if not MINUTE <= self.late <= self.retention:
            raise ConstructError(
                f"lines may come {self.late} late, the retention is {self.retention}: use a minute to the retention, "
                "or they would come to be deleted"
            )
        if not MINUTE <= self.split <= DAY:
            raise ConstructError(f"queries are split by {self.split}: use a minute to a day")
        for name in ("streams", "entries"):
            if getattr(self, name) < 1:
                raise ConstructError(
                    f"the limit of {name} is {getattr(self, name)}, which Loki takes for none: use 1 or more"
                )
        for one, other in (("line", "stream_rate"), ("stream_rate", "rate"), ("rate", "burst")):
            smaller, larger = getattr(self, one), getattr(self, other)
            if not Bytes(1024) <= smaller <= larger:
                raise ConstructError(
                    f"the limit of {one} is {smaller}, that of {other} is {larger}: use 1Ki or more, and no more than "
                    f"{other}, since nothing larger could come"
                )

    @property
    def written_ahead(self) -> Bytes:
        """What the volume holds of logs that are not stored yet."""
        return Bytes(self.rate.count * AHEAD_PER_RATE)

    def to_dict(self, schema: LogSchema) -> dict[str, Any]:
        return {
            "retention_period": go_duration(self.retention),
            "ingestion_rate_strategy": "global",  # the rate is that of the store, not of each pod
            "ingestion_rate_mb": self.rate.count / 1024**2,
            "ingestion_burst_size_mb": self.burst.count / 1024**2,
            "per_stream_rate_limit": self.stream_rate.prometheus(),
            "per_stream_rate_limit_burst": self.burst.prometheus(),
            "max_global_streams_per_user": self.streams,
            "max_line_size": self.line.prometheus(),
            "max_line_size_truncate": True,
            "reject_old_samples": True,
            "reject_old_samples_max_age": go_duration(self.late),
            "allow_structured_metadata": schema.takes_metadata,
            # A query over all that is kept must not be refused for the hour in which it began.
            "max_query_length": go_duration(self.retention + timedelta(hours=1)),
            "max_query_lookback": go_duration(self.retention),
            "max_entries_limit_per_query": self.entries,
            "split_queries_by_interval": go_duration(self.split),
            "query_timeout": go_duration(QUERY_TIMEOUT),
            # Whoever may send logs may ask for their deletion: they are hidden, not gone. If that were disabled, Loki
            # would report an error for each part of each query.
            "deletion_mode": "filter-only",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """How often indexes are compacted and what is too old is marked, and how much later that is deleted.

    Args:
        interval: Between two compactions.
        delete_delay: Time for all to forget an index that still knows the deleted logs.
    Raises:
        ConstructError: an interval or a delay below a minute.
    Source: https://grafana.com/docs/loki/latest/operations/storage/retention/
    """

    interval: timedelta = timedelta(minutes=10)
    delete_delay: timedelta = timedelta(hours=2)

    def __post_init__(self) -> None:
        for value in (self.interval, self.delete_delay):
            if not MINUTE <= value <= 30 * DAY:
                raise ConstructError(f"logs are compacted and deleted after {value}: use a minute to 30 days")
