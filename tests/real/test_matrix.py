"""Who may talk to whom: every pod to every port of every other one, by TCP and UDP, as the specification has it.

What is expected is written here by hand, in the words of the specification; none of it is read from our code. Packets
are seen where they arrive, so it does not matter who listens.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.programs import built
from tests.real.jobs import staying
from tests.real.outside import SQL
from tests.real.prometheus import PrometheusPod
from tests.real.teams import documents

Arrival = tuple[str, str, str, int]  # source, target, transport, port
SOON = timedelta(seconds=10)
PACKETS = str(Path(__file__).with_name("packets.py"))
APPLICATIONS, OURS, HOST = "insurance-lead-gen", "monitoring", "monitoring-host"
# Every port of every component, those of applications and databases, and some that nobody has.
PORTS = sorted(
    {
        *(9090, 8082, 8083, 9093, 9094, 8080, 8081, 9100, 9187, 9121, 9115, 3100, 9095, 7946, 12345),
        *(5432, 6379, 2004, 6333, 7777, 8000, 9999),
        *(4317, 4318, 8888, 8889, 13133, 16685, 16686, 5778),
        *(22, 25, 53, 80, 443, 587, 7999, 10000, 10250, 3000),
        *(4180, 44180, 8089, 8443),
    }
)
EVERYTHING = {(transport, port) for transport in ("tcp", "udp") for port in PORTS}
IN_RANGE = {("tcp", port) for port in PORTS if 8000 <= port <= 9999}
# Of each component its namespace, and how many pods take part.
PODS = {
    "prometheus": (OURS, 2),
    "alertmanager": (OURS, 2),
    "loki": (OURS, 2),
    "log-collector": (HOST, 2),
    "jaeger-collector": (OURS, 2),
    "jaeger-query": (OURS, 1),
    "grafana": (OURS, 2),
    "grafana-backup": (OURS, 1),
    "restore-drill": (OURS, 1),
    "kube-state-metrics": (OURS, 1),
    "postgres-exporter": (OURS, 1),
    "redis-exporter": (OURS, 1),
    "blackbox-exporter": (OURS, 1),
    "prometheus-proxy": (OURS, 2),
    "alertmanager-proxy": (OURS, 2),
    "jaeger-query-proxy": (OURS, 2),
}
CLOSED = set(PODS)
# What proves to the signer of certificates that a host is ours; it asks nobody anything, not even for a name.
SOLVER = "solver"
OPEN = {"api", "worker", "nats", "neo4j", "qdrant", "postgresql", "redis", "stranger", "traefik", "dns", "outside"}
# From each, what is open to each; between whom nothing is said, nothing is open.
MATRIX = {
    "prometheus": {
        "prometheus": {("tcp", 9090), ("tcp", 8082), ("tcp", 8083)},
        "alertmanager": {("tcp", 9093)},
        "kube-state-metrics": {("tcp", 8080), ("tcp", 8081)},
        "postgres-exporter": {("tcp", 9187)},
        "redis-exporter": {("tcp", 9121)},
        "blackbox-exporter": {("tcp", 9115)},
        "loki": {("tcp", 3100)},
        "log-collector": {("tcp", 12345)},
        "jaeger-collector": {("tcp", 8888), ("tcp", 8889)},
        "jaeger-query": {("tcp", 8888)},
        "grafana": {("tcp", 3000), ("tcp", 8082)},
        "prometheus-proxy": {("tcp", 44180)},
        "alertmanager-proxy": {("tcp", 44180)},
        "jaeger-query-proxy": {("tcp", 44180)},
        "outside": {("tcp", 443)},  # S3
        # A namespace that opted in, on the ports that the app declares; databases on their own besides.
        "api": IN_RANGE,
        "worker": IN_RANGE,
        "postgresql": IN_RANGE,
        "redis": IN_RANGE,
        "nats": {*IN_RANGE, ("tcp", 7777)},
        "neo4j": {*IN_RANGE, ("tcp", 2004)},
        "qdrant": {*IN_RANGE, ("tcp", 6333)},
    },
    "alertmanager": {
        "alertmanager": {("tcp", 9094), ("udp", 9094)},
        "outside": {("tcp", 443), ("tcp", 587)},
    },
    "loki": {
        "loki": {("tcp", 3100), ("tcp", 9095), ("tcp", 7946)},
        "alertmanager": {("tcp", 9093)},  # of alerts on logs
        "outside": {("tcp", 443)},  # S3
    },
    "log-collector": {"loki": {("tcp", 3100)}},
    # An application service; the others in its namespace, and in other ones, are not named in the specification.
    "api": {"loki": {("tcp", 3100)}, "jaeger-collector": {("tcp", 4317), ("tcp", 4318)}},
    "jaeger-collector": {"outside": {("tcp", 443)}},  # OpenSearch
    "jaeger-query": {"outside": {("tcp", 443)}},
    "grafana": {
        "prometheus": {("tcp", 9090)},
        "loki": {("tcp", 3100)},
        "jaeger-query": {("tcp", 16686)},
        "alertmanager": {("tcp", 9093)},
        "grafana": {("tcp", 9094), ("udp", 9094)},
    },
    "grafana-backup": {"outside": {("tcp", 443)}},  # S3
    "restore-drill": {"outside": {("tcp", 443)}},
    "kube-state-metrics": {},
    "postgres-exporter": {"postgresql": {("tcp", 5432)}},
    "redis-exporter": {"redis": {("tcp", 6379)}},
    "blackbox-exporter": {"outside": {("tcp", 443)}},
    # People come in to Grafana, which has a login, and to the others by a proxy each that has one.
    "traefik": {
        "grafana": {("tcp", 3000)},
        "prometheus-proxy": {("tcp", 4180)},
        "alertmanager-proxy": {("tcp", 4180)},
        "jaeger-query-proxy": {("tcp", 4180)},
        SOLVER: {("tcp", 8089)},
    },
    "prometheus-proxy": {"prometheus": {("tcp", 9090)}, "outside": {("tcp", 443)}},
    "alertmanager-proxy": {"alertmanager": {("tcp", 9093)}, "outside": {("tcp", 443)}},
    "jaeger-query-proxy": {"jaeger-query": {("tcp", 16686)}, "outside": {("tcp", 443)}},
}
RESOLVING = {("tcp", 53), ("udp", 53)}
# What is no pod of the cluster, or shares its node's network: who reaches it, by TCP.
NODES_AND_API = {
    "kubelet": {"prometheus"},
    "node exporter": {"prometheus"},
    "API server": {"prometheus", "grafana", "kube-state-metrics", "log-collector"},
    "Pod Identity agent": {"loki", "prometheus", "grafana-backup", "restore-drill"},
    "Grafana's database": {"grafana", "grafana-backup"},
}


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace, and what it is called in the matrix."""

    name: str
    kind: str
    address: str
    enter: tuple[str, ...]


def expected(source: Place, target: Place) -> set[tuple[str, int]]:
    """What the matrix says."""
    if source.kind in OPEN and target.kind in OPEN:
        return EVERYTHING
    if source.kind in CLOSED and target.kind == "dns":
        return RESOLVING
    return MATRIX.get(source.kind, {}).get(target.kind, set())


@pytest.fixture(scope="module")
def solver(cluster: Cluster, servers: list[PrometheusPod]) -> Iterator[str]:
    """A pod as cert-manager makes it meanwhile, by its name."""
    assert servers
    labels = {"app.kubernetes.io/name": SOLVER, "acme.cert-manager.io/http01-solver": "true"}
    restricted = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    sleeping = {"name": SOLVER, "image": "registry.local/probe:1", "args": ["sleep"], "securityContext": restricted}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": SOLVER, "namespace": OURS, "labels": labels},
        "spec": {"containers": [sleeping], "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
    }
    cluster.apply(documents(pod))
    cluster.wait_ready(OURS, f"pod/{SOLVER}")
    yield SOLVER
    cluster.kubectl("delete", "pod", SOLVER, "--namespace", OURS, "--wait=false")


@pytest.fixture(scope="module")
def daily(cluster: Cluster, servers: list[PrometheusPod]) -> Iterator[tuple[str, ...]]:
    """A pod of each of what is done once a day with restore points, by name."""
    assert servers
    with staying(cluster, "grafana-backup", "send") as saver, staying(cluster, "restore-drill", "restore") as drill:
        yield saver, drill


@pytest.fixture(scope="module")
def places(cluster: Cluster, servers: list[PrometheusPod], solver: str, daily: tuple[str, ...]) -> list[Place]:
    """One pod of every kind, two where there are several, and the outside."""
    assert daily
    found = []
    named, ours = "app.kubernetes.io/name", "app.kubernetes.io/instance"
    wanted = [
        *((namespace, kind, ours) for kind, (namespace, _) in PODS.items()),
        *((APPLICATIONS, name, named) for name in ("api", "worker", "nats", "neo4j", "qdrant", "postgresql", "redis")),
        ("stranger", "stranger", named),
        ("traefik", "traefik", named),
        (OURS, solver, named),
    ]
    for namespace, kind, label in wanted:
        pods = cluster.find("pods", namespace, f"{label}={kind}")
        running = [pod for pod in pods if pod["status"]["phase"] == "Running"]  # else one that the clock started, too
        for pod in running[:2]:
            name = pod["metadata"]["name"]
            found.append(Place(name, kind, pod["status"]["podIP"], tuple(cluster.in_network_of(namespace, name))))
    dns = cluster.find("pods", "kube-system", "k8s-app=kube-dns")[0]
    name = dns["metadata"]["name"]
    found.append(Place(name, "dns", dns["status"]["podIP"], tuple(cluster.in_network_of("kube-system", name))))
    found.append(Place("outside", "outside", str(cluster.outside.address), tuple(cluster.outside.enter)))
    assert {place.kind for place in found} == CLOSED | OPEN | {SOLVER}
    assert all(len([place for place in found if place.kind == kind]) == count for kind, (_, count) in PODS.items())
    return found


@contextmanager
def seeing(target: Place, names: dict[str, str], seen: set[Arrival]) -> Iterator[None]:
    """Note what arrives at a place, from places with a name."""
    command = [*target.enter, sys.executable, PACKETS, "see"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching, ThreadPoolExecutor(1) as thread:
        assert watching.stdout
        assert watching.stdout.readline() == "ready\n"

        def note(lines: Iterable[str]) -> None:
            for line in lines:
                transport, source, port = line.split()
                if target.kind == "traefik" and source not in names:
                    continue  # who comes in by a node's port has the address of the node, and any port of its own
                seen.add((names[source], target.name, transport, int(port)))

        noted = thread.submit(note, watching.stdout)
        try:
            yield
        finally:
            watching.terminate()
            noted.result()


def send(source: Place, targets: list[Place]) -> None:
    lines = "".join(f"{target.address} {port}\n" for target in targets if target != source for port in PORTS)
    subprocess.run([*source.enter, sys.executable, PACKETS, "send"], input=lines, check=True, text=True)


@pytest.mark.trap(21)
@pytest.mark.trap(41)
@pytest.mark.trap(45)
@pytest.mark.trap(56)
@pytest.mark.trap(61)
@pytest.mark.trap(81)
@pytest.mark.trap(82)
def test_every_way_is_open_or_shut_as_the_matrix_says(cluster: Cluster, places: list[Place]) -> None:
    """What the matrix allows arrives; nothing else does, from or to any of our pods, by TCP or UDP, at any port."""
    names = {place.address: place.name for place in places}
    wanted = {
        (source.name, target.name, *way)
        for source in places
        for target in places
        if source != target
        for way in expected(source, target)
    }
    seen: set[Arrival] = set()
    with ExitStack() as stack:
        for target in places:
            stack.enter_context(seeing(target, names, seen))
        for source in places:
            send(source, places)
        with suppress(ClusterError):  # the difference says more than that it was waited for
            cluster.wait("all that may arrive has arrived", lambda: wanted <= seen, SOON)

    assert sorted(wanted - seen) == []
    assert sorted(seen - wanted) == []


@pytest.mark.trap(79)
@pytest.mark.trap(80)
def test_nodes_and_the_api_server_are_reached_by_those_who_must(places: list[Place], cluster: Cluster) -> None:
    """Kubelets and node exporters live on the host network: the way to them is the callers' egress alone."""
    node = next(iter(cluster.find("nodes")))
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    api = cluster.get("service", "kubernetes", "default")["spec"]["clusterIP"]
    doors = {
        "kubelet": f"{address}:10250",
        "node exporter": f"{address}:9100",
        "API server": f"{api}:443",
        "Pod Identity agent": "169.254.170.23:80",
        "Grafana's database": f"{SQL.address}:{SQL.port}",
    }
    # Addresses of Services mean nothing outside of the cluster.
    tries = [(place, door) for place in places if place.kind != "outside" for door in doors]

    def reached(place: Place, door: str) -> bool:
        command = [*place.enter, built("probe"), "tcp", doors[door]]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    with ThreadPoolExecutor(16) as pool:  # a way that is shut takes seconds to be so
        found = dict(zip(tries, pool.map(lambda tried: reached(*tried), tries), strict=True))

    assert found == {(place, door): place.kind in OPEN or place.kind in NODES_AND_API[door] for place, door in tries}
