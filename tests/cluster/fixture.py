"""The cluster, and what else must be there, for fixtures of pytest."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.errors import CannotRunError
from tests.cluster.foreign import ForeignCluster
from tests.cluster.image import Image
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.spec import ClusterSpec

FOREIGN = "PROVE_KUBECONFIG"


@contextmanager
def needed() -> Iterator[None]:
    """What a test needs: it is skipped where that cannot run.

    In CI a skipped test would look like a passed one, so there it fails.
    """
    try:
        yield
    except CannotRunError as error:
        if "CI" in os.environ:
            pytest.fail(str(error))
        pytest.skip(str(error))


@contextmanager
def running(spec: ClusterSpec, images: Iterable[Image] = ()) -> Iterator[Kubernetes]:
    """The cluster that `PROVE_KUBECONFIG` names, else our own; the test is skipped where there can be none."""
    kubeconfig = os.environ.get(FOREIGN)
    with ExitStack() as stack:
        with needed():
            cluster = ForeignCluster(Path(kubeconfig)) if kubeconfig else stack.enter_context(Cluster(spec, images))
        yield cluster
