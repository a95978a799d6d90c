"""The agent as a whole: when it makes restore points, who may ask for one, and what it tells of itself."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from constructs_lib.agent import schedule as module
from constructs_lib.agent import trigger as trigger_module
from constructs_lib.agent.backup import Backup
from constructs_lib.agent.schedule import Schedule
from constructs_lib.agent.trigger import Answer, Trigger
from constructs_lib.errors import ConstructError
from constructs_lib.metrics.backup import BACKUP
from tests.agent.conftest import OLDEST, Remote
from tests.agent.volume import Volume
from tests.real.loopback import free_port, soon
from tests.real.s3 import BUCKET, REGION, Harm, Request

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SOON = timedelta(seconds=30)
SUCCESSES, FAILURES = 'backup_runs_total{result="success"}', 'backup_runs_total{result="failure"}'


def scheduled(remote: Remote, volume: Volume) -> Schedule:
    """As after a start of the agent."""
    store = remote.store()
    made = Schedule(store, volume.path, Backup(store, volume.path, oldest=OLDEST), every=DAY)
    made.look()
    return made


def told(of: Schedule) -> dict[str, float]:
    """Its metrics, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(of)
    lines = (line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def wait_until_asked(trigger: Trigger) -> None:
    """Until a request is there."""
    for _ in range(500):
        if trigger.waiting():
            return
        time.sleep(0.01)
    raise AssertionError("nobody asks")


@pytest.fixture
def trigger(volume: Volume) -> Iterator[Trigger]:
    """Of a volume that is served."""
    made = Trigger(volume.path)
    with made.served():
        yield made


def test_restore_point_is_made_when_it_is_due(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """The first one at once, the next one a day after the last that the store has, by its clock."""
    first = scheduled(remote, volume)
    first.step()
    first.step()
    assert told(first)[SUCCESSES] == 1

    again = scheduled(remote, volume)
    again.step()
    assert told(again)[SUCCESSES] == 0
    remote.proxy.skew = DAY
    late = scheduled(remote, volume)
    late.step()
    assert told(late)[SUCCESSES] == 1
    assert len(remote.store().points()) == 2


def test_metrics_tell_what_is_known(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """No time of a success before there was one, no attempt before one has begun."""
    made = scheduled(remote, volume)
    before = told(made)
    begun = time.time()
    made.step()
    after = told(made)

    assert set(after) - set(before) == {
        "backup_last_success_timestamp_seconds",
        "backup_last_attempt_timestamp_seconds",
        "backup_last_attempt_succeeded",
        "backup_last_duration_seconds",
        "backup_restore_point_bytes",
    }
    assert (before[SUCCESSES], before[FAILURES], before["backup_running"]) == (0, 0, 0)
    assert {metric.name for metric in BACKUP.metrics} - set(after) == {
        "backup_last_start_timestamp_seconds"
    }  # no queue
    assert after["backup_last_attempt_succeeded"] == 1
    assert begun <= after["backup_last_attempt_timestamp_seconds"] <= time.time()
    assert abs(after["backup_last_success_timestamp_seconds"] - begun) < 5
    size = sum(map(len, volume.content().values()))
    assert after["backup_restore_point_bytes"] == after["backup_sent_bytes_total"] == size
    assert 0 < after["backup_volume_used_bytes"] <= after["backup_volume_size_bytes"]
    assert told(scheduled(remote, volume)).keys() - before.keys() == {
        "backup_last_success_timestamp_seconds",
        "backup_restore_point_bytes",
    }


def test_failure_is_told_and_tried_again_soon(
    remote: Remote, volume: Volume, trigger: Trigger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line; nothing is called a success that was none."""
    made = scheduled(remote, volume)
    remote.harm(Harm.FAILED, lambda request: request.method == "PUT" and request.key.startswith("points/"))
    made.step()
    failed = told(made)

    assert (failed[FAILURES], failed[SUCCESSES], failed["backup_last_attempt_succeeded"]) == (1, 0, 0)
    assert "backup_last_success_timestamp_seconds" not in failed
    (line,) = (record.getMessage() for record in caplog.records if record.levelno == logging.ERROR)
    assert line.startswith(f"cannot send points/{remote.source}/")
    assert "\n" not in line
    made.step()
    assert told(made)[FAILURES] == 1

    remote.harm(Harm.FAILED, lambda request: False)
    monkeypatch.setattr(module, "AGAIN_AFTER", timedelta(0))
    made._due = 0
    made.step()
    assert (told(made)[SUCCESSES], told(made)["backup_last_attempt_succeeded"]) == (1, 1)


def test_store_that_is_away_at_the_start_ends_nothing(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """The first attempt says so; each is soon tried again, whatever was made before."""
    scheduled(remote, volume).step()
    remote.harm(Harm.FAILED, lambda request: True)
    made = scheduled(remote, volume)
    made.step()
    assert told(made)[FAILURES] == 1
    remote.harm(Harm.FAILED, lambda request: request.method == "PUT")
    made._due = 0
    made.step()
    assert told(made)[FAILURES] == 2
    assert made._due < time.monotonic() + HOUR.total_seconds()

    remote.harm(Harm.FAILED, lambda request: False)
    made._due = 0
    made.step()
    assert told(made)[SUCCESSES] == 1


def test_clock_that_was_ahead_delays_nothing_for_long(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """The next restore point is a day away at most."""
    remote.proxy.skew = 400 * DAY
    scheduled(remote, volume).step()
    remote.proxy.skew = timedelta(0)
    made = scheduled(remote, volume)

    assert made._due < time.monotonic() + DAY.total_seconds() + 1


def test_new_server_has_time_for_its_first_block(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then there is neither a success nor a failure."""
    volume = Volume(tmp_path / "new")
    with Trigger(volume.path).served():
        made = scheduled(remote, volume)
        made.step()
        assert (told(made)[SUCCESSES], told(made)[FAILURES]) == (0, 0)
        assert "backup_last_attempt_succeeded" not in told(made)

        monkeypatch.setattr(module, "FIRST_BLOCK_WITHIN", timedelta(0))
        made._due = 0
        made.step()
        assert told(made)[FAILURES] == 1


def test_damaged_block_is_a_failure_with_a_restore_point(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """Of the others, which are not sent again and again until it is taken away."""
    (volume.block(1) / "index").unlink()
    made = scheduled(remote, volume)
    made.step()
    metrics = told(made)

    assert (metrics[FAILURES], metrics["backup_last_attempt_succeeded"]) == (1, 0)
    assert "backup_last_success_timestamp_seconds" in metrics
    assert made._due > time.monotonic() + DAY.total_seconds() - 60


def test_whoever_asks_gets_the_run_that_begins_afterwards(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """One that runs already may have missed what they have in mind."""
    made, asked = scheduled(remote, volume), []

    with ThreadPoolExecutor() as pool:

        def ask(request: Request) -> bool:
            if request.key.startswith("points/") and request.method == "PUT" and not asked:
                asked.append(pool.submit(Trigger(volume.path).ask, SOON))
                wait_until_asked(trigger)
            return False

        remote.harm(Harm.FAILED, ask)
        made.step()
        first = remote.store().points()
        assert len(first) == 1
        assert not asked[0].done()
        made.step()
        assert asked[0].result() not in first

    assert asked[0].result() == remote.store().points()[-1]
    assert trigger.waiting() == []
    assert not list((volume.path / "backup" / "answers").iterdir())


def test_all_who_ask_are_answered(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """By one run."""
    made = scheduled(remote, volume)
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(Trigger(volume.path).ask, SOON) for _ in range(3)]
        while len(trigger.waiting()) < 3:
            time.sleep(0.01)
        made.step()
        assert {each.result() for each in asked} == set(remote.store().points())


def test_whoever_asks_hears_what_failed(remote: Remote, volume: Volume, trigger: Trigger) -> None:
    """And which restore point was made in spite of it."""
    (volume.block(1) / "index").unlink()
    made = scheduled(remote, volume)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(Trigger(volume.path).ask, SOON)
        wait_until_asked(trigger)
        made.step()
        with pytest.raises(ConstructError, match=r"^the backup failed: .* has no index.* was made without"):
            asked.result()


@pytest.mark.parametrize("before", [False, True], ids=["never", "no longer"])
def test_agent_that_does_not_run_is_missed(volume: Volume, before: bool) -> None:
    """At once."""
    if before:
        with Trigger(volume.path).served():
            pass

    with pytest.raises(ConstructError, match=r"no agent works on .*: start one, or see why it has ended"):
        Trigger(volume.path).ask(SOON)


def test_agent_that_ends_meanwhile_is_missed(volume: Volume) -> None:
    """Nobody waits for what will not come."""
    served = Trigger(volume.path)
    with ThreadPoolExecutor() as pool:
        with served.served():
            asked = pool.submit(Trigger(volume.path).ask, SOON)
            wait_until_asked(served)
        with pytest.raises(ConstructError, match="no agent works on"):
            asked.result()
    assert served.waiting() == []


def test_run_that_takes_longer_is_said_to(volume: Volume, trigger: Trigger) -> None:
    """It may still end well."""
    with pytest.raises(ConstructError, match=r"no backup of .* has ended within 0:00:00.3"):
        Trigger(volume.path).ask(timedelta(seconds=0.3))
    assert trigger.waiting() == []


def test_volume_has_one_agent(volume: Volume, trigger: Trigger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one would answer half of those who ask."""
    monkeypatch.setattr(trigger_module, "MOMENT", timedelta(seconds=0.1))

    with pytest.raises(ConstructError, match=r"another agent works on .* already"), Trigger(volume.path).served():
        pass


def test_answers_that_nobody_waits_for_are_removed(volume: Volume, trigger: Trigger) -> None:
    """After a while."""
    trigger.answer(["gone"], Answer(point="20261128T020000Z"))
    (answer,) = (volume.path / "backup" / "answers").iterdir()
    trigger.answer([], Answer(error="no"))
    assert answer.exists()

    os.utime(answer, (0, 0))
    trigger.answer([], Answer(error="no"))
    assert not answer.exists()


def test_process_serves_until_it_is_told_to_stop(remote: Remote, volume: Volume) -> None:
    """It makes restore points, tells of them, answers another process, and ends at once though it is sending."""
    port, agent = free_port(), [sys.executable, "-m", "constructs_lib.agent"]
    where = (f"--bucket={BUCKET}", f"--region={REGION}", f"--source={remote.source}", f"--data={volume.path}")
    when = ("--keep-days=30", "--expiry-days=90", "--every=86400", f"--port={port}")
    with subprocess.Popen([*agent, "backup", *where, *when], stdout=subprocess.PIPE, text=True) as program:
        try:
            soon(f"http://127.0.0.1:{port}/metrics")
            now = [*agent, "backup-now", f"--data={volume.path}", "--timeout=30"]
            asked = subprocess.run(now, check=True, capture_output=True, text=True)
            assert asked.stdout.strip() in remote.store().points()

            volume.finish_block()
            unanswered = threading.Event()

            def leave(request: Request) -> bool:
                if request.method == "PUT":
                    unanswered.set()
                return request.method == "PUT"

            remote.harm(Harm.UNANSWERED, leave)
            with subprocess.Popen(now, stderr=subprocess.PIPE, text=True) as waiting:
                assert unanswered.wait(timeout=30)
                program.send_signal(signal.SIGTERM)
                told_at = time.monotonic()
                assert program.wait(timeout=30) == 0
                assert time.monotonic() - told_at < 2
                assert waiting.stderr is not None
                assert "no agent works on" in waiting.stderr.read()
            assert waiting.returncode == 1
        finally:
            program.kill()
    assert asked.stdout.strip() == remote.store().points()[-1]
