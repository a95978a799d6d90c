"""The applications: errors, slow answers, queues, and whether leads still come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.application import APPLICATION
from constructs_lib.promql import Matcher, matches, metric
from constructs_lib.rules.course import Course, counter
from constructs_lib.rules.jobs import among
from constructs_lib.rules.model import BACKEND, Alert, Evaluator, Proof, Recording, RuleGroup, Severity
from constructs_lib.rules.requests import STRANGER, Lasting, Pace, Words, failing, slow
from constructs_lib.thresholds import check_counts, check_durations, check_shares
from constructs_lib.units import prometheus_duration

# Requests per second, over the window of the limits.
REQUESTS = "service_code:http_requests:rate"
DURATIONS = "service_le:http_request_duration_seconds_bucket:rate"
SERVER_ERRORS = "5.."
QUANTILE = 0.95
SECOND, WEEK = timedelta(seconds=1), timedelta(weeks=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationLimits:
    """What the group `application` bears.

    Args:
        errors: The share of a service's requests that it may answer with 5xx.
        errors_high: The same, from where on somebody is woken.
        latency: In which 95 % of a service's answers must come.
        queue: How many entries may wait in a queue.
        without_lead: How long no lead may come.
        usual_leads: How many must have come in the same time a week ago; of fewer, none may be chance.
        lasting: Over what requests are counted, and how long trouble must last.
    Raises:
        ConstructError: a share outside of 0 to 1 or out of order, a duration that is too short, or no entry.
    """

    errors: float = 0.05
    errors_high: float = 0.25
    latency: timedelta = timedelta(seconds=1)
    queue: int = 1000
    without_lead: timedelta = timedelta(hours=2)
    usual_leads: int = 10
    lasting: Lasting = field(default_factory=Lasting)

    def __post_init__(self) -> None:
        check_shares(errors=self.errors, errors_high=self.errors_high)
        check_durations(without_lead=self.without_lead)
        check_counts(queue=self.queue, usual_leads=self.usual_leads)
        if self.errors_high <= self.errors:
            raise ConstructError(
                f"errors_high is {self.errors_high:g}, errors {self.errors:g}: use more for the former"
            )
        if self.latency <= timedelta(0):
            raise ConstructError(f"latency is {self.latency}, in which nothing is answered: use more than 0")


def application(by: Evaluator, *, jobs: Collection[str], limits: ApplicationLimits = ApplicationLimits()) -> RuleGroup:
    """The group `application`, on what services export of the metrics of `constructs_lib.metrics.application`.

    Args:
        by: Who evaluates it.
        jobs: Of the services, at least one.
        limits: From where on somebody must hear of it.
    Raises:
        ConstructError: no job.
    """
    ours, names = among(jobs, group="application"), tuple(jobs)
    window = prometheus_duration(limits.lasting.onset(by).window)
    requests = metric("http_requests_total", job=ours)
    buckets = metric("http_request_duration_seconds_bucket", job=ours)
    return RuleGroup(
        name="application",
        recordings=(
            Recording(REQUESTS, f"sum by (service, code) (rate({requests}[{window}]))"),
            Recording(DURATIONS, f"sum by (service, le) (rate({buckets}[{window}]))"),
        ),
        alerts=(
            _errors(by, names, limits, name="ApiErrors", share=limits.errors, severity=Severity.WARNING),
            _errors(by, names, limits, name="ApiErrorsHigh", share=limits.errors_high, severity=Severity.CRITICAL),
            _slow(by, names, limits),
            _queue(by, names, ours, limits),
            _leads(by, names, ours, limits),
        ),
    )


def _errors(
    by: Evaluator, jobs: tuple[str, ...], limits: ApplicationLimits, *, name: str, share: float, severity: Severity
) -> Alert:
    def series(job: str, service: str, failed: Pace, every: Pace) -> Mapping[str, str]:
        """Nine tenths of what does not fail is the caller's own fault."""
        rest = (every[0] - failed[0], every[1] - failed[1])
        codes: dict[str, Pace] = {
            "503": failed,
            "404": (rest[0] * 0.9, rest[1] * 0.9),
            "200": (rest[0] * 0.1, rest[1] * 0.1),
        }
        onset = limits.lasting.onset(by)
        return {
            APPLICATION.series("http_requests_total", job=job, service=service, code=code): onset.runs(*pace)
            for code, pace in codes.items()
        }

    words = Words(
        name=name,
        severity=severity,
        team=BACKEND,
        summary=f"A service fails to answer more than {share:.0%} of its requests.",
        description="{{ $labels.service }} answers {{ $value | humanizePercentage }} of its requests with 5xx.",
    )
    failed = f"sum by (service) ({metric(REQUESTS, code=matches(SERVER_ERRORS))})"
    every = f"sum by (service) ({metric(REQUESTS)})"
    return failing(by, limits.lasting, words, failed=failed, every=every, share=share, jobs=jobs, series=series)


def _slow(by: Evaluator, jobs: tuple[str, ...], limits: ApplicationLimits) -> Alert:
    words = Words(
        name="ApiSlow",
        severity=Severity.WARNING,
        team=BACKEND,
        summary="A service answers too slowly.",
        description=f"One in {1 / (1 - QUANTILE):.0f} answers of {{{{ $labels.service }}}} takes more than "
        "{{ $value | humanizeDuration }}.",
    )
    return slow(
        by,
        limits.lasting,
        words,
        buckets=DURATIONS,
        label="service",
        quantile=QUANTILE,
        limit=limits.latency,
        jobs=jobs,
        program=APPLICATION,
        histogram="http_request_duration_seconds",
    )


def _queue(by: Evaluator, jobs: tuple[str, ...], ours: Matcher, limits: ApplicationLimits) -> Alert:
    course = Course(interval=by.interval, hold=limits.lasting.onset(by).hold)

    def depth(job: str, host: int = 1) -> str:
        return APPLICATION.series("queue_depth", job=job, queue="leads", instance=f"10.0.0.{host}:8080")

    one, other = depth(jobs[0]), depth(jobs[-1], 2)

    return Alert(
        name="QueueDeep",
        # The same queue as several see it.
        expr=f"max by (queue) ({metric('queue_depth', job=ours)}) > {limits.queue}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=BACKEND,
        summary="A queue grows faster than it is worked off.",
        description="{{ $value }} entries wait in the queue {{ $labels.queue }}.",
        proof=Proof(
            fires={one: course.lasts(0, limits.queue + 1), other: course.steady(0)},
            at=course.at,
            quiet={
                one: course.recovers(0, limits.queue + 1),
                other: course.steady(limits.queue),
                depth(STRANGER): course.steady(limits.queue + 1),
            },
        ),
    )


def _leads(by: Evaluator, jobs: tuple[str, ...], ours: Matcher, limits: ApplicationLimits) -> Alert:
    """Compared with what is usual then, since at night none may come, and requests may be nothing but probes."""
    name, within, usual = "leads_created_total", limits.without_lead, limits.usual_leads
    hold = -(-max(within / 8, by.window) // SECOND) * SECOND  # also how far apart a proof looks through a week
    window, week = -(-within // hold), WEEK // hold
    # In the first hours, and a week later again: only a week after the first hours is there something to compare with.
    first, ends = 3 * window, week + window
    each = usual * (hold / within) / 2

    def leads(job: str, source: str, increase: float) -> dict[str, str]:
        course = counter((increase, first), (0, week - window - first), (increase, ends + window - week), (0, 2 * ends))
        return {APPLICATION.series(name, job=job, source=source): course}

    def of_both(increase: float) -> dict[str, str]:
        return leads(jobs[0], "web", increase) | leads(jobs[-1], "letter", increase)

    never_ends = {APPLICATION.series(name, job=STRANGER, source="web"): counter((each, 4 * ends))}
    increase = f"increase({metric(name, job=ours)}[{prometheus_duration(within)}]"
    return Alert(
        name="LeadsStopped",
        expr=f"sum({increase})) == 0 and sum({increase} offset {prometheus_duration(WEEK)})) > {usual}",
        hold=hold,
        severity=Severity.WARNING,
        team=BACKEND,
        summary="No lead has been created for long, though a week ago they were at this time.",
        description=f"{{{{ $value }}}} leads were created within {prometheus_duration(within)}, "
        f"and more than {usual} in the same time a week ago.",
        proof=Proof(
            fires=of_both(1.05 * each) | never_ends,
            at=(ends + window - 1) * hold,
            quiet=of_both(0.95 * each) | never_ends,
            step=(1, usual / 10),
            every=hold,
        ),
    )
