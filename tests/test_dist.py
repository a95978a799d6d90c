"""What `dist/` promises in every environment, whichever constructs it comes from."""

import json
import re
from collections import Counter
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no stubs
import pytest
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

from constructs_lib.contract import VERSION
from tests.policies import called, labels, one_sided, policies_of, selects
from tests.rendered import DIST, ENVIRONMENTS, Document, Objects, read, template

# The API that cdk8s-plus-27 knows, up to the newest one whose schemas are there.
OLDEST = (1, 27)
VERSIONS = sorted(
    {v for v in all_versions() if tuple(map(int, v.split(".")[:2])) >= OLDEST}, key=lambda v: int(v.split(".")[1])
)
# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
}
PINNED = re.compile(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9./_-]+:(?!latest)[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?", re.ASCII)
# Pods of the namespace that are nobody's workload: cert-manager makes them, while it proves that a host is ours.
SOLVERS = "ingress-acme-solvers"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # where it is mounted
# What a controller brings along: its own schema judges where the controller itself is run, in tests/real.
BROUGHT_ALONG = {"traefik.io/v1alpha1"}
# Without them, the program that they help serves all the same.
NOT_ASKED = {"backup", "collector"}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def objects(request: pytest.FixtureRequest) -> Objects:
    """All objects of one environment, as committed."""
    return read(DIST / request.param)


def pod(workload: Document) -> dict[str, Any]:
    spec: dict[str, Any] = template(workload)["spec"]
    return spec


def selectors(objects: Objects) -> list[tuple[str, dict[str, str]]]:
    """Every selector of pods with the namespace that it looks into, but those of closed namespaces."""
    owners = (
        each for each in objects.workloads if each["kind"] != "CronJob"
    )  # whose Jobs find theirs by a label of each
    budgets_and_workloads = (*objects.of("PodDisruptionBudget"), *owners)
    policies = (
        each
        for each in objects.of("NetworkPolicy")
        if each["spec"]["podSelector"] and each["metadata"]["name"] != SOLVERS
    )
    found = [
        *((each, each["spec"]["selector"]) for each in objects.of("Service")),
        *((each, each["spec"]["selector"]["matchLabels"]) for each in budgets_and_workloads),
        *((each, each["spec"]["podSelector"]["matchLabels"]) for each in policies),
        *(
            (each, constraint["labelSelector"]["matchLabels"])
            for each in objects.workloads
            for constraint in pod(each).get("topologySpreadConstraints", ())
        ),
    ]
    return [(each["metadata"]["namespace"], selector) for each, selector in found]


def test_versions_to_validate_against_reach_back_to_the_oldest() -> None:
    """The validator knows the oldest API and a number of newer ones."""
    assert VERSIONS[0].startswith("1.27.")
    assert len(VERSIONS) >= 10


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_in_every_version(objects: Objects, version: str) -> None:
    """Strictly: a field that the version does not know is an error."""
    ours = [each for each in objects.documents if each["apiVersion"] not in BROUGHT_ALONG]
    assert len(ours) >= 50
    for document in ours:
        validated = kubernetes_validate.validate(dict(document), version, strict=True)
        assert version.startswith(f"{validated}.")


def test_a_field_that_does_not_exist_would_be_noticed(objects: Objects) -> None:
    """The validation above is strict."""
    workload = objects.workloads[0]
    with pytest.raises(kubernetes_validate.ValidationError, match="'replica' was unexpected"):
        kubernetes_validate.validate(
            {**workload, "spec": {**workload["spec"], "replica": 1}}, VERSIONS[-1], strict=True
        )


def test_no_two_objects_are_the_same(objects: Objects) -> None:
    """The second would overwrite the first."""
    names = Counter((o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects.documents)
    assert [name for name, count in names.items() if count > 1] == []


def test_every_namespace_that_is_used_is_made(objects: Objects) -> None:
    """What is applied needs nothing that is not applied with it."""
    made = {each["metadata"]["name"] for each in objects.of("Namespace")}
    assert {each["metadata"]["namespace"] for each in objects.documents if "namespace" in each["metadata"]} == made


@pytest.mark.trap(84)
@pytest.mark.trap(87)
def test_every_selector_selects_one_workload_and_no_version(objects: Objects) -> None:
    """Services, budgets, policies, spreading and the workloads themselves find the pods that they are for."""
    found = selectors(objects)
    assert len(found) >= 2 * len(objects.workloads)
    for namespace, selector in found:
        matched = [
            workload
            for workload in objects.workloads
            if workload["metadata"]["namespace"] == namespace and selects({"matchLabels": selector}, labels(workload))
        ]
        assert len(matched) == 1, (namespace, selector)
        assert VERSION not in selector
        assert labels(matched[0])[VERSION] not in selector.values()


@pytest.mark.trap(84)
def test_a_budget_exists_exactly_for_two_and_more(objects: Objects) -> None:
    """It lets one pod at a time go; a single pod has none, so that its node can be drained."""
    for workload in objects.workloads:
        budgets = [
            budget["spec"]
            for budget in objects.of("PodDisruptionBudget")
            if selects(budget["spec"]["selector"], labels(workload))
        ]
        assert len(budgets) == (1 if workload["spec"].get("replicas", 1) > 1 else 0)
        assert all((b["maxUnavailable"], b["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow") for b in budgets)


def test_every_pod_has_a_policy_of_its_own_under_the_closed_namespace(objects: Objects) -> None:
    """The namespace is closed, and one policy opens what the component needs."""
    for workload in objects.workloads:
        assert sorted(each["metadata"]["name"] for each in policies_of(objects, workload)) == sorted(
            ["default-deny", workload["metadata"]["name"]]
        )


def test_every_connection_between_our_pods_is_open_on_both_sides(objects: Objects) -> None:
    """Egress here without ingress there, or the other way round, would be a connection that never comes about."""
    assert one_sided(objects) == set()


def test_one_side_alone_would_be_noticed(objects: Objects) -> None:
    """The reading above sees a rule that is missing."""
    others = [each for each in objects.documents if each["kind"] != "NetworkPolicy"]
    deaf = [{**each, "spec": {**each["spec"], "ingress": []}} for each in objects.of("NetworkPolicy")]
    assert {connection.target for connection in one_sided(Objects([*others, *deaf]))} == {
        called(workload)
        for workload in objects.workloads
        if not pod(workload).get("hostNetwork") and workload["kind"] != "CronJob"  # which nobody calls
    }


def test_every_container_says_what_it_needs_and_how_it_is(objects: Objects) -> None:
    """Requests and limits of processor and memory, and probes on ports that the container has."""
    for container in objects.containers:
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}
    for workload in objects.workloads:
        for container in pod(workload)["containers"]:
            probes = {name: probe for name, probe in container.items() if name.endswith("Probe")}
            if workload["kind"] == "CronJob":  # it ends, and whether it did well is known then
                assert not probes
                continue
            assert "livenessProbe" in probes
            assert ("readinessProbe" in probes) is (container["name"] not in NOT_ASKED)
            for probe in probes.values():
                assert probe["httpGet"]["port"] in [port["name"] for port in container["ports"]]


@pytest.mark.trap(19)
def test_every_container_is_confined(objects: Objects) -> None:
    """A read-only root, no capability, no escalation."""
    for container in objects.containers:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.trap(77)
def test_every_pod_of_a_restricted_namespace_is_restricted(objects: Objects) -> None:
    """Nothing in its template is what the level forbids; it is the pods that would be refused, not the workload."""
    level = "pod-security.kubernetes.io/enforce"
    levels = {each["metadata"]["name"]: each["metadata"]["labels"][level] for each in objects.of("Namespace")}
    for workload in objects.workloads:
        if levels[workload["metadata"]["namespace"]] != "restricted":
            continue
        spec = pod(workload)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] != 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec.get("volumes", ()) for kind in set(volume) - {"name"}} <= RESTRICTED_VOLUMES
        assert not [port for c in spec["containers"] for port in c.get("ports", ()) if "hostPort" in port]


@pytest.mark.trap(86)
def test_no_volume_is_walked_through_at_every_start(objects: Objects) -> None:
    """The group of a volume's files is changed once."""
    for workload in objects.workloads:
        assert pod(workload)["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_no_account_hands_its_token_to_everybody(objects: Objects) -> None:
    """Neither accounts nor pods mount the token by themselves, and a container that has it is bound to rights."""
    bound = {subject["name"] for each in objects.of("ClusterRoleBinding") for subject in each["subjects"]}
    assert all(each["automountServiceAccountToken"] is False for each in objects.of("ServiceAccount"))
    for workload in objects.workloads:
        spec = pod(workload)
        assert spec["automountServiceAccountToken"] is False
        with_token = [c for c in spec["containers"] if TOKEN in [m["mountPath"] for m in c.get("volumeMounts", ())]]
        assert not with_token or spec["serviceAccountName"] in bound


def test_every_image_is_pinned(objects: Objects) -> None:
    """A registry, a repository, and a version that does not move."""
    for container in objects.containers:
        assert PINNED.fullmatch(container["image"]), container["image"]
        assert "imagePullPolicy" not in container


@pytest.mark.trap(16)
def test_no_file_is_mounted_on_its_own(objects: Objects) -> None:
    """What is mounted by subPath would never change; a directory of the pod's own volume need not."""
    for workload in objects.workloads:
        claimed = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        mounts = [mount for container in pod(workload)["containers"] for mount in container.get("volumeMounts", ())]
        assert {mount["name"] for mount in mounts if "subPath" in mount or "subPathExpr" in mount} <= claimed


def test_every_volume_is_mounted_and_every_config_map_exists(objects: Objects) -> None:
    """A pod whose ConfigMap does not exist waits for ever."""
    for workload in objects.workloads:
        spec = pod(workload)
        namespace = workload["metadata"]["namespace"]
        made = {o["metadata"]["name"] for o in objects.of("ConfigMap") if o["metadata"]["namespace"] == namespace}
        claimed = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", ())}
        volumes = spec.get("volumes", ())
        containers = (*spec.get("initContainers", ()), *spec["containers"])
        mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
        assert mounted == claimed | {volume["name"] for volume in volumes}
        needed = [each["configMap"] for each in volumes if "configMap" in each]
        assert {each["name"] for each in needed if not each.get("optional")} <= made


def test_no_secret_is_rendered(objects: Objects) -> None:
    """Secrets are referred to and never written, and no URL holds a password."""
    assert objects.of("Secret") == []
    assert not re.search(r"://[^/\s\"]+:[^/\s\"]*@", json.dumps(objects.documents))
