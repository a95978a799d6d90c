"""oauth2-proxy: a login in front of a program that has none."""

from datetime import timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config.auth_proxy import (
    ALIVE,
    COOKIE_SECRET,
    HTTP,
    METRICS,
    READY,
    AuthProxyConfig,
    OidcProvider,
    Session,
    Visitors,
)
from constructs_lib.contract import Endpoint, Namespace, Port
from constructs_lib.kube.component import Component
from constructs_lib.kube.pod import Container, OfSecret, Placement, Probe, Resources
from constructs_lib.kube.volumes import Mount, SecretFiles
from constructs_lib.kube.workload import Stateless
from constructs_lib.units import Bytes, Cpu

OAUTH2_PROXY = "oauth2-proxy"
WEB, TELEMETRY = Port(name="web", number=HTTP), Port(name="metrics", number=METRICS)
USER = 65532  # of the image
CREDENTIALS = "/etc/oauth2-proxy/credentials"


class AuthProxy(Component):
    """Lets those through to one program who have logged in and may come in; everybody else does not reach it.

    Sessions are cookies, so any replica knows them all. It does not start while the provider does not answer, and goes
    on without it once it has.

    Args:
        namespace: Where it lives; the Secrets with its credentials are there, too.
        name: Of its objects; that of the program's Service with `-proxy` when absent.
        upstream: The one program behind it.
        url: Under which people reach it: https, and a host of its own.
        provider: Who logs people in; that the redirect URL is `<url>/oauth2/callback` must be registered there.
        visitors: Who may come in.
        session: How long they may stay.
        timeout: Until when the program must have begun to answer; a query of Prometheus may take half a minute. So long
            it has, too, to end what it has begun when it stops.
        replicas: How many.
        resources: Of each.
        placement: On which nodes.
    Raises:
        ConstructError: a URL or a name that is none, or no time.
    Source: https://github.com/oauth2-proxy/oauth2-proxy/tree/v7.15.6/docs/docs
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str | None = None,
        upstream: Endpoint,
        url: str,
        provider: OidcProvider,
        visitors: Visitors,
        session: Session,
        timeout: timedelta = timedelta(minutes=1),
        replicas: int = 2,
        resources: Resources = Resources(cpu=Cpu(50), memory=Bytes.mib(64)),
        placement: Placement = Placement(),
    ) -> None:
        name = name or f"{upstream.service}-proxy"
        secret = provider.client_secret
        self.config = AuthProxyConfig(
            name=name,
            upstream=upstream.url,
            url=url,
            provider=provider,
            visitors=visitors,
            session=session,
            timeout=timeout,
            client_secret_file=secret.path_below(CREDENTIALS),
        )
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=OAUTH2_PROXY,
            image=versions.OAUTH2_PROXY,
            workload=Stateless(replicas=replicas, user=USER, stop_within=timeout),  # it answers what it was asked
            placement=placement,
        )
        self.host = self.config.host
        self.web, self.metrics = self.endpoint(WEB), self.endpoint(TELEMETRY)
        self.connect_to(upstream)
        self.connect_to(provider.server)
        self.add_container(
            Container(
                name=OAUTH2_PROXY,
                image=versions.OAUTH2_PROXY,
                args=self.config.to_args(),
                ports=(WEB, TELEMETRY),
                environment={COOKIE_SECRET: OfSecret(session.secret)},
                mounts=(Mount(source=SecretFiles(secret.secret), path=f"{CREDENTIALS}/{secret.secret}"),),
                resources=resources,
                readiness=Probe(path=READY, port=WEB, period=timedelta(seconds=5), failures=3),
                liveness=Probe(path=ALIVE, port=WEB, period=timedelta(seconds=10), failures=6),
            )
        )
