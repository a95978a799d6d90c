"""The file prometheus.yml, field by field, and the YAML that it is written as."""

from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib.config import to_yaml
from constructs_lib.config.prometheus import (
    ClusterTls,
    KubernetesDiscovery,
    Limits,
    PrometheusConfig,
    Relabel,
    ScrapeDefaults,
    ScrapeJob,
    drop,
    drop_equal,
    keep,
    literally,
    replace,
)
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]))
)
PODS = KubernetesDiscovery(role="pod")


def job(name: str = "api", **more: Any) -> ScrapeJob:
    return ScrapeJob(name=name, **{"discovery": PODS, "limits": Limits(), **more})


def config(*jobs: ScrapeJob) -> PrometheusConfig:
    return PrometheusConfig(
        scrape=ScrapeDefaults(interval=timedelta(seconds=30), timeout=timedelta(seconds=20)),
        external_labels={"cluster": "blue"},
        retention_time=timedelta(days=15),
        retention_size=Bytes.gib(80),
        rule_files=("/rules/*.yaml",),
        jobs=jobs,
    )


@given(st.dictionaries(st.text(min_size=1), st.one_of(SCALARS, st.lists(SCALARS)), max_size=5))
def test_yaml_reads_back_as_the_same_data(document: dict[str, Any]) -> None:
    """Whatever is written is read back unchanged, in the same order."""
    read = yaml.safe_load(to_yaml(document))
    assert read == document
    assert list(read) == list(document)


def test_yaml_repeats_what_is_used_twice() -> None:
    """No anchors: people read these files."""
    shared = {"a": 1}
    assert to_yaml({"x": shared, "y": shared}) == "x:\n  a: 1\ny:\n  a: 1\n"


def test_global_settings() -> None:
    """Rules are evaluated as often as targets are scraped, and the limit of samples becomes a metric."""
    assert config().to_dict()["global"] == {
        "scrape_interval": "30s",
        "scrape_timeout": "20s",
        "evaluation_interval": "30s",
        "extra_scrape_metrics": True,
        "external_labels": {"cluster": "blue", "replica": "${POD_NAME}"},
    }


@pytest.mark.trap(7)
def test_retention_stands_in_the_file() -> None:
    """Both limits are written where Prometheus 3.11 and later read them."""
    assert config().to_dict()["storage"] == {"tsdb": {"retention": {"time": "15d", "size": "80GB"}}}


def test_rule_files_and_jobs_keep_their_order() -> None:
    """Jobs are written in the order that they were given in."""
    document = config(job("b"), job("a")).to_dict()
    assert document["rule_files"] == ["/rules/*.yaml"]
    assert [each["job_name"] for each in document["scrape_configs"]] == ["b", "a"]


def test_two_jobs_of_a_name_are_refused() -> None:
    """Prometheus would not start."""
    with pytest.raises(ConstructError, match="there are 2 scrape jobs of the name 'api': give each its own"):
        config(job(), job("other"), job(path="/other")).to_dict()


@pytest.mark.trap(15)
def test_every_job_reads_answers_without_a_content_type() -> None:
    """Prometheus 3 fails such a scrape unless the job says what to take it for."""
    assert job().to_dict()["fallback_scrape_protocol"] == "PrometheusText0.0.4"


def test_a_plain_job_says_what_it_scrapes_and_what_it_allows() -> None:
    """A job without TLS says nothing of a scheme, a token or timestamps."""
    assert job(relabelings=(keep("a", "b", regex="x"),)).to_dict() == {
        "job_name": "api",
        "metrics_path": "/metrics",
        "follow_redirects": False,
        "fallback_scrape_protocol": "PrometheusText0.0.4",
        "sample_limit": 10_000,
        "label_limit": 64,
        "label_value_length_limit": 4096,
        "body_size_limit": "32MB",
        "kubernetes_sd_configs": [{"role": "pod"}],
        "relabel_configs": [{"action": "keep", "source_labels": ["a", "b"], "regex": "x"}],
    }


def test_a_job_with_tls_shows_the_token_and_verifies() -> None:
    """The authority and the token are those that the service account gets."""
    tls = job(tls=ClusterTls(reads="nodes/metrics")).to_dict()
    directory = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert tls["scheme"] == "https"
    assert tls["tls_config"] == {"ca_file": f"{directory}/ca.crt"}
    assert tls["authorization"] == {"credentials_file": f"{directory}/token"}


@pytest.mark.parametrize(
    ("step", "written"),
    [
        (drop("a", regex="x"), {"action": "drop", "source_labels": ["a"], "regex": "x"}),
        (drop_equal("a", "b"), {"action": "dropequal", "source_labels": ["a"], "target_label": "b"}),
        (replace("t", "a"), {"action": "replace", "source_labels": ["a"], "target_label": "t"}),
        (
            replace("t", "a", regex="(.)", replacement="$1"),
            {"action": "replace", "source_labels": ["a"], "regex": "(.)", "target_label": "t", "replacement": "$1"},
        ),
    ],
)
def test_steps_of_relabeling_are_written_without_what_they_leave_open(step: Relabel, written: dict[str, Any]) -> None:
    """What is not given is Prometheus' own default."""
    assert step.to_dict() == written


def test_values_are_matched_as_they_stand() -> None:
    """What looks like a pattern is none, and values are joined as relabeling joins them."""
    assert literally("a.b", "c+") == r"a\.b;c\+"


@pytest.mark.trap(10)
@pytest.mark.parametrize(
    ("discovery", "rights"),
    [
        (KubernetesDiscovery(role="node"), {("", "nodes")}),
        (PODS, {("", "pods")}),
        (KubernetesDiscovery(role="pod", attach_namespace=True), {("", "pods"), ("", "namespaces")}),
        (
            KubernetesDiscovery(role="endpointslice"),
            {("discovery.k8s.io", "endpointslices"), ("", "services"), ("", "pods")},
        ),
    ],
    ids=["node", "pod", "namespaces", "endpointslice"],
)
def test_each_discovery_knows_the_rights_that_it_needs(
    discovery: KubernetesDiscovery, rights: set[tuple[str, str]]
) -> None:
    """The rights follow from the role: nobody has to remember the group of endpoint slices."""
    assert discovery.rights() == rights


@pytest.mark.parametrize("field", ["samples", "labels", "label_value_length"])
def test_a_limit_that_means_none_is_refused(field: str) -> None:
    """Prometheus takes 0 for "no limit"."""
    limits: dict[str, Any] = {field: 0}
    with pytest.raises(ConstructError, match=f"the limit of {field} is 0, which would mean none: use 1 or more"):
        Limits(**limits)


def test_a_limit_of_the_answer_that_no_target_meets_is_refused() -> None:
    """0 would mean no limit here, too."""
    with pytest.raises(ConstructError, match="the limit of an answer's size is 0: use 1Mi or more"):
        Limits(body=Bytes(0))


def test_the_least_limits_are_accepted() -> None:
    """One of each, and a mebibyte."""
    least = Limits(samples=1, labels=1, label_value_length=1, body=Bytes.mib(1))
    assert least.to_dict() == {
        "sample_limit": 1,
        "label_limit": 1,
        "label_value_length_limit": 1,
        "body_size_limit": "1MB",
    }


@pytest.mark.parametrize("interval", [timedelta(milliseconds=999), timedelta(seconds=121)])
def test_intervals_that_make_series_stale_are_refused(interval: timedelta) -> None:
    """From more than two minutes on, one lost scrape makes a series stale."""
    with pytest.raises(ConstructError, match=r"the scrape interval is .*: use 1s to 2m"):
        ScrapeDefaults(interval=interval, timeout=timedelta(milliseconds=1))


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(seconds=16)])
def test_timeouts_beyond_the_interval_are_refused(timeout: timedelta) -> None:
    """Prometheus refuses a timeout above the interval, and none at all would fail every scrape."""
    with pytest.raises(ConstructError, match=r"the scrape timeout is .*, the interval 15s: use a timeout above 0"):
        ScrapeDefaults(timeout=timeout)


@given(st.integers(1, 120))
def test_every_interval_has_a_timeout_that_fits(seconds: int) -> None:
    """Without a word, a scrape may take ten seconds, and never longer than the interval."""
    scrape = ScrapeDefaults(interval=timedelta(seconds=seconds))
    assert scrape.scrape_timeout == timedelta(seconds=min(10, seconds))
    assert ScrapeDefaults(interval=scrape.interval, timeout=scrape.interval).scrape_timeout == scrape.interval


@pytest.mark.trap(2)
def test_alerts_lose_the_label_that_tells_replicas_apart() -> None:
    """Both servers of a pair send each alert: only without their label are the two the same."""
    assert config().to_dict()["alerting"] == {"alert_relabel_configs": [{"action": "labeldrop", "regex": "replica"}]}


def test_a_job_without_a_name_is_refused() -> None:
    """Prometheus would refuse the whole file."""
    with pytest.raises(ConstructError, match="a scrape job has the name '', which Prometheus refuses: give it one"):
        job("")


def test_a_job_may_drop_series_by_name() -> None:
    """Each pattern matches whole names; without any, nothing is written."""
    assert job(dropped_metrics=("a.*", "b")).to_dict()["metric_relabel_configs"] == [
        {"action": "drop", "source_labels": ["__name__"], "regex": "a.*|b"}
    ]
    assert "metric_relabel_configs" not in job().to_dict()
