"""Volumes of EBS that are made before the pods that use them, and snapshots of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import aws_dlm as dlm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.places import assert_when_deployed, differ
from constructs_lib.ebs import Gp3, claim_of, region_of
from constructs_lib.errors import ConstructError
from constructs_lib.names import dns_label

DLM = "dlm.amazonaws.com"
# The driver's role may attach what bears this, and nothing else:
# https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/install.md#set-up-driver-permissions
OF_DRIVER = "ebs.csi.aws.com/cluster"
# Whose a volume, or a snapshot of it, is.
VOLUME_OF = "constructs-lib/volume-of"
MOST_SNAPSHOTS = 1000
CHOSEN_ZONE = "The zone is chosen by whoever hands the volume to the cluster: its pod is to be in the same one."
LISTED = "EC2 knows no single volumes, instances and snapshots in requests that list them, and these change nothing."
MADE_LATER = (
    "Snapshots come to be later, and volumes are known by their tag: the conditions name that of the component."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """One of each volume a day, of what is on it at that moment, as after a power cut.

    They are counted, not dated: when no more are made, the last ones stay. They stay when their volume or the stack
    goes, too.

    Args:
        at: When, in UTC, to the minute; a snapshot is begun within the hour that follows.
        keep: How many of each volume, 1 to 1000: the oldest one goes when another is made.
    Raises:
        ConstructError: a time that is not a whole minute or is of another zone, or a number out of range.
    Source: https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-ami-policy.html
    """

    at: time = time(3)
    keep: int = 7

    def __post_init__(self) -> None:
        if self.at != time(self.at.hour, self.at.minute):
            raise ConstructError(
                f"snapshots are made at {self.at} every day: use a whole minute, in UTC without saying so"
            )
        if not 1 <= self.keep <= MOST_SNAPSHOTS:
            raise ConstructError(f"{self.keep} snapshots are kept of each volume: use 1 to {MOST_SNAPSHOTS}")


class ReplicaVolumes(Construct):
    """The volumes of a component's replicas, one each in its zone: gp3, encrypted by the region's default key of EBS.

    They stay when their stack goes, and whoever makes it again gets new ones, which are empty. A volume grows here
    first, and then its claim; none shrinks. A replica of another zone gets an empty volume, while the one that it had
    stays.

    What they are is known when they are made: the stack says it as JSON, by their claims, which the manifests take.

    Args:
        cluster: By name.
        namespace: Of the component.
        component: By name, as its StatefulSet is called.
        zones: Of each replica, in their order: as many as there are.
        volume: What each is like.
        snapshots: When they are made, and how many are kept; none when absent. Where the default key of EBS is one of
            your own, its policy must let the role use it.
    Raises:
        ConstructError: no replica, a zone of another region, or a component that has volumes already.
    Source: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/tree/master/examples/kubernetes/static-provisioning
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: str,
        namespace: str,
        component: str,
        zones: Sequence[str],
        volume: Gp3,
        snapshots: Snapshots | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.of = f"{cluster}/{dns_label(namespace, of='a namespace')}/{dns_label(component, of='a StatefulSet')}"
        region = self._region(zones)
        self._refuse_others()
        self.volumes: dict[str, ec2.IVolume] = {}
        for replica, zone in enumerate(zones):
            claim = claim_of(component, replica)
            made = ec2.Volume(
                self,
                claim,
                availability_zone=zone,
                size=cdk.Size.gibibytes(volume.gibibytes),
                volume_type=ec2.EbsDeviceVolumeType.GP3,
                throughput=volume.throughput,
                encrypted=True,
                removal_policy=cdk.RemovalPolicy.RETAIN,
            )
            # Past the engine's own check, by which a volume below 6 GiB has less than the least that gp3 gives.
            cast("ec2.CfnVolume", made.node.default_child).iops = volume.iops
            for tag, value in (
                ("Name", f"{cluster}/{namespace}/{claim}"),
                (OF_DRIVER, "true"),
                (VOLUME_OF, self.of),
            ):
                cdk.Tags.of(made).add(tag, value)
            cdk.Validations.of(made).acknowledge(
                cdk.Acknowledgment(id="CloudFormation-Validate::W3010", reason=CHOSEN_ZONE)
            )
            self.volumes[claim] = made
        if snapshots is not None:
            self._make(snapshots, f"Snapshots of {component} in {namespace}")
        self._assert_when_deployed(region)
        cdk.CfnOutput(
            self,
            "Volumes",
            description=f"The volumes of {self.of}, by their claims: the manifests take them as they are.",
            value=cdk.Stack.of(self).to_json_string(
                {
                    claim: {"id": made.volume_id, "zone": zone}
                    for (claim, made), zone in zip(self.volumes.items(), zones, strict=True)
                }
            ),
        )

    def _make(self, snapshots: Snapshots, description: str) -> None:
        stack = cdk.Stack.of(self)
        policies = stack.format_arn(service="dlm", resource="policy", resource_name="*")
        conditions: dict[str, Any] = {
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": policies},
        }
        role = iam.Role(
            self,
            "Snapshots",
            assumed_by=iam.ServicePrincipal(DLM, conditions=conditions),
            description=f"Snapshots of {self.of}.",
        )
        volume = stack.format_arn(service="ec2", resource="volume", resource_name="*")
        snapshot = stack.format_arn(service="ec2", resource="snapshot", resource_name="*", account="")
        whose = {"StringEquals": {f"aws:ResourceTag/{VOLUME_OF}": self.of}}
        for allowed, resource, only in (
            (["ec2:DescribeVolumes", "ec2:DescribeInstances", "ec2:DescribeSnapshots"], "*", None),
            (["ec2:CreateSnapshot"], volume, whose),
            (["ec2:CreateSnapshot", "ec2:CreateTags"], snapshot, None),
            (["ec2:DeleteSnapshot"], snapshot, whose),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=allowed, resources=[resource], conditions=only))
        for resource, reason in (("*", LISTED), (volume, MADE_LATER), (snapshot, MADE_LATER)):
            cdk.Validations.of(role).acknowledge(
                cdk.Acknowledgment(
                    id=f"AwsSolutions::AwsSolutions-IAM5[Resource::{self._as_found(resource)}]", reason=reason
                )
            )
        dlm.CfnLifecyclePolicy(
            self,
            "Policy",
            description=description,
            state="ENABLED",
            execution_role_arn=role.role_arn,
            policy_details=dlm.CfnLifecyclePolicy.PolicyDetailsProperty(
                resource_types=["VOLUME"],
                target_tags=[cdk.CfnTag(key=VOLUME_OF, value=self.of)],
                schedules=[
                    dlm.CfnLifecyclePolicy.ScheduleProperty(
                        name="daily",
                        create_rule=dlm.CfnLifecyclePolicy.CreateRuleProperty(
                            interval=24, interval_unit="HOURS", times=[f"{snapshots.at:%H:%M}"]
                        ),
                        retain_rule=dlm.CfnLifecyclePolicy.RetainRuleProperty(count=snapshots.keep),
                        # Not those of the volume: by the driver's own, it might delete them.
                        copy_tags=False,
                        tags_to_add=[cdk.CfnTag(key=VOLUME_OF, value=self.of)],
                    )
                ],
            ),
        )

    def _as_found(self, arn: str) -> str:
        """As cdk-nag spells it."""
        resolved = cdk.Stack.of(self).resolve(arn)
        parts = [resolved] if isinstance(resolved, str) else resolved["Fn::Join"][1]
        return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)

    def _region(self, zones: Sequence[str]) -> str:
        if not zones:
            raise ConstructError(f"{self.of} has volumes for no replica: give the zone of each, or leave them out")
        region, *others = dict.fromkeys(map(region_of, zones))
        if others:
            raise ConstructError(f"the volumes of {self.of} are in {region} and {others[0]}: use zones of one region")
        place = cdk.Stack.of(self).region
        if differ(place, region):
            raise ConstructError(
                f"the volumes of {self.of} are in {region}, but their stack is in {place}: use zones of {place}"
            )
        return region

    def _refuse_others(self) -> None:
        for other in self.node.root.node.find_all():
            if isinstance(other, ReplicaVolumes) and other is not self and other.of == self.of:
                raise ConstructError(
                    f"{self.of} has two volumes for one claim, at {other.node.path} and {self.node.path}: name it once"
                )

    def _assert_when_deployed(self, region: str) -> None:
        """What CloudFormation refuses before it makes anything."""
        sentence = f"The volumes of {self.of} are in zones of {region}: deploy there, or use zones of another region"
        here = cdk.Fn.condition_equals(cdk.Aws.REGION, region)
        assert_when_deployed(self, "Region", here, sentence)
