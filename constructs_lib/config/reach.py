"""Which alerts reach which routes: refuse those that none reaches, and those by which one is told twice.

All of it is about the platform's alerts: those of other teams are taken before any of these routes is asked.

Source: https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product

from constructs_lib.config.matchers import Demands, matchers
from constructs_lib.config.routes import Route
from constructs_lib.errors import ConstructError


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
        demands = _both(within, route.demands)
        for label, values in demands.items():
            if not values:
                raise ConstructError(f"the route {route} is within one that wants another {label}: put it outside")
        # If any alert gets here, then one that has no other label than those that are wanted.
        takers = [next((each for each in taken if _fits(alert, each)), None) for alert in _barest(demands)]
        if None not in takers:
            spelled = sorted({_spelled(each) for each in takers if each is not None})
            raise ConstructError(
                f"no alert reaches the route {route}, since all are taken before ({' and '.join(spelled)}): "
                "put it first, or let that go on by continue_"
            )
        refuse_unreachable(route.routes, within=demands, before=taken)
        if not route.continue_:
            taken.append(demands)


def refuse_doubled(routes: Sequence[Route], *, default: Route) -> None:
    """Refuse two routes by which one receiver certainly hears of the same alert.

    Certain is what holds of every alert that has some labels, whatever others it has. Where a route between the two may
    take the alert by another label, they are accepted, and it hears twice of what that route leaves.

    Args:
        routes: Of the highest level, in order.
        default: What takes all that they do not.
    Raises:
        ConstructError: both routes, and of which alerts.
    """
    for alert, first, second in doubled(routes, default=default):
        again = "by default" if second is default else f"by the route {second}"
        raise ConstructError(
            f"{first.receiver} would hear twice of {_spelled({label: {value} for label, value in alert.items()})}, "
            f"by the route {first} and {again}: keep one of them"
        )


def doubled(routes: Sequence[Route], *, default: Route) -> Iterator[tuple[dict[str, str], Route, Route]]:
    """Labels such that every alert that has them comes to one receiver by two routes; and these."""
    for demands in _wanted(routes, within={}):
        for alert in _barest(demands):
            for first, second in combinations(_certain(alert, routes, otherwise=default), 2):
                if first.receiver == second.receiver and _at_once(first, second):
                    yield alert, first, second


def _wanted(routes: Iterable[Route], *, within: Demands) -> Iterator[Demands]:
    """What each route wants of alerts, on every level."""
    for route in routes:
        demands = _both(within, route.demands)
        yield demands
        yield from _wanted(route.routes, within=demands)


def _certain(alert: Mapping[str, str], routes: Iterable[Route], *, otherwise: Route) -> list[Route]:
    """By which routes every alert that has at least these labels is heard of."""
    heard: list[Route] = []
    for route in routes:
        if _fits(alert, route.demands):
            heard += _certain(alert, route.routes, otherwise=route)
        if not route.continue_ and _may_fit(alert, route.demands):
            return heard
    return [*heard, otherwise]


def _at_once(first: Route, second: Route) -> bool:
    """Whether there is a time at which both notify: where both say when, only the clock knows, unless they agree."""
    one, other = ((set(each.active_time_intervals), set(each.mute_time_intervals)) for each in (first, second))
    return one == other or (set(), set()) in (one, other)


def _both(within: Demands, demands: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """What alerts have that fit both: nothing of a label, where they contradict each other."""
    both = {label: frozenset(values) for label, values in within.items()}
    return both | {label: both.get(label, values) & values for label, values in demands.items()}


def _spelled(demands: Demands) -> str:
    return ", ".join(matchers(demands)) or "everything"


def _barest(demands: Demands) -> list[dict[str, str]]:
    """The alerts that have no other label than those that are wanted."""
    return [dict(zip(demands, values, strict=True)) for values in product(*map(sorted, demands.values()))]


def _fits(alert: Mapping[str, str], demands: Demands) -> bool:
    return all(alert.get(label) in values for label, values in demands.items())


def _may_fit(alert: Mapping[str, str], demands: Demands) -> bool:
    """Whether one may that has more labels than these."""
    return all(alert[label] in values for label, values in demands.items() if label in alert)
