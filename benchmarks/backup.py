"""Print what a backup costs, in ratios to the aws command line: `python -m benchmarks.backup`.

Both meet the same files and the same store, a versitygw on loopback, in turns, so that whatever else the machine does
meets both sides. A figure is a median of rounds, and each is of a whole process, unless it says otherwise.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from constructs_lib.agent.blocks import TSDB
from constructs_lib.restore_point import points_prefix
from tests.real.agents import Agent
from tests.real.local_prometheus import END, HOUR, LONGEST, write
from tests.real.loopback import free_port
from tests.real.s3 import BUCKET, REGION, environment, gateway

ROUNDS = 7
LARGE, MANY = 10, 1000  # blocks: a GB in all, of thirty days, and those that the second figure is about
DAY = 24 * HOUR
THEIRS = f"s3://{BUCKET}/theirs"
# Its release of the day, and what it needs, in an environment of its own: it agrees on no version with ours.
AWS = Path(__file__).with_name("aws-requirements.txt")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constructs_lib"


def aws() -> str:
    """The aws command line, installed if it is not there yet."""
    finished = CACHE / f"aws-{hashlib.sha256(AWS.read_bytes()).hexdigest()[:16]}"
    ready = finished / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(finished)], check=True)
        pip = [str(finished / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(AWS)], check=True)
        ready.touch()
    return str(finished / "bin" / "aws")


def seconds(command: list[str], env: Mapping[str, str]) -> float:
    """A whole fresh process, from its start to its end."""
    start = perf_counter()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return perf_counter() - start


@dataclass(slots=True)
class Compared:
    """Seconds of both sides, round by round."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def add(self, number: int, ours: Callable[[], float], theirs: Callable[[], float]) -> None:
        """One round; who is first changes."""
        for mine, measure in [(True, ours), (False, theirs)][:: 1 if number % 2 else -1]:
            (self.ours if mine else self.theirs).append(measure())

    def tell(self, what: str) -> None:
        ours, theirs = median(self.ours), median(self.theirs)
        print(f"{what}: {theirs / ours:.2f} times as fast ({ours:.2f} s, and {theirs:.2f} s, here)")


@dataclass(frozen=True, slots=True)
class Bench:
    """Both programs, and their store.

    Args:
        scratch: A directory for all of it.
        environment: By which both find the store.
        aws: Their program.
    """

    scratch: Path
    environment: Mapping[str, str]
    aws: str

    @property
    def objects(self) -> Path:
        """Where they are files."""
        return self.scratch / "objects" / BUCKET

    def agent(self, name: str) -> Agent:
        """Ours, for a replica of its own."""
        return Agent(self.environment, f"c/n/prometheus/{name}")

    def backup(self, volume: Path, name: str) -> float:
        """Seconds from the start of an agent until its first restore point is there."""
        agent = self.agent(name)
        start = perf_counter()
        program = agent.start(volume, free_port())
        while not list(self.objects.glob(f"{points_prefix(agent.source)}*.json")):
            sleep(0.01)
        took = perf_counter() - start
        program.terminate()
        program.wait()
        return took

    def first(self, volume: Path) -> float:
        """Seconds of an agent that runs, as beside a new Prometheus, for its first restore point."""
        with self.empty() as beside, self.agent("first").running(beside) as running:
            (volume / TSDB).rename(beside / TSDB)
            try:
                running.now()
                return running.metric("backup_last_duration_seconds")
            finally:
                (beside / TSDB).rename(volume / TSDB)

    def restore(self, name: str) -> float:
        with self.empty() as volume:
            start = perf_counter()
            self.agent(name).restore(volume).check_returncode()
            return perf_counter() - start

    def sync(self, volume: Path) -> float:
        return seconds([self.aws, "s3", "sync", "--quiet", str(volume / TSDB), THEIRS], self.environment)

    def copy(self) -> float:
        """Theirs of a restore, and every file on the disk, as ours has them."""
        with self.empty() as volume:
            command = [self.aws, "s3", "cp", "--quiet", "--recursive", THEIRS, str(volume)]
            took, start = seconds(command, self.environment), perf_counter()
            for path in volume.rglob("*"):
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            return took + perf_counter() - start

    @contextmanager
    def empty(self) -> Iterator[Path]:
        """A directory to restore into."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            yield Path(directory)

    def forget(self) -> None:
        """Empty the bucket."""
        for directory in self.objects.iterdir():
            shutil.rmtree(directory)

    def compare_all(self, volume: Path) -> None:
        """Print what a backup into an empty bucket takes, and a restore."""
        first, sent, got = Compared(), Compared(), Compared()
        for number in range(ROUNDS):
            first.add(number, lambda: self.first(volume), lambda: self.sync(volume))
            self.forget()
            sent.add(number, lambda: self.backup(volume, "all"), lambda: self.sync(volume))
            got.add(number, lambda: self.restore("all"), self.copy)
            self.forget()
        first.tell("first backup of the running agent / aws s3 sync")
        sent.tell("first backup, and the start of the agent / aws s3 sync")
        got.tell("restore / aws s3 cp --recursive, and fsync")

    def compare_nothing(self, volume: Path) -> None:
        """Print what a restore point takes, in the running agent, when nothing is new."""
        again = Compared()
        self.sync(volume)
        with self.agent("nothing").running(volume) as running:
            running.idle()

            def once() -> float:
                running.now()
                return running.metric("backup_last_duration_seconds")

            for number in range(ROUNDS):
                again.add(number, once, lambda: self.sync(volume))
        self.forget()
        again.tell(f"nothing new of {MANY} blocks / aws s3 sync")

    def tell_memory(self, volume: Path, what: str) -> None:
        """Print the most that an agent has had."""
        with self.agent("memory").running(volume) as running:
            running.idle()
            print(f"peak of the agent's memory, {what}: {running.peak() / 2**20:.0f} MiB")
        self.forget()


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        large, many, objects = scratch / "large", scratch / "many", scratch / "objects"
        write(large, until=END, days=LARGE * LONGEST / DAY, block=LONGEST, series=5_000, step=60)
        write(many, until=END, days=MANY * 2 * HOUR / DAY, block=2 * HOUR, series=10, step=60)
        (objects / BUCKET).mkdir(parents=True)
        with gateway(objects) as port:
            both = {**environment(f"http://127.0.0.1:{port}"), "AWS_DEFAULT_REGION": REGION}
            bench = Bench(scratch, both, aws())
            bench.compare_all(large)
            bench.compare_nothing(many)
            bench.tell_memory(many, f"{MANY} small blocks")
            bench.tell_memory(large, f"{LARGE} blocks of a GB in all")


if __name__ == "__main__":
    main()
