"""Constructs that synthesize CloudFormation through the AWS CDK."""

from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.bucket import PrivateBucket, RestorePointBucket
from constructs_lib.aws.object_store import ObjectStore
from constructs_lib.aws.roles import ServiceAccountRole

__all__ = [
    "BackupPipeline",
    "ObjectStore",
    "PrivateBucket",
    "RestorePointBucket",
    "ServiceAccountRole",
]
