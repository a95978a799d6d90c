"""What is rendered for Grafana is in order, as far as what stands for it on the test cluster knows Grafana."""

from pathlib import Path

import pytest

from tests.cluster.stand_in.check import check
from tests.mounted import environment, mounted
from tests.rendered import DIST, ENVIRONMENTS, Objects, read

IN_POD = {"status.podIP": "10.0.0.7", "metadata.name": "grafana-0", "metadata.namespace": "monitoring"}
SECRETS = {
    "grafana": dict.fromkeys(("admin-password", "secret-key", "postgres-password", "postgres-ca"), "secret"),
    "grafana-metrics": {"password": "secret"},
}


def checked(objects: Objects, root: Path) -> list[str]:
    """What is wrong with Grafana's files."""
    workload = objects.named("StatefulSet", "grafana")
    mounted(objects, workload, root, SECRETS)
    return check(root, environment(workload, IN_POD))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_nothing_is_wrong_with_what_is_rendered(name: str, tmp_path: Path) -> None:
    """Settings, data sources with their links, and dashboards, as they are mounted."""
    assert checked(read(DIST / name), tmp_path) == []


def test_a_fault_would_be_told(tmp_path: Path) -> None:
    """A data source that is taken away is missed by whatever leads to it, and by dashboards."""
    objects = read(DIST / "prod")
    sources = objects.named("ConfigMap", "grafana-datasources")["data"]
    sources["datasources.yaml"] = sources["datasources.yaml"].replace("uid: loki", "uid: logs")

    faults = checked(objects, tmp_path)

    assert any("tracesToLogsV2 leads to 'loki'" in fault for fault in faults)
    assert any(fault.startswith("/etc/grafana/dashboards/logs/logs.json: ") for fault in faults)
