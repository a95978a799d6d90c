"""What a real Prometheus uses, told by the agent's rendered command line, is where the rendered alarms look for it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from constructs_lib.agent.blocks import TSDB
from constructs_lib.agent.usage import Usage
from constructs_lib.aws import BackupPipeline, PrometheusAlarms
from constructs_lib.cloudwatch import CPU, MEMORY, VOLUME
from constructs_lib.contract import Bucket
from constructs_lib.kube import Backup
from constructs_lib.restore_points import Origin, RestorePoints
from constructs_lib.units import Bytes, Cpu
from tests.aws import synthesized
from tests.cluster.waiting import wait
from tests.minimal import IMAGE, NAMESPACE, prometheus
from tests.real.agents import SOON, command
from tests.real.local_prometheus import HOUR, Server, running, write
from tests.real.loopback import free_port
from tests.real.s3 import BUCKET, REGION, environment
from tests.rendered import containers_of, rendered, template

POD = "prometheus-0"
POINTS = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION))
ORIGIN = Origin(cluster=NAMESPACE.cluster.name, namespace=NAMESPACE.name, component="prometheus")
SOURCE = f"{ORIGIN.path}/{POD}"
LIVE = 9_200 * 54 * HOUR
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds, in which the kernel counts
CORES, LIMIT = Cpu(2000), Bytes.gib(2)  # as they are rendered by default


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """CloudWatch, and the bucket; by which variables programs find both."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    variables = {**environment(url), "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": REGION}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield variables
    server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prometheus with some blocks, which has work to do."""
    volume = tmp_path_factory.mktemp("prometheus")
    (volume / TSDB).mkdir()
    write(volume, until=LIVE, days=0.5, block=2 * HOUR, series=50, step=60)
    with running(volume) as made:
        made.push(range(LIVE, LIVE + HOUR, 10))
        yield made


@pytest.fixture(scope="module")
def looked_at() -> Mapping[str, Mapping[str, Any]]:
    """The metrics of one server that the rendered alarms look at, by name."""

    def build(stack: Any) -> None:
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={ORIGIN: [POD]})
        PrometheusAlarms(stack, "Alarms", pipeline=pipeline)

    made = synthesized.template(build, region=REGION).find_resources("AWS::CloudWatch::Alarm").values()
    alarms = [each["Properties"] for each in made]
    parts = [
        part["MetricStat"]["Metric"] for each in alarms for part in each.get("Metrics", ()) if "MetricStat" in part
    ]
    return {each["MetricName"]: each for each in (*alarms, *parts) if "MetricName" in each}


def arguments(server: Server, port: int) -> list[str]:
    """Of the rendered agent beside a server, with paths and ports of this machine."""
    objects = rendered(
        lambda chart: (
            Backup(
                chart,
                "backup",
                prometheus=prometheus(chart),
                image=IMAGE,
                points=POINTS,
                metrics_reached_at=("0.0.0.0/0",),
            )
            and None
        )
    )
    found = containers_of(template(objects.named("StatefulSet", "prometheus")))["backup"]["args"]
    here = {
        "--data=/prometheus": f"--data={server.volume}",
        "$(POD_NAME)": POD,
        "--port=8083": f"--port={port}",
        "127.0.0.1:9090": server.url.removeprefix("http://"),
    }
    for in_pod, outside in here.items():
        assert any(in_pod in argument for argument in found)
        found = [argument.replace(in_pod, outside) for argument in found]
    return command(*found)


def told(metric: Mapping[str, Any]) -> list[float]:
    """What CloudWatch has where an alarm looks, on average; nothing until it is told."""
    answers = boto3.client("cloudwatch", region_name=REGION).get_metric_statistics(
        Namespace=metric["Namespace"],
        MetricName=metric["MetricName"],
        Dimensions=metric["Dimensions"],
        StartTime=datetime.now(UTC) - timedelta(hours=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=3 * 3600,
        Statistics=["Average"],
    )
    return [each["Average"] for each in answers["Datapoints"]]


@dataclass(frozen=True, slots=True)
class Process:
    """What the kernel says of a process.

    Args:
        seconds: Of all processors.
        anonymous: Bytes of memory that no file has.
        resident: Bytes of memory in all.
    """

    seconds: float
    anonymous: int
    resident: int


def process(pid: int) -> Process:
    """What the kernel says of a process, now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    anonymous, resident = (int(status[name].split()[0]) * 1024 for name in ("RssAnon", "VmRSS"))
    return Process((int(fields[11]) + int(fields[12])) * TICK, anonymous, resident)


@pytest.mark.trap(109)
def test_it_is_told_where_the_alarms_look(
    aws: dict[str, str], server: Server, looked_at: Mapping[str, Mapping[str, Any]]
) -> None:
    """By the rendered command line: the names, the whose and the region are the same in both halves."""
    assert looked_at.keys() == {CPU, MEMORY, VOLUME}
    with subprocess.Popen(arguments(server, free_port()), env=aws, stdout=sys.stderr, stderr=sys.stderr) as program:
        try:
            wait("the volume is told", lambda: told(looked_at[VOLUME]), SOON)
            (volume,), (memory,) = told(looked_at[VOLUME]), told(looked_at[MEMORY])
        finally:
            program.terminate()
    size, _, free = shutil.disk_usage(server.volume)
    assert volume == pytest.approx(100 * (size - free) / size, abs=2)
    assert 0 < memory < 100


@pytest.mark.trap(110)
def test_it_is_what_the_kernel_says(aws: dict[str, str], server: Server) -> None:
    """Processor time to a few hundredths of a second; memory that no file has, and not what is resident."""
    assert aws
    of = Usage.connect(REGION, SOURCE, server.volume, server.url.removeprefix("http://"), cpu=CORES, memory=LIMIT)
    begin, before = time.monotonic(), process(server.pid)
    of.look()
    first, after = time.monotonic(), process(server.pid)
    while time.monotonic() < first + 2:
        server.ask("query_range", query="sum(rate(history_total[1h]))", start=LIVE - 12 * HOUR, end=LIVE, step=15)
    second, busy = time.monotonic(), process(server.pid)
    used = of.look()
    end, done = time.monotonic(), process(server.pid)

    most = 100 * (done.seconds - before.seconds + 2 * TICK) / (second - first) / 2
    least = 100 * (busy.seconds - after.seconds - 2 * TICK) / (end - begin) / 2
    assert 5 < least <= used[CPU] <= most
    held = used[MEMORY] / 100 * LIMIT.count
    assert held == pytest.approx(done.anonymous, rel=0.25)
    assert held < done.resident - Bytes.mib(30).count  # among other files, that of the program
