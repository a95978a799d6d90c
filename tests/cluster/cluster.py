"""The tests' own cluster."""

import atexit
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.cluster import controlplane
from tests.cluster.authority import Authority
from tests.cluster.errors import ClusterError
from tests.cluster.image import COREDNS, PAUSE, PROBE, TRUSTED, Image, write_image
from tests.cluster.kubernetes import Kubernetes, is_ready
from tests.cluster.machine import Machine, connect, in_network
from tests.cluster.manifests import manifests
from tests.cluster.node import Node
from tests.cluster.outside.aws import Aws
from tests.cluster.outside.balancer import Balancer
from tests.cluster.outside.login import Login
from tests.cluster.outside.search import Search
from tests.cluster.outside.sql import SERVER, Sql
from tests.cluster.outside.world import Outside
from tests.cluster.programs import JAVA, built, require
from tests.cluster.rundirectory import RunDirectory, remove_leftovers
from tests.cluster.spec import DEFAULT, ClusterSpec
from tests.cluster.waiting import wait

T = TypeVar("T")
BRIDGE = "bridge"
STEP = timedelta(minutes=2)  # the limit of each step of the start, on a busy machine
BACK = timedelta(minutes=3)  # of a node that has pods, which start all at once


class Cluster(Kubernetes):
    """A control plane and one node per zone, each a machine made of namespaces, joined by a bridge.

    The machines end with this process, even if it is killed; what a killed process leaves in files and control groups
    is removed by the next start.

    Args:
        images: What pods may run, besides the probe (`registry.local/probe:1`); nothing is pulled. All of them trust
            the certificates of the outside world.
    """

    directory: Path  # of the run, with the logs
    outside: Outside
    _control_plane: Machine
    _authority: Authority

    def __init__(self, spec: ClusterSpec = DEFAULT, images: Iterable[Image] = ()) -> None:
        self.spec = spec
        self._images = (PAUSE, COREDNS, PROBE, *images)
        self._nodes: dict[str, Node] = {}
        self._machines: list[Machine] = []
        self._started = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and return when nodes and cluster DNS are ready.

        Raises:
            CannotRunError: this machine lacks something; the message says what to do.
            ClusterError: something did not start; the message ends with the last lines of all logs.
        """
        packages = [package for image in self._images for package in image.packages]
        outside = [*([JAVA] if self.spec.search else []), *([SERVER] if self.spec.sql else [])]
        require([*packages, *outside])
        remove_leftovers()
        self._stop_when_interrupted()
        try:
            self._start()
        except BaseException as error:
            logs = "\n".join(machine.logs() for machine in self._machines)
            self.stop()
            if isinstance(error, ClusterError):
                raise ClusterError(f"the cluster did not start: {error}\n{logs}") from error
            raise

    def stop(self) -> None:
        """Stop everything, in reverse order, and leave nothing behind."""
        self._started.close()

    def stop_node(self, name: str) -> None:
        self._control_plane.run("ip", "link", "delete", name)  # first: a lost node says no goodbye
        self._nodes[name].stop()

    def start_node(self, name: str) -> None:
        node = self._nodes[name]
        self._start_machine(node)
        node.start_kubelet()
        node.start_policy_engine()
        try:
            self.wait(f"{name} is back", lambda: is_ready(self.get("node", name)), BACK)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{node.machine.logs()}") from error

    def kill_process(self, namespace: str, pod: str, container: str | None = None) -> None:
        self.killer(namespace, pod, container)()

    def killer(self, namespace: str, pod: str, container: str | None = None) -> Callable[[], None]:
        """What kills a process as `kill_process` does, also when the API server no longer tells where it is."""
        send = self._signaller(namespace, pod, container)
        return lambda: send("SIGKILL")

    @contextmanager
    def stopped(self, namespace: str, pod: str, container: str) -> Iterator[None]:
        """Let a container do nothing for a while, as one that hangs; the kubelet kills it when its probes say so."""
        send = self._signaller(namespace, pod, container)
        send("SIGSTOP")
        try:
            yield
        finally:
            send("SIGCONT")

    @contextmanager
    def without_api_server(self) -> Iterator[None]:
        """Kill the API server, and start it again; what was stored stays."""
        self._control_plane.kill("kube-apiserver")
        try:
            yield
        finally:
            self._start_api_server()
            wait("the API server is ready again", self._api_ready, STEP)

    def volume(self, namespace: str, claim: str) -> Path:
        """The directory on this machine that a claim is bound to."""
        node, _, number = self.get("pvc", claim, namespace)["spec"]["volumeName"].rpartition("-")
        return self._nodes[node].volume(int(number))

    def in_network_of(self, namespace: str, pod: str) -> list[str]:
        found = self.get("pod", pod, namespace)
        return in_network(self._nodes[found["spec"]["nodeName"]].network_of(found["metadata"]["uid"]))

    @property
    def _kubectl(self) -> Sequence[str]:
        # Only the network is the control plane's: paths of files mean what they mean to the tests.
        network, kubeconfig = self._control_plane.network, self._authority.kubeconfig("admin")
        return ["nsenter", f"--net={network}", built("kubectl"), "--kubeconfig", kubeconfig]

    def _reach(self, call: Callable[[], T]) -> T:
        return self._control_plane.call(call)

    def _stop_when_interrupted(self) -> None:
        atexit.register(self.stop)
        self._started.callback(atexit.unregister, self.stop)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the tests as Ctrl-C does, so with clean-up
            self._started.callback(signal.signal, signal.SIGTERM, signal.SIG_DFL)

    def _start(self) -> None:
        run = RunDirectory()
        self._started.callback(run.remove)
        self.directory = run.path
        self._authority = Authority(run.path / "authority", self.spec)
        self._start_control_plane(run.path / "control-plane")
        self._start_outside(run.path / "outside")
        for spec in self.spec.nodes:
            node = Node(self.spec, spec, self._authority, run.path / spec.name, f"{run.cgroup}/{spec.name}")
            self._nodes[spec.name] = node
            self._own(node.machine)
        with ThreadPoolExecutor() as pool:  # the API server takes longest to start: all else happens meanwhile
            images = pool.submit(self._write_images, run.path)
            prepared = [pool.submit(self._prepare, node, images) for node in self._nodes.values()]
            wait("the API server is ready", self._api_ready, STEP)
            for node_prepared in prepared:
                node_prepared.result()
        self._control_plane.start(
            "kube-controller-manager", controlplane.controller_manager(self.spec, self._authority)
        )
        self._control_plane.start("kube-scheduler", controlplane.scheduler(self._authority))
        for node in self._nodes.values():
            node.start_kubelet()
        wait("the API server takes manifests", lambda: self.apply(manifests(self.spec)), STEP)
        wait("all nodes are ready", self._nodes_ready, STEP)
        for node in self._nodes.values():
            node.start_policy_engine()
        self.outside.wait_ready()
        self.outside.aws.wait_ready()
        if self.outside.search:
            self.outside.search.wait_ready()
        if self.outside.sql:
            self.outside.sql.wait_ready()
        if self.outside.balancer:
            self.outside.balancer.wait_ready()
        if self.outside.login:
            self.outside.login.wait_ready()
        self.wait_ready("kube-system", timeout=STEP)

    def _own(self, machine: Machine) -> Machine:
        self._machines.append(machine)
        self._started.callback(machine.stop)
        return machine

    def _start_control_plane(self, directory: Path) -> None:
        machine = self._control_plane = self._own(Machine("control-plane", directory))
        machine.boot()
        machine.ip(
            f"link add {BRIDGE} type bridge",
            f"address add {self.spec.control_plane}/{self.spec.network.prefixlen} dev {BRIDGE}",
            f"link set {BRIDGE} up",
            *(f"route add {node.pods} via {node.address}" for node in self.spec.nodes),
        )
        machine.start("etcd", controlplane.etcd(directory))
        self._start_api_server()

    def _start_api_server(self) -> None:
        self._control_plane.start("kube-apiserver", controlplane.api_server(self.spec, self._authority))

    def _start_outside(self, directory: Path) -> None:
        aws = Aws(self.spec, self._authority, directory.with_name("aws"), self.kubectl)
        search = self._search(directory.with_name("search"))
        sql = self._sql(directory.with_name("sql"))
        balancer = self._balancer(directory.with_name("balancer"))
        login = self._login(directory.with_name("login"))
        outside = self.outside = Outside(
            self.spec, self._authority, directory, aws, search=search, sql=sql, balancer=balancer, login=login
        )
        self._boot_outside(outside.machine, outside.address, *outside.addresses.values())
        outside.start()
        self._boot_outside(aws.machine, *dict.fromkeys(self.spec.aws.addresses.values()))
        aws.start()
        if search:
            self._boot_outside(search.machine, search.address)
            search.start()
        if sql:
            self._boot_inside(sql.machine, sql.address)
            sql.start()
        for machine in (balancer, login):
            if machine:
                self._boot_outside(machine.machine, machine.address)
                machine.start()

    def _search(self, directory: Path) -> Search | None:
        if self.spec.search is None:
            return None
        return Search(self.spec.search, self.spec.search_addresses[self.spec.search.host], self._authority, directory)

    def _sql(self, directory: Path) -> Sql | None:
        return Sql(self.spec.sql, self._authority, directory) if self.spec.sql else None

    def _balancer(self, directory: Path) -> Balancer | None:
        if self.spec.balancer is None:
            return None
        nodes = [node.address for node in self.spec.nodes]
        return Balancer(self.spec.balancer, self.spec.balancer_addresses, nodes, self._authority, directory)

    def _login(self, directory: Path) -> Login | None:
        if self.spec.login is None:
            return None
        return Login(self.spec.login, self.spec.login_addresses[self.spec.login.host], self._authority, directory)

    def _boot_inside(self, machine: Machine, address: IPv4Address) -> None:
        """Start a machine in the nodes' network."""
        self._own(machine).boot()
        self._plug_in(
            machine,
            f"address add {address}/{self.spec.network.prefixlen} dev eth0",
            "link set eth0 up",
            *(f"route add {node.pods} via {node.address}" for node in self.spec.nodes),
        )

    def _signaller(self, namespace: str, pod: str, container: str | None) -> Callable[[str], None]:
        """What sends signals to the main process of a pod's container, its first one by default."""
        found = self.get("pod", pod, namespace)
        name = container or found["spec"]["containers"][0]["name"]  # the statuses are in the order of names
        (status,) = (each for each in found["status"]["containerStatuses"] if each["name"] == name)
        node, container_id = self._nodes[found["spec"]["nodeName"]], status["containerID"].removeprefix("containerd://")
        return lambda signal: node.signal_container(container_id, signal)

    def _boot_outside(self, machine: Machine, *addresses: IPv4Address) -> None:
        self._own(machine).boot()
        self._plug_in(
            machine,
            *(f"address add {address}/{self.spec.outside.prefixlen} dev eth0" for address in addresses),
            "link set eth0 up",
            f"route add {self.spec.network} dev eth0",
            *(f"route add {node.pods} via {node.address}" for node in self.spec.nodes),
        )

    def _plug_in(self, machine: Machine, *commands: str) -> None:
        """Connect a machine with the bridge, and run `ip` commands on it."""
        connect(machine, "eth0", self._control_plane, machine.name)
        self._control_plane.ip(f"link set {machine.name} master {BRIDGE} up")
        machine.ip(*commands)

    def _write_images(self, directory: Path) -> list[Path]:
        paths = [directory / f"image-{number}.tar" for number in range(len(self._images))]
        for image, path in zip(self._images, paths, strict=True):
            write_image(replace(image, files={TRUSTED: self._authority.trusted, **image.files}), path)
        return paths

    def _prepare(self, node: Node, images: Future[list[Path]]) -> None:
        self._start_machine(node)
        for path in images.result():
            node.import_image(path)

    def _start_machine(self, node: Node) -> None:
        machine, spec = node.machine, node.spec
        machine.boot()
        self._plug_in(
            machine,
            f"address add {spec.address}/{self.spec.network.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {self.spec.control_plane}",
            f"route add {self.spec.outside} dev eth0",
            *(f"route add {other.pods} via {other.address}" for other in self.spec.nodes if other != spec),
        )
        node.start_identity_agent()
        node.start_runtime()

    def _api_ready(self) -> bool:
        self._check()
        return self.kubectl("get", "--raw", "/readyz") == "ok"

    def _nodes_ready(self) -> bool:
        self._check()
        return [node["metadata"]["name"] for node in self.find("nodes") if is_ready(node)] == list(self._nodes)

    def _check(self) -> None:
        for machine in self._machines:
            machine.check()
