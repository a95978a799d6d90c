"""What EventBridge Scheduler may do for schedules of ours."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct


def role_of(scope: Construct, id: str, group: scheduler.CfnScheduleGroup, *, description: str) -> iam.Role:
    """The role of the schedules of a group, which EventBridge takes for no others.

    It says for which group it asks, and not for which schedule of it.

    Args:
        scope: In which the role is made.
        id: Of the role.
        group: Of schedules.
        description: Of the role.
    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    conditions = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID, "aws:SourceArn": group.attr_arn}}
    return iam.Role(
        scope,
        id,
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=conditions),
        description=description,
    )
