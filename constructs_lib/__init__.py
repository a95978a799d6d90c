"""Reusable constructs for a production monitoring stack.

Importing the package starts no engine: each name is resolved when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constructs_lib.kube import (
        Alertmanager,
        AuthProxy,
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
        PostgresExporter,
        PrometheusHA,
        RedisExporter,
        Routes,
        StorageClass,
        Tracing,
    )

__version__ = "0.3.0"
__all__ = [
    "Alertmanager",
    "AuthProxy",
    "BlackboxExporter",
    "Collector",
    "DashboardCollector",
    "ExternalSecret",
    "Grafana",
    "Ingress",
    "KubeStateMetrics",
    "LogCollector",
    "LokiStore",
    "Monitored",
    "Namespaces",
    "NodeExporter",
    "PostgresExporter",
    "PrometheusHA",
    "RedisExporter",
    "Routes",
    "StorageClass",
    "Tracing",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("constructs_lib.kube"), name)
