"""What other teams' releases hand to the platform: data in labelled ConfigMaps, bound to the namespace of each.

A team's construct writes it, the collector beside Prometheus reads it. It says what a team wants, never how Prometheus
is configured: what Prometheus reads is made here, with the team's namespace in it.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from constructs_lib.config.discovery import FORGED, OWN_ADDRESS, PodsJob, annotation
from constructs_lib.config.prometheus import Limits, ScrapeJob, drop, replace
from constructs_lib.contract import ORIGIN, Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE, dns_label
from constructs_lib.rules.model import Alert, Proof, Recording, RuleGroup, Severity
from constructs_lib.units import Bytes
from constructs_lib.urls import absolute_url

COLLECT = "constructs-lib/collect"
"""The label by which a ConfigMap is collected; its value says what it holds."""
SCRAPE_JOB, RULE_GROUP = "scrape-job", "rule-group"
DATA = "data.json"
"""The one file in it."""
LARGEST = Bytes(128 * 1024)
"""Of one ConfigMap's data."""
LONGEST = 4096
"""Characters of one expression: parsers of deeper ones could run out of stack."""
LONGEST_TEXT = 1000
"""Characters of a summary or description."""
# A label that is made of others can be made of that again: texts of it would end Prometheus.
MADE_LABELS, REFERENCES = 2, 3
NAME_LIMIT = 40
STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
STRICT: Any = {"extra": "forbid", "strict": True}
NOT_PROVEN = Proof(fires={}, at=timedelta(0), quiet={})  # proofs stay where the rules are written


def object_name(kind: str, name: str) -> str:
    """Of the ConfigMap: Kubernetes itself sees to it that there is one of a name."""
    return f"{kind}-{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose release something comes from.

    Args:
        namespace: That it lies in.
        team: Who hears of its alerts: a label value.
    Raises:
        ConstructError: a team that is none.
    """

    namespace: str
    team: str

    def __post_init__(self) -> None:
        if not re.fullmatch(LABEL_VALUE, self.team):
            raise ConstructError(f"{self.team!r} is no team: use letters, digits, dots, dashes and underscores")

    @property
    def labels(self) -> dict[str, str]:
        """What every series and every alert of theirs carries."""
        return {"namespace": self.namespace, "team": self.team, ORIGIN: self.namespace}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the platform lets every team do.

    Args:
        ports: Where the network is open.
        limits: The most that a job may ask for, and what it gets if it asks for nothing.
        targets: Of one job; with more, all of them fail.
        jobs: Of one namespace; those after them, by name, are refused.
        groups: Likewise, rule groups.
        rules: Of one group.
        results: Alerts or series that one rule may have at once; with more, it fails.
        reserved_recordings: Names of series that the platform's own rules make.
    """

    ports: PortRange
    limits: Limits = field(default_factory=lambda: Limits(samples=5000))
    targets: int = 50
    jobs: int = 5
    groups: int = 20
    rules: int = 20
    results: int = 100
    reserved_recordings: tuple[str, ...] = ()

    def reserving(self, groups: Collection[RuleGroup]) -> "Allowed":
        """The same, but for what is the platform's own.

        Args:
            groups: The platform's.
        """
        recordings = {recording.name for group in groups for recording in group.recordings}
        return dataclasses.replace(self, reserved_recordings=tuple(sorted(recordings)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobData:
    """A scrape job as it is handed over; made by `TeamJob`."""

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

    def to_json(self) -> str:
        return _to_json(self)

    def bound(self, owner: Owner, allowed: Allowed) -> ScrapeJob:
        """What Prometheus reads of it: pods of the owner's namespace alone, whose series bear the owner's labels.

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
        )
        job.refuse_beyond(allowed.ports, allowed.limits)
        scrape = PodsJob(
            job=job.label(owner.namespace),
            pods=Pods(owner.namespace, tuple(sorted(self.pods.items()))),
            ports=PortRange.only(self.port),
            path=self.path,
            limits=job.limits,
        ).to_scrape_job(allowed.limits)
        return ScrapeJob(
            name=scrape.name,
            discovery=scrape.discovery,
            relabelings=(
                OWN_ADDRESS,
                # Each target belongs to one job, and the platform's own cannot know of this one.
                drop(annotation("pod", "scrape"), regex="true"),
                *scrape.relabelings,
                *(replace(label, replacement=value) for label, value in owner.labels.items()),
            ),
            path=scrape.path,
            dropped_metrics=FORGED,
            limits=scrape.limits,
            targets=allowed.targets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamJob:
    """The scrape of a team's own pods.

    Args:
        name: In the team's namespace; the label `job` of the series is `<namespace>/<name>`.
        pods: Labels that the pods carry, at least one.
        port: Of the metrics, in the range that the platform opens.
        path: Of the metrics.
        limits: What one pod may send, up to what the platform allows; a pod over a limit counts as down.
    Raises:
        ConstructError: a name, label, port or path that is none.
    """

    name: str
    pods: Mapping[str, str]
    port: int
    path: str = "/metrics"
    limits: Limits | None = None

    def __post_init__(self) -> None:
        dns_label(self.name, of="a scrape job of a team", limit=NAME_LIMIT)
        Pods("any", tuple(self.pods.items()))
        PortRange.only(self.port)
        if not re.fullmatch(r"(/[-.~\w]+)+", self.path, re.ASCII):
            raise ConstructError(f"the path of the job {self.name} is {self.path!r}: use one such as '/metrics'")

    def label(self, namespace: str) -> str:
        """The label `job` of its series: no job of the platform has a slash, and no other namespace this one."""
        return f"{namespace}/{self.name}"

    def refuse_beyond(self, ports: PortRange, limits: Limits) -> None:
        """Refuse what the platform does not allow.

        Raises:
            ConstructError: the value and the limit.
        """
        if not ports.overlaps(PortRange.only(self.port)):
            raise ConstructError(
                f"the port of the job {self.name} is {self.port}, but the network is open from {ports.first} to "
                f"{ports.last}: serve the metrics there"
            )
        wanted = self.limits or limits
        for name in ("samples", "labels", "label_value_length", "body"):
            asked, most = getattr(wanted, name), getattr(limits, name)
            if asked > most:
                raise ConstructError(
                    f"the limit of {name} of the job {self.name} is {asked}, but the platform allows {most}: "
                    "use that or less"
                )

    def to_data(self, limits: Limits) -> JobData:
        """What is handed over.

        Args:
            limits: Of the platform, where it has none of its own.
        """
        own = self.limits or limits
        return JobData(
            name=self.name,
            pods=dict(self.pods),
            port=self.port,
            path=self.path,
            samples=own.samples,
            labels=own.labels,
            label_value_length=own.label_value_length,
            body=own.body.count,
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
                    hold=int(each.hold.total_seconds()),
                    keep_firing=int(each.keep_firing.total_seconds()),
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


def refuse_beyond(group: RuleGroup, owner: Owner, allowed: Allowed) -> None:
    """Refuse what the platform does not allow.

    Raises:
        ConstructError: the value and the limit.
    """
    dns_label(group.name, of="a rule group of a team", limit=NAME_LIMIT)
    count = len(group.alerts) + len(group.recordings)
    if count > allowed.rules:
        raise ConstructError(
            f"the rule group {group.name} has {count} rules, but the platform allows {allowed.rules}: split it"
        )
    for alert in group.alerts:
        if alert.team not in (None, owner.team):  # without one, it is the owner's
            raise ConstructError(
                f"the alert {alert.name} is for the team {alert.team!r}, but the namespace {owner.namespace} is of the "
                f"team {owner.team!r}: name that one"
            )
        _refuse_long(alert)
        _refuse_growth(alert.name, alert.expr)
    for recording in group.recordings:
        _refuse_growth(recording.name, recording.expr)
        if recording.name in allowed.reserved_recordings:
            raise ConstructError(f"the recording {recording.name} has the name of one of the platform's: rename it")


def _refuse_long(alert: Alert) -> None:
    for text in (alert.summary, alert.description):
        if len(text) > LONGEST_TEXT:
            raise ConstructError(
                f"a text of the alert {alert.name} has {len(text)} characters: use up to {LONGEST_TEXT}, and its "
                "runbook for the rest"
            )


def _refuse_growth(name: str, expr: str) -> None:
    if re.search(r"\blabel_join\b", expr):
        raise ConstructError(f"the expression of {name} has label_join, which makes labels of any length: leave it out")
    made = len(re.findall(r"\blabel_replace\b", expr))
    if made > MADE_LABELS:
        raise ConstructError(
            f"the expression of {name} has label_replace {made} times: use it up to {MADE_LABELS} times"
        )
    for literal in STRING.findall(expr) if made else ():
        if literal.count("$") > REFERENCES:
            raise ConstructError(
                f"the expression of {name} puts {literal.count('$')} parts into one label: use up to {REFERENCES}"
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
