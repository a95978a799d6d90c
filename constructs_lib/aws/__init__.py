"""Constructs that synthesize CloudFormation through the AWS CDK."""

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from constructs_lib.aws.grafana_database import GrafanaDatabase

__all__ = [
    "BackupPipeline",
    "BackupSchedule",
    "BackupWatch",
    "GrafanaDatabase",
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


def __getattr__(name: str) -> object:
    """Few need it, and all would wait for the types of RDS, which are many."""
    if name != "GrafanaDatabase":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from constructs_lib.aws.grafana_database import GrafanaDatabase  # noqa: PLC0415

    return GrafanaDatabase
