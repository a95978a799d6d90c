"""Alerts on what happens to the monitoring itself: how long it must last, and how counters of mishaps are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from constructs_lib.metrics.model import Program
from constructs_lib.promql import Matcher, matches_not, metric
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.course import counter as growing
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples
from constructs_lib.units import prometheus_duration

REPEATED_WITHIN = timedelta(minutes=15)
STOPPED_FOR = timedelta(minutes=10)
NOTHING: Mapping[str, str] = MappingProxyType({})


def lasting(by: Evaluator) -> Course:
    """What lasts five minutes, and at least ten evaluations."""
    return Course(interval=by.interval, hold=max(10, -(-timedelta(minutes=5) // by.interval)) * by.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A mishap that happens so often that a window always holds one, and half of the window often none.

    Args:
        course: How long it must go on.
        window: Over which it is counted.
        begins: Whether the counter is only there once it has happened: nothing is seen of the first time.
    """

    course: Course
    window: timedelta
    begins: bool = False

    @property
    def _scrapes(self) -> int:
        return self.window // self.course.interval

    @property
    def _apart(self) -> int:
        return self._scrapes * 3 // 4

    @property
    def _peace(self) -> str:
        return f"_x{PEACE}" if self.begins else samples((0, PEACE))

    @property
    def at(self) -> timedelta:
        """When what goes on has lasted long enough."""
        return self.course.at + (self._apart if self.begins else 0) * self.course.interval

    def keeps(self) -> str:
        """The counter of what goes on."""
        return f"{self._peace} {samples(*((count, self._apart) for count in range(1, self.course.long)))}"

    def stops(self) -> str:
        """The counter of what stops early enough for the window, and too late for one of double length."""
        times = (self.course.evaluations - (self._scrapes - 1)) // self._apart + self.begins
        again = [(count, self._apart) for count in range(1, times + 1)]
        return f"{self._peace} {samples(*again, (times + 1, 2 * self.course.long))}"


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


def repeats(
    by: Evaluator,
    *,
    name: str,
    kept: str,
    counter: str,
    job: str,
    series: Callable[[str], str],
    begins: bool = False,
    only: Mapping[str, str | Matcher] = NOTHING,
    others: Sequence[str] = (),
    within: timedelta = REPEATED_WITHIN,
    severity: Severity = Severity.WARNING,
    summary: str,
    description: str,
) -> Alert:
    """An alert on a mishap that comes again, by default within a quarter of an hour: a single one can be forgiven.

    Args:
        kept: The labels by which it is told, separated by commas.
        counter: Of the mishaps.
        job: Whose counter is meant.
        series: Of a job, its counter.
        begins: Whether that is only there once it has happened.
        only: Which of its series are meant, by their labels.
        others: Some of the job that are not, for the proof.
        within: In which time it comes again, and for how long that goes on.
    """
    window = max(within, by.window)
    course = Course(interval=by.interval, hold=window)
    again = Again(course=course, window=window, begins=begins)
    return Alert(
        name=name,
        expr=f"sum by ({kept}) (increase({metric(counter, job=job, **only)}[{prometheus_duration(window)}])) > 0",
        hold=course.hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=description,
        proof=Proof(
            fires={series(job): again.keeps()},
            at=again.at,
            quiet={series(job): again.stops()} | dict.fromkeys((series("another"), *others), again.keeps()),
            step=2,  # what is seen once or twice
        ),
    )


def stops(
    by: Evaluator,
    *,
    name: str,
    counter: str,
    job: str,
    series: Callable[[str, int], str],
    absent: bool = False,
    severity: Severity,
    summary: str,
    description: str,
) -> Alert:
    """An alert on something that goes on all the time, be it here or there, and does no longer for ten minutes.

    Args:
        counter: Of it.
        job: Whose counter is meant.
        series: Of a job and the number of one of its pods, its counter.
        absent: Whether it must also fire where there never was a counter.
    """
    window, hold = max(STOPPED_FOR, by.window), lasting(by).hold
    # The window sees the last increase until the sample before it has left.
    last = window // by.interval - 1
    pause, long = last + -(-hold // by.interval), 4 * (window + hold) // by.interval
    increase = f"sum(increase({metric(counter, job=job)}[{prometheus_duration(window)}]))"

    def goes_on(*runs: tuple[float, int], pod: int = 0, job: str = job) -> dict[str, str]:
        return {series(job, pod): growing(*runs)}

    return Alert(
        name=name,
        expr=f"({increase} or vector(0)) == 0" if absent else f"{increase} == 0",
        hold=hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description=f"{description} within {prometheus_duration(window)}.",
        proof=Proof(
            fires=goes_on((5, PEACE), (0, long)) | goes_on((0, long), pod=1) | goes_on((5, long), job="another"),
            at=(PEACE - 1 + pause) * by.interval,
            quiet=goes_on((5, PEACE), (0, pause - 1), (5, long)) | goes_on((0, long), pod=1),
        ),
    )


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
