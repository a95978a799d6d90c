"""Stores of programs: a bucket in which nothing expires, and the role of its user."""

import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms

from constructs_lib.aws import ObjectStore
from tests.aws.synthesized import (
    ASSOCIATION,
    BUCKET,
    BUCKET_POLICY,
    KEY,
    LOKI,
    POLICY,
    ROLE,
    STORE,
    TRUSTED,
    arn,
    below,
    only,
    statements,
    template,
)


@pytest.fixture(scope="module")
def store() -> assertions.Template:
    """The store of Loki."""
    return template(lambda stack: ObjectStore(stack, "Logs", bucket=STORE, identity=LOKI))


@pytest.mark.trap(107)
def test_nothing_expires_by_its_age(store: assertions.Template) -> None:
    """An index is as old as its bucket: only uploads that were given up are removed."""
    assert only(store, BUCKET)["Properties"]["LifecycleConfiguration"] == {
        "Rules": [
            {
                "Id": "unfinished-uploads",
                "Status": "Enabled",
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
            }
        ]
    }


def test_what_the_program_deletes_is_gone(store: assertions.Template) -> None:
    """A version would keep what its retention ended."""
    assert "VersioningConfiguration" not in only(store, BUCKET)["Properties"]


def test_it_is_as_closed_as_any_and_stays(store: assertions.Template) -> None:
    """Bucket and policy, role and association, and no other resource."""
    resources = store.to_json()["Resources"].values()
    assert sorted(resource["Type"] for resource in resources) == sorted(
        [BUCKET, BUCKET_POLICY, ROLE, POLICY, ASSOCIATION]
    )
    for kind in (BUCKET, BUCKET_POLICY):
        assert only(store, kind)["DeletionPolicy"] == only(store, kind)["UpdateReplacePolicy"] == "Retain"
    properties = only(store, BUCKET)["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    encryption = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]


def test_its_user_reads_writes_and_deletes_in_the_whole_bucket(store: assertions.Template) -> None:
    """And nothing else, nowhere else."""
    assert statements(store) == [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            "Resource": below(store, ""),
        },
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn(store, BUCKET)},
    ]


def test_its_user_may_use_the_key() -> None:
    """To read and to write, which it does both."""
    made = template(
        lambda stack: ObjectStore(
            stack, "Logs", bucket=STORE, identity=LOKI, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY)
        )
    )
    assert {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": KEY} in statements(made)


def test_its_user_may_come_by_web_identity() -> None:
    """The role is named, and may do the same."""
    made = template(lambda stack: ObjectStore(stack, "Logs", bucket=STORE, identity=LOKI, web_identity=TRUSTED))
    assert only(made, ROLE)["Properties"]["RoleName"] == TRUSTED.role_name(LOKI)
    made.resource_count_is(ASSOCIATION, 0)
    assert [each["Action"] for each in statements(made)] == [
        ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
        "s3:ListBucket",
    ]
