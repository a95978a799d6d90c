"""Starts of backups from outside the cluster: messages in a queue of SQS that say that it is time, and nothing else.

A start is hidden in the queue for as long as its agent works on it, and deleted when there is a restore point. When the
agent is gone before that, the start appears again, for the next one.
"""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from constructs_lib.agent.store import FAILURES

# As long as a queue lets a request wait for a message: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
WAIT = timedelta(seconds=20)
SHORT = timedelta(seconds=2)  # where there is one already, which is to be deleted soon after its run
PATIENCE = timedelta(seconds=10)  # with an answer, beyond the wait
# How long a start is hidden, and after how much of that it is hidden anew.
HIDDEN, AGAIN = timedelta(minutes=15), timedelta(minutes=5)
# Queues delete what is older, and hide nothing for longer.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
LIFE = timedelta(hours=12)
AT_ONCE, MOST = 10, 100  # messages: in one answer, and in memory, of which there is one a day
PAUSE = timedelta(seconds=15)  # after a failure
WARNED = timedelta(minutes=15)  # between two warnings
HARMED = (*FAILURES, KeyError, ValueError)  # the latter of a harmed answer
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Start:
    """One message.

    Args:
        receipt: By which the queue knows that it was received, at last.
        taken: When it was received first, by the monotonic clock.
        hidden: When it was hidden last, likewise.
        begun: Whether a run has begun since.
        answered: Whether such a run has made a restore point.
    """

    receipt: str
    taken: float
    hidden: float
    begun: bool = False
    answered: bool = False


class Starts:
    """Starts that were sent and are not deleted yet: one thread receives them, another one works on them.

    Attributes:
        reached: Whether the queue answered when it was asked last; None where nobody asks one.
        last: When the last one was received, or the wait for it began, in seconds since 1970.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, _Start] = {}
        self.reached: bool | None = None
        self.last = time.time()

    @property
    def waiting(self) -> bool:
        """Whether one was sent for which no run has begun."""
        with self._lock:
            return any(not start.begun for start in self._held.values())

    def begin(self) -> None:
        """A run begins, for all of them: those that are sent from now on are for the next one."""
        with self._lock:
            for start in self._held.values():
                start.begun = True

    def end(self) -> None:
        """The run has made a restore point: those for which it, or one that failed before, has begun are answered."""
        with self._lock:
            for start in self._held.values():
                start.answered = start.begun

    def hold(self, message: str, receipt: str) -> None:
        """A message was received; one that was before is the same start, by its latest receipt."""
        now = time.monotonic()
        with self._lock:
            known = self._held.get(message)
            if known is None:
                self._held[message] = _Start(receipt, now, now)
                self.last = time.time()
            else:
                known.receipt, known.hidden = receipt, now

    def drop(self, message: str) -> None:
        """A message is no longer in the queue."""
        with self._lock:
            self._held.pop(message, None)

    def held(self) -> dict[str, _Start]:
        """By message."""
        with self._lock:
            return dict(self._held)


class Queue:
    """The queue of one replica.

    Args:
        client: Of SQS, as `connect` makes it.
        name: Of the queue.
        starts: What it is told of.
    """

    def __init__(self, client: Any, name: str, starts: Starts) -> None:
        self._client, self._name, self._starts = client, name, starts
        self._url: str | None = None
        self._warned: float | None = None

    @classmethod
    def connect(cls, name: str, *, region: str, starts: Starts) -> "Queue":
        """Reach a queue with the credentials that the process finds; its account is theirs.

        Args:
            name: Of the queue.
            region: Of the queue.
            starts: What it is told of.
        """
        config = Config(
            connect_timeout=PATIENCE.total_seconds(),
            read_timeout=(WAIT + PATIENCE).total_seconds(),
            retries={"mode": "standard", "total_max_attempts": 2},
            tcp_keepalive=True,
        )
        return cls(get_session().create_client("sqs", region_name=region, config=config), name, starts)

    def follow(self) -> None:
        """Receive starts for ever, beside whoever works on them."""
        # What waits already and what is due are one run.
        self.poll(timedelta(0))
        threading.Thread(target=self._follow, name="starts", daemon=True).start()

    def poll(self, wait: timedelta = WAIT) -> bool:
        """Receive what was sent, and settle what was received; whether it can be done again at once.

        Args:
            wait: For a start, where there is none yet.
        """
        held = len(self._starts.held())
        full = held >= MOST
        try:
            if not full:
                self._receive(min(wait, SHORT) if held else wait)
            self._settle()
        except HARMED as error:
            self._starts.reached = False
            self._warn(error)
            return False
        self._starts.reached = True
        return not full

    def _follow(self) -> None:
        while True:
            if not self.poll():
                time.sleep(PAUSE.total_seconds())

    def _receive(self, wait: timedelta) -> None:
        if self._url is None:
            self._url = self._client.get_queue_url(QueueName=self._name)["QueueUrl"]
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=AT_ONCE,
            WaitTimeSeconds=int(wait.total_seconds()),
            VisibilityTimeout=int(HIDDEN.total_seconds()),
        )
        for message in answer.get("Messages", ()):
            self._starts.hold(message["MessageId"], message["ReceiptHandle"])

    def _settle(self) -> None:
        """Delete what is answered, and hide what is not."""
        now = time.monotonic()
        for message, start in self._starts.held().items():
            if now - start.taken > LIFE.total_seconds():
                self._starts.drop(message)
            elif start.answered:
                self._client.delete_message(QueueUrl=self._url, ReceiptHandle=start.receipt)
                self._starts.drop(message)
            elif now - start.hidden > AGAIN.total_seconds():
                start.hidden = now
                self._hide(start)

    def _hide(self, start: _Start) -> None:
        hidden = int(HIDDEN.total_seconds())
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=start.receipt, VisibilityTimeout=hidden
            )
        except ClientError as error:  # it has appeared again, or is too old: what comes again is the same start
            log.debug("%s", error)

    def _warn(self, error: Exception) -> None:
        now = time.monotonic()
        if self._warned is None or now - self._warned > WARNED.total_seconds():
            self._warned = now
            told = " ".join(str(error).split())
            log.warning("the queue %s does not tell when to start, backups go on by the timer: %s", self._name, told)
