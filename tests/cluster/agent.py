"""The agent's image without Docker: what `agent/Dockerfile` makes, of this machine's Python and the locked packages."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.debian import add_files, libraries
from tests.cluster.errors import ClusterError
from tests.cluster.image import Image

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "agent" / "requirements.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constructs_lib" / "agent"
HOME = "/opt/agent"
PYTHON = "/usr/bin/python3"
DEBIAN_PYTHON = "/usr/bin/python3.11"  # Debian 12's, as in the Dockerfile's base
STANDARD_LIBRARY = ("libpython3.11-minimal", "libpython3.11-stdlib")
UNUSED = ("kubernetes/aio", "bin")  # as in the Dockerfile


def agent_image(name: str) -> Image:
    """The agent; what pip installs for it is kept in `$XDG_CACHE_HOME/constructs_lib/agent`."""
    return Image(
        name=name,
        packages=("python3.11",),
        fill=_add_agent,
        entrypoint=(PYTHON, "-m", "constructs_lib.agent"),
        user="65534",
        environment={"PATH": "/bin:/usr/bin", "PYTHONPATH": HOME, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _add_agent(tar: tarfile.TarFile) -> None:
    packages = _packages()
    library = list(_standard_library())
    extensions = [path for path in (*library, *packages.rglob("*")) if ".so" in path.suffixes]
    loaded = {path for path in libraries([Path(DEBIAN_PYTHON), *extensions]) if not path.is_relative_to(packages)}
    add_files([Path(DEBIAN_PYTHON), *library, *sorted(loaded)], tar)
    link = tarfile.TarInfo(PYTHON.lstrip("/"))
    link.type, link.linkname = tarfile.SYMTYPE, Path(DEBIAN_PYTHON).name
    tar.addfile(link)
    tar.add(packages, HOME, filter=_readable)
    for path in sources():
        tar.add(path, f"{HOME}/{path.relative_to(ROOT)}", filter=_readable)


def sources() -> list[Path]:
    """What the image holds of this library: all that needs no engine."""
    package = ROOT / "constructs_lib"
    return [path for path in sorted(package.rglob("*.py")) if not path.is_relative_to(package / "kube")]


def _standard_library() -> Iterator[Path]:
    """The files of Debian's packages, and the bytecode that their installation made of them."""
    listed = subprocess.run(["dpkg", "-L", *STANDARD_LIBRARY], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        path = Path(line)
        if path.is_relative_to("/usr/lib") and path.is_file():
            yield path
            yield from path.parent.glob(f"__pycache__/{path.stem}.cpython-311.pyc")


def _packages() -> Path:
    """The locked packages in a directory, compiled, once for each lock."""
    packages = CACHE / hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:16]
    if packages.exists():
        return packages
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        made = Path(scratch, "packages")
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile")
        wheels = ("--python-version", "3.11", "--only-binary", ":all:", "--require-hashes")
        _run(*pip, *wheels, "--target", str(made), "--requirement", str(LOCK))
        for path in UNUSED:
            shutil.rmtree(made / path)
        compile_all = (DEBIAN_PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
        _run(*compile_all, "-s", str(made), "-p", HOME, str(made))
        made.rename(packages)
    return packages


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed: {ran.stderr.strip()}")


def _readable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Root's, and for all to read, whatever this machine's umask is."""
    entry.uid = entry.gid = 0
    entry.mode |= 0o555 if entry.isdir() else 0o444
    return entry
