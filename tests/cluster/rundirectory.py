"""The directory and the control groups of a run, and the removal of what a killed run left of them."""

import fcntl
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from tests.cluster import cgroups
from tests.cluster.waiting import wait

PREFIX = "constructs-cluster-"
LOCK = "lock"


class RunDirectory:
    """A directory that is locked while its run lives; the control groups of the run have its name."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.cgroup = self.path.name
        self._lock = (self.path / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove the directory and the control groups; no process of the run is left."""
        _remove(self.path)
        self._lock.close()


def remove_leftovers() -> None:
    """Remove the directories and control groups of runs that were killed."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with lock.open() as file:
            if not _alive(file):
                _remove(lock.parent)


def _alive(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _remove(directory: Path) -> None:
    def removed() -> bool:
        shutil.rmtree(directory)
        return True

    cgroups.remove(directory.name)
    # The last processes of a run that was just killed may still write.
    wait(f"{directory} is removed", removed, timedelta(seconds=20))
