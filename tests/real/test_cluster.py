"""The test cluster itself: what the other tests rely on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubernetes import is_ready
from tests.cluster.rundirectory import remove_leftovers
from tests.cluster.waiting import wait
from tests.real.conftest import prod_cluster
from tests.real.traces import Runs, files, processes, runs

SPEC = prod_cluster()
SOON = timedelta(minutes=2)
PORT = 8080
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RUN_UNTIL_KILLED = """
import signal
from tests.cluster.cluster import Cluster
with Cluster():
    print("started", flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def killed() -> Runs:
    """A cluster whose tests were killed, and which the kernel has ended since."""
    tests = subprocess.Popen([sys.executable, "-c", RUN_UNTIL_KILLED], stdout=subprocess.PIPE)
    assert tests.stdout
    assert tests.stdout.readline() == b"started\n"
    cluster = runs(tests.pid)
    assert processes(cluster)
    tests.kill()
    tests.wait()
    wait("the killed cluster has no process", lambda: not processes(cluster), SOON)
    assert files(cluster)
    return cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace that admits restricted pods only, and is gone when other tests look at what runs."""
    name = request.function.__name__.replace("_", "-")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    )
    yield str(name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def pod(namespace: str, name: str, node: str, **container: Any) -> dict[str, Any]:
    """A restricted pod on one node that serves HTTP."""
    serve = {"name": "probe", "image": "registry.local/probe:1", "args": ["serve", str(PORT)]}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "containers": [serve | {"securityContext": RESTRICTED} | container],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": spec,
    }


def service(namespace: str, name: str) -> dict[str, Any]:
    """The Service of the pod of that name."""
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def test_nodes_have_the_declared_addresses_and_zones(cluster: Cluster) -> None:
    """Every node is ready, at its address, labelled with its zone and region, and as large as declared."""
    nodes = cluster.find("nodes")
    assert all(is_ready(node) for node in nodes)
    found = [
        (
            node["metadata"]["name"],
            next(address["address"] for address in node["status"]["addresses"] if address["type"] == "InternalIP"),
            node["metadata"]["labels"]["topology.kubernetes.io/zone"],
            node["metadata"]["labels"]["topology.kubernetes.io/region"],
        )
        for node in nodes
    ]
    assert {node["status"]["allocatable"]["cpu"] for node in nodes} == {str(SPEC.cpus_per_node)}
    assert found == [(node.name, str(node.address), node.zone, SPEC.region) for node in SPEC.nodes]


def test_pods_reach_services_by_name_across_nodes(cluster: Cluster, namespace: str) -> None:
    """DNS resolves a Service to its address, and that leads to a pod on another node."""
    objects = pod(namespace, "server", "n1"), pod(namespace, "client", "n2"), service(namespace, "server")
    said = cluster.apply(yaml.safe_dump_all(objects))
    cluster.wait_ready(namespace, "pod/server", "pod/client")
    assert "Warning" not in said
    name = f"server.{namespace}"
    address = cluster.get("service", "server", namespace)["spec"]["clusterIP"]
    found = cluster.wait(
        "DNS knows the Service", lambda: cluster.exec(namespace, "client", "/probe", "lookup", name), SOON
    )
    assert found.strip() == address
    # The name may be known before every node's proxy knows the way.
    answer = cluster.wait(
        "the Service answers", lambda: cluster.exec(namespace, "client", "/probe", "get", f"http://{name}/"), SOON
    )
    assert answer == "200\nok\n"


def test_network_policies_are_enforced(cluster: Cluster, namespace: str) -> None:
    """A denied pod is out of reach for its peers on either node, its unrestricted twin is not, and tests see both."""
    deny = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "denied"}}, "policyTypes": ["Ingress", "Egress"]},
    }
    pods = [
        pod(namespace, name, node) for name, node in (("denied", "n1"), ("open", "n1"), ("near", "n1"), ("far", "n2"))
    ]
    cluster.apply(yaml.safe_dump_all([deny, *pods]))
    cluster.wait_ready(namespace, *(f"pod/{item['metadata']['name']}" for item in pods))
    address = {name: cluster.get("pod", name, namespace)["status"]["podIP"] for name in ("denied", "open")}

    def connect(source: str, target: str) -> str:
        return cluster.exec(namespace, source, "/probe", "tcp", f"{address[target]}:{PORT}")

    def denied(source: str, target: str) -> bool:
        try:
            connect(source, target)
        except ClusterError as error:
            return "DENIED" in str(error)
        return False

    for client in ("near", "far"):
        # A new pod is open until the policy engine has seen it, some tenths of a second.
        cluster.wait(f"{client} is denied", partial(denied, client, "denied"), SOON)
        assert "OPEN" in connect(client, "open")
    assert denied("denied", "open")
    assert [cluster.http_get(namespace, name, PORT) for name in ("denied", "open")] == [(200, "ok\n")] * 2


def test_pods_that_violate_the_namespace_are_refused(cluster: Cluster, namespace: str) -> None:
    """Pod Security admission refuses a privileged pod in a restricted namespace."""
    privileged = pod(namespace, "privileged", "n1", securityContext={"privileged": True})
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.apply(yaml.safe_dump(privileged))


@pytest.mark.stage(0)  # its class is of the same name as the one of dist/prod
def test_claims_bind_to_local_volumes(cluster: Cluster, namespace: str) -> None:
    """A claim waits for its pod, and then gets a volume on the pod's node that a user other than root can write."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": namespace},
        "spec": {
            "storageClassName": SPEC.storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "100Gi"}},
        },
    }
    writer = pod(namespace, "writer", "n3", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    writer["spec"] |= {
        "securityContext": {"fsGroup": 65534},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    # As dist/prod makes it, which is applied later: what binds is a local volume of that class.
    by_name = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": SPEC.storage_class}}
    local = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    cluster.apply(yaml.safe_dump_all([by_name | local, claim, writer]))
    cluster.wait_ready(namespace, "pod/writer")
    cluster.kubectl("delete", "storageclass", SPEC.storage_class)
    bound = cluster.get("persistentvolumeclaim", "data", namespace)
    assert bound["status"]["phase"] == "Bound"
    assert bound["spec"]["volumeName"].startswith("n3-")


def test_kubelets_serve_metrics_to_those_who_may_read_them(cluster: Cluster, namespace: str) -> None:
    """A token with the right for nodes/metrics reads a kubelet whose certificate the cluster's authority signed."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": namespace},
        "rules": [{"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "scraper", "namespace": namespace}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "scraper", "namespace": namespace}}
    authority = {"name": "SSL_CERT_FILE", "value": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"}
    scraper, measured = pod(namespace, "scraper", "n1", env=[authority]), pod(namespace, "measured", "n2")
    cluster.apply(yaml.safe_dump_all([account, role, binding, scraper, measured]))
    cluster.wait_ready(namespace, "pod/scraper", "pod/measured")

    def get(account: str, path: str) -> str:
        token = cluster.kubectl("create", "token", account, "--namespace", namespace).strip()
        url, header = f"https://{SPEC.nodes[1].address}:10250{path}", f"Authorization: Bearer {token}"
        return cluster.exec(namespace, "scraper", "/probe", "get", url, header)

    assert "kubelet_running_pods" in get("scraper", "/metrics")
    series = f'namespace="{namespace}",pod="measured"'
    cluster.wait("containers are measured", lambda: series in get("scraper", "/metrics/cadvisor"), SOON)
    assert get("default", "/metrics").startswith("403")


def test_a_killed_process_is_started_again(cluster: Cluster, namespace: str) -> None:
    """SIGKILL of a container's main process ends it as a crash, and the kubelet starts it again."""
    cluster.apply(yaml.safe_dump(pod(namespace, "victim", "n2")))
    cluster.wait_ready(namespace, "pod/victim")
    cluster.kill_process(namespace, "victim")

    def status() -> dict[str, Any]:
        found: dict[str, Any] = cluster.get("pod", "victim", namespace)["status"]["containerStatuses"][0]
        return found

    cluster.wait("the container runs again", lambda: status()["restartCount"] == 1 and status()["ready"], SOON)
    assert status()["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL


def test_an_error_says_what_is_wrong_with_a_pod(cluster: Cluster, namespace: str) -> None:
    """Waiting in vain ends with the pods, the events and the logs of the namespace."""
    never = {"httpGet": {"path": "/", "port": PORT}}
    broken = pod(namespace, "broken", "n1", args=["get", "http://nowhere.invalid/"], readinessProbe=never)
    cluster.apply(yaml.safe_dump(broken))
    with pytest.raises(ClusterError, match=r"(?s)pod/broken .* is ready: not so within 5 s.*lookup nowhere.invalid"):
        cluster.wait_ready(namespace, "pod/broken", timeout=timedelta(seconds=5))


@pytest.mark.stage(10)
def test_a_lost_node_is_noticed_and_comes_back(cluster: Cluster) -> None:
    """A stopped node is no longer ready, the others are, and started again it is ready."""

    def ready() -> list[str]:
        return [node["metadata"]["name"] for node in cluster.find("nodes") if is_ready(node)]

    cluster.stop_node("n3")
    cluster.wait("n3 alone is lost", lambda: ready() == ["n1", "n2"], SOON)
    cluster.start_node("n3")
    cluster.wait("all nodes are there", lambda: ready() == ["n1", "n2", "n3"], SOON)


def test_nothing_is_left_of_a_killed_cluster(killed: Runs) -> None:
    """The kernel has ended all processes of a killed run, and what a start does first removes its files."""
    remove_leftovers()

    assert len(killed) == 1
    assert files(killed) == []
