"""Constructs that synthesize Kubernetes manifests through cdk8s."""

from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap, Manifest, synth
from constructs_lib.kube.namespaces import Namespaces
from constructs_lib.kube.pod import Container, Mount, Placement, Probe, Resources
from constructs_lib.kube.prometheus import Links, PrometheusHA, Retention
from constructs_lib.kube.storage import StorageClass, Volume

__all__ = [
    "Component",
    "ConfigMap",
    "Container",
    "Links",
    "Manifest",
    "Mount",
    "Namespaces",
    "Placement",
    "Probe",
    "PrometheusHA",
    "Resources",
    "Retention",
    "StorageClass",
    "Volume",
    "synth",
]
