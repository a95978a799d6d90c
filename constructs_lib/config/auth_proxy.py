"""oauth2-proxy's options as typed data: who logs people in, who may come in, and how long they stay.

Source: https://github.com/oauth2-proxy/oauth2-proxy/blob/v7.15.6/docs/docs/configuration/overview.md
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from constructs_lib.config.host_names import host_name, public_host
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import ExternalHost
from constructs_lib.errors import ConstructError
from constructs_lib.units import go_duration
from constructs_lib.urls import https_url

HTTP, METRICS = 4180, 44180
ALIVE, READY = "/ping", "/ready"
COOKIE_SECRET = "OAUTH2_PROXY_COOKIE_SECRET"  # noqa: S105 - the name of the variable
ANY_DOMAIN = "*"
# What programs ask is answered with 401: a redirect would lead them to a page for people.
API = "^/api/"
# https://www.rfc-editor.org/rfc/rfc6749#section-3.3
SCOPE, OPENID = r"[!#-\[\]-~]+", "openid"
# Logins that are begun at once, as by tabs that a browser opens again: each has a cookie until it ends.
PARALLEL_LOGINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcProvider:
    """Who logs people in, by OpenID Connect.

    Args:
        issuer: Its URL; below it is `.well-known/openid-configuration`.
        addresses: The ranges in which its name resolves, and those of the other servers that its document names.
        client_id: By which it knows us.
        client_secret: The key that holds the client's secret, with no line break at its end, which would be part of it.
        scopes: What it is asked for; when absent, `openid email profile`, and `groups` where groups decide. Many
            providers give what renews a session only to who asks for `offline_access` too.
    Raises:
        ConstructError: an issuer that is no https URL, no range, no client, or scopes that are none.
    Source: https://github.com/oauth2-proxy/oauth2-proxy/blob/v7.15.6/docs/docs/configuration/providers/openid_connect.md
    """

    issuer: str
    addresses: tuple[str, ...]
    client_id: str
    client_secret: SecretKey
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        https_url(self.issuer, of="the issuer")
        if not all(re.fullmatch(SCOPE, scope) for scope in self.scopes):
            raise ConstructError(
                f"{' '.join(self.scopes)!r} cannot be scopes: use words such as 'openid', without spaces and quotes"
            )
        if self.scopes and OPENID not in self.scopes:
            raise ConstructError(
                f"{' '.join(self.scopes)!r} has no scope {OPENID}, so that nobody could log in: add it"
            )
        if not self.client_id.strip():
            raise ConstructError(f"client_id at {self.issuer} is empty: give the one under which you are registered")
        _ = self.server  # refuses addresses that are none

    @property
    def server(self) -> ExternalHost:
        """Where it is."""
        parts = urlsplit(self.issuer)
        return ExternalHost(host=str(parts.hostname), port=parts.port or 443, addresses=self.addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitors:
    """Who may come in, of those whom the provider knows. Where both are given, both must hold.

    Args:
        email_domains: Of addresses, such as `example.com`, which is not `sub.example.com`; `("*",)` for all of them.
        groups: By the claim `groups`; being in one of them suffices.
    Raises:
        ConstructError: nobody, a domain that is none, or a group whose name the program would split.
    """

    email_domains: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.email_domains and not self.groups:
            raise ConstructError(
                "email_domains and groups are empty, so nobody said who may come in: give domains or groups, or "
                "('*',) for everyone whom the provider knows"
            )
        if ANY_DOMAIN in self.email_domains and len(self.email_domains) > 1:
            raise ConstructError(
                f"email_domains are {', '.join(self.email_domains)}, and the star alone lets everyone in: leave it "
                "out, or the others"
            )
        for domain in self.email_domains:
            if domain != ANY_DOMAIN:
                host_name(domain, of="a domain of e-mail addresses")
        for group in self.groups:
            if not group.strip() or re.search(r'[,"\n\r]', group):
                raise ConstructError(
                    f"{group!r} cannot be a group: use a name without commas, quotes and line breaks, at which "
                    "oauth2-proxy would split it"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How long who has come in may stay. The session is a cookie that holds all of it, encrypted: no server keeps it.

    Args:
        secret: The key that holds 16, 24 or 32 random bytes, which encrypt cookies: who changes it logs everyone out.
        expire: After so long without a request, people log in again.
        refresh: After so long, the next request asks the provider for new tokens, and waits for them: who has left is
            out then. Where it gives no new ones, everyone is out when the first ones end, and nobody before.
    Raises:
        ConstructError: no time, or a refresh that comes too late.
    Source: https://github.com/oauth2-proxy/oauth2-proxy/blob/v7.15.6/docs/docs/configuration/sessions.md
    """

    secret: SecretKey
    expire: timedelta = timedelta(hours=12)
    refresh: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        if not timedelta(0) < self.refresh < self.expire:
            raise ConstructError(
                f"a session is refreshed after {self.refresh} and ends after {self.expire}: refresh it after more "
                "than 0 and before its end"
            )
        for time in (self.expire, self.refresh):
            go_duration(time)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthProxyConfig:
    """What one oauth2-proxy is told; it reads its configuration once, when it starts.

    Args:
        name: Part of its cookie's name.
        upstream: The URL of the one program behind it.
        url: Under which people reach it.
        provider: Who logs them in.
        visitors: Who may come in.
        session: How long they may stay.
        timeout: Until when the program behind must have begun to answer.
        client_secret_file: Where it finds the client's secret.
    Raises:
        ConstructError: a URL that is no https URL, has a path or another port, or no time.
    """

    name: str
    upstream: str
    url: str
    provider: OidcProvider
    visitors: Visitors
    session: Session
    timeout: timedelta
    client_secret_file: str

    def __post_init__(self) -> None:
        public_host(self.url, of=self.name)
        if self.timeout <= timedelta(0) or self.timeout % timedelta(seconds=1):
            raise ConstructError(f"the timeout of {self.name} is {self.timeout}: use whole seconds, 1 or more")

    @property
    def host(self) -> str:
        """Of the URL under which people reach it."""
        return public_host(self.url, of=self.name)

    @property
    def cookie(self) -> str:
        """By its prefix, browsers send it to this very host alone, by HTTPS alone, and take it from nobody else.

        Source: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
        """
        return f"__Host-{self.name}"

    def to_args(self) -> tuple[str, ...]:
        """The arguments; no credential is among them."""
        options: Mapping[str, str | bool | timedelta] = {
            "http-address": f"0.0.0.0:{HTTP}",
            "metrics-address": f"0.0.0.0:{METRICS}",
            "upstream": f"{self.upstream}/",
            "upstream-timeout": self.timeout,
            "proxy-websockets": False,
            "api-route": API,
            # Who asks, and for which host, is what the controller says: the policy lets nobody else connect, which
            # `trusted-proxy-ip` would say once more. Whom `trusted-ip` names is let in without any login: never that.
            "reverse-proxy": True,
            "real-client-ip-header": "X-Forwarded-For",
            "provider": "oidc",
            "oidc-issuer-url": self.provider.issuer,
            "client-id": self.provider.client_id,
            "client-secret-file": self.client_secret_file,
            "redirect-url": f"https://{self.host}/oauth2/callback",
            # It binds a login to who began it. The nonce would, too, but tokens that are refreshed should have none, so
            # that every session would end with its first refresh.
            # https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse
            "code-challenge-method": "S256",
            "skip-provider-button": True,
            "cookie-name": self.cookie,
            "cookie-secure": True,
            "cookie-httponly": True,
            "cookie-samesite": "lax",  # strict would forget people on their way back from the provider
            "cookie-expire": self.session.expire,
            "cookie-refresh": self.session.refresh,
            "cookie-csrf-per-request": True,
            "cookie-csrf-per-request-limit": str(PARALLEL_LOGINS),
            # Nobody behind asks who it is.
            "pass-basic-auth": False,
            "pass-user-headers": False,
            "silence-ping-logging": True,
        }
        # It refuses to start without a domain, even where groups decide.
        domains = self.visitors.email_domains or (ANY_DOMAIN,)
        return (
            *(f"--{name}={_spelled(value)}" for name, value in options.items()),
            *([f"--scope={' '.join(self.provider.scopes)}"] if self.provider.scopes else []),
            *(f"--email-domain={each}" for each in domains),
            *(f"--allowed-group={each}" for each in self.visitors.groups),
        )


def _spelled(value: str | bool | timedelta) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return go_duration(value) if isinstance(value, timedelta) else value
