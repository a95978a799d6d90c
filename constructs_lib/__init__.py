"""Reusable constructs for a production monitoring stack.

Importing the package starts no engine: each name is resolved when it is first used, and starts that of its half.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.aws import (
        BackupPipeline,
        BackupSchedule,
        BackupWatch,
        GrafanaDatabase,
        Notifications,
        ObjectStore,
        PrometheusAlarms,
        ReplicaVolumes,
        RestoreDrillAlarms,
    )
    from constructs_lib.kube import (
        Alertmanager,
        AuthProxy,
        Backup,
        BlackboxExporter,
        Collector,
        DashboardCollector,
        ExternalSecret,
        Grafana,
        Ingress,
        KubeStateMetrics,
        LogCollector,
        LokiStore,
        Monitored,
        Namespaces,
        NodeExporter,
        PostgresBackup,
        PostgresExporter,
        PrometheusHA,
        RedisExporter,
        RestoreDrill,
        Routes,
        StaticVolumes,
        StorageClass,
        Tracing,
    )

__version__ = "0.4.0"
__all__ = [
    "Alertmanager",
    "AuthProxy",
    "Backup",
    "BackupPipeline",
    "BackupSchedule",
    "BackupWatch",
    "BlackboxExporter",
    "Collector",
    "DashboardCollector",
    "ExternalSecret",
    "Grafana",
    "GrafanaDatabase",
    "Ingress",
    "KubeStateMetrics",
    "LogCollector",
    "LokiStore",
    "Monitored",
    "Namespaces",
    "NodeExporter",
    "Notifications",
    "ObjectStore",
    "PostgresBackup",
    "PostgresExporter",
    "PrometheusAlarms",
    "PrometheusHA",
    "RedisExporter",
    "ReplicaVolumes",
    "RestoreDrill",
    "RestoreDrillAlarms",
    "Routes",
    "StaticVolumes",
    "StorageClass",
    "Tracing",
]
_OF_AWS = {
    *("BackupPipeline", "BackupSchedule", "BackupWatch", "Notifications", "ObjectStore", "PrometheusAlarms"),
    *("GrafanaDatabase", "ReplicaVolumes", "RestoreDrillAlarms"),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    half = "aws" if name in _OF_AWS else "kube"
    return getattr(import_module(f"constructs_lib.{half}"), name)
