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
from constructs_lib.rules.course import PEACE, Course, counter
from constructs_lib.rules.log_limits import LogStoreLimits
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Recording, Severity, samples
from constructs_lib.rules.requests import Words, slow
from constructs_lib.units import prometheus_duration

DELAYS = "node_le:loki_write_entry_propagation_latency_seconds_bucket:rate"
QUANTILE = 0.9
# Who is refused tries again after some seconds: constructs_lib.config.alloy (max_backoff_period).
TRIED_AGAIN = timedelta(minutes=5)
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
        _stuck(by, job),
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
        _unhealthy(by, job),
    )


def _stuck(by: Evaluator, job: str) -> Alert:
    """What is never delivered is neither late nor dropped, while it is tried again; of several Lokis, each is asked."""
    tried, sent = "loki_write_batch_retries_total", "loki_write_sent_entries_total"
    window, hold = max(TRIED_AGAIN, by.window), lasting(by).hold
    scrapes, last = window // by.interval, -(-hold // by.interval)
    apart, long = scrapes * 3 // 4, 4 * (scrapes + last)

    def node(name: str, tries: str, lines: str, *, of: str = job, sent_of: str = job) -> dict[str, str]:
        return {
            ALLOY.series(tried, job=of, node=name): tries,
            ALLOY.series(sent, job=sent_of, node=name): lines,
        }

    ends = counter((1, PEACE), (0, long))
    again = samples((0, PEACE), *((count, apart) for count in range(1, long // apart)))
    # Its last try is seen until nothing has been seen to be sent for just not long enough.
    first = (PEACE - 1 + last) % apart or apart
    times = (PEACE - 1 + last - first) // apart
    stops = samples((0, first), *((count, apart) for count in range(1, times + 1)), (times + 1, long))
    never = counter((0, long))
    tries, lines = (
        f"sum by (node, host) (increase({metric(name, job=job)}[{prometheus_duration(window)}])) > 0"
        for name in (tried, sent)
    )
    return Alert(
        name="LogCollectorStuck",
        expr=f"{tries} unless {lines}",
        hold=hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A collector delivers nothing to a Loki, though it keeps trying.",
        description="The collector on {{ $labels.node }} has tried in vain {{ $value | humanize }} times to send lines "
        "to {{ $labels.host }}.",
        proof=Proof(
            fires=node("node-a", again, ends) | {ALLOY.series(sent, job="another", node="node-a"): counter((1, long))},
            at=(PEACE - 1 + scrapes - 1 + last) * by.interval,
            quiet=node("node-b", stops, ends)
            # Nothing is to be sent.
            | node("node-c", never, never)
            | node("node-d", again, never, of="another"),
            step=2,
        ),
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
