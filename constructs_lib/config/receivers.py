"""Who hears of alerts, and who hears that they could arrive.

Source: https://prometheus.io/docs/alerting/latest/configuration/#receiver
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from constructs_lib.config.integrations import Email, Integration, PagerDuty, Slack, Webhook
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label
from constructs_lib.units import MILLISECOND, prometheus_duration

__all__ = ["HEARTBEAT_RECEIVER", "TEAMS_RECEIVER", "Email", "Heartbeat", "PagerDuty", "Receiver", "Slack", "Webhook"]

HEARTBEAT_RECEIVER, TEAMS_RECEIVER = "heartbeat", "teams"
# For each member before it: https://github.com/prometheus/alertmanager/blob/v0.34.1/cmd/alertmanager/main.go
PEER_WAIT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who hears of an alert, by one way or several at once.

    Args:
        name: By which routes name it.
        integrations: The ways, at least one.
    Raises:
        ConstructError: a name that is none, or no way.
    """

    name: str
    integrations: tuple[Integration, ...]

    def __post_init__(self) -> None:
        dns_label(self.name, of="a receiver's name")
        if not self.integrations:
            raise ConstructError(f"the receiver {self.name} has no integration, so would never hear: give at least one")

    @property
    def secrets(self) -> frozenset[SecretKey]:
        """What it needs to know."""
        return frozenset(secret for way in self.integrations for secret in way.secrets)

    @property
    def of_each_team(self) -> bool:
        """Whether the team of the alerts decides who hears."""
        return any(isinstance(way, Slack) and way.of_each_team for way in self.integrations)

    @property
    def ports(self) -> frozenset[int]:
        """Where it is found, outside: TCP."""
        return frozenset(way.port for way in self.integrations)

    def to_dict(self, credentials: str) -> dict[str, Any]:
        """Its part of the document.

        Args:
            credentials: The directory below which Alertmanager finds what Secrets hold.
        """
        ways: dict[str, list[dict[str, Any]]] = {}
        for way in self.integrations:
            ways.setdefault(way.kind, []).append(way.to_dict(credentials))
        return {"name": self.name, **dict(sorted(ways.items()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A server outside that raises the alarm when it no longer hears from us: a "dead man's switch".

    Args:
        url: The key that holds the URL, at port 443.
        interval: Between two beats. The server must wait for two of them: a beat may be late by more than half of
            one when a member of Alertmanager takes over from another.
    Raises:
        ConstructError: an interval below 30 seconds, within which a member that waits for the others would not be done.
    Source: https://prometheus.io/docs/practices/alerting/#metamonitoring
    """

    url: SecretKey
    interval: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        spelled = prometheus_duration(self.interval)
        if not timedelta(seconds=30) <= self.interval <= timedelta(days=1):
            raise ConstructError(
                f"the interval of the heartbeat is {spelled}: use 30s to 1d, since a member of Alertmanager waits 15s "
                "for each one before it, and who waits longer than a day for an alarm does not want it"
            )

    @property
    def repeat_interval(self) -> timedelta:
        """After which Alertmanager sends the beat again, at its next look: each look is one interval after the last.

        It compares the time at which the last sending had ended with that of the look, so an equal value would skip
        every other beat. Members look at different times, and each waits for those before it: this is late enough that
        a second one does not beat beside the first, and soon enough that it keeps time when it beats alone.
        Source: https://github.com/prometheus/alertmanager/blob/v0.34.1/notify/dedup_stage.go
        """
        return (self.interval - PEER_WAIT) // 2 // MILLISECOND * MILLISECOND

    @property
    def receiver(self) -> Receiver:
        """Its part of the document: the beat has no end that could be told of."""
        return Receiver(name=HEARTBEAT_RECEIVER, integrations=(Webhook(url=self.url, resolved=False),))
