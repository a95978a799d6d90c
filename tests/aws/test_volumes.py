"""Volumes of replicas and their snapshots: what they are, who makes them, and what is refused."""

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, time
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib.aws import ReplicaVolumes, Snapshots
from constructs_lib.ebs import EbsVolume, Gp3
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.aws.synthesized import POLICY, REGION, ROLE, arn, only, statements, template
from tests.aws.test_nag import found, public
from tests.aws.test_notifications import plain
from tests.aws.test_policies import ACCOUNT, STRANGER, decided, policy

VOLUME, LIFECYCLE = "AWS::EC2::Volume", "AWS::DLM::LifecyclePolicy"
FIRST, SECOND, THIRD = (f"{REGION}{letter}" for letter in "abc")
# What production asks for: replicas, and what each of their volumes is like.
ASKED = {
    "prometheus": (2, Gp3(size=Bytes.gib(100), iops=3000, throughput=125)),
    "grafana": (1, Gp3(size=Bytes.gib(20))),
    "loki": (3, Gp3(size=Bytes.gib(50))),
}
MINE = {"Key": "constructs-lib/volume-of", "Value": "blue/monitoring/prometheus"}
TAGGED = {"StringEquals": {"aws:ResourceTag/constructs-lib/volume-of": "blue/monitoring/prometheus"}}


def volumes(scope: cdk.Stack, id: str = "Volumes", **more: Any) -> ReplicaVolumes:
    settings = {"cluster": "blue", "namespace": "monitoring", "component": "prometheus", "zones": (FIRST, SECOND)}
    return ReplicaVolumes(scope, id, **{**settings, "volume": ASKED["prometheus"][1], **more})


def made_of(**more: Any) -> assertions.Template:
    return template(lambda stack: volumes(stack, **more), account=ACCOUNT)


@pytest.fixture(scope="module")
def daily() -> assertions.Template:
    """Two volumes, of which snapshots are made, in an account that is known."""
    return made_of(snapshots=Snapshots())


def properties(of: assertions.Template, kind: str) -> list[Mapping[str, Any]]:
    return [each["Properties"] for each in of.find_resources(kind).values()]


@pytest.mark.trap(111)
def test_each_replica_has_a_volume_in_its_zone_that_stays() -> None:
    """Field by field: gp3, encrypted, for one node at a time; the tag without which the driver may not attach it."""
    made = list(made_of().find_resources(VOLUME).values())
    assert made == [
        {
            "Type": VOLUME,
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": {
                "AvailabilityZone": zone,
                "VolumeType": "gp3",
                "Encrypted": True,
                "Size": 100,
                "Iops": 3000,
                "Throughput": 125,
                "MultiAttachEnabled": False,
                "Tags": [
                    MINE,
                    {"Key": "ebs.csi.aws.com/cluster", "Value": "true"},
                    {"Key": "Name", "Value": f"blue/monitoring/data-prometheus-{replica}"},
                ],
            },
        }
        for replica, zone in enumerate((FIRST, SECOND))
    ]


def test_the_volumes_of_production_have_its_figures() -> None:
    """By component: how many, how large, how fast."""

    def build(stack: cdk.Stack) -> None:
        for component, (replicas, volume) in ASKED.items():
            volumes(stack, component, component=component, volume=volume, zones=(FIRST, SECOND, THIRD)[:replicas])

    found = {
        tuple(each[name] for name in ("AvailabilityZone", "Size", "Iops", "Throughput"))
        for each in properties(template(build), VOLUME)
    }
    assert found == {
        *((zone, 100, 3000, 125) for zone in (FIRST, SECOND)),
        (FIRST, 20, 3000, 125),
        *((zone, 50, 3000, 125) for zone in (FIRST, SECOND, THIRD)),
    }


def test_the_largest_and_fastest_volume_is_made() -> None:
    """The engine has no older limits of its own."""
    (made,) = properties(
        made_of(zones=[FIRST], volume=Gp3(size=Bytes.gib(65_536), iops=80_000, throughput=2000)), VOLUME
    )
    assert (made["Size"], made["Iops"], made["Throughput"]) == (65_536, 80_000, 2000)


def test_the_smallest_volume_is_made() -> None:
    """The engine's ratio of operations to size is none for what every volume has."""
    (made,) = properties(made_of(zones=[FIRST], volume=Gp3(size=Bytes.gib(1))), VOLUME)
    assert (made["Size"], made["Iops"], made["Throughput"]) == (1, 3000, 125)


def test_several_replicas_may_share_a_zone() -> None:
    """Where the cluster has fewer zones than they are."""
    assert [each["AvailabilityZone"] for each in properties(made_of(zones=[FIRST, FIRST]), VOLUME)] == [FIRST, FIRST]


def test_the_stack_says_the_volumes_by_their_claims() -> None:
    """As JSON, which is what the manifests are given once it is deployed."""
    made = made_of()
    (output,) = made.to_json()["Outputs"].values()
    ids = dict(zip(made.find_resources(VOLUME), ("vol-0123456789abcdef0", "vol-0123456789abcdef1"), strict=True))
    said = "".join(part if isinstance(part, str) else ids[part["Ref"]] for part in output["Value"]["Fn::Join"][1])
    assert {claim: EbsVolume(**volume) for claim, volume in json.loads(said).items()} == {
        "data-prometheus-0": EbsVolume(id="vol-0123456789abcdef0", zone=FIRST),
        "data-prometheus-1": EbsVolume(id="vol-0123456789abcdef1", zone=SECOND),
    }


def test_what_it_made_can_be_used() -> None:
    """The volumes are there by their claims, for an alarm or a policy."""

    def build(stack: cdk.Stack) -> None:
        for claim, volume in volumes(stack).volumes.items():
            cdk.CfnOutput(stack, f"Again{claim}", value=volume.volume_id)

    outputs = template(build).to_json()["Outputs"]
    assert {name for name in outputs if name.startswith("Again")} == {"Againdataprometheus0", "Againdataprometheus1"}


def test_volumes_are_made_in_their_region_alone() -> None:
    """A stack of no region is told by its zones: CloudFormation makes nothing elsewhere."""
    rules = template(volumes, region=None).to_json()["Rules"]
    (assertion,) = next(rule["Assertions"] for name, rule in rules.items() if "Region" in name)
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "AWS::Region"}, REGION]}


def test_without_a_schedule_there_are_no_snapshots() -> None:
    """No policy, and no role that could make some."""
    made = made_of()
    for kind in (LIFECYCLE, ROLE, POLICY):
        made.resource_count_is(kind, 0)


def test_snapshots_are_made_daily_and_counted(daily: assertions.Template) -> None:
    """Of the component's volumes and no others; they bear its tag, and not that of the driver."""
    assert only(daily, LIFECYCLE) == {
        "Type": LIFECYCLE,
        "Properties": {
            "Description": "Snapshots of prometheus in monitoring",
            "State": "ENABLED",
            "ExecutionRoleArn": arn(daily, ROLE),
            "PolicyDetails": {
                "ResourceTypes": ["VOLUME"],
                "TargetTags": [MINE],
                "Schedules": [
                    {
                        "Name": "daily",
                        "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": ["03:00"]},
                        "RetainRule": {"Count": 7},
                        "CopyTags": False,
                        "TagsToAdd": [MINE],
                    }
                ],
            },
        },
    }


def test_what_the_lifecycle_manager_is_told_has_no_letters_that_it_refuses() -> None:
    """Names of clusters may have dots, which a tag may have and a description must not."""
    made = only(made_of(cluster="eu.blue", snapshots=Snapshots()), LIFECYCLE)["Properties"]
    assert re.fullmatch(r"[0-9A-Za-z _-]+", made["Description"])
    assert made["PolicyDetails"]["TargetTags"][0]["Value"] == "eu.blue/monitoring/prometheus"


def test_when_and_how_many_is_said_by_the_snapshots() -> None:
    """An hour and a minute of UTC, and up to a thousand."""
    (schedule,) = only(made_of(snapshots=Snapshots(at=time(23, 5), keep=1000)), LIFECYCLE)["Properties"][
        "PolicyDetails"
    ]["Schedules"]
    assert (schedule["CreateRule"]["Times"], schedule["RetainRule"]) == (["23:05"], {"Count": 1000})


def asked(action: str, what: str, made: assertions.Template, **tags: str) -> dict[str, Any]:
    """What the role of snapshots asks for, of something that bears a tag, as the evaluator takes it."""
    context = {f"aws:ResourceTag/{MINE['Key']}": value for value in tags.values()}
    return {
        "request": {
            "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/snapshots/dlm",
            "action": f"ec2:{action}",
            "resource": {"resource": what, "accountId": ACCOUNT},
            "contextVariables": context,
        },
        "identityPolicies": [{"name": "own", "policy": policy(*plain(statements(made)))}],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }


def test_the_role_makes_and_deletes_snapshots_of_the_component_alone(daily: assertions.Template) -> None:
    """As an evaluator of IAM's policies decides; the volumes themselves, it can do nothing to."""
    volume, snapshot = f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-1", f"arn:aws:ec2:{REGION}::snapshot/snap-1"
    mine, other = MINE["Value"], "blue/monitoring/loki"
    assert (
        decided(
            [
                asked("CreateSnapshot", volume, daily, tag=mine),
                asked("CreateSnapshot", snapshot, daily),
                asked("CreateTags", snapshot, daily),
                asked("DeleteSnapshot", snapshot, daily, tag=mine),
                asked("DescribeVolumes", "*", daily),
            ]
        )
        == ["Allowed"] * 5
    )
    assert (
        decided(
            [
                asked("CreateSnapshot", volume, daily),
                asked("CreateSnapshot", volume, daily, tag=other),
                asked("DeleteSnapshot", snapshot, daily),
                asked("DeleteSnapshot", snapshot, daily, tag=other),
                asked("CreateTags", volume, daily, tag=mine),
                asked("DeleteVolume", volume, daily, tag=mine),
                asked("ModifySnapshotAttribute", snapshot, daily, tag=mine),
            ]
        )
        == ["ImplicitlyDenied"] * 7
    )


def test_only_lifecycle_policies_of_this_account_take_the_role(daily: assertions.Template) -> None:
    """Not another service, and not this one for another account."""
    role = only(daily, ROLE)["Properties"]
    trust = plain(role["AssumeRolePolicyDocument"])

    def takes(who: str, account: str) -> dict[str, Any]:
        context = {
            "aws:SourceAccount": account,
            "aws:SourceArn": f"arn:aws:dlm:{REGION}:{account}:policy/policy-0123456789abcdef0",
        }
        return {
            "request": {
                "principal": who,
                "action": "sts:AssumeRole",
                "resource": {"resource": f"arn:aws:iam::{ACCOUNT}:role/snapshots", "accountId": ACCOUNT},
                "contextVariables": context,
            },
            "identityPolicies": [],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            "resourcePolicy": trust,
        }

    assert decided(
        [
            takes("dlm.amazonaws.com", ACCOUNT),
            takes("dlm.amazonaws.com", STRANGER),
            takes("ec2.amazonaws.com", ACCOUNT),
        ]
    ) == ["Allowed", "ImplicitlyDenied", "ImplicitlyDenied"]


def with_snapshots(app: cdk.App) -> None:
    """Of accounts and regions that are known, and that are not."""
    for name, place in (("Here", {"account": ACCOUNT, "region": REGION}), ("There", {"region": REGION}), ("Else", {})):
        volumes(cdk.Stack(app, name, env=cdk.Environment(**place)), cluster=name, snapshots=Snapshots())


def test_the_rules_of_cdk_nag_find_nothing() -> None:
    """What is found is all of a bucket beside them."""

    def build(app: cdk.App) -> None:
        public(app)
        with_snapshots(app)

    assert found(build) == found(public)


def test_each_acknowledgement_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them, these are found: what the role may do beyond single resources, and zones by their names."""
    told: set[str] = set()

    def acknowledge(_: cdk.Validations, *rules: cdk.Acknowledgment) -> None:
        assert all(len(rule.reason) > 50 for rule in rules)
        told.update(rule.id.removeprefix("AwsSolutions::") for rule in rules)

    monkeypatch.setattr(cdk.Validations, "acknowledge", acknowledge)
    assert {rule for rule, _ in found(with_snapshots)} == told - {"CloudFormation-Validate::W3010"}
    assert warned() == {"W3010"}


def test_the_zones_by_their_names_are_no_warning() -> None:
    """Of CloudFormation's own validation, as it is done when rendering: they are chosen."""
    assert warned() == set()


def warned() -> set[str]:
    """The rules of the validation that the CDK does by default which volumes break."""
    with tempfile.TemporaryDirectory() as directory:
        app = cdk.App(outdir=directory, analytics_reporting=False)
        volumes(cdk.Stack(app, "Stack", env=cdk.Environment(region=REGION)))
        app.synth()
        report = Path(directory) / "validation-report.json"
        plugins = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    return {violation["ruleName"] for plugin in plugins for violation in plugin["violations"]}


def twice(stack: cdk.Stack) -> None:
    volumes(stack)
    volumes(stack, "Again", zones=[THIRD])


def of(**more: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: volumes(stack, **more)


REFUSED: Mapping[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "twice": (
        twice,
        "blue/monitoring/prometheus has two volumes for one claim, at Stack/Volumes and Stack/Again: name it once",
    ),
    "nowhere": (of(zones=[]), "blue/monitoring/prometheus has volumes for no replica: give the zone of each"),
    "elsewhere": (
        of(zones=["us-east-1a"]),
        "the volumes of blue/monitoring/prometheus are in us-east-1, but their stack is in eu-central-1: use zones of ",
    ),
    "two-regions": (
        of(zones=[FIRST, "us-east-1a"]),
        "the volumes of blue/monitoring/prometheus are in eu-central-1 and us-east-1: use zones of one region",
    ),
    "region": (of(zones=[REGION]), "'eu-central-1' is no availability zone: use its name, such as 'us-east-1a'"),
    "zone-id": (of(zones=["euc1-az1"]), "'euc1-az1' is no availability zone: use its name, such as 'us-east-1a'"),
    "namespace": (of(namespace="Monitoring"), "'Monitoring' cannot be a namespace: use up to 63 lower-case letters"),
    "component": (of(component="prom/0"), "'prom/0' cannot be a StatefulSet: use up to 63 lower-case letters"),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_fail_later_is_refused(build: Callable[[cdk.Stack], object], sentence: str) -> None:
    """At once and in one sentence, where EC2 would say it, or nobody."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(build)


@pytest.mark.parametrize("other", [{"cluster": "green"}, {"namespace": "shop"}, {"component": "loki"}], ids=str)
def test_other_claims_have_volumes_of_their_own(other: Mapping[str, str]) -> None:
    """In another cluster or namespace, or of another component."""
    made = template(volumes, lambda stack: volumes(stack, "Other", **other))
    made.resource_count_is(VOLUME, 4)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"at": time(3, 0, 30)}, "snapshots are made at 03:00:30 every day: use a whole minute, in UTC without saying"),
        ({"at": time(3, tzinfo=UTC)}, r"snapshots are made at 03:00:00\+00:00 every day: use a whole minute, in UTC "),
        ({"keep": 0}, "0 snapshots are kept of each volume: use 1 to 1000"),
        ({"keep": 1001}, "1001 snapshots are kept of each volume: use 1 to 1000"),
    ],
    ids=["second", "zone", "none", "many"],
)
def test_a_schedule_that_cannot_be_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    """The lifecycle manager counts minutes of UTC, and up to a thousand."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        Snapshots(**settings)
