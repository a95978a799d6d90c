"""Print what rendering costs, in ratios to the floor or to itself: `python -m benchmarks.rendering`.

What is compared alternates, so that whatever else the machine does meets both sides; a figure is a median of rounds.
"""

import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter

import cdk8s

from constructs_lib.kube import Monitored, Platform, TeamJob, synth
from constructs_lib.promql import metric
from constructs_lib.rules.model import Alert, Proof, RuleGroup, Severity

PROCESS_ROUNDS, TEAM_ROUNDS, TEAMS_A_ROUND, APP_ROUNDS = 11, 11, 5, 7
ROOT = Path(__file__).parent.parent


def process_seconds(module: str, output: Path) -> float:
    """A whole fresh process, from its start to its end."""
    start = perf_counter()
    subprocess.run([sys.executable, "-m", module, str(output)], check=True, cwd=ROOT)
    return perf_counter() - start


PLATFORM = Platform.from_contract(json.loads((ROOT / "dist" / "prod" / "platform.json").read_text()))


def rules(team: str, name: str, job: str) -> RuleGroup:
    """A group of one alert."""
    down = Alert(
        name="ServiceDown",
        expr=f"{metric('up', job=job)} == 0",
        hold=timedelta(minutes=5),
        severity=Severity.WARNING,
        team=team,
        summary="A target of the service cannot be scraped.",
        description="{{ $labels.instance }} of the job {{ $labels.job }} does not answer.",
        proof=Proof(
            fires={metric("up", job=job): "1x3 0x40"},
            at=timedelta(minutes=6),
            quiet={metric("up", job=job): "1x3 0x19 1x20"},
        ),
    )
    return RuleGroup(name=name, alerts=(down,))


def render_team(output: Path, team: str, groups: int = 1) -> float:
    """An app of its own that hands over a scrape job and rule groups; the seconds from nothing to files."""
    start = perf_counter()
    app = cdk8s.App(outdir=str(output / team))
    monitored = Monitored(
        cdk8s.Chart(app, "team"),
        "monitored",
        namespace=team,
        team=team,
        platform=PLATFORM,
        runbooks="https://runbooks.example.com",
    )
    job = monitored.scrape(TeamJob(name="web", pods={"app": "web"}, port=8080))
    monitored.add_rules(*(rules(team, f"{team}-{number}", job) for number in range(groups)))
    synth(app)
    return perf_counter() - start


def _teams(connection: Connection, output: Path) -> None:
    for number in count(1):
        if not connection.recv():
            return
        connection.send(render_team(output, f"team-{number}"))


class Teams:
    """A process that renders one team after another, when told to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self) -> float:
        """Render one team more; the seconds that it took."""
        self._connection.send(True)
        seconds: float = self._connection.recv()
        return seconds


@contextmanager
def teams(output: Path, present: int) -> Iterator[Teams]:
    """Such a process with so many teams rendered already."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_teams, args=(theirs, Path(tempfile.mkdtemp(dir=output))))
    process.start()
    made = Teams(ours)
    try:
        for _ in range(present):
            made.add()
        yield made
    finally:
        ours.send(False)
        process.join()


def compare_processes(scratch: Path) -> float:
    """Print the ratio of all environments to the floor; the floor's seconds."""
    floor, environments = [], []
    for _ in range(PROCESS_ROUNDS):
        floor.append(process_seconds("benchmarks.floor", scratch / "floor"))
        environments.append(process_seconds("apps.synth", scratch / "environments"))
    print(f"all environments / floor: {median(environments) / median(floor):.2f}")
    return median(floor)


def compare_teams(scratch: Path, floor: float) -> None:
    """Print what one team more costs, by how many there are."""
    seconds: dict[int, list[float]] = {2: [], 10: [], 100: [], 1000: []}
    with teams(scratch, 99) as hundred, teams(scratch, 999) as thousand:
        for _ in range(TEAM_ROUNDS):
            with teams(scratch, 1) as few:
                seconds[2].append(few.add())
                for _ in range(7):
                    few.add()
                seconds[10].append(few.add())
            for _ in range(TEAMS_A_ROUND):
                seconds[100].append(hundred.add())
                seconds[1000].append(thousand.add())
    costs = {place: median(each) for place, each in seconds.items()}
    for place, cost in costs.items():
        print(f"team {place:>4}: {cost / floor:.4f} of the floor ({cost * 1000:.1f} ms here)")
    print(f"team 1000 / team 100: {costs[1000] / costs[100]:.2f}")


def compare_objects(scratch: Path, floor: float) -> None:
    """Print what one object more costs in one app, as the slope between half as many and as many."""
    slopes: dict[int, list[float]] = {100: [], 1000: []}
    with tempfile.TemporaryDirectory(dir=scratch) as output:
        render_team(Path(output), "warm", groups=50)
        for _ in range(APP_ROUNDS):
            for place, each in slopes.items():
                half = place // 2
                less, more = (render_team(Path(output), "one", groups=number) for number in (half, place))
                each.append((more - less) / half)
    costs = {place: median(each) for place, each in slopes.items()}
    for place, cost in costs.items():
        print(f"object {place:>4}: {cost / floor:.4f} of the floor ({cost * 1000:.1f} ms here)")
    print(f"object 1000 / object 100: {costs[1000] / costs[100]:.2f}")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        floor = compare_processes(Path(scratch))
        compare_teams(Path(scratch), floor)
        compare_objects(Path(scratch), floor)


if __name__ == "__main__":
    main()
