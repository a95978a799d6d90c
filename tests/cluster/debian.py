"""Images of Debian's programs with the libraries that they load, at the same paths as on this machine."""

import os
import pwd
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.image import Image
from tests.cluster.programs import ENVIRONMENT, POSTGRES, installed

USER, GROUP = 999, 999
ACCOUNTS = {"etc/passwd": b"root:x:0:0::/:\nservice:x:999:999::/:\n", "etc/group": b"root:x:0:\nservice:x:999:\n"}
DATA = "data"
OWNER = "postgres"  # the package's user here, since PostgreSQL refuses to run as root


def postgres_image(name: str, *, password: str, sql: str = "") -> Image:
    """PostgreSQL 15 with an empty database, its client at the same path, and a superuser `postgres`.

    It runs as user 999, keeps its data in the image's `/data`, and listens on port 5432; arguments of a container such
    as `-c max_connections=10` set what else it should be. On its socket in `/tmp` it asks for no password.

    Args:
        password: Of the superuser.
        sql: One statement on one line, run in the database `postgres` when the image is written.
    """
    return Image(
        name=name,
        packages=("postgresql-15", "postgresql-client-15"),
        files=ACCOUNTS,
        fill=partial(_add_postgres, password, sql),
        entrypoint=(
            str(POSTGRES / "postgres"),
            *("-D", f"/{DATA}", "-c", "listen_addresses=*", "-c", "unix_socket_directories=/tmp"),
        ),
        user=f"{USER}:{GROUP}",
    )


def postgres_client_image(name: str) -> Image:
    """PostgreSQL's clients of version 15 and a shell, in the place of the official image, which holds the server, too.

    Like that one it is nobody's in particular, and finds the clients by its path.

    Source: https://github.com/docker-library/postgres
    """
    clients = [str(POSTGRES / each) for each in ("psql", "pg_dump", "pg_restore")]
    return Image(
        name=name,
        packages=("postgresql-client-15", "dash", "coreutils", "sed"),
        files={"etc/passwd": b"root:x:0:0::/root:\nnobody:x:65534:65534::/nonexistent:\n"},
        fill=partial(add_programs, [*clients, "/bin/sh", "/bin/cat", "/bin/rm", "/bin/sed", "/usr/bin/wc"]),
        entrypoint=("/bin/sh",),
        environment={"PATH": f"/bin:/usr/bin:{POSTGRES}"},
    )


def redis_image(name: str, *, password: str) -> Image:
    """Redis without persistence, and its client; it runs as user 999 and listens on port 6379."""
    return Image(
        name=name,
        packages=("redis-server", "redis-tools"),
        files=ACCOUNTS,
        fill=partial(add_programs, ["redis-server", "redis-cli"]),
        entrypoint=("/usr/bin/redis-server", "--requirepass", password, "--save", ""),
        user=f"{USER}:{GROUP}",
    )


def _add_postgres(password: str, sql: str, tar: tarfile.TarFile) -> None:
    add_programs([str(POSTGRES / name) for name in ("postgres", "psql")], tar)
    share, lib = Path("/usr/share/postgresql/15"), Path("/usr/lib/postgresql/15/lib")
    languages = [*share.glob("extension/plpgsql*"), lib / "plpgsql.so"]
    add_files([*(share / "timezonesets").iterdir(), *languages, Path("/usr/share/zoneinfo/UTC")], tar)
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory, DATA)
        _make_database(data, password, sql)
        tar.add(data, DATA, filter=_owned)


def _make_database(data: Path, password: str, sql: str) -> None:
    owner = pwd.getpwnam(OWNER)
    known = data.parent / "password"
    known.write_text(password)
    for path in (data.parent, known):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    options = {
        "pgdata": str(data),
        "pwfile": str(known),
        "username": "postgres",
        "auth-host": "scram-sha-256",
        "auth-local": "trust",
        "encoding": "UTF8",
        "locale": "C",
        "wal-segsize": "1",  # MiB, 16 by default: the image is smaller
    }
    _as_owner(data.parent, "initdb", "--no-sync", *(f"--{option}={value}" for option, value in options.items()))
    _as_owner(data.parent, "postgres", "--single", "-D", str(data), "-F", "-j", "postgres", stdin=f"{sql};\n\n")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")


def _as_owner(directory: Path, program: str, *arguments: str, stdin: str = "") -> None:
    owner = pwd.getpwnam(OWNER)
    ran = subprocess.run(
        [str(POSTGRES / program), *arguments],
        input=stdin,
        user=owner.pw_uid,
        group=owner.pw_gid,
        extra_groups=[],
        cwd=directory,
        env={**ENVIRONMENT, "TZ": "UTC"},  # it becomes the server's
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0 or "ERROR" in ran.stderr:  # with --single, an error of SQL is no failure
        raise ClusterError(f"{program} failed: {ran.stderr.strip()}")


def add_programs(names: Iterable[str], tar: tarfile.TarFile) -> None:
    """Add programs, by name or path, with the libraries that they load."""
    programs = [installed(name) for name in names]
    add_files([*programs, *sorted(libraries(programs))], tar)


def libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that programs and other libraries load."""
    ran = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True)
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", ran.stdout)}


def add_files(paths: Iterable[Path], tar: tarfile.TarFile) -> None:
    """Add files at the paths that they have on this machine, links as what they lead to."""
    for path in paths:
        tar.add(path.resolve(), str(path).lstrip("/"), recursive=False)


def _owned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid, entry.gid = USER, GROUP
    return entry
