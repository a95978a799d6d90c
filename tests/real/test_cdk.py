"""The AWS half as the command line of CDK deploys it, changes it and takes it away, against AWS on loopback.

What the stand-in does not do, the tests of the templates assert: it has no lifecycle, no Pod Identity and no rules of
CloudFormation; it makes every bucket private and encrypted, whether it is told to or not; it changes no bucket.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from apps.environments import PROD
from constructs_lib.contract import GRAFANA_BACKUP, LOKI, PROMETHEUS, Origin
from tests.real.localstack import ACCOUNT, AWS, REGION, running
from tests.rendered import ROOT

CDK = ROOT / "node_modules" / ".bin" / "cdk"
# As operators set them for themselves; nothing else differs from production.
SITE = {"CONSTRUCTS_PROD__BUCKET_PREFIX": "acme"}
CHANGED = {**SITE, "CONSTRUCTS_PROD__BACKUP_KEEP": "20d"}
BACKUP, LOGS = "acme-prod-backup", "acme-prod-logs"
ORIGINS = {
    component: Origin(cluster=PROD.cluster, namespace=PROD.namespace, component=component, database=database)
    for component, database in ((PROMETHEUS, False), (GRAFANA_BACKUP, True))
}
POINT = f"{ORIGINS[PROMETHEUS].prefixes[1]}prometheus-0/20261128T020000Z.json"
ACCOUNT_OF_PODS = "aws:RequestTag/kubernetes-service-account"


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody in a clone, with an account of AWS.

    Args:
        aws: Where the account is.
        directory: For what the command line of CDK keeps.
    """

    aws: AWS
    directory: Path

    def cdk(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the README has it, whatever comes of it."""
        output = self.directory / "-".join([arguments[0], *settings.values()])  # two at once do not share it
        environment = {
            **self.aws.environment,
            **settings,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "CDK_HOME": str(self.directory),
            "CDK_DISABLE_CLI_TELEMETRY": "1",
            "CI": "true",  # all that it says goes to one stream
        }
        command = [str(CDK), *arguments, "-c", "env=prod", "--no-notices", "--no-color", "--output", str(output)]
        return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)

    def done(self, *arguments: str, **settings: str) -> str:
        """What a command said that did what it was told to."""
        ran = self.cdk(*arguments, **settings)
        assert ran.returncode == 0, f"cdk {' '.join(arguments)}:\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr

    def deploy(self, *arguments: str, **settings: str) -> str:
        """Deploy, without being asked whether the roles are right, as one is at a terminal."""
        return self.done("deploy", *arguments, "--require-approval", "never", **settings)

    def stack(self, name: str) -> dict[str, Any]:
        """What CloudFormation has of a stack."""
        (found,) = self.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return dict(found)

    def resources(self, name: str) -> dict[str, dict[str, Any]]:
        """Those of a stack, by the name that the template has for them."""
        found = self.aws.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        return {resource["LogicalResourceId"]: resource for resource in found}

    def template(self, name: str) -> dict[str, Any]:
        """The one that is deployed."""
        body: dict[str, Any] = self.aws.client("cloudformation").get_template(StackName=name)["TemplateBody"]
        return body

    def policy(self, bucket: str) -> dict[str, Any]:
        """Of a bucket."""
        found: dict[str, Any] = json.loads(self.aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        return found

    def roles(self, stack: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Service account -> who may take its role, and the one policy that it has."""
        iam, found = self.aws.client("iam"), {}
        for resource in self.resources(stack).values():
            if resource["ResourceType"] != "AWS::IAM::Role":
                continue
            name = resource["PhysicalResourceId"]
            assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
            (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
            allowed = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            trusted = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            (statement,) = trusted["Statement"]
            found[statement["Condition"]["StringEquals"][ACCOUNT_OF_PODS]] = (trusted, allowed)
        return found


def allowed(policy: dict[str, Any]) -> set[tuple[str, str, str]]:
    """What a policy allows: each action, on what, and the prefix below which it is."""
    found = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}
        actions, resources = (
            [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
        )
        condition = statement.get("Condition", {"StringLike": {"s3:prefix": ""}})
        assert set(condition) == {"StringLike"}
        assert set(condition["StringLike"]) == {"s3:prefix"}
        prefixes = condition["StringLike"]["s3:prefix"]
        for prefix in [prefixes] if isinstance(prefixes, str) else prefixes:
            found |= {(action, resource, prefix) for action in actions for resource in resources}
    return found


def tls_alone(bucket: str) -> dict[str, Any]:
    """The policy of a bucket that nobody reaches by plain HTTP."""
    arn = f"arn:aws:s3:::{bucket}"
    denied = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [denied]}


def taken_by(service_account: str) -> dict[str, Any]:
    """The policy of a role that EKS gives to pods of one service account of prod."""
    said = {
        "aws:SourceAccount": ACCOUNT,
        "aws:RequestTag/eks-cluster-name": PROD.cluster,
        "aws:RequestTag/kubernetes-namespace": PROD.namespace,
        ACCOUNT_OF_PODS: service_account,
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": said},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def expiry(template: dict[str, Any]) -> dict[str, int]:
    """After how many days what expires, by the rules of the one bucket of a template."""
    (bucket,) = (item for item in template["Resources"].values() if item["Type"] == "AWS::S3::Bucket")
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule["Id"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """With an account that CDK was never used in, until now."""
    with running(tmp_path_factory.mktemp("aws")) as aws:
        operator = Operator(aws, tmp_path_factory.mktemp("operator"))
        operator.done("bootstrap", f"aws://{ACCOUNT}/{REGION}")
        yield operator


@pytest.fixture(scope="module")
def deployed(operator: Operator) -> dict[str, dict[str, Any]]:
    """What the stack consists of at first; into its bucket comes a restore point."""
    operator.deploy("MonitoringBackup", **SITE)
    operator.aws.client("s3").put_object(Bucket=BACKUP, Key=POINT, Body=b"a restore point", IfNoneMatch="*")
    return operator.resources("MonitoringBackup-prod")


@pytest.fixture(scope="module")
def changed(operator: Operator, deployed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """And after a deployment of both stacks, with a setting that has changed."""
    operator.deploy("MonitoringStores", "MonitoringBackup", **CHANGED)
    return operator.resources("MonitoringBackup-prod")


@pytest.fixture(scope="module")
def destroyed(operator: Operator, changed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What it consisted of before it was taken away."""
    operator.done("destroy", "--force", "MonitoringBackup", **CHANGED)
    return changed


def test_nothing_but_pod_identity_is_left_out(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """All that the template has is made; the stand-in passes over the association, and says so."""
    assert operator.stack("MonitoringBackup-prod")["StackStatus"] == "CREATE_COMPLETE"
    assert set(deployed) == set(operator.template("MonitoringBackup-prod")["Resources"])
    assert {resource["ResourceStatus"] for resource in deployed.values()} == {"CREATE_COMPLETE"}
    out = {r["ResourceType"] for r in deployed.values() if "not supported" in r.get("ResourceStatusReason", "")}
    assert out == {"AWS::EKS::PodIdentityAssociation"}


def test_the_bucket_keeps_versions_and_takes_tls_alone(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """By the name that the site's prefix makes; CloudFormation has resolved what the policy names."""
    assert operator.aws.client("s3").get_bucket_versioning(Bucket=BACKUP)["Status"] == "Enabled"
    assert operator.policy(BACKUP) == tls_alone(BACKUP)


def test_pods_of_each_add_below_their_prefixes(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """They read there, too, and nothing else is theirs to do; nobody but them gets the role."""
    roles = operator.roles("MonitoringBackup-prod")
    arn, actions = f"arn:aws:s3:::{BACKUP}", ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
    assert roles.keys() == ORIGINS.keys()
    for component, origin in ORIGINS.items():
        taken, policy = roles[component]
        objects = {(action, f"{arn}/{prefix}*", "") for action in actions for prefix in origin.prefixes}
        assert allowed(policy) == objects | {("s3:ListBucket", arn, f"{prefix}*") for prefix in origin.prefixes}
        assert taken == taken_by(component)


def test_a_change_is_made_in_place(
    operator: Operator, deployed: dict[str, dict[str, Any]], changed: dict[str, dict[str, Any]]
) -> None:
    """Points that are kept for 20 days: CloudFormation changes the bucket alone, and replaces nothing."""
    events = operator.aws.client("cloudformation").describe_stack_events(StackName="MonitoringBackup-prod")
    touched = {e["LogicalResourceId"] for e in events["StackEvents"] if "CREATE" not in e["ResourceStatus"]}
    (bucket,) = (name for name, r in changed.items() if r["ResourceType"] == "AWS::S3::Bucket")
    physical = [
        {name: resource["PhysicalResourceId"] for name, resource in resources.items()}
        for resources in (deployed, changed)
    ]

    assert operator.stack("MonitoringBackup-prod")["StackStatus"] == "UPDATE_COMPLETE"
    assert touched == {bucket, "MonitoringBackup-prod"}
    assert physical[0] == physical[1]
    assert physical[1][bucket] == BACKUP
    assert expiry(operator.template("MonitoringBackup-prod")) == {"points": 20, "everything": 90}


def test_the_store_of_logs_comes_by_the_same_command(operator: Operator, changed: dict[str, dict[str, Any]]) -> None:
    """Loki deletes in its own bucket, too, all by itself: what it deletes is gone."""
    ((taken, policy),) = operator.roles("MonitoringStores-prod").values()
    arn, s3 = f"arn:aws:s3:::{LOGS}", operator.aws.client("s3")
    actions = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject")
    assert operator.stack("MonitoringStores-prod")["StackStatus"] == "CREATE_COMPLETE"
    assert allowed(policy) == {("s3:ListBucket", arn, ""), *((action, f"{arn}/*", "") for action in actions)}
    assert taken == taken_by(LOKI)
    assert operator.policy(LOGS) == tls_alone(LOGS)
    assert "Status" not in s3.get_bucket_versioning(Bucket=LOGS)


def test_a_diff_shows_what_has_changed_alone(operator: Operator, changed: dict[str, dict[str, Any]]) -> None:
    """Nothing when nothing has, of both stacks; and with the former setting, the days that would change back."""
    with ThreadPoolExecutor() as both:
        same, other = both.map(lambda settings: operator.cdk("diff", "--fail", **settings), (CHANGED, SITE))

    changes = [line.partition("[")[2] for line in other.stdout.splitlines() if re.search(r"\[[-+~]\]", line)]
    assert same.returncode == 0, same.stdout
    assert "Number of stacks with differences: 0" in same.stdout
    assert other.returncode == 1, other.stdout
    assert changes[0].startswith("~] AWS::S3::Bucket RestorePoints/")
    assert changes[1:3] == ["~] LifecycleConfiguration", "~] .Rules:"]
    assert [change.split() for change in changes[3:]] == [
        ["-]", '"ExpirationInDays":', "20,"],
        ["+]", '"ExpirationInDays":', "30,"],
    ]


def test_what_is_stored_stays_when_the_stack_goes(operator: Operator, destroyed: dict[str, dict[str, Any]]) -> None:
    """The bucket, its policy and the restore point do, which has come through the change; the role goes."""
    with pytest.raises(ClientError, match=r"MonitoringBackup-prod.* does not exist"):
        operator.stack("MonitoringBackup-prod")
    s3 = operator.aws.client("s3")
    assert s3.get_object(Bucket=BACKUP, Key=POINT)["Body"].read() == b"a restore point"
    assert s3.get_bucket_versioning(Bucket=BACKUP)["Status"] == "Enabled"
    assert operator.policy(BACKUP) == tls_alone(BACKUP)
    roles = {r["PhysicalResourceId"] for r in destroyed.values() if r["ResourceType"] == "AWS::IAM::Role"}
    assert not roles & {role["RoleName"] for role in operator.aws.client("iam").list_roles()["Roles"]}
