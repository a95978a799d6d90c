"""Volumes that are there before their claims."""

from collections.abc import Mapping

from cdk8s_plus_27 import k8s
from constructs import Construct

from constructs_lib.contract import Namespace
from constructs_lib.ebs import DRIVER, EbsVolume, region_of
from constructs_lib.errors import ConstructError
from constructs_lib.kube.manifest import labels_without_pods
from constructs_lib.kube.storage import Volume
from constructs_lib.names import object_name

# On every node, before the driver runs there, too, so that a group of nodes can grow from none for it.
# https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md#volume-availability-zone-and-topologies
ZONE = "topology.kubernetes.io/zone"


class StaticVolumes(Construct):
    """Volumes of EBS, each for one claim of a StatefulSet and for no other, used in its zone alone.

    They are to be there before the StatefulSet: a claim that has been given a volume keeps it. They stay when the claim
    goes, and are nobody's then, until their `claimRef` forgets the claim that they had.

    Args:
        namespace: Of the claims.
        volume: What the StatefulSet asks for, by a storage class: what it finds has its size and its class.
        volumes: By claim, such as `data-prometheus-0`: as the stack says that made them.
    Raises:
        ConstructError: no volume, no storage class, a volume for two claims, or volumes of two regions.
    Source: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/tree/master/examples/kubernetes/static-provisioning
    Source: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reserving-a-persistentvolume
    """

    def __init__(
        self, scope: Construct, id: str, *, namespace: Namespace, volume: Volume, volumes: Mapping[str, EbsVolume]
    ) -> None:
        super().__init__(scope, id)
        self.volumes = {f"{namespace.name}/{object_name(claim, of='a claim')}": each for claim, each in volumes.items()}
        self._refuse_what_fails_later(namespace, volume)
        for claim, each in volumes.items():
            name = f"{namespace.name}-{claim}"
            k8s.KubePersistentVolume(
                self,
                claim,
                metadata=k8s.ObjectMeta(
                    name=object_name(name, of="a persistent volume"),
                    labels=labels_without_pods("static-volume", namespace.name),
                ),
                spec=k8s.PersistentVolumeSpec(
                    storage_class_name=volume.storage_class,
                    capacity={"storage": k8s.Quantity.from_string(volume.size.kubernetes())},
                    access_modes=["ReadWriteOnce"],
                    persistent_volume_reclaim_policy="Retain",
                    claim_ref=k8s.ObjectReference(
                        api_version="v1", kind="PersistentVolumeClaim", namespace=namespace.name, name=claim
                    ),
                    csi=k8s.CsiPersistentVolumeSource(driver=DRIVER, volume_handle=each.id, fs_type="ext4"),
                    node_affinity=k8s.VolumeNodeAffinity(
                        required=k8s.NodeSelector(
                            node_selector_terms=[
                                k8s.NodeSelectorTerm(
                                    match_expressions=[
                                        k8s.NodeSelectorRequirement(key=ZONE, operator="In", values=[each.zone])
                                    ]
                                )
                            ]
                        )
                    ),
                ),
            )

    def _refuse_what_fails_later(self, namespace: Namespace, volume: Volume) -> None:
        if not self.volumes:
            raise ConstructError(
                f"there are static volumes in {namespace.name}, but for no claim: name some, or leave them out"
            )
        if volume.storage_class is None:
            raise ConstructError(
                f"the claims in {namespace.name} that have static volumes ask for the cluster's default storage class, "
                "whatever it is, and might be given others: name the class"
            )
        region, *others = dict.fromkeys(region_of(each.zone) for each in self.volumes.values())
        if others:
            raise ConstructError(
                f"the static volumes in {namespace.name} are in {region} and {others[0]}: a cluster is in one region"
            )
        taken: dict[str, str] = {}
        for construct in self.node.root.node.find_all():
            for claim, each in construct.volumes.items() if isinstance(construct, StaticVolumes) else ():
                if each.id in taken:
                    raise ConstructError(
                        f"the volume {each.id} is for two claims, {taken[each.id]} and {claim}: it can be mounted for "
                        "one"
                    )
                taken[each.id] = claim
