"""BlackboxExporter: what it asks, whom it may reach, and how Prometheus probes hosts through it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cdk8s
import pytest

from constructs_lib.config.blackbox import BEHIND_LOGIN, HttpsModule, ProbedHost
from constructs_lib.config.secrets import SecretKey
from constructs_lib.errors import ConstructError
from constructs_lib.kube import PrometheusHA, ScrapeDefaults
from constructs_lib.kube.blackbox_exporter import BlackboxExporter
from constructs_lib.promql import metric
from constructs_lib.rules.hosts import hosts
from constructs_lib.rules.model import RuleGroup
from tests.minimal import NAMESPACE, alert, prometheus, unrendered
from tests.policies import one_sided
from tests.rendered import Objects, rendered, text

GRAFANA = ProbedHost(url="https://grafana.example.com/api/health", addresses=("0.0.0.0/0",))
JAEGER = ProbedHost(url="https://jaeger.example.com:8443", addresses=("203.0.113.0/28",), module=BEHIND_LOGIN)
OWN = ProbedHost(
    url="https://own.example.com",
    addresses=("10.3.0.0/24",),
    module=HttpsModule(name="own", ca=SecretKey("authorities", "ca.crt")),
)


def exporter(chart: cdk8s.Chart, name: str = "blackbox-exporter") -> BlackboxExporter:
    return BlackboxExporter(chart, name, namespace=NAMESPACE, name=name)


def verbs(server: PrometheusHA, asks: BlackboxExporter) -> list[Callable[[], None]]:
    return [
        lambda: server.probe(asks, GRAFANA, OWN),
        lambda: server.probe(asks, JAEGER),
        lambda: server.scrape(asks.metrics),
        lambda: server.add_rules(hosts),
    ]


def build(chart: cdk8s.Chart, *, reverse: bool = False, times: int = 1) -> None:
    server, asks = prometheus(chart), exporter(chart)
    said = verbs(server, asks) * times
    for verb in reversed(said) if reverse else said:
        verb()


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair that probes an open host, one behind a login, and one of an authority of its own."""
    return rendered(build)


def jobs(objects: Objects) -> dict[str, dict[str, Any]]:
    declared = objects.file("prometheus-config", "prometheus.yml")["scrape_configs"]
    return {each["job_name"]: each for each in declared}


def container(objects: Objects) -> dict[str, Any]:
    (found,) = objects.named("Deployment", "blackbox-exporter")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_verbs_give_the_same_bytes_in_any_order_and_number() -> None:
    """Nothing depends on which host came first, nor on how often it was said."""
    assert text(build) == text(lambda chart: build(chart, reverse=True)) == text(lambda chart: build(chart, times=2))


def test_it_reads_the_modules_of_its_hosts(objects: Objects) -> None:
    """From a file in a directory that is mounted whole, and it starts anew when the file changes."""
    modules = objects.file("blackbox-exporter-config", "blackbox.yml")["modules"]
    assert list(modules) == ["behind-login", "open", "own"]
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] == "config")
    assert f"--config.file={mount['mountPath']}/blackbox.yml" in container(objects)["args"]
    assert "subPath" not in mount

    def restarts(*probed: ProbedHost) -> str:
        found = rendered(lambda chart: prometheus(chart).probe(exporter(chart), *probed))
        template = found.named("Deployment", "blackbox-exporter")["spec"]["template"]
        return str(template["metadata"]["annotations"]["constructs-lib/files"])

    assert restarts(GRAFANA) == restarts(GRAFANA, replace(GRAFANA, url="https://a.example.com"))
    assert restarts(GRAFANA) != restarts(GRAFANA, JAEGER)


def test_authorities_of_ones_own_are_where_its_module_looks(objects: Objects) -> None:
    """And their Secret is mounted for nobody else."""
    path = objects.file("blackbox-exporter-config", "blackbox.yml")["modules"]["own"]["http"]["tls_config"]["ca_file"]
    (mount,) = (each for each in container(objects)["volumeMounts"] if each["name"] != "config")
    assert path == f"{mount['mountPath']}/ca.crt"
    assert mount["readOnly"] is True
    plain = rendered(lambda chart: prometheus(chart).probe(exporter(chart), GRAFANA))
    assert [each["name"] for each in container(plain)["volumeMounts"]] == ["config"]


def test_it_has_no_right_but_to_ask(objects: Objects) -> None:
    """Not root, nothing to write to, and no token."""
    pod = objects.named("Deployment", "blackbox-exporter")["spec"]["template"]["spec"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 65534)
    assert pod["automountServiceAccountToken"] is False
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [each for each in objects.of("Role", "ClusterRole") if "blackbox" in each["metadata"]["name"]]


def test_it_reaches_its_hosts_and_nobody_else(objects: Objects) -> None:
    """By their addresses and ports, without what is private in a range of everything; Prometheus alone may ask it."""
    policy = objects.named("NetworkPolicy", "blackbox-exporter")["spec"]
    out = {
        (each["to"][0]["ipBlock"]["cidr"], each["ports"][0]["port"]): each["to"][0]["ipBlock"].get("except", [])
        for each in policy["egress"]
        if each["ports"][0]["port"] != 53
    }
    assert out.keys() == {("0.0.0.0/0", 443), ("203.0.113.0/28", 8443), ("10.3.0.0/24", 443)}
    assert "10.0.0.0/8" in out[("0.0.0.0/0", 443)]
    assert "169.254.0.0/16" in out[("0.0.0.0/0", 443)]
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9115}]
    assert rule["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "prometheus"
    assert one_sided(objects) == set()


def test_prometheus_does_not_reach_the_hosts(objects: Objects) -> None:
    """The exporter is asked in its place, once."""
    rules = objects.named("NetworkPolicy", "prometheus")["spec"]["egress"]
    assert not {443, 8443} & {port["port"] for rule in rules for port in rule["ports"] if "podSelector" in str(rule)}
    assert len([rule for rule in rules if {"protocol": "TCP", "port": 9115} in rule["ports"]]) == 1
    assert "203.0.113.0/28" not in str(rules)


def test_hosts_are_one_job_and_the_exporter_another(objects: Objects) -> None:
    """Every URL is one target of one job; what the exporter says of itself is scraped as of any pod."""
    found = jobs(objects)
    assert found["blackbox"]["static_configs"] == [
        {"targets": [JAEGER.url], "labels": {"__param_module": "behind-login"}},
        {"targets": [GRAFANA.url], "labels": {"__param_module": "open"}},
        {"targets": [OWN.url], "labels": {"__param_module": "own"}},
    ]
    assert found["blackbox"]["metrics_path"] == "/probe"
    assert found["blackbox"]["relabel_configs"][-1]["replacement"] == (
        "blackbox-exporter.monitoring.svc.cluster.local:9115"
    )
    assert found["blackbox-exporter"]["metrics_path"] == "/metrics"
    assert [name for name in found if "blackbox" in name] == ["blackbox-exporter", "blackbox"]


def test_modules_that_targets_name_are_there(objects: Objects) -> None:
    """Else the exporter would answer 400, and the target be down."""
    named = {each["labels"]["__param_module"] for each in jobs(objects)["blackbox"]["static_configs"]}
    assert named == objects.file("blackbox-exporter-config", "blackbox.yml")["modules"].keys()


def test_both_jobs_must_exist() -> None:
    """Alerts on hosts are silent when nobody asks: that is told by the alert on jobs without a target."""

    def build_it(chart: cdk8s.Chart) -> None:
        server = prometheus(chart)
        assert "blackbox" not in server.evaluator.jobs
        server.probe(exporter(chart), GRAFANA)
        assert {"blackbox", "blackbox-exporter"} < set(server.evaluator.jobs)

    rendered(build_it)


def test_rules_on_hosts_need_a_probe() -> None:
    """Without one, they could never fire."""
    group = RuleGroup(name="group", alerts=(alert(expr=f"{metric('probe_success', job='blackbox')} == 0"),))
    with pytest.raises(ConstructError, match=r"reads series of the job 'blackbox', which nothing scrapes"):
        rendered(lambda chart: prometheus(chart).add_rules(group))


def test_two_servers_may_probe_through_one_exporter() -> None:
    """Each opens its own way."""

    def two(chart: cdk8s.Chart) -> None:
        asks = exporter(chart)
        prometheus(chart, "one").probe(asks, GRAFANA)
        prometheus(chart, "two").probe(asks, GRAFANA)

    ingress = rendered(two).named("NetworkPolicy", "blackbox-exporter")["spec"]["ingress"]
    assert len(ingress) == 2


@pytest.mark.parametrize(
    "other",
    [
        replace(GRAFANA, addresses=("203.0.113.0/28",)),
        replace(GRAFANA, module=BEHIND_LOGIN),
        replace(GRAFANA, url="https://grafana.example.com:443/api/health"),
    ],
    ids=["addresses", "module", "spelling"],
)
def test_one_host_with_different_values_is_refused(other: ProbedHost) -> None:
    """One URL is one target."""
    chart = unrendered()
    server, asks = prometheus(chart), exporter(chart)
    server.probe(asks, GRAFANA)
    with pytest.raises(
        ConstructError, match=r"^blackbox-exporter asks https://grafana.* twice, differently: keep one$"
    ):
        server.probe(asks, other)


@pytest.mark.parametrize(
    "other",
    [
        replace(JAEGER, module=HttpsModule(name="open", codes=(204,))),
        ProbedHost(url="https://b.example.com", addresses=("192.0.2.0/24",), module=HttpsModule(name="open-ip6")),
    ],
    ids=["name", "name of another protocol"],
)
def test_two_modules_of_a_name_are_refused(other: ProbedHost) -> None:
    """One of them would be asked by the other's."""
    chart = unrendered()
    server, asks = prometheus(chart), exporter(chart)
    server.probe(asks, GRAFANA, replace(GRAFANA, url="https://six.example.com", addresses=("2001:db8::/32",)))
    with pytest.raises(
        ConstructError, match=r"^blackbox-exporter has two different modules 'open(-ip6)?': rename one$"
    ):
        server.probe(asks, other)


@pytest.mark.parametrize(
    ("timeout", "interval", "message"),
    [
        (5.0, 5, r"^the module open may take 5s, but the scrapes of prometheus end after 5s: use up to 4s500ms$"),
        (
            9.501,
            60,
            r"^the module open may take 9s501ms, but the scrapes of prometheus end after 10s: use up to 9s500ms",
        ),
    ],
    ids=["of the interval", "of the offset"],
)
def test_a_probe_that_outlasts_its_scrape_is_refused(timeout: float, interval: int, message: str) -> None:
    """The exporter would be given up before it could say that the host does not answer."""
    chart = unrendered()
    server = prometheus(chart, scrape=ScrapeDefaults(interval=timedelta(seconds=interval)))
    host = replace(GRAFANA, module=HttpsModule(name="open", timeout=timedelta(seconds=timeout)))
    with pytest.raises(ConstructError, match=message):
        server.probe(exporter(chart), host)


def test_the_longest_probe_ends_with_its_scrape() -> None:
    """Half a second before it, which is what the exporter is told to leave."""
    host = replace(GRAFANA, module=HttpsModule(name="open", timeout=timedelta(seconds=9.5)))
    found = rendered(lambda chart: prometheus(chart).probe(exporter(chart), host))
    assert "--timeout-offset=0.5" in container(found)["args"]


def test_a_second_exporter_is_refused() -> None:
    """Its job would be the same."""
    chart = unrendered()
    server = prometheus(chart)
    server.probe(exporter(chart), GRAFANA)
    with pytest.raises(ConstructError, match=r"^prometheus probes through two exporters, second is the second: keep "):
        server.probe(exporter(chart, "second"), JAEGER)


def test_an_exporter_that_nobody_asks_is_refused() -> None:
    """It would have no module."""
    with pytest.raises(ConstructError, match=r"^blackbox-exporter asks no host: let Prometheus probe one, or leave "):
        rendered(exporter)
