"""Loki's configuration as typed data: where logs are, how long they stay, and how much of them there may be.

Source: https://grafana.com/docs/loki/latest/configure/
"""

import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, go_duration

HTTP_PORT, GRPC_PORT, GOSSIP_PORT = 3100, 9095, 7946
POD_IP = "POD_IP"
"""The variable that holds the pod's address: the file's only one."""
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
REPLICATION = 3
QUERY_TIMEOUT = timedelta(minutes=5)
# Loki's own default of the size of a message between its parts, which results of long lines exceed.
SMALLEST_MESSAGE = Bytes.mib(4)
# What was written ahead stays on the volume until the next checkpoint but one, and the volume may be 90 % full:
# https://grafana.com/docs/loki/latest/operations/storage/wal/#disk-space-requirements measured 15 GB at 5 MB/s.
AHEAD_PER_RATE = 3 * 1024
FULL = 0.9
# Shares of the memory limit; what is left is for the program itself, for queries, and for garbage.
CHUNKS, CACHES, REPLAY, GO = 0.5, 0.1, 0.75, 0.9
# Of chunks, of results, and those that take over the settings of the latter: statistics, volumes, series, labels.
CACHE_COUNT = 6
# Below the first size S3 is filled with crumbs; above the others, Loki's own defaults, nothing is gained.
SMALLEST_CHUNK, LARGEST_CHUNK, LARGEST_BLOCK = Bytes(64 * 1024), Bytes.mib(1.5), Bytes(256 * 1024)
BLOCKS_OF_A_CHUNK = 4
SMALLEST_MEMORY = Bytes.mib(256)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How the memory limit of one pod is shared out."""

    replay: Bytes
    """Above this, reading again what was written ahead goes by way of the store."""
    go: Bytes
    """Where the garbage collector begins to work hard."""
    cache: Bytes
    """Of each cache."""
    chunk: Bytes
    """Compressed, when it is stored."""
    block: Bytes
    """Uncompressed, when it is added to its chunk."""


def shared_out(limit: Bytes, streams: int) -> Memory:
    """Share out the memory limit of one pod, so that as many streams as it may have fit, and it is not killed.

    Half of it is for what is not stored yet: a chunk of each stream. Since chunks of busy streams are stored when they
    are full, and begin anew, they are half full on average: together with the block that each of them is gathering, a
    stream takes no more than one full chunk. A tenth is for all caches. Reading again what was written ahead happens
    before anybody asks, so that it may have three quarters.

    Args:
        limit: Of the container.
        streams: That a pod may have at the same time.
    Raises:
        ConstructError: not enough memory for these streams, or for Loki at all.
    """
    if limit < SMALLEST_MEMORY:
        raise ConstructError(f"the memory limit of Loki is {limit}: use {SMALLEST_MEMORY} or more")
    most = int(limit.count * CHUNKS) // SMALLEST_CHUNK.count
    if streams > most:
        raise ConstructError(
            f"a pod of Loki may have {streams} streams, but its memory limit of {limit} suffices for {most}: lower "
            "the limit of streams, or give it more memory"
        )
    chunk = min(int(limit.count * CHUNKS) // streams, LARGEST_CHUNK.count)
    return Memory(
        replay=limit.scaled(REPLAY),
        go=limit.scaled(GO),
        cache=limit.scaled(CACHES / CACHE_COUNT),
        chunk=Bytes(chunk),
        block=Bytes(min(chunk // BLOCKS_OF_A_CHUNK, LARGEST_BLOCK.count)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """Several pods of one store, who find each other by gossip.

    Args:
        replicas: How many they are.
        factor: How many of them hold each line.
        label: Unlike that of any other ring: addresses of pods are given away again.
        members: Host and port of all.
    """

    replicas: int
    factor: int
    label: str
    members: str

    def streams_of_each(self, streams: int) -> int:
        """How many of all streams one pod has while another one is away."""
        return math.ceil(streams * self.factor / max(self.replicas - 1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiConfig:
    """The whole file `loki.yaml` of a Loki that runs as one program, alone or as several equal pods.

    Args:
        directory: Where it may write.
        bucket: Where logs are; on the volume when absent.
        ring: Who else there is; nobody when absent.
        memory: The limit of its container.
        limits: How long logs stay, and how much may come; of each tenant, where there are some.
        schema: How they were stored, and are.
        tenants: How many there are at most, so that memory suffices for all; then whoever sends and asks must name one.
            None when nobody does.
        compaction: How often what is too old is deleted.
    Raises:
        ConstructError: logs on a volume that several pods would have to read, a period whose logs are nowhere, or
            memory that does not suffice.
    Source: https://grafana.com/docs/loki/latest/configure/
    """

    directory: str
    bucket: Bucket | None
    ring: Ring | None = None
    memory: Bytes
    limits: LogLimits = field(default_factory=LogLimits)
    schema: LogSchema = field(default_factory=LogSchema)
    tenants: int | None = None
    compaction: Compaction = field(default_factory=Compaction)

    def __post_init__(self) -> None:
        if self.tenants is not None and self.tenants < 1:
            raise ConstructError(f"there are {self.tenants} tenants, so nobody could send logs: use 1 or more, or None")
        for period in self.schema.periods:
            if self.ring and (period.kept or self._kept) is Kept.FILESYSTEM:
                raise ConstructError(
                    f"logs since {period.since} are on a volume, but there are {self.ring.replicas} replicas, each "
                    "with a volume of its own, so most queries would not find them: keep them in a bucket, or use 1"
                )
            if self.bucket is None and period.kept is Kept.S3:
                raise ConstructError(f"logs since {period.since} are in S3, but there is no bucket: give the store one")
        if (self.schema.periods[-1].kept or self._kept) is not self._kept:
            raise ConstructError(
                f"the schema's last period, since {self.schema.periods[-1].since}, is kept elsewhere than in the "
                "store's bucket: leave kept out"
            )
        _ = self.shares

    @property
    def _kept(self) -> Kept:
        return Kept.S3 if self.bucket else Kept.FILESYSTEM

    @property
    def shares(self) -> Memory:
        """Of the memory limit.

        Raises:
            ConstructError: memory that does not suffice.
        """
        streams = self.limits.streams * (self.tenants or 1)
        return shared_out(self.memory, self.ring.streams_of_each(streams) if self.ring else streams)

    def to_dict(self) -> dict[str, Any]:
        cache = {"embedded_cache": {"enabled": True, "max_size_mb": self.shares.cache.count // 1024**2}}
        return {
            "auth_enabled": self.tenants is not None,
            "server": self._server(),
            "common": {
                "path_prefix": self.directory,
                "instance_addr": f"${{{POD_IP}}}",  # of several networks, or of an unusual one, none is guessed
                "replication_factor": self.ring.factor if self.ring else 1,
                "ring": {"kvstore": {"store": "memberlist" if self.ring else "inmemory"}},
            },
            **({"memberlist": self._gossip(self.ring)} if self.ring else {}),
            "schema_config": {"configs": [period.to_dict(self._kept) for period in self.schema.periods]},
            # Not the common storage, which would start the ruler on it, with an interface that takes rules of anybody.
            "storage_config": self._storage(),
            "ingester": self._ingester(),
            "compactor": self._compactor(),
            "limits_config": self.limits.to_dict(self.schema),
            "query_range": {
                "align_queries_with_step": True,
                "cache_results": True,
                "results_cache": {"cache": cache},
            },
            "chunk_store_config": {"chunk_cache_config": cache},
            "analytics": {"reporting_enabled": False},
        }

    def _server(self) -> dict[str, Any]:
        message = max(self.limits.burst, SMALLEST_MESSAGE).count
        answered = go_duration(QUERY_TIMEOUT + timedelta(seconds=30))
        return {
            "http_listen_port": HTTP_PORT,
            "grpc_listen_port": GRPC_PORT,
            "http_server_read_timeout": answered,
            "http_server_write_timeout": answered,
            "grpc_server_max_recv_msg_size": message,
            "grpc_server_max_send_msg_size": message,
        }

    def _gossip(self, ring: Ring) -> dict[str, Any]:
        return {
            "bind_port": GOSSIP_PORT,
            "join_members": [f"dns+{ring.members}"],
            "rejoin_interval": go_duration(MINUTE),
            "cluster_label": ring.label,
            "cluster_label_verification_disabled": False,
        }

    def _storage(self) -> dict[str, Any]:
        files = any((period.kept or self._kept) is Kept.FILESYSTEM for period in self.schema.periods)
        bucket = self.bucket
        return {
            # The other client's default will change, and it calls dual-stack names of S3 alone.
            "use_thanos_objstore": False,
            **({"aws": {"region": bucket.region, "bucketnames": bucket.name}} if bucket else {}),
            **({"filesystem": {"directory": f"{self.directory}/chunks"}} if files else {}),
        }

    def _ingester(self) -> dict[str, Any]:
        shares = self.shares
        return {
            "lifecycler": {"unregister_on_shutdown": True, "min_ready_duration": "15s"},
            "autoforget_unhealthy": self.ring is not None,  # a single one would warn of it all the time
            "chunk_encoding": "snappy",
            "chunk_block_size": shares.block.count,
            "chunk_target_size": shares.chunk.count,
            "wal": {
                "enabled": True,
                "dir": f"{self.directory}/wal",
                "flush_on_shutdown": True,
                "replay_memory_ceiling": shares.replay.prometheus(),
            },
        }

    def _compactor(self) -> dict[str, Any]:
        # Which pod deletes changes: what it has marked must not be on its own volume alone.
        shared = self.bucket and all((period.kept or self._kept) is Kept.S3 for period in self.schema.periods)
        return {
            "working_directory": f"{self.directory}/compactor",
            "compaction_interval": go_duration(self.compaction.interval),
            "retention_enabled": True,
            "retention_delete_delay": go_duration(self.compaction.delete_delay),
            "delete_request_store": self._kept.value,
            **({"deletion_marker_object_store_prefix": "deletion-markers/"} if shared else {}),
        }
