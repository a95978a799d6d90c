"""Controllers: how each is told what an Ingress cannot say, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.controllers import (
    UNLIMITED,
    ClusterIssuer,
    ControllerObject,
    Gateway,
    Instructions,
    Issuer,
    OtherController,
    RequestLimits,
    Traefik,
)
from constructs_lib.config.host_names import host_name
from constructs_lib.contract import Pods
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

PODS = Pods.named("traefik", "traefik")
ROUTER = "traefik.ingress.kubernetes.io/router"


def objects(told: Instructions) -> dict[str, Any]:
    return {each.name: (each.kind, each.spec) for each in told.objects}


def test_traefik_is_told_to_redirect() -> None:
    """By HTTP nothing is served but the way to HTTPS, whatever its own configuration says."""
    told = Traefik(pods=PODS).instructions("monitoring", "ingress", UNLIMITED)
    assert told.ingress == {f"{ROUTER}.entrypoints": "websecure", f"{ROUTER}.tls": "true"}
    assert told.redirect == {
        f"{ROUTER}.entrypoints": "web",
        f"{ROUTER}.middlewares": "monitoring-ingress-to-https@kubernetescrd",
    }
    assert told.service == {}
    assert told.objects == (
        ControllerObject(
            api_version="traefik.io/v1alpha1",
            kind="Middleware",
            name="ingress-to-https",
            spec={"redirectScheme": {"scheme": "https", "permanent": True}},
        ),
    )


def test_traefik_is_told_how_large_a_request_may_be() -> None:
    """In bytes, where requests are served, not where they are redirected."""
    told = Traefik(pods=PODS).instructions("monitoring", "ingress", RequestLimits(body=Bytes.mib(10)))
    assert told.ingress[f"{ROUTER}.middlewares"] == "monitoring-ingress-body@kubernetescrd"
    assert objects(told)["ingress-body"] == ("Middleware", {"buffering": {"maxRequestBodyBytes": 10 * 1024**2}})
    assert told.redirect
    assert told.redirect[f"{ROUTER}.middlewares"] == "monitoring-ingress-to-https@kubernetescrd"


def test_traefik_is_told_how_long_to_wait_by_the_service() -> None:
    """No annotation of an Ingress says it."""
    told = Traefik(pods=PODS).instructions("monitoring", "ingress", RequestLimits(timeout=timedelta(seconds=150)))
    assert f"{ROUTER}.middlewares" not in told.ingress
    assert told.service == {
        "traefik.ingress.kubernetes.io/service.serverstransport": "monitoring-ingress-timeout@kubernetescrd"
    }
    waits = {"forwardingTimeouts": {"responseHeaderTimeout": "2m30s"}}
    assert objects(told)["ingress-timeout"] == ("ServersTransport", waits)


def test_traefiks_entry_points_are_the_sites() -> None:
    """Their names are in its own configuration."""
    told = Traefik(pods=PODS, http="plain", https="tls").instructions("monitoring", "ingress", UNLIMITED)
    assert told.redirect
    assert (told.ingress[f"{ROUTER}.entrypoints"], told.redirect[f"{ROUTER}.entrypoints"]) == ("tls", "plain")


def test_another_controller_is_told_what_the_site_tells_it() -> None:
    """And nothing else: no second Ingress, no object."""
    other = OtherController(class_name="haproxy", pods=PODS, annotations=(("haproxy.org/ssl-redirect", "true"),))
    told = other.instructions("monitoring", "ingress", UNLIMITED)
    assert told == Instructions(ingress={"haproxy.org/ssl-redirect": "true"})


@pytest.mark.parametrize("limits", [RequestLimits(body=Bytes.mib(1)), RequestLimits(timeout=timedelta(minutes=1))])
def test_limits_that_nobody_can_spell_are_refused(limits: RequestLimits) -> None:
    """Else they would be believed to hold."""
    other = OtherController(class_name="haproxy", pods=PODS)
    with pytest.raises(ConstructError, match=r"^ingress limits requests, but how the controller of the class haproxy "):
        other.instructions("monitoring", "ingress", limits)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"body": Bytes(0)}, "the body of a request may have 0 bytes: use 1Mi or more"),
        ({"timeout": timedelta(0)}, "the timeout of a request is 0:00:00: use more than 0"),
        ({"timeout": timedelta(seconds=-1)}, "the timeout of a request is -1 day, 23:59:59: use more than 0"),
        (
            {"timeout": timedelta(days=1, seconds=1)},
            "the timeout of a request is 1 day, 0:00:01: use more than 0 and a",
        ),
    ],
)
def test_limits_that_are_none_are_refused(more: dict[str, Any], sentence: str) -> None:
    """Or everything: some controllers take 0 for no limit at all."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        RequestLimits(**more)


@pytest.mark.parametrize(
    ("issuer", "annotation"),
    [
        (ClusterIssuer("letsencrypt"), ("cert-manager.io/cluster-issuer", "letsencrypt")),
        (Issuer("letsencrypt"), ("cert-manager.io/issuer", "letsencrypt")),
    ],
)
def test_an_issuer_is_named_by_its_kind(issuer: ClusterIssuer | Issuer, annotation: tuple[str, str]) -> None:
    """The other annotation would look for it elsewhere."""
    assert issuer.annotation == annotation


@pytest.mark.parametrize("kind", [ClusterIssuer, Issuer])
def test_https_without_an_issuer_is_refused(kind: type[ClusterIssuer | Issuer]) -> None:
    """The Secret of the certificate would never be there."""
    with pytest.raises(
        ConstructError, match=r"^the issuer has no name, so no certificate would be made: name an issuer"
    ):
        kind("")


def test_a_gateway_is_named_with_its_listener() -> None:
    """A route without one would be served by HTTP, too."""
    gateway = Gateway(name="public", namespace="gateways", pods=PODS, https="tls")
    assert gateway.listener(gateway.https) == {"name": "public", "namespace": "gateways", "sectionName": "tls"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Traefik(pods=PODS, class_name="Traefik"), "'Traefik' cannot be an IngressClass"),
        (lambda: Traefik(pods=PODS, http="web,websecure"), "'web,websecure' cannot be an entry point of Traefik"),
        (lambda: OtherController(class_name="", pods=PODS), "'' cannot be an IngressClass"),
        (lambda: OtherController(class_name="a", pods=PODS, annotations=(("a b", "c"),)), "'a b' cannot be an annot"),
        (lambda: Gateway(name="", namespace="gateways", pods=PODS), "'' cannot be a Gateway"),
        (lambda: Gateway(name="public", namespace="", pods=PODS), "'' cannot be a namespace"),
        (lambda: Gateway(name="public", namespace="a", pods=PODS, http=""), "'' cannot be a listener of a Gateway"),
        (lambda: Issuer("Let's"), '"Let\'s" cannot be an issuer of certificates'),
    ],
)
def test_names_that_are_none_are_refused(make: Any, sentence: str) -> None:
    """The API server would refuse them, or nobody be found by them."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        make()


@pytest.mark.parametrize("name", ["a", "grafana.example.com", "a-b.1c.example", f"{'a' * 63}.example"])
def test_hosts_are_dns_names(name: str) -> None:
    """In lower case, with inner dashes."""
    assert host_name(name, of="a host") == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("*.example.com", "cannot be a host, which would be many hosts: name each"),
        *((name, "cannot be a host: use a DNS name") for name in ("", "Grafana.example.com", "a_b.example", "a..b")),
        *((name, "cannot be a host: use a DNS name") for name in ("-a.example", "a-.example", "a.example.", "a b")),
        *((name, "cannot be a host: use a DNS name") for name in ("10.0.0.1", "https://a.example", "a.example:443")),
        *((name, "cannot be a host: use a DNS name") for name in (f"{'a' * 64}.example", "a." * 124 + "ab")),
    ],
)
def test_hosts_that_are_none_are_refused(name: str, sentence: str) -> None:
    """No certificate is signed for them, or no request comes."""
    with pytest.raises(ConstructError, match=sentence):
        host_name(name, of="a host")
