"""Room on disks: what is nearly full, and what will be full soon at the pace of the last hours."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.model import Program
from constructs_lib.promql import Matcher, metric
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity
from constructs_lib.thresholds import check_durations, check_shares
from constructs_lib.units import prometheus_duration

STEP = 0.002  # of a share, which proofs must notice


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLimits:
    """How full a disk may be.

    Args:
        used: The share that may be used.
        used_for: How long more may be used.
        full_within: How soon it may be expected to be full.
        pace: Over which time its growth is measured.
        free: The share that must be free for growth to be nobody's business.
        growing_for: How long that must be expected: longer than a passing heap of temporary files.
    Raises:
        ConstructError: a share outside of 0 to 1, a duration below 1 minute, or a look further ahead than four times
            as far as back: any large file would then look like growth that never ends.
    """

    used: float = 0.85
    used_for: timedelta = timedelta(minutes=15)
    full_within: timedelta = timedelta(hours=4)
    pace: timedelta = timedelta(hours=2)
    free: float = 0.4
    growing_for: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        check_shares(used=self.used, free=self.free)
        check_durations(
            used_for=self.used_for, full_within=self.full_within, pace=self.pace, growing_for=self.growing_for
        )
        if self.full_within > 4 * self.pace:
            raise ConstructError(
                f"full_within is {prometheus_duration(self.full_within)}, more than four times the pace's "
                f"{prometheus_duration(self.pace)}: a single large file would look like growth; measure it for longer"
            )


ROOM = RoomLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks:
    """Where a program tells how much room disks have.

    Args:
        name: Of the three alerts, without their ends.
        what: Is full, in a sentence.
        which: Of them, in a text with labels.
        program: That tells it.
        job: By which it is scraped.
        by: The labels that tell one disk from another.
        size: The metric of a disk's size.
        free: The metric of the room that is left.
        inodes: The metric of how many files there may be; 0 where a file system has no limit, which then is never full.
        inodes_free: The metric of how many more there may be.
        only: Conditions on the labels of what is left.
        readonly: The metric that is 1 for a disk that nobody writes to, which may be full for ever; None when the
            program does not tell.
        disk: Labels of a disk that all of this is true for; the first one names it.
        others: Labels of disks that nobody must hear of.
    """

    name: str
    what: str
    which: str
    program: Program
    job: str
    by: str
    size: str
    free: str
    inodes: str
    inodes_free: str
    only: Mapping[str, str | Matcher]
    readonly: str | None = None
    disk: Mapping[str, str]
    others: tuple[Mapping[str, str], ...]

    @property
    def selected(self) -> str:
        """The free room; what it is compared with has the same labels, so that is selected by them."""
        return metric(self.free, job=self.job, **self.only)

    @property
    def writable(self) -> str:
        return f" and {self.readonly} == 0" if self.readonly else ""

    def series(
        self, free: str, count: int, name: str, more: Mapping[str, str] | None = None, *, readonly: bool = False
    ) -> dict[str, str]:
        """One disk of the size 1.

        Args:
            free: How its free room runs.
            count: For how many evaluations it is there.
            name: Tells it from others.
            more: Labels that differ from those of a disk that is looked at.
            readonly: Whether nobody writes to it.
        """
        labels = {"job": self.job} | dict(self.disk) | {next(iter(self.disk)): name} | dict(more or {})
        steady = {self.size: 1} | ({self.readonly: int(readonly)} if self.readonly else {})
        others = {self.program.series(each, **labels): f"{value}x{count}" for each, value in steady.items()}
        return {self.program.series(self.free, **labels): free} | others

    def unheard(self, free: str, count: int) -> dict[str, str]:
        """The disks that nobody must hear of."""
        labels = ({"job": "another"}, *self.others)
        found = [self.series(free, count, f"other-{number}", more) for number, more in enumerate(labels)]
        if self.readonly:
            found.append(self.series(free, count, "read-only", readonly=True))
        return {series: values for disk in found for series, values in disk.items()}


def room(by: Evaluator, disks: Disks, limits: RoomLimits) -> tuple[Alert, ...]:
    """Alerts on what is nearly full, on what will be full soon, and on what holds nearly as many files as it may."""
    full, full_proof = _almost_full(by, disks, limits)
    many, many_proof = _almost_full(by, replace(disks, size=disks.inodes, free=disks.inodes_free), limits)
    filling, filling_proof = _filling_up(by, disks, limits)
    soon = prometheus_duration(limits.full_within)
    return (
        Alert(
            name=f"{disks.name}AlmostFull",
            expr=full,
            hold=limits.used_for,
            severity=Severity.WARNING,
            team=PLATFORM,
            summary=f"{disks.what} is almost full.",
            description=f"{disks.which} is used by {{{{ $value | humanizePercentage }}}}.",
            proof=full_proof,
        ),
        Alert(
            name=f"{disks.name}FillingUp",
            expr=filling,
            hold=limits.growing_for,
            severity=Severity.CRITICAL,
            team=PLATFORM,
            summary=f"{disks.what} will be full soon.",
            description=(
                f"{disks.which} has {{{{ $value | humanizePercentage }}}} left, and is full within {soon} "
                "if it goes on so."
            ),
            proof=filling_proof,
        ),
        Alert(
            name=f"{disks.name}InodesAlmostFull",
            expr=many,
            hold=limits.used_for,
            severity=Severity.WARNING,
            team=PLATFORM,
            summary=f"{disks.what} holds almost as many files as it may.",
            description=f"{disks.which} has used {{{{ $value | humanizePercentage }}}} of its inodes.",
            proof=many_proof,
        ),
    )


def _almost_full(by: Evaluator, disks: Disks, limits: RoomLimits) -> tuple[str, Proof]:
    """The condition that a disk is nearly full, whose value is the share that is used; and its proof."""
    course = Course(interval=by.interval, hold=limits.used_for)
    over, under = (1 - limits.used - step for step in (STEP / 2, -STEP / 2))
    peace = 1 - limits.used / 2
    return (
        f"max by ({disks.by}) ((1 - {disks.selected} / {disks.size}){disks.writable}) > {limits.used:g}",
        Proof(
            fires=disks.series(course.lasts(peace, over), course.long, "full"),
            at=course.at,
            quiet=disks.series(course.recovers(peace, over), course.long, "tidied")
            | disks.series(course.steady(under), course.long, "nearly")
            | disks.unheard(course.steady(over), course.long),
            step=STEP,
        ),
    )


def _filling_up(by: Evaluator, disks: Disks, limits: RoomLimits) -> tuple[str, Proof]:
    """The condition that a disk will be full soon, whose value is the share that is free; and its proof."""
    pace, ahead = limits.pace // by.interval, limits.full_within / by.interval
    hold = -(-limits.growing_for // by.interval)
    begins, count = 5 * pace // 4, 4 * pace + 3 * hold
    # A line that is expected to meet zero in time from `begins` on, half a step beyond it.
    slow = 0.9 * limits.free / (begins + ahead)
    line = f"{slow * (begins + ahead - 0.5):.9g}-{slow:.9g}x"
    # One that is steep enough from its start, and has little room left from `begins` on.
    steep = 1.5 * limits.free / ahead
    run = 9 * pace // 8
    peak = limits.free + steep * run
    steeply = f"{peak - slow / 2:.9g}x{begins - run - 1} {peak - slow / 2:.9g}-{steep:.9g}x"
    # Half of a step above that, it stays.
    stays = f"{peak + slow / 2:.9g}-{steep:.9g}x{run} {limits.free + slow / 2:.9g}x{count}"
    # A line through a single file is steepest with the file in the middle: too short a look back takes it for growth.
    file = 0.95 * limits.free / (1.1 * (1.25 + 1.5 * ahead / pace))
    once = f"{0.95 * limits.free:.9g}x{pace} {0.95 * limits.free - file:.9g}x{count}"
    # While a disk was not there, much was written: too long a look back sees both ends.
    gap = f"{1 - limits.free / 2:.9g}x{pace} _x{pace} {limits.free / 2:.9g}x{count}"
    return (
        f"min by ({disks.by}) ({disks.free} / {disks.size} < {limits.free:g}"
        f" and predict_linear({disks.selected}[{prometheus_duration(limits.pace)}], "
        f"{limits.full_within.total_seconds():.0f}) / {disks.size} < 0{disks.writable})",
        Proof(
            fires=disks.series(f"{line}{count}", count, "slow") | disks.series(f"{steeply}{count}", count, "steep"),
            at=(begins + hold) * by.interval,
            count=2,
            quiet=disks.series(f"{line}{begins + hold - 1} 1x{count}", count, "tidied")
            | disks.series(stays, count, "roomy")
            | disks.series(once, count, "file")
            | disks.series(gap, count, "gap")
            | disks.unheard(f"{line}{count}", count),
            step=slow,
        ),
    )
