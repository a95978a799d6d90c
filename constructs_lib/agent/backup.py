"""The backup of one replica's finished blocks: what the bucket lacks is sent, then the restore point appears.

What is still in the head, at most about three hours, is in no block, and so in no restore point.
"""

import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from constructs_lib.agent import blocks
from constructs_lib.agent.blocks import TSDB, Meta, Stamp
from constructs_lib.agent.store import Store, in_parallel
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import META, Block, File, RestorePoint, Stored, object_key

# What was listed is remembered for so long: with what was sent since, it is what the bucket holds, since nobody but its
# lifecycle deletes there, whose days `oldest` counts.
LISTED_FOR = timedelta(hours=1)
CHANGES = 10  # of what is finished, while it is linked: Prometheus compacts no more often than every minute


@dataclass(frozen=True, slots=True)
class _Held:
    """A block whose files are held by links.

    Args:
        directory: Of the links.
        stamp: Of the files that can be replaced, from before they were linked.
    """

    directory: Path
    stamp: Stamp


@dataclass(slots=True)
class _Run:
    """What one run works with.

    Args:
        since: What was put before is too old for a new restore point, by the store's clock.
        links: The directory for links.
        held: What is finished, by ULID: linked, or in the bucket as it is.
    """

    since: datetime
    links: Path
    held: dict[str, _Held | Block] = field(default_factory=dict)


class Backup:
    """Restore points of one volume, one after the other; what it has learned makes the next one cheap.

    Args:
        store: Where they are made.
        volume: With the directory `tsdb`.
        oldest: How old an object may be that a new restore point needs, see `RestorePoints`.
    Attributes:
        newest: The newest restore point, once it is known.
        made: How many were made since.
        sent: How many bytes were sent.
    """

    def __init__(self, store: Store, volume: Path, *, oldest: timedelta) -> None:
        self._store, self._volume, self._oldest = store, volume, oldest
        self.newest: RestorePoint | None = None
        self.made = self.sent = 0
        self._learned = False
        self._lock = threading.Lock()
        self._listed: dict[str, Stored] = {}
        self._listed_at: float | None = None
        self._files: dict[str, File] = {}  # by key: in the bucket as they must be, by what we know
        self._blocks: dict[str, Block] = {}
        self._stamps: dict[str, Stamp] = {}

    def learn(self) -> None:
        """Ask the store for the newest restore point.

        Raises:
            StoreError: no answer.
        """
        newest = self._store.newest()
        if newest is not None:
            self._remember(newest, {})
        self._learned = True

    def run(self) -> RestorePoint | None:
        """Make a restore point of all blocks that are finished; None where there is none yet.

        Raises:
            ConstructError: a block is damaged; the restore point is there, without it.
            StoreError: the store did not take something; there is no new restore point.
            OSError: a file cannot be read or linked, likewise.
        """
        if not blocks.finished(self._volume):
            return None
        if not self._learned:
            self.learn()
        self._list()
        with blocks.links(self._volume) as links:
            run = _Run(self._store.now() - self._oldest, links)
            self._hold(run)
            metas, damaged = self._read(run)
            made = self._bring(run, metas)
        point = self._store.publish(made) if made else None
        if point:
            stamps = {ulid: held.stamp for ulid, held in run.held.items() if isinstance(held, _Held)}
            self._remember(point, {**self._stamps, **stamps})
            self.made += 1
        if damaged:
            without = f"the restore point {point.id} was made without" if point else "no restore point was made"
            raise ConstructError(f"{'; '.join(damaged)}; {without}")
        return point

    def _list(self) -> None:
        """Know what the bucket lists."""
        now = time.monotonic()
        if self._listed_at is None or now - self._listed_at > LISTED_FOR.total_seconds():
            self._listed = self._store.stored()
            self._listed_at = now

    def _usable(self, run: _Run, file: File) -> bool:
        """Whether an object may be part of a new restore point, by what is listed of it."""
        there = self._listed.get(file.key)
        return there is not None and there.size == file.size and there.modified >= run.since

    def _hold(self, run: _Run) -> None:
        """Hold what is finished at one moment, by links where something of it must be read."""
        names = blocks.finished(self._volume)
        for _ in range(CHANGES):
            for ulid in names:
                if ulid not in run.held:
                    self._hold_one(run, ulid)
            now = blocks.finished(self._volume)
            if now == names == sorted(run.held):
                return
            for gone in set(run.held) - set(now):  # compacted, into one that is there now
                del run.held[gone]
            names = now
        raise ConstructError(f"the blocks in {self._volume / TSDB} come and go: {', '.join(names)}")

    def _hold_one(self, run: _Run, ulid: str) -> None:
        block, known = self._volume / TSDB / ulid, self._blocks.get(ulid)
        try:
            stamp = blocks.stamp(block)
            if known and self._stamps.get(ulid) == stamp and all(self._usable(run, file) for file in known.files):
                run.held[ulid] = known
                return
            links = run.links / ulid
            shutil.rmtree(links, ignore_errors=True)
            blocks.link(block, links)
        except FileNotFoundError:
            return
        run.held[ulid] = _Held(links, stamp)

    def _read(self, run: _Run) -> tuple[dict[str, Meta], list[str]]:
        """What the linked blocks say of themselves, and what is wrong with those that are damaged."""
        metas, damaged = {}, []
        for ulid, held in run.held.items():
            if isinstance(held, _Held):
                try:
                    metas[ulid] = blocks.read_meta(held.directory)
                except ConstructError as error:
                    damaged.append(str(error))
        return metas, damaged

    def _bring(self, run: _Run, metas: Mapping[str, Meta]) -> list[Block]:
        """Have every file of the held blocks in the bucket, those last that say what a block is."""
        links = {ulid: held.directory for ulid, held in run.held.items() if isinstance(held, _Held) and ulid in metas}
        files = [(ulid, path) for ulid, directory in links.items() for path in blocks.paths(directory)]

        def bring(each: tuple[str, str]) -> tuple[str, File]:
            ulid, path = each
            return ulid, self._bring_one(run, ulid, path, links[ulid] / path)

        brought: dict[str, list[File]] = {ulid: [] for ulid in links}
        for part in (
            [each for each in files if each[1] != META],
            [each for each in files if each[1] == META],
        ):
            for ulid, file in in_parallel(bring, part):
                brought[ulid].append(file)
        made = [held for held in run.held.values() if isinstance(held, Block)]
        for ulid, meta in metas.items():
            made.append(
                Block(
                    ulid=ulid,
                    min_time=meta.min_time,
                    max_time=meta.max_time,
                    samples=meta.samples,
                    series=meta.series,
                    chunks=meta.chunks,
                    files=tuple(sorted(brought[ulid], key=lambda file: file.path)),
                )
            )
        return sorted(made, key=lambda block: block.ulid)

    def _bring_one(self, run: _Run, ulid: str, path: str, local: Path) -> File:
        size = local.stat().st_size
        # Without its sum, a file that can be replaced has no key that is known.
        known = self._files.get(object_key(self._store.source, ulid, path, ""))
        sha256 = known.sha256 if known and known.size == size else blocks.digest(local)
        file = File(path=path, key=object_key(self._store.source, ulid, path, sha256), size=size, sha256=sha256)
        if not (self._usable(run, file) and (self._files.get(file.key) == file or self._store.holds(file))):
            sent = self._store.send(file, local, again=file.key in self._listed)
            with self._lock:
                self.sent += sent
            self._listed[file.key] = Stored(size, self._store.now())
        self._files[file.key] = file
        return file

    def _remember(self, point: RestorePoint, stamps: Mapping[str, Stamp]) -> None:
        self.newest = point
        self._files = {file.key: file for file in point.files}
        self._blocks = {block.ulid: block for block in point.blocks}
        self._stamps = {ulid: stamp for ulid, stamp in stamps.items() if ulid in self._blocks}
