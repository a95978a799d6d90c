"""What the cluster holds from the start: DNS, volumes and their class, and what gives pods their AWS roles."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.injection import policy
from tests.cluster.node import VOLUMES
from tests.cluster.spec import ClusterSpec


def manifests(spec: ClusterSpec) -> str:
    """All of it, to apply."""
    storage_class = [_storage_class(spec)] if spec.create_storage_class else []
    return yaml.safe_dump_all([*_dns(spec), *storage_class, *_volumes(spec), *policy(spec.region)])


def _dns(spec: ClusterSpec) -> list[dict[str, Any]]:
    objects = list(yaml.safe_load_all(Path(__file__).with_name("coredns.yaml").read_text()))
    for item in objects:
        if item["kind"] == "Service":
            item["spec"]["clusterIP"] = str(spec.dns_service)
        if item["kind"] == "ConfigMap":
            item["data"]["Corefile"] += _outside(spec) + "".join(_below(*at) for at in spec.aws.s3_addresses.items())
    return objects


def _outside(spec: ClusterSpec) -> str:
    """The block of the names outside (https://coredns.io/plugins/hosts/)."""
    known = {
        **spec.outside_addresses,
        **spec.search_addresses,
        **spec.sql_addresses,
        **spec.balancer_addresses,
        **spec.login_addresses,
        **spec.aws.addresses,
    }
    names = {name: address for name, address in known.items() if name not in spec.aws.s3_addresses}
    zones = " ".join(f"{name}:53" for name in names)
    hosts = [f"{address} {name}" for name, address in names.items()]
    return "\n".join([f"{zones} {{", "errors", "hosts {", *hosts, "}", "reload 2s", "}", ""])


def _below(zone: str, address: IPv4Address) -> str:
    """The block of a name and all below it (https://coredns.io/plugins/template/)."""
    answer = f'template IN A . {{\nanswer "{{{{ .Name }}}} 5 IN A {address}"\n}}'
    return "\n".join([f"{zone}:53 {{", "errors", answer, "template ANY ANY . {", "rcode NOERROR", "}", "}", ""])


def _storage_class(spec: ClusterSpec) -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": spec.storage_class},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _volumes(spec: ClusterSpec) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{node.name}-{number}"},
            "spec": {
                "storageClassName": storage_class,
                "capacity": {"storage": spec.volume_capacity},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": f"{VOLUMES}/{number}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [_on(node.name)]}]}},
            },
        }
        for node in spec.nodes
        for number, storage_class in enumerate(spec.volume_classes)
    ]


def _on(node: str) -> dict[str, Any]:
    return {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
