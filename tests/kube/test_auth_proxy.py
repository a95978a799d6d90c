"""oauth2-proxy in front of a program: what is rendered, and who reaches what."""

from typing import Any

import cdk8s
import pytest

from constructs_lib.config.auth_proxy import OidcProvider, Session, Visitors
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Pods
from constructs_lib.errors import ConstructError
from constructs_lib.kube.auth_proxy import AuthProxy
from tests.minimal import NAMESPACE, prometheus, unrendered
from tests.policies import one_sided, opened
from tests.rendered import Objects, rendered, template

CONTROLLER = Pods.named("traefik", "traefik")
PROVIDER = OidcProvider(
    issuer="https://id.example.com",
    addresses=("203.0.113.0/24",),
    client_id="monitoring",
    client_secret=SecretKey("sign-in", "client-secret"),
)
SETTINGS: dict[str, Any] = {
    "namespace": NAMESPACE,
    "url": "https://prometheus.example.com",
    "provider": PROVIDER,
    "visitors": Visitors(email_domains=("example.com",)),
    "session": Session(secret=SecretKey("sign-in", "cookie-secret")),
}


def build(chart: cdk8s.Chart) -> None:
    server = prometheus(chart)
    proxy = AuthProxy(chart, "proxy", upstream=server.web, **SETTINGS)
    proxy.web.admit(CONTROLLER)
    server.scrape(proxy.metrics)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One in front of Prometheus, scraped, with a controller that may come in."""
    return rendered(build)


def container(objects: Objects) -> dict[str, Any]:
    (found,) = template(objects.named("Deployment", "prometheus-proxy"))["spec"]["containers"]
    return dict(found)


def test_it_is_named_after_what_is_behind_it(objects: Objects) -> None:
    """Several fit into one namespace."""
    labels = objects.named("Deployment", "prometheus-proxy")["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "oauth2-proxy"
    assert labels["app.kubernetes.io/instance"] == "prometheus-proxy"
    assert "--upstream=http://prometheus.monitoring.svc.cluster.local:9090/" in container(objects)["args"]
    assert "--cookie-name=__Host-prometheus-proxy" in container(objects)["args"]


def test_any_replica_knows_every_session(objects: Objects) -> None:
    """Two of them share nothing but the secret, and one at most is missing."""
    assert objects.named("Deployment", "prometheus-proxy")["spec"]["replicas"] == 2
    assert objects.named("PodDisruptionBudget", "prometheus-proxy")["spec"]["maxUnavailable"] == 1


def test_credentials_come_by_reference(objects: Objects) -> None:
    """One is a file, the other a variable, and no argument holds either."""
    program = container(objects)
    assert program["env"] == [
        {
            "name": "OAUTH2_PROXY_COOKIE_SECRET",
            "valueFrom": {"secretKeyRef": {"name": "sign-in", "key": "cookie-secret"}},
        }
    ]
    (mount,) = program["volumeMounts"]
    assert f"--client-secret-file={mount['mountPath']}/client-secret" in program["args"]
    assert not [arg for arg in program["args"] if arg.startswith(("--client-secret=", "--cookie-secret="))]


def test_its_doors_are_what_it_listens_on(objects: Objects) -> None:
    """Its metrics are not behind the door that is open to the world."""
    program = container(objects)
    assert {port["name"]: port["containerPort"] for port in program["ports"]} == {"web": 4180, "metrics": 44180}
    assert {"--http-address=0.0.0.0:4180", "--metrics-address=0.0.0.0:44180"} <= set(program["args"])
    assert program["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "web", "scheme": "HTTP"}
    assert program["livenessProbe"]["httpGet"] == {"path": "/ping", "port": "web", "scheme": "HTTP"}


def test_it_reaches_the_program_and_the_provider_alone(objects: Objects) -> None:
    """And DNS, as everybody; who has no session reaches the program neither through it nor past it."""
    rules = objects.named("NetworkPolicy", "prometheus-proxy")["spec"]["egress"]
    provider = {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"protocol": "TCP", "port": 443}]}
    assert provider in rules
    assert opened(objects, "prometheus-proxy", "egress", peer="prometheus") == {9090}
    assert len(rules) == 3


def test_the_controller_and_the_scraper_alone_reach_it(objects: Objects) -> None:
    """Each its own port."""
    policy = objects.named("NetworkPolicy", "prometheus-proxy")["spec"]
    callers = {
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], port["port"])
        for rule in policy["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    }
    assert callers == {("traefik", 4180), ("prometheus", 44180)}
    assert one_sided(objects) == set()


def test_it_answers_before_it_ends(objects: Objects) -> None:
    """A query that may take a minute is not cut off by a drain."""
    pod = template(objects.named("Deployment", "prometheus-proxy"))["spec"]
    assert pod["terminationGracePeriodSeconds"] == 60
    assert "--upstream-timeout=1m" in container(objects)["args"]


def test_a_single_one_has_no_budget() -> None:
    """As every component."""
    one = rendered(lambda chart: AuthProxy(chart, "proxy", upstream=prometheus(chart).web, replicas=1, **SETTINGS))
    assert "prometheus-proxy" not in [each["metadata"]["name"] for each in one.of("PodDisruptionBudget")]


def test_a_host_of_its_own_is_asked_for() -> None:
    """Refused before anything is made."""
    chart = unrendered()
    server = prometheus(chart)
    with pytest.raises(ConstructError, match=r"^the URL of prometheus-proxy is 'https://example\.com/p', with a path"):
        AuthProxy(chart, "proxy", upstream=server.web, **{**SETTINGS, "url": "https://example.com/p"})
