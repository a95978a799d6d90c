"""Alertmanager's configuration as typed data: who hears of what, how soon, how often, and what keeps silent meanwhile.

Source: https://prometheus.io/docs/alerting/latest/configuration/
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from constructs_lib.config.inhibitions import Inhibition
from constructs_lib.config.intervals import TimeInterval
from constructs_lib.config.matchers import ALERTNAME, matchers
from constructs_lib.config.reach import refuse_doubled, refuse_unreachable
from constructs_lib.config.receivers import HEARTBEAT_RECEIVER, Heartbeat, Receiver
from constructs_lib.config.routes import Route, Timing, level
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import HEARTBEAT
from constructs_lib.units import prometheus_duration

__all__ = [
    "CREDENTIALS",
    "DEFAULT_INHIBITIONS",
    "RETENTION",
    "AlertmanagerConfig",
    "Inhibition",
    "Route",
    "Timing",
]

CREDENTIALS = "/etc/alertmanager/secrets"
"""Below which Alertmanager's pod sees the Secrets that it needs, as `<secret>/<key>`."""
RETENTION = timedelta(hours=120)
"""How long Alertmanager remembers what it has sent, by default."""
NOBODY = "nobody"
# One incident, one notification: a failing job has many instances and an application many pods, but they share these.
# Alerts of two clusters, namespaces or jobs are two incidents; severity and team follow from the alert's name.
GROUP_BY = ("alertname", "cluster", "namespace", "job")
_HEARTBEAT = {ALERTNAME: [HEARTBEAT]}
DEFAULT_INHIBITIONS = (
    # What says more, or the same of the whole, speaks for the rest. All of them have the labels that must be equal.
    *(
        Inhibition(source={"alertname": source}, target={"alertname": target}, equal=("cluster", *equal))
        for source, target, *equal in (
            *(("MostTargetsDown", each) for each in ("JobDown", "ServiceDown", "TargetDown")),
            ("JobDown", "TargetDown", "job"),
            ("ServiceDown", "TargetDown", "job"),
            ("ServiceDown", "JobDown", "job"),
            ("ServiceDown", "JobMissing", "job"),
            ("NodeNotReady", "TargetDown", "node"),
            ("ContainerCrashLooping", "ContainerRestarting", "namespace", "pod", "container"),
            ("ApiErrorsHigh", "ApiErrors", "service"),
            ("VolumeFillingUp", "VolumeAlmostFull", "namespace", "persistentvolumeclaim"),
            ("NodeFilesystemFillingUp", "NodeFilesystemAlmostFull", "node", "device"),
        )
    ),
)
"""Those that fit the alerts of this library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerConfig:
    """The whole file `alertmanager.yml`.

    The alert `Heartbeat` never reaches people: it goes to the heartbeat's server, or to nobody.

    Args:
        default: Name of the receiver of what no route is about.
        receivers: Everybody who can be named.
        routes: In order: the first that fits wins.
        inhibitions: In any order.
        intervals: Whatever times routes name.
        heartbeat: Who is told, again and again, that alerts arrive.
        timing: How soon and how often people hear, where their route does not say otherwise.
        retention: Of the log of what was sent, as the flag `--data.retention` says it.
    Raises:
        ConstructError: a name that is missing, taken or useless, a route that no alert reaches, a receiver that would
            hear twice of the same alert, or a repetition that the log would have forgotten.
    Source: https://prometheus.io/docs/alerting/latest/configuration/
    """

    default: str
    receivers: tuple[Receiver, ...]
    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    intervals: tuple[TimeInterval, ...] = ()
    heartbeat: Heartbeat | None = None
    timing: Timing = field(default_factory=Timing)
    retention: timedelta = RETENTION

    def __post_init__(self) -> None:
        receivers = _distinct((receiver.name for receiver in self.receivers), of="receivers")
        for name in (NOBODY, HEARTBEAT_RECEIVER):
            if name in receivers:
                raise ConstructError(f"a receiver has the name {name!r}, which is ours: choose another one")
        if self.default not in receivers:
            raise ConstructError(f"the default receiver {self.default!r} does not exist: {_known(receivers)}")
        self._refuse_unknown(receivers, _distinct((interval.name for interval in self.intervals), of="time intervals"))
        heard = {self.default, *(route.receiver for route in _all(self.routes))}
        for name in receivers:
            if name not in heard:
                raise ConstructError(f"the receiver {name} would never hear of anything: add a route, or leave it out")
        refuse_unreachable(self.routes, within={}, before=[_HEARTBEAT])
        refuse_doubled(self.routes, default=Route(receiver=self.default))
        self._refuse_forgotten(self.timing)
        for route in _all(self.routes):
            if route.timing is not None:
                self._refuse_forgotten(route.timing, of=f" of the route {route}")

    def _refuse_forgotten(self, timing: Timing, of: str = "") -> None:
        if timing.repeat_interval > self.retention:
            raise ConstructError(
                f"the repeat_interval{of} is {prometheus_duration(timing.repeat_interval)}, but what was sent is "
                f"forgotten, and so repeated, after {prometheus_duration(self.retention)}: repeat it sooner"
            )

    def _refuse_unknown(self, receivers: list[str], intervals: list[str]) -> None:
        for route in _all(self.routes):
            if route.receiver not in receivers:
                raise ConstructError(f"the route {route} has no such receiver: {_known(receivers)}")
            for name in (*route.active_time_intervals, *route.mute_time_intervals):
                if name not in intervals:
                    raise ConstructError(f"the route {route} has no such time interval {name!r}: {_known(intervals)}")

    def to_dict(self) -> dict[str, Any]:
        own = [] if self.heartbeat is None else [self.heartbeat.receiver]
        receivers = [receiver.to_dict(CREDENTIALS) for receiver in (*self.receivers, *own)]
        nobody = [{"name": NOBODY}] if self.heartbeat is None else []
        inhibitions = sorted((each.to_dict() for each in self.inhibitions), key=str)
        intervals = sorted(self.intervals, key=lambda interval: interval.name)
        return {
            "route": {
                "receiver": self.default,
                "group_by": list(GROUP_BY),
                **self.timing.to_dict(),
                "routes": [self._heartbeat_route(), *level(self.routes, otherwise=self.default)],
            },
            **({"inhibit_rules": inhibitions} if inhibitions else {}),
            "receivers": sorted([*receivers, *nobody], key=lambda receiver: str(receiver["name"])),
            **({"time_intervals": [interval.to_dict() for interval in intervals]} if intervals else {}),
        }

    def _heartbeat_route(self) -> dict[str, Any]:
        """Always the first one, and apart from all other alerts, whose notifications would delay it."""
        if self.heartbeat is None:
            return {"receiver": NOBODY, "matchers": matchers(_HEARTBEAT)}
        return {
            "receiver": self.heartbeat.receiver.name,
            "matchers": matchers(_HEARTBEAT),
            "group_by": [ALERTNAME],
            "group_wait": "0s",
            "group_interval": prometheus_duration(self.heartbeat.interval),
            "repeat_interval": prometheus_duration(self.heartbeat.repeat_interval),
        }


def _distinct(names: Iterable[str], *, of: str) -> list[str]:
    given = list(names)
    for name in given:
        if given.count(name) > 1:
            raise ConstructError(f"there are {given.count(name)} {of} of the name {name!r}: give each its own")
    return sorted(given)


def _known(names: list[str]) -> str:
    return f"use one of {', '.join(names)}" if names else "there is none yet, so declare it"


def _all(routes: Iterable[Route]) -> Iterable[Route]:
    for route in routes:
        yield route
        yield from _all(route.routes)
