"""Jaeger's configuration as typed data: what a collector takes, how long it holds it, and where spans are kept.

Jaeger 2 is a collector of OpenTelemetry with stores and a query of its own: https://www.jaegertracing.io/docs/latest/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

from constructs_lib.config.span_store import EmbeddedStore, SearchStore
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, go_duration

OTLP_GRPC, OTLP_HTTP = 4317, 4318
QUERY_HTTP, QUERY_GRPC, SAMPLING_HTTP, SAMPLING_GRPC = 16686, 16685, 5778, 5779
TELEMETRY, SPAN_METRICS, HEALTH = 8888, 8889, 13133
HEALTH_PATH = "/status"
MAIN = "main"  # what the only store is called
# Of one request, by gRPC or HTTP: the default of gRPC. What is larger than the whole queue would be refused for
# ever, and a queue holds several.
REQUEST = Bytes.mib(4)
SMALLEST_QUEUE = Bytes.mib(8)
# A span in memory is some three times as large as on its way.
UNPACKED = 3
# Of the memory limit; it was seen to be exceeded by 80 % before the limiter took hold.
LIMITED, SPIKE = 0.4, 0.1
GO = 0.8
SMALLEST_MEMORY = Bytes.mib(256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which share of traces programs should begin, that ask for it; the others send all of theirs.

    Args:
        default: Of services that are not named: between 0 and 1.
        services: The share of each of them, by its name.
    Raises:
        ConstructError: a share that is none, or a service without a name.
    Source: https://www.jaegertracing.io/docs/latest/architecture/sampling/#file-based-sampling
    """

    default: float
    services: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for service, share in {"other services": self.default, **self.services}.items():
            if not service.strip():
                raise ConstructError("a share of traces is that of a service without a name: name it")
            if not 0 <= share <= 1:
                raise ConstructError(f"the share of traces of {service} is {share}: use 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """The file that the collector reads."""

        def strategy(share: float) -> dict[str, Any]:
            return {"type": "probabilistic", "param": share}

        return {
            "default_strategy": strategy(self.default),
            "service_strategies": [
                {"service": service, **strategy(share)} for service, share in sorted(self.services.items())
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanMetrics:
    """Requests, errors and durations of every service, counted from its spans as they come.

    What a program sends again, because it was not acknowledged in time, is counted again.

    Args:
        buckets: Of the durations: upper bounds, the smallest first.
        combinations: Of name, kind, status and dimensions of the spans of one service; what is beyond is counted as
            one. Each is a counter and a histogram: three series and one for each bucket, from each collector.
        dimensions: Attributes of spans that become labels besides service, name, kind and status; each multiplies.
        expiration: After which a service that is silent is forgotten, within a minute or two.
    Raises:
        ConstructError: buckets out of order, or numbers that are none.
    Source: https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/spanmetricsconnector
    """

    buckets: tuple[timedelta, ...] = tuple(
        timedelta(milliseconds=each) for each in (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
    )
    combinations: int = 500
    dimensions: tuple[str, ...] = ()
    expiration: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        if not self.buckets or self.buckets[0] <= timedelta(0) or any(a >= b for a, b in pairwise(self.buckets)):
            raise ConstructError("the buckets of durations are not in order: put the smallest, above 0, first")
        if self.combinations < 1:
            raise ConstructError(
                f"a service may have {self.combinations} combinations, which means no limit: use 1 or more"
            )
        for name in self.dimensions:
            if not re.fullmatch(r"[a-z][a-z0-9_.]*", name):
                raise ConstructError(f"{name!r} cannot be an attribute of spans: use one such as 'http.route'")
        if self.expiration < timedelta(minutes=1):
            raise ConstructError(f"silent services are forgotten after {self.expiration}: use a minute or more")

    def to_dict(self) -> dict[str, Any]:
        return {
            "histogram": {"unit": "s", "explicit": {"buckets": [go_duration(each) for each in self.buckets]}},
            **({"dimensions": [{"name": each} for each in self.dimensions]} if self.dimensions else {}),
            "exemplars": {"enabled": True},
            # Else each pod of a service is counted by itself, and all of them under the same labels: one would stay.
            "resource_metrics_key_attributes": ["service.name"],
            "aggregation_cardinality_limit": self.combinations,
            "metrics_flush_interval": "15s",
            "metrics_expiration": go_duration(self.expiration),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLimits:
    """What a collector bears.

    Args:
        queue: Of spans that wait until they are handed to the store, as large as they came; whoever comes when it is
            full is told to come again. One request is 4 MiB at most.
        connection_age: After which a collector ends a connection of gRPC in good order, so that its client comes
            again, and may reach another collector: a few seconds more or less for each.
    Raises:
        ConstructError: a queue that hardly holds a request, or an age below ten seconds.
    """

    queue: Bytes = Bytes.mib(32)
    connection_age: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        if self.queue < SMALLEST_QUEUE:
            raise ConstructError(
                f"the queue of spans is {self.queue}: use {SMALLEST_QUEUE} or more, since a single request may be "
                f"{REQUEST}, and would be refused again and again"
            )
        if self.connection_age < timedelta(seconds=10):
            raise ConstructError(f"connections end after {self.connection_age}: use 10 seconds or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class JaegerConfig:
    """The file of one process: a collector, a query, or both in one.

    Args:
        store: Where spans are.
        collects: What it does as a collector, with the limit of its memory; None when it collects nothing.
        queries: Whether it answers.
    Raises:
        ConstructError: neither, or an embedded store for one half alone.
    Source: https://www.jaegertracing.io/docs/latest/deployment/configuration/
    """

    store: SearchStore | EmbeddedStore
    collects: "Collecting | None"
    queries: bool

    def __post_init__(self) -> None:
        if self.collects is None and not self.queries:
            raise ConstructError("a process of Jaeger neither collects nor answers: let it do one")
        if isinstance(self.store, EmbeddedStore) and not (self.collects and self.queries):
            raise ConstructError(
                "an embedded store belongs to one process, which collects and answers: use OpenSearch for two"
            )

    def to_dict(self) -> dict[str, Any]:
        host = "0.0.0.0"  # noqa: S104 - else it listens for its own pod alone
        extensions: dict[str, Any] = {
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"{host}:{HEALTH}"}},
            "jaeger_storage": {"backends": {MAIN: self.store.to_dict(writes=self.collects is not None)}},
        }
        if self.queries:
            extensions["jaeger_query"] = {
                "storage": {"traces": MAIN},
                "http": {"endpoint": f"{host}:{QUERY_HTTP}"},
                "grpc": {"endpoint": f"127.0.0.1:{QUERY_GRPC}"},  # nobody asks by it, and it cannot be turned off
            }
        parts: dict[str, Any] = {"receivers": {"nop": {}}, "exporters": {"nop": {}}}
        pipelines: dict[str, Any] = {"traces": {"receivers": ["nop"], "exporters": ["nop"]}}
        if self.collects:
            parts, pipelines = self.collects.parts(host), self.collects.pipelines()
            extensions |= self.collects.extensions(host)
        telemetry = {"pull": {"exporter": {"prometheus": {"host": host, "port": TELEMETRY}}}}
        return {
            "service": {
                "extensions": list(extensions),
                "pipelines": pipelines,
                "telemetry": {"metrics": {"readers": [telemetry]}},
            },
            "extensions": extensions,
            **parts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """What a collector does.

    Args:
        memory: The limit of its container.
        limits: What it bears.
        metrics: What it counts of spans; None for nothing.
        sampling: The file of shares, where there is one.
    Raises:
        ConstructError: less memory than it needs, or its queue.
    """

    memory: Bytes
    limits: SpanLimits = field(default_factory=SpanLimits)
    metrics: SpanMetrics | None = field(default_factory=SpanMetrics)
    sampling: str | None = None

    def __post_init__(self) -> None:
        if self.memory < SMALLEST_MEMORY:
            raise ConstructError(f"the memory limit of a collector is {self.memory}: use {SMALLEST_MEMORY} or more")
        if self.limits.queue.scaled(UNPACKED) > (most := self.memory.scaled(LIMITED)):
            raise ConstructError(
                f"the queue of spans is {self.limits.queue}, which may take {self.limits.queue.scaled(UNPACKED)} of "
                f"memory, but above {most} of its limit of {self.memory} a collector refuses all spans: use less, or "
                "give it more memory"
            )

    def extensions(self, host: str) -> dict[str, Any]:
        """What tells programs how much to send."""
        if self.sampling is None:
            return {}
        return {
            "remote_sampling": {
                "file": {"path": self.sampling, "reload_interval": "30s"},
                "http": {"endpoint": f"{host}:{SAMPLING_HTTP}"},
                "grpc": {"endpoint": f"127.0.0.1:{SAMPLING_GRPC}"},
            }
        }

    def parts(self, host: str) -> dict[str, Any]:
        """Receivers, processors, connectors and exporters.

        There is no batch processor: it would acknowledge spans that nobody has but it. The store's own writer gathers
        them.
        """
        age = {"max_connection_age": go_duration(self.limits.connection_age), "max_connection_age_grace": "10s"}
        protocols = {
            "grpc": {"endpoint": f"{host}:{OTLP_GRPC}", "keepalive": {"server_parameters": age}},
            "http": {"endpoint": f"{host}:{OTLP_HTTP}", "max_request_body_size": REQUEST.count},
        }
        queue = {
            "enabled": True,
            "wait_for_result": True,  # what waits is not acknowledged yet
            "sizer": "bytes",
            "queue_size": self.limits.queue.count,
            "num_consumers": 10,
        }
        mebibyte = Bytes.mib(1).count
        limiter = {
            "check_interval": "1s",
            "limit_mib": self.memory.scaled(LIMITED).count // mebibyte,
            "spike_limit_mib": self.memory.scaled(SPIKE).count // mebibyte,
        }
        page = {"endpoint": f"{host}:{SPAN_METRICS}", "enable_open_metrics": True, "metric_expiration": "1m"}
        return {
            "receivers": {"otlp": {"protocols": protocols}},
            "processors": {"memory_limiter": limiter},
            **({"connectors": {"spanmetrics": self.metrics.to_dict()}} if self.metrics else {}),
            "exporters": {
                "jaeger_storage_exporter": {"trace_storage": MAIN, "queue": queue},
                **({"prometheus": page} if self.metrics else {}),
            },
        }

    def pipelines(self) -> dict[str, Any]:
        """The way of spans, and that of what is counted of them: first, so that it does not wait for the store."""
        first = ["spanmetrics"] if self.metrics else []
        traces = {
            "receivers": ["otlp"],
            "processors": ["memory_limiter"],
            "exporters": [*first, "jaeger_storage_exporter"],
        }
        counted = {"metrics/spanmetrics": {"receivers": ["spanmetrics"], "exporters": ["prometheus"]}}
        return {"traces": traces, **(counted if self.metrics else {})}
