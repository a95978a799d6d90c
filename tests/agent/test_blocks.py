"""Finished blocks, and links to them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from constructs_lib.agent import blocks
from constructs_lib.errors import ConstructError
from tests.agent.volume import Volume, meta

ULID = Volume.ulid(0)


def test_only_finished_blocks_count(volume: Volume) -> None:
    """What Prometheus writes or deletes has another name, and so has what is no block."""
    assert blocks.finished(volume.path) == [volume.ulid(number) for number in range(3)]


def test_volume_without_data_has_no_blocks(tmp_path: Path) -> None:
    """Nor is it a failure."""
    assert blocks.finished(tmp_path) == []


def test_links_outlive_the_block(volume: Volume, tmp_path: Path) -> None:
    """And take no space of their own."""
    before = volume.content()
    blocks.link(volume.block(1), tmp_path / "links")
    inode = (volume.block(1) / "index").stat().st_ino
    volume.delete_block(1)

    for path in blocks.paths(tmp_path / "links"):
        assert (tmp_path / "links" / path).read_bytes() == before[f"{volume.ulid(1)}/{path}"]
    assert (tmp_path / "links" / "index").stat().st_ino == inode
    assert blocks.paths(tmp_path / "links") == ["chunks/000001", "index", "meta.json", "tombstones"]


def test_block_that_is_gone_is_said_to_be(volume: Volume, tmp_path: Path) -> None:
    """Since it was listed."""
    volume.delete_block(1)

    with pytest.raises(FileNotFoundError):
        blocks.stamp(volume.block(1))
    with pytest.raises(FileNotFoundError):
        blocks.link(volume.block(1), tmp_path / "links")


@pytest.mark.parametrize("name", ["meta.json", "tombstones"])
def test_replaced_file_has_another_stamp(volume: Volume, name: str) -> None:
    """Prometheus puts a new one in its place by rename."""
    before = blocks.stamp(volume.block(0))
    assert blocks.stamp(volume.block(0)) == before

    path = volume.block(0) / name
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(path.read_bytes())
    fresh.replace(path)

    assert blocks.stamp(volume.block(0)) != before


def test_missing_tombstones_have_a_stamp(volume: Volume) -> None:
    """A block need not have any."""
    (volume.block(0) / "tombstones").unlink()

    assert blocks.stamp(volume.block(0))[1] is None


def test_meta_is_read(volume: Volume) -> None:
    """What it leaves out is nought."""
    (volume.block(0) / "meta.json").write_text(json.dumps({**meta(ULID, 0), "stats": {"numSeries": 2}}))

    assert blocks.read_meta(volume.block(0)) == blocks.Meta(
        min_time=0, max_time=7_200_000, samples=0, series=2, chunks=0
    )


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        pytest.param(lambda block: (block / "index").unlink(), f"the block {ULID} has no index", id="no index"),
        pytest.param(lambda block: (block / "chunks/000001").unlink(), "has no chunks", id="no chunks"),
        pytest.param(lambda block: (block / "meta.json").unlink(), f"the block {ULID} has no meta.json", id="no meta"),
        pytest.param(lambda block: (block / "meta.json").write_text(""), "JSONDecodeError", id="empty"),
        pytest.param(lambda block: (block / "meta.json").write_text('{"ulid": "'), "JSONDecodeError", id="torn"),
        pytest.param(lambda block: (block / "meta.json").write_text("{}"), "KeyError: 'stats'", id="lacks"),
        pytest.param(lambda block: (block / "meta.json").write_text("[]"), "TypeError", id="no object"),
        pytest.param(
            lambda block: (block / "meta.json").write_text(json.dumps(meta(Volume.ulid(5), 0))), "it is of", id="other"
        ),
        pytest.param(
            lambda block: (block / "meta.json").write_text(json.dumps({**meta(ULID, 0), "version": 2})),
            "version 2",
            id="version",
        ),
        pytest.param(lambda block: (block / "meta.json").write_bytes(b"\xff\xfe{"), "UnicodeDecodeError", id="bytes"),
    ],
)
def test_damaged_block_is_named(volume: Volume, damage: Callable[[Path], object], match: str) -> None:
    """Prometheus does not load it either."""
    damage(volume.block(0))

    with pytest.raises(ConstructError, match=match) as caught:
        blocks.read_meta(volume.block(0))
    assert ULID in str(caught.value)
    assert "take it away" in str(caught.value)


def test_links_of_a_killed_run_are_removed(volume: Volume) -> None:
    """Else they would hold the space of deleted blocks for ever."""
    left = volume.path / "backup" / "links" / "left"
    blocks.link(volume.block(0), left / ULID)

    with blocks.links(volume.path) as mine:
        assert [path.name for path in mine.parent.iterdir()] == [mine.name]
        blocks.link(volume.block(0), mine / ULID)
    assert list(mine.parent.iterdir()) == []


def test_links_of_another_run_stay(volume: Volume) -> None:
    """Two agents at once do no harm to each other."""
    with blocks.links(volume.path) as first:
        blocks.link(volume.block(0), first / ULID)
        with blocks.links(volume.path) as second:
            assert second != first
        assert (first / ULID / "index").exists()


def test_links_that_disappear_at_the_start_are_made_again(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another agent that begins may take them for left."""
    flock, disturbed = blocks.fcntl.flock, []

    def disturb(descriptor: int, how: int) -> None:
        if not disturbed:
            disturbed.append(True)
            for path in (volume.path / "backup" / "links").iterdir():
                shutil.rmtree(path)
        flock(descriptor, how)

    monkeypatch.setattr(blocks.fcntl, "flock", disturb)
    with blocks.links(volume.path) as mine:
        assert disturbed
        assert mine.is_dir()
