"""A thousand teams: what they cost, and how soon a change of one of them is live. Its figures are in `benchmarks/`."""

import re
import time
from datetime import timedelta

import pytest

from constructs_lib.promql import metric
from tests.cluster.kubernetes import Kubernetes
from tests.real.prometheus import PrometheusPod
from tests.real.teams import config_map, documents, group, job, namespace
from tests.real.test_teams import ROLE, rules

TEAMS = 1000
AT_ONCE = 100  # in one call of kubectl
PATIENCE = timedelta(minutes=20)
pytestmark = pytest.mark.soak


def team(number: int, threshold: int = 0) -> str:
    """A namespace with a job and a rule group."""
    name = f"team-{number}"
    made = namespace(name, ROLE)
    for document in (job("web"), group("web", f"up{{job='{name}/web'}} < {threshold}", "absent(up) > 0", team=name)):
        document["metadata"]["namespace"] = name
        made.append(document)
    assert made[-1]["metadata"]["name"] == config_map("rule-group", "web", {})["metadata"]["name"]
    return documents(*made)


def of(server: PrometheusPod, name: str, job: str) -> float:
    """A value that a process told of itself lately: on a busy machine, a scrape may fail."""
    return float(server.query(f"last_over_time({metric(name, job=job, pod=server.name)}[3m])")[0]["value"][1])


def reloads(cluster: Kubernetes, server: PrometheusPod) -> list[float]:
    """How long each reload took, in seconds, as Prometheus logged it."""
    log = cluster.kubectl("-n", "monitoring", "logs", server.name, "-c", "prometheus")
    found = re.findall(r'msg="Completed loading of configuration file".*totalDuration=([\d.]+)(ms|s|µs)', log)
    return [float(value) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] for value, unit in found]


def test_thousand_teams(cluster: Kubernetes, servers: list[PrometheusPod], capsys: pytest.CaptureFixture[str]) -> None:
    """All are live in the end; one more change is live within two minutes; the platform's rules miss no turn."""
    server = servers[0]
    figures: dict[str, float] = {}

    def note(when: str) -> None:
        for job_name in ("collector", "prometheus"):
            figures[f"{job_name} memory MiB {when}"] = of(server, "process_resident_memory_bytes", job_name) / 1024**2
            figures[f"{job_name} CPU s {when}"] = of(server, "process_cpu_seconds_total", job_name)

    try:
        note("before")
        begun = time.time()
        for first in range(0, TEAMS, AT_ONCE):
            cluster.apply("---\n".join(team(number) for number in range(first, first + AT_ONCE)))
        figures["s to apply"] = time.time() - begun

        def live(count: int) -> bool:
            found = sum(each["name"].startswith("team-") for each in server.api("rules")["groups"])
            assert found == count, f"{found} groups are live"
            return True

        cluster.wait("every team is live", lambda: live(TEAMS), PATIENCE)
        figures["s until all are live"] = time.time() - begun
        cluster.wait("all is quiet", lambda: of(server, "collector_oldest_change_seconds", "collector") == 0, PATIENCE)
        time.sleep(60)  # what follows is the cost of doing nothing
        note("live")
        time.sleep(120)
        note("two minutes later")
        changed = time.time()
        cluster.apply(team(TEAMS // 2, threshold=-1))
        name = f"team-{TEAMS // 2}"
        cluster.wait("the change is live", lambda: "< -1" in rules(server, name)["Web0"], timedelta(minutes=3))
        figures["s until one change is live"] = time.time() - changed
        figures["s of the last reload"] = reloads(cluster, server)[-1]
    finally:
        with capsys.disabled():
            for what, value in figures.items():
                print(f"{what}: {value:.1f}")  # noqa: T201 - copied into benchmarks/README.md

    assert figures["s until one change is live"] < 120
    assert server.query("increase(prometheus_rule_group_iterations_missed_total[5m]) > 0") == []
    assert figures["collector memory MiB two minutes later"] < 512
