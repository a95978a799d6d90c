"""Every configuration that we write, and hundreds of random accepted ones, read by the real promtool."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from constructs_lib.config import to_yaml
from constructs_lib.config.discovery import (
    ANNOTATED_PODS,
    ANNOTATED_SERVICES,
    API_SERVER,
    CADVISOR,
    KUBELET,
    Annotated,
    PodsJob,
    api_server,
    nodes,
)
from constructs_lib.config.prometheus import Limits, PrometheusConfig, ScrapeDefaults
from constructs_lib.contract import NAME, Cluster, Pods, PortRange
from constructs_lib.units import Bytes
from tests.real.promtool import promtool

DIST = Path(__file__).parents[2] / "dist"
TOGETHER = 30  # so many configurations in one call


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_configuration_is_accepted(name: str, tmp_path: Path) -> None:
    """promtool reads prometheus.yml of every environment and finds nothing to remark."""
    documents = yaml.safe_load_all((DIST / name / "k8s" / "prometheus.k8s.yaml").read_text())
    (config,) = (document for document in documents if document["metadata"]["name"] == "prometheus-config")
    path = tmp_path / "prometheus.yml"
    path.write_text(config["data"]["prometheus.yml"])

    # The token and the authority that the file names exist in the cluster only, where the running program reads it.
    checked = promtool("check", "config", "--syntax-only", "--lint=all", "--lint-fatal", str(path))

    assert checked.returncode == 0, checked.stderr


NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
VALUES = st.from_regex(r"[a-zA-Z0-9]([-a-zA-Z0-9_.]{0,20}[a-zA-Z0-9])?", fullmatch=True)
PORTS = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(lambda pair: PortRange(min(pair), max(pair)))
LIMITS = st.builds(
    Limits,
    samples=st.integers(1, 10**7),
    labels=st.integers(1, 1000),
    label_value_length=st.integers(1, 10**5),
    body=st.integers(2**20, 2**34).map(Bytes),
)
PODS = st.builds(
    Pods,
    NAMES,
    st.dictionaries(st.sampled_from([NAME, "tier", "team.example.com/Name"]), VALUES, min_size=1).map(
        lambda labels: tuple(labels.items())
    ),
)
# Those of the cluster and of annotations; hypothesis draws words of the code, too.
TAKEN = {API_SERVER, KUBELET, CADVISOR, ANNOTATED_PODS, ANNOTATED_SERVICES}
JOB_NAMES = st.text(min_size=1, max_size=30).filter(lambda name: name not in TAKEN)
JOBS = st.lists(
    st.builds(PodsJob, job=JOB_NAMES, pods=PODS, ports=PORTS, limits=LIMITS),
    max_size=4,
    unique_by=lambda job: job.job,
)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """The text of a `prometheus.yml` from inputs that are all accepted."""
    seconds = draw(st.integers(1, 120))
    cluster = Cluster(
        name=draw(VALUES),
        environment=draw(VALUES),
        api_server=("10.0.0.0/8",),
        nodes=("10.0.0.0/8",),
        signed_kubelets=draw(st.booleans()),
    )
    declared = draw(JOBS)
    annotated = Annotated(ports=draw(PORTS), limits=draw(LIMITS)).to_scrape_jobs(draw(NAMES), declared, Limits())
    return to_yaml(
        PrometheusConfig(
            scrape=ScrapeDefaults(
                interval=timedelta(seconds=seconds),
                timeout=timedelta(milliseconds=draw(st.integers(1, seconds * 1000))),
            ),
            external_labels={"cluster": cluster.name, "environment": cluster.environment},
            retention_time=timedelta(minutes=draw(st.integers(120, 10**6))),
            retention_size=Bytes(draw(st.integers(1, 2**50))),
            rule_files=("/etc/prometheus/rules/*.yaml",),
            jobs=[api_server(), *nodes(cluster), *annotated, *(job.to_scrape_job(Limits()) for job in declared)],
        ).to_dict()
    )


@settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(configurations(), min_size=TOGETHER, max_size=TOGETHER))
def test_whatever_is_accepted_here_is_accepted_there(texts: list[str]) -> None:
    """Nothing that the constructs accept is refused by Prometheus: some hundreds of random configurations."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{number}.yml" for number in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)

        checked = promtool("check", "config", "--syntax-only", *map(str, paths))

        assert checked.returncode == 0, checked.stderr
