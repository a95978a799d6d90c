"""Alerts on the collectors of logs, one on each node: whether they read, and deliver. Part of the group `logs`.

How many bytes of a file are not read yet is not asked: a collector tells of a file only after it has passed a line of
it on, so what it says stands still while it cannot, and after a burst for as long as the file is quiet. Nor is whether
it could load its configuration: without one it ends, and a new one comes with a new pod.

Source: https://github.com/grafana/alloy/blob/v1.19.2/internal/component/loki/source/file/tailer.go
"""

from datetime import timedelta

from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.promql import metric, not_equal
from constructs_lib.rules.counting import lasting, repeats
from constructs_lib.rules.course import Course
from constructs_lib.rules.log_delivery import delivery_alerts
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Recording, Severity
from constructs_lib.rules.requests import Words, slow
from constructs_lib.rules.watching import discovery_failing
from constructs_lib.units import prometheus_duration

DELAYS = "node_le:loki_write_entry_propagation_latency_seconds_bucket:rate"
QUANTILE = 0.9
# As Alloy's mixin has it: what a component needs of the API server may be away while that is upgraded.
UNHEALTHY = timedelta(minutes=15)


def log_collector_recordings(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Recording, ...]:
    """What the alerts of this file read.

    Args:
        by: Who records it.
        job: Of the collectors.
        limits: Over what it is counted.
    """
    buckets = metric("loki_write_entry_propagation_latency_seconds_bucket", job=job)
    window = prometheus_duration(limits.lines.onset(by).window)
    return (Recording(DELAYS, f"sum by (node, le) (rate({buckets}[{window}]))"),)


def log_collector_alerts(by: Evaluator, job: str, limits: LogStoreLimits) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them.
        job: Of the collectors.
        limits: From where on somebody must hear of it.
    """
    dropped = "loki_write_dropped_entries_total"
    late = Words(
        name="LogLinesLate",
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="Lines wait at a collector before Loki has them.",
        description=f"One in {1 / (1 - QUANTILE):.0f} lines of {{{{ $labels.node }}}} waits for more than "
        "{{ $value | humanizeDuration }}.",
    )
    return (
        repeats(
            by,
            name="LogCollectorDroppingLines",
            kept="node, reason",
            counter=dropped,
            job=job,
            series=lambda of: ALLOY.series(dropped, job=of, node="node-a", reason="ingester_error"),
            summary="A collector gives lines up that Loki does not take: they are lost.",
            description="The collector on {{ $labels.node }} has dropped {{ $value | humanize }} lines within "
            "15 minutes: {{ $labels.reason }}.",
        ),
        *delivery_alerts(by, job, limits),
        slow(
            by,
            limits.lines,
            late,
            buckets=DELAYS,
            label="node",
            quantile=QUANTILE,
            limit=limits.delay,
            jobs=(job,),
            program=ALLOY,
            histogram="loki_write_entry_propagation_latency_seconds",
        ),
        _reads_nothing(by, job),
        discovery_failing(
            by,
            ALLOY,
            name="LogCollectorDiscoveryFailing",
            job=job,
            summary="A collector cannot ask the API server for pods, and reads the files of those that it knows.",
            description="The collector on {{ $labels.node }} keeps failing to list or watch the pods of its node.",
        ),
        _unhealthy(by, job),
    )


def _reads_nothing(by: Evaluator, job: str) -> Alert:
    """There is no node without containers: the collector itself runs in one."""
    name, course = "loki_source_file_files_active_total", lasting(by)

    def files(node: str, job: str = job) -> str:
        return ALLOY.series(name, job=job, node=node)

    return Alert(
        name="LogCollectorReadsNothing",
        expr=f"sum by (node) ({metric(name, job=job)}) == 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A collector finds no files, so the logs of its node are missing.",
        description="The collector on {{ $labels.node }} reads {{ $value }} files.",
        proof=Proof(
            fires={files("node-a"): course.lasts(1, 0)},
            at=course.at,
            quiet={
                files("node-a"): course.recovers(1, 0),
                files("node-b"): course.steady(1),
                files("node-c", "another"): course.steady(0),
            },
        ),
    )


def _unhealthy(by: Evaluator, job: str) -> Alert:
    name, course = "alloy_component_controller_running_components", Course(interval=by.interval, hold=UNHEALTHY)

    def components(health: str, job: str = job) -> str:
        return ALLOY.series(name, job=job, node="node-a", health_type=health)

    return Alert(
        name="LogCollectorUnhealthy",
        expr=f"sum by (node) ({metric(name, job=job, health_type=not_equal('healthy'))}) > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A part of a collector does not work.",
        description="{{ $value }} components of the collector on {{ $labels.node }} are not healthy.",
        proof=Proof(
            fires={components("healthy"): course.steady(5), components("unhealthy"): course.appears()},
            at=course.at,
            quiet={
                components("healthy"): course.steady(5),
                components("unhealthy"): course.vanishes(),
                # In a state that no component is in, nothing is told of it; nor need it.
                components("exited"): course.steady(0),
                components("unhealthy", "another"): course.steady(1),
            },
        ),
    )
