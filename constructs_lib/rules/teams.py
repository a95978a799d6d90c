"""What other teams hear of their own releases, and whether the collector takes these over.

A team may name its rules and metrics as it wants; what is told here is told of its namespace, to whom the label
`constructs-lib/team` of the namespace names.
"""

from datetime import timedelta

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.collector import COLLECTOR
from constructs_lib.metrics.prometheus import PROMETHEUS
from constructs_lib.promql import metric, not_equal
from constructs_lib.rules.counting import Again, lasting
from constructs_lib.rules.course import Course
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Proof, RuleGroup, Severity
from constructs_lib.rules.notifications import team_notifications_failing
from constructs_lib.rules.prometheus import GROUP_OF_TEAM, NAMESPACE_OF_GROUP
from constructs_lib.rules.scraping import OF_TEAM, near_sample_limit, target_down, up, up_of_team
from constructs_lib.units import prometheus_duration

# A change is live within two minutes: a ConfigMap's way into a file, and Prometheus' next look at that.
LATE = timedelta(minutes=5)
CANNOT_WATCH = timedelta(minutes=10)
# Longer than the first pods of a release take.
EMPTY = timedelta(minutes=15)


def teams(by: Evaluator) -> RuleGroup:
    """The group `teams`, of a Prometheus that takes over what other teams' releases hand over.

    Args:
        by: Who evaluates it, beside whom the collectors run.
    Raises:
        ConstructError: no collector that is scraped.
    """
    if (job := by.collector_job) is None:
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
            _job_empty(by, job),
            _refused(by, job),
            _rules(
                by,
                job,
                name="TeamRulesFailing",
                counter="prometheus_rule_evaluation_failures_total",
                summary="Rules of a team cannot be evaluated, so their alerts cannot fire.",
                description="Prometheus keeps failing to evaluate rules of {{ $labels.rule_group }}, "
                "of the namespace {{ $labels.origin }}.",
            ),
            _rules(
                by,
                job,
                name="TeamRulesLate",
                counter="prometheus_rule_group_iterations_missed_total",
                summary="A team's rule group takes longer than its interval, so its alerts come late.",
                description="Prometheus keeps skipping evaluations of {{ $labels.rule_group }}, "
                "of the namespace {{ $labels.origin }}.",
            ),
            _behind(by, job),
            _cannot_watch(by, job),
            *([] if by.alertmanager_job is None else [team_notifications_failing(by, by.alertmanager_job)]),
        ),
    )


def _of_team(expr: str, job: str, *, label: str, pattern: str) -> str:
    """What Prometheus tells of something whose name begins with a namespace, with the labels of whose that is.

    What the platform calls its own names no namespace. One that changes its team has two for a moment: any of them.

    Args:
        job: Of the collectors, who know the teams.
        label: That holds the name.
        pattern: Of the name, with the namespace as its first group.
    """
    return (
        f'label_replace({expr}, "origin", "$1", "{label}", "{pattern}") '
        "* on (origin) group_left (team) "
        f"topk by (origin) (1, max by (origin, team) ({metric('collector_namespace', job=job)}))"
    )


def _job_empty(by: Evaluator, job: str) -> Alert:
    """Where there is no target, none is down: a mistyped label would be silent for ever."""
    name = "prometheus_target_scrape_pool_targets"
    course = Course(interval=by.interval, hold=max(EMPTY, lasting(by).hold))

    def targets(scrape_job: str, job: str = by.job, pod: int = 0) -> str:
        return PROMETHEUS.series(name, job=job, pod=f"{by.job}-{pod}", scrape_job=scrape_job)

    known = _namespaces(course, job)
    return Alert(
        name="TeamJobEmpty",
        # A server that has just started has found nothing yet.
        expr=_of_team(
            f"max by (scrape_job) ({metric(name, job=by.job)}) == 0", job, label="scrape_job", pattern="(.+)/.+"
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
            | {COLLECTOR.series("collector_namespace", job=job, origin="shop", team="before"): course.steady(1)},
            at=course.at,
            quiet={targets("shop/cart"): course.recovers(1, 0), targets("shop/a", job="another"): course.steady(0)}
            | {targets("shop/b"): course.steady(0), targets("shop/b", pod=1): course.steady(1)}
            | {targets(each): course.steady(0) for each in ("stranger/cart", "api")}
            | known,
        ),
    )


def _namespaces(course: Course, job: str) -> dict[str, str]:
    """For a proof, a namespace of the team that is told, and one that only another program knows."""
    name = "collector_namespace"
    return {
        COLLECTOR.series(name, job=job, origin="shop", team="checkout"): course.steady(1),
        COLLECTOR.series(name, job="another", origin="stranger", team="another"): course.steady(1),
    }


def _refused(by: Evaluator, job: str) -> Alert:
    """Told as soon as a second look finds it so: whoever has just released is still there."""
    name = "collector_refused"
    course = Course(interval=by.interval, hold=by.interval)

    def refused(pod: int = 0, job: str = job) -> str:
        return COLLECTOR.series(name, job=job, pod=f"prometheus-{pod}", origin="shop", team="checkout")

    return Alert(
        name="TeamReleaseRefused",
        # Each collector refuses by itself.
        expr=f"max by (origin, team, config_map) ({metric(name, job=job)}) > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=None,
        summary="Prometheus does not take over what a ConfigMap of a team says now.",
        description="The ConfigMap {{ $labels.config_map }} of the namespace {{ $labels.origin }} is refused; "
        "its Event says why.",
        proof=Proof(
            fires={refused(): course.lasts(0, 1), refused(1): course.lasts(0, 1)},
            at=course.at,
            quiet={refused(): course.recovers(0, 1), refused(job="another"): course.steady(1)},
        ),
    )


def _rules(by: Evaluator, job: str, *, name: str, counter: str, summary: str, description: str) -> Alert:
    """An alert on what must not happen to a team's rule group again and again, on whichever server."""
    course = lasting(by)
    again = Again(course=course, window=by.window)

    def mishaps(rule_group: str, job: str = by.job, pod: int = 0) -> str:
        return PROMETHEUS.series(counter, job=job, pod=f"{by.job}-{pod}", rule_group=rule_group)

    theirs, strangers = GROUP_OF_TEAM, GROUP_OF_TEAM.replace("shop", "stranger")
    known = _namespaces(course, job)
    happened = f"max by (rule_group) (increase({metric(counter, job=by.job)}[{prometheus_duration(by.window)}])) > 0"
    return Alert(
        name=name,
        expr=_of_team(happened, job, label="rule_group", pattern=NAMESPACE_OF_GROUP),
        hold=course.hold,
        severity=Severity.WARNING,
        team=None,
        summary=summary,
        description=description,
        proof=Proof(
            fires={mishaps(theirs): again.keeps(), mishaps(theirs, pod=1): again.keeps()}
            | known
            | {COLLECTOR.series("collector_namespace", job=job, origin="shop", team="before"): course.steady(1)},
            at=course.at,
            quiet={mishaps(theirs): again.stops(), mishaps(theirs, job="another"): again.keeps()}
            | {mishaps(group): again.keeps() for group in (strangers, "/etc/prometheus/rules/nodes.yaml;nodes")}
            | known,
            step=2,  # one more in three of four scrapes is extrapolated to 1.33
        ),
    )


def _behind(by: Evaluator, job: str) -> Alert:
    name, late = "collector_oldest_change_seconds", LATE.total_seconds()
    course = lasting(by)
    ours, another = (COLLECTOR.series(name, job=each, pod="prometheus-0") for each in (job, "another"))
    return Alert(
        name="CollectorBehind",
        expr=f"{metric(name, job=job)} > {late:.0f}",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="What other teams have released is not live.",
        description="{{ $labels.pod }} has not taken over a change for {{ $value | humanizeDuration }}.",
        proof=Proof(
            fires={ours: course.lasts(late, late + 5)},
            at=course.at,
            quiet={ours: course.recovers(late, late + 5), another: course.steady(late + 5)},
            step=10,
        ),
    )


def _cannot_watch(by: Evaluator, job: str) -> Alert:
    name = "collector_failed_watches"
    course = Course(interval=by.interval, hold=max(CANNOT_WATCH, lasting(by).hold))
    ours, another = (COLLECTOR.series(name, job=each, pod="prometheus-0") for each in (job, "another"))
    return Alert(
        name="CollectorCannotWatch",
        expr=f"{metric(name, job=job)} > 0",
        hold=course.hold,
        severity=Severity.WARNING,
        team=PLATFORM,
        summary="The collector cannot watch namespaces, so it does not see what their teams release.",
        description="{{ $labels.pod }} cannot watch {{ $value }} namespaces.",
        proof=Proof(
            fires={ours: course.lasts(0, 1)},
            at=course.at,
            quiet={ours: course.recovers(0, 1), another: course.steady(1)},
        ),
    )
