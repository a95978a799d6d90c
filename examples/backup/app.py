"""Another team's app: restore points of its own Prometheus, in both halves: started, tried, and heard of from AWS."""

from datetime import timedelta

import aws_cdk as cdk
import cdk8s

from constructs_lib.aws import (
    BackupPipeline,
    BackupSchedule,
    BackupWatch,
    Notifications,
    PrometheusAlarms,
    RestoreDrillAlarms,
)
from constructs_lib.contract import Bucket, Cluster, Namespace
from constructs_lib.image import Image
from constructs_lib.kube import Backup, Links, PrometheusHA, RestoreDrill, Retention, StorageClass, Volume, synth
from constructs_lib.restore_points import BackupLimits, RestorePoints
from constructs_lib.rules.backups import backups
from constructs_lib.units import Bytes

cluster = Cluster(name="shop", environment="prod", api_server=("172.20.0.1/32", "10.0.0.0/24"), nodes=("10.0.16.0/20",))
points = RestorePoints(
    bucket=Bucket(name="acme-shop-backup", region="eu-central-1"),
    limits=BackupLimits(every=timedelta(days=1), queued=True),
)
anywhere = ("0.0.0.0/0",)
agent = Image.parse("registry.shop.example.com/constructs-lib/agent:0.4.0")

app = cdk8s.App()
prometheus = PrometheusHA(
    cdk8s.Chart(app, "prometheus"),
    "prometheus",
    namespace=Namespace(name="shop", cluster=cluster),
    retention=Retention(time=timedelta(days=15)),
    volume=Volume(Bytes.gib(20)),
    links=Links(external_url="https://prometheus.shop.example.com", runbooks="https://runbooks.shop.example.com"),
)
backup = Backup(
    prometheus,
    "backup",
    prometheus=prometheus,
    image=agent,
    points=points,
    queues_reached_at=anywhere,
    metrics_reached_at=anywhere,
)
volume = Volume(prometheus.volume.size, "thrown-away")
drill = cdk8s.Chart(app, "restore-drill")
StorageClass(drill, "class", name="thrown-away", keep=False)
RestoreDrill(drill, "restore-drill", backup=backup, volume=volume, metrics_reached_at=anywhere)
prometheus.add_rules(lambda by: backups(by, points.limits))
synth(app)

aws = cdk.App()
stack = cdk.Stack(aws, "ShopBackup", env=cdk.Environment(region=points.bucket.region))
pipeline = BackupPipeline(stack, "RestorePoints", restore_points=points, replicas={backup.origin: backup.replicas})
pipeline.add_drill(backup.origin)
heard = [Notifications(stack, "Notifications", emails=["shop-on-call@example.com"])]
BackupSchedule(stack, "Schedule", pipeline=pipeline)
BackupWatch(stack, "Watch", pipeline=pipeline, notify=heard)
PrometheusAlarms(stack, "Servers", pipeline=pipeline, notify=heard)
RestoreDrillAlarms(stack, "Drill", pipeline=pipeline, notify=heard)
aws.synth()
