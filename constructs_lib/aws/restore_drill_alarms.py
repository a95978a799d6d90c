"""Alarms that sound when a server's restore point was restored by nobody, or in vain, for too long."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib.aws.alarms import Alarms, Heard, filled, let_tell, refuse_place
from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.cloudwatch import DRILLED, DRILLS, dimensions
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import DRILL_EVERY, Origin
from constructs_lib.units import prometheus_duration

PERIOD = timedelta(hours=1)
# At which an alarm of such periods may look.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
LONGEST = timedelta(days=7)


class RestoreDrillAlarms(Construct):
    """An alarm for each server that is drilled: nobody has restored its newest restore point for too long.

    The drill tells CloudWatch of each success, if `RestoreDrill` of the other half was told where that is
    (`metrics_reached_at`); its role may. Servers take turns, one a day: `RestoreDrillTooOld` of a server sounds when
    its turn has passed without a success, whatever became of the others', and until the first one; it ends with one.
    They are in `alarms`, such as `cluster/namespace/prometheus/prometheus-0/RestoreDrillTooOld`.

    Args:
        pipeline: Whose restore points are tried; its `add_drill` has made the role of the drill. How long one may take,
            `BackupLimits.drill_within` of its restore points says, here in whole hours.
        origins: Whose servers; those of all that have a drill when absent.
        notify: Who hears when an alarm begins, and when it is over.
        runbooks: The URL below which they have a page of their name, to which their descriptions lead.
    Raises:
        ConstructError: no drill, an origin without one, one that may take part of an hour, more servers than have their
            turn in a week, another region than the bucket's, or runbooks that are no URL.
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: BackupPipeline,
        origins: Collection[Origin] | None = None,
        notify: Sequence[Heard] = (),
        runbooks: str | None = None,
    ) -> None:
        if not pipeline.drills:
            raise ConstructError(
                f"nobody tries to restore what is in {pipeline.bucket.contract.name}: add a drill to the pipeline, by "
                "BackupPipeline.add_drill, or leave its alarms out"
            )
        origins = pipeline.drills if origins is None else origins
        if not origins:
            known = ", ".join(sorted(each.path for each in pipeline.drills))
            raise ConstructError(f"none of the drills is meant: name some of {known}, or leave the alarms out")
        drill_within = pipeline.bucket.restore_points.limits.drill_within
        if drill_within % PERIOD:
            raise ConstructError(
                f"a drill may take {prometheus_duration(drill_within)}, but CloudWatch counts hours: use whole hours "
                "as BackupLimits.drill_within, or leave its alarms out"
            )
        undrilled = {origin: _undrilled(pipeline, origin, drill_within) for origin in origins}
        alarms = Alarms(notify=notify, runbooks=runbooks)
        super().__init__(scope, id)
        refuse_place(self, pipeline)
        self.alarms = alarms.made
        for origin, time in undrilled.items():
            let_tell(pipeline.drills[origin].role, DRILLS)
            for replica in pipeline.replicas[origin]:
                source = origin.source(replica)
                success = cloudwatch.Metric(
                    namespace=DRILLS,
                    metric_name=DRILLED,
                    dimensions_map=dimensions(source),
                    statistic="Maximum",
                    period=cdk.Duration.seconds(PERIOD.total_seconds()),
                )
                alarms.add(
                    self,
                    "RestoreDrillTooOld",
                    source=source,
                    metric=filled(success, 0),
                    comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                    threshold=1,
                    periods=time // PERIOD,
                    silence=cloudwatch.TreatMissingData.BREACHING,
                    sentence=f"No drill has restored the newest point of {source} with success for more than "
                    f"{prometheus_duration(time)}, or none could tell: see what its last Job said.",
                )


def _undrilled(pipeline: BackupPipeline, origin: Origin, drill_within: timedelta) -> timedelta:
    """For how long a server has no success at most, while all is well: until its turn, and the drill of it, is over."""
    if origin not in pipeline.drills:
        raise ConstructError(
            f"nobody tries to restore {origin.path}, so that its alarm would never end: add a drill to the pipeline, "
            "by BackupPipeline.add_drill, or leave the alarm out"
        )
    servers = len(pipeline.replicas[origin])
    undrilled = servers * DRILL_EVERY + drill_within
    if undrilled > LONGEST:
        raise ConstructError(
            f"each of {servers} servers of {origin.path} is tried within {prometheus_duration(undrilled)}, but "
            f"CloudWatch looks at {prometheus_duration(LONGEST)}: leave the alarm to those in the cluster"
        )
    return undrilled
