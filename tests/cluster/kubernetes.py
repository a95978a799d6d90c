"""What tests do with a cluster, be it our own or a foreign one."""

import http.client
import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.errors import ClusterError
from tests.cluster.outside.world import Outside
from tests.cluster.programs import ENVIRONMENT
from tests.cluster.waiting import wait

T = TypeVar("T")
WORKLOADS = "deployments,statefulsets,daemonsets"


class Kubernetes(ABC):
    """A cluster that tests may use as they like: they stop its nodes and destroy its volumes.

    Attributes:
        outside: The world outside, with its receivers of notifications; a foreign cluster has none that is ours.
    """

    outside: Outside | None = None

    @property
    @abstractmethod
    def _kubectl(self) -> Sequence[str]:
        """The command line of a kubectl that speaks to the cluster."""

    @abstractmethod
    def _reach(self, call: Callable[[], T]) -> T:
        """Call a function where the ports are open that kubectl forwards."""

    @abstractmethod
    def stop_node(self, name: str) -> None:
        """Lose a node: everything on it ends at once."""

    @abstractmethod
    def start_node(self, name: str) -> None:
        """Start a stopped node again, with its disk as it was, and return when it is ready."""

    @abstractmethod
    def kill_process(self, namespace: str, pod: str, container: str | None = None) -> None:
        """Send SIGKILL to the main process of a pod's container, its first one by default."""

    @abstractmethod
    def in_network_of(self, namespace: str, pod: str) -> list[str]:
        """The beginning of a command line that runs a command of this machine in a running pod's network.

        Only the network is the pod's: files and other processes are the tests' own. The process ends, killed, with the
        thread that starts it, so that none is left behind.
        """

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        """Run kubectl and return its standard output."""
        return self._run(arguments, input).stdout

    def apply(self, manifests: str | Path, *, server_side: bool = True) -> str:
        """Apply manifests, and return all that kubectl says of it, warnings among it.

        Args:
            manifests: Their text, or the path of a file or directory (as a kustomization if it is one).
        """
        how = ["--server-side", "--force-conflicts"] if server_side else []
        if isinstance(manifests, str):
            ran = self._run(["apply", *how, "-f", "-"], manifests)
        elif (manifests / "kustomization.yaml").exists():
            ran = self._run(["apply", *how, "-k", str(manifests)])
        else:
            ran = self._run(["apply", *how, "-R", "-f", str(manifests)])
        return ran.stdout + ran.stderr

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """One object."""
        scope = ["--namespace", namespace] if namespace else []
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, *scope, "--output", "json"))
        return found

    def find(self, kinds: str, namespace: str | None = None, selector: str = "") -> list[dict[str, Any]]:
        """All objects of some kinds, in one namespace or in all."""
        scope = ["--namespace", namespace] if namespace else ["--all-namespaces"]
        found = json.loads(self.kubectl("get", kinds, *scope, "--selector", selector, "--output", "json"))
        items: list[dict[str, Any]] = found["items"]
        return items

    def wait(self, description: str, condition: Callable[[], T], timeout: timedelta) -> T:
        """Call `condition` until its result is true: see `tests.cluster.waiting.wait`."""
        return wait(description, condition, timeout)

    def wait_ready(self, namespace: str, *names: str, timeout: timedelta = timedelta(minutes=2)) -> None:
        """Wait until pods and workloads are ready, in their newest version.

        Args:
            names: As in "pod/web" or "statefulset/prometheus"; without any, all workloads of the namespace.
        """

        def ready() -> bool:
            items = [self.get(*_split(name), namespace) for name in names] or self.find(WORKLOADS, namespace)
            waiting = [reason for item in items if (reason := _not_ready(item))] if items else ["no workload"]
            if waiting:
                raise ClusterError("; ".join(waiting))
            return True

        try:
            wait(f"{', '.join(names) or 'everything'} in {namespace} is ready", ready, timeout)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self.diagnostics(namespace)}") from None

    def exec(self, namespace: str, pod: str, *command: str, container: str | None = None) -> str:
        """Run a command in a container, and return its output; a command that fails is an error with its output."""
        where = ["--namespace", namespace, pod, *(["--container", container] if container else [])]
        return self.kubectl("exec", *where, "--", *command)

    def http_get(self, namespace: str, pod: str, port: int, path: str = "/") -> tuple[int, str]:
        """Ask a pod by HTTP, and return status and body.

        The request goes through the kubelet to the pod's own loopback interface, where no network policy applies.
        """
        with self._forward(namespace, pod, port) as local:
            return self._reach(lambda: _http_get(local, path))

    def diagnostics(self, namespace: str, *, logs: bool = False) -> str:
        """What one looks at when something does not work: pods, events, and the logs of pods that are not ready.

        Args:
            logs: Show those of all pods.
        """
        parts = [
            self._try("get", "pods", "--namespace", namespace, "--output", "wide"),
            *self._try("get", "events", "--namespace", namespace, "--sort-by", ".lastTimestamp").splitlines()[-30:],
        ]
        for pod in self.find("pods", namespace):
            if not (logs or _not_ready(pod)):
                continue
            statuses = [
                status
                for kind in ("initContainerStatuses", "containerStatuses")
                for status in pod["status"].get(kind, [])
            ]
            for status in statuses:
                name, container = pod["metadata"]["name"], status["name"]
                log = ("logs", "--namespace", namespace, name, "--container", container, "--tail", "40", "--timestamps")
                parts.append(f"--- {name}, {container}: {json.dumps(status['state'])}")
                parts += [self._try(*log, "--previous")] if status["restartCount"] else []
                parts.append(self._try(*log))
        return "\n".join(parts)

    def _run(self, arguments: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [*self._kubectl, *arguments]
        ran = subprocess.run(command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        if ran.returncode != 0:
            said = "\n".join(part for part in (ran.stdout.strip(), ran.stderr.strip()) if part)
            raise ClusterError(f"kubectl {' '.join(arguments)} failed: {said}")
        return ran

    def _try(self, *arguments: str) -> str:
        try:
            return self.kubectl(*arguments).strip()
        except ClusterError as error:
            return str(error)

    @contextmanager
    def _forward(self, namespace: str, pod: str, port: int) -> Iterator[int]:
        command = ["port-forward", "--namespace", namespace, "--pod-running-timeout=5s", f"pod/{pod}", f":{port}"]
        with subprocess.Popen(
            [*self._kubectl, *command, "--address", "127.0.0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        ) as forward:
            assert forward.stdout
            assert forward.stderr
            try:
                answer = forward.stdout.readline()  # Forwarding from 127.0.0.1:41000 -> 9090
                if not answer:
                    raise ClusterError(f"port {port} of {pod} cannot be forwarded: {forward.stderr.read().strip()}")
                yield int(answer.split(" -> ")[0].rsplit(":", 1)[1])
            finally:
                forward.kill()


def _http_get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except http.client.HTTPException as error:  # kubectl closes the connection when nothing listens in the pod
        raise ClusterError(f"no answer to GET {path}: {type(error).__name__} {error}") from None
    finally:
        connection.close()


def _split(name: str) -> tuple[str, str]:
    kind, _, plain = name.partition("/")
    return kind, plain


def is_ready(item: dict[str, Any]) -> bool:
    """Whether a pod or node has the condition Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", []))


def _not_ready(item: dict[str, Any]) -> str | None:
    """Why a pod or workload is not ready, or None."""
    kind, name, status = item["kind"], item["metadata"]["name"], item.get("status", {})
    if kind == "Pod":
        done = is_ready(item) or status["phase"] == "Succeeded"
        return None if done else f"pod {name} is {status['phase']}, not ready"
    if status.get("observedGeneration") != item["metadata"]["generation"]:
        return f"{kind} {name} is not observed yet"
    daemons = kind == "DaemonSet"
    wanted = status["desiredNumberScheduled"] if daemons else item["spec"]["replicas"]
    keys = ["updatedNumberScheduled", "numberReady"] if daemons else ["replicas", "updatedReplicas", "readyReplicas"]
    counts = {key: status.get(key, 0) for key in keys}
    return None if set(counts.values()) == {wanted} else f"{kind} {name} wants {wanted} and has {counts}"
