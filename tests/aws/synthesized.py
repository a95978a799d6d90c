"""Stacks that a test makes, and the templates that they become."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from constructs_lib.contract import Bucket, Identity, WebIdentity
from constructs_lib.restore_points import BackupLimits, Origin, RestorePoints

REGION = "eu-central-1"
STORE = Bucket(name="acme-logs", region=REGION)
POINTS = RestorePoints(bucket=Bucket(name="acme-backup", region=REGION))
# As queues start them.
QUEUED = replace(POINTS, limits=BackupLimits(queued=True))
LOKI = Identity(cluster="blue", namespace="monitoring", service_account="loki")
PROMETHEUS = Origin(cluster="blue", namespace="monitoring", component="prometheus")
# What its replicas are called.
PAIR = PROMETHEUS.replicas(2)
TRUSTED = WebIdentity(
    account="111122223333", issuer="oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
)
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

BUCKET, BUCKET_POLICY, ROLE, POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::IAM::Role", "AWS::IAM::Policy"
ASSOCIATION = "AWS::EKS::PodIdentityAssociation"


def template(
    *builds: Callable[[cdk.Stack], object], region: str | None = REGION, account: str | None = None
) -> assertions.Template:
    """The template of one stack; validation by the CDK is left to rendering, which takes its time for it."""
    with tempfile.TemporaryDirectory() as directory:
        app = cdk.App(outdir=directory, analytics_reporting=False, builtin_cloud_formation_validation=False)
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region=region, account=account))
        for build in builds:
            build(stack)
        return assertions.Template.from_stack(stack)


def only(of: assertions.Template, kind: str) -> Mapping[str, Any]:
    """The one resource of a type."""
    (found,) = of.find_resources(kind).values()
    resource: Mapping[str, Any] = found
    return resource


def arn(of: assertions.Template, kind: str) -> dict[str, list[str]]:
    """The ARN of the one resource of a type, as others name it."""
    (name,) = of.find_resources(kind)
    return {"Fn::GetAtt": [name, "Arn"]}


def below(of: assertions.Template, prefix: str) -> dict[str, Any]:
    """The ARN of all objects of the one bucket below a prefix."""
    return {"Fn::Join": ["", [arn(of, BUCKET), f"/{prefix}*"]]}


def statements(of: assertions.Template) -> list[Mapping[str, Any]]:
    """Of the one policy of a role."""
    found: list[Mapping[str, Any]] = only(of, POLICY)["Properties"]["PolicyDocument"]["Statement"]
    return found
