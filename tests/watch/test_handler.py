"""What Lambda calls: every replica is looked at, whatever becomes of the others, and CloudWatch is told."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.cloudwatch import AGE, PUT_OFF, SIZE, WHOLE
from constructs_lib.restore_point import RestorePoint, point_key
from constructs_lib.watch import handler as module
from constructs_lib.watch.contract import VARIABLE
from constructs_lib.watch.handler import WatchError, handler, share
from constructs_lib.watch.verify import due
from tests.agent.volume import Volume
from tests.real.s3 import Harm, Request
from tests.watch.conftest import DAY, HOUR, Place

EVENT = {"time": "2026-11-28T02:00:00Z"}


class Call:
    """What Lambda says of one call."""

    def __init__(self, seconds: float = 900) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def run(*places: Place, event: Mapping[str, str] = EVENT, seconds: float = 900, **settings: Any) -> None:
    """One call of the function."""
    watched = replace(places[0].watched(**settings), sources=tuple(place.source for place in places))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, watched.to_json())
        handler(event, Call(seconds))


def aged(place: Place, volume: Volume, age: timedelta) -> RestorePoint:
    """A restore point that was made a while ago."""
    point = place.back_up(volume)
    return place.rewrite(point, made=point.made - age)


def test_all_replicas_are_said(
    prometheus: Place, other: Place, database: Place, volume: Volume, tmp_path: Path
) -> None:
    """Each with its own age and size, whatever format its points have, and when they are stale, too."""
    point = aged(prometheus, volume, 5 * HOUR)
    volume.finish_block()
    stale = aged(other, volume, 9 * DAY)
    dump = database.dump(b"content", tmp_path / "dump")
    run(prometheus, other, database)
    for place, size, age in (
        (prometheus, point.size, 5 * HOUR),
        (other, stale.size, 9 * DAY),
        (database, dump.file.size, 0 * HOUR),
    ):
        numbers = place.told()
        assert (numbers[WHOLE], numbers[PUT_OFF]) == ((1, 1, 1), (1, 0, 0))
        assert numbers[SIZE] == (1, size, size)
        assert 0 <= numbers[AGE][1] - age.total_seconds() < 60


def test_it_is_said_again_as_it_was(prometheus: Place, volume: Volume) -> None:
    """A call that comes twice says twice the same, and changes nothing in the bucket."""
    point = aged(prometheus, volume, HOUR)
    prometheus.calls()
    for _ in range(2):
        run(prometheus)
    numbers = prometheus.told()
    assert (numbers[WHOLE], numbers[SIZE]) == ((2, 1, 1), (2, point.size, point.size))
    assert numbers[AGE][2] - numbers[AGE][1] < 60
    calls = prometheus.calls()
    assert {call.method for call in calls} == {"GET", "HEAD"}
    assert sorted(call.key for call in calls[: len(calls) // 2]) == sorted(
        call.key for call in calls[len(calls) // 2 :]
    )


def test_what_is_wrong_is_no_failure(
    prometheus: Place, other: Place, database: Place, volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    """A torn point, a missing one and a missing dump are metrics, and a line that names what it is."""
    point = prometheus.back_up(volume)
    prometheus.delete(point.files[0].key)
    caplog.set_level(logging.INFO)
    run(prometheus, other, database)
    assert (prometheus.told()[WHOLE], prometheus.told()[SIZE]) == ((1, 0, 0), (1, point.size, point.size))
    assert other.told() == database.told() == {WHOLE: (1, 0, 0), PUT_OFF: (1, 0, 0)}
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == [
        f"{prometheus.source}: {point.files[0].key} is missing",
        *(
            f"{place.source}: backup holds no restore point of {place.source} that can be read"
            for place in (other, database)
        ),
    ]
    assert f"{prometheus.source}: {point.id} is not whole" in caplog.text


def test_not_all_that_is_wrong_is_said(prometheus: Place, volume: Volume, caplog: pytest.LogCaptureFixture) -> None:
    """A bucket that is empty would fill the log."""
    volume.finish_block(chunks=40)
    point = prometheus.back_up(volume)
    for file in point.files:
        prometheus.delete(file.key)
    run(prometheus)
    errors = [record.getMessage() for record in caplog.records]
    assert len(errors) == module.SAID + 1
    assert errors[-1] == f"{prometheus.source}: and {len(point.files) - module.SAID} more"


BROKEN: Mapping[str, Callable[[Request, str], bool]] = {
    "list-of-points": lambda call, source: call.method == "GET" and not call.key,
    "manifest": lambda call, source: call.key.startswith(f"points/{source}"),
    "object": lambda call, source: call.method == "HEAD" and call.key.startswith(f"blocks/{source}"),
    "reading": lambda call, source: call.method == "GET" and call.key.startswith(f"blocks/{source}"),
}


@pytest.mark.parametrize("broken", list(BROKEN)[1:])
def test_a_failure_hides_no_other_replica(prometheus: Place, other: Place, volume: Volume, broken: str) -> None:
    """It is said of those that can be looked at, and only then that something failed; nothing of the failed one."""
    prometheus.back_up(volume)
    other.back_up(volume)
    prometheus.harm(Harm.FAILED, lambda call: BROKEN[broken](call, prometheus.source))
    with pytest.raises(WatchError, match=f"^{prometheus.source}: ") as failed:
        run(prometheus, other, keep=DAY, every=DAY / 2)
    assert other.source not in str(failed.value)
    assert prometheus.told() == {}
    assert other.told()[WHOLE] == (1, 1, 1)


def test_a_store_that_does_not_answer_is_a_failure_of_all(prometheus: Place, other: Place) -> None:
    """Each of them named: silence of the metrics is heard by itself."""
    prometheus.harm(Harm.FAILED, lambda call: BROKEN["list-of-points"](call, ""))
    with pytest.raises(WatchError, match=f"^{prometheus.source}: .*; {other.source}: "):
        run(prometheus, other)


def test_a_mistake_of_our_own_hides_no_other_replica(
    prometheus: Place, other: Place, volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    """A manifest that nobody thought of: what it was is in the log."""
    other.back_up(volume)
    prometheus.put(point_key(prometheus.source, "20261128T020000Z"), b"[" * 1_000_000)
    with pytest.raises(WatchError, match=f"^{prometheus.source}: "):
        run(prometheus, other)
    assert other.told()[WHOLE] == (1, 1, 1)
    assert "Traceback" in caplog.text


def test_what_cannot_be_said_is_a_failure(prometheus: Place, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where CloudWatch should be."""
    prometheus.back_up(volume)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")
    with pytest.raises(WatchError, match=f"^{prometheus.source}: Could not connect"):
        run(prometheus)


def test_what_was_not_read_in_time_is_counted(
    prometheus: Place, other: Place, volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    """Of each replica, with all else that was found: it is no failure, since to try again would read no more."""
    for place in (prometheus, other):
        point = place.back_up(volume)
    run(prometheus, other, seconds=module.RESERVE, keep=DAY, every=DAY / 2)
    for place in (prometheus, other):
        numbers, count = place.told(), len(point.files)
        assert (numbers[WHOLE], numbers[PUT_OFF]) == ((1, 1, 1), (1, count, count))
        assert f"{place.source}: put off {count}, among them blocks/{place.source}/" in caplog.text
    run(prometheus, other, keep=DAY, every=DAY / 2)
    for place in (prometheus, other):
        assert place.told()[PUT_OFF] == (2, 0, count)


def test_one_replica_leaves_time_for_the_next() -> None:
    """It has its share of what is left, and what it does not need is the others'; when all is over, nobody has any."""
    assert share(now=1000, end=1600, left=3) == 1200
    assert share(now=1010, end=1600, left=2) == 1305
    assert share(now=1500, end=1600, left=1) == 1600
    assert share(now=1700, end=1600, left=2) <= 1700


@pytest.mark.parametrize("scheduled", [True, False], ids=["schedule", "by-hand"])
def test_the_turn_is_that_of_the_schedule(prometheus: Place, volume: Volume, scheduled: bool) -> None:
    """However late it is called; and now, where nobody says for when."""
    point = prometheus.back_up(volume)

    def read_at(moment: datetime) -> set[str]:
        return {file.key for file in due(point.files, moment, every=2 * HOUR, cycle=DAY / 2)}

    now = datetime.now(UTC)
    other = next(
        at for at in (now - turn * 2 * HOUR for turn in range(1, 6)) if read_at(at) not in (set(), read_at(now))
    )
    prometheus.calls()
    run(prometheus, event={"time": f"{other:%Y-%m-%dT%H:%M:%SZ}"} if scheduled else {}, keep=DAY, every=2 * HOUR)
    read = {call.key for call in prometheus.calls() if call.method == "GET" and call.key.startswith("blocks/")}
    assert read in ([read_at(other)] if scheduled else [read_at(now), read_at(datetime.now(UTC))])
