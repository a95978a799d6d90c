"""The store: what is written once, what is refused, and what is tried again."""

import hashlib
import logging
import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from constructs_lib.agent import store as module
from constructs_lib.agent.store import Store, StoreError, in_parallel
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import Block, File, moment, object_key, point_key
from constructs_lib.units import Bytes
from tests.agent.conftest import Remote
from tests.real.s3 import BUCKET, REFUSALS, REGION, Harm

ULID = "01J00000000000000000000000"
AMOUNT = Bytes.mib(6).count


def file_of(remote: Remote, content: bytes, path: str = "index") -> File:
    sha256 = hashlib.sha256(content).hexdigest()
    return File(path=path, key=object_key(remote.source, ULID, path, sha256), size=len(content), sha256=sha256)


def block_of(*files: File) -> Block:
    return Block(ulid=ULID, min_time=0, max_time=1, samples=1, series=1, chunks=1, files=files)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """More than fits into one request's first piece, by what the tests set."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(AMOUNT))
    return path


def fetched(store: Store, file: File) -> bytes:
    pieces: list[bytes] = []
    store.fetch(file, pieces.append)
    return b"".join(pieces)


def test_file_is_written_once(remote: Remote, local: Path) -> None:
    """A second time, nothing is sent that is there already; what is there is known to be it."""
    store, file = remote.store(), file_of(remote, b"content")

    assert store.send(file, local, again=False) == 7
    assert store.send(file, local, again=False) == 0
    assert store.holds(file)
    assert store.stored()[file.key].size == 7
    assert all(request.only_new for request in remote.proxy.requests if request.method == "PUT")


@pytest.mark.parametrize("other", [b"another", b"cont"], ids=["sum", "size"])
def test_file_that_is_not_what_it_must_be_is_replaced(remote: Remote, local: Path, other: bytes) -> None:
    """Whatever was put under its key by someone else."""
    store, file = remote.store(), file_of(remote, b"content")
    remote.put(file.key, other)

    assert not store.holds(file)
    assert store.send(file, local, again=False) == 7
    assert remote.get(file.key) == b"content"


@pytest.mark.parametrize("again", [False, True])
def test_large_file_is_sent_in_parts(remote: Remote, large: Path, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """As one object with the sum of all of it, which is written once, too."""
    monkeypatch.setattr(module, "LARGEST_PUT", Bytes.mib(5))
    monkeypatch.setattr(module, "PART", Bytes.mib(5))
    store, file = remote.store(), file_of(remote, large.read_bytes())

    assert store.send(file, large, again=again) == file.size
    assert sorted(request.size for request in remote.proxy.requests if request.method == "PUT") == [
        Bytes.mib(1).count,
        Bytes.mib(5).count,
    ]
    assert store.holds(file)
    assert store.send(file, large, again=False) == 0
    assert remote.get(file.key) == large.read_bytes()


def test_file_is_sent_as_it_is(remote: Remote, large: Path) -> None:
    """In one request, of many pieces."""
    store, file = remote.store(), file_of(remote, large.read_bytes())

    assert store.send(file, large, again=False) == file.size
    assert remote.get(file.key) == large.read_bytes()


def test_conflict_is_tried_again(remote: Remote, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two agents that write the same at once: S3 lets one of them in, and asks the other to come again."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setitem(REFUSALS, Harm.FAILED, (409, "ConditionalRequestConflict"))
    conflicts = iter([True, True])
    remote.harm(Harm.FAILED, lambda request: request.method == "PUT" and next(conflicts, False))
    store, file = remote.store(), file_of(remote, b"content")

    assert store.send(file, local, again=False) == 7
    remote.harm(Harm.FAILED, lambda request: request.method == "PUT")
    with pytest.raises(StoreError, match="ConditionalRequestConflict"):
        store.send(file, local, again=False)


@pytest.mark.parametrize("harm", [Harm.FAILED, Harm.SLOW_DOWN, Harm.CUT, Harm.LOST, Harm.UNANSWERED], ids=str)
def test_failure_is_tried_again_within_limits(
    remote: Remote, local: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    """A failure now and then is not noticed; one that stays is said in one line."""
    monkeypatch.setattr(module, "TRIES", 2)
    failures = iter([True])
    store, file = remote.store(timedelta(seconds=1)), file_of(remote, b"content")
    remote.harm(harm, lambda request: request.method == "PUT" and next(failures, False))

    assert store.send(file, local, again=False) in ({0} if harm is Harm.LOST else {7})
    assert remote.get(file.key) == b"content"
    remote.harm(harm, lambda request: request.method == "PUT")
    with pytest.raises(StoreError, match=rf"^cannot send {re.escape(file.key)}: [^\n]+$"):
        store.send(file, local, again=True)


def test_what_arrives_otherwise_than_it_was_sent_is_refused_by_s3(remote: Remote, local: Path) -> None:
    """Each object is sent with its sum; moto does not compare it, so here it is only seen that it is sent."""
    seen: list[str | None] = []
    store, file = remote.store(), file_of(remote, b"content")
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: seen.append(request.headers.get("x-amz-checksum-sha256"))
    )
    store.send(file, local, again=False)

    assert seen == [b"7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="]


def test_ids_only_grow(remote: Remote, local: Path) -> None:
    """Two in the same second have two of them, in order."""
    store, file = remote.store(), file_of(remote, b"content")
    made = [store.publish([block_of(file, file_of(remote, b"meta", "meta.json"))]).id for _ in range(3)]

    assert made == sorted(set(made))
    assert store.points() == made
    assert store.read("newest").id == made[-1]
    assert moment(made[0]) - store.now() < timedelta(seconds=2)


def test_two_agents_never_make_the_same_id(remote: Remote) -> None:
    """Whoever comes second takes the next one."""
    each = [block_of(file_of(remote, bytes([agent])), file_of(remote, b"meta", "meta.json")) for agent in range(4)]
    made = in_parallel(lambda block: remote.store().publish([block]), each)
    store = remote.store()

    assert store.points() == sorted({point.id for point in made})
    assert sorted(map(repr, map(store.read, store.points()))) == sorted(map(repr, made))
    assert len(made) == len(store.points())


def test_id_is_of_the_stores_clock(remote: Remote) -> None:
    """A node's clock may jump."""
    remote.proxy.skew = timedelta(days=400)
    store = remote.store()
    point = store.publish([block_of(file_of(remote, b"content"), file_of(remote, b"meta", "meta.json"))])

    assert abs(point.made - datetime.now(UTC) - timedelta(days=400)) < timedelta(minutes=1)
    assert moment(point.id) == point.made


@pytest.mark.parametrize(
    "source",
    ["", "prod/monitoring/prometheus", "prod/monitoring/prometheus/$(POD_NAME)", "prod//prometheus/prometheus-0"],
)
def test_source_is_of_one_replica(remote: Remote, source: str) -> None:
    """Else what is sent could be read by nobody."""
    with pytest.raises(ConstructError, match="is no replica: use CLUSTER/NAMESPACE/COMPONENT/POD"):
        Store.connect(bucket=BUCKET, region=REGION, source=source)


def test_clock_of_a_silent_store_is_not_known(remote: Remote) -> None:
    """It is not the node's."""
    with pytest.raises(StoreError, match="has not said what time it is"):
        remote.store().now()


def test_lost_answer_to_a_manifest_makes_one_restore_point(remote: Remote) -> None:
    """It is asked again, and found to be there."""
    lost = iter([True])
    remote.harm(Harm.LOST, lambda request: request.method == "PUT" and next(lost, False))
    store = remote.store()
    point = store.publish([block_of(file_of(remote, b"content"), file_of(remote, b"meta", "meta.json"))])

    assert store.points() == [point.id]


def test_damaged_manifest_is_named_and_the_one_before_is_read(remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is taken from half a manifest."""
    store = remote.store()
    blocks = [block_of(file_of(remote, b"content"), file_of(remote, b"meta", "meta.json"))]
    before, newest = store.publish(blocks), store.publish(blocks)
    key = point_key(remote.source, newest.id)
    remote.put(key, remote.get(key)[:-100])

    with pytest.raises(ConstructError, match=f"{newest.id} cannot be used, {key}: the manifest is torn"):
        store.read("newest")
    with caplog.at_level(logging.ERROR):
        assert store.newest() == before
    assert key in caplog.text


def test_manifest_of_another_replica_is_refused(remote: Remote) -> None:
    """Wherever it was copied to."""
    store = remote.store()
    point = store.publish([block_of(file_of(remote, b"content"), file_of(remote, b"meta", "meta.json"))])
    remote.put(point_key(remote.source, "20200101T000000Z"), point.to_json())

    with pytest.raises(ConstructError, match=f"20200101T000000Z.json is the restore point {point.id}"):
        store.read("20200101T000000Z")


@pytest.mark.parametrize("point", ["newest", "20200101T000000Z"])
def test_missing_restore_point_is_named(remote: Remote, point: str) -> None:
    """It is no failure of the store."""
    with pytest.raises(ConstructError, match=r"holds no restore point( 20200101T000000Z)? of prod/monitoring"):
        remote.store().read(point)


def test_answer_that_ends_early_is_continued(remote: Remote, large: Path) -> None:
    """From where it ended, and no more than a few times."""
    store, file = remote.store(), file_of(remote, large.read_bytes())
    store.send(file, large, again=False)
    cuts = iter([True])
    remote.harm(Harm.ANSWER_CUT, lambda request: request.method == "GET" and next(cuts, False))

    assert fetched(store, file) == large.read_bytes()


def test_answer_that_always_ends_early_is_a_failure(
    remote: Remote, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in one line."""
    monkeypatch.setattr(module, "PAUSE", 0.01)
    store, file = remote.store(), file_of(remote, b"content")
    store.send(file, local, again=False)
    remote.harm(Harm.ANSWER_CUT, lambda request: request.method == "GET")

    with pytest.raises(StoreError, match=rf"^cannot get {re.escape(file.key)}: [^\n]+$"):
        fetched(store, file)


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"cOntent", "is not what was sent, by its sum"), (b"conten", "has 6 bytes, but had 7 when it was sent")],
    ids=["flipped", "truncated"],
)
def test_damaged_object_is_named(remote: Remote, local: Path, content: bytes, match: str) -> None:
    """What comes of it is not taken for the file."""
    store, file = remote.store(), file_of(remote, b"content")
    store.send(file, local, again=False)
    remote.put(file.key, content)

    with pytest.raises(ConstructError, match=f"{file.key} {match}"):
        fetched(store, file)


def test_first_failure_ends_all() -> None:
    """What has not begun does not begin, and what is raised is the failure."""
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise StoreError("at the fourth")
        time.sleep(0.05)

    with pytest.raises(StoreError, match="at the fourth"):
        in_parallel(work, range(500))
    assert len(begun) < 100


def test_whoever_is_told_to_stop_waits_for_nothing() -> None:
    """What runs goes on until the process has ended."""
    released = threading.Event()

    def interrupted(number: int) -> None:
        if number == 0:
            raise SystemExit(0)
        released.wait(timeout=30)

    begun = time.monotonic()
    with pytest.raises(SystemExit):
        in_parallel(interrupted, range(4))
    assert time.monotonic() - begun < 5
    released.set()
