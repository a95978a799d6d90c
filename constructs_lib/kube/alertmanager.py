"""Alertmanager, alone or as members that tell each other what was sent."""

from dataclasses import dataclass, field
from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.alertmanager import (
    CREDENTIALS,
    RETENTION,
    AlertmanagerConfig,
    Inhibition,
    Route,
    Timing,
)
from constructs_lib.config.datasources import AlertmanagerSource
from constructs_lib.config.integrations import Integration
from constructs_lib.config.intervals import TimeInterval
from constructs_lib.config.receivers import TEAMS_RECEIVER, Heartbeat, Receiver
from constructs_lib.contract import Namespace, Port, Transport
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import Claimed, ConfigMapFiles, Mount, SecretFiles
from constructs_lib.kube.workload import Stateful
from constructs_lib.names import cidr
from constructs_lib.units import Bytes, Cpu, prometheus_duration
from constructs_lib.urls import absolute_url

ALERTMANAGER = "alertmanager"
WEB = Port(name="web", number=9093)
# Members join by TCP, but tell each other of what was sent by UDP: without it, both send.
# https://github.com/prometheus/alertmanager#high-availability
MESH = tuple(Port(name=f"mesh-{transport.lower()}", number=9094, transport=transport) for transport in Transport)
RELOADER = Port(name="reloader", number=8080)
USER = 65534  # of the image
CONFIG, DATA = "/etc/alertmanager/config", "/alertmanager"
# Prometheus repeats every alert within a minute: until then, a member that has just started does not know them all.
KNOWS_ALL_ALERTS = timedelta(minutes=1)
# A member that has gone for good has another address when it comes back, so its old one is not tried for hours.
FORGET_MEMBER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Who hears of an alert that no route is about, how soon and how often, and where receivers are.

    Args:
        default: Who hears of it.
        timing: How soon, and how often.
        receivers_at: Address ranges of all receivers, since a NetworkPolicy knows no names: everywhere outside of
            private networks unless a site knows better. The ports follow from the receivers.
    Raises:
        ConstructError: no address range.
    """

    default: Receiver
    timing: Timing = field(default_factory=Timing)
    receivers_at: tuple[str, ...] = ("0.0.0.0/0",)

    def __post_init__(self) -> None:
        if not self.receivers_at:
            raise ConstructError("receivers_at is empty, so no notification could leave: give at least one range")
        for value in self.receivers_at:
            cidr(value, of="the receivers' address range")


class Alertmanager(Component):
    """Members that each hear of every alert, and tell each other what was sent, so that people hear of it once.

    One member that is lost is made up for by the others, within 15 seconds for each that is left. Receivers, routes and
    what silences others may be added until the chart is rendered. A change of them restarts nothing: a helper beside
    Alertmanager tells it to read its file again.

    Args:
        namespace: Where it lives.
        name: Of its objects; two of a kind in one namespace differ by it.
        replicas: Members; one loses alerts while it is away.
        volume: Where silences and the log of what was sent survive.
        resources: Of each member.
        external_url: Under which people reach it, without a path; links in notifications lead there.
        delivery: Who hears by default.
        placement: On which nodes.
    Raises:
        ConstructError: a URL that is none, or with a path; when rendered, whatever contradicts itself in receivers
            and routes.
    Source: https://prometheus.io/docs/alerting/latest/high_availability/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = ALERTMANAGER,
        replicas: int = 2,
        volume: Volume = Volume(Bytes.gib(5)),
        resources: Resources = Resources(cpu=Cpu(100), memory=Bytes.mib(128)),
        external_url: str,
        delivery: Delivery,
        placement: Placement = Placement(),
    ) -> None:
        absolute_url(external_url, of="external_url", path=False)
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=ALERTMANAGER,
            image=versions.ALERTMANAGER,
            workload=Stateful(
                replicas=replicas,
                volume=volume,
                user=USER,
                stop_within=timedelta(minutes=2),
                settle=KNOWS_ALL_ALERTS,  # until then the next one must not go: nobody would send
            ),
            placement=placement,
        )
        self.web = self.endpoint(WEB)
        self.replicas = replicas
        self.members_at_web = self.members(WEB)
        self._delivery = delivery
        self._receivers: dict[str, Receiver] = {}
        self._routes: list[Route] = []
        self._inhibitions: list[Inhibition] = []
        self._intervals: dict[str, TimeInterval] = {}
        self._heartbeat: Heartbeat | None = None
        self._teams: tuple[Integration, ...] = ()
        self._team_routes: list[Route] = []
        for port in MESH if replicas > 1 else ():
            self.connect_to(self.endpoint(port))
        self.add_container(self._program(external_url, resources))
        self.add_container(self._reloader())
        ConfigMap(
            self,
            "config",
            name=self._file_name,
            namespace=namespace.name,
            labels=self.labels,
            files=lambda: {"alertmanager.yml": to_yaml(self.config.to_dict())},
        )
        self.add_receiver(delivery.default)

    def add_receiver(self, receiver: Receiver) -> None:
        """Let routes name a receiver; the way to it is opened, and its credentials are mounted.

        Raises:
            ConstructError: another receiver of the same name.
        """
        if self._receivers.setdefault(receiver.name, receiver) != receiver:
            raise ConstructError(f"{self.name} has two different receivers {receiver.name!r}: rename one")
        self._open(receiver)

    def add_routes(self, *routes: Route) -> None:
        """Send alerts elsewhere than by default; of several routes that match, the one that was added first wins."""
        self._routes += [route for route in routes if route not in self._routes]

    def add_team_routes(self, *routes: Route) -> None:
        """Send alerts of other teams' releases elsewhere than `tell_teams_by` says: a team's to its own pager."""
        self._team_routes += [route for route in routes if route not in self._team_routes]

    def add_inhibitions(self, *inhibitions: Inhibition) -> None:
        """Keep alerts back while another one says it all."""
        self._inhibitions += [each for each in inhibitions if each not in self._inhibitions]

    def add_interval(self, interval: TimeInterval) -> None:
        """Let routes name a time interval.

        Raises:
            ConstructError: another interval of the same name.
        """
        if self._intervals.setdefault(interval.name, interval) != interval:
            raise ConstructError(f"{self.name} has two different time intervals {interval.name!r}: rename one")

    def send_heartbeat_to(self, heartbeat: Heartbeat) -> None:
        """Tell somebody outside, again and again, that alerts arrive; when it stops, they tell you.

        Raises:
            ConstructError: a second one that differs.
        """
        if self._heartbeat not in {None, heartbeat}:
            raise ConstructError(f"{self.name} has two different heartbeats: keep one")
        self._heartbeat = heartbeat
        self._open(heartbeat.receiver)

    def tell_teams_by(self, *integrations: Integration) -> None:
        """Let other teams hear of the alerts of their releases by these ways, in place of who hears by default.

        Raises:
            ConstructError: no way, or others than those that were said before.
        """
        receiver = Receiver(name=TEAMS_RECEIVER, integrations=integrations)
        if self._teams not in {(), integrations}:
            raise ConstructError(f"{self.name} tells other teams in two different ways: say all of them at once")
        self._teams = integrations
        self._open(receiver)

    @property
    def datasource(self) -> AlertmanagerSource:
        """As which Grafana asks it."""
        return AlertmanagerSource(endpoint=self.web, name=self.name)

    @property
    def config(self) -> AlertmanagerConfig:
        """What it reads, as data."""
        return AlertmanagerConfig(
            default=self._delivery.default.name,
            receivers=tuple(self._receivers.values()),
            routes=tuple(self._routes),
            inhibitions=tuple(self._inhibitions),
            intervals=tuple(self._intervals.values()),
            heartbeat=self._heartbeat,
            teams=self._teams,
            team_routes=tuple(self._team_routes),
            timing=self._delivery.timing,
            retention=RETENTION,
        )

    def _open(self, receiver: Receiver) -> None:
        """The way out, and the credentials: a missing one must not keep a member from all other receivers."""
        for port in receiver.ports:
            self.allow(Destination.outside(self._delivery.receivers_at, port))
        for secret in {key.secret for key in receiver.secrets}:
            self.mount(
                Mount(source=SecretFiles(secret, optional=True), path=f"{CREDENTIALS}/{secret}"), into=ALERTMANAGER
            )

    def _program(self, external_url: str, resources: Resources) -> Container:
        return Container(
            name=ALERTMANAGER,
            image=versions.ALERTMANAGER,
            args=(
                f"--config.file={CONFIG}/alertmanager.yml",
                f"--storage.path={DATA}",
                f"--data.retention={prometheus_duration(RETENTION)}",
                f"--web.external-url={external_url}",
                # Whose notifications fail: one of other teams' channels must not look like one of the platform's.
                "--enable-feature=auto-gomemlimit,receiver-name-in-metrics",
                *self._cluster_arguments(),
            ),
            ports=(WEB, *(MESH if self.replicas > 1 else ())),
            environment={"POD_NAME": FieldOfPod("metadata.name"), "POD_IP": FieldOfPod("status.podIP")},
            mounts=(
                Mount(source=ConfigMapFiles("config", self._file_name), path=CONFIG),
                Mount(source=Claimed(), path=DATA, read_only=False),
            ),
            resources=resources,
            startup=Probe(path="/-/ready", port=WEB, period=timedelta(seconds=5), failures=24),
            readiness=Probe(path="/-/ready", port=WEB, period=timedelta(seconds=5), failures=3),
            liveness=Probe(path="/-/healthy", port=WEB, period=timedelta(seconds=10), failures=6),
        )

    def _cluster_arguments(self) -> tuple[str, ...]:
        """https://github.com/prometheus/alertmanager/blob/main/docs/high_availability.md"""
        if self.replicas == 1:
            return ("--cluster.listen-address=",)  # else it waits for others that never come
        gossip = MESH[0]
        return (
            f"--cluster.listen-address=[$(POD_IP)]:{gossip.number}",
            f"--cluster.advertise-address=[$(POD_IP)]:{gossip.number}",  # an address that is not private is not guessed
            "--cluster.peer-name=$(POD_NAME)",
            # Addresses are given to other pods later: members of another cluster must not be taken for ours.
            f"--cluster.label={self.namespace.name}/{self.name}",
            *(f"--cluster.peer={member.address}" for member in self.members(gossip)),
            f"--cluster.reconnect-timeout={prometheus_duration(FORGET_MEMBER)}",
            f"--dispatch.start-delay={prometheus_duration(KNOWS_ALL_ALERTS)}",
        )

    def _reloader(self) -> Container:
        """Alertmanager reads its file again only when it is told to."""
        return Container(
            name="config-reloader",
            image=versions.CONFIG_RELOADER,
            args=(
                f"--watched-dir={CONFIG}",
                f"--reload-url=http://localhost:{WEB.number}/-/reload",
                f"--listen-address=:{RELOADER.number}",
            ),
            ports=(RELOADER,),
            mounts=(Mount(source=ConfigMapFiles("config", self._file_name), path=CONFIG),),
            resources=Resources(cpu=Cpu(10), memory=Bytes.mib(32)),
            readiness=Probe(path="/healthz", port=RELOADER, period=timedelta(seconds=10), failures=3),
            liveness=Probe(path="/healthz", port=RELOADER, period=timedelta(seconds=30), failures=6),
        )

    @property
    def _file_name(self) -> str:
        return f"{self.name}-config"
