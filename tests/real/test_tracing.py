"""Spans on the cluster: what an application sends is found, counted, and kept, whatever is killed or away meanwhile."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.config.span_store import ACTIONS, FLUSHED, WORKERS
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.cluster.outside.search import Search
from tests.real import spans
from tests.real.prometheus import PrometheusPod
from tests.real.tracing import query, sending, sent

pytestmark = [pytest.mark.stage(6.7), pytest.mark.usefixtures("servers")]
SOON, FOUND_WITHIN = timedelta(minutes=2), timedelta(seconds=10)
AWAY = timedelta(seconds=20)
RATE = 800  # spans a second
# Of one collector: until its writer begins, and until the store has it.
IN_HAND = RATE * (FLUSHED + timedelta(milliseconds=100)) // timedelta(seconds=1)
# Each connection leads to one of two collectors, by chance: that none of so many leads to the other one never happens.
REACHED_WITHIN = timedelta(minutes=8)
OURS = f"{PROD.traces_prefix}-jaeger-span-*"


def stored(search: Search, traces: list[str]) -> set[str]:
    """Which of these traces are kept."""
    return {str(document["traceID"]) for document in search.documents(OURS)} & set(traces)


@pytest.fixture(scope="module")
def steady(cluster: Cluster) -> Iterator[str]:
    """The service of an application that keeps one client of gRPC for all that it sends."""
    with sending(cluster, "grpc", "steady", "--service", "steady", "--rate", "5"):
        yield "steady"


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_a_trace_is_found_by_its_id_and_its_service(cluster: Cluster, way: str) -> None:
    """Within seconds of being sent, by gRPC and HTTP."""
    service = f"shop-{way}"
    traces = sent(cluster, way, service, "--requests", "2", "--traces", "3", "--service", service)
    assert len(traces) == 6

    for trace in traces:
        body = cluster.wait(
            f"the trace {trace} is found",
            lambda trace=trace: query(cluster, f"/api/traces/{trace}"),  # type: ignore[misc]
            FOUND_WITHIN,
        )
        (found,) = json.loads(body)["data"]
        (span,) = found["spans"]
        assert (span["traceID"], span["operationName"]) == (trace, "GET /")
    found_by_service = json.loads(query(cluster, f"/api/traces?service={service}&limit=20"))["data"]
    assert {each["traceID"] for each in found_by_service} == set(traces)
    assert service in json.loads(query(cluster, "/api/services"))["data"]


def test_requests_and_errors_are_counted_for_alerts(cluster: Cluster, servers: list[PrometheusPod]) -> None:
    """Of a service over both collectors, as every server of Prometheus knows them."""
    options = ("--traces", "10", "--service", "counted")
    assert len(sent(cluster, "http", "counted", "--requests", "3", *options)) == 30
    assert len(sent(cluster, "grpc", "failed", "--requests", "2", "--error", *options)) == 20

    def count(server: PrometheusPod, code: str) -> float:
        calls = metric("traces_span_metrics_calls_total", service_name="counted", status_code=f"STATUS_CODE_{code}")
        result = server.query(f"sum({calls})")
        return float(result[0]["value"][1]) if result else 0

    for server in servers:
        cluster.wait(
            f"{server.name} knows of all of them",
            lambda server=server: (count(server, "UNSET"), count(server, "ERROR")) == (30, 20),  # type: ignore[misc]
            SOON,
        )


@pytest.mark.trap(68)
def test_what_was_acknowledged_is_kept_when_collectors_end(
    cluster: Cluster, search: Search, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is replaced loses nothing; one that is killed no more than what came in the last moments.

    A writer of batches of a second would lose more than three times as much as is allowed here.
    """
    for way, ending in (("http", "replaced"), ("grpc", "killed")):
        options = ("--requests", "400", "--traces", "20", "--rate", str(RATE // 20), "--patience", "3")
        with sending(cluster, way, ending, *options) as sender:
            cluster.wait("it sends", sender.begun, SOON)
            time.sleep(3)  # of some ten
            pods = cluster.find("pods", "monitoring", "app.kubernetes.io/name=jaeger-collector")
            for pod in pods:
                name = pod["metadata"]["name"]
                if ending == "replaced":
                    cluster.kubectl("-n", "monitoring", "delete", "pod", name, "--wait=false")
                    cluster.wait_ready("monitoring", "deployment/jaeger-collector")
                else:
                    cluster.kill_process("monitoring", name)
            acknowledged = sender.acknowledged()
        cluster.wait_ready("monitoring", "deployment/jaeger-collector")
        lost = len(acknowledged) - len(stored(search, acknowledged))
        with capsys.disabled():
            print(f" {ending}: {len(acknowledged)} spans acknowledged, {lost} lost", end="")  # noqa: T201 - a figure
        assert len(acknowledged) > 2000
        assert lost <= (0 if ending == "replaced" else len(pods) * IN_HAND)


@pytest.mark.usefixtures("steady")  # no collector ends any more, so its connection alone does, again and again
def test_while_the_store_is_away_applications_wait_and_nothing_is_lost(cluster: Cluster, search: Search) -> None:
    """It answers 503: no more is acknowledged than the writers take in hand, and all of that is kept."""
    with sending(cluster, "grpc", "away", "--requests", "60", "--traces", "20", "--patience", "60") as sender:
        cluster.wait("it sends", sender.begun, SOON)
        with search.failing(503):
            begun = time.time()
            time.sleep(AWAY.total_seconds())
            ended = time.time()
        requests = sender.sent()

    acknowledged = spans.acknowledged(requests)
    meanwhile = [each for each in requests if begun < each.at and each.at + each.seconds < ended and each.acknowledged]
    assert sum(len(each.traces) for each in meanwhile) <= ACTIONS * WORKERS
    assert max(each.seconds for each in requests) > AWAY.total_seconds() / 2
    assert len(acknowledged) == 60 * 20
    cluster.wait("all of it is stored", lambda: stored(search, acknowledged) == set(acknowledged), SOON)


def test_what_is_kept_is_found_however_old_it_is(cluster: Cluster, search: Search) -> None:
    """On the last day of the retention, too."""
    ago = PROD.traces_retention - timedelta(hours=1)
    (trace,) = sent(cluster, "http", "old", "--requests", "1", "--ago", str(ago.total_seconds()))
    cluster.wait("it is stored", lambda: stored(search, [trace]), SOON)
    assert trace in query(cluster, f"/api/traces/{trace}")


@pytest.mark.trap(67)
def test_the_cleaner_deletes_what_is_too_old_of_ours_alone(cluster: Cluster, search: Search) -> None:
    """By the job as it is rendered: by our prefix alone, and by the day on which an index was made."""
    prefix, days = PROD.traces_prefix, PROD.traces_retention.days
    ages = {
        f"{prefix}-jaeger-span-2026-01-01": days + 1,
        f"{prefix}-jaeger-service-2026-01-01": days + 1,
        f"{prefix}-jaeger-span-2026-01-02": days,
        f"other-{prefix}-jaeger-span-2026-01-01": days + 1,
        f"{prefix}-2-jaeger-span-2026-01-01": days + 1,
        "jaeger-span-2026-01-01": days + 1,
    }
    for name in ages:
        search.put_index(name)
    before = set(search.indices())

    with ExitStack() as older:
        for name, age in ages.items():
            older.enter_context(search.aged(name, timedelta(days=age)))
        cluster.kubectl("-n", "monitoring", "create", "job", "clean", "--from=cronjob/jaeger-index-cleaner")
        cluster.kubectl("-n", "monitoring", "wait", "job/clean", "--for=condition=complete", "--timeout=90s")

    gone = {f"{prefix}-jaeger-span-2026-01-01", f"{prefix}-jaeger-service-2026-01-01"}
    assert before - set(search.indices()) == gone


@pytest.mark.trap(68)
def test_one_client_reaches_both_collectors_in_time(
    cluster: Cluster, servers: list[PrometheusPod], steady: str
) -> None:
    """Nothing ends but its connection, every half a minute: it connects anew, and both have counted its spans."""
    calls = metric("traces_span_metrics_calls_total", service_name=steady)

    def reached() -> bool:
        pods = cluster.find("pods", "monitoring", "app.kubernetes.io/name=jaeger-collector")
        counted = {each["metric"]["pod"] for each in servers[0].query(f"last_over_time({calls}[15m])")}
        assert counted == {each["metadata"]["name"] for each in pods}, counted
        return True

    cluster.wait("both collectors have had spans of one client", reached, REACHED_WITHIN)
