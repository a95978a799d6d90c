"""PrometheusHA: what is refused, what every server runs with, and what one or two of them have."""

from typing import Any

import cdk8s
import pytest
import yaml

from constructs_lib import versions
from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.contract import Endpoint, Pods, Port, PortRange
from constructs_lib.kube import PrometheusHA, Retention, Volume
from constructs_lib.promql import metric
from constructs_lib.rules.model import RuleGroup
from constructs_lib.units import Bytes
from tests.minimal import WEB as PROGRAM_WEB
from tests.minimal import alert, component, container, prometheus
from tests.policies import one_sided
from tests.rendered import Objects, rendered, text

FOREIGN = Endpoint(pods=Pods.named("shop", "store"), service="store", port=Port(name="metrics", number=9100))
DECLARED = PodsJob(job="declared", pods=Pods.named("shop", "api"), ports=PortRange(8000, 8999))
ANNOTATED = Annotated(ports=PortRange(8000, 9999))
GROUP = RuleGroup(name="group", alerts=(alert(expr=metric("up", job="declared") + " == 0"),))
EARLIER = RuleGroup(name="earlier", alerts=(alert(),))


def everything(ours: PrometheusHA, program: Any) -> list[Any]:
    """All verbs, none of which needs another one first."""
    return [
        ours.scrape_cluster,
        lambda: ours.scrape_annotated(ANNOTATED),
        lambda: ours.scrape_pods(DECLARED),
        lambda: ours.scrape(FOREIGN),
        lambda: ours.scrape(program.endpoint(PROGRAM_WEB), job="api"),
        lambda: ours.add_rules(GROUP, EARLIER),
    ]


def build(chart: cdk8s.Chart, *, reverse: bool = False, times: int = 1) -> None:
    program = component(chart, "program")
    ours = prometheus(chart, "pair", retention=Retention(share_of_volume=0.5), volume=Volume(Bytes.gib(50)))
    verbs = everything(ours, program) * times
    for verb in reversed(verbs) if reverse else verbs:
        verb()
    prometheus(chart, "single", replicas=1)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair with every verb and a component that it scrapes, and a single server without any."""
    return rendered(build)


def server(objects: Objects, name: str = "pair") -> dict[str, Any]:
    (found,) = objects.named("StatefulSet", name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def jobs(objects: Objects, name: str = "pair") -> list[str]:
    return [job["job_name"] for job in objects.file(f"{name}-config", "prometheus.yml")["scrape_configs"]]


def test_verbs_give_the_same_bytes_in_any_order_and_number() -> None:
    """Nothing depends on which verb came first, nor on how often it was said."""
    assert text(build) == text(lambda chart: build(chart, reverse=True)) == text(lambda chart: build(chart, times=2))


def test_rules_are_files_of_their_own(objects: Objects) -> None:
    """One file a group, in a ConfigMap that the configuration reads as a directory."""
    assert list(objects.named("ConfigMap", "pair-rules")["data"]) == ["earlier.yaml", "group.yaml"]
    (group,) = objects.file("pair-rules", "group.yaml")["groups"]
    assert group["rules"][0]["annotations"]["runbook_url"] == "https://runbooks.example.com/TargetDown"
    config = objects.file("pair-config", "prometheus.yml")
    (mount,) = (each for each in server(objects)["volumeMounts"] if each["name"] == "rules")
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
    assert rule["ports"] == [{"protocol": "TCP", "port": PROGRAM_WEB.number}]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "pair"


def test_two_of_them_share_a_namespace(objects: Objects) -> None:
    """Selectors match their own pods alone, and no two objects have the same name."""
    pair, single = (objects.named("StatefulSet", name)["spec"] for name in ("pair", "single"))
    for one, other in ((pair, single), (single, pair)):
        selector = one["selector"]["matchLabels"].items()
        assert selector <= one["template"]["metadata"]["labels"].items()
        assert not selector <= other["template"]["metadata"]["labels"].items()
    names = [(each["kind"], each["metadata"]["name"]) for each in objects.documents]
    assert len(names) == len(set(names))


def test_a_single_server_has_nothing_that_needs_two(objects: Objects) -> None:
    """The pair has a budget and is spread, the single one neither."""
    assert [each["metadata"]["name"] for each in objects.of("PodDisruptionBudget")] == ["program", "pair"]
    assert objects.named("StatefulSet", "pair")["spec"]["replicas"] == 2


@pytest.mark.trap(1)
def test_servers_differ_in_the_replica_label(objects: Objects) -> None:
    """The label is the pod's name, by a variable that the pod really has."""
    labels = objects.file("pair-config", "prometheus.yml")["global"]["external_labels"]
    assert labels == {"cluster": "blue", "environment": "test", "replica": "${POD_NAME}"}
    (variable,) = server(objects)["env"]
    assert variable["name"] == "POD_NAME"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@pytest.mark.trap(4)
def test_a_server_that_replays_its_log_is_left_in_peace(objects: Objects) -> None:
    """Liveness asks what is true during the replay, and begins after a quarter of an hour of starting."""
    ours = server(objects)
    paths = {name: ours[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"startupProbe": "/-/ready", "readinessProbe": "/-/ready", "livenessProbe": "/-/healthy"}
    assert ours["startupProbe"]["periodSeconds"] * ours["startupProbe"]["failureThreshold"] == 15 * 60


@pytest.mark.trap(6)
def test_a_server_has_ten_minutes_to_stop(objects: Objects) -> None:
    """A kill in the middle of it would mean a replay."""
    assert objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 600


@pytest.mark.trap(7)
def test_the_size_limit_follows_from_the_volume(objects: Objects) -> None:
    """What was chosen is a share, so that a larger volume takes its limit along."""
    retention = objects.file("pair-config", "prometheus.yml")["storage"]["tsdb"]["retention"]
    assert retention == {"time": "30d", "size": "25GB"}
    (claim,) = objects.named("StatefulSet", "pair")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"


@pytest.mark.trap(10)
def test_a_server_may_read_exactly_what_it_discovers(objects: Objects) -> None:
    """List and watch for discovery, get for the metrics of nodes and of the API server, and nothing else."""
    assert objects.named("ClusterRole", "monitoring-pair")["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "services"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
    assert objects.named("ClusterRole", "monitoring-single")["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}
    ]


@pytest.mark.trap(10)
def test_the_rights_are_those_of_the_server_and_its_token_is_mounted(objects: Objects) -> None:
    """Role, binding, account and token belong together."""
    binding = objects.named("ClusterRoleBinding", "monitoring-pair")
    assert binding["roleRef"]["name"] == "monitoring-pair"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "pair", "namespace": "monitoring"}]
    assert objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["serviceAccountName"] == "pair"
    assert "api-access" in [mount["name"] for mount in server(objects)["volumeMounts"]]


@pytest.mark.trap(16)
def test_changed_files_reach_the_server_without_a_restart(objects: Objects) -> None:
    """Whole directories are mounted, the server looks at them by itself, and the pod template knows no content."""
    mounts = server(objects)["volumeMounts"]
    assert not [mount for mount in mounts if "subPath" in mount]
    assert {"--config.auto-reload", "--config.auto-reload-interval=30s"} <= set(server(objects)["args"])
    assert not objects.named("StatefulSet", "pair")["spec"]["template"]["metadata"].get("annotations")


@pytest.mark.trap(17)
def test_the_image_and_the_owner_of_its_files_belong_together(objects: Objects) -> None:
    """The id is that of the image's own user; the variant without a shell has another one."""
    security = objects.named("StatefulSet", "pair")["spec"]["template"]["spec"]["securityContext"]
    assert (security["runAsUser"], security["fsGroup"]) == (65534, 65534)
    assert server(objects)["image"] == versions.PROMETHEUS.reference()
    assert "distroless" not in server(objects)["image"]


@pytest.mark.trap(18)
def test_a_graph_stays_with_one_server(objects: Objects) -> None:
    """Two servers hold slightly different samples."""
    assert objects.named("Service", "pair")["spec"]["sessionAffinity"] == "ClientIP"


@pytest.mark.trap(19)
def test_a_server_writes_to_its_volume_alone(objects: Objects) -> None:
    """The root is read-only, the database is on the claimed volume, and no other mount can be written to."""
    ours = server(objects)
    assert ours["securityContext"]["readOnlyRootFilesystem"] is True
    assert [m["name"] for m in ours["volumeMounts"] if not m.get("readOnly")] == ["data"]
    (data,) = (m["mountPath"] for m in ours["volumeMounts"] if m["name"] == "data")
    assert f"--storage.tsdb.path={data}/tsdb" in ours["args"]


@pytest.mark.trap(20)
def test_exemplars_are_kept(objects: Objects) -> None:
    """Without the feature, Prometheus drops them in silence."""
    assert "--enable-feature=exemplar-storage" in server(objects)["args"]
    assert "--web.external-url=https://prometheus.example.com" in server(objects)["args"]


def test_a_container_may_join_the_servers_later() -> None:
    """The component of the construct is open for what other constructs add."""
    ours = rendered(lambda chart: prometheus(chart).component.add_container(container("helper", ports=())))
    assert [each["name"] for each in ours.containers] == ["prometheus", "helper"]


def test_configuration_is_plain_yaml(objects: Objects) -> None:
    """Every file of every ConfigMap is one document."""
    for each in objects.of("ConfigMap"):
        for file in each["data"].values():
            assert isinstance(yaml.safe_load(file), dict)
