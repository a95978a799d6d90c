"""A bucket on loopback for what backs up and restores: moto's S3, and a proxy before it that harms what passes."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from constructs_lib.agent.backup import Backup
from constructs_lib.agent.store import Store
from tests.agent.volume import Volume
from tests.real.s3 import BUCKET, REGION, Harm, Proxy, Request, environment

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OLDEST = timedelta(days=53)
NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class Remote:
    """What one test has in the bucket.

    Args:
        proxy: By which clients reach it.
        source: Of the test alone.
        direct: The bucket itself, which nothing harms.
    """

    proxy: Proxy
    source: str
    direct: "S3Client"

    def store(self, patience: timedelta = timedelta(seconds=10)) -> Store:
        """A client that knows nothing yet."""
        return Store.connect(bucket=BUCKET, region=REGION, source=self.source, patience=patience)

    def backup(self, volume: Volume) -> Backup:
        """As after a start of the agent."""
        return Backup(self.store(), volume.path, oldest=OLDEST)

    def harm(self, harm: Harm, when: Callable[[Request], bool]) -> None:
        """Harm every request of some kind from now on."""
        self.proxy.harm = lambda request: harm if when(request) else None

    def puts(self) -> list[str]:
        """The keys that were put since the last time that this was asked, first to last."""
        keys = [request.key for request in self.proxy.requests if request.method == "PUT"]
        self.proxy.requests.clear()
        return keys

    def put(self, key: str, content: bytes) -> None:
        """Put an object by hand."""
        self.direct.put_object(Bucket=BUCKET, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        """Get one."""
        return self.direct.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def delete(self, key: str) -> None:
        """Delete one."""
        self.direct.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="package")
def proxy() -> Iterator[Proxy]:
    """S3, and no other AWS that this machine may know; other tests see nothing of it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch, Proxy(server.get_host_and_port()[1]) as between:
        for name, value in environment(between.url).items():
            patch.setenv(name, value)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        serving = threading.Thread(target=between.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        yield between
        between.released.set()
        between.shutdown()
        serving.join()
    server.stop()


@pytest.fixture(scope="package")
def direct(proxy: Proxy) -> "S3Client":
    """The store without the proxy."""
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{proxy.upstream}")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


@pytest.fixture
def remote(proxy: Proxy, direct: "S3Client") -> Remote:
    """Nothing of anyone in the bucket, and no harm."""
    proxy.harm, proxy.skew = lambda _: None, timedelta(0)
    proxy.requests.clear()
    return Remote(proxy, f"prod/monitoring/prometheus/prometheus-{next(NUMBERS)}", direct)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A Prometheus' volume with three finished blocks, and what is not finished."""
    made = Volume(tmp_path / "prometheus")
    for _ in range(3):
        made.finish_block()
    for unfinished in ("wal", "chunks_head", f"{made.ulid(9)}.tmp-for-creation", f"{made.ulid(8)}.tmp-for-deletion"):
        (made.path / "tsdb" / unfinished).mkdir()
    return made
