"""What a team hands over: data that is bound to its namespace, or refused in one sentence."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from constructs_lib.config.collected import (
    LONGEST,
    NOT_PROVEN,
    AlertData,
    GroupData,
    JobData,
    RecordingData,
)
from constructs_lib.config.prometheus import Limits
from constructs_lib.config.teams import Allowed, Owner, TeamJob
from constructs_lib.contract import PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.rules.model import Alert, Recording, RuleGroup, Severity
from constructs_lib.units import Bytes

SHOP = Owner(namespace="shop", team="sales")
ALLOWED = Allowed(ports=PortRange(8000, 9999), rules=3, reserved_recordings=("a:b:c",))
JOB = TeamJob(name="checkout", pods={"app": "checkout"}, port=8080)
RUNBOOKS = "https://example.com/runbooks"


FOUR_PARTS = 'label_replace(up, "a", "$1$1$1$1", "a", "(.*)")'
GROWING = "up"
for _ in range(3):
    GROWING = f'label_replace({GROWING}, "a", "$1$1$1", "a", "(.*)")'


def alert(**changes: Any) -> AlertData:
    """One of the team's alerts, but for some values."""
    values: dict[str, Any] = {
        "name": "CheckoutGone",
        "expr": "up == 0",
        "hold": 30,
        "severity": "critical",
        "team": "sales",
        "summary": "Gone.",
        "description": "{{ $labels.pod }} is gone.",
    }
    return AlertData(**{**values, **changes})


def group(*alerts: AlertData, runbooks: str = RUNBOOKS, **changes: Any) -> GroupData:
    return GroupData(name="checkout", runbooks=runbooks, alerts=list(alerts or [alert()]), **changes)


def bound(data: GroupData, owner: Owner = SHOP) -> dict[str, Any]:
    """The one group of the file, whose expressions say that they were bound."""
    (only,) = data.bound(owner, ALLOWED, lambda expr: f"bound({expr})")["groups"]
    return dict(only)


def test_job_finds_pods_of_its_own_namespace_alone():
    """Discovery asks for one namespace, and a relabeling keeps that one, whatever the team wrote."""
    scrape = JobData.of(JOB, ALLOWED.limits).bound(SHOP, ALLOWED).to_dict()

    assert scrape["job_name"] == "shop/checkout"
    assert scrape["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["shop"]}}]
    kept = [step["regex"] for step in scrape["relabel_configs"] if step["action"] == "keep"]
    assert "shop;checkout" in kept


def test_series_of_a_job_bear_the_owner():
    """Namespace, team and origin are set last, so that nothing of the target wins over them."""
    scrape = JobData.of(JOB, ALLOWED.limits).bound(SHOP, ALLOWED).to_dict()

    last = {step["target_label"]: step["replacement"] for step in scrape["relabel_configs"][-3:]}
    assert last == {"namespace": "shop", "team": "sales", "origin": "shop"}
    assert "honor_labels" not in scrape
    assert scrape["follow_redirects"] is False
    assert "authorization" not in scrape


def test_job_has_limits_also_where_it_asks_for_none():
    """The platform's limits hold for what one pod sends, and for how many pods there are."""
    scrape = JobData.of(JOB, ALLOWED.limits).bound(SHOP, ALLOWED).to_dict()

    assert (scrape["sample_limit"], scrape["target_limit"], scrape["body_size_limit"]) == (1000, 20, "32MB")


def test_plain_jobs_share_what_a_namespace_may_have() -> None:
    """Whoever says nothing may have as many jobs as there are, where the platform allows what it does by default."""
    share = JOB.series(ALLOWED.limits)

    assert share * ALLOWED.jobs <= ALLOWED.series < share * (ALLOWED.jobs + 1)
    JOB.refuse_beyond(ALLOWED, others=share * (ALLOWED.jobs - 1))


def test_plain_job_gets_no_more_than_a_narrow_platform_allows() -> None:
    """It is no reason to refuse one that asked for nothing."""
    narrow = replace(ALLOWED, limits=Limits(samples=300))

    assert JobData.of(JOB, narrow.limits).bound(SHOP, narrow).to_dict()["sample_limit"] == 300


@given(samples=st.integers(1, 5000), targets=st.integers(1, 50), others=st.integers(0, 120_000))
def test_series_of_a_namespace_are_counted_alike_on_both_sides(samples: int, targets: int, others: int) -> None:
    """What the team may render is what the collector takes, up to the last series."""
    job = replace(JOB, limits=Limits(samples=samples), targets=targets)
    data, fits = JobData.of(job, ALLOWED.limits), others + samples * targets <= ALLOWED.series

    for judge in (
        lambda: job.refuse_beyond(ALLOWED, others=others),
        lambda: data.bound(SHOP, ALLOWED, others=others),
    ):
        if fits:
            judge()
        else:
            with pytest.raises(ConstructError, match=f"{samples * targets} series, .* other jobs {others}, .* 100000"):
                judge()


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        (replace(JOB, port=22), "port of the job checkout is 22, but the network is open from 8000 to 9999"),
        (replace(JOB, limits=Limits(samples=10_000)), "limit of samples of the job checkout is 10000.* allows 5000"),
        (replace(JOB, limits=Limits(samples=10, body=Bytes.gib(1))), "limit of body .* is 1Gi, .* allows 32Mi"),
        (replace(JOB, targets=51), "job checkout expects 51 targets, but the platform allows 50: select fewer pods"),
        (
            replace(JOB, limits=Limits(samples=5000), targets=21),
            "checkout may have 105000 series, 5000 samples of 21 targets, .* allows 100000 together: ask for fewer",
        ),
    ],
)
def test_job_beyond_what_is_allowed_is_refused(job: TeamJob, sentence: str):
    """On both sides: when the team renders it, and when the collector reads it."""
    with pytest.raises(ConstructError, match=sentence):
        job.refuse_beyond(ALLOWED, others=0)
    with pytest.raises(ConstructError, match=sentence):
        JobData.of(job, ALLOWED.limits).bound(SHOP, ALLOWED)


@pytest.mark.parametrize("targets", [0, -1])
def test_job_of_any_number_of_targets_is_refused(targets: int) -> None:
    """Prometheus takes 0 for no limit."""
    with pytest.raises(ConstructError, match=f"checkout expects {targets} targets, which would mean any number"):
        TeamJob(name="checkout", pods={"app": "checkout"}, port=8080, targets=targets)


@pytest.mark.parametrize("path", ["metrics", "/a?b=c", "/a b", "/{{x}}", "", "/"])
def test_path_that_is_more_than_a_path_is_refused(path: str):
    """No query, no template."""
    with pytest.raises(ConstructError, match="path of the job checkout"):
        TeamJob(name="checkout", pods={"app": "checkout"}, port=8080, path=path)


def test_rules_are_bound_and_bear_the_owner():
    """Every expression goes through the binding, and everything that comes out bears the owner's labels."""
    only = bound(group(alert(), recordings=[RecordingData(name="pod:up:sum", expr="sum(up)")]))

    assert only["name"] == "shop/checkout"
    assert only["limit"] == ALLOWED.results
    assert [rule["expr"] for rule in only["rules"]] == ["bound(sum(up))", "bound(up == 0)"]
    owner = {"namespace": "shop", "team": "sales", "origin": "shop"}
    assert [rule["labels"] for rule in only["rules"]] == [owner, {"severity": "critical", **owner}]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (group(alert(expr="up ==")), "expression of the alert CheckoutGone does not parse"),
        (group(alert(expr="(" * LONGEST + "up" + ")" * LONGEST)), f"characters: use up to {LONGEST}"),
        (group(alert(description="{{ query `up` }}")), "the alert CheckoutGone says"),
        (group(alert(summary="x" * 1001)), "a text of the alert CheckoutGone has 1001 characters: use up to 1000"),
        (group(alert(expr='label_join(up, "a", "", "a", "a")')), "has label_join, which makes labels of any length"),
        (group(alert(expr=GROWING)), "has label_replace 3 times: use it up to 2"),
        (
            group(alert(expr='label_replace(up, "a", "$1$1$1$1", "a", "(.*)")')),
            "puts 4 parts into one label: use up to 3",
        ),
        (group(alert(severity="none")), "severity 'none': use critical or warning"),
        (group(alert(team="platform")), "for the team 'platform', but the namespace shop is of the team 'sales'"),
        (group(alert(hold=-1)), "-1 seconds: use 0 to 30 days"),
        (group(alert(hold=10**20)), "seconds: use 0 to 30 days"),
        (group(*[alert(name=f"A{number}") for number in range(4)]), "4 rules, but the platform allows 3"),
        (group(runbooks="https://example.com/{{ query `up` }}"), "leave braces out"),
        (group(runbooks="nowhere"), "use a URL"),
        (group(recordings=[RecordingData(name="a:b:c", expr="up")]), "a:b:c has the name of one of the platform's"),
        (group(recordings=[RecordingData(name="up", expr="up")]), "is not a recording's name"),
    ],
)
def test_rules_that_could_hurt_are_refused(data: GroupData, sentence: str):
    """What the typed side refuses is refused again where it is read: nobody need have used it."""
    with pytest.raises(ConstructError, match=sentence):
        bound(data)


def test_what_is_handed_over_is_read_as_it_was():
    """Job and group come out of their JSON as they went in; the proofs stay behind."""
    rules = RuleGroup(
        name="checkout",
        alerts=(
            Alert(
                name="CheckoutGone",
                expr="up == 0",
                hold=timedelta(seconds=30),
                keep_firing=timedelta(minutes=2),
                severity=Severity.CRITICAL,
                team=None,  # the owner's
                summary="Gone.",
                description="Gone.",
                proof=NOT_PROVEN,
            ),
        ),
        recordings=(Recording("pod:up:sum", "sum(up)"),),
    )
    job = JobData.of(replace(JOB, targets=7), ALLOWED.limits)
    data = GroupData.of(rules, team="sales", runbooks=RUNBOOKS)

    assert TypeAdapter(JobData).validate_json(job.to_json()) == job
    assert TypeAdapter(GroupData).validate_json(data.to_json()) == data
    assert [rule.get("keep_firing_for") for rule in bound(data)["rules"]] == [None, "2m"]


@given(name=st.from_regex(r"[a-z][-a-z0-9]{0,20}[a-z0-9]", fullmatch=True), port=st.integers(8000, 9999))
def test_no_job_has_the_name_of_another_namespace_or_of_the_platform(name: str, port: int):
    """Prometheus refuses its whole configuration where two jobs share a name."""
    job = TeamJob(name=name, pods={"app": name}, port=port)

    assert job.label("shop").split("/") == ["shop", name]


def test_whatever_kubernetes_takes_for_a_namespace_is_an_owner() -> None:
    """One of an unusual name must not keep the collector from seeing all others; its job is refused alone."""
    owner = Owner(namespace="1st-shop", team="1st-shop")

    with pytest.raises(ConstructError, match="'1st-shop' cannot be a namespace"):
        JobData.of(JOB, ALLOWED.limits).bound(owner, ALLOWED)
