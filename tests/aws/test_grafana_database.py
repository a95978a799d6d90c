"""The database of Grafana: who reaches it, by what, what stays of it, and what is refused."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib.aws import GrafanaDatabase
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes
from tests.aws.synthesized import REGION, only, template
from tests.aws.test_nag import found, public
from tests.test_rds import server

SERVER, SECRET, PARAMETERS = "AWS::RDS::DBInstance", "AWS::SecretsManager::Secret", "AWS::RDS::DBParameterGroup"
SUBNETS = "AWS::RDS::DBSubnetGroup"
GROUP, INGRESS, EGRESS = (f"AWS::EC2::SecurityGroup{part}" for part in ("", "Ingress", "Egress"))


def database(scope: cdk.Stack, id: str = "Grafana", **more: Any) -> GrafanaDatabase:
    return GrafanaDatabase(scope, id, **{"server": server(), **more})


def made_of(**more: Any) -> assertions.Template:
    return template(lambda stack: database(stack, **more))


def name_of(of: assertions.Template, kind: str) -> str:
    """The logical name of the one resource of a type."""
    (name,) = of.find_resources(kind)
    return name


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    """As it is unless told otherwise."""
    return made_of()


def test_it_is_all_that_is_said_of_it(made: assertions.Template) -> None:
    """Field by field: encrypted, in two zones, private, saved, protected, and gone by no accident."""
    group = {"Fn::GetAtt": [name_of(made, GROUP), "GroupId"]}
    password = ["{{resolve:secretsmanager:", {"Ref": name_of(made, SECRET)}, ":SecretString:password::}}"]
    assert only(made, SERVER) == {
        "Type": SERVER,
        "DeletionPolicy": "Snapshot",
        "UpdateReplacePolicy": "Snapshot",
        "Properties": {
            "DBInstanceIdentifier": "blue-monitoring-grafana",
            "DBInstanceClass": "db.t4g.small",
            "Engine": "postgres",
            "EngineVersion": "17",
            "AllowMajorVersionUpgrade": True,
            "AutoMinorVersionUpgrade": True,
            "DBParameterGroupName": {"Ref": name_of(made, PARAMETERS)},
            "DBName": "grafana",
            "MasterUsername": "grafana",
            "MasterUserPassword": {"Fn::Join": ["", password]},
            "Port": "5432",
            "DBSubnetGroupName": {"Ref": name_of(made, SUBNETS)},
            "VPCSecurityGroups": [group],
            "PubliclyAccessible": False,
            "MultiAZ": True,
            "StorageType": "gp3",
            "StorageEncrypted": True,
            "AllocatedStorage": "20",
            "MaxAllocatedStorage": 100,
            "BackupRetentionPeriod": 7,
            "CopyTagsToSnapshot": True,
            "DeleteAutomatedBackups": False,
            "DeletionProtection": True,
        },
    }


def test_the_cluster_comes_in_and_nothing_goes_out(made: assertions.Template) -> None:
    """By one port; the rule that is there stands for none, or EC2 would let everything out."""
    assert only(made, GROUP)["Properties"] == {
        "GroupDescription": "Of the database blue-monitoring-grafana.",
        "VpcId": "vpc-0123456789abcdef0",
        "SecurityGroupEgress": [
            {
                "CidrIp": "255.255.255.255/32",
                "Description": "Disallow all traffic",
                "IpProtocol": "icmp",
                "FromPort": 252,
                "ToPort": 86,
            }
        ],
    }
    assert only(made, INGRESS)["Properties"] == {
        "Description": "PostgreSQL, from Grafana and its saver",
        "GroupId": {"Fn::GetAtt": [name_of(made, GROUP), "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": 5432,
        "ToPort": 5432,
        "SourceSecurityGroupId": "sg-0123456789abcdef0",
    }
    made.resource_count_is(EGRESS, 0)
    assert only(made, SUBNETS)["Properties"]["SubnetIds"] == ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]


def test_nobody_comes_without_tls(made: assertions.Template) -> None:
    """Whatever the client says; the family follows the version."""
    assert only(made, PARAMETERS)["Properties"] == {
        "Description": "Parameter group for postgres17",
        "Family": "postgres17",
        "Parameters": {"rds.force_ssl": "1"},
    }


def test_a_password_is_made_of_what_no_setting_changes(made: assertions.Template) -> None:
    """CloudFormation would make another one, which neither RDS nor Grafana has heard of."""
    other = made_of(server=server(user="people", database="boards", port=5433, version=18), multi_az=False)
    generated = [only(each, SECRET)["Properties"]["GenerateSecretString"] for each in (made, other)]
    assert generated == 2 * [
        {
            "SecretStringTemplate": "{}",
            "GenerateStringKey": "password",
            "PasswordLength": 32,
            "ExcludePunctuation": True,
        }
    ]
    assert only(made, SECRET)["Properties"]["Name"] == "blue/monitoring/grafana-postgres"


def test_the_stack_says_where_it_is_and_no_password(made: assertions.Template) -> None:
    """The password is looked up by CloudFormation, for the server alone."""
    outputs = {each["Description"]: each["Value"] for each in made.to_json()["Outputs"].values()}
    assert outputs == {
        "Where the manifests find it: GRAFANA_POSTGRES_HOST.": {
            "Fn::GetAtt": [name_of(made, SERVER), "Endpoint.Address"]
        },
        "The secret whose property password is the password, by name.": "blue/monitoring/grafana-postgres",
    }
    assert json.dumps(made.to_json()).count("{{resolve:") == 1


def test_what_is_asked_for_is_made() -> None:
    """A server that is nobody's default."""
    asked = server(name="green", user="people", database="boards", port=5433, version=18)
    made = made_of(
        server=asked,
        instance_class="db.m8g.2xlarge",
        storage=Bytes.gib(30),
        most_storage=Bytes.gib(33),
        multi_az=False,
        keep=timedelta(days=35),
    )
    properties = only(made, SERVER)["Properties"]
    names = ("DBInstanceIdentifier", "DBInstanceClass", "EngineVersion", "DBName", "MasterUsername", "Port")
    assert [properties[each] for each in names] == ["green", "db.m8g.2xlarge", "18", "boards", "people", "5433"]
    names = ("AllocatedStorage", "MaxAllocatedStorage", "MultiAZ", "BackupRetentionPeriod")
    assert [properties[each] for each in names] == ["30", 33, False, 35]
    assert only(made, PARAMETERS)["Properties"]["Family"] == "postgres18"
    ingress = only(made, INGRESS)["Properties"]
    assert (ingress["FromPort"], ingress["ToPort"]) == (5433, 5433)


def test_a_storage_that_does_not_grow_is_told_no_limit() -> None:
    """RDS refuses a limit that is the size."""
    properties = only(made_of(storage=Bytes.gib(50), most_storage=Bytes.gib(50)), SERVER)["Properties"]
    assert properties["AllocatedStorage"] == "50"
    assert "MaxAllocatedStorage" not in properties


def test_what_it_made_can_be_used() -> None:
    """For an alarm on the server, or somebody else who reads the secret."""

    def build(stack: cdk.Stack) -> None:
        made = database(stack)
        cdk.CfnOutput(stack, "Arn", value=made.instance.instance_arn)
        cdk.CfnOutput(stack, "Also", value=made.secret.secret_arn)

    assert {"Arn", "Also"} <= template(build).to_json()["Outputs"].keys()


def in_each_way(app: cdk.App) -> None:
    """In two zones, and in one."""
    for name, zones in (("Two", True), ("One", False)):
        stack = cdk.Stack(app, name, env=cdk.Environment(region=REGION))
        asked = server(name=name.lower(), secret=name)
        database(stack, server=asked, multi_az=zones)


def test_the_rules_of_cdk_nag_find_nothing() -> None:
    """What is found is all of a bucket beside it."""

    def build(app: cdk.App) -> None:
        public(app)
        in_each_way(app)

    assert found(build) == found(public)


def test_each_acknowledgement_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them, these are found: the usual port, a password that nothing changes, and a single zone."""
    told: list[str] = []

    def acknowledge(_: cdk.Validations, *rules: cdk.Acknowledgment) -> None:
        assert all(len(rule.reason) > 50 for rule in rules)
        told.extend(rule.id.removeprefix("AwsSolutions::") for rule in rules)

    monkeypatch.setattr(cdk.Validations, "acknowledge", acknowledge)
    assert sorted(rule for rule, _ in found(in_each_way)) == sorted(told)
    assert set(told) == {"AwsSolutions-RDS11", "AwsSolutions-RDS3", "AwsSolutions-SMG4"}


def twice(**more: Any) -> Callable[[cdk.Stack], object]:
    def build(stack: cdk.Stack) -> None:
        database(stack)
        database(stack, "Again", server=server(**more))

    return build


def of(**more: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: database(stack, **more)


REFUSED: Mapping[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "server-twice": (
        twice(secret="other"),  # noqa: S106  # its name
        "there are two databases blue-monitoring-grafana, at Stack/Grafana and Stack/Again: name each apart",
    ),
    "secret-twice": (
        twice(name="other"),
        "there are two secrets blue/monitoring/grafana-postgres, at Stack/Grafana and Stack/Again: name each apart",
    ),
    "class": (
        of(instance_class="t4g.small"),
        "blue-monitoring-grafana is to be a 't4g.small', which is no class of RDS: use one such as 'db.t4g.small'",
    ),
    "small": (
        of(storage=Bytes.gib(19)),
        "blue-monitoring-grafana has a storage of 19Gi: use whole gibibytes, from 20Gi to 64Ti",
    ),
    "odd": (
        of(storage=Bytes.mib(20_500)),
        "blue-monitoring-grafana has a storage of 20500Mi: use whole gibibytes, from 20Gi to 64Ti",
    ),
    "large": (
        of(most_storage=Bytes.gib(65_537)),
        "blue-monitoring-grafana has a storage of 65537Gi: use whole gibibytes, from 20Gi to 64Ti",
    ),
    "shrinking": (
        of(storage=Bytes.gib(120)),
        "blue-monitoring-grafana has a storage of 120Gi that grows to 100Gi: use a tenth more or above, or 120Gi, so ",
    ),
    "hardly-growing": (
        of(storage=Bytes.gib(30), most_storage=Bytes.gib(32)),
        "blue-monitoring-grafana has a storage of 30Gi that grows to 32Gi: use a tenth more or above, or 30Gi, so ",
    ),
    "unsaved": (
        of(keep=timedelta(0)),
        "blue-monitoring-grafana keeps its snapshots for 0s: use 1 to 35 whole days",
    ),
    "long": (
        of(keep=timedelta(days=36)),
        "blue-monitoring-grafana keeps its snapshots for 36d: use 1 to 35 whole days",
    ),
    "hours": (
        of(keep=timedelta(hours=36)),
        "blue-monitoring-grafana keeps its snapshots for 1d12h: use 1 to 35 whole days",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_fail_later_is_refused(build: Callable[[cdk.Stack], object], sentence: str) -> None:
    """At once and in one sentence, where RDS would say it when the stack is deployed."""
    with pytest.raises(ConstructError, match=f"^{re.escape(sentence)}"):
        template(build)


def test_another_region_may_have_the_same_names() -> None:
    """They are of an account and a region."""
    app = cdk.App(analytics_reporting=False)
    for region in (REGION, "us-east-1"):
        database(cdk.Stack(app, region, env=cdk.Environment(region=region)))
