"""A real Prometheus on loopback with a history of real blocks, and what tests tell and ask it.

Its times are its own: what is there was scraped long ago, and what is told is told with its time.
"""

import json
import random
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from constructs_lib.agent.blocks import TSDB, finished
from constructs_lib.config import to_yaml
from tests.cluster.programs import built
from tests.real.loopback import free_port, soon

HOUR = 60 * 60
LONGEST = 54 * HOUR  # of the ranges that Prometheus compacts to: two hours, and three times as long each
FIRST, END = 9_187 * LONGEST, 9_200 * LONGEST  # in seconds since 1970: the summer of 2026
EXPRESSIONS = (
    'history_total{{series="{series}"}}',
    "sum(rate(history_total[10m]))",
    'rate(history_total{{series=~"1?{digit}"}}[1h])',
    "count(history_total)",
    'max_over_time(history_total{{series="{series}"}}[3h])',
    "topk(3, increase(history_total[2h]))",
    'sum by (job) (live{{place!="{digit}"}})',
    "live",
)


def write(volume: Path, *, until: int, days: float, block: int, series: int, step: int) -> None:
    """Add blocks to a volume, by Prometheus' own code; all but the days is in seconds."""
    options = {"until": until, "days": days, "block": f"{block}s", "series": series, "step": f"{step}s"}
    arguments = [f"-{name}={value}" for name, value in options.items()]
    subprocess.run([built("blocks"), *arguments, str(volume / TSDB)], check=True)


def write_history(volume: Path, *, series: int, step: int) -> None:
    """Thirty days as Prometheus has them after a month, the last eighteen hours of which it can compact next."""
    write(volume, until=END, days=(END - FIRST) / 86400, block=LONGEST, series=series, step=step)
    write(volume, until=END + 18 * HOUR, days=0.75, block=2 * HOUR, series=series, step=step)


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus.

    Args:
        url: Where it answers.
        volume: The directory above `tsdb`.
        pid: Of its process.
    """

    url: str
    volume: Path
    pid: int

    def ask(self, path: str, **parameters: str | float) -> Any:
        """The data of an answer of `/api/v1`; a question about gigabytes takes its time."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=120) as answer:  # noqa: S310
            return json.load(answer)["data"]

    def push(self, times: Iterable[int]) -> None:
        """Let it have samples of two series at some times, in seconds since 1970."""
        points = [
            {
                "timeUnixNano": str(at * 10**9),
                "asDouble": float(at % 977 + place),
                "attributes": [{"key": "place", "value": {"stringValue": str(place)}}],
            }
            for at in times
            for place in range(2)
        ]
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "live"}}]}
        metrics = [{"name": "live", "gauge": {"dataPoints": points}}]
        body = {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]}
        self._post("otlp/v1/metrics", json.dumps(body).encode())

    def delete(self, match: str) -> None:
        """Delete series, as an operator may who has turned on the API for it."""
        self._post(f"admin/tsdb/delete_series?{urlencode({'match[]': match})}", b"")

    def blocks(self) -> set[str]:
        """The names of its finished blocks."""
        return set(finished(self.volume))

    def _post(self, path: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.url}/api/v1/{path}", data=body, headers=headers)  # noqa: S310
        with urlopen(request, timeout=30):  # noqa: S310
            pass


@contextmanager
def running(volume: Path, *, longest: int = 2 * HOUR) -> Iterator[Server]:
    """A Prometheus on a volume; it is asked to stop in the end.

    Args:
        volume: The directory above `tsdb`.
        longest: To which it compacts blocks, in seconds; what is as long as a head's is compacted no more.
    """
    config, port = volume / "prometheus.yml", free_port()
    config.write_text(to_yaml({"storage": {"tsdb": {"retention": {"time": "60d"}}}}))
    command = [
        *(built("prometheus"), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"),
        *(f"--storage.tsdb.path={volume / TSDB}", "--storage.tsdb.block-reload-interval=1s"),
        *(f"--storage.tsdb.max-block-duration={longest}s", "--web.enable-admin-api", "--web.enable-otlp-receiver"),
    ]
    with (volume / "prometheus.log").open("a") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log, cwd=volume)
    try:
        url = f"http://127.0.0.1:{port}"
        soon(f"{url}/-/ready")
        yield Server(url, volume, program.pid)
        program.terminate()
        assert program.wait(timeout=60) == 0
    finally:
        program.kill()
        program.wait()


def questions(count: int, start: int, end: int, *, seed: int) -> list[dict[str, str | float]]:
    """Range queries at random within some time, in seconds since 1970: the same of the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - must be repeatable, not secret
    asked: list[dict[str, str | float]] = []
    for _ in range(count):
        first = chosen.randint(start, end)
        last = min(end, first + chosen.choice((HOUR, 24 * HOUR, 30 * 24 * HOUR)))
        expression = chosen.choice(EXPRESSIONS).format(series=chosen.randint(0, 19), digit=chosen.randint(0, 9))
        step = max(15, (last - first) // chosen.randint(10, 300))
        asked.append({"query": expression, "start": first, "end": last, "step": step})
    return asked
