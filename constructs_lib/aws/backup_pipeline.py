"""All that AWS has to do with restore points: their bucket, and who may add to it and read it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.aws.bucket import RestorePointBucket
from constructs_lib.aws.roles import ServiceAccountRole
from constructs_lib.contract import RESTORE_DRILL, BucketAccess, Identity, Rights, WebIdentity
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin, RestorePoints


class BackupPipeline(Construct):
    """The bucket of restore points, with a role for each component whose they are.

    A role adds below the prefixes of its component and reads there, which backup and restore need; it deletes nothing,
    and does not see what other components have. Nobody deletes: what is no longer needed expires.

    Args:
        restore_points: Which bucket, and when what expires.
        origins: Whose restore points; each is the service account of its own name.
        web_identity: Whose tokens are trusted, for IAM roles for service accounts; EKS Pod Identity when absent.
        encryption_key: Of KMS, in the bucket's region; S3's own keys when absent.
    Raises:
        ConstructError: no origin or one twice, and what `RestorePointBucket` and `ServiceAccountRole` refuse.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        restore_points: RestorePoints,
        origins: Sequence[Origin],
        web_identity: WebIdentity | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        if not origins:
            raise ConstructError(
                f"nobody makes the restore points in the bucket {restore_points.bucket.name}: name an origin, or leave "
                "the bucket out"
            )
        for origin, count in Counter(origins).items():
            if count > 1:
                raise ConstructError(f"the restore points of {origin.path} have two origins: name it once")
        super().__init__(scope, id)
        self._web_identity = web_identity
        self.bucket = RestorePointBucket(self, "Bucket", restore_points=restore_points, encryption_key=encryption_key)
        self.roles: dict[Origin, ServiceAccountRole] = {}
        self.drills: dict[Origin, ServiceAccountRole] = {}
        for origin in origins:
            role = ServiceAccountRole(self, origin.path, identity=_identity(origin), web_identity=web_identity)
            for access in self._accesses(origin, Rights.ADD):
                role.allow(self.bucket, access)
            self.roles[origin] = role

    def grant_read(self, grantee: iam.IGrantable, origin: Origin) -> None:
        """Let somebody else read the restore points of an origin, and all that they consist of.

        Args:
            grantee: A role, a user or a group.
            origin: One of those that the pipeline knows.
        Raises:
            ConstructError: an origin that it does not know, or who has no policy that could say it.
        """
        if origin not in self.roles:
            known = ", ".join(sorted(each.path for each in self.roles))
            raise ConstructError(f"there are no restore points of {origin.path}, but of {known}: use one of these")
        for access in self._accesses(origin, Rights.READ):
            self.bucket.grant(grantee, access)

    def add_drill(self, origin: Origin, *, service_account: str = RESTORE_DRILL) -> ServiceAccountRole:
        """Make a role for what tries to restore the restore points of an origin: it reads them, and does nothing else.

        It is one of `drills` then.

        Args:
            origin: One of those that the pipeline knows.
            service_account: Of the drill, which is its name, in the cluster and the namespace of the origin.
        Raises:
            ConstructError: an origin that it does not know, or that has a drill, and what `ServiceAccountRole` refuses.
        """
        if origin in self.drills:
            raise ConstructError(
                f"{origin.path} has the drill {self.drills[origin].identity.service_account} already: one is enough, "
                "which tries its replicas in turns"
            )
        identity = replace(_identity(origin), service_account=service_account)
        role = ServiceAccountRole(
            self, f"{origin.path}/{service_account}", identity=identity, web_identity=self._web_identity
        )
        self.grant_read(role.role, origin)
        self.drills[origin] = role
        return role

    def _accesses(self, origin: Origin, rights: Rights) -> Iterator[BucketAccess]:
        bucket = self.bucket.restore_points.bucket
        for prefix in origin.prefixes:
            yield BucketAccess(identity=_identity(origin), bucket=bucket, prefix=prefix, rights=rights)


def _identity(origin: Origin) -> Identity:
    return Identity(cluster=origin.cluster, namespace=origin.namespace, service_account=origin.component)
