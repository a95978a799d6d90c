"""The two namespaces of a monitoring stack."""

import pytest

from constructs_lib.contract import PodSecurity
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Namespaces
from tests.minimal import CLUSTER
from tests.rendered import Objects, rendered

LEVELS = {"watch": "restricted", "watch-host": "privileged"}


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Namespaces under another name than the default one."""
    return rendered(lambda chart: Namespaces(chart, "namespaces", cluster=CLUSTER, name="watch"))


@pytest.mark.trap(77)
@pytest.mark.parametrize(("name", "level"), LEVELS.items())
def test_each_namespace_enforces_its_level(objects: Objects, name: str, level: str) -> None:
    """What needs the host has a namespace of its own, so that everything else can be restricted."""
    labels = objects.named("Namespace", name)["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")} == {level}
    assert labels["app.kubernetes.io/part-of"] == "monitoring"


@pytest.mark.parametrize("name", LEVELS)
def test_each_namespace_is_closed_at_first(objects: Objects, name: str) -> None:
    """A policy for all pods that allows nothing, in neither direction."""
    policies = [each for each in objects.of("NetworkPolicy") if each["metadata"]["namespace"] == name]
    assert [policy["spec"] for policy in policies] == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


def test_namespaces_are_cluster_scoped(objects: Objects) -> None:
    """Two of them, in no namespace themselves."""
    assert {each["metadata"]["name"] for each in objects.of("Namespace")} == set(LEVELS)
    assert all("namespace" not in each["metadata"] for each in objects.of("Namespace"))


def test_constructs_get_the_namespaces_with_level_and_cluster() -> None:
    """Both are handed on as plain data."""
    made = []
    rendered(lambda chart: made.append(Namespaces(chart, "namespaces", cluster=CLUSTER)))
    (namespaces,) = made
    assert (namespaces.restricted.name, namespaces.restricted.level) == ("monitoring", PodSecurity.RESTRICTED)
    assert (namespaces.privileged.name, namespaces.privileged.level) == ("monitoring-host", PodSecurity.PRIVILEGED)
    assert namespaces.restricted.cluster is namespaces.privileged.cluster is CLUSTER


@pytest.mark.parametrize("name", ["Monitoring", "", "m" * 59])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    """The longer of the two names must fit, too."""
    with pytest.raises(ConstructError, match=r"cannot be a namespace: use up to 63"):
        rendered(lambda chart: Namespaces(chart, "namespaces", cluster=CLUSTER, name=name))
