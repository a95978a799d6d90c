"""Restore points in a bucket on loopback, made by the agent itself, and a CloudWatch that is told of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest

from constructs_lib.agent import dump
from constructs_lib.agent.store import Store
from constructs_lib.cloudwatch import AGE, BACKUPS, PUT_OFF, SIZE, WHOLE, dimensions
from constructs_lib.restore_point import RestorePoint, point_key
from constructs_lib.watch.contract import Watched
from constructs_lib.watch.handler import connect
from constructs_lib.watch.verify import Finding, look
from tests.agent import conftest as agent
from tests.agent.conftest import Remote
from tests.agent.volume import Volume
from tests.real.s3 import BUCKET, REGION, Proxy, Request

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# The same bucket, proxy and volume as the agent's tests have, and no replica twice: moto remembers them all.
proxy, direct, volume, NUMBERS = agent.proxy, agent.direct, agent.volume, agent.NUMBERS
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TURN = datetime(2026, 11, 28, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place(Remote):
    """What one replica of the test has in the bucket, and how it is looked at.

    Args:
        client: Of the function.
    """

    client: "S3Client"

    def store(self, patience: timedelta = timedelta(seconds=10)) -> Store:
        """One whose sums are stored: S3 knows their kind by themselves, moto only when it is said."""
        made = Remote.store(self, patience)

        def say(params: dict[str, Any], model: Any, **_: object) -> None:
            if model.name == "PutObject":
                params["headers"]["x-amz-sdk-checksum-algorithm"] = "SHA256"

        made._client.meta.events.register("before-call.s3", say)
        return made

    def watched(self, **settings: Any) -> Watched:
        """As the function's environment would say it."""
        return Watched(
            **{
                "bucket": BUCKET,
                "region": REGION,
                "sources": (self.source,),
                "keep": 30 * DAY,
                "every": HOUR,
                **settings,
            }
        )

    def look(
        self, *, turn: datetime = TURN, now: datetime | None = None, until: float = float("inf"), **settings: Any
    ) -> Finding:
        """What is found."""
        return look(
            self.client,
            self.watched(**settings),
            self.source,
            now=now or datetime.now(UTC),
            turn=turn,
            until=until,
        )

    def back_up(self, volume: Volume) -> RestorePoint:
        """A restore point more."""
        made = self.backup(volume).run()
        assert made
        return made

    def dump(self, content: bytes, path: Path) -> dump.Dump:
        """A dump more."""
        path.write_bytes(dump.BEGINNING + content)
        return dump.send(self.store(), path)

    def rewrite(self, point: RestorePoint, **changes: Any) -> RestorePoint:
        """The manifest of a restore point with other things in it, in its place or another one."""
        changed = replace(point, **changes)
        self.put(point_key(self.source, changed.id), changed.to_json())
        return changed

    def told(self) -> dict[str, tuple[float, float, float]]:
        """What CloudWatch was told of it: by metric how often, and the least and the most."""
        client, found = boto3.client("cloudwatch", region_name=REGION, endpoint_url=self.cloudwatch), {}
        for metric in (AGE, SIZE, WHOLE, PUT_OFF):
            statistics = client.get_metric_statistics(
                Namespace=BACKUPS,
                MetricName=metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions(self.source).items()],
                StartTime=datetime.now(UTC) - HOUR,
                EndTime=datetime.now(UTC) + HOUR,
                Period=int(3 * HOUR.total_seconds()),
                Statistics=["SampleCount", "Minimum", "Maximum"],
            )
            for each in statistics["Datapoints"]:
                found[metric] = (each["SampleCount"], each["Minimum"], each["Maximum"])
        return found

    @property
    def cloudwatch(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.proxy.upstream}"

    def calls(self) -> list[Request]:
        """What was asked since the last time that this was asked."""
        done = list(self.proxy.requests)
        self.proxy.requests.clear()
        return done


@pytest.fixture(scope="package")
def client(proxy: Proxy) -> "S3Client":
    """As the function makes it, which takes half a second."""
    return cast("S3Client", connect("s3", REGION))


@pytest.fixture
def prometheus(proxy: Proxy, direct: "S3Client", client: "S3Client") -> Place:
    """Nothing of a replica in the bucket, and no harm."""
    proxy.harm, proxy.skew = lambda _: None, timedelta(0)
    proxy.requests.clear()
    return Place(proxy, f"prod/monitoring/prometheus/prometheus-{next(NUMBERS)}", direct, client)


@pytest.fixture(autouse=True)
def of_lambda(monkeypatch: pytest.MonkeyPatch, prometheus: Place) -> None:
    """What Lambda says in the environment, and where CloudWatch is."""
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", prometheus.cloudwatch)


@pytest.fixture
def other(prometheus: Place) -> Place:
    """Nothing of another one."""
    return replace(prometheus, source=f"prod/monitoring/prometheus/prometheus-{next(NUMBERS)}")


@pytest.fixture
def database(prometheus: Place) -> Place:
    """Nothing of a database."""
    return replace(prometheus, source=f"prod/monitoring/grafana-backup-{next(NUMBERS)}/database")
