"""The blackbox exporter: whether hosts outside answer, as those see it who come from outside."""

from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.config.blackbox import CREDENTIALS, EXPORTER, OFFSET, BlackboxConfig, ProbedHost
from constructs_lib.contract import Namespace, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, Placement, Probe, Resources
from constructs_lib.kube.volumes import ConfigMapFiles, Mount, SecretFiles
from constructs_lib.kube.workload import Stateless
from constructs_lib.units import Bytes, Cpu

METRICS = Port(name="metrics", number=9115)
USER = 65534  # nobody
CONFIG = "/etc/blackbox-exporter/config"


class BlackboxExporter(Component):
    """Asks hosts outside of the cluster by HTTPS, whenever Prometheus asks it to; nothing else may it reach.

    Hosts are added by `PrometheusHA.probe`. A change of how they are asked starts it anew, which takes seconds.

    Args:
        namespace: Where it lives; Secrets with authorities of one's own are there too.
        name: Of its objects.
        resources: Of the one process.
        placement: On which nodes.
    Raises:
        ConstructError: when rendered, no host.
    Source: https://github.com/prometheus/blackbox_exporter
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = EXPORTER,
        resources: Resources = Resources(cpu=Cpu(50), memory=Bytes.mib(64)),
        placement: Placement = Placement(),
    ) -> None:
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=EXPORTER,
            image=versions.BLACKBOX_EXPORTER,
            workload=Stateless(user=USER),
            placement=placement,
        )
        self.metrics = self.endpoint(METRICS)
        self._hosts: dict[tuple[str, int, str], ProbedHost] = {}
        config_map = f"{name}-config"
        self.add_container(
            Container(
                name=EXPORTER,
                image=versions.BLACKBOX_EXPORTER,
                args=(
                    f"--config.file={CONFIG}/blackbox.yml",
                    f"--timeout-offset={OFFSET.total_seconds():g}",
                ),
                ports=(METRICS,),
                mounts=(Mount(source=ConfigMapFiles("config", config_map), path=CONFIG),),
                resources=resources,
                readiness=Probe(path="/-/healthy", port=METRICS, period=timedelta(seconds=5), failures=3),
                liveness=Probe(path="/-/healthy", port=METRICS, period=timedelta(seconds=10), failures=6),
            )
        )
        self.restart_with(
            ConfigMap(
                self,
                "config",
                name=config_map,
                namespace=namespace.name,
                labels=self.labels,
                files=lambda: {"blackbox.yml": to_yaml(BlackboxConfig(hosts=self._all_hosts()).to_dict())},
            )
        )

    def add_host(self, host: ProbedHost) -> None:
        """Let it ask a host: open the way there, and mount the authorities that it is verified by. Idempotent.

        Raises:
            ConstructError: the same host, or another module of the same name, with different values.
        """
        for other in self._hosts.values():
            if other.asked == host.asked and other != host:
                raise ConstructError(f"{self.name} asks {host.url} twice, differently: keep one")
            ours, theirs = ((each.module, each.family) for each in (host, other))
            if other.module_name == host.module_name and ours != theirs:
                raise ConstructError(f"{self.name} has two different modules {host.module_name!r}: rename one")
        self._hosts[host.asked] = host
        self.connect_to(host.server)
        if host.module.ca:
            secret = host.module.ca.secret
            self.mount(Mount(source=SecretFiles(secret), path=f"{CREDENTIALS}/{secret}"), into=EXPORTER)

    def _all_hosts(self) -> tuple[ProbedHost, ...]:
        if not self._hosts:
            raise ConstructError(f"{self.name} asks no host: let Prometheus probe one, or leave the exporter out")
        return tuple(self._hosts.values())
