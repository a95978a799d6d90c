"""The command line of the agent.

It ends by 0 when it has done what it was told to, by 3 when a restore point is damaged, by 2 when it was told something
that it does not know, and by 1 else.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constructs_lib.errors import ConstructError, DamagedError

if TYPE_CHECKING:
    from constructs_lib.agent.dump import Dump
    from constructs_lib.agent.store import Store
    from constructs_lib.restore_point import RestorePoint

HOUR = 3600
FAILED = 1  # an exit code; 2 is that of the parser
# Each imports what it needs when it is chosen: one has the client of Kubernetes in memory, another that of S3.
# ruff: noqa: PLC0415


def main() -> None:
    """Run one command, until it has ended or is told to stop."""
    given = vars(_parser().parse_args())
    command, stays = given.pop("command"), given.pop("stays")
    # The first process of a container ignores what it does not handle, and its pod would wait until it is killed.
    # What ends by itself has failed when it is told to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0 if stays else 1))
    stream = sys.stdout if stays else sys.stderr
    logging.basicConfig(level=logging.INFO, stream=stream, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where it has found its credentials
    try:
        command(**given)
    except (ConstructError, OSError) as error:
        if stays and isinstance(error, OSError):
            raise
        logging.error("%s", error)
        sys.exit(error.exit_code if isinstance(error, DamagedError) else FAILED)
    except SystemExit as ended:
        logging.shutdown()
        # Threads wait for the API server, in code that aborts the process when they wake up in what is left of it, or
        # send to S3 for minutes.
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def _collect(**given: Any) -> None:
    from constructs_lib.agent import collect

    collect.collect(collect.Options(**given))


def _collect_dashboards(**given: Any) -> None:
    from constructs_lib.agent import collect_dashboards

    collect_dashboards.collect_dashboards(collect_dashboards.Options(**given))


def _backup(**given: Any) -> None:
    from constructs_lib.agent import schedule

    schedule.backup(schedule.Options(**given))


def _backup_now(data: Path, timeout: int) -> None:
    from constructs_lib.agent.trigger import Trigger

    _say(Trigger(data).ask(timedelta(seconds=timeout)))


def _restore(data: Path, requests: Path | None, point: str | None, **where: str) -> None:
    from constructs_lib.agent import restore

    if requests is not None:
        point = restore.requested(requests, where["source"], data)
    if point is not None:
        restored = restore.restore(_store(**where), point, data)
        logging.info("restored %s: %d blocks, %d bytes", restored.id, len(restored.blocks), restored.size)


def _drill_restore(data: Path, source: list[str], **where: str) -> None:
    from constructs_lib.agent import drill

    turn = drill.whose(source, datetime.now(UTC).date())
    logging.info("it is the turn of %s", turn)
    _say(_of_point(drill.bring(_store(**where, source=turn), data)))


def _drill(data: Path, server: str, tell: str | None) -> None:
    from constructs_lib.agent import drill
    from constructs_lib.agent.prometheus import Prometheus

    point = drill.compare(data, Prometheus(server))
    _say(f"{_of_point(point)}  {point.samples} samples, and Prometheus answers them")
    if tell is not None:
        drill.tell(point, tell)


def _send_dump(file: Path, **where: str) -> None:
    from constructs_lib.agent import dump

    _say(_of_dump(dump.send(_store(**where), file)))


def _fetch_dump(file: Path, requests: Path | None, point: str | None, **where: str) -> None:
    from constructs_lib.agent import dump

    if requests is not None:
        point = dump.requested(requests, file)
    if point is not None:
        _say(_of_dump(dump.fetch(_store(**where), point, file)))


def _list(**where: str) -> None:
    from constructs_lib.restore_point import is_database

    store = _store(**where)
    if is_database(store.source):
        _list_dumps(store)
    else:
        _list_points(store)


def _list_dumps(store: "Store") -> None:
    from constructs_lib.agent import dump

    for name in store.dumps():
        try:
            _say(_of_dump(dump.look(store, name)))
        except ConstructError as error:
            _say(f"{name}  damaged: {error}")


def _list_points(store: "Store") -> None:
    from constructs_lib.agent import restore

    stored = store.stored()
    for name in store.points():
        try:
            point = store.read(name)
            restore.refuse_torn(point, stored)
        except ConstructError as error:
            _say(f"{name}  damaged: {error}")
            continue
        _say(f"{_of_point(point)}  {_time(point.min_time)} to {_time(point.max_time)}")


def _verify(point: str, read: bool, **where: str) -> None:
    from constructs_lib.agent import dump, restore
    from constructs_lib.restore_point import is_database

    store = _store(**where)
    if is_database(store.source):
        of_database = dump.find(store, point)
        if read:
            dump.verify(store, of_database)
        what, how = _of_dump(of_database), "the object is there"  # what it had as it was sent, its sum alone tells
    else:
        found = store.read(point)
        restore.verify(store, found, read=read)
        what, how = _of_point(found), "every object is there, in its size"
    _say(f"{what}  {'every byte is as it was sent' if read else how}")


def _store(bucket: str, region: str, source: str) -> "Store":
    from constructs_lib.agent.store import Store

    return Store.connect(bucket=bucket, region=region, source=source)


def _of_point(point: "RestorePoint") -> str:
    return f"{point.id}  {len(point.blocks)} blocks  {point.size} bytes"


def _of_dump(dump: "Dump") -> str:
    return f"{dump.id}  database  {dump.file.size} bytes"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent", description=sys.modules[__name__].__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[..., None], help: str, *, stays: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(command=run, stays=stays)
        return command

    collect = add("collect", _collect, "bring other teams' jobs and rules into Prometheus' files", stays=True)
    dashboards = add(
        "collect-dashboards", _collect_dashboards, "bring other teams' dashboards into Grafana's files", stays=True
    )
    backup = add("backup", _backup, "make restore points of Prometheus' finished blocks, every so often", stays=True)
    now = add("backup-now", _backup_now, "have the agent of this volume make a restore point, and wait for it")
    restore = add("restore", _restore, "bring a restore point back into an empty volume")
    drill_restore = add("drill-restore", _drill_restore, "bring the newest restore point of a replica back for a drill")
    drill = add("drill", _drill, "compare what a Prometheus answers with what such a restore point says, and end it")
    send_dump = add("send-dump", _send_dump, "make a restore point of a database's dump")
    fetch_dump = add("fetch-dump", _fetch_dump, "bring the dump of a database back into a file")
    listing = add("list", _list, "name all restore points of a replica, or of a database")
    verify = add("verify", _verify, "look whether all of a restore point is there")

    collect.add_argument("--promtool", required=True, type=Path, help="of the Prometheus that reads the files")
    for command in (collect, dashboards):
        command.add_argument("--platform", required=True, type=Path, help="file with the platform's contract")
        command.add_argument("--output", required=True, type=Path, help="directory of the files")
    for command in (collect, dashboards, backup):
        command.add_argument("--port", required=True, type=int, help="of the metrics")
    for command in (backup, now, restore, drill_restore, drill):
        command.add_argument("--data", required=True, type=Path, help="the volume, with tsdb/ in it")
    for command in (send_dump, fetch_dump):
        command.add_argument("--file", required=True, type=Path, help="the dump, in pg_dump's format custom")
    of_one = (backup, restore, send_dump, fetch_dump, listing, verify)
    for command in (*of_one, drill_restore):
        command.add_argument("--bucket", required=True, help="of the restore points")
        command.add_argument("--region", required=True, help="of the bucket")
    for command in of_one:
        command.add_argument("--source", required=True, help="CLUSTER/NAMESPACE/COMPONENT/POD, or .../database")
    drill_restore.add_argument(
        "--source",
        required=True,
        action="append",
        help="CLUSTER/NAMESPACE/COMPONENT/POD, for each replica: each day it is another one's turn",
    )
    drill.add_argument("--server", required=True, help="host and port of a Prometheus on the volume, which it may end")
    drill.add_argument("--tell", metavar="REGION", help="whose CloudWatch hears of a success")
    backup.add_argument("--keep-days", required=True, type=int, help="how long a restore point is kept")
    backup.add_argument("--expiry-days", required=True, type=int, help="after which any object expires")
    backup.add_argument("--every", required=True, type=int, help="seconds from one to the next, at the latest")
    backup.add_argument("--queue", help="of SQS, by name: a message in it starts a backup, and the timer waits longer")
    backup.add_argument("--server", help="host and port of the Prometheus, of which CloudWatch is told what it uses")
    backup.add_argument("--cpu-limit", type=int, help="of its container, in thousandths of a core")
    backup.add_argument("--memory-limit", type=int, help="likewise, in bytes")
    now.add_argument("--timeout", default=HOUR, type=int, help="seconds to wait, %(default)s by default")
    for command, name in ((restore, "of the pod's name"), (fetch_dump, "called database")):
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--point", help="its id, or newest")
        which.add_argument("--requests", type=Path, help=f"directory in which a file {name} may hold one of these")
    verify.add_argument("--point", default="newest", help="its id, %(default)s by default")
    verify.add_argument("--read", action="store_true", help="read every byte again")
    return parser


if __name__ == "__main__":
    main()
