"""The schema of a Loki that has logs changes: what is stored in the earlier way stays readable, and is kept as long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.config.log_schema import Index, LogSchema, SchemaPeriod
from constructs_lib.config.loki import LokiConfig
from constructs_lib.units import Bytes
from tests.cluster.waiting import wait
from tests.real.loki import NANOSECONDS, PUSH, found, push, pushed, running, verified
from tests.real.loopback import asked, soon

DAY, SOON = timedelta(days=1), timedelta(seconds=30)
# Beside the file: it is ready, and its parts know each other, sooner; and the compactor begins after a second.
QUICK = (
    "-ingester.min-ready-duration=0s",
    "-querier.dns-lookup-period=1s",
    "-frontend.scheduler-dns-lookup-period=1s",
)
COMPACTING = ("-compactor.compaction-interval=1s",)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Of one store, whose earlier period ends."""

    directory: Path
    earlier: SchemaPeriod
    now: int
    """In nanoseconds; all else is counted from it, also when midnight comes meanwhile."""

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now // NANOSECONDS, UTC).date()

    def before(self, age: timedelta) -> int:
        return self.now - age // timedelta(microseconds=1) * 1000

    def config(self, *periods: SchemaPeriod, has_begun: bool = True) -> LokiConfig:
        schema = LogSchema(periods=periods, has_begun=has_begun)
        return LokiConfig(directory=str(self.directory / "volume"), bucket=None, memory=Bytes.gib(2), schema=schema)

    def begun(self) -> dict[str, Any]:
        return self.config(self.earlier, SchemaPeriod(since=self.today)).to_dict()

    def to_come(self, *, has_begun: bool = False) -> dict[str, Any]:
        # The day after tomorrow: it is to come even if midnight does.
        later = SchemaPeriod(since=self.today + 2 * DAY)
        return self.config(self.earlier, later, has_begun=has_begun).to_dict()

    def installed(self) -> dict[str, Any]:
        """As it was before: the earlier period alone, which is not rendered here, and lines of any age."""
        document = self.to_come()
        earlier, _ = document["schema_config"]["configs"]
        limits = {**document["limits_config"], "reject_old_samples": False}
        return {**document, "schema_config": {"configs": [earlier]}, "limits_config": limits}

    def table(self, period: SchemaPeriod, at: int) -> Path:
        """Where the index of a day is."""
        number = at // NANOSECONDS // (24 * 60 * 60)
        return self.directory / "volume" / "chunks" / "index" / f"{period.prefix}{number}"

    def found(self, url: str) -> list[str]:
        """The lines of yesterday and today, by one query."""
        return found(url, self.now, since=self.before(DAY))

    @contextmanager
    def running(self, document: dict[str, Any], *arguments: str) -> Iterator[str]:
        """A Loki that is ready, so that it also stops cleanly.

        What it has stored it has handed over when it stops. The old index has a file for each quarter of an hour, and a
        Loki that finds one there may lock itself out of it until the quarter is over: so each has files of its own.
        """
        active = f"-boltdb.shipper.active-index-directory={self.directory / f'active-{time.time_ns()}'}"
        with running(document, self.directory, *QUICK, active, *arguments) as url:
            soon(f"{url}/ready")
            yield url


def upgrade(directory: Path, version: int, prefix: str) -> Upgrade:
    earlier = SchemaPeriod(since=date(2022, 1, 1), index=Index.BOLTDB_SHIPPER, version=version, prefix=prefix)
    return Upgrade(directory, earlier, time.time_ns())


# Some gave the new index a prefix of its own, others did not.
@pytest.mark.parametrize(("version", "prefix"), [(11, "loki_index_"), (12, "index_")])
def test_logs_of_the_earlier_period_are_found_after_the_upgrade(tmp_path: Path, version: int, prefix: str) -> None:
    """While the new period is to come, when it has begun, after a restart; only what is too old is deleted."""
    it = upgrade(tmp_path, version, prefix)
    old, waited = it.before(DAY), it.before(DAY) + NANOSECONDS
    expired = it.before(it.config(SchemaPeriod(since=it.today)).limits.retention + 2 * DAY)
    with it.running(it.installed()) as url:
        push(url, "old", old)
        push(url, "expired", expired, app="expired")
    assert it.table(it.earlier, old).is_dir()
    assert it.table(it.earlier, expired).is_dir()

    with it.running(it.to_come()) as url:
        push(url, "waited", waited)
        assert asked(f"{url}{PUSH}", pushed("refused", waited, trace="1")) is None, "metadata before its schema"
        assert it.found(url) == ["old"]  # what came for yesterday is found when it is stored

    with it.running(it.begun(), *COMPACTING) as url:
        assert it.found(url) == ["waited", "old"]
        push(url, "new", it.now, trace="1")
        # Tables are looked at from the newest to the oldest, so that this one is the last.
        wait("what is too old is deleted", lambda: not it.table(it.earlier, expired).exists(), SOON)
        assert it.found(url) == ["new", "waited", "old"]
    with it.running(it.begun(), *COMPACTING) as url:
        assert it.found(url) == ["new", "waited", "old"]
    assert it.table(SchemaPeriod(since=it.today), it.now).is_dir()
    assert it.table(it.earlier, old).is_dir()


def test_logs_of_a_period_that_is_left_out_are_not_found(tmp_path: Path) -> None:
    """The judge of the other test: without the earlier period its logs are lost, until it is declared again."""
    it = upgrade(tmp_path, 11, "loki_index_")
    with it.running(it.installed()) as url:
        push(url, "old", it.before(DAY))
    with it.running(it.config(SchemaPeriod(since=it.today)).to_dict(), *COMPACTING) as url:
        push(url, "new", it.now)
        assert it.found(url) == ["new"]
    with it.running(it.begun(), *COMPACTING) as url:
        assert it.found(url) == ["new", "old"]


def test_a_period_that_is_said_to_have_begun_too_early_is_refused(tmp_path: Path) -> None:
    """Loki does not start with `has_begun` before the day comes; without it, or on the day, it does."""
    it = upgrade(tmp_path, 12, "index_")
    refused = verified(it.to_come(has_begun=True), tmp_path)
    assert refused.returncode != 0
    assert "Set `allow_structured_metadata: false`" in refused.stdout + refused.stderr
    for document in (it.to_come(), it.begun()):
        checked = verified(document, tmp_path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
