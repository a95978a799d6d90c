"""The ruler of Loki: where its rules come from, who hears, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import cdk8s
import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import Links
from constructs_lib.rules.log_model import LinesProof, LogAlert, LogRuleGroup
from constructs_lib.rules.model import Severity
from tests.minimal import NAMESPACE, alertmanager, loki, unrendered
from tests.policies import one_sided
from tests.rendered import Objects, rendered

LOGINS = LogRuleGroup(
    name="logins",
    alerts=(
        LogAlert(
            name="LoginsRefused",
            streams={"namespace": "shop"},
            texts=("refused",),
            by=("pod",),
            within=timedelta(minutes=5),
            severity=Severity.WARNING,
            team="backend",
            summary="Logins are refused.",
            description="{{ $labels.pod }} refuses logins.",
            proof=LinesProof(counted=("refused",), spared=()),
        ),
    ),
)
LINKS = Links(external_url="https://grafana.example.com", runbooks="https://runbooks.example.com")


def build(chart: cdk8s.Chart) -> None:
    who_hears = alertmanager(chart)
    for name, more in (("loki", {}), ("single", {"replicas": 1, "store": None})):
        store = loki(chart, name, **more)
        store.add_rules(LOGINS)
        store.send_alerts_to(who_hears, links=LINKS)
        store.add_rules(LOGINS)
        store.send_alerts_to(who_hears, links=LINKS)


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Three pods with a bucket and a single one with its volume, which evaluate one alert."""
    return rendered(build)


def test_without_rules_there_is_no_ruler() -> None:
    """And no way to anybody who would hear."""
    objects = rendered(lambda chart: loki(chart) and None)
    assert "ruler" not in objects.file("loki-config", "loki.yaml")
    assert "loki-rules" not in {each["metadata"]["name"] for each in objects.of("ConfigMap")}


@pytest.mark.trap(57)
def test_rules_are_files_of_nobodys_tenant(objects: Objects) -> None:
    """Mounted where Loki reads them and nobody else can write; what it writes itself is on the volume."""
    (mount,) = (
        each
        for each in objects.named("StatefulSet", "loki")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        if each["name"] == "rules"
    )
    ruler = objects.file("loki-config", "loki.yaml")["ruler"]

    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/loki/rules/fake", True)
    assert ruler["storage"] == {"type": "local", "local": {"directory": "/etc/loki/rules"}}
    assert {ruler["rule_path"], ruler["wal"]["dir"]} == {"/loki/rules", "/loki/ruler-wal"}
    assert objects.file("loki-rules", "logins.yaml") == LOGINS.to_dict("https://runbooks.example.com")


def test_every_member_of_alertmanager_is_told_by_one_member_of_loki(objects: Objects) -> None:
    """By the names that they have, with the labels that alerts on metrics have, too."""
    ruler = objects.file("loki-config", "loki.yaml")["ruler"]

    assert ruler["alertmanager_url"].split(",") == [
        f"http://alertmanager-{member}.alertmanager-headless.monitoring.svc.cluster.local:9093" for member in range(2)
    ]
    assert ruler["external_labels"] == NAMESPACE.cluster.labels
    assert ruler["external_url"] == "https://grafana.example.com"
    assert ruler["enable_sharding"] is True
    assert objects.file("single-config", "loki.yaml")["ruler"]["enable_sharding"] is False


def test_the_way_to_alertmanager_is_open_on_both_sides(objects: Objects) -> None:
    """From each of the two stores."""
    assert not one_sided(objects)
    for name in ("loki", "single"):
        egress = objects.named("NetworkPolicy", name)["spec"]["egress"]
        (rule,) = (each for each in egress if {"protocol": "TCP", "port": 9093} in each["ports"])
        assert rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "alertmanager"


def test_a_change_of_rules_restarts_nothing() -> None:
    """Loki reads them again by itself."""

    def annotations(*groups: LogRuleGroup) -> dict[str, str]:
        def with_rules(chart: cdk8s.Chart) -> None:
            store = loki(chart)
            store.add_rules(*groups)
            store.send_alerts_to(alertmanager(chart), links=LINKS)

        template = rendered(with_rules).named("StatefulSet", "loki")["spec"]["template"]
        found: dict[str, str] = template["metadata"]["annotations"]
        return found

    assert annotations(LOGINS) == annotations(LOGINS, replace(LOGINS, name="more"))


def test_rules_need_somebody_who_hears_and_the_other_way_round() -> None:
    """When rendered, since either may come first."""
    chart = unrendered()
    store = loki(chart)
    store.add_rules(LOGINS)
    with pytest.raises(ConstructError, match="loki has rules, but nobody would hear of an alert: call send_alerts_to"):
        assert store.config
    silent = loki(chart, "silent")
    silent.send_alerts_to(alertmanager(chart), links=LINKS)
    with pytest.raises(ConstructError, match="silent sends alerts, but has no rules: add some, or leave send_alerts"):
        assert silent.config


def test_rules_that_come_too_late_are_refused() -> None:
    """The alerts on the ruler were left out by then, by whoever asked for the configuration to make them."""
    chart = unrendered()
    store = loki(chart)
    assert store.config.ruler is None
    for late in (
        lambda: store.add_rules(LOGINS),
        lambda: store.send_alerts_to(alertmanager(chart), links=LINKS),
    ):
        with pytest.raises(ConstructError, match="loki gets rules after its config was asked for, so that no alert"):
            late()


def test_two_ways_to_say_the_same_are_refused() -> None:
    """Two Alertmanagers never tell each other what was sent; one group of a name would replace the other."""
    chart = unrendered()
    store = loki(chart)
    store.send_alerts_to(alertmanager(chart), links=LINKS)
    with pytest.raises(ConstructError, match="loki sends alerts in two ways, so each would come twice: keep one"):
        store.send_alerts_to(alertmanager(chart, "another"), links=LINKS)
    store.add_rules(LOGINS)
    with pytest.raises(ConstructError, match="loki has two different rule groups 'logins': rename one"):
        store.add_rules(replace(LOGINS, alerts=(replace(LOGINS.alerts[0], above=1),)))


@pytest.mark.trap(53)
def test_rules_of_nobody_are_refused_where_there_are_tenants() -> None:
    """They would be the rules of a tenant that nobody is."""
    with pytest.raises(ConstructError, match="loki has tenants, and rules are of nobody's logs then"):
        loki(unrendered(), tenants=1).add_rules(LOGINS)
