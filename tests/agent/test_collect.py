"""What becomes of ConfigMaps as they come, change and go; promtool itself has its tests in tests/real."""

import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import kubernetes
import pytest

from constructs_lib.agent import cluster
from constructs_lib.agent.collect import Collector, Options
from constructs_lib.agent.files import JOBS, NEW, RULES
from constructs_lib.agent.promtool import Promtool
from constructs_lib.config.collected import COLLECT, DASHBOARD, DATA, SCRAPE_JOB, JobData, object_name
from constructs_lib.config.prometheus import Limits
from constructs_lib.config.teams import TeamJob
from tests.agent.api_server import ApiServer, serving, threads_end
from tests.agent.test_cluster import CONFIG_MAPS, LABELS, NAMESPACES
from tests.config.test_platform import PLATFORM

PATIENCE = 20
LIMITS = PLATFORM.allowed.limits


def program(path: Path, script: str) -> Path:
    """A promtool that says what it is told to."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with serving() as api:
        api.put(NAMESPACES, {"name": "shop", "labels": LABELS})
        yield api


@pytest.fixture
def collector(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """One that watches, whose promtool accepts everything."""
    monkeypatch.setattr(cluster, "FIRST_WAIT", 0.05)
    contract, output = tmp_path / "platform.json", tmp_path / "collected"
    contract.write_text(json.dumps(PLATFORM.to_contract()))
    promtool = program(tmp_path / "promtool", "echo any")
    options = Options(platform=contract, output=output, promtool=promtool, port=1)
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(kubernetes.client.Configuration(host=api.url)))
    made = Collector(options, core, Promtool(path=promtool, scratch=output / NEW))
    made.prepare()
    with threads_end(api, made.stop):
        made.start()
        yield made


def release(api: ApiServer, name: str, *, targets: int, text: str | None = None) -> None:
    """A job of 5000 samples of each target, or whatever a text says."""
    job = TeamJob(name=name, pods={"app": name}, port=8080, limits=Limits(samples=5000), targets=targets)
    metadata = {"name": object_name(SCRAPE_JOB, name), "namespace": "shop", "labels": {COLLECT: SCRAPE_JOB}}
    api.put(CONFIG_MAPS, metadata, data={DATA: text or JobData.of(job, LIMITS).to_json()})


def told(api: ApiServer, reason: str) -> list[dict[str, Any]]:
    """The Events of a reason, in the order in which they were created."""
    return [each for each in list(api.events.values()) if each["reason"] == reason]


def wait(collector: Collector, condition: Callable[[], object]) -> None:
    """Let it work until something is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        collector.step(timedelta(seconds=0.1))


def live(tmp_path: Path) -> set[str]:
    """The jobs that Prometheus would read."""
    return {path.stem.removeprefix("shop_scrape-job-") for path in (tmp_path / "collected" / "jobs").glob("*.yaml")}


def refused(collector: Collector) -> set[str]:
    return {name.removeprefix("scrape-job-") for _, name in collector.refusals()}


def test_jobs_beyond_the_budget_are_refused_alone(collector: Collector, api: ApiServer, tmp_path: Path) -> None:
    """They are taken in the order of their names, whatever came first; what is small enough still fits."""
    for name, targets in (("d", 4), ("c", 12), ("b", 10), ("a", 6)):
        release(api, name, targets=targets)

    wait(collector, lambda: live(tmp_path) == {"a", "b", "d"} and refused(collector) == {"c"})
    sentence = "60000 series, 5000 samples of 12 targets, and the namespace's other jobs 80000, but"
    wait(collector, lambda: sentence in told(api, "Refused")[-1]["message"])
    assert told(api, "Refused")[-1]["involvedObject"]["name"] == "scrape-job-c"


def test_change_of_an_earlier_job_is_felt_by_later_ones(collector: Collector, api: ApiServer, tmp_path: Path) -> None:
    """One that grows takes the place of others, also where they were live; one that goes makes room."""
    release(api, "a", targets=10)
    release(api, "b", targets=10)
    wait(collector, lambda: live(tmp_path) == {"a", "b"})

    release(api, "a", targets=11)
    wait(collector, lambda: live(tmp_path) == {"a"} and refused(collector) == {"b"})

    api.delete(CONFIG_MAPS, "scrape-job-a")
    wait(collector, lambda: live(tmp_path) == {"b"} and not refused(collector))


def test_last_good_version_counts_as_what_it_is(collector: Collector, api: ApiServer, tmp_path: Path) -> None:
    """Nobody gets more by breaking what is live; and what asks for too much keeps what it had."""
    release(api, "a", targets=12)
    wait(collector, lambda: live(tmp_path) == {"a"})
    release(api, "a", targets=1, text="{}")
    release(api, "b", targets=8)
    release(api, "c", targets=1)
    wait(collector, lambda: live(tmp_path) == {"a", "b"} and refused(collector) == {"a", "c"})

    release(api, "b", targets=9)
    wait(collector, lambda: refused(collector) == {"a", "b", "c"})

    assert live(tmp_path) == {"a", "b"}


def test_budget_that_changes_is_felt_by_all(collector: Collector, api: ApiServer, tmp_path: Path) -> None:
    """The platform's contract is read again."""

    def allow(series: int) -> None:
        narrower = replace(PLATFORM, allowed=replace(PLATFORM.allowed, series=series))
        (tmp_path / "platform.json").write_text(json.dumps(narrower.to_contract()))

    for name in "abc":
        release(api, name, targets=4)
    wait(collector, lambda: live(tmp_path) == {"a", "b", "c"})

    allow(40_000)
    wait(collector, lambda: live(tmp_path) == {"a", "b"} and refused(collector) == {"c"})
    allow(60_000)
    wait(collector, lambda: live(tmp_path) == {"a", "b", "c"} and not refused(collector))


def test_team_hears_that_what_was_refused_is_live(
    collector: Collector, api: ApiServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was mended or is as it was before; what was never refused is no news."""
    caplog.set_level(logging.INFO)
    release(api, "a", targets=1)
    wait(collector, lambda: live(tmp_path) == {"a"})
    made_of = (tmp_path / "collected" / "jobs" / "shop_scrape-job-a.yaml").read_text().split("\n")[0].removeprefix("# ")
    assert f"live: shop/scrape-job-a, made of {made_of}" in caplog.text
    assert told(api, "Live") == []

    for number, targets in enumerate((2, 1), 1):
        release(api, "a", targets=1, text="{}" + number * " ")
        wait(collector, lambda: refused(collector) == {"a"})
        release(api, "a", targets=targets)
        wait(collector, lambda number=number: len(told(api, "Live")) == number)  # type: ignore[misc]

    assert refused(collector) == set()
    assert {(each["type"], each["involvedObject"]["name"]) for each in told(api, "Live")} == {
        ("Normal", "scrape-job-a")
    }


@pytest.mark.parametrize("churn", ["changes", "comes and goes"])
def test_namespace_that_changes_too_often_hears_of_it(
    collector: Collector, api: ApiServer, tmp_path: Path, churn: str
) -> None:
    """Once, however its ConfigMaps change."""
    release(api, "calm", targets=1)
    wait(collector, lambda: live(tmp_path) == {"calm"})
    for number in range(cluster.OFTEN):
        release(api, "a", targets=1 + number % 2)
        if churn == "comes and goes":
            api.delete(CONFIG_MAPS, "scrape-job-a")

    wait(collector, lambda: told(api, "ChangesTooOften"))

    assert [each["type"] for each in told(api, "ChangesTooOften")] == ["Warning"]


def test_dashboard_is_another_collectors(collector: Collector, api: ApiServer, tmp_path: Path) -> None:
    """It is not refused here; an unknown kind is, since nobody else would say so."""
    for name, kind in (("dashboard-a", DASHBOARD), ("dashbord-a", "dashbord")):
        api.put(CONFIG_MAPS, {"name": name, "namespace": "shop", "labels": {COLLECT: kind}}, data={DATA: "{}"})
    release(api, "a", targets=1)

    wait(collector, lambda: live(tmp_path) == {"a"} and collector.refusals())

    assert collector.refusals() == [("shop", "dashbord-a")]
    assert told(api, "Refused")[0]["message"].startswith("the label constructs-lib/collect is 'dashbord'")


def test_new_promtool_finds_the_bad_among_many_in_few_calls(tmp_path: Path) -> None:
    """With a process for each, a thousand teams would take minutes."""
    output, calls = tmp_path / "collected", tmp_path / "calls"
    script = f"""[ "$1" = --version ] && echo new && exit
echo "$2" >> {calls}
case "$* $(cat "$4")" in *bad*) echo no >&2; exit 1;; esac"""
    promtool = program(tmp_path / "promtool", script)
    for kind in (JOBS, RULES):
        (output / kind).mkdir(parents=True)
        for number in range(200):
            (output / kind / f"shop_{number}.yaml").write_text("# of\n")
        (output / kind / "shop_77-bad.yaml").write_text("# of\n")
    contract = tmp_path / "platform.json"
    contract.write_text(json.dumps(PLATFORM.to_contract()))
    options = Options(platform=contract, output=output, promtool=promtool, port=1)

    Collector(options, kubernetes.client.CoreV1Api(), Promtool(path=promtool, scratch=output / NEW)).prepare()

    left = [path.name for path in output.glob("*/*.yaml")]
    assert len(left) == 400
    assert not any("bad" in name for name in left)
    assert len(calls.read_text().split()) < 40
    assert (output / "checked-by").read_text() == "new"


def test_health_is_told_while_promtool_judges(api: ApiServer, tmp_path: Path) -> None:
    """Else the kubelet would start it again and again, and it would never come to an end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    contract, output, kubeconfig = tmp_path / "platform.json", tmp_path / "collected", tmp_path / "kubeconfig"
    contract.write_text(json.dumps(PLATFORM.to_contract()))
    (output / RULES).mkdir(parents=True)
    (output / RULES / "shop_rule-group-a.yaml").write_text("# of\n")
    promtool = program(tmp_path / "promtool", '[ "$1" = --version ] || exec sleep 10; echo any')
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    clusters = [{"name": "a", "cluster": {"server": api.url}}]
    access = {"clusters": clusters, "contexts": [context], "users": [{"name": "a", "user": {}}], "current-context": "a"}
    kubeconfig.write_text(json.dumps(access))
    command = [sys.executable, "-m", "constructs_lib.agent", "collect", f"--platform={contract}", f"--output={output}"]
    command += [f"--promtool={promtool}", f"--port={port}"]

    with subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)}) as running:
        try:
            until, answer = time.monotonic() + PATIENCE, ""
            while not answer:
                assert time.monotonic() < until
                try:
                    with urlopen(f"http://127.0.0.1:{port}/metrics") as told:
                        answer = told.read().decode()
                except OSError:
                    time.sleep(0.1)
            assert "collector_oldest_change_seconds" in answer
            assert not (output / "checked-by").exists()
        finally:
            running.terminate()
