"""Whoever looks at restore points from outside of the cluster, and says when there is none that would help."""

import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from constructs_lib.aws.alarms import Alarms, Heard, filled, let_tell
from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.schedules import role_of
from constructs_lib.cloudwatch import AGE, BACKUPS, PUT_OFF, WHOLE, dimensions
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin
from constructs_lib.watch.contract import DAY, TIME, VARIABLE, Watched

PACKAGE = Path(__file__).resolve().parents[1]
# All that the function imports of this library; the rest of it, and what lies beside it, is not sent.
FILES = (
    "__init__.py",
    "cloudwatch.py",
    "errors.py",
    "restore_point.py",
    "watch/__init__.py",
    "watch/contract.py",
    "watch/handler.py",
    "watch/verify.py",
)
HANDLER = "constructs_lib.watch.handler.handler"
MEMORY = 1024  # MiB: with them comes more than half a processor, as much as the network of a function needs
# Of the environment of a function, all variables together.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ENVIRONMENT = 4096
# Of what Lambda, and before it the scheduler, try again.
ATTEMPTS = 2
LONGEST_RUN, LONGEST_WAIT = timedelta(minutes=15), timedelta(hours=6)  # that Lambda allows
HEARD_FOR = timedelta(days=14)  # that a queue keeps what failed, at most
# Of looks that fail, and of days on which objects are put off: what is not over by itself.
PERSISTENT = 3
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
IS_LAST = "What Lambda or the scheduler gave up is in this queue, and an alarm is on it: nothing takes it from there."


class BackupWatch(Construct):
    """A function that looks at the newest restore point of each replica by schedule, and alarms on what it finds.

    It reads the bucket and says to CloudWatch how old a point is, how large, whether all of it is there, and how much
    it had no time to read again, see `constructs_lib.watch`. The alarms:

    - `RestorePointTooOld`, of each replica: its newest point is too old, or nobody has said anything for twice as long
      as from one look to the next.
    - `RestorePointNotWhole`, of each replica: it was not whole, or nobody has said anything, for a day. That an object
      cannot be read is seen when it is its turn, and not an hour later.
    - `RestorePointPutOff`, of each replica: on three days of six, objects were not read again when it was their turn. A
      slow hour is none of them, and what was put off has its turn again; what is put off again and again is too much.
    - `BackupWatchGaveUp`: a look failed each time that it was tried, and waits in a queue until somebody has read it.
    - `BackupWatchFailing`: for three looks, something failed, though it may have succeeded when it was tried again.

    Missing data is filled in by metric math, since CloudWatch looks at more periods than it judges, and counts none
    that is missing while an older one has data: a day's silence would be heard after several. Where there is no data at
    all, it is breaching.

    They are in `alarms`, those of a replica by its origin and name, such as
    `cluster/namespace/prometheus/prometheus-0/RestorePointTooOld`.

    Runs at the same time do no harm: what they say is the same.

    Args:
        pipeline: Whose restore points. When one is too old, the limits of its restore points say, as in the cluster.
        origins: Which ones of them; all when absent.
        every: How often it looks: whole minutes, an hour to half a day.
        notify: Who hears when an alarm begins, and when it is over.
        runbooks: The URL below which each alarm has a page of its name, to which its description leads.
    Raises:
        ConstructError: an origin that the pipeline does not know, an age that is never seen, or runbooks that are no
            URL.
    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: BackupPipeline,
        origins: Collection[Origin] | None = None,
        every: timedelta = timedelta(hours=1),
        notify: Sequence[Heard] = (),
        runbooks: str | None = None,
    ) -> None:
        points, replicas = pipeline.bucket.restore_points, pipeline.replicas_of(origins)
        watched = Watched(
            bucket=points.bucket.name,
            region=points.bucket.region,
            sources=tuple(origin.source(name) for origin, names in replicas.items() for name in names),
            keep=points.keep,
            every=every,
        )
        limits = points.limits
        ages = {origin: limits.unsaved if origin.database else limits.oldest for origin in replicas}
        for origin, age in ages.items():
            if not every < age < points.keep:
                field = "unsaved" if origin.database else "every and late"
                raise ConstructError(
                    f"a restore point of {origin.path} is too old after {age}, by {field} of BackupLimits: use more "
                    f"than the {every} from one look to the next, and less than the {points.keep.days} days after "
                    "which it expires"
                )
        if len(watched.to_json()) + len(VARIABLE) > ENVIRONMENT:
            raise ConstructError(
                f"{len(watched.sources)} replicas are more than fit into the {ENVIRONMENT} bytes of a function's "
                "environment: use several watches"
            )
        self._alarms = Alarms(notify=notify, runbooks=runbooks)
        super().__init__(scope, id)
        self.alarms = self._alarms.made
        self._every = _duration(every)
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"Of the watch over restore points in {watched.bucket}.",
        )
        self.dead_letters = self._dead_letters()
        self.function = self._function(watched)
        for origin in replicas:
            pipeline.grant_read(self._role, origin)
        self._schedule()
        for origin, names in replicas.items():
            for name in names:
                self._watch(origin.source(name), ages[origin])
        self._watch_itself()

    def _dead_letters(self) -> sqs.Queue:
        """Where what was given up waits for somebody who looks."""
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=_duration(HEARD_FOR),
        )
        cdk.Validations.of(queue).acknowledge(cdk.Acknowledgment(id="AwsSolutions::AwsSolutions-SQS3", reason=IS_LAST))
        return queue

    def _function(self, watched: Watched) -> lambda_.Function:
        # What it says is in the metrics as well: its log goes with it.
        log_group = logs.LogGroup(
            self, "Log", retention=logs.RetentionDays.ONE_MONTH, removal_policy=cdk.RemovalPolicy.DESTROY
        )
        log_group.grant_write(self._role)
        let_tell(self._role, BACKUPS)
        return lambda_.Function(
            self,
            "Function",
            description=f"Looks at the restore points in {watched.bucket}.",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler=HANDLER,
            code=lambda_.Code.from_asset(str(PACKAGE.parent), exclude=_all_but(FILES), ignore_mode=cdk.IgnoreMode.GIT),
            environment={VARIABLE: watched.to_json()},
            role=self._role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=lambda_.ApplicationLogLevel.INFO,
            system_log_level_v2=lambda_.SystemLogLevel.WARN,
            memory_size=MEMORY,
            timeout=_duration(LONGEST_RUN),
            retry_attempts=ATTEMPTS,
            max_event_age=_duration(min(watched.every, LONGEST_WAIT)),
            on_failure=destinations.SqsDestination(self.dead_letters),
        )

    def _schedule(self) -> None:
        """Start it, by a role that none but the schedules of a group of its own may take."""
        group = scheduler.CfnScheduleGroup(self, "Schedules")
        role = role_of(self, "Starter", group, description=f"Of the schedule of {self.node.path}.")
        for action, resource in (
            ("lambda:InvokeFunction", self.function.function_arn),
            ("sqs:SendMessage", self.dead_letters.queue_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[resource]))
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            group_name=group.ref,
            schedule_expression=scheduler.ScheduleExpression.rate(self._every).expression_string,
            state="ENABLED",  # said, or nobody is told that it drifted when somebody disables it
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.function.function_arn,
                role_arn=role.role_arn,
                input=json.dumps({TIME: scheduler.ContextAttribute.scheduled_time}),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=ATTEMPTS, maximum_event_age_in_seconds=self._every.to_seconds()
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=self.dead_letters.queue_arn),
            ),
        )
        schedule.node.add_dependency(role)  # and its policy

    def _watch(self, source: str, oldest: timedelta) -> None:
        """The alarms on one replica's restore points."""
        self._alarms.add(
            self,
            "RestorePointTooOld",
            source=source,
            # So that the reason of an alarm tells silence from age: exactly twice as old as is too old.
            metric=filled(_metric(AGE, source, statistic="Maximum", period=self._every), 2 * oldest.total_seconds()),
            comparison=ABOVE,
            threshold=oldest.total_seconds(),
            # Looks and periods begin at different moments: one may have no look in it, and the next one two.
            periods=2,
            silence=cloudwatch.TreatMissingData.BREACHING,
            sentence=f"The newest restore point of {source} is older than {oldest}, or nobody looks at it.",
        )
        self._alarms.add(
            self,
            "RestorePointNotWhole",
            source=source,
            # What is found when it is an object's turn to be read is not found again an hour later.
            metric=filled(_metric(WHOLE, source, statistic="Minimum", period=_duration(DAY)), 0),
            comparison=BELOW,
            threshold=1,
            silence=cloudwatch.TreatMissingData.BREACHING,
            sentence=f"The newest restore point of {source} was not whole within the last day, or nobody looked at it: "
            "the log of the watch says what is wrong.",
        )
        self._alarms.add(
            self,
            "RestorePointPutOff",
            source=source,
            metric=_metric(PUT_OFF, source, statistic="Maximum", period=_duration(DAY)),
            comparison=ABOVE,
            threshold=0,
            # A dump has its turn at another hour of each day: of two days in a row, one at most has none in it.
            periods=2 * PERSISTENT,
            breaching=PERSISTENT,
            silence=cloudwatch.TreatMissingData.NOT_BREACHING,
            sentence=f"Objects of the newest restore point of {source} are put off when it is their turn to be read "
            f"again, on {PERSISTENT} days of {2 * PERSISTENT}: the log of the watch says which.",
        )

    def _watch_itself(self) -> None:
        self._alarms.add(
            self,
            "BackupWatchFailing",
            metric=self.function.metric_errors(period=self._every),
            comparison=ABOVE,
            threshold=0,
            # What was tried again with success is none, and what failed each time has an alarm of its own.
            periods=PERSISTENT,
            silence=cloudwatch.TreatMissingData.NOT_BREACHING,
            sentence="The watch over restore points fails again and again, though it may succeed when it is tried "
            "again: its log says what.",
        )
        self._alarms.add(
            self,
            "BackupWatchGaveUp",
            metric=self.dead_letters.metric_approximate_number_of_messages_visible(statistic="Maximum"),
            comparison=ABOVE,
            threshold=0,
            silence=cloudwatch.TreatMissingData.NOT_BREACHING,
            sentence="A look at restore points was given up: read the messages of the queue, then delete them.",
        )


def _metric(name: str, source: str, *, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=BACKUPS,
        metric_name=name,
        dimensions_map=dimensions(source),
        statistic=statistic,
        period=period,
    )


def _all_but(files: Sequence[str]) -> list[str]:
    """What an asset leaves out for these files of the package to be all of it, as a `.gitignore` says it."""
    whole = [Path(PACKAGE.name, file) for file in files]
    folders = sorted({folder for file in whole for folder in file.parents} - {Path()})
    entered = [line for folder in folders for line in (f"!/{folder}", f"/{folder}/*")]
    return ["/*", *entered, *(f"!/{file}" for file in whole)]


def _duration(time: timedelta) -> cdk.Duration:
    return cdk.Duration.seconds(time.total_seconds())
