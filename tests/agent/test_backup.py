"""One run after the other: what is sent, what is not, and what never becomes a restore point."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from constructs_lib.agent import backup as module
from constructs_lib.agent import blocks
from constructs_lib.agent import store as store_module
from constructs_lib.agent.store import StoreError
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import RestorePoint, point_key
from tests.agent.conftest import OLDEST, Remote
from tests.agent.volume import Volume
from tests.real.s3 import Harm, Request


def is_manifest(request: Request) -> bool:
    return request.method == "PUT" and request.key.startswith("points/")


def made(point: RestorePoint | None) -> RestorePoint:
    assert point is not None
    return point


def content(remote: Remote, point: RestorePoint) -> dict[str, bytes]:
    """What a restore point would bring back."""
    return {f"{block.ulid}/{file.path}": remote.get(file.key) for block in point.blocks for file in block.files}


def test_restore_point_holds_every_finished_block(remote: Remote, volume: Volume) -> None:
    """Byte for byte; and it is put last, after what says what the blocks are, after the blocks."""
    backup = remote.backup(volume)
    point = made(backup.run())
    puts = remote.puts()

    assert content(remote, point) == volume.content()
    assert [block.ulid for block in point.blocks] == blocks.finished(volume.path)
    assert backup.sent == point.size == sum(map(len, volume.content().values()))
    assert puts[-1] == point_key(remote.source, point.id)
    kinds = ["meta" in key for key in puts[:-1]]
    assert kinds == sorted(kinds)
    assert backup.newest == point == remote.store().read("newest")
    assert not list((volume.path / "backup" / "links").iterdir())


@pytest.mark.parametrize("restarted", [False, True])
def test_unchanged_block_is_never_sent_twice(remote: Remote, volume: Volume, restarted: bool) -> None:
    """Whether or not the agent remembers: only what is new is sent, and the manifest."""
    backup = remote.backup(volume)
    backup.run()
    if restarted:
        backup = remote.backup(volume)
    remote.puts()
    point = made(backup.run())
    assert remote.puts() == [point_key(remote.source, point.id)]

    new = volume.finish_block()
    point = made(backup.run())
    puts = remote.puts()
    assert len(puts) == 5
    assert all(new.name in key for key in puts[:-1])
    assert content(remote, point) == volume.content()


def test_nothing_new_costs_two_requests(remote: Remote, volume: Volume) -> None:
    """Which ids there are, the manifest, and no list of what was sent a moment ago."""
    backup = remote.backup(volume)
    backup.run()
    remote.proxy.requests.clear()
    backup.run()

    assert [request.method for request in remote.proxy.requests] == ["GET", "PUT"]


def test_what_the_bucket_lost_is_sent_again(remote: Remote, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was listed before, it is listed again after a while."""
    backup = remote.backup(volume)
    point = made(backup.run())
    lost, cut = point.blocks[0].files[0], point.blocks[1].files[1]
    remote.delete(lost.key)
    remote.put(cut.key, b"cut")
    remote.puts()
    monkeypatch.setattr(module, "LISTED_FOR", timedelta(0))
    point = made(backup.run())

    assert sorted(remote.puts()[:-1]) == sorted([lost.key, cut.key])
    assert content(remote, point) == volume.content()


def test_compacted_blocks_give_way(remote: Remote, volume: Volume) -> None:
    """To the one that is made of them; the restore point before still has them."""
    backup = remote.backup(volume)
    before, held = made(backup.run()), volume.content()
    for number in (0, 1):
        volume.delete_block(number)
    volume.finish_block()
    point = made(backup.run())

    assert content(remote, point) == volume.content()
    assert content(remote, before) == held


def test_block_that_is_compacted_while_it_is_linked_gives_way(
    remote: Remote, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is looked at again until it stays: nothing is missing, and nothing is twice."""
    link, linked = blocks.link, []

    def link_while_it_is_compacted(block: Path, to: Path) -> None:
        linked.append(block.name)
        if len(linked) == 2:  # the first one is linked already
            volume.finish_block()
            for number in (0, 1):
                volume.delete_block(number)
        link(block, to)

    monkeypatch.setattr(blocks, "link", link_while_it_is_compacted)
    point = made(remote.backup(volume).run())

    assert [block.ulid for block in point.blocks] == [volume.ulid(2), volume.ulid(3)]
    assert content(remote, point) == volume.content()


def test_block_that_is_compacted_while_it_is_sent_is_sent(remote: Remote, volume: Volume) -> None:
    """Its links hold it."""
    held = volume.content()

    def compact(request: Request) -> bool:
        if request.method == "PUT" and volume.block(0).exists():
            for number in range(3):
                volume.delete_block(number)
        return False

    remote.harm(Harm.FAILED, compact)
    assert content(remote, made(remote.backup(volume).run())) == held
    assert volume.content() == {}


def test_blocks_that_never_stay_are_refused(remote: Remote, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what they were at one moment."""
    link = blocks.link

    def link_and_finish(block: Path, to: Path) -> None:
        link(block, to)
        volume.finish_block()

    monkeypatch.setattr(blocks, "link", link_and_finish)
    with pytest.raises(ConstructError, match="come and go"):
        remote.backup(volume).run()
    assert remote.store().points() == []


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", ["tombstones", "meta.json"])
def test_replaced_file_is_sent_beside_the_one_before(
    remote: Remote, volume: Volume, name: str, restarted: bool
) -> None:
    """Each restore point has the one of its time."""
    backup = remote.backup(volume)
    before, held = made(backup.run()), volume.content()
    path = volume.block(1) / name
    body = {**json.loads(path.read_text()), "more": 1} if name == "meta.json" else {}
    (path.with_suffix(".new")).write_text(json.dumps(body))
    path.with_suffix(".new").replace(path)
    if restarted:
        backup = remote.backup(volume)
    remote.puts()
    point = made(backup.run())

    assert len(remote.puts()) == 2
    assert content(remote, point) == volume.content() != held
    assert content(remote, before) == held


def test_what_a_killed_run_has_sent_is_not_sent_again(remote: Remote, volume: Volume) -> None:
    """Nothing vouches for it, so it is looked at first."""
    remote.harm(Harm.FAILED, lambda request: request.method == "PUT" and "meta" in request.key)
    with pytest.raises(StoreError, match="cannot send"):
        remote.backup(volume).run()
    assert remote.store().points() == []
    remote.harm(Harm.FAILED, lambda request: False)
    remote.puts()
    point = made(remote.backup(volume).run())

    puts = remote.puts()
    assert len(puts) == 4
    assert all("meta" in key for key in puts[:-1])
    assert content(remote, point) == volume.content()


def test_orphan_of_another_content_is_replaced(remote: Remote, volume: Volume) -> None:
    """Though it has the same size."""
    key = f"blocks/{remote.source}/{volume.ulid(0)}/index"
    remote.put(key, b"x" * 500)

    assert content(remote, made(remote.backup(volume).run())) == volume.content()


@pytest.mark.parametrize("harm", [Harm.FAILED, Harm.CUT], ids=str)
def test_failed_manifest_is_no_restore_point(
    remote: Remote, volume: Volume, harm: Harm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same agent completes it later, and sends no block again."""
    monkeypatch.setattr(store_module, "TRIES", 2)
    backup = remote.backup(volume)
    remote.harm(harm, is_manifest)
    with pytest.raises(StoreError, match=re.escape(f"cannot send points/{remote.source}/")):
        backup.run()
    assert backup.newest is None
    assert remote.store().points() == []

    remote.harm(harm, lambda request: False)
    remote.puts()
    point = made(backup.run())
    assert remote.puts() == [point_key(remote.source, point.id)]


@pytest.mark.parametrize("age", [OLDEST - timedelta(days=1), OLDEST + timedelta(days=1)], ids=["young", "old"])
@pytest.mark.parametrize("restarted", [False, True])
def test_object_that_would_expire_too_early_is_sent_again(
    remote: Remote, volume: Volume, age: timedelta, restarted: bool
) -> None:
    """A restore point lives as long as it is kept, and all that it needs with it."""
    backup = remote.backup(volume)
    backup.run()
    remote.puts()
    remote.proxy.skew = age
    if restarted:
        backup = remote.backup(volume)
    else:
        backup._listed_at = None
    point = made(backup.run())
    puts = remote.puts()

    assert len(puts) == (1 if age < OLDEST else len(point.files) + 1)
    assert not any(request.only_new for request in remote.proxy.requests)
    assert content(remote, point) == volume.content()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda block: (block / "meta.json").write_text("{"), id="meta"),
        pytest.param(lambda block: (block / "index").unlink(), id="index"),
    ],
)
def test_damaged_block_is_left_out_and_said(remote: Remote, volume: Volume, damage: Callable[[Path], object]) -> None:
    """It keeps no other block from being saved, as Prometheus serves the others; but it is no success."""
    damage(volume.block(1))
    backup = remote.backup(volume)

    with pytest.raises(ConstructError, match=rf"{volume.ulid(1)}.*; the restore point \w+ was made without"):
        backup.run()
    assert [block.ulid for block in made(backup.newest).blocks] == [volume.ulid(0), volume.ulid(2)]


def test_damaged_blocks_alone_make_no_restore_point(remote: Remote, volume: Volume) -> None:
    """There is nothing to restore from them."""
    for number in range(3):
        (volume.block(number) / "index").unlink()

    with pytest.raises(ConstructError, match="no restore point was made"):
        remote.backup(volume).run()
    assert remote.store().points() == []


def test_volume_without_a_finished_block_makes_no_restore_point(remote: Remote, tmp_path: Path) -> None:
    """Prometheus needs hours for the first one: that is no failure, and the store is not asked."""
    assert remote.backup(Volume(tmp_path / "new")).run() is None
    assert remote.proxy.requests == []


def test_damaged_manifest_vouches_for_nothing(remote: Remote, volume: Volume) -> None:
    """The one before it does."""
    backup = remote.backup(volume)
    backup.run()
    newest = made(backup.run())
    key = point_key(remote.source, newest.id)
    remote.put(key, b"{" + remote.get(key))
    remote.puts()
    point = made(remote.backup(volume).run())

    assert remote.puts() == [point_key(remote.source, point.id)]
    assert point.id > newest.id


def test_two_agents_at_once_make_whole_restore_points(remote: Remote, volume: Volume) -> None:
    """Of the same volume, with nothing sent before."""
    points = store_module.in_parallel(lambda _: made(remote.backup(volume).run()), range(2))

    for point in points:
        assert content(remote, point) == volume.content()
    assert not list((volume.path / "backup" / "links").iterdir())


def test_many_files_are_sent_in_parallel(remote: Remote, volume: Volume) -> None:
    """And each once."""
    for _ in range(10):
        volume.finish_block(size=5000, chunks=4)
    point = made(remote.backup(volume).run())
    puts = remote.puts()

    assert len(puts) == len(set(puts)) == len(point.files) + 1
    assert content(remote, point) == volume.content()
