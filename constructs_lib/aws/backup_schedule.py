"""What starts backups at a time of the day: a schedule for each replica, and the queue in which its agent finds it."""

import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from datetime import time, timedelta

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.schedules import role_of
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin

UTC = "Etc/UTC"
START = "start"  # the text of a message, which nobody reads
# A start that nobody took is of no use when the next one is sent.
RETENTION = timedelta(hours=12)
# Afterwards, the agent's own timer has started.
TRIED_FOR = timedelta(hours=1)
SEND = "sqs:SendMessage"
# How long a start is hidden from others, its agent says with each request.
TAKE = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]
NO_DEAD_LETTERS = (
    "A message says that it is time and nothing else, so there is nothing to look at in one that was not taken. Its "
    "agent starts by itself soon afterwards, and a restore point that is not made is missed by who watches their age."
)


class BackupSchedule(Construct):
    """Starts the backup of each replica once a day, by a message in a queue of its own.

    The agent beside the replica asks its queue: nothing needs a way into the cluster. Of the queues' names, manifests
    and this half know the same, so neither names an account. The agents must be told that there are queues, or they
    wait for nobody: `Backup` of the other half does so.

    Where the clock jumps over the time of the day, EventBridge leaves that day out. The agent does not: it starts by
    itself when none has come for somewhat longer than a day.

    Args:
        pipeline: Whose roles take the starts, in the same stack. `BackupLimits.queued` of its restore points says that
            queues start them.
        origins: Whose replicas are started; those of all that are no databases when absent.
        at: The time of the day, in whole minutes.
        time_zone: Of that time, by its name in the database of IANA.
    Raises:
        ConstructError: restore points that no queue starts, an origin that the pipeline does not know, or that is a
            database, a name that SQS refuses, a time or a time zone that is none, or another stack than the pipeline's.
    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: BackupPipeline,
        origins: Collection[Origin] | None = None,
        at: time = time(2),
        time_zone: str = UTC,
    ) -> None:
        points = pipeline.bucket.restore_points
        if not points.limits.queued:
            raise ConstructError(
                f"a schedule starts backups to {points.bucket.name}, but no queue does, as BackupLimits.queued says, "
                "so that no agent would ask its queue: let queues start them, or leave the schedule out"
            )
        replicas = pipeline.replicas_of(origins, databases=False)
        names = {origin: [origin.queue(pod) for pod in pods] for origin, pods in replicas.items()}
        _refuse_time(at, time_zone)
        super().__init__(scope, id)
        self.pipeline = pipeline
        self.queues: dict[str, sqs.IQueue] = {}
        self._refuse_what_fails_later(names)
        group = scheduler.CfnScheduleGroup(self, "Group")
        role = role_of(self, "Role", group, description="Of the schedules that start backups.")
        for origin, queue_names in names.items():
            arns = [self._start(name, group, role, at, time_zone) for name in queue_names]
            taker = pipeline.roles[origin].role
            iam.Grant.add_to_principal(grantee=taker, actions=TAKE, resource_arns=arns)
        arns = [queue.queue_arn for queue in self.queues.values()]
        iam.Grant.add_to_principal(grantee=role, actions=[SEND], resource_arns=arns)

    def _start(self, name: str, group: scheduler.CfnScheduleGroup, role: iam.Role, at: time, time_zone: str) -> str:
        """The queue of one replica, and what starts it; the ARN of the former."""
        replica = Construct(self, name)
        queue = sqs.Queue(
            replica,
            "Queue",
            queue_name=name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.seconds(int(RETENTION.total_seconds())),
        )
        cdk.Validations.of(queue).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions::AwsSolutions-SQS3", reason=NO_DEAD_LETTERS)
        )
        scheduler.CfnSchedule(
            replica,
            "Schedule",
            group_name=group.ref,
            schedule_expression=f"cron({at.minute} {at.hour} * * ? *)",
            schedule_expression_timezone=time_zone,
            state="ENABLED",  # said, or nobody is told that it drifted when somebody disables it
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=queue.queue_arn,
                role_arn=role.role_arn,
                input=START,
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=int(TRIED_FOR.total_seconds())
                ),
            ),
        )
        self.queues[name] = queue
        return queue.queue_arn

    def _refuse_what_fails_later(self, names: Mapping[Origin, Sequence[str]]) -> None:
        stack, bucket = cdk.Stack.of(self), self.pipeline.bucket.contract
        if cdk.Stack.of(self.pipeline) is not stack:
            raise ConstructError(
                f"backups to {bucket.name} are started from another stack than its own, but the agents look for their "
                f"queues in {bucket.region}, where that one must be: make the schedule in the stack of the pipeline"
            )
        made = {name for each in names.values() for name in each}
        for other in stack.node.find_all():
            if isinstance(other, BackupSchedule) and other is not self:
                for name in sorted(made & set(other.queues)):
                    raise ConstructError(
                        f"there are two queues {name}, at {other.node.path} and {self.node.path}: start a replica by "
                        "one schedule"
                    )


def _refuse_time(at: time, time_zone: str) -> None:
    if at.second or at.microsecond or at.tzinfo:
        raise ConstructError(
            f"backups are started at {at.isoformat()}, but EventBridge knows whole minutes, and the time zone by its "
            "name: use a time such as 02:30, and give the zone apart"
        )
    if time_zone == UTC:  # known also where the database is missing as a whole
        return
    # `localtime` would be that of the machine that renders.
    zones = zoneinfo.available_timezones() - {"localtime", "Factory"}
    if time_zone not in zones:
        raise ConstructError(
            f"backups are started by the clock of {time_zone!r}, which is none of the {len(zones)} time zones that are "
            "known here: use a name such as 'Europe/Berlin', or install the package tzdata"
        )
