"""Files by which tests and services outside tell each other something."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: object) -> str:
    """Write JSON at once: who reads the file never reads a part of it.

    Returns:
        The path.
    """
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(content))
    whole.rename(path)
    return str(path)


class Numbers:
    """A file of numbers by name, set by tests and read by services."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Mapping[str, int]:
        """Those that are set just now."""
        numbers: dict[str, int] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return numbers

    @contextmanager
    def set(self, name: str, number: int) -> Iterator[None]:
        """Set one for a while."""
        write(self._path, {**self.read(), name: number})
        try:
            yield
        finally:
            write(self._path, {other: number for other, number in self.read().items() if other != name})
