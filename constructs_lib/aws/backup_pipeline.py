"""All that AWS has to do with restore points: their bucket, and who may add to it and read it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
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
        restore_points: Which bucket, when what expires, and by which limits it is started, watched and tried.
        replicas: Whose restore points, and by what those of each replica are called: `Origin.replicas` says it. Each
            origin is the service account of its own name.
        web_identity: Whose tokens are trusted, for IAM roles for service accounts; EKS Pod Identity when absent.
        encryption_key: Of KMS, in the bucket's region; S3's own keys when absent.
    Raises:
        ConstructError: no origin, one without a replica, a replica twice or one of another, and what
            `RestorePointBucket` and `ServiceAccountRole` refuse.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        restore_points: RestorePoints,
        replicas: Mapping[Origin, Sequence[str]],
        web_identity: WebIdentity | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        if not replicas:
            raise ConstructError(
                f"nobody makes the restore points in the bucket {restore_points.bucket.name}: name an origin, or leave "
                "the bucket out"
            )
        for origin, names in replicas.items():
            _refuse(origin, names)
        super().__init__(scope, id)
        self._web_identity = web_identity
        self.bucket = RestorePointBucket(self, "Bucket", restore_points=restore_points, encryption_key=encryption_key)
        self.roles: dict[Origin, ServiceAccountRole] = {}
        self.drills: dict[Origin, ServiceAccountRole] = {}
        self.replicas = {origin: tuple(names) for origin, names in replicas.items()}
        for origin in replicas:
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
        self._refuse_unknown(origin)
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

    def replicas_of(
        self, origins: Collection[Origin] | None = None, *, databases: bool = True
    ) -> Mapping[Origin, tuple[str, ...]]:
        """The replicas of some origins.

        Args:
            origins: Whose; of all of them when absent.
            databases: Whether databases have a part in it.
        Raises:
            ConstructError: no origin, one that the pipeline does not know, or a database that has no part in it.
        """
        if origins is None:
            origins = [each for each in self.replicas if databases or not each.database]
        for origin in origins:
            self._refuse_unknown(origin)
            if origin.database and not databases:
                raise ConstructError(f"{origin.path} is a database, beside which no agent runs: leave it out")
        if not origins:
            known = ", ".join(sorted(each.path for each in self.replicas))
            raise ConstructError(
                f"none of the restore points in {self.bucket.contract.name} is meant: name some of {known}"
            )
        return {origin: self.replicas[origin] for origin in origins}

    def _refuse_unknown(self, origin: Origin) -> None:
        if origin not in self.replicas:
            known = ", ".join(sorted(each.path for each in self.replicas))
            raise ConstructError(f"there are no restore points of {origin.path}, but of {known}: use one of these")

    def _accesses(self, origin: Origin, rights: Rights) -> Iterator[BucketAccess]:
        bucket = self.bucket.restore_points.bucket
        for prefix in origin.prefixes:
            yield BucketAccess(identity=_identity(origin), bucket=bucket, prefix=prefix, rights=rights)


def _refuse(origin: Origin, replicas: Sequence[str]) -> None:
    if not replicas:
        raise ConstructError(
            f"{origin.path} has no replica: name those whose restore points there are, or leave it out"
        )
    for replica, count in Counter(replicas).items():
        source = origin.source(replica)
        if count > 1:
            raise ConstructError(f"the restore points of {source} are there twice: name each replica once")


def _identity(origin: Origin) -> Identity:
    return Identity(cluster=origin.cluster, namespace=origin.namespace, service_account=origin.component)
