"""An alarm that sounds when nobody has restored anything with success for too long."""

from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib.aws.alarms import Alarms, filled, let_tell, refuse_place
from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.notifications import Notifications
from constructs_lib.cloudwatch import DRILLED, DRILLS, of_component
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import DRILL_WITHIN, Origin
from constructs_lib.units import prometheus_duration

PERIOD = timedelta(hours=1)
DAY = timedelta(days=1)  # from one drill to the next


class RestoreDrillAlarm(Construct):
    """An alarm on the drills of a component: none has told a success for too long, for whatever reason.

    The drill tells CloudWatch of each success, if `RestoreDrill` of the other half was told where that is
    (`metrics_reached_at`); its role may. `RestoreDrillTooOld` sounds when each of the last hours was silent, and until
    the first success, and ends with one. Servers take turns: where one of two cannot be restored, it comes and goes.

    Args:
        pipeline: Whose restore points are tried; its `add_drill` has made the role of the drill.
        origin: Whose they are.
        undrilled: How long ago the last success may be, in whole hours: a day, and as long as a drill may take.
        notifications: Who hears of the alarm; nobody when absent.
        runbooks: The URL below which it has a page of its name, to which its description leads.
    Raises:
        ConstructError: another time, an origin without a drill, another region than the bucket's,
            or runbooks that are no URL.
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: BackupPipeline,
        origin: Origin,
        undrilled: timedelta = DAY + DRILL_WITHIN,
        notifications: Notifications | None = None,
        runbooks: str | None = None,
    ) -> None:
        if not DAY < undrilled < 2 * DAY or undrilled % PERIOD:
            raise ConstructError(
                f"a drill of {origin.path} is missed after {prometheus_duration(undrilled)}, but there is one each "
                f"day, of servers in turns: use whole hours, more than {prometheus_duration(DAY)} and less than "
                f"{prometheus_duration(2 * DAY)}"
            )
        if origin not in pipeline.drills:
            raise ConstructError(
                f"nobody tries to restore {origin.path}, so that its alarm would never end: add a drill to the "
                "pipeline, by BackupPipeline.add_drill, or leave the alarm out"
            )
        alarms = Alarms(notifications=notifications, runbooks=runbooks)
        super().__init__(scope, id)
        refuse_place(self, pipeline)
        let_tell(pipeline.drills[origin].role, DRILLS)
        alarms.add(
            Construct(self, origin.path),
            "RestoreDrillTooOld",
            metric=filled(
                cloudwatch.Metric(
                    namespace=DRILLS,
                    metric_name=DRILLED,
                    dimensions_map=of_component(origin.path),
                    statistic="Maximum",
                    period=cdk.Duration.seconds(PERIOD.total_seconds()),
                ),
                0,
            ),
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            periods=undrilled // PERIOD,
            silence=cloudwatch.TreatMissingData.BREACHING,
            sentence=f"No drill has restored a point of {origin.path} with success for more than "
            f"{prometheus_duration(undrilled)}, or none could tell: see what its last Job said.",
        )
