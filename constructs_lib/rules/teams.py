"""What other teams hear of their own releases, and whether the collectors take these over.

A team may name its rules and metrics as it wants; what is told here is told of its namespace, to whom the label
`constructs-lib/team` of the namespace names.
"""

from collections.abc import Collection
from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.collector import COLLECTOR
from constructs_lib.metrics.prometheus import PROMETHEUS
from constructs_lib.promql import Matcher, metric, not_equal
from constructs_lib.rules.counting import Again, lasting
from constructs_lib.rules.course import Course
from constructs_lib.rules.jobs import among
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.rules.notifications import team_notifications_failing
from constructs_lib.rules.prometheus import GROUP_OF_TEAM, NAMESPACE_OF_GROUP
from constructs_lib.rules.scraping import OF_TEAM, near_sample_limit, target_down, up, up_of_team
from constructs_lib.units import prometheus_duration

# A change is live within two minutes: a ConfigMap's way into a file, and Prometheus' or Grafana's next look at that.
LATE = timedelta(minutes=5)
CANNOT_WATCH = timedelta(minutes=10)
# Longer than the first pods of a release take.
EMPTY = timedelta(minutes=15)


def teams(by: Evaluator) -> RuleGroup:
    """The group `teams`, of a Prometheus that takes over what other teams' releases hand over.

    Args:
        by: Who evaluates it, and scrapes the collectors.
    Raises:
        ConstructError: no collector that is scraped.
    """
    if not (jobs := by.collector_jobs):
        raise ConstructError("the rule group teams reads what a collector tells, and none is scraped: leave it out")
    return RuleGroup(
        name="teams",
        alerts=(
            target_down(
                by,
                name="TeamTargetDown",
                team=None,
                origin=not_equal(""),
                ours=up_of_team(),
                another=up("api"),
                summary="A target of a team's own job cannot be scraped, or sends more than it may.",
            ),
            near_sample_limit(
                by,
                name="TeamSamplesNearLimit",
                team=None,
                origin=not_equal(""),
                limit=5000,
                ours=OF_TEAM,
                another={"job": "api"},
                summary="A target of a team's own job is close to the number of samples at which it is refused whole.",
            ),
            _job_empty(by, jobs),
            _refused(by, jobs),
            _rules(
                by,
                jobs,
                name="TeamRulesFailing",
                counter="prometheus_rule_evaluation_failures_total",
                summary="Rules of a team cannot be evaluated, so their alerts cannot fire.",
                description="Prometheus keeps failing to evaluate rules of {{ $labels.rule_group }}, "
                "of the namespace {{ $labels.origin }}.",
            ),
            _rules(
                by,
                jobs,
                name="TeamRulesLate",
                counter="prometheus_rule_group_iterations_missed_total",
                summary="A team's rule group takes longer than its interval, so its alerts come late.",
                description="Prometheus keeps skipping evaluations of {{ $labels.rule_group }}, "
                "of the namespace {{ $labels.origin }}.",
            ),
            _behind(by, jobs),
            _cannot_watch(by, jobs),
            *([] if by.alertmanager_job is None else [team_notifications_failing(by, by.alertmanager_job)]),
        ),
    )


def _of_team(expr: str, jobs: Collection[str], *, label: str, pattern: str) -> str:
    """What Prometheus tells of something whose name begins with a namespace, with the labels of whose that is.

    What the platform calls its own names no namespace. One that changes its team has two for a moment: any of them.

    Args:
        jobs: Of the collectors, who know the teams.
        label: That holds the name.
        pattern: Of the name, with the namespace as its first group.
    """
    return (
        f'label_replace({expr}, "origin", "$1", "{label}", "{pattern}") '
        "* on (origin) group_left (team) "
        f"topk by (origin) (1, max by (origin, team) ({metric('collector_namespace', job=_among(jobs))}))"
    )


def _job_empty(by: Evaluator, jobs: Collection[str]) -> Alert:
    """Where there is no target, none is down: a mistyped label would be silent for ever."""
    name = "prometheus_target_scrape_pool_targets"
    course = Course(interval=by.interval, hold=max(EMPTY, lasting(by).hold))

    def targets(scrape_job: str, job: str = by.job, pod: int = 0) -> str:
        return PROMETHEUS.series(name, job=job, pod=f"{by.job}-{pod}", scrape_job=scrape_job)

    known = _namespaces(course, jobs)
    return Alert(
        name="TeamJobEmpty",
        # A server that has just started has found nothing yet.
        expr=_of_team(
            f"max by (scrape_job) ({metric(name, job=by.job)}) == 0", jobs, label="scrape_job", pattern="(.+)/.+"
        ),
        hold=course.hold,
        severity=Severity.WARNING,
        team=None,
        summary="A team's own job has no pod at all.",
        description="Discovery finds no pod of the job {{ $labels.scrape_job }}: none that runs has its labels, or "
        "each carries the annotation by which it is in the platform's own job.",
        proof=Proof(
            fires={targets("shop/cart"): course.lasts(1, 0), targets("shop/cart", pod=1): course.lasts(1, 0)}
            | known
            | _before(course, jobs),
            at=course.at,
            quiet={targets("shop/cart"): course.recovers(1, 0), targets("shop/a", job="another"): course.steady(0)}
            | {targets("shop/b"): course.steady(0), targets("shop/b", pod=1): course.steady(1)}
            | {targets(each): course.steady(0) for each in ("stranger/cart", "api")}
            | known,
        ),
    )


def _namespaces(course: Course, jobs: Collection[str]) -> dict[str, str]:
    """For a proof, a namespace of the team that is told, and one that only another program knows."""
    name = "collector_namespace"
    return {
        **{COLLECTOR.series(name, job=job, origin="shop", team="checkout"): course.steady(1) for job in jobs},
        COLLECTOR.series(name, job="another", origin="stranger", team="another"): course.steady(1),
    }


def _before(course: Course, jobs: Collection[str]) -> dict[str, str]:
    """Likewise, what some collectors still tell of the same namespace."""
    name = "collector_namespace"
    return {COLLECTOR.series(name, job=job, origin="shop", team="before"): course.steady(1) for job in jobs}


def _among(jobs: Collection[str]) -> Matcher:
    return among(jobs, group="teams")


def _refused(by: Evaluator, jobs: Collection[str]) -> Alert:
    """Told as soon as a second look finds it so: whoever has just released is still there."""
    name = "collector_refused"
    course = Course(interval=by.interval, hold=by.interval)

    def refused(job: str, pod: int = 0) -> str:
        whose = {"origin": "shop", "team": "checkout", "config_map": f"of-{job}"}
        return COLLECTOR.series(name, job=job, pod=f"{job}-{pod}", **whose)

    return Alert(
        name="TeamReleaseRefused",
        # Each collector refuses by itself.
        expr=f"max by (origin, team, config_map) ({metric(name, job=_among(jobs))}) > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=None,
        summary="What a ConfigMap of a team says now is not taken over.",
        description="The ConfigMap {{ $labels.config_map }} of the namespace {{ $labels.origin }} is refused; "
        "its Event says why.",
        proof=Proof(
            fires={refused(job, pod): course.lasts(0, 1) for job in jobs for pod in range(2)},
            at=course.at,
            count=len(jobs),
            quiet={refused(job): course.recovers(0, 1) for job in jobs} | {refused("another"): course.steady(1)},
        ),
    )


def _rules(by: Evaluator, jobs: Collection[str], *, name: str, counter: str, summary: str, description: str) -> Alert:
    """An alert on what must not happen to a team's rule group again and again, on whichever server."""
    course = lasting(by)
    again = Again(course=course, window=by.window)

    def mishaps(rule_group: str, job: str = by.job, pod: int = 0) -> str:
        return PROMETHEUS.series(counter, job=job, pod=f"{by.job}-{pod}", rule_group=rule_group)

    theirs, strangers = GROUP_OF_TEAM, GROUP_OF_TEAM.replace("shop", "stranger")
    known = _namespaces(course, jobs)
    happened = f"max by (rule_group) (increase({metric(counter, job=by.job)}[{prometheus_duration(by.window)}])) > 0"
    return Alert(
        name=name,
        expr=_of_team(happened, jobs, label="rule_group", pattern=NAMESPACE_OF_GROUP),
        hold=course.hold,
        severity=Severity.WARNING,
        team=None,
        summary=summary,
        description=description,
        proof=Proof(
            fires={mishaps(theirs): again.keeps(), mishaps(theirs, pod=1): again.keeps()}
            | known
            | _before(course, jobs),
            at=course.at,
            quiet={mishaps(theirs): again.stops(), mishaps(theirs, job="another"): again.keeps()}
            | {mishaps(group): again.keeps() for group in (strangers, "/etc/prometheus/rules/nodes.yaml;nodes")}
            | known,
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )


def _behind(by: Evaluator, jobs: Collection[str]) -> Alert:
    name, late = "collector_oldest_change_seconds", LATE.total_seconds()
    course = lasting(by)
    *ours, another = (COLLECTOR.series(name, job=each, pod=f"{each}-0") for each in (*jobs, "another"))
    return Alert(
        name="CollectorBehind",
        expr=f"{metric(name, job=_among(jobs))} > {late:.0f}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="What other teams have released is not live.",
        description="{{ $labels.pod }} has not taken over a change for {{ $value | humanizeDuration }}.",
        proof=Proof(
            fires=dict.fromkeys(ours, course.lasts(late, late + 5)),
            at=course.at,
            count=len(ours),
            quiet=dict.fromkeys(ours, course.recovers(late, late + 5)) | {another: course.steady(late + 5)},
            step=10,
        ),
    )


def _cannot_watch(by: Evaluator, jobs: Collection[str]) -> Alert:
    name = "collector_failed_watches"
    course = Course(interval=by.interval, hold=max(CANNOT_WATCH, lasting(by).hold))
    *ours, another = (COLLECTOR.series(name, job=each, pod=f"{each}-0") for each in (*jobs, "another"))
    return Alert(
        name="CollectorCannotWatch",
        expr=f"{metric(name, job=_among(jobs))} > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="A collector cannot watch namespaces, so it does not see what their teams release.",
        description="{{ $labels.pod }} cannot watch {{ $value }} namespaces.",
        proof=Proof(
            fires=dict.fromkeys(ours, course.lasts(0, 1)),
            at=course.at,
            count=len(ours),
            quiet=dict.fromkeys(ours, course.recovers(0, 1)) | {another: course.steady(1)},
        ),
    )
