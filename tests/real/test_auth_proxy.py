"""The real oauth2-proxy with the arguments that are rendered: nobody reaches the program who has not logged in.

The provider and the program behind are on loopback: addresses, and where the secret is, are what is not as rendered.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.config.auth_proxy import COOKIE_SECRET, PARALLEL_LOGINS, OidcProvider, Session, Visitors
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, Pods, Port
from constructs_lib.kube.auth_proxy import AuthProxy
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.minimal import NAMESPACE
from tests.real.loopback import asked, free_port, soon
from tests.real.sign_in import (
    CLIENT,
    METHODS,
    SECRET,
    Browser,
    LoopbackProvider,
    Program,
    on_loopback,
    programs,
    providing,
)
from tests.rendered import rendered, template

COOKIE_KEY = "0123456789abcdef0123456789abcdef"
STAFF = Visitors(email_domains=("example.com",))
SESSION = Session(secret=SecretKey("sign-in", "cookie-secret"))
SOON = timedelta(seconds=20)


def arguments(name: str, provider: LoopbackProvider, **more: Any) -> list[str]:
    """What the container of a rendered proxy is told."""
    upstream = Endpoint(pods=Pods.named("monitoring", name), service=name, port=Port(name="web", number=9090))
    known = OidcProvider(
        issuer=provider.issuer,
        addresses=("127.0.0.1/32",),
        client_id=CLIENT,
        client_secret=SecretKey("sign-in", "client-secret"),
    )
    settings = {"visitors": STAFF, "session": SESSION, "url": f"https://{name}.example.com", **more}
    objects = rendered(
        lambda chart: AuthProxy(chart, "proxy", namespace=NAMESPACE, upstream=upstream, provider=known, **settings)
    )
    (container,) = template(objects.named("Deployment", f"{name}-proxy"))["spec"]["containers"]
    return list(container["args"])


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy on loopback: its ports, and its log."""

    web: int
    metrics: int
    log: Path


class Proxies:
    """Starts proxies before one program."""

    def __init__(self, directory: Path, provider: LoopbackProvider, program: Program) -> None:
        self.provider, self.program, self._directory = provider, program, directory
        (directory / "client-secret").write_text(SECRET)

    def somewhere(self) -> Running:
        web = free_port()
        return Running(web, free_port(), self._directory / f"{web}.log")

    def command(self, name: str, running: Running, **more: Any) -> list[str]:
        here = {
            "--http-address": f"127.0.0.1:{running.web}",
            "--metrics-address": f"127.0.0.1:{running.metrics}",
            "--upstream": f"http://127.0.0.1:{self.program.port}/",
            "--client-secret-file": str(self._directory / "client-secret"),
        }
        told = [each.partition("=") for each in arguments(name, self.provider, **more)]
        assert here.keys() <= {option for option, _, _ in told}
        return [built("oauth2-proxy"), *(f"{option}={here.get(option, value)}" for option, _, value in told)]

    @contextmanager
    def running(self, name: str, **more: Any) -> Iterator[Running]:
        """The proxy of a program of this name, once it is ready."""
        found = self.somewhere()
        environment = {
            **os.environ,
            COOKIE_SECRET: COOKIE_KEY,
            "SSL_CERT_FILE": str(self.provider.certificate),
        }
        command = self.command(name, found, **more)
        with (
            found.log.open("w") as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
        ):
            try:
                soon(f"http://127.0.0.1:{found.web}/ready")
                yield found
            finally:
                process.kill()

    def browser(self, name: str, proxy: Running) -> Browser:
        return on_loopback(f"{name}.example.com", proxy.web, self.provider)


@pytest.fixture(scope="module")
def proxies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    """A provider and a program, and no proxy yet."""
    directory = tmp_path_factory.mktemp("sign-in")
    with providing(directory) as provider, programs() as program:
        yield Proxies(directory, provider, program)


@pytest.fixture(scope="module")
def prometheus(proxies: Proxies) -> Iterator[Running]:
    """The proxy of one program."""
    with proxies.running("prometheus") as proxy:
        yield proxy


@pytest.fixture
def browser(proxies: Proxies, prometheus: Running) -> Iterator[Browser]:
    """Who comes for the first time; what the program has been asked is forgotten, and what was changed undone."""
    proxies.program.seen.clear()
    yield proxies.browser("prometheus", prometheus)
    proxies.provider.email, proxies.provider.groups = "jane@example.com", ["staff"]
    proxies.provider.lifetime, proxies.provider.refreshes = timedelta(hours=1), True
    proxies.program.slow = timedelta(0)


PATHS = ("/", "/graph?g0.expr=up", "/api/v1/query?query=up", "/-/reload", "/metrics", "/static/js/main.js")
PATHS_OF_TRICKS = ("//", "/oauth2/../graph", "/%2e%2e/api/v1/query", "/ping/../metrics", "/robots.txt/../metrics")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", [*PATHS, *PATHS_OF_TRICKS])
def test_without_a_session_no_path_leads_to_the_program(
    proxies: Proxies, browser: Browser, path: str, method: str
) -> None:
    """People are led to the provider, programs are told 401, and what is behind hears of neither."""
    answer = browser.ask(path, method)
    assert answer.code in {301, 302, 401, 403}, answer
    assert b"secrets" not in answer.body
    assert proxies.program.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Forwarded_User": "jane", "X_Forwarded_Email": "jane@example.com"},
        {"X_Forwarded_For": "127.0.0.1", "X_Real_IP": "127.0.0.1"},
        {"X_Forwarded_Uri": "/ping"},
        {"User_Agent": "kube-probe/1.36"},
        {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
        {"Authorization": "Basic amFuZTpqYW5l"},
        {"Cookie": "__Host-prometheus-proxy=jane@example.com"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_who_only_says_so_is_not_let_in(proxies: Proxies, browser: Browser, headers: dict[str, str]) -> None:
    """By no header that a client may send."""
    for path in ("/graph", "/api/v1/query"):
        assert browser.ask(path, **headers).code in {302, 401}
    assert proxies.program.seen == []


def test_who_has_logged_in_is_led_to_where_they_wanted_to_go(proxies: Proxies, browser: Browser) -> None:
    """And the program hears nothing of who they are."""
    back = browser.sign_in("/graph?g0.expr=up&g0.tab=1")
    assert (back.code, back.location) == (302, "/graph?g0.expr=up&g0.tab=1")
    assert proxies.program.seen == []

    answer = browser.ask("/graph?g0.expr=up&g0.tab=1")
    assert (answer.code, answer.body) == (200, b"secrets")
    ((method, path, headers),) = proxies.program.seen
    assert (method, path, headers["Host"]) == ("GET", "/graph?g0.expr=up&g0.tab=1", "prometheus.example.com")
    told = {name.lower() for name in headers}
    assert not told & {"authorization", "x-forwarded-user", "x-forwarded-email", "x-forwarded-access-token"}
    assert "jane" not in " ".join(headers.values())


def test_a_program_of_theirs_may_ask_then(browser: Browser) -> None:
    """A page's own requests bring the cookie along."""
    browser.sign_in()
    assert browser.ask("/api/v1/query?query=up").code == 200
    assert browser.ask("/api/v1/query", "POST").code == 200


def test_the_cookie_is_for_this_host_and_https_alone(browser: Browser) -> None:
    """As its prefix promises, or browsers would refuse it."""
    cookies = browser.sign_in().cookies
    (said,) = [said for name, said in cookies.items() if name == "__Host-prometheus-proxy"]
    flags = {each.strip() for each in said.split(";")[1:]}
    assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= flags
    assert not [flag for flag in flags if flag.startswith("Domain")]
    (age,) = (int(flag.removeprefix("Max-Age=")) for flag in flags if flag.startswith("Max-Age="))
    assert abs(age - SESSION.expire.total_seconds()) < 60


def test_another_domain_does_not_come_in(proxies: Proxies, browser: Browser) -> None:
    """The provider knows more people than may come in."""
    proxies.provider.email = "jane@example.org"
    assert browser.sign_in().code == 403
    assert "__Host-prometheus-proxy" not in browser.jar
    assert browser.ask("/").code == 302
    assert proxies.program.seen == []


def test_a_domain_below_does_not_come_in(proxies: Proxies, browser: Browser) -> None:
    """`example.com` is not `sub.example.com`, and not what ends like it."""
    for email in ("jane@sub.example.com", "jane@notexample.com", "jane@example.com.example.org"):
        proxies.provider.email = email
        assert browser.sign_in().code == 403, email
    assert proxies.program.seen == []


def test_only_their_groups_come_in(proxies: Proxies, browser: Browser) -> None:
    """Where groups are given, the domain alone does not suffice."""
    more = {"visitors": Visitors(email_domains=("example.com",), groups=("on call", "admins"))}
    with proxies.running("loki", **more) as proxy:
        outside = proxies.browser("loki", proxy)
        assert outside.sign_in().code == 403
        assert proxies.program.seen == []

        proxies.provider.groups = ["staff", "on call"]
        inside = proxies.browser("loki", proxy)
        assert inside.sign_in().code == 302
        assert inside.ask("/").code == 200

        proxies.provider.email = "jane@example.org"
        assert proxies.browser("loki", proxy).sign_in().code == 403


def test_the_cookie_of_one_proxy_opens_no_other(proxies: Proxies, browser: Browser) -> None:
    """Though both encrypt with the same key: what a cookie is called is part of what is signed."""
    browser.sign_in()
    with proxies.running("alertmanager") as proxy:
        other = proxies.browser("alertmanager", proxy)
        other.jar = dict(browser.jar)
        assert other.ask("/").code == 302
        other.jar = {name.replace("prometheus", "alertmanager"): value for name, value in browser.jar.items()}
        assert other.jar
        assert other.ask("/").code == 302
        assert proxies.program.seen == []

        assert other.sign_in().code == 302
        assert other.ask("/").code == 200
        assert browser.ask("/").code == 200


def test_a_cookie_that_was_changed_opens_nothing(proxies: Proxies, browser: Browser) -> None:
    """In any of its three parts: what it holds, when it was made, and the signature."""
    browser.sign_in()
    whole = browser.jar["__Host-prometheus-proxy"]
    parts = whole.split("|")
    assert len(parts) == 3
    for index, part in enumerate(parts):
        middle = len(part) // 2
        other = "1" if part[middle] != "1" else "2"
        changed = "|".join([*parts[:index], f"{part[:middle]}{other}{part[middle + 1 :]}", *parts[index + 1 :]])
        browser.jar = {"__Host-prometheus-proxy": changed}
        assert browser.ask("/").code == 302, f"part {index}"
    assert proxies.program.seen == []

    browser.jar = {"__Host-prometheus-proxy": whole}
    assert browser.ask("/").code == 200


def test_a_second_replica_knows_the_session(proxies: Proxies, browser: Browser) -> None:
    """It keeps nothing but the key."""
    browser.sign_in()
    with proxies.running("prometheus") as second:
        there = proxies.browser("prometheus", second)
        there.jar = dict(browser.jar)
        assert there.ask("/").code == 200


def test_a_login_may_begin_and_end_at_different_replicas(proxies: Proxies, browser: Browser) -> None:
    """What the second must know of the beginning is a cookie, too."""
    with proxies.running("prometheus") as second:
        there = proxies.browser("prometheus", second)
        there.jar = browser.jar
        assert browser.sign_in(back=there).code == 302
        assert browser.ask("/").code == 200


def test_the_way_back_must_have_begun_here(proxies: Proxies, browser: Browser, prometheus: Running) -> None:
    """Nobody is logged in as somebody else by a link: without the cookie of the beginning, the end is refused."""
    victim = proxies.browser("prometheus", prometheus)
    assert browser.sign_in(back=victim).code == 403
    assert victim.ask("/").code == 302
    assert proxies.program.seen == []


def test_two_pages_may_be_opened_at_once(browser: Browser) -> None:
    """As when a browser opens its tabs again: the login that was begun last does not end the one before."""
    first, second = browser.leave("/graph"), browser.leave("/alerts")
    answers = [browser.ask(way) for way in (first, second)]
    assert [(each.code, each.location) for each in answers] == [(302, "/graph"), (302, "/alerts")]


def test_pages_that_nobody_comes_back_to_fill_no_headers(browser: Browser) -> None:
    """The oldest logins that were begun are forgotten, before requests grow too large for a server."""
    for number in range(3 * PARALLEL_LOGINS):
        browser.leave(f"/page/{number}")
    assert len(browser.jar) <= PARALLEL_LOGINS + 1
    assert browser.sign_in("/graph").location == "/graph"


def test_who_has_left_is_out(proxies: Proxies, browser: Browser) -> None:
    """Once the tokens have ended that the provider gave, and it gives no others: long before the cookie's end.

    Until then its tokens are renewed, and the new ones have no nonce, as they should not.
    """
    short = Session(secret=SESSION.secret, expire=timedelta(hours=12), refresh=timedelta(seconds=1))
    proxies.provider.lifetime = timedelta(seconds=3)
    with proxies.running("jaeger", session=short) as proxy:
        stays = proxies.browser("jaeger", proxy)
        stays.sign_in()
        end = time.monotonic() + 6
        while time.monotonic() < end:
            assert stays.ask("/").code == 200
            time.sleep(0.5)

        proxies.provider.refreshes = False
        wait("the session has ended", lambda: stays.ask("/").code == 302, SOON)


def test_what_takes_too_long_is_given_up(proxies: Proxies, browser: Browser) -> None:
    """A second more than it may take, and a second less."""
    with proxies.running("slow", timeout=timedelta(seconds=2)) as proxy:
        waiting = proxies.browser("slow", proxy)
        waiting.sign_in()
        proxies.program.slow = timedelta(seconds=1)
        assert waiting.ask("/").code == 200
        proxies.program.slow = timedelta(seconds=3)
        assert waiting.ask("/").code == 502


def test_its_log_tells_who_came_from_where(browser: Browser, prometheus: Running) -> None:
    """As the controller says it, which hears it from the world."""
    browser.sign_in("/graph", X_Forwarded_For="203.0.113.9")
    lines = [line for line in prometheus.log.read_text().splitlines() if line.startswith("203.0.113.9 - ")]
    assert [line for line in lines if " - jane@example.com [" in line and "[AuthSuccess]" in line]


def test_metrics_have_a_door_of_their_own(proxies: Proxies, browser: Browser, prometheus: Running) -> None:
    """Which the controller may not enter; that of people does not tell them."""
    browser.ask("/")
    told = soon(f"http://127.0.0.1:{prometheus.metrics}/metrics")
    assert 'oauth2_proxy_requests_total{code="302"}' in told
    assert b"oauth2_proxy_requests_total" not in browser.ask("/metrics").body


def test_it_goes_on_without_its_provider_and_does_not_start_without_it(proxies: Proxies, tmp_path: Path) -> None:
    """Who has a session keeps it."""
    with ExitStack() as stack:
        other = Proxies(tmp_path, stack.enter_context(providing(tmp_path)), proxies.program)
        with other.running("grafana") as proxy:
            browser = other.browser("grafana", proxy)
            browser.sign_in()
            stack.close()
            assert asked(other.provider.issuer) is None
            assert browser.ask("/").code == 200

            command = other.command("grafana", other.somewhere())
            environment = {**os.environ, COOKIE_SECRET: COOKIE_KEY}
            ended = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
            assert ended.returncode != 0
            assert b"/.well-known/openid-configuration" in ended.stdout + ended.stderr
