"""What constructs with alarms have in common: who hears of them, and that whoever made them reaches each."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns

from constructs_lib.aws import BackupPipeline, BackupWatch, Notifications, PrometheusAlarms, RestoreDrillAlarms
from tests.aws.synthesized import PAIR, POINTS, PROMETHEUS, only, template

ALARM, COMPOSITE, TOPIC = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::SNS::Topic"
Build = Callable[..., BackupWatch | PrometheusAlarms | RestoreDrillAlarms]


def pipeline(stack: cdk.Stack) -> BackupPipeline:
    """Of two servers, which are drilled."""
    made = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={PROMETHEUS: PAIR})
    made.add_drill(PROMETHEUS)
    return made


def watch(stack: cdk.Stack, **more: Any) -> BackupWatch:
    return BackupWatch(stack, "Made", pipeline=pipeline(stack), **more)


def servers(stack: cdk.Stack, **more: Any) -> PrometheusAlarms:
    return PrometheusAlarms(stack, "Made", pipeline=pipeline(stack), **more)


def drills(stack: cdk.Stack, **more: Any) -> RestoreDrillAlarms:
    return RestoreDrillAlarms(stack, "Made", pipeline=pipeline(stack), **more)


OF_REPLICAS = {
    watch: ("RestorePointNotWhole", "RestorePointPutOff", "RestorePointTooOld"),
    servers: ("PrometheusCpuHigh", "PrometheusDiskAlmostFull", "PrometheusMemoryHigh", "PrometheusUsageUnknown"),
    drills: ("RestoreDrillTooOld",),
}
each_build = pytest.mark.parametrize("build", OF_REPLICAS, ids=lambda build: build.__name__)


@each_build
def test_each_alarm_is_found_by_its_replica_and_its_name(build: Build) -> None:
    """All that there are, and each under what its description says that it is of."""
    found: dict[str, cloudwatch.Alarm] = {}
    made = template(lambda stack: found.update(build(stack).alarms))
    of_replicas = {f"{PROMETHEUS.source(pod)}/{name}" for pod in PAIR for name in OF_REPLICAS[build]}
    assert set(found) == of_replicas | ({"BackupWatchFailing", "BackupWatchGaveUp"} if build is watch else set())
    logical = {name: cdk.Stack.of(each).get_logical_id(each.node.default_child) for name, each in found.items()}
    resources = made.find_resources(ALARM)
    assert sorted(logical.values()) == sorted(resources)
    for name in of_replicas:
        assert name.rpartition("/")[0] in resources[logical[name]]["Properties"]["AlarmDescription"]


@each_build
def test_a_topic_that_is_there_already_is_told(build: Build) -> None:
    """By the CDK's own action, when an alarm begins and when it is over; beside ours, too."""

    def told(stack: cdk.Stack, *, ours: bool) -> None:
        topic = sns.Topic.from_topic_arn(stack, "Theirs", "arn:aws:sns:eu-central-1:111122223333:on-call")
        notify: list[Any] = [actions.SnsAction(topic)]
        if ours:
            notify.insert(0, Notifications(stack, "Heard", emails=["team@example.com"]))
        build(stack, notify=notify)

    for ours in (False, True):
        made = template(lambda stack, ours=ours: told(stack, ours=ours))
        topics = [{"Ref": name} for name in made.find_resources(TOPIC)]
        assert len(topics) == ours
        for alarm in made.find_resources(ALARM).values():
            properties = alarm["Properties"]
            assert properties["AlarmActions"] == [*topics, "arn:aws:sns:eu-central-1:111122223333:on-call"]
            assert properties["OKActions"] == properties["AlarmActions"]


@each_build
def test_alarms_have_a_part_in_what_else_is_made_of_them(build: Build) -> None:
    """One alarm on all of them, and a further action of a single one."""

    def more(stack: cdk.Stack) -> None:
        alarms = build(stack).alarms
        rule = cloudwatch.AlarmRule.any_of(*alarms.values())
        cloudwatch.CompositeAlarm(stack, "Any", alarm_rule=rule)
        first = alarms[f"{PROMETHEUS.source(PAIR[0])}/{OF_REPLICAS[build][0]}"]
        first.add_alarm_action(actions.SnsAction(sns.Topic(stack, "Pager")))

    made = template(more)
    alarms = {name: each["Properties"] for name, each in made.find_resources(ALARM).items()}
    rule = str(only(made, COMPOSITE)["Properties"]["AlarmRule"])
    assert all(name in rule for name in alarms)
    assert [len(each["AlarmActions"]) for each in alarms.values() if "AlarmActions" in each] == [1]
