"""The way in: which values reach which host, proxy and question, and what is refused, seen in what is rendered."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import cdk8s
import pytest

from apps.environment import Environment
from apps.environments import DEV
from apps.kube import monitoring
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.apps.test_kube import VALUES, assembled
from tests.policies import opened
from tests.rendered import Objects, template

# Host -> the Service that answers for it.
SERVED = {
    "g.example.com": "grafana",
    "p.example.com": "prometheus-proxy",
    "a.example.com": "alertmanager-proxy",
    "j.example.com": "jaeger-query-proxy",
}
PROXIES = [service for service in SERVED.values() if service.endswith("-proxy")]
GATEWAY = {
    "ingress": "gateway",
    "ingress_body": None,
    "gateway_name": "internal",
    "gateway_namespace": "entrances",
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """With Traefik, and a provider of logins."""
    return assembled(tmp_path_factory.mktemp("assembled"), VALUES)


def refused(values: Environment) -> str:
    with pytest.raises(ConstructError) as refusal:
        monitoring(cdk8s.App(), "green", values)
    return str(refusal.value)


def backends(objects: Objects) -> dict[str, str]:
    """Host -> Service, of what is served by HTTPS."""
    rules = [rule for each in objects.of("Ingress") if "tls" in each["spec"] for rule in each["spec"]["rules"]]
    return {rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in rules}


def container(objects: Objects, name: str) -> dict[str, Any]:
    (found,) = template(objects.named("Deployment", name))["spec"]["containers"]
    return dict(found)


def probed(objects: Objects) -> dict[str, str]:
    """URL -> module."""
    jobs = objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    (job,) = (job for job in jobs if job["job_name"] == "blackbox")
    return {target: group["labels"]["__param_module"] for group in job["static_configs"] for target in group["targets"]}


def test_each_host_leads_to_its_component_and_what_has_no_login_to_a_proxy(objects: Objects) -> None:
    """By Traefik's class, with certificates of the site's issuer, and its limits."""
    assert backends(objects) == {host: f"ingress-{service}" for host, service in SERVED.items()}
    for each in objects.of("Ingress"):
        assert each["spec"]["ingressClassName"] == "internal"
    for host in SERVED:
        assert objects.named("Ingress", host)["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "ours"
    assert objects.named("Middleware", "ingress-body")["spec"]["buffering"]["maxRequestBodyBytes"] == 2 * 1024**2
    transport = objects.named("ServersTransport", "ingress-timeout")["spec"]
    assert transport["forwardingTimeouts"]["responseHeaderTimeout"] == "4m"


def test_only_the_controller_comes_to_the_doors(objects: Objects) -> None:
    """Its pods reach Grafana and the proxies; Prometheus, Alertmanager and Jaeger themselves they do not."""
    doors = {name: opened(objects, name, "ingress", peer="proxy") for name in ("grafana", *PROXIES)}
    assert doors == {"grafana": {3000}, **{name: {4180} for name in PROXIES}}
    assert opened(objects, "ingress-acme-solvers", "ingress", peer="proxy") == {8089}
    for name in ("prometheus", "alertmanager", "jaeger-query"):
        assert opened(objects, name, "ingress", peer="proxy") == set()


@pytest.mark.parametrize("name", PROXIES)
def test_each_proxy_asks_the_provider_who_may_come_in(objects: Objects, name: str) -> None:
    """The client, its secret by reference, the domains and groups, and the way to the provider's addresses."""
    told = container(objects, name)
    host = next(host for host, service in SERVED.items() if service == name)
    assert {
        "--oidc-issuer-url=https://id.example.com/staff",
        "--client-id=watchers",
        "--client-secret-file=/etc/oauth2-proxy/credentials/logins/client-secret",
        f"--redirect-url=https://{host}/oauth2/callback",
        "--email-domain=example.com",
        "--allowed-group=operators",
        "--upstream-timeout=1m",
        "--scope=openid email offline_access",
    } <= set(told["args"])
    assert told["env"][0]["valueFrom"]["secretKeyRef"] == {"name": "logins", "key": "cookie-secret"}
    assert objects.named("Deployment", name)["spec"]["replicas"] == 3
    blocks = [
        each["to"][0]["ipBlock"]["cidr"]
        for each in objects.named("NetworkPolicy", name)["spec"]["egress"]
        if "ipBlock" in each["to"][0]
    ]
    assert blocks == ["203.0.113.0/24"]


def test_each_host_is_asked_whether_it_answers(objects: Objects) -> None:
    """Grafana by what answers without a login, the others whether they refuse who has none; and the provider itself."""
    provider = "https://id.example.com/staff/.well-known/openid-configuration"
    asked = {"https://g.example.com/api/health": "open", provider: "open"}
    asked |= {f"https://{host}/api/": "behind-login" for host, service in SERVED.items() if service in PROXIES}
    assert probed(objects) == asked


def test_without_a_provider_grafana_alone_is_served_and_asked(tmp_path: Path) -> None:
    """What has no login is never opened without one."""
    ours = assembled(tmp_path, VALUES.but(sign_in_issuer=None))
    assert backends(ours) == {"g.example.com": "ingress-grafana"}
    assert probed(ours) == {"https://g.example.com/api/health": "open"}
    assert not [each for each in ours.workloads if each["metadata"]["name"].endswith("-proxy")]


def test_nobody_from_outside_reads_the_metrics_of_grafana(objects: Objects) -> None:
    """They are on the port that people open: they have a password, which Prometheus alone knows besides."""
    ini = objects.named("ConfigMap", "grafana-config")["data"]["grafana.ini"]
    jobs = objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    (job,) = (job for job in jobs if job["job_name"] == "grafana")
    file = "credentials/numbers/password"
    assert f"basic_auth_username = metrics\nbasic_auth_password = $__file{{/etc/grafana/{file}}}" in ini
    assert job["basic_auth"] == {"username": "metrics", "password_file": f"/etc/prometheus/{file}"}
    for name in ("grafana", "prometheus"):
        volumes = template(objects.named("StatefulSet", name))["spec"]["volumes"]
        assert "numbers" in {each["secret"]["secretName"] for each in volumes if "secret" in each}


def test_hosts_are_served_though_nobody_asks_them(tmp_path: Path) -> None:
    """Then there is no exporter, and no rule about it."""
    ours = assembled(tmp_path, VALUES.but(hosts_at=()))
    assert set(backends(ours)) == set(SERVED)
    assert not [each for each in ours.documents if "blackbox" in each["metadata"]["name"]]
    assert "hosts.yaml" not in ours.named("ConfigMap", "prometheus-rules")["data"]


def test_without_tracing_no_host_leads_to_it(tmp_path: Path) -> None:
    """The others are served as before."""
    ours = assembled(tmp_path, VALUES.but(tracing=False))
    assert set(backends(ours)) == set(SERVED) - {"j.example.com"}


def test_a_gateway_serves_the_same_hosts(tmp_path: Path) -> None:
    """By routes to the components' own Services."""
    ours = assembled(tmp_path, VALUES.but(**GATEWAY))
    routes = {each["metadata"]["name"]: each["spec"] for each in ours.of("HTTPRoute")}
    assert {host: routes[host]["rules"][0]["backendRefs"][0]["name"] for host in SERVED} == SERVED
    parent = {"name": "internal", "namespace": "entrances", "sectionName": "https"}
    assert all(routes[host]["parentRefs"] == [parent] for host in SERVED)
    assert ours.of("Ingress", "Middleware", "ServersTransport") == []


def test_another_controller_is_told_by_its_own_annotations(tmp_path: Path) -> None:
    """And nothing of Traefik's remains."""
    told = {"haproxy.org/timeout-server": "4m", "haproxy.org/ssl-redirect": "true"}
    values = VALUES.but(ingress="annotated", ingress_annotations=told, ingress_body=None, ingress_timeout=None)
    ours = assembled(tmp_path, values)
    assert backends(ours) == SERVED
    for each in ours.of("Ingress"):
        assert told.items() <= each["metadata"]["annotations"].items()
    assert ours.of("Middleware", "ServersTransport") == []


def test_dev_lets_nobody_in(tmp_path: Path) -> None:
    """People reach it by their own machine's port-forward."""
    ours = assembled(tmp_path, DEV)
    assert ours.of("Ingress", "HTTPRoute", "Middleware", "ServersTransport") == []
    assert not [each for each in ours.workloads if each["metadata"]["name"].endswith("-proxy")]


@pytest.mark.parametrize(
    ("differences", "reason"),
    [
        (
            {"ingress": None},
            "hosts_at is 198.51.100.0/24, but ingress is empty, so that no host is served and none would answer: set "
            "ingress, or leave hosts_at empty",
        ),
        (
            {"ingress_timeout": timedelta(minutes=1)},
            "ingress_timeout is 0:01:00, but prometheus-proxy waits 0:01:00 for an answer: use more, or leave it empty",
        ),
        (
            {"ingress_annotations": {"a": "b"}},
            "ingress_annotations are a, but ingress is traefik, which is told all by ingress_body and ingress_timeout: "
            "leave them out, or set ingress to annotated",
        ),
        (
            {**GATEWAY, "ingress_annotations": {"a": "b"}},
            "ingress_annotations are a, but ingress is gateway, which is told all by ingress_body and ingress_timeout: "
            "leave them out, or set ingress to annotated",
        ),
        (
            {"grafana_url": "http://localhost:3000"},
            "the URL of Grafana is 'http://localhost:3000', which anybody could read on its way: use an https URL",
        ),
        (
            {"grafana_url": "https://g.example.com:8443"},
            "the URL of Grafana is 'https://g.example.com:8443', but the way in listens on 443: leave the port out",
        ),
        (
            {"ingress": "annotated", "ingress_body": Bytes.mib(2)},
            "ingress limits requests, but how the controller of the class internal is told so is not known: leave "
            "limits out, and give its own annotations",
        ),
        (
            {**GATEWAY, "ingress_body": Bytes.mib(2)},
            "routes limits the body of a request to 2Mi, which no route of a Gateway can: leave it out, or use Ingress",
        ),
        (
            {"alertmanager_url": VALUES.prometheus_url},
            "p.example.com leads to both prometheus-proxy.watching.svc.cluster.local:4180 and "
            "alertmanager-proxy.watching.svc.cluster.local:4180: give each a host of its own",
        ),
        (
            {"sign_in_domains": (), "sign_in_groups": ()},
            "email_domains and groups are empty, so nobody said who may come in: give domains or groups, or ('*',) for "
            "everyone whom the provider knows",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_what_cannot_work_is_refused(differences: dict[str, Any], reason: str) -> None:
    """In one sentence: the value, and the way out."""
    assert refused(VALUES.but(**differences)) == reason
