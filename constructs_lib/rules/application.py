"""The applications: errors, slow answers, queues, and whether leads still come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.application import APPLICATION
from constructs_lib.promql import Matcher, matches, metric
from constructs_lib.rules.course import Course, counter
from constructs_lib.rules.jobs import among
from constructs_lib.rules.limits import check_counts, check_durations, check_shares
from constructs_lib.rules.model import BACKEND, Alert, Evaluator, Proof, Recording, RuleGroup, Severity
from constructs_lib.rules.requests import STRANGER, Lasting, Pace, Words, failing, slow
from constructs_lib.units import prometheus_duration

# Requests per second, over the window of the limits.
REQUESTS = "service_code:http_requests:rate"
DURATIONS = "service_le:http_request_duration_seconds_bucket:rate"
SERVER_ERRORS = "5.."
QUANTILE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationLimits:
    """What the group `application` bears.

    Args:
        errors: The share of a service's requests that it may answer with 5xx.
        errors_high: The same, from where on somebody is woken.
        latency: In which 95 % of a service's answers must come.
        queue: How many entries may wait in a queue.
        without_lead: How long no lead may come while requests do.
        lasting: Over what requests are counted, and how long trouble must last.
    Raises:
        ConstructError: a share outside of 0 to 1 or out of order, a duration that is too short, or no entry.
    """

    errors: float = 0.05
    errors_high: float = 0.25
    latency: timedelta = timedelta(seconds=1)
    queue: int = 1000
    without_lead: timedelta = timedelta(minutes=30)
    lasting: Lasting = field(default_factory=Lasting)

    def __post_init__(self) -> None:
        check_shares(errors=self.errors, errors_high=self.errors_high)
        check_durations(without_lead=self.without_lead)
        check_counts(queue=self.queue)
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
    """What the applications are for; at night, when nobody asks for anything, no lead is no trouble."""
    onset, guard = limits.lasting.onset(by), limits.lasting.guard(by)
    window = -(-limits.without_lead // by.interval)
    fewest = guard * by.interval.total_seconds()
    quiet_traffic, traffic, too_few = fewest / 5, fewest * 1.05, fewest * 0.95
    crossing = onset.crossing((quiet_traffic, traffic), (fewest, fewest), 1)
    # So many evaluations without a lead before requests come again: the last one is only seen by a longer window.
    idle = window * 5 // 4
    at = idle - 1 + crossing
    rest = 2 * (at + window)
    end = at + -(-onset.hold // by.interval)
    leads, others = (APPLICATION.series("leads_created_total", job=job, source="web") for job in (jobs[0], STRANGER))
    requests, foreign = (
        APPLICATION.series("http_requests_total", job=job, service="api", code="200") for job in (jobs[-1], STRANGER)
    )
    now_and_then = [(1, 1), (0, window * 2 // 3 - 1)] * 8
    return Alert(
        name="LeadsStopped",
        expr=f"sum(increase({metric('leads_created_total', job=ours)}"
        f"[{prometheus_duration(limits.without_lead)}])) == 0 and sum({REQUESTS}) > {guard:g}",
        hold=onset.hold,
        severity=Severity.CRITICAL,
        team=BACKEND,
        summary="No lead has been created for long, though requests come.",
        description=f"{{{{ $value }}}} leads were created within {prometheus_duration(limits.without_lead)}.",
        proof=Proof(
            fires={
                leads: counter((1, 2), (0, rest)),
                others: counter((1, idle + rest)),
                requests: counter((quiet_traffic, idle), (traffic, rest)),
            },
            at=at * by.interval + onset.hold,
            # No lead while almost nobody asks; then many requests, and a lead now and then.
            quiet={
                leads: counter((0, end), *now_and_then),
                requests: counter((too_few, end), (100 * fewest, rest)),
                foreign: counter((fewest, end + rest)),
            },
            step=(1, guard / 10),
        ),
    )
