"""What is found of restore points: whole, torn, stale, missing, damaged, many; and what is read again."""

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.backends import get_backend

from constructs_lib.agent import store as sending
from constructs_lib.restore_point import Block, File, RestorePoint, dump_key, moment, object_key, point_key
from constructs_lib.units import Bytes
from constructs_lib.watch import verify
from constructs_lib.watch.verify import Finding, due
from tests.agent.volume import Volume
from tests.real.s3 import BUCKET, Harm, Request
from tests.watch.conftest import DAY, HOUR, TURN, Place

FOREIGN = (
    *("20991231T000000Z", "20991231T000000Z.dump", "20991231T000000Z.json.part", "20991331T000000Z.json"),
    *("newest.json", ".json", "README", "old/20991231T000000Z.json", "restore_point.json"),
)


def file_of(point: RestorePoint, path: str) -> File:
    return next(file for file in point.files if file.path == path)


def objects() -> Any:
    """What moto keeps."""
    (kept,) = get_backend("s3")["123456789012"].values()
    return kept


def filled(keys: dict[str, bytes]) -> None:
    """Objects that are there as if the agent had put them, without the way by HTTP."""
    backend = objects()
    for key, content in keys.items():
        made = backend.put_object(BUCKET, key, content)
        sha256 = hashlib.sha256(content)
        made.set_metadata({"x-amz-meta-sha256": sha256.hexdigest()})
        made.checksum_algorithm, made.checksum_value = "SHA256", base64.b64encode(sha256.digest()).decode()


def many(source: str, count: int) -> tuple[RestorePoint, dict[str, bytes]]:
    """A point of one block of so many files, and its objects."""
    ulid, content = Volume.ulid(0), {}
    for path in ("index", "meta.json", *(f"chunks/{number:06}" for number in range(1, count - 1))):
        content[path] = f"{source}{path}".encode()
    files = []
    for path, text in sorted(content.items()):
        sha256 = hashlib.sha256(text).hexdigest()
        files.append(File(path=path, key=object_key(source, ulid, path, sha256), size=len(text), sha256=sha256))
    block = Block(ulid=ulid, min_time=0, max_time=1, samples=1, series=1, chunks=1, files=tuple(files))
    made = datetime.now(UTC).replace(microsecond=0)
    point = RestorePoint(source=source, id="20261128T020000Z", made=made, blocks=(block,))
    return point, {file.key: content[file.path] for file in files}


def test_a_whole_point_is_whole(prometheus: Place, volume: Volume) -> None:
    """It is as old and as large as its manifest says."""
    point = prometheus.back_up(volume)
    found = prometheus.look(now=point.made + 5 * HOUR)
    assert (found.id, found.age, found.size, found.wrong) == (point.id, 5 * HOUR, point.size, ())


def test_the_newest_point_counts(prometheus: Place, volume: Volume) -> None:
    """Whatever else is there, and however its id differs from the moment when it was made."""
    prometheus.back_up(volume)
    volume.finish_block()
    second = prometheus.back_up(volume)
    for name in FOREIGN:
        prometheus.put(f"points/{prometheus.source}/{name}", b"not ours")
    found = prometheus.look()
    assert (found.id, found.size, found.wrong) == (second.id, second.size, ())


@pytest.mark.parametrize("made", [DAY, -DAY], ids=["made-tomorrow", "made-yesterday"])
def test_an_id_of_a_time_to_come_makes_no_point_younger(prometheus: Place, volume: Volume, made: timedelta) -> None:
    """It is as old as it was made, and, where it says a time to come, as it was put."""
    point = prometheus.back_up(volume)
    changed = prometheus.rewrite(point, id="20991231T000000Z", made=point.made + made)
    found = prometheus.look(now=point.made + 3 * DAY)
    assert found.id == "20991231T000000Z"
    assert found.age is not None
    assert abs(found.age - (point.made + 3 * DAY - min(changed.made, point.made))) < HOUR
    assert not found.wrong


def test_no_point_is_missing(prometheus: Place, other: Place, volume: Volume) -> None:
    """Though there are blocks, and points of another replica; it has no age."""
    other.back_up(volume)
    point = prometheus.back_up(volume)
    prometheus.delete(point_key(prometheus.source, point.id))
    found = prometheus.look()
    assert (found.id, found.age, found.size) == (None, None, None)
    assert found.wrong == (f"{BUCKET} holds no restore point of {prometheus.source} that can be read",)


def missing(place: Place, file: File) -> None:
    place.delete(file.key)


def shorter(place: Place, file: File) -> None:
    place.put(file.key, b"x")


def another(place: Place, file: File) -> None:
    place.put(file.key, place.get(file.key)[::-1])


def without_sum(place: Place, file: File) -> None:
    place.direct.put_object(
        Bucket=BUCKET,
        Key=file.key,
        Body=place.get(file.key),
        Metadata={"sha256": file.sha256},
        ChecksumAlgorithm="CRC32",
    )


def other_sum(place: Place, file: File) -> None:
    """Somebody put something else, and copied what the object says of itself."""
    place.direct.put_object(
        Bucket=BUCKET,
        Key=file.key,
        Body=place.get(file.key)[::-1],
        Metadata={"sha256": file.sha256},
        ChecksumAlgorithm="SHA256",
    )


TORN: dict[str, tuple[Callable[[Place, File], None], str]] = {
    "missing": (missing, "is missing"),
    "size": (shorter, "has 1 bytes, but had 500 when it was sent"),
    "metadata": (another, "does not say the sum with which it was sent"),
    "no-sum": (without_sum, "is stored without a sum"),
    "other-sum": (other_sum, "is stored with another sum than it was sent with"),
}


@pytest.mark.parametrize(("tear", "said"), TORN.values(), ids=list(TORN))
def test_a_torn_point_is_not_whole(
    prometheus: Place, volume: Volume, tear: Callable[[Place, File], None], said: str
) -> None:
    """The object is named; how old and large the point is remains known."""
    point = prometheus.back_up(volume)
    file = file_of(point, "index")
    tear(prometheus, file)
    found = prometheus.look(now=point.made + HOUR)
    assert found.wrong == (f"{file.key} {said}",)
    assert (found.id, found.age, found.size) == (point.id, HOUR, point.size)


def test_all_that_is_torn_is_named(prometheus: Place, volume: Volume) -> None:
    """Each object, for one reason."""
    point = prometheus.back_up(volume)
    indexes = [file for file in point.files if file.path == "index"]
    for (tear, _), file in zip(TORN.values(), indexes, strict=False):
        tear(prometheus, file)
    found = prometheus.look()
    assert sorted(wrong.partition(" ")[0] for wrong in found.wrong) == sorted(file.key for file in indexes)


def torn(text: bytes) -> bytes:
    return text[: len(text) // 2]


def flipped(text: bytes) -> bytes:
    return text.replace(b'"numSeries":4', b'"numSeries":5')


def of_another_format(text: bytes) -> bytes:
    body = text[: text.rindex(b',"sha256"')].replace(b'"format":1', b'"format":2') + b"}"
    return body[:-1] + f',"sha256":"{hashlib.sha256(body).hexdigest()}"}}'.encode()


@pytest.mark.parametrize("damage", [torn, flipped, of_another_format], ids=lambda damage: str(damage.__name__))
def test_a_damaged_manifest_is_not_whole(prometheus: Place, volume: Volume, damage: Callable[[bytes], bytes]) -> None:
    """The age is that of the newest point that could be restored."""
    first, second = prometheus.back_up(volume), prometheus.back_up(volume)
    key = point_key(prometheus.source, second.id)
    prometheus.put(key, damage(prometheus.get(key)))
    found = prometheus.look(now=first.made + HOUR)
    assert (found.id, found.age) == (first.id, HOUR)
    (said,) = found.wrong
    assert said.startswith(f"{key}: the manifest ")


def test_the_point_of_another_replica_is_none(prometheus: Place, other: Place, volume: Volume) -> None:
    """Nor is one under another name, though it is as it was written."""
    point, foreign = prometheus.back_up(volume), other.back_up(volume)
    for key in (point_key(prometheus.source, "20991231T000000Z"), point_key(prometheus.source, "20991230T000000Z")):
        prometheus.put(key, (foreign if "1231" in key else point).to_json())
    found = prometheus.look()
    assert found.id == point.id
    assert [wrong.partition(" is ")[2] for wrong in found.wrong] == [
        f"the restore point {foreign.id} of {other.source}",
        f"the restore point {point.id} of {prometheus.source}",
    ]


def test_a_whole_dump_is_whole(database: Place, tmp_path: Path) -> None:
    """As old as its object is; manifests beside it are none of a database."""
    sent = database.dump(b"content", tmp_path / "dump")
    database.put(f"points/{database.source}/20991231T000000Z.json", b"not ours")
    found = database.look(now=moment(sent.id) + 5 * HOUR)
    assert (found.id, found.size, found.wrong) == (sent.id, sent.file.size, ())
    assert found.age is not None
    assert abs(found.age - 5 * HOUR) < timedelta(minutes=1)


@pytest.mark.parametrize(("tear", "said"), [TORN["no-sum"], TORN["other-sum"]], ids=["no-sum", "other-sum"])
def test_a_dump_with_another_sum_is_not_whole(
    database: Place, tmp_path: Path, tear: Callable[[Place, File], None], said: str
) -> None:
    """Likewise."""
    sent = database.dump(b"content", tmp_path / "dump")
    tear(database, sent.file)
    assert database.look().wrong == (f"{sent.file.key} {said}",)


def test_a_dump_that_says_no_sum_is_not_whole(database: Place, tmp_path: Path) -> None:
    """It is not restored either: the age is that of the one before."""
    sent = database.dump(b"content", tmp_path / "dump")
    foreign = dump_key(database.source, "20991231T000000Z")
    database.put(foreign, b"PGDMP, by hand")
    found = database.look()
    assert (found.id, found.wrong) == (sent.id, (f"{foreign} does not say with which sum it was sent",))


def test_no_dump_is_missing(database: Place) -> None:
    """As no point is."""
    assert database.look().wrong == (f"{BUCKET} holds no restore point of {database.source} that can be read",)


def test_what_was_sent_in_parts_is_whole(database: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stored sum is that of the sums of its parts; what is read of it is compared with that of the whole."""
    monkeypatch.setattr(sending, "LARGEST_PUT", Bytes.mib(5))
    monkeypatch.setattr(sending, "PART", Bytes.mib(5))
    sent = database.dump(bytes(Bytes.mib(6).count), tmp_path / "dump")
    stored = objects().get_object(BUCKET, sent.file.key)
    assert (stored.checksum_type, stored.checksum_parts) == ("COMPOSITE", 2)
    stored.checksum_value += "-2"  # as S3 says it, and moto does not
    found = [database.look(turn=TURN + turn * 6 * HOUR, every=6 * HOUR) for turn in range(4)]
    assert not any(each.wrong for each in found)
    assert sum(each.read for each in found) == sent.file.size


TURNS = 6
HALF_DAY: Mapping[str, Any] = {"keep": DAY, "every": 2 * HOUR}  # as many turns


def turns(place: Place, first: int = 0) -> list[Finding]:
    """What is found by all turns of a cycle, from one of them on."""
    return [place.look(turn=TURN + number * 2 * HOUR, **HALF_DAY) for number in range(first, first + TURNS)]


@pytest.mark.parametrize("first", [0, 4])
def test_each_object_is_read_again_once_in_a_cycle(prometheus: Place, volume: Volume, first: int) -> None:
    """Whenever it begins, while points are made beside it."""
    point = prometheus.back_up(volume)
    prometheus.calls()
    assert not any(found.wrong for found in turns(prometheus, first))
    read = Counter(request.key for request in prometheus.calls() if request.method == "GET" and "/01J" in request.key)
    assert read == Counter(file.key for file in point.files)


@given(
    first=st.integers(0, 10_000),
    every=st.integers(15, 12 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    keep=st.integers(1, 90).map(lambda days: timedelta(days=days)),
)
def test_each_has_its_turn_once(first: int, every: timedelta, keep: timedelta) -> None:
    """In each half of the time that points are kept, however often it is looked at, by whatever moment that begins."""
    files = [File(path="", key=str(number), size=1, sha256=f"{number:064x}") for number in range(40)]
    start, count = TURN + first * timedelta(minutes=1), max(keep / 2 // every, 1)
    read = Counter(
        file.key for turn in range(count) for file in due(files, start + turn * every, every=every, cycle=keep / 2)
    )
    assert read == Counter(file.key for file in files)


def test_a_dump_is_read_again_once_a_day(database: Place, tmp_path: Path) -> None:
    """Its turn comes before the next one is made."""
    sent = database.dump(b"content", tmp_path / "dump")
    found = [database.look(turn=TURN + turn * 2 * HOUR, every=2 * HOUR) for turn in range(12)]
    assert sum(each.read for each in found) == sent.file.size


def test_the_same_turn_is_the_same(prometheus: Place, volume: Volume) -> None:
    """A run that is tried again reads the same, and finds the same, whatever the clock says by then."""
    point = prometheus.back_up(volume)
    moments = [TURN, TURN + timedelta(minutes=119)]
    prometheus.calls()
    once, again = (
        (prometheus.look(turn=turn, now=point.made, **HALF_DAY), Counter(call.key for call in prometheus.calls()))
        for turn in moments
    )
    assert once == again
    assert once[0].read


def test_what_is_read_otherwise_than_it_was_sent_is_not_whole(prometheus: Place, volume: Volume) -> None:
    """A bit that no sum tells of: it is seen when it is the object's turn, and only then."""
    file = file_of(prometheus.back_up(volume), "chunks/000001")
    prometheus.harm(Harm.ANSWER_FLIPPED, lambda request: request.method == "GET" and request.key == file.key)
    found = turns(prometheus)
    assert [each.wrong for each in found if each.wrong] == [
        (f"{file.key} is not what was sent, by the sum of what is read of it",)
    ]


def test_an_answer_that_ends_early_is_asked_for_again(prometheus: Place, volume: Volume) -> None:
    """It says nothing of the object."""
    point = prometheus.back_up(volume)
    ends = Counter[str]()

    def first(request: Any) -> bool:
        ends[request.key] += "/chunks/" in request.key and request.method == "GET"
        return ends[request.key] == 1

    prometheus.harm(Harm.ANSWER_CUT, first)
    found = turns(prometheus)
    assert not any(each.wrong for each in found)
    assert ends == Counter({file.key: 2 for file in point.files if "/chunks/" in file.key})


def test_no_time_is_no_damage(prometheus: Place, volume: Volume) -> None:
    """What is not read in time is put off, and said; all is looked at nevertheless."""
    point = prometheus.back_up(volume)
    (file,) = (file for file in point.files if file.path == "index" and file.key.endswith(f"{Volume.ulid(2)}/index"))
    prometheus.delete(file.key)
    found = prometheus.look(keep=DAY, every=DAY / 2, until=time.monotonic())
    assert found.wrong == (f"{file.key} is missing",)
    assert sorted(found.put_off) == sorted(each.key for each in point.files if each != file)
    assert not found.read


def test_what_is_not_read_to_its_end_is_no_damage(prometheus: Place, volume: Volume) -> None:
    """The time is up while an object is read: it is put off as well."""
    point = prometheus.back_up(volume)
    until = time.monotonic() + 1.5

    def late(request: Request) -> None:
        if request.method == "GET" and request.key.startswith("blocks/"):
            time.sleep(max(until - time.monotonic(), 0))

    prometheus.calls()
    prometheus.proxy.after = late
    try:
        found = prometheus.look(keep=DAY, every=DAY / 2, until=until)
    finally:
        prometheus.proxy.after = lambda _: None
    assert [call.key for call in prometheus.calls() if call.method == "GET"][-1] == found.put_off[0]
    assert (found.wrong, found.read, len(found.put_off)) == ((), 0, len(point.files))


def test_no_more_is_read_than_a_run_may(prometheus: Place, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next time that it is their turn, it begins with another one, so that none is left out for good."""
    point = prometheus.back_up(volume)
    monkeypatch.setattr(verify, "READ_IN_AN_HOUR", 1 / 12)
    read: set[str] = set()
    for turn in range(len(point.files)):
        found = prometheus.look(turn=TURN + turn * DAY / 2, keep=DAY, every=DAY / 2)
        assert len(found.put_off) == len(point.files) - 1
        read |= {file.key for file in point.files} - set(found.put_off)
    assert read == {file.key for file in point.files}


@pytest.mark.parametrize("every", [HOUR, 2 * HOUR, 12 * HOUR], ids=str)
def test_who_looks_less_often_may_read_more(
    prometheus: Place, volume: Volume, monkeypatch: pytest.MonkeyPatch, every: timedelta
) -> None:
    """Of the same point, in the same time: what one look may read is what all looks of that time may.

    So that nobody is behind for the interval alone, and one that may read all puts nothing off.
    """
    point = prometheus.back_up(volume)
    turns = DAY // 2 // every
    monkeypatch.setattr(verify, "READ_IN_AN_HOUR", point.size / 12)
    found = [prometheus.look(turn=TURN + turn * every, keep=DAY, every=every) for turn in range(turns)]
    largest = max(file.size for file in point.files)
    assert all(each.read <= max(point.size * (every / (DAY / 2)), largest) for each in found)
    assert (
        sum(each.read for each in found)
        + sum(file.size for file in point.files if any(file.key in each.put_off for each in found))
        == point.size
    )
    if turns == 1:
        assert not found[0].put_off


def test_requests_are_counted(prometheus: Place) -> None:
    """Of lists one for each 1,000 objects, of manifests one, and one for each object: what the arithmetic says."""
    point, objects = many(prometheus.source, 1100)
    filled(objects)
    filled({f"blocks/{prometheus.source}/{Volume.ulid(1)}/chunks/{number:06}": b"" for number in range(1500)})
    filled(
        {point_key(prometheus.source, f"20260101T{number // 60:04}{number % 60:02}Z"): b"" for number in range(1100)}
    )
    filled({point_key(prometheus.source, point.id): point.to_json()})
    found = prometheus.look()
    calls = Counter((request.method, request.key.partition("/")[0]) for request in prometheus.calls())
    again = calls.pop(("GET", "blocks"), 0)
    assert (found.id, found.wrong) == (point.id, ())
    assert calls == Counter({("GET", ""): 2 + 3, ("GET", "points"): 1, ("HEAD", "blocks"): 1100})
    assert again <= 20  # of 1,100 in 360 turns, three on average
