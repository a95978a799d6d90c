"""Where data survives its pod: a request for a volume, and the class that makes volumes."""

from dataclasses import dataclass
from typing import Any

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.ebs import DRIVER, LEAST_IOPS, LEAST_THROUGHPUT, MOST_IOPS, most_throughput
from constructs_lib.errors import ConstructError
from constructs_lib.names import object_name
from constructs_lib.units import Bytes


@dataclass(frozen=True, slots=True)
class Volume:
    """A request for one persistent volume a pod.

    A running StatefulSet's request cannot be changed in place: grow the claims, delete the StatefulSet with
    `--cascade=orphan`, apply again.

    Args:
        size: Of each volume.
        storage_class: By name; the cluster's default one when absent.
    Raises:
        ConstructError: no size.
    Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
    """

    size: Bytes
    storage_class: str | None = None

    def __post_init__(self) -> None:
        if self.size == Bytes(0):
            raise ConstructError("a volume's size is 0: use 1Gi or more")
        if self.storage_class is not None:
            object_name(self.storage_class, of="a storage class")

    def to_dict(self) -> dict[str, Any]:
        return {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": self.size.kubernetes()}},
            **({"storageClassName": self.storage_class} if self.storage_class else {}),
        }


class StorageClass(Construct):
    """Encrypted gp3 volumes of AWS EBS, made in the zone of the pod that first uses them; they can grow, and they stay
    when their claim goes, unless told otherwise.

    Args:
        name: The class is cluster-scoped: one release makes it.
        iops: Operations per second, 3000 to 80000.
        throughput: Mebibytes per second, 125 to 2000, and a quarter of the IOPS at most.
        keep: Whether a volume stays when its claim goes; what is thrown away must not.
    Raises:
        ConstructError: figures that EBS refuses.
    Source: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str = "gp3",
        iops: int = LEAST_IOPS,
        throughput: int = LEAST_THROUGHPUT,
        keep: bool = True,
    ) -> None:
        if not LEAST_IOPS <= iops <= MOST_IOPS:
            raise ConstructError(
                f"the storage class {name} asks for {iops} IOPS: gp3 gives {LEAST_IOPS} to {MOST_IOPS}"
            )
        if not LEAST_THROUGHPUT <= throughput <= most_throughput(iops):
            raise ConstructError(
                f"the storage class {name} asks for {throughput} MiB/s with {iops} IOPS: "
                f"use {LEAST_THROUGHPUT} to {most_throughput(iops)}, a quarter of the IOPS"
            )
        super().__init__(scope, id)
        self.name = object_name(name, of="a storage class")
        self.keep = keep
        k8s.KubeStorageClass(
            self,
            "storage-class",
            metadata=k8s.ObjectMeta(name=name),
            provisioner=DRIVER,
            parameters={
                "type": "gp3",
                "encrypted": "true",
                "iops": str(iops),
                "throughput": str(throughput),
                "csi.storage.k8s.io/fstype": "ext4",
            },
            reclaim_policy="Retain" if keep else "Delete",
            allow_volume_expansion=True,
            volume_binding_mode="WaitForFirstConsumer",
        )
