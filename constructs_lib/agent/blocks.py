"""The finished blocks of a Prometheus: which there are, and links to them that outlive their deletion."""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import CHUNKS, INDEX, META, PATH, REPLACED, ULID

TSDB, BACKUP = "tsdb", "backup"  # on the volume
LINKS = "links"  # below the latter: a link cannot leave its file system
# What tells a file that was put in place of another one from it.
Stamp = tuple[tuple[int, int, int] | None, ...]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Meta:
    """What a block says of itself.

    Args:
        min_time: In milliseconds since 1970.
        max_time: Likewise.
        samples: How many.
        series: How many.
        chunks: How many.
    Source: https://github.com/prometheus/prometheus/blob/v3.13.3/tsdb/block.go
    """

    min_time: int
    max_time: int
    samples: int
    series: int
    chunks: int


def finished(volume: Path) -> list[str]:
    """The names of all blocks; what Prometheus still writes, or deletes, has another name."""
    try:
        return sorted(name for name in os.listdir(volume / TSDB) if ULID.fullmatch(name))  # noqa: PTH208
    except FileNotFoundError:
        return []


def stamp(block: Path) -> Stamp:
    """Of the files of a block that can be replaced; another one when they were.

    Raises:
        FileNotFoundError: a block that is gone.
    """
    block.stat()
    return tuple(_stamp(block / name) for name in REPLACED)


def link(block: Path, to: Path) -> None:
    """Hold the files of a block by links; a block that lacks one that it must have has its links all the same.

    Raises:
        FileNotFoundError: a block that is gone.
    """
    (to / CHUNKS).mkdir(parents=True)
    for path in paths(block):
        os.link(block / path, to / path)


def paths(block: Path) -> list[str]:
    """The files of a block, sorted.

    Raises:
        FileNotFoundError: a block that is gone.
    """
    names = set(os.listdir(block))  # noqa: PTH208
    chunks = os.listdir(block / CHUNKS) if CHUNKS in names else []  # noqa: PTH208
    found = (*names, *(f"{CHUNKS}/{name}" for name in chunks))
    return sorted(name for name in found if PATH.fullmatch(name))


def read_meta(block: Path) -> Meta:
    """What a block says of itself.

    Raises:
        ConstructError: it cannot be one that Prometheus loads.
    """
    held = {path.partition("/")[0] for path in paths(block)}
    for needed in (META, INDEX, CHUNKS):
        if needed not in held:
            raise ConstructError(f"the block {block.name} has no {needed}: Prometheus does not load it, take it away")
    try:
        return _meta(block.name, json.loads((block / META).read_bytes()))
    except (KeyError, TypeError, ValueError) as error:
        raise ConstructError(
            f"{META} of the block {block.name} cannot be read ({type(error).__name__}: {error}): Prometheus does not "
            "load it, take it away"
        ) from error


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def links(volume: Path) -> Iterator[Path]:
    """A directory for links, which is removed afterwards; what a killed run left is removed before."""
    remove_left(volume)
    top = _links(volume)
    while True:
        mine = top / secrets.token_hex(8)
        mine.mkdir()
        with _locked(mine) as alone:
            if not (alone and mine.exists()):  # another agent that begins took it for left
                continue
            try:
                yield mine
            finally:
                shutil.rmtree(mine, ignore_errors=True)
        return


def remove_left(volume: Path) -> None:
    """Remove the links that a killed run has left, which hold on the disk what Prometheus deletes."""
    for left in _links(volume).iterdir():
        with _locked(left) as alone:
            if alone:
                shutil.rmtree(left)


def _links(volume: Path) -> Path:
    top = volume / BACKUP / LINKS
    top.mkdir(parents=True, exist_ok=True)
    return top


@contextmanager
def _locked(directory: Path) -> Iterator[bool]:
    """Whether nobody else works in a directory, and nobody else does from now on."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _meta(ulid: str, body: Mapping[str, Any]) -> Meta:
    stats = body["stats"]
    meta = Meta(
        min_time=int(body["minTime"]),
        max_time=int(body["maxTime"]),
        samples=int(stats.get("numSamples", 0)),
        series=int(stats.get("numSeries", 0)),
        chunks=int(stats.get("numChunks", 0)),
    )
    if body["ulid"] != ulid or body["version"] != 1 or meta.max_time < meta.min_time:
        raise ValueError(f"it is of {body['ulid']}, version {body['version']}, {meta.min_time} to {meta.max_time}")
    return meta
