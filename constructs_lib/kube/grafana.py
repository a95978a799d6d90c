"""Grafana, alone on a file or as several replicas on one database."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.datasources import DataSource, named, provisioned
from constructs_lib.config.grafana import (
    CONFIG,
    CREDENTIALS,
    DASHBOARDS,
    DATA,
    GOSSIP_PORT,
    HTTP_PORT,
    INI,
    POD_IP,
    PROVISIONING,
    GrafanaConfig,
    Login,
    PostgresStore,
    provider,
    providers,
)
from constructs_lib.contract import Namespace, Port, Transport
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources, Text
from constructs_lib.kube.storage import Volume
from constructs_lib.kube.volumes import Claimed, ConfigMapFiles, Mount, SecretFiles
from constructs_lib.kube.workload import Stateful
from constructs_lib.units import Bytes, Cpu

GRAFANA = "grafana"
WEB = Port(name="web", number=HTTP_PORT)
# Replicas tell each other by both which notifications were sent.
GOSSIP = tuple(Port(name=f"gossip-{each.lower()}", number=GOSSIP_PORT, transport=each) for each in Transport)
USER = 472  # of the image
GO = 0.5  # of the memory limit, which Go tries not to exceed: data sources are processes beside it
PLATFORM = "Platform"


@runtime_checkable
class Queryable(Protocol):
    """A construct that Grafana can ask."""

    @property
    def datasource(self) -> DataSource:
        """As which Grafana asks it."""


class Grafana(Component):
    """What people see of metrics, logs and traces, joined.

    Its data sources and dashboards follow from the app, and nobody changes them in the browser; what people make
    besides is in its database. A change of a dashboard is live within two minutes and restarts nothing; a new one, and
    a change of anything else, replaces the pods one after the other.

    Args:
        namespace: Where it lives; `restricted` suffices.
        name: Of the Service and the pods.
        replicas: 2 when absent, and the only one where there is no database.
        database: Which all share; a file of SQLite on the volume when absent.
        volume: What each claims. Beside a database nothing of worth is on it, and 1Gi is enough.
        resources: Of each.
        root_url: Under which people reach it, without a path.
        login: Who comes in first, and what secrets are encrypted with; by files from Secrets.
        placement: On which nodes.
    Raises:
        ConstructError: several replicas without a database, a URL that is none; when rendered, no data source.
    Source: https://grafana.com/docs/grafana/latest/setup-grafana/set-up-for-high-availability/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = GRAFANA,
        replicas: int | None = None,
        database: PostgresStore | None,
        volume: Volume = Volume(Bytes.gib(20)),
        resources: Resources = Resources(cpu=Cpu(250), memory=Bytes.mib(256), memory_headroom=4),
        root_url: str,
        login: Login,
        placement: Placement = Placement(),
    ) -> None:
        if replicas is None:
            replicas = 2 if database else 1
        if replicas > 1 and database is None:
            raise ConstructError(
                f"{name} has {replicas} replicas, but keeps all on a file of SQLite, which is that of one: use 1, or "
                "give it a database"
            )
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=GRAFANA,
            image=versions.GRAFANA,
            # With a database, too: an emptyDir, for what is written beside it, would stop every drain.
            workload=Stateful(replicas=replicas, volume=volume, user=USER, stop_within=timedelta(seconds=60)),
            placement=placement,
        )
        self.web = self.endpoint(WEB)
        self._root_url, self._login, self._database = root_url, login, database
        self._sources: dict[str, DataSource] = {}
        self._dashboards: dict[str, Dashboard] = {}
        self._home: Dashboard | None = None
        self._providers = {DASHBOARDS: provider("platform", DASHBOARDS, folder=PLATFORM)}
        self._several = replicas > 1
        for port in GOSSIP if self._several else ():
            self.connect_to(self.endpoint(port))
        self.add_container(self._program(resources))
        if database:
            self.connect_to(database.server)
        keys = {*login.secrets, *(database.secrets if database else ())}
        for secret in sorted({key.secret for key in keys}):
            self.mount(Mount(source=SecretFiles(secret), path=f"{CREDENTIALS}/{secret}"), into=GRAFANA)
        self._make_files()
        self._config()  # a URL that is none is refused here, not when rendered

    def add_datasource(self, source: Queryable | DataSource) -> None:
        """Let people see what a construct or an endpoint of another release knows, and open the network to it.

        Links lead from each kind of data source to the first one of the others. The first Prometheus is the default.

        Raises:
            ConstructError: another one of the same name, or a name that Grafana refuses.
        """
        each = source.datasource if isinstance(source, Queryable) else source
        if self._sources.setdefault(named(each.name), each) != each:
            raise ConstructError(f"{self.name} has two different data sources {each.name!r}: rename one")
        self.connect_to(each.endpoint)

    def add_dashboard(self, *dashboards: Dashboard) -> None:
        """Show dashboards, each in a ConfigMap of its own.

        Raises:
            ConstructError: another one of the same name.
        """
        for each in dashboards:
            taken = self._dashboards.get(each.name)
            if taken == each:
                continue
            if taken is not None:
                raise ConstructError(f"{self.name} has two different dashboards {each.name!r}: rename one")
            self._dashboards[each.name] = each
            self._show(each)

    def set_home(self, dashboard: Dashboard) -> None:
        """Show a dashboard, and let people see it first.

        Raises:
            ConstructError: a second one that differs.
        """
        if self._home not in {None, dashboard}:
            raise ConstructError(f"{self.name} has two different dashboards as its home: keep one")
        self._home = dashboard
        self.add_dashboard(dashboard)

    def read_dashboards_below(self, path: str) -> None:
        """Also show what somebody else in the pod writes below a path, in a folder for each directory. Idempotent."""
        self._providers[path] = provider(path.strip("/").replace("/", "-"), path, folder=None)

    def _show(self, dashboard: Dashboard) -> None:
        name = f"{self.name}-dashboard-{dashboard.name}"
        ConfigMap(
            self,
            f"dashboard-{dashboard.name}",
            name=name,
            namespace=self.namespace.name,
            labels=self.labels,
            files=lambda: {f"{dashboard.name}.json": dashboard.to_json()},
        )
        files = ConfigMapFiles(f"dashboard-{dashboard.name}", name)
        self.mount(Mount(source=files, path=f"{DASHBOARDS}/{dashboard.name}"), into=GRAFANA)

    def _config(self) -> GrafanaConfig:
        home = self._home
        return GrafanaConfig(
            root_url=self._root_url,
            login=self._login,
            database=self._database,
            # By TCP: they find each other by it, and tell each other by both.
            peers=tuple(member.address for member in self.members(GOSSIP[0])) if self._several else (),
            cluster=f"{self.namespace.name}/{self.name}",
            home=f"{DASHBOARDS}/{home.name}/{home.name}.json" if home else None,
        )

    def _provisioned(self) -> Mapping[str, Any]:
        if not self._sources:
            raise ConstructError(f"{self.name} has no data source, so that it could show nothing: add one")
        for each in self._dashboards.values():
            for unknown in sorted(each.sources - self._sources.keys()):
                raise ConstructError(
                    f"the dashboard {each.name} asks the data source {unknown!r}, but {self.name} has "
                    f"{', '.join(sorted(self._sources))}: add it under this name, or leave the dashboard out"
                )
        return provisioned(self._sources)

    def _make_files(self) -> None:
        """Read at the start alone, but for the dashboards."""
        files = {
            "config": lambda: {INI: self._config().to_text()},
            "datasources": lambda: {"datasources.yaml": to_yaml(self._provisioned())},
            "providers": lambda: {"providers.yaml": to_yaml(providers(self._providers))},
        }
        for suffix, each in files.items():
            self.restart_with(
                ConfigMap(
                    self,
                    suffix,
                    name=f"{self.name}-{suffix}",
                    namespace=self.namespace.name,
                    labels=self.labels,
                    files=each,
                )
            )

    def _program(self, resources: Resources) -> Container:
        def files(suffix: str, path: str) -> Mount:
            return Mount(source=ConfigMapFiles(suffix, f"{self.name}-{suffix}"), path=path)

        return Container(
            name=GRAFANA,
            image=versions.GRAFANA,
            ports=(WEB, *(GOSSIP if self._several else ())),
            environment={
                "GF_PATHS_CONFIG": Text(f"{CONFIG}/{INI}"),
                POD_IP: FieldOfPod("status.podIP"),
                "GOMEMLIMIT": Text(str(resources.memory_limit.scaled(GO).count)),
            },
            mounts=(
                files("config", CONFIG),
                files("datasources", f"{PROVISIONING}/datasources"),
                files("providers", f"{PROVISIONING}/dashboards"),
                Mount(source=Claimed(), path=DATA, read_only=False),
                # Where each data source, which is a process of its own, has the socket by which it is asked.
                Mount(source=Claimed(), path="/tmp", sub_path="tmp", read_only=False),  # noqa: S108 - of the container
            ),
            resources=resources,
            # The first start makes some hundred tables.
            startup=Probe(path="/api/health", port=WEB, period=timedelta(seconds=5), failures=60),
            readiness=Probe(path="/api/health", port=WEB, period=timedelta(seconds=5), failures=3),
            # Which asks no database: a restart would not bring that back.
            liveness=Probe(path="/healthz", port=WEB, period=timedelta(seconds=10), failures=6),
        )
