"""What the model says of routes, held against the real Alertmanager: who hears twice, and what is one notification."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from constructs_lib.config import to_yaml
from constructs_lib.config.alertmanager import CREDENTIALS, DEFAULT_INHIBITIONS, AlertmanagerConfig
from constructs_lib.config.reach import doubled
from constructs_lib.config.receivers import Receiver, Webhook
from constructs_lib.config.routes import Route, Timing, level
from constructs_lib.config.secrets import SecretKey
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.real.amtool import routed
from tests.real.documents import Documents

NAMES = ["a", "b", "c"]
SOON = timedelta(seconds=20)


def document(routes: tuple[Route, ...]) -> str:
    """A file with these routes, even where the model refuses it as a whole."""
    receivers = [{"name": name} for name in NAMES]
    return to_yaml({"route": {"receiver": "a", "routes": level(routes, otherwise="a")}, "receivers": receivers})


def test_who_is_said_to_hear_twice_does_whatever_else_the_alert_is() -> None:
    """No routes are refused in vain: with other labels by chance, the receiver is named twice by amtool, too."""
    documents, asked = Documents(0), 0
    for _ in range(400):
        routes = documents.routes(NAMES)
        text = document(routes)
        for labels, first, _ in doubled(routes, default=Route(receiver="a")):
            asked += 1
            alert = {**documents.alert(), **labels}
            assert Counter(routed(text, **alert))[first.receiver] > 1, f"{alert} in {text}"
    assert asked > 100


def hook(name: str) -> Receiver:
    return Receiver(name=name, integrations=(Webhook(url=SecretKey("receivers", f"{name}-url")),))


GROUPS = AlertmanagerConfig(
    default="rest",
    receivers=tuple(hook(name) for name in ("rest", "all", "each", "inherits", "digest", "pods")),
    timing=Timing(group_wait=timedelta(0)),
    routes=(
        Route(receiver="all", team="all", group_by=()),
        Route(
            receiver="each",
            team="each",
            group_by=("...",),
            routes=(
                Route(receiver="inherits", labels={"way": "inherits"}),
                Route(receiver="digest", labels={"way": "digest"}, group_by=()),
            ),
        ),
        Route(receiver="pods", team="pods", group_by=("pod",)),
    ),
)


QUIET = AlertmanagerConfig(default="rest", receivers=(hook("rest"),), inhibitions=DEFAULT_INHIBITIONS)


@contextmanager
def alertmanager(config: AlertmanagerConfig, directory: Path) -> Iterator[str]:
    """One member that has no peers; gives its address. Nobody hears from it: its credentials are not there."""
    path = directory / "alertmanager.yml"
    path.write_text(to_yaml(config.to_dict()).replace(CREDENTIALS, str(directory)))
    command = [built("alertmanager"), f"--config.file={path}", f"--storage.path={directory}/data"]
    log = directory / "log"
    with log.open("w") as output:
        flags = ["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]
        running = subprocess.Popen([*command, *flags], stdout=output, stderr=output)
    try:
        yield wait("Alertmanager listens", lambda: _address(log.read_text()), SOON)
    finally:
        running.terminate()
        running.wait(timeout=SOON.total_seconds())


def _address(log: str) -> str:
    return log.split('msg="Listening on" address=')[1].split(maxsplit=1)[0]


def post(address: str, alerts: list[dict[str, dict[str, str]]]) -> None:
    body, kind = json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    urlopen(Request(f"http://{address}/api/v2/alerts", body, kind)).close()


def states(address: str) -> dict[tuple[str, str], str]:
    """Of each alert, by its cluster and name, whether somebody hears of it."""
    with urlopen(f"http://{address}/api/v2/alerts") as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return {(each["labels"]["cluster"], each["labels"]["alertname"]): each["status"]["state"] for each in found}


def groups(address: str) -> Counter[tuple[str, int]]:
    """Of each receiver, how many alerts its groups have."""
    with urlopen(f"http://{address}/api/v2/alerts/groups") as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return Counter((group["receiver"]["name"], len(group["alerts"])) for group in found)


def test_what_is_one_notification(tmp_path: Path) -> None:
    """No label means one of all, '...' one of each; routes within inherit either, or say what they want."""
    ways: list[dict[str, str]] = [{"team": team} for team in ("all", "each", "pods", "other")]
    ways += [{"team": "each", "way": way} for way in ("inherits", "digest")]
    alerts = [
        {"labels": {**way, "alertname": alertname, "pod": pod}}
        for way in ways
        for alertname in ("Down", "Slow")
        for pod in ("p0", "p1")
    ]
    expected = {("all", 4): 1, ("each", 1): 4, ("inherits", 1): 4, ("digest", 4): 1, ("pods", 2): 2, ("rest", 2): 2}
    with alertmanager(GROUPS, tmp_path) as address:
        post(address, alerts)
        wait("all alerts are in their groups", lambda: groups(address) == expected, SOON)


def test_alerts_of_other_teams_silence_nothing_and_are_never_silenced(tmp_path: Path) -> None:
    """Though they are called as ours, and all that must be equal is; ours do among themselves."""
    ways = {"a team's source": ("shop", ""), "a team's target": ("", "shop"), "both ours": ("", "")}
    alerts = [
        {"labels": {"alertname": alertname, "job": "api", "cluster": way} | ({"origin": origin} if origin else {})}
        for way, origins in ways.items()
        for alertname, origin in zip(("JobDown", "TargetDown"), origins, strict=True)
    ]
    expected = {(way, alertname): "active" for way in ways for alertname in ("JobDown", "TargetDown")}
    with alertmanager(QUIET, tmp_path) as address:
        post(address, alerts)  # in this order: when ours is silent, all have been looked at
        expected["both ours", "TargetDown"] = "suppressed"
        wait("all alerts are in their states", lambda: states(address) == expected, SOON)
