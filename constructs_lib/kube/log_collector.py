"""Grafana Alloy on every node: the lines of its containers, to Loki."""

from collections.abc import Mapping
from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config.alloy import DISCOVERY, NODE_NAME, PODS_LOGS, AlloyConfig, Shipment, Streams
from constructs_lib.contract import Endpoint, Namespace, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.network import Destination
from constructs_lib.kube.node_exporter import CRITICAL
from constructs_lib.kube.pod import Container, FieldOfPod, Placement, Probe, Resources
from constructs_lib.kube.rights import grant_everywhere, to_watch
from constructs_lib.kube.volumes import API_ACCESS, ConfigMapFiles, HostPath, Mount
from constructs_lib.kube.workload import PerNode
from constructs_lib.units import Bytes, Cpu

LOG_COLLECTOR = "log-collector"
METRICS = Port(name="metrics", number=12345)
ROOT_USER = 0  # who owns the files
CONFIG, FILE, STORAGE = "/etc/alloy", "config.alloy", "/var/lib/alloy"


class LogCollector(Component):
    """A reader of what the containers of its own node write, on every node, that sends it to one or several Lokis.

    A line is found within seconds. It has the time at which it was written, so that what is sent again after a crash is
    the same line to Loki, which keeps it once. While a Loki is away, its reader waits, and no other one does; then it
    reads on, from where it was, also over a restart. What it had read ahead is lost if it is killed, or ends while Loki
    is away: 12 MiB at most. So is what the kubelet deletes, or rotates twice, before it is read, or rotates while no
    reader runs, or within the two seconds until its file is found; and what Loki refuses for good, such as
    lines that are too old: `loki_write_dropped_entries_total` counts those.

    Args:
        namespace: One that enforces Pod Security `privileged`, such as `Namespaces.privileged`.
        name: Of its objects, and of the directory on its nodes where it keeps how far it has read.
        streams: What lines are told by, and how long they may be.
        resources: On each node; it keeps to the limit of memory by itself.
        placement: Its priority, and on which nodes: on every one if it says nothing, whatever its taints.
    Raises:
        ConstructError: when rendered, a namespace that would refuse its pods, or no Loki.
    Source: https://grafana.com/docs/alloy/latest/reference/components/loki/loki.source.file/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = LOG_COLLECTOR,
        streams: Streams = Streams(),
        # What it is too slow to read, the kubelet deletes: it may use much, for as long as somebody writes much.
        resources: Resources = Resources(cpu=Cpu(50), cpu_burst=20, memory=Bytes.mib(128), memory_headroom=4),
        placement: Placement = CRITICAL,
    ) -> None:
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=LOG_COLLECTOR,
            image=versions.ALLOY,
            workload=PerNode(user=ROOT_USER, on_host=False),
            placement=placement,
        )
        self.metrics = self.endpoint(METRICS)
        self._streams = streams
        self._shipments: dict[str, Shipment] = {}
        self.allow(Destination.api_server(namespace.cluster))
        grant_everywhere(self, lambda: to_watch(DISCOVERY.rights()))
        self.add_container(self._alloy(resources))
        config = ConfigMap(
            self,
            "config",
            name=self._file_name,
            namespace=namespace.name,
            labels=self.labels,
            files=self._files,
        )
        self.restart_with(config)

    def ship_to(self, loki: Endpoint, *, tenant: str | None = None) -> None:
        """Send all lines to a Loki too, and open the network to it, on both sides where both are ours. Idempotent.

        Args:
            loki: Where it takes lines.
            tenant: Whose they are there; needed where Loki tells tenants apart.
        Raises:
            ConstructError: a tenant that Loki refuses, or the same Loki by another port or for another tenant.
        """
        door = Endpoint(pods=loki.pods, service=loki.service, port=loki.port, nodes=loki.nodes)
        shipment = Shipment(loki=door, tenant=tenant)
        if self._shipments.setdefault(shipment.label, shipment) != shipment:
            raise ConstructError(
                f"{self.name} ships to {loki.service} of {loki.pods.namespace} in two ways, so each line would come "
                "twice: say one port and one tenant"
            )
        self.connect_to(loki)

    @property
    def config(self) -> AlloyConfig:
        """What it reads, as data."""
        return AlloyConfig(shipments=tuple(self._shipments.values()), streams=self._streams)

    def _files(self) -> Mapping[str, str]:
        if not self._shipments:
            raise ConstructError(f"{self.name} ships to no Loki, so it would read for nobody: use ship_to")
        return {FILE: self.config.to_text()}

    def _alloy(self, resources: Resources) -> Container:
        # Another collector on the same node must not take these positions for its own.
        positions = HostPath("positions", f"/var/lib/{self.namespace.name}/{self.name}", create=True)
        return Container(
            name="alloy",
            image=versions.ALLOY,
            args=(
                "run",
                f"--server.http.listen-addr=:{METRICS.number}",
                f"--storage.path={STORAGE}",
                "--disable-reporting",
                f"{CONFIG}/{FILE}",
            ),
            ports=(METRICS,),
            environment={NODE_NAME: FieldOfPod("spec.nodeName")},
            mounts=(
                Mount(source=ConfigMapFiles("config", self._file_name), path=CONFIG),
                Mount(source=HostPath("logs", PODS_LOGS), path=PODS_LOGS),
                Mount(source=positions, path=STORAGE, read_only=False),
                API_ACCESS,
            ),
            resources=resources,
            readiness=Probe(path="/-/ready", port=METRICS, period=timedelta(seconds=5), failures=3),
            # Not /-/healthy, which fails with what it depends on: killing it then would help nobody.
            liveness=Probe(path="/-/ready", port=METRICS, period=timedelta(seconds=30), failures=6),
        )

    @property
    def _file_name(self) -> str:
        return f"{self.name}-config"
