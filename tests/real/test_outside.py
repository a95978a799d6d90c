"""The world outside of the test cluster, and the databases in it: what the tests of alerting rely on."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.environments import PROD
from tests.cluster.cluster import Cluster
from tests.cluster.debian import postgres_image
from tests.cluster.errors import CannotRunError, ClusterError
from tests.cluster.image import write_image
from tests.cluster.outside.world import Outside
from tests.cluster.programs import FOR_IMAGES, built, require
from tests.cluster.programs import POSTGRES as POSTGRES_PROGRAMS
from tests.real.outside import (
    MAILBOX,
    PAGERDUTY,
    POSTGRES,
    POSTGRES_PASSWORD,
    REDIS,
    REDIS_PASSWORD,
    SLACK,
    WEBHOOK,
)

# Before others read what the receivers got.
pytestmark = pytest.mark.stage(0)
SOON = timedelta(minutes=1)
NAMESPACE = "outside"
# The authority of the cluster alone is trusted, not that of the world.
INWARD = [
    {"name": "SSL_CERT_FILE", "value": "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"},
    {"name": "SSL_CERT_DIR", "value": "/nowhere"},
]
# It speaks TLS with whomever: that the certificate is right is shown by the other clients.
SHY_CLIENT = """
import smtplib, ssl, sys
address, port, user, password = sys.argv[1:]
with smtplib.SMTP(address, int(port)) as client:
    client.ehlo()
    print(sorted(client.esmtp_features), client.mail("a@example.com")[0])
    client.starttls(context=ssl._create_unverified_context())
    client.ehlo()
    print(sorted(client.esmtp_features), client.mail("a@example.com")[0])
    client.user, client.password = user, password
    print(client.auth("LOGIN", client.auth_login)[0], client.mail("a@example.com")[0], client.docmd("DATA")[0])
"""
EVENT = {
    "routing_key": PAGERDUTY.routing_key,
    "event_action": "trigger",
    "dedup_key": "disk",
    "payload": {"summary": "The disk is full.", "source": "n1", "severity": "critical"},
}
MESSAGE = "Subject: Disk\r\n\r\nThe disk is full.\r\n.\r\nReally.\r\n"


def pod(name: str, image: str, **container: Any) -> dict[str, Any]:
    """A pod of one container."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [{"name": name, "image": image, **container}]},
    }


def opened(port: int) -> dict[str, Any]:
    """A probe that looks whether a port is open."""
    return {"tcpSocket": {"port": port}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def pods(cluster: Cluster, outside: Outside) -> Iterator[dict[str, str]]:
    """Clients, of which one trusts nobody outside, and both databases: their names and addresses."""
    assert outside
    sleeping = {"image": "registry.local/probe:1", "args": ["sleep"]}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        pod("client", **sleeping),
        pod("inward", **sleeping, env=INWARD),
        pod("postgres", POSTGRES.name, args=["-c", "max_connections=20"], readinessProbe=opened(5432)),
        pod("redis", REDIS.name, readinessProbe=opened(6379)),
    ]
    names = [item["metadata"]["name"] for item in objects if item["kind"] == "Pod"]
    cluster.apply(yaml.safe_dump_all(objects))
    cluster.wait_ready(NAMESPACE, *(f"pod/{name}" for name in names))
    yield {name: cluster.get("pod", name, NAMESPACE)["status"]["podIP"] for name in names}
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def post(cluster: Cluster, url: str, body: object, client: str = "client") -> tuple[int, str]:
    """Send JSON from a pod, and give status and body of the answer."""
    status, _, answer = cluster.exec(NAMESPACE, client, "/probe", "post", url, json.dumps(body)).partition("\n")
    return int(status), answer


def send(cluster: Cluster, password: str) -> str:
    """Send a mail from a pod."""
    server = f"{MAILBOX.host}:{PROD.smtp_port}"
    mail = ("/probe", "mail", server, MAILBOX.user, password, "alerts@example.com", "people@example.com", MESSAGE)
    return cluster.exec(NAMESPACE, "client", *mail)


@contextmanager
def beside(pod: str, cluster: Cluster, *command: str) -> Iterator[None]:
    """Run a command of this machine in the network of a pod meanwhile."""
    with subprocess.Popen([*cluster.in_network_of(NAMESPACE, pod), *command]) as running:
        try:
            yield
        finally:
            running.terminate()


def test_webhook_is_reached_by_name_with_tls_verified(cluster: Cluster, outside: Outside, pods: dict[str, str]) -> None:
    """What a pod posts is there a moment later, and a pod that trusts the cluster's authority alone sends nothing."""
    url, body = f"https://{WEBHOOK.host}{WEBHOOK.path}", {"alerts": [{"status": "firing"}]}
    before = time.time()

    assert post(cluster, url, body) == (200, "ok")

    received = outside.received(WEBHOOK.host)[-1]
    assert (received.body, received.path, received.status) == (body, WEBHOOK.path, 200)
    assert before < received.at < time.time()
    many = len(outside.received(WEBHOOK.host))
    with pytest.raises(ClusterError, match="certificate signed by unknown authority"):
        post(cluster, url, body, "inward")
    assert len(outside.received(WEBHOOK.host)) == many


def test_wrong_credentials_are_refused_as_the_real_services_do(
    cluster: Cluster, outside: Outside, pods: dict[str, str]
) -> None:
    """A wrong token, key or password reaches nobody, and the right one does."""
    right = {
        WEBHOOK.host: (f"https://{WEBHOOK.host}{WEBHOOK.path}", {}),
        SLACK.host: (f"https://{SLACK.host}{SLACK.path}", {"text": "The disk is full."}),
        PAGERDUTY.host: (f"https://{PAGERDUTY.host}/v2/enqueue", EVENT),
    }
    wrong = {
        WEBHOOK.host: (f"https://{WEBHOOK.host}/alerts?token=x", {}),
        SLACK.host: (f"https://{SLACK.host}/services/T00000000/B00000000/x", {"text": "The disk is full."}),
        PAGERDUTY.host: (f"https://{PAGERDUTY.host}/v2/enqueue", EVENT | {"routing_key": "x"}),
    }
    accepted = {host: len(outside.received(host)) for host in right}

    refusals = {host: post(cluster, url, body) for host, (url, body) in wrong.items()}

    assert {host: status for host, (status, _) in refusals.items()} == {
        WEBHOOK.host: 403,
        SLACK.host: 403,
        PAGERDUTY.host: 400,
    }
    assert json.loads(refusals[PAGERDUTY.host][1])["errors"] == ["'routing_key' is missing or not known"]
    assert {host: outside.refused(host)[-1].path for host in wrong} == {
        host: url.partition(host)[2] for host, (url, _) in wrong.items()
    }
    assert {host: len(outside.received(host)) for host in right} == accepted
    answers = {host: post(cluster, url, body)[0] for host, (url, body) in right.items()}
    assert answers == {WEBHOOK.host: 200, SLACK.host: 200, PAGERDUTY.host: 202}
    assert {host: outside.received(host)[-1].body for host in right} == {
        host: body for host, (_, body) in right.items()
    }


def test_an_event_without_what_it_must_have_is_refused(cluster: Cluster, pods: dict[str, str]) -> None:
    """PagerDuty says what is missing of an event, and so does its stand-in."""
    status, answer = post(cluster, f"https://{PAGERDUTY.host}/v2/enqueue", {**EVENT, "payload": {"source": "n1"}})

    assert status == 400
    assert json.loads(answer)["errors"] == ["'payload.summary' is missing", "'payload.severity' is no severity"]


def test_mail_arrives_by_starttls_and_login_only(cluster: Cluster, outside: Outside, pods: dict[str, str]) -> None:
    """A message arrives as it was sent; a wrong password is refused, and so is a client without TLS or login."""
    assert send(cluster, MAILBOX.password) == "SENT\n"

    received = outside.received(MAILBOX.host)[-1]
    assert received.body == {
        "from": "alerts@example.com",
        "to": ["people@example.com"],
        "subject": "Disk",
        "text": "The disk is full.\n.\nReally.\n",
    }
    with pytest.raises(ClusterError, match="535"):
        send(cluster, "wrong")
    assert (outside.refused(MAILBOX.host)[-1].status, outside.received(MAILBOX.host)[-1]) == (535, received)
    shy = [sys.executable, "-c", SHY_CLIENT, str(outside.addresses[MAILBOX.host]), str(PROD.smtp_port)]
    ran = subprocess.run(
        [*cluster.in_network_of(NAMESPACE, "client"), *shy, MAILBOX.user, MAILBOX.password],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == ["['starttls'] 530", "['auth'] 530", "235 250 503"]


def test_a_host_fails_as_long_as_a_test_wants(cluster: Cluster, outside: Outside, pods: dict[str, str]) -> None:
    """A failing host answers with the error, its neighbours do not, and afterwards it is well again."""
    url = f"https://{WEBHOOK.host}{WEBHOOK.path}"

    with outside.failing(WEBHOOK.host), outside.failing(MAILBOX.host):
        assert post(cluster, url, {})[0] == 503
        with pytest.raises(ClusterError, match="421"):
            send(cluster, MAILBOX.password)
        assert post(cluster, f"https://{PAGERDUTY.host}/v2/enqueue", EVENT)[0] == 202

    assert outside.refused(WEBHOOK.host)[-1].status == 503
    assert post(cluster, url, {})[0] == 200
    assert send(cluster, MAILBOX.password) == "SENT\n"
    with pytest.raises(ClusterError, match=r"nobody serves nowhere\.example\.com outside: choose from webhook"):
        outside.received("nowhere.example.com")


def test_an_outside_host_listens_for_a_matrix(cluster: Cluster, outside: Outside, pods: dict[str, str]) -> None:
    """One call tries every port of a host that is nobody's, by TCP and UDP, and tells open ones from others."""
    ways = [f"{outside.address}:{port}/{way}" for port in cluster.spec.outside_ports for way in ("tcp", "udp")]
    closed = [f"{outside.address}:81/tcp", f"{outside.address}:81/udp"]

    lines = cluster.exec(NAMESPACE, "client", "/probe", "scan", *ways, *closed).splitlines()

    def said(target: str, result: str) -> str:
        address, _, way = target.partition("/")
        return f"{way} {address} {result}"

    assert lines == [said(way, "OPEN") for way in ways] + [said(way, "DENIED") for way in closed]


def test_commands_of_this_machine_run_in_the_network_of_a_pod(cluster: Cluster, pods: dict[str, str]) -> None:
    """A listener started in a pod's network is reached at the pod's address, and is gone when it is ended."""
    target = f"{pods['client']}:7000/udp"
    scan = [*cluster.in_network_of(NAMESPACE, "redis"), built("probe"), "scan", target, f"{pods['client']}:7000/tcp"]

    def result() -> list[str]:
        ran = subprocess.run(scan, capture_output=True, text=True, check=True)
        return [line.rsplit(maxsplit=1)[1] for line in ran.stdout.splitlines()]

    with beside("client", cluster, built("probe"), "listen", "7000"):
        cluster.wait("the listener is reached", lambda: result() == ["OPEN", "OPEN"], SOON)
    assert result() == ["DENIED", "DENIED"]


def test_postgres_asks_for_the_password(cluster: Cluster, pods: dict[str, str]) -> None:
    """The role for monitoring logs in from another pod's address, a wrong password does not, and arguments count."""
    assert "OPEN" in cluster.exec(NAMESPACE, "client", "/probe", "tcp", f"{pods['postgres']}:5432")

    def query(password: str) -> str:
        where = f"host={pods['postgres']} user={PROD.postgres_user} password={password} dbname=postgres"
        sql = "SELECT current_setting('max_connections'), pg_has_role('pg_monitor', 'member'), now() IS NOT NULL"
        return cluster.exec(NAMESPACE, "postgres", str(POSTGRES_PROGRAMS / "psql"), where, "-Atc", sql)

    assert query(POSTGRES_PASSWORD) == "20|t|t\n"
    with pytest.raises(ClusterError, match="password authentication failed"):
        query("wrong")


def test_redis_asks_for_the_password(cluster: Cluster, pods: dict[str, str]) -> None:
    """Who knows the password is answered, and who does not is not."""
    assert "OPEN" in cluster.exec(NAMESPACE, "client", "/probe", "tcp", f"{pods['redis']}:6379")

    def ping(*options: str) -> str:
        return cluster.exec(NAMESPACE, "redis", "/usr/bin/redis-cli", "-h", pods["redis"], *options, "ping")

    assert ping("-a", REDIS_PASSWORD, "--no-auth-warning") == "PONG\n"
    assert "NOAUTH" in ping()


def test_a_missing_package_of_an_image_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a program that an image holds is refused in a sentence that says what to install."""
    require(REDIS.packages)
    monkeypatch.setitem(FOR_IMAGES, "redis-server", ("no-such-program",))
    with pytest.raises(CannotRunError, match=r"are missing: run `apt-get install redis-server`$"):
        require(REDIS.packages)


def test_a_database_is_not_made_by_wrong_sql(tmp_path: Path) -> None:
    """PostgreSQL ends well after a wrong statement; the image is refused all the same."""
    with pytest.raises(ClusterError, match=r'(?s)postgres failed: .*syntax error at or near "CREAT"'):
        write_image(postgres_image("x", password="x", sql="CREAT ROLE x"), tmp_path / "x.tar")  # noqa: S106 - of nothing
