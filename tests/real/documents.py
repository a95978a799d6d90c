"""Random configurations of Alertmanager that the model accepts: trees of routes, and everything that they may name.

Plain chance: a tree of fifty choices is drawn in a millisecond, and a seed draws it again.
"""

import zoneinfo
from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta
from itertools import count
from random import Random
from string import ascii_letters, ascii_lowercase, digits
from typing import Any, TypeVar

from constructs_lib.config.alertmanager import DEFAULT_INHIBITIONS, AlertmanagerConfig
from constructs_lib.config.inhibitions import Inhibition
from constructs_lib.config.intervals import Hours, TimeInterval, Weekday
from constructs_lib.config.reach import refuse_unreachable
from constructs_lib.config.receivers import Email, Heartbeat, PagerDuty, Receiver, Slack, Webhook
from constructs_lib.config.routes import Route, Timing
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT, Severity

T = TypeVar("T")
ZONES = sorted(zoneinfo.available_timezones() - {"localtime", "Factory"})
# What YAML, Go's templates, both parsers of matchers, or a shell could take for something else.
ODD = " \"'\\{}[]()=~!|,:;#&*@%`$?<>^+-/_\u00e9\u4f60\U0001f600"


class Documents:
    """A source of them.

    Args:
        seed: The same one gives the same documents.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - chance, no secret
        self._numbers = count()

    def next(self) -> AlertmanagerConfig:
        """One that is accepted."""
        random = self._random
        intervals = {name: self._interval(name) for name in self._some(self._name, 3)}
        routes = self._routes(list(intervals), depth=3)
        heard = ["default", *(route.receiver for route in flat(routes))]
        random.shuffle(heard)
        return AlertmanagerConfig(
            default="default",
            receivers=tuple(
                Receiver(name=name, integrations=tuple(self._some(self._integration, 3, least=1))) for name in heard
            ),
            routes=routes,
            inhibitions=(*DEFAULT_INHIBITIONS, *self._some(self._inhibition, 3)),
            intervals=tuple(intervals.values()),
            heartbeat=self._maybe(
                lambda: Heartbeat(url=self._secret(), interval=timedelta(seconds=random.randint(30, 900)))
            ),
            teams=tuple(self._some(random.choice([self._integration, self._channel_of_each_team]), 2)),
            timing=self._timing(),
        )

    def routes(self, receivers: list[str]) -> tuple[Route, ...]:
        """Some whose receivers are these, so that one may hear by several; in effect at all times."""
        return tuple(self._renamed(each, receivers) for each in self._routes([], depth=2))

    def _renamed(self, route: Route, receivers: list[str]) -> Route:
        inner = tuple(self._renamed(each, receivers) for each in route.routes)
        return replace(route, receiver=self._random.choice(receivers), routes=inner)

    def alert(self) -> dict[str, str]:
        """Labels of an alert, among them often what routes want."""
        wanted = {"team": self._team(), "severity": str(self._random.choice(list(Severity)))}
        return {**{name: value for name, value in wanted.items() if self._random.random() < 0.7}, **self._labels(0)}

    def _team(self) -> str:
        return self._random.choice(["backend", "ml", "A.b_c-1"])

    def _timing(self) -> Timing:
        group_interval = timedelta(seconds=self._random.randint(1, 3600))
        return Timing(
            group_wait=timedelta(seconds=self._random.randint(0, 600)),
            group_interval=group_interval,
            repeat_interval=group_interval * self._random.randint(1, 120),
        )

    def _some(self, make: Callable[[], T], most: int, *, least: int = 0) -> list[T]:
        return [make() for _ in range(self._random.randint(least, most))]

    def _maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self._random.random() < 0.5 else None

    def _text(self, letters: str, most: int) -> str:
        return "".join(self._some(lambda: self._random.choice(letters), most, least=1))

    def _name(self) -> str:
        inner = self._text(ascii_lowercase + digits + "-", 20)
        return f"{self._random.choice(ascii_lowercase)}{inner}{self._random.choice(ascii_lowercase + digits)}"

    def _secret(self) -> SecretKey:
        return SecretKey(self._name(), "k" + self._text(ascii_letters + digits + "-._", 20))

    def _address(self) -> str:
        return f"{self._text(ascii_letters + digits + '._+-', 12)}@{self._name()}.example.com"

    def _integration(self) -> Any:
        resolved, port = self._random.random() < 0.5, self._random.randint(26, 65535)
        return self._random.choice(
            [
                lambda: Webhook(
                    url=self._secret(), port=port, max_alerts=self._random.choice([0, 1, 2**31]), resolved=resolved
                ),
                lambda: Slack(
                    api_url=self._secret(),
                    channel=self._random.choice(["", "#", "@"]) + self._text(ascii_letters + digits + "-._é你", 80),
                    resolved=resolved,
                ),
                lambda: PagerDuty(routing_key=self._secret(), resolved=resolved),
                lambda: Email(
                    to=self._address(),
                    sender=self._address(),
                    host=self._name(),
                    port=port,
                    username=self._text(ascii_letters + ODD, 20),
                    password=self._secret(),
                    resolved=resolved,
                ),
            ]
        )()

    def _channel_of_each_team(self) -> Slack:
        return Slack(
            api_url=self._secret(), channel=self._random.choice(["#{team}", "alerts-{team}.x", "@{team}{team}"])
        )

    def _interval(self, name: str) -> TimeInterval:
        def numbers(*ranges: range) -> tuple[int, ...]:
            among = [number for each in ranges for number in each]
            return tuple(self._some(lambda: self._random.choice(among), 9))

        return TimeInterval(
            name=name,
            weekdays=tuple(self._some(lambda: self._random.choice(list(Weekday)), 7)),
            times=tuple(self._some(self._hours, 3, least=1)),
            days_of_month=numbers(range(1, 32), range(-31, 0)),
            months=numbers(range(1, 13)),
            years=numbers(range(1970, 2100), range(9990, 10_000)),
            location=self._random.choice(ZONES),
        )

    def _hours(self) -> Hours:
        start, end = sorted(self._random.sample(range(24 * 60 + 1), 2))
        return Hours(time(*divmod(start, 60)), time(*divmod(end % (24 * 60), 60)))

    def _labels(self, least: int) -> dict[str, str]:
        names = self._some(lambda: self._random.choice(["service", "cluster", "_X", "x0"]), 2, least=least)
        values = [lambda: self._random.choice("ab"), lambda: self._text(ascii_letters + ODD, 12)]
        return {name: self._random.choice(values)() for name in names}

    def _inhibition(self) -> Inhibition:
        source, target = self._labels(1), {"severity": "warning", **self._labels(0)}
        return Inhibition(source=source, target=target, equal=tuple(self._some(self._label, 3, least=1)))

    def _label(self) -> str:
        return self._random.choice(["namespace", "job", "pod", "node"])

    def _routes(self, intervals: list[str], depth: int) -> tuple[Route, ...]:
        kept: list[Route] = []
        for each in self._some(lambda: self._route(intervals, depth - 1), 4):
            try:
                refuse_unreachable([*kept, each], within={}, before=[{"alertname": [HEARTBEAT]}])
            except ConstructError:
                continue
            kept.append(each)
        return tuple(kept)

    def _route(self, intervals: list[str], depth: int) -> Route:
        receiver = f"receiver-{next(self._numbers)}"  # its own, so that it tells where an alert went
        routes = self._routes(intervals, depth) if depth else ()
        when = self._random.sample(intervals, self._random.randint(0, len(intervals))) if not routes else []
        split = self._random.randint(0, len(when))
        return Route(
            receiver=receiver,
            team=self._maybe(self._team),
            severities=tuple(self._random.sample(list(Severity), self._random.randint(0, 2))),
            labels=self._labels(0),
            active_time_intervals=tuple(when[:split]),
            mute_time_intervals=tuple(when[split:]),
            continue_=self._random.random() < 0.3,
            timing=self._maybe(self._timing),
            group_by=self._maybe(lambda: self._random.choice([("...",), tuple(self._some(self._label, 3))])),
            routes=routes,
        )


def flat(routes: tuple[Route, ...]) -> list[Route]:
    """Every route, on whatever level."""
    return [inner for each in routes for inner in (each, *flat(each.routes))]
