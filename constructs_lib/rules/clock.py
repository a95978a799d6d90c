"""Alerts on the clocks of nodes: as the kernel sees its own, and as another machine does. Part of the group `nodes`."""

from datetime import timedelta

from constructs_lib.metrics.node_exporter import NODE_EXPORTER
from constructs_lib.promql import metric
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity


def clock_alerts(by: Evaluator, job: str, *, skew: timedelta, apart: timedelta, hold: timedelta) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who evaluates them, and with whose clock those of nodes are compared.
        job: Of the node exporters.
        skew: By how much a clock may be wrong, as the kernel says.
        apart: By how much it may differ from that of Prometheus.
        hold: For how long.
    """
    return _skew(by, job, skew, hold), _apart(by, job, apart, hold)


def _skew(by: Evaluator, job: str, limit: timedelta, hold: timedelta) -> Alert:
    """Whether the clock is synchronised at all is not asked: in some virtual machines the host sees to it, unseen."""
    name = "node_timex_offset_seconds"
    skew, step = limit.total_seconds(), 0.002
    course = Course(interval=by.interval, hold=hold)

    def node(name_of: str, job: str = job) -> str:
        return NODE_EXPORTER.series(name, job=job, node=name_of)

    over, under = skew + step / 2, skew - step / 2
    return Alert(
        name="NodeClockSkew",
        expr=f"max by (node) (abs({metric(name, job=job)})) > {skew:g}",
        hold=hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A node's clock is wrong.",
        description="The clock of {{ $labels.node }} is wrong by {{ $value | humanizeDuration }}.",
        proof=Proof(
            # One is late, one early.
            fires={node("node-a"): course.lasts(0, over), node("node-b"): course.lasts(0, -over)},
            at=course.at,
            count=2,
            quiet={
                node("node-a"): course.recovers(0, over),
                node("node-b"): course.steady(-under),
                node("node-c", "another"): course.steady(over),
            },
            step=step,
        ),
    )


def _apart(by: Evaluator, job: str, limit: timedelta, hold: timedelta) -> Alert:
    """When nothing sets the clock any more, the kernel's offset stays as it was last: two machines must be compared."""
    name = "node_time_seconds"
    apart, step = limit.total_seconds(), 0.2
    course, seconds = Course(interval=by.interval, hold=hold), by.interval.total_seconds()

    def node(name_of: str, *errors: tuple[float, int], job: str = job) -> dict[str, str]:
        """A clock; pairs of its error, and how many evaluations that lasts."""
        text, passed = [], 0
        for error, count in errors:
            text.append(f"{passed * seconds + error:.12g}+{seconds:.12g}x{count - 1}")
            passed += count
        return {NODE_EXPORTER.series(name, job=job, node=name_of): " ".join(text)}

    over, under, long = apart + step / 2, apart - step / 2, course.long
    return Alert(
        name="NodeClockApart",
        expr=f"max by (node) (abs({metric(name, job=job)} - timestamp({name}))) > {apart:g}",
        hold=hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The clocks of a node and of a Prometheus server show different times.",
        description="The clock of {{ $labels.node }} is {{ $value | humanizeDuration }} away from that of Prometheus.",
        proof=Proof(
            # One is early, one late.
            fires=node("node-a", (0, PEACE), (over, long)) | node("node-b", (0, PEACE), (-over, long)),
            at=course.at,
            count=2,
            quiet=node("node-a", (0, PEACE), (over, course.evaluations), (0, long))
            | node("node-b", (-under, long))
            | node("node-c", (over, long), job="another"),
            step=step,
        ),
    )
