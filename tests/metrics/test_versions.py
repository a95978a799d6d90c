"""What is said of a program is said of the version that is shipped and that the tests run."""

import re
from pathlib import Path

import pytest

from apps.environments import PROD
from constructs_lib import __version__, versions
from constructs_lib.image import Image
from constructs_lib.metrics.alertmanager import ALERTMANAGER
from constructs_lib.metrics.alloy import ALLOY
from constructs_lib.metrics.application import APPLICATION
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.blackbox_exporter import BLACKBOX_EXPORTER
from constructs_lib.metrics.cadvisor import CADVISOR
from constructs_lib.metrics.collector import COLLECTOR
from constructs_lib.metrics.jaeger import JAEGER_COLLECTOR, JAEGER_QUERY, SPAN_METRICS
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS, TELEMETRY
from constructs_lib.metrics.kubelet import KUBELET
from constructs_lib.metrics.loki import LOKI
from constructs_lib.metrics.model import Program
from constructs_lib.metrics.models import MODELS
from constructs_lib.metrics.node_exporter import NODE_EXPORTER
from constructs_lib.metrics.postgres import POSTGRES_EXPORTER
from constructs_lib.metrics.prometheus import PROMETHEUS, SCRAPE
from constructs_lib.metrics.redis import REDIS_EXPORTER
from tests.rules.test_contracts import PROGRAMS

# tests/test_pins.py compares the images with the modules.
IMAGES = {
    ALERTMANAGER.name: (ALERTMANAGER, versions.ALERTMANAGER),
    ALLOY.name: (ALLOY, versions.ALLOY),
    BLACKBOX_EXPORTER.name: (BLACKBOX_EXPORTER, versions.BLACKBOX_EXPORTER),
    JAEGER_COLLECTOR.name: (JAEGER_COLLECTOR, versions.JAEGER),
    JAEGER_QUERY.name: (JAEGER_QUERY, versions.JAEGER),
    LOKI.name: (LOKI, versions.LOKI),
    TELEMETRY.name: (TELEMETRY, versions.KUBE_STATE_METRICS),
    KUBE_STATE_METRICS.name: (KUBE_STATE_METRICS, versions.KUBE_STATE_METRICS),
    NODE_EXPORTER.name: (NODE_EXPORTER, versions.NODE_EXPORTER),
    POSTGRES_EXPORTER.name: (POSTGRES_EXPORTER, versions.POSTGRES_EXPORTER),
    PROMETHEUS.name: (PROMETHEUS, versions.PROMETHEUS),
    REDIS_EXPORTER.name: (REDIS_EXPORTER, versions.REDIS_EXPORTER),
    SCRAPE.name: (SCRAPE, versions.PROMETHEUS),
    SPAN_METRICS.name: (SPAN_METRICS, versions.JAEGER),
}
# Parts of the cluster, which sites choose; the tests run one version.
CLUSTER = {CADVISOR.name: CADVISOR, KUBELET.name: KUBELET}
# Written by others, to the library's contract.
OTHERS = {APPLICATION.name, MODELS.name}
# Ours, of the very version of the library.
OURS = {BACKUP.name, COLLECTOR.name}
TOOLS = Path(__file__).parents[2] / "tools"


def test_every_program_has_a_version_that_is_compared() -> None:
    """Or is written by others, or here."""
    assert {program.name for program in PROGRAMS} == IMAGES.keys() | CLUSTER.keys() | OTHERS | OURS
    assert BACKUP.version == COLLECTOR.version == PROD.agent_image.tag == __version__


@pytest.mark.parametrize(("program", "image"), IMAGES.values(), ids=IMAGES)
def test_metrics_are_those_of_the_shipped_version(program: Program, image: Image) -> None:
    """And they were looked up in the source of that version where the source says one; not all tags begin with a v."""
    assert image.tag.removeprefix("v") == program.version
    assert set(re.findall(r"v(\d+\.\d+\.\d+)", program.source)) <= {program.version}


@pytest.mark.parametrize("program", CLUSTER.values(), ids=CLUSTER)
def test_metrics_of_the_cluster_are_those_of_the_version_that_tests_run(program: Program) -> None:
    """The minor version counts."""
    required = (TOOLS / "kubernetes" / "go.mod").read_text()
    (kubernetes,) = re.findall(r"^\t?(?:require )?k8s\.io/kubernetes v(\d+\.\d+)\.\d+$", required, re.MULTILINE)
    (cadvisor,) = re.findall(r"^\tgithub\.com/google/cadvisor (v\S+)", required, re.MULTILINE)

    assert program.version == kubernetes
    assert set(re.findall(r"v\d+\.\d+\.\d+", program.source)) <= {cadvisor}
