"""The files that Grafana reads: whole ones only, in a folder for each namespace."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from constructs_lib.agent.files import NEW
from constructs_lib.config.team_dashboards import LIVE

FIRST = ".first"


@dataclass(frozen=True, slots=True)
class Folders:
    """A directory with one file a dashboard, `live/<namespace>/<ConfigMap>.json`.

    Grafana deletes from its database what it does not find, and does nothing at all while the directory is not there:
    with a new volume beside an old database, or one that others share, it must not appear before all is in it.

    Args:
        directory: On Grafana's own volume, so that what was live is there before the API server is asked for anything.
    """

    directory: Path

    def prepare(self) -> None:
        """Make the directories, and remove what a kill left half made."""
        for name in (NEW, FIRST):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in (NEW, *([] if self.whole else [FIRST])):
            (self.directory / name).mkdir(parents=True)

    @property
    def whole(self) -> bool:
        """Whether Grafana reads it."""
        return (self.directory / LIVE).is_dir()

    def publish(self) -> None:
        """Let Grafana read it from now on."""
        (self.directory / FIRST).rename(self.directory / LIVE)

    def live(self, namespace: str = "") -> Iterator[tuple[str, str]]:
        """Namespace and name of every file of a namespace; of all of them when empty."""
        found = sorted(self._top.glob(f"{namespace or '*'}/*.json"))
        yield from ((path.parent.name, path.stem) for path in found)

    def read(self, namespace: str, name: str) -> str | None:
        """What a file says; None where there is none."""
        try:
            return self.path(namespace, name).read_text()
        except FileNotFoundError:
            return None

    def write(self, namespace: str, name: str, text: str) -> None:
        """Put a whole file in place of the one that is there, if there is one."""
        fresh, path = self.directory / NEW / f"{name}.json", self.path(namespace, name)
        try:
            with fresh.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            path.parent.mkdir(exist_ok=True)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)

    def remove(self, namespace: str, name: str) -> bool:
        """Take a file away, and its folder with the last one; False where there is none."""
        path = self.path(namespace, name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return True

    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(path.stat().st_size for path in self._top.glob("*/*.json"))

    def path(self, namespace: str, name: str) -> Path:
        """Of a file."""
        return self._top / namespace / f"{name}.json"

    @property
    def _top(self) -> Path:
        return self.directory / (LIVE if self.whole else FIRST)
