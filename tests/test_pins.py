"""What is shipped is what is proven: the versions of images and packages are those that the tests build and run."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from constructs_lib import versions
from constructs_lib.image import Image

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "tools"
# Image -> the module of its program, and that module's spelling of a release's version.
AS_IT_IS = ("(.*)", r"\1")
# A release has two numbers: https://github.com/jaegertracing/jaeger/blob/v1.76.0/CHANGELOG.md
JAEGER = ("jaeger", "github.com/jaegertracing/jaeger", r"2\.13\.(\d+)", r"v1.76.\1")
MODULES = {
    versions.PROMETHEUS: ("prometheus", "github.com/prometheus/prometheus", r"v3\.(\d+)\.(\d+)", r"v0.3\1.\2"),
    versions.ALERTMANAGER: ("alertmanager", "github.com/prometheus/alertmanager", *AS_IT_IS),
    versions.CONFIG_RELOADER: ("config-reloader", "github.com/prometheus-operator/prometheus-operator", *AS_IT_IS),
    versions.NODE_EXPORTER: ("node_exporter", "github.com/prometheus/node_exporter", *AS_IT_IS),
    versions.KUBE_STATE_METRICS: ("kube-state-metrics", "k8s.io/kube-state-metrics/v2", *AS_IT_IS),
    versions.POSTGRES_EXPORTER: ("postgres_exporter", "github.com/prometheus-community/postgres_exporter", *AS_IT_IS),
    versions.REDIS_EXPORTER: ("redis_exporter", "github.com/oliver006/redis_exporter", *AS_IT_IS),
    versions.LOKI: ("loki", "github.com/grafana/loki/v3", "(.*)", r"v\1"),
    versions.ALLOY: ("alloy", "github.com/grafana/alloy", *AS_IT_IS),
    versions.JAEGER: JAEGER,
    versions.JAEGER_INDEX_CLEANER: JAEGER,
    versions.BLACKBOX_EXPORTER: ("blackbox_exporter", "github.com/prometheus/blackbox_exporter", *AS_IT_IS),
    versions.OAUTH2_PROXY: ("oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7", *AS_IT_IS),
}
# Grafana's server cannot be built from modules, since a part of it is made by other tools: the tests read its files.
# PostgreSQL is none of Go: the tests run its server and its clients as Debian builds them, of another major version.
POSTGRES = {versions.POSTGRES_15, versions.POSTGRES_16, versions.POSTGRES_17, versions.POSTGRES_18}
NOT_RUN = {versions.GRAFANA, *POSTGRES}


def test_every_image_has_a_module():
    """No image is shipped whose program is not built for the tests, unless it is said why."""
    shipped = {value for value in vars(versions).values() if isinstance(value, Image)}

    assert shipped - NOT_RUN == MODULES.keys()
    assert shipped >= NOT_RUN


def required(directory: str, module: str) -> str:
    """The version of a module by which a tool is built."""
    found = re.search(rf"^\t?(?:require )?{module} (v\S+)", (TOOLS / directory / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("image", MODULES, ids=lambda image: image.repository)
def test_shipped_version_is_the_built_version(image: Image):
    """The module that is built is the version whose image is shipped."""
    directory, module, release, spelling = MODULES[image]
    assert required(directory, module) == re.sub(f"^{release}$", spelling, image.tag)


def test_blocks_of_tests_are_written_by_the_shipped_version() -> None:
    """What is backed up and restored is of the Prometheus that reads it."""
    directory, module, *_ = MODULES[versions.PROMETHEUS]
    assert required("blocks", module) == required(directory, module)


def pins(file: str) -> dict[str, str]:
    """Package -> version, of a lock file."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements ask for."""
    return {re.split(r"[<>=]", requirement)[0] for requirement in requirements}


def test_the_agent_runs_on_the_packages_that_are_tested() -> None:
    """The agent's image holds no other version than the unit tests run on, and not the engine."""
    agent = pins("agent/requirements.txt")

    assert agent.items() <= pins("requirements.txt").items()
    assert "kubernetes" in agent
    assert not {"cdk8s", "constructs", "jsii"} & agent.keys()


def test_the_agents_image_holds_what_its_extra_asks_for() -> None:
    """Beyond the extra, the image holds packages of the library itself, and not all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extra = names(project["project"]["optional-dependencies"]["agent"])

    assert extra < names(project["dependency-groups"]["agent"])
    assert names(project["dependency-groups"]["agent"]) <= extra | names(project["project"]["dependencies"])


@pytest.mark.parametrize(
    ("file", "address"),
    [
        ("requirements.txt", "://"),
        ("agent/requirements.txt", "://"),
        ("package-lock.json", '"resolved"'),
        ("benchmarks/cdk/package-lock.json", '"resolved"'),
    ],
)
def test_locks_name_no_registry(file: str, address: str) -> None:
    """Packages are known by their hashes, so that a mirror of any site can serve them."""
    assert address not in (ROOT / file).read_text()


def test_typescript_is_measured_with_the_same_cdk() -> None:
    """Both sides of the benchmark of templates are of one release."""
    package = json.loads((ROOT / "benchmarks" / "cdk" / "package.json").read_text())

    assert package["dependencies"].items() <= pins("requirements.txt").items()
    assert "aws-cdk-lib" in package["dependencies"]
