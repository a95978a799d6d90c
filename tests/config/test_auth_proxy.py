"""oauth2-proxy's options: who may come in, for how long, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from constructs_lib.config.auth_proxy import AuthProxyConfig, OidcProvider, Session, Visitors
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import ExternalHost
from constructs_lib.errors import ConstructError

SECRET = SecretKey("sign-in", "cookie-secret")


def provider(**more: Any) -> OidcProvider:
    return OidcProvider(
        **{
            "issuer": "https://id.example.com/realms/staff",
            "addresses": ("203.0.113.0/24",),
            "client_id": "monitoring",
            "client_secret": SecretKey("sign-in", "client-secret"),
            **more,
        }
    )


def config(**more: Any) -> AuthProxyConfig:
    return AuthProxyConfig(
        **{
            "name": "prometheus-proxy",
            "upstream": "http://prometheus.monitoring.svc.cluster.local:9090",
            "url": "https://prometheus.example.com",
            "provider": provider(),
            "visitors": Visitors(email_domains=("example.com",)),
            "session": Session(secret=SECRET),
            "timeout": timedelta(minutes=3),
            "client_secret_file": "/credentials/client-secret",
            **more,
        }
    )


def options(**more: Any) -> dict[str, list[str]]:
    """Values by option."""
    found: dict[str, list[str]] = {}
    for arg in config(**more).to_args():
        name, value = arg.removeprefix("--").split("=", 1)
        found.setdefault(name, []).append(value)
    return found


def test_one_program_is_behind_it() -> None:
    """All paths lead there, and none past the login."""
    told = options()
    assert told["upstream"] == ["http://prometheus.monitoring.svc.cluster.local:9090/"]
    assert told["upstream-timeout"] == ["3m"]
    assert not {"trusted-ip", "skip-auth-route", "skip-auth-regex", "ping-user-agent"} & told.keys()


def test_a_cookie_is_that_of_one_host() -> None:
    """Neither another proxy of the same domain nor a script nor another site gets it."""
    told = options()
    assert told["cookie-name"] == ["__Host-prometheus-proxy"]
    assert (told["cookie-secure"], told["cookie-httponly"], told["cookie-samesite"]) == (["true"], ["true"], ["lax"])
    assert not {"cookie-domain", "cookie-path"} & told.keys()  # with either, browsers refuse a cookie of this prefix


def test_no_credential_is_an_argument() -> None:
    """The one is a file, the other a variable."""
    told = options()
    assert told["client-secret-file"] == ["/credentials/client-secret"]
    assert not {"client-secret", "cookie-secret"} & told.keys()


def test_a_session_ends_and_is_looked_at_before() -> None:
    """Durations are written as Go reads them."""
    told = options(session=Session(secret=SECRET, expire=timedelta(days=2), refresh=timedelta(minutes=90)))
    assert (told["cookie-expire"], told["cookie-refresh"]) == (["48h"], ["1h30m"])


def test_a_login_is_bound_to_who_began_it() -> None:
    """By PKCE; the nonce would end every session with its first refresh, and is left out."""
    told = options()
    assert told["oidc-issuer-url"] == ["https://id.example.com/realms/staff"]
    assert told["redirect-url"] == ["https://prometheus.example.com/oauth2/callback"]
    assert told["code-challenge-method"] == ["S256"]
    assert "insecure-oidc-skip-nonce" not in told


@pytest.mark.parametrize(
    ("visitors", "domains", "groups"),
    [
        (Visitors(email_domains=("a.example", "b.example")), ["a.example", "b.example"], None),
        (Visitors(groups=("admins", "on call")), ["*"], ["admins", "on call"]),
        (Visitors(email_domains=("a.example",), groups=("admins",)), ["a.example"], ["admins"]),
        (Visitors(email_domains=("*",)), ["*"], None),
    ],
    ids=["domains", "groups alone", "both", "everyone"],
)
def test_who_may_come_in(visitors: Visitors, domains: list[str], groups: list[str] | None) -> None:
    """The star is there where it was said, and where groups decide: the program wants a domain all the same."""
    told = options(visitors=visitors)
    assert (told["email-domain"], told.get("allowed-group")) == (domains, groups)


@pytest.mark.parametrize(
    ("issuer", "host", "port"),
    [
        ("https://id.example.com/realms/staff", "id.example.com", 443),
        ("https://id.example.com:8443", "id.example.com", 8443),
    ],
)
def test_the_providers_server_is_that_of_its_url(issuer: str, host: str, port: int) -> None:
    """The way there is opened to no other port."""
    assert provider(issuer=issuer).server == ExternalHost(host=host, port=port, addresses=("203.0.113.0/24",))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"issuer": "http://id.example.com"}, "the issuer is 'http://id.example.com', which anybody could read"),
        ({"issuer": "id.example.com"}, "the issuer is 'id.example.com': use a URL"),
        ({"client_id": " "}, "client_id at https://id.example.com/realms/staff is empty"),
        ({"addresses": ()}, "addresses of id.example.com is empty"),
        ({"scopes": ("openid", "a b")}, "'openid a b' cannot be scopes: use words such as 'openid'"),
        ({"scopes": ("openid", "")}, "'openid ' cannot be scopes"),
        ({"scopes": ("email",)}, "'email' has no scope openid, so that nobody could log in: add it"),
    ],
)
def test_a_provider_that_is_none_is_refused(more: dict[str, Any], sentence: str) -> None:
    """Nobody could log in there."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        provider(**more)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {},
            r"email_domains and groups are empty, so nobody said who may come in: give domains or groups, or \('\*',\)",
        ),
        ({"email_domains": ("*", "example.com")}, r"email_domains are \*, example.com, and the star alone lets"),
        ({"email_domains": ("@example.com",)}, "'@example.com' cannot be a domain of e-mail addresses: use a DNS name"),
        (
            {"email_domains": ("*.example.com",)},
            r"'\*.example.com' cannot be a domain of e-mail addresses, which would",
        ),
        ({"email_domains": ("",)}, "'' cannot be a domain of e-mail addresses"),
        ({"groups": ("a,b",)}, "'a,b' cannot be a group: use a name without commas"),
        ({"groups": (" ",)}, "' ' cannot be a group"),
    ],
)
def test_visitors_that_are_none_are_refused(more: dict[str, Any], sentence: str) -> None:
    """Neither nobody nor everybody comes in by mistake."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        Visitors(**more)


@pytest.mark.parametrize(
    ("expire", "refresh"),
    [(timedelta(hours=1), timedelta(hours=1)), (timedelta(hours=1), timedelta(0)), (timedelta(0), timedelta(hours=-1))],
)
def test_a_session_that_is_never_looked_at_is_refused(expire: timedelta, refresh: timedelta) -> None:
    """The program would not start, or never ask again."""
    with pytest.raises(
        ConstructError, match=r"^a session is refreshed after .* and ends after .*: refresh it after more"
    ):
        Session(secret=SECRET, expire=expire, refresh=refresh)


def test_a_session_may_be_refreshed_just_before_its_end() -> None:
    """The limit itself is the only thing refused."""
    Session(secret=SECRET, expire=timedelta(hours=1), refresh=timedelta(minutes=59))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"url": "http://prometheus.example.com"},
            "the URL of prometheus-proxy is 'http://.*', which anybody could read",
        ),
        ({"url": "https://example.com/prometheus"}, "the URL of prometheus-proxy is '.*', with a path: give it a host"),
        (
            {"url": "https://prometheus.example.com:8443"},
            "the URL of prometheus-proxy is '.*', but the way in listens on",
        ),
        ({"url": "https://10.0.0.1"}, "'10.0.0.1' cannot be the host of prometheus-proxy: use a DNS name"),
        ({"timeout": timedelta(0)}, "the timeout of prometheus-proxy is 0:00:00: use whole seconds, 1 or more"),
        ({"timeout": timedelta(seconds=1.5)}, "the timeout of prometheus-proxy is 0:00:01.500000: use whole seconds"),
    ],
)
def test_a_proxy_that_cannot_work_is_refused(more: dict[str, Any], sentence: str) -> None:
    """People would not reach it, or their cookie not be taken."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        config(**more)
