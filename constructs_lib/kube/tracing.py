"""Jaeger: collectors that take spans by OTLP, a query that finds them, and the cleaner of their store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import time, timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.datasources import JaegerSource
from constructs_lib.config.jaeger import (
    GO,
    HEALTH,
    HEALTH_PATH,
    OTLP_GRPC,
    OTLP_HTTP,
    QUERY_HTTP,
    SAMPLING_HTTP,
    SPAN_METRICS,
    TELEMETRY,
    Collecting,
    JaegerConfig,
    Sampling,
    SpanLimits,
    SpanMetrics,
)
from constructs_lib.config.span_store import CREDENTIALS, EmbeddedStore, SearchStore
from constructs_lib.contract import Namespace, Pods, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap, Manifest
from constructs_lib.kube.pod import Container, OfSecret, Placement, Probe, Resources, Text
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import Claimed, ConfigMapFiles, Mount, SecretFiles
from constructs_lib.kube.workload import Scheduled, Stateful, Stateless, Workload
from constructs_lib.units import Bytes, Cpu

JAEGER = "jaeger"
GRPC, HTTP = Port(name="otlp-grpc", number=OTLP_GRPC), Port(name="otlp-http", number=OTLP_HTTP)
QUERY = Port(name="query", number=QUERY_HTTP)
METRICS, COUNTED = Port(name="metrics", number=TELEMETRY), Port(name="span-metrics", number=SPAN_METRICS)
HEALTHY, SHARES = Port(name="health", number=HEALTH), Port(name="sampling", number=SAMPLING_HTTP)
USER = 10001  # of the image
CONFIG, FILE, DATA = "/etc/jaeger/config", "jaeger.yaml", "/badger"
SAMPLING_DIRECTORY, SAMPLING_FILE = "/etc/jaeger/sampling", "sampling.json"
# What was acknowledged is written, and who is answered is answered, in a second; while the store is away it never is.
STOP_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Spans on a volume of one process that is collector and query: for development.

    Args:
        volume: What it claims.
        retention: After which a span is gone; an hour or more.
    """

    volume: Volume = Volume(Bytes.gib(10))
    retention: timedelta = timedelta(days=2)


class Tracing(Construct):
    """Collectors of spans, a query, and a cleaner that deletes what is too old.

    A span is acknowledged when a collector has handed it to the writer of its store, which writes it within a tenth
    of a second: a collector that is killed loses some hundred acknowledged spans at most, and one that ends in good
    order none. While the store is away, nothing is acknowledged: programs wait, and are told to come again when the
    queue is full; only what had been acknowledged is lost, if a collector ends meanwhile. What the store refuses one by
    one, as it does when there are too many shards, is lost after it was acknowledged: an alert says so.

    A connection by gRPC lives long and is one collector's, so collectors end each after a while: its client comes
    again, and may reach another one. By HTTP, a client decides itself.

    Args:
        namespace: Where all of it lives; `restricted` suffices.
        name: Of the collectors, `<name>-collector`, of the query, `<name>-query`, and of the cleaner.
        store: OpenSearch or Elasticsearch, or a volume of a single process.
        collectors: How many; 2 when absent, and the only one where the store is a volume.
        queries: How many.
        collector_resources: Of each; spans that wait are in memory.
        query_resources: Of each.
        limits: What a collector bears.
        metrics: What is counted of spans; None for nothing.
        sampling: Which share of traces programs should begin that ask for it; None where none does.
        placement: On which nodes.
    Raises:
        ConstructError: several processes on one volume, or less memory than a collector needs.
    Source: https://www.jaegertracing.io/docs/latest/architecture/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = JAEGER,
        store: SearchStore | Embedded,
        collectors: int | None = None,
        queries: int = 1,
        collector_resources: Resources = Resources(cpu=Cpu(200), memory=Bytes.mib(512)),
        query_resources: Resources = Resources(cpu=Cpu(100), memory=Bytes.mib(128)),
        limits: SpanLimits = SpanLimits(),
        metrics: SpanMetrics | None = SpanMetrics(),
        sampling: Sampling | None = None,
        placement: Placement = Placement(),
    ) -> None:
        super().__init__(scope, id)
        self._namespace, self._name, self._placement = namespace, name, placement
        collects = Collecting(
            memory=collector_resources.memory_limit,
            limits=limits,
            metrics=metrics,
            sampling=f"{SAMPLING_DIRECTORY}/{SAMPLING_FILE}" if sampling else None,
        )
        ports = (GRPC, HTTP, METRICS, *([COUNTED] if metrics else []), *([SHARES] if sampling else []))
        if collectors is None:
            collectors = 1 if isinstance(store, Embedded) else 2
        if isinstance(store, Embedded):
            if (collectors, queries) != (1, 1):
                raise ConstructError(
                    f"{name} keeps its spans on a volume, which is that of one process, but has {collectors} "
                    f"collectors and {queries} queries: use 1 and 1, or keep them in OpenSearch"
                )
            embedded = EmbeddedStore(directory=DATA, retention=store.retention)
            config = JaegerConfig(store=embedded, collects=collects, queries=True)
            stateful = Stateful(replicas=1, volume=store.volume, user=USER, stop_within=STOP_WITHIN)
            self.collector = self._process("collector", stateful, config, (*ports, QUERY), collector_resources)
            self.collector.mount(Mount(source=Claimed(), path=DATA, read_only=False), into=JAEGER)
            self.query = self.collector
        else:
            config = JaegerConfig(store=store, collects=collects, queries=False)
            stateless = Stateless(replicas=collectors, user=USER, stop_within=STOP_WITHIN)
            self.collector = self._process("collector", stateless, config, ports, collector_resources)
            answers = JaegerConfig(store=store, collects=None, queries=True)
            self.query = self._process(
                "query", Stateless(replicas=queries, user=USER), answers, (QUERY, METRICS), query_resources
            )
            for process in (self.collector, self.query):
                process.connect_to(store.server)
                for secret in sorted({store.password.secret, *([store.ca.secret] if store.ca else [])}):
                    mount = Mount(source=SecretFiles(secret), path=f"{CREDENTIALS}/{secret}")
                    process.mount(mount, into=JAEGER)
            self._clean(store)
        self.otlp_grpc, self.otlp_http = self.collector.endpoint(GRPC), self.collector.endpoint(HTTP)
        self.metrics = self.collector.endpoint(METRICS)
        self.span_metrics = self.collector.endpoint(COUNTED) if metrics else None
        self.shares = self.collector.endpoint(SHARES) if sampling else None
        self.web = replace(self.query.endpoint(QUERY), service=f"{name}-query")
        self.query_metrics = None if self.query is self.collector else self.query.endpoint(METRICS)
        if sampling:
            self._share(sampling)
        if self.query is self.collector:
            self._name_query()

    @property
    def datasource(self) -> JaegerSource:
        """As which Grafana asks its query."""
        return JaegerSource(endpoint=self.web, name=self._name)

    def admit(self, pods: Pods) -> None:
        """Let pods of an application send spans, by gRPC and HTTP, and ask how many. Idempotent."""
        for door in (self.otlp_grpc, self.otlp_http, self.shares):
            if door is not None:
                door.admit(pods)

    def _process(
        self, role: str, workload: Workload, config: JaegerConfig, ports: tuple[Port, ...], resources: Resources
    ) -> Component:
        """A component that runs Jaeger by one file."""
        process = Component(
            self,
            role,
            namespace=self._namespace,
            name=f"{self._name}-{role}",
            program=f"{JAEGER}-{role}",
            image=versions.JAEGER,
            workload=workload,
            placement=self._placement,
        )
        file_name = f"{process.name}-config"
        # It says that it starts until its store has answered, and then that it is well, whatever becomes of the store.
        process.add_container(
            Container(
                name=JAEGER,
                image=versions.JAEGER,
                args=(f"--config={CONFIG}/{FILE}",),
                ports=(*ports, HEALTHY),
                environment={"GOMEMLIMIT": Text(str(resources.memory_limit.scaled(GO).count))},
                mounts=(Mount(source=ConfigMapFiles("config", file_name), path=CONFIG),),
                resources=resources,
                startup=Probe(path=HEALTH_PATH, port=HEALTHY, period=timedelta(seconds=2), failures=30),
                readiness=Probe(path=HEALTH_PATH, port=HEALTHY, period=timedelta(seconds=5), failures=3),
                liveness=Probe(path=HEALTH_PATH, port=HEALTHY, period=timedelta(seconds=10), failures=6),
            )
        )

        def files() -> Mapping[str, str]:
            return {FILE: to_yaml(config.to_dict())}

        process.restart_with(
            ConfigMap(
                process,
                "config",
                name=file_name,
                namespace=self._namespace.name,
                labels=process.labels,
                files=files,
            )
        )
        return process

    def _share(self, sampling: Sampling) -> None:
        """Collectors read the file again by themselves."""
        name = f"{self.collector.name}-sampling"

        def files() -> Mapping[str, str]:
            return {SAMPLING_FILE: json.dumps(sampling.to_dict(), indent=2) + "\n"}

        ConfigMap(
            self.collector,
            "sampling",
            name=name,
            namespace=self._namespace.name,
            labels=self.collector.labels,
            files=files,
        )
        self.collector.mount(Mount(source=ConfigMapFiles("sampling", name), path=SAMPLING_DIRECTORY), into=JAEGER)

    def _name_query(self) -> None:
        """The query has the same name whether it is a process of its own or not."""
        port = {"name": QUERY.name, "port": QUERY.number, "targetPort": QUERY.name, "protocol": QUERY.transport.value}
        spec = {"selector": dict(self.collector.pods.labels), "ports": [port]}
        Manifest(
            self,
            "query-service",
            api_version="v1",
            kind="Service",
            name=f"{self._name}-query",
            namespace=self._namespace.name,
            labels=self.collector.labels,
            body=lambda: {"spec": spec},
        )

    def _clean(self, store: SearchStore) -> None:
        """Delete indices whose last span is too old, every night.

        It counts from the day on which an index was made: that day, and as many before it as the retention has.

        Source: https://www.jaegertracing.io/docs/latest/storage/elasticsearch/#index-cleaner
        """
        cleaner = Component(
            self,
            "index-cleaner",
            namespace=self._namespace,
            name=f"{self._name}-index-cleaner",
            program=f"{JAEGER}-index-cleaner",
            image=versions.JAEGER_INDEX_CLEANER,
            workload=Scheduled(at=time(0, 5), user=USER),  # indices are of days in UTC
            placement=self._placement,
        )
        cleaner.connect_to(store.server)
        mounts: tuple[Mount, ...] = ()
        trusted: dict[str, Text] = {}
        if store.ca:
            trusted = {"ES_TLS_ENABLED": Text("true"), "ES_TLS_CA": Text(store.ca.path_below(CREDENTIALS))}
            mounts = (Mount(source=SecretFiles(store.ca.secret), path=f"{CREDENTIALS}/{store.ca.secret}"),)
        cleaner.add_container(
            Container(
                name="index-cleaner",
                image=versions.JAEGER_INDEX_CLEANER,
                args=(str(store.retention.days + 1), store.url),
                environment={
                    "INDEX_PREFIX": Text(store.prefix),
                    "ES_USERNAME": Text(store.user),
                    "ES_PASSWORD": OfSecret(store.password),
                    **trusted,
                },
                mounts=mounts,
                resources=Resources(cpu=Cpu(50), memory=Bytes.mib(64)),
            )
        )
