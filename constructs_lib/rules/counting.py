"""Alerts on what happens to the monitoring itself: how long it must last, and how counters of mishaps are read."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.model import Program
from constructs_lib.promql import matches_not, metric
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration


def lasting(by: Evaluator) -> Course:
    """What lasts five minutes, and at least ten evaluations."""
    return Course(interval=by.interval, hold=max(10, -(-timedelta(minutes=5) // by.interval)) * by.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A mishap that happens so often that a window always holds one, and half of the window often none.

    Args:
        course: How long it must go on.
        window: Over which it is counted.
    """

    course: Course
    window: timedelta

    @property
    def _scrapes(self) -> int:
        return self.window // self.course.interval

    @property
    def _apart(self) -> int:
        return self._scrapes * 3 // 4

    def keeps(self) -> str:
        """The counter of what goes on."""
        return samples((0, PEACE), *((count, self._apart) for count in range(1, self.course.long)))

    def stops(self) -> str:
        """The counter of what stops early enough for the window, and too late for one of double length."""
        times = (self.course.evaluations - (self._scrapes - 1)) // self._apart
        again = [(count, self._apart) for count in range(1, times + 1)]
        return samples((0, PEACE), *again, (times + 1, 2 * self.course.long))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """Series of a counter that are somebody else's.

    Args:
        label: By which they are told.
        pattern: What it is as a whole, on all of them.
        such_as: One of these, for the proof.
    """

    label: str
    pattern: str
    such_as: str


def counts(
    by: Evaluator,
    program: Program,
    *,
    name: str,
    counter: str,
    severity: Severity,
    summary: str,
    description: str,
    but: Spared | None = None,
) -> Alert:
    """An alert on something that must not happen to a server again and again.

    Args:
        program: Whose counter it is, of the job by which the evaluator scrapes itself.
        but: What may happen to it all the same.
    """
    ours = program.series(counter, job=by.job, pod=f"{by.job}-0")
    others = [program.series(counter, job="another", pod="another-0")]
    conditions = {}
    if but:
        others.append(program.series(counter, job=by.job, pod=f"{by.job}-0", **{but.label: but.such_as}))
        conditions = {but.label: matches_not(but.pattern)}
    course = lasting(by)
    again = Again(course=course, window=by.window)
    return Alert(
        name=name,
        expr=f"increase({metric(counter, job=by.job, **conditions)}[{prometheus_duration(by.window)}]) > 0",
        hold=course.hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={ours: again.keeps()},
            at=course.at,
            quiet={ours: again.stops()} | dict.fromkeys(others, again.keeps()),
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )
