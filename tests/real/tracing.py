"""What applications on the cluster send to Jaeger, and what people ask it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apps.environments import PROD
from constructs_lib.kube.tracing import GRPC, HTTP, QUERY
from tests.cluster.kubernetes import Kubernetes
from tests.real import spans

ROOT = Path(__file__).parents[2]
APPLICATIONS = PROD.application_namespace


@dataclass(frozen=True, slots=True)
class Sender:
    """An application that sends spans."""

    process: "subprocess.Popen[str]"
    output: IO[str]

    def begun(self) -> bool:
        """Whether a request of its has been answered: its start takes a while on a busy machine."""
        return os.fstat(self.output.fileno()).st_size > 0

    def sent(self) -> list[spans.Sent]:
        """What became of each request, once it has sent all."""
        assert self.process.wait() == 0
        self.output.seek(0)
        return spans.read(self.output.read())

    def acknowledged(self) -> list[str]:
        """The traces that collectors took, once it has sent all."""
        return spans.acknowledged(self.sent())


@contextmanager
def sending(cluster: Kubernetes, way: str, name: str, *options: str) -> Iterator[Sender]:
    """An application that sends spans to the name that it knows, from its own pod, until all are sent or it ends."""
    port = {"grpc": GRPC, "http": HTTP}[way].number
    address = cluster.get("service", "jaeger-collector", "monitoring")["spec"]["clusterIP"]
    (pod,) = cluster.find("pods", APPLICATIONS, "app.kubernetes.io/name=api")
    enter = cluster.in_network_of(APPLICATIONS, pod["metadata"]["name"])
    command = [*enter, "env", f"PYTHONPATH={ROOT}", sys.executable, spans.__file__, way, f"{address}:{port}", name]
    with (
        tempfile.TemporaryFile("w+") as output,  # a pipe that nobody reads would stop it
        subprocess.Popen([*command, *options], stdout=output, text=True) as process,
    ):
        try:
            yield Sender(process, output)
        finally:
            process.terminate()


def sent(cluster: Kubernetes, way: str, name: str, *options: str) -> list[str]:
    """Send spans; the traces that were acknowledged."""
    with sending(cluster, way, name, *options) as sender:
        return sender.acknowledged()


def query(cluster: Kubernetes, path: str) -> str:
    """What the query answers."""
    (pod,) = cluster.find("pods", "monitoring", "app.kubernetes.io/name=jaeger-query")
    status, body = cluster.http_get("monitoring", pod["metadata"]["name"], QUERY.number, path)
    assert status == 200, body
    return body
