"""Dumps of a database: each comes back as it was sent, or not at all."""

import base64
import hashlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from constructs_lib.agent import store as module
from constructs_lib.agent.dump import BEGINNING, Dump, fetch, find, requested, send, verify
from constructs_lib.agent.store import NEWEST, SECOND, StoreError, in_parallel
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import Block, File, dump_key, moment, object_key, points_prefix
from constructs_lib.units import Bytes
from tests.agent.conftest import Remote
from tests.cluster.waiting import wait
from tests.real.agents import SOON, Agent, command
from tests.real.s3 import BUCKET, Harm, Request

NUMBERS = itertools.count()
CONTENT = BEGINNING + bytes(range(256)) * 40
FOREIGN = (
    *("20991231T000000Z", "20991231T000000Z.json", "20991231T000000Z.dump.part", "20991331T000000Z.dump"),
    *("newest.dump", ".dump", "README", "old/20991231T000000Z.dump", "database.dump"),
)


@pytest.fixture
def database(remote: Remote) -> Remote:
    """What a database of the test alone has in the bucket."""
    return replace(remote, source=f"prod/monitoring/grafana-backup-{next(NUMBERS)}/database")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """As pg_dump begins one; the store does not look further."""
    path = tmp_path / "database.dump"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file in a directory of its own, in which another try has left something."""
    path = tmp_path / "scratch" / "restore.dump"
    path.parent.mkdir()
    path.write_bytes(b"left")
    path.with_name("restore.dump.part").write_bytes(b"left")
    return path


def overwrite(database: Remote, dump: Dump, content: bytes, metadata: Mapping[str, str]) -> None:
    """Put another content in place of a dump, as somebody may by hand."""
    database.direct.put_object(Bucket=BUCKET, Key=dump.file.key, Body=content, Metadata=metadata)


def run(database: Remote, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the agent."""
    return Agent(dict(os.environ), database.source).run(name, *arguments)


def is_put(request: Request) -> bool:
    return request.method == "PUT"


def test_dump_comes_back(database: Remote, written: Path, target: Path) -> None:
    """Byte for byte, and nothing else is in the bucket or in the directory."""
    sent = send(database.store(), written)

    assert database.puts() == [sent.file.key] == [f"points/{database.source}/{sent.id}.dump"]
    assert fetch(database.store(), NEWEST, target) == sent
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["restore.dump"]


def test_dump_carries_its_sum(database: Remote, written: Path) -> None:
    """For S3, which compares it with what arrives, and for whoever reads it again; it replaces nothing."""
    sums: list[bytes | None] = []
    store = database.store()
    store._client.meta.events.register(
        "before-send.s3.PutObject", lambda request, **_: sums.append(request.headers.get("x-amz-checksum-sha256"))
    )
    sent = send(store, written)

    digest = hashlib.sha256(CONTENT)
    assert sums == [base64.b64encode(digest.digest())]
    head = database.direct.head_object(Bucket=BUCKET, Key=sent.file.key)
    assert head["Metadata"] == {"sha256": digest.hexdigest()}
    assert [request.only_new for request in database.proxy.requests if is_put(request)] == [True]


def test_large_dump_is_sent_in_parts(
    database: Remote, written: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one object, which is written once, too."""
    monkeypatch.setattr(module, "LARGEST_PUT", Bytes.mib(5))
    monkeypatch.setattr(module, "PART", Bytes.mib(5))
    written.write_bytes(BEGINNING + os.urandom(Bytes.mib(6).count))
    first, second = (send(database.store(), written) for _ in range(2))

    assert (first.id < second.id, database.store().dumps()) == (True, [first.id, second.id])
    assert fetch(database.store(), first.id, target) == first
    assert target.read_bytes() == written.read_bytes()


def test_earlier_dump_comes_back(database: Remote, written: Path, target: Path) -> None:
    """By its id."""
    earlier = send(database.store(), written)
    written.write_bytes(CONTENT + b"more")
    newest = send(database.store(), written)

    assert find(database.store(), NEWEST) == newest
    assert fetch(database.store(), earlier.id, target) == earlier
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "reason"),
    [(CONTENT[:-1], "by its sum"), (CONTENT[:-1] + b"x", "by its sum"), (CONTENT, "it says no sum")],
    ids=["truncated", "flipped", "put by hand"],
)
def test_damaged_dump_is_named_and_nothing_remains(
    database: Remote, written: Path, target: Path, content: bytes, reason: str
) -> None:
    """It is not passed over for an older one either, which nobody has asked for."""
    send(database.store(), written)
    newest = send(database.store(), written)
    overwrite(database, newest, content, {} if content == CONTENT else {"sha256": newest.file.sha256})

    with pytest.raises(
        ConstructError, match=f"{newest.file.key} is not what was sent, {reason}: use another restore point"
    ):
        fetch(database.store(), NEWEST, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("harm", [Harm.FAILED, Harm.ANSWER_CUT], ids=str)
def test_store_that_fails_leaves_nothing(
    database: Remote, written: Path, target: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    """Once is not noticed; what stays is said in one line."""
    monkeypatch.setattr(module, "TRIES", 2)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    sent = send(database.store(), written)
    once = iter([True])

    def of_dump(request: Request) -> bool:
        return (request.method, request.key) == ("GET", sent.file.key)

    database.harm(harm, lambda request: of_dump(request) and next(once, False))
    assert fetch(database.store(), NEWEST, target) == sent
    database.harm(harm, of_dump)
    with pytest.raises(StoreError, match=rf"^cannot get {sent.file.key}: [^\n]+$"):
        fetch(database.store(), NEWEST, target)
    assert list(target.parent.iterdir()) == []


def test_ids_only_grow(database: Remote, written: Path) -> None:
    """Two in the same second have two of them, though they are the same."""
    made = [send(database.store(), written).id for _ in range(3)]

    assert made == sorted(set(made)) == database.store().dumps()
    assert moment(made[0]) - datetime.now(UTC) < timedelta(seconds=2)


def test_id_is_of_the_stores_clock(database: Remote, written: Path) -> None:
    """A node's clock may jump."""
    database.proxy.skew = timedelta(days=400)
    sent = send(database.store(), written)

    assert abs(moment(sent.id) - datetime.now(UTC) - timedelta(days=400)) < timedelta(minutes=1)


def test_whoever_comes_second_takes_the_next_id(database: Remote, written: Path) -> None:
    """And what was there first stays as it is."""
    first: list[str] = []

    def meanwhile(request: Request) -> None:
        if is_put(request) and not first:
            first.append(request.key)
            database.put(request.key, b"of another one")

    database.proxy.harm = meanwhile
    sent = send(database.store(), written)

    earlier, later = database.store().dumps()
    assert (first, sent.id) == ([dump_key(database.source, earlier)], later)
    assert moment(later) - moment(earlier) == SECOND
    assert (database.get(first[0]), database.get(sent.file.key)) == (b"of another one", CONTENT)


def test_several_at_once_lose_nothing(database: Remote, tmp_path: Path) -> None:
    """Each has an id of its own, and what it has sent."""
    contents = {}
    for number in range(4):
        contents[path := tmp_path / str(number)] = CONTENT + bytes([number])
        path.write_bytes(contents[path])
    made = dict(zip(contents, in_parallel(lambda path: send(database.store(), path), list(contents)), strict=True))

    assert database.store().dumps() == sorted(dump.id for dump in made.values())
    assert {path: database.get(dump.file.key) for path, dump in made.items()} == contents


def test_lost_answer_makes_one_restore_point(database: Remote, written: Path) -> None:
    """It is asked again, and found to be there."""
    lost = iter([True])
    database.harm(Harm.LOST, lambda request: is_put(request) and next(lost, False))

    assert database.store().dumps() == [] != [send(database.store(), written).id] == database.store().dumps()


@pytest.mark.parametrize("harm", [Harm.FAILED, Harm.CUT], ids=str)
def test_what_was_not_sent_is_no_restore_point(
    database: Remote, written: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm
) -> None:
    """It is said in one line, and nothing of it is there."""
    monkeypatch.setattr(module, "TRIES", 2)
    database.harm(harm, is_put)

    with pytest.raises(StoreError, match=rf"^cannot send points/{database.source}/\w+.dump: [^\n]+$"):
        send(database.store(timedelta(seconds=2)), written)
    assert database.store().dumps() == []
    with pytest.raises(ConstructError, match=f"holds no restore point of {database.source}: make one first"):
        find(database.store(), NEWEST)


IN_PARTS = """
import sys
from constructs_lib.agent import __main__ as agent, store
from constructs_lib.units import Bytes

store.LARGEST_PUT = store.PART = Bytes.mib(5)
agent.main()
"""


@pytest.mark.parametrize("in_parts", [False, True], ids=["in one piece", "in parts"])
def test_killed_send_leaves_no_restore_point(database: Remote, written: Path, in_parts: bool) -> None:
    """Whether it was sent whole or in parts; the next one is not disturbed."""
    written.write_bytes(BEGINNING + os.urandom(Bytes.mib(12).count))
    begun: list[Request] = []

    def act(request: Request) -> Harm | None:
        if not is_put(request):
            return None
        begun.append(request)
        return Harm.UNANSWERED if len(begun) == (2 if in_parts else 1) else None

    database.proxy.harm = act
    arguments = command("send-dump", f"--file={written}", *Agent({}, database.source).place)
    if in_parts:
        arguments = [sys.executable, "-c", IN_PARTS, *arguments[3:]]
    with subprocess.Popen(arguments) as program:
        wait("it sends", lambda: len(begun) == (2 if in_parts else 1), SOON)
        program.kill()
    assert program.returncode == -signal.SIGKILL
    database.proxy.harm = lambda _: None

    uploads = database.direct.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    unfinished = [upload["Key"] for upload in uploads if upload["Key"].startswith(points_prefix(database.source))]
    assert (len(unfinished), database.store().dumps()) == (in_parts, [])
    listed = database.direct.list_objects_v2(Bucket=BUCKET, Prefix=points_prefix(database.source))
    assert listed["KeyCount"] == 0
    sent = send(database.store(), written)
    assert find(database.store(), NEWEST) == sent


def test_newest_is_of_this_database_and_whole(database: Remote, written: Path, target: Path) -> None:
    """Whatever else somebody keeps there, and whatever other databases and replicas have."""
    sent = send(database.store(), written)
    for name in FOREIGN:
        database.put(f"{points_prefix(database.source)}{name}", CONTENT)
    stem = database.source.rpartition("/")[0]
    for other in (f"{stem}-2/database", f"{stem}/database-2", f"another/{database.source}", f"{stem}/databas"):
        database.put(f"points/{other}/20991231T000000Z.dump", CONTENT)
        database.put(f"points/{other}0991231T000000Z.dump", CONTENT)

    assert database.store().dumps() == [sent.id]
    assert fetch(database.store(), NEWEST, target) == sent
    assert send(database.store(), written).id < "2099"


def test_blocks_and_dumps_are_told_apart(database: Remote, written: Path) -> None:
    """Neither is taken for the other, though both are below the same prefix."""
    sums = {path: hashlib.sha256(path.encode()).hexdigest() for path in ("index", "meta.json")}
    ulid = "01J00000000000000000000000"
    files = tuple(
        File(path=path, key=object_key(database.source, ulid, path, sha256), size=1, sha256=sha256)
        for path, sha256 in sums.items()
    )
    store = database.store()
    point = store.publish([Block(ulid=ulid, min_time=0, max_time=1, samples=1, series=1, chunks=1, files=files)])
    dumps = [send(store, written).id for _ in range(2)]

    assert (store.points(), store.dumps()) == ([point.id], dumps)


@pytest.mark.parametrize("content", [b"", b"PGDM", b"CREATE TABLE dashboard ();\n"], ids=["empty", "cut", "plain"])
def test_what_is_no_dump_is_not_sent(database: Remote, written: Path, content: bytes) -> None:
    """The store is not asked."""
    written.write_bytes(content)

    with pytest.raises(ConstructError, match=f"{written} is no dump of the format 'custom': let pg_dump write it"):
        send(database.store(), written)
    with pytest.raises(FileNotFoundError, match="other"):
        send(database.store(), written.with_name("other"))
    assert database.proxy.requests == []


def test_replica_has_no_dumps(remote: Remote, written: Path, target: Path) -> None:
    """What was sent under its name would be listed by nobody."""
    match = f"{remote.source} is no database's: use CLUSTER/NAMESPACE/COMPONENT/database"
    with pytest.raises(ConstructError, match=match):
        send(remote.store(), written)
    with pytest.raises(ConstructError, match=match):
        fetch(remote.store(), NEWEST, target)
    assert remote.proxy.requests == []


@pytest.mark.parametrize(
    ("point", "match"),
    [
        ("newest", "holds no restore point of prod/monitoring/grafana-backup-"),
        ("20200101T000000Z", "holds no restore point 20200101T000000Z of prod/monitoring/grafana-backup-"),
        ("yesterday", "'yesterday' is no restore point: use 'newest', or an id"),
        ("../x", r"'\.\./x' is no restore point"),
        ("", "'' is no restore point"),
    ],
)
def test_missing_dump_is_named(database: Remote, target: Path, point: str, match: str) -> None:
    """And what another try has left is not taken for it."""
    with pytest.raises(ConstructError, match=match):
        fetch(database.store(), point, target)
    assert list(target.parent.iterdir()) == []


def test_dump_is_asked_for_by_name(tmp_path: Path, target: Path) -> None:
    """By a file of the ConfigMap, which is optional, and of no other key."""
    requests = tmp_path / "requests"
    assert requested(requests, target) is None
    assert list(target.parent.iterdir()) == []  # nothing that was asked for before
    requests.mkdir()
    (requests / "database-0").write_text("newest")
    assert requested(requests, target) is None
    (requests / "database").write_text("20261128T020000Z\n")
    assert requested(requests, target) == "20261128T020000Z"


def test_verify_reads_every_byte(database: Remote, written: Path) -> None:
    """One that is another than it was, in the middle of many, is found."""
    sent = send(database.store(), written)
    verify(database.store(), sent)
    middle = len(CONTENT) // 2
    overwrite(database, sent, CONTENT[:middle] + b"x" + CONTENT[middle + 1 :], {"sha256": sent.file.sha256})

    with pytest.raises(ConstructError, match=f"{sent.file.key} is not what was sent"):
        verify(database.store(), find(database.store(), NEWEST))


def test_commands_say_what_there_is(database: Remote, written: Path, target: Path) -> None:
    """And what of it is damaged, by what they say and how they end."""
    sent = run(database, "send-dump", f"--file={written}")
    (point,) = database.store().dumps()
    line = f"{point}  database  {len(CONTENT)} bytes"
    assert (sent.returncode, sent.stdout) == (0, f"{line}\n")
    assert run(database, "list").stdout == f"{line}\n"
    assert run(database, "verify").stdout == f"{line}  the object is there\n"
    assert run(database, "verify", "--read", f"--point={point}").stdout == f"{line}  every byte is as it was sent\n"
    fetched = run(database, "fetch-dump", f"--file={target}", f"--point={point}")
    assert (fetched.returncode, fetched.stdout, target.read_bytes()) == (0, f"{line}\n", CONTENT)

    dump = find(database.store(), NEWEST)
    overwrite(database, dump, CONTENT + b"x", {"sha256": dump.file.sha256})
    for name, *arguments in (("verify", "--read"), ("fetch-dump", f"--file={target}", "--point=newest")):
        refused = run(database, name, *arguments)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (3, "", 1)
        assert f"{dump.file.key} is not what was sent" in refused.stderr
    assert not target.exists()
    overwrite(database, dump, CONTENT, {})
    listed = run(database, "list")
    assert (listed.returncode, listed.stdout) == (
        0,
        f"{point}  damaged: {dump.file.key} is not what was sent, it says no sum: use another restore point\n",
    )


def test_fetch_that_nobody_asks_for_needs_nothing(database: Remote, target: Path) -> None:
    """No store, no credentials: each run of the Job goes through it; nor is what was asked for before restored now."""
    result = run(database, "fetch-dump", f"--file={target}", f"--requests={target.parent / 'requests'}")

    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.endswith("asks for no restore point of the database: nothing is restored\n")
    assert list(target.parent.iterdir()) == []
    assert database.proxy.requests == []


def test_request_is_fetched(database: Remote, written: Path, target: Path, tmp_path: Path) -> None:
    """By the words of the ConfigMap, or refused in one line."""
    sent = send(database.store(), written)
    requests = tmp_path / "requests"
    requests.mkdir()
    arguments = (f"--file={target}", f"--requests={requests}")
    for words in ("newest", f"{sent.id}\n"):
        (requests / "database").write_text(words)
        assert run(database, "fetch-dump", *arguments).returncode == 0
        assert target.read_bytes() == CONTENT
    (requests / "database").write_text("latest")
    refused = run(database, "fetch-dump", *arguments)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "'latest' is no restore point: use 'newest', or an id" in refused.stderr
    assert not target.exists()
