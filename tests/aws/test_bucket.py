"""Buckets: what they are, what they grant, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from constructs_lib.aws import PrivateBucket, RestorePointBucket
from constructs_lib.contract import Bucket, BucketAccess, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import RestorePoints
from tests.aws.synthesized import (
    BUCKET,
    BUCKET_POLICY,
    KEY,
    LOKI,
    POINTS,
    REGION,
    STORE,
    arn,
    below,
    only,
    statements,
    template,
)

ABORT = {"Id": "unfinished-uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}


def private(scope: cdk.Stack, id: str = "Bucket", **more: Any) -> PrivateBucket:
    return PrivateBucket(scope, id, **{"bucket": STORE, "versioned": False, **more})


def granted(rights: Rights, *, prefix: str = "mine/", key: bool = False) -> assertions.Template:
    """A bucket on which a role has rights."""

    def build(stack: cdk.Stack) -> None:
        made = private(stack, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY) if key else None)
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("pods.eks.amazonaws.com"))
        made.grant(role, BucketAccess(identity=LOKI, bucket=STORE, prefix=prefix, rights=rights))

    return template(build)


@pytest.fixture(scope="module")
def points() -> assertions.Template:
    """The bucket of restore points, with its defaults."""
    return template(lambda stack: RestorePointBucket(stack, "Points", restore_points=POINTS))


def test_a_bucket_of_restore_points_is_exactly_this(points: assertions.Template) -> None:
    """Field by field: versions, what expires, keys of S3's own, no public access, no access lists."""
    assert only(points, BUCKET) == {
        "Type": BUCKET,
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": "acme-backup",
            "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "LifecycleConfiguration": {
                "Rules": [
                    {"Id": "points", "Status": "Enabled", "Prefix": "points/", "ExpirationInDays": 30},
                    {
                        "Id": "everything",
                        "Status": "Enabled",
                        "ExpirationInDays": 90,
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                    },
                    {"Id": "delete-markers", "Status": "Enabled", "ExpiredObjectDeleteMarker": True},
                    ABORT,
                ]
            },
        },
    }


@pytest.mark.trap(107)
def test_no_rule_removes_delete_markers_and_counts_days(points: assertions.Template) -> None:
    """S3 refuses such a rule, when it is deployed."""
    rules = only(points, BUCKET)["Properties"]["LifecycleConfiguration"]["Rules"]
    markers = [rule for rule in rules if "ExpiredObjectDeleteMarker" in rule]
    assert [set(rule) for rule in markers] == [{"Id", "Status", "ExpiredObjectDeleteMarker"}]
    assert ABORT in rules


def test_what_expires_when_is_said_by_the_restore_points() -> None:
    """Points first, by their own days; versions stay for as long as ever."""
    kept = RestorePoints(bucket=POINTS.bucket, keep=timedelta(days=10), expiry=timedelta(days=40))
    made = template(lambda stack: RestorePointBucket(stack, "Points", restore_points=kept))
    rules = only(made, BUCKET)["Properties"]["LifecycleConfiguration"]["Rules"]
    assert [rule.get("ExpirationInDays") for rule in rules] == [10, 40, None, None]
    assert rules[1]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


@pytest.mark.trap(104)
def test_the_policy_denies_all_but_tls_and_stays_with_the_bucket(points: assertions.Template) -> None:
    """To everybody, on the bucket and on its objects; a bucket that stays without it would answer plain HTTP."""
    (name,) = points.find_resources(BUCKET)
    assert only(points, BUCKET_POLICY) == {
        "Type": BUCKET_POLICY,
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "Bucket": {"Ref": name},
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": {"AWS": "*"},
                        "Action": "s3:*",
                        "Resource": [arn(points, BUCKET), below(points, "")],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            },
        },
    }


@pytest.mark.trap(105)
def test_nothing_empties_a_bucket(points: assertions.Template) -> None:
    """A stack holds its bucket and that bucket's policy: no function that deletes objects when the stack goes."""
    resources = points.to_json()["Resources"].values()
    assert sorted(resource["Type"] for resource in resources) == [BUCKET, BUCKET_POLICY]


@pytest.mark.trap(119)
def test_a_key_encrypts_with_few_requests() -> None:
    """The key is the caller's, who keeps it as long as what it encrypted; S3 asks it now and then, not per object."""
    made = template(
        lambda stack: RestorePointBucket(
            stack, "Points", restore_points=POINTS, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY)
        )
    )
    assert only(made, BUCKET)["Properties"]["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [
            {
                "BucketKeyEnabled": True,
                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
            }
        ]
    }
    made.resource_count_is("AWS::KMS::Key", 0)


@pytest.mark.trap(106)
@pytest.mark.parametrize(
    ("rights", "actions"),
    [
        (Rights.READ, "s3:GetObject"),
        (Rights.ADD, ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]),
        (Rights.WRITE, ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"]),
    ],
    ids=str,
)
def test_rights_are_these_actions_below_the_prefix(rights: Rights, actions: str | list[str]) -> None:
    """Listing is of the bucket, but for keys below the prefix; nothing else is granted."""
    made = granted(rights)
    assert statements(made) == [
        {"Effect": "Allow", "Action": actions, "Resource": below(made, "mine/")},
        {
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": arn(made, BUCKET),
            "Condition": {"StringLike": {"s3:prefix": ["mine/*"]}},
        },
    ]


def test_without_a_prefix_the_whole_bucket_is_meant() -> None:
    """A condition on any prefix would refuse who lists without one."""
    made = granted(Rights.READ, prefix="")
    assert statements(made) == [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": below(made, "")},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn(made, BUCKET)},
    ]


@pytest.mark.parametrize(
    ("rights", "actions"),
    [
        (Rights.READ, "kms:Decrypt"),
        (Rights.ADD, ["kms:Decrypt", "kms:GenerateDataKey"]),
        (Rights.WRITE, ["kms:Decrypt", "kms:GenerateDataKey"]),
    ],
    ids=str,
)
def test_rights_on_the_key_come_with_those_in_the_bucket(rights: Rights, actions: str | list[str]) -> None:
    """Without them, every request is refused, whatever the bucket allows."""
    assert {"Effect": "Allow", "Action": actions, "Resource": KEY} in statements(granted(rights, key=True))
    assert not [each for each in statements(granted(rights)) if "kms" in str(each)]


@pytest.mark.trap(115)
@pytest.mark.parametrize(
    ("name", "passes"),
    [("replace-me-prod-backup", False), ("replace-me", False), ("acme-prod-backup", True), ("acme", True)],
)
def test_cloudformation_refuses_the_placeholder(name: str, passes: bool) -> None:
    """Before it makes anything, and says what to set; a name that somebody chose passes."""
    chosen = Bucket(name=name, region=REGION)
    rules = template(lambda stack: private(stack, bucket=chosen)).to_json()["Rules"]
    (assertion,) = next(rule for logical_id, rule in rules.items() if "Chosen" in logical_id)["Assertions"]
    compared = assertion["Assert"]["Fn::Not"][0]["Fn::Equals"]
    assert (compared[0] != compared[1]) is passes
    assert compared[1] == "replace-me"
    assert assertion["AssertDescription"] == (
        f"The bucket {name} bears the placeholder replace-me, but names are of all of AWS: set the environment's "
        "BUCKET_PREFIX to one of your own, and render and apply both halves again."
    )


@pytest.mark.parametrize("region", [REGION, None], ids=["that-of-the-bucket", "any"])
def test_cloudformation_refuses_another_region(region: str | None) -> None:
    """The programs would ask for the bucket where it is not."""
    rules = template(private, region=region).to_json()["Rules"]
    (assertion,) = next(rule for logical_id, rule in rules.items() if "Region" in logical_id)["Assertions"]
    assert assertion == {
        "Assert": {"Fn::Equals": [{"Ref": "AWS::Region"}, REGION]},
        "AssertDescription": (
            f"The bucket acme-logs is expected in {REGION}: deploy there, or set the environment's REGION, and render "
            "and apply both halves again."
        ),
    }


def elsewhere(stack: cdk.Stack) -> None:
    private(stack, bucket=replace(STORE, region="us-east-1"))


def dotted(stack: cdk.Stack) -> None:
    private(stack, bucket=replace(STORE, name="logs.acme.com"))


def with_key_of_another_region(stack: cdk.Stack) -> None:
    private(stack, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY.replace(REGION, "eu-west-1")))


def twice(stack: cdk.Stack) -> None:
    private(stack)
    private(stack, "Other")


def grant_on_another(stack: cdk.Stack) -> None:
    access = BucketAccess(identity=LOKI, bucket=POINTS.bucket, rights=Rights.READ)
    private(stack).grant(iam.User(stack, "User"), access)


def grant_to_an_account(stack: cdk.Stack) -> None:
    access = BucketAccess(identity=LOKI, bucket=STORE, rights=Rights.READ)
    private(stack).grant(iam.AccountPrincipal("111122223333"), access)


REFUSED: Mapping[Callable[[cdk.Stack], None], str] = {
    elsewhere: "the bucket acme-logs is in us-east-1, but the stack that it is given is in eu-central-1: use one ",
    with_key_of_another_region: (
        "the bucket acme-logs is in eu-central-1, but the key that it is given is in eu-west-1: use one region"
    ),
    dotted: "the bucket logs.acme.com has a dot in its name, for which S3 has no certificate, and takes TLS alone",
    twice: "there are two buckets acme-logs, at Stack/Bucket and Stack/Other: name each apart, since the second one ",
    grant_on_another: "an access to the bucket acme-backup is granted on acme-logs: use one that names it",
    grant_to_an_account: "rights in the bucket acme-logs are granted to a principal without a policy of its own",
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.items(), ids=[build.__name__ for build in REFUSED])
def test_what_would_fail_later_is_refused(build: Callable[[cdk.Stack], None], sentence: str) -> None:
    """At once and in one sentence, where CloudFormation or the first request would say it."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(build)


def test_buckets_of_different_names_share_a_stack() -> None:
    """The check for names that come twice looks at names."""
    made = template(private, lambda stack: private(stack, "Other", bucket=POINTS.bucket))
    made.resource_count_is(BUCKET, 2)
