"""Constructs that synthesize Kubernetes manifests through cdk8s, and the words that they are told with."""

from constructs_lib.config.discovery import Annotated, PodsJob
from constructs_lib.config.prometheus import Limits, ScrapeDefaults
from constructs_lib.kube.component import Component, ComponentEndpoint
from constructs_lib.kube.manifest import ConfigMap, Manifest, synth
from constructs_lib.kube.namespaces import Namespaces
from constructs_lib.kube.network import Destination
from constructs_lib.kube.pod import (
    API_ACCESS,
    Claimed,
    ConfigMapFiles,
    Container,
    FieldOfPod,
    Mount,
    Placement,
    Probe,
    Resources,
)
from constructs_lib.kube.prometheus import Links, PrometheusHA, Retention
from constructs_lib.kube.storage import StorageClass, Volume
from constructs_lib.kube.workload import Stateful

__all__ = [
    "API_ACCESS",
    "Annotated",
    "Claimed",
    "Component",
    "ComponentEndpoint",
    "ConfigMap",
    "ConfigMapFiles",
    "Container",
    "Destination",
    "FieldOfPod",
    "Limits",
    "Links",
    "Manifest",
    "Mount",
    "Namespaces",
    "Placement",
    "PodsJob",
    "Probe",
    "PrometheusHA",
    "Resources",
    "Retention",
    "ScrapeDefaults",
    "Stateful",
    "StorageClass",
    "Volume",
    "synth",
]
