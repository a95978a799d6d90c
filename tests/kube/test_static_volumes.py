"""Volumes that are there before their claims."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cdk8s
import kubernetes_validate  # type: ignore[import-untyped]  # it has no stubs
import pytest
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

from constructs_lib.contract import Namespace
from constructs_lib.ebs import EbsVolume, claim_of
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Volume
from constructs_lib.kube.static_volumes import StaticVolumes
from constructs_lib.units import Bytes
from tests.minimal import CLUSTER, prometheus
from tests.rendered import Objects, rendered

MONITORING = Namespace(name="monitoring", cluster=CLUSTER)
ASKED = Volume(Bytes.gib(100), "gp3")
FIRST = EbsVolume(id="vol-0123456789abcdef0", zone="us-east-1a")
SECOND = EbsVolume(id="vol-0123456789abcdef1", zone="us-east-1b")
MADE = {claim_of("prometheus", replica): each for replica, each in enumerate((FIRST, SECOND))}
PERSISTENT = "PersistentVolume"


def static(scope: cdk8s.Chart, id: str = "volumes", **more: Any) -> StaticVolumes:
    return StaticVolumes(scope, id, **{"namespace": MONITORING, "volume": ASKED, "volumes": MADE, **more})


@pytest.fixture(scope="module")
def objects() -> Objects:
    """A pair of Prometheus, and the volumes of its claims."""
    return rendered(static, lambda chart: prometheus(chart, "prometheus", namespace=MONITORING, volume=ASKED))


@pytest.mark.trap(111)
def test_a_volume_is_exactly_this(objects: Objects) -> None:
    """Field by field: of the driver, in its zone, for one claim alone, and it stays."""
    assert objects.named(PERSISTENT, "monitoring-data-prometheus-1") == {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": "monitoring-data-prometheus-1",
            "labels": {
                "app.kubernetes.io/name": "static-volume",
                "app.kubernetes.io/component": "static-volume",
                "app.kubernetes.io/instance": "monitoring",
                "app.kubernetes.io/part-of": "monitoring",
                "app.kubernetes.io/managed-by": "constructs-lib",
            },
        },
        "spec": {
            "storageClassName": "gp3",
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": "monitoring",
                "name": "data-prometheus-1",
            },
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0123456789abcdef1", "fsType": "ext4"},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1b"]}
                            ]
                        }
                    ]
                }
            },
        },
    }


def test_each_pod_finds_the_volume_of_its_claim(objects: Objects) -> None:
    """What the StatefulSet claims for each of its pods is what is reserved: name, namespace, size, class and access."""
    pair = objects.only("StatefulSet")
    (template,) = pair["spec"]["volumeClaimTemplates"]
    claimed = {
        f"{template['metadata']['name']}-{pair['metadata']['name']}-{replica}"
        for replica in range(pair["spec"]["replicas"])
    }
    reserved = {each["spec"]["claimRef"]["name"]: each["spec"] for each in objects.of(PERSISTENT)}
    assert set(reserved) == claimed
    for spec in reserved.values():
        assert spec["claimRef"]["namespace"] == pair["metadata"]["namespace"]
        assert spec["capacity"] == template["spec"]["resources"]["requests"]
        assert spec["storageClassName"] == template["spec"]["storageClassName"]
        assert spec["accessModes"] == template["spec"]["accessModes"]


def test_volumes_belong_to_no_namespace(objects: Objects) -> None:
    """They are the cluster's, so their names begin with that of their claims' namespace."""
    assert all("namespace" not in each["metadata"] for each in objects.of(PERSISTENT))
    other = Namespace(name="shop", cluster=CLUSTER)
    theirs = {claim: replace(each, id=each.id.replace("abcd", "dcba")) for claim, each in MADE.items()}
    both = rendered(static, lambda chart: static(chart, "other", namespace=other, volumes=theirs))
    assert {each["metadata"]["name"] for each in both.of(PERSISTENT)} == {
        f"{namespace}-{claim}" for namespace in ("monitoring", "shop") for claim in MADE
    }


@pytest.mark.parametrize("version", sorted(set(all_versions())))
def test_they_are_valid_in_every_version(objects: Objects, version: str) -> None:
    """Strictly: a field that the version does not know is an error."""
    for document in objects.of(PERSISTENT):
        kubernetes_validate.validate(dict(document), version, strict=True)


def test_a_long_claim_is_no_label() -> None:
    """Names of objects may be longer than values of labels."""
    long = f"data-{'p' * 60}-0"
    (made,) = rendered(lambda chart: static(chart, volumes={long: FIRST})).of(PERSISTENT)
    assert made["metadata"]["name"] == f"monitoring-{long}"
    assert all(len(value) <= 63 for value in made["metadata"]["labels"].values())


def of(**more: Any) -> Callable[[cdk8s.Chart], object]:
    return lambda chart: static(chart, **more)


def in_two_constructs(chart: cdk8s.Chart) -> None:
    static(chart)
    static(chart, "other", volumes={"data-loki-0": SECOND})


def claimed_twice(chart: cdk8s.Chart) -> None:
    static(chart)
    static(chart, "other", volumes={"data-prometheus-0": EbsVolume(id="vol-1234abcd", zone="us-east-1c")})


REFUSED: Mapping[str, tuple[Callable[[cdk8s.Chart], object], str]] = {
    "none": (of(volumes={}), "there are static volumes in monitoring, but for no claim: name some, or leave them out"),
    "no-class": (
        of(volume=Volume(Bytes.gib(100))),
        "the claims in monitoring that have static volumes ask for the cluster's default storage class, whatever it ",
    ),
    "two-claims": (
        of(volumes={"data-prometheus-0": FIRST, "data-prometheus-1": FIRST}),
        "the volume vol-0123456789abcdef0 is for two claims, monitoring/data-prometheus-0 and monitoring/data-prom",
    ),
    "two-constructs": (
        in_two_constructs,
        "the volume vol-0123456789abcdef1 is for two claims, monitoring/data-prometheus-1 and monitoring/data-loki-0: ",
    ),
    "two-volumes": (claimed_twice, "there are 2 objects PersistentVolume 'monitoring-data-prometheus-0': name each "),
    "two-regions": (
        of(volumes={**MADE, "data-prometheus-2": EbsVolume(id="vol-1234abcd", zone="eu-west-1a")}),
        "the static volumes in monitoring are in us-east-1 and eu-west-1: a cluster is in one region",
    ),
    "no-claim": (of(volumes={"data_prometheus": FIRST}), "'data_prometheus' cannot be a claim: use lower-case letters"),
    "long-name": (
        of(volumes={"d" * 250: FIRST}),
        "'monitoring-d{250}' cannot be a persistent volume: use lower-case letters, digits, dashes and dots",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_fail_later_is_refused(build: Callable[[cdk8s.Chart], object], sentence: str) -> None:
    """At once and in one sentence, where a pod would wait for ever, or be given another volume."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        rendered(build)
