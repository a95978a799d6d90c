"""Other teams: whose release something is, what a team may ask for, and what the platform refuses.

Both sides refuse the same: the team's app when it is rendered, and the collector when it reads what was handed over.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from constructs_lib.config.prometheus import Limits
from constructs_lib.contract import ORIGIN, Pods, PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE, dns_label
from constructs_lib.rules.model import Alert, RuleGroup

LONGEST_TEXT = 1000
"""Characters of a summary or description."""
# A label that is made of others can be made of that again: texts of it would end Prometheus.
MADE_LABELS, REFERENCES = 2, 3
PLAIN_SAMPLES = 1000
"""What a pod may send whose job says nothing of it."""
NAME_LIMIT = 40
STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')


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
        limits: The most that a job may ask for, and, but for the samples, what it gets if it asks for nothing.
        targets: The most that a job may expect.
        series: The most that all jobs of one namespace may have together; those beyond it, by name, are refused.
        jobs: Of one namespace; those after them, by name, are refused.
        groups: Likewise, rule groups.
        rules: Of one group.
        results: Alerts or series that one rule may have at once; with more, it fails.
        reserved_recordings: Names of series that the platform's own rules make.
    """

    ports: PortRange
    limits: Limits = field(default_factory=lambda: Limits(samples=5000))
    targets: int = 50
    series: int = 100_000
    jobs: int = 5
    groups: int = 10
    rules: int = 20
    results: int = 50
    reserved_recordings: tuple[str, ...] = ()

    def reserving(self, groups: Collection[RuleGroup]) -> "Allowed":
        """The same, but for what is the platform's own.

        Args:
            groups: The platform's.
        """
        recordings = {recording.name for group in groups for recording in group.recordings}
        return dataclasses.replace(self, reserved_recordings=tuple(sorted(recordings)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamJob:
    """The scrape of a team's own pods.

    Args:
        name: In the team's namespace; the label `job` of the series is `<namespace>/<name>`.
        pods: Labels that the pods carry, at least one.
        port: Of the metrics, in the range that the platform opens.
        path: Of the metrics.
        limits: What one pod may send, up to what the platform allows; a pod over a limit counts as down.
        targets: How many pods there are at most, also during a rollout; with more, all of them count as down.
    Raises:
        ConstructError: a name, label, port, path or number of pods that is none.
    """

    name: str
    pods: Mapping[str, str]
    port: int
    path: str = "/metrics"
    limits: Limits | None = None
    targets: int = 20

    def __post_init__(self) -> None:
        dns_label(self.name, of="a scrape job of a team", limit=NAME_LIMIT)
        Pods("any", tuple(self.pods.items()))
        PortRange.only(self.port)
        if not re.fullmatch(r"(/[-.~\w]+)+", self.path, re.ASCII):
            raise ConstructError(f"the path of the job {self.name} is {self.path!r}: use one such as '/metrics'")
        if self.targets < 1:
            raise ConstructError(
                f"the job {self.name} expects {self.targets} targets, which would mean any number: use 1 or more"
            )

    def label(self, namespace: str) -> str:
        """The label `job` of its series: no job of the platform has a slash, and no other namespace this one."""
        return f"{namespace}/{self.name}"

    def asked(self, limits: Limits) -> Limits:
        """What one pod may send.

        Args:
            limits: Of the platform.
        """
        return self.limits or dataclasses.replace(limits, samples=min(PLAIN_SAMPLES, limits.samples))

    def series(self, limits: Limits) -> int:
        """The most that there can be of it at a time.

        Args:
            limits: Of the platform.
        """
        return self.asked(limits).samples * self.targets

    def refuse_beyond(self, allowed: Allowed, *, others: int) -> None:
        """Refuse what the platform does not allow.

        Args:
            others: Series that the namespace's other jobs may have.
        Raises:
            ConstructError: the value and the limit.
        """
        ports, limits = allowed.ports, allowed.limits
        if not ports.overlaps(PortRange.only(self.port)):
            raise ConstructError(
                f"the port of the job {self.name} is {self.port}, but the network is open from {ports.first} to "
                f"{ports.last}: serve the metrics there"
            )
        wanted = self.asked(limits)
        for name in ("samples", "labels", "label_value_length", "body"):
            asked, most = getattr(wanted, name), getattr(limits, name)
            if asked > most:
                raise ConstructError(
                    f"the limit of {name} of the job {self.name} is {asked}, but the platform allows {most}: "
                    "use that or less"
                )
        if self.targets > allowed.targets:
            raise ConstructError(
                f"the job {self.name} expects {self.targets} targets, but the platform allows {allowed.targets}: "
                "select fewer pods, by several jobs of their own labels"
            )
        series = self.series(limits)
        if others + series > allowed.series:
            raise ConstructError(
                f"the job {self.name} may have {series} series, {wanted.samples} samples of {self.targets} targets, "
                f"and the namespace's other jobs {others}, but the platform allows {allowed.series} together: ask for "
                "fewer samples or targets"
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
