"""A history of Prometheus that is older than the cluster: finished blocks, and what is asked of them."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.environments import PROD
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.real.prometheus import PrometheusPod
from tests.real.promtool import promtool

BLOCK, STEP = 2 * 60 * 60, 60  # seconds
NUMBERS, FIRST, SECOND = 10, 6, 1
AGO = 2 * 24 * 60 * 60
NAME = "history_total"
OF_PROMETHEUS = 65534


@dataclass(frozen=True, slots=True)
class History:
    """What happened some days ago.

    Args:
        first: Directories of blocks.
        second: Likewise, of what happened right after.
        begins: In milliseconds since 1970.
        ends: Of the first blocks, in seconds since 1970.
        told: What a server that knew the first blocks said of them.
    """

    first: list[Path]
    second: list[Path]
    begins: int
    ends: int
    told: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def series(self) -> int:
        """How many there are."""
        return NUMBERS

    @property
    def samples(self) -> int:
        """How many there are in the first blocks."""
        return NUMBERS * FIRST * BLOCK // STEP

    def asked(self, server: PrometheusPod) -> dict[str, Any]:
        """All samples of the first blocks as a server has them, by series."""
        found = server.query(f"{metric(NAME)}[{FIRST * BLOCK}s]", self.ends - 1)
        return {series["metric"]["number"]: series["values"] for series in found}


def bring(cluster: Cluster, pod: str, blocks: list[Path]) -> None:
    """Put finished blocks into the volume of a server, each at once."""
    volume = cluster.volume(PROD.namespace, f"data-{pod}")
    for block in blocks:
        coming = volume / f"{block.name}.coming"
        shutil.copytree(block, coming)
        for path in (coming, *coming.rglob("*")):
            shutil.chown(path, OF_PROMETHEUS, OF_PROMETHEUS)
        coming.rename(volume / "tsdb" / block.name)


def make(directory: Path) -> History:
    """Let promtool write blocks of two hours, as Prometheus does."""
    ends = int(time.time() - AGO) // BLOCK * BLOCK
    begins = ends - FIRST * BLOCK
    lines = [
        f'{NAME}{{job="history",number="{number}"}} {(at - begins) * (number + 1)} {at}'
        for number in range(NUMBERS)
        for at in range(begins, ends + SECOND * BLOCK, STEP)
    ]
    text, blocks = directory / "history.txt", directory / "blocks"
    text.write_text("\n".join([f"# TYPE {NAME.removesuffix('_total')} counter", *lines, "# EOF", ""]))
    made = promtool("tsdb", "create-blocks-from", "openmetrics", str(text), str(blocks))
    assert made.returncode == 0, made.stderr
    found = sorted(blocks.iterdir())
    assert len(found) == FIRST + SECOND
    return History(first=found[:FIRST], second=found[FIRST:], begins=begins * 1000, ends=ends)
