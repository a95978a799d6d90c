"""Claims of volumes, and the class that makes them."""

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.kube import StorageClass, Volume
from constructs_lib.units import Bytes
from tests.rendered import Objects, rendered


@pytest.fixture(scope="module")
def objects() -> Objects:
    """One class with defaults, one without."""
    return rendered(
        lambda chart: StorageClass(chart, "default"),
        lambda chart: StorageClass(chart, "fast", name="fast", iops=4000, throughput=1000),
    )


@pytest.mark.trap(8)
@pytest.mark.trap(85)
def test_the_class_makes_block_storage_where_the_pod_is(objects: Objects) -> None:
    """Volumes of EBS, no file share, are made in the zone of their first pod, can grow, and outlive their claim."""
    assert objects.named("StorageClass", "gp3") == {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gp3"},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {
            "type": "gp3",
            "encrypted": "true",
            "iops": "3000",
            "throughput": "125",
            "csi.storage.k8s.io/fstype": "ext4",
        },
        "reclaimPolicy": "Retain",
        "allowVolumeExpansion": True,
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def test_the_class_asks_for_what_it_is_told(objects: Objects) -> None:
    """A quarter of the IOPS is the most throughput that there is."""
    parameters = objects.named("StorageClass", "fast")["parameters"]
    assert (parameters["iops"], parameters["throughput"]) == ("4000", "1000")


@pytest.mark.parametrize("iops", [2999, 80001])
def test_iops_that_no_volume_has_are_refused(iops: int) -> None:
    """EBS refuses them when the first volume is made, long after the release."""
    with pytest.raises(ConstructError, match=f"the storage class gp3 asks for {iops} IOPS: gp3 gives 3000 to 80000"):
        rendered(lambda chart: StorageClass(chart, "class", iops=iops))


@pytest.mark.parametrize(("iops", "throughput", "most"), [(3000, 124, 750), (3000, 751, 750), (80000, 2001, 2000)])
def test_throughput_that_no_volume_has_is_refused(iops: int, throughput: int, most: int) -> None:
    """The most is a quarter of the IOPS, and 2000."""
    sentence = f"asks for {throughput} MiB/s with {iops} IOPS: use 125 to {most}, a quarter of the IOPS"
    with pytest.raises(ConstructError, match=sentence):
        rendered(lambda chart: StorageClass(chart, "class", iops=iops, throughput=throughput))


@pytest.mark.parametrize("storage_class", ["", "No Class", "a..b", "-a"])
def test_a_claim_of_a_class_that_cannot_be_is_refused(storage_class: str) -> None:
    """The API server would refuse the StatefulSet; a class is looked for by its exact name."""
    with pytest.raises(ConstructError, match=f"'{storage_class}' cannot be a storage class: use lower-case letters"):
        Volume(Bytes.gib(1), storage_class)


def test_a_class_of_a_name_that_cannot_be_is_refused() -> None:
    """Kubernetes would refuse it later."""
    with pytest.raises(ConstructError, match="'GP3' cannot be a storage class"):
        rendered(lambda chart: StorageClass(chart, "class", name="GP3"))


def test_a_claim_is_for_one_node_at_a_time() -> None:
    """Block storage is mounted by one node; without a class, the cluster's default one counts."""
    assert Volume(Bytes.gib(10)).to_dict() == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    assert Volume(Bytes.gib(10), "gp3").to_dict()["storageClassName"] == "gp3"


def test_a_claim_of_nothing_is_refused() -> None:
    """A volume has a size."""
    with pytest.raises(ConstructError, match="a volume's size is 0: use 1Gi or more"):
        Volume(Bytes(0))
