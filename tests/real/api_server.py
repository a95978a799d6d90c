"""The API server alone, on loopback, with its store: objects are refused or taken as in a cluster, and nothing runs."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.real.loopback import free_port, soon

TOOLS = Path(__file__).parents[2] / "tools"
TOKEN = "of-loopback-alone"  # noqa: S105
SOON = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where it is, and how it is asked.

    Args:
        kubeconfig: Of who may do everything.
    """

    kubeconfig: Path

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        command = [built("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """As kustomize would; what a schema does not know is refused."""
        text = yaml.safe_dump_all([dict(each) for each in documents])
        self.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", given=text)

    def define(self, files: Iterable[Path]) -> None:
        """Kinds of objects, which are there when this returns."""
        for file in files:
            self.kubectl("apply", "--server-side", "-f", str(file))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


@contextmanager
def api_server(directory: Path) -> Iterator[ApiServer]:
    """One that lets its one user do everything."""
    store, peers, port = free_port(), free_port(), free_port()
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(_client(port)))
    (directory / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    key = directory / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    here = "http://127.0.0.1"
    etcd = {
        "data-dir": str(directory / "etcd"),
        "listen-client-urls": f"{here}:{store}",
        "advertise-client-urls": f"{here}:{store}",
        "listen-peer-urls": f"{here}:{peers}",
        "initial-advertise-peer-urls": f"{here}:{peers}",
        "initial-cluster": f"default={here}:{peers}",
        "log-level": "warn",
    }
    server = {
        "etcd-servers": f"{here}:{store}",
        "bind-address": "127.0.0.1",
        "secure-port": str(port),
        "cert-dir": str(directory / "certificates"),
        "token-auth-file": str(directory / "tokens.csv"),
        "authorization-mode": "RBAC",
        "service-account-key-file": str(key),
        "service-account-signing-key-file": str(key),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": "10.96.0.0/16",
        "disable-admission-plugins": "ServiceAccount",
    }
    with ExitStack() as stack:
        stack.enter_context(running("etcd", etcd, directory))
        soon(f"{here}:{store}/health")
        stack.enter_context(running("kube-apiserver", server, directory))
        found = ApiServer(kubeconfig)
        wait("the API server is ready", lambda: found.kubectl("get", "--raw", "/readyz"), SOON)
        yield found


@contextmanager
def running(
    name: str, options: Mapping[str, str], directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A program of ours, with its log in a directory."""
    command = [built(name), *(f"--{option}={value}" for option, value in options.items())]
    with (directory / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def sources(tool: str, module: str) -> Path:
    """Where the sources of a Go module are, of the version that a tool is built with."""
    command = ["go", "mod", "download", "-json", module]
    ran = subprocess.run(command, cwd=TOOLS / tool, capture_output=True, text=True, check=True)
    return Path(json.loads(ran.stdout)["Dir"])


def _client(port: int) -> dict[str, Any]:
    server = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}  # it signs for itself
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "loopback", "cluster": server}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "loopback", "context": {"cluster": "loopback", "user": "admin"}}],
        "current-context": "loopback",
    }
