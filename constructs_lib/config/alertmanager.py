"""Alertmanager's configuration as typed data: who hears of what, how soon, how often, and what keeps silent meanwhile.

Source: https://prometheus.io/docs/alerting/latest/configuration/
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from constructs_lib.config.blackbox import EXPORTER
from constructs_lib.config.inhibitions import Inhibition
from constructs_lib.config.integrations import Integration
from constructs_lib.config.intervals import TimeInterval
from constructs_lib.config.matchers import ALERTNAME, OF_PLATFORM, OF_TEAMS, matchers
from constructs_lib.config.reach import refuse_doubled, refuse_unreachable
from constructs_lib.config.receivers import HEARTBEAT_RECEIVER, TEAMS_RECEIVER, Heartbeat, Receiver
from constructs_lib.config.routes import EACH, TEAM, Route, Timing, level
from constructs_lib.contract import ORIGIN
from constructs_lib.errors import ConstructError
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, SPAN_METRICS
from constructs_lib.metrics.loki import LOKI
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
# Other teams name their alerts as they want, and those on their releases are of several.
GROUP_BY_OF_TEAMS = ("alertname", "cluster", "namespace", ORIGIN, TEAM)
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
            ("CertificateAboutToExpire", "CertificateNearExpiry", "instance"),
            *((each, "BackupFailing", "pod") for each in ("BackupTooOld", "BackupMissing")),
            ("LogCollectorsStuck", "LogCollectorStuck", "host"),
            ("LogsStopped", "LogCollectorsStuck"),
            *(("LokiWritesFailing", each) for each in ("LogsStopped", "LogCollectorsStuck", "LogCollectorStuck")),
            *(
                ("SpanStoreStuck", each, "pod")
                for each in ("SpanStoreFailing", "SpanQueueNearFull", "SpansRefused", "SpansLostAtStore")
            ),
            *(("SpanStoreStuck", each) for each in ("TracesStopped", "TraceQueriesFailing")),
            # What is refused for a while and tried again is counted as if it were lost.
            *(("SpanStoreFailing", each, "pod") for each in ("SpanQueueNearFull", "SpansRefused", "SpansLostAtStore")),
            ("SpanQueueNearFull", "SpansRefused", "pod"),
        )
    ),
    # Two doors of the same pods.
    *(
        Inhibition(
            source={"alertname": each, "job": JAEGER_COLLECTOR.job},
            target={"alertname": each, "job": SPAN_METRICS.job},
            equal=("cluster", *equal),
        )
        for each, *equal in (("JobDown",), ("JobMissing",), ("TargetDown", "pod"))
    ),
    # Nobody asks the hosts.
    *(
        Inhibition(
            source={"alertname": each, "job": EXPORTER},
            target={"alertname": "JobDown", "job": BLACKBOX_EXPORTER.job},
            equal=("cluster",),
        )
        for each in ("JobDown", "JobMissing")
    ),
    # A store that does not run.
    *(
        Inhibition(source={"alertname": "JobDown", "job": LOKI.job}, target={"alertname": each}, equal=("cluster",))
        for each in (
            "LogsStopped",
            "LogCollectorsStuck",
            "LogCollectorStuck",
            "LokiWritesFailing",
            "LokiMembersMissing",
        )
    ),
)
"""Those that fit the alerts of this library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerConfig:
    """The whole file `alertmanager.yml`.

    The alert `Heartbeat` never reaches people: it goes to the heartbeat's server, or to nobody. Alerts of other teams'
    releases, whatever they are called and however severe, go to those teams or by default, and to no route.

    Args:
        default: Name of the receiver of what no route is about.
        receivers: Everybody who can be named.
        routes: In order: the first that fits wins.
        inhibitions: In any order.
        intervals: Whatever times routes name.
        heartbeat: Who is told, again and again, that alerts arrive.
        teams: The ways by which other teams hear of the alerts of their releases; none for the default receiver.
        team_routes: Which of these alerts go elsewhere: a team's critical ones to a pager of its own.
        timing: How soon and how often people hear, where their route does not say otherwise.
        retention: Of the log of what was sent, as the flag `--data.retention` says it.
    Raises:
        ConstructError: a name that is missing, taken or useless, a route that no alert reaches, a receiver that would
            hear twice of the same alert, a channel of each team for alerts of several, or a repetition that the log
            would have forgotten.
    Source: https://prometheus.io/docs/alerting/latest/configuration/
    """

    default: str
    receivers: tuple[Receiver, ...]
    routes: tuple[Route, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()
    intervals: tuple[TimeInterval, ...] = ()
    heartbeat: Heartbeat | None = None
    teams: tuple[Integration, ...] = ()
    team_routes: tuple[Route, ...] = ()
    timing: Timing = field(default_factory=Timing)
    retention: timedelta = RETENTION

    def __post_init__(self) -> None:
        receivers = _distinct((receiver.name for receiver in self.receivers), of="receivers")
        for name in (NOBODY, HEARTBEAT_RECEIVER, TEAMS_RECEIVER):
            if name in receivers:
                raise ConstructError(f"a receiver has the name {name!r}, which is ours: choose another one")
        if self.default not in receivers:
            raise ConstructError(f"the default receiver {self.default!r} does not exist: {_known(receivers)}")
        self._refuse_unknown(receivers, _distinct((interval.name for interval in self.intervals), of="time intervals"))
        heard = {self.default, *(route.receiver for route in _all((*self.routes, *self.team_routes)))}
        for name in receivers:
            if name not in heard:
                raise ConstructError(f"the receiver {name} would never hear of anything: add a route, or leave it out")
        refuse_unreachable(self.routes, within={}, before=[_HEARTBEAT])
        refuse_doubled(self.routes, default=Route(receiver=self.default))
        self._refuse_mixed((Route(receiver=self.default), *self.routes), GROUP_BY)
        self._refuse_forgotten(self.timing)
        refuse_unreachable(self.team_routes, within={})
        refuse_doubled(self.team_routes, default=Route(receiver=self._told_of_teams))
        self._refuse_mixed(self.team_routes, GROUP_BY_OF_TEAMS)
        for route in _all((*self.routes, *self.team_routes)):
            if route.timing is not None:
                self._refuse_forgotten(route.timing, of=f" of the route {route}")

    @property
    def _told_of_teams(self) -> str:
        """Who hears of other teams' alerts where no route says otherwise."""
        return TEAMS_RECEIVER if self.teams else self.default

    def _refuse_mixed(self, routes: Iterable[Route], inherited: tuple[str, ...]) -> None:
        """Of alerts of two teams, no channel would be that of the team."""
        of_each_team = {receiver.name for receiver in self.receivers if receiver.of_each_team}
        for route in routes:
            group_by = inherited if route.group_by is None else route.group_by
            if route.receiver in of_each_team and not {TEAM, EACH} & {*group_by}:
                raise ConstructError(
                    f"{route.receiver} has a channel of each team, but the route {route} puts alerts of several into "
                    f"one notification: have {TEAM!r} in its group_by"
                )
            self._refuse_mixed(route.routes, group_by)

    def _refuse_forgotten(self, timing: Timing, of: str = "") -> None:
        if timing.repeat_interval > self.retention:
            raise ConstructError(
                f"the repeat_interval{of} is {prometheus_duration(timing.repeat_interval)}, but what was sent is "
                f"forgotten, and so repeated, after {prometheus_duration(self.retention)}: repeat it sooner"
            )

    def _refuse_unknown(self, receivers: list[str], intervals: list[str]) -> None:
        for route in _all((*self.routes, *self.team_routes)):
            if route.receiver not in receivers:
                raise ConstructError(f"the route {route} has no such receiver: {_known(receivers)}")
            for name in (*route.active_time_intervals, *route.mute_time_intervals):
                if name not in intervals:
                    raise ConstructError(f"the route {route} has no such time interval {name!r}: {_known(intervals)}")

    def to_dict(self) -> dict[str, Any]:
        own = [] if self.heartbeat is None else [self.heartbeat.receiver]
        own += [Receiver(name=TEAMS_RECEIVER, integrations=self.teams)] if self.teams else []
        receivers = [receiver.to_dict(CREDENTIALS) for receiver in (*self.receivers, *own)]
        nobody = [{"name": NOBODY}] if self.heartbeat is None else []
        inhibitions = sorted((each.to_dict() for each in self.inhibitions), key=str)
        intervals = sorted(self.intervals, key=lambda interval: interval.name)
        return {
            "route": {
                "receiver": self.default,
                "group_by": list(GROUP_BY),
                **self.timing.to_dict(),
                "routes": [
                    self._heartbeat_route(),
                    self._route_of_teams(),
                    *level(self.routes, otherwise=self.default),
                ],
            },
            **({"inhibit_rules": inhibitions} if inhibitions else {}),
            "receivers": sorted([*receivers, *nobody], key=lambda receiver: str(receiver["name"])),
            **({"time_intervals": [interval.to_dict() for interval in intervals]} if intervals else {}),
        }

    def _heartbeat_route(self) -> dict[str, Any]:
        """Always the first one, and apart from all other alerts, whose notifications would delay it.

        An alert of this name by another team would keep the beat alive when ours has stopped.
        """
        wanted = [*matchers(_HEARTBEAT), OF_PLATFORM]
        if self.heartbeat is None:
            return {"receiver": NOBODY, "matchers": wanted}
        return {
            "receiver": self.heartbeat.receiver.name,
            "matchers": wanted,
            "group_by": [ALERTNAME],
            "group_wait": "0s",
            "group_interval": prometheus_duration(self.heartbeat.interval),
            "repeat_interval": prometheus_duration(self.heartbeat.repeat_interval),
        }

    def _route_of_teams(self) -> dict[str, Any]:
        """Before all others, so that none of these can take an alert that is not the platform's."""
        return {
            "receiver": self._told_of_teams,
            "matchers": [OF_TEAMS],
            "group_by": list(GROUP_BY_OF_TEAMS),
            **({"routes": routes} if (routes := level(self.team_routes, otherwise=self._told_of_teams)) else {}),
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
