"""What people were told, as the receivers outside of the cluster have it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.environments import PROD
from constructs_lib.config.prometheus import ScrapeDefaults
from constructs_lib.config.receivers import PEER_WAIT
from constructs_lib.config.routes import Timing
from constructs_lib.kube.alertmanager import WEB
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.real.outside import WEBHOOK

# Every step between what happens and who hears of it, but the alert's own hold.
STEPS = (
    PROD.scrape_interval  # until the next scrape
    + ScrapeDefaults(interval=PROD.scrape_interval).scrape_timeout
    + PROD.scrape_interval  # until the next evaluation
    + Timing().group_wait
)
MARGIN = 1.2
TURN = PEER_WAIT + timedelta(seconds=5)  # gossip takes its time
MEMBERS = ("alertmanager-0", "alertmanager-1")


@dataclass(frozen=True, slots=True)
class Told:
    """One alert of one notification of the webhook.

    Args:
        at: When it arrived, in seconds since 1970.
        status: `firing` or `resolved`.
    """

    at: float
    status: str
    labels: dict[str, str]


def told(outside: Outside, alertname: str, host: str = WEBHOOK.host, **labels: str) -> list[Told]:
    """What a webhook heard of an alert, oldest first."""
    return [each for each in _all(outside, host) if each.labels.items() >= {"alertname": alertname, **labels}.items()]


def _all(outside: Outside, host: str) -> Iterator[Told]:
    for received in outside.received(host):
        for alert in received.body.get("alerts", ()):
            if "labels" in alert:  # others test the receiver itself
                yield Told(received.at, alert["status"], alert["labels"])


def within(hold: timedelta) -> float:
    """How many seconds after something has happened somebody hears of it at the latest."""
    return MARGIN * (STEPS + hold).total_seconds()


def amtool(cluster: Kubernetes, member: str, *arguments: str) -> str:
    """Ask one member of Alertmanager, from within its pod."""
    command = ("amtool", f"--alertmanager.url=http://localhost:{WEB.number}", *arguments)
    return cluster.exec("monitoring", member, *command, container="alertmanager")


def raise_alert(cluster: Kubernetes, alertname: str, *members: str, **labels: str) -> float:
    """Tell members of Alertmanager of an alert, as every Prometheus tells all of them; give back when it was done.

    Nobody says it again, and it goes on for longer than the tests do: what ends is told once more.

    Args:
        members: All of them when none is named.
    """
    pairs = [f"{label}={value}" for label, value in {"alertname": alertname, **labels}.items()]
    end = (datetime.now(UTC) + timedelta(hours=2)).isoformat(timespec="seconds")
    for member in members or MEMBERS:
        amtool(cluster, member, "alert", "add", *pairs, "--annotation=summary=It is a test.", f"--end={end}")
    return time.time()


def turn_is_over(cluster: Kubernetes, sent: float) -> None:
    """Wait until the other member would have sent, too, since the first one did."""
    cluster.wait("the other member's turn is over", lambda: time.time() - sent > TURN.total_seconds(), 2 * TURN)


def members_seen(cluster: Kubernetes) -> list[int]:
    """How many members each one sees, itself included."""
    seen = []
    for member in MEMBERS:
        _, body = cluster.http_get("monitoring", member, WEB.number, "/api/v2/status")
        seen.append(len(json.loads(body)["cluster"]["peers"]))
    return seen
