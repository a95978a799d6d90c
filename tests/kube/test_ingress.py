"""The way in: hosts, certificates, who is admitted, and what is refused, by Ingress and by Gateway."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cdk8s
import pytest
from constructs import Construct

from constructs_lib.config.controllers import (
    ClusterIssuer,
    Gateway,
    Issuer,
    OtherController,
    RequestLimits,
    Traefik,
)
from constructs_lib.contract import Endpoint, Namespace, Pods, Port
from constructs_lib.errors import ConstructError
from constructs_lib.kube.ingress import Ingress, Routes
from constructs_lib.units import Bytes
from tests.minimal import CLUSTER, NAMESPACE, WEB, component, prometheus, unrendered
from tests.rendered import Objects, rendered

TRAEFIK = Traefik(pods=Pods.named("traefik", "traefik"))
GATEWAY = Gateway(name="public", namespace="gateways", pods=Pods.named("gateways", "envoy"))
LIMITED = RequestLimits(body=Bytes.mib(10), timeout=timedelta(minutes=3))
HOST, OTHER = "prometheus.example.com", "program.example.com"
ELSEWHERE = Endpoint(pods=Pods.named("shop", "api"), service="api", port=Port(name="http", number=80))
PREFIX = "traefik.ingress.kubernetes.io"


def ingress(scope: Construct, **more: Any) -> Ingress:
    settings = {"namespace": NAMESPACE, "controller": TRAEFIK, "issuer": ClusterIssuer("letsencrypt")}
    return Ingress(scope, "ingress", **{**settings, **more})


def routes(scope: Construct, **more: Any) -> Routes:
    return Routes(scope, "routes", **{"namespace": NAMESPACE, "gateway": GATEWAY, **more})


WAYS = pytest.mark.parametrize("way", [ingress, routes], ids=["Ingress", "Routes"])
Way = Callable[..., Ingress | Routes]


def serving(way: Way, **more: Any) -> Callable[[cdk8s.Chart], None]:
    """Two hosts, one of which is said twice."""

    def build(chart: cdk8s.Chart) -> None:
        made = way(chart, **more)
        made.serve(HOST, prometheus(chart).web)
        program = component(chart, "program")
        for _ in range(2):
            made.serve(OTHER, program.endpoint(WEB))

    return build


@pytest.fixture(scope="module")
def objects() -> Objects:
    """By Ingress objects for Traefik, without limits."""
    return rendered(serving(ingress))


@pytest.fixture(scope="module")
def limited() -> Objects:
    """By Ingress objects for Traefik, with limits."""
    return rendered(serving(ingress, limits=LIMITED))


@pytest.fixture(scope="module")
def routed() -> Objects:
    """By routes of a Gateway, with the one limit that they have."""
    return rendered(serving(routes, limits=RequestLimits(timeout=timedelta(minutes=3))))


def rule(host: str, service: str, port: str) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"name": port}}}
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}


@pytest.mark.trap(82)
def test_each_host_has_a_certificate_of_its_own(objects: Objects) -> None:
    """Signed by the one issuer, into a Secret that no other Ingress names."""
    served = objects.named("Ingress", HOST)
    assert served["metadata"]["annotations"] == {
        "cert-manager.io/cluster-issuer": "letsencrypt",
        f"{PREFIX}/router.entrypoints": "websecure",
        f"{PREFIX}/router.tls": "true",
    }
    assert served["spec"] == {
        "ingressClassName": "traefik",
        "rules": [rule(HOST, "prometheus", "web")],
        "tls": [{"hosts": [HOST], "secretName": f"{HOST}-tls"}],
    }
    secrets = [tls["secretName"] for each in objects.of("Ingress") for tls in each["spec"].get("tls", ())]
    assert sorted(secrets) == [f"{OTHER}-tls", f"{HOST}-tls"]


def test_an_issuer_of_the_namespace_is_named_as_such() -> None:
    """cert-manager would look for the other kind in vain."""
    own = rendered(serving(ingress, issuer=Issuer("own")))
    annotations = own.named("Ingress", HOST)["metadata"]["annotations"]
    assert annotations["cert-manager.io/issuer"] == "own"
    assert "cert-manager.io/cluster-issuer" not in annotations


def test_http_leads_to_https_for_every_host(objects: Objects) -> None:
    """Nobody is asked to sign a certificate twice."""
    redirect = objects.named("Ingress", "ingress-redirect")
    assert redirect["metadata"]["annotations"] == {
        f"{PREFIX}/router.entrypoints": "web",
        f"{PREFIX}/router.middlewares": "monitoring-ingress-to-https@kubernetescrd",
    }
    assert redirect["spec"] == {
        "ingressClassName": "traefik",
        "rules": [rule(OTHER, "program", "web"), rule(HOST, "prometheus", "web")],
    }
    middleware = objects.named("Middleware", "ingress-to-https")
    assert middleware["apiVersion"] == "traefik.io/v1alpha1"
    assert middleware["metadata"]["namespace"] == "monitoring"
    assert middleware["spec"] == {"redirectScheme": {"scheme": "https", "permanent": True}}


@pytest.mark.parametrize(
    ("name", "port", "others"), [("prometheus", 9090, {"prometheus"}), ("program", 8080, set())], ids=str
)
@pytest.mark.trap(41)
def test_a_component_admits_the_controller_and_no_one_else(
    objects: Objects, name: str, port: int, others: set[str]
) -> None:
    """At the door that is served."""
    admitted = {
        (
            peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
            *peer["podSelector"]["matchLabels"].values(),
            door["port"],
        )
        for each in objects.named("NetworkPolicy", name)["spec"]["ingress"]
        for peer in each["from"]
        for door in each["ports"]
    }
    assert ("traefik", "traefik", port) in admitted
    assert {each[1] for each in admitted} - {"traefik"} == others


@pytest.mark.trap(82)
def test_who_proves_that_a_host_is_ours_admits_the_controller(objects: Objects) -> None:
    """The pods are cert-manager's; under a default deny, the certificate would stay pending."""
    policy = objects.named("NetworkPolicy", "ingress-acme-solvers")
    assert policy["metadata"]["namespace"] == "monitoring"
    assert policy["spec"] == {
        "podSelector": {"matchLabels": {"acme.cert-manager.io/http01-solver": "true"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    {
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}},
                        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}},
                    }
                ],
                "ports": [{"protocol": "TCP", "port": 8089}],
            }
        ],
    }


def test_traefik_limits_a_body_where_it_serves(limited: Objects) -> None:
    """By a middleware beside the Ingress objects."""
    annotations = limited.named("Ingress", HOST)["metadata"]["annotations"]
    assert annotations[f"{PREFIX}/router.middlewares"] == "monitoring-ingress-body@kubernetescrd"
    assert limited.named("Middleware", "ingress-body")["spec"] == {"buffering": {"maxRequestBodyBytes": 10485760}}


def test_traefik_limits_the_time_by_services_of_its_own(limited: Objects) -> None:
    """Those of the components are not touched; both lead to the same pods."""
    service = limited.named("Service", "ingress-prometheus")
    assert service["metadata"]["annotations"] == {
        f"{PREFIX}/service.serverstransport": "monitoring-ingress-timeout@kubernetescrd"
    }
    assert service["spec"] == {
        "selector": limited.named("Service", "prometheus")["spec"]["selector"],
        "ports": [{"name": "web", "port": 9090, "targetPort": "web", "protocol": "TCP"}],
    }
    assert "annotations" not in limited.named("Service", "prometheus")["metadata"]
    assert limited.named("Ingress", HOST)["spec"]["rules"] == [rule(HOST, "ingress-prometheus", "web")]
    assert limited.named("ServersTransport", "ingress-timeout")["spec"] == {
        "forwardingTimeouts": {"responseHeaderTimeout": "3m"}
    }


def test_without_a_limit_nothing_is_added(objects: Objects) -> None:
    """The controller sends to the components' own Services."""
    assert {each["metadata"]["name"] for each in objects.of("Middleware", "ServersTransport")} == {"ingress-to-https"}
    assert not [each for each in objects.of("Service") if each["metadata"]["name"].startswith("ingress-")]


def test_two_doors_of_a_component_have_one_service_beside_it() -> None:
    """Hosts of one component share it."""
    second = Port(name="second", number=8081)

    def build(chart: cdk8s.Chart) -> None:
        program = component(chart, "program", second)
        way = ingress(chart, limits=LIMITED)
        way.serve(OTHER, program.endpoint(WEB))
        way.serve("again.example.com", program.endpoint(WEB))
        way.serve("second.example.com", program.endpoint(second))

    ports = rendered(build).named("Service", "ingress-program")["spec"]["ports"]
    assert [(port["name"], port["port"]) for port in ports] == [("second", 8081), ("web", 8080)]


def test_another_controller_has_no_ingress_but_that_of_each_host() -> None:
    """Its own annotations redirect."""
    haproxy = OtherController(
        class_name="haproxy", pods=Pods.named("haproxy", "haproxy"), annotations=(("haproxy.org/ssl-redirect", "true"),)
    )
    other = rendered(serving(ingress, controller=haproxy))
    assert sorted(each["metadata"]["name"] for each in other.of("Ingress")) == sorted([HOST, OTHER])
    served = other.named("Ingress", HOST)
    assert served["spec"]["ingressClassName"] == "haproxy"
    assert served["metadata"]["annotations"] == {
        "cert-manager.io/cluster-issuer": "letsencrypt",
        "haproxy.org/ssl-redirect": "true",
    }


def test_a_route_serves_a_host_by_https_alone(routed: Objects) -> None:
    """The listener says which; what lies behind is in the same namespace."""
    route = routed.named("HTTPRoute", HOST)
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["metadata"]["namespace"] == "monitoring"
    assert route["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
        "hostnames": [HOST],
        "rules": [{"backendRefs": [{"name": "prometheus", "port": 9090}], "timeouts": {"request": "3m"}}],
    }


def test_a_route_leads_from_http_to_https(routed: Objects) -> None:
    """For all hosts, with nothing behind it."""
    assert routed.named("HTTPRoute", "routes-redirect")["spec"] == {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "http"}],
        "hostnames": sorted([HOST, OTHER]),
        "rules": [
            {
                "filters": [
                    {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}},
                ]
            }
        ],
    }


def test_a_gateways_certificates_are_not_ours(routed: Objects) -> None:
    """It has the certificates, and who proves that a host is ours runs beside it."""
    assert not routed.of("Ingress", "Middleware", "ServersTransport")
    assert not [each for each in routed.of("NetworkPolicy") if "acme" in each["metadata"]["name"]]


def test_a_component_admits_the_gateway(routed: Objects) -> None:
    """As it admits a controller."""
    (admitted,) = routed.named("NetworkPolicy", "program")["spec"]["ingress"]
    assert admitted == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}},
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "envoy"}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": 8080}],
    }


def test_a_route_without_a_limit_has_none() -> None:
    """It is as the Gateway has it."""
    (served,) = rendered(serving(routes)).named("HTTPRoute", OTHER)["spec"]["rules"]
    assert served == {"backendRefs": [{"name": "program", "port": 8080}]}


def test_a_route_cannot_limit_a_body() -> None:
    """Nobody shall believe that it does."""
    with pytest.raises(ConstructError, match=r"^routes limits the body of a request to 10Mi, which no route of a "):
        routes(unrendered(), limits=LIMITED)


@pytest.mark.parametrize(("count", "refused"), [(16, False), (17, True)])
def test_a_route_has_so_many_hosts_and_no_more(count: int, refused: bool) -> None:
    """The API server would refuse the one that redirects."""

    def build(chart: cdk8s.Chart) -> None:
        way, program = routes(chart), component(chart, "program")
        for number in range(count):
            way.serve(f"host-{number}.example.com", program.endpoint(WEB))

    if refused:
        with pytest.raises(ConstructError, match=r"^routes serves 17 hosts, and a route has 16 at most: make a second"):
            rendered(build)
    else:
        assert len(rendered(build).of("HTTPRoute")) == 17


@WAYS
def test_no_host_at_all_is_refused(way: Way) -> None:
    """When it is rendered, since hosts may come late."""
    with pytest.raises(ConstructError, match=r"^(ingress|routes) serves no host: serve one, or leave it out$"):
        rendered(way)


def test_no_host_is_refused_where_nothing_redirects() -> None:
    """Another controller has no Ingress then that would show it."""
    haproxy = OtherController(class_name="haproxy", pods=Pods.named("haproxy", "haproxy"))
    with pytest.raises(ConstructError, match=r"^ingress serves no host: serve one, or leave it out$"):
        rendered(lambda chart: ingress(chart, controller=haproxy))


@WAYS
def test_a_host_that_leads_to_two_components_is_refused(way: Way) -> None:
    """One of them would not be reached."""
    chart = unrendered()
    made, program = way(chart), component(chart, "program")
    made.serve(HOST, prometheus(chart).web)
    with pytest.raises(
        ConstructError, match=rf"^{HOST} leads to both prometheus\.\S+:9090 and program\.\S+:8080: give "
    ):
        made.serve(HOST, program.endpoint(WEB))


@WAYS
def test_a_refused_host_opens_nothing(way: Way) -> None:
    """The component that was served first is the only one that admits the controller."""

    def build(chart: cdk8s.Chart) -> None:
        made, program = way(chart), component(chart, "program")
        made.serve(HOST, prometheus(chart).web)
        with pytest.raises(ConstructError):
            made.serve(HOST, program.endpoint(WEB))

    assert "ingress" not in rendered(build).named("NetworkPolicy", "program")["spec"]


@WAYS
@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("*.example.com", r"'\*.example.com' cannot be a host, which would be many hosts: name each"),
        ("Prometheus.example.com", "'Prometheus.example.com' cannot be a host: use a DNS name"),
        ("", "'' cannot be a host: use a DNS name"),
        ("10.0.0.1", "'10.0.0.1' cannot be a host: use a DNS name"),
    ],
)
def test_a_host_that_is_none_is_refused(way: Way, host: str, sentence: str) -> None:
    """No request would come, or no certificate be signed."""
    chart = unrendered()
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        way(chart).serve(host, prometheus(chart).web)


@WAYS
def test_a_component_of_another_namespace_is_refused(way: Way) -> None:
    """Neither way reaches over the border of a namespace by itself."""
    with pytest.raises(
        ConstructError, match=rf"^{HOST} leads to api in the namespace shop, but (ingress|routes) is in "
    ):
        way(unrendered()).serve(HOST, ELSEWHERE)


@WAYS
def test_a_name_that_is_too_long_is_refused(way: Way) -> None:
    """Names of Services begin with it."""
    with pytest.raises(ConstructError, match="cannot be the name of a way in: use up to 20 lower-case letters"):
        way(unrendered(), name="a" * 21)


def test_two_ways_in_fit_into_one_cluster() -> None:
    """A second namespace has its own."""

    def build(chart: cdk8s.Chart) -> None:
        serving(ingress)(chart)
        other = Namespace(name="other", cluster=CLUSTER)
        second = Ingress(
            chart, "second", namespace=other, name="second", controller=TRAEFIK, issuer=ClusterIssuer("letsencrypt")
        )
        second.serve("second.example.com", component(chart, "second-program", namespace=other).endpoint(WEB))

    names = [each["metadata"]["name"] for each in rendered(build).of("Ingress")]
    assert sorted(names) == sorted([HOST, OTHER, "ingress-redirect", "second.example.com", "second-redirect"])
