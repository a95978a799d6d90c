"""The agent's image without Docker: what `agent/Dockerfile` makes, of this machine's Python and the locked packages."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.image import TRUSTED, Image
from tests.cluster.interpreter import DEBIAN_PYTHON, PYTHON, add_python, readable

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "agent" / "requirements.txt"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constructs_lib" / "agent"
HOME = "/opt/agent"
UNUSED = ("kubernetes/aio", "bin")  # as in the Dockerfile
SERVICES, USED = "botocore/data", ("cloudwatch", "s3", "sqs", "sts")  # of AWS: likewise


def agent_image(name: str) -> Image:
    """The agent; what pip installs for it is kept in `$XDG_CACHE_HOME/constructs_lib/agent`."""
    return Image(
        name=name,
        packages=("python3.11",),
        fill=_add_agent,
        entrypoint=(PYTHON, "-m", "constructs_lib.agent"),
        user="65534",
        environment={
            "PATH": "/bin:/usr/bin",
            "PYTHONPATH": HOME,
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_CA_BUNDLE": TRUSTED,
        },
    )


def _add_agent(tar: tarfile.TarFile) -> None:
    packages = _packages()
    add_python(tar, packages=[packages])
    tar.add(packages, HOME, filter=readable)
    for path in sources():
        tar.add(path, f"{HOME}/{path.relative_to(ROOT)}", filter=readable)


def sources() -> list[Path]:
    """What the image holds of this library: all that needs neither an engine nor the SDK of Grafana."""
    package = ROOT / "constructs_lib"
    left_out = (package / "aws", package / "kube", package / "dashboards")
    return [path for path in sorted(package.rglob("*.py")) if not any(path.is_relative_to(each) for each in left_out)]


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
        unused = [path for path in (made / SERVICES).iterdir() if path.is_dir() and path.name not in USED]
        for path in (*(made / each for each in UNUSED), *unused):
            shutil.rmtree(path)
        compile_all = (DEBIAN_PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
        _run(*compile_all, "-s", str(made), "-p", HOME, str(made))
        made.rename(packages)
    return packages


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise ClusterError(f"{' '.join(command)} failed: {ran.stderr.strip()}")
