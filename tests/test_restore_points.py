"""What both halves agree on of restore points: how often there is one, how long they live, where, by what names."""

from datetime import timedelta

import pytest

from constructs_lib.contract import Bucket
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import BackupLimits, Origin, RestorePoints

PROMETHEUS = Origin(cluster="blue", namespace="monitoring", component="prometheus")
SAVED = Origin(cluster="blue", namespace="monitoring", component="grafana-backup", database=True)


def points(keep: float = 30, expiry: float = 90) -> RestorePoints:
    bucket = Bucket(name="points", region="us-east-1")
    return RestorePoints(bucket=bucket, keep=timedelta(days=keep), expiry=timedelta(days=expiry))


def test_the_defaults_of_restore_points_hold_for_a_month_on_disk() -> None:
    """A block of 3 days is sent at its end at the latest, is on disk for 30 more, and its last point is kept for 30."""
    points().refuse_retention(timedelta(days=30))
    assert points().oldest == timedelta(days=53)


@pytest.mark.parametrize(("retention", "block"), [(40, 4), (400, 31)], ids=["a tenth", "the longest there is"])
def test_objects_that_expire_before_their_last_point_are_refused(retention: int, block: int) -> None:
    """To the day, with every part of the sum; a block is a tenth of the retention, up to 31 days."""
    enough = retention + block + 30 + 7
    points(expiry=enough).refuse_retention(timedelta(days=retention))
    sentence = (
        f"a retention of {retention} days, a block of {block}, restore points that are kept for 30 and 7 to spare are "
        f"more than the {enough - 1} after which objects in points expire, so that a point would lose some: lower the"
    )
    with pytest.raises(ConstructError, match=sentence):
        points(expiry=enough - 1).refuse_retention(timedelta(days=retention))
    with pytest.raises(ConstructError, match=f"kept for 31 and 7 to spare are more than the {enough}"):
        points(keep=31, expiry=enough).refuse_retention(timedelta(days=retention))


@pytest.mark.parametrize(
    ("keep", "expiry", "sentence"),
    [
        (0, 90, "keep of the restore points in points is 0:00:00: use whole days, at least one"),
        (1.5, 90, "keep of the restore points in points is 1 day, 12:00:00: use whole days"),
        (30, 90.5, "expiry of the restore points in points is 90 days, 12:00:00: use whole days"),
        (83, 90, "are kept for 83 days, but its objects expire after 90: keep points for less than 83, or let objects"),
    ],
)
def test_restore_points_that_cannot_be_kept_are_refused(keep: float, expiry: float, sentence: str) -> None:
    """S3 counts whole days, and some must be left."""
    with pytest.raises(ConstructError, match=sentence):
        points(keep, expiry)


def test_queues_start_a_backup_every_day() -> None:
    """Whoever says that it is made less often would have it more often."""
    assert BackupLimits(every=timedelta(days=1), queued=True).oldest == timedelta(hours=26)
    assert BackupLimits(every=timedelta(days=2)).oldest == timedelta(hours=50)
    sentence = (
        "^a restore point is made every 2d, but queues start one every 1d: make them as often, or let no queue start "
        "them$"
    )
    with pytest.raises(ConstructError, match=sentence):
        BackupLimits(every=timedelta(days=2), queued=True)


def test_restore_points_of_a_component_are_below_its_own_prefixes() -> None:
    """Those of another one whose name begins alike are not."""
    assert PROMETHEUS.prefixes == ("blocks/blue/monitoring/prometheus/", "points/blue/monitoring/prometheus/")


def test_restore_points_of_a_database_are_nothing_but_points() -> None:
    """Each is whole by itself, so that there are no blocks that anybody might add or read."""
    assert SAVED.prefixes == ("points/blue/monitoring/grafana-backup/",)


def test_replicas_are_called_as_their_pods() -> None:
    """Or as the one database of a component."""
    assert PROMETHEUS.replicas(3) == ("prometheus-0", "prometheus-1", "prometheus-2")
    assert SAVED.replicas() == ("database",)


@pytest.mark.parametrize(
    ("origin", "count", "sentence"),
    [
        (PROMETHEUS, 0, r"^blue/monitoring/prometheus has 0 replicas: use 1 or more$"),
        (SAVED, 0, r"^blue/monitoring/grafana-backup has 0 databases: use 1$"),
        (SAVED, 2, r"^blue/monitoring/grafana-backup has 2 databases: use 1$"),
    ],
)
def test_replicas_that_cannot_be_are_refused(origin: Origin, count: int, sentence: str) -> None:
    """A component has one replica or more, and one database."""
    with pytest.raises(ConstructError, match=sentence):
        origin.replicas(count)
