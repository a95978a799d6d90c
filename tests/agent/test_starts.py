"""Starts that a queue sends: one run for all that wait, none lost, no storm; and the timer where there is no queue."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest

from constructs_lib.agent import schedule as schedule_module
from constructs_lib.agent import starts as module
from constructs_lib.agent.backup import Backup
from constructs_lib.agent.schedule import Schedule
from constructs_lib.agent.starts import Queue, Starts
from constructs_lib.agent.trigger import Trigger
from constructs_lib.restore_points import START_WITHIN
from tests.agent.conftest import OLDEST, Remote
from tests.agent.test_schedule import DAY, FAILURES, HOUR, SUCCESSES, told
from tests.agent.volume import Volume
from tests.real.loopback import free_port, soon
from tests.real.s3 import BUCKET, REGION, Harm, Request

NOTHING = timedelta(0)
STARTED = "backup_last_start_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Sent:
    """The queue of one test, as EventBridge and its administrator see it.

    Args:
        client: Of SQS.
        url: Of the queue.
    """

    client: Any
    url: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def send(self) -> None:
        """It is time."""
        self.client.send_message(QueueUrl=self.url, MessageBody="start")

    def counts(self) -> tuple[int, int]:
        """How many messages can be received, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


@pytest.fixture
def sent(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A queue that nobody has sent anything to; other tests have others."""
    url = f"http://127.0.0.1:{remote.proxy.upstream}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
    client = boto3.client("sqs")
    name = remote.source.replace("/", "_")
    return Sent(client, client.create_queue(QueueName=name)["QueueUrl"])


@pytest.fixture
def starts() -> Starts:
    return Starts()


@pytest.fixture
def queue(sent: Sent, starts: Starts) -> Queue:
    """As after a start of the agent."""
    return Queue.connect(sent.name, region=REGION, starts=starts)


@pytest.fixture
def agent(remote: Remote, volume: Volume, starts: Starts, queue: Queue) -> Iterator[Schedule]:
    """One that has made its first restore point, and has nothing to do until a day and a while later."""
    store = remote.store()
    made = Schedule(
        store, volume.path, Backup(store, volume.path, oldest=OLDEST), every=DAY + START_WITHIN, starts=starts
    )
    with Trigger(volume.path).served():
        made.look()
        made.step()
        yield made


def points(remote: Remote) -> int:
    return len(remote.store().points())


def until(true: Callable[[], bool]) -> None:
    """Until something is true, which it soon is."""
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come true")


def failing(remote: Remote, fails: bool = True) -> None:
    """From now on, whether no restore point can be made."""
    remote.harm(Harm.FAILED, lambda request: fails and request.method == "PUT" and request.key.startswith("points/"))


def test_a_start_makes_a_restore_point_and_is_deleted(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote
) -> None:
    """Before the time of the agent's own timer, and once."""
    agent.step()
    assert points(remote) == 1

    sent.send()
    assert queue.poll(NOTHING)
    assert sent.counts() == (0, 1)
    agent.step()
    agent.step()
    assert points(remote) == 2
    assert queue.poll(NOTHING)
    assert sent.counts() == (0, 0)


def test_starts_that_wait_together_are_one_run(agent: Schedule, queue: Queue, sent: Sent, remote: Remote) -> None:
    """All of them are deleted."""
    for _ in range(3):
        sent.send()
    queue.poll(NOTHING)
    queue.poll(NOTHING)
    agent.step()
    agent.step()
    assert points(remote) == 2
    queue.poll(NOTHING)
    assert sent.counts() == (0, 0)


def test_a_start_during_a_run_makes_another_one_afterwards(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote
) -> None:
    """One run at a time; and what it was begun for alone is deleted with it."""
    sent.send()
    queue.poll(NOTHING)
    arrived = threading.Event()

    def send(request: Request) -> bool:
        if request.key.startswith("points/") and request.method == "PUT" and not arrived.is_set():
            arrived.set()
            sent.send()
            queue.poll(NOTHING)
        return False

    remote.harm(Harm.FAILED, send)
    agent.step()
    assert arrived.is_set()
    assert points(remote) == 2
    queue.poll(NOTHING)
    assert sent.counts() == (0, 1)
    agent.step()
    agent.step()
    assert points(remote) == 3
    queue.poll(NOTHING)
    assert sent.counts() == (0, 0)


def test_a_start_that_failed_is_kept_and_makes_no_storm(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with the timer, a quarter of an hour later, and deleted when there is a restore point."""
    failing(remote)
    sent.send()
    queue.poll(NOTHING)
    monkeypatch.setattr(schedule_module, "IDLE", NOTHING)
    for _ in range(5):
        agent.step()
        queue.poll(NOTHING)
    assert told(agent)[FAILURES] == 1
    assert sent.counts() == (0, 1)
    assert 0 < agent._due - time.monotonic() <= schedule_module.AGAIN_AFTER.total_seconds()

    failing(remote, fails=False)
    agent._due = 0
    agent.step()
    assert points(remote) == 2
    queue.poll(NOTHING)
    assert sent.counts() == (0, 0)


def test_a_new_start_after_a_failure_is_a_run_at_once(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote
) -> None:
    """Somebody wants it now; both are answered."""
    failing(remote)
    sent.send()
    queue.poll(NOTHING)
    agent.step()
    failing(remote, fails=False)
    sent.send()
    queue.poll(NOTHING)
    agent.step()
    assert points(remote) == 2
    queue.poll(NOTHING)
    assert sent.counts() == (0, 0)


def test_a_start_is_received_again_without_harm(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same start by another receipt is no other one, neither while it waits nor after it has failed."""
    monkeypatch.setattr(module, "HIDDEN", NOTHING)
    failing(remote)
    sent.send()
    queue.poll(NOTHING)
    queue.poll(NOTHING)
    agent.step()
    queue.poll(NOTHING)
    monkeypatch.setattr(schedule_module, "IDLE", NOTHING)
    agent.step()
    assert told(agent)[FAILURES] == 1

    failing(remote, fails=False)
    agent._due = 0
    agent.step()
    queue.poll(NOTHING)
    assert sent.counts() == (0, 0)
    agent.step()
    assert points(remote) == 2


def test_when_the_last_start_came_is_told(
    agent: Schedule, queue: Queue, sent: Sent, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when nothing came, nor when the same one comes again."""
    monkeypatch.setattr(module, "HIDDEN", NOTHING)
    begun = starts.last
    queue.poll(NOTHING)
    assert told(agent)[STARTED] == begun

    sent.send()
    queue.poll(NOTHING)
    came = starts.last
    assert came > begun
    queue.poll(NOTHING)
    assert told(agent)[STARTED] == came


def test_the_receipt_of_the_last_time_counts(
    queue: Queue, sent: Sent, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an earlier one, SQS may delete nothing, and says that it did."""
    monkeypatch.setattr(module, "HIDDEN", NOTHING)
    sent.send()
    queue.poll(NOTHING)
    (first,) = (start.receipt for start in starts.held().values())
    queue.poll(NOTHING)
    (second,) = (start.receipt for start in starts.held().values())
    assert first != second


def test_a_start_of_an_agent_that_is_gone_appears_again(
    agent: Schedule, queue: Queue, sent: Sent, remote: Remote, starts: Starts
) -> None:
    """For the next one, which knows nothing of it."""
    sent.send()
    gone = Starts()
    Queue.connect(sent.name, region=REGION, starts=gone).poll(NOTHING)
    assert sent.counts() == (0, 1)
    queue.poll(NOTHING)
    assert not starts.waiting

    (held,) = gone.held().values()
    over = {"ReceiptHandle": held.receipt, "VisibilityTimeout": 0}
    sent.client.change_message_visibility(QueueUrl=sent.url, **over)  # as when its time is over
    queue.poll(NOTHING)
    assert starts.waiting
    agent.step()
    assert points(remote) == 2


def test_a_long_run_hides_its_start_for_as_long(
    queue: Queue, sent: Sent, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anew every few minutes, so that nobody else takes it up; when that ends, it appears."""
    monkeypatch.setattr(module, "HIDDEN", timedelta(seconds=3))
    monkeypatch.setattr(module, "AGAIN", timedelta(seconds=1))
    sent.send()
    queue.poll(NOTHING)
    starts.begin()
    time.sleep(2)
    queue.poll(NOTHING)
    time.sleep(1.5)
    assert sent.counts() == (0, 1)
    until(lambda: sent.counts() == (1, 0))


def test_what_no_longer_can_be_hidden_is_no_failure(
    queue: Queue, sent: Sent, starts: Starts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A start that is too old, or gone, is deleted by the queue, and later by the agent from its memory."""
    sent.send()
    queue.poll(NOTHING)
    starts.begin()
    sent.client.purge_queue(QueueUrl=sent.url)
    monkeypatch.setattr(module, "AGAIN", NOTHING)
    assert queue.poll(NOTHING)
    assert starts.reached
    assert not caplog.records
    assert starts.held()

    monkeypatch.setattr(module, "LIFE", NOTHING)
    assert queue.poll(NOTHING)
    assert not starts.held()


def test_a_queue_that_is_away_stops_nothing(
    remote: Remote, volume: Volume, sent: Sent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told at most every quarter of an hour, and restore points are made by the timer."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(module, "PAUSE", NOTHING)
    starts = Starts()
    queue = Queue.connect(sent.name, region=REGION, starts=starts)
    assert [queue.poll(NOTHING) for _ in range(3)] == [False] * 3
    store = remote.store()
    agent = Schedule(
        store, volume.path, Backup(store, volume.path, oldest=OLDEST), every=DAY + START_WITHIN, starts=starts
    )
    with Trigger(volume.path).served():
        agent.step()
    assert points(remote) == 1
    assert told(agent)["backup_queue_reached"] == 0
    assert told(agent)[STARTED] == starts.last  # since then it waits

    (line,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert line.startswith(f"the queue {sent.name} does not tell when to start, backups go on by the timer: ")
    assert "\n" not in line
    monkeypatch.setattr(module, "WARNED", NOTHING)
    queue.poll(NOTHING)
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 2


def test_a_queue_that_comes_later_is_found(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    """The other half may be deployed after this one; then it is told that the queue answers."""
    starts = Starts()
    queue = Queue.connect(f"{sent.name}-later", region=REGION, starts=starts)
    assert not queue.poll(NOTHING)
    assert starts.reached is False
    assert "NonExistentQueue" in caplog.text or "does not exist" in caplog.text
    url = sent.client.create_queue(QueueName=f"{sent.name}-later")["QueueUrl"]
    Sent(sent.client, url).send()
    assert queue.poll(NOTHING)
    assert starts.reached is True
    assert starts.waiting


def test_many_messages_fill_no_memory(
    queue: Queue, sent: Sent, starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may send could send for ever: what is not held yet waits in the queue."""
    monkeypatch.setattr(module, "MOST", 15)
    for _ in range(40):
        sent.send()
    polled = [queue.poll(NOTHING) for _ in range(5)]
    assert polled == [True, True, False, False, False]
    assert len(starts.held()) == 20
    starts.begin()
    starts.end()
    assert not queue.poll(NOTHING)
    assert queue.poll(NOTHING)
    assert len(starts.held()) == 10


@pytest.mark.parametrize(
    ("every", "after", "expected"),
    [(DAY, DAY, 2), (DAY + START_WITHIN, DAY + HOUR, 1), (DAY + START_WITHIN, DAY + START_WITHIN, 2)],
    ids=["timer-alone", "time-for-a-start", "no-start"],
)
def test_a_start_that_never_comes_is_made_up_for(
    remote: Remote, volume: Volume, every: timedelta, after: timedelta, expected: int
) -> None:
    """As on the day on which the clock jumps over its time: the agent waits for it a while, and then does without."""

    def step() -> None:
        store = remote.store()
        made = Schedule(store, volume.path, Backup(store, volume.path, oldest=OLDEST), every=every)
        made.look()
        made.step()

    with Trigger(volume.path).served():
        step()
        remote.proxy.skew = after + timedelta(seconds=2)
        step()
    assert points(remote) == expected


def test_nothing_is_told_of_a_queue_where_there_is_none(remote: Remote, volume: Volume) -> None:
    """Neither reached nor away."""
    store = remote.store()
    agent = Schedule(store, volume.path, Backup(store, volume.path, oldest=OLDEST), every=DAY)
    assert not {"backup_queue_reached", STARTED} & set(told(agent))
    assert SUCCESSES in told(agent)


def options(remote: Remote, volume: Volume, port: int, *queue: str) -> list[str]:
    """The command line of an agent."""
    where = (f"--bucket={BUCKET}", f"--region={REGION}", f"--source={remote.source}", f"--data={volume.path}")
    when = ("--keep-days=30", "--expiry-days=90", "--every=86400", f"--port={port}")
    return [sys.executable, "-m", "constructs_lib.agent", "backup", *where, *when, *queue]


@pytest.mark.parametrize(("queued", "due"), [(False, "23:59:"), (True, "1 day, 1:14:")], ids=["alone", "with-a-queue"])
def test_the_timer_of_a_process_waits_longer_where_there_is_a_queue(
    remote: Remote, volume: Volume, sent: Sent, queued: bool, due: str
) -> None:
    """So that both do not start a run each, night by night."""
    remote.backup(volume).run()
    port = free_port()
    command = options(remote, volume, port, *([f"--queue={sent.name}"] if queued else []))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            soon(f"http://127.0.0.1:{port}/metrics")
            assert program.stdout is not None
            assert f"the next one is due in {due}" in program.stdout.readline()
        finally:
            program.kill()


def test_process_starts_by_its_queue(
    remote: Remote, volume: Volume, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits already is one run with what is due, what comes later is the next one; it ends when it is told to."""
    sent.send()
    port = free_port()
    command = options(remote, volume, port, f"--queue={sent.name}")

    def hesitate(request: Request) -> bool:
        if request.method == "POST" and not request.key:  # a queue that answers later than the store
            time.sleep(1)
        return False

    remote.harm(Harm.FAILED, hesitate)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", remote.proxy.url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            soon(f"http://127.0.0.1:{port}/metrics")
            until(lambda: sent.counts() == (0, 0))
            assert points(remote) == 1
            sent.send()
            until(lambda: points(remote) == 2)
            until(lambda: sent.counts() == (0, 0))
            program.send_signal(signal.SIGTERM)
            told_at = time.monotonic()
            assert program.wait(timeout=30) == 0
            assert time.monotonic() - told_at < 2
        finally:
            program.kill()
        assert program.stdout is not None
        log = program.stdout.read()
    assert "Traceback" not in log
    assert log.count("restore point 2") == 2, log
    assert points(remote) == 2
