"""Hosts outside, as those see them who come from outside: whether they answer, and for how long still."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.promql import metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.thresholds import check_durations
from constructs_lib.units import prometheus_duration

ONE, TWO, ANOTHER = (f"https://{name}.example.com/" for name in ("one", "two", "another"))
RENEWED_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """What the group `hosts` bears.

    cert-manager renews when a third of the time is left, which of 90 days are 30: two weeks before the end it has tried
    in vain for two weeks.

    Args:
        near: Before the end of a certificate, somebody must hear of it on a working day.
        last: Before that, at night too.
    Raises:
        ConstructError: a duration that is too short, or no time between the two.
    Source: https://cert-manager.io/docs/usage/certificate/#renewal-and-reissuance
    """

    near: timedelta = timedelta(days=14)
    last: timedelta = timedelta(days=3)

    def __post_init__(self) -> None:
        check_durations(near=self.near, last=self.last)
        if self.last >= self.near:
            raise ConstructError(
                f"last is {prometheus_duration(self.last)}, near is {prometheus_duration(self.near)}: use less for "
                "last, or nobody is warned before it is urgent"
            )


LIMITS = HostLimits()


def hosts(by: Evaluator, *, job: str = BLACKBOX_EXPORTER.job, limits: HostLimits = LIMITS) -> RuleGroup:
    """The group `hosts`; whether anybody asks them at all is asked for every job by the group `observability`.

    Args:
        by: Who evaluates it.
        job: By which hosts are probed.
        limits: From where on somebody must hear of it.
    """
    return RuleGroup(
        name="hosts",
        alerts=(
            _not_answering(by, job),
            _ends(
                by,
                job,
                name="CertificateNearExpiry",
                left=limits.near,
                severity=Severity.WARNING,
                summary="A certificate that should have been renewed long ago is near its end.",
            ),
            _ends(
                by,
                job,
                name="CertificateAboutToExpire",
                left=limits.last,
                severity=Severity.CRITICAL,
                summary="A certificate is about to end, and then nobody reaches its host.",
            ),
        ),
    )


def _not_answering(by: Evaluator, job: str) -> Alert:
    """Its value is the status of the answer, since what is no answer is only known by its being bad."""
    course = lasting(by)

    def probed(host: str, good: str, code: str, job: str = job) -> Mapping[str, str]:
        told = {"probe_success": good, "probe_http_status_code": code}
        return {BLACKBOX_EXPORTER.series(name, job=job, instance=host): run for name, run in told.items()}

    return Alert(
        name="HostNotAnswering",
        # Both are of one answer, so that all their labels are the same.
        expr=f"probe_http_status_code and {metric('probe_success', job=job)} == 0",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A host does not answer as it must, or its certificate is not good.",
        description="{{ $labels.instance }} answers with the status {{ $value }}; 0 is no answer.",
        proof=Proof(
            fires={
                **probed(ONE, course.lasts(1, 0), course.lasts(200, 0)),
                **probed(TWO, course.lasts(1, 0), course.lasts(302, 503)),
            },
            at=course.at,
            count=2,
            quiet={
                **probed(ONE, course.recovers(1, 0), course.recovers(200, 0)),
                **probed(TWO, course.steady(1), course.steady(302)),
                **probed(ANOTHER, course.steady(0), course.steady(0), job="another"),
            },
        ),
    )


def _ends(by: Evaluator, job: str, *, name: str, left: timedelta, severity: Severity, summary: str) -> Alert:
    seconds, limit = by.interval.total_seconds(), left.total_seconds()
    course = Course(interval=by.interval, hold=lasting(by).hold)
    # It is near with the first evaluation after the peace.
    end = limit + (PEACE - 0.5) * seconds
    renewed = end + RENEWED_FOR.total_seconds()

    def ends(host: str, *runs: tuple[float, int], job: str = job) -> Mapping[str, str]:
        text = " ".join(f"{value:.12g}x{count - 1}" for value, count in runs)
        return {BLACKBOX_EXPORTER.series("probe_ssl_earliest_cert_expiry", job=job, instance=host): text}

    return Alert(
        name=name,
        expr=f"{metric('probe_ssl_earliest_cert_expiry', job=job)} - time() < {limit:.0f}",
        hold=course.hold,
        severity=severity,
        team=PLATFORM,
        summary=summary,
        description="A certificate that {{ $labels.instance }} sends ends in {{ $value | humanizeDuration }}.",
        proof=Proof(
            fires={**ends(ONE, (end, course.long)), **ends(TWO, (renewed, course.long))},
            at=course.at,
            quiet={
                **ends(ONE, (end, PEACE + course.evaluations), (renewed, course.long)),
                **ends(ANOTHER, (end, course.long), job="another"),
            },
            step=seconds,
        ),
    )
