"""On a quiet day no alert on restore points fires, and each trouble with them does, by itself."""

from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.contract import GRAFANA_BACKUP, RESTORE_DRILL
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.restore_points import BackupLimits
from constructs_lib.rules.backups import backups
from constructs_lib.rules.cron_jobs import SUCCEEDED
from constructs_lib.rules.model import HEARTBEAT, Evaluator
from constructs_lib.rules.observability import observability
from constructs_lib.rules.proving import alone
from tests.real.healthy.backups import quiet
from tests.real.healthy.kubernetes import DAY
from tests.real.simulation import WHOLE, Course, judged, minute, steady

# So often that a day's patience fits into the time that is looked at.
VALUES = PROD.but(backup_every=timedelta(hours=1))
BY = Evaluator(interval=VALUES.scrape_interval, job="prometheus", replicas=2, jobs=("prometheus",))
(BEAT,) = (alert for alert in observability(BY).alerts if alert.name == HEARTBEAT)
LIMITS = BackupLimits(every=VALUES.backup_every, late=timedelta(hours=2), queued=True)
BACKUPS = backups(BY, LIMITS, databases=(GRAFANA_BACKUP,), drills=(RESTORE_DRILL,))
GROUPS = (BACKUPS, alone(BEAT))
MADE = "backup_last_success_timestamp_seconds prometheus-1"
TROUBLES: dict[str, tuple[str, Course]] = {
    "BackupTooOld": (MADE, steady(minute(-181))),
    "BackupMissing": (MADE, lambda _: None),
    "BackupFailing": ("backup_last_attempt_succeeded prometheus-1", steady(0)),
    "RestorePointShrunk": ("backup_restore_point_bytes prometheus-1", lambda t: 9e9 if t < minute(-60) else 4e9),
    "BackupStartsMissing": ("backup_last_start_timestamp_seconds prometheus-1", steady(-2.1 * DAY)),
    "DatabaseBackupTooOld": (f"{SUCCEEDED} {GRAFANA_BACKUP}", steady(-DAY)),
    "RestoreDrillTooOld": (f"{SUCCEEDED} {RESTORE_DRILL}", steady(-1.5 * DAY)),
}


def test_nothing_fires_on_a_quiet_day() -> None:
    """Not while one attempt fails, nor while the agents are started anew."""
    assert judged(quiet(VALUES), GROUPS, fired=[], within=WHOLE) == ""


@pytest.mark.parametrize("alert", TROUBLES)
def test_one_trouble_of_one_server_is_heard_of(alert: str) -> None:
    """Its own alert fires, and no other, though the other server is fine."""
    part, course = TROUBLES[alert]
    assert judged(quiet(VALUES).but(part, course), GROUPS, fired=[alert], within=WHOLE) == ""


def test_every_alert_has_its_trouble() -> None:
    """A new one brings its own."""
    assert {alert.name for alert in BACKUPS.alerts} == TROUBLES.keys()


def test_every_metric_of_the_agent_is_there() -> None:
    """All series that rules may read, and no others."""
    shown = quiet(VALUES).shown[BACKUP.name]
    assert shown == {name for each in BACKUP.metrics for name in each.series()}
