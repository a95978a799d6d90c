"""The dumps of a database: each is one object of the store, written once, and comes back as it was or not at all."""

import logging
from dataclasses import dataclass
from pathlib import Path

from constructs_lib.agent.blocks import digest
from constructs_lib.agent.store import NEWEST, SECOND, Store
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import DATABASE, ID, File, dump_key, is_database, moment

# How a dump of PostgreSQL's own format begins.
# https://github.com/postgres/postgres/blob/REL_17_STABLE/src/bin/pg_dump/pg_backup_archiver.c
BEGINNING = b"PGDMP"
UNFINISHED = ".part"  # after a file's name, until all is there
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """A dump of a database in the store.

    Args:
        id: The moment by which it is called, in UTC, such as `20261128T020000Z`; later ones have later ids.
        file: What it must be.
    """

    id: str
    file: File


def send(store: Store, path: Path) -> Dump:
    """Put a dump into the store, by a later id than any other.

    Args:
        store: Where to.
        path: Of the file that pg_dump has written.
    Raises:
        ConstructError: it is no dump, or the source is no database's.
        StoreError: the store did not take it: there is no new restore point.
        OSError: the file cannot be read, likewise.
    """
    _refuse_other(store)
    with path.open("rb") as written:
        if written.read(len(BEGINNING)) != BEGINNING:
            raise ConstructError(f"{path} is no dump of the format 'custom': let pg_dump write it")
    size, sha256 = path.stat().st_size, digest(path)
    at = store.after(store.dumps())
    while True:
        point = at.strftime(ID)
        dump = Dump(id=point, file=File(path="", key=dump_key(store.source, point), size=size, sha256=sha256))
        if store.add(dump.file, path):
            return dump
        at += SECOND


def fetch(store: Store, point: str, path: Path) -> Dump:
    """Bring a dump back into a file, which is there when all of it is.

    Args:
        store: Where it is.
        point: Its id, or `newest`.
        path: Where to; what is there is replaced.
    Raises:
        ConstructError: there is none: nothing remains.
        DamagedError: it is not what was sent, likewise.
        StoreError: the store did not give it, likewise.
        OSError: the file cannot be written, likewise.
    """
    _clear(path)
    dump = find(store, point)
    unfinished = _unfinished(path)
    try:
        with unfinished.open("wb") as to:
            store.fetch(dump.file, to.write)
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return dump


def requested(requests: Path, path: Path) -> str | None:
    """Which dump is asked for; None where none is.

    Args:
        requests: A directory in which the file `database` may hold an id, or `newest`; it may be missing.
        path: Where to; what was asked for before is removed.
    """
    _clear(path)
    try:
        return (requests / DATABASE).read_text().strip()
    except FileNotFoundError:
        log.info("%s asks for no restore point of the database: nothing is restored", requests)
        return None


def find(store: Store, point: str) -> Dump:
    """One of the dumps that are there.

    Args:
        store: Where it is.
        point: Its id, or `newest`.
    Raises:
        ConstructError: there is none.
        DamagedError: it is not what was sent.
        StoreError: no answer.
    """
    _refuse_other(store)
    if point == NEWEST:
        return look(store, store.last(store.dumps()))
    moment(point)
    if point not in store.dumps():
        raise ConstructError(f"{store.bucket} holds no restore point {point} of {store.source}: make one first")
    return look(store, point)


def look(store: Store, id: str) -> Dump:
    """A dump that is there, by what it says of itself.

    Args:
        store: Where it is.
        id: Its own.
    Raises:
        DamagedError: it is not what was sent.
        StoreError: no answer.
    """
    return Dump(id=id, file=store.look(dump_key(store.source, id)))


def verify(store: Store, dump: Dump) -> None:
    """Read every byte of a dump, and compare its sum.

    Args:
        store: Where it is.
        dump: What to look at.
    Raises:
        DamagedError: it is not what was sent.
        StoreError: no answer.
    """
    store.fetch(dump.file, lambda _: None)


def _refuse_other(store: Store) -> None:
    if not is_database(store.source):
        raise ConstructError(f"{store.source} is no database's: use CLUSTER/NAMESPACE/COMPONENT/{DATABASE}")


def _clear(path: Path) -> None:
    for each in (path, _unfinished(path)):
        each.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + UNFINISHED)
