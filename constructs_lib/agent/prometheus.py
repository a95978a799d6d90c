"""A Prometheus as its client sees it: what it has loaded, how much it holds, and how it is ended.

How much it holds, it says by remote read, in chunks: every sample is there. What PromQL counts is less, since it leaves
out the markers of series that have ended, which a block counts.

Standard library only.
"""

import io
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

PATIENCE = timedelta(minutes=5)  # with an answer, or a piece of one
STARTING = timedelta(minutes=10)
PAUSE = 0.5  # seconds between two questions whether it is ready
READ = Bytes.mib(1)
LARGEST_FRAME = Bytes.mib(64)  # Prometheus sends 1 MiB, and a chunk more; what is larger is none
QUOTED = 300  # bytes of what was sent in place of a frame
# One series in one frame: its labels, and chunks that begin with how many samples they hold. Fields come by their
# numbers, each after its tag: `labels` 0x0a and `chunks` 0x12 of a series, `min_time_ms` 0x08, `max_time_ms` 0x10,
# `type` 0x18 and `data` 0x22 of a chunk.
# https://github.com/prometheus/prometheus/blob/v3.13.3/prompb/types.proto
VARINT = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
SERIES = re.compile(rb"\x0a(%s)" % VARINT)
CHUNK = re.compile(rb"\x12(%s)(?:\x08%s)?(?:\x10%s)?(?:\x18%s)?\x22%s(..)" % ((VARINT,) * 5), re.DOTALL)


class PrometheusError(OSError):
    """It did not answer what it was asked."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A block that it has loaded, by what it says of it.

    Args:
        ulid: Its name.
        min_time: Of its first sample, in milliseconds since 1970.
        max_time: Its end, which it does not hold, likewise.
        samples: How many.
        series: Likewise.
        tombstones: Likewise: ranges of samples that were deleted, and are counted in `samples` all the same.
        parents: Blocks that it took the place of.
    """

    ulid: str
    min_time: int
    max_time: int
    samples: int
    series: int
    tombstones: int
    parents: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """What it holds of some time.

    Args:
        series: How many.
        samples: How many.
    """

    series: int
    samples: int


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that runs beside its client, or is about to.

    Args:
        address: Host and port.
        patience: How long an answer may take, or a piece of one.
        starting: How long it may take to start, its image included.
    """

    address: str
    patience: timedelta = PATIENCE
    starting: timedelta = STARTING

    def wait(self) -> None:
        """Wait until it answers questions.

        Raises:
            PrometheusError: it has not started.
        """
        end = time.monotonic() + self.starting.total_seconds()
        while True:
            try:
                with self._asked("GET", "/-/ready"):
                    return
            except PrometheusError as error:
                if time.monotonic() > end:
                    raise PrometheusError(
                        f"Prometheus has not started within {self.starting}, and its log says why: {error}"
                    ) from error
            time.sleep(PAUSE)

    def blocks(self) -> dict[str, Loaded]:
        """All blocks that it has loaded, by name.

        Raises:
            PrometheusError: no answer, or none that can be read.
        Source: https://prometheus.io/docs/prometheus/latest/querying/api/#tsdb-blocks
        """
        with self._asked("GET", "/api/v1/status/tsdb/blocks") as answer:
            try:
                return {each["ulid"]: _loaded(each) for each in json.load(answer)["data"]["blocks"] or ()}
            except (KeyError, TypeError, ValueError) as error:
                raise PrometheusError(f"{self.address} does not say which blocks it has loaded: {error}") from error

    def held(self, min_time: int, max_time: int) -> Held:
        """Count what it holds of some time, by reading all of it.

        Args:
            min_time: The first moment, in milliseconds since 1970.
            max_time: The end, which is not counted.
        Raises:
            PrometheusError: no answer, or none that can be read to its end.
        Source: https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/
        """
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
        with self._asked("POST", "/api/v1/read", _literal(_request(min_time, max_time - 1)), headers) as answer:
            return _count(_frames(io.BufferedReader(answer, READ.count)))

    def exposed(self) -> str:
        """What it tells of itself, in the text format.

        Raises:
            PrometheusError: no answer.
        Source: https://prometheus.io/docs/instrumenting/exposition_formats/
        """
        with self._asked("GET", "/metrics") as answer:
            return answer.read().decode(errors="replace")

    def end(self) -> None:
        """Have it end by itself, which it must have been allowed to.

        Raises:
            PrometheusError: it does not.
        Source: https://prometheus.io/docs/prometheus/latest/management_api/#quit
        """
        with self._asked("POST", "/-/quit"):
            pass

    @contextmanager
    def _asked(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[HTTPResponse]:
        with closing(HTTPConnection(self.address, timeout=self.patience.total_seconds())) as connection:
            try:
                connection.request(method, path, body, dict(headers or {}))
                answer = connection.getresponse()
                if answer.status != 200:
                    said = answer.read(QUOTED).decode(errors="replace").strip()
                    raise PrometheusError(f"{self.address} answers {path} by {answer.status}: {said}")
                yield answer
            except (HTTPException, OSError) as error:
                if isinstance(error, PrometheusError):
                    raise
                raise PrometheusError(f"{self.address} does not answer {path}: {error!r}") from error


def _loaded(body: Mapping[str, Any]) -> Loaded:
    stats, compaction = body.get("stats", {}), body.get("compaction", {})
    return Loaded(
        ulid=body["ulid"],
        min_time=body["minTime"],
        max_time=body["maxTime"],
        samples=stats.get("numSamples", 0),
        series=stats.get("numSeries", 0),
        tombstones=stats.get("numTombstones", 0),
        parents=frozenset(parent["ulid"] for parent in compaction.get("parents") or ()),
    )


def _count(frames: Iterable[bytes]) -> Held:
    """A series may be in several frames, one after the other."""
    series = samples = 0
    last: bytes | None = None
    for frame in frames:
        labels, found = _series(frame)
        series += labels != last
        samples += found
        last = labels
    return Held(series, samples)


def _series(frame: bytes) -> tuple[bytes, int]:
    """The labels of the series in a frame, as they are sent, and how many samples are in it."""
    begin = SERIES.match(frame)
    if begin is None or begin.end() + _number(begin[1]) != len(frame):
        raise PrometheusError(f"Prometheus answers what is no series: {frame[:QUOTED]!r}")
    start = at = begin.end()
    while label := SERIES.match(frame, at):
        at = label.end() + _number(label[1])
    labels, samples, match = frame[start:at], 0, CHUNK.match
    while chunk := match(frame, at):
        count = chunk[2]
        samples += count[0] << 8 | count[1]
        at = chunk.end(1) + _number(chunk[1])
    if at != len(frame):
        raise PrometheusError(f"Prometheus answers what is no chunk of a series: {frame[at : at + QUOTED]!r}")
    return labels, samples


def _frames(stream: io.BufferedReader) -> Iterator[bytes]:
    """What is sent one after the other: a size, a sum, and as many bytes; an error in words comes where a frame would.

    The sum is that of CRC-32C, which the standard library does not have: what is no frame is told by its form.
    """
    while first := stream.read(1):
        size = first
        while size[-1] & 0x80 and len(size) < 10:
            size += stream.read(1) or b"\0"
        length = _number(size)
        rest = stream.read(4 + length) if length <= LARGEST_FRAME.count else stream.read(QUOTED)
        if len(rest) != 4 + length or not rest.startswith(b"\x0a", 4):
            raise PrometheusError(f"Prometheus did not answer to the end, but says: {(size + rest)[:QUOTED]!r}")
        yield rest[4:]


def _request(start: int, end: int) -> bytes:
    """For all series in a time, both ends included, in chunks.

    Source: https://github.com/prometheus/prometheus/blob/v3.13.3/prompb/remote.proto
    """
    # 2 is the type of a matcher by a regular expression; this one takes the series without a name, too.
    matcher = b"\x08\x02" + _text(0x12, b"__name__") + _text(0x1A, b".*")
    query = b"\x08" + _varint(start) + b"\x10" + _varint(end) + _text(0x1A, matcher)
    return _text(0x0A, query) + b"\x10\x01"


def _literal(data: bytes) -> bytes:
    """Data in the format of Snappy, not compressed.

    Source: https://github.com/google/snappy/blob/main/format_description.txt
    """
    if len(data) > 256:
        raise ConstructError(f"a request of {len(data)} bytes is too long: use 256 or less")
    return _varint(len(data)) + bytes((60 << 2, len(data) - 1)) + data


def _text(tag: int, data: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first; negative ones in 64 bits."""
    rest, digits = number % 2**64, bytearray()
    while rest > 0x7F:
        digits.append(rest & 0x7F | 0x80)
        rest >>= 7
    digits.append(rest)
    return bytes(digits)


def _number(digits: bytes) -> int:
    """What `_varint` wrote."""
    number = digits[0] & 0x7F
    for place in range(1, len(digits)):
        number |= (digits[place] & 0x7F) << 7 * place
    return number
