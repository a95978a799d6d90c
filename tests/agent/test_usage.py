"""What CloudWatch is told of a Prometheus: exactly what it uses, or what is known when it does not answer."""

import logging
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from constructs_lib.agent import cloudwatch as cloudwatch_module
from constructs_lib.agent.usage import Usage
from constructs_lib.cloudwatch import CPU, MEMORY, USAGE, VOLUME, dimensions
from constructs_lib.units import Bytes, Cpu
from tests.agent.answering import METRICS, Answering, answering
from tests.agent.conftest import Remote
from tests.agent.test_starts import options, points, until
from tests.agent.volume import Volume
from tests.real.loopback import asked, free_port, soon
from tests.real.s3 import REGION, Harm, Request

LIMIT = Bytes.mib(200)


def exposition(*, seconds: float = 10, start: float = 1.7e9, taken: float = 120, given_back: float = 20) -> bytes:
    """What a Prometheus says of itself, memory in mebibytes, among other things."""
    return f"""# HELP go_memstats_sys_bytes Number of bytes obtained from system. Equals to /memory/classes/total:byte.
# TYPE go_memstats_sys_bytes gauge
go_memstats_sys_bytes {taken * 2**20}
# TYPE go_memstats_heap_released_bytes gauge
go_memstats_heap_released_bytes {given_back * 2**20}
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {seconds}
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 9.445376e+09
# TYPE process_start_time_seconds gauge
process_start_time_seconds {start:.2f}
# TYPE prometheus_http_requests_total counter
prometheus_http_requests_total{{code="200",handler="/metrics"}} 5
""".encode()


@pytest.fixture(autouse=True)
def cloudwatch(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where it is; the agent comes to it through the proxy."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", remote.proxy.url)
    return f"http://127.0.0.1:{remote.proxy.upstream}"


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering(metrics=[(200, exposition())]) as made:
        yield made


def usage(remote: Remote, volume: Volume, server: Answering, *, cpu: Cpu = Cpu(500)) -> Usage:
    """As after a start of the agent."""
    address = server.client.address
    return Usage.connect(REGION, remote.source, volume.path, address, cpu=cpu, memory=LIMIT)


def told(remote: Remote, cloudwatch: str) -> dict[str, list[float]]:
    """What CloudWatch has of the server: by metric how often it was told, the least and the most."""
    client, found = boto3.client("cloudwatch", region_name=REGION, endpoint_url=cloudwatch), {}
    for metric in (CPU, MEMORY, VOLUME):
        statistics = client.get_metric_statistics(
            Namespace=USAGE,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions(remote.source).items()],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=3 * 3600,
            Statistics=["SampleCount", "Minimum", "Maximum"],
            Unit="Percent",
        )
        for each in statistics["Datapoints"]:
            found[metric] = [each["SampleCount"], each["Minimum"], each["Maximum"]]
    return found


def per_cent(path: Path) -> float:
    """Of a volume, what nobody but root can write any more, as `df` says it."""
    size, _, free = shutil.disk_usage(path)
    return 100 * (size - free) / size


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_what_is_told_is_what_is_used(remote: Remote, volume: Volume, server: Answering, cloudwatch: str) -> None:
    """Memory that Go holds, and not the resident set; the volume; and by the second look, the processor time since."""
    of = usage(remote, volume, server)
    begun = time.monotonic()
    of.tell()
    assert told(remote, cloudwatch).keys() == {MEMORY, VOLUME}
    time.sleep(0.5)
    server.answers[METRICS] = [(200, exposition(seconds=10.1, taken=190))]
    before = time.monotonic()
    of.tell()
    found = told(remote, cloudwatch)
    assert of.told is True
    assert found[MEMORY] == [2, 50, 85]
    assert found[VOLUME][0] == 2
    assert found[VOLUME][1:] == pytest.approx([per_cent(volume.path)] * 2, abs=1)
    (count, least, most) = found[CPU]
    assert count == 1
    assert least == most
    # A tenth of a second, of half a core, in as long as lay between both looks.
    assert 100 * 0.1 / 0.5 / (time.monotonic() - begun) <= most <= 100 * 0.1 / 0.5 / 0.5
    assert time.monotonic() - before < 5


def test_a_server_that_was_started_again_has_used_nothing_yet(
    remote: Remote, volume: Volume, server: Answering
) -> None:
    """Also where it has used more since than the one before; from its second look on, it has."""
    of = usage(remote, volume, server)
    assert CPU not in of.look()
    time.sleep(0.05)
    assert CPU in of.look()
    server.answers[METRICS] = [(200, exposition(seconds=20, start=1.7e9 + 60))]
    assert CPU not in of.look()
    time.sleep(0.05)
    assert of.look()[CPU] == 0


def test_of_a_server_that_does_not_answer_the_volume_is_told(
    remote: Remote, volume: Volume, server: Answering, cloudwatch: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and once that it is over; the time in between is not that of its processor."""
    caplog.set_level(logging.INFO)
    of = usage(remote, volume, server)
    of.tell()
    for answer in ((503, b"Service Unavailable"), (200, b"up 1\n"), (200, b"{"), (200, b"\xff\x00")):
        server.answers[METRICS] = [answer]
        of.tell()
    found = told(remote, cloudwatch)
    assert (found[VOLUME][0], found[MEMORY][0]) == (5, 1)
    (line,) = warnings(caplog)
    assert re.match("Prometheus does not say what it uses: .* answers /metrics by 503", line)
    caplog.clear()

    server.answers[METRICS] = [(200, exposition())]
    assert of.look().keys() == {VOLUME, MEMORY}
    assert of.look().keys() == {VOLUME, MEMORY, CPU}
    assert [record.getMessage() for record in caplog.records] == ["Prometheus says again what it uses"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(said=st.text() | st.from_regex(r"(#? ?[a-z_]{1,9}(\{[a-z\"=,\\]*\}?)? ?[-0-9.eNaInf+]* ?[0-9]*\n?){0,5}"))
def test_whatever_a_server_says_the_volume_is_known(
    remote: Remote, volume: Volume, server: Answering, said: str
) -> None:
    """And nothing else of an answer that is none."""
    of = usage_of(server, volume)
    server.answers[METRICS] = [(200, said.encode(errors="replace"))]
    assert of.look().keys() == {VOLUME}


def usage_of(server: Answering, volume: Volume) -> Usage:
    """One that tells nobody: what it finds is asked for."""
    nobody = cloudwatch_module.CloudWatch(None, USAGE)
    return Usage(nobody, "a/b/c/d", volume.path, server.client, cpu=Cpu(500), memory=LIMIT)


def test_a_cloudwatch_that_is_away_is_said_once(
    remote: Remote, volume: Volume, server: Answering, cloudwatch: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line, and once when it is over."""
    caplog.set_level(logging.INFO)
    remote.harm(Harm.FAILED, lambda _: True)
    of = usage(remote, volume, server)
    for _ in range(2):
        of.tell()
        assert of.told is False
    (line,) = warnings(caplog)
    assert line.startswith("nobody is told what Prometheus uses: CloudWatch does not take VolumeUsed, MemoryUsed: ")
    assert "\n" not in line
    remote.harm(Harm.FAILED, lambda _: False)
    of.tell()
    assert of.told is True
    assert caplog.records[-1].getMessage() == "CloudWatch is told again what Prometheus uses"
    assert told(remote, cloudwatch)[VOLUME][0] == 1


def test_a_volume_that_cannot_be_asked_is_said(
    remote: Remote, volume: Volume, server: Answering, cloudwatch: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is told anything: that is what the alarm on the volume hears."""
    of = usage(remote, volume, server)
    shutil.rmtree(volume.path)
    of.tell()
    assert of.told is False
    (line,) = warnings(caplog)
    assert "No such file or directory" in line
    assert told(remote, cloudwatch) == {}


def command(remote: Remote, volume: Volume, port: int, server: Answering, *limits: str) -> list[str]:
    """The command line of an agent that tells."""
    return options(remote, volume, port, f"--server={server.client.address}", *limits)


LIMITS = ("--cpu-limit=500", f"--memory-limit={LIMIT.count}")


def test_process_tells_at_once_and_says_so(remote: Remote, volume: Volume, server: Answering, cloudwatch: str) -> None:
    """Beside its first restore point; its metrics say that CloudWatch took it."""
    port = free_port()
    with subprocess.Popen(command(remote, volume, port, server, *LIMITS), stdout=subprocess.PIPE) as program:
        try:
            soon(f"http://127.0.0.1:{port}/metrics")
            until(lambda: points(remote) == 1)
            until(lambda: "backup_cloudwatch_told 1.0" in (asked(f"http://127.0.0.1:{port}/metrics") or ""))
            assert told(remote, cloudwatch)[MEMORY] == [1, 50, 50]
        finally:
            program.kill()


def test_a_cloudwatch_that_never_answers_delays_no_backup(remote: Remote, volume: Volume, server: Answering) -> None:
    """Nor the end of the process."""

    def of_cloudwatch(request: Request) -> bool:
        return request.method == "POST" and not request.key

    remote.harm(Harm.UNANSWERED, of_cloudwatch)
    port = free_port()
    with subprocess.Popen(command(remote, volume, port, server, *LIMITS), stdout=subprocess.PIPE) as program:
        try:
            until(lambda: points(remote) == 1)
            until(lambda: any(of_cloudwatch(request) for request in remote.proxy.requests))
            told_at = time.monotonic()
            program.terminate()
            assert program.wait(timeout=30) == 0
            assert time.monotonic() - told_at < 2
        finally:
            program.kill()


def test_process_tells_nobody_unless_it_is_told_to(remote: Remote, volume: Volume, cloudwatch: str) -> None:
    """Without a server there is neither a call nor a metric."""
    port = free_port()
    with subprocess.Popen(options(remote, volume, port), stdout=subprocess.PIPE) as program:
        try:
            said = soon(f"http://127.0.0.1:{port}/metrics")
            until(lambda: points(remote) == 1)
            assert "\nbackup_cloudwatch_told " not in said
            assert told(remote, cloudwatch) == {}
        finally:
            program.kill()


@pytest.mark.parametrize("limits", [(), LIMITS[:1], LIMITS[1:]], ids=["none", "cpu-alone", "memory-alone"])
def test_a_server_without_its_limits_is_refused(
    remote: Remote, volume: Volume, server: Answering, limits: tuple[str, ...]
) -> None:
    """At once and in one sentence: per cent of nothing are none."""
    ended = subprocess.run(
        command(remote, volume, free_port(), server, *limits), check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    address = server.client.address
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert line.endswith(f"what {address} uses is told in per cent of its limits: give both of them, too")
