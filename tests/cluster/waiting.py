"""Waiting for conditions, always with a limit."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from tests.cluster.errors import CannotRunError, ClusterError, ProcessEndedError

T = TypeVar("T")
POLL = timedelta(milliseconds=300)  # each look may start a kubectl, which costs a tenth of a second of a core


def wait(description: str, condition: Callable[[], T], timeout: timedelta) -> T:
    """Call `condition` until its result is true, and return that result.

    Args:
        description: What is waited for, as a clause: "pod web is gone".
        condition: Not met yet when its result is false, or it raises an assertion, cluster, value or OS error.
    Raises:
        ClusterError: not met in time; the message says what was last seen.
    """
    end = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            result = condition()
            if result:
                return result
            seen = repr(result)
        except (CannotRunError, ProcessEndedError):  # waiting longer cannot help
            raise
        except (AssertionError, ClusterError, ValueError, LookupError, OSError) as error:
            seen = str(error) or type(error).__name__
        if time.monotonic() >= end:
            raise ClusterError(f"{description}: not so within {timeout.total_seconds():g} s, last seen: {seen}")
        time.sleep(POLL.total_seconds())
