"""Restore points, of Prometheus and of Grafana's database: assembly only."""

import cdk8s

from apps.environment import Environment
from constructs_lib.config.grafana import PostgresStore
from constructs_lib.contract import Namespace
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Backup, PostgresBackup, PrometheusHA


def back_up(
    app: cdk8s.App, namespace: Namespace, values: Environment, prometheus: PrometheusHA, people: PostgresStore | None
) -> PostgresBackup | None:
    """Add what a lost volume and a lost database are restored from; give back who saves the database.

    Args:
        app: Into which a chart goes.
        namespace: Where the saver lives.
        values: What the site chose.
        prometheus: Whose pods the agent joins.
        people: Grafana's database; None where there is none.
    Raises:
        ConstructError: a backup that has no agent, no bucket or no database.
    """
    points, image = values.restore_points, values.agent_image
    if points is None:
        if values.grafana_backup:
            raise ConstructError(
                "grafana_backup is on, but backup_bucket_suffix is empty, so that there is no bucket for it: name one, "
                "or turn grafana_backup off"
            )
        return None
    if image is None:
        raise ConstructError(
            f"backup_bucket_suffix is {values.backup_bucket_suffix!r}, but there is no agent_image, which would make "
            "restore points: give one, or leave backup_bucket_suffix empty"
        )
    Backup(prometheus, "backup", prometheus=prometheus, image=image, points=points, every=values.backup_every)
    if not values.grafana_backup:
        return None
    if people is None:
        raise ConstructError(
            "grafana_backup is on, but grafana_postgres_host is empty: what is on Grafana's volume is not saved, so "
            "name the database, or turn grafana_backup off"
        )
    return PostgresBackup(
        cdk8s.Chart(app, "grafana-backup"),
        "grafana-backup",
        namespace=namespace,
        store=people,
        version=values.grafana_postgres_version,
        image=image,
        points=points,
    )
