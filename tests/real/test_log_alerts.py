"""Alerts on logs: a real Loki counts the lines of their proofs, its ruler tells a real Alertmanager of them."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cdk8s
import pytest

from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.config import to_yaml
from constructs_lib.config.loki import TENANT, LokiConfig
from constructs_lib.config.loki_ruler import Ruler
from constructs_lib.rules.log_model import LinesProof, LogAlert, LogRuleGroup
from constructs_lib.rules.model import Severity
from constructs_lib.units import Bytes
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.real.loki import NANOSECONDS, PUSH, running
from tests.real.loopback import asked, free_port, soon

SOON = timedelta(seconds=90)
OF_PROD = [alert for group in monitoring(cdk8s.App(), "prod", PROD).loki.rules for alert in group.alerts]
# With everything that an alert may say.
ODD = LogAlert(
    name="Odd",
    streams={"namespace": 'a "shop"', "app": "back\\slash"},
    texts=('refused: "you"', "C:\\temp", "(a|b)*[c] ünïcode", "%d {{.x}} `y`"),
    but=("harmless", 'a "test"'),
    by=("pod",),
    above=2,
    within=timedelta(minutes=2),
    hold=timedelta(seconds=2),
    severity=Severity.CRITICAL,
    team="web",
    summary="Odd lines.",
    description="{{ $labels.pod }}: {{ $value }}",
    proof=LinesProof(
        counted=('1 refused: "you"!', "in C:\\temp, there", "(a|b)*[c] ünïcode", "it says %d {{.x}} `y`"),
        spared=('harmless: refused: "you"', 'a "test" in C:\\temp', "REFUSED", "aa c"),
    ),
)
ALERTS = [*OF_PROD, ODD]
GROUP = LogRuleGroup(name="odd", alerts=(ODD,))


@dataclass(frozen=True, slots=True)
class Case:
    """Lines that are counted apart from those of all other cases.

    Args:
        name: In the labels that are counted by, as far as the alert leaves them open.
    """

    url: str
    alert: LogAlert
    name: str

    @property
    def open(self) -> frozenset[str]:
        """These labels."""
        return frozenset(self.alert.by) - self.alert.streams.keys()

    def write(self, lines: list[str], *, ago: timedelta = timedelta(seconds=1), **labels: str) -> None:
        """Write lines in the alert's streams but for some labels, each of them so long ago."""
        stream = dict.fromkeys(self.open, self.name) | dict(self.alert.streams) | labels
        then = time.time_ns() - int(ago.total_seconds() * NANOSECONDS)
        values = [[str(then + number), line] for number, line in enumerate(lines)]
        soon(f"{self.url}{PUSH}", {"streams": [{"stream": stream, "values": values}]})

    def fires(self) -> list[Mapping[str, str]]:
        """The labels of each of its alerts."""
        query = urlencode({"query": self.alert.expr})
        found = json.loads(soon(f"{self.url}/loki/api/v1/query?{query}"))["data"]["result"]
        labels = (each["metric"] for each in found)
        return [each for each in labels if all(each[label].startswith(self.name) for label in self.open)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Loki that counts."""
    directory = tmp_path_factory.mktemp("loki")
    config = LokiConfig(directory=str(directory / "volume"), bucket=None, memory=Bytes.gib(2))
    with running(config.to_dict(), directory, "-ingester.min-ready-duration=0s") as url:
        soon(f"{url}/ready")
        yield url


@pytest.fixture
def cases(url: str, alert: LogAlert, request: pytest.FixtureRequest) -> Iterator[Case]:
    """As many as a test wants."""
    assert set(alert.by) - alert.streams.keys(), "nothing tells the cases apart"
    return (Case(url, alert, f"{request.node.name}-{number};") for number in itertools.count())


def enough(alert: LogAlert, *lines: str) -> list[str]:
    """One line more than may come."""
    return [lines[number % len(lines)] for number in range(alert.above + 1)]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_it_fires_by_each_of_its_lines(alert: LogAlert, cases: Iterator[Case]) -> None:
    """By one more of each than may come, with the labels that it counts by."""
    for line, case in zip(alert.proof.counted, cases, strict=False):
        case.write(enough(alert, line), ago=alert.within - timedelta(seconds=10))
        (labels,) = case.fires()
        assert labels.keys() == set(alert.by), line


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_it_does_not_fire_one_step_away(alert: LogAlert, cases: Iterator[Case]) -> None:
    """Neither by one line less, though others are spared, nor by lines that are too old, or in other streams."""
    lines = enough(alert, *alert.proof.counted)

    few, old = next(cases), next(cases)
    few.write([*lines[1:], *alert.proof.spared * (alert.above + 1)])
    old.write(lines[:1], ago=alert.within)
    old.write(lines[1:])
    assert (few.fires(), old.fires()) == ([], [])
    few.write(lines[:1])
    assert few.fires()  # it was one line away
    for label in alert.streams:
        other = next(cases)
        other.write(lines, **{label: "other"})
        assert other.fires() == [], label
    for label in few.open if alert.above else ():
        apart = next(cases)
        apart.write(lines[1:])
        apart.write(lines[:1], **{label: f"{apart.name}other"})
        assert apart.fires() == [], label


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """One member, and its URL."""
    (tmp_path / "alertmanager.yml").write_text("{route: {receiver: nobody}, receivers: [{name: nobody}]}")
    address = f"127.0.0.1:{free_port()}"
    options = ("--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address=")
    command = [built("alertmanager"), *options, f"--web.listen-address={address}"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as program:
        try:
            soon(f"http://{address}/-/ready")
            yield f"http://{address}"
        finally:
            program.kill()


def test_the_ruler_tells_and_takes_rules_of_its_files_alone(tmp_path: Path, alertmanager: str) -> None:
    """What is heard has the labels of counting, of the alert and of the cluster; the interface takes no rule."""
    rules = tmp_path / "rules" / TENANT
    rules.mkdir(parents=True)
    (rules / "odd.yaml").write_text(to_yaml(GROUP.to_dict("https://runbooks.example.com")))
    ruler = Ruler(
        rules=str(rules.parent),
        alertmanagers=(alertmanager.removeprefix("http://"),),
        grafana="https://grafana.example.com",
        labels={"cluster": "blue", "environment": "test"},
    )
    config = LokiConfig(directory=str(tmp_path / "volume"), bucket=None, memory=Bytes.gib(2), ruler=ruler)
    document = config.to_dict()
    quick = {**document["ruler"], "evaluation_interval": "1s", "poll_interval": "1s"}

    def heard(name: str) -> list[dict[str, Any]]:
        alerts = json.loads(asked(f"{alertmanager}/api/v2/alerts") or "[]")
        return [alert for alert in alerts if alert["labels"]["alertname"] == name]

    with running({**document, "ruler": quick}, tmp_path, "-ingester.min-ready-duration=0s") as url:
        soon(f"{url}/ready")
        Case(url, ODD, "door-0").write(enough(ODD, *ODD.proof.counted))
        (alert,) = wait("Alertmanager hears of it", lambda: heard("Odd"), SOON)
        text = to_yaml({"name": "sneaked-in", "rules": GROUP.to_dict("")["groups"][0]["rules"]})
        command = [built("probe"), "post", f"{url}/loki/api/v1/rules/any", text, "Content-Type:application/yaml"]
        refused = subprocess.run(command, check=False, capture_output=True, text=True)
        (rules / "odd.yaml").write_text("groups: [{name: bad, rules: [{alert: Bad, expr: 'sum('}]}]")
        wait("a file that it does not read is told of", lambda: "unable to list rules" in log(tmp_path), SOON)
        kept = json.loads(asked(f"{url}/prometheus/api/v1/rules") or "")["data"]["groups"]
        changed = replace(GROUP, alerts=(replace(ODD, name="Changed"),))
        (rules / "odd.yaml").write_text(to_yaml(changed.to_dict("https://runbooks.example.com")))
        assert wait("a change is live", lambda: heard("Changed"), SOON)

    assert alert["labels"] == {
        "alertname": "Odd",
        "pod": "door-0",
        "severity": "critical",
        "team": "web",
        "cluster": "blue",
        "environment": "test",
    }
    assert alert["annotations"]["description"] == "door-0: 3"
    assert alert["generatorURL"].startswith("https://grafana.example.com/explore?")
    assert refused.stdout[:3] == "500", refused.stdout
    assert "SetRuleGroup unsupported in rule local store" in refused.stdout
    assert [group["name"] for group in kept] == ["odd"]


def log(directory: Path) -> str:
    """What Loki says."""
    return (directory / "loki.log").read_text()
