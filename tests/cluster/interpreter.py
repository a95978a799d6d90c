"""This machine's Python 3.11 for images, with its standard library."""

import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.cluster.debian import add_files, libraries

PYTHON = "/usr/bin/python3"
DEBIAN_PYTHON = "/usr/bin/python3.11"  # Debian 12's, as in the base of the agent's Dockerfile
STANDARD_LIBRARY = ("libpython3.11-minimal", "libpython3.11-stdlib")


def add_python(tar: tarfile.TarFile, *, packages: Iterable[Path] = (), programs: Iterable[Path] = ()) -> None:
    """Add it, with all that its extensions load.

    Args:
        packages: Directories of packages; what their extensions load is added too, they themselves are not.
        programs: Others that are added, with what they load.
    """
    library, started = list(_standard_library()), [Path(DEBIAN_PYTHON), *programs]
    others = [path for directory in packages for path in directory.rglob("*")]
    extensions = [path for path in (*library, *others) if ".so" in path.suffixes]
    inside = tuple(f"{directory}/" for directory in packages)
    loaded = {path for path in libraries([*started, *extensions]) if not str(path).startswith(inside)}
    add_files([*started, *library, *sorted(loaded)], tar)
    link = tarfile.TarInfo(PYTHON.lstrip("/"))
    link.type, link.linkname = tarfile.SYMTYPE, Path(DEBIAN_PYTHON).name
    tar.addfile(link)


def readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, and for all to read, whatever this machine's umask is."""
    entry.uid = entry.gid = 0
    entry.mode |= 0o555 if entry.isdir() else 0o444
    return entry


def _standard_library() -> Iterator[Path]:
    """The files of Debian's packages, and the bytecode that their installation made of them."""
    listed = subprocess.run(["dpkg", "-L", *STANDARD_LIBRARY], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        path = Path(line)
        if path.is_relative_to("/usr/lib") and path.is_file():
            yield path
            yield from path.parent.glob(f"__pycache__/{path.stem}.cpython-311.pyc")
