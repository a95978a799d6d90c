"""The drill: whose turn it is, what is brought, and what counts as an answer that is not what the manifest says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.agent.__main__ import main
from constructs_lib.agent.drill import POINT, bring, compare, whose
from constructs_lib.agent.prometheus import PrometheusError
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import Block, File, RestorePoint, object_key, point_key
from tests.agent.answering import QUIT, Answering, Chunk, Part, answering
from tests.agent.conftest import Remote
from tests.agent.volume import TWO_HOURS, Volume
from tests.real.s3 import BUCKET, REGION

SOURCE = "prod/monitoring/prometheus/prometheus-0"
SUM = "0" * 64
FIRST, SECOND, THIRD = (Volume.ulid(number) for number in range(3))


def block(ulid: str, hour: int, *, samples: int = 120, series: int = 1, hours: int = 2) -> Block:
    """A block of some hours."""
    begin = hour * TWO_HOURS // 2
    files = tuple(
        File(path=path, key=object_key(SOURCE, ulid, path, SUM), size=1, sha256=SUM) for path in ("index", "meta.json")
    )
    return Block(
        ulid=ulid,
        min_time=begin,
        max_time=begin + hours * TWO_HOURS // 2,
        samples=samples,
        series=series,
        chunks=series,
        files=files,
    )


def said(each: Block, **more: Any) -> dict[str, Any]:
    """What Prometheus says of a block that it has loaded as it is."""
    stats = {"numSamples": each.samples, "numSeries": each.series, "numTombstones": more.pop("tombstones", 0)}
    parents = [{"ulid": ulid} for ulid in more.pop("parents", ())]
    times = {"minTime": each.min_time, "maxTime": each.max_time}
    return {"ulid": each.ulid, **times, "stats": stats, "compaction": {"parents": parents}, **more}


def read(*samples: int) -> tuple[int, bytes]:
    """An answer of a series for each of some numbers of samples."""
    return 200, b"".join(Part({"number": str(number)}, [Chunk(count)]).frame() for number, count in enumerate(samples))


def told(loaded: Sequence[Mapping[str, Any]], *reads: tuple[int, bytes]) -> dict[str, list[tuple[int, bytes]]]:
    """A server that has loaded something, and answers one question after the other."""
    blocks = json.dumps({"data": {"blocks": loaded}}).encode()
    return {"ready": [(200, b"")], "blocks": [(200, blocks)], "read": list(reads), "quit": [(200, b"")]}


def compared(tmp_path: Path, blocks: Sequence[Block], answers: Mapping[str, list[tuple[int, bytes]]]) -> Answering:
    """Compare a restore point of some blocks with what a server answers."""
    point = RestorePoint(
        source=SOURCE, id="20261128T020000Z", made=datetime(2026, 11, 28, 2, tzinfo=UTC), blocks=tuple(blocks)
    )
    (tmp_path / POINT).write_bytes(point.to_json())
    with answering(**answers) as server:
        try:
            assert compare(tmp_path, server.client) == point
        finally:
            assert server.asked[-1][:2] == ("POST", QUIT)
    return server


def test_every_replica_has_its_turn() -> None:
    """One a day, over the ends of months and years, whatever the number of replicas."""
    first = date(2026, 12, 28)
    days = [first + timedelta(days=number) for number in range(9)]
    for sources in (["a"], ["a", "b"], ["a", "b", "c"]):
        turns = [whose(sources, day) for day in days]
        assert [whose(sources, day) for day in days] == turns
        assert all(
            set(turns[begin : begin + len(sources)]) == set(sources) for begin in range(len(days) - len(sources))
        )


def test_the_newest_point_comes_with_its_manifest(remote: Remote, volume: Volume, tmp_path: Path) -> None:
    """As it was made."""
    backup = remote.backup(volume)
    backup.run()
    volume.finish_block()
    backup.run()
    brought = bring(remote.store(), tmp_path)
    kept = RestorePoint.from_json((tmp_path / POINT).read_bytes())
    newest = remote.store().points()[-1]
    assert brought == kept == remote.store().read(newest)
    assert (tmp_path / POINT).read_bytes() == remote.get(point_key(remote.source, newest))
    assert sorted(path.name for path in (tmp_path / "tsdb").iterdir()) == [each.ulid for each in kept.blocks]


def test_the_command_brings_the_point_of_whose_turn_it_is(
    remote: Remote, volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two replicas that have one each, and says which one it was."""
    other = replace(remote, source=remote.source.replace("prometheus-", "prometheus-1"))
    ids = {each.source: each.backup(volume).run() for each in (remote, other)}
    sources = [f"--source={source}" for source in ids]
    where = [f"--bucket={BUCKET}", f"--region={REGION}", f"--data={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["agent", "drill-restore", *where, *sources])
    main()
    point = RestorePoint.from_json((tmp_path / POINT).read_bytes())
    assert point.source in {whose(list(ids), datetime.now(UTC).date() - timedelta(days=each)) for each in (0, 1)}
    assert capsys.readouterr().out.startswith(f"{point.id}  3 blocks  ")


def test_without_a_point_there_is_nothing_to_try(remote: Remote, tmp_path: Path) -> None:
    """Which is a failure: the replica could not be restored."""
    with pytest.raises(ConstructError, match=rf"^{BUCKET} holds no restore point of {remote.source}: make one first$"):
        bring(remote.store(), tmp_path)
    assert not (tmp_path / POINT).exists()


def test_what_is_answered_as_the_manifest_says_passes(tmp_path: Path) -> None:
    """Each block is asked for by itself, in the order of their times."""
    blocks = [block(FIRST, 4, samples=7), block(SECOND, 0, samples=12, series=2)]
    server = compared(tmp_path, blocks, told([said(each) for each in blocks], read(5, 7), read(7)))
    assert [path for _, path, _ in server.asked[2:-1]] == ["/api/v1/read"] * 2


def test_blocks_of_the_same_time_share_what_they_hold(tmp_path: Path) -> None:
    """No less than one of them has, no more than all of them; those that only touch are apart."""
    blocks = [block(FIRST, 0, samples=100, series=2), block(SECOND, 1, samples=60), block(THIRD, 3, samples=5)]
    loaded = [said(each) for each in blocks]
    for counts in ([60, 40], [100, 40, 20]):
        compared(tmp_path, blocks, told(loaded, read(*counts), read(5)))
    for counts in ([60, 39], [100, 40, 21], [100]):
        with pytest.raises(
            ConstructError, match=rf"for the block {FIRST} and {SECOND}, but the manifest says 160 of 3"
        ):
            compared(tmp_path, blocks, told(loaded, read(*counts), read(5)))


def test_a_block_that_another_one_replaces_need_not_be_loaded(tmp_path: Path) -> None:
    """The point was made while blocks were compacted; one without a sample goes as well."""
    blocks = [block(FIRST, 0), block(SECOND, 0, samples=240, hours=4), block(THIRD, 4, samples=0, series=0)]
    compared(tmp_path, blocks, told([said(blocks[1], parents=[FIRST])], read(240)))


def test_what_was_deleted_since_is_told_all_the_same(tmp_path: Path) -> None:
    """The metadata of a block counts it; but nothing comes in addition."""
    blocks = [block(FIRST, 0)]
    compared(tmp_path, blocks, told([said(blocks[0], tombstones=1)], read(100)))
    with pytest.raises(ConstructError, match="answers 121 samples"):
        compared(tmp_path, blocks, told([said(blocks[0], tombstones=1)], read(121)))


ONE = block(FIRST, 0)
OTHERWISE = {
    "a sample less": (told([said(ONE)], read(119)), f"answers 119 samples of 1 series for the block {FIRST}, but the "),
    "a sample more": (told([said(ONE)], read(121)), "answers 121 samples of 1 series"),
    "another series": (told([said(ONE)], read(60, 60)), "answers 120 samples of 2 series"),
    "nothing": (told([said(ONE)], read()), "answers 0 samples of 0 series"),
    "not loaded": (
        told([]),
        f"has not loaded the block {FIRST}, 1970-01-01T00:00:00Z to 1970-01-01T02:00:00Z: the",
    ),
    "another block": (told([said(ONE), said(block(SECOND, 2))], read(120)), f"has the block {SECOND}, which the mani"),
    "other numbers": (told([said(replace(ONE, samples=1))], read(120)), f"says 1 for samples of the block {FIRST}"),
    "another time": (told([said(replace(ONE, max_time=9))], read(120)), f"says 9 for max_time of the block {FIRST}"),
    "two things": (told([said(ONE), said(block(SECOND, 2))], read(1)), "and 1 more are not as it says: the serv"),
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_answered_otherwise_is_named(name: str, tmp_path: Path) -> None:
    """In one sentence, with the restore point; Prometheus is ended all the same."""
    answers, sentence = OTHERWISE[name]
    begin = rf"^the restore point 20261128T020000Z of {SOURCE} came back, but not all of it: Prometheus .*{sentence}"
    with pytest.raises(ConstructError, match=begin):
        compared(tmp_path, [ONE], answers)


def test_an_answer_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    """A chunk cannot be read: Prometheus says so in place of the next series."""
    broken = (200, read(120)[1] + b"cannot populate chunk: checksum mismatch\n")
    with pytest.raises(PrometheusError, match="cannot populate chunk: checksum mismatch"):
        compared(tmp_path, [ONE], told([said(ONE)], broken))


def test_a_server_that_does_not_start_fails_the_drill(tmp_path: Path) -> None:
    """And it is told to end, in case it does later."""
    with pytest.raises(PrometheusError, match="Prometheus has not started within"):
        compared(tmp_path, [ONE], {**told([]), "ready": [(503, b"no")]})


def test_the_command_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line; where something differs, it ends as where an object is damaged."""
    compared(tmp_path, [ONE], told([said(ONE)], read(120)))
    for samples, ends in ((120, None), (119, 3)):
        with answering(**told([said(ONE)], read(samples))) as server:
            monkeypatch.setattr(
                "sys.argv", ["agent", "drill", f"--data={tmp_path}", f"--server={server.client.address}"]
            )
            if ends is None:
                main()
            else:
                with pytest.raises(SystemExit) as ended:
                    main()
                assert ended.value.code == ends
    assert capsys.readouterr().out == (
        "20261128T020000Z  1 blocks  2 bytes  120 samples, and Prometheus answers them\n"
    )
