"""Alerts on scrapes: whether targets answer, exist, and send no more than they may. Part of the group `observability`.

They read no series that bears the label `origin`: targets of other teams' releases are theirs, and those must neither
raise these alerts nor outnumber the platform's.

Source: https://prometheus.io/docs/concepts/jobs_instances/
"""

from collections.abc import Mapping

from constructs_lib.config.discovery import ANNOTATED_PODS, ANNOTATED_SERVICES
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.promql import Matcher, matches_not, metric
from constructs_lib.rules.counting import lasting
from constructs_lib.rules.course import PEACE, Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, Severity, samples

NEAR_LIMIT = 0.8
SHARE_DOWN = 0.5
# Targets of all teams, which have nothing in common but their annotations.
SHARED_JOBS = (ANNOTATED_PODS, ANNOTATED_SERVICES)
# What the series of a team's target bear.
OF_TEAM = {"job": "shop/cart", "namespace": "shop", "pod": "cart-0", "team": "checkout", "origin": "shop"}
OF_NO_TEAM = matches_not("|".join(SHARED_JOBS))


def scraping_alerts(by: Evaluator) -> tuple[Alert, ...]:
    """The alerts of this file.

    Args:
        by: Who scrapes and evaluates.
    """
    return _most_targets_down(by), _target_down(by), _job_down(by), _job_missing(by), _near_sample_limit(by)


def up(job: str, host: int = 1, **labels: str) -> str:
    """Whether a target answers."""
    return SCRAPE.series("up", job=job, instance=f"10.0.0.{host}:8080", **labels)


def up_of_team(host: int = 1) -> str:
    """Whether a target of another team's release answers."""
    return up(host=host, **OF_TEAM)


def _most_targets_down(by: Evaluator) -> Alert:
    """A server that is cut off, or the network: told before anything that is told of each job."""
    course = Course(interval=by.interval, hold=lasting(by).hold - 2 * by.interval)
    others = {up(job, host): course.steady(end) for job, end in (("a", 0), ("b", 1)) for host in range(1, 5)}
    last, of_teams = up("api"), (*map(up, SHARED_JOBS), up_of_team(1), up_of_team(2))
    return Alert(
        name="MostTargetsDown",
        expr=f"1 - avg({metric('up', job=OF_NO_TEAM, origin='')}) > {SHARE_DOWN}",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Most of all targets cannot be scraped: a Prometheus server is cut off, or the network is broken.",
        description="{{ $value | humanizePercentage }} of the targets of a Prometheus server cannot be scraped.",
        proof=Proof(
            # Five of nine, of several jobs; what belongs to teams is none of them, whether it answers or not.
            fires=others | {last: course.lasts(1, 0)} | dict.fromkeys(of_teams, course.steady(1)),
            at=course.at,
            quiet=others | {last: course.recovers(1, 0)} | dict.fromkeys(of_teams, course.steady(0)),
            step=0.06,
        ),
    )


def _target_down(by: Evaluator) -> Alert:
    return target_down(
        by,
        name="TargetDown",
        team=PLATFORM,
        origin="",
        ours=up("api", namespace="shop", pod="api-0"),
        another=up_of_team(),
        summary="A target cannot be scraped.",
    )


def target_down(
    by: Evaluator, *, name: str, team: str | None, origin: str | Matcher, ours: str, another: str, summary: str
) -> Alert:
    """An alert on each target that does not answer, of the platform or of other teams.

    Args:
        origin: Which targets: what their label `origin` is.
        ours: Such a target, for the proof.
        another: One that is none of them.
    """
    course = lasting(by)
    return Alert(
        name=name,
        expr=f"{metric('up', origin=origin)} == 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=team,
        summary=summary,
        # What is no pod has no namespace either: both are left empty.
        description="The scrape of {{ $labels.instance }} fails: job {{ $labels.job }}, "
        "pod {{ $labels.namespace }}/{{ $labels.pod }}.",
        proof=Proof(
            fires={ours: course.lasts(1, 0)},
            at=course.at,
            quiet={ours: course.recovers(1, 0), another: course.steady(0)},
        ),
    )


def _job_down(by: Evaluator) -> Alert:
    """Of pods by annotation, two broken ones of any team would speak for all others'.

    Of what works beside servers, TargetDown tells in the morning: without it, what was live is live, and what was
    backed up is backed up.
    """
    course = lasting(by)
    spared = (*SHARED_JOBS, *by.agent_jobs)
    one, two, three = (up("api", host) for host in (1, 2, 3))
    down, fine = course.lasts(1, 0), course.steady(1)
    return Alert(
        name="JobDown",
        expr=f"1 - avg by (job) ({metric('up', job=matches_not('|'.join(spared)), origin='')}) > {SHARE_DOWN}",
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="Most targets of a job cannot be scraped.",
        description="{{ $value | humanizePercentage }} of the targets of the job {{ $labels.job }} cannot be scraped.",
        proof=Proof(
            fires={one: fine, two: down, three: down},
            at=course.at,
            # Half of a job, for ever; all of one, but not for long enough; and what belongs to many.
            quiet={one: fine, two: down, up("one", 4): course.recovers(1, 0)}
            | dict.fromkeys((*map(up, spared), up_of_team()), course.steady(0)),
            step=0.2,
        ),
    )


def _job_missing(by: Evaluator) -> Alert:
    """A target that vanishes leaves no series that could be 0."""
    course = lasting(by)
    expr = " or ".join(f"absent({metric('up', job=job)})" for job in by.jobs)
    present = [up(job) for job in by.jobs]
    another = {up("another"): course.steady(1)}
    gone = f"{samples((1, PEACE))} stale"
    back = f"{gone} _x{course.evaluations - 1} {course.steady(1)}"
    return Alert(
        name="JobMissing",
        expr=expr,
        hold=course.hold,
        severity=Severity.CRITICAL,
        team=PLATFORM,
        summary="A job has no target at all.",
        description="Discovery finds no target of the job {{ $labels.job }}.",
        proof=Proof(
            fires=dict.fromkeys(present, gone) | another,
            at=course.at,
            count=len(by.jobs),
            quiet=dict.fromkeys(present, back) | another,
        ),
    )


def _near_sample_limit(by: Evaluator) -> Alert:
    return near_sample_limit(
        by,
        name="ScrapeSamplesNearLimit",
        team=PLATFORM,
        origin="",
        limit=10_000,
        ours={"job": "api"},
        another=OF_TEAM,
        summary="A target is close to the number of samples at which it is refused whole.",
    )


def near_sample_limit(
    by: Evaluator,
    *,
    name: str,
    team: str | None,
    origin: str | Matcher,
    limit: int,
    ours: Mapping[str, str],
    another: Mapping[str, str],
    summary: str,
) -> Alert:
    """An alert on each target that sends nearly what it may, of the platform or of other teams.

    Args:
        origin: Which targets: what their label `origin` is.
        limit: Of the proof's targets.
        ours: Labels of such a target, for the proof.
        another: Those of one that is none of them.
    """
    course = lasting(by)
    sent, limited = "scrape_samples_post_metric_relabeling", "scrape_sample_limit"
    near, over = NEAR_LIMIT * limit, (NEAR_LIMIT + 0.01) * limit
    mine, theirs = (SCRAPE.series(sent, **{"instance": "10.0.0.1:8080", **labels}) for labels in (ours, another))
    allowed = {
        SCRAPE.series(limited, **{"instance": "10.0.0.1:8080", **labels}): course.steady(limit)
        for labels in (ours, another)
    }
    return Alert(
        name=name,
        expr=f"{metric(sent, origin=origin)} / {metric(limited)} > {NEAR_LIMIT}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=team,
        summary=summary,
        description="{{ $labels.instance }} of {{ $labels.job }} sends {{ $value | humanizePercentage }} of its limit.",
        proof=Proof(
            fires={mine: course.lasts(near, over)} | allowed,
            at=course.at,
            quiet={mine: course.recovers(near, over), theirs: course.steady(over)} | allowed,
            step=0.01,
        ),
    )


def too_few(by: Evaluator, *, present: list[str], others: list[str], last: str) -> Proof:
    """The proof of a count of series that are 1: all but the last stay so, and another job must not stand in for it.

    Args:
        present: Those that there should be.
        others: Of another job, as many.
        last: Of `present`, the one that becomes 0.
    """
    course = lasting(by)
    fine = dict.fromkeys([*present, *others], course.steady(1))
    return Proof(fires=fine | {last: course.lasts(1, 0)}, at=course.at, quiet=fine | {last: course.recovers(1, 0)})
