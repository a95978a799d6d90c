"""Alarms on what a Prometheus uses of its limits, which sound where the cluster tells nobody."""

from collections.abc import Collection, Sequence
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from constructs_lib.aws.alarms import Alarms, Heard, filled, let_tell, refuse_place
from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.cloudwatch import CPU, MEMORY, USAGE, VOLUME, dimensions
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin
from constructs_lib.units import prometheus_duration

PERIOD = timedelta(minutes=5)  # in which an agent says something five times
LONGEST = timedelta(days=1)  # at which an alarm of such periods may look
FULL = 100
SILENT = 200  # as full as no volume is
# Prometheus collects garbage the more often, the nearer Go's memory comes to 90 % of the limit, and gives back to the
# kernel what is above 95 % of that: from 85.5 % on, how much it needs does not show.
MOST_MEMORY = 85
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD


class PrometheusAlarms(Construct):
    """Alarms on the processor time, the memory and the volume of each server of a Prometheus, by its own limits.

    The agent beside a server tells CloudWatch each minute what per cent of them it uses, if `Backup` of the other half
    was told where CloudWatch is (`metrics_reached_at`); its role may. The alarms, of each server:

    - `PrometheusCpuHigh`: it used more of the processor time that its limit allows.
    - `PrometheusMemoryHigh`: Go held more of the memory that its limit allows. It is not what the kernel can take back,
      such as pages of files.
    - `PrometheusDiskAlmostFull`: its volume was fuller.
    - `PrometheusUsageUnknown`: nobody told, so that nothing is known of the others.

    Where a server says nothing, as while it is restarted, these stay as they were: one that was killed for its memory
    has not recovered. Each waits for averages of five minutes, all through `hold`. They are in `alarms`, each by its
    server and name, such as `cluster/namespace/prometheus/prometheus-0/PrometheusCpuHigh`.

    Args:
        pipeline: Whose roles may tell.
        origins: Whose servers; those of all that are no databases when absent.
        cpu: From how many per cent on the first alarm sounds.
        memory: Likewise; at most 85, above which a Prometheus shows no more what it needs.
        disk: Likewise.
        hold: For how long: whole five minutes, up to a day.
        notify: Who hears when an alarm begins, and when it is over.
        runbooks: The URL below which each alarm has a page of its name, to which its description leads.
    Raises:
        ConstructError: an origin that the pipeline does not know, or that is a database, a threshold that is never
            reached, another hold, another region than the bucket's, or runbooks that are no URL.
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        pipeline: BackupPipeline,
        origins: Collection[Origin] | None = None,
        cpu: float = 80,
        memory: float = 85,
        disk: float = 85,
        hold: timedelta = timedelta(minutes=15),
        notify: Sequence[Heard] = (),
        runbooks: str | None = None,
    ) -> None:
        replicas = pipeline.replicas_of(origins, databases=False)
        _refuse_limits(cpu=cpu, memory=memory, disk=disk)
        if not PERIOD <= hold <= LONGEST or hold % PERIOD:
            raise ConstructError(
                f"alarms on a Prometheus hold for {hold}: use a multiple of {prometheus_duration(PERIOD)}, up to "
                f"{prometheus_duration(LONGEST)}"
            )
        alarms = Alarms(notify=notify, runbooks=runbooks)
        super().__init__(scope, id)
        refuse_place(self, pipeline)
        self._alarms, self._hold = alarms, hold
        self.alarms = alarms.made
        for origin, pods in replicas.items():
            let_tell(pipeline.roles[origin].role, USAGE)
            for pod in pods:
                self._watch(origin.source(pod), cpu=cpu, memory=memory, disk=disk)

    def _watch(self, source: str, *, cpu: float, memory: float, disk: float) -> None:
        """The alarms of one server."""
        ignore = cloudwatch.TreatMissingData.IGNORE
        hold = prometheus_duration(self._hold)
        self._add(
            source,
            "PrometheusCpuHigh",
            metric=_metric(CPU, source),
            threshold=cpu,
            silence=ignore,
            sentence=f"{source} used more than {cpu:g} % of the processor time that its limit allows, for {hold}: "
            "find what asks it for so much, or raise the limit.",
        )
        self._add(
            source,
            "PrometheusMemoryHigh",
            metric=_metric(MEMORY, source),
            threshold=memory,
            silence=ignore,
            sentence=f"{source} held more than {memory:g} % of the memory that its limit allows, for {hold}: "
            "find what is new, or raise the limit, before it is killed and has to replay its log.",
        )
        self._add(
            source,
            "PrometheusDiskAlmostFull",
            metric=_metric(VOLUME, source),
            threshold=disk,
            silence=ignore,
            sentence=f"More than {disk:g} % of the volume of {source} was used, for {hold}: enlarge the volume, or "
            "lower the retention.",
        )
        self._add(
            source,
            "PrometheusUsageUnknown",
            metric=filled(_metric(VOLUME, source), SILENT),
            threshold=FULL,
            silence=cloudwatch.TreatMissingData.BREACHING,
            sentence=f"The agent of {source} told nobody what it uses, for {hold}: see whether the pod runs, or is "
            "being restored.",
        )

    def _add(
        self,
        source: str,
        name: str,
        *,
        metric: cloudwatch.IMetric,
        threshold: float,
        silence: cloudwatch.TreatMissingData,
        sentence: str,
    ) -> None:
        self._alarms.add(
            self,
            name,
            source=source,
            metric=metric,
            comparison=ABOVE,
            threshold=threshold,
            periods=self._hold // PERIOD,
            silence=silence,
            sentence=sentence,
        )


def _metric(name: str, source: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=USAGE,
        metric_name=name,
        dimensions_map=dimensions(source),
        statistic="Average",
        period=cdk.Duration.seconds(PERIOD.total_seconds()),
    )


def _refuse_limits(*, cpu: float, memory: float, disk: float) -> None:
    for name, value, most in (("cpu", cpu, FULL - 1), ("memory", memory, MOST_MEMORY), ("disk", disk, FULL - 1)):
        if not 1 <= value <= most:
            raise ConstructError(f"an alarm on a Prometheus sounds above {value:g} % of {name}: use 1 to {most}")
