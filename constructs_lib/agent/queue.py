"""Which ConfigMaps must be looked at, and when."""

import math
import threading
import time
from datetime import timedelta

# One namespace takes at most a fifth of the time, however often it changes.
PAUSE = 4


class Queue:
    """Which ConfigMaps must be looked at, fairly: the namespaces take turns, and one that costs much waits longer."""

    def __init__(self) -> None:
        self._due: dict[str, dict[str, float]] = {}
        self._not_before: dict[str, float] = {}
        self._lock = threading.Lock()
        self._there = threading.Event()

    def add(self, namespace: str, name: str, *, since: float | None = None) -> None:
        """Remember a ConfigMap, since now if it is not remembered yet.

        Args:
            since: When it was added first, where it is to be looked at again.
        """
        with self._lock:
            due = self._due.setdefault(namespace, {})
            due[name] = min(due.get(name, math.inf), time.monotonic() if since is None else since)
        self._there.set()

    def take(self, timeout: timedelta) -> tuple[str, str] | None:
        """The next one, which is remembered until work on it begins; None when there is none for some time."""
        until = time.monotonic() + timeout.total_seconds()
        while True:
            with self._lock:
                self._there.clear()
                now = time.monotonic()
                ready = {n: due for n, due in self._due.items() if self._not_before.get(n, 0) <= now}
                if ready:
                    namespace = min(ready, key=lambda each: (self._not_before.get(each, 0), min(ready[each].values())))
                    return namespace, min(ready[namespace], key=ready[namespace].__getitem__)
                waiting = [self._not_before[n] for n in self._due]
            left = min([until, *waiting]) - now
            if until <= now:
                return None
            self._there.wait(max(left, 0.01))

    def begin(self, namespace: str, name: str) -> float:
        """Forget a ConfigMap that is looked at now, and tell since when it was remembered.

        What changes from here on is another change.
        """
        with self._lock:
            due = self._due[namespace]
            since = due.pop(name)
            if not due:
                del self._due[namespace]
            return since

    def rest(self, namespace: str, spent: float) -> None:
        """Let the other namespaces go first.

        Args:
            spent: Seconds that were spent on this one.
        """
        now = time.monotonic()
        with self._lock:
            self._not_before = {each: until for each, until in self._not_before.items() if until > now}
            self._not_before[namespace] = now + PAUSE * spent

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return not self._due

    def age(self) -> float:
        """Of the oldest change that waits, in seconds."""
        with self._lock:
            since = [since for due in self._due.values() for since in due.values()]
        return time.monotonic() - min(since) if since else 0.0
