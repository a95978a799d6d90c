"""On a quiet day no alert on traces fires, and each trouble with them does, by itself."""

import pytest

from apps.environments import DEV, PROD
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.rules.cron_jobs import MADE, SUCCEEDED
from constructs_lib.rules.model import HEARTBEAT, Evaluator
from constructs_lib.rules.observability import observability
from constructs_lib.rules.proving import alone
from constructs_lib.rules.traces import traces
from tests.real.healthy.kubernetes import DAY
from tests.real.healthy.traces import SERVED, WRITES, quiet
from tests.real.simulation import WHOLE, Course, counts, grows, judged, steady, stops

BY = Evaluator(interval=PROD.scrape_interval, job="prometheus", replicas=2, jobs=("prometheus",))
(BEAT,) = (alert for alert in observability(BY).alerts if alert.name == HEARTBEAT)
TRACES = traces(BY)
GROUPS = (TRACES, alone(BEAT))
LATENCY = "jaeger_storage_bulk_index_latency"
TROUBLES: dict[str, tuple[str, Course]] = {
    "TracesStopped": ("otelcol_receiver_accepted_spans_total", stops(30)),
    "SpansRefused": ("otelcol_receiver_refused_spans_total jaeger-collector-1", counts(0.1)),
    "SpanQueueNearFull": ("otelcol_exporter_queue_size jaeger-collector-0", steady(17_000)),
    "SpansLostAtStore": ("jaeger_storage_bulk_index_errors_total jaeger-collector-1", counts(0.5)),
    # Now and then, among writes that do not fail.
    "SpanStoreFailing": (f"{LATENCY}_err_seconds_count jaeger-collector-0", counts(0.05)),
    "SpanStoreStuck": (f"{LATENCY}_ok_seconds jaeger-collector-0", steady(500)),
    "SpanStoreSlow": (f"{LATENCY}_ok_seconds_sum jaeger-collector-0", grows(1.5 * WRITES)),
    "TraceQueriesFailing": ('operation="find_traces" result="err"', counts(0.02)),
    "SpanMetricsOverflowing": ('otel_metric_overflow="true" jaeger-collector-0', counts(1)),
    "SpansNotDeleted": ("kube_cronjob_status_last_successful_time", steady(-3 * DAY)),
    "SpanErrorsHigh": (
        'service_name="backend" SPAN_KIND_SERVER STATUS_CODE_ERROR',
        counts(0.1 * SERVED["backend"]),
    ),
}


def test_nothing_fires_on_a_quiet_day() -> None:
    """Not while a burst arrives, a node of the store is replaced, or somebody tries names that there are not."""
    assert judged(quiet(PROD), GROUPS, fired=[], within=WHOLE) == ""


def test_nothing_fires_on_a_quiet_day_of_a_single_process() -> None:
    """Which keeps spans itself, and is asked for them."""
    by = Evaluator(interval=DEV.scrape_interval, job="prometheus", replicas=1, jobs=("prometheus",))
    group = traces(by, query=None, searched=False)
    assert judged(quiet(DEV), (group, alone(BEAT)), fired=[], within=WHOLE) == ""


@pytest.mark.parametrize("alert", TROUBLES)
def test_one_trouble_among_what_is_healthy_is_heard_of(alert: str) -> None:
    """Its own alert fires and no other."""
    part, course = TROUBLES[alert]
    assert judged(quiet(PROD).but(part, course), GROUPS, fired={alert}, within=WHOLE) == ""


def test_a_store_that_is_away_is_heard_of_though_no_write_fails() -> None:
    """Without a connection none begins: none is done, and none is counted as failed after the first."""
    away = quiet(PROD).but(f"{LATENCY}_ok_seconds", steady(500)).but(f"{LATENCY}_err_seconds", steady(1))
    assert judged(away, GROUPS, fired={"SpanStoreStuck"}, within=WHOLE) == ""


def test_every_alert_has_its_trouble() -> None:
    """A new one brings its own."""
    assert {alert.name for alert in TRACES.alerts} == TROUBLES.keys()


def test_every_metric_of_traces_is_there() -> None:
    """All series that rules may read, and no others."""
    programs = (JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS)
    told = {each.name: {name for own in each.metrics for name in own.series()} for each in programs}
    told[KUBE_STATE_METRICS.name] = {SUCCEEDED, MADE}
    assert quiet(PROD).shown == told
