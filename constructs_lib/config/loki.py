"""Loki's configuration as typed data: where logs are, who else keeps them, and who hears of them.

Source: https://grafana.com/docs/loki/latest/configure/
"""

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from constructs_lib.config.log_limits import MINUTE, QUERY_TIMEOUT, Compaction, LogLimits
from constructs_lib.config.log_schema import Kept, LogSchema
from constructs_lib.config.loki_memory import Memory, shared_out
from constructs_lib.config.loki_ruler import Ruler
from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, go_duration

HTTP_PORT, GRPC_PORT, GOSSIP_PORT = 3100, 9095, 7946
POD_IP = "POD_IP"
"""The variable that holds the pod's address: the file's only one."""
REPLICATION = 3
# Loki's own default of the size of a message between its parts, which results of long lines exceed.
SMALLEST_MESSAGE = Bytes.mib(4)
FULL = 0.9
TENANT = "fake"
"""Who has sent what came without a tenant; Loki's own word."""


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
        ruler: Who evaluates alerts on logs; nobody when absent.
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
    ruler: Ruler | None = None

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
            **({"ruler": self.ruler.to_dict(self.directory, several=self.ring is not None)} if self.ruler else {}),
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
