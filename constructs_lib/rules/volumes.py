"""The volumes of claims, as the kubelets tell of them. Part of the group `services`."""

from constructs_lib.metrics.kubelet import KUBELET
from constructs_lib.rules.filling import Disks

VOLUMES = Disks(
    name="Volume",
    what="A volume",
    which="The volume of {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }}",
    program=KUBELET,
    job=KUBELET.job,
    by="namespace, persistentvolumeclaim",
    size="kubelet_volume_stats_capacity_bytes",
    free="kubelet_volume_stats_available_bytes",
    inodes="kubelet_volume_stats_inodes",
    inodes_free="kubelet_volume_stats_inodes_free",
    only={},
    disk={"persistentvolumeclaim": "data", "namespace": "shop"},
    others=(),
)
