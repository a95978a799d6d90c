"""Which alerts go to whom, how soon and how often, and which of them keep silent while another one says it all.

Source: https://prometheus.io/docs/alerting/latest/configuration/#route
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import product
from typing import Any, TypeAlias

from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE
from constructs_lib.promql import LABEL_NAME
from constructs_lib.rules.model import HEARTBEAT, Severity
from constructs_lib.units import prometheus_duration

ALERTNAME, SEVERITY, TEAM = "alertname", "severity", "team"
Demands: TypeAlias = Mapping[str, Collection[str]]


def matchers(demands: Demands) -> list[str]:
    """Conditions of equality in the syntax that both parsers of Alertmanager read alike.

    Args:
        demands: By label, what it may be; words only where there are several.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#matcher
    """
    spelled = []
    for label, values in sorted(demands.items()):
        operator = "=" if len(values) == 1 else "=~"
        text = "|".join(sorted(values)).replace("\\", "\\\\").replace('"', '\\"')
        spelled.append(f'{label}{operator}"{text}"')
    return spelled


def _check(labels: Mapping[str, str], *, of: str) -> None:
    for label, value in labels.items():
        if not LABEL_NAME.fullmatch(label):
            raise ConstructError(f"{label!r} cannot be a label of {of}: use letters, digits and underscores")
        if not value or not value.isprintable():
            raise ConstructError(f"the label {label} of {of} is {value!r}: use printable text, and at least one letter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How soon, and how often, somebody hears of alerts that belong together.

    Args:
        group_wait: After the first of them, so that others can join its notification.
        group_interval: Between two notifications of the same ones when more join, or some end.
        repeat_interval: Until it is said again while nothing has changed: a multiple of the group_interval, since
            Alertmanager looks only then whether it is time.
    Raises:
        ConstructError: durations that contradict each other.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#route
    """

    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=1)
    repeat_interval: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        spelled = self.to_dict()
        if self.group_interval < timedelta(seconds=1):
            raise ConstructError(f"the group_interval is {spelled['group_interval']}: use 1s or more")
        if not self.repeat_interval or self.repeat_interval % self.group_interval:
            raise ConstructError(
                f"the repeat_interval is {spelled['repeat_interval']}, no multiple of the group_interval "
                f"{spelled['group_interval']}, and would be rounded up to one: use one"
            )

    def to_dict(self) -> dict[str, str]:
        return {
            name: prometheus_duration(getattr(self, name))
            for name in ("group_wait", "group_interval", "repeat_interval")
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Alerts that have all of what it says go to a receiver, and no further.

    They go nowhere else even while it is silent for the time of day: what takes over then needs `continue_` here.

    Args:
        receiver: Who hears of them, by name.
        team: Whose alerts; everybody's when absent.
        severities: Which ones; all when empty.
        labels: What other labels must be, exactly.
        active_time_intervals: Names of time intervals, outside of which it is silent.
        mute_time_intervals: Names of time intervals in which it is silent.
        continue_: Whether it hears beside the others, not in their place: the routes after it are asked as well, and
            where none of them takes the alert, whoever would hear of it without this one does.
        routes: Those that are asked first, about the same alerts; they inherit no time interval.
    Raises:
        ConstructError: a label that is none or is said twice, or time intervals that contradict each other.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#route
    """

    receiver: str
    team: str | None = None
    severities: tuple[Severity, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    active_time_intervals: tuple[str, ...] = ()
    mute_time_intervals: tuple[str, ...] = ()
    continue_: bool = False
    routes: tuple["Route", ...] = ()

    def __post_init__(self) -> None:
        _check(self.labels, of=f"a route to {self.receiver}")
        if self.team is not None and not re.fullmatch(LABEL_VALUE, self.team):
            raise ConstructError(f"{self.team!r} cannot be the team of a route: use letters, digits and dashes")
        for label, instead in ((TEAM, "team"), (SEVERITY, "severities")):
            if label in self.labels:
                raise ConstructError(f"the route {self} has {label!r} among its labels: say it as {instead}")
        for name in self.active_time_intervals:
            if name in self.mute_time_intervals:
                raise ConstructError(f"the route {self} is silent during {name!r} and outside of it: keep one")
        if self.routes and (self.active_time_intervals or self.mute_time_intervals):
            raise ConstructError(
                f"the route {self} has time intervals, which the routes within it would not inherit: give them to those"
            )

    @property
    def demands(self) -> dict[str, frozenset[str]]:
        """By label, what an alert may have of it."""
        demands = {label: frozenset({value}) for label, value in self.labels.items()}
        if self.team is not None:
            demands[TEAM] = frozenset({self.team})
        if self.severities:
            demands[SEVERITY] = frozenset(str(severity) for severity in self.severities)
        return demands

    def __str__(self) -> str:
        return f"of {', '.join(matchers(self.demands)) or 'everything'} to {self.receiver}"

    def to_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "receiver": self.receiver,
            "matchers": matchers(self.demands),
            "active_time_intervals": list(self.active_time_intervals),
            "mute_time_intervals": list(self.mute_time_intervals),
            "continue": self.continue_,
            "routes": level(self.routes, otherwise=self.receiver),
        }
        return {name: value for name, value in fields.items() if value}


def level(routes: Iterable[Route], *, otherwise: str) -> list[dict[str, Any]]:
    """Routes as they are written.

    Args:
        routes: Of one level, in order.
        otherwise: Who hears of what none of them takes.
    """
    given = list(routes)
    # Alertmanager takes a route with `continue` for an answer: who is above would not hear.
    last = [{"receiver": otherwise}] if any(each.continue_ for each in given) else []
    catch_all = any(not each.demands and not each.continue_ for each in given)
    return [*(each.to_dict() for each in given), *([] if catch_all else last)]


def refuse_unreachable(routes: Iterable[Route], *, within: Demands, before: Iterable[Demands] = ()) -> None:
    """Refuse a route that no alert can reach.

    Args:
        routes: Of one level, in order.
        within: What their alerts have anyhow.
        before: What earlier routes take, of this level and of those above.
    Raises:
        ConstructError: the route, and why.
    """
    taken = list(before)
    for route in routes:
        demands = {label: frozenset(values) for label, values in within.items()}
        for label, values in route.demands.items():
            demands[label] = demands.get(label, values) & values
            if not demands[label]:
                raise ConstructError(f"the route {route} is within one that wants another {label}: put it outside")
        # If any alert gets here, then one that has no other label than those that are wanted.
        barest = [dict(zip(demands, values, strict=True)) for values in product(*map(sorted, demands.values()))]
        takers = [next((each for each in taken if _fits(alert, each)), None) for alert in barest]
        if None not in takers:
            spelled = sorted({", ".join(matchers(each)) or "everything" for each in takers if each is not None})
            raise ConstructError(
                f"no alert reaches the route {route}, since all are taken before ({' and '.join(spelled)}): "
                "put it first, or let that go on by continue_"
            )
        refuse_unreachable(route.routes, within=demands, before=taken)
        if not route.continue_:
            taken.append(demands)


def _fits(alert: Mapping[str, str], demands: Demands) -> bool:
    return all(alert.get(label) in values for label, values in demands.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """Alerts keep silent while another one, that is about the same thing, says it all; the heartbeat never does.

    A label that both lack counts as equal, as Alertmanager has it: choose such that the source always has.

    Args:
        source: What the labels of the telling alert are, exactly.
        target: What those of the silent ones are.
        equal: Labels that must be the same on both, or any source would silence the whole cluster.
    Raises:
        ConstructError: nothing that must be equal, nothing said of a side, or an inhibition without effect.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#inhibition-related-settings
    """

    source: Mapping[str, str]
    target: Mapping[str, str]
    equal: tuple[str, ...]

    def __post_init__(self) -> None:
        of = f"the inhibition of {dict(self.target)} by {dict(self.source)}"
        for side in (self.source, self.target):
            if not side:
                raise ConstructError(f"{of} says nothing of one side, which means every alert: name at least one label")
            _check(side, of=of)
        if not self.equal:
            raise ConstructError(f"{of} has no equal labels, so one alert would silence the whole cluster: name some")
        _check(dict.fromkeys(self.equal, "any"), of=of)
        if self.source == self.target:
            raise ConstructError(
                f"{of} silences nothing, since Alertmanager lets no alert silence its like: name others"
            )
        for label in self.equal:
            if len({side[label] for side in (self.source, self.target) if label in side}) == 2:
                raise ConstructError(f"{of} silences nothing, since {label!r} must be equal and is not: leave it out")
        if self.target.get(ALERTNAME) == HEARTBEAT:
            raise ConstructError(f"{of} would stop the heartbeat, and so raise its alarm: leave it out")

    def to_dict(self) -> dict[str, Any]:
        source, target = ({label: {value} for label, value in side.items()} for side in (self.source, self.target))
        spared = [] if ALERTNAME in self.target else [f'{ALERTNAME}!="{HEARTBEAT}"']
        return {
            "source_matchers": matchers(source),
            "target_matchers": spared + matchers(target),
            "equal": sorted(set(self.equal)),
        }
