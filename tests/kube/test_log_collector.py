"""The log collector: what it sees of its node, whom it may ask, where it sends, and what survives."""

from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import Endpoint, Namespace, Pods, PodSecurity, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube import LogCollector, Streams
from constructs_lib.units import Bytes
from tests.minimal import CLUSTER, NAMESPACE, WEB, component, prometheus
from tests.policies import one_sided
from tests.rendered import Objects, rendered

HOST = Namespace(name="monitoring-host", level=PodSecurity.PRIVILEGED, cluster=CLUSTER)
ELSEWHERE = Endpoint(pods=Pods.named("audit", "loki"), service="loki", port=Port(name="web", number=3100))


def build(chart: cdk8s.Chart) -> None:
    collector = LogCollector(chart, "logs", namespace=HOST)
    loki = component(chart, "loki").endpoint(WEB)
    for _ in range(2):
        collector.ship_to(loki)
    collector.ship_to(ELSEWHERE, tenant="team-a")
    prometheus(chart).scrape(collector.metrics)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A collector with a Loki of this release and one of another, scraped."""
    return rendered(build)


def pod(objects: Objects, name: str = "log-collector") -> dict[str, Any]:
    spec: dict[str, Any] = objects.named("DaemonSet", name)["spec"]["template"]["spec"]
    return spec


def config(objects: Objects) -> str:
    text: str = objects.named("ConfigMap", "log-collector-config")["data"]["config.alloy"]
    return text


def volumes(objects: Objects, name: str = "log-collector") -> dict[str, Any]:
    return {volume["name"]: volume for volume in pod(objects, name)["volumes"]}


@pytest.mark.trap(58)
def test_every_node_has_a_collector_that_knows_its_node(objects: Objects) -> None:
    """Whatever its taints; the node's name is what the watch of pods is confined to."""
    ours = pod(objects)
    assert ours["tolerations"] == [{"operator": "Exists"}]
    assert ours["priorityClassName"] == "system-node-critical"
    (variable,) = ours["containers"][0]["env"]
    assert variable["name"] == "NODE_NAME"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


@pytest.mark.trap(58)
def test_a_collector_may_watch_pods_and_nothing_else(objects: Objects) -> None:
    """It reads files of its node, not of the API server."""
    role = objects.named("ClusterRole", "monitoring-host-log-collector")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]


@pytest.mark.trap(59)
def test_positions_survive_the_pod(objects: Objects) -> None:
    """They are on the node's disk, where another collector of the same node has a directory of its own."""
    (container,) = pod(objects)["containers"]
    assert "--storage.path=/var/lib/alloy" in container["args"]
    assert {"name": "positions", "mountPath": "/var/lib/alloy"} in container["volumeMounts"]
    path = {"path": "/var/lib/monitoring-host/log-collector", "type": "DirectoryOrCreate"}
    assert volumes(objects)["positions"]["hostPath"] == path

    def second(chart: cdk8s.Chart) -> None:
        LogCollector(chart, "second", namespace=HOST, name="second").ship_to(ELSEWHERE)

    assert volumes(rendered(second), "second")["positions"]["hostPath"] != volumes(objects)["positions"]["hostPath"]


@pytest.mark.trap(60)
def test_the_files_of_the_node_are_read_by_their_owner_who_has_no_other_right(objects: Objects) -> None:
    """The kubelet lets root alone read them; root without a capability opens nothing else."""
    ours = pod(objects)
    (container,) = ours["containers"]
    assert ours["securityContext"]["runAsUser"] == 0
    assert ours["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert volumes(objects)["logs"]["hostPath"] == {"path": "/var/log/pods", "type": "Directory"}
    assert {"name": "logs", "mountPath": "/var/log/pods", "readOnly": True} in container["volumeMounts"]
    assert [mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")] == ["positions"]


@pytest.mark.trap(61)
def test_a_collector_in_a_restricted_namespace_is_refused() -> None:
    """Its pods would never start."""

    def restricted(chart: cdk8s.Chart) -> None:
        LogCollector(chart, "logs", namespace=NAMESPACE).ship_to(ELSEWHERE)

    with pytest.raises(ConstructError, match=r"log-collector mounts /var/log/pods of its node, but .* restricted, so "):
        rendered(restricted)


@pytest.mark.trap(61)
def test_the_policy_of_a_collector_holds_and_opens_what_it_needs(objects: Objects) -> None:
    """Not on the host's network: names, the API server and each Loki, from which nothing comes back but answers."""
    assert not {"hostNetwork", "hostPID"} & pod(objects).keys()
    policy = objects.named("NetworkPolicy", "log-collector")["spec"]
    ports = sorted(port["port"] for rule in policy["egress"] for port in rule["ports"])
    assert ports == [53, 53, 443, 443, 3100, 8080]
    to_audit = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "audit"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "loki"}},
    }
    assert {"to": [to_audit], "ports": [{"protocol": "TCP", "port": 3100}]} in policy["egress"]
    assert one_sided(objects) == set()


def test_a_collector_is_scraped(objects: Objects) -> None:
    """By its pods' own addresses, and by nobody else."""
    (rule,) = objects.named("NetworkPolicy", "log-collector")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 12345}]
    jobs = objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    assert "log-collector" in {job["job_name"] for job in jobs}


def test_a_collector_ships_to_each_loki_once(objects: Objects) -> None:
    """Shipping twice is shipping once; the tenant is said to the one that has tenants."""
    assert config(objects).count("/loki/api/v1/push") == 2
    assert "http://loki.monitoring.svc.cluster.local:8080/loki/api/v1/push" in config(objects)
    assert config(objects).count("tenant_id") == 1


def test_a_collector_is_not_killed_for_what_it_depends_on(objects: Objects) -> None:
    """/-/healthy fails with any part of the configuration, and restarting would help nobody."""
    (container,) = pod(objects)["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/-/ready", "port": "metrics", "scheme": "HTTP"}


def test_a_change_of_the_configuration_reaches_the_collector() -> None:
    """The pods are replaced, a tenth of the nodes at a time: nobody tells Alloy to read it again."""

    def annotations(streams: Streams) -> Any:
        def one(chart: cdk8s.Chart) -> None:
            LogCollector(chart, "logs", namespace=HOST, streams=streams).ship_to(ELSEWHERE)

        return rendered(one).only("DaemonSet")["spec"]["template"]["metadata"]["annotations"]

    assert annotations(Streams()) == annotations(Streams())
    assert annotations(Streams()) != annotations(Streams(longest_line=Bytes.mib(1)))


def test_nobody_is_told_who_uses_it(objects: Objects) -> None:
    """Alloy would report to its makers."""
    assert "--disable-reporting" in pod(objects)["containers"][0]["args"]


def test_a_collector_without_a_loki_is_refused() -> None:
    """It would read for nobody."""
    with pytest.raises(ConstructError, match="log-collector ships to no Loki, so it would read for nobody: use ship_t"):
        rendered(lambda chart: LogCollector(chart, "logs", namespace=HOST))


@pytest.mark.parametrize("other", [{"tenant": "team-b"}, {"port": Port(name="grpc", number=9095)}])
def test_the_same_loki_twice_is_refused(other: dict[str, Any]) -> None:
    """It would hold every line twice."""
    door = Endpoint(pods=ELSEWHERE.pods, service="loki", port=other.get("port", ELSEWHERE.port))

    def twice(chart: cdk8s.Chart) -> None:
        collector = LogCollector(chart, "logs", namespace=HOST)
        collector.ship_to(ELSEWHERE)
        collector.ship_to(door, tenant=other.get("tenant"))

    with pytest.raises(ConstructError, match=r"ships to loki of audit in two ways, .*: say one port and one tenant"):
        rendered(twice)
