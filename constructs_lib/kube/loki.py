"""Loki, alone or as several equal pods that hold each line more than once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.datasources import LokiSource
from constructs_lib.config.log_limits import LogLimits
from constructs_lib.config.log_schema import LogSchema
from constructs_lib.config.loki import (
    FULL,
    GOSSIP_PORT,
    GRPC_PORT,
    HTTP_PORT,
    POD_IP,
    REPLICATION,
    TENANT,
    LokiConfig,
    Ring,
)
from constructs_lib.config.loki_ruler import Ruler
from constructs_lib.contract import LOKI, Bucket, Namespace, Port, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.kube.alertmanager import Alertmanager
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources, Text
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import Claimed, ConfigMapFiles, Mount
from constructs_lib.kube.workload import Stateful
from constructs_lib.rules.log_model import LogRuleGroup
from constructs_lib.units import Bytes, Cpu
from constructs_lib.urls import Links

WEB = Port(name="web", number=HTTP_PORT)
AMONG_EACH_OTHER = (WEB, Port(name="grpc", number=GRPC_PORT), Port(name="gossip", number=GOSSIP_PORT))
USER = 10001  # of the image
CONFIG, RULES, DATA = "/etc/loki/config", "/etc/loki/rules", "/loki"
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
    it replaces the pods one after the other; a change of rules is live within three minutes, and restarts nothing.

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
        self._rules: dict[str, LogRuleGroup] = {}
        self._told: tuple[Alertmanager, Links] | None = None
        self._known = False  # whether somebody was told by `config` that there are no rules
        self._config = LokiConfig(
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

    def send_alerts_to(self, alertmanager: Alertmanager, *, links: Links) -> None:
        """Tell every member of an Alertmanager of every alert on logs, and open the network to it, on both sides.

        Args:
            alertmanager: Whose members.
            links: Where people read logs, which is Grafana, and where every alert has its page.
        Raises:
            ConstructError: another Alertmanager, or other links, or `config` was asked before; when rendered, no rule.
        """
        self._refuse_late()
        if self._told not in {None, (alertmanager, links)}:
            raise ConstructError(f"{self.name} sends alerts in two ways, so each would come twice: keep one")
        self._told = (alertmanager, links)
        for member in alertmanager.members_at_web:
            self.connect_to(member)

    def add_rules(self, *groups: LogRuleGroup) -> None:
        """Evaluate alerts on logs, each group by one of the members; `send_alerts_to` says who hears.

        Args:
            groups: Their names are unlike.
        Raises:
            ConstructError: another group of the same name, a store with tenants, or `config` was asked before; when
                rendered, nobody who hears.
        """
        self._refuse_late()
        if self._config.tenants is not None:
            raise ConstructError(f"{self.name} has tenants, and rules are of nobody's logs then: leave one of them out")
        if not self._rules and groups:
            self._make_rules()
        for group in groups:
            if self._rules.setdefault(group.name, group) != group:
                raise ConstructError(f"{self.name} has two different rule groups {group.name!r}: rename one")

    @property
    def rules(self) -> tuple[LogRuleGroup, ...]:
        """The groups that were added, by name."""
        return tuple(self._rules[name] for name in sorted(self._rules))

    @property
    def config(self) -> LokiConfig:
        """What it reads, as data; from here on, it gets no rules if it has none.

        Raises:
            ConstructError: rules that nobody hears of, or somebody who would hear of none.
        """
        if self._told is None:
            if self._rules:
                raise ConstructError(f"{self.name} has rules, but nobody would hear of an alert: call send_alerts_to")
            self._known = True
            return self._config
        if not self._rules:
            raise ConstructError(f"{self.name} sends alerts, but has no rules: add some, or leave send_alerts_to out")
        alertmanager, links = self._told
        ruler = Ruler(
            rules=RULES,
            alertmanagers=tuple(member.address for member in alertmanager.members_at_web),
            grafana=links.external_url,
            labels=self.namespace.cluster.labels,
        )
        return replace(self._config, ruler=ruler)

    @property
    def datasource(self) -> LokiSource:
        """As which Grafana asks it.

        Raises:
            ConstructError: a store with tenants, of whom one must be named.
        """
        if self._config.tenants is not None:
            raise ConstructError(
                f"{self.name} has tenants, so it must be said whose logs are seen: add a LokiSource for each of them"
            )
        return LokiSource(endpoint=self.web, name=self.name)

    def _refuse_late(self) -> None:
        """Alerts on the ruler itself follow from `config`, and would be left out."""
        if self._known:
            raise ConstructError(
                f"{self.name} gets rules after its config was asked for, so that no alert would say when they fail: "
                "call add_rules and send_alerts_to before"
            )

    def _make_rules(self) -> None:
        name = f"{self.name}-rules"

        def files() -> Mapping[str, str]:
            runbooks = self._told[1].runbooks if self._told else ""
            return {f"{group.name}.yaml": to_yaml(group.to_dict(runbooks)) for group in self.rules}

        ConfigMap(self, "rules", name=name, namespace=self.namespace.name, labels=self.labels, files=files)
        self.mount(Mount(source=ConfigMapFiles("rules", name), path=f"{RULES}/{TENANT}"), into=LOKI)

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
                "GOMEMLIMIT": Text(str(self._config.shares.go.count)),
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
