"""The one way in, as people come: from outside, by the load balancer and the controller, past a login or by their own.

What answers behind it are the real programs of dist/prod; what stands for Grafana's server answers as that does.
"""

import json
from datetime import timedelta

import pytest

from apps.environments import PROD
from tests.cluster.kubernetes import Kubernetes
from tests.real.outside import ALERTMANAGER, BALANCER, BEHIND_LOGIN, GRAFANA, JAEGER, PROMETHEUS
from tests.real.sign_in import Browser
from tests.real.way_in import People

pytestmark = pytest.mark.usefixtures("servers")
SOON = timedelta(minutes=1)
(DOMAIN,) = PROD.sign_in_domains
EMAIL, STRANGER = f"jane@{DOMAIN}", f"jane@not{DOMAIN}"
# Host -> its component, what that says of itself, and the part of it that does not change meanwhile.
SAYS = {
    PROMETHEUS: ("prometheus", 9090, "/api/v1/status/buildinfo", "data"),
    ALERTMANAGER: ("alertmanager", 9093, "/api/v2/status", "versionInfo"),
    JAEGER: ("jaeger-query", 16686, "/api/services", "data"),
}
# Host -> pages of its program, and what only that program says on them.
PAGES = {
    PROMETHEUS: {"/-/healthy": b"Prometheus Server is Healthy", "/metrics": b"prometheus_build_info"},
    ALERTMANAGER: {"/metrics": b"alertmanager_build_info"},
    JAEGER: {},
}
HOSTS = pytest.mark.parametrize("host", BALANCER.hosts)
CLOSED = pytest.mark.parametrize("host", BEHIND_LOGIN)
LIMIT = PROD.ingress_body.count if PROD.ingress_body else 0


@HOSTS
def test_a_host_shows_a_certificate_of_its_own(people: People, host: str) -> None:
    """Which an authority signed that everybody trusts; of no other host it tells."""
    assert people.certificate(host)["subjectAltName"] == (("DNS", host),)


@HOSTS
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http_leads_to_https_and_to_nothing_else(people: People, host: str, method: str) -> None:
    """Whatever is asked, with what it was asked for."""
    answer = people.without_tls(host).ask("/api/health?a=b", method)
    assert answer.code in {301, 308}
    assert answer.location == f"https://{host}/api/health?a=b"


def test_grafana_answers_by_itself(people: People) -> None:
    """Its login is its own: nobody is led to another one."""
    answer = people.browser(GRAFANA, EMAIL).ask("/api/health")
    assert (answer.code, json.loads(answer.body)["database"]) == (200, "ok")


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/./metrics"])
def test_nobody_from_outside_reads_grafanas_metrics(people: People, path: str) -> None:
    """However they are asked for: they are on the port that people open."""
    answer = people.browser(GRAFANA, EMAIL).ask(path)
    assert answer.code in {401, 404}
    assert b"grafana_build_info" not in answer.body


@CLOSED
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_nothing_of_them_is_told_without_a_login(people: People, host: str, method: str) -> None:
    """People are led to who logs them in, programs are told 401, and neither hears anything of what is behind."""
    browser = people.browser(host, EMAIL)
    for page in ("/", "/graph", "/-/reload", "/static/js/main.js", *PAGES[host]):
        answer = browser.ask(page, method)
        assert answer.code == 302, page
        assert answer.location.startswith(f"{browser.issuer}/authorize?"), page
        assert not [said for said in PAGES[host].values() if said in answer.body], page
    _, _, api, part = SAYS[host]
    for path in (api, "/api/v1/admin/tsdb/delete_series?match[]=up", "/api/v2/silences"):
        answer = browser.ask(path, method)
        assert answer.code == 401, path
        assert f'"{part}"'.encode() not in answer.body, path


@CLOSED
def test_after_a_login_the_program_itself_answers(cluster: Kubernetes, people: People, host: str) -> None:
    """Who comes back from the login is led to what they asked for; it says what it says to who asks it in its pod."""
    name, port, path, part = SAYS[host]
    browser = people.browser(host, EMAIL)
    back = browser.sign_in("/?a=b")
    assert (back.code, back.location) == (302, "/?a=b")

    pod = cluster.find("pods", "monitoring", f"app.kubernetes.io/instance={name}")[0]["metadata"]["name"]
    (status, itself), answer = cluster.http_get("monitoring", pod, port, path), browser.ask(path)
    assert (answer.code, status) == (200, 200)
    assert json.loads(answer.body)[part] == json.loads(itself)[part]
    for page, said in PAGES[host].items():
        assert said in browser.ask(page).body


def test_a_query_is_answered_after_a_login(people: People) -> None:
    """By the form that pages send."""
    browser = people.browser(PROMETHEUS, EMAIL)
    browser.sign_in()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    answer = browser.ask("/api/v1/query", "POST", body=b"query=vector(42)", **form)
    (found,) = json.loads(answer.body)["data"]["result"]
    assert found["value"][1] == "42"


@CLOSED
def test_a_stranger_is_refused(people: People, host: str) -> None:
    """Whom the provider knows, too, by an address of another domain."""
    browser = people.browser(host, STRANGER)
    assert browser.sign_in().code == 403
    assert browser.ask("/").code == 302
    assert browser.ask(SAYS[host][2]).code == 401


@CLOSED
def test_a_login_at_one_host_is_none_at_another(people: People, host: str) -> None:
    """Not even for who gives the cookie another name."""
    browser = people.browser(host, EMAIL)
    browser.sign_in()
    assert browser.ask(SAYS[host][2]).code == 200
    for other in BEHIND_LOGIN:
        if other == host:
            continue
        there = people.browser(other, EMAIL)
        renamed = {key.replace(SAYS[host][0], SAYS[other][0]): value for key, value in browser.jar.items()}
        there.jar = {**browser.jar, **renamed}
        assert len(there.jar) == 2 * len(browser.jar)
        assert (there.ask("/").code, there.ask(SAYS[other][2]).code) == (302, 401)


@HOSTS
def test_a_body_that_is_too_large_is_refused_at_once(people: People, host: str) -> None:
    """By the controller, as soon as it hears how large: the component, or its proxy, would have answered otherwise."""
    answer = people.browser(host, EMAIL).ask("/api/anything", "POST", Content_Length=str(LIMIT + 1))
    assert answer.code == 413


@CLOSED
def test_a_body_as_large_as_it_may_be_comes_in(people: People, host: str) -> None:
    """As far as to the login."""
    assert people.browser(host, EMAIL).ask("/api/anything", "POST", body=b"x" * LIMIT).code == 401


@pytest.mark.stage(7)
def test_a_session_outlives_both_replicas(cluster: Kubernetes, people: People) -> None:
    """One after the other, they are replaced: who has logged in stays so, whichever is asked."""
    browser = people.browser(ALERTMANAGER, EMAIL)
    browser.sign_in()
    replicas = replaced(cluster, "alertmanager-proxy")

    def answered(browser: Browser = browser) -> bool:
        codes = {browser.ask("/api/v2/status").code for _ in range(4)}
        assert codes == {200}
        return True

    cluster.wait("both new replicas know the session", answered, SOON)
    assert len(replicas) == PROD.sign_in_replicas


def replaced(cluster: Kubernetes, name: str) -> list[str]:
    """Delete the pods of a Deployment, each when all are ready; gives the names of those that are gone."""
    selector = f"app.kubernetes.io/instance={name}"
    gone = [pod["metadata"]["name"] for pod in cluster.find("pods", "monitoring", selector)]
    for pod in gone:
        cluster.kubectl("delete", "pod", pod, "--namespace", "monitoring")
        cluster.wait_ready("monitoring", f"deployment/{name}")
    return gone
