"""Logs on the cluster: a line is found within seconds, once, whatever is killed, rotated or away meanwhile."""

import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.config.loki_ruler import EVERY
from constructs_lib.config.routes import Timing
from constructs_lib.kube.log_collector import METRICS
from constructs_lib.kube.loki import WEB
from constructs_lib.rules.uncaught_errors import uncaught_errors
from tests.cluster.cluster import Cluster
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.aws import Bucket
from tests.cluster.outside.record import Received
from tests.cluster.outside.world import Outside
from tests.real.logs import NANOSECONDS, WRITERS, LokiPod, numbers, writer
from tests.real.notifications import TURN, turn_is_over
from tests.real.outside import SLACK
from tests.real.teams import documents

# While incidents of others end, which takes minutes.
pytestmark = pytest.mark.stage(6.5)
APPLICATIONS = PROD.application_namespace
FOUND_WITHIN = timedelta(seconds=30)
SOON = timedelta(minutes=2)
PODS, LINES = 10, 10_000
ROTATED, OF_BYTES = 36_000, 400  # more than 10 MiB, at which the kubelet rotates a file
AWAY = timedelta(seconds=60)
CHUNKS = "fake/"  # of the tenant that nobody names
DISCOVERED = "/api/v0/web/components/discovery.kubernetes.pods"
EXPECTED_LABELS = {"namespace", "pod", "container", "node", "app", "stream", "service_name"}


def collector_on(cluster: Kubernetes, node: str) -> str:
    """The name of the collector's pod of a node."""
    pods = cluster.find("pods", "monitoring-host", "app.kubernetes.io/name=log-collector")
    (name,) = (
        pod["metadata"]["name"]
        for pod in pods
        if pod["spec"]["nodeName"] == node and "deletionTimestamp" not in pod["metadata"]
    )
    return str(name)


def failures(store: list[LokiPod]) -> float:
    """How often members that were not killed have failed to store a chunk."""
    name, count = "loki_ingester_chunks_flush_failures_total", 0.0
    for loki in (store[0], store[2]):
        _, told = loki.cluster.http_get("monitoring", loki.name, WEB.number, "/metrics")
        count += sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith(name))
    return count


def found(loki: LokiPod, pod: str, count: int, since: float) -> None:
    """Wait until there are so many lines of a pod, and see that each is there once."""
    loki.wait_for(f'{{namespace="{WRITERS}",pod="{pod}"}}', count, SOON)
    assert sorted(numbers(loki.lines(pod, since))) == list(range(count))


@pytest.fixture(scope="module")
def uncaught(cluster: Cluster, store: list[LokiPod]) -> Iterator[float]:
    """When an application began to write errors that it has not caught, in seconds since 1970."""
    assert store
    (alert,) = uncaught_errors(namespace=APPLICATIONS).alerts
    pod = writer("careless", alert.above + 1, 5, 60, app="careless", text="panic:", namespace=APPLICATIONS)
    begun = time.time()
    cluster.apply(documents(pod))
    yield begun
    cluster.kubectl("-n", APPLICATIONS, "delete", "pod", "careless")


def test_an_application_writes_errors(uncaught: float) -> None:
    """Who hears of them is seen below: it ripens while other tests run."""
    assert uncaught


@pytest.mark.trap(60)
@pytest.mark.trap(62)
def test_a_line_is_found_by_its_labels_within_seconds_and_once(
    cluster: Cluster, store: list[LokiPod], writers: float
) -> None:
    """By every member; it is what the pod wrote, its labels say where it comes from, and nothing that is unbounded."""
    cluster.apply(documents(writer("one", 1, 1, 40, app="single")))
    cluster.wait("the line is found", lambda: store[0].count('{app="single"}', 5), SOON)
    when = time.time()

    node = cluster.get("pod", "one", WRITERS)["spec"]["nodeName"]
    for loki in store:
        (line,) = loki.lines("one", writers)
        assert line.text == "one 0 " + "." * 33
        assert 0 < when - line.at / NANOSECONDS < FOUND_WITHIN.total_seconds()
        (labels,) = loki.streams('{app="single"}', writers)
        assert labels.keys() == EXPECTED_LABELS
        own = {"namespace": WRITERS, "pod": "one", "container": "writer", "node": node, "app": "single"}
        assert labels.items() >= {**own, "stream": "stdout"}.items()


@pytest.mark.trap(59)
def test_nothing_is_lost_or_doubled_when_the_collector_restarts(
    cluster: Cluster, store: list[LokiPod], writers: float
) -> None:
    """In order while lines are written, and killed after it has sent them: another one goes on where it was."""
    node, lines = "n2", 1500
    cluster.apply(documents(writer("restarted", lines, 50, 100, app="restarted", node=node)))
    cluster.wait_ready(WRITERS, "pod/restarted")
    before = collector_on(cluster, node)

    cluster.kubectl("-n", "monitoring-host", "delete", "pod", before)
    found(store[0], "restarted", lines, writers)
    after = collector_on(cluster, node)
    cluster.wait_ready("monitoring-host", f"pod/{after}")
    cluster.kill_process("monitoring-host", after)
    cluster.apply(documents(writer("later", 1, 1, 100, app="restarted", node=node)))

    assert before != after
    found(store[1], "later", 1, writers)
    found(store[1], "restarted", lines, writers)


def test_nothing_is_lost_or_doubled_when_a_file_is_rotated(
    cluster: Cluster, store: list[LokiPod], writers: float
) -> None:
    """The kubelet begins another file in the middle of it."""
    cluster.apply(documents(writer("rotated", ROTATED, 1500, OF_BYTES, app="rotated")))
    cluster.wait_ready(WRITERS, "pod/rotated")

    found(store[2], "rotated", ROTATED, writers)

    pod = cluster.get("pod", "rotated", WRITERS)
    directory = f"{WRITERS}_rotated_{pod['metadata']['uid']}/writer/"
    listed = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{pod['spec']['nodeName']}/proxy/logs/pods/{directory}")
    assert "0.log.20" in listed, "the file was not rotated"


@pytest.mark.trap(58)
def test_a_collector_reads_its_own_node_alone(cluster: Cluster, writers: float) -> None:
    """It is told of its pods alone, and what it has read belongs to them."""
    assert writers
    nodes = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in cluster.find("pods")}
    for node in sorted(set(nodes.values())):
        collector = collector_on(cluster, node)
        _, told = cluster.http_get("monitoring-host", collector, METRICS.number, DISCOVERED)
        assert set(re.findall(r'"__meta_kubernetes_pod_node_name".{0,80}?"value":"([^"]+)"', told)) == {node}
        _, told = cluster.http_get("monitoring-host", collector, METRICS.number, "/metrics")
        paths = [line for line in told.splitlines() if line.startswith("loki_source_file_read_lines_total")]
        read = {uid for uid in nodes for path in paths if uid in path}
        assert read
        assert {nodes[uid] for uid in read} == {node}


def test_its_team_hears_of_errors_that_an_application_has_not_caught(
    cluster: Cluster, outside: Outside, uncaught: float
) -> None:
    """Once, though three members know the rule: of the application and its namespace, as of any alert."""

    def heard() -> list[Received]:
        return [each for each in outside.received(SLACK.host) if "ErrorsUncaught" in json.dumps(each.body)]

    first = cluster.wait("its team hears of it", heard, SOON)[0]

    assert first.at - uncaught < (FOUND_WITHIN + EVERY + Timing().group_wait + TURN).total_seconds()
    text = json.dumps(first.body)
    for said in ("careless", APPLICATIONS, PROD.cluster, "/ErrorsUncaught.md"):
        assert said in text, text
    turn_is_over(cluster, first.at)
    assert len(heard()) == 1


@pytest.mark.trap(50)
def test_all_lines_arrive_once_though_a_member_is_killed_and_s3_fails(
    cluster: Cluster, outside: Outside, bucket: Bucket, store: list[LokiPod], writers: float
) -> None:
    """100,000 lines of ten pods, while one of three is killed and S3 answers 503 for a minute to all who must store."""
    stored, failed = len(bucket.keys(CHUNKS)), failures(store)
    pods = [f"load-{number}" for number in range(PODS)]
    cluster.apply(documents(*(writer(name, LINES, 120, 100, app="load") for name in pods)))
    cluster.wait_ready(WRITERS, *(f"pod/{name}" for name in pods))

    with outside.aws.failing(503):
        until = time.monotonic() + AWAY.total_seconds()
        cluster.kill_process("monitoring", "loki-1")
        for loki in (store[0], store[2]):
            loki.flush()
        cluster.wait(
            "S3 was asked, and the minute is over",
            lambda: failures(store) > failed and time.monotonic() > until,
            2 * AWAY,
        )

    store[0].wait_for('{app="load"}', PODS * LINES, SOON)
    cluster.wait_ready("monitoring", "statefulset/loki")
    for loki in store:
        loki.flush()
    cluster.wait("a chunk of each pod is stored", lambda: len(bucket.keys(CHUNKS)) >= stored + PODS, SOON)
    for name in pods:
        assert sorted(numbers(store[2].lines(name, writers))) == list(range(LINES)), name
