"""The restore of a replica's blocks into an empty volume: all of a restore point, or nothing."""

import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from constructs_lib.agent.blocks import TSDB
from constructs_lib.agent.store import Store, in_parallel
from constructs_lib.errors import ConstructError, DamagedError
from constructs_lib.restore_point import CHUNKS, File, RestorePoint, Stored

UNFINISHED = "restore"  # on the volume, until all is there
SLACK = 1.01  # what a file system needs besides the bytes
log = logging.getLogger(__name__)


def restore(store: Store, point: str, volume: Path) -> RestorePoint:
    """Bring the blocks of a restore point back into the directory `tsdb` of a volume, which must have none.

    Args:
        store: Where it is.
        point: Its id, or `newest`.
        volume: Where to.
    Raises:
        ConstructError: there is something already, or too little space: nothing remains.
        DamagedError: the restore point is not what was sent, likewise.
        StoreError: the store did not give something, likewise.
        OSError: a file cannot be written, likewise.
    """
    refuse_occupied(volume)
    unfinished = volume / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    read = store.read(point)
    _refuse_without_room(read, volume)
    verify(store, read)
    log.info("restoring %s: %d blocks, %d bytes", read.id, len(read.blocks), read.size)
    try:
        for block in read.blocks:
            (unfinished / block.ulid / CHUNKS).mkdir(parents=True)
        in_parallel(lambda each: _fetch(store, *each), _targets(read, unfinished))
        for directory in sorted({path.parent for path in unfinished.rglob("*")} | {unfinished}):
            _sync(directory)
        unfinished.rename(volume / TSDB)
        _sync(volume)
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return read


def requested(requests: Path, source: str, volume: Path) -> str | None:
    """Which restore point a pod is asked to bring back; None where it is not, or where it has done so before.

    Args:
        requests: A directory in which a file of the pod's name may hold an id, or `newest`; it may be missing.
        source: Cluster, namespace, component and pod, with slashes between them.
        volume: Where to.
    """
    shutil.rmtree(volume / UNFINISHED, ignore_errors=True)  # of one that was killed
    try:
        point = (requests / source.rpartition("/")[2]).read_text().strip()
    except FileNotFoundError:
        log.info("%s asks for no restore point of %s: nothing is restored", requests, source.rpartition("/")[2])
        return None
    try:
        refuse_occupied(volume)
    except ConstructError as error:
        log.warning("%s is not restored: %s", point, error)
        return None
    return point


def verify(store: Store, point: RestorePoint, *, read: bool = False) -> None:
    """Refuse a restore point of which something is missing or damaged.

    Args:
        store: Where it is.
        point: What to look at.
        read: Whether to read every byte, and compare its sum.
    Raises:
        DamagedError: the objects that are not as they were sent.
        StoreError: no answer.
    """
    refuse_torn(point, store.stored())
    if read:
        _refuse(point, filter(None, in_parallel(lambda file: _wrong(store, file), point.files)))


def refuse_torn(point: RestorePoint, stored: Mapping[str, Stored]) -> None:
    """Refuse a restore point of which something is missing, or has another size.

    Args:
        point: What to look at.
        stored: What the store lists of blocks, by key.
    Raises:
        DamagedError: the first of these objects, and how many there are besides.
    """
    _refuse(
        point,
        (
            f"{file.key} is missing" if file.key not in stored else f"{file.key} has {stored[file.key].size} bytes"
            for file in point.files
            if file.key not in stored or stored[file.key].size != file.size
        ),
    )


def refuse_occupied(volume: Path) -> None:
    """Refuse a volume whose directory `tsdb` has anything in it.

    Raises:
        ConstructError: it has.
    """
    there = volume / TSDB
    if there.exists() and any(there.iterdir()):
        raise ConstructError(f"{there} is not empty: restore into an empty volume only")


def _targets(point: RestorePoint, directory: Path) -> list[tuple[File, Path]]:
    """Where each file must go: the large ones first, so that none of them is alone at the end."""
    targets = [(file, directory / block.ulid / file.path) for block in point.blocks for file in block.files]
    return sorted(targets, key=lambda target: -target[0].size)


def _refuse_without_room(point: RestorePoint, volume: Path) -> None:
    status = os.statvfs(volume)
    free = status.f_bavail * status.f_frsize
    needed = int(point.size * SLACK) + (len(point.files) + 2 * len(point.blocks)) * status.f_frsize
    if needed > free:
        raise ConstructError(
            f"the restore point {point.id} needs {needed} bytes, but {volume} has {free} free: use a larger volume"
        )


def _refuse(point: RestorePoint, reasons: Iterable[str]) -> None:
    wrong = list(reasons)
    if wrong:
        more = f", and {len(wrong) - 1} more are damaged" if len(wrong) > 1 else ""
        raise DamagedError(f"the restore point {point.id} is not whole, {wrong[0]}{more}: use another one")


def _fetch(store: Store, file: File, path: Path) -> None:
    with path.open("wb") as to:
        store.fetch(file, to.write)
        to.flush()
        os.fsync(to.fileno())


def _wrong(store: Store, file: File) -> str | None:
    try:
        store.fetch(file, lambda _: None)
    except DamagedError as error:
        return str(error)
    return None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
