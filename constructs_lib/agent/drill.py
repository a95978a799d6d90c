"""The drill: a restore point comes back into a throw-away volume, and a Prometheus answers all that it must have.

Each day another replica's newest restore point is tried, so that a volume for one suffices.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path

from constructs_lib.agent.cloudwatch import CloudWatch, CloudWatchError
from constructs_lib.agent.prometheus import Held, Loaded, Prometheus, PrometheusError
from constructs_lib.agent.restore import restore
from constructs_lib.agent.store import NEWEST, Store
from constructs_lib.cloudwatch import DRILLED, DRILLS, dimensions
from constructs_lib.errors import DamagedError
from constructs_lib.restore_point import Block, RestorePoint

POINT = "point.json"  # on the volume: the manifest of what was restored
TRIES = 10  # to tell it, within some minutes: it is told once a day
log = logging.getLogger(__name__)


def whose(sources: Sequence[str], day: date) -> str:
    """Whose turn it is on a day.

    Args:
        sources: Of all replicas, always in the same order.
        day: In UTC.
    """
    return sources[day.toordinal() % len(sources)]


def bring(store: Store, volume: Path) -> RestorePoint:
    """Restore the newest restore point of a replica, and keep its manifest beside it.

    Args:
        store: Where it is.
        volume: Where to; it must be empty.
    Raises:
        ConstructError: there is none, or it does not fit.
        DamagedError: it is not what was sent.
        StoreError: the store did not give something.
        OSError: a file cannot be written.
    """
    point = restore(store, NEWEST, volume)
    (volume / POINT).write_bytes(point.to_json())
    return point


def compare(volume: Path, server: Prometheus) -> RestorePoint:
    """Compare what a Prometheus on a restored volume answers with what the manifest says, and end it in any case.

    Args:
        volume: As `bring` left it.
        server: On this volume; it scrapes nothing, and compacts nothing.
    Raises:
        DamagedError: what is not as the manifest says.
        PrometheusError: no answer.
    """
    with _ended(server):
        point = RestorePoint.from_json((volume / POINT).read_bytes())
        server.wait()
        loaded = server.blocks()
        wrong = list(chain(_not_loaded(point, loaded), _not_held(point, loaded, server)))
    if wrong:
        more = f", and {len(wrong) - 1} more are not as it says" if len(wrong) > 1 else ""
        raise DamagedError(
            f"the restore point {point.id} of {point.source} came back, but not all of it: {wrong[0]}{more}: the "
            "server's own blocks are the same, so that another server has to help"
        )
    return point


def tell(point: RestorePoint, region: str) -> None:
    """Tell CloudWatch that a restore has succeeded; where it does not hear of it, its alarm sounds.

    Args:
        point: What was restored.
        region: Of the CloudWatch.
    """
    cloudwatch = CloudWatch.connect(region=region, namespace=DRILLS, tries=TRIES)
    try:
        cloudwatch.tell({DRILLED: 1}, unit="None", dimensions=dimensions(point.source))
    except CloudWatchError as error:  # what was restored is whole all the same
        log.warning("%s", error)


@contextmanager
def _ended(server: Prometheus) -> Iterator[None]:
    """The pod ends with the last of its containers."""
    try:
        yield
    finally:
        try:
            server.end()
        except PrometheusError as error:
            log.warning("Prometheus has ended already, or does not end: %s", error)


def _not_loaded(point: RestorePoint, loaded: dict[str, Loaded]) -> Iterator[str]:
    # A point that was made while blocks were compacted has both, and Prometheus deletes what another one replaces.
    replaced = {parent for block in loaded.values() for parent in block.parents}
    blocks = {block.ulid: block for block in point.blocks}
    for ulid in sorted(loaded.keys() - blocks.keys()):
        yield f"Prometheus has the block {ulid}, which the manifest does not have"
    for ulid, block in blocks.items():
        if ulid in loaded:
            yield from _said_otherwise(block, loaded[ulid])
        elif ulid not in replaced and block.samples:
            yield f"Prometheus has not loaded the block {ulid}, {_time(block.min_time)} to {_time(block.max_time)}"


def _said_otherwise(block: Block, loaded: Loaded) -> Iterator[str]:
    for name in ("min_time", "max_time", "samples", "series"):
        here, there = getattr(loaded, name), getattr(block, name)
        if here != there:
            yield f"Prometheus says {here} for {name} of the block {block.ulid}, but the manifest {there}"


def _not_held(point: RestorePoint, loaded: dict[str, Loaded], server: Prometheus) -> Iterator[str]:
    blocks = [block for block in point.blocks if block.ulid in loaded]
    for together in _overlapping(blocks):
        begin, end = together[0].min_time, max(block.max_time for block in together)
        held = server.held(begin, end)
        log.info("%s to %s: %d series, %d samples", _time(begin), _time(end), held.series, held.samples)
        deleted = any(loaded[block.ulid].tombstones for block in together)
        if not _suffices(held, together, deleted=deleted):
            names = " and ".join(block.ulid for block in together)
            samples, series = (sum(getattr(block, name) for block in together) for name in ("samples", "series"))
            yield (
                f"Prometheus answers {held.samples} samples of {held.series} series for the block {names}, but the "
                f"manifest says {samples} of {series}"
            )


def _suffices(held: Held, blocks: Sequence[Block], *, deleted: bool) -> bool:
    """One block tells exactly what it holds. Several of the same time may share series and samples, and of what was
    deleted since, its metadata still tells.
    """
    for found, told in (
        (held.samples, [block.samples for block in blocks]),
        (held.series, [block.series for block in blocks]),
    ):
        least = 0 if deleted else max(told)
        if not least <= found <= sum(told):
            return False
    return True


def _overlapping(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Blocks of the same time, together; a single one in most cases."""
    together: list[Block] = []
    for block in sorted(blocks, key=lambda block: (block.min_time, block.max_time)):
        if together and block.min_time >= max(each.max_time for each in together):
            yield together
            together = []
        together.append(block)
    if together:
        yield together


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
