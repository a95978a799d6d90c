"""The alerts on logs: what they read of the store and of its collectors, and which thresholds can be chosen."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.config.log_limits import LogLimits
from constructs_lib.config.loki import LokiConfig, Ring
from constructs_lib.config.loki_ruler import Ruler
from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.rules.logs import LogStoreLimits, logs
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, RuleGroup, Severity
from constructs_lib.rules.requests import Lasting
from constructs_lib.units import Bytes
from tests.rules.reading import reads_as_sentences

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("prom",))
MEMBERS = "loki-headless.monitoring.svc.cluster.local:7946"
STORE = LokiConfig(
    directory="/loki",
    bucket=Bucket(name="some-logs", region="eu-central-1"),
    ring=Ring(replicas=3, factor=3, label="monitoring/loki", members=MEMBERS),
    memory=Bytes.gib(2),
)
LIMITS, QUARTER = LogStoreLimits(), timedelta(minutes=15)
RECORDINGS = {
    "route_code:loki_writes:rate": (
        "sum by (route, status_code) (rate(loki_request_duration_seconds_count"
        '{job="store",route=~"loki_api_v1_push|otlp_v1_logs"}[10m]))'
    ),
    "route_code:loki_queries:rate": (
        'sum by (route, status_code) (rate(loki_request_duration_seconds_count{job="store",route=~"'
        "loki_api_v1_query|loki_api_v1_query_range|loki_api_v1_labels|loki_api_v1_label_name_values|loki_api_v1_series|"
        'loki_api_v1_index_stats|loki_api_v1_index_volume|loki_api_v1_index_volume_range"}[10m]))'
    ),
    "pod:loki_ingester_chunks_flush_requests:rate": (
        'sum by (pod) (rate(loki_ingester_chunks_flush_requests_total{job="store"}[5m]))'
    ),
    "pod:loki_ingester_chunks_flush_failures:rate": (
        'sum by (pod) (rate(loki_ingester_chunks_flush_failures_total{job="store"}[5m]))'
    ),
    "node_le:loki_write_entry_propagation_latency_seconds_bucket:rate": (
        'sum by (node, le) (rate(loki_write_entry_propagation_latency_seconds_bucket{job="reads"}[10m]))'
    ),
}
RULER = Ruler(rules="/etc/loki/rules", alertmanagers=("one:9093",), grafana="https://g.example.com", labels={})
RULER_CONDITIONS = {
    "LogRulesNotEvaluated": (
        '(sum(increase(loki_prometheus_rule_evaluations_total{job="store"}[10m])) or vector(0)) == 0'
    ),
    "LogRulesFailing": (
        'sum by (pod) (increase(loki_prometheus_rule_evaluation_failures_total{job="store"}[15m])) > 0'
    ),
    "LogAlertsNotSent": (
        'sum by (alertmanager) (increase(loki_prometheus_notifications_errors_total{job="store"}[15m])) > 0'
    ),
}
BUCKETS = "node_le:loki_write_entry_propagation_latency_seconds_bucket:rate"
CONDITIONS = {
    "LogsStopped": 'sum(increase(loki_ingester_wal_records_logged_total{job="store"}[10m])) == 0',
    "LokiWritesFailing": (
        'sum by (route) (route_code:loki_writes:rate{status_code=~"5.."})'
        " / sum by (route) (route_code:loki_writes:rate)"
        " > 0.1 and sum by (route) (route_code:loki_writes:rate) > 0.005"
    ),
    "LokiQueriesFailing": (
        'sum by (route) (route_code:loki_queries:rate{status_code=~"5.."})'
        " / sum by (route) (route_code:loki_queries:rate)"
        " > 0.1 and sum by (route) (route_code:loki_queries:rate) > 0.033333"
    ),
    "LokiLinesDiscarded": (
        'sum by (reason) (increase(loki_discarded_samples_total{job="store",reason!="stream_limit"}[15m])) > 0'
    ),
    "LokiStreamLimitReached": (
        'sum by (tenant) (increase(loki_discarded_samples_total{job="store",reason="stream_limit"}[5m])) > 0'
    ),
    "LokiRequestPanics": 'sum by (pod) (increase(loki_panic_total{job="store"}[15m])) > 0',
    "LokiRingUnhealthy": 'max by (name) (loki_ring_members{job="store",state="Unhealthy"}) > 0',
    "LokiMembersMissing": (
        'count(up{job="store"}) - min(loki_ring_members{job="store",name="ingester",state="ACTIVE"}) > 0'
    ),
    "LokiStreamsNearLimit": (
        'max by (tenant) (loki_ingester_memory_streams{job="store"}) * on () group_left ()'
        ' max(loki_ring_members{job="store",name="ingester",state="ACTIVE"}) / 15000 > 0.8'
    ),
    "LokiFlushesFailing": (
        "pod:loki_ingester_chunks_flush_failures:rate / pod:loki_ingester_chunks_flush_requests:rate > 0.1"
        " and pod:loki_ingester_chunks_flush_requests:rate > 0.01"
    ),
    "LokiDiskFull": 'max by (pod) (loki_ingester_wal_disk_usage_percent{job="store"}) >= 0.9',
    "LokiTooManyCompactorsRunning": 'sum by (job) (loki_boltdb_shipper_compactor_running{job="store"}) > 1',
    "LokiCompactorHasNotSuccessfullyRunCompaction": (
        "time() - max by (job) (loki_boltdb_shipper_compact_tables_operation_last_successful_run_timestamp_seconds"
        '{job="store"}) > 10800'
    ),
    "LokiRetentionNotApplied": (
        "time() - max by (job) (loki_compactor_apply_retention_last_successful_run_timestamp_seconds"
        '{job="store"}) > 10800'
    ),
    "LogCollectorDroppingLines": (
        'sum by (node, reason) (increase(loki_write_dropped_entries_total{job="reads"}[15m])) > 0'
    ),
    "LogCollectorStuck": (
        'sum by (node, host) (increase(loki_write_batch_retries_total{job="reads"}[5m])) > 0'
        ' unless sum by (node, host) (increase(loki_write_sent_entries_total{job="reads"}[5m])) > 0'
    ),
    "LogCollectorsStuck": (
        'count by (host) (sum by (node, host) (increase(loki_write_batch_retries_total{job="reads"}[5m])) > 0'
        ' unless sum by (node, host) (increase(loki_write_sent_entries_total{job="reads"}[5m])) > 0)'
        ' / on () group_left () count(up{job="reads"}) > 0.3'
    ),
    "LogLinesLate": (f'histogram_quantile(0.9, {BUCKETS}) > 60 and sum by (node) ({BUCKETS}{{le="+Inf"}}) > 0.05'),
    "LogCollectorReadsNothing": 'sum by (node) (loki_source_file_files_active_total{job="reads"}) == 0',
    "LogCollectorDiscoveryFailing": 'increase(prometheus_sd_kubernetes_failures_total{job="reads"}[5m]) > 0',
    "LogCollectorUnhealthy": (
        'sum by (node) (alloy_component_controller_running_components{job="reads",health_type!="healthy"}) > 0'
    ),
}


def alerts(by: Evaluator = BY, limits: LogStoreLimits = LIMITS) -> dict[str, Alert]:
    group = logs(by, store=STORE, loki="store", collector="reads", limits=limits)
    assert group.name == "logs"
    return {alert.name: alert for alert in group.alerts}


def jobs(group: RuleGroup) -> set[str]:
    """Whose series it reads."""
    return set(re.findall(r'job="([^"]+)"', " ".join(rule.expr for rule in (*group.alerts, *group.recordings))))


def test_every_alert_reads_what_it_says() -> None:
    """No alert comes or goes by accident; all read the jobs that the app names."""
    group = logs(BY, store=STORE, loki="store", collector="reads")
    assert {alert.name: alert.expr for alert in group.alerts} == CONDITIONS
    assert {recording.name: recording.expr for recording in group.recordings} == RECORDINGS


def test_the_ruler_is_watched_where_it_is_on() -> None:
    """Its series are nowhere else."""
    without, with_ruler = (logs(BY, store=each, loki="store") for each in (STORE, replace(STORE, ruler=RULER)))
    more = [alert for alert in with_ruler.alerts if alert not in without.alerts]
    assert {alert.name: alert.expr for alert in more} == RULER_CONDITIONS


def test_the_jobs_are_those_of_the_programs_unless_an_app_says_otherwise() -> None:
    """As the constructs are scraped by the names that they have."""
    assert jobs(logs(BY, store=STORE)) == {"loki", "log-collector"}


def test_a_store_or_collectors_alone_are_watched_by_what_is_theirs() -> None:
    """Whoever scrapes the one has no alert, and no recording, that reads the other."""
    whole = logs(BY, store=STORE)
    store, collectors = logs(BY, store=STORE, collector=None), logs(BY, store=None)
    assert jobs(store) == {"loki"}
    assert jobs(collectors) == {"log-collector"}
    assert (*store.alerts, *collectors.alerts) == whole.alerts
    assert (*store.recordings, *collectors.recordings) == whole.recordings


def test_neither_a_store_nor_collectors_is_refused() -> None:
    """A group without alerts would look like one that watches."""
    with pytest.raises(ConstructError, match="the rule group logs watches no job: give a store or collectors, or"):
        logs(BY, store=None, collector=None)


def test_where_lines_are_lost_somebody_is_woken() -> None:
    """When nothing arrives from many nodes, Loki refuses, or cannot keep; what is of one node can wait for the day."""
    severities = {name: alert.severity for name, alert in alerts().items()}
    assert {name for name, severity in severities.items() if severity is Severity.CRITICAL} == {
        *("LogsStopped", "LokiWritesFailing", "LokiFlushesFailing", "LokiDiskFull"),
        *("LokiStreamLimitReached", "LogCollectorsStuck"),
    }
    assert set(severities.values()) == {Severity.CRITICAL, Severity.WARNING}
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


@pytest.mark.parametrize(("interval", "hold"), [(15, 300), (30, 300), (60, 600)])
def test_holds_follow_from_the_interval(interval: int, hold: int) -> None:
    """Five minutes and ten evaluations, or longer where a restart, a rollout or an upgrade takes longer."""
    ours = {name: alert.hold for name, alert in alerts(replace(BY, interval=timedelta(seconds=interval))).items()}
    for name in ("LokiMembersMissing", "LokiRingUnhealthy", "LogCollectorUnhealthy"):
        assert ours.pop(name) == QUARTER
    assert ours.pop("LogCollectorDiscoveryFailing") == timedelta(minutes=10)
    assert ours.pop("LokiStreamLimitReached") == timedelta(minutes=5)
    assert ours.pop("LokiCompactorHasNotSuccessfullyRunCompaction") == timedelta(hours=1)
    assert ours.pop("LokiRetentionNotApplied") == timedelta(hours=1)
    for name in ("LokiLinesDiscarded", "LokiRequestPanics", "LogCollectorDroppingLines"):
        assert ours.pop(name) == QUARTER
    for name in ("LokiWritesFailing", "LokiQueriesFailing", "LokiFlushesFailing"):
        assert ours.pop(name) == timedelta(minutes=5)
    assert ours.pop("LogLinesLate") == timedelta(minutes=10)
    assert set(ours.values()) == {timedelta(seconds=hold)}


def test_every_threshold_can_be_chosen() -> None:
    """Each is a value with its unit."""
    lasting = Lasting(window=timedelta(minutes=20), fewest=6, hold=timedelta(minutes=7))
    limits = LogStoreLimits(
        errors=0.5,
        writes=lasting,
        queries=lasting,
        flushes=lasting,
        lines=lasting,
        streams=0.5,
        stuck=0.5,
        uncompacted=timedelta(hours=1),
        delay=timedelta(minutes=5),
    )
    ours = alerts(limits=limits)
    for name in ("LokiWritesFailing", "LokiQueriesFailing", "LokiFlushesFailing"):
        assert " > 0.5 and " in ours[name].expr
        assert ours[name].expr.endswith(" > 0.005")
    assert ours["LokiStreamsNearLimit"].expr.endswith(" / 15000 > 0.5")
    assert ours["LogCollectorsStuck"].expr.endswith(" > 0.5")
    assert ours["LokiRetentionNotApplied"].expr.endswith(" > 3600")
    assert " > 300 and " in ours["LogLinesLate"].expr
    lasts = {"LokiWritesFailing", "LokiQueriesFailing", "LokiFlushesFailing", "LogLinesLate"}
    assert {ours[name].hold for name in lasts} == {timedelta(minutes=7)}
    assert all("[20m]" in each.expr for each in logs(BY, store=STORE, limits=limits).recordings)


@pytest.mark.parametrize(
    ("ring", "divisor"),
    [(None, 100), (Ring(replicas=2, factor=1, label="a", members="b:1"), 100), (STORE.ring, 300)],
)
def test_how_many_streams_there_may_be_is_what_the_store_takes(ring: Ring | None, divisor: int) -> None:
    """As many as its limit says, on as many members as hold each line."""
    store = replace(STORE, ring=ring, limits=LogLimits(streams=100))
    (near,) = (alert for alert in logs(BY, store=store).alerts if alert.name == "LokiStreamsNearLimit")
    assert near.expr.endswith(f" / {divisor} > 0.8")


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [
        ({"errors": 5}, "errors is 5, but it is a part of a whole: use more than 0 and less than 1"),
        ({"streams": 0}, "streams is 0, but it is a part of a whole"),
        ({"stuck": 30}, "stuck is 30, but it is a part of a whole"),
        (
            {"uncompacted": timedelta(0)},
            "uncompacted is 0:00:00, too short to tell trouble from chance: use 1m or more",
        ),
        ({"delay": timedelta(0)}, "delay is 0:00:00, in which no line arrives: use more than 0"),
    ],
)
def test_thresholds_that_are_none_are_refused(limits: dict[str, object], refusal: str) -> None:
    """Each would make an alert that always speaks, or never."""
    with pytest.raises(ConstructError, match=refusal):
        replace(LIMITS, **limits)


def test_a_member_may_hold_its_part_of_all_streams_alone() -> None:
    """With every stream on three of five members, each may hold three fifths: the proof has it so."""
    store = replace(STORE, ring=Ring(replicas=5, factor=3, label="a", members="b:1"))
    (proof,) = (alert.proof for alert in logs(BY, store=store).alerts if alert.name == "LokiStreamsNearLimit")
    (members,) = (values for series, values in proof.fires.items() if series.startswith("loki_ring_members"))
    held = next(values for series, values in proof.fires.items() if series.startswith("loki_ingester_memory_streams"))
    assert members.startswith("5x")
    over = float(held.split()[1].partition("x")[0])
    assert 0.8 * 3000 < over < 0.82 * 3000


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_no_probe_and_no_stranger_is_asked(name: str) -> None:
    """What a member answers to its probe while it starts is no failure, and series of other jobs are not read."""
    group = logs(BY, store=STORE, loki="store", collector="reads")
    read = [group.alerts[list(CONDITIONS).index(name)].expr, *(each.expr for each in group.recordings)]
    assert all("ready" not in expr for expr in read)
    selected = re.findall(r"\b(?:loki|alloy|up|prometheus)\w*\{([^}]*)\}", " ".join(read))
    assert all(conditions.startswith('job="') for conditions in selected)


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_every_alert_reads_as_sentences(name: str) -> None:
    """The summary holds no values, and both end as sentences do."""
    reads_as_sentences(alerts()[name])
