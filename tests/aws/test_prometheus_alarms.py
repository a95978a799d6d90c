"""Alarms on what a Prometheus uses: exactly these, on what its agent tells, and what that one may tell."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib.aws import BackupPipeline, Notifications, PrometheusAlarms
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin
from tests.aws import test_nag, test_policies
from tests.aws.synthesized import PAIR, POINTS, POLICY, PROMETHEUS, REGION, TRUSTED, template

ALARM = "AWS::CloudWatch::Alarm"
GRAFANA = Origin(cluster="blue", namespace="monitoring", component="grafana-backup", database=True)
THANOS = replace(PROMETHEUS, component="thanos")
REPLICAS = {PROMETHEUS: PAIR, GRAFANA: GRAFANA.replicas(), THANOS: THANOS.replicas(3)}
SOURCE = "blue/monitoring/prometheus/prometheus-0"
RUNBOOKS = "https://runbooks.example.com/"
NAMES = ("PrometheusCpuHigh", "PrometheusDiskAlmostFull", "PrometheusMemoryHigh", "PrometheusUsageUnknown")
MINUTE = timedelta(minutes=1)
DIMENSIONS = [
    {"Name": "Cluster", "Value": "blue"},
    {"Name": "Component", "Value": "prometheus"},
    {"Name": "Namespace", "Value": "monitoring"},
    {"Name": "Replica", "Value": "prometheus-0"},
]


def alarms(stack: cdk.Stack, **more: Any) -> PrometheusAlarms:
    """On both servers."""
    web_identity = more.pop("web_identity", None)
    pipeline = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas=REPLICAS, web_identity=web_identity)
    return PrometheusAlarms(stack, "Alarms", **{"pipeline": pipeline, "origins": [PROMETHEUS], **more})


def heard(stack: cdk.Stack) -> PrometheusAlarms:
    return alarms(stack, notify=[Notifications(stack, "Heard", emails=["team@example.com"])], runbooks=RUNBOOKS)


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    """With somebody who hears of alarms."""
    return template(heard)


def found(made: assertions.Template, *, of: str = "prometheus0") -> dict[str, dict[str, Any]]:
    """The alarms of a server, by the names of their pages."""
    return {
        name: each["Properties"]
        for logical, each in made.find_resources(ALARM).items()
        for name in NAMES
        if name in logical and of in logical
    }


@pytest.mark.parametrize(
    ("name", "metric", "threshold", "silence"),
    [
        ("PrometheusCpuHigh", "CpuUsed", 80, "ignore"),
        ("PrometheusMemoryHigh", "MemoryUsed", 85, "ignore"),
        ("PrometheusDiskAlmostFull", "VolumeUsed", 85, "ignore"),
    ],
)
def test_an_alarm_on_a_server_is_exactly_this(
    made: assertions.Template, name: str, metric: str, threshold: int, silence: str
) -> None:
    """Averages of three times five minutes, of its own limits; where it says nothing, as it was."""
    alarm = found(made)[name]
    said = alarm.pop("AlarmDescription")
    assert SOURCE in said
    assert f"ore than {threshold} % of the " in said
    assert said.endswith(f"https://runbooks.example.com/{name}.md")
    actions = {key: alarm.pop(key) for key in ("AlarmActions", "OKActions")}
    assert actions["AlarmActions"] == actions["OKActions"]
    assert alarm == {
        "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": DIMENSIONS,
        "EvaluationPeriods": 3,
        "MetricName": metric,
        "Namespace": "constructs-lib/prometheus",
        "Period": 300,
        "Statistic": "Average",
        "Threshold": threshold,
        "TreatMissingData": silence,
    }


def test_silence_is_heard_by_itself(made: assertions.Template) -> None:
    """Fuller than any volume is: one alarm hears that nobody tells, at once, and nothing else."""
    alarm = found(made)["PrometheusUsageUnknown"]
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (100, "GreaterThanThreshold")
    assert alarm["EvaluationPeriods"] == 3
    (filled,) = (each for each in alarm["Metrics"] if "Expression" in each)
    (told,) = (each for each in alarm["Metrics"] if "MetricStat" in each)
    assert filled["Expression"] == f"FILL({told['Id']}, 200)"
    assert not told["ReturnData"]
    stat = told["MetricStat"]
    assert (stat["Stat"], stat["Period"]) == ("Average", 300)
    assert stat["Metric"] == {
        "Dimensions": DIMENSIONS,
        "MetricName": "VolumeUsed",
        "Namespace": "constructs-lib/prometheus",
    }


def test_each_server_has_all_of_them(made: assertions.Template) -> None:
    """And there is no other one."""
    assert len(made.find_resources(ALARM)) == len(NAMES) * 2
    for pod in ("prometheus0", "prometheus1"):
        assert sorted(found(made, of=pod)) == sorted(NAMES)


def test_alarms_are_heard_where_somebody_hears(made: assertions.Template) -> None:
    """Of each of them, that it begins and that it is over; without anybody, none has an action, nor a page."""
    (topic,) = made.find_resources("AWS::SNS::Topic")
    silent = template(alarms)
    for actions in ("AlarmActions", "OKActions"):
        assert all(alarm["Properties"][actions] == [{"Ref": topic}] for alarm in made.find_resources(ALARM).values())
        assert not any(actions in alarm["Properties"] for alarm in silent.find_resources(ALARM).values())
    assert not any("http" in alarm["Properties"]["AlarmDescription"] for alarm in silent.find_resources(ALARM).values())


def test_limits_and_hold_are_the_callers() -> None:
    """And what is said follows them."""
    made = found(template(lambda stack: alarms(stack, cpu=90, memory=70.5, disk=75, hold=30 * MINUTE)))
    assert {name: alarm["Threshold"] for name, alarm in made.items()} == {
        "PrometheusCpuHigh": 90,
        "PrometheusMemoryHigh": 70.5,
        "PrometheusDiskAlmostFull": 75,
        "PrometheusUsageUnknown": 100,
    }
    assert {alarm["EvaluationPeriods"] for alarm in made.values()} == {6}
    for name, limit in (("PrometheusCpuHigh", "90 %"), ("PrometheusMemoryHigh", "70.5 %")):
        assert limit in made[name]["AlarmDescription"]
        assert "for 30m:" in made[name]["AlarmDescription"]


@pytest.mark.parametrize("hold", [5 * MINUTE, timedelta(hours=5), timedelta(days=1)], ids=str)
def test_cloudwatch_takes_the_windows(hold: timedelta) -> None:
    """A day at most where a period is below an hour."""
    for alarm in found(template(lambda stack: alarms(stack, hold=hold))).values():
        assert 300 * alarm["EvaluationPeriods"] == hold.total_seconds() <= 24 * 3600


# --- what an agent may tell


TELLS = ("cloudwatch:PutMetricData", {"cloudwatch:namespace": "constructs-lib/prometheus"})
PAIRS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "no-metrics-of-others": (TELLS[0], {"cloudwatch:namespace": "constructs-lib/backup"}),
    "no-metrics-of-aws": (TELLS[0], {"cloudwatch:namespace": "AWS/EC2"}),
    "and-asks-for-none": ("cloudwatch:GetMetricData", TELLS[1]),
    "and-changes-no-alarm": ("cloudwatch:PutMetricAlarm", TELLS[1]),
    "and-silences-none": ("cloudwatch:DisableAlarmActions", TELLS[1]),
}


def policies(made: assertions.Template, component: str) -> dict[str, Any]:
    """Of the role of a component, without what it may do in the bucket."""
    (policy,) = (each["Properties"] for logical, each in made.find_resources(POLICY).items() if component in logical)
    document = policy["PolicyDocument"]
    own = [each for each in document["Statement"] if "s3:" not in str(each["Action"])]
    return {**document, "Statement": own}


@pytest.fixture(scope="module")
def decisions(made: assertions.Template) -> list[str]:
    """Of what is told, and of all requests beside it."""
    document = policies(made, "prometheus")
    return test_policies.decided(
        [
            {
                "request": {
                    "principal": f"arn:aws:sts::{test_policies.ACCOUNT}:assumed-role/prometheus/session",
                    "action": action,
                    "resource": {"resource": "*", "accountId": test_policies.ACCOUNT},
                    "contextVariables": dict(context),
                },
                "identityPolicies": [{"name": "prometheus", "policy": document}],
                "serviceControlPolicies": [],
                "resourceControlPolicies": [],
            }
            for action, context in (TELLS, *PAIRS.values())
        ]
    )


def test_an_agent_may_tell(decisions: list[str]) -> None:
    """What the alarms look at."""
    assert decisions[0] == "Allowed"


@pytest.mark.parametrize("name", PAIRS)
def test_it_may_do_nothing_else(decisions: list[str], name: str) -> None:
    """One step beside that."""
    assert decisions[1 + list(PAIRS).index(name)] == "ImplicitlyDenied"


def test_nobody_else_may_tell(made: assertions.Template) -> None:
    """Neither a database's saver, nor who has no alarms, nor anybody before there are some."""
    assert policies(made, "grafanabackup")["Statement"] == []
    assert policies(made, "thanos")["Statement"] == []
    without = template(lambda stack: BackupPipeline(stack, "P", restore_points=POINTS, replicas={PROMETHEUS: PAIR}))
    assert "PutMetricData" not in str(without.to_json())


def test_roles_by_web_identity_may_tell_as_well() -> None:
    """Whoever gives the role, what it may do is the same."""
    by_token = template(lambda stack: alarms(stack, web_identity=TRUSTED), account=TRUSTED.account)
    by_pod = template(alarms)
    assert policies(by_token, "prometheus") == policies(by_pod, "prometheus")


# --- cdk-nag


def in_app(app: cdk.App) -> None:
    heard(cdk.Stack(app, "Alarmed", env=cdk.Environment(region=REGION)))


def test_nothing_is_found() -> None:
    """By cdk-nag's rules of AwsSolutions."""
    assert test_nag.found(in_app) == set()


unheard = test_nag.unheard


def test_the_acknowledgement_is_needed(unheard: list[str]) -> None:
    """Metrics have no names that a policy could say; it stands beside the role."""
    rule = "AwsSolutions-IAM5[Resource::*]"
    role = "Alarmed/Pipeline/blue--monitoring--prometheus/Role/DefaultPolicy/Resource"
    assert (rule, role) in test_nag.found(in_app)
    assert unheard.count(rule) == 1


# --- what is refused


REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "nobody": ({"origins": ()}, "none of the restore points in acme-backup is meant: name some of blue/monitoring/"),
    "stranger": (
        {"origins": [replace(PROMETHEUS, cluster="green")]},
        "there are no restore points of green/monitoring/prometheus, but of blue/monitoring/grafana-backup, blue/",
    ),
    "database": (
        {"origins": [GRAFANA]},
        "blue/monitoring/grafana-backup is a database, beside which no agent runs: leave it out",
    ),
    "nothing": ({"cpu": 0}, "an alarm on a Prometheus sounds above 0 % of cpu: use 1 to 99"),
    "never": ({"disk": 100}, "an alarm on a Prometheus sounds above 100 % of disk: use 1 to 99"),
    "unseen": ({"memory": 85.5}, "an alarm on a Prometheus sounds above 85.5 % of memory: use 1 to 85"),
    "short": ({"hold": MINUTE}, "alarms on a Prometheus hold for 0:01:00: use a multiple of 5m, up to 1d"),
    "odd": ({"hold": 7 * MINUTE}, "alarms on a Prometheus hold for 0:07:00: use a multiple of 5m, up to 1d"),
    "long": ({"hold": timedelta(hours=25)}, "alarms on a Prometheus hold for 1 day, 1:00:00: use a multiple of 5m, "),
    "no-link": ({"runbooks": "docs"}, "runbooks is 'docs': use a URL such as"),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_work_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}"):
        template(lambda stack: alarms(stack, **settings))


def test_alarms_of_another_region_are_refused() -> None:
    """The agents tell the CloudWatch of their bucket's region."""

    def elsewhere(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={PROMETHEUS: PAIR})
        other = cdk.Stack(stack.node.root, "Other", env=cdk.Environment(region="us-east-1"))
        PrometheusAlarms(other, "Alarms", pipeline=pipeline)

    with pytest.raises(ConstructError, match=r"^the alarms Other/Alarms are in us-east-1, but agents tell the Cloud"):
        template(elsewhere)
