"""What was rendered, read back as data: the committed `dist/`, or an app that a test makes."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cdk8s
import yaml

from constructs_lib.kube import synth

Document = Mapping[str, Any]

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
ENVIRONMENTS = sorted(path.name for path in DIST.iterdir())
WORKLOADS = {"StatefulSet", "Deployment", "DaemonSet", "CronJob"}


def template(workload: Document) -> dict[str, Any]:
    """Of the pods of a workload."""
    found: dict[str, Any] = workload["spec"].get("jobTemplate", workload)["spec"]["template"]
    return found


def containers_of(pod: Document) -> dict[str, Document]:
    """All of a pod, by name, in the order in which they are started."""
    return {each["name"]: each for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])}


@dataclass(frozen=True, slots=True)
class Objects:
    """Kubernetes objects that were rendered together."""

    documents: Sequence[Document]

    def of(self, *kinds: str) -> list[Document]:
        return [document for document in self.documents if document["kind"] in kinds]

    def named(self, kind: str, name: str) -> Document:
        """The one object of this kind and name."""
        (document,) = (document for document in self.of(kind) if document["metadata"]["name"] == name)
        return document

    def only(self, kind: str) -> Document:
        """The one object of this kind."""
        (document,) = self.of(kind)
        return document

    def file(self, config_map: str, file: str) -> Any:
        """The data of one file of a ConfigMap."""
        return yaml.safe_load(self.named("ConfigMap", config_map)["data"][file])

    @property
    def workloads(self) -> list[Document]:
        return self.of(*WORKLOADS)

    @property
    def containers(self) -> list[Document]:
        return [each for workload in self.workloads for each in containers_of(template(workload)).values()]


def read(directory: Path) -> Objects:
    """All manifests below a directory."""
    files = sorted(directory.rglob("*.k8s.yaml"))
    assert files, f"nothing is rendered in {directory}"
    return Objects([document for file in files for document in yaml.safe_load_all(file.read_text())])


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a directory, byte for byte."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def text(*builds: Callable[[cdk8s.Chart], object]) -> str:
    """The manifest of one chart, as it is written."""
    with tempfile.TemporaryDirectory() as directory:
        app = cdk8s.App(outdir=directory)
        chart = cdk8s.Chart(app, "chart")
        for build in builds:
            build(chart)
        synth(app)
        return (Path(directory) / "chart.k8s.yaml").read_text()


def rendered(*builds: Callable[[cdk8s.Chart], object]) -> Objects:
    """The objects of one chart."""
    return Objects(list(yaml.safe_load_all(text(*builds))))
