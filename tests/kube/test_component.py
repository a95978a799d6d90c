"""A component: its selectors, its Services, its pods, and what exists only for two of them."""

from dataclasses import replace
from typing import Any

import pytest
from constructs import Construct

from constructs_lib.contract import PodSecurity, Port, Transport
from constructs_lib.kube import (
    API_ACCESS,
    HostPath,
    Mount,
    Placement,
)
from tests.minimal import CLUSTER, IMAGE, NAMESPACE, component, container
from tests.rendered import Objects, rendered, text

SELECTOR = {
    "app.kubernetes.io/name": "program",
    "app.kubernetes.io/component": "program",
    "app.kubernetes.io/instance": "pair",
}
DNS = Port(name="dns", number=53, transport=Transport.UDP)
TOOLS = Mount(source=HostPath("tools", "/opt/tools"), path="/tools", read_only=False)
PLACEMENT = Placement(node_labels=(("disk", "fast"),), tolerations=(("t", "NoSchedule"),), priority_class="high")


def build(chart: Construct) -> None:
    pair = component(chart, "pair", DNS, sticky=True, placement=PLACEMENT)
    pair.endpoint(DNS)
    pair.add_container(container("helper", ports=(), mounts=(API_ACCESS,)))
    component(chart, "single", replicas=1, role="worker")


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair of two containers, and a single one that is its twin."""
    return rendered(build)


def pod(objects: Objects, name: str = "pair") -> dict[str, Any]:
    spec: dict[str, Any] = objects.named("StatefulSet", name)["spec"]["template"]["spec"]
    return spec


@pytest.mark.trap(87)
def test_selectors_are_name_component_and_instance_alone(objects: Objects) -> None:
    """The workload, both Services, the budget, the policy and the spreading select alike, and nothing that changes."""
    workload = objects.named("StatefulSet", "pair")["spec"]
    assert workload["selector"]["matchLabels"] == SELECTOR
    assert objects.named("Service", "pair")["spec"]["selector"] == SELECTOR
    assert objects.named("Service", "pair-headless")["spec"]["selector"] == SELECTOR
    assert objects.named("PodDisruptionBudget", "pair")["spec"]["selector"]["matchLabels"] == SELECTOR
    assert objects.named("NetworkPolicy", "pair")["spec"]["podSelector"]["matchLabels"] == SELECTOR
    spread = pod(objects)["topologySpreadConstraints"]
    assert [constraint["labelSelector"]["matchLabels"] for constraint in spread] == [SELECTOR, SELECTOR]


@pytest.mark.trap(87)
def test_pods_carry_what_is_selected_and_the_version(objects: Objects) -> None:
    """The version is a label of the pods and in no selector; claims, which cannot change either, do not bear it."""
    workload = objects.named("StatefulSet", "pair")["spec"]
    labels = workload["template"]["metadata"]["labels"]
    assert SELECTOR.items() <= labels.items()
    assert labels["app.kubernetes.io/version"] == "1.2.3"
    (claim,) = workload["volumeClaimTemplates"]
    assert claim["metadata"]["labels"] == SELECTOR


@pytest.mark.trap(87)
def test_nothing_of_a_component_depends_on_where_it_stands() -> None:
    """Below other constructs, the same component is rendered byte for byte."""
    assert text(lambda chart: build(Construct(Construct(chart, "deep"), "down"))) == text(build)


@pytest.mark.trap(87)
def test_another_version_changes_no_selector() -> None:
    """A release with another version differs in labels alone."""
    old = text(lambda chart: component(chart, "pair"))
    new = text(lambda chart: component(chart, "pair", image=replace(IMAGE, tag="2.0.0")))
    assert old != new
    assert old.replace("version: 1.2.3", "version: 2.0.0") == new


def test_the_service_knows_every_door(objects: Objects) -> None:
    """Ports are named as the containers name them, and keep their protocol."""
    assert objects.named("Service", "pair")["spec"]["ports"] == [
        {"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"},
        {"name": "web", "port": 8080, "targetPort": "web", "protocol": "TCP"},
    ]


def test_members_find_each_other_before_they_are_ready(objects: Objects) -> None:
    """The headless Service names pods that are still starting; it is the one of the workload."""
    headless = objects.named("Service", "pair-headless")["spec"]
    assert (headless["clusterIP"], headless["publishNotReadyAddresses"]) == ("None", True)
    assert objects.named("StatefulSet", "pair")["spec"]["serviceName"] == "pair-headless"


@pytest.mark.trap(18)
def test_a_caller_stays_with_a_pod_where_that_matters(objects: Objects) -> None:
    """Sticky is chosen by the construct, and off otherwise."""
    assert objects.named("Service", "pair")["spec"]["sessionAffinity"] == "ClientIP"
    assert "sessionAffinity" not in objects.named("Service", "single")["spec"]


@pytest.mark.trap(84)
def test_two_pods_have_a_budget_that_lets_nodes_drain(objects: Objects) -> None:
    """One at a time may go, and a pod that is ill holds nobody up; a single pod has no budget."""
    assert objects.only("PodDisruptionBudget")["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": SELECTOR},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


@pytest.mark.trap(85)
def test_two_pods_never_share_a_node_and_rarely_a_zone(objects: Objects) -> None:
    """Nodes are a must, zones a wish: a volume may be bound to the only zone that is left."""
    spread = [
        (c["topologyKey"], c["whenUnsatisfiable"], c["maxSkew"]) for c in pod(objects)["topologySpreadConstraints"]
    ]
    assert spread == [
        ("kubernetes.io/hostname", "DoNotSchedule", 1),
        ("topology.kubernetes.io/zone", "ScheduleAnyway", 1),
    ]
    assert "topologySpreadConstraints" not in pod(objects, "single")


@pytest.mark.trap(17)
@pytest.mark.trap(86)
def test_files_belong_to_one_user_and_volumes_are_not_walked_through(objects: Objects) -> None:
    """User and group are the workload's own, whatever the image says, and a volume changes hands once at most."""
    assert pod(objects)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_only_the_container_that_asks_for_the_token_gets_it(objects: Objects) -> None:
    """Neither account nor pod mounts it by themselves, and one container's mount is not the other's."""
    assert objects.named("ServiceAccount", "pair")["automountServiceAccountToken"] is False
    assert pod(objects)["automountServiceAccountToken"] is False
    assert pod(objects)["serviceAccountName"] == "pair"
    mounts = {each["name"]: each.get("volumeMounts", []) for each in pod(objects)["containers"]}
    assert {name: [mount["name"] for mount in each] for name, each in mounts.items()} == {
        "program": [],
        "helper": ["api-access"],
    }
    assert not pod(objects, "single").get("volumes")


def test_placement_reaches_the_pods(objects: Objects) -> None:
    """Node labels, tolerations and priority are those that were asked for, and none otherwise."""
    assert PLACEMENT.to_dict().items() <= pod(objects).items()
    assert not {"nodeSelector", "tolerations", "priorityClassName"} & set(pod(objects, "single"))


def test_containers_keep_their_order(objects: Objects) -> None:
    """The program itself comes first: its logs are those that are shown."""
    assert [each["name"] for each in pod(objects)["containers"]] == ["program", "helper"]


def test_init_containers_run_before_the_others_in_their_order() -> None:
    """They may be added at any time and twice, and what is mounted into them alone is a volume of the pod, too."""

    def build(chart: Construct) -> None:
        late = component(chart, "pair", namespace=replace(NAMESPACE, level=PodSecurity.PRIVILEGED))
        late.mount(TOOLS, into="second")
        for name in ("second", "first", "second"):
            late.add_init_container(container(name, ports=()))

    ours = pod(rendered(build))

    assert [each["name"] for each in ours["initContainers"]] == ["second", "first"]
    assert [each["name"] for each in ours["containers"]] == ["program"]
    assert ours["initContainers"][0]["volumeMounts"] == [TOOLS.to_dict()]
    assert ours["volumes"] == [TOOLS.source.to_dict()]


def test_a_pod_without_init_containers_has_no_list_of_them(objects: Objects) -> None:
    """Nothing empty is written."""
    assert "initContainers" not in pod(objects)


def test_images_come_from_the_mirror_of_the_cluster() -> None:
    """A mirror is a fact of the cluster, so that no construct forgets it."""
    mirrored = replace(NAMESPACE, cluster=replace(CLUSTER, registry="mirror.example.com"))
    ours = rendered(lambda chart: component(chart, "pair", namespace=mirrored))
    assert [each["image"] for each in ours.containers] == ["mirror.example.com/team/program:1.2.3"]


def test_credentials_of_registries_are_named_by_every_pod() -> None:
    """They are a fact of the cluster too; without any, nothing is said of them."""
    secret = replace(NAMESPACE, cluster=replace(CLUSTER, pull_secrets=("registry",)))
    ours = rendered(lambda chart: component(chart, "pair", namespace=secret))
    assert pod(ours)["imagePullSecrets"] == [{"name": "registry"}]
    assert "imagePullSecrets" not in pod(rendered(lambda chart: component(chart, "pair")))


def test_the_role_tells_several_workloads_of_a_program_apart(objects: Objects) -> None:
    """Without one, it is the program; both are selected by it."""
    selector = objects.named("StatefulSet", "single")["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/component"] == "worker"
    assert selector["app.kubernetes.io/name"] == SELECTOR["app.kubernetes.io/name"]


def test_a_tainted_node_does_not_count_as_an_empty_one(objects: Objects) -> None:
    """Else a pod would wait for a node that it may not use; and two nodes are wanted even where there is one yet."""
    nodes, zones = pod(objects)["topologySpreadConstraints"]
    assert (nodes["nodeTaintsPolicy"], zones["nodeTaintsPolicy"], nodes["minDomains"]) == ("Honor", "Honor", 2)
    assert "minDomains" not in zones  # which is only allowed for what is a must


def test_no_two_of_three_share_a_node_even_while_there_are_two_nodes() -> None:
    """Else a drained node would leave two of them on one, where they would stay."""
    ours = rendered(lambda chart: component(chart, "three", replicas=3))
    nodes, _ = pod(ours, "three")["topologySpreadConstraints"]
    assert (nodes["minDomains"], nodes["maxSkew"], nodes["whenUnsatisfiable"]) == (3, 1, "DoNotSchedule")
