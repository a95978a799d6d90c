"""Constructs that synthesize Kubernetes manifests through cdk8s, and the words that they are told with."""

from constructs_lib.config.alertmanager import Inhibition, Route, Timing
from constructs_lib.config.alloy import Streams
from constructs_lib.config.auth_proxy import OidcProvider, Session, Visitors
from constructs_lib.config.blackbox import BEHIND_LOGIN, OPEN, HttpsModule, ProbedHost
from constructs_lib.config.controllers import (
    UNLIMITED,
    ClusterIssuer,
    Gateway,
    Issuer,
    OtherController,
    RequestLimits,
    Traefik,
)
from constructs_lib.config.datasources import AlertmanagerSource, DataSource, JaegerSource, LokiSource, PrometheusSource
from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.config.grafana import Login, PostgresStore
from constructs_lib.config.intervals import TimeInterval
from constructs_lib.config.jaeger import Sampling, SpanLimits, SpanMetrics
from constructs_lib.config.log_limits import LogLimits
from constructs_lib.config.log_schema import Index, Kept, LogSchema, SchemaPeriod
from constructs_lib.config.platform import Platform
from constructs_lib.config.prometheus import BasicAuth, Limits, ScrapeDefaults
from constructs_lib.config.receivers import Email, Heartbeat, PagerDuty, Receiver, Slack, Webhook
from constructs_lib.config.secret_stores import ClusterSecretStore, Remote, SecretStore
from constructs_lib.config.secrets import SecretKey
from constructs_lib.config.span_store import Engine, SearchStore
from constructs_lib.config.teams import Allowed, TeamJob
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.kube.alertmanager import Alertmanager, Delivery
from constructs_lib.kube.auth_proxy import AuthProxy
from constructs_lib.kube.backup import Backup
from constructs_lib.kube.blackbox_exporter import BlackboxExporter
from constructs_lib.kube.collector import Collector
from constructs_lib.kube.component import Component, ComponentEndpoint
from constructs_lib.kube.dashboard_collector import DashboardCollector
from constructs_lib.kube.exporters import PostgresExporter, RedisExporter
from constructs_lib.kube.external_secret import ExternalSecret
from constructs_lib.kube.grafana import Grafana, Queryable
from constructs_lib.kube.ingress import Ingress, Routes
from constructs_lib.kube.kube_state_metrics import KubeStateMetrics
from constructs_lib.kube.log_collector import LogCollector
from constructs_lib.kube.loki import LokiStore, Loses
from constructs_lib.kube.manifest import ConfigMap, Manifest, synth
from constructs_lib.kube.monitored import Monitored
from constructs_lib.kube.namespaces import Namespaces
from constructs_lib.kube.network import Destination
from constructs_lib.kube.node_exporter import NodeExporter
from constructs_lib.kube.pod import Container, FieldOfPod, OfSecret, Placement, Probe, Resources, Text
from constructs_lib.kube.postgres_backup import PostgresBackup
from constructs_lib.kube.prometheus import PrometheusHA
from constructs_lib.kube.restore_drill import RestoreDrill
from constructs_lib.kube.retention import Retention
from constructs_lib.kube.static_volumes import StaticVolumes
from constructs_lib.kube.storage import StorageClass, Volume
from constructs_lib.kube.tracing import Embedded, Tracing
from constructs_lib.kube.volumes import (
    API_ACCESS,
    Claimed,
    ConfigMapFiles,
    HostPath,
    Mount,
    Scratch,
    SecretFiles,
    ThrownAway,
)
from constructs_lib.kube.workload import PerNode, Scheduled, Stateful, Stateless
from constructs_lib.urls import Links

__all__ = [
    "API_ACCESS",
    "BEHIND_LOGIN",
    "OPEN",
    "UNLIMITED",
    "Alertmanager",
    "AlertmanagerSource",
    "Allowed",
    "Annotated",
    "AuthProxy",
    "Backup",
    "BasicAuth",
    "BlackboxExporter",
    "Claimed",
    "ClusterIssuer",
    "ClusterSecretStore",
    "Collector",
    "Component",
    "ComponentEndpoint",
    "ConfigMap",
    "ConfigMapFiles",
    "Container",
    "Dashboard",
    "DashboardCollector",
    "DataSource",
    "Delivery",
    "Destination",
    "Email",
    "Embedded",
    "Engine",
    "ExternalSecret",
    "FieldOfPod",
    "Gateway",
    "Grafana",
    "Heartbeat",
    "HostPath",
    "HttpsModule",
    "Index",
    "Ingress",
    "Inhibition",
    "Issuer",
    "JaegerSource",
    "Kept",
    "KubeStateMetrics",
    "Limits",
    "Links",
    "LogCollector",
    "LogLimits",
    "LogSchema",
    "Login",
    "LokiSource",
    "LokiStore",
    "Loses",
    "Manifest",
    "Monitored",
    "Mount",
    "Namespaces",
    "NodeExporter",
    "OfSecret",
    "OidcProvider",
    "OtherController",
    "PagerDuty",
    "PerNode",
    "Placement",
    "Platform",
    "PodsJob",
    "PostgresBackup",
    "PostgresExporter",
    "PostgresStore",
    "Probe",
    "ProbedHost",
    "PrometheusHA",
    "PrometheusSource",
    "Queryable",
    "Receiver",
    "RedisExporter",
    "Remote",
    "RequestLimits",
    "Resources",
    "RestoreDrill",
    "Retention",
    "Route",
    "Routes",
    "Sampling",
    "Scheduled",
    "SchemaPeriod",
    "ScrapeDefaults",
    "Scratch",
    "SearchStore",
    "SecretFiles",
    "SecretKey",
    "SecretStore",
    "Session",
    "Slack",
    "SpanLimits",
    "SpanMetrics",
    "Stateful",
    "Stateless",
    "StaticVolumes",
    "StorageClass",
    "Streams",
    "TeamJob",
    "Text",
    "ThrownAway",
    "TimeInterval",
    "Timing",
    "Tracing",
    "Traefik",
    "Visitors",
    "Volume",
    "Webhook",
    "synth",
]
