"""What tests write on the cluster, and ask Loki."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from tests.cluster.cluster import Cluster
from tests.cluster.programs import built

WRITERS = "writers"
PAGE = 5000  # lines, which is what one query may find
NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class Line:
    """A line as Loki has it.

    Args:
        at: When it was written, in nanoseconds since 1970.
    """

    at: int
    text: str


def writer(
    name: str,
    count: int,
    rate: int,
    size: int,
    *,
    app: str,
    node: str | None = None,
    text: str | None = None,
    namespace: str = WRITERS,
) -> dict[str, Any]:
    """A pod that writes numbered lines of some bytes, so many a second, and then sleeps.

    Args:
        app: Its application, by which several are asked for together.
        node: Where it must run, if it matters.
        text: With which each line begins; the pod's name when absent.
        namespace: Where it lives.
    """
    container = {
        "name": "writer",
        "image": "registry.local/probe:1",
        "args": ["write", text or name, str(count), str(rate), str(size)],
    }
    place = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/name": app}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **place},
    }


@dataclass(frozen=True, slots=True)
class LokiPod:
    """One member of the store, asked from within its pod."""

    cluster: Cluster
    name: str

    def api(self, path: str, **parameters: str | int) -> Any:
        """The data of an answer of `/loki/api/v1`."""
        query = f"/loki/api/v1/{path}?{urlencode(parameters)}"
        status, body = self.cluster.http_get("monitoring", self.name, 3100, query)
        assert status == 200, body
        return json.loads(body)["data"]

    def streams(self, selector: str, since: float) -> list[dict[str, str]]:
        """The labels of each stream that has lines since a time, in seconds since 1970."""
        found: list[dict[str, str]] = self.api("series", **{"match[]": selector, "start": int(since * NANOSECONDS)})
        return found

    def count(self, selector: str, minutes: int) -> int:
        """How many lines there are of the last minutes."""
        result = self.api("query", query=f"sum(count_over_time({selector}[{minutes}m]))")["result"]
        return int(result[0]["value"][1]) if result else 0

    def wait_for(self, selector: str, count: int, timeout: timedelta, *, minutes: int = 20) -> None:
        """Wait until there are so many lines, or more, of the last minutes."""

        def all_there() -> bool:
            there = self.count(selector, minutes)
            assert there >= count, f"{there} of {count}"
            return True

        self.cluster.wait(f"all lines of {selector} are found", all_there, timeout)

    def lines(self, pod: str, since: float) -> Iterator[Line]:
        """Every line of a pod's only container since a time, from the oldest on, page by page."""
        start = int(since * NANOSECONDS)
        while True:
            page = self._page(pod, start)
            yield from page
            if len(page) < PAGE:
                return
            start = page[-1].at + 1

    def flush(self) -> None:
        """Store what it holds."""
        where = self.cluster.in_network_of("monitoring", self.name)
        ask = [*where, built("probe"), "post", "http://localhost:3100/flush", ""]
        ran = subprocess.run(ask, check=False, capture_output=True, text=True)
        assert (ran.returncode, ran.stdout[:3]) == (0, "204"), ran.stdout

    def _page(self, pod: str, start: int) -> list[Line]:
        selector = f'{{namespace="{WRITERS}",pod="{pod}"}}'
        end = start + 3600 * NANOSECONDS
        found = self.api("query_range", query=selector, start=start, end=end, limit=PAGE, direction="forward")
        values = [value for stream in found["result"] for value in stream["values"]]
        return sorted((Line(int(at), text) for at, text in values), key=lambda line: line.at)


def numbers(lines: Iterator[Line]) -> list[int]:
    """The numbers of what a writer wrote, as they come."""
    return [int(line.text.split()[1]) for line in lines]
