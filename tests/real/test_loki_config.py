"""Loki's configuration, the default and random accepted ones, read by the real Loki; and one that it runs with."""

import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from constructs_lib.config.log_limits import Compaction, LogLimits
from constructs_lib.config.log_schema import Index, LogSchema, SchemaPeriod
from constructs_lib.config.loki import LokiConfig, Ring
from constructs_lib.contract import Bucket
from constructs_lib.units import Bytes
from tests.cluster.waiting import wait
from tests.config.loki_inputs import configurations
from tests.real.loki import NANOSECONDS, PUSH, found, push, pushed, running, verified
from tests.real.loopback import asked, soon

ALONE = LokiConfig(directory="/loki", bucket=None, memory=Bytes.gib(2))
SEVERAL = LokiConfig(
    directory="/loki",
    bucket=Bucket(name="logs", region="us-east-1"),
    ring=Ring(replicas=3, factor=3, label="monitoring/loki", members="loki-headless.monitoring.svc.cluster.local:7946"),
    memory=Bytes.gib(2),
)
BEFORE = SchemaPeriod(since=date(2022, 1, 1), index=Index.BOLTDB_SHIPPER, version=11, prefix="loki_index_")
WITH_EARLIER = replace(SEVERAL, schema=LogSchema(periods=(BEFORE, SchemaPeriod(since=date(2024, 4, 1)))))


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(ALONE)
@example(SEVERAL)
@example(WITH_EARLIER)
@given(configurations())
def test_whatever_is_accepted_here_is_accepted_there(tmp_path: Path, config: LokiConfig) -> None:
    """Nothing that the constructs accept is refused by Loki."""
    checked = verified(config.to_dict(), tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "level=error" not in checked.stderr, checked.stderr


def test_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The judge of the other test refuses an unknown key, and a retention without a place for its requests."""
    document = ALONE.to_dict()
    assert verified({**document, "unknown": 1}, tmp_path).returncode != 0
    compactor = {key: value for key, value in document["compactor"].items() if key != "delete_request_store"}
    checked = verified({**document, "compactor": compactor}, tmp_path)
    assert checked.returncode != 0
    assert "delete-request-store should be configured when retention is enabled" in checked.stdout + checked.stderr


def chunks(directory: Path) -> set[Path]:
    """The files of logs that are stored."""
    return {path for path in (directory / "volume" / "chunks" / "fake").rglob("*") if path.is_file()}


def test_a_line_that_comes_late_is_found_within_minutes(tmp_path: Path) -> None:
    """Days after it was written, as after an outage, nobody asks members for it: it is stored as soon as others follow.

    The last line of a stream that ended then is stored, and found, after the half of an hour in which nothing follows.
    """
    config = replace(ALONE, directory=str(tmp_path / "volume"))
    written = time.time_ns() - int(timedelta(days=6).total_seconds()) * NANOSECONDS
    with running(config.to_dict(), tmp_path, "-ingester.flush-check-period=1s") as url:
        push(url, "late", written)
        push(url, "next", time.time_ns())
        wait("the late line is found", lambda: found(url, written) == ["late"], timedelta(minutes=2))


@pytest.mark.trap(49)
@pytest.mark.trap(53)
def test_a_line_that_was_taken_is_found_after_a_restart(tmp_path: Path) -> None:
    """Without a tenant, from the volume alone; it says that it lives before it is ready."""
    config = replace(ALONE, directory=str(tmp_path / "volume"))
    now = time.time_ns()
    with running(config.to_dict(), tmp_path) as url:
        soon(f"{url}/loki/api/v1/status/buildinfo")
        assert asked(f"{url}/ready") is None
        soon(f"{url}/ready")
        push(url, "first", now)
        assert found(url, now) == ["first"]
    with running(config.to_dict(), tmp_path) as url:
        soon(f"{url}/ready")
        assert found(url, now) == ["first"]
    assert {path.name for path in (tmp_path / "volume").iterdir()} >= {"chunks", "compactor", "wal"}


def test_tenants_are_told_apart(tmp_path: Path) -> None:
    """Whoever names none is refused, and nobody finds another one's lines."""
    config = replace(ALONE, directory=str(tmp_path / "volume"), tenants=2)
    now = time.time_ns()
    with running(config.to_dict(), tmp_path) as url:
        soon(f"{url}/ready")
        soon(f"{url}/loki/api/v1/status/buildinfo")  # which the kubelet asks
        assert asked(f"{url}{PUSH}", pushed("nobody's", now)) is None
        for tenant in ("one", "other"):
            soon(f"{url}{PUSH}", pushed(f"of {tenant}", now), tenant=tenant)
        assert found(url, now, tenant="one") == ["of one"]
        assert found(url, now, tenant="other") == ["of other"]


@pytest.mark.soak  # three minutes of waiting
@pytest.mark.trap(47)
def test_what_is_too_old_is_deleted(tmp_path: Path) -> None:
    """A line that was almost a day old when it came goes with its file, and a new one stays."""
    config = replace(
        ALONE,
        directory=str(tmp_path / "volume"),
        limits=LogLimits(retention=timedelta(days=1), late=timedelta(days=1)),
        compaction=Compaction(interval=timedelta(minutes=1), delete_delay=timedelta(minutes=1)),
    )
    with running(config.to_dict(), tmp_path) as url:
        soon(f"{url}/ready")
        now = time.time_ns()
        push(url, "old", now - (24 * 60 - 1) * 60 * NANOSECONDS, app="old")
        push(url, "new", now)
    both = chunks(tmp_path)
    assert len(both) == 2
    with running(config.to_dict(), tmp_path) as url:
        wait("something is deleted", lambda: chunks(tmp_path) != both, timedelta(minutes=5))
        assert len(chunks(tmp_path)) == 1
        assert found(url, now) == ["new"]
