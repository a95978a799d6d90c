"""Buckets of S3 that are open to nobody but the roles that they are told of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.aws.places import assert_when_deployed, differ
from constructs_lib.contract import PLACEHOLDER, Bucket, BucketAccess, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import POINTS
from constructs_lib.restore_points import RestorePoints

# What was overwritten or deleted can be brought back for as long.
RECOVERY = timedelta(days=30)
# An upload that takes longer was given up: its parts are paid for, and nobody sees them.
UNFINISHED = timedelta(days=7)
LIST, GET = "s3:ListBucket", "s3:GetObject"
PUT = ["s3:PutObject", "s3:AbortMultipartUpload"]
ON_OBJECTS = {Rights.READ: [GET], Rights.ADD: [GET, *PUT], Rights.WRITE: [GET, *PUT, "s3:DeleteObject"]}
# A part of an upload is decrypted before the next one: https://repost.aws/knowledge-center/s3-large-file-encryption-kms-key
WITH_KEY = {
    Rights.READ: ("kms:Decrypt",),
    Rights.ADD: ("kms:Decrypt", "kms:GenerateDataKey"),
    Rights.WRITE: ("kms:Decrypt", "kms:GenerateDataKey"),
}
NO_ACCESS_LOG = (
    "Its objects are read and written by roles of single service accounts: who wants each request on record turns on "
    "CloudTrail's data events, which name the role. Access logs are kept in a bucket that needs the same again, come "
    "hours later, and not all of them."
)
BELOW_PREFIX = "The objects come to be later: the right is on those below the prefix of one service account."


class PrivateBucket(Construct):
    """A bucket without any public access, reached by TLS alone, that stays when its stack goes, and so does its policy.

    A stack that is made again takes it back by `cdk deploy --import-existing-resources`, once its policy is deleted.

    Args:
        bucket: Its name and region, as the other half knows them.
        lifecycle: What S3 removes by itself, beside uploads that were given up.
        versioned: Whether what is overwritten or deleted can be brought back.
        encryption_key: Of KMS, in its region, whose rights come with those in the bucket; S3's own keys when absent.
    Raises:
        ConstructError: a stack or a key of another region, a name with a dot, or one that another bucket has.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: Bucket,
        lifecycle: Sequence[s3.LifecycleRule] = (),
        versioned: bool,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.contract = bucket
        self._key = encryption_key
        self._refuse_what_fails_later()
        made = s3.Bucket(
            self,
            "Resource",
            bucket_name=bucket.name,
            versioned=versioned,
            encryption=s3.BucketEncryption.KMS if encryption_key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=encryption_key,
            bucket_key_enabled=True if encryption_key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            lifecycle_rules=[
                *lifecycle,
                s3.LifecycleRule(id="unfinished-uploads", abort_incomplete_multipart_upload_after=_days(UNFINISHED)),
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        if made.policy is not None:  # without it, the bucket that stays would answer plain HTTP
            made.policy.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        self.resource: s3.IBucket = made
        cdk.Validations.of(made).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions::AwsSolutions-S1", reason=NO_ACCESS_LOG)
        )
        self._assert_when_deployed()

    def grant(self, grantee: iam.IGrantable, access: BucketAccess) -> None:
        """Let somebody do in the bucket, and with its key, what an access says, and nothing else.

        Args:
            grantee: Who it is: a role, a user or a group.
            access: To this bucket.
        Raises:
            ConstructError: an access to another bucket, or who has no policy that could say it.
        """
        if access.bucket.name != self.contract.name:
            raise ConstructError(
                f"an access to the bucket {access.bucket.name} is granted on {self.contract.name}: use one that names "
                "it"
            )
        objects = self.resource.arn_for_objects(f"{access.prefix}*")
        below = {"StringLike": {"s3:prefix": [f"{access.prefix}*"]}} if access.prefix else None
        granted = iam.Grant.add_to_principal(
            grantee=grantee, actions=ON_OBJECTS[access.rights], resource_arns=[objects]
        )
        if not granted.success:
            raise ConstructError(
                f"rights in the bucket {self.contract.name} are granted to a principal without a policy of its own: "
                "use a role, a user or a group"
            )
        iam.Grant.add_to_principal(
            grantee=grantee, actions=[LIST], resource_arns=[self.resource.bucket_arn], conditions=below
        )
        if self._key is not None:
            self._key.grant(grantee, *WITH_KEY[access.rights])
        if isinstance(grantee, Construct):
            element = cast("cdk.CfnElement", self.resource.node.default_child)
            arn = f"<{cdk.Stack.of(self).get_logical_id(element)}.Arn>"
            finding = f"AwsSolutions::AwsSolutions-IAM5[Resource::{arn}/{access.prefix}*]"
            cdk.Validations.of(grantee).acknowledge(cdk.Acknowledgment(id=finding, reason=BELOW_PREFIX))

    def _refuse_what_fails_later(self) -> None:
        name, region = self.contract.name, self.contract.region
        if "." in name:
            raise ConstructError(
                f"the bucket {name} has a dot in its name, for which S3 has no certificate, and takes TLS alone: use "
                "dashes"
            )
        stack = cdk.Stack.of(self)
        for what, place in (("the stack", stack.region), ("the key", self._key.env.region if self._key else region)):
            if differ(place, region):
                raise ConstructError(
                    f"the bucket {name} is in {region}, but {what} that it is given is in {place}: use one region"
                )
        for other in self.node.root.node.find_all():
            if isinstance(other, PrivateBucket) and other is not self and other.contract.name == name:
                raise ConstructError(
                    f"there are two buckets {name}, at {other.node.path} and {self.node.path}: name each apart, since "
                    "the second one could not be made, and what expires in one must not in another"
                )

    def _assert_when_deployed(self) -> None:
        """What CloudFormation refuses before it makes anything."""
        name, region = self.contract.name, self.contract.region
        for what, assertion, sentence in (
            (
                "Chosen",
                cdk.Fn.condition_not(cdk.Fn.condition_equals(name[: len(PLACEHOLDER)], PLACEHOLDER)),
                f"The bucket {name} bears the placeholder {PLACEHOLDER}, but names are of all of AWS: set the "
                "environment's BUCKET_PREFIX to one of your own, and render and apply both halves again",
            ),
            (
                "Region",
                cdk.Fn.condition_equals(cdk.Aws.REGION, region),
                f"The bucket {name} is expected in {region}: deploy there, or set the environment's REGION, and render "
                "and apply both halves again",
            ),
        ):
            assert_when_deployed(self, what, assertion, sentence)


class RestorePointBucket(PrivateBucket):
    """The bucket of restore points: all that is in it expires, and the points themselves do first.

    Args:
        restore_points: Which bucket, and when what expires.
        encryption_key: Of KMS; S3's own keys when absent. Who restores needs it for as long as the points are there.
    Raises:
        ConstructError: what `PrivateBucket` refuses.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
    """

    def __init__(
        self, scope: Construct, id: str, *, restore_points: RestorePoints, encryption_key: kms.IKey | None = None
    ) -> None:
        self.restore_points = restore_points
        super().__init__(
            scope,
            id,
            bucket=restore_points.bucket,
            versioned=True,
            encryption_key=encryption_key,
            lifecycle=[
                s3.LifecycleRule(id="points", prefix=POINTS, expiration=_days(restore_points.keep)),
                s3.LifecycleRule(
                    id="everything",
                    expiration=_days(restore_points.expiry),
                    noncurrent_version_expiration=_days(RECOVERY),
                ),
                # By itself: S3 refuses a rule that has days, too.
                s3.LifecycleRule(id="delete-markers", expired_object_delete_marker=True),
            ],
        )


def _days(duration: timedelta) -> cdk.Duration:
    return cdk.Duration.days(duration.days)
