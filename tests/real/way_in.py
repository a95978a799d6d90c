"""What brings people in: Traefik with its kinds, certificates as cert-manager would make them, and browsers outside."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from apps.environments import PROD
from tests.cluster.outside.balancer import Balancer
from tests.cluster.outside.client import PATIENCE, Connection
from tests.cluster.outside.login import Login
from tests.cluster.outside.world import Outside
from tests.real.api_server import sources
from tests.real.sign_in import Browser, Way, by

FILE = Path(__file__).with_name("traefik.yaml")
NAMESPACE = "traefik"


def kinds() -> list[Path]:
    """The kinds that Traefik and the Gateway API bring along: those of their releases."""
    traefik = sources("traefik", "github.com/traefik/traefik/v3")
    gateway = sources("traefik", "sigs.k8s.io/gateway-api")
    ours = traefik / "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
    return [ours, *sorted((gateway / "config/crd/standard").glob("*.yaml"))]


def node_ports() -> Mapping[int, int]:
    """Port of the world -> that of every node by which Traefik is reached."""
    (service,) = (each for each in yaml.safe_load_all(FILE.read_text()) if each["kind"] == "Service")
    return {port["port"]: port["nodePort"] for port in service["spec"]["ports"]}


def certificates(balancer: Balancer, hosts: Iterable[str]) -> str:
    """The Secrets that the Ingress objects of hosts name, to apply."""
    return yaml.safe_dump_all(_secret(host, *balancer.certificate(host)) for host in hosts)


def _secret(host: str, certificate: str, key: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": f"{host}-tls", "namespace": PROD.namespace},
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }


@dataclass(frozen=True, slots=True)
class People:
    """Who comes from the network outside.

    Args:
        outside: Their world.
        balancer: By which they come in.
        login: Who knows them.
    """

    outside: Outside
    balancer: Balancer
    login: Login

    def browser(self, host: str, email: str) -> Browser:
        """A browser of theirs, which comes for the first time."""
        login, address = self.login, str(self.login.address)
        return Browser(
            host,
            self._there(lambda: self._connection(host)),
            issuer=login.issuer,
            provider=self._there(lambda: Connection(login.host, address, login.authority)),
            email=email,
        )

    def without_tls(self, host: str) -> Browser:
        """One that is told to come by HTTP alone."""
        plain = self._there(lambda: HTTPConnection(str(self.balancer.addresses[host]), timeout=PATIENCE))
        return Browser(host, plain, issuer=self.login.issuer, provider=plain)

    def certificate(self, host: str) -> Mapping[str, Any]:
        """What a host shows of itself, verified."""

        def shown() -> Any:
            connection = self._connection(host)
            try:
                connection.connect()
                return connection.sock.getpeercert()
            finally:
                connection.close()

        found: Mapping[str, Any] = self.outside.machine.call(shown)
        return found

    def _connection(self, host: str) -> Connection:
        return Connection(host, str(self.balancer.addresses[host]), self.balancer.authority)

    def _there(self, connect: Callable[[], HTTPConnection]) -> Way:
        way = by(connect)
        return lambda request: self.outside.machine.call(lambda: way(request))
