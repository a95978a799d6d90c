"""The store of restore points: what one replica has in its bucket.

Objects are written once. Each carries the SHA-256 of its content, which S3 compares with what arrives, and which is
signed: the content itself is not hashed once more for the signature, whether or not the connection is encrypted.
"""

import base64
import hashlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import get_session

from constructs_lib.errors import ConstructError, DamagedError
from constructs_lib.restore_point import (
    DUMP,
    ID,
    MANIFEST,
    SOURCE,
    SUM,
    Block,
    File,
    RestorePoint,
    Stored,
    blocks_prefix,
    ids_among,
    moment,
    point_key,
    points_prefix,
)
from constructs_lib.units import Bytes

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

NEWEST = "newest"
PATIENCE = timedelta(seconds=60)  # with an answer; S3 gives one within a second or two
TRIES = 5
PAUSE = 0.5  # seconds before the second one, and more before each that follows
# S3 gives one connection some 90 MB/s, and a gp3 volume 125 MB/s unless one pays for more.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-design-patterns.html
WORKERS = 4
# S3 takes up to 5 GiB in one request; a file of chunks has half a GiB.
LARGEST_PUT = Bytes.gib(1)
PART = Bytes.mib(128)  # and 10,000 of them at most
READ = Bytes.mib(1)
SECOND = timedelta(seconds=1)
FAILURES = (ClientError, BotoCoreError, ResponseParserError)
log = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")


class StoreError(OSError):
    """The store did not do what it was asked for; later it may."""


class Store:
    """What a replica has in a bucket, for which threads may ask at once.

    Args:
        client: Of S3, as `connect` makes it.
        bucket: Its name.
        source: Cluster, namespace, component and pod, with slashes between them.
    Raises:
        ConstructError: a source of which no restore point could be read.
    """

    def __init__(self, client: "S3Client", bucket: str, source: str) -> None:
        if not SOURCE.fullmatch(source):
            raise ConstructError(f"{source!r} is no replica: use CLUSTER/NAMESPACE/COMPONENT/POD")
        self._client, self.bucket, self.source = client, bucket, source
        self._clock: tuple[datetime, float] | None = None
        client.meta.events.register("after-call.s3", self._note)

    @classmethod
    def connect(cls, *, bucket: str, region: str, source: str, patience: timedelta = PATIENCE) -> "Store":
        """Reach a bucket with the credentials that the process finds, and by `AWS_ENDPOINT_URL` if that is set.

        Args:
            bucket: Its name.
            region: Of the bucket.
            source: Cluster, namespace, component and pod, with slashes between them.
            patience: How long an answer may take, or a piece of one.
        """
        elsewhere = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & set(os.environ)
        config = Config(
            connect_timeout=min(patience.total_seconds(), 10),
            read_timeout=patience.total_seconds(),
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=WORKERS,
            tcp_keepalive=True,
            # What is sent carries its sum already, and what arrives is compared with it here.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                # Else a bucket in us-east-1 is asked for at the old host of all regions.
                "us_east_1_regional_endpoint": "regional",
                "payload_signing_enabled": False,
                "addressing_style": "path" if elsewhere else "auto",
            },
        )
        # boto3 would make the same one, and brings in its own way to transfer files first.
        client = get_session().create_client("s3", region_name=region, config=config)
        return cls(cast("S3Client", client), bucket, source)

    def now(self) -> datetime:
        """The store's clock, by its last answer: a node's may jump.

        Raises:
            StoreError: it has not answered yet.
        """
        if self._clock is None:
            raise StoreError(f"the store of {self.bucket} has not said what time it is")
        said, at = self._clock
        return said + timedelta(seconds=time.monotonic() - at)

    def points(self) -> list[str]:
        """The ids of all restore points of blocks, oldest first."""
        return self._ids(MANIFEST)

    def dumps(self) -> list[str]:
        """The ids of all dumps of a database, oldest first."""
        return self._ids(DUMP)

    def read(self, point: str) -> RestorePoint:
        """Read a restore point.

        Args:
            point: Its id, or `newest`.
        Raises:
            ConstructError: there is none, or its manifest is of another format.
            DamagedError: its manifest is not what was written.
            StoreError: no answer.
        """
        if point == NEWEST:
            point = self.last(self.points())
        moment(point)
        key = point_key(self.source, point)
        try:
            with _asking(f"cannot read {key}"):
                text = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except StoreError as error:
            if point in self.points():  # who may list a prefix alone is not told that an object is not there
                raise
            raise ConstructError(f"{self.bucket} holds no restore point {point} of {self.source}") from error
        try:
            read = RestorePoint.from_json(text)
        except ConstructError as error:
            raise type(error)(f"the restore point {point} cannot be used, {key}: {error}") from error
        if (read.source, read.id) != (self.source, point):
            raise DamagedError(f"{key} is the restore point {read.id} of {read.source}: use another one")
        return read

    def newest(self) -> RestorePoint | None:
        """The newest restore point whose manifest is as it was written; None where there is none.

        Raises:
            StoreError: no answer.
        """
        for point in reversed(self.points()):
            try:
                return self.read(point)
            except ConstructError as error:
                log.error("%s", error)
        return None

    def stored(self) -> dict[str, Stored]:
        """All files of blocks that are there, by key."""
        return self._list(blocks_prefix(self.source))

    def holds(self, file: File) -> bool:
        """Whether a file that is there has the size and the sum that it must have."""
        with _asking(f"cannot look at {file.key}"):
            head = self._client.head_object(Bucket=self.bucket, Key=file.key)
            return (head["ContentLength"], head["Metadata"].get(SUM)) == (file.size, file.sha256)

    def look(self, key: str) -> File:
        """What an object is, by what it says of itself.

        Raises:
            DamagedError: it does not say with which sum it was sent.
            StoreError: no answer.
        """
        with _asking(f"cannot look at {key}"):
            head = self._client.head_object(Bucket=self.bucket, Key=key)
            size, sha256 = head["ContentLength"], head["Metadata"].get(SUM)
        if sha256 is None:
            raise DamagedError(f"{key} is not what was sent, it says no sum: use another restore point")
        return File(path="", key=key, size=size, sha256=sha256)

    def last(self, ids: list[str]) -> str:
        """The newest one of the ids that are there, oldest first.

        Raises:
            ConstructError: there is none.
        """
        if not ids:
            raise ConstructError(f"{self.bucket} holds no restore point of {self.source}: make one first")
        return ids[-1]

    def after(self, taken: list[str]) -> datetime:
        """By what moment the next restore point is called, when these ids are taken, oldest first."""
        return max([self.now().replace(microsecond=0), *(moment(last) + SECOND for last in taken[-1:])])

    def add(self, file: File, path: Path) -> bool:
        """Put a file; False where another one is there, which stays."""
        with _asking(f"cannot send {file.key}"):
            return self._put_file(file, path, again=False) or self.holds(file)  # an answer was lost

    def send(self, file: File, path: Path, *, again: bool) -> int:
        """Put a file, and give back how many bytes were sent.

        Args:
            file: What it must become.
            path: Where its content is.
            again: Whether one of its key may be there that is replaced by this one.
        """
        with _asking(f"cannot send {file.key}"):
            if self._put_file(file, path, again=again):
                return file.size
            if self.holds(file):  # another agent was faster, or an answer was lost
                return 0
            self._put_file(file, path, again=True)
            return file.size

    def publish(self, blocks: Iterable[Block]) -> RestorePoint:
        """Make a restore point of blocks whose files are all there, by a later id than any other."""
        at, now = self.after(self.points()), self.now().replace(microsecond=0)
        while True:
            point = RestorePoint(source=self.source, id=at.strftime(ID), made=now, blocks=tuple(blocks))
            text = point.to_json()
            key, sha256 = point_key(self.source, point.id), hashlib.sha256(text).hexdigest()
            with _asking(f"cannot send {key}"):
                if self._put(key, text, sha256, again=False):
                    return point
            if self.holds(File(path="", key=key, size=len(text), sha256=sha256)):  # the answer was lost
                return point
            at += SECOND

    def fetch(self, file: File, write: Callable[[bytes], object]) -> None:
        """Get a file piece by piece, going on where an answer ended early.

        Raises:
            DamagedError: it is not what was sent.
            StoreError: no answer.
        """
        digest, done, failed = hashlib.sha256(), 0, 0
        while done < file.size:
            try:
                rest: Mapping[str, Any] = {"Range": f"bytes={done}-"} if done else {}
                answer = self._client.get_object(Bucket=self.bucket, Key=file.key, **rest)
                if answer["ContentLength"] != file.size - done:
                    raise DamagedError(
                        f"{file.key} has {done + answer['ContentLength']} bytes, but had {file.size} when it was sent: "
                        "use another restore point"
                    )
                while piece := answer["Body"].read(READ.count):
                    digest.update(piece)
                    write(piece)
                    done += len(piece)
            except FAILURES as error:
                failed += 1
                if failed == TRIES or isinstance(error, ClientError):  # that one was tried again already
                    raise StoreError(f"cannot get {file.key}: {_line(error)}") from error
                time.sleep(failed * PAUSE)
        if digest.hexdigest() != file.sha256:
            raise DamagedError(f"{file.key} is not what was sent, by its sum: use another restore point")

    def _ids(self, ending: str) -> list[str]:
        return ids_among(self._list(points_prefix(self.source)), self.source, ending)

    def _list(self, prefix: str) -> dict[str, Stored]:
        with _asking(f"cannot list {self.bucket}/{prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
            return {
                found["Key"]: Stored(found["Size"], found["LastModified"])
                for page in pages
                for found in page.get("Contents", [])
            }

    def _put_file(self, file: File, path: Path, *, again: bool) -> bool:
        put = self._put_parts if file.size > LARGEST_PUT.count else self._put_whole
        return put(file, path, again=again)

    def _put_whole(self, file: File, path: Path, *, again: bool) -> bool:
        if file.size <= READ.count:  # S3 is not asked first whether it wants to have it
            return self._put(file.key, path.read_bytes(), file.sha256, again=again)
        with _Piece(path, 0, file.size) as body:
            return self._put(file.key, body, file.sha256, again=again)

    def _put(self, key: str, body: "bytes | _Piece", sha256: str, *, again: bool) -> bool:
        """Put an object; False where one is there that is not to be replaced."""

        def put() -> None:
            if isinstance(body, _Piece):
                body.seek(0)
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=cast("IO[bytes]", body),
                Metadata={SUM: sha256},
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                **_unless_there(again),
            )

        return _write_once(put)

    def _put_parts(self, file: File, path: Path, *, again: bool) -> bool:
        """Put a large file in parts, each with a sum of its own: S3 has no SHA-256 of the whole of them."""
        target: Any = {"Bucket": self.bucket, "Key": file.key}

        def put() -> None:
            begun = self._client.create_multipart_upload(
                **target, Metadata={SUM: file.sha256}, ChecksumAlgorithm="SHA256"
            )
            upload = {**target, "UploadId": begun["UploadId"]}
            try:
                starts = range(0, file.size, PART.count)
                parts = [self._put_part(upload, number, path, start) for number, start in enumerate(starts, start=1)]
                self._client.complete_multipart_upload(
                    **upload, MultipartUpload={"Parts": parts}, **_unless_there(again)
                )
            except FAILURES:
                with suppress(*FAILURES):  # else the bucket's lifecycle does
                    self._client.abort_multipart_upload(**upload)
                raise

        return _write_once(put)

    def _put_part(self, upload: Any, number: int, path: Path, start: int) -> "CompletedPartTypeDef":
        with _Piece(path, start, PART.count) as body:
            digest = hashlib.sha256()
            while piece := body.read():
                digest.update(piece)
            body.seek(0)
            sha256 = base64.b64encode(digest.digest()).decode()
            answer = self._client.upload_part(
                **upload, PartNumber=number, Body=cast("IO[bytes]", body), ChecksumSHA256=sha256
            )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": sha256}

    def _note(self, http_response: Any, **_: object) -> None:
        with suppress(KeyError, ValueError):  # without one, or one that was harmed, the last one counts
            self._clock = parsedate_to_datetime(http_response.headers["date"]).astimezone(UTC), time.monotonic()


class _Piece(io.RawIOBase):
    """Some bytes of a file, as the body of a request."""

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size = start, min(size, os.fstat(self._file.fileno()).st_size - start)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """More than is asked for: urllib3 asks for 16 KiB, and each piece costs it the same."""
        size = min(READ.count, self._size - self._at)
        piece = os.pread(self._file.fileno(), size, self._start + self._at)
        self._at += len(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Do the same with many things, a few at a time, and give up all of it when one fails."""
    pool = ThreadPoolExecutor(WORKERS)
    try:
        futures = [pool.submit(work, item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((future.exception() for future in futures if future.done() and future.exception()), None)
        if failed is not None:
            raise failed
        return [future.result() for future in futures]
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever is told to stop waits for nothing


@contextmanager
def _asking(what: str) -> Iterator[None]:
    try:
        yield
    except ConstructError:
        raise
    except (*FAILURES, KeyError, ValueError) as error:  # the latter of an answer that was harmed
        raise StoreError(f"{what}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unless_there(again: bool) -> Mapping[str, Any]:
    return {} if again else {"IfNoneMatch": "*"}


def _write_once(put: Callable[[], None]) -> bool:
    """Write what may be there already; False if it is."""
    for failed in range(TRIES):
        try:
            put()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 412:
                return False
            if status != 409 or failed == TRIES - 1:  # another one writes the same at this moment
                raise
            time.sleep(failed * PAUSE + PAUSE)
        else:
            return True
    return False
