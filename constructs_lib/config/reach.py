"""Which alerts reach which routes: refuse those that none reaches.

Source: https://prometheus.io/docs/alerting/latest/configuration/#route
"""

from collections.abc import Iterable, Mapping
from itertools import product

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
