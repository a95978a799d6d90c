"""The real Traefik, which reads what is rendered from a real API server: what it serves, redirects, limits and proves.

The kinds of Traefik and of the Gateway API are those of their releases, so no field passes that they do not have. No
pod runs here: what answers for the components is on an address of this machine, since no endpoint may be on loopback.
"""

import base64
import http.client
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cdk8s
import pytest

from constructs_lib.config.controllers import ClusterIssuer, Gateway, RequestLimits, Traefik
from constructs_lib.contract import Pods
from constructs_lib.kube.ingress import Ingress, Routes
from constructs_lib.units import Bytes
from tests.cluster.waiting import wait
from tests.minimal import NAMESPACE, WEB, component, prometheus
from tests.real.api_server import api_server, running
from tests.real.loopback import free_port, soon
from tests.real.sign_in import GREETING, Program, answering, serving
from tests.real.way_in import kinds
from tests.rendered import Document, Objects, rendered

TRAEFIK = Traefik(pods=Pods.named("traefik", "traefik"))
GATEWAY = Gateway(name="public", namespace="gateways", pods=TRAEFIK.pods)
LIMITS = RequestLimits(body=Bytes(10_000), timeout=timedelta(seconds=2))
# Host -> what is behind it, and by which way people come.
SERVED, OTHER, ROUTED = "prometheus.example.com", "program.example.com", "routed.example.com"
PROOF = "/.well-known/acme-challenge/proof"
SOON = timedelta(seconds=60)
SLOW, SLOWER = timedelta(seconds=1), timedelta(seconds=4)


def build(chart: cdk8s.Chart) -> None:
    """Two hosts by Ingress objects with limits, one by a route."""
    program = component(chart, "program")
    ingress = Ingress(
        chart, "ingress", namespace=NAMESPACE, controller=TRAEFIK, issuer=ClusterIssuer("letsencrypt"), limits=LIMITS
    )
    ingress.serve(SERVED, prometheus(chart).web)
    ingress.serve(OTHER, program.endpoint(WEB))
    routes = Routes(
        chart, "routes", namespace=NAMESPACE, gateway=GATEWAY, limits=RequestLimits(timeout=timedelta(seconds=2))
    )
    routes.serve(ROUTED, program.endpoint(WEB))


def address() -> str:
    """An address of this machine that is not on loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        found: str = probe.getsockname()[0]
        return found


@dataclass(frozen=True, slots=True)
class World:
    """Traefik, and what stands for the components.

    Args:
        http: Its port.
        https: Likewise.
        authority: Who signed the certificates.
        prometheus: What answers for Prometheus.
        program: What answers for the other component.
        solver: What answers for cert-manager's pod.
        objects: What was rendered.
    """

    http: int
    https: int
    authority: Path
    prometheus: Program
    program: Program
    solver: Program
    objects: Objects

    def ask(
        self, host: str, path: str = "/", *, tls: bool = True, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, str, bytes]:
        """Code, location and body; by TLS, the certificate must be that of the host."""
        connection: http.client.HTTPConnection
        if tls:
            trusted = ssl.create_default_context(cafile=str(self.authority))
            connection = Named(host, self.https, trusted)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)
        try:
            connection.request(method, path, body=body, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.headers["Location"] or "", answer.read()
        finally:
            connection.close()


class Named(http.client.HTTPSConnection):
    """Asks for a host by its name, which leads to loopback."""

    def __init__(self, host: str, port: int, trusted: ssl.SSLContext) -> None:
        super().__init__(host, port, context=trusted, timeout=20)
        self._trusted = trusted

    def connect(self) -> None:
        self.sock = self._trusted.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), self.timeout), server_hostname=self.host
        )


def certificates(directory: Path) -> tuple[Path, Mapping[str, Document]]:
    """What cert-manager would make, by host: Secrets of the names that the Ingress objects give, in their namespace."""
    authority, key = directory / "ca.crt", directory / "ca.key"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    signer = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", "-subj", "/CN=issuer", *signer, *new, "-keyout", str(key), "-out", str(authority))
    found = {}
    for host in (SERVED, OTHER, ROUTED):
        certificate, own = directory / f"{host}.crt", directory / f"{host}.key"
        names = ("-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}")
        signed = ("-CA", str(authority), "-CAkey", str(key), "-addext", "basicConstraints=critical,CA:FALSE")
        openssl("req", "-x509", *names, *signed, *new, "-keyout", str(own), "-out", str(certificate))
        data = {"tls.crt": certificate, "tls.key": own}
        found[host] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": f"{host}-tls", "namespace": "gateways" if host == ROUTED else NAMESPACE.name},
            "data": {name: base64.b64encode(file.read_bytes()).decode() for name, file in data.items()},
        }
    return authority, found


def openssl(*arguments: str) -> None:
    # Without the system's configuration, whose extensions would come on top of ours.
    subprocess.run(["openssl", arguments[0], "-config", "/dev/null", *arguments[1:]], check=True, capture_output=True)


def endpoints(service: Document, here: str, port: int) -> Document:
    """What the cluster would say of the pods behind a Service."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": each["name"], "port": port, "protocol": "TCP"} for each in service["spec"]["ports"]],
        "endpoints": [{"addresses": [here], "conditions": {"ready": True}}],
    }


def solver() -> tuple[Document, Document]:
    """What cert-manager makes while a certificate of one of the hosts is being signed.

    Source: https://github.com/cert-manager/cert-manager/blob/v1.19.1/pkg/issuer/acme/http/ingress.go
    """
    metadata = {"name": "cm-acme-http-solver-1", "namespace": NAMESPACE.name}
    ports = [{"name": "http", "port": 8089, "targetPort": 8089, "protocol": "TCP"}]
    backend = {"service": {"name": metadata["name"], "port": {"number": 8089}}}
    paths = [{"path": PROOF, "pathType": "Exact", "backend": backend}]
    spec = {"ingressClassName": TRAEFIK.class_name, "rules": [{"host": SERVED, "http": {"paths": paths}}]}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec},
    )


def classes(http: int, https: int) -> list[Document]:
    """What exists before us: a namespace each, an IngressClass, and a Gateway with its listeners."""
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass"}
    gateway_class = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass"}
    everywhere = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    tls = {"mode": "Terminate", "certificateRefs": [{"kind": "Secret", "name": f"{ROUTED}-tls"}]}
    listeners = [
        {"name": GATEWAY.http, "port": http, "protocol": "HTTP", **everywhere},
        {"name": GATEWAY.https, "port": https, "protocol": "HTTPS", "tls": tls, **everywhere},
    ]
    return [
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in (NAMESPACE.name, GATEWAY.namespace)
        ),
        {**kind, "metadata": {"name": "traefik"}, "spec": {"controller": "traefik.io/ingress-controller"}},
        {**gateway_class, "metadata": {"name": "traefik"}, "spec": {"controllerName": "traefik.io/gateway-controller"}},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": GATEWAY.name, "namespace": GATEWAY.namespace},
            "spec": {"gatewayClassName": "traefik", "listeners": listeners},
        },
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything applied, and read by Traefik."""
    directory, here = tmp_path_factory.mktemp("way-in"), address()
    web, secure, ping = free_port(), free_port(), free_port()
    options = {
        "entryPoints.web.address": f"127.0.0.1:{web}",
        "entryPoints.websecure.address": f"127.0.0.1:{secure}",
        "entryPoints.traefik.address": f"127.0.0.1:{ping}",
        "ping": "true",
        "providers.kubernetesIngress": "true",
        "providers.kubernetesCRD": "true",
        "providers.kubernetesGateway": "true",
        "log.level": "INFO",
        "global.checkNewVersion": "false",
    }
    authority, secrets = certificates(directory)
    with ExitStack() as stack:
        behind = {name: Program() for name in ("prometheus", "program", "solver")}
        for program in behind.values():
            program.port = stack.enter_context(serving(answering(program), address=here))
        server = stack.enter_context(api_server(directory))
        server.define(kinds())
        objects = rendered(build)
        server.apply(*classes(web, secure), *secrets.values())
        proof, challenge = solver()
        services = [
            each for each in objects.of("Service") if each["metadata"]["name"].endswith(("prometheus", "program"))
        ]
        server.apply(*objects.documents, proof, challenge)
        for each in services:
            name = each["metadata"]["name"].removeprefix("ingress-")
            server.apply(endpoints(each, here, behind[name].port))
        server.apply(endpoints(proof, here, behind["solver"].port))
        stack.enter_context(running("traefik", options, directory, {"KUBECONFIG": str(server.kubeconfig)}))
        soon(f"http://127.0.0.1:{ping}/ping")
        found = World(web, secure, authority, **behind, objects=objects)
        for host in (SERVED, OTHER, ROUTED):
            wait(f"{host} is served", lambda host=host: found.ask(host)[0] == 200, SOON)  # type: ignore[misc]
        yield found


@pytest.fixture(autouse=True)
def quiet(world: World) -> Iterator[None]:
    """What was asked before is forgotten, and nobody is slow afterwards."""
    for each in (world.prometheus, world.program, world.solver):
        each.seen.clear()
    yield
    for each in (world.prometheus, world.program, world.solver):
        each.slow = timedelta(0)


HOSTS = pytest.mark.parametrize("host", [SERVED, OTHER, ROUTED])


@HOSTS
def test_a_host_is_served_with_its_own_certificate(world: World, host: str) -> None:
    """To the component that it leads to, which hears by which name and by HTTPS it was asked."""
    assert world.ask(host, "/graph?g0.expr=up")[::2] == (200, b"secrets")
    behind = world.prometheus if host == SERVED else world.program
    ((_, path, headers),) = behind.seen
    assert (path, headers["Host"], headers["X-Forwarded-Proto"]) == ("/graph?g0.expr=up", host, "https")
    assert not [each for each in (world.prometheus, world.program) if each is not behind and each.seen]


@HOSTS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http_leads_to_https_and_to_nothing_else(world: World, host: str, method: str) -> None:
    """The component hears nothing of it."""
    code, location, _ = world.ask(host, "/graph?g0.expr=up", tls=False, method=method)
    assert code in {301, 308}
    assert location == f"https://{host}/graph?g0.expr=up"
    assert not world.prometheus.seen
    assert not world.program.seen


@pytest.mark.parametrize("tls", [True, False])
def test_a_host_that_nobody_serves_leads_nowhere(world: World, tls: bool) -> None:
    """Though the controller is asked."""
    if tls:
        with pytest.raises(ssl.SSLCertVerificationError):
            world.ask("unknown.example.com")
    else:
        assert world.ask("unknown.example.com", tls=False)[0] == 404


@pytest.mark.trap(82)
def test_a_proof_is_given_by_http(world: World) -> None:
    """While all else of that host is redirected, cert-manager's own Ingress is not."""
    assert world.ask(SERVED, PROOF, tls=False)[::2] == (200, b"secrets")
    assert [path for _, path, _ in world.solver.seen] == [PROOF]
    assert world.ask(SERVED, f"{PROOF}s", tls=False)[0] in {301, 308}


@pytest.mark.parametrize(("size", "code"), [(10_000, 200), (10_001, 413)])
def test_a_body_may_be_so_large_and_no_larger(world: World, size: int, code: int) -> None:
    """What is larger does not reach the component."""
    assert world.ask(SERVED, method="POST", body=b"x" * size)[0] == code
    assert len(world.prometheus.seen) == (code == 200)


@HOSTS
def test_what_is_no_longer_http_passes(world: World, host: str) -> None:
    """As Grafana's live panels need: what limits a body holds up nothing then."""
    with closing(Named(host, world.https, ssl.create_default_context(cafile=str(world.authority)))) as connection:
        connection.connect()
        upgrade = f"GET /api/live/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        connection.sock.sendall(upgrade.encode())
        told = b""
        while b"\r\n\r\n" not in told:
            told += connection.sock.recv(1000)
        assert told.startswith(b"HTTP/1.1 101 ")
        connection.sock.sendall(GREETING)
        told = told.partition(b"\r\n\r\n")[2]
        while len(told) < len(GREETING):
            told += connection.sock.recv(1000)
        assert told == GREETING


def test_a_route_does_not_limit_a_body(world: World) -> None:
    """As its construct says when it is asked to."""
    assert world.ask(ROUTED, method="POST", body=b"x" * 10_001)[0] == 200


@pytest.mark.parametrize(("slow", "code"), [(SLOW, 200), (SLOWER, 504)])
def test_what_takes_too_long_is_given_up(world: World, slow: timedelta, code: int) -> None:
    """By the Service beside the component's own."""
    world.prometheus.slow = slow
    assert world.ask(SERVED)[0] == code


def test_traefik_does_not_hear_of_a_routes_timeout(world: World) -> None:
    """As the construct says: when this fails, it does, and the sentence must go."""
    world.program.slow = SLOWER
    assert world.ask(ROUTED)[0] == 200
