"""What is shipped is what is proven: the images' versions and the modules that the tests build agree."""

import re
from pathlib import Path

import pytest

from constructs_lib import versions
from constructs_lib.image import Image

TOOLS = Path(__file__).parent.parent / "tools"
# Image -> the module of its program, and that module's spelling of a release's version.
AS_IT_IS = ("(.*)", r"\1")
MODULES = {
    versions.PROMETHEUS: ("prometheus", "github.com/prometheus/prometheus", r"v3\.(\d+)\.(\d+)", r"v0.3\1.\2"),
    versions.ALERTMANAGER: ("alertmanager", "github.com/prometheus/alertmanager", *AS_IT_IS),
    versions.CONFIG_RELOADER: ("config-reloader", "github.com/prometheus-operator/prometheus-operator", *AS_IT_IS),
    versions.NODE_EXPORTER: ("node_exporter", "github.com/prometheus/node_exporter", *AS_IT_IS),
    versions.KUBE_STATE_METRICS: ("kube-state-metrics", "k8s.io/kube-state-metrics/v2", *AS_IT_IS),
    versions.POSTGRES_EXPORTER: ("postgres_exporter", "github.com/prometheus-community/postgres_exporter", *AS_IT_IS),
    versions.REDIS_EXPORTER: ("redis_exporter", "github.com/oliver006/redis_exporter", *AS_IT_IS),
}


def test_every_image_has_a_module():
    """No image is shipped whose program is not built for the tests."""
    shipped = {value for value in vars(versions).values() if isinstance(value, Image)}

    assert shipped == MODULES.keys()


@pytest.mark.parametrize("image", MODULES, ids=lambda image: image.repository)
def test_shipped_version_is_the_built_version(image: Image):
    """The module that is built is the version whose image is shipped."""
    directory, module, release, spelling = MODULES[image]
    required = re.search(rf"^\t?(?:require )?{module} (v\S+)", (TOOLS / directory / "go.mod").read_text(), re.MULTILINE)

    assert required is not None
    assert required[1] == re.sub(f"^{release}$", spelling, image.tag)
