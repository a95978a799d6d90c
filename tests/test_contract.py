"""What releases agree on: ports, pods, endpoints, clusters."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.contract import (
    Bucket,
    BucketAccess,
    Cluster,
    Endpoint,
    Identity,
    Namespace,
    Pods,
    PodSecurity,
    Port,
    PortRange,
    Rights,
    Transport,
    WebIdentity,
)
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from tests.minimal import CLUSTER

ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
TRUSTED = WebIdentity(account="111122223333", issuer=ISSUER)
DOOR = Endpoint(pods=Pods.named("shop", "api"), service="api", port=Port(name="http", number=8080))


@pytest.mark.parametrize(("first", "last", "wrong"), [(0, 1, 0), (1, 65536, 65536), (-1, -1, -1)])
def test_ports_out_of_range_are_refused(first: int, last: int, wrong: int) -> None:
    """Both ends of a range are ports."""
    with pytest.raises(ConstructError, match=f"{wrong} is not a port: use 1 to 65535"):
        PortRange(first, last)


def test_an_empty_range_of_ports_is_refused() -> None:
    """The lower port comes first."""
    with pytest.raises(ConstructError, match="the port range 2 to 1 is empty: give the lower port first"):
        PortRange(2, 1)


def test_a_single_port_is_a_range_of_one() -> None:
    """A range knows whether it is a single port."""
    assert PortRange.only(65535) == PortRange(65535, 65535)
    assert PortRange.only(1).is_single
    assert not PortRange(1, 2).is_single


@given(*[st.integers(1, 30)] * 4)
def test_ranges_overlap_when_they_share_a_port(a: int, b: int, c: int, d: int) -> None:
    """Compared with the sets of their ports, either way round."""
    (one, other) = (PortRange(min(pair), max(pair)) for pair in ((a, b), (c, d)))
    shared = set(range(one.first, one.last + 1)) & set(range(other.first, other.last + 1))
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)


@pytest.mark.parametrize("name", ["", "Web", "9web", "a-name-of-16-chr"])
def test_names_of_ports_that_kubernetes_refuses_are_refused(name: str) -> None:
    """A port's name has 15 characters at most."""
    with pytest.raises(ConstructError, match="cannot be a port's name: use up to 15 lower-case letters"):
        Port(name=name, number=80)


def test_a_port_out_of_range_is_refused() -> None:
    """A named port is a port, too."""
    with pytest.raises(ConstructError, match="0 is not a port: use 1 to 65535"):
        Port(name="web", number=0)


def test_a_port_is_tcp_unless_it_says_udp() -> None:
    """The protocol belongs to the port."""
    assert Port(name="web", number=80).transport is Transport.TCP


def test_pods_without_labels_are_refused() -> None:
    """An empty selector would mean every pod of the namespace."""
    with pytest.raises(ConstructError, match="pods of shop are selected by no label, which means all"):
        Pods("shop", ())


def test_pods_of_a_namespace_that_cannot_be_are_refused() -> None:
    """Pods live in a namespace whose name Kubernetes accepts."""
    with pytest.raises(ConstructError, match="'Shop' cannot be a namespace"):
        Pods.named("Shop", "api")


def test_pods_are_named_by_the_common_label() -> None:
    """The short form selects by `app.kubernetes.io/name`."""
    assert Pods.named("shop", "api") == Pods("shop", (("app.kubernetes.io/name", "api"),))


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("app", ""),
        ("app", "two words"),
        ("app", "a" * 64),
        ("app", "-a"),
        ("app", "a\n"),
        ("", "a"),
        ("a/b/c", "a"),
        ("UP/a", "a"),
    ],
)
def test_labels_that_no_pod_can_have_are_refused(label: str, value: str) -> None:
    """A policy with such a selector would be refused when it is applied."""
    with pytest.raises(ConstructError, match="cannot be a pod's label: use letters, digits, dots, dashes and"):
        Pods("shop", ((label, value),))


@pytest.mark.parametrize(("label", "value"), [("app", "A.b_c-9"), ("k8s-app", "9"), ("example.com/Tier", "a" * 63)])
def test_labels_that_pods_can_have_are_accepted(label: str, value: str) -> None:
    """With a prefix or without, in either case."""
    assert Pods("shop", ((label, value),)).labels == ((label, value),)


def test_pods_of_a_component_are_known_by_three_labels() -> None:
    """Another release can name a component's pods without its constructs."""
    assert Pods.of_component("monitoring", program="loki", role="write", instance="logs") == Pods(
        "monitoring",
        (
            ("app.kubernetes.io/name", "loki"),
            ("app.kubernetes.io/component", "write"),
            ("app.kubernetes.io/instance", "logs"),
        ),
    )


def test_an_endpoint_is_reached_by_the_full_name_of_its_service() -> None:
    """Address and URL come from the one port."""
    assert DOOR.address == "api.shop.svc.cluster.local:8080"
    assert DOOR.url == "http://api.shop.svc.cluster.local:8080"
    assert replace(DOOR, port=Port(name="http", number=81)).address == "api.shop.svc.cluster.local:81"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"api_server": ("10.0.0.1",)}, "'10.0.0.1' cannot be the API server's address range without a mask"),
        ({"nodes": ("x",)}, "'x' cannot be the nodes' address range, "),
        ({"dns": ("10.0.0.1/8",)}, "'10.0.0.1/8' cannot be a DNS cache's address range, "),
        ({"api_server_port": 0}, "0 is not a port"),
        ({"name": ""}, "'' cannot be a cluster's label: use letters, digits, dots and dashes"),
        ({"environment": "$HOME"}, r"'\$HOME' cannot be a cluster's label: use letters, digits, dots and dashes"),
        ({"registry": "https://mirror"}, "'https://mirror' cannot be a registry: use a host, such as"),
        ({"registry": "mirror/"}, "'mirror/' cannot be a registry: use a host, such as"),
    ],
)
def test_facts_of_a_cluster_that_cannot_be_are_refused(facts: dict[str, Any], sentence: str) -> None:
    """Every address range and the port are checked where the cluster is described."""
    with pytest.raises(ConstructError, match=sentence):
        replace(CLUSTER, **facts)


@pytest.mark.trap(80)
def test_a_cluster_without_an_api_server_is_refused() -> None:
    """Without its address ranges, no policy could let Prometheus through to it."""
    with pytest.raises(ConstructError, match="api_server of the cluster blue is empty: give at least one"):
        replace(CLUSTER, api_server=())


@pytest.mark.trap(79)
def test_a_cluster_without_nodes_is_refused() -> None:
    """Without their address ranges, no policy could let Prometheus through to what shares them."""
    with pytest.raises(ConstructError, match="nodes of the cluster blue is empty: give at least one address range"):
        replace(CLUSTER, nodes=())


def test_defaults_of_a_cluster_are_those_of_eks() -> None:
    """The API server on 443, kubelets with certificates of the cluster's authority, no cache, no mirror."""
    bare = Cluster(name="a", environment="b", api_server=("10.0.0.0/24",), nodes=("10.0.1.0/24",))
    assert (bare.api_server_port, bare.signed_kubelets, bare.dns, bare.registry) == (443, True, (), None)


@pytest.mark.parametrize("registry", ["mirror.example.com", "mirror.example.com:5000/quay", "localhost"])
def test_mirrors_of_all_kinds_are_accepted(registry: str) -> None:
    """A host, perhaps a port, perhaps a path."""
    assert replace(CLUSTER, registry=registry).registry == registry


def test_a_cluster_may_run_images_of_its_own() -> None:
    """One of the same repository replaces the shipped one, and no other."""
    shipped, own, other = (
        Image(registry="a", repository=name, tag=tag) for name, tag in (("p", "1"), ("p", "2"), ("q", "1"))
    )
    cluster = replace(CLUSTER, images=(own,))
    assert cluster.image(shipped) == own
    assert cluster.image(other) == other
    assert CLUSTER.image(shipped) == shipped


def test_a_namespace_enforces_the_strict_level_unless_it_says_otherwise() -> None:
    """`restricted` is the default."""
    assert Namespace(name="a", cluster=CLUSTER).level is PodSecurity.RESTRICTED


def test_a_namespace_of_a_name_that_cannot_be_is_refused() -> None:
    """Kubernetes would refuse it later."""
    with pytest.raises(ConstructError, match="'Monitoring' cannot be a namespace"):
        Namespace(name="Monitoring", cluster=CLUSTER)


def test_a_port_with_two_dashes_in_a_row_is_refused() -> None:
    """The API server refuses such a name for a container's port, though it is a label."""
    with pytest.raises(ConstructError, match="'a--b' cannot be a port's name"):
        Port(name="a--b", number=80)


@pytest.mark.parametrize("name", ["logs", "a.b-c.9", "1" * 63, "abc"])
def test_names_of_buckets_are_those_of_s3(name: str) -> None:
    """Small letters, digits, dashes, single dots."""
    assert Bucket(name=name, region="us-gov-west-1").name == name


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Logs", "logs_1", "-logs", "logs-", "a..b", "192.168.5.4", "${HOME}", "a,b", "logs\n"]
)
def test_names_that_s3_refuses_are_refused(name: str) -> None:
    """With what may be used."""
    with pytest.raises(ConstructError, match="cannot be a bucket: use 3 to 63 lower-case letters, digits, dashes and"):
        Bucket(name=name, region="us-east-1")


@pytest.mark.parametrize("name", ["xn--logs", "sthree-logs", "amzn-s3-demo-logs", "logs-s3alias", "logs--x-s3"])
def test_names_that_s3_keeps_for_itself_are_refused(name: str) -> None:
    """With all of them."""
    with pytest.raises(ConstructError, match=r"cannot be a bucket: S3 keeps names that begin with xn--, .* or end"):
        Bucket(name=name, region="us-east-1")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"region": "us-east-1a"}, "'us-east-1a' is no region of AWS: use one such as 'us-east-1'"),
        ({"region": ""}, "'' is no region of AWS"),
        ({"reached_at": ()}, "reached_at of the bucket logs is empty: give the ranges of S3's addresses"),
        ({"reached_at": ("10.0.0.1/8",)}, "'10.0.0.1/8' cannot be an address range of the bucket logs"),
    ],
)
def test_a_bucket_that_nobody_reaches_is_refused(more: dict[str, Any], sentence: str) -> None:
    """It is in a region, and has addresses."""
    with pytest.raises(ConstructError, match=sentence):
        Bucket(**{"name": "logs", "region": "us-east-1", **more})


@pytest.mark.parametrize("prefix", ["logs", "/logs/", "logs//", "lo gs/", "*/", "logs/*"])
def test_a_prefix_that_means_more_than_it_says_is_refused(prefix: str) -> None:
    """Without a slash at its end it would be that of others, too."""
    identity = Identity(cluster="blue", namespace="monitoring", service_account="loki")
    bucket = Bucket(name="logs", region="us-east-1")
    with pytest.raises(ConstructError, match=r"cannot be a prefix in the bucket logs: .* a slash at the end"):
        BucketAccess(identity=identity, bucket=bucket, prefix=prefix, rights=Rights.READ)
    BucketAccess(identity=identity, bucket=bucket, prefix="backup/2026/", rights=Rights.READ)


def test_a_role_is_named_by_its_service_account() -> None:
    """Both halves say the same of it, and neither asks the other."""
    identity = Identity(cluster="blue", namespace="monitoring", service_account="loki")
    assert TRUSTED.role_arn(identity) == "arn:aws:iam::111122223333:role/blue-monitoring-loki"
    assert TRUSTED.provider_arn == f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}"
    elsewhere = replace(TRUSTED, partition="aws-cn")
    assert elsewhere.role_arn(identity) == "arn:aws-cn:iam::111122223333:role/blue-monitoring-loki"
    assert elsewhere.provider_arn == f"arn:aws-cn:iam::111122223333:oidc-provider/{ISSUER}"


def test_a_name_of_a_role_has_64_characters_at_most() -> None:
    """To the character, and it is said what to rename."""
    longest = Identity(cluster="a" * 50, namespace="b" * 8, service_account="c" * 4)
    assert len(TRUSTED.role_name(longest)) == 64
    sentence = (
        r"^'a{50}-b{8}-c{5}' of 65 characters cannot be a role of IAM, which takes up to 64 letters, .*: rename the"
    )
    with pytest.raises(ConstructError, match=sentence):
        TRUSTED.role_name(replace(longest, service_account="c" * 5))


@pytest.mark.parametrize("name", ["*", "lo/ki", "lo ki", "l\u00f6ki", "loki\n"])
def test_a_name_of_a_role_that_iam_refuses_is_refused(name: str) -> None:
    """Such as one that would mean many, or another path."""
    with pytest.raises(ConstructError, match="cannot be a role of IAM, which takes up to 64 letters, digits and"):
        TRUSTED.role_arn(Identity(cluster="blue", namespace="monitoring", service_account=name))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"account": "11112222333"}, "^'11112222333' cannot be an account of AWS: use its 12 digits$"),
        ({"account": "1111-2222-3333"}, "^'1111-2222-3333' cannot be an account of AWS"),
        ({"account": "111122223333\n"}, "cannot be an account of AWS"),
        ({"account": "\u0661" * 12}, "cannot be an account of AWS"),
        ({"issuer": f"https://{ISSUER}"}, f"^'https://{ISSUER}' cannot be the issuer of a cluster: use its host and "),
        ({"issuer": f"{ISSUER}/"}, "/' cannot be the issuer of a cluster: .* without a slash at the end"),
        ({"issuer": f"{ISSUER}\n"}, "cannot be the issuer of a cluster"),
        ({"issuer": "oidc.example.com:8443/id"}, "^'oidc.example.com:8443/id' cannot be the issuer of a cluster"),
        ({"issuer": "oidc.example.com/id?a=b"}, "cannot be the issuer of a cluster"),
        ({"issuer": "OIDC.example.com/id"}, "cannot be the issuer of a cluster"),
        ({"issuer": "oidc.example.com//id"}, "cannot be the issuer of a cluster"),
        ({"issuer": "*"}, "cannot be the issuer of a cluster"),
        ({"issuer": ""}, "^'' cannot be the issuer of a cluster"),
        ({"partition": "amazon"}, "^'amazon' is no partition of AWS: use 'aws', 'aws-cn' or 'aws-us-gov'$"),
        ({"partition": ""}, "^'' is no partition of AWS"),
    ],
)
def test_a_web_identity_that_cannot_be_is_refused(wrong: dict[str, str], sentence: str) -> None:
    """What IAM would take as something else, or not at all."""
    with pytest.raises(ConstructError, match=sentence):
        replace(TRUSTED, **wrong)


@pytest.mark.parametrize(
    "issuer",
    ["oidc.eks.cn-north-1.amazonaws.com.cn/id/0A", "s3.us-east-1.amazonaws.com/our-cluster.keys_1", "oidc.example.com"],
)
def test_issuers_of_clusters_are_hosts_perhaps_with_a_path(issuer: str) -> None:
    """Of EKS, and of clusters that publish their keys themselves."""
    assert WebIdentity(account="012345678901", issuer=issuer).issuer == issuer
