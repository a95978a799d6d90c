"""What finds out every day whether a restore would succeed."""

from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config import to_yaml
from constructs_lib.contract import RESTORE_DRILL, Rights
from constructs_lib.errors import ConstructError, DamagedError
from constructs_lib.kube.backup import Backup
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, Placement, Resources
from constructs_lib.kube.prometheus import USER
from constructs_lib.kube.restore_points import RESOURCES, RESTORE, service, where
from constructs_lib.kube.storage import StorageClass, Volume
from constructs_lib.kube.volumes import ConfigMapFiles, Mount, ThrownAway
from constructs_lib.kube.workload import Scheduled
from constructs_lib.restore_points import RestorePoints
from constructs_lib.units import Bytes, Cpu, prometheus_duration

PROGRAM, PROMETHEUS, COMPARE = "restore-drill", "prometheus", "compare"
DATA, DATABASE = "/drill", "/drill/tsdb"
CONFIG, FILE = "/etc/prometheus/config", "prometheus.yml"
ADDRESS = "127.0.0.1:9090"  # nobody else has to ask it, and whoever reaches it may end it
# The most that Prometheus takes: no restored block is older than that.
FOR_EVER = "100y"
# Longer than any block: what is restored is compacted with nothing, and so is what the manifest says.
LONGER_THAN_ALL = "1y"
# A pod that has ended keeps its volume until it is gone. Somebody has heard of a failure by then, and hears from there
# on that the last success is long ago.
GONE_AFTER = timedelta(hours=6)


class RestoreDrill(Component):
    """Every day, the newest restore point of one server of a Prometheus is restored into a volume that is thrown away.

    The agent restores it as it would for a server that was lost. A Prometheus of the same version, which scrapes
    nothing, is started on it, and asked for every sample: blocks, series and samples must be those that the manifest
    says. Servers take turns, one a day. What fails is a Job that failed, and its log says what differs. Six hours after
    its end, a Job goes, with its pods and their volumes. No container but the one that restores gets credentials, which
    are for reading alone, and the one that compares where it tells CloudWatch that all is well.

    The last container ends Prometheus, since one that only runs beside others is known to Kubernetes 1.29 and later.

    Args:
        backup: What makes the restore points: it lives beside their Prometheus, and is of the same image. All tries
            together may take as long as `BackupLimits.drill_within` of its points says: restoring 100 GB takes a
            quarter of an hour at the 125 MB/s of a gp3 volume, and reading its samples again up to an hour.
        name: Of the CronJob and of its service account, which has a role of its own in AWS.
        volume: What is thrown away: as large as a server's own, of a class whose volumes go with their claims.
        at: When, in UTC, to the minute.
        resources: Of Prometheus.
        agent_resources: Of what restores, and of what compares.
        placement: On which nodes.
        metrics_reached_at: Address ranges of CloudWatch as the pods see them, where `RestoreDrillAlarms` of the other
            half waits for a success; nobody outside of the cluster is told when absent.
    Raises:
        ConstructError: a volume that is too small, a time that is no whole minute, an end after midnight in UTC, when
            another server's turn begins, or no address range of CloudWatch or one that is none; when rendered, a class
            of this app that keeps its volumes, one more each day.
    Source: https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        backup: Backup,
        name: str = RESTORE_DRILL,
        volume: Volume,
        at: time = time(4),
        resources: Resources = Resources(cpu=Cpu(500), memory=Bytes.gib(1)),
        agent_resources: Resources = RESOURCES,
        placement: Placement = Placement(),
        metrics_reached_at: tuple[str, ...] | None = None,
    ) -> None:
        least, points, image = backup.prometheus.volume.size, backup.points, backup.image
        end_within = points.limits.drill_within
        if timedelta(hours=at.hour, minutes=at.minute) + end_within > timedelta(days=1):
            raise ConstructError(
                f"{name} starts at {at:%H:%M} and may take {prometheus_duration(end_within)}, until after midnight in "
                "UTC, when it is another server's turn, which would hide that this one cannot be restored: start it "
                "earlier, or lower BackupLimits.drill_within"
            )
        if volume.size < least:
            raise ConstructError(
                f"the volume of {name} is {volume.size}, but what is restored comes from one of {least}: use as much "
                "or more"
            )
        super().__init__(
            scope,
            id,
            namespace=backup.prometheus.namespace,
            name=name,
            program=PROGRAM,
            image=image,
            workload=Scheduled(
                at=at, user=USER, hopeless=DamagedError.exit_code, end_within=end_within, gone_after=GONE_AFTER
            ),
            placement=placement,
        )
        with_role: tuple[str, ...] = (RESTORE,)
        told: tuple[str, ...] = ()
        if metrics_reached_at is not None:
            self.allow(service("CloudWatch", metrics_reached_at, of=f"metrics_reached_at of {name}"))
            with_role, told = (RESTORE, COMPARE), (f"--tell={points.bucket.region}",)
        self.origin = backup.origin
        self._volume = volume
        source = ThrownAway(volume)
        data = Mount(source=source, path=DATA, read_only=False)
        sources = [self.origin.source(each) for each in backup.replicas]
        self.add_init_container(
            Container(
                name=RESTORE,
                image=image,
                args=("drill-restore", f"--data={DATA}", *_from(points, sources)),
                mounts=(data,),
                resources=agent_resources,
            )
        )
        self.add_container(self._server(data, resources))
        self.add_container(
            Container(
                name=COMPARE,
                image=image,
                args=("drill", f"--data={DATA}", f"--server={ADDRESS}", *told),
                mounts=(Mount(source=source, path=DATA),),
                resources=agent_resources,
            )
        )
        for prefix in self.origin.prefixes:
            self.use_bucket(points.bucket, prefix=prefix, rights=Rights.READ, containers=with_role)

    def _server(self, data: Mount, resources: Resources) -> Container:
        config = f"{self.name}-config"

        ConfigMap(
            self,
            "config",
            name=config,
            namespace=self.namespace.name,
            labels=self.labels,
            files=lambda: {FILE: to_yaml({"storage": {"tsdb": {"retention": {"time": FOR_EVER}}}})},
        )
        return Container(
            name=PROMETHEUS,
            image=versions.PROMETHEUS,
            args=(
                f"--config.file={CONFIG}/{FILE}",
                f"--storage.tsdb.path={DATABASE}",
                f"--storage.tsdb.min-block-duration={LONGER_THAN_ALL}",
                f"--storage.tsdb.max-block-duration={LONGER_THAN_ALL}",
                "--no-storage.tsdb.allow-overlapping-compaction",
                f"--web.listen-address={ADDRESS}",
                "--web.enable-lifecycle",
            ),
            mounts=(Mount(source=ConfigMapFiles("config", config), path=CONFIG), data),
            resources=resources,
        )

    def _workload(self) -> Mapping[str, Any]:
        """A class of another chart may be made later than this."""
        for each in self.node.root.node.find_all():
            if isinstance(each, StorageClass) and each.keep and each.name == self._volume.storage_class:
                raise ConstructError(
                    f"the volume of {self.name} is of the class {each.name}, which keeps a volume when its claim goes, "
                    "so every drill would leave one behind: use a class that is made with keep=False"
                )
        return super()._workload()


def _from(points: RestorePoints, sources: list[str]) -> tuple[str, ...]:
    first, *others = sources
    return (*where(points, first), *(f"--source={each}" for each in others))
