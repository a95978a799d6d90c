"""A restore point: the blocks of one replica at one moment, and where in the bucket each of their files is.

That of a database is its dump, one object: S3 has it whole or not at all, so no manifest says what belongs together.

Standard library only: whoever watches, lists or checks restore points reads them by this, too.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from constructs_lib.errors import ConstructError, DamagedError

FORMAT = 1
# Where restore points are in their bucket, and what they consist of.
BLOCKS, POINTS = "blocks/", "points/"
# In place of a replica's name, where a component has one database.
DATABASE = "database"
INDEX, META, TOMBSTONES = "index", "meta.json", "tombstones"
CHUNKS = "chunks"
# Prometheus replaces these two files of a finished block, each by rename; the others never change under their ULID.
REPLACED = (META, TOMBSTONES)
ID = "%Y%m%dT%H%M%SZ"
MANIFEST, DUMP = ".json", ".dump"  # after the id
SUM = "sha256"  # of an object's own metadata
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
PATH = re.compile(rf"{INDEX}|{re.escape(META)}|{TOMBSTONES}|{CHUNKS}/[0-9]{{6,}}")
SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a cluster, a namespace, a component and a pod.
SOURCE = re.compile(r"[-a-zA-Z0-9_.]+(/[-a-z0-9.]+){3}")


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store lists of an object.

    Args:
        size: In bytes.
        modified: When it was put, by the store's clock.
    """

    size: int
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a block.

    Args:
        path: In the directory of the block.
        key: In the bucket.
        size: In bytes.
        sha256: Of its content, in hexadecimal digits.
    """

    path: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A finished block.

    Args:
        ulid: Its name.
        min_time: Of its first sample, in milliseconds since 1970.
        max_time: Its end, which it does not hold, likewise.
        samples: How many it holds, by its metadata.
        series: Likewise.
        chunks: Likewise.
        files: By path.
    """

    ulid: str
    min_time: int
    max_time: int
    samples: int
    series: int
    chunks: int
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Of its files, in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoint:
    """All finished blocks of one replica.

    Args:
        source: Cluster, namespace, component and pod, with slashes between them.
        id: The moment by which it is called, in UTC, such as `20261128T020000Z`; later ones have later ids.
        made: When it was made, by the store's clock, to the second.
        blocks: By ULID, at least one.
    """

    source: str
    id: str
    made: datetime
    blocks: tuple[Block, ...]

    @property
    def files(self) -> tuple[File, ...]:
        """Of all blocks."""
        return tuple(file for block in self.blocks for file in block.files)

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(block.size for block in self.blocks)

    @property
    def samples(self) -> int:
        """Of all blocks."""
        return sum(block.samples for block in self.blocks)

    @property
    def min_time(self) -> int:
        """Of the first sample, in milliseconds since 1970."""
        return min(block.min_time for block in self.blocks)

    @property
    def max_time(self) -> int:
        """The end, likewise."""
        return max(block.max_time for block in self.blocks)

    def to_json(self) -> bytes:
        """The manifest, with the sum of itself in it."""
        body = _canonical(
            {
                "format": FORMAT,
                "source": self.source,
                "id": self.id,
                "made": self.made.astimezone(UTC).isoformat(),
                "blocks": [_block_to_dict(block) for block in self.blocks],
                "totals": {
                    "blocks": len(self.blocks),
                    "files": len(self.files),
                    "bytes": self.size,
                    "samples": self.samples,
                },
            }
        )
        return body.removesuffix(b"}") + f',"sha256":"{hashlib.sha256(body).hexdigest()}"}}'.encode()

    @classmethod
    def from_json(cls, text: bytes) -> "RestorePoint":
        """Read a manifest, all of it or nothing.

        Raises:
            DamagedError: one that is torn, changed, or says what cannot be.
            ConstructError: one of another format.
        """
        try:
            body = json.loads(text)
        except ValueError as error:
            raise DamagedError(f"the manifest is torn: {error}") from error
        if not isinstance(body, dict):
            raise DamagedError("the manifest is no object of JSON: use another restore point")
        claimed = body.pop("sha256", None)
        if claimed != hashlib.sha256(_canonical(body)).hexdigest():
            raise DamagedError("the manifest is not what was written, by the sum in it: use another restore point")
        if body.get("format") != FORMAT:
            raise ConstructError(f"the manifest has the format {body.get('format')!r}, but this program reads {FORMAT}")
        try:
            return cls._read(body)
        except (KeyError, TypeError, ValueError) as error:  # a ConstructError is one, too
            raise DamagedError(f"the manifest says what cannot be: {error}") from error

    @classmethod
    def _read(cls, body: Mapping[str, Any]) -> "RestorePoint":
        source = _matching(SOURCE, body["source"])
        made = datetime.fromisoformat(body["made"])
        if made.tzinfo is None:
            raise ConstructError(f"{body['made']} is of no time zone")
        blocks = tuple(_block_from_dict(source, block) for block in body["blocks"])
        ulids = [block.ulid for block in blocks]
        if not ulids or ulids != sorted(set(ulids)):
            raise ConstructError("its blocks are not in the order of their names, each once and at least one")
        point = cls(source=source, id=body["id"], made=made, blocks=blocks)
        moment(point.id)
        return point


def moment(point: str) -> datetime:
    """By which a restore point is called.

    Raises:
        ConstructError: what is no id.
    """
    if not is_id(point):
        raise ConstructError(f"{point!r} is no restore point: use 'newest', or an id such as '20261128T020000Z'")
    return datetime.strptime(point, ID).replace(tzinfo=UTC)


def is_id(name: str) -> bool:
    """Whether a restore point can be called so."""
    try:
        return datetime.strptime(name, ID).strftime(ID) == name
    except ValueError:
        return False


def ids_among(keys: Iterable[str], source: str, ending: str) -> list[str]:
    """What is called by a moment and ends so, oldest first, and nothing else that somebody keeps there.

    Args:
        keys: Of objects below the prefix of a source's restore points.
        source: Whose they are.
        ending: `MANIFEST` or `DUMP`.
    """
    names = (key.removeprefix(points_prefix(source)) for key in keys)
    return sorted(name for name, end in map(os.path.splitext, names) if end == ending and is_id(name))


def is_database(source: str) -> bool:
    """Whether the restore points of a source are dumps; else they are blocks of a replica."""
    return source.rpartition("/")[2] == DATABASE


def object_key(source: str, ulid: str, path: str, sha256: str) -> str:
    """Where a file of a block is: what can be replaced under its name is called by its content as well."""
    if path == META:
        path = f"meta-{sha256}.json"
    elif path == TOMBSTONES:
        path = f"{TOMBSTONES}-{sha256}"
    return f"{blocks_prefix(source)}{ulid}/{path}"


def point_key(source: str, point: str) -> str:
    """Where the manifest of a restore point is."""
    return f"{points_prefix(source)}{point}{MANIFEST}"


def dump_key(source: str, point: str) -> str:
    """Where the dump of a database is, which is a restore point."""
    return f"{points_prefix(source)}{point}{DUMP}"


def blocks_prefix(source: str) -> str:
    """Of all files of a replica's blocks."""
    return f"{BLOCKS}{source}/"


def points_prefix(source: str) -> str:
    """Of a replica's restore points."""
    return f"{POINTS}{source}/"


def _block_to_dict(block: Block) -> dict[str, Any]:
    return {
        "ulid": block.ulid,
        "minTime": block.min_time,
        "maxTime": block.max_time,
        "numSamples": block.samples,
        "numSeries": block.series,
        "numChunks": block.chunks,
        "files": [
            {"path": file.path, "key": file.key, "size": file.size, "sha256": file.sha256} for file in block.files
        ],
    }


def _block_from_dict(source: str, body: Mapping[str, Any]) -> Block:
    ulid = _matching(ULID, body["ulid"])
    files = tuple(_file_from_dict(source, ulid, file) for file in body["files"])
    paths = [file.path for file in files]
    if paths != sorted(set(paths)) or not {INDEX, META} <= set(paths):
        raise ConstructError(f"the block {ulid} consists of {', '.join(paths) or 'nothing'}")
    block = Block(
        ulid=ulid,
        min_time=_number(body["minTime"]),
        max_time=_number(body["maxTime"]),
        samples=_count(body["numSamples"]),
        series=_count(body["numSeries"]),
        chunks=_count(body["numChunks"]),
        files=files,
    )
    if block.max_time < block.min_time:
        raise ConstructError(f"the block {ulid} ends before it begins")
    return block


def _file_from_dict(source: str, ulid: str, body: Mapping[str, Any]) -> File:
    path, sha256 = _matching(PATH, body["path"]), _matching(SHA256, body["sha256"])
    key = body["key"]
    if key != object_key(source, ulid, path, sha256):
        raise ConstructError(f"{path} of the block {ulid} is at {key}")
    return File(path=path, key=key, size=_count(body["size"]), sha256=sha256)


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ConstructError(f"{value!r} is not of the form {pattern.pattern}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConstructError(f"{value!r} is no whole number")
    return value


def _count(value: object) -> int:
    count = _number(value)
    if count < 0:
        raise ConstructError(f"{count} is below 0")
    return count


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
