"""The alerts on restore points: what they read, whom they wake, and how late a restore point may be."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from constructs_lib.errors import ConstructError
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.metrics.prometheus import SCRAPE
from constructs_lib.restore_points import BackupLimits
from constructs_lib.rules.backups import backups
from constructs_lib.rules.model import PLATFORM, Alert, Evaluator, Severity
from tests.rules.reading import complaints, reads_as_sentences

BY = Evaluator(interval=timedelta(seconds=15), job="prom", replicas=2, jobs=("prom",))
DAILY = BackupLimits(every=timedelta(days=1), queued=True)
CONDITIONS = {
    "BackupTooOld": 'time() - max by (pod) (backup_last_success_timestamp_seconds{job="saves"}) > 93600',
    "BackupMissing": (
        'max by (pod) (up{job="prom"}) unless on (pod) backup_last_success_timestamp_seconds{job="saves"}'
    ),
    "BackupFailing": 'max by (pod) (backup_last_attempt_succeeded{job="saves"}) == 0',
    "RestorePointShrunk": (
        'max by (pod) (backup_restore_point_bytes{job="saves"}) /'
        ' max by (pod) (max_over_time(backup_restore_point_bytes{job="saves"}[7d])) < 0.5'
    ),
    "BackupStartsMissing": 'time() - max by (pod) (backup_last_start_timestamp_seconds{job="saves"}) > 180000',
}
OF_DATABASES = {
    "DatabaseBackupTooOld": (
        "time() - max by (namespace, cronjob)"
        ' (kube_cronjob_status_last_successful_time{job="kube-state-metrics",cronjob=~"people-backup|shop-backup"} or'
        ' kube_cronjob_created{job="kube-state-metrics",cronjob=~"people-backup|shop-backup"}) > 93600'
    ),
}
OF_DRILLS = {
    "RestoreDrillTooOld": (
        "time() - max by (namespace, cronjob)"
        ' (kube_cronjob_status_last_successful_time{job="kube-state-metrics",cronjob=~"drill"} or'
        ' kube_cronjob_created{job="kube-state-metrics",cronjob=~"drill"}) > 100800'
    ),
}
OF_CRON_JOBS = OF_DATABASES | OF_DRILLS
DATABASES, DRILLS = ("people-backup", "shop-backup"), ("drill",)


def alerts(by: Evaluator = BY, limits: BackupLimits = DAILY) -> dict[str, Alert]:
    group = backups(by, limits, job="saves", databases=DATABASES, drills=DRILLS)
    return {alert.name: alert for alert in group.alerts}


def test_every_alert_reads_what_it_says() -> None:
    """No alert comes or goes by accident; all read the job that the app names, the agents' own by default."""
    assert {name: alert.expr for name, alert in alerts().items()} == CONDITIONS | OF_CRON_JOBS
    jobs = set(re.findall(r'job="(\w+)"', " ".join(alert.expr for alert in backups(BY, DAILY).alerts)))
    assert jobs == {"backup", "prom"}
    assert backups(BY, DAILY).name == "backups"


def test_every_metric_is_read_as_it_is_exposed() -> None:
    """And of the agent, nothing is declared that nobody reads."""
    found = complaints([BACKUP, SCRAPE], [backups(BY, DAILY)])
    assert [each for each in found if not each.startswith(SCRAPE.name)] == []


def test_what_is_told_of_savers_is_read_as_it_is_exposed() -> None:
    """Of their CronJobs, by kube-state-metrics."""
    group = backups(BY, DAILY, databases=DATABASES, drills=DRILLS)
    ours = replace(group, alerts=tuple(each for each in group.alerts if each.name in OF_CRON_JOBS))
    found = complaints([KUBE_STATE_METRICS], [ours])
    assert [each for each in found if not each.startswith(KUBE_STATE_METRICS.name)] == []


def test_without_databases_nothing_is_said_of_any() -> None:
    """An alert on them could never fire; nor could one on drills."""
    assert [alert.name for alert in backups(BY, DAILY).alerts] == list(CONDITIONS)
    assert [alert.name for alert in backups(BY, DAILY, drills=DRILLS).alerts] == [*CONDITIONS, *OF_DRILLS]


def test_without_queues_nothing_is_said_of_any() -> None:
    """Agents do not tell of what they were not given."""
    assert "BackupStartsMissing" not in alerts(limits=replace(DAILY, queued=False))


def test_what_says_that_there_is_no_backup_wakes_somebody() -> None:
    """After more than a day; what fails for an hour can wait for the day, since it may succeed until then."""
    urgent = {name for name, alert in alerts().items() if alert.severity is Severity.CRITICAL}
    assert urgent == {"BackupTooOld", "BackupMissing", "DatabaseBackupTooOld"}
    assert {alert.team for alert in alerts().values()} == {PLATFORM}


@pytest.mark.parametrize("name", CONDITIONS)
def test_texts_are_sentences_that_name_the_pod(name: str) -> None:
    """Each server by itself."""
    reads_as_sentences(alerts()[name])
    assert "{{ $labels.pod }}" in alerts()[name].description


@pytest.mark.parametrize("name", OF_DATABASES)
def test_texts_are_sentences_that_name_the_saver(name: str) -> None:
    """Each database by itself."""
    reads_as_sentences(alerts()[name])
    assert alerts()[name].description == "{{ $labels.cronjob }} has not succeeded within 1d2h."


@pytest.mark.parametrize("name", OF_DRILLS)
def test_texts_are_sentences_that_name_the_drill(name: str) -> None:
    """What it tries, the page says."""
    reads_as_sentences(alerts()[name])
    assert alerts()[name].description == "{{ $labels.cronjob }} has not succeeded within 1d4h."


@pytest.mark.parametrize(("interval", "hold"), [(15, 300), (30, 300), (60, 600)])
def test_a_point_that_is_too_old_is_heard_of_soon(interval: int, hold: int) -> None:
    """Five minutes and ten evaluations."""
    found = alerts(replace(BY, interval=timedelta(seconds=interval)))
    assert found["BackupTooOld"].hold.total_seconds() == hold
    assert {found[name].hold.total_seconds() for name in OF_CRON_JOBS} == {hold}


@pytest.mark.parametrize(
    ("limits", "oldest"),
    [
        (DAILY, timedelta(hours=26)),
        (BackupLimits(every=timedelta(hours=6)), timedelta(hours=8)),
        (BackupLimits(every=timedelta(days=7), late=timedelta(minutes=30)), timedelta(days=7, minutes=30)),
    ],
    ids=["daily", "often", "weekly"],
)
def test_how_old_a_point_may_be_follows_from_how_often_they_are_made(limits: BackupLimits, oldest: timedelta) -> None:
    """And a server of which none is known has as long."""
    found = alerts(limits=limits)
    assert limits.oldest == oldest
    assert found["BackupTooOld"].expr.endswith(f" > {oldest.total_seconds():.0f}")
    assert found["BackupMissing"].hold == oldest


def test_how_long_attempts_may_fail_can_be_chosen() -> None:
    """But one sample decides nothing."""
    assert alerts()["BackupFailing"].hold == timedelta(hours=1)
    patient = replace(DAILY, failing=timedelta(hours=3))
    assert alerts(limits=patient)["BackupFailing"].hold == timedelta(hours=3)
    hasty = replace(DAILY, failing=timedelta(minutes=1))
    assert alerts(limits=hasty)["BackupFailing"].hold == timedelta(minutes=5)


def test_how_old_a_databases_point_may_be_can_be_chosen() -> None:
    """It follows from nothing: a saver runs once a day."""
    often = BackupLimits(every=timedelta(hours=6), unsaved=timedelta(hours=50))
    assert alerts(limits=often)["DatabaseBackupTooOld"].expr.endswith(" > 180000")


def test_how_long_nothing_may_have_been_tried_can_be_chosen() -> None:
    """Until the next server's turn: a success of that one would end the alert on this one before it has fired."""
    most = replace(DAILY, drill_within=timedelta(days=1) - timedelta(seconds=1))
    assert alerts(limits=most)["RestoreDrillTooOld"].expr.endswith(" > 172799")
    with pytest.raises(
        ConstructError,
        match=(
            r"^drill_within is 1d, but servers take turns, and one that cannot be restored would be hidden by the next "
            r"one: use less than 1d$"
        ),
    ):
        replace(DAILY, drill_within=timedelta(days=1))


def test_a_start_that_does_not_come_leaves_time_for_a_run() -> None:
    """The agent waits for one before it begins by itself; where there is no queue, it does not."""
    assert replace(DAILY, late=timedelta(minutes=105)).oldest == timedelta(days=1, minutes=105)
    assert replace(DAILY, late=timedelta(minutes=30), queued=False).oldest == timedelta(days=1, minutes=30)
    with pytest.raises(
        ConstructError,
        match=r"^late is 1h44m, but a server whose start does not come begins 1h15m later by itself: use 1h45m or "
        r"more, so that there is time for the run$",
    ):
        replace(DAILY, late=timedelta(minutes=104))


@pytest.mark.parametrize("name", ["every", "late", "failing", "unsaved", "drill_within"])
def test_durations_that_are_none_are_refused(name: str) -> None:
    """Each would make an alert that always speaks."""
    with pytest.raises(
        ConstructError, match=rf"^{name} is 59s, too short to tell trouble from chance: use 1m or more$"
    ):
        replace(DAILY, **{name: timedelta(seconds=59)})
