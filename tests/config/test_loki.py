"""The file loki.yaml, field by field: where logs are, how long they stay, and what is refused."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings

from constructs_lib.config import to_yaml
from constructs_lib.config.log_limits import Compaction, LogLimits
from constructs_lib.config.log_schema import Index, Kept, LogSchema, SchemaPeriod
from constructs_lib.config.loki import LokiConfig, Ring
from constructs_lib.config.loki_memory import CACHE_COUNT, shared_out
from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.config.loki_inputs import configurations

BUCKET = Bucket(name="logs-of-ours", region="eu-central-1")
RING = Ring(replicas=3, factor=3, label="monitoring/loki", members="loki-headless.monitoring.svc.cluster.local:7946")
NOW = SchemaPeriod(since=date(2024, 4, 1))
EARLIER = SchemaPeriod(since=date(2022, 1, 1), index=Index.BOLTDB_SHIPPER, version=11, prefix="loki_index_")
DAY = timedelta(days=1)


def config(**more: Any) -> LokiConfig:
    """Three pods with a bucket."""
    return LokiConfig(**{"directory": "/loki", "bucket": BUCKET, "ring": RING, "memory": Bytes.gib(2), **more})


def alone(**more: Any) -> LokiConfig:
    """One pod whose logs are on its volume."""
    return config(bucket=None, ring=None, **more)


@pytest.mark.trap(44)
def test_several_pods_agree_by_gossip() -> None:
    """Each of them must not be a ring of its own; a single one needs nobody."""
    assert config().to_dict()["common"]["ring"] == {"kvstore": {"store": "memberlist"}}
    assert alone().to_dict()["common"]["ring"] == {"kvstore": {"store": "inmemory"}}
    assert "memberlist" not in alone().to_dict()


@pytest.mark.trap(46)
def test_a_ring_has_a_label_that_is_verified() -> None:
    """Programs of other rings that got an address of ours are not joined."""
    assert config().to_dict()["memberlist"] == {
        "bind_port": 7946,
        "join_members": ["dns+loki-headless.monitoring.svc.cluster.local:7946"],
        "rejoin_interval": "1m",
        "cluster_label": "monitoring/loki",
        "cluster_label_verification_disabled": False,
    }


@pytest.mark.trap(45)
@pytest.mark.trap(49)
@given(configurations())
@settings(max_examples=30)
def test_a_pod_tells_its_own_address_and_the_file_has_no_other_variable(any_config: LokiConfig) -> None:
    """No address is guessed; whatever was given, nothing else would be taken for a variable."""
    text = to_yaml(any_config.to_dict())
    assert text.count("$") == 1
    assert any_config.to_dict()["common"]["instance_addr"] == "${POD_IP}"


@pytest.mark.trap(47)
@pytest.mark.parametrize(("form", "store"), [(config, "s3"), (alone, "filesystem")])
def test_what_is_too_old_is_deleted(form: Callable[[], LokiConfig], store: str) -> None:
    """The limit alone would delete nothing: it takes the compactor, a place for its requests, and tables of a day."""
    document = form().to_dict()
    assert document["limits_config"]["retention_period"] == "720h"
    compactor = document["compactor"]
    assert (compactor["retention_enabled"], compactor["delete_request_store"]) == (True, store)
    assert [period["index"]["period"] for period in document["schema_config"]["configs"]] == ["24h"]


@pytest.mark.trap(47)
@pytest.mark.parametrize("retention", [timedelta(0), timedelta(hours=23), timedelta(hours=36), -DAY])
def test_a_retention_that_is_no_whole_days_is_refused(retention: timedelta) -> None:
    """Loki would keep everything for ever, or not start."""
    with pytest.raises(ConstructError, match=r"the retention of logs is .*: use whole days, 1 or more"):
        LogLimits(retention=retention)


@pytest.mark.trap(48)
def test_what_is_marked_for_deletion_is_known_to_whoever_deletes_next() -> None:
    """On the volume of the pod that marked it, it would stay as long as another one deletes."""
    compactor = config().to_dict()["compactor"]
    assert compactor["deletion_marker_object_store_prefix"] == "deletion-markers/"
    assert "horizontal_scaling_mode" not in compactor  # pods elect the one that compacts
    assert "deletion_marker_object_store_prefix" not in alone().to_dict()["compactor"]


def test_whoever_asks_for_deletion_destroys_nothing() -> None:
    """Whoever may send logs could delete those of others."""
    assert config().to_dict()["limits_config"]["deletion_mode"] == "filter-only"


@pytest.mark.trap(50)
@given(configurations())
@settings(max_examples=50)
def test_reading_again_what_was_written_ahead_fits_into_memory(any_config: LokiConfig) -> None:
    """Three quarters of the limit at most; what is held in normal times leaves a quarter of it at least."""
    limit, shares = any_config.memory.count, any_config.shares
    assert shares.replay.count <= limit * 0.75
    assert shares.replay < shares.go < any_config.memory
    ring, streams = any_config.ring, any_config.limits.streams
    each = ring.streams_of_each(streams) if ring else streams
    assert each * (shares.chunk.count // 2 + shares.block.count) + CACHE_COUNT * shares.cache.count <= limit * 0.6


@pytest.mark.trap(50)
@pytest.mark.trap(55)
def test_memory_is_shared_out() -> None:
    """Of the default limit: ceiling of the replay, chunks, and caches in the program itself, each of its own size."""
    document = config().to_dict()
    ingester = document["ingester"]
    assert ingester["wal"]["replay_memory_ceiling"] == "1536MB"
    assert (ingester["chunk_target_size"], ingester["chunk_block_size"]) == (143165, 35791)
    cache = {"embedded_cache": {"enabled": True, "max_size_mb": 34}}
    assert document["query_range"]["results_cache"]["cache"] == cache
    assert document["chunk_store_config"]["chunk_cache_config"] == cache
    assert document["query_range"]["cache_results"] is True


def test_chunks_grow_no_larger_than_they_are_useful() -> None:
    """More memory for fewer streams leaves Loki's own sizes."""
    shares = shared_out(Bytes.gib(16), 10)
    assert (shares.chunk, shares.block) == (Bytes.mib(1.5), Bytes(256 * 1024))


@pytest.mark.trap(50)
def test_more_streams_than_memory_holds_are_refused() -> None:
    """With how many there may be."""
    with pytest.raises(
        ConstructError, match="may have 7500 streams, but its memory limit of 512Mi suffices for 4096: lower"
    ):
        config(memory=Bytes.mib(512))
    with pytest.raises(ConstructError, match="the memory limit of Loki is 255Mi: use 256Mi or more"):
        config(memory=Bytes.mib(255), limits=LogLimits(streams=1))


def test_streams_are_those_of_one_pod_while_another_is_away() -> None:
    """Loki divides the limit of all copies by the pods that are there, even where more than the limit is each one's."""
    assert RING.streams_of_each(5000) == 7500
    assert Ring(replicas=7, factor=3, label="a/b", members="c:7946").streams_of_each(5000) == 2500
    assert Ring(replicas=2, factor=1, label="a/b", members="c:7946").streams_of_each(5000) == 5000


@pytest.mark.trap(51)
def test_a_pod_that_went_is_forgotten() -> None:
    """In order, it goes from the ring and stores what it holds; else the others forget it, where there are any."""
    ingester = config().to_dict()["ingester"]
    assert ingester["autoforget_unhealthy"] is True
    assert ingester["lifecycler"]["unregister_on_shutdown"] is True
    assert ingester["wal"]["flush_on_shutdown"] is True
    assert alone().to_dict()["ingester"]["autoforget_unhealthy"] is False


@pytest.mark.trap(53)
def test_nobody_names_a_tenant() -> None:
    """Else whoever does not is refused; an app may say that there are some."""
    assert config().to_dict()["auth_enabled"] is False
    assert config(tenants=1).to_dict()["auth_enabled"] is True


def test_memory_must_suffice_for_all_tenants() -> None:
    """Each of them may have all the streams of the limit."""
    assert config(tenants=2).shares.chunk == config(limits=LogLimits(streams=10_000)).shares.chunk
    with pytest.raises(ConstructError, match=r"may have 45000 streams, but its memory limit of .* suffices for"):
        config(tenants=6)
    with pytest.raises(ConstructError, match="there are 0 tenants, so nobody could send logs: use 1 or more, or None"):
        config(tenants=0)


@pytest.mark.trap(54)
def test_limits_are_said_and_a_query_over_all_that_is_kept_is_answered() -> None:
    """None is left to a default that refuses an ordinary volume, and the query is as long as the retention."""
    assert config(limits=LogLimits(retention=90 * DAY)).to_dict()["limits_config"] == {
        "retention_period": "2160h",
        "ingestion_rate_strategy": "global",
        "ingestion_rate_mb": 10,
        "ingestion_burst_size_mb": 20,
        "per_stream_rate_limit": "5MB",
        "per_stream_rate_limit_burst": "20MB",
        "max_global_streams_per_user": 5000,
        "max_line_size": "256KB",
        "max_line_size_truncate": True,
        "reject_old_samples": True,
        "reject_old_samples_max_age": "168h",
        "allow_structured_metadata": True,
        "max_query_length": "2161h",
        "max_query_lookback": "2160h",
        "max_entries_limit_per_query": 5000,
        "split_queries_by_interval": "15m",
        "query_timeout": "5m",
        "deletion_mode": "filter-only",
    }


@pytest.mark.trap(54)
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"late": timedelta(days=31)}, r"lines may come 31 days, .* late, the retention is 30 days"),
        ({"late": timedelta(0)}, "lines may come 0:00:00 late"),
        ({"split": timedelta(0)}, "queries are split by 0:00:00: use a minute to a day"),
        ({"streams": 0}, "the limit of streams is 0, which Loki takes for none: use 1 or more"),
        ({"entries": -1}, "the limit of entries is -1, which Loki takes for none"),
        ({"line": Bytes(0)}, "the limit of line is 0, that of stream_rate is 5Mi: use 1Ki or more"),
        ({"burst": Bytes.mib(9)}, "the limit of rate is 10Mi, that of burst is 9Mi: .* no more than burst"),
        ({"stream_rate": Bytes.mib(11)}, "the limit of stream_rate is 11Mi, that of rate is 10Mi"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(more: dict[str, Any], sentence: str) -> None:
    """Each of them would be no limit at all, or one that nothing can meet."""
    with pytest.raises(ConstructError, match=sentence):
        LogLimits(**more)


def test_an_answer_may_take_as_long_as_a_query() -> None:
    """The server would close the connection after half a minute, and refuse what is larger than 4 MB."""
    server = config().to_dict()["server"]
    assert server["http_server_write_timeout"] == "5m30s"
    assert server["grpc_server_max_recv_msg_size"] == Bytes.mib(20).count
    small = LogLimits(line=Bytes(1024), stream_rate=Bytes.mib(1), rate=Bytes.mib(1), burst=Bytes.mib(1))
    assert config(limits=small).to_dict()["server"]["grpc_server_max_send_msg_size"] == Bytes.mib(4).count


@pytest.mark.trap(56)
def test_a_bucket_is_named_without_credentials_and_rules_are_not_in_it() -> None:
    """The SDK of AWS finds those that EKS hands out; the ruler, which would take rules of anybody, does not start."""
    document = config().to_dict()
    assert document["storage_config"] == {
        "use_thanos_objstore": False,
        "aws": {"region": "eu-central-1", "bucketnames": "logs-of-ours"},
    }
    assert "storage" not in document["common"]
    assert not {"ruler", "ruler_storage"} & document.keys()


@pytest.mark.trap(57)
def test_whatever_is_written_is_below_one_directory() -> None:
    """Everything else is read-only."""
    document = alone().to_dict()
    assert document["common"]["path_prefix"] == "/loki"
    assert document["ingester"]["wal"]["dir"] == "/loki/wal"
    assert document["compactor"]["working_directory"] == "/loki/compactor"
    assert document["storage_config"]["filesystem"] == {"directory": "/loki/chunks"}


def test_logs_of_earlier_periods_stay_readable() -> None:
    """The old index as it was, and the new one since its day."""
    document = config(schema=LogSchema(periods=(EARLIER, NOW))).to_dict()
    assert document["schema_config"]["configs"] == [
        {
            "from": "2022-01-01",
            "store": "boltdb-shipper",
            "object_store": "s3",
            "schema": "v11",
            "index": {"prefix": "loki_index_", "period": "24h"},
        },
        {
            "from": "2024-04-01",
            "store": "tsdb",
            "object_store": "s3",
            "schema": "v13",
            "index": {"prefix": "index_", "period": "24h"},
        },
    ]


def test_logs_of_an_earlier_volume_stay_readable_to_a_single_pod() -> None:
    """It has both places; markers stay on the volume that it has anyway."""
    before = SchemaPeriod(since=date(2022, 1, 1), kept=Kept.FILESYSTEM)
    document = config(ring=None, schema=LogSchema(periods=(before, NOW))).to_dict()
    assert {"aws", "filesystem"} <= document["storage_config"].keys()
    assert "deletion_marker_object_store_prefix" not in document["compactor"]
    with pytest.raises(ConstructError, match="logs since 2022-01-01 are on a volume, but there are 3 replicas"):
        config(schema=LogSchema(periods=(before, NOW)))


def test_structured_metadata_waits_for_a_period_that_can_store_it() -> None:
    """Until its day, Loki would not start."""
    assert not LogSchema(periods=(EARLIER, NOW), has_begun=False).takes_metadata
    assert LogSchema(periods=(EARLIER, NOW)).takes_metadata
    before = SchemaPeriod(since=date(2023, 1, 1))
    assert LogSchema(periods=(before, NOW), has_begun=False).takes_metadata


@pytest.mark.parametrize(
    ("periods", "sentence"),
    [
        ((), "the schema has no period"),
        ((NOW, NOW), "the schema's period since 2024-04-01 comes after that since 2024-04-01"),
        ((NOW, EARLIER), "the schema's period since 2022-01-01 comes after that since 2024-04-01: put the earliest"),
        ((EARLIER,), "since 2022-01-01, is boltdb-shipper with version 11, which .*: add one of tsdb with version 13"),
        ((SchemaPeriod(since=date(2024, 1, 1), version=12),), "is tsdb with version 12"),
    ],
)
def test_a_schema_that_cannot_go_on_is_refused(periods: tuple[SchemaPeriod, ...], sentence: str) -> None:
    """The next Loki writes nothing but TSDB."""
    with pytest.raises(ConstructError, match=sentence):
        LogSchema(periods=periods)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"since": date(2017, 12, 31)}, "a schema period is since 2017-12-31: use a day from 2018 on"),
        ({"since": datetime(2024, 1, 1, 12)}, "a schema period is since 2024-01-01 12:00:00"),
        ({"version": 14}, "has the version 14: use 11, 12 or 13"),
        ({"prefix": "index1"}, "has the prefix 'index1': use small letters"),
        ({"prefix": "${HOME}"}, "has the prefix"),
    ],
)
def test_a_period_that_cannot_be_is_refused(more: dict[str, Any], sentence: str) -> None:
    """Versions that ended or are experiments, days before Loki."""
    with pytest.raises(ConstructError, match=sentence):
        SchemaPeriod(**{"since": date(2024, 1, 1), **more})


def test_logs_in_two_places_are_refused() -> None:
    """The last period is where the store is, and an earlier one where there is a bucket."""
    with pytest.raises(ConstructError, match="since 2024-04-01, is kept elsewhere than in the store's bucket"):
        config(ring=None, schema=LogSchema(periods=(SchemaPeriod(since=date(2024, 4, 1), kept=Kept.FILESYSTEM),)))
    with pytest.raises(ConstructError, match="logs since 2022-01-01 are in S3, but there is no bucket: give the store"):
        alone(schema=LogSchema(periods=(SchemaPeriod(since=date(2022, 1, 1), kept=Kept.S3), NOW)))


@pytest.mark.parametrize("name", ["interval", "delete_delay"])
def test_a_compaction_without_a_break_is_refused(name: str) -> None:
    """From a minute on."""
    with pytest.raises(ConstructError, match="logs are compacted and deleted after 0:00:59: use a minute to 30 days"):
        Compaction(**{name: timedelta(seconds=59)})


def test_nothing_is_told_to_others() -> None:
    """Loki would tell its makers how it is used."""
    assert config().to_dict()["analytics"] == {"reporting_enabled": False}
