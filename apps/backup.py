"""Restore points, of Prometheus and of Grafana's database, and the drill that restores one: assembly only."""

from dataclasses import dataclass

import cdk8s

from apps.environment import Environment
from constructs_lib.config.grafana import PostgresStore
from constructs_lib.contract import Namespace
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Backup, PostgresBackup, PrometheusHA, RestoreDrill, StorageClass, Volume


@dataclass(frozen=True, slots=True)
class Daily:
    """What is done every day, by the names of their CronJobs.

    Args:
        databases: Each saves one.
        drills: Each tries to restore.
    """

    databases: tuple[str, ...] = ()
    drills: tuple[str, ...] = ()


def back_up(
    app: cdk8s.App, namespace: Namespace, values: Environment, prometheus: PrometheusHA, people: PostgresStore | None
) -> Daily:
    """Add what a lost volume and a lost database are restored from, and what tries it.

    Args:
        app: Into which charts go.
        namespace: Where the saver of the database lives.
        values: What the site chose.
        prometheus: Whose pods the agent joins.
        people: Grafana's database; None where there is none.
    Raises:
        ConstructError: a backup that has no agent, no bucket or no database, or a drill whose volumes would stay.
    """
    points, image = values.restore_points, values.agent_image
    if points is None:
        if values.grafana_backup:
            raise ConstructError(
                "grafana_backup is on, but backup_bucket_suffix is empty, so that there is no bucket for it: name one, "
                "or turn grafana_backup off"
            )
        return Daily()
    if image is None:
        raise ConstructError(
            f"backup_bucket_suffix is {values.backup_bucket_suffix!r}, but there is no agent_image, which would make "
            "restore points: give one, or leave backup_bucket_suffix empty"
        )
    backup = Backup(
        prometheus,
        "backup",
        prometheus=prometheus,
        image=image,
        points=points,
        queues_reached_at=values.sqs_at if points.limits.queued else None,
        metrics_reached_at=values.cloudwatch_at or None,
    )
    drills = (_drill(app, values, backup, values.drill_storage_class).name,) if values.drill_storage_class else ()
    if not values.grafana_backup:
        return Daily(drills=drills)
    if people is None:
        raise ConstructError(
            "grafana_backup is on, but grafana_postgres_host is empty: what is on Grafana's volume is not saved, so "
            "name the database, or turn grafana_backup off"
        )
    saver = PostgresBackup(
        cdk8s.Chart(app, "grafana-backup"),
        "grafana-backup",
        namespace=namespace,
        store=people,
        version=values.grafana_postgres_version,
        image=image,
        points=points,
    )
    return Daily(databases=(saver.name,), drills=drills)


def _drill(app: cdk8s.App, values: Environment, backup: Backup, storage_class: str) -> RestoreDrill:
    """What tries to restore, and the class of its volume where the app makes classes."""
    chart = cdk8s.Chart(app, "restore-drill")
    if values.make_storage_class:
        if storage_class == values.storage_class:
            raise ConstructError(
                f"drill_storage_class is {storage_class}, as storage_class is, whose volumes stay when their claims "
                "go: name another one, which is made, too"
            )
        StorageClass(chart, "storage-class", name=storage_class, keep=False)
    return RestoreDrill(
        chart,
        "restore-drill",
        backup=backup,
        volume=Volume(values.prometheus_volume, storage_class),
        metrics_reached_at=values.cloudwatch_at or None,
    )
