"""What other teams' releases hand to the platform: data in labelled ConfigMaps, bound to the namespace of each.

A team's construct writes it, the collector beside Prometheus reads it. It says what a team wants, never how Prometheus
is configured: what Prometheus reads is made here, with the team's namespace in it. What a team may ask for is in
`constructs_lib.config.teams`.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from constructs_lib.config.discovery import FORGED, OWN_ADDRESS, PodsJob, annotation
from constructs_lib.config.prometheus import Limits, ScrapeJob, drop, replace
from constructs_lib.config.teams import Allowed, Owner, TeamJob, refuse_beyond
from constructs_lib.contract import Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import Alert, Proof, Recording, RuleGroup, Severity
from constructs_lib.units import Bytes
from constructs_lib.urls import absolute_url

COLLECT = "constructs-lib/collect"
"""The label by which a ConfigMap is collected; its value says what it holds."""
SCRAPE_JOB, RULE_GROUP, DASHBOARD = "scrape-job", "rule-group", "dashboard"
# Selectors of labels: who takes dashboards over is not who takes the rest, an unknown kind included.
DASHBOARDS, ALL_BUT_DASHBOARDS = f"{COLLECT}={DASHBOARD}", f"{COLLECT},{COLLECT}!={DASHBOARD}"
DATA = "data.json"
"""The one file in it."""
LARGEST, LARGEST_DASHBOARD = Bytes(128 * 1024), Bytes(256 * 1024)
"""Of one ConfigMap's data."""
LONGEST = 4096
"""Characters of one expression: parsers of deeper ones could run out of stack."""
STRICT: Any = {"extra": "forbid", "strict": True}
NOT_PROVEN = Proof(fires={}, at=timedelta(0), quiet={})  # proofs stay where the rules are written


def object_name(kind: str, name: str) -> str:
    """Of the ConfigMap: Kubernetes itself sees to it that there is one of a name."""
    return f"{kind}-{name}"


def largest(kind: str) -> Bytes:
    """Of the data of a ConfigMap of a kind."""
    return LARGEST_DASHBOARD if kind == DASHBOARD else LARGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class JobData:
    """A scrape job as it is handed over."""

    __pydantic_config__: ClassVar[Any] = STRICT

    format: Literal[1] = 1
    name: str
    pods: dict[str, str]
    port: int
    path: str = "/metrics"
    samples: int
    labels: int
    label_value_length: int
    body: int
    targets: int = 20

    @classmethod
    def of(cls, job: TeamJob, limits: Limits) -> "JobData":
        """What is handed over of a job.

        Args:
            job: Of a team.
            limits: Of the platform, where the job has none of its own.
        """
        own = job.asked(limits)
        return cls(
            name=job.name,
            pods=dict(job.pods),
            port=job.port,
            path=job.path,
            samples=own.samples,
            labels=own.labels,
            label_value_length=own.label_value_length,
            body=own.body.count,
            targets=job.targets,
        )

    def to_json(self) -> str:
        return _to_json(self)

    def bound(self, owner: Owner, allowed: Allowed, *, others: int = 0) -> ScrapeJob:
        """What Prometheus reads of it: pods of the owner's namespace alone, whose series bear the owner's labels.

        Args:
            others: Series that the owner's other jobs may have.
        Raises:
            ConstructError: what the platform does not allow.
        """
        job = TeamJob(
            name=self.name,
            pods=self.pods,
            port=self.port,
            path=self.path,
            limits=Limits(
                samples=self.samples,
                labels=self.labels,
                label_value_length=self.label_value_length,
                body=Bytes(self.body),
            ),
            targets=self.targets,
        )
        job.refuse_beyond(allowed, others=others)
        scrape = PodsJob(
            job=job.label(owner.namespace),
            pods=Pods(owner.namespace, tuple(sorted(self.pods.items()))),
            ports=PortRange.only(self.port),
            path=self.path,
            limits=job.limits,
        ).to_scrape_job(allowed.limits)
        return dataclasses.replace(
            scrape,
            relabelings=(
                OWN_ADDRESS,
                # Each target belongs to one job, and the platform's own cannot know of this one.
                drop(annotation("pod", "scrape"), regex="true"),
                *scrape.relabelings,
                *(replace(label, replacement=value) for label, value in owner.labels.items()),
            ),
            dropped_metrics=FORGED,
            targets=self.targets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertData:
    """An alert as it is handed over; durations in seconds."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: str
    expr: str
    hold: int
    keep_firing: int = 0
    severity: str
    team: str | None
    summary: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingData:
    """A recording as it is handed over."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: str
    expr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupData:
    """A rule group as it is handed over, without the proofs."""

    __pydantic_config__: ClassVar[Any] = STRICT

    format: Literal[1] = 1
    name: str
    runbooks: str
    alerts: list[AlertData]
    recordings: list[RecordingData] = field(default_factory=list)

    @classmethod
    def of(cls, group: RuleGroup, *, team: str, runbooks: str) -> "GroupData":
        """What is handed over of a group.

        Args:
            group: Of a team.
            team: Whose alerts they are where they do not say so.
            runbooks: The URL below which each of its alerts has a page.
        """
        return cls(
            name=group.name,
            runbooks=runbooks,
            alerts=[
                AlertData(
                    name=each.name,
                    expr=each.expr,
                    hold=_seconds(each.hold, of=each),
                    keep_firing=_seconds(each.keep_firing, of=each),
                    severity=str(each.severity),
                    team=each.team or team,
                    summary=each.summary,
                    description=each.description,
                )
                for each in group.alerts
            ],
            recordings=[RecordingData(name=each.name, expr=each.expr) for each in group.recordings],
        )

    def to_json(self) -> str:
        return _to_json(self)

    def bound(self, owner: Owner, allowed: Allowed, bind: Callable[[str], str]) -> dict[str, Any]:
        """The rule file that Prometheus reads of it: only series of the owner's namespace go in, and come out.

        Args:
            bind: Gives back an expression in which every selector demands the owner's namespace.
        Raises:
            ConstructError: what is no rule of this library, or what the platform does not allow.
        """
        absolute_url(self.runbooks, of=f"the runbooks of the rule group {self.name}")
        if "{{" in self.runbooks:  # Prometheus would fill it in, with whatever it is asked
            raise ConstructError(f"the runbooks of the rule group {self.name} are {self.runbooks!r}: leave braces out")
        for name, expr in [  # before anybody reads them
            *((each.name, each.expr) for each in self.alerts),
            *((each.name, each.expr) for each in self.recordings),
        ]:
            if len(expr) > LONGEST:
                raise ConstructError(
                    f"the expression of {name} has {len(expr)} characters: use up to {LONGEST}, and recordings for its "
                    "parts"
                )
        group = RuleGroup(
            name=self.name,
            alerts=tuple(_alert(each) for each in self.alerts),
            recordings=tuple(Recording(each.name, each.expr) for each in self.recordings),
        )
        refuse_beyond(group, owner, allowed)
        (document,) = group.to_dict(self.runbooks)["groups"]
        for rule in document["rules"]:
            rule["expr"] = bind(rule["expr"])
            rule["labels"] = rule.get("labels", {}) | owner.labels
        document = {"name": f"{owner.namespace}/{self.name}", "limit": allowed.results, "rules": document["rules"]}
        return {"groups": [document]}


def _seconds(value: timedelta, *, of: Alert) -> int:
    if value % timedelta(seconds=1):
        raise ConstructError(f"a duration of the alert {of.name} is {value}: use whole seconds")
    return value // timedelta(seconds=1)


def _alert(data: AlertData) -> Alert:
    if data.severity not in set(Severity) - {Severity.NONE}:
        raise ConstructError(
            f"the alert {data.name} has the severity {data.severity!r}: use {Severity.CRITICAL} or {Severity.WARNING}"
        )
    for seconds in (data.hold, data.keep_firing):
        if not 0 <= seconds <= timedelta(days=30).total_seconds():
            raise ConstructError(f"a duration of the alert {data.name} is {seconds} seconds: use 0 to 30 days")
    return Alert(
        name=data.name,
        expr=data.expr,
        hold=timedelta(seconds=data.hold),
        keep_firing=timedelta(seconds=data.keep_firing),
        severity=Severity(data.severity),
        team=data.team,
        summary=data.summary,
        description=data.description,
        proof=NOT_PROVEN,
    )


def _to_json(data: JobData | GroupData) -> str:
    """JSON, since YAML has references, by which a small text can be a huge document."""
    return json.dumps(_said(data), indent=1, ensure_ascii=False) + "\n"


def _said(data: "JobData | GroupData | AlertData | RecordingData") -> dict[str, Any]:
    """All that is not as by default: an older platform need not know of it."""
    said = {}
    for each in dataclasses.fields(data):
        value = getattr(data, each.name)
        default = [] if each.default_factory is list else each.default
        if value != default:
            said[each.name] = [_said(inner) for inner in value] if isinstance(value, list) else value
    return said
