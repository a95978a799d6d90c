"""Loki, alone or as several equal pods that hold each line more than once."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.loki import (
    FULL,
    GOSSIP_PORT,
    GRPC_PORT,
    HTTP_PORT,
    POD_IP,
    REPLICATION,
    LogLimits,
    LogSchema,
    LokiConfig,
    Ring,
)
from constructs_lib.contract import Bucket, Namespace, Port, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources, Text
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import Claimed, ConfigMapFiles, Mount
from constructs_lib.kube.workload import Stateful
from constructs_lib.units import Bytes, Cpu

LOKI = "loki"
WEB = Port(name="web", number=HTTP_PORT)
AMONG_EACH_OTHER = (WEB, Port(name="grpc", number=GRPC_PORT), Port(name="gossip", number=GOSSIP_PORT))
USER = 10001  # of the image
CONFIG, DATA = "/etc/loki/config", "/loki"
FILE = "loki.yaml"
# What a pod holds in memory is stored before it ends: https://grafana.com/docs/loki/latest/operations/storage/wal/
STOP_WITHIN = timedelta(minutes=5)
SETTLED = timedelta(seconds=30)  # two heartbeats, so that all others know of a new pod before the next one goes


class Loses(StrEnum):
    """What a store of two replicas loses, in either of its two ways: a quorum of two is two.

    A pod that ends in order leaves the ring. One that is lost does not, and the other one of two never forgets it:
    it might be itself that is cut off.
    """

    WRITES_WHILE_ONE_IS_AWAY = "writes-while-one-is-away"
    """Each line is held by both, so while one is away, at each restart of either too, none is taken."""
    RECENT_LOGS_OF_THE_ONE_AWAY = "recent-logs-of-the-one-away"
    """Each line is held by one, so when that one is lost, up to two hours of its logs cannot be read, and its part of
    new ones is not taken, until it is back; what it has not stored is lost with its volume."""

    @property
    def factor(self) -> int:
        """How many of two pods hold each line."""
        return 2 if self is Loses.WRITES_WHILE_ONE_IS_AWAY else 1


class LokiStore(Component):
    """Equal Loki pods that take, keep and find logs; three or more survive the loss of one.

    The store is a bucket, and the volumes hold what is not stored yet, or it is the volume of a single pod. Logs are
    deleted by age alone: whoever asks for it hides them at most. Loki reads its file at the start, so that a change of
    it replaces the pods one after the other.

    Args:
        namespace: Where they live; `restricted` suffices.
        name: Of the Service and the pods.
        replicas: 3 or more, or 1; 2 with what they lose in `accept`.
        store: Where logs are: a bucket, whose role comes from `buckets`, or nothing, and they are on the volume.
        volume: What each of them claims.
        resources: Shared out among what is not stored yet, caches and queries.
        limits: How long logs stay, and how much may come.
        schema: How they were stored, and are.
        tenants: How many there are at most. Then the limits are those of each, and whoever sends and asks must name one
            by the header `X-Scope-OrgID`, as `LogCollector.ship_to(..., tenant=...)` does; whom it names nobody checks.
            None when nobody does.
        accept: What two replicas may lose.
        placement: On which nodes.
    Raises:
        ConstructError: two replicas that do not say what they lose, several on volumes of their own, a volume or memory
            that does not suffice for the limits.
    Source: https://grafana.com/docs/loki/latest/get-started/deployment-modes/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = LOKI,
        replicas: int = REPLICATION,
        store: Bucket | None,
        volume: Volume = Volume(Bytes.gib(50)),
        resources: Resources = Resources(cpu=Cpu(250), memory=Bytes.mib(512), memory_headroom=4),
        limits: LogLimits = LogLimits(),
        schema: LogSchema = LogSchema(),
        tenants: int | None = None,
        accept: Loses | None = None,
        placement: Placement = Placement(),
    ) -> None:
        _refuse_small(name, volume, limits, tenants or 1)
        factor = _replication(name, replicas, accept)
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=LOKI,
            image=versions.LOKI,
            workload=Stateful(replicas=replicas, volume=volume, user=USER, stop_within=STOP_WITHIN, settle=SETTLED),
            placement=placement,
        )
        self.web = self.endpoint(WEB)
        ports = AMONG_EACH_OTHER if replicas > 1 else ()
        for port in ports:
            self.connect_to(self.endpoint(port))
        ring = Ring(
            replicas=replicas,
            factor=factor,
            label=f"{namespace.name}/{name}",
            members=f"{self.headless}.{namespace.name}.svc.cluster.local:{GOSSIP_PORT}",
        )
        self.config = LokiConfig(
            directory=DATA,
            bucket=store,
            ring=ring if replicas > 1 else None,
            memory=resources.memory_limit,
            limits=limits,
            schema=schema,
            tenants=tenants,
        )
        if store is not None:
            self.use_bucket(store, rights=Rights.WRITE)
        self.add_container(self._container(ports or (WEB,), resources))
        self._make_file()

    @property
    def _file_name(self) -> str:
        return f"{self.name}-config"

    def _make_file(self) -> None:
        def files() -> Mapping[str, str]:
            return {FILE: to_yaml(self.config.to_dict())}

        namespace = self.namespace.name
        self.restart_with(
            ConfigMap(self, "config", name=self._file_name, namespace=namespace, labels=self.labels, files=files)
        )

    def _container(self, ports: tuple[Port, ...], resources: Resources) -> Container:
        # /ready says no while what was written ahead is read again, for as long as that takes: it must not be killed.
        alive, ready = "/loki/api/v1/status/buildinfo", "/ready"
        return Container(
            name=LOKI,
            image=versions.LOKI,
            args=(f"-config.file={CONFIG}/{FILE}", "-config.expand-env=true", "-target=all"),
            ports=ports,
            environment={
                POD_IP: FieldOfPod("status.podIP"),
                "GOMEMLIMIT": Text(str(self.config.shares.go.count)),
                # What is too old is listed in a temporary file before it is deleted: else, it never would be.
                "TMPDIR": Text(DATA),
            },
            mounts=(
                Mount(source=ConfigMapFiles("config", self._file_name), path=CONFIG),
                Mount(source=Claimed(), path=DATA, read_only=False),
            ),
            resources=resources,
            startup=Probe(path=alive, port=WEB, period=timedelta(seconds=5), failures=60),
            readiness=Probe(path=ready, port=WEB, period=timedelta(seconds=5), failures=3),
            liveness=Probe(path=alive, port=WEB, period=timedelta(seconds=10), failures=6),
        )


def _replication(name: str, replicas: int, accept: Loses | None) -> int:
    """How many pods hold each line."""
    if replicas == 2:
        if accept is None:
            ways = "; ".join(f"with replication {each.factor} they lose {each.value}" for each in Loses)
            raise ConstructError(f"{name} has 2 replicas, which survive no loss of one ({ways}): use 3, or accept one")
        return accept.factor
    if accept is not None:
        raise ConstructError(f"{name} has {replicas} replicas and accepts {accept.value}: that is for 2, leave it out")
    return min(replicas, REPLICATION)


def _refuse_small(name: str, volume: Volume, limits: LogLimits, tenants: int) -> None:
    ahead = limits.written_ahead.scaled(tenants)
    if volume.size.scaled(FULL) < ahead:
        rate = f"{limits.rate} a second" + (f" of {tenants} tenants each" if tenants > 1 else "")
        raise ConstructError(
            f"the volume of {name} is {volume.size}, but at {rate} up to {ahead} are written ahead, and above 90 % of "
            "the volume Loki takes no more: use a larger one, or lower the rate"
        )
