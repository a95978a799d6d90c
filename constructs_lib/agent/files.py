"""The files that Prometheus reads: whole ones only, each with what it was made of in its first line."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

RULES, JOBS = "rules", "jobs"
NEW = ".new"


@dataclass(frozen=True, slots=True)
class Files:
    """A directory with one file a ConfigMap, in `rules/` and `jobs/`; names ending in `.yaml` are read by Prometheus.

    Args:
        directory: On Prometheus' own volume, so that it is there before the API server is asked for anything.
    """

    directory: Path

    def prepare(self) -> None:
        """Make the directories, and remove what a kill left half made."""
        for name in (RULES, JOBS, NEW):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        for path in (self.directory / NEW).iterdir():
            path.unlink()

    def made_of(self, kind: str, name: str) -> str | None:
        """What a live file says that it was made of; None where there is none."""
        try:
            with self.path(kind, name).open() as file:
                return file.readline().removeprefix("# ").strip()
        except FileNotFoundError:
            return None

    def live(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Kind and name of every file that Prometheus reads whose name begins so."""
        for kind in (RULES, JOBS):
            yield from ((kind, path.stem) for path in sorted((self.directory / kind).glob(f"{prefix}*.yaml")))

    def write(self, kind: str, name: str, text: str, *, made_of: str, check: Callable[[Path], None]) -> None:
        """Put a whole file in place of the one that is there, if there is one.

        Args:
            check: Raises when Prometheus would refuse it; then everything is as it was.
        """
        fresh = self.directory / NEW / f"{name}.yaml"
        try:
            with fresh.open("w") as file:
                file.write(f"# {made_of}\n{text}")
                file.flush()
                os.fsync(file.fileno())
            check(fresh)
            fresh.replace(self.path(kind, name))
        finally:
            fresh.unlink(missing_ok=True)

    def path(self, kind: str, name: str) -> Path:
        """Of a live file."""
        return self.directory / kind / f"{name}.yaml"

    def remove(self, kind: str, name: str) -> bool:
        """Take a file away; False where there is none."""
        try:
            self.path(kind, name).unlink()
        except FileNotFoundError:
            return False
        return True
