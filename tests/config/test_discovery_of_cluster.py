"""The scrape jobs of the cluster itself: its API server, its kubelets and their containers."""

import re
from dataclasses import replace

import pytest

from constructs_lib.config import discovery
from constructs_lib.config.prometheus import Limits, ScrapeJob
from constructs_lib.units import Bytes
from tests.config.relabeling import target
from tests.minimal import CLUSTER


def test_the_api_server_is_scraped_by_its_endpoints() -> None:
    """Only the HTTPS port of the Service `kubernetes`, under the name that its certificate bears."""
    job = discovery.api_server()
    name, port = job.relabelings[0].source_labels
    address = {"__address__": "10.9.0.7:443"}
    assert target({**address, name: "kubernetes", port: "https"}, job) is not None
    assert target({**address, name: "kubernetes", port: "http"}, job) is None
    assert target({**address, name: "other", port: "https"}, job) is None
    assert job.discovery.namespaces == ("default",)
    assert job.to_dict()["tls_config"]["server_name"] == "kubernetes.default.svc"


@pytest.mark.trap(14)
def test_times_of_container_metrics_are_those_of_the_scrape() -> None:
    """cAdvisor's own timestamps come from a cache: a container that is gone would linger."""
    kubelet, cadvisor = discovery.nodes(CLUSTER)
    assert cadvisor.to_dict()["honor_timestamps"] is False
    assert "honor_timestamps" not in kubelet.to_dict()


@pytest.mark.trap(13)
def test_jobs_of_the_cluster_have_names_and_paths_of_their_own() -> None:
    """Rules select kubelets and containers by job, so that neither shows up under the other's name."""
    jobs = (discovery.api_server(), *discovery.nodes(CLUSTER))
    assert [(job.name, job.path) for job in jobs] == [
        ("apiserver", "/metrics"),
        ("kubelet", "/metrics"),
        ("cadvisor", "/metrics/cadvisor"),
    ]


@pytest.mark.parametrize("signed", [True, False])
def test_certificates_of_kubelets_are_verified_where_the_cluster_signs_them(signed: bool) -> None:
    """Verification is off only where kubelets sign for themselves."""
    for job in discovery.nodes(replace(CLUSTER, signed_kubelets=signed)):
        assert job.to_dict()["tls_config"].get("insecure_skip_verify", False) is not signed
        assert job.to_dict()["scheme"] == "https"


def test_the_cluster_itself_may_send_more_than_applications() -> None:
    """And as much more as it is told."""
    more = Limits(samples=300_000)
    assert {job.limits for job in (discovery.api_server(), *discovery.nodes(CLUSTER))} == {
        Limits(samples=200_000, body=Bytes.mib(256))
    }
    assert {job.limits for job in (discovery.api_server(more), *discovery.nodes(CLUSTER, more))} == {more}


@pytest.mark.parametrize(
    ("job", "dropped", "kept"),
    [
        (discovery.api_server(), "etcd_request_duration_seconds_bucket", "apiserver_request_duration_seconds_bucket"),
        (discovery.api_server(), "apiserver_request_sli_duration_seconds_bucket", "apiserver_request_total"),
        (discovery.nodes(CLUSTER)[0], "rest_client_request_duration_seconds_bucket", "kubelet_volume_stats_used_bytes"),
        (discovery.nodes(CLUSTER)[1], "container_network_tcp_usage_total", "container_network_receive_bytes_total"),
        (discovery.nodes(CLUSTER)[1], "container_blkio_device_usage_total", "container_memory_working_set_bytes"),
    ],
)
def test_series_that_cost_more_than_they_tell_are_dropped(job: ScrapeJob, dropped: str, kept: str) -> None:
    """And those that dashboards and rules read are kept."""
    (step,) = job.to_dict()["metric_relabel_configs"]
    assert (step["action"], step["source_labels"]) == ("drop", ["__name__"])
    assert re.fullmatch(step["regex"], dropped)
    assert not re.fullmatch(step["regex"], kept)
