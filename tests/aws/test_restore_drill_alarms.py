"""The alarms on drills: exactly this, who may tell what it looks at, and what is refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib.aws import BackupPipeline, Notifications, RestoreDrillAlarms
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import BackupLimits
from tests.aws import test_nag
from tests.aws.synthesized import PAIR, POINTS, POLICY, PROMETHEUS, REGION, TRUSTED, template

ALARM, RUNBOOKS = "AWS::CloudWatch::Alarm", "https://runbooks.example.com"
HOUR = timedelta(hours=1)
SHOP = replace(PROMETHEUS, namespace="shop")


def alarm(stack: cdk.Stack, **more: Any) -> RestoreDrillAlarms:
    web_identity, replicas = more.pop("web_identity", None), more.pop("replicas", {PROMETHEUS: PAIR})
    points = replace(POINTS, limits=BackupLimits(drill_within=more.pop("drill_within", 4 * HOUR)))
    pipeline = BackupPipeline(stack, "Pipeline", restore_points=points, replicas=replicas, web_identity=web_identity)
    pipeline.add_drill(PROMETHEUS)
    return RestoreDrillAlarms(stack, "Drills", pipeline=pipeline, **more)


def heard(stack: cdk.Stack) -> RestoreDrillAlarms:
    return alarm(stack, notify=[Notifications(stack, "Heard", emails=["team@example.com"])], runbooks=RUNBOOKS)


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    return template(heard)


def alarms(made: assertions.Template) -> dict[str, dict[str, Any]]:
    """By server."""
    return {
        pod: dict(each["Properties"])
        for pod in PAIR
        for logical, each in made.find_resources(ALARM).items()
        if pod.replace("-", "") in logical
    }


def test_the_alarm_of_a_server_is_exactly_this(made: assertions.Template) -> None:
    """52 hours without a success of it, each of which is judged as it is; and where there never was one."""
    found = alarms(made)["prometheus-1"]
    (topic,) = made.find_resources("AWS::SNS::Topic")
    assert found.pop("AlarmActions") == found.pop("OKActions") == [{"Ref": topic}]
    said = found.pop("AlarmDescription")
    assert said == (
        "No drill has restored the newest point of blue/monitoring/prometheus/prometheus-1 with success for more than "
        "2d4h, or none could tell: see what its last Job said. https://runbooks.example.com/RestoreDrillTooOld.md"
    )
    told, filled = sorted(found.pop("Metrics"), key=lambda each: "Expression" in each)
    assert filled["Expression"] == f"FILL({told['Id']}, 0)"
    assert not told["ReturnData"]
    assert told["MetricStat"] == {
        "Metric": {
            "Dimensions": [
                {"Name": "Cluster", "Value": "blue"},
                {"Name": "Component", "Value": "prometheus"},
                {"Name": "Namespace", "Value": "monitoring"},
                {"Name": "Replica", "Value": "prometheus-1"},
            ],
            "MetricName": "RestoreDrillSucceeded",
            "Namespace": "constructs-lib/restore-drill",
        },
        "Period": 3600,
        "Stat": "Maximum",
    }
    assert found == {
        "ComparisonOperator": "LessThanThreshold",
        "EvaluationPeriods": 52,
        "Threshold": 1,
        "TreatMissingData": "breaching",
    }


@pytest.mark.parametrize(("servers", "hours"), [(1, 28), (2, 52), (6, 148)])
def test_each_server_has_its_turn(servers: int, hours: int) -> None:
    """A day for each of them, and the time that a drill may take: a single one is that of the alert in the cluster."""
    made = template(lambda stack: alarm(stack, replicas={PROMETHEUS: PROMETHEUS.replicas(servers)}))
    found = [each["Properties"]["EvaluationPeriods"] for each in made.find_resources(ALARM).values()]
    assert found == servers * [hours]
    assert hours <= 7 * 24  # at which CloudWatch looks
    assert servers > 1 or hours * HOUR == POINTS.limits.undrilled


def two(stack: cdk.Stack, **more: Any) -> RestoreDrillAlarms:
    """Of a single server, and of two, both of which are drilled."""
    pipeline = BackupPipeline(
        stack, "Pipeline", restore_points=POINTS, replicas={PROMETHEUS: PAIR, SHOP: SHOP.replicas(1)}
    )
    for origin in (PROMETHEUS, SHOP):
        pipeline.add_drill(origin)
    return RestoreDrillAlarms(stack, "Drills", pipeline=pipeline, **more)


def test_all_that_are_drilled_have_alarms() -> None:
    """Each by how many servers of its own take turns; or those alone that are named."""

    def hours(**more: Any) -> dict[str, int]:
        made = template(lambda stack: two(stack, **more)).find_resources(ALARM).values()
        found = [each["Properties"] for each in made]
        return {each["AlarmDescription"].split()[8]: each["EvaluationPeriods"] for each in found}

    of_shop = {SHOP.source("prometheus-0"): 28}
    assert hours() == {**{PROMETHEUS.source(pod): 52 for pod in PAIR}, **of_shop}
    assert hours(origins=[SHOP]) == of_shop


def test_a_drill_may_take_longer() -> None:
    """As long as the alert in the cluster grants it."""
    longer = template(lambda stack: alarm(stack, drill_within=23 * HOUR))
    assert {each["EvaluationPeriods"] for each in alarms(longer).values()} == {71}


def test_nobody_hears_where_nobody_is_named() -> None:
    """And there is no page."""
    for found in alarms(template(alarm)).values():
        assert not {"AlarmActions", "OKActions"} & found.keys()
        assert "http" not in found["AlarmDescription"]


@pytest.mark.parametrize("web_identity", [None, TRUSTED], ids=["pod-identity", "web-identity"])
def test_the_drill_may_tell_its_success_and_nothing_of_others(web_identity: Any) -> None:
    """Not how old and whole restore points are, which the watch says: a drill could hide what that one finds."""
    made = template(lambda stack: alarm(stack, web_identity=web_identity), account=TRUSTED.account)
    policies = {name: each["Properties"]["PolicyDocument"] for name, each in made.find_resources(POLICY).items()}
    tells = {
        name: [each for each in policy["Statement"] if "s3:" not in str(each["Action"])]
        for name, policy in policies.items()
    }
    assert [statements for name, statements in tells.items() if "restoredrill" in name] == [
        [
            {
                "Action": "cloudwatch:PutMetricData",
                "Condition": {"StringEquals": {"cloudwatch:namespace": "constructs-lib/restore-drill"}},
                "Effect": "Allow",
                "Resource": "*",
            }
        ]
    ]
    assert [statements for name, statements in tells.items() if "restoredrill" not in name] == [[]]


def test_nothing_is_found() -> None:
    """By cdk-nag's rules of AwsSolutions."""
    assert test_nag.found(lambda app: heard(cdk.Stack(app, "Drilled", env=cdk.Environment(region=REGION)))) == set()


REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "half-an-hour": (
        {"drill_within": 4.5 * HOUR},
        "a drill may take 4h30m, but CloudWatch counts hours: use whole hours as BackupLimits.drill_within, or leave "
        "its alarms out",
    ),
    "many": (
        {"replicas": {PROMETHEUS: PROMETHEUS.replicas(7)}},
        "each of 7 servers of blue/monitoring/prometheus is tried within 7d4h, but CloudWatch looks at 7d: leave the",
    ),
    "stranger": (
        {"origins": [SHOP]},
        "nobody tries to restore blue/shop/prometheus, so that its alarm would never end: add a drill to the pipeline",
    ),
    "nobody": (
        {"origins": []},
        f"none of the drills is meant: name some of {PROMETHEUS.path}, or leave the alarms out",
    ),
    "no-link": ({"runbooks": "docs"}, "runbooks is 'docs': use a URL such as"),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_work_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}"):
        template(lambda stack: alarm(stack, **settings))


def test_an_alarm_of_another_region_is_refused() -> None:
    """The drill tells the CloudWatch of its bucket's region."""

    def elsewhere(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={PROMETHEUS: PAIR})
        other = cdk.Stack(stack.node.root, "Other", env=cdk.Environment(region="us-east-1"))
        pipeline.add_drill(PROMETHEUS)
        RestoreDrillAlarms(other, "Drills", pipeline=pipeline)

    with pytest.raises(ConstructError, match=r"^the alarms Other/Drills are in us-east-1, but agents tell the Cloud"):
        template(elsewhere)


def test_alarms_without_a_drill_are_refused() -> None:
    """There would be none, and nobody would notice."""

    def undrilled(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={PROMETHEUS: PAIR})
        RestoreDrillAlarms(stack, "Drills", pipeline=pipeline)

    with pytest.raises(ConstructError, match=r"^nobody tries to restore what is in acme-backup: add a drill to the "):
        template(undrilled)
