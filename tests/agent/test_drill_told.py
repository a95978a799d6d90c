"""A drill that has succeeded, as CloudWatch hears of it: once, where its alarm looks, and never of a failure."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import boto3
import pytest

from constructs_lib.agent import drill as module
from constructs_lib.aws import BackupPipeline, RestoreDrillAlarms
from constructs_lib.restore_point import RestorePoint
from constructs_lib.restore_points import Origin
from tests.agent.answering import answering
from tests.agent.conftest import Remote
from tests.agent.test_drill import FIRST, SOURCE, block, read, said, told
from tests.aws import synthesized
from tests.real.agents import command
from tests.real.s3 import REGION, Harm

WHOLE = block(FIRST, 0)
GOOD, BAD = told([said(WHOLE)], read(120)), told([said(WHOLE)], read(119))


@pytest.fixture(autouse=True)
def cloudwatch(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where it is; the agent comes to it through the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", remote.proxy.url)
    return f"http://127.0.0.1:{remote.proxy.upstream}"


@pytest.fixture
def point(remote: Remote, tmp_path: Path) -> RestorePoint:
    """What was restored, as it lies on the volume; no other test has its server: moto remembers them all."""
    source = remote.source
    files = tuple(replace(file, key=file.key.replace(SOURCE, source)) for file in WHOLE.files)
    at = datetime(2026, 11, 28, 2, tzinfo=UTC)
    point = RestorePoint(source=source, id="20261128T020000Z", made=at, blocks=(replace(WHOLE, files=files),))
    (tmp_path / module.POINT).write_bytes(point.to_json())
    return point


def looked_at(point: RestorePoint) -> Mapping[str, Any]:
    """The metric that the rendered alarm on these drills looks at."""
    cluster, namespace, component, pod = point.source.split("/")
    origin = Origin(cluster=cluster, namespace=namespace, component=component)

    def build(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=synthesized.POINTS, replicas={origin: [pod]})
        pipeline.add_drill(origin)
        RestoreDrillAlarms(stack, "Alarm", pipeline=pipeline)

    alarm = synthesized.only(synthesized.template(build), "AWS::CloudWatch::Alarm")["Properties"]
    (metric,) = (each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each)
    found: Mapping[str, Any] = metric
    return found


def heard(point: RestorePoint, cloudwatch: str) -> list[tuple[float, float]]:
    """How often CloudWatch was told, and what."""
    metric = looked_at(point)
    answer = boto3.client("cloudwatch", region_name=REGION, endpoint_url=cloudwatch).get_metric_statistics(
        Namespace=metric["Namespace"],
        MetricName=metric["MetricName"],
        Dimensions=metric["Dimensions"],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=3 * 3600,
        Statistics=["SampleCount", "Maximum"],
    )
    return [(each["SampleCount"], each["Maximum"]) for each in answer["Datapoints"]]


def drill(volume: Path, answers: dict[str, list[tuple[int, bytes]]], *more: str) -> subprocess.CompletedProcess[str]:
    """The command line of the container that compares."""
    with answering(**{name: list(each) for name, each in answers.items()}) as server:
        line = command("drill", f"--data={volume}", f"--server={server.client.address}", *more)
        return subprocess.run(line, check=False, capture_output=True, text=True, timeout=60)


def test_a_success_is_told_where_the_alarm_looks(point: RestorePoint, cloudwatch: str, tmp_path: Path) -> None:
    """Once, of the server whose turn it was."""
    ended = drill(tmp_path, GOOD, f"--tell={REGION}")
    assert ended.returncode == 0, ended.stderr
    assert "Prometheus answers them" in ended.stdout
    assert heard(point, cloudwatch) == [(1, 1)]


def test_a_failure_is_told_to_nobody(point: RestorePoint, cloudwatch: str, tmp_path: Path) -> None:
    """Silence is what the alarm hears."""
    ended = drill(tmp_path, BAD, f"--tell={REGION}")
    assert ended.returncode == 3
    assert "came back, but not all of it" in ended.stderr
    assert heard(point, cloudwatch) == []


def test_nobody_is_told_unless_somebody_is_named(
    point: RestorePoint, remote: Remote, cloudwatch: str, tmp_path: Path
) -> None:
    """Neither called, nor are there credentials for it."""
    assert drill(tmp_path, GOOD).returncode == 0
    assert remote.proxy.requests == []
    assert heard(point, cloudwatch) == []


def test_what_fails_for_a_moment_is_told_again(
    point: RestorePoint, remote: Remote, cloudwatch: str, tmp_path: Path
) -> None:
    """It is told once a day: the next time would be late."""
    remote.harm(Harm.FAILED, lambda request: request.number <= 3)
    assert drill(tmp_path, GOOD, f"--tell={REGION}").returncode == 0
    assert heard(point, cloudwatch) == [(1, 1)]
    assert len(remote.proxy.requests) == 4


def test_a_cloudwatch_that_is_away_fails_no_drill(
    point: RestorePoint, remote: Remote, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was restored is whole: it is a line of the log, and the alarm says so by itself."""
    monkeypatch.setattr(module, "TRIES", 2)
    remote.harm(Harm.FAILED, lambda _: True)
    module.tell(point, REGION)
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.startswith("CloudWatch does not take RestoreDrillSucceeded: ")
    assert "\n" not in line
