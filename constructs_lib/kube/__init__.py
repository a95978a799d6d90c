"""Constructs that synthesize Kubernetes manifests through cdk8s, and the words that they are told with."""

from constructs_lib.config.alertmanager import Inhibition, Route, Timing
from constructs_lib.config.alloy import Streams
from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.config.intervals import TimeInterval
from constructs_lib.config.jaeger import Sampling, SpanLimits, SpanMetrics
from constructs_lib.config.log_limits import LogLimits
from constructs_lib.config.log_schema import Index, Kept, LogSchema, SchemaPeriod
from constructs_lib.config.platform import Platform
from constructs_lib.config.prometheus import Limits, ScrapeDefaults
from constructs_lib.config.receivers import Email, Heartbeat, PagerDuty, Receiver, Slack, Webhook
from constructs_lib.config.secrets import SecretKey
from constructs_lib.config.span_store import Engine, SearchStore
from constructs_lib.config.teams import Allowed, TeamJob
from constructs_lib.kube.alertmanager import Alertmanager, Delivery
from constructs_lib.kube.collector import Collector
from constructs_lib.kube.component import Component, ComponentEndpoint
from constructs_lib.kube.exporters import PostgresExporter, RedisExporter
from constructs_lib.kube.kube_state_metrics import KubeStateMetrics
from constructs_lib.kube.log_collector import LogCollector
from constructs_lib.kube.loki import LokiStore, Loses
from constructs_lib.kube.manifest import ConfigMap, Manifest, synth
from constructs_lib.kube.monitored import Monitored
from constructs_lib.kube.namespaces import Namespaces
from constructs_lib.kube.network import Destination
from constructs_lib.kube.node_exporter import NodeExporter
from constructs_lib.kube.pod import Container, FieldOfPod, OfSecret, Placement, Probe, Resources, Text
from constructs_lib.kube.prometheus import PrometheusHA
from constructs_lib.kube.retention import Retention
from constructs_lib.kube.storage import StorageClass, Volume
from constructs_lib.kube.tracing import Embedded, Tracing
from constructs_lib.kube.volumes import API_ACCESS, Claimed, ConfigMapFiles, HostPath, Mount, SecretFiles
from constructs_lib.kube.workload import PerNode, Scheduled, Stateful, Stateless
from constructs_lib.urls import Links

__all__ = [
    "API_ACCESS",
    "Alertmanager",
    "Allowed",
    "Annotated",
    "Claimed",
    "Collector",
    "Component",
    "ComponentEndpoint",
    "ConfigMap",
    "ConfigMapFiles",
    "Container",
    "Delivery",
    "Destination",
    "Email",
    "Embedded",
    "Engine",
    "FieldOfPod",
    "Heartbeat",
    "HostPath",
    "Index",
    "Inhibition",
    "Kept",
    "KubeStateMetrics",
    "Limits",
    "Links",
    "LogCollector",
    "LogLimits",
    "LogSchema",
    "LokiStore",
    "Loses",
    "Manifest",
    "Monitored",
    "Mount",
    "Namespaces",
    "NodeExporter",
    "OfSecret",
    "PagerDuty",
    "PerNode",
    "Placement",
    "Platform",
    "PodsJob",
    "PostgresExporter",
    "Probe",
    "PrometheusHA",
    "Receiver",
    "RedisExporter",
    "Resources",
    "Retention",
    "Route",
    "Sampling",
    "Scheduled",
    "SchemaPeriod",
    "ScrapeDefaults",
    "SearchStore",
    "SecretFiles",
    "SecretKey",
    "Slack",
    "SpanLimits",
    "SpanMetrics",
    "Stateful",
    "Stateless",
    "StorageClass",
    "Streams",
    "TeamJob",
    "Text",
    "TimeInterval",
    "Timing",
    "Tracing",
    "Volume",
    "Webhook",
    "synth",
]
