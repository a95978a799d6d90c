"""The image that stands for Grafana's, whose server cannot be built here: see `tests.cluster.stand_in`."""

import importlib.metadata
import io
import tarfile
from pathlib import Path

from tests.cluster.image import Image
from tests.cluster.interpreter import PYTHON, add_python, readable
from tests.cluster.stand_in.database import PSQL
from tests.cluster.stand_in.settings import IMAGE

ROOT = Path(__file__).parents[2]
HOME = "/opt/stand-in"
PACKAGE = "pyyaml"  # the half of it that is Python's own; the version is the one that the tests run on
USER = 472
START = f"#!{PYTHON}\nfrom tests.cluster.stand_in.server import main\nimport sys\nmain(sys.argv[1:])\n"
SCRIPT = "/run.sh"


def grafana_image(name: str) -> Image:
    """Grafana's stand-in, with the entry point, the user, the variables and the directories of the official image.

    Source: https://github.com/grafana/grafana/blob/main/Dockerfile
    """
    return Image(
        name=name,
        packages=("python3.11", "postgresql-client-15"),
        files={"etc/passwd": f"root:x:0:0::/:\ngrafana:x:{USER}:0::{IMAGE['GF_PATHS_HOME']}:\n".encode()},
        fill=_add_grafana,
        entrypoint=(SCRIPT,),
        user=f"{USER}",
        directories=(IMAGE["GF_PATHS_DATA"], IMAGE["GF_PATHS_LOGS"]),
        environment={
            "PATH": "/bin:/usr/bin",
            "PYTHONPATH": HOME,
            "PYTHONDONTWRITEBYTECODE": "1",
            **IMAGE,
        },
    )


def sources() -> list[Path]:
    """What the image holds of the tests: the stand-in, and the packages that it is in."""
    stand_in = ROOT / "tests" / "cluster" / "stand_in"
    return [ROOT / "tests" / "__init__.py", ROOT / "tests" / "cluster" / "__init__.py", *sorted(stand_in.glob("*.py"))]


def _add_grafana(tar: tarfile.TarFile) -> None:
    add_python(tar, programs=[Path(PSQL)])
    for path in sources():
        tar.add(path, f"{HOME}/{path.relative_to(ROOT)}", filter=readable)
    for file in importlib.metadata.files(PACKAGE) or []:
        if file.suffix == ".py":
            tar.add(Path(str(file.locate())), f"{HOME}/{file}", filter=readable)
    script = tarfile.TarInfo(SCRIPT.lstrip("/"))
    script.size, script.mode = len(START), 0o755
    tar.addfile(script, io.BytesIO(START.encode()))
