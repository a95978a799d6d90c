"""A team's side, in a chart of its own."""

import json
from dataclasses import replace
from datetime import timedelta

import cdk8s
import pytest

from constructs_lib.config.collected import NOT_PROVEN
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Monitored, TeamJob
from constructs_lib.promql import metric
from constructs_lib.rules.model import Alert, Recording, RuleGroup, Severity
from tests.config.test_platform import PLATFORM
from tests.rendered import Objects, rendered

JOB = TeamJob(name="checkout", pods={"app": "checkout"}, port=8080)


def alert(name: str = "CheckoutGone", job: str = "shop/checkout", **changes: str) -> Alert:
    texts = {"team": "sales", "summary": "Gone.", "description": "Gone.", **changes}
    return Alert(
        name=name,
        expr=f"{metric('up', job=job)} == 0",
        hold=timedelta(0),
        severity=Severity.WARNING,
        proof=NOT_PROVEN,
        **texts,
    )


GROUP = RuleGroup(name="checkout", alerts=(alert(),))


def monitored(chart: cdk8s.Chart) -> Monitored:
    return Monitored(
        chart, "monitored", namespace="shop", team="sales", platform=PLATFORM, runbooks="https://example.com"
    )


def both(chart: cdk8s.Chart) -> None:
    """Twice, in the other order."""
    team = monitored(chart)
    for _ in range(2):
        team.add_rules(GROUP)
        team.admit(JOB)
        assert team.scrape(JOB) == "shop/checkout"


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(both)


def test_team_renders_nothing_outside_of_its_namespace(objects: Objects):
    """What a team may apply that has rights in its own namespace alone."""
    assert {document["metadata"]["namespace"] for document in objects.documents} == {"shop"}
    assert sorted(document["kind"] for document in objects.documents) == [
        "ConfigMap",
        "ConfigMap",
        "NetworkPolicy",
        "RoleBinding",
    ]


def test_rights_are_those_that_the_platform_offers(objects: Objects):
    """The binding names the platform's role and account, and no right of its own."""
    binding = objects.only("RoleBinding")

    assert binding["roleRef"]["name"] == "monitoring-prometheus-collected"
    assert binding["metadata"]["name"] == "monitoring-prometheus-collected-monitored"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}]


def test_only_prometheus_comes_in_and_only_to_the_port(objects: Objects):
    """The policy names the platform's pods, as its contract does."""
    (rule,) = objects.only("NetworkPolicy")["spec"]["ingress"]

    (peer,) = rule["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert peer["podSelector"]["matchLabels"] == dict(PLATFORM.prometheus.pods.labels)
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]


def test_job_alone_closes_no_pod():
    """A policy shuts out whom it does not name: it is there only where it was asked for."""
    assert rendered(lambda chart: monitored(chart).scrape(JOB)).of("NetworkPolicy") == []


def test_job_and_rules_are_labelled_data(objects: Objects):
    """Each is a ConfigMap whose name says what it holds."""
    found = {each["metadata"]["name"]: each for each in objects.of("ConfigMap")}

    kinds = {name: each["metadata"]["labels"]["constructs-lib/collect"] for name, each in found.items()}
    assert kinds == {"scrape-job-checkout": "scrape-job", "rule-group-checkout": "rule-group"}
    assert json.loads(found["scrape-job-checkout"]["data"]["data.json"])["port"] == 8080
    assert "proof" not in found["rule-group-checkout"]["data"]["data.json"]


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (RuleGroup(name="a", alerts=(alert(job="shop/other"),)), "the job 'shop/other', which nothing scrapes"),
        (RuleGroup(name="a", alerts=(alert(team="platform"),)), "for the team 'platform', .* of the team 'sales'"),
        (RuleGroup(name="a", alerts=tuple(alert(f"A{n}") for n in range(21))), "21 rules, .* allows 20"),
        (RuleGroup(name="a", alerts=(alert(),), recordings=(Recording("a:b:c", "up"),)), "one of the platform's"),
        (RuleGroup(name="a", alerts=(alert(summary="x" * 1001),)), "has 1001 characters: use up to 1000"),
    ],
)
def test_rules_that_the_platform_would_refuse_are_refused_first(group: RuleGroup, sentence: str):
    """A team hears of it when it renders, not when it has released."""

    def team(chart: cdk8s.Chart) -> None:
        made = monitored(chart)
        made.scrape(JOB)
        made.add_rules(group)

    with pytest.raises(ConstructError, match=sentence):
        rendered(team)


def test_port_where_the_network_is_shut_is_refused():
    """The platform's range is in its contract."""
    with pytest.raises(ConstructError, match="port of the job ssh is 22"):
        rendered(lambda chart: monitored(chart).scrape(TeamJob(name="ssh", pods={"app": "a"}, port=22)))


def test_jobs_of_more_series_than_a_namespace_may_have_are_refused():
    """All that are scraped here count together, each once."""

    def team(chart: cdk8s.Chart) -> None:
        made = monitored(chart)
        for number in (1, 2, 2, 3):
            made.scrape(TeamJob(name=f"job-{number}", pods={"app": "a"}, port=8080, targets=40))

    with pytest.raises(ConstructError, match=r"job-3 may have 40000 series.*other jobs 80000.*allows 100000 together"):
        rendered(team)


def test_as_many_jobs_and_groups_as_a_namespace_may_have_and_no_more():
    """What is there already counts once."""

    def jobs(chart: cdk8s.Chart) -> None:
        made = monitored(chart)
        for number in (1, 2, 3, 4, 5, 5, 6):
            made.scrape(TeamJob(name=f"job-{number}", pods={"app": "a"}, port=8080))

    def groups(chart: cdk8s.Chart) -> None:
        made = monitored(chart)
        for number in (*range(10), 9, 10):
            made.add_rules(RuleGroup(name=f"group-{number}", alerts=(alert(f"Gone{number}"),)))

    with pytest.raises(ConstructError, match="shop has 5 scrape jobs, which is what the platform allows a namespace"):
        rendered(jobs)
    with pytest.raises(ConstructError, match="shop has 10 rule groups, which is what the platform allows a namespace"):
        rendered(groups)


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (replace(GROUP, alerts=(replace(alert(), expr=f"up{' ' * 5000}== 0"),)), "5006 characters: use up to 4096"),
        (replace(GROUP, alerts=(replace(alert(), severity=Severity.NONE),)), "the severity 'none'"),
        (replace(GROUP, alerts=(replace(alert(), hold=timedelta(days=31)),)), "use 0 to 30 days"),
        (replace(GROUP, alerts=(replace(alert(), hold=timedelta(seconds=1.5)),)), "use whole seconds"),
    ],
)
def test_what_the_platform_would_refuse_is_refused_here(group: RuleGroup, sentence: str):
    """By the same sentence, before anything is released."""
    with pytest.raises(ConstructError, match=sentence):
        rendered(lambda chart: monitored(chart).add_rules(group))


def test_two_different_ones_of_a_name_are_refused():
    """The same twice is once."""

    def jobs(chart: cdk8s.Chart) -> None:
        team = monitored(chart)
        team.scrape(JOB)
        team.scrape(TeamJob(name="checkout", pods={"app": "other"}, port=8080))

    def groups(chart: cdk8s.Chart) -> None:
        team = monitored(chart)
        team.add_rules(GROUP, RuleGroup(name="checkout", alerts=(alert("Other"),)))

    with pytest.raises(ConstructError, match="two different scrape jobs 'checkout'"):
        rendered(jobs)
    with pytest.raises(ConstructError, match="two different rule groups 'checkout'"):
        rendered(groups)
