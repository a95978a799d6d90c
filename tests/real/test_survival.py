"""What running servers live through: a kill."""

from datetime import timedelta
from typing import Any

import pytest

from tests.cluster.kubernetes import Kubernetes
from tests.real.prometheus import PrometheusPod


@pytest.mark.stage(4)
@pytest.mark.trap(4)
@pytest.mark.trap(6)
def test_killed_server_comes_back_with_its_samples(
    cluster: Kubernetes, sample: dict[str, Any], killed: PrometheusPod
) -> None:
    """SIGKILL while it writes: it replays its log within the startup probe's time and still has what it had."""
    cluster.wait_ready("monitoring", f"pod/{killed.name}", timeout=timedelta(minutes=15))
    assert killed.query(f'up{{job="prometheus",pod="{killed.name}"}}', time=sample["value"][0]) == [sample]
