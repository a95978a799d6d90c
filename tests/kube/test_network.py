"""Connections: both sides of each, whatever the order, and what is open besides."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cdk8s
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.contract import (
    Bucket,
    BucketAccess,
    Endpoint,
    Identity,
    Namespace,
    Pods,
    Port,
    PortRange,
    Rights,
    Transport,
)
from constructs_lib.kube import Component
from constructs_lib.kube.network import Connections, Destination
from tests.minimal import CLUSTER, NAMESPACE, WEB, component, unrendered
from tests.policies import Connection, one_sided
from tests.rendered import Objects, rendered, text

GOSSIP = Port(name="gossip", number=9094, transport=Transport.UDP)
FOREIGN = Endpoint(pods=Pods.named("shop", "store"), service="store", port=Port(name="sql", number=5432))
ELSEWHERE = Namespace(name="elsewhere", cluster=CLUSTER)


def trio(chart: cdk8s.Chart) -> dict[str, Component]:
    namespaces = {"client": NAMESPACE, "server": ELSEWHERE, "member": NAMESPACE}
    return {name: component(chart, name, GOSSIP, namespace=namespace) for name, namespace in namespaces.items()}


# What is connected in these tests; each of them may come first, and more than once.
VERBS: list[Callable[[dict[str, Component]], None]] = [
    lambda all_: all_["client"].connect_to(all_["server"].endpoint(WEB)),
    lambda all_: all_["member"].connect_to(all_["member"].endpoint(GOSSIP)),
    lambda all_: all_["client"].connect_to(FOREIGN),
    lambda all_: all_["member"].connect_to(all_["server"].endpoint(WEB)),
    lambda all_: all_["client"].allow(Destination.kubelets(CLUSTER)),
    lambda all_: all_["client"].allow(Destination.opted_in(NAMESPACE, PortRange(8000, 9999))),
]


def connect(*order: int) -> Callable[[cdk8s.Chart], None]:
    def build(chart: cdk8s.Chart) -> None:
        components = trio(chart)
        for index in order:
            VERBS[index](components)

    return build


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Three components in two namespaces, and all verbs once."""
    return rendered(connect(*range(len(VERBS))))


def rules(objects: Objects, name: str, direction: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects.named("NetworkPolicy", name)["spec"].get(direction) or []
    return found


def peer(namespace: str, name: str) -> dict[str, Any]:
    instance = {"app.kubernetes.io/instance": name}
    labels = {"app.kubernetes.io/name": "program", "app.kubernetes.io/component": "program", **instance}
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


def test_a_connection_opens_both_sides(objects: Objects) -> None:
    """Out at the caller, in at the door, on that port alone."""
    port = [{"protocol": "TCP", "port": 8080}]
    assert {"to": [peer("elsewhere", "server")], "ports": port} in rules(objects, "client", "egress")
    assert rules(objects, "server", "ingress") == [
        {"from": [peer("monitoring", "client")], "ports": port},
        {"from": [peer("monitoring", "member")], "ports": port},
    ]


def test_every_connection_between_components_has_both_sides(objects: Objects) -> None:
    """Read as Kubernetes reads them, no policy opens what the other side keeps closed."""
    assert one_sided(objects) == set()


@pytest.mark.parametrize(("name", "direction"), [("server", "ingress"), ("client", "egress"), ("member", "ingress")])
def test_a_missing_side_would_be_noticed(objects: Objects, name: str, direction: str) -> None:
    """Without one of the rules, the reading above is no longer content."""
    policies = [
        {**each, "spec": {**each["spec"], direction: []}} if each["metadata"]["name"] == name else each
        for each in objects.of("NetworkPolicy")
    ]
    assert one_sided(Objects([*objects.workloads, *policies])) != set()


def test_a_wider_or_other_port_on_one_side_would_be_noticed(objects: Objects) -> None:
    """Both sides must name the same ports and the same protocol."""
    server = objects.named("NetworkPolicy", "server")
    wider = [{**rule, "ports": [{"protocol": "UDP", "port": 8080}]} for rule in server["spec"]["ingress"]]
    others = [each for each in objects.documents if each is not server]
    changed = Objects([*others, {**server, "spec": {**server["spec"], "ingress": wider}}])
    assert Connection("monitoring/client", "elsewhere/server", "TCP", 8080, 8080) in one_sided(changed)


def test_udp_stays_udp(objects: Objects) -> None:
    """A door of gossip is open for UDP on both sides, and for nothing else."""
    port = [{"protocol": "UDP", "port": 9094}]
    assert rules(objects, "member", "ingress") == [{"from": [peer("monitoring", "member")], "ports": port}]
    assert {"to": [peer("monitoring", "member")], "ports": port} in rules(objects, "member", "egress")


def test_a_door_of_another_release_opens_our_side_alone(objects: Objects) -> None:
    """Their policy is theirs: nothing is rendered for it, and nobody is let in here."""
    assert {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "store"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 5432}],
    } in rules(objects, "client", "egress")
    assert rules(objects, "client", "ingress") == []
    assert len(objects.of("NetworkPolicy")) == 3


def test_every_component_is_closed_but_for_what_is_connected(objects: Objects) -> None:
    """Both directions are governed, also where nothing is open."""
    for name in ("client", "server", "member"):
        assert objects.named("NetworkPolicy", name)["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.trap(81)
def test_every_component_can_resolve_names(objects: Objects) -> None:
    """UDP and TCP to the pods of DNS: an answer that is too long comes by TCP."""
    dns = {"matchLabels": {"k8s-app": "kube-dns"}}
    for name in ("client", "server", "member"):
        (rule,) = (each for each in rules(objects, name, "egress") if each["to"][0].get("podSelector") == dns)
        assert rule["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
        assert rule["ports"] == [{"protocol": "TCP", "port": 53}, {"protocol": "UDP", "port": 53}]


@pytest.mark.trap(81)
def test_a_cache_of_names_on_the_node_is_reached_by_its_address() -> None:
    """It is no pod of DNS, so that it must be named as a fact of the cluster."""
    cached = replace(CLUSTER, dns=("169.254.20.10/32",))
    peers = [each.to_dict() for each in Destination.dns(cached).peers]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in peers
    assert len(peers) == 2


@pytest.mark.trap(79)
def test_what_shares_the_address_of_its_node_is_reached_by_address(objects: Objects) -> None:
    """Kubelets are no pods: no selector would ever match them."""
    assert {
        "to": [{"ipBlock": {"cidr": "10.8.0.0/16"}}],
        "ports": [{"protocol": "TCP", "port": 10250}],
    } in rules(objects, "client", "egress")


@pytest.mark.trap(80)
@pytest.mark.parametrize(("port", "open_ports"), [(443, [443]), (6443, [443, 6443])])
def test_the_api_server_is_reached_before_and_behind_its_service(port: int, open_ports: list[int]) -> None:
    """Policies see the endpoints or the Service, by engine: all ranges and both ports are open."""
    destination = Destination.api_server(replace(CLUSTER, api_server_port=port))
    assert [each.to_dict() for each in destination.peers] == [
        {"ipBlock": {"cidr": "10.0.0.1/32"}},
        {"ipBlock": {"cidr": "10.9.0.0/24"}},
    ]
    assert [each.to_dict() for each in destination.ports] == [{"protocol": "TCP", "port": p} for p in open_ports]


def test_namespaces_that_opted_in_are_reached_on_a_range_of_ports(objects: Objects) -> None:
    """The namespace's label is the condition, and the range ends where it was told to end."""
    assert {
        "to": [{"namespaceSelector": {"matchLabels": {"constructs-lib/monitored-by": "monitoring"}}}],
        "ports": [{"protocol": "TCP", "port": 8000, "endPort": 9999}],
    } in rules(objects, "client", "egress")


def test_ports_of_one_peer_share_a_rule() -> None:
    """One rule a peer, its ports in order, each once."""
    ours = Connections()
    for number in (3, 1, 2, 1):
        ours.allow(Destination.pods(Pods.named("shop", "api"), PortRange.only(number)))
    (rule,) = ours.to_dict(Pods.named("a", "b"))["spec"]["egress"]
    assert [port["port"] for port in rule["ports"]] == [1, 2, 3]


@settings(max_examples=15)  # each renders a chart
@given(st.permutations(range(len(VERBS))), st.lists(st.integers(0, len(VERBS) - 1), max_size=3))
def test_policies_depend_on_neither_order_nor_repetition(order: list[int], again: list[int]) -> None:
    """Whatever the order of the verbs, and however often each was said, the same bytes are rendered."""
    assert policies(connect(*order, *again)) == policies(connect(*range(len(VERBS))))


def policies(build: Callable[[cdk8s.Chart], None]) -> str:
    return "---".join(each for each in text(build).split("---") if "kind: NetworkPolicy" in each)


@pytest.mark.parametrize(
    ("ranges", "blocks"),
    [
        (("10.0.0.0/16",), [{"cidr": "10.0.0.0/16"}]),
        (("52.216.0.0/15", "10.0.0.0/8"), [{"cidr": "10.0.0.0/8"}, {"cidr": "52.216.0.0/15"}]),
    ],
)
def test_a_bucket_is_reached_where_it_is_said_to_be(ranges: tuple[str, ...], blocks: list[dict[str, Any]]) -> None:
    """By private addresses too, where an interface endpoint has them; and so is the agent that has the credentials."""
    bucket = Bucket(name="logs", region="us-east-1", reached_at=ranges)

    def twice(chart: cdk8s.Chart) -> None:
        user = component(chart, "user")
        for _ in range(2):
            user.use_bucket(bucket, rights=Rights.READ)

    rules = rendered(twice).only("NetworkPolicy")["spec"]["egress"]
    opened = [(rule["to"][0]["ipBlock"], rule["ports"]) for rule in rules if "ipBlock" in rule["to"][0]]
    agent = ({"cidr": "169.254.170.23/32"}, [{"protocol": "TCP", "port": 80}])
    assert [each for each in opened if each != agent] == [(b, [{"protocol": "TCP", "port": 443}]) for b in blocks]
    assert agent in opened


def test_what_is_done_in_buckets_is_known_whatever_the_order() -> None:
    """By the service account, once for each bucket, prefix and right."""
    identity = Identity(cluster="blue", namespace="monitoring", service_account="user")
    buckets = [Bucket(name=name, region="us-east-1") for name in ("backup", "logs")]
    uses = [BucketAccess(identity=identity, bucket=each, prefix="p/", rights=Rights.READ) for each in buckets]
    for order in (uses, uses[::-1], uses * 2):
        user = component(unrendered(), "user")
        for use in order:
            user.use_bucket(use.bucket, prefix=use.prefix, rights=use.rights)
        assert user.buckets == tuple(uses)
