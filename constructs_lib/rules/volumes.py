"""The volumes of claims, as the kubelets tell of them. Part of the group `services`."""

from collections.abc import Collection
from dataclasses import replace

from constructs_lib.metrics.kubelet import KUBELET
from constructs_lib.promql import matches_not
from constructs_lib.rules.filling import Disks
from constructs_lib.rules.jobs import pod_of, pods_of

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


def lasting_volumes(drills: Collection[str]) -> Disks:
    """All but those that go with the pods of some CronJobs, whose claims begin with the names of the pods."""
    if not drills:
        return VOLUMES
    return replace(
        VOLUMES,
        only={"persistentvolumeclaim": matches_not(pods_of(drills))},
        others=tuple({"persistentvolumeclaim": f"{pod_of(each)}-data"} for each in drills),
    )
