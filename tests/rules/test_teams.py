"""What other teams hear of their own releases, and that their series reach no alert of the platform."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import cdk8s
import promql_parser
import pytest

from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity
from constructs_lib.rules.teams import teams

BY = Evaluator(
    interval=timedelta(seconds=15),
    job="prom",
    replicas=2,
    jobs=("prom",),
    alertmanager_job="alerts",
    alertmanagers=2,
    collector_jobs=("boards", "rules"),
)
WHOSE = 'topk by (origin) (1, max by (origin, team) (collector_namespace{job=~"boards|rules"}))'


def happened(counter: str) -> str:
    return (
        f'label_replace(max by (rule_group) (increase({counter}{{job="prom"}}[1m])) > 0, "origin", "$1", "rule_group", '
        f'".*;(.+)/.+") * on (origin) group_left (team) {WHOSE}'
    )


NOTIFIED = "sum by (pod, integration) (increase(alertmanager_notifications"
CONDITIONS = {
    "TeamTargetDown": 'up{origin!=""} == 0',
    "TeamSamplesNearLimit": 'scrape_samples_post_metric_relabeling{origin!=""} / scrape_sample_limit > 0.8',
    "TeamJobEmpty": (
        'label_replace(max by (scrape_job) (prometheus_target_scrape_pool_targets{job="prom"}) == 0, "origin", "$1", '
        f'"scrape_job", "(.+)/.+") * on (origin) group_left (team) {WHOSE}'
    ),
    "TeamReleaseRefused": 'max by (origin, team, config_map) (collector_refused{job=~"boards|rules"}) > 0',
    "TeamRulesFailing": happened("prometheus_rule_evaluation_failures_total"),
    "TeamRulesLate": happened("prometheus_rule_group_iterations_missed_total"),
    "CollectorBehind": 'collector_oldest_change_seconds{job=~"boards|rules"} > 300',
    "TeamNotificationsFailing": (
        f'min by (integration) (({NOTIFIED}_failed_total{{job="alerts",receiver_name="teams"}}[15m])) - 1)'
        f' / ({NOTIFIED}_total{{job="alerts",receiver_name="teams"}}[15m])) > 0)) > 0.2'
    ),
    "CollectorCannotWatch": 'collector_failed_watches{job=~"boards|rules"} > 0',
}
OURS = {"CollectorBehind", "CollectorCannotWatch", "TeamNotificationsFailing"}


def alerts(by: Evaluator = BY) -> dict[str, Alert]:
    group = teams(by)
    assert group.name == "teams"
    return {alert.name: alert for alert in group.alerts}


def test_every_alert_reads_what_it_says() -> None:
    """No alert comes or goes by accident."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS


def test_the_series_say_whose_they_are() -> None:
    """Only what is wrong with the collector itself, or with the way to teams, is for the platform; nobody is woken."""
    assert {name: alert.team for name, alert in alerts().items()} == {
        name: PLATFORM if name in OURS else None for name in CONDITIONS
    }
    assert {alert.severity for alert in alerts().values()} == {Severity.WARNING}


@pytest.mark.parametrize(("seconds", "at_most"), [(15, 120), (30, 120)])
def test_who_releases_what_is_refused_hears_of_it_soon(seconds: int, at_most: int) -> None:
    """A scrape, an evaluation, the hold, and Alertmanager's wait for others of the group: within two minutes."""
    interval = timedelta(seconds=seconds)
    hold = alerts(replace(BY, interval=interval))["TeamReleaseRefused"].hold
    assert 2 * interval + hold + timedelta(seconds=30) <= timedelta(seconds=at_most)


def test_without_an_alertmanager_nothing_is_said_of_notifications() -> None:
    """The alert would wait for series that never come; all others are the same."""
    without = alerts(replace(BY, alertmanager_job=None, alertmanagers=0))
    assert alerts().keys() - without.keys() == {"TeamNotificationsFailing"}


def test_what_nobody_collects_is_refused() -> None:
    """The alerts would wait for series that never come."""
    with pytest.raises(ConstructError, match="the rule group teams reads what a collector tells, and none is scraped"):
        teams(replace(BY, collector_jobs=()))


PLATFORMS = [group for group in monitoring(cdk8s.App(), "prod", PROD).prometheus.groups if group.name != "teams"]
RULES = [(rule, group) for group in PLATFORMS for rule in (*group.recordings, *group.alerts)]


def reached(node: Any, recorded: set[str]) -> bool:
    """Whether a series of a team's job may have a part in the result: its job is none of ours, and it has an origin.

    Args:
        recorded: Names of series that the same group makes; a team cannot take them.
    """
    match type(node).__name__:
        case "VectorSelector":
            conditions = {(each.name, str(each.op).partition(".")[2], each.value) for each in node.matchers.matchers}
            of_jobs = any(name == "job" and operator in {"Equal", "Re"} for name, operator, _ in conditions)
            return not (of_jobs or node.name in recorded or ("origin", "Equal", "") in conditions)
        case "MatrixSelector":
            return reached(node.vector_selector, recorded)
        case "BinaryExpr":
            sides = [reached(side, recorded) for side in (node.lhs, node.rhs) if not scalar(side)]
            alike = node.modifier is None or node.modifier.matching is None
            # What has all labels of a series of ours is none of theirs.
            return all(sides) if alike and str(node.op) != "or" else any(sides)
        case "Call":
            return any(reached(argument, recorded) for argument in node.args if not scalar(argument))
    return reached(node.expr, recorded)


def scalar(node: Any) -> bool:
    """Whether it is a number, or text."""
    kind = type(node).__name__
    return kind in {"NumberLiteral", "StringLiteral"} or (kind == "Call" and node.func.name == "time")


@pytest.mark.parametrize(("rule", "group"), RULES, ids=[rule.name for rule, _ in RULES])
def test_no_rule_of_the_platform_reads_series_of_a_team(rule: Any, group: Any) -> None:
    """A team must neither raise the platform's alerts nor keep them silent, whatever its metrics are called."""
    assert not reached(promql_parser.parse(rule.expr), {each.name for each in group.recordings})


@pytest.mark.parametrize(
    ("expr", "open_"),
    [
        ("up == 0", True),
        ('up{origin=""} == 0', False),
        ('up{job!~"a"}', True),
        ('a{job="x"} / b', False),
        ('a{job="x"} / on (pod) b', True),
        ('a{job="x"} or b', True),
        ("sum(rate(a[5m])) > 1", True),
        ("level:a:rate > 1", False),
        ("level:b:rate > 1", True),
        ('time() - a{job="x"} > 1', False),
        ("time() - a > 1", True),
        ("histogram_quantile(0.9, a)", True),
    ],
)
def test_a_rule_that_reads_them_is_found(expr: str, open_: bool) -> None:
    """The judge is awake."""
    assert reached(promql_parser.parse(expr), {"level:a:rate"}) is open_
