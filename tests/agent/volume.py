"""A Prometheus' volume as the agent sees it: what is in the files does not matter to it."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TWO_HOURS = 2 * 60 * 60 * 1000


@dataclass(slots=True)
class Volume:
    """A directory with `tsdb` in it.

    Args:
        path: Of the volume.
    """

    path: Path
    _made: int = 0
    _random: Random = field(default_factory=lambda: Random(1))  # noqa: S311

    def __post_init__(self) -> None:
        (self.path / "tsdb").mkdir(parents=True)

    @staticmethod
    def ulid(number: int) -> str:
        """The name of a block."""
        return f"01J{'0' * 21}{DIGITS[number // 32]}{DIGITS[number % 32]}"

    def block(self, number: int) -> Path:
        """The directory of a block."""
        return self.path / "tsdb" / self.ulid(number)

    def finish_block(self, *, size: int = 2000, chunks: int = 1) -> Path:
        """Add one, as Prometheus does: under another name first."""
        number = self._made
        self._made += 1
        block, fresh = self.block(number), self.block(number).with_suffix(".tmp-for-creation")
        (fresh / "chunks").mkdir(parents=True)
        for chunk in range(1, chunks + 1):
            (fresh / "chunks" / f"{chunk:06}").write_bytes(self._random.randbytes(size))
        (fresh / "index").write_bytes(self._random.randbytes(size // 4))
        (fresh / "tombstones").write_bytes(self._random.randbytes(9))
        (fresh / "meta.json").write_text(json.dumps(meta(block.name, number)))
        return fresh.rename(block)

    def delete_block(self, number: int) -> None:
        """Take one away, as Prometheus does: it gets another name first."""
        shutil.rmtree(self.block(number).rename(self.block(number).with_suffix(".tmp-for-deletion")))

    def content(self) -> dict[str, bytes]:
        """Of all files of finished blocks, by path."""
        tsdb = self.path / "tsdb"
        found = (path for path in tsdb.rglob("*") if path.is_file() and "." not in path.relative_to(tsdb).parts[0])
        return {str(path.relative_to(tsdb)): path.read_bytes() for path in found}


def meta(ulid: str, number: int) -> dict[str, object]:
    """What a block says of itself."""
    return {
        "ulid": ulid,
        "minTime": number * TWO_HOURS,
        "maxTime": (number + 1) * TWO_HOURS,
        "stats": {"numSamples": 120, "numSeries": 4, "numChunks": 4},
        "compaction": {"level": 1, "sources": [ulid]},
        "version": 1,
    }
