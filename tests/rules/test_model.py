"""Alerts and rule groups as data: how they are written, and what is refused."""

from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.promql import matches, metric
from constructs_lib.rules.model import Evaluator, Recording, RuleGroup, samples
from tests.minimal import alert


def test_an_alert_is_written_with_its_labels_and_its_runbook() -> None:
    """Severity and team route it, and the link leads to the page of its name as it lies in docs/runbooks."""
    assert alert().to_dict("https://runbooks.example.com/") == {
        "alert": "TargetDown",
        "expr": 'up{job="api"} == 0',
        "for": "5m",
        "labels": {"severity": "warning", "team": "platform"},
        "annotations": {
            "summary": "A target cannot be scraped.",
            "description": "It does not answer.",
            "runbook_url": "https://runbooks.example.com/TargetDown.md",
        },
    }


def test_an_alert_may_leave_to_its_series_whose_it_is() -> None:
    """A label of the rule would replace that of the series."""
    assert alert(team=None).to_dict("https://runbooks.example.com")["labels"] == {"severity": "warning"}


def test_an_alert_that_need_not_last_has_no_hold() -> None:
    """Without a hold, an alert fires at once."""
    assert "for" not in alert(hold=timedelta(0)).to_dict("https://runbooks.example.com")


def test_an_alert_can_outlive_its_series() -> None:
    """Prometheus' own words for it; unless asked for, it ends with them."""
    assert alert(keep_firing=timedelta(minutes=2)).to_dict("https://runbooks.example.com")["keep_firing_for"] == "2m"
    assert "keep_firing_for" not in alert().to_dict("https://runbooks.example.com")


@pytest.mark.parametrize("name", ["", "targetDown", "Target Down", "Target-Down", "Target_Down", "T", "../x"])
def test_names_that_are_none_are_refused(name: str) -> None:
    """A name is capitalised words, since it is part of a URL and of a file's name."""
    with pytest.raises(ConstructError, match="is not an alert's name: use capitalised words, such as 'TargetDown'"):
        alert(name)


def test_an_expression_that_does_not_parse_is_refused() -> None:
    """Prometheus would refuse the whole file."""
    with pytest.raises(ConstructError, match="the expression of the alert TargetDown does not parse, "):
        alert(expr="up ==")


@pytest.mark.trap(2)
@pytest.mark.parametrize("expr", ["max by (replica) (up)", 'up{replica="a"}', "sum without (replica, pod) (up)"])
def test_the_label_that_alerts_lose_is_refused(expr: str) -> None:
    """The replica's label is external, and dropped from alerts: a rule that uses it means something else."""
    with pytest.raises(ConstructError, match=r"the alert TargetDown uses the label 'replica', .*: use 'pod'"):
        alert(expr=expr)


@pytest.mark.parametrize("expr", ["kube_deployment_status_replicas > replica_count", 'up{job="a replica of"}'])
def test_metrics_and_values_that_speak_of_replicas_are_allowed(expr: str) -> None:
    """Only the label's own name is refused."""
    assert alert(expr=expr).name == "TargetDown"


@pytest.mark.parametrize("team", ["", "two teams", "-"])
def test_a_team_that_cannot_be_a_label_is_refused(team: str) -> None:
    """Alerts are routed by it."""
    with pytest.raises(ConstructError, match=f"the alert TargetDown is for the team '{team}': use letters, digits and"):
        alert(team=team)


@pytest.mark.parametrize("text", ["{{ $value }} of {{$labels.pod}}", "{{ $value | humanizeDuration }}", "without"])
def test_texts_may_hold_values_and_labels(text: str) -> None:
    """Values and labels, as they are or for people."""
    assert alert(description=text).to_dict("")["annotations"]["description"] == text


@pytest.mark.parametrize(
    "text", ["{{ $lables.pod }}", "{{ value }}", "{{ $value", "$value }}", "{{ $value | upper }}", "{{{ $value }}"]
)
@pytest.mark.parametrize("field", ["summary", "description"])
def test_texts_that_prometheus_cannot_fill_in_are_refused(field: str, text: str) -> None:
    """A slip there would only be seen when the alert fires."""
    with pytest.raises(ConstructError, match=r"the alert TargetDown says .*: use {{ \$value }} or {{ \$labels.NAME }}"):
        alert(**{field: text})


def test_a_group_is_a_whole_file() -> None:
    """One group a file, its alerts in order."""
    group = RuleGroup(name="two-alerts", alerts=(alert("Second"), alert("First")))
    (written,) = group.to_dict("https://runbooks.example.com")["groups"]
    assert written["name"] == "two-alerts"
    assert [rule["alert"] for rule in written["rules"]] == ["Second", "First"]


def test_recordings_are_written_before_the_alerts_that_read_them() -> None:
    """Prometheus evaluates a group in order, so an alert reads what was recorded at the same moment."""
    recorded = (Recording("job:up:count", "count by (job) (up)"), Recording("job:up:sum", "sum by (job) (up)"))
    group = RuleGroup(name="recorded", alerts=(alert(),), recordings=recorded)
    (written,) = group.to_dict("https://runbooks.example.com")["groups"]
    assert written["rules"][:2] == [
        {"record": "job:up:count", "expr": "count by (job) (up)"},
        {"record": "job:up:sum", "expr": "sum by (job) (up)"},
    ]
    assert [rule.get("alert") for rule in written["rules"]] == [None, None, "TargetDown"]


@pytest.mark.parametrize("name", ["", "up", "job:up", ":up:count", "job:up:", "Job:up:count", "job:up:count:twice"])
def test_names_of_recordings_that_are_none_are_refused(name: str) -> None:
    """Level, metric and operations tell it from what programs expose."""
    with pytest.raises(ConstructError, match="is not a recording's name: use level:metric:operations, such as"):
        Recording(name, "up")


def test_a_recorded_expression_is_checked_as_an_alert_s_is() -> None:
    """Prometheus would refuse the whole file, or record what nobody means."""
    with pytest.raises(ConstructError, match="the expression of the recording job:up:sum does not parse, "):
        Recording("job:up:sum", "sum by job (up")
    with pytest.raises(ConstructError, match=r"the recording job:up:sum uses the label 'replica', .*: use 'pod'"):
        Recording("job:up:sum", "sum by (replica) (up)")


def test_two_recordings_of_a_name_are_refused() -> None:
    """Their series would be mixed."""
    twice = (Recording("job:up:sum", "sum by (job) (up)"),) * 2
    with pytest.raises(ConstructError, match="the rule group twice has 2 recordings 'job:up:sum': name each apart"):
        RuleGroup(name="twice", alerts=(alert(),), recordings=twice)


@pytest.mark.parametrize("name", ["", "Group", "a_b", "-a", "a--b", "a/b"])
def test_names_of_groups_that_are_none_are_refused(name: str) -> None:
    """A group's name is a file's name and a key of a ConfigMap."""
    with pytest.raises(ConstructError, match="is not a rule group's name: use lower-case words joined by dashes"):
        RuleGroup(name=name, alerts=(alert(),))


def test_an_empty_group_is_refused() -> None:
    """A group without alerts says nothing."""
    with pytest.raises(ConstructError, match="the rule group empty has no alert: give at least one, or leave it out"):
        RuleGroup(name="empty", alerts=())


def test_two_alerts_of_a_name_are_refused() -> None:
    """A page of one name could not serve both."""
    with pytest.raises(ConstructError, match="the rule group twice has 2 alerts 'TargetDown': name each apart"):
        RuleGroup(name="twice", alerts=(alert(), alert("Other"), alert(expr="up == 1")))


@pytest.mark.trap(13)
@pytest.mark.parametrize(
    "expr",
    [
        metric("up", job="typo"),
        metric("up", pod="a", job="typo"),
        f"{metric('up', job='api')} and on (pod) {metric('up', job='typo', pod='b')}",
        metric("up", job=matches("api|typo")),
        'up{pod="a", job = "typo"}',
        metric("up", job=matches("(typo)")),
    ],
)
def test_an_alert_on_a_job_that_nothing_scrapes_is_refused(expr: str) -> None:
    """It could never fire: the refusal names alert, job and group."""
    group = RuleGroup(name="dead", alerts=(alert(expr=expr),))
    with pytest.raises(
        ConstructError,
        match=r"the alert TargetDown reads .* the job '\(?typo\)?', which nothing scrapes: .* 'dead' out",
    ):
        group.refuse_unknown_jobs({"api"})


@pytest.mark.trap(13)
def test_a_recording_of_a_job_that_nothing_scrapes_is_refused() -> None:
    """It would have no result, and the alerts that read it could never fire."""
    recorded = (Recording("job:up:sum", f"sum by (job) ({metric('up', job='typo')})"),)
    group = RuleGroup(name="dead", alerts=(alert(expr="job:up:sum == 0"),), recordings=recorded)
    with pytest.raises(ConstructError, match=r"the recording job:up:sum reads series of the job 'typo', which nothing"):
        group.refuse_unknown_jobs({"api"})


@pytest.mark.trap(13)
def test_an_alert_on_jobs_that_are_scraped_is_accepted() -> None:
    """A job's exact name is known, and an alert on all jobs names none."""
    exprs = [metric("up", job="api"), metric("up"), metric("up", job=matches("a.*"))]
    names = ["One", "Two", "Three"]
    group = RuleGroup(name="live", alerts=tuple(alert(n, expr=e) for n, e in zip(names, exprs, strict=True)))
    group.refuse_unknown_jobs(["api"])


def test_samples_are_written_in_the_notation_of_promtool() -> None:
    """A value and how often it is repeated after its first time."""
    assert samples((1, 4), (0, 200), (0.5, 1)) == "1x3 0x199 0.5x0"


def test_a_window_holds_four_scrapes() -> None:
    """One of them may fail, and a rate still has three."""
    by = Evaluator(interval=timedelta(seconds=20), job="p", replicas=1, jobs=())
    assert by.window == timedelta(seconds=80)
