"""How a backup is asked for: files on the volume, between two processes of one container."""

import fcntl
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from constructs_lib.agent.blocks import BACKUP
from constructs_lib.errors import ConstructError

LOCK, REQUESTS, ANSWERS, NEW = "lock", "requests", "answers", "new"
POLL = timedelta(seconds=0.2)
MOMENT = timedelta(seconds=2)
KEPT = timedelta(hours=1)  # an answer that nobody waits for any more


@dataclass(frozen=True, slots=True)
class Answer:
    """How the run ended that was asked for.

    Args:
        point: The id of the restore point that was made, if one was.
        error: Else why not.
    """

    point: str | None = None
    error: str | None = None


class Trigger:
    """The requests that a volume has for the agent that works on it.

    Args:
        volume: With the directory `backup`.
    """

    def __init__(self, volume: Path) -> None:
        self._volume, self._top = volume, volume / BACKUP

    @contextmanager
    def served(self) -> Iterator[None]:
        """Be the one agent that serves a volume.

        Raises:
            ConstructError: there is one already.
        """
        for name in (REQUESTS, ANSWERS, NEW):
            (self._top / name).mkdir(parents=True, exist_ok=True)
        with (self._top / LOCK).open("w") as lock:
            until = time.monotonic() + MOMENT.total_seconds()
            while not _lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > until:  # longer than whoever asks holds it
                    raise ConstructError(f"another agent works on {self._volume} already: run one for each volume")
                time.sleep(0.01)
            yield

    def waiting(self) -> list[str]:
        """What was asked for until now."""
        return sorted(path.name for path in (self._top / REQUESTS).iterdir())

    def answer(self, requests: list[str], answer: Answer) -> None:
        """Tell those who asked."""
        for request in requests:
            self._write(ANSWERS, request, json.dumps({"point": answer.point, "error": answer.error}))
            (self._top / REQUESTS / request).unlink(missing_ok=True)
        for old in (self._top / ANSWERS).iterdir():
            if time.time() - old.stat().st_mtime > KEPT.total_seconds():
                old.unlink(missing_ok=True)

    def ask(self, timeout: timedelta) -> str:
        """Ask for a run, wait until the one has ended that begins after that, and give back its restore point's id.

        Raises:
            ConstructError: it failed, no agent works on the volume, or it takes longer.
        """
        self._refuse_unserved()
        request = secrets.token_hex(8)
        self._write(REQUESTS, request, "")
        answer = self._top / ANSWERS / request
        until = time.monotonic() + timeout.total_seconds()
        try:
            while time.monotonic() < until:
                if answer.exists():
                    return _point(Answer(**json.loads(answer.read_text())))
                self._refuse_unserved()
                time.sleep(POLL.total_seconds())
        finally:
            answer.unlink(missing_ok=True)
            (self._top / REQUESTS / request).unlink(missing_ok=True)
        raise ConstructError(
            f"no backup of {self._volume} has ended within {timeout}: it may still, see the agent's log, or wait longer"
        )

    def _refuse_unserved(self) -> None:
        path = self._top / LOCK
        if path.exists():
            with path.open() as lock:
                if not _lock(lock, fcntl.LOCK_SH):
                    return
        raise ConstructError(f"no agent works on {self._volume}: start one, or see why it has ended")

    def _write(self, directory: str, name: str, text: str) -> None:
        fresh = self._top / NEW / f"{directory}-{name}"
        try:
            fresh.write_text(text)
            fresh.replace(self._top / directory / name)
        finally:
            fresh.unlink(missing_ok=True)


def _point(answer: Answer) -> str:
    if answer.point is None:
        raise ConstructError(f"the backup failed: {answer.error}")
    return answer.point


def _lock(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
