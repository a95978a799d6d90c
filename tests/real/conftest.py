"""What all tests on real programs share: one cluster, built to the values of prod."""

from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from apps.environments import PROD
from constructs_lib import versions
from tests.cluster.fixture import running
from tests.cluster.image import Image
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.spec import ClusterSpec

# The official images' programs, at their paths, and a client for tests of what the pod may reach.
PROMETHEUS = Image(
    name=versions.PROMETHEUS.reference(),
    programs={"prometheus": "bin/prometheus", "promtool": "bin/promtool", "probe": "probe"},
    entrypoint=("/bin/prometheus",),
    user="65534",
)


def prod_cluster() -> ClusterSpec:
    """A cluster in which the addresses of prod's values are true."""
    spec = ClusterSpec(node_range=IPv4Network(PROD.nodes[0]), storage_class="gp3", create_storage_class=False)
    endpoints = [IPv4Network(cidr) for cidr in PROD.api_server]
    assert all(any(address in cidr for cidr in endpoints) for address in (spec.api_service, spec.control_plane))
    assert PROD.api_server_port == 443
    return spec


@pytest.fixture(scope="session")
def cluster() -> Iterator[Kubernetes]:
    """One cluster for the whole run."""
    with running(prod_cluster(), images=[PROMETHEUS]) as cluster:
        yield cluster
