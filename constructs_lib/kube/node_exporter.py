"""node_exporter: what every node's kernel knows of itself, as metrics."""

from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.contract import Namespace, Port
from constructs_lib.kube.component import Component
from constructs_lib.kube.pod import Container, Placement, Probe, Resources
from constructs_lib.kube.volumes import HostPath, Mount
from constructs_lib.kube.workload import PerNode
from constructs_lib.units import Bytes, Cpu

NODE_EXPORTER = "node-exporter"
METRICS = Port(name="metrics", number=9100)
USER = 65534  # nobody
ROOT = "/host/root"
# A node that is full must still be watched: https://kubernetes.io/docs/tasks/administer-cluster/guaranteed-scheduling-critical-addon-pods/
CRITICAL = Placement(priority_class="system-node-critical")
# What comes and goes with every pod would be new series for ever.
# https://github.com/prometheus-operator/kube-prometheus/blob/main/jsonnet/kube-prometheus/components/node-exporter.libsonnet
NO_MOUNTS = (
    r"^/(dev|proc|sys|run/(k3s/)?containerd/.+|var/lib/(docker|containers/storage|kubelet/(pods|plugins))/.+)($|/)"
)
NO_DEVICES = "^(veth.*|eni.*|cali.*|lxc.*|[a-f0-9]{15})$"


class NodeExporter(Component):
    """A reader of the kernel's figures on every node, by the node's own network, processes and root directory.

    Args:
        namespace: One that enforces Pod Security `privileged`, such as `Namespaces.privileged`.
        name: Of its objects.
        port: Of the nodes themselves: a second node exporter needs another one.
        resources: On each node.
        placement: Its priority, and on which nodes: on every one if it says nothing, whatever its taints.
    Raises:
        ConstructError: a namespace that would refuse its pods.
    Source: https://github.com/prometheus/node_exporter
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = NODE_EXPORTER,
        port: int = METRICS.number,
        resources: Resources = Resources(cpu=Cpu(50), memory=Bytes.mib(64)),
        placement: Placement = CRITICAL,
    ) -> None:
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=NODE_EXPORTER,
            image=versions.NODE_EXPORTER,
            workload=PerNode(user=USER),
            placement=placement,
        )
        metrics = Port(name=METRICS.name, number=port)
        self.metrics = self.endpoint(metrics)
        self.add_container(
            Container(
                name=NODE_EXPORTER,
                image=versions.NODE_EXPORTER,
                args=(
                    f"--web.listen-address=:{port}",
                    f"--path.procfs={ROOT}/proc",
                    f"--path.sysfs={ROOT}/sys",
                    f"--path.rootfs={ROOT}",
                    "--path.udev.data=/host/root/run/udev/data",
                    "--no-collector.btrfs",
                    "--no-collector.hwmon",
                    "--no-collector.wifi",
                    f"--collector.filesystem.mount-points-exclude={NO_MOUNTS}",
                    f"--collector.netclass.ignored-devices={NO_DEVICES}",
                    f"--collector.netdev.device-exclude={NO_DEVICES}",
                ),
                ports=(metrics,),
                mounts=(Mount(source=HostPath("root", "/"), path=ROOT, follow_host=True),),
                resources=resources,
                readiness=Probe(path="/", port=metrics, period=timedelta(seconds=10), failures=3),
                liveness=Probe(path="/", port=metrics, period=timedelta(seconds=30), failures=6),
            )
        )
