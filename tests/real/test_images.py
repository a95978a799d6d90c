"""Images that are put together from this machine's packages hold all that they load."""

import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.agent import ROOT, USED, sources
from tests.cluster.fixture import needed
from tests.cluster.image import Image, layer
from tests.cluster.programs import installed, require
from tests.cluster.stand_in.database import PSQL
from tests.real.images import AGENT, GRAFANA, POSTGRES_CLIENTS, PROMETHEUS

# Every module that the agent's image holds of ours, and all packages that it was given.
IMPORT_ALL = """
import importlib, pkgutil
import boto3, constructs_lib, kubernetes, prometheus_client, promql_parser, pydantic, yaml
for module in pkgutil.walk_packages(constructs_lib.__path__, "constructs_lib."):
    importlib.import_module(module.name)
    print(module.name)
"""


ASK = """
import sys
import boto3
for service in sys.argv[1:]:
    print(boto3.Session("key", "secret").client(service, region_name="eu-central-1").meta.endpoint_url)
"""


def dotted(path: Path) -> str:
    """The name of one of our modules."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def unpacked(image: Image, directory: Path) -> Path:
    """The root file system of a container of this image."""
    with needed():
        require(image.packages)
    with tarfile.open(fileobj=io.BytesIO(layer(image))) as tar:
        tar.extractall(directory, filter="fully_trusted")  # noqa: S202 - made here
    directory.chmod(0o755)  # pytest's own are for their owner alone
    return directory


def run(image: Image, root: Path, *command: str) -> str:
    """What a command prints in this root, run as the image's user with its variables alone."""
    chroot = (installed("chroot"), f"--userspec={image.user}:{image.user}", root, *command)
    ran = subprocess.run(chroot, env=dict(image.environment), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def agent_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent's root file system."""
    return unpacked(AGENT, tmp_path_factory.mktemp("agent"))


def test_the_agent_loads_all_that_it_consists_of(agent_root: Path) -> None:
    """Its interpreter and packages, and each module of ours, without anything else of this machine."""
    loaded = run(AGENT, agent_root, AGENT.entrypoint[0], "-c", IMPORT_ALL).split()

    assert {dotted(path) for path in sources()} <= {"constructs_lib", *loaded}


def test_the_agent_knows_the_services_that_it_asks(agent_root: Path) -> None:
    """What describes the others is left out, and nothing that these need."""
    found = run(AGENT, agent_root, AGENT.entrypoint[0], "-c", ASK, *USED).split()

    hosts = {service: service for service in USED} | {"cloudwatch": "monitoring"}
    assert found == [f"https://{hosts[service]}.eu-central-1.amazonaws.com" for service in USED]


def test_the_agent_starts_by_its_entry_point(agent_root: Path) -> None:
    """As the user and with the variables that the image says."""
    assert "collect" in run(AGENT, agent_root, *AGENT.entrypoint, "--help")


def test_prometheus_image_has_the_cp_of_the_official_one(tmp_path: Path) -> None:
    """By it an init container hands promtool on."""
    root = unpacked(PROMETHEUS, tmp_path)
    run(PROMETHEUS, root, "/bin/cp", "/bin/promtool", "/tmp/promtool")  # noqa: S108 - of the image

    assert "promtool, version" in run(PROMETHEUS, root, "/tmp/promtool", "--version")  # noqa: S108 - of the image


def test_what_stands_for_grafana_loads_all_that_it_consists_of(tmp_path: Path) -> None:
    """Its interpreter, both of its databases' clients, and the start script, by the official image's user."""
    root = unpacked(GRAFANA, tmp_path)
    code = "import sqlite3, yaml; from tests.cluster.stand_in.server import main; print('whole')"

    assert run(GRAFANA, root, "/usr/bin/python3", "-c", code) == "whole\n"
    assert "psql (PostgreSQL) 15" in run(GRAFANA, root, PSQL, "--version")
    assert (root / GRAFANA.entrypoint[0].lstrip("/")).stat().st_mode & 0o111


def test_what_stands_for_postgresqls_clients_loads_all_that_it_consists_of(tmp_path: Path) -> None:
    """The shell finds them by the image's path, and what a script needs besides, as the user of a pod."""
    image = replace(POSTGRES_CLIENTS, user="65534")
    root = unpacked(image, tmp_path)
    script = (
        "for each in psql pg_dump pg_restore; do $each --version; done | sed 's/ (.*) / /' | cat | wc -l; rm --version"
    )

    said = run(image, root, "/bin/sh", "-euc", script)

    assert said.startswith("3\nrm (GNU coreutils)")
    assert "pg_dump (PostgreSQL) 15" in run(image, root, "/bin/sh", "-c", "pg_dump --version")
