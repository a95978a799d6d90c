"""Which targets each scrape job takes, and by which address."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.config.discovery import Annotated, PodsJob, annotation, number_range
from constructs_lib.config.prometheus import Limits
from constructs_lib.contract import Pods, PortRange
from constructs_lib.errors import ConstructError
from tests.config.relabeling import Labels, discovered_endpoint, discovered_pod, target

PORTS = st.integers(1, 65535)
API = PodsJob(job="api", pods=Pods.named("shop", "api"), ports=PortRange(8000, 8999))
DATABASE = PodsJob(job="db", pods=Pods.named("shop", "db"), ports=PortRange.only(2004), path="/stats")
PODS, SERVICES = Annotated(ports=PortRange(8000, 8999)).to_scrape_jobs("monitoring", [API], Limits())
YES = {"scrape": "true"}


@given(PORTS, PORTS, PORTS)
def test_a_range_of_numbers_matches_exactly_its_numbers(one: int, other: int, probe: int) -> None:
    """The pattern agrees with the comparison at both ends, just outside of them, and anywhere else."""
    first, last = sorted((one, other))
    pattern = re.compile(number_range(first, last))
    for number in {first - 1, first, last, last + 1, probe}:
        assert bool(pattern.fullmatch(str(number))) == (first <= number <= last), number


@pytest.mark.parametrize(("first", "last"), [(1, 65535), (8000, 9999), (80, 80), (9, 10), (99, 1000)])
def test_typical_ranges_match_no_other_number(first: int, last: int) -> None:
    """Every number up to 70000 is tried, and spellings with leading zeros never match."""
    pattern = re.compile(number_range(first, last))
    assert [n for n in range(70_000) if pattern.fullmatch(str(n))] == list(range(first, last + 1))
    assert not pattern.fullmatch(f"0{first}")


def test_meta_labels_are_spelled_as_prometheus_spells_them() -> None:
    """What label names cannot hold becomes an underscore."""
    assert annotation("pod", "port") == "__meta_kubernetes_pod_annotation_prometheus_io_port"


def test_a_declared_pod_has_the_address_of_its_single_port() -> None:
    """The port is the declared one, whichever port of the pod was discovered; the path is the job's."""
    found = target(discovered_pod(app="db", container_port=7473), DATABASE.to_scrape_job(Limits()))
    assert found == {
        "__address__": "10.1.2.3:2004",
        "__metrics_path__": "/stats",
        "namespace": "shop",
        "pod": "worker-1",
        "node": "node-1",
        "app": "db",
    }


def test_all_ports_of_a_declared_pod_are_one_target() -> None:
    """Discovery finds a pod once a port; with equal addresses and labels, Prometheus takes them for one target."""
    found = [
        target(discovered_pod(app="db", container_port=port), DATABASE.to_scrape_job(Limits())) for port in (1, 2, None)
    ]
    assert found[0] is not None
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("other", [{"app": "api-2"}, {"app": "xapi"}, {"namespace": "shop2"}, {"app": "a.i"}])
def test_other_pods_are_not_in_a_declared_job(other: dict[str, Any]) -> None:
    """Namespace and labels are compared as they stand, not as patterns."""
    assert target(discovered_pod(**{"app": "api", **other}), API.to_scrape_job(Limits())) is None


def test_a_declared_pod_may_name_its_port_and_path_within_the_open_range() -> None:
    """Of several open ports the annotation chooses one, and what it chooses beyond them is dropped."""
    job = API.to_scrape_job(Limits())
    chosen = target(discovered_pod(app="api", annotations={"port": "8888", "path": "/m"}), job)
    assert chosen is not None
    assert (chosen["__address__"], chosen["__metrics_path__"]) == ("10.1.2.3:8888", "/m")
    assert target(discovered_pod(app="api", annotations={"port": "9000"}), job) is None
    assert target(discovered_pod(app="api", container_port=5432), job) is None


@pytest.mark.trap(11)
@pytest.mark.parametrize("job", [API.to_scrape_job(Limits()), PODS], ids=["declared", "annotated"])
def test_the_port_annotation_works_for_both_address_families(job: Any) -> None:
    """An IPv6 address is put into brackets, an IPv4 address is not."""
    app = "api" if job.name == "api" else "worker"
    addresses = [
        (target(discovered_pod(app=app, ip=ip, annotations={**YES, "port": "8888"}), job) or {}).get("__address__")
        for ip in ("10.1.2.3", "fd00::1:2")
    ]
    assert addresses == ["10.1.2.3:8888", "[fd00::1:2]:8888"]


@pytest.mark.trap(11)
@pytest.mark.parametrize("address", ["10.1.2.3:8080", "[fd00::1:2]:8080"])
def test_the_port_annotation_of_a_service_works_for_both_address_families(address: str) -> None:
    """The annotated port replaces the discovered one, brackets or not."""
    found = {**discovered_endpoint(discovered_pod(), annotations={**YES, "port": "8888"}), "__address__": address}
    assert (target(found, SERVICES) or {})["__address__"] == address.replace("8080", "8888")


@pytest.mark.trap(11)
@pytest.mark.parametrize(
    "job", [API.to_scrape_job(Limits()), DATABASE.to_scrape_job(Limits()), PODS, SERVICES], ids=lambda job: job.name
)
@pytest.mark.parametrize("gone", [{"init": True}, {"phase": "Pending"}, {"phase": "Succeeded"}, {"phase": "Failed"}])
def test_init_containers_and_pods_that_do_not_run_are_no_targets(job: Any, gone: dict[str, Any]) -> None:
    """Each job keeps the same pod while it runs, and drops it otherwise."""
    app = job.name if job.name in {"api", "db"} else "worker"

    def found(**state: Any) -> Labels:
        pod = discovered_pod(app=app, annotations=YES if job is PODS else None, **state)
        return discovered_endpoint(pod, annotations=YES) if job is SERVICES else pod

    assert target(found(), job) is not None
    assert target(found(**gone), job) is None


@pytest.mark.trap(12)
@pytest.mark.parametrize("pod_says", [{}, YES])
@pytest.mark.parametrize("service_says", [{}, YES])
def test_a_pod_is_scraped_once_whoever_is_annotated(pod_says: dict[str, str], service_says: dict[str, str]) -> None:
    """The pod's annotation wins over its Service's: with both there is one target, and none with neither."""
    pod = discovered_pod(annotations=pod_says)
    found = [target(pod, PODS), target(discovered_endpoint(pod, annotations=service_says), SERVICES)]
    assert [labels is not None for labels in found] == [bool(pod_says), bool(service_says) and not pod_says]


@pytest.mark.trap(12)
def test_a_pod_of_a_dedicated_job_is_in_no_annotated_one() -> None:
    """A dedicated job wins over all annotations, for its own pods alone."""
    pod = discovered_pod(app="api", annotations=YES)
    assert target(pod, API.to_scrape_job(Limits())) is not None
    assert target(pod, PODS) is None
    assert target(discovered_endpoint(discovered_pod(app="api"), annotations=YES), SERVICES) is None
    assert target(discovered_pod(app="api", namespace="other", annotations=YES), PODS) is not None


@pytest.mark.parametrize("monitored_by", ["", "monitoring2", "xmonitoring"])
def test_namespaces_that_did_not_opt_in_are_left_alone(monitored_by: str) -> None:
    """The label of the namespace must name this monitoring."""
    pod = discovered_pod(annotations=YES, monitored_by=monitored_by)
    plain = discovered_pod(monitored_by=monitored_by)
    assert target(pod, PODS) is None
    assert target(discovered_endpoint(plain, annotations=YES), SERVICES) is None


def test_annotated_targets_where_the_network_is_closed_are_not_discovered() -> None:
    """A target that no policy lets Prometheus reach would only be down for ever."""
    assert target(discovered_pod(annotations={**YES, "port": "9000"}), PODS) is None
    assert target(discovered_endpoint(discovered_pod(), annotations={**YES, "port": "9000"}), SERVICES) is None


def test_an_annotated_pod_without_a_port_has_one_target_a_declared_port() -> None:
    """The discovered address stays."""
    found = target(discovered_pod(container_port=8123, annotations=YES), PODS)
    assert found is not None
    assert found["__address__"] == "10.1.2.3:8123"


def test_only_ports_of_an_annotated_service_count() -> None:
    """Discovery adds the pod's other ports: they count only when the annotation names a port."""
    pod = discovered_pod(container_port=8001)
    assert target(discovered_endpoint(pod, annotations=YES, declared=False), SERVICES) is None
    named = discovered_endpoint(pod, annotations={**YES, "port": "8002", "path": "/m"}, declared=False)
    found = target(named, SERVICES)
    assert found is not None
    assert (found["__address__"], found["__metrics_path__"]) == ("10.1.2.3:8002", "/m")


def test_an_endpoint_that_is_no_pod_is_no_target() -> None:
    """What a Service names by address has no policy that would let us through, and no phase."""
    pod = discovered_endpoint(discovered_pod(), annotations=YES)
    assert target(pod, SERVICES) is not None
    assert target({name: value for name, value in pod.items() if "_pod_" not in name}, SERVICES) is None


@pytest.mark.trap(79)
def test_an_annotated_pod_with_the_address_of_its_node_is_no_target() -> None:
    """No policy that names pods opens the way to it: it would only be down for ever."""
    pod = discovered_pod(annotations=YES, host_ip="10.1.2.3")
    plain = discovered_pod(host_ip="10.1.2.3")
    assert target(pod, PODS) is None
    assert target(discovered_endpoint(plain, annotations=YES), SERVICES) is None


def test_limits_are_those_of_the_job_or_the_usual_ones() -> None:
    """A declared job says what it may send, and has the defaults when it does not."""
    usual, own = Limits(samples=5), Limits(samples=7)
    assert API.to_scrape_job(usual).limits == usual
    assert replace(API, limits=own).to_scrape_job(usual).limits == own
    assert {job.limits for job in Annotated(ports=API.ports).to_scrape_jobs("m", [], usual)} == {usual}
    assert {job.limits for job in Annotated(ports=API.ports, limits=own).to_scrape_jobs("m", [], usual)} == {own}


def test_a_job_without_a_name_is_refused() -> None:
    """Prometheus refuses it, too."""
    with pytest.raises(ConstructError, match=r"the scrape job of .*shop.* has no name: give it one"):
        replace(API, job="")


def test_declared_pods_are_looked_for_in_their_namespace_alone() -> None:
    """A dedicated job watches one namespace, annotated ones watch all and need the labels of namespaces."""
    assert API.to_scrape_job(Limits()).discovery.to_dict() == {"role": "pod", "namespaces": {"names": ["shop"]}}
    assert PODS.discovery.to_dict() == {"role": "pod", "attach_metadata": {"namespace": True}}
    assert SERVICES.discovery.to_dict() == {"role": "endpointslice", "attach_metadata": {"namespace": True}}


def test_annotated_pods_speak_for_nobody_else() -> None:
    """Names of Prometheus' own series are dropped, and a label `origin` of theirs does not make them another team's."""
    for job in (PODS, SERVICES):
        forged, renamed, dropped = job.to_dict()["metric_relabel_configs"]
        assert forged["action"] == "drop"
        for name in ("up", "scrape_sample_limit", "ALERTS", "ALERTS_FOR_STATE", "service_code:http_requests:rate"):
            assert re.fullmatch(forged["regex"], name)
        for name in ("upper", "http_requests_total", "my_scrape_total"):
            assert not re.fullmatch(forged["regex"], name)
        assert (renamed["source_labels"], renamed["target_label"]) == (["origin"], "exported_origin")
        assert dropped == {"action": "labeldrop", "regex": "origin"}
