"""What all tests on real programs share: one cluster, built to the values of prod, and dist/prod on it."""

import os
import time
from collections.abc import Generator, Iterator
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.environments import PROD
from constructs_lib.config import to_yaml
from constructs_lib.rules.model import Alert, Proof, RuleGroup, Severity
from tests.cluster.cluster import Cluster
from tests.cluster.fixture import FOREIGN, running
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.aws import Bucket
from tests.cluster.outside.search import Search
from tests.cluster.outside.world import Outside
from tests.cluster.spec import ClusterSpec
from tests.real.applications import FILE, applications
from tests.real.history import History, bring, make
from tests.real.images import CHECKOUT, SHIPPED, TRAEFIK
from tests.real.logs import WRITERS, LokiPod
from tests.real.outside import BALANCER, LOGIN, POSTGRES, REDIS, SEARCH, SERVICES, SQL, credentials
from tests.real.prometheus import COUNT_BY_JOB, DIST, PODS_BY_JOB, PrometheusPod
from tests.real.teams import documents
from tests.real.traces import files, processes, runs
from tests.real.way_in import FILE as TRAEFIK_FILE
from tests.real.way_in import NAMESPACE as TRAEFIK_NAMESPACE
from tests.real.way_in import People, certificates, kinds

ADDED = "resolve_timeout: 6m"
SOON = timedelta(minutes=2)
# What was rendered in an earlier release: an upgrade from it must be possible.
EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier" / "prod"


def pytest_configure(config: pytest.Config) -> None:
    """Markers of these tests alone."""
    config.addinivalue_line("markers", "stage(number): when the test runs; 2 unless it says otherwise")
    config.addinivalue_line("markers", "soak: takes longer than CI can; `make soak` runs it")
    config.addinivalue_line("markers", "cluster: needs the cluster; set by itself")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Incidents ripen while other tests run, and what breaks the stack comes last."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda item: mark.args[0] if (mark := item.get_closest_marker("stage")) else 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails on the cluster shows what one would look at there."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.when == "call" and report.failed and isinstance(cluster, Kubernetes):
        report.sections.append(("the monitoring", cluster.diagnostics("monitoring", logs=True)))
    return report


def prod_cluster() -> ClusterSpec:
    """A cluster in which the addresses of prod's values are true."""
    spec = ClusterSpec(
        name=PROD.cluster,
        region=PROD.region,
        node_range=IPv4Network(PROD.nodes[0]),
        storage_class="gp3",
        create_storage_class=False,  # dist/prod makes it
        thrown_away_class=PROD.drill_storage_class,
        services=SERVICES,
        search=SEARCH,
        sql=SQL,
        balancer=BALANCER,
        login=LOGIN,
        lost_after=timedelta(seconds=10),
    )
    endpoints = [IPv4Network(cidr) for cidr in PROD.api_server]
    assert all(any(address in cidr for cidr in endpoints) for address in (spec.api_service, spec.control_plane))
    assert (PROD.api_server_port, PROD.traces_port) == (443, 443)
    traefik = (PROD.ingress, PROD.ingress_namespace, PROD.ingress_controller, PROD.ingress_class)
    assert set(traefik) == {TRAEFIK_NAMESPACE}
    return spec


@pytest.fixture(scope="session")
def cluster() -> Iterator[Kubernetes]:
    """One cluster for the whole run."""
    with running(prod_cluster(), images=[*SHIPPED, POSTGRES, REDIS, CHECKOUT, TRAEFIK]) as cluster:
        ours = runs(os.getpid())
        assert processes(ours) or FOREIGN in os.environ
        yield cluster
    assert processes(ours) == [], "processes of the stopped cluster live on"
    assert files(ours) == [], "mounts, directories or control groups of the stopped cluster are left"


@pytest.fixture(scope="session")
def outside(cluster: Kubernetes) -> Outside:
    """The world outside of our own cluster."""
    if cluster.outside is None:
        pytest.skip("a foreign cluster has no world outside that can be asked: run this test on the tests' own cluster")
    return cluster.outside


@pytest.fixture(scope="session")
def people(outside: Outside) -> People:
    """Who comes in from there."""
    assert outside.balancer, "the specification of prod asks for it"
    assert outside.login, "the specification of prod asks for it"
    return People(outside, outside.balancer, outside.login)


@pytest.fixture(scope="session")
def search(outside: Outside) -> Search:
    """Where spans are kept, outside of the cluster."""
    assert outside.search, "the specification of prod asks for it"
    return outside.search


@pytest.fixture(scope="session")
def before_upgrade(cluster: Kubernetes) -> dict[str, dict[str, Any]]:
    """The pods of an earlier release, which runs beside the applications, by name."""
    cluster.apply(applications())
    cluster.apply(EARLIER)
    sql = cluster.outside.sql if cluster.outside else None
    cluster.apply(credentials(sql.authority if sql else ""))
    if cluster.outside and cluster.outside.balancer:
        cluster.apply(certificates(cluster.outside.balancer, BALANCER.hosts))
    cluster.wait_ready("monitoring")
    for server in (PrometheusPod(cluster, f"prometheus-{ordinal}") for ordinal in range(2)):
        own = f'up{{job="prometheus",pod="{server.name}"}}'
        cluster.wait(f"{server.name} has samples", lambda s=server, q=own: s.query(q), SOON)  # type: ignore[misc]
    return {pod["metadata"]["name"]: pod for pod in cluster.find("pods", "monitoring")}


@pytest.fixture(scope="session")
def buckets(cluster: Kubernetes) -> dict[str, Bucket]:
    """What dist/prod/aws makes outside, with the roles of our pods, by name; a foreign cluster has its own."""
    return cluster.outside.aws.deploy(DIST / "aws") if cluster.outside else {}


@pytest.fixture(scope="session")
def bucket(buckets: dict[str, Bucket], outside: Outside) -> Bucket:
    """The bucket of the logs."""
    assert PROD.logs_store
    return buckets[PROD.logs_store.name]


@pytest.fixture(scope="session")
def controller(cluster: Kubernetes) -> None:
    """Who brings people in, and reads what dist/prod says of it; a foreign cluster has its own."""
    if cluster.outside is None:
        return
    for file in kinds():
        cluster.apply(file)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    cluster.apply(TRAEFIK_FILE)
    cluster.wait_ready(TRAEFIK_NAMESPACE)


@pytest.fixture(scope="session")
def applied(
    cluster: Kubernetes, before_upgrade: dict[str, dict[str, Any]], buckets: dict[str, Bucket], controller: None
) -> Iterator[str]:
    """What kubectl said when dist/prod was applied over it."""
    assert before_upgrade
    assert buckets or cluster.outside is None
    said = cluster.apply(DIST)
    exporters = ("postgres-exporter", "redis-exporter", "blackbox-exporter")
    proxies = ("prometheus-proxy", "alertmanager-proxy", "jaeger-query-proxy")
    stateless = ("kube-state-metrics", *exporters, "jaeger-collector", "jaeger-query", *proxies)
    workloads = [f"statefulset/{name}" for name in ("prometheus", "alertmanager", "loki", "grafana")]
    # Each member of Alertmanager must have been ready for a minute before the next one is replaced.
    timeout = timedelta(minutes=5)
    cluster.wait_ready("monitoring", *workloads, *(f"deployment/{name}" for name in stateless), timeout=timeout)
    cluster.wait_ready("monitoring-host")
    yield said
    cluster.kubectl("delete", "--wait=false", "-k", str(DIST))
    cluster.kubectl("delete", "--wait=false", "-f", str(FILE))


@pytest.fixture(scope="session")
def servers(cluster: Kubernetes, applied: str) -> list[PrometheusPod]:
    """Both servers, once they have scraped everything."""
    pods = [PrometheusPod(cluster, f"prometheus-{ordinal}") for ordinal in range(2)]
    expected = sum(COUNT_BY_JOB.values()) + sum(len(names) for names in PODS_BY_JOB.values())

    def all_up() -> bool:
        for pod in pods:
            down = [target["scrapeUrl"] for target in pod.targets() if target["health"] != "up"]
            assert len(pod.targets()) >= expected and not down, down  # noqa: PT018 - one condition of readiness
        return True

    cluster.wait("every target is up", all_up, SOON)
    return pods


@pytest.fixture(scope="session")
def history(cluster: Cluster, outside: Outside, servers: list[PrometheusPod], tmp_path_factory: Any) -> History:
    """What both servers knew for days: a new cluster has no finished block for hours."""
    assert outside  # so the cluster is our own: volumes are directories of this machine
    made = make(tmp_path_factory.mktemp("history"))
    for server in servers:
        bring(cluster, server.name, made.first)
    return made


@pytest.fixture(scope="session")
def sample(servers: list[PrometheusPod]) -> dict[str, Any]:
    """A sample that the first server has before it is killed."""
    (found,) = servers[0].query(f'up{{job="prometheus",pod="{servers[0].name}"}}')
    return found


@pytest.fixture(scope="session")
def killed(cluster: Kubernetes, servers: list[PrometheusPod], sample: dict[str, Any]) -> PrometheusPod:
    """The first server, killed and started again."""
    assert sample
    server = servers[0]
    was = server.restarts()
    cluster.kill_process("monitoring", server.name)
    cluster.wait("the killed server restarted", lambda: server.restarts() == was + 1, SOON)
    return server


@pytest.fixture(scope="session")
def rule_added(cluster: Kubernetes, servers: list[PrometheusPod]) -> float:
    """When a rule group and a line of Alertmanager's file were added to the mounted ConfigMaps: seconds since 1970.

    The kubelet takes a minute to bring them into the pods: tests that do not mind run meanwhile.
    """
    new = Alert(
        name="JustAdded",
        expr="vector(1) > 2",
        hold=timedelta(0),
        severity=Severity.WARNING,
        team="platform",
        summary="Never.",
        description="Never.",
        proof=Proof(fires={}, at=timedelta(0), quiet={}),
    )
    rules, alertmanager = rendered("prometheus", "prometheus-rules"), rendered("alertmanager", "alertmanager-config")
    rules["data"]["added.yaml"] = to_yaml(RuleGroup(name="added", alerts=(new,)).to_dict(PROD.runbooks_url))
    alertmanager["data"]["alertmanager.yml"] += f"global:\n  {ADDED}\n"
    added = time.time()
    cluster.apply(to_yaml(rules))
    cluster.apply(to_yaml(alertmanager))
    return added


@pytest.fixture(scope="session")
def store(cluster: Cluster, servers: list[PrometheusPod]) -> list[LokiPod]:
    """Its three members."""
    assert servers
    return [LokiPod(cluster, f"loki-{ordinal}") for ordinal in range(3)]


@pytest.fixture(scope="session")
def writers(cluster: Kubernetes, store: list[LokiPod]) -> Iterator[float]:
    """When there was a namespace for those who write, in seconds since 1970."""
    assert store
    begun = time.time()
    cluster.apply(documents({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WRITERS}}))
    yield begun
    cluster.kubectl("delete", "--wait=false", "namespace", WRITERS)


def rendered(file: str, config_map: str) -> dict[str, Any]:
    """A ConfigMap of dist/prod."""
    (found,) = (
        document
        for document in yaml.safe_load_all((DIST / "k8s" / f"{file}.k8s.yaml").read_text())
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == config_map
    )
    return dict(found)
