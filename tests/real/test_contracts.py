"""What is said of programs' metrics, compared with the programs as they run on the cluster.

The contracts of applications and models have no program here: they say what others are asked to export. The versions of
the programs are compared in tests/metrics/test_versions.py, since programs built from modules do not know theirs.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.model import Metric, Program
from constructs_lib.metrics.models import MODELS
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.real.prometheus import PrometheusPod
from tests.real.tracing import query, sent
from tests.rules.test_contracts import PROGRAMS

HAPPENINGS = Path(__file__).with_name("happenings.yaml")
RUNNING = [program for program in PROGRAMS if program.name not in {APPLICATION.name, MODELS.name}]
# What a healthy cluster has no series of, and why.
ABSENT = {
    "kube_job_failed": "no Job failed",
    "kube_state_metrics_list_total": "the API server streams what there is, so that nobody lists it",
    "loki_discarded_samples_total": "Loki has refused nothing",
    "jaeger_storage_bulk_index_latency_err_seconds": "no write to the store of spans has failed",
    "backup_last_success_timestamp_seconds": "no block is finished yet: test_restore makes a restore point",
    "backup_last_attempt_succeeded": "likewise",
    "backup_restore_point_bytes": "likewise",
    "collector_refused": "no team has released anything yet, which test_teams sees to",
}
# Labels that contracts leave out, as their files say.
LEFT_OUT = {
    "container_cpu_usage_seconds_total": {"name"},
    "container_memory_working_set_bytes": {"name"},
    "node_filesystem_readonly": {"device_error"},
}
# Labels that a healthy cluster has no series with.
SELDOM = {"traces_span_metrics_calls_total": {"otel_metric_overflow"}}
SOON = timedelta(minutes=2)


def series(server: PrometheusPod, name: str, job: str, since: float) -> list[Mapping[str, str]]:
    """The labels of all that there is of a name or was there since then."""
    selector = metric(name) if job == SCRAPE.job else metric(name, job=job)
    found: list[Mapping[str, str]] = server.api("series", **{"match[]": selector, "start": f"{since:.3f}"})
    return found


@pytest.fixture(scope="module")
def since(cluster: Cluster, servers: list[PrometheusPod]) -> float:
    """When it was made sure that the things happened, in seconds since 1970; none lasts long enough for an alert."""
    begun = time.time()
    cluster.apply(HAPPENINGS)
    cluster.kubectl("-n", "monitoring", "create", "job", "happening", "--from=cronjob/jaeger-index-cleaner")
    try:
        for name in (each.name for each in KUBE_STATE_METRICS.metrics if each.name not in ABSENT):
            cluster.wait(
                f"there is a series of {name}",
                lambda name=name: series(servers[0], name, KUBE_STATE_METRICS.job, begun),  # type: ignore[misc]
                SOON,
            )
        traces = [
            trace for way in ("grpc", "http") for trace in sent(cluster, way, f"contract-{way}", "--requests", "1")
        ]
        cluster.wait("the traces are found", lambda: [query(cluster, f"/api/traces/{each}") for each in traces], SOON)
        for program in (JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS):
            for name in (name for each in program.metrics if each.name not in ABSENT for name in each.series()):
                cluster.wait(
                    f"there is a series of {name}",
                    lambda name=name, job=program.job: series(servers[0], name, job, begun),  # type: ignore[misc]
                    SOON,
                )
    finally:
        cluster.kubectl("delete", "--wait=false", "-f", str(HAPPENINGS))
        cluster.kubectl("-n", "monitoring", "delete", "--wait=false", "job", "happening")
    return begun


@pytest.fixture(scope="module")
def types(servers: list[PrometheusPod], since: float) -> dict[str, dict[str, set[str]]]:
    """By job and metric, what programs said while the things happened: Prometheus forgets it ten scrapes later."""
    assert since
    told: dict[str, dict[str, set[str]]] = {}
    for job in {program.job for program in RUNNING}:
        for own in servers[0].api("targets/metadata", match_target=f'{{job="{job}"}}'):
            told.setdefault(job, {}).setdefault(own["metric"], set()).add(own["type"])
    return told


def metrics(*, there: bool) -> Iterator[Any]:
    """Each metric of each running program that there is, or is not."""
    for program in RUNNING:
        for each in program.metrics:
            if (each.name not in ABSENT) is there:
                yield pytest.param(program, each, id=each.name)


@pytest.mark.trap(69)
@pytest.mark.parametrize(("program", "each"), list(metrics(there=True)))
def test_a_metric_is_as_its_contract_says(
    servers: list[PrometheusPod], since: float, program: Program, each: Metric
) -> None:
    """Its type and its labels, neither more nor fewer than the contract's beside those of its target."""
    for name, declared in each.series().items():
        found = series(servers[0], name, program.job, since)
        scraped = [own["labels"] for own in servers[0].targets() if program.job in {own["labels"]["job"], SCRAPE.job}]
        left_out = LEFT_OUT.get(name, set())

        expected = declared.union(*scraped, left_out) - SELDOM.get(name, set())
        assert set().union(*found) - {"__name__"} == expected, name


@pytest.mark.parametrize(("program", "each"), list(metrics(there=True)))
def test_a_metric_has_the_type_of_its_contract(
    types: dict[str, dict[str, set[str]]], program: Program, each: Metric
) -> None:
    """As the program itself declares it; nobody declares the types of what Prometheus writes of a scrape."""
    # OpenMetrics leaves the ending of counters out of their names.
    told = [types.get(program.job, {}).get(name, set()) for name in {each.name, each.name.removesuffix("_total")}]

    assert set().union(*told) == ({each.kind.value} if program != SCRAPE else set())


@pytest.mark.parametrize(("program", "each"), list(metrics(there=False)))
def test_what_a_healthy_cluster_cannot_show_is_not_there(
    servers: list[PrometheusPod], program: Program, each: Metric
) -> None:
    """Else it could be compared."""
    assert servers[0].query(metric(each.name, job=program.job)) == [], ABSENT[each.name]
