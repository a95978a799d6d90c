"""A restore: all of it, or nothing."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from constructs_lib.agent.restore import requested, restore, verify
from constructs_lib.agent.store import StoreError
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import Block, File, RestorePoint, object_key, point_key
from tests.agent.conftest import Remote
from tests.agent.volume import Volume
from tests.real.s3 import BUCKET, REGION, Harm


@pytest.fixture
def point(remote: Remote, volume: Volume) -> RestorePoint:
    made = remote.backup(volume).run()
    assert made is not None
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A new volume."""
    path = tmp_path / "new"
    path.mkdir()
    return path


def content(volume: Path) -> dict[str, bytes]:
    tsdb = volume / "tsdb"
    return {str(path.relative_to(tsdb)): path.read_bytes() for path in tsdb.rglob("*") if path.is_file()}


def run(remote: Remote, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the agent."""
    where = (f"--bucket={BUCKET}", f"--region={REGION}", f"--source={remote.source}")
    command = [sys.executable, "-m", "constructs_lib.agent", *arguments, *where]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("made_before", [False, True], ids=["no tsdb", "empty tsdb"])
def test_volume_comes_back(remote: Remote, point: RestorePoint, volume: Volume, empty: Path, made_before: bool) -> None:
    """Byte for byte, readable by whoever may read it there, and nothing else."""
    if made_before:
        (empty / "tsdb").mkdir()

    assert restore(remote.store(), "newest", empty) == point
    assert content(empty) == volume.content()
    assert [path.name for path in empty.iterdir()] == ["tsdb"]
    assert {path.stat().st_mode & 0o444 for path in empty.rglob("*")} == {0o444}


def test_earlier_restore_point_comes_back(remote: Remote, point: RestorePoint, volume: Volume, empty: Path) -> None:
    """By its id, though it is not the newest, and that one is damaged."""
    held = volume.content()
    volume.finish_block()
    newest = remote.backup(volume).run()
    assert newest is not None
    remote.put(point_key(remote.source, newest.id), newest.to_json()[:-1])

    with pytest.raises(ConstructError, match=f"the restore point {newest.id} cannot be used"):
        restore(remote.store(), "newest", empty)
    restore(remote.store(), point.id, empty)
    assert content(empty) == held


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        pytest.param(lambda remote, file: remote.delete(file.key), "is missing", id="missing"),
        pytest.param(lambda remote, file: remote.put(file.key, b"x"), "has 1 bytes", id="truncated"),
        pytest.param(lambda remote, file: remote.put(file.key, b"x" * file.size), "is not what was sent", id="flipped"),
    ],
)
def test_damaged_restore_point_leaves_nothing(
    remote: Remote, point: RestorePoint, empty: Path, damage: Callable[[Remote, File], None], match: str
) -> None:
    """It is named, with the object."""
    file = point.blocks[1].files[1]
    damage(remote, file)

    with pytest.raises(ConstructError, match=f"{file.key} {match}"):
        restore(remote.store(), point.id, empty)
    assert list(empty.iterdir()) == []


def test_store_that_fails_leaves_nothing(remote: Remote, point: RestorePoint, empty: Path) -> None:
    """The restore may be tried again."""
    last = point.blocks[-1].files[0].key
    remote.harm(Harm.FAILED, lambda request: request.key == last)
    with pytest.raises(StoreError, match=f"cannot get {last}"):
        restore(remote.store(timedelta(seconds=2)), "newest", empty)
    assert list(empty.iterdir()) == []

    remote.harm(Harm.FAILED, lambda request: False)
    assert restore(remote.store(), "newest", empty) == point


@pytest.mark.trap(76)
def test_occupied_volume_is_left_as_it_is(remote: Remote, volume: Volume) -> None:
    """Whatever it has; the store is not asked."""
    held = volume.content()

    with pytest.raises(ConstructError, match="tsdb is not empty: restore into an empty volume only"):
        restore(remote.store(), "newest", volume.path)
    assert volume.content() == held
    assert remote.proxy.requests == []


def test_what_does_not_fit_is_not_begun(remote: Remote, empty: Path) -> None:
    """It says how much it is, and how much would fit."""
    ulid, sums = Volume.ulid(0), {"index": "a" * 64, "meta.json": "b" * 64}
    files = tuple(
        File(path=path, key=object_key(remote.source, ulid, path, sum_), size=10**18, sha256=sum_)
        for path, sum_ in sums.items()
    )
    remote.store().publish([Block(ulid=ulid, min_time=0, max_time=1, samples=1, series=1, chunks=1, files=files)])

    free = os.statvfs(empty).f_bavail
    assert free > 0
    with pytest.raises(ConstructError, match=r"needs 20200\d+ bytes, but .* has [1-9]\d+ free: use a larger volume"):
        restore(remote.store(), "newest", empty)
    assert list(empty.iterdir()) == []


def test_what_a_killed_restore_left_is_removed(remote: Remote, point: RestorePoint, empty: Path) -> None:
    """Whether or not a restore is asked for again."""
    left = empty / "restore" / "01J00000000000000000000009"
    left.mkdir(parents=True)
    assert requested(empty / "requests", remote.source, empty) is None
    assert list(empty.iterdir()) == []

    left.mkdir(parents=True)
    restore(remote.store(), "newest", empty)
    assert {path.name for path in (empty / "tsdb").iterdir()} == {block.ulid for block in point.blocks}


def test_pod_restores_what_is_asked_of_it(remote: Remote, volume: Volume, empty: Path, tmp_path: Path) -> None:
    """By a file of its name, and only where nothing is."""
    requests, pod = tmp_path / "requests", remote.source.rpartition("/")[2]
    assert requested(requests, remote.source, empty) is None  # the ConfigMap is optional
    requests.mkdir()
    (requests / f"{pod}0").write_text("newest")
    assert requested(requests, remote.source, empty) is None
    (requests / pod).write_text("20261128T020000Z\n")

    assert requested(requests, remote.source, empty) == "20261128T020000Z"
    assert requested(requests, remote.source, volume.path) is None


@pytest.mark.parametrize("read", [False, True])
def test_whole_restore_point_is_verified(remote: Remote, point: RestorePoint, read: bool) -> None:
    """By what is listed, or by every byte."""
    verify(remote.store(), point, read=read)


def test_all_damage_is_counted(remote: Remote, point: RestorePoint) -> None:
    """What has its size is found by reading it."""
    for block in point.blocks:
        file = block.files[0]
        remote.put(file.key, b"x" * file.size)

    verify(remote.store(), point)
    with pytest.raises(ConstructError, match=r"000001 is not what was sent, .* and 2 more are damaged"):
        verify(remote.store(), point, read=True)
    remote.delete(point.blocks[0].files[0].key)
    with pytest.raises(ConstructError, match=rf"{point.id} is not whole, .*000001 is missing: use another one"):
        verify(remote.store(), point)


def test_commands_say_what_there_is(remote: Remote, point: RestorePoint, volume: Volume, empty: Path) -> None:
    """And what of it is damaged, by what they say and how they end."""
    listed = run(remote, "list")
    assert listed.stdout == f"{point.id}  3 blocks  {point.size} bytes  1970-01-01T00:00:00Z to 1970-01-01T06:00:00Z\n"
    verified = run(remote, "verify", "--read")
    assert (verified.returncode, verified.stdout.split()[0]) == (0, point.id)
    restored = run(remote, "restore", f"--data={empty}", f"--point={point.id}")
    assert (restored.returncode, content(empty)) == (0, volume.content())
    again = run(remote, "restore", f"--data={empty}", "--point=newest")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert "is not empty: restore into an empty volume only" in again.stderr

    remote.delete(point.files[0].key)
    verified = run(remote, "verify")
    assert (verified.returncode, verified.stdout, verified.stderr.count("\n")) == (3, "", 1)
    assert f"{point.files[0].key} is missing" in verified.stderr
    remote.put(point_key(remote.source, point.id), b"{")
    verified = run(remote, "verify")
    assert (verified.returncode, "the manifest is torn" in verified.stderr) == (3, True)
    assert "damaged" in run(remote, "list").stdout


def test_what_is_damaged_is_no_failure_like_others(remote: Remote, point: RestorePoint, empty: Path) -> None:
    """By how a command ends: nor is a mistake of who calls it; a Job's pod shows it."""
    absent = run(remote, "verify", "--point=20200101T000000Z")
    remote.harm(Harm.FAILED, lambda _: True)
    unreachable = run(remote, "verify")
    remote.proxy.harm = lambda _: None
    mistaken = run(remote, "verify", "--reed")
    remote.put(point.files[0].key, remote.get(point.files[0].key)[::-1])
    damaged = [run(remote, *of) for of in (("verify", "--read"), ("restore", f"--data={empty}", "--point=newest"))]
    assert [ended.returncode for ended in (absent, unreachable, mistaken, *damaged)] == [1, 1, 2, 3, 3]


def test_restore_that_nobody_asks_for_needs_nothing(remote: Remote, empty: Path) -> None:
    """No store, no credentials: each start of a pod goes through it."""
    result = run(remote, "restore", f"--data={empty}", f"--requests={empty / 'requests'}")

    assert result.returncode == 0
    assert result.stderr.endswith(
        f"asks for no restore point of {remote.source.rpartition('/')[2]}: nothing is restored\n"
    )
    assert remote.proxy.requests == []
