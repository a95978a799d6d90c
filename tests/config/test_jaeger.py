"""Jaeger's configuration: what a process does, what it bears, where spans are, and what is refused."""

import re
from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.jaeger import Collecting, JaegerConfig, Sampling, SpanLimits, SpanMetrics
from constructs_lib.config.secrets import SecretKey
from constructs_lib.config.span_store import EmbeddedStore, Engine, SearchStore
from constructs_lib.contract import ExternalHost
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

SERVER = ExternalHost(host="search.example.com", port=9200, addresses=("0.0.0.0/0",))
EVERYBODY = "0.0.0.0"  # noqa: S104 - what is expected, nothing listens here
PASSWORD = SecretKey("tracing", "password")
EMBEDDED = EmbeddedStore(directory="/badger")


def store(**more: Any) -> SearchStore:
    return SearchStore(**{"server": SERVER, "user": "jaeger", "password": PASSWORD, **more})


def collecting(**more: Any) -> Collecting:
    return Collecting(**{"memory": Bytes.gib(1), **more})


COLLECTOR = JaegerConfig(store=store(), collects=collecting(), queries=False).to_dict()
QUERY = JaegerConfig(store=store(), collects=None, queries=True).to_dict()
BOTH = JaegerConfig(store=EMBEDDED, collects=collecting(), queries=True).to_dict()


def endpoints(document: Any) -> list[str]:
    """Wherever it listens, by the key `endpoint`."""
    if isinstance(document, list):
        return [each for value in document for each in endpoints(value)]
    if not isinstance(document, dict):
        return []
    own = [document["endpoint"]] if "endpoint" in document else []
    return own + [each for value in document.values() for each in endpoints(value)]


@pytest.mark.trap(64)
@pytest.mark.parametrize("document", [COLLECTOR, QUERY, BOTH])
def test_everything_that_others_ask_listens_for_others(document: dict[str, Any]) -> None:
    """Jaeger's own defaults are for its own host alone, or for everybody; what nobody asks is for nobody."""
    told = document["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    assert told == {"host": EVERYBODY, "port": 8888}
    own = [each for each in endpoints(document) if not each.startswith(f"{EVERYBODY}:")]
    assert own == (["127.0.0.1:16685"] if "jaeger_query" in document["extensions"] else [])


@pytest.mark.trap(65)
def test_a_query_has_a_way_of_spans_on_which_nothing_goes() -> None:
    """Without one it does not start; a collector answers no query, and a query takes no span."""
    assert QUERY["service"]["pipelines"] == {"traces": {"receivers": ["nop"], "exporters": ["nop"]}}
    assert "jaeger_query" not in COLLECTOR["extensions"]
    assert "otlp" not in QUERY["receivers"]
    assert QUERY["extensions"]["jaeger_query"]["storage"] == {"traces": "main"}


@pytest.mark.trap(66)
def test_indices_are_of_a_day_and_need_no_rotation() -> None:
    """Their templates are made by who writes; the keys that Jaeger refuses, now or later, are not written."""
    written = COLLECTOR["extensions"]["jaeger_storage"]["backends"]["main"]["opensearch"]
    read = QUERY["extensions"]["jaeger_storage"]["backends"]["main"]["opensearch"]
    assert written["indices"] == {
        "index_prefix": "jaeger",
        **{kind: {"shards": 1, "replicas": 1} for kind in ("spans", "services", "dependencies", "sampling")},
    }
    assert (written["create_mappings"], read["create_mappings"]) == (True, False)
    assert read["max_span_age"] == "192h"  # all that is kept
    assert not {"use_aliases", "use_ilm", "rotation", "bulk_processing"} & read.keys()


def test_the_password_is_a_file() -> None:
    """Which is read again when it changes; a variable of digits would be refused, one with a dollar be another one."""
    backend = COLLECTOR["extensions"]["jaeger_storage"]["backends"]["main"]["opensearch"]
    assert backend["server_urls"] == ["https://search.example.com:9200"]
    file = "/etc/jaeger/credentials/tracing/password"
    assert backend["auth"] == {"basic": {"username": "jaeger", "password_file": file}}
    assert "tls" not in backend
    trusting = store(ca=SecretKey("tracing", "ca"), engine=Engine.ELASTICSEARCH).to_dict(writes=True)
    assert trusting["elasticsearch"]["tls"] == {"ca_file": "/etc/jaeger/credentials/tracing/ca"}


def test_nothing_is_acknowledged_that_waits() -> None:
    """No batch, a queue that answers when what is in it was handed on, and a writer that writes at once."""
    pipeline = COLLECTOR["service"]["pipelines"]["traces"]
    queue = COLLECTOR["exporters"]["jaeger_storage_exporter"]["queue"]
    bulk = COLLECTOR["extensions"]["jaeger_storage"]["backends"]["main"]["opensearch"]["bulk_processing"]
    assert pipeline["processors"] == ["memory_limiter"]
    assert (queue["enabled"], queue["wait_for_result"], queue["sizer"]) == (True, True, "bytes")
    assert queue["queue_size"] == 32 * 1024**2
    assert bulk == {"max_actions": 200, "workers": 4, "flush_interval": "50ms"}


@pytest.mark.trap(68)
def test_a_connection_ends_in_time() -> None:
    """So that its client reaches other collectors, too."""
    limits = SpanLimits(connection_age=timedelta(seconds=30))
    config = JaegerConfig(store=store(), collects=collecting(limits=limits), queries=False).to_dict()
    keepalive = config["receivers"]["otlp"]["protocols"]["grpc"]["keepalive"]
    assert keepalive == {"server_parameters": {"max_connection_age": "30s", "max_connection_age_grace": "10s"}}


def test_memory_is_limited_below_what_kills() -> None:
    """It is exceeded by most of itself before the limiter takes hold."""
    assert COLLECTOR["processors"]["memory_limiter"] == {
        "check_interval": "1s",
        "limit_mib": 409,
        "spike_limit_mib": 102,
    }


def test_spans_are_counted_before_the_store_is_asked() -> None:
    """By service, over all of its pods; a store that is away must not hide what happens."""
    pipelines, counted = COLLECTOR["service"]["pipelines"], COLLECTOR["connectors"]["spanmetrics"]
    assert pipelines["traces"]["exporters"] == ["spanmetrics", "jaeger_storage_exporter"]
    assert pipelines["metrics/spanmetrics"] == {"receivers": ["spanmetrics"], "exporters": ["prometheus"]}
    assert counted["resource_metrics_key_attributes"] == ["service.name"]
    assert counted["histogram"]["unit"] == "s"
    assert counted["aggregation_cardinality_limit"] == 500
    more = SpanMetrics(dimensions=("http.route",)).to_dict()
    assert more["dimensions"] == [{"name": "http.route"}]


def test_spans_need_not_be_counted() -> None:
    """Then nothing of it is left."""
    config = JaegerConfig(store=store(), collects=collecting(metrics=None), queries=False).to_dict()
    assert config["service"]["pipelines"].keys() == {"traces"}
    assert config["exporters"].keys() == {"jaeger_storage_exporter"}
    assert "connectors" not in config


@pytest.mark.trap(70)
def test_programs_are_told_how_much_to_send() -> None:
    """Since each collector sees a part of a trace, none of them can choose among whole ones."""
    config = JaegerConfig(store=store(), collects=collecting(sampling="/etc/shares.json"), queries=False).to_dict()
    assert config["extensions"]["remote_sampling"]["file"] == {"path": "/etc/shares.json", "reload_interval": "30s"}
    assert "remote_sampling" in config["service"]["extensions"]
    assert not {"tail_sampling", "probabilistic_sampler"} & config["processors"].keys()
    shares = Sampling(default=0.1, services={"till": 1, "cart": 0.5}).to_dict()
    assert shares["default_strategy"] == {"type": "probabilistic", "param": 0.1}
    assert [each["service"] for each in shares["service_strategies"]] == ["cart", "till"]


def test_an_embedded_store_forgets_by_itself() -> None:
    """And is kept where it is told to."""
    assert BOTH["extensions"]["jaeger_storage"]["backends"]["main"] == {
        "badger": {
            "directories": {"keys": "/badger/keys", "values": "/badger/values"},
            "ephemeral": False,
            "ttl": {"spans": "48h"},
        }
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"user": "${HOME}"}, "'${HOME}' cannot be the user of opensearch"),
        ({"prefix": "Jaeger"}, "'Jaeger' cannot be the prefix of indices: use small letters, digits and dashes"),
        ({"prefix": "jaeger-"}, "no dash last"),
        ({"prefix": "a.b"}, "'a.b' cannot be the prefix"),
        ({"prefix": ""}, "'' cannot be the prefix"),
        ({"retention": timedelta(hours=36)}, "the retention of spans is 1 day, 12:00:00: use whole days, 1 or more"),
        ({"retention": timedelta(0)}, "use whole days, 1 or more"),
        ({"shards": 0}, "indices have 0 shards with 1 replicas on 1 nodes"),
        ({"replicas": -1}, "use 1 or more shards, 0 or more replicas"),
        ({"nodes": 0}, "on 0 nodes"),
    ],
)
def test_a_store_that_cannot_be_is_refused(more: dict[str, Any], message: str) -> None:
    """By the value, and what to use."""
    with pytest.raises(ConstructError, match=re.escape(message)):
        store(**more)


@pytest.mark.trap(67)
def test_more_shards_than_there_may_be_are_refused() -> None:
    """Above the limit of the server, spans are acknowledged and lost."""
    days = timedelta(days=98)
    assert store(shards=5, replicas=0, retention=days).shards_in_all == 1000
    with pytest.raises(
        ConstructError, match="5 shards with 1 replicas make 2000 in 98 days, but 1 nodes take 1000: above it spans are"
    ):
        store(shards=5, retention=days)
    assert store(shards=5, retention=days, nodes=2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: EmbeddedStore(directory="/d", retention=timedelta(minutes=59)), "use an hour or more"),
        (lambda: SpanLimits(queue=Bytes.mib(7)), "the queue of spans is 7Mi: use 8Mi or more, since a single request"),
        (lambda: collecting(limits=SpanLimits(queue=Bytes.mib(200))), "above 409Mi of its limit of 1Gi a collector"),
        (lambda: SpanLimits(connection_age=timedelta(seconds=9)), "connections end after 0:00:09: use 10 seconds"),
        (lambda: SpanMetrics(buckets=()), "the buckets of durations are not in order"),
        (lambda: SpanMetrics(buckets=(timedelta(0),)), "put the smallest, above 0, first"),
        (lambda: SpanMetrics(buckets=(timedelta(seconds=2), timedelta(seconds=1))), "are not in order"),
        (lambda: SpanMetrics(combinations=0), "a service may have 0 combinations, which means no limit: use 1 or more"),
        (lambda: SpanMetrics(dimensions=("Http Route",)), "'Http Route' cannot be an attribute of spans"),
        (lambda: SpanMetrics(expiration=timedelta(seconds=59)), "silent services are forgotten after 0:00:59"),
        (lambda: Sampling(default=1.1), "the share of traces of other services is 1.1: use 0 to 1"),
        (lambda: Sampling(default=1, services={"cart": -0.1}), "the share of traces of cart is -0.1: use 0 to 1"),
        (lambda: Sampling(default=1, services={" ": 1}), "that of a service without a name: name it"),
        (lambda: collecting(memory=Bytes.mib(255)), "the memory limit of a collector is 255Mi: use 256Mi or more"),
        (lambda: JaegerConfig(store=store(), collects=None, queries=False), "neither collects nor answers"),
        (lambda: JaegerConfig(store=EMBEDDED, collects=None, queries=True), "use OpenSearch for two"),
        (lambda: JaegerConfig(store=EMBEDDED, collects=collecting(), queries=False), "belongs to one process"),
    ],
)
def test_what_cannot_work_is_refused(build: Any, message: str) -> None:
    """By the value, the limit and the way out."""
    with pytest.raises(ConstructError, match=re.escape(message)):
        build()
