"""Constructs that synthesize CloudFormation through the AWS CDK."""

from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.backup_schedule import BackupSchedule
from constructs_lib.aws.backup_watch import BackupWatch
from constructs_lib.aws.bucket import PrivateBucket, RestorePointBucket
from constructs_lib.aws.notifications import Notifications
from constructs_lib.aws.object_store import ObjectStore
from constructs_lib.aws.prometheus_alarms import PrometheusAlarms
from constructs_lib.aws.restore_drill_alarms import RestoreDrillAlarms
from constructs_lib.aws.roles import ServiceAccountRole
from constructs_lib.aws.volumes import ReplicaVolumes, Snapshots

__all__ = [
    "BackupPipeline",
    "BackupSchedule",
    "BackupWatch",
    "Notifications",
    "ObjectStore",
    "PrivateBucket",
    "PrometheusAlarms",
    "ReplicaVolumes",
    "RestoreDrillAlarms",
    "RestorePointBucket",
    "ServiceAccountRole",
    "Snapshots",
]
