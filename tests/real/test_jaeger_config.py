"""Jaeger's configuration, of every environment and random accepted ones, read by the real Jaeger; and one it runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from constructs_lib.config import to_yaml
from constructs_lib.config.jaeger import Collecting, JaegerConfig, Sampling
from constructs_lib.config.span_store import EmbeddedStore
from constructs_lib.units import Bytes
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.config.jaeger_inputs import configurations
from tests.real import spans
from tests.real.loopback import asked, free_port, soon
from tests.rendered import DIST, ENVIRONMENTS, read

SOON = timedelta(seconds=60)
EVERYBODY = "0.0.0.0"  # noqa: S104 - what is replaced
FILES = [
    pytest.param(name, config_map["metadata"]["name"], id=f"{name}/{config_map['metadata']['name']}")
    for name in ENVIRONMENTS
    for config_map in read(DIST / name).of("ConfigMap")
    if "jaeger.yaml" in config_map["data"]
]


def validated(text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Let it read a configuration, whatever it says."""
    path = directory / "jaeger.yaml"
    path.write_text(text)
    command = [built("jaeger"), "validate", "--config", str(path)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.trap(65)
@pytest.mark.parametrize(("environment", "config_map"), FILES)
def test_what_is_rendered_is_accepted(environment: str, config_map: str, tmp_path: Path) -> None:
    """Of every environment and role."""
    text = read(DIST / environment).named("ConfigMap", config_map)["data"]["jaeger.yaml"]
    checked = validated(text, tmp_path)
    assert checked.returncode == 0, checked.stderr


@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(configurations())
def test_whatever_is_accepted_here_is_accepted_there(tmp_path: Path, config: JaegerConfig) -> None:
    """Nothing that the constructs accept is refused by Jaeger."""
    checked = validated(to_yaml(config.to_dict()), tmp_path)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.trap(65)
@pytest.mark.trap(66)
def test_what_is_wrong_is_noticed(tmp_path: Path) -> None:
    """The judge of the other tests refuses a key of a later version, a part that is not there, and no way of spans."""
    text = read(DIST / "prod").named("ConfigMap", "jaeger-query-config")["data"]["jaeger.yaml"]
    document = yaml.safe_load(text)
    store = document["extensions"]["jaeger_storage"]["backends"]["main"]["opensearch"]
    store["indices"]["spans"] = {"rotation": {"periodic": {}}}
    assert "rotation" in validated(to_yaml(document), tmp_path).stderr
    without = yaml.safe_load(text)
    del without["service"]["pipelines"]
    assert "service must have at least one pipeline" in validated(to_yaml(without), tmp_path).stderr
    assert validated(text.replace("exporters:\n      - nop", "exporters:\n      - gone"), tmp_path).returncode != 0


@dataclass(frozen=True, slots=True)
class Running:
    """A Jaeger on loopback.

    Args:
        ports: For each that its file names, the one that it has.
    """

    ports: dict[int, int]

    def url(self, port: int, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def send(self, way: str, port: int, name: str, *options: str) -> list[spans.Sent]:
        """Send spans, and what became of each request."""
        command = [sys.executable, spans.__file__, way, f"127.0.0.1:{self.ports[port]}", name, *options]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return spans.read(ran.stdout)

    def finds(self, trace: str) -> bool:
        """Whether the query knows a trace."""
        answer = asked(self.url(16686, f"/api/traces/{trace}"))
        return answer is not None and trace in answer


@contextmanager
def running(config: JaegerConfig, directory: Path) -> Iterator[Running]:
    """A Jaeger on loopback, by ports that are free; it is killed in the end."""
    text = to_yaml(config.to_dict()).replace(EVERYBODY, "127.0.0.1").replace("port: 8888", "port: '8888'")
    ports = {port: free_port() for port in (4317, 4318, 5778, 5779, 8888, 8889, 13133, 16685, 16686)}
    for port, free in ports.items():
        text = re.sub(rf"(127\.0\.0\.1:){port}\b|'{port}'", lambda match, free=free: f"{match[1] or ''}{free}", text)
    path = directory / "jaeger.yaml"
    path.write_text(text)
    with (directory / "jaeger.log").open("a") as log:
        program = subprocess.Popen([built("jaeger"), "--config", str(path)], stdout=log, stderr=log, cwd="/")
    try:
        ours = Running(ports)
        soon(ours.url(13133, "/status"))
        yield ours
    finally:
        program.kill()
        program.wait()


def one_process(directory: Path, **more: Any) -> JaegerConfig:
    store = EmbeddedStore(directory=str(directory / "volume"))
    return JaegerConfig(store=store, collects=Collecting(memory=Bytes.gib(1), **more), queries=True)


@pytest.mark.trap(64)
def test_one_process_takes_spans_finds_them_and_keeps_them(tmp_path: Path) -> None:
    """By gRPC and HTTP; what it has acknowledged is still there after it was killed."""
    traces: list[str] = []
    with running(one_process(tmp_path), tmp_path) as jaeger:
        for way, port in (("grpc", 4317), ("http", 4318)):
            sent = jaeger.send(way, port, way, "--requests", "5", "--traces", "20", "--service", "shop")
            assert len(spans.acknowledged(sent)) == 100
            traces += spans.acknowledged(sent)
        for trace in traces:
            wait(f"the trace {trace} is found", lambda trace=trace: jaeger.finds(trace), SOON)
        assert json.loads(soon(jaeger.url(16686, "/api/services")))["data"] == ["shop"]
    with running(one_process(tmp_path), tmp_path) as jaeger:
        assert all(jaeger.finds(trace) for trace in traces)


def test_spans_are_counted_by_service_over_all_pods(tmp_path: Path) -> None:
    """Requests, errors and durations, whoever of its pods has sent them; as exemplars, traces that one can look at."""
    with running(one_process(tmp_path), tmp_path) as jaeger:
        jaeger.send("grpc", 4317, "good", "--requests", "3", "--traces", "10", "--service", "shop")
        jaeger.send("http", 4318, "bad", "--requests", "1", "--traces", "4", "--service", "shop", "--error")

        def counted(code: str) -> float:
            lines = (asked(jaeger.url(8889, "/metrics")) or "").splitlines()
            calls = [line for line in lines if line.startswith("traces_span_metrics_calls_total{") and code in line]
            assert all('service_name="shop"' in line for line in calls)
            return sum(float(line.partition("}")[2].split()[0]) for line in calls)

        wait(
            "all spans are counted",
            lambda: (counted("STATUS_CODE_UNSET"), counted("STATUS_CODE_ERROR")) == (30, 4),
            SOON,
        )


@pytest.mark.trap(70)
def test_programs_are_told_how_much_to_send(tmp_path: Path) -> None:
    """By service, and all others."""
    file = tmp_path / "sampling.json"
    file.write_text(json.dumps(Sampling(default=0.1, services={"till": 1}).to_dict()))
    with running(one_process(tmp_path, sampling=str(file)), tmp_path) as jaeger:
        for service, share in (("till", 1), ("anybody", 0.1)):
            told = json.loads(soon(jaeger.url(5778, f"/sampling?service={service}")))
            assert told["probabilisticSampling"]["samplingRate"] == share


def test_a_request_that_is_larger_than_a_message_may_be_is_refused(tmp_path: Path) -> None:
    """By gRPC and HTTP alike, and one that just is not is taken, since the queue holds several."""
    with running(one_process(tmp_path), tmp_path) as jaeger:
        for way, port, answer in (("grpc", 4317, "RESOURCE_EXHAUSTED"), ("http", 4318, "400")):
            for traces, taken in (("60000", True), ("80000", False)):
                (sent,) = jaeger.send(way, port, f"{way} {traces}", "--requests", "1", "--traces", traces)
                assert sent.acknowledged is taken, sent.answer
                assert taken or sent.answer.startswith(answer)
