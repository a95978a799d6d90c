"""What is too old goes from the bucket, seen by its keys, and what is young stays and is found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.config.log_limits import LogLimits
from constructs_lib.config.loki import LokiConfig
from constructs_lib.contract import Bucket
from constructs_lib.units import Bytes
from tests.cluster.waiting import wait
from tests.real.loki import NANOSECONDS, found, push, running
from tests.real.loopback import soon
from tests.real.s3 import ACCESS, REGION, SECRET, gateway

LOGS = Bucket(name="logs", region=REGION)
SOON = timedelta(seconds=90)
RETENTION = timedelta(hours=48)
OLD = 3 * 24 * 60 * 60 * NANOSECONDS


@dataclass(frozen=True, slots=True)
class Store:
    """S3 on loopback, with one bucket.

    Args:
        directory: Where its objects are files.
        arguments: By which Loki finds it.
    """

    directory: Path
    arguments: tuple[str, ...]

    def keys(self, prefix: str) -> set[str]:
        found = (path.relative_to(self.directory) for path in self.directory.rglob("*") if path.is_file())
        return {str(path) for path in found if str(path).startswith(prefix)}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Store]:
    """As the client of Loki finds it: by the credentials that it is given, the bucket in the path."""
    objects = tmp_path / "objects"
    (objects / LOGS.name).mkdir(parents=True)
    with gateway(objects) as port:
        # Beside the file, which has the bucket and its region.
        address = (f"-s3.endpoint=127.0.0.1:{port}", "-s3.insecure=true", "-s3.force-path-style=true")
        keys = (f"-s3.access-key-id={ACCESS}", f"-s3.secret-access-key={SECRET}")
        yield Store(objects / LOGS.name, (*address, *keys, "-ingester.min-ready-duration=0s"))


@pytest.mark.trap(47)
@pytest.mark.trap(48)
def test_keys_of_what_is_too_old_disappear_from_the_bucket(tmp_path: Path, s3: Store) -> None:
    """Of two days, with lines of three days ago and of now; what was marked is in the bucket until it is deleted."""
    config = LokiConfig(
        directory=str(tmp_path / "volume"),
        bucket=LOGS,
        memory=Bytes.gib(2),
        limits=LogLimits(retention=RETENTION, late=RETENTION),
    )
    now, document = time.time_ns(), config.to_dict()
    taking = {**document, "limits_config": {**document["limits_config"], "reject_old_samples": False}}
    quick = {"compaction_interval": "1s", "retention_delete_delay": "5s"}
    deleting = {**document, "compactor": {**document["compactor"], **quick}}

    @contextmanager
    def ready(what: dict[str, Any]) -> Iterator[str]:
        with running(what, tmp_path, *s3.arguments) as url:
            soon(f"{url}/ready")
            yield url

    with ready(taking) as url:
        push(url, "old", now - OLD)
    old = s3.keys("fake/")
    with ready(taking) as url:
        push(url, "young", now)
    young = s3.keys("fake/") - old
    assert (len(old), len(young)) == (1, 1)

    with ready(deleting) as url:
        wait("what is too old is marked", lambda: s3.keys("deletion-markers/"), SOON)
        wait("what is too old is deleted", lambda: s3.keys("fake/") == young, SOON)
        assert found(url, now) == ["young"]
    assert s3.keys("fake/") == young
