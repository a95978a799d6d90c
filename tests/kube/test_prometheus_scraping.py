"""PrometheusHA: jobs, the ways and the rights that they need, and the rules that read them."""

from datetime import timedelta

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import BasicAuth, Limits, ScrapeDefaults, SecretKey
from constructs_lib.rules.model import Evaluator
from constructs_lib.rules.observability import observability
from tests.kube.pair import ANNOTATED, DECLARED, EARLIER, FOREIGN, GROUP, build
from tests.minimal import WEB, component, prometheus
from tests.policies import one_sided
from tests.rendered import Objects, rendered, text


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair with every verb and a component that it scrapes, and a single server without any."""
    return rendered(build)


def jobs(objects: Objects, name: str = "pair") -> list[str]:
    return [job["job_name"] for job in objects.file(f"{name}-config", "prometheus.yml")["scrape_configs"]]


def test_verbs_give_the_same_bytes_in_any_order_and_number() -> None:
    """Nothing depends on which verb came first, nor on how often it was said."""
    assert text(build) == text(lambda chart: build(chart, reverse=True)) == text(lambda chart: build(chart, times=2))


def test_rules_are_files_of_their_own(objects: Objects) -> None:
    """One file a group, in a ConfigMap that the configuration reads as a directory."""
    assert list(objects.named("ConfigMap", "pair-rules")["data"]) == ["earlier.yaml", "group.yaml"]
    (group,) = objects.file("pair-rules", "group.yaml")["groups"]
    assert group["rules"][0]["annotations"]["runbook_url"] == "https://runbooks.example.com/TargetDown.md"
    config = objects.file("pair-config", "prometheus.yml")
    container = objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["containers"][0]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "rules")
    assert config["rule_files"] == [f"{mount['mountPath']}/*.yaml"]


def test_jobs_are_those_that_were_asked_for(objects: Objects) -> None:
    """Every server scrapes its own kind under its own name; the job of an endpoint is named after its Service."""
    assert jobs(objects, "single") == ["single"]
    assert set(jobs(objects)) == {
        *("apiserver", "kubelet", "cadvisor", "annotated-pods", "annotated-services"),
        *("declared", "store", "api", "pair"),
    }


@pytest.mark.trap(88)
def test_no_job_looks_for_what_a_managed_control_plane_hides(objects: Objects) -> None:
    """Of the cluster itself, only the API server, kubelets and their containers are scraped."""
    own = {"pair", "declared", "store", "api", "annotated-pods", "annotated-services"}
    assert set(jobs(objects)) - own == {"apiserver", "kubelet", "cadvisor"}


def test_scraping_opens_the_network_on_both_sides(objects: Objects) -> None:
    """What is ours lets the server in, and the servers let each other in."""
    assert one_sided(objects) == set()
    (rule,) = objects.named("NetworkPolicy", "program")["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": WEB.number}]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "pair"


def test_a_password_is_read_for_each_scrape_and_keeps_no_server_from_starting() -> None:
    """From a file of its Secret, which may come later."""

    def build_guarded(chart: cdk8s.Chart) -> None:
        server, key = prometheus(chart), SecretKey("numbers", "password")
        server.scrape(component(chart, "program").endpoint(WEB), basic_auth=BasicAuth("ops", key))

    objects = rendered(build_guarded)
    found = {job["job_name"]: job for job in objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]}
    path = "/etc/prometheus/credentials/numbers"
    assert found["program"]["basic_auth"] == {"username": "ops", "password_file": f"{path}/password"}
    assert "basic_auth" not in found["prometheus"]
    pod = objects.named("StatefulSet", "prometheus")["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if "secret" in each)
    assert volume["secret"] == {"secretName": "numbers", "optional": True}
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == volume["name"])
    assert (mount["mountPath"], mount["readOnly"]) == (path, True)


@pytest.mark.parametrize("user", ["", "a:b"])
def test_a_user_whom_nobody_could_be_is_refused(user: str) -> None:
    """The password begins after the first colon."""
    with pytest.raises(ConstructError, match=f"^'{user}' cannot be the user of a target: use a name without a colon"):
        BasicAuth(user, SecretKey("numbers", "password"))


@pytest.mark.trap(10)
def test_a_server_may_read_exactly_what_it_discovers(objects: Objects) -> None:
    """List and watch for discovery, get for metrics of nodes and API server; in its namespace, pods alone."""
    assert objects.named("ClusterRole", "monitoring-pair")["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "services"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert "namespace" not in objects.named("ClusterRole", "monitoring-pair")["metadata"]
    for name in ("pair", "single"):
        assert objects.named("Role", name)["metadata"]["namespace"] == "monitoring"
        assert objects.named("Role", name)["rules"] == [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
        ]


def test_a_server_of_one_namespace_needs_no_right_beyond_it(objects: Objects) -> None:
    """What scrapes its own kind alone has no cluster role, so that a team may apply it."""
    assert {each["metadata"]["name"] for each in objects.of("ClusterRole", "ClusterRoleBinding")} == {"monitoring-pair"}
    elsewhere = rendered(lambda chart: prometheus(chart).scrape(FOREIGN))
    assert elsewhere.only("ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
    ]


@pytest.mark.trap(10)
@pytest.mark.parametrize(("kind", "name"), [("Role", "pair"), ("ClusterRole", "monitoring-pair")])
def test_the_rights_are_those_of_the_server_and_its_token_is_mounted(objects: Objects, kind: str, name: str) -> None:
    """Role, binding, account and token belong together."""
    binding = objects.named(f"{kind}Binding", name)
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (kind, name)
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pair", "namespace": "monitoring"}]
    pod = objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pair"
    assert "api-access" in [mount["name"] for mount in pod["containers"][0]["volumeMounts"]]


def test_rule_groups_are_told_who_evaluates_them() -> None:
    """The interval, the own job, the replicas, and every job that must have a target: not the annotated ones."""

    def build_it(chart: cdk8s.Chart) -> None:
        scrape = ScrapeDefaults(interval=timedelta(seconds=20))
        ours = prometheus(chart, "ours", replicas=3, scrape=scrape)
        ours.scrape_annotated(ANNOTATED)
        ours.scrape_pods(DECLARED)
        assert ours.evaluator == Evaluator(
            interval=scrape.interval,
            job="ours",
            replicas=3,
            jobs=("declared", "ours"),
            series=2 * 1024**3 // 3072,
        )
        ours.scrape_cluster()
        assert ours.evaluator.jobs == ("apiserver", "kubelet", "cadvisor", "declared", "ours")
        ours.scrape(FOREIGN, job="api")
        ours.add_rules(GROUP, EARLIER)
        assert ours.groups == (EARLIER, GROUP)

    rendered(build_it)


def test_rules_that_are_added_first_know_the_jobs_that_are_declared_last() -> None:
    """A group that is a function is called when all is said, and again makes no second one."""

    def build_it(chart: cdk8s.Chart) -> None:
        ours = prometheus(chart)
        for _ in range(2):
            ours.add_rules(observability)
        ours.scrape_pods(DECLARED)

    rules = rendered(build_it).file("prometheus-rules", "observability.yaml")["groups"][0]["rules"]
    (missing,) = (rule for rule in rules if rule.get("alert") == "JobMissing")
    assert 'job="declared"' in missing["expr"]


def test_the_cluster_itself_may_send_what_the_site_allows() -> None:
    """The limit reaches its three jobs, and no other: the server's own is for what a thousand teams make it tell."""
    limits = Limits(samples=300_000)
    ours = rendered(lambda chart: prometheus(chart).scrape_cluster(limits))
    config = ours.file("prometheus-config", "prometheus.yml")
    assert {job["job_name"]: job["sample_limit"] for job in config["scrape_configs"]} == {
        **dict.fromkeys(("apiserver", "kubelet", "cadvisor"), 300_000),
        "prometheus": 200_000,
    }
