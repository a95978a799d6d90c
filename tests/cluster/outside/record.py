"""What the services outside have received, as lines of JSON in a file, and the faults that tests give them."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.outside.files import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request or a message.

    Args:
        at: When it was there as a whole, in seconds since 1970.
        host: The name by which it was sent here.
        path: Of the request, with its query; empty for mail.
        body: What a request's JSON means, or its text. Of a mail: `from`, `to` (a list), `subject`, `text`.
        status: What was answered, by HTTP or SMTP.
        headers: Of the request or the mail.
    """

    at: float = field(default_factory=time.time)
    host: str
    path: str
    body: Any
    status: int
    headers: dict[str, str]

    @property
    def accepted(self) -> bool:
        """Whether the sender was told that it has arrived."""
        return 200 <= self.status < 300


class Record:
    """Files in one directory, written on one side by the services, and on the other by tests."""

    def __init__(self, directory: Path) -> None:
        self._received, self._failing = directory / "received.jsonl", Numbers(directory / "failing.json")
        self._lock = threading.Lock()

    def add(self, received: Received) -> None:
        """Write down what a service received."""
        with self._lock, self._received.open("a") as file:
            file.write(f"{json.dumps(asdict(received))}\n")

    def read(self, host: str) -> list[Received]:
        """What one host received, in the order of arrival."""
        text = self._received.read_text() if self._received.exists() else ""
        # The last line may still be in the writing.
        lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [received for line in lines if (received := Received(**json.loads(line))).host == host]

    def fault(self, host: str) -> int | None:
        """The status with which a host has to fail just now."""
        return self._failing.read().get(host)

    @contextmanager
    def failing(self, host: str, status: int) -> Iterator[None]:
        """Let a host fail for a while."""
        with self._failing.set(host, status):
            yield
