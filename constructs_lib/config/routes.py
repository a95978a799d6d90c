"""Which alerts go to whom, how soon and how often.

Source: https://prometheus.io/docs/alerting/latest/configuration/#route
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from constructs_lib.config.matchers import check_labels, matchers
from constructs_lib.contract import ORIGIN
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE
from constructs_lib.rules.model import Severity
from constructs_lib.units import prometheus_duration

SEVERITY, TEAM = "severity", "team"
EACH = "..."
"""Alertmanager's name for all labels together: no two alerts share them, so each is notified alone."""


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
    """Alerts that have all of what it says go to a receiver, and no further; those of other teams' releases only in a
    route of theirs.

    They go nowhere else even while it is silent for the time of day: what takes over then needs `continue_` here.

    Args:
        receiver: Who hears of them, by name.
        team: Whose alerts; everybody's when absent.
        severities: Which ones; all when empty.
        labels: What other labels must be, exactly.
        active_time_intervals: Names of time intervals, outside of which it is silent.
        mute_time_intervals: Names of time intervals in which it is silent.
        continue_: Whether it hears beside the others, not in their place: the routes after it are asked as well, and
            where none of them takes the alert, whoever would hear of it without this one does. Should that be its own
            receiver, it hears twice: that is refused where it is certain, not where only the alert's labels decide.
        timing: How soon and how often it hears, all of it; None for what holds around it.
        group_by: Labels that alerts must share to be one notification; None for those that hold around it, none at all
            for one notification of everything, and `("...",)` for one of each alert.
        routes: Those that are asked first, about the same alerts; they inherit its timing and group_by, and no time
            interval.
    Raises:
        ConstructError: a label that is none or is said twice, or that only alerts of other teams have, '...' beside
            labels, or time intervals that contradict each other.
    Source: https://prometheus.io/docs/alerting/latest/configuration/#route
    """

    receiver: str
    team: str | None = None
    severities: tuple[Severity, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    active_time_intervals: tuple[str, ...] = ()
    mute_time_intervals: tuple[str, ...] = ()
    continue_: bool = False
    timing: Timing | None = None
    group_by: tuple[str, ...] | None = None
    routes: tuple["Route", ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.labels, of=f"a route to {self.receiver}")
        if self.team is not None and not re.fullmatch(LABEL_VALUE, self.team):
            raise ConstructError(f"{self.team!r} cannot be the team of a route: use letters, digits and dashes")
        for label, instead in ((TEAM, "team"), (SEVERITY, "severities")):
            if label in self.labels:
                raise ConstructError(f"the route {self} has {label!r} among its labels: say it as {instead}")
        if ORIGIN in self.labels:
            raise ConstructError(
                f"the route {self} wants the label {ORIGIN!r}, which only alerts of other teams have, and no route "
                "takes those: say by `teams` how they hear"
            )
        if self.group_by != (EACH,):
            if EACH in (self.group_by or ()):
                raise ConstructError(
                    f"the route {self} is grouped by {EACH!r}, which means all labels, and by others: keep one of both"
                )
            check_labels(dict.fromkeys(self.group_by or (), "any"), of=f"the groups of the route {self}")
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
        return {
            **{name: value for name, value in fields.items() if value},
            **({} if self.timing is None else self.timing.to_dict()),
            **({} if self.group_by is None else {"group_by": sorted(set(self.group_by))}),
        }


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
