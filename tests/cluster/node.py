"""A node: a machine with its own containerd, kubelet, kube-proxy, policy engine and agent of Pod Identity."""

import json
from datetime import timedelta
from pathlib import Path

from tests.cluster import cgroups, podidentity
from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.errors import ClusterError
from tests.cluster.image import PAUSE
from tests.cluster.machine import Machine
from tests.cluster.programs import built, cni_plugins, python
from tests.cluster.spec import ClusterSpec, NodeSpec
from tests.cluster.waiting import wait

SOCKET = "/run/containerd/containerd.sock"  # of the node's own /run
VOLUMES = "/var/lib/volumes"

# JSON strings are TOML strings. The score cannot be lowered where CAP_SYS_RESOURCE is missing, as in many sandboxes.
CONTAINERD = """
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {pause}
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {plugins}
    conf_dir = {directory}
"""


class Node:
    """The programs of one node, on a machine that is made for it."""

    def __init__(
        self, cluster: ClusterSpec, spec: NodeSpec, authority: Authority, directory: Path, cgroup: str
    ) -> None:
        self.spec = spec
        self.machine = Machine(spec.name, directory)
        self._cluster, self._authority, self._directory, self._cgroup = cluster, authority, directory, cgroup

    def start_runtime(self) -> None:
        """Start containerd, and return when it answers."""
        self._write("cni/10-bridge.conflist", self._network())
        for number in range(len(self._cluster.volume_classes)):
            self.volume(number).mkdir(parents=True, exist_ok=True)
        configuration = self._directory / "containerd.toml"
        configuration.write_text(
            CONTAINERD.format(
                pause=json.dumps(PAUSE.name),
                plugins=json.dumps(cni_plugins()),
                directory=json.dumps(str(self._directory / "cni")),
            )
        )
        self._pretend_cpus()
        self.machine.start("containerd", ["containerd", "--config", str(configuration)])
        wait(f"containerd answers on {self.spec.name}", self._runtime_answers, timedelta(seconds=30))

    def volume(self, number: int) -> Path:
        """Where a local volume of the node is on this machine."""
        return self._directory / "var-lib" / Path(VOLUMES).name / str(number)

    def import_image(self, path: Path) -> None:
        """Load an image."""
        self._ctr("images", "import", str(path))

    def start_kubelet(self) -> None:
        """Start what makes a node of a machine that runs containers; the API server must be there."""
        cgroups.make(self._cgroup)
        kubelet = self._write("kubelet.json", self._kubelet())
        region, zone = (
            f"topology.kubernetes.io/region={self._cluster.region}",
            f"topology.kubernetes.io/zone={self.spec.zone}",
        )
        self.machine.start(
            "kubelet",
            [
                # It ends where something is not there yet or no more, such as a group of containers that end meanwhile,
                # and relies on whoever starts it again.
                *("bash", "-uc", 'until "$0" "$@"; do sleep 1; done'),
                built("kubelet"),
                f"--config={kubelet}",
                f"--kubeconfig={self._authority.kubeconfig(f'system:node:{self.spec.name}')}",
                f"--node-ip={self.spec.address}",
                f"--node-labels={region},{zone}",
            ],
        )
        self.machine.start(
            "kube-proxy",
            [
                built("kube-proxy"),
                f"--kubeconfig={self._authority.kubeconfig('system:kube-proxy')}",
                "--proxy-mode=nftables",
                f"--cluster-cidr={self._cluster.pod_range}",
                # 0 leaves the kernel's limits, which only its first network namespace may change.
                *("--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0"),
                "--conntrack-tcp-timeout-close-wait=0",
            ],
        )

    def start_identity_agent(self) -> None:
        """Start what gives pods the sessions of their AWS roles, at an address of the node itself."""
        aws = self._cluster.aws
        configuration = {
            "cluster": self._cluster.name,
            "host": aws.auth,
            "address": str(aws.addresses[aws.auth]),
            "authority": self._authority.path(f"{PUBLIC}-ca.crt"),
        }
        self.machine.ip(f"address add {podidentity.ADDRESS}/32 dev lo")
        path = self._write("pod-identity.json", configuration)
        self.machine.start("pod-identity-agent", python(podidentity.__name__, path))

    def start_policy_engine(self) -> None:
        """Start what enforces network policies; the API server must know the node."""
        self.machine.start(
            "kube-router",
            [
                built("kube-router"),
                *("--run-firewall=true", "--run-router=false", "--run-service-proxy=false"),  # network policies only
                f"--kubeconfig={self._authority.kubeconfig('kube-router')}",
                f"--service-cluster-ip-range={self._cluster.service_range}",
                *("--metrics-port=0", "--health-port=0"),
            ],
        )

    def stop(self) -> None:
        """Lose the node."""
        self.machine.stop()
        cgroups.remove(self._cgroup)  # as a reboot does: a kubelet would look long for the containers of old ones

    def signal_container(self, container: str, signal: str) -> None:
        """Send a signal, such as "SIGKILL", to a container's main process."""
        self._ctr("tasks", "kill", "--signal", signal, container)

    def network_of(self, pod: str) -> str:
        """Path of the network namespace of a pod, by the pod's UID."""
        # The sandbox holds the namespaces of its pod, and runs also while the pod's own containers do not.
        labels = f'labels."io.kubernetes.pod.uid"=={pod},labels."io.cri-containerd.kind"==sandbox'
        sandboxes = self._ctr("containers", "list", "--quiet", labels).split()
        tasks = [line.split() for line in self._ctr("tasks", "list").splitlines()]
        running = [pid for task, pid, status in tasks if task in sandboxes and status == "RUNNING"]
        if not running:
            raise ClusterError(f"no pod with the UID {pod} runs on {self.spec.name}")
        return f"{self.machine.processes}/{running[-1]}/ns/net"

    def _ctr(self, *arguments: str) -> str:
        return self.machine.run("ctr", "--address", SOCKET, "--namespace", "k8s.io", *arguments)

    def _runtime_answers(self) -> bool:
        self.machine.check()
        self._ctr("version")
        return True

    def _pretend_cpus(self) -> None:
        """Show the kubelet empty directories as CPUs; the kernel's own files would tell of the tests' machine."""
        shown, topology = self._directory / "cpus", self._directory / "no-topology"
        for directory in (topology, *(shown / f"cpu{number}" for number in range(self._cluster.cpus_per_node))):
            directory.mkdir(parents=True, exist_ok=True)
        self.machine.run("mount", "--bind", str(shown), "/sys/devices/system/cpu")
        self.machine.run("mount", "--bind", str(topology), "/sys/devices/system/node")

    def _write(self, name: str, content: object) -> str:
        path = self._directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return str(path)

    def _network(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "dataDir": "/run/cni-addresses",  # forgotten when the node stops, as its containers are
            "ranges": [[{"subnet": str(self.spec.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}

    def _kubelet(self) -> dict[str, object]:
        certificate = f"kubelet-{self.spec.name}"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": self._authority.path("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": self._authority.path(f"{certificate}.crt"),
            "tlsPrivateKeyFile": self._authority.path(f"{certificate}.key"),
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failCgroupV1": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "clusterDNS": [str(self._cluster.dns_service)],
            "clusterDomain": "cluster.local",
            "resolvConf": "/dev/null",
            # The disk is the tests' machine's: how full that is must not evict pods or remove images.
            "evictionHard": {"nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100,
            # The lease is renewed four times in this period.
            "nodeLeaseDurationSeconds": int(self._cluster.lost_after.total_seconds()),
        }
