"""OpenSearch outside of the test cluster, and the sender of spans: what the tests of tracing rely on."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.outside.search import Search
from tests.cluster.outside.search_proxy import EVERYTHING
from tests.real import spans
from tests.real.images import AGENT, JAEGER, JAEGER_INDEX_CLEANER
from tests.real.outside import SEARCH

pytestmark = pytest.mark.stage(0)
NAMESPACE = "search"
PREFIX = "search-test"
PYTHON = "/usr/bin/python3"
SPANS = str(Path(spans.__file__))
URL = f"https://{SEARCH.host}:443"
SOON = timedelta(minutes=1)
# Requests on one connection to whom the image trusts: status and body of each answer, a line each.
SEND = """
import http.client, json, ssl, sys
host, authorization, requests = sys.argv[1:]
trust = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")
connection = http.client.HTTPSConnection(host, context=trust, timeout=30)
headers = {"Authorization": authorization, "Content-Type": "application/json"}
for method, path, body, times in json.loads(requests):
    connection.request(method, path, body.encode() * times, headers)
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
"""
HEALTH = ("GET", "/_cluster/health", "", 1)
LINE = json.dumps({"filler": "x" * 940})  # with the action before it, 1 kB
DOCUMENT = f'{{"index": {{"_index": "{PREFIX}-bulk"}}}}\n{LINE}\n'
# Whatever the constructs render, this is the shortest way from a span to the store.
CONFIG = {
    "service": {
        "extensions": ["jaeger_storage", "healthcheckv2"],
        "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
    },
    "extensions": {
        "healthcheckv2": {"use_v2": True, "http": {"endpoint": "0.0.0.0:13133"}},
        "jaeger_storage": {
            "backends": {
                "main": {
                    "opensearch": {
                        "server_urls": [f"https://{SEARCH.host}"],
                        "auth": {"basic": {"username": SEARCH.user, "password": SEARCH.password}},
                        "indices": {"index_prefix": PREFIX},
                    }
                }
            }
        },
    },
    "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"endpoint": "0.0.0.0:4318"}}}},
    "exporters": {"jaeger_storage_exporter": {"trace_storage": "main"}},
}
HOWS = ("", "?flat_settings=true")  # in which the settings of an index are asked for
KEEP = {"ES_USERNAME": SEARCH.user, "ES_PASSWORD": SEARCH.password, "INDEX_PREFIX": PREFIX}
Answer = tuple[int, str]


def pod(name: str, image: str, **container: Any) -> dict[str, Any]:
    """A pod of one container, which is not started again."""
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**spec, "containers": [{"name": name, "image": image, **container}]},
    }


def variables(values: dict[str, str]) -> list[dict[str, str]]:
    """Variables of a container."""
    return [{"name": name, "value": value} for name, value in values.items()]


@pytest.fixture(scope="module")
def pods(cluster: Cluster, search: Search) -> Iterator[dict[str, str]]:
    """A client that holds Python, and a collector of Jaeger: their names and addresses."""
    ready = {"httpGet": {"path": "/status", "port": 13133}, "periodSeconds": 1}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        pod("client", AGENT.name, command=[PYTHON, "-c", "import signal; signal.pause()"]),
        pod(
            "jaeger",
            JAEGER.name,
            args=["--config=env:CONFIG"],
            env=variables({"CONFIG": json.dumps(CONFIG)}),
            readinessProbe=ready,
        ),
    ]
    cluster.apply(yaml.safe_dump_all(objects))
    names = ("client", "jaeger")
    cluster.wait_ready(NAMESPACE, *(f"pod/{name}" for name in names))
    yield {name: cluster.get("pod", name, NAMESPACE)["status"]["podIP"] for name in names}
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    for index in search.indices(f"{PREFIX}*"):
        search.ask("DELETE", f"/{index}")


def send(
    cluster: Cluster, *requests: tuple[str, str, str, int], authorization: str = SEARCH.authorization
) -> list[Answer]:
    """Let the client send requests on one connection; each has a method, a path, and a body that is repeated."""
    command = (PYTHON, "-c", SEND, SEARCH.host, authorization, json.dumps(requests))
    return [
        (status, body) for status, body in map(json.loads, cluster.exec(NAMESPACE, "client", *command).splitlines())
    ]


def statuses(answers: Sequence[Answer]) -> list[int]:
    """Those of answers."""
    return [status for status, _ in answers]


def test_the_user_is_asked_for_a_password_over_verified_tls(cluster: Cluster, pods: dict[str, str]) -> None:
    """By the name that DNS knows, with the certificate verified, and with the right password only."""
    ((status, body),) = send(cluster, HEALTH)

    assert (status, json.loads(body)["status"]) in {(200, "green"), (200, "yellow")}
    assert statuses(send(cluster, HEALTH, authorization="Basic d3Jvbmc6d3Jvbmc=")) == [401]
    assert statuses(send(cluster, HEALTH, authorization="")) == [401]


def test_a_connection_serves_requests_of_any_size(cluster: Cluster, search: Search, pods: dict[str, str]) -> None:
    """20 MB in one request, more on the same connection, and each document is stored."""
    documents = 20_000

    answers = send(cluster, ("POST", "/_bulk", DOCUMENT, documents), ("HEAD", "/", "", 1), HEALTH)

    assert statuses(answers) == [200, 200, 200]
    assert answers[1][1] == ""
    assert not json.loads(answers[0][1])["errors"]
    assert len(search.documents(f"{PREFIX}-bulk")) == documents


def test_it_fails_as_long_as_a_test_wants(cluster: Cluster, search: Search, pods: dict[str, str]) -> None:
    """Either requests that write fail, or all, on a connection that stays; afterwards all is well."""
    requests = (HEALTH, ("POST", "/_bulk", DOCUMENT, 1), ("POST", f"/{PREFIX}-bulk/_bulk", DOCUMENT, 1))

    assert statuses(send(cluster, *requests)) == [200, 200, 200]
    with search.failing(503):
        assert statuses(send(cluster, *requests)) == [200, 503, 503]
        assert search.get("/_cluster/health")["number_of_nodes"] == 1
    with search.failing(429, EVERYTHING):
        assert statuses(send(cluster, *requests)) == [429, 429, 429]
    assert statuses(send(cluster, *requests)) == [200, 200, 200]
    refused = pytest.raises(ClusterError, match=r"requests of /_search cannot fail by themselves: choose /_bulk or /$")
    with refused, search.failing(503, "/_search"):
        pass


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_what_a_collector_acknowledges_is_stored(
    cluster: Cluster, search: Search, pods: dict[str, str], way: str
) -> None:
    """The sender of spans says which traces were taken, and these are in the store, once."""
    port = {"grpc": 4317, "http": 4318}[way]
    command = [sys.executable, SPANS, way, f"{pods['jaeger']}:{port}", way]
    options = ["--requests", "20", "--traces", "5", "--rate", "100", "--service", f"by-{way}", "--kind", "client"]

    ran = subprocess.run(
        [*cluster.in_network_of(NAMESPACE, "client"), *command, *options], capture_output=True, text=True, check=True
    )

    sent = spans.read(ran.stdout)
    assert [request.answer for request in sent] == ["OK"] * 20
    assert spans.acknowledged(sent) == [spans.trace_id(way, number) for number in range(100)]

    def stored() -> list[str]:
        found = search.documents(f"{PREFIX}-jaeger-span-*")
        return [span["traceID"] for span in found if span["process"]["serviceName"] == f"by-{way}"]

    cluster.wait("the spans are stored", lambda: len(stored()) >= 100, SOON)
    assert sorted(stored()) == sorted(spans.acknowledged(sent))


def test_the_sender_tells_what_was_not_acknowledged(cluster: Cluster, pods: dict[str, str]) -> None:
    """Where nobody listens, no trace is taken, and the sender says why."""
    command = [*cluster.in_network_of(NAMESPACE, "client"), sys.executable, SPANS]

    for way, why in (("grpc", "UNAVAILABLE"), ("http", "ConnectionRefusedError")):
        options = [way, f"{pods['jaeger']}:9", "refused", "--requests", "2"]
        sent = spans.read(subprocess.run([*command, *options], capture_output=True, text=True, check=True).stdout)
        assert [request.acknowledged for request in sent] == [False, False]
        assert all(why in request.answer for request in sent)
        assert spans.acknowledged(sent) == []


def test_an_index_looks_as_old_as_a_test_wants(cluster: Cluster, search: Search, pods: dict[str, str]) -> None:
    """The cleaner of indices deletes what looks too old to it, and nothing else."""
    kept, old = (f"{PREFIX}-jaeger-span-2020-01-{day}" for day in ("01", "02"))
    for name in (kept, old):
        search.put_index(name)

    def created() -> dict[str, int]:
        path = f"/{PREFIX}-jaeger-span-2020-*"
        nested, flat = (json.loads(body) for _, body in send(cluster, *(("GET", path + how, "", 1) for how in HOWS)))
        found = {name: int(index["settings"]["index"]["creation_date"]) for name, index in nested.items()}
        assert {name: int(index["settings"]["index.creation_date"]) for name, index in flat.items()} == found
        return found

    def clean(name: str) -> None:
        cluster.apply(yaml.safe_dump(pod(name, JAEGER_INDEX_CLEANER.name, args=["7", URL], env=variables(KEEP))))
        cluster.wait(f"{name} has ended", lambda: phase(name) in {"Succeeded", "Failed"}, SOON)
        assert phase(name) == "Succeeded", cluster.kubectl("logs", "--namespace", NAMESPACE, name)

    def phase(name: str) -> str:
        return str(cluster.get("pod", name, NAMESPACE)["status"]["phase"])

    really = created()
    assert abs(really[old] / 1000 - datetime.now(UTC).timestamp()) < SOON.total_seconds()
    clean("before")
    assert {kept, old} <= set(search.indices(f"{PREFIX}*"))
    with search.aged(old, timedelta(days=8)):
        assert created() == {kept: really[kept], old: really[old] - 8 * 86_400_000}
        clean("after")
    assert kept in search.indices(f"{PREFIX}*")
    assert old not in search.indices(f"{PREFIX}*")
