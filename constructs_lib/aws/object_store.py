"""A bucket that a program keeps its data in, and the role that its pods use it by."""

from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.aws.bucket import PrivateBucket
from constructs_lib.aws.roles import ServiceAccountRole
from constructs_lib.contract import Bucket, BucketAccess, Identity, Rights, WebIdentity


class ObjectStore(Construct):
    """The bucket of a program that deletes what it no longer needs, such as Loki or Thanos, with the role of its pods.

    Nothing in it expires by its age: a rule would take the index, which is as old as the bucket and needed every day.
    What the program deletes is gone: there are no versions, which would keep what its retention ends.

    Args:
        bucket: Its name and region, as the other half knows them.
        identity: Whose it is.
        web_identity: Whose tokens are trusted, for IAM roles for service accounts; EKS Pod Identity when absent.
        encryption_key: Of KMS, in its region; S3's own keys when absent.
    Raises:
        ConstructError: what `PrivateBucket` and `ServiceAccountRole` refuse.
    Source: https://grafana.com/docs/loki/latest/operations/storage/retention/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        bucket: Bucket,
        identity: Identity,
        web_identity: WebIdentity | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.bucket = PrivateBucket(self, "Bucket", bucket=bucket, versioned=False, encryption_key=encryption_key)
        self.role = ServiceAccountRole(self, "User", identity=identity, web_identity=web_identity)
        self.role.allow(self.bucket, BucketAccess(identity=identity, bucket=bucket, rights=Rights.WRITE))
