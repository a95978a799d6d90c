"""What a replica's newest restore point is worth, by what its bucket says of it.

The arithmetic, for 100 GB of blocks. Prometheus ends a file of chunks at half a GiB: some 190 of them, in some 20
blocks (of 54 hours at most, with a retention of 30 days) that have three more files each, are 250 objects.

- Calls: one lists the points, one gets a manifest of 70 KB, three list what was put within the expiry of 90 days (1,000
  objects each; a sample is sent three or four times), 250 look at an object each: 255.
- Seconds: 16 at once, of 50 ms each, take one, and botocore's 3 ms of a processor for each another one or two.
- Read again are, in each hour of 15 days, 280 MB on average and seldom more than 2 GB: at the 60 MB/s that Lambda
  gives, five seconds, or half a minute. A look every 12 hours reads 3.3 GB on average, in a minute.
- At most, 8 GiB are read of a replica for each hour from one look to the next, in two minutes and a half: 30 times the
  average, whatever the interval. Every 12 hours these are 96 GiB, and time ends first: the 13 minutes that are there to
  read suffice for 46 GB of all replicas, 14 times the average of this one.
- Memory: the list, a piece of 1 MiB, and boto3 with 16 connections, below 200 MB of the function's 1,024.

So two such replicas and a database take a minute of Lambda's 15, and with 16 times as many objects two. What does not
fit is put off until its next turn, and counted: that is no failure, since to try again at once would read the same.
"""

import base64
import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import (
    DUMP,
    MANIFEST,
    SHA256,
    SUM,
    File,
    RestorePoint,
    Stored,
    blocks_prefix,
    dump_key,
    ids_among,
    is_database,
    point_key,
    points_prefix,
)
from constructs_lib.watch.contract import DAY, Watched

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

WORKERS = 16
TRIES = 3
PIECE = 1024 * 1024
# What is read again of one replica for each hour from one look to the next: who looks less often reads more at once.
# The first object of a look is read whatever its size.
READ_IN_AN_HOUR = 8 * 1024**3
HOUR = timedelta(hours=1)
MISSING = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of a replica.

    Args:
        id: Of the newest restore point that can be read; None where there is none, as of its age and size.
        age: Since it was made.
        size: In bytes.
        wrong: What is not as it was sent, each in words that name the object; nothing where all is.
        read: How many bytes of it were read again.
        put_off: What should have been read again, but there was no time for it.
    """

    id: str | None = None
    age: timedelta | None = None
    size: int | None = None
    wrong: tuple[str, ...] = ()
    read: int = 0
    put_off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest restore point that can be read."""

    id: str
    made: datetime
    files: tuple[File, ...]


def look(client: "S3Client", watched: Watched, source: str, *, now: datetime, turn: datetime, until: float) -> Finding:
    """Look at the newest restore point of a replica.

    That all of it is there is seen each time, by size and by stored sum; that it can be read, in turns: each object
    has its own, once in half of the time that points are kept, so that one that is left out is not one too many. A
    dump is the newest for a day only, and its turn is once in that.

    Args:
        client: Of S3; threads ask it at once.
        watched: Where it is, and when it is whose turn.
        source: Cluster, namespace, component and replica, with slashes between them.
        now: From when on its age is counted back.
        turn: By which moment the turn is taken; the same gives the same.
        until: When to read no more, by `time.monotonic`.
    Raises:
        BotoCoreError, ClientError, ResponseParserError: S3 does not answer.
    """
    return _Look(client, watched, source).look(now=now, turn=turn, until=until)


def due(files: Iterable[File], turn: datetime, *, every: timedelta, cycle: timedelta) -> list[File]:
    """Those that are read again in a turn: each is once in a cycle, whatever comes and goes beside it.

    Each cycle begins with another one of them, so that none is left out for good where there is no time for all.
    """
    turns = max(cycle // every, 1)
    number = int(turn.timestamp() // every.total_seconds())
    found = [file for file in files if int(file.sha256, 16) % turns == number % turns]
    first = number // turns % len(found) if found else 0
    return found[first:] + found[:first]


class _Look:
    def __init__(self, client: "S3Client", watched: Watched, source: str) -> None:
        self._client, self._watched, self._source = client, watched, source
        self._is_database = is_database(source)
        self._wrong: list[str] = []

    def look(self, *, now: datetime, turn: datetime, until: float) -> Finding:
        listed = self._list(points_prefix(self._source))
        newest = self._newest_dump(listed) if self._is_database else self._newest_point(listed)
        if newest is None:
            self._wrong.append(f"{self._watched.bucket} holds no restore point of {self._source} that can be read")
            return Finding(wrong=tuple(self._wrong))
        stored = listed if self._is_database else self._list(blocks_prefix(self._source))
        present = [file for file in newest.files if self._is_there(file, stored)]
        sound = self._sound(present)
        cycle = DAY if self._is_database else self._watched.keep / 2
        read, put_off = self._read_again(due(sound, turn, every=self._watched.every, cycle=cycle), until)
        return Finding(
            id=newest.id,
            age=max(now - newest.made, timedelta(0)),
            size=sum(file.size for file in newest.files),
            wrong=tuple(self._wrong),
            read=read,
            put_off=tuple(put_off),
        )

    def _newest_point(self, listed: dict[str, Stored]) -> _Newest | None:
        """The newest manifest that is as it was written; those that are not are wrong."""
        for name in reversed(ids_among(listed, self._source, MANIFEST)):
            key = point_key(self._source, name)
            try:
                point = RestorePoint.from_json(self._get(key))
            except ConstructError as error:
                self._wrong.append(f"{key}: {error}")
                continue
            if (point.source, point.id) != (self._source, name):
                self._wrong.append(f"{key} is the restore point {point.id} of {point.source}")
                continue
            # What was put again by hand is as old as it says; what says a time to come, as old as the bucket does.
            return _Newest(name, min(point.made, listed[key].modified), point.files)
        return None

    def _newest_dump(self, listed: dict[str, Stored]) -> _Newest | None:
        """The newest dump that says with which sum it was sent; those that do not are wrong."""
        for name in reversed(ids_among(listed, self._source, DUMP)):
            key = dump_key(self._source, name)
            sha256 = self._client.head_object(Bucket=self._watched.bucket, Key=key)["Metadata"].get(SUM, "")
            if SHA256.fullmatch(sha256):
                file = File(path="", key=key, size=listed[key].size, sha256=sha256)
                return _Newest(name, listed[key].modified, (file,))
            self._wrong.append(f"{key} does not say with which sum it was sent")
        return None

    def _list(self, prefix: str) -> dict[str, Stored]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._watched.bucket, Prefix=prefix)
        return {
            found["Key"]: Stored(found["Size"], found["LastModified"])
            for page in pages
            for found in page.get("Contents", [])
        }

    def _get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._watched.bucket, Key=key)["Body"].read()

    def _is_there(self, file: File, stored: dict[str, Stored]) -> bool:
        there = stored.get(file.key)
        if there is None:
            self._wrong.append(f"{file.key} is missing")
        elif there.size != file.size:
            self._wrong.append(f"{file.key} has {there.size} bytes, but had {file.size} when it was sent")
        return there is not None and there.size == file.size

    def _sound(self, files: list[File]) -> list[File]:
        """Those whose stored sums are those of what was sent; the others are wrong."""
        pool = ThreadPoolExecutor(WORKERS)
        try:
            reasons = list(pool.map(self._differs, files))
        finally:
            pool.shutdown(cancel_futures=True)
        self._wrong += [f"{file.key} {reason}" for file, reason in zip(files, reasons, strict=True) if reason]
        return [file for file, reason in zip(files, reasons, strict=True) if not reason]

    def _differs(self, file: File) -> str | None:
        """In what the sums that are stored with an object differ from what was sent."""
        try:
            head = self._client.head_object(Bucket=self._watched.bucket, Key=file.key, ChecksumMode="ENABLED")
        except ClientError as error:
            if _status(error) != MISSING:
                raise
            return "is missing"
        if head["Metadata"].get(SUM) != file.sha256:
            return "does not say the sum with which it was sent"
        stored = head.get("ChecksumSHA256")
        if stored is None:
            return "is stored without a sum"
        # What was sent in parts has the sum of their sums, with a dash, which no other has: it is compared when read.
        if "-" not in stored and base64.b64decode(stored).hex() != file.sha256:
            return "is stored with another sum than it was sent with"
        return None

    def _read_again(self, files: list[File], until: float) -> tuple[int, list[str]]:
        """How much was read, and what was put off; what differs is wrong."""
        read, put_off = 0, []
        at_most = READ_IN_AN_HOUR * (self._watched.every / HOUR)
        for file in files:
            if read and read + file.size > at_most:
                put_off.append(file.key)
                continue
            sha256 = self._read(file, until)
            if sha256 is None:
                put_off.append(file.key)
                continue
            read += file.size
            if sha256 != file.sha256:
                self._wrong.append(f"{file.key} is not what was sent, by the sum of what is read of it")
        return read, put_off

    def _read(self, file: File, until: float) -> str | None:
        """The sum of all bytes of an object; None when the time is up."""
        failed = 0
        while time.monotonic() < until:
            digest = hashlib.sha256()
            try:
                answer = self._client.get_object(Bucket=self._watched.bucket, Key=file.key)
                with closing(answer["Body"]) as body:
                    while (now := time.monotonic()) < until and (piece := body.read(PIECE)):
                        digest.update(piece)
            except (BotoCoreError, ResponseParserError):  # an answer that ended early
                failed += 1
                if failed == TRIES:
                    raise
            else:
                return digest.hexdigest() if now < until else None
        return None


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
