"""IAM roles for service accounts: what is rendered where the cluster has a web identity, and where it has none."""

import csv
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cdk8s
import pytest

from constructs_lib.contract import Bucket, Namespace, Rights, WebIdentity
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Backup, Component
from constructs_lib.restore_points import RestorePoints
from tests.minimal import CLUSTER, IMAGE, NAMESPACE, component, container, loki, prometheus, unrendered
from tests.rendered import Objects, rendered, template, text

TRUSTED = WebIdentity(account="111122223333", issuer="oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF")
OURS = Namespace(name="monitoring", cluster=replace(CLUSTER, web_identity=TRUSTED))
POINTS = RestorePoints(bucket=Bucket(name="prod-backup", region="eu-central-1"))
ROLE = "eks.amazonaws.com/role-arn"
AGENT = {"cidr": "169.254.170.23/32"}


def everybody(chart: cdk8s.Chart, namespace: Namespace = OURS) -> None:
    """Who uses a bucket by all containers, who does by some, and who uses none."""
    loki(chart, namespace=namespace)
    ours = prometheus(chart, namespace=namespace)
    Backup(ours, "backup", prometheus=ours, image=IMAGE, points=POINTS)
    component(chart, "bystander", namespace=namespace)


def annotations(objects: Objects, account: str) -> Any:
    return objects.named("ServiceAccount", account)["metadata"].get("annotations")


def addresses(objects: Objects, policy: str) -> dict[str, list[int]]:
    """Which ports of addresses outside the cluster's pods are open."""
    rules = objects.named("NetworkPolicy", policy)["spec"]["egress"]
    return {
        peer["ipBlock"]["cidr"]: [port["port"] for port in rule["ports"]]
        for rule in rules
        for peer in rule["to"]
        if "ipBlock" in peer
    }


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(everybody)


@pytest.mark.parametrize("account", ["loki", "prometheus"])
def test_a_service_account_that_uses_a_bucket_names_its_role(objects: Objects, account: str) -> None:
    """By which EKS' webhook gives its pods a token, and nothing else is said there."""
    assert annotations(objects, account) == {ROLE: f"arn:aws:iam::111122223333:role/blue-monitoring-{account}"}


def test_a_service_account_without_a_bucket_names_none(objects: Objects) -> None:
    """It has no role that it could name."""
    assert annotations(objects, "bystander") is None


def test_credentials_come_from_sts_and_not_from_the_node(objects: Objects) -> None:
    """By TLS, where the bucket is; nobody reaches the agent of EKS Pod Identity."""
    assert addresses(objects, "loki")["0.0.0.0/0"] == [443]
    assert AGENT["cidr"] not in str(objects.documents)


def test_sts_is_reached_by_the_addresses_that_the_bucket_is_reached_by() -> None:
    """Private ones, where interface endpoints have them."""
    private = Bucket(name="logs", region="eu-central-1", reached_at=("10.8.9.0/24",))
    opened = addresses(rendered(lambda chart: loki(chart, namespace=OURS, store=private)), "loki")
    assert opened["10.8.9.0/24"] == [443]
    assert "0.0.0.0/0" not in opened


def test_only_containers_that_use_the_bucket_get_the_token(objects: Objects) -> None:
    """The webhook leaves out, of both kinds, those that the same annotation names as with EKS Pod Identity."""
    pod = template(objects.named("StatefulSet", "prometheus"))
    (skipped,) = csv.reader([pod["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"]])
    everyone = [each["name"] for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    assert set(everyone) - set(skipped) == {"backup", "restore"}


def use(ours: Component, name: str, containers: tuple[str, ...] = ()) -> None:
    ours.use_bucket(Bucket(name=name, region="eu-central-1"), rights=Rights.READ, containers=containers)


USES: dict[str, list[Callable[[Component], None]]] = {
    "one": [lambda ours: use(ours, "logs")],
    "twice": [lambda ours: use(ours, "logs")] * 2,
    "several": [lambda ours: use(ours, "logs"), lambda ours: use(ours, "points")],
    "by a container": [lambda ours: use(ours, "logs", ("program",))],
}


@pytest.mark.parametrize("uses", USES.values(), ids=list(USES))
def test_a_service_account_has_one_role_however_many_buckets_it_uses(uses: list[Callable[[Component], None]]) -> None:
    """It is named once."""

    def build(chart: cdk8s.Chart) -> None:
        ours = component(chart, "user", namespace=OURS)
        for each in uses:
            each(ours)

    assert annotations(rendered(build), "user") == {ROLE: "arn:aws:iam::111122223333:role/blue-monitoring-user"}


def test_a_role_whose_name_iam_refuses_is_refused() -> None:
    """At once, where the bucket is used; who uses none may be called what it likes."""
    far = replace(OURS, cluster=replace(OURS.cluster, name="b" * 60))
    quiet = component(unrendered(), "user", namespace=far)
    with pytest.raises(ConstructError, match=r"^'b{60}-monitoring-user' of 76 characters cannot be a role of IAM"):
        use(quiet, "logs")


def test_a_web_identity_changes_the_accounts_and_the_policies_of_who_uses_a_bucket_alone() -> None:
    """All else is rendered byte for byte as with EKS Pod Identity."""

    def others(namespace: Namespace) -> list[str]:
        made = text(lambda chart: everybody(chart, namespace)).split("---\n")
        return [each for each in made if "kind: ServiceAccount\n" not in each and "kind: NetworkPolicy\n" not in each]

    assert others(OURS) == others(NAMESPACE)


def test_without_a_web_identity_the_node_gives_the_credentials() -> None:
    """EKS Pod Identity is the default: nothing on a service account names a role."""
    default = rendered(lambda chart: everybody(chart, NAMESPACE))
    assert {name: annotations(default, name) for name in ("loki", "prometheus", "bystander")} == dict.fromkeys(
        ("loki", "prometheus", "bystander")
    )
    assert addresses(default, "loki")[AGENT["cidr"]] == [80]
    assert addresses(default, "prometheus")[AGENT["cidr"]] == [80]


def test_several_containers_of_a_pod_are_told_apart() -> None:
    """One that is added later is left out as well."""

    def build(chart: cdk8s.Chart) -> None:
        ours = component(chart, "pair", namespace=OURS)
        use(ours, "logs", ("program",))
        ours.add_init_container(container("before", ports=()))
        ours.add_container(container("helper", ports=()))

    pod = template(rendered(build).named("StatefulSet", "pair"))
    assert pod["metadata"]["annotations"] == {"eks.amazonaws.com/skip-containers": "before,helper"}
