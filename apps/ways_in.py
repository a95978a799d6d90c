"""What people open from outside, the login before what has none, and whether it answers: assembly only."""

from collections.abc import Iterable, Iterator

import cdk8s

from apps.environment import Environment
from constructs_lib.config.blackbox import BEHIND_LOGIN, ProbedHost
from constructs_lib.config.host_names import public_host
from constructs_lib.contract import Endpoint, Namespace, Pods
from constructs_lib.errors import ConstructError
from constructs_lib.kube import (
    Alertmanager,
    AuthProxy,
    BlackboxExporter,
    ClusterIssuer,
    Gateway,
    Grafana,
    Ingress,
    OidcProvider,
    OtherController,
    Placement,
    PrometheusHA,
    RequestLimits,
    Routes,
    SecretKey,
    Session,
    Tracing,
    Traefik,
    Visitors,
)


def ways_in(
    app: cdk8s.App,
    namespace: Namespace,
    values: Environment,
    *,
    prometheus: PrometheusHA,
    grafana: Grafana,
    alertmanager: Alertmanager,
    tracing: Tracing | None,
) -> None:
    """Let people in to Grafana, which has a login, and to the others through a proxy each, where there is a provider.

    Args:
        app: Gets one chart a component.
        namespace: Of them all.
        values: What the site chose.
        prometheus: Which also scrapes the proxies, and asks the hosts.
        grafana: Whose host is always served.
        alertmanager: Behind a login.
        tracing: Likewise, if there is any.
    Raises:
        ConstructError: hosts that are asked but not served, a time that is too short for the proxies, or what a
            construct refuses.
    """
    if values.ingress is None:
        if values.hosts_at:
            raise ConstructError(
                f"hosts_at is {', '.join(values.hosts_at)}, but ingress is empty, so that no host is served and none "
                "would answer: set ingress, or leave hosts_at empty"
            )
        return
    way = _way(app, namespace, values)
    way.serve(public_host(values.grafana_url, of="Grafana"), grafana.web)
    behind_login = []
    behind = [(values.prometheus_url, prometheus.web), (values.alertmanager_url, alertmanager.web)]
    if tracing:
        behind.append((values.jaeger_url, tracing.web))
    for proxy in _proxies(app, namespace, values, behind):
        way.serve(proxy.host, proxy.web)
        prometheus.scrape(proxy.metrics)
        behind_login.append(proxy)
    if values.hosts_at:
        exporter = BlackboxExporter(
            cdk8s.Chart(app, "blackbox-exporter"),
            "blackbox-exporter",
            namespace=namespace,
            placement=Placement(priority_class=values.priority_class),
        )
        for host in _asked(values, behind_login):
            prometheus.probe(exporter, host)


def _asked(values: Environment, behind_login: list[AuthProxy]) -> Iterator[ProbedHost]:
    """Below paths that tell whether each answers as it must without a login."""
    yield ProbedHost(url=f"{values.grafana_url.rstrip('/')}/api/health", addresses=values.hosts_at)
    for proxy in behind_login:
        url = f"{proxy.config.url.rstrip('/')}/api/"
        yield ProbedHost(url=url, addresses=values.hosts_at, module=BEHIND_LOGIN)
    if values.sign_in_issuer:
        # Without it, nobody who is out comes in.
        url = f"{values.sign_in_issuer.rstrip('/')}/.well-known/openid-configuration"
        yield ProbedHost(url=url, addresses=values.sign_in_at)


def _way(app: cdk8s.App, namespace: Namespace, values: Environment) -> Ingress | Routes:
    chart = cdk8s.Chart(app, "ingress")
    pods = Pods.named(values.ingress_namespace, values.ingress_controller)
    limits = RequestLimits(body=values.ingress_body, timeout=values.ingress_timeout)
    if values.ingress_annotations and values.ingress != "annotated":
        raise ConstructError(
            f"ingress_annotations are {', '.join(values.ingress_annotations)}, but ingress is {values.ingress}, which "
            "is told all by ingress_body and ingress_timeout: leave them out, or set ingress to annotated"
        )
    if values.ingress == "gateway":
        gateway = Gateway(name=values.gateway_name, namespace=values.gateway_namespace, pods=pods)
        return Routes(chart, "routes", namespace=namespace, gateway=gateway, limits=limits)
    annotations = tuple(values.ingress_annotations.items())
    return Ingress(
        chart,
        "ingress",
        namespace=namespace,
        controller=Traefik(pods=pods, class_name=values.ingress_class)
        if values.ingress == "traefik"
        else OtherController(pods=pods, class_name=values.ingress_class, annotations=annotations),
        issuer=ClusterIssuer(values.ingress_issuer),
        limits=limits,
    )


def _proxies(
    app: cdk8s.App, namespace: Namespace, values: Environment, behind: Iterable[tuple[str, Endpoint]]
) -> Iterator[AuthProxy]:
    """A login before each, by its URL."""
    if values.sign_in_issuer is None:
        return
    provider = OidcProvider(
        issuer=values.sign_in_issuer,
        addresses=values.sign_in_at,
        client_id=values.sign_in_client,
        client_secret=SecretKey(values.sign_in_credentials, "client-secret"),
        scopes=values.sign_in_scopes,
    )
    for url, upstream in behind:
        name = f"{upstream.service}-proxy"
        proxy = AuthProxy(
            cdk8s.Chart(app, name),
            name,
            namespace=namespace,
            upstream=upstream,
            url=url,
            provider=provider,
            visitors=Visitors(email_domains=values.sign_in_domains, groups=values.sign_in_groups),
            session=Session(secret=SecretKey(values.sign_in_credentials, "cookie-secret")),
            replicas=values.sign_in_replicas,
            placement=Placement(priority_class=values.priority_class),
        )
        # Who gives up first says why.
        if values.ingress_timeout is not None and values.ingress_timeout <= proxy.config.timeout:
            raise ConstructError(
                f"ingress_timeout is {values.ingress_timeout}, but {name} waits {proxy.config.timeout} for an answer: "
                "use more, or leave it empty"
            )
        yield proxy
