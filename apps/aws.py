"""The AWS half of the stack: assembly only."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk

from apps.environment import Environment
from apps.volumes import asked_for
from constructs_lib.aws import (
    BackupPipeline,
    BackupSchedule,
    BackupWatch,
    Notifications,
    ObjectStore,
    PrometheusAlarms,
    ReplicaVolumes,
    RestoreDrillAlarms,
    Snapshots,
)
from constructs_lib.contract import GRAFANA_BACKUP, LOKI, PROMETHEUS, Identity
from constructs_lib.restore_points import Origin, RestorePoints


def stacks(app: cdk.App, name: str, values: Environment) -> list[cdk.Stack]:
    """Add the stacks of one environment to a CDK app; none where it needs nothing of AWS.

    Args:
        app: Into which they go.
        name: Of the environment: stacks of several share an account.
        values: What the site chose.
    Raises:
        ConstructError: values that AWS would refuse.
    """

    def stack(id: str, description: str, *, code: bool = False) -> cdk.Stack:
        return cdk.Stack(
            app,
            id,
            stack_name=f"{id}-{name}",
            description=description,
            env=cdk.Environment(region=values.region),
            # Without code, CloudFormation takes a template as it is, in accounts that know no CDK, too. With it, it
            # asks first for CDK's bootstrap, to whose bucket the command line of CDK brings the code.
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=code),
        )

    made = []
    if values.logs_store:
        made.append(stack("MonitoringStores", "Where the programs of the monitoring keep their data."))
        identity = Identity(cluster=values.cluster, namespace=values.namespace, service_account=LOKI)
        ObjectStore(made[-1], "Logs", bucket=values.logs_store, identity=identity, web_identity=values.web_identity)
    volumes = asked_for(values)
    if volumes:
        made.append(stack("MonitoringVolumes", "Volumes of the monitoring, each in its zone, and snapshots of them."))
        at = values.volume_snapshots_at
        for each in volumes:
            ReplicaVolumes(
                made[-1],
                each.component,
                cluster=values.cluster,
                namespace=values.namespace,
                component=each.component,
                zones=each.zones,
                volume=each.volume,
                snapshots=Snapshots(at=at, keep=values.volume_snapshots) if at is not None else None,
            )
    if points := values.restore_points:
        made.append(stack("MonitoringBackup", "Restore points, who may add to them, and who looks at them.", code=True))
        _back_up(made[-1], values, points)
    if database := values.grafana_database:
        # Few have it, and all would wait for the types of RDS.
        from constructs_lib.aws import GrafanaDatabase  # noqa: PLC0415

        made.append(stack("MonitoringDatabase", "PostgreSQL, which keeps what people make in Grafana."))
        # In one zone, where Grafana itself does not survive the loss of a node.
        GrafanaDatabase(made[-1], "Grafana", server=database, multi_az=values.grafana_replicas > 1)
    return made


def _back_up(stack: cdk.Stack, values: Environment, points: RestorePoints) -> None:
    """Add the bucket of restore points, what starts those of servers, and whoever looks at all of them.

    Too old is there what is too old in the cluster. A database is saved by a CronJob of its own.
    """
    prometheus = Origin(cluster=values.cluster, namespace=values.namespace, component=PROMETHEUS)
    replicas = {prometheus: prometheus.replicas(values.prometheus_replicas)}
    if values.grafana_backup:
        database = replace(prometheus, component=GRAFANA_BACKUP, database=True)
        replicas[database] = database.replicas()
    pipeline = BackupPipeline(
        stack, "RestorePoints", restore_points=points, replicas=replicas, web_identity=values.web_identity
    )
    if values.drill_storage_class:
        pipeline.add_drill(prometheus)
    if values.backups_start is not None:
        BackupSchedule(
            stack,
            "Schedule",
            pipeline=pipeline,
            at=values.backups_start,
            time_zone=values.backup_time_zone,
        )
    emails, https, runbooks = values.alarm_emails, values.alarm_https, values.runbooks_url
    heard = [Notifications(stack, "Alarms", emails=emails, https=https)] if emails or https else []
    BackupWatch(
        stack,
        "Watch",
        pipeline=pipeline,
        notify=heard,
        runbooks=runbooks,
    )
    if not values.cloudwatch_at:
        return
    PrometheusAlarms(
        stack,
        "Servers",
        pipeline=pipeline,
        notify=heard,
        runbooks=runbooks,
    )
    if pipeline.drills:
        RestoreDrillAlarms(
            stack,
            "Drill",
            pipeline=pipeline,
            notify=heard,
            runbooks=runbooks,
        )


def new_app(outdir: Path | None = None, *, validates: Sequence[cdk.CloudFormationValidatePlugin] = ()) -> cdk.App:
    """An app that behaves alike wherever it is started: with the feature flags of `cdk.json`, and telling nobody.

    Args:
        outdir: Into which it is rendered; the command line of CDK names its own.
        validates: What has started already; CDK starts its own when templates are written.
    """
    settings = json.loads((Path(__file__).parent.parent / "cdk.json").read_text())
    app = cdk.App(outdir=str(outdir) if outdir else None, context=settings["context"], analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(*validates)
    return app
