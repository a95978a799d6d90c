"""The alerts on traces: what they read of collectors, store and spans, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.rules.model import BACKEND, PLATFORM, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.requests import Lasting
from constructs_lib.rules.traces import TraceLimits, traces
from tests.rules.reading import complaints, reads_as_sentences

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("prom",))
LIMITS, QUARTER = TraceLimits(), timedelta(minutes=15)
RECORDINGS = {
    "operation_result:jaeger_storage_requests:rate": (
        'sum by (operation, result) (rate(jaeger_storage_requests_total{job="asks"}[5m]))'
    ),
    "service_status:traces_span_metrics_calls:rate": (
        "sum by (service_name, status_code)"
        ' (rate(traces_span_metrics_calls_total{job="counts",span_kind="SPAN_KIND_SERVER"}[5m]))'
    ),
}
CONDITIONS = {
    "TracesStopped": 'sum(increase(otelcol_receiver_accepted_spans_total{job="takes"}[10m])) == 0',
    "SpansRefused": 'sum by (pod) (increase(otelcol_receiver_refused_spans_total{job="takes"}[15m])) > 0',
    "SpanQueueNearFull": (
        'sum by (pod) (otelcol_exporter_queue_size{job="takes"})'
        ' / sum by (pod) (otelcol_exporter_queue_capacity{job="takes"}) > 0.8'
    ),
    "SpansLostAtStore": 'sum by (pod) (increase(jaeger_storage_bulk_index_errors_total{job="takes"}[15m])) > 0',
    "SpanStoreFailing": (
        'sum by (pod) (increase(jaeger_storage_bulk_index_latency_err_seconds_count{job="takes"}[5m])) > 0'
    ),
    "SpanStoreStuck": (
        'sum by (pod) (otelcol_exporter_queue_size{job="takes"}) > 0'
        ' unless sum by (pod) (increase(jaeger_storage_bulk_index_latency_ok_seconds_count{job="takes"}[1m])) > 0'
    ),
    "SpanStoreSlow": (
        'sum by (pod) (rate(jaeger_storage_bulk_index_latency_ok_seconds_sum{job="takes"}[10m]))'
        ' / sum by (pod) (rate(jaeger_storage_bulk_index_latency_ok_seconds_count{job="takes"}[10m])) > 1'
    ),
    "SpansNotDeleted": (
        "time() - max by (namespace, cronjob)"
        ' (kube_cronjob_status_last_successful_time{job="kube-state-metrics",cronjob="jaeger-index-cleaner"} or'
        ' kube_cronjob_created{job="kube-state-metrics",cronjob="jaeger-index-cleaner"}) > 180000'
    ),
    "TraceQueriesFailing": (
        'sum by (operation) (operation_result:jaeger_storage_requests:rate{result="err"})'
        " / sum by (operation) (operation_result:jaeger_storage_requests:rate)"
        " > 0.1 and sum by (operation) (operation_result:jaeger_storage_requests:rate) > 0.01"
    ),
    "SpanMetricsOverflowing": (
        "sum by (exported_job)"
        ' (increase(traces_span_metrics_calls_total{job="counts",otel_metric_overflow="true"}[15m])) > 0'
    ),
    "SpanErrorsHigh": (
        'sum by (service_name) (service_status:traces_span_metrics_calls:rate{status_code="STATUS_CODE_ERROR"})'
        " / sum by (service_name) (service_status:traces_span_metrics_calls:rate)"
        " > 0.05 and sum by (service_name) (service_status:traces_span_metrics_calls:rate) > 0.1"
    ),
}
OF_THE_STORE = {"SpansLostAtStore", "SpanStoreFailing", "SpanStoreStuck", "SpanStoreSlow", "SpansNotDeleted"}
OF_SPANS = {"SpanMetricsOverflowing", "SpanErrorsHigh"}


def ours(by: Evaluator = BY, limits: TraceLimits = LIMITS) -> RuleGroup:
    group = traces(by, collector="takes", query="asks", spans="counts", limits=limits)
    assert group.name == "traces"
    return group


def alerts(by: Evaluator = BY, limits: TraceLimits = LIMITS) -> dict[str, Alert]:
    return {alert.name: alert for alert in ours(by, limits).alerts}


def jobs(group: RuleGroup) -> set[str]:
    """Whose series it reads."""
    return set(re.findall(r'[{,]job="([^"]+)"', " ".join(rule.expr for rule in (*group.alerts, *group.recordings))))


def test_every_alert_reads_what_it_says() -> None:
    """No alert comes or goes by accident; all read the jobs that the app names."""
    assert {alert.name: alert.expr for alert in ours().alerts} == CONDITIONS
    assert {recording.name: recording.expr for recording in ours().recordings} == RECORDINGS


@pytest.mark.trap(69)
def test_every_metric_is_read_as_it_is_exposed() -> None:
    """And of Jaeger, nothing is declared that nobody reads."""
    group = ours()
    of_jaeger = replace(group, alerts=tuple(each for each in group.alerts if each.name != "SpansNotDeleted"))
    assert list(complaints([JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS], [of_jaeger])) == []


def test_the_jobs_are_those_of_the_programs_unless_an_app_says_otherwise() -> None:
    """As the constructs are scraped by the names that they have."""
    assert jobs(traces(BY)) == {"jaeger-collector", "jaeger-query", "span-metrics", "kube-state-metrics"}


def test_a_store_within_the_collector_tells_of_no_writes() -> None:
    """An alert on them could never fire."""
    whole, without = traces(BY), traces(BY, searched=False)
    assert {alert.name for alert in whole.alerts} - {alert.name for alert in without.alerts} == OF_THE_STORE
    assert without.recordings == whole.recordings
    assert "bulk" not in " ".join(alert.expr for alert in without.alerts)


def test_collectors_that_are_asked_themselves_are_watched_for_it() -> None:
    """Where no query has a process of its own."""
    group = traces(BY, query=None)
    assert jobs(group) == {"jaeger-collector", "span-metrics", "kube-state-metrics"}
    assert [alert.name for alert in group.alerts] == list(CONDITIONS)


def test_without_metrics_of_spans_nothing_is_said_of_services() -> None:
    """No alert, and no recording, reads them."""
    group = traces(BY, spans=None)
    assert {alert.name for alert in group.alerts} == CONDITIONS.keys() - OF_SPANS
    assert jobs(group) == {"jaeger-collector", "jaeger-query", "kube-state-metrics"}


def test_nobody_is_woken_for_traces() -> None:
    """They can wait for the day; the platform's team looks, but for what services do."""
    assert {alert.severity for alert in alerts().values()} == {Severity.WARNING}
    teams = {name: alert.team for name, alert in alerts().items()}
    assert teams.pop("SpanErrorsHigh") == BACKEND
    assert set(teams.values()) == {PLATFORM}


@pytest.mark.parametrize(("interval", "hold"), [(15, 300), (30, 300), (60, 600)])
def test_holds_follow_from_the_interval(interval: int, hold: int) -> None:
    """Five minutes and ten evaluations, or longer where what passes must be forgotten before."""
    by = replace(BY, interval=timedelta(seconds=interval))
    holds = {name: alert.hold.total_seconds() for name, alert in alerts(by).items()}
    for name in ("SpansRefused", "SpansLostAtStore", "SpanMetricsOverflowing"):
        assert holds.pop(name) == QUARTER.total_seconds()
    for name in ("SpanQueueNearFull", "SpanStoreSlow", "TraceQueriesFailing"):
        assert holds.pop(name) == 600
    assert holds.pop("SpanStoreFailing") == 300
    assert holds.pop("SpanErrorsHigh") == max(180, 4 * interval)
    assert holds == {"TracesStopped": hold, "SpanStoreStuck": hold, "SpansNotDeleted": hold}


def test_the_store_is_blamed_before_the_queue_is() -> None:
    """An outage of the store fills the queue; who says so must speak first to silence the other."""
    stuck, full = (alerts()[name] for name in ("SpanStoreStuck", "SpanQueueNearFull"))
    assert stuck.proof.at < full.proof.at


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit."""
    lasting = Lasting(window=timedelta(minutes=20), fewest=6, hold=timedelta(minutes=7))
    limits = TraceLimits(
        queue=0.5,
        write=timedelta(milliseconds=250),
        errors=0.4,
        queries=lasting,
        span_errors=0.3,
        spans=lasting,
        uncleaned=timedelta(hours=30),
    )
    chosen = alerts(limits=limits)
    assert chosen["SpanQueueNearFull"].expr.endswith(" > 0.5")
    assert chosen["SpanStoreSlow"].expr.endswith(" > 0.25")
    assert chosen["SpansNotDeleted"].expr.endswith(" > 108000")
    for name, share in {"TraceQueriesFailing": "0.4", "SpanErrorsHigh": "0.3"}.items():
        assert f" > {share} and " in chosen[name].expr
        assert chosen[name].expr.endswith(" > 0.005")
        assert chosen[name].hold == timedelta(minutes=7)
    assert "More than 30% of" in chosen["SpanErrorsHigh"].summary
    assert all("[20m]" in each.expr for each in ours(limits=limits).recordings)


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"queue": 80}, "queue is 80, but it is a part of a whole: use more than 0 and less than 1"),
        ({"errors": 0}, "errors is 0, but it is a part of a whole"),
        ({"span_errors": 5}, "span_errors is 5, but it is a part of a whole"),
        ({"write": timedelta(0)}, "write is 0:00:00, in which nothing is written: use more than 0"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always speaks, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_no_stranger_is_asked(name: str) -> None:
    """Every series is one of a job that the app names."""
    read = [alerts()[name].expr, *(each.expr for each in ours().recordings)]
    selected = re.findall(r"(?<![\w:])(?:jaeger|otelcol|traces)_\w*\{([^}]*)\}", " ".join(read))
    assert selected
    assert all(conditions.startswith('job="') for conditions in selected)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_every_alert_reads_as_sentences(name: str) -> None:
    """The summary holds no values, and both end as sentences do."""
    reads_as_sentences(alerts()[name])
