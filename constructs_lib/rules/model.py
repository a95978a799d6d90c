"""What an alert is: an expression, who is told, and the series that prove that it fires when it must and only then.

Source: https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol

from constructs_lib import promql
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE
from constructs_lib.units import prometheus_duration
from constructs_lib.urls import page_of

# What texts may say of the alert; anything else would be refused by Prometheus, or fail when the alert fires.
ACTION = re.compile(
    r"(?<!\{)\{\{ ?\$(value|labels\.[a-zA-Z_][a-zA-Z0-9_]*)"
    r"( \| humanize(1024|Duration|Percentage|Timestamp)?)? ?\}\}"
)


class Severity(StrEnum):
    """How soon somebody must look."""

    CRITICAL = "critical"
    """Now, at night too."""
    WARNING = "warning"
    """On the next working day."""
    NONE = "none"
    """Nobody: it only tells that the way to the receiver works."""


# Who looks. Any label value names a team; these are the ones that the library's own alerts are for.
PLATFORM, DATABASE, BACKEND, ML = "platform", "database", "backend", "ml"
HEARTBEAT = "Heartbeat"
"""The alert that always fires, as long as alerts arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """What a rule group needs to know of the Prometheus that evaluates it; `PrometheusHA.evaluator` tells.

    Args:
        interval: Between two scrapes, and two evaluations.
        job: By which it scrapes itself.
        replicas: How many servers there are.
        jobs: That must always have a target.
        alertmanager_job: By which it scrapes the Alertmanager that it sends to; None when it sends to none.
        alertmanagers: How many members that has.
        agent_jobs: By which it scrapes what works beside servers, and wakes nobody where it is missing.
        collector_jobs: Those of them that collect other teams' releases; none where nothing is collected.
        series: For how many each server has memory; None when nobody knows.
    """

    interval: timedelta
    job: str
    replicas: int
    jobs: tuple[str, ...]
    alertmanager_job: str | None = None
    alertmanagers: int = 0
    agent_jobs: tuple[str, ...] = ()
    collector_jobs: tuple[str, ...] = ()
    series: int | None = None

    @property
    def window(self) -> timedelta:
        """The shortest range that a rate is safe over: four scrapes, so that one may fail."""
        return 4 * self.interval


def samples(*runs: tuple[float, int]) -> str:
    """A series in promtool's notation: pairs of a value and how many evaluations it lasts."""
    return " ".join(f"{value:g}x{count - 1}" for value, count in runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Input series that make an alert fire, and others, one step away, that do not.

    A sharp proof fails when anything of the alert is changed: its threshold by a step, its window by half or double,
    its hold by an evaluation, or any label matcher is dropped. `make prove` tries all of it on promtool.

    Args:
        fires: By selector, the series that make the alert fire, one sample per evaluation, in promtool's notation;
            those that programs expose, also where the alert reads what is recorded of them.
        at: When it fires first: one evaluation earlier, it does not.
        count: How many alerts there are then.
        quiet: By selector, series that never make it fire; none for an alert that must fire all the time.
        step: The change of a threshold that the proof must notice, in the expression's unit; one for all of the
            expression's thresholds, or one for each in their order.
        every: Between two evaluations, for what looks back for days; that of the evaluator when None.
    Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
    """

    fires: Mapping[str, str]
    at: timedelta
    count: int = 1
    quiet: Mapping[str, str]
    step: float | tuple[float, ...] = 1.0
    every: timedelta | None = None

    @property
    def steps(self) -> tuple[float, ...]:
        return self.step if isinstance(self.step, tuple) else (self.step,)


class Announced(Protocol):
    """What people hear of an alert, whoever evaluates it."""

    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def team(self) -> str | None: ...
    @property
    def summary(self) -> str: ...
    @property
    def description(self) -> str: ...


def check_announcement(*, name: str, severity: Severity, team: str | None, texts: tuple[str, ...]) -> None:
    """Refuse what nobody would understand, or be told.

    Args:
        name: Of the alert.
        severity: How soon somebody must look.
        team: Who looks; None where the series say it.
        texts: What is said of it.
    Raises:
        ConstructError: a name, a severity or a team that is none, or a text that Prometheus cannot fill in.
    """
    if not re.fullmatch(r"[A-Z][a-zA-Z0-9]+", name):
        raise ConstructError(f"{name!r} is not an alert's name: use capitalised words, such as 'TargetDown'")
    if severity not in set(Severity):
        raise ConstructError(f"the severity of the alert {name} is {severity!r}: use one of {', '.join(Severity)}")
    if team is not None and not re.fullmatch(LABEL_VALUE, team):
        raise ConstructError(f"the alert {name} is for the team {team!r}: use letters, digits and dashes")
    for text in texts:
        if "{{" in (rest := ACTION.sub("", text)) or "}}" in rest:
            raise ConstructError(
                f"the alert {name} says {text!r}: use {{{{ $value }}}} or {{{{ $labels.NAME }}}}, "
                "followed by '| humanize' or one of its kind where it helps"
            )


def announcement(alert: Announced, runbooks: str) -> dict[str, Any]:
    """Labels and annotations.

    Args:
        alert: Which one.
        runbooks: The URL below which it has a page: its name with the suffix `.md`.
    """
    return {
        "labels": {"severity": alert.severity.value, **({} if alert.team is None else {"team": alert.team})},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": page_of(alert.name, runbooks=runbooks),
        },
    }


class Named(Protocol):
    """A rule."""

    @property
    def name(self) -> str: ...


def check_group(name: str, *, alerts: Sequence[Named], **others: Sequence[Named]) -> None:
    """Refuse what is no rule group.

    Args:
        name: Of the group.
        alerts: In it.
        others: What else is in it, by what it is called.
    Raises:
        ConstructError: a name that is none, no alert, or two of a name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConstructError(f"{name!r} is not a rule group's name: use lower-case words joined by dashes")
    if not alerts:
        raise ConstructError(f"the rule group {name} has no alert: give at least one, or leave it out")
    for kind, rules in {"alerts": alerts, **others}.items():
        names = [rule.name for rule in rules]
        for each in names:
            if names.count(each) > 1:
                raise ConstructError(f"the rule group {name} has {names.count(each)} {kind} {each!r}: name each apart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that somebody must hear of.

    Args:
        name: In capitalised words, which also name its runbook; letters and digits.
        expr: PromQL; selectors by `promql.metric`.
        hold: How long the condition must last before it fires, 0 or more.
        severity: How soon somebody must look.
        team: Who looks: a label value, such as 'database'; None where the label `team` of the series says it.
        summary: One sentence without values.
        description: One sentence with the values, as `{{ $labels.pod }}` and `{{ $value | humanizeDuration }}`.
        proof: The series that make it fire, and those that do not.
        keep_firing: How long it still fires when its series are gone, so that a restart of their program ends nothing.
    Raises:
        ConstructError: an expression that does not parse or uses the label `replica`, a text that Prometheus cannot
            fill in, or a name that is none.
    """

    name: str
    expr: str
    hold: timedelta
    severity: Severity
    team: str | None
    summary: str
    description: str
    proof: Proof
    keep_firing: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        check_announcement(
            name=self.name, severity=self.severity, team=self.team, texts=(self.summary, self.description)
        )
        _check(self.expr, of=f"the alert {self.name}")

    def to_dict(self, runbooks: str) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expr,
            **({"for": prometheus_duration(self.hold)} if self.hold else {}),
            **({"keep_firing_for": prometheus_duration(self.keep_firing)} if self.keep_firing else {}),
            **announcement(self, runbooks),
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """The result of an expression, stored as a series of its own, so that alerts and dashboards need not repeat it.

    Args:
        name: What is left of the labels, the metric, and what was done, newest first: 'service:http_requests:rate5m'.
        expr: PromQL; selectors by `promql.metric`.
    Raises:
        ConstructError: an expression that does not parse or uses the label `replica`, or a name that is none.
    Source: https://prometheus.io/docs/practices/rules/
    """

    name: str
    expr: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*){2}", self.name):
            raise ConstructError(
                f"{self.name!r} is not a recording's name: use level:metric:operations, "
                "such as 'service:http_requests:rate5m'"
            )
        _check(self.expr, of=f"the recording {self.name}")

    def to_dict(self) -> dict[str, Any]:
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Alerts that are evaluated together, in order, and what is recorded for them before.

    Args:
        name: Also names the file and the ConfigMap's key: lower-case words joined by dashes.
        alerts: At least one.
        recordings: A later one may read an earlier one.
    Raises:
        ConstructError: no alert, two rules of the same name, or a name that is none.
    """

    name: str
    alerts: tuple[Alert, ...]
    recordings: tuple[Recording, ...] = ()

    def __post_init__(self) -> None:
        check_group(self.name, alerts=self.alerts, recordings=self.recordings)

    def refuse_unknown_jobs(self, scraped: Collection[str]) -> None:
        """Refuse an alert that can never fire, or a recording without results: it reads a job that nothing scrapes.

        Args:
            scraped: The names of all jobs.
        Raises:
            ConstructError: the rule and the job.
        """
        rules = [(f"the recording {recording.name}", recording.expr) for recording in self.recordings]
        rules += [(f"the alert {alert.name}", alert.expr) for alert in self.alerts]
        for rule, expr in rules:
            for job, pattern in _jobs_in(expr):
                if not any(re.fullmatch(pattern, each) for each in scraped):
                    raise ConstructError(
                        f"{rule} reads series of the job {job!r}, which nothing scrapes: "
                        f"scrape it, or leave the rule group {self.name!r} out"
                    )

    def to_dict(self, runbooks: str) -> dict[str, Any]:
        """A whole rule file.

        Args:
            runbooks: The URL below which every alert has a page: its name with the suffix `.md`.
        """
        recordings = [recording.to_dict() for recording in self.recordings]
        alerts = [alert.to_dict(runbooks) for alert in self.alerts]
        return {"groups": [{"name": self.name, "rules": [*recordings, *alerts]}]}


def _jobs_in(expr: str) -> Iterator[tuple[str, str]]:
    """Name and pattern of the jobs whose series an expression reads; each alternative by itself."""
    for operator, written in re.findall(r'[{,]\s*job\s*(=~?)\s*"((?:[^"\\]|\\.)*)"', expr):
        value = re.sub(r"\\(.)", r"\1", written)
        if operator == "=":
            yield value, re.escape(value)
        else:
            for pattern in [value] if "(" in value else re.split(r"(?<!\\)\|", value):
                yield re.sub(r"\\(.)", r"\1", pattern), pattern


def _check(expr: str, of: str) -> None:
    """Refuse what every rule must not be."""
    promql.check(expr, of=of)
    if re.search(rf"\b{promql.REPLICA_LABEL}\b", promql.without_strings(expr)):
        raise ConstructError(f"{of} uses the label {promql.REPLICA_LABEL!r}, dropped from alerts: use 'pod'")
