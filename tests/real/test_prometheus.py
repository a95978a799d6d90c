"""`dist/prod` on a real cluster, unchanged: discovery, rights and policies of the real Prometheus."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import cdk8s
import pytest
import yaml

from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.config import to_yaml
from constructs_lib.rules.model import HEARTBEAT
from tests.cluster.errors import ClusterError
from tests.cluster.injection import AUDIENCE
from tests.cluster.kubernetes import Kubernetes
from tests.real.prometheus import COUNT_BY_JOB, DIST, NODES, PODS_BY_JOB, PrometheusPod

GROUPS = monitoring(cdk8s.App(), "prod", PROD).prometheus.groups
# Their status moves by itself.
WORKLOADS = {"StatefulSet", "Deployment", "DaemonSet"}
BROKEN = {"crashing", "homeless", "test"}
# What else this machine does is no concern of the stack: how busy it is, how full its disk is (nodes and volumes are
# directories on it), and how fast something fills it.
OF_THE_MACHINE = {
    "NodeCpuSaturated",
    "NodeFilesystemAlmostFull",
    "NodeFilesystemFillingUp",
    "NodeFilesystemInodesAlmostFull",
    "VolumeAlmostFull",
    "VolumeFillingUp",
    "VolumeInodesAlmostFull",
}
# Tests send a few spans, and then nobody does.
OF_THE_TESTS = {"TracesStopped"}
# What Loki does for the first time some ten minutes after its start, and Prometheus, which has no block to back up
# before, some hours: until then these may be pending.
NOT_YET = {"LokiCompactorHasNotSuccessfullyRunCompaction", "LokiRetentionNotApplied", "BackupMissing"}
SOON = timedelta(minutes=2)


def objects(cluster: Kubernetes) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The metadata of everything in dist/prod, by kind, namespace and name."""
    found = json.loads(cluster.kubectl("get", "--kustomize", str(DIST), "--output", "json"))["items"]
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each["metadata"]
        for each in found
    }


def test_dist_is_applied_without_a_warning(applied: str) -> None:
    """The API server accepts every object by server-side apply and remarks nothing."""
    assert "warning" not in applied.lower()
    assert "conflict" not in applied.lower()


def test_second_apply_changes_nothing(cluster: Kubernetes, applied: str) -> None:
    """No object has a new version after the same files were applied again."""
    before = objects(cluster)

    cluster.apply(DIST)

    after = objects(cluster)
    versions = [
        {key: each["resourceVersion"] for key, each in found.items() if key[0] not in WORKLOADS}
        for found in (before, after)
    ]
    assert versions[0] == versions[1]
    assert {key: each.get("generation") for key, each in after.items()} == {
        key: each.get("generation") for key, each in before.items()
    }


def test_servers_run_on_different_nodes(servers: list[PrometheusPod]) -> None:
    """Losing a node loses one server."""
    assert len({server.pod()["spec"]["nodeName"] for server in servers}) == 2


@pytest.mark.trap(10)
@pytest.mark.trap(11)
@pytest.mark.trap(12)
@pytest.mark.trap(78)
@pytest.mark.trap(79)
def test_every_target_is_found_once_by_its_job(servers: list[PrometheusPod]) -> None:
    """Each job finds exactly the pods that stand for it, both servers find the same, and no address is in two jobs."""
    for server in servers:
        targets = server.targets()
        pods: dict[str, set[str]] = {}
        for target in targets:
            pods.setdefault(target["labels"]["job"], set()).add(target["labels"].get("pod", ""))
        counts = Counter(target["labels"]["job"] for target in targets)

        assert {job: pods[job] for job in PODS_BY_JOB} == PODS_BY_JOB
        assert counts == COUNT_BY_JOB | {job: len(names) for job, names in PODS_BY_JOB.items()}
        assert [url for url, times in Counter(target["scrapeUrl"] for target in targets).items() if times > 1] == []


@pytest.mark.trap(13)
@pytest.mark.trap(14)
def test_targets_carry_the_labels_that_rules_use(servers: list[PrometheusPod]) -> None:
    """Pods are told by namespace, pod, node and app; nodes by node; kubelet, cAdvisor and API server by their jobs."""
    server = servers[0]

    (worker,) = (target["labels"] for target in server.targets() if target["labels"]["job"] == "annotated-pods")
    nodes = {series["metric"]["node"] for series in server.query('up{job="kubelet"}')}

    assert worker.items() >= {"namespace": "insurance-lead-gen", "pod": "worker", "app": "worker"}.items()
    assert worker["node"] in nodes
    assert len(nodes) == NODES
    assert server.query(
        'container_memory_working_set_bytes{job="cadvisor",namespace="monitoring",container="prometheus"}'
    )
    assert server.query('apiserver_request_total{job="apiserver"}')
    assert server.query('kubelet_running_pods{job="kubelet"}')
    # What is told of a pod is the pod's, not the teller's.
    assert server.query('kube_pod_container_info{namespace="monitoring",pod="prometheus-0",container="prometheus"}')
    assert not server.query('{job="kube-state-metrics",exported_pod!=""}')


def test_nothing_fires_in_peace(cluster: Kubernetes, servers: list[PrometheusPod]) -> None:
    """Every rule is evaluated without error, the heartbeat fires, and what was pending from the start calms down."""

    def rules() -> list[dict[str, Any]]:
        return [rule for group in servers[0].api("rules")["groups"] for rule in group["rules"]]

    def calm() -> bool:
        alerts = [
            alert["labels"]
            for rule in rules()
            for alert in rule.get("alerts", ())
            if alert["state"] == "firing" or rule["name"] not in NOT_YET
        ]
        # What test_delivery.py and test_cluster.py break is no concern of this one.
        broken = [
            each
            for each in alerts
            if {each.get("pod", "").split("-")[0], each.get("deployment"), each.get("namespace", "").split("-")[0]}
            & BROKEN
            or each["alertname"] in OF_THE_MACHINE | OF_THE_TESTS
        ]
        assert [each["alertname"] for each in alerts if each not in broken] == [HEARTBEAT]
        return True

    assert {rule["name"] for rule in rules()} == {
        rule.name for group in GROUPS for rule in (*group.alerts, *group.recordings)
    }
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule.get("lastError")} == {}
    # What failed while the last member of Alertmanager was replaced is in the windows of rates for five minutes.
    cluster.wait("no alert is pending or firing", calm, timedelta(minutes=6))


@pytest.mark.trap(1)
@pytest.mark.trap(5)
@pytest.mark.trap(7)
def test_program_runs_with_what_was_derived(servers: list[PrometheusPod]) -> None:
    """Replica label, retention and memory goal are what the running program has made of the manifests."""
    for server in servers:
        config = yaml.safe_load(server.api("status/config")["yaml"])
        limit = 2 * 1024**3

        assert config["global"]["external_labels"] == {
            "cluster": PROD.cluster,
            "environment": "prod",
            "replica": server.name,
        }
        assert server.api("status/runtimeinfo")["storageRetention"] == "30d or 80GiB"
        goal = server.query(f'go_gc_gomemlimit_bytes{{pod="{server.name}"}}')[0]["value"][1]
        assert float(goal) == pytest.approx(0.9 * limit, rel=0.01)


MAY = [
    *((verb, what) for verb in ("list", "watch") for what in ("nodes", "namespaces", "pods", "services")),
    *((verb, "endpointslices.discovery.k8s.io") for verb in ("list", "watch")),
    ("get", "nodes/metrics"),
    ("get", "/metrics"),
]  # what a namespace that opted in adds: test_teams
MAY_NOT = [
    *(("get", what) for what in ("pods", "pods/log", "nodes", "nodes/proxy", "nodes/stats", "secrets", "configmaps")),
    *(("list", what) for what in ("secrets", "configmaps", "endpoints", "deployments.apps", "serviceaccounts")),
    *((verb, "pods") for verb in ("create", "delete", "patch")),
    ("create", "pods/exec"),
    ("create", "serviceaccounts/token"),
    ("impersonate", "users"),
    ("get", "/logs"),
    ("get", "/debug/pprof"),
]


@pytest.mark.usefixtures("rule_added")
@pytest.mark.trap(10)
def test_service_account_may_do_what_discovery_needs_and_nothing_else(cluster: Kubernetes, applied: str) -> None:
    """The API server's own answer for each right, both lists written out."""

    def may(verb: str, what: str) -> bool:
        account = "--as=system:serviceaccount:monitoring:prometheus"
        resource, _, subresource = ("", "", "") if what.startswith("/") else what.partition("/")
        scope = ["--all-namespaces"] if resource and resource not in {"nodes", "namespaces", "users"} else []
        part = [f"--subresource={subresource}"] if subresource else []
        try:
            return cluster.kubectl("auth", "can-i", verb, resource or what, account, *scope, *part).strip() == "yes"
        except ClusterError as error:
            if "failed: no" not in str(error):
                raise
            return False

    assert [right for right in MAY if not may(*right)] == []
    assert [right for right in MAY_NOT if may(*right)] == []
    assert rights(cluster, "prometheus") - rights(cluster, "default") == {
        (verb, what.removesuffix(".discovery.k8s.io")) for verb, what in MAY
    }


def rights(cluster: Kubernetes, account: str) -> set[tuple[str, str]]:
    """Everything that the API server says a service account of `monitoring` may do, by verb and resource or path."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "monitoring"},
    }
    answer = cluster.kubectl(
        "create",
        *(
            "--as",
            f"system:serviceaccount:monitoring:{account}",
            "--validate=false",
            "--output",
            "yaml",
            "--filename",
            "-",
        ),
        input=to_yaml(review),
    )
    status = yaml.safe_load(answer)["status"]
    kinds = (("resourceRules", "resources"), ("nonResourceRules", "nonResourceURLs"))
    return {
        (verb, what)
        for rules, subjects in kinds
        for rule in status[rules]
        for verb in rule["verbs"]
        for what in rule[subjects]
    }


def test_only_those_hold_the_token_that_ask_the_api_server(servers: list[PrometheusPod]) -> None:
    """The token is mounted by the containers that declare it, and by nothing that Kubernetes adds."""
    spec = servers[0].pod()["spec"]
    projected = {
        volume["name"]: source["serviceAccountToken"]
        for volume in spec["volumes"]
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    }
    tokens = {name for name, token in projected.items() if token.get("audience") != AUDIENCE}  # which AWS takes
    mounting = [
        container["name"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]
        if tokens & {mount["name"] for mount in container["volumeMounts"]}
    ]

    assert len(tokens) == 1
    assert mounting == ["prometheus", "collector"]


def host_pod(namespace: str) -> str:
    """A pod that sees its node's processes, which `restricted` forbids."""
    container = {"name": "probe", "image": "registry.local/probe:1", "args": ["sleep"]}
    return to_yaml(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "host", "namespace": namespace},
            "spec": {"hostPID": True, "containers": [container]},
        }
    )


@pytest.mark.trap(77)
def test_restricted_namespace_refuses_what_needs_the_host(cluster: Kubernetes, applied: str) -> None:
    """A pod with the node's processes is refused beside Prometheus, and runs in the namespace made for it."""
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        cluster.apply(host_pod("monitoring"))

    cluster.apply(host_pod("monitoring-host"))
    cluster.wait_ready("monitoring-host", "pod/host")
