"""The backup agent as tests run it: its command line, in processes of its own."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from constructs_lib.contract import Bucket
from constructs_lib.restore_points import RestorePoints
from tests.cluster.waiting import wait
from tests.real.loopback import free_port, soon
from tests.real.s3 import BUCKET, REGION

KEEP, EXPIRY = timedelta(days=30), timedelta(days=90)
SOON = timedelta(seconds=60)


OLDEST = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION), keep=KEEP, expiry=EXPIRY).oldest


def command(name: str, *arguments: str) -> list[str]:
    """Of the agent."""
    return [sys.executable, "-m", "constructs_lib.agent", name, *arguments]


@dataclass(frozen=True, slots=True)
class Agent:
    """The commands on one replica's restore points.

    Args:
        environment: By which they find the store.
        source: Cluster, namespace, component and pod, with slashes between them.
    """

    environment: Mapping[str, str]
    source: str

    @property
    def place(self) -> tuple[str, ...]:
        """Where a command finds them."""
        return (f"--bucket={BUCKET}", f"--region={REGION}", f"--source={self.source}")

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself, whatever it says."""
        whole = command(name, *self.place, *arguments)
        return subprocess.run(whole, check=False, capture_output=True, text=True, env=self.environment, timeout=600)

    def restore(self, volume: Path, point: str = "newest") -> subprocess.CompletedProcess[str]:
        """Restore into a volume."""
        volume.mkdir(parents=True, exist_ok=True)
        return self.run("restore", f"--data={volume}", f"--point={point}")

    def start(self, volume: Path, port: int) -> "subprocess.Popen[bytes]":
        """Start to back up a volume, which it does by itself once a day, and when it is told to."""
        days = (f"--keep-days={KEEP.days}", f"--expiry-days={EXPIRY.days}", "--every=86400")
        with (volume / "agent.log").open("a") as log:
            whole = command("backup", f"--data={volume}", *self.place, *days, f"--port={port}")
            return subprocess.Popen(whole, stdout=log, stderr=log, env=self.environment)

    @contextmanager
    def running(self, volume: Path) -> Iterator["Running"]:
        """An agent that backs up a volume."""
        port = free_port()
        program = self.start(volume, port)
        try:
            soon(f"http://127.0.0.1:{port}/metrics")
            yield Running(volume, f"http://127.0.0.1:{port}/metrics", program.pid)
            program.terminate()
            assert program.wait(timeout=30) == 0
        finally:
            program.kill()
            program.wait()


@dataclass(frozen=True, slots=True)
class Running:
    """An agent that backs up a volume.

    Args:
        volume: Of the Prometheus.
        metrics: Its URL.
        pid: Of its process.
    """

    volume: Path
    metrics: str
    pid: int

    def asked(self) -> subprocess.CompletedProcess[str]:
        """Ask for a restore point, whatever comes of it."""
        whole = command("backup-now", f"--data={self.volume}")
        return subprocess.run(whole, check=False, capture_output=True, text=True, timeout=600)

    def now(self) -> str:
        """The id of a restore point that is made now."""
        result = self.asked()
        assert result.returncode == 0, result
        return result.stdout.split()[-1]

    def metric(self, name: str) -> float:
        """What it tells of itself."""
        values = [line.split()[-1] for line in soon(self.metrics).splitlines() if line.startswith(f"{name} ")]
        return float(values[0])

    def idle(self) -> None:
        """Wait until it does nothing, after at least one attempt."""
        wait("the agent has ended a run", lambda: self.metric("backup_last_duration_seconds") > 0, SOON)
        wait("the agent is idle", lambda: self.metric("backup_running") == 0, SOON)

    def peak(self) -> int:
        """The most memory that it has had, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
