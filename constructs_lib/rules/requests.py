"""Alerts on requests of any kind: too many of them fail, or they take too long, of those that get enough of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.metrics.model import Program
from constructs_lib.promql import metric
from constructs_lib.rules.model import Alert, Evaluator, Proof, Severity
from constructs_lib.rules.onset import Onset
from constructs_lib.thresholds import check_counts, check_durations

# Whose series say nothing of the jobs that are watched, though they have the same names and labels.
STRANGER = "stranger"
# What each evaluation adds to a counter, before and after the onset.
Pace = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """Over what requests are counted, how many there must be, and how long trouble must last.

    Args:
        window: Of rates, 1 minute or more; of four scrapes at least, whatever is given.
        fewest: Requests within the window: of fewer, a single one says too much.
        hold: How long trouble must last; four scrapes at least, whatever is given.
    Raises:
        ConstructError: a duration below 1 minute, or no request.
    """

    window: timedelta = timedelta(minutes=5)
    fewest: int = 30
    hold: timedelta = timedelta(minutes=3)

    def __post_init__(self) -> None:
        check_durations(window=self.window, hold=self.hold)
        check_counts(fewest=self.fewest)

    def onset(self, by: Evaluator) -> Onset:
        return Onset(interval=by.interval, window=max(self.window, by.window), hold=max(self.hold, by.window))

    def guard(self, by: Evaluator) -> float:
        """The fewest requests, by the second."""
        return round(self.fewest / self.onset(by).window.total_seconds(), 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an alert is called, says, and for whom it is."""

    name: str
    severity: Severity
    team: str
    summary: str
    description: str


def failing(
    by: Evaluator,
    lasting: Lasting,
    words: Words,
    *,
    failed: str,
    every: str,
    share: float,
    jobs: Sequence[str],
    series: Callable[[str, str, Pace, Pace], Mapping[str, str]],
) -> Alert:
    """An alert on the share of requests that fail.

    Args:
        by: Who evaluates it.
        lasting: How many requests there must be, and for how long.
        words: What the alert is called, and says.
        failed: The expression of the rate of failed requests.
        every: That of all requests, with the same labels.
        share: From where on somebody must hear of it.
        jobs: Whose requests are meant.
        series: Of a job, and one that is called so: the counters for what fails and what is asked with each evaluation,
            before and after the onset.
    """
    onset, guard = lasting.onset(by), lasting.guard(by)
    fewest = guard * by.interval.total_seconds()
    step, growing = share / 5, (100.0, 200.0)
    high, low = share + step / 2, share - step / 2
    new = onset.crossing((0, high * growing[1]), growing, share)
    # As if it were seen at the same moment as what grows.
    steady = share * onset.increments / (new - 0.5)
    enough, too_few = fewest * 1.05, fewest * 0.95
    return Alert(
        name=words.name,
        expr=f"{failed} / {every} > {share:g} and {every} > {guard:g}",
        hold=onset.hold,
        severity=words.severity,
        team=words.team,
        summary=words.summary,
        description=words.description,
        proof=Proof(
            fires={
                **series(jobs[0], "much", (0, high * growing[1]), growing),
                **series(jobs[-1], "little", (0, steady * enough), (enough, enough)),
                **series(STRANGER, "much", (0, 0), growing),
            },
            at=onset.at(new),
            count=2,
            quiet={
                **series(jobs[0], "much", (0, low * growing[1]), growing),
                **series(jobs[-1], "little", (0, too_few), (too_few, too_few)),
                **series(STRANGER, "much", growing, growing),
            },
            step=(step, guard / 10),
        ),
    )


def slow(
    by: Evaluator,
    lasting: Lasting,
    words: Words,
    *,
    buckets: str,
    label: str,
    quantile: float,
    limit: timedelta,
    jobs: Sequence[str],
    program: Program,
    histogram: str,
) -> Alert:
    """An alert on the time that all but the slowest requests take.

    Args:
        by: Who evaluates it.
        lasting: How many requests there must be, and for how long.
        words: What the alert is called, and says.
        buckets: The recording of the rate of the histogram's buckets, by the label and `le`.
        label: That tells those who are asked apart.
        quantile: The share of the requests that must be quicker.
        limit: Than what; a bucket should end there.
        jobs: Whose requests are meant.
        program: Whose histogram it is.
        histogram: Its name.
    """
    onset, guard = lasting.onset(by), lasting.guard(by)
    fewest, seconds = guard * by.interval.total_seconds(), limit.total_seconds()
    share = 1 - quantile
    seen, unseen = share * 1.06, share * 0.9

    def series(job: str, who: str, requests: float, fast: Pace, tolerable: Pace) -> Mapping[str, str]:
        """What is quicker than half of the limit, and than the limit; all else than twice of it."""
        ends: dict[str, Pace] = {
            f"{seconds / 2}": fast,
            f"{seconds}": tolerable,
            f"{seconds * 2}": (requests, requests),
            "+Inf": (requests, requests),
        }
        return {
            program.series(f"{histogram}_bucket", job=job, le=le, **{label: who}): onset.runs(*pace)
            for le, pace in ends.items()
        }

    def turning(job: str, who: str, requests: float, late: float) -> Mapping[str, str]:
        quick = (requests, requests * (1 - late))
        return series(job, who, requests, quick, quick)

    enough, too_few, many = fewest * 1.05, fewest * 0.95, 100 * fewest
    new = onset.crossing((0, seen), (1, 1), share)
    asked = f"sum by ({label}) ({metric(buckets, le='+Inf')})"
    return Alert(
        name=words.name,
        expr=f"histogram_quantile({quantile:g}, {buckets}) > {seconds:g} and {asked} > {guard:g}",
        hold=onset.hold,
        severity=words.severity,
        team=words.team,
        summary=words.summary,
        description=words.description,
        proof=Proof(
            fires={**turning(jobs[0], "much", many, seen), **turning(jobs[-1], "little", enough, seen)},
            at=onset.at(new),
            count=2,
            quiet={
                # Just below the limit: half of all are between its half and itself.
                **series(jobs[0], "much", many, (many * (quantile - 0.5),) * 2, (many * (1 - unseen),) * 2),
                **turning(jobs[-1], "little", too_few, 0.5),
                **turning(STRANGER, "much", many, 0.5),
            },
            step=(seconds / 10, guard / 10),
        ),
    )
