"""What makes restore points of a Prometheus, and restores them, beside it in its pods."""

from datetime import timedelta

from constructs import Construct

from constructs_lib.contract import Port, Rights
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.kube.pod import Container, FieldOfPod, Probe, Resources
from constructs_lib.kube.prometheus import VOLUME, WEB, PrometheusHA
from constructs_lib.kube.restore_points import REQUESTS, RESOURCES, RESTORE, requested, requests_of, service, where
from constructs_lib.kube.volumes import Claimed, Mount
from constructs_lib.metrics.backup import BACKUP as METRICS
from constructs_lib.restore_points import Origin, RestorePoints
from constructs_lib.units import prometheus_duration, whole_seconds

BACKUP = "backup"
PORT = Port(name=BACKUP, number=8083)
# More often, there is nothing new.
SHORTEST = timedelta(hours=2)


class Backup(Construct):
    """Restore points of every server of a Prometheus, each by itself, and the way back.

    An agent in every pod sends the finished blocks of its server that are not in the bucket yet. A pod whose volume is
    empty restores before its server starts, if the ConfigMap `requests` says so under the pod's name. Both hold the
    volume as a whole, as Prometheus does: a hard link leads from one mount of a volume to no other one. The bucket is
    theirs alone: no other container of the pods gets credentials.

    Args:
        prometheus: Whose pods it joins; its servers start and run without any word from the bucket, but not without the
            image.
        image: Of the agent, from a registry of yours: `agent/README.md` says how to build it.
        points: Where restore points go, how often, and how long they are kept.
        resources: Of the agent, and of what restores.
        queues_reached_at: Address ranges of SQS as the pods see them, where `BackupLimits.queued` says that a
            `BackupSchedule` of the other half starts the backups: public ones, such as 0.0.0.0/0, or private ones by an
            interface endpoint. The agents ask their queues, and their own timer waits somewhat longer than
            `BackupLimits.every`. It is the only one when absent.
        metrics_reached_at: Likewise of CloudWatch, where `PrometheusAlarms` of the other half look at what the servers
            use of their limits. The agents tell it each minute; nobody when absent.
    Attributes:
        origin: Whose restore points they are.
        replicas: By what each server's are called below the origin's path.
    Raises:
        ConstructError: a local retention with which objects would expire before the last restore point that needs them,
            or a time between restore points that leaves none, or nothing new; queues without addresses, or addresses
            without queues; no address range of SQS or CloudWatch, one that is none, or a replica's name that is too
            long for a queue.
    Source: https://prometheus.io/docs/prometheus/latest/storage/
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        prometheus: PrometheusHA,
        image: Image,
        points: RestorePoints,
        resources: Resources = RESOURCES,
        queues_reached_at: tuple[str, ...] | None = None,
        metrics_reached_at: tuple[str, ...] | None = None,
    ) -> None:
        points.refuse_retention(prometheus.retention.time)
        _refuse(points)
        _refuse_contradiction(points, queues_reached_at)
        super().__init__(scope, id)
        self.prometheus, self.image, self.points = prometheus, image, points
        self.origin = Origin(
            cluster=prometheus.namespace.cluster.name, namespace=prometheus.namespace.name, component=prometheus.name
        )
        self.replicas = self.origin.replicas(prometheus.replicas)
        if queues_reached_at is not None:
            prometheus.allow(service("SQS", queues_reached_at, of=f"queues_reached_at of {prometheus.name}"))
            for replica in self.replicas:
                self.origin.queue(replica)  # refuses a name that is too long
        if metrics_reached_at is not None:
            prometheus.allow(service("CloudWatch", metrics_reached_at, of=f"metrics_reached_at of {prometheus.name}"))
        self.requests = requests_of(prometheus.name)
        self.metrics = prometheus.endpoint(PORT)
        common = (f"--data={VOLUME}", *where(points, f"{self.origin.path}/$(POD_NAME)"))
        pod, data = {"POD_NAME": FieldOfPod("metadata.name")}, Mount(source=Claimed(), path=VOLUME, read_only=False)
        prometheus.add_init_container(
            Container(
                name=RESTORE,
                image=image,
                args=(RESTORE, *common, f"--requests={REQUESTS}"),
                environment=pod,
                mounts=(data, requested(prometheus.name)),
                resources=resources,
            )
        )
        prometheus.add_container(
            Container(
                name=BACKUP,
                image=image,
                args=(
                    BACKUP,
                    *common,
                    f"--keep-days={points.keep.days}",
                    f"--expiry-days={points.expiry.days}",
                    f"--every={whole_seconds(points.limits.every)}",
                    f"--port={PORT.number}",
                    *((f"--queue={self.origin.queues}$(POD_NAME)",) if queues_reached_at is not None else ()),
                    *(_told(prometheus.resources) if metrics_reached_at is not None else ()),
                ),
                ports=(PORT,),
                environment=pod,
                mounts=(data,),
                resources=resources,
                # No readiness: Prometheus scrapes and evaluates without it.
                liveness=Probe(path="/metrics", port=PORT, period=timedelta(seconds=30), failures=4),
            )
        )
        for prefix in self.origin.prefixes:
            prometheus.use_bucket(points.bucket, prefix=prefix, rights=Rights.ADD, containers=(RESTORE, BACKUP))
        prometheus.scrape_agent(self.metrics, job=METRICS.job)


def _told(resources: Resources) -> tuple[str, ...]:
    """What the agent needs to tell what the server beside it uses."""
    return (
        f"--server=127.0.0.1:{WEB.number}",
        f"--cpu-limit={resources.cpu_limit.millis}",
        f"--memory-limit={resources.memory_limit.count}",
    )


def _refuse_contradiction(points: RestorePoints, queues_reached_at: tuple[str, ...] | None) -> None:
    if points.limits.queued and queues_reached_at is None:
        raise ConstructError(
            f"queues start backups to {points.bucket.name}, as BackupLimits.queued says, but queues_reached_at is "
            "absent, so that no agent would ask them: give the ranges of SQS's addresses, or leave queued out"
        )
    if queues_reached_at is not None and not points.limits.queued:
        raise ConstructError(
            f"queues_reached_at is {', '.join(queues_reached_at) or 'empty'}, but no queue starts backups to "
            f"{points.bucket.name}, as BackupLimits.queued says: leave queues_reached_at out, or let queues start them"
        )


def _refuse(points: RestorePoints) -> None:
    every = points.limits.every
    if every < SHORTEST:
        raise ConstructError(
            f"a restore point is made every {every}, but blocks are finished every two hours: use "
            f"{prometheus_duration(SHORTEST)} or more"
        )
    points.refuse_interval(every)
