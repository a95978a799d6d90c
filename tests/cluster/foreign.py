"""A cluster that somebody else runs, lent to the tests."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.cluster.errors import CannotRunError, ClusterError
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.programs import built

T = TypeVar("T")
MARKER = "constructs-lib-test-cluster"


class ForeignCluster(Kubernetes):
    """A cluster named by a kubeconfig, which must bear a marker: nobody's real cluster is ever taken by mistake."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = [built("kubectl"), "--kubeconfig", str(kubeconfig)]
        try:
            self.get("configmap", MARKER, "default")
        except ClusterError as error:
            raise CannotRunError(
                f"the tests destroy what they find, so the cluster of {kubeconfig} must be marked as a test cluster by "
                f"`kubectl create configmap {MARKER} --namespace default`: {error}"
            ) from None

    @property
    def _kubectl(self) -> Sequence[str]:
        return self._command

    def _reach(self, call: Callable[[], T]) -> T:
        return call()

    def stop_node(self, name: str) -> None:
        raise CannotRunError(
            f"node {name} of a foreign cluster cannot be stopped: run this test on the tests' own cluster"
        )

    def start_node(self, name: str) -> None:
        raise CannotRunError(
            f"node {name} of a foreign cluster cannot be started: run this test on the tests' own cluster"
        )

    def in_network_of(self, namespace: str, pod: str) -> list[str]:
        raise CannotRunError(
            f"the network of {pod} on a foreign cluster cannot be entered: run this test on the tests' own cluster"
        )

    def kill_process(self, namespace: str, pod: str, container: str | None = None) -> None:
        raise CannotRunError(
            f"no process of {pod} can be killed on a foreign cluster: run this test on the tests' own cluster"
        )
