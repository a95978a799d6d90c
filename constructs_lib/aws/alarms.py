"""What alarms of CloudWatch on what our own programs tell it have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.notifications import Notifications
from constructs_lib.aws.places import differ
from constructs_lib.errors import ConstructError
from constructs_lib.urls import absolute_url, page_of

# Ours, or any action of the CDK's, such as `aws_cloudwatch_actions.SnsAction` with a topic that is there already.
Heard = Notifications | cloudwatch.IAlarmAction
NO_NAMES = "CloudWatch knows no names of metrics in policies: the right is on one namespace of them, by condition."


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """How alarms are heard, and where each of them has its page.

    Args:
        notify: Who hears when one begins, and when it is over.
        runbooks: The URL below which each has a page of its name, to which its description leads.
        made: Those that were added, by `add`: by name, and where it has a source, below that.
    Raises:
        ConstructError: runbooks that are no URL.
    """

    notify: Sequence[Heard]
    runbooks: str | None
    made: dict[str, cloudwatch.Alarm] = field(default_factory=dict, init=False)
    _replicas: dict[str, Construct] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.runbooks is not None:
            absolute_url(self.runbooks, of="runbooks")

    def add(
        self,
        scope: Construct,
        name: str,
        *,
        source: str | None = None,
        metric: cloudwatch.IMetric,
        comparison: cloudwatch.ComparisonOperator,
        threshold: float,
        periods: int = 1,
        breaching: int | None = None,
        silence: cloudwatch.TreatMissingData,
        sentence: str,
    ) -> None:
        """Add one.

        Args:
            scope: Whose it is.
            name: Its id, and that of its page.
            source: The server, or the replica, that it is of; the whole when absent.
            metric: What it looks at.
            comparison: When it counts.
            threshold: Likewise.
            periods: Of the metric, in a row.
            breaching: In how many of these it must count; in all when absent.
            silence: What missing data is.
            sentence: What it says, and what to do.
        """
        page = "" if self.runbooks is None else f" {page_of(name, runbooks=self.runbooks)}"
        if source is not None:
            if source not in self._replicas:
                self._replicas[source] = Construct(scope, source)
            scope = self._replicas[source]
        alarm = cloudwatch.Alarm(
            scope,
            name,
            alarm_description=f"{sentence}{page}",
            metric=metric,
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching,
            treat_missing_data=silence,
        )
        for heard in self.notify:
            if isinstance(heard, Notifications):
                heard.add_alarm(alarm)
            else:
                alarm.add_alarm_action(heard)
                alarm.add_ok_action(heard)
        self.made[name if source is None else f"{source}/{name}"] = alarm


def filled(metric: cloudwatch.Metric, silence: float) -> cloudwatch.MathExpression:
    """A metric that says something in each period.

    Of missing data CloudWatch counts none while older periods have some, at which it looks as well.

    Args:
        metric: What is looked at.
        silence: What a period is where nothing was said.
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    return cloudwatch.MathExpression(
        expression=f"FILL(said, {silence:.0f})",
        using_metrics={"said": metric},
        label=metric.metric_name,
        period=metric.period,  # else that of the metric is replaced by five minutes
    )


def refuse_place(alarms: Construct, pipeline: BackupPipeline) -> None:
    """Refuse alarms where no agent tells anything: each tells the CloudWatch of its bucket's region.

    Raises:
        ConstructError: another region.
    """
    here, bucket = cdk.Stack.of(alarms).region, pipeline.bucket.contract
    if differ(here, bucket.region):
        raise ConstructError(
            f"the alarms {alarms.node.path} are in {here}, but agents tell the CloudWatch of {bucket.region}, where "
            f"the bucket {bucket.name} is: use one region"
        )


def let_tell(role: iam.Role, namespace: str) -> None:
    """Let a role tell CloudWatch metrics of one namespace, and nothing else."""
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        )
    )
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(id="AwsSolutions::AwsSolutions-IAM5[Resource::*]", reason=NO_NAMES)
    )
