"""What the collector makes of other teams' data, by the promtool that it uses."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import kubernetes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constructs_lib.agent.cluster import Item
from constructs_lib.agent.collect import Collector, Options
from constructs_lib.agent.files import JOBS, RULES
from constructs_lib.agent.promtool import NoVerdictError, Promtool
from constructs_lib.config import to_yaml
from constructs_lib.config.collected import RULE_GROUP, SCRAPE_JOB, JobData
from constructs_lib.config.prometheus import Limits
from constructs_lib.config.teams import Allowed, Owner, TeamJob
from constructs_lib.contract import PortRange
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_VALUE
from constructs_lib.promql import without_strings
from tests.cluster.programs import built
from tests.config.test_platform import PLATFORM as ANY_PLATFORM
from tests.real.teams import HOSTILE, Document, group, job

ALLOWED = Allowed(ports=PortRange(8000, 9999), jobs=3)
PLATFORM = replace(ANY_PLATFORM, allowed=ALLOWED)
OWNER = Owner(namespace=HOSTILE, team=HOSTILE)
FOREIGN = [
    'up{namespace="shop"}',
    'up{namespace!="hostile"}',
    'up{namespace=~"shop|hostile"} or up{namespace!~"hostile"}',
    '{__name__=~".+",namespace=~".*"}',
    '{"up",namespace="shop"}',
    'sum by (namespace) (rate(http_requests_total{namespace="shop",code=~"5.."}[5m] offset 1h))',
    'max_over_time((sum(up{namespace="shop"}))[1h:1m] @ end())',
    'absent_over_time(up{namespace="shop"}[5m])',
    'up * on () group_left () label_replace(up{namespace="shop"}, "namespace", "shop", "", "")',
    'up{namespace="shop",namespace!="x"}',
    "-up",
    "vector(1) > bool scalar(up)",
    "up unless on (pod) kube_pod_info",
    "topk(3, up) and count_values('namespace', up)",
]


@pytest.fixture(scope="module")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> Promtool:
    return Promtool(path=Path(built("promtool")), scratch=tmp_path_factory.mktemp("promtool"))


@pytest.fixture
def collector(tmp_path: Path, promtool: Promtool) -> Collector:
    """A collector whose API server does not answer: what it makes of an object needs none."""
    contract, output = tmp_path / "platform.json", tmp_path / "collected"
    contract.write_text(json.dumps(PLATFORM.to_contract()))
    options = Options(platform=contract, output=output, promtool=promtool.path, port=1)
    configuration = kubernetes.client.Configuration(host="http://127.0.0.1:1")
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    made = Collector(options, core, Promtool(path=promtool.path, scratch=output / ".new"))
    made.prepare()
    return made


def item(document: Document, *, uid: str = "uid") -> Item:
    metadata = document["metadata"]
    return Item(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=uid,
        kind=metadata["labels"]["constructs-lib/collect"],
        data=document["data"],
    )


def live(tmp_path: Path) -> dict[str, str]:
    """Every file that Prometheus would read, without its first line."""
    found = sorted((tmp_path / "collected").glob("*/*.yaml"))
    return {path.stem: path.read_text().split("\n", 1)[1] for path in found}


def selectors(expr: str) -> Iterator[str]:
    """The matchers of each selector: where there is no brace, there is none."""
    bare = re.sub(r"\[[^\]]*\]", "", expr)
    yield from re.findall(r"\{([^{}]*)\}", bare)


@pytest.mark.parametrize("expr", FOREIGN)
def test_no_selector_sees_another_namespace(promtool: Promtool, expr: str) -> None:
    """Whatever it demanded of the namespace, it demands this one."""
    bound = promtool.bind(expr, "namespace", HOSTILE)

    found = list(selectors(bound))
    assert found
    for matchers in found:
        assert set(re.findall(r'namespace\s*(\S+?"[^"]*")', matchers)) == {f'="{HOSTILE}"'}, bound
    names = re.findall(r"(?<![\w\"'$])(up|kube_pod_info|http_requests_total)(?!\s*[\"{\w])", without_strings(bound))
    assert names == [], f"a selector without matchers: {bound}"


label = st.from_regex(rf"\A{LABEL_VALUE}\Z")
jobs = st.builds(
    TeamJob,
    name=st.just("web"),
    pods=st.dictionaries(label, label, min_size=1, max_size=3),
    port=st.integers(8000, 9999),
    path=st.from_regex(r"\A(/[-.~a-zA-Z0-9_]{1,8}){1,3}\Z"),
    limits=st.builds(Limits, samples=st.integers(1, 5000), labels=st.integers(1, 64)),
)


@settings(max_examples=60, deadline=None)
@given(wanted=jobs)
def test_every_accepted_job_is_accepted_by_prometheus(promtool: Promtool, wanted: TeamJob) -> None:
    """Whatever labels, ports and paths a team has."""
    file = promtool.scratch / "job.yaml"
    file.write_text(to_yaml({"scrape_configs": [JobData.of(wanted, ALLOWED.limits).bound(OWNER, ALLOWED).to_dict()]}))

    promtool.check_jobs(file)


def test_job_and_rules_become_files(collector: Collector, tmp_path: Path) -> None:
    """Named after the namespace and the ConfigMap."""
    collector.bring(item(job("web")), OWNER)
    collector.bring(item(group("web", "up == 0")), OWNER)

    assert live(tmp_path).keys() == {"hostile_scrape-job-web", "hostile_rule-group-web"}
    assert 'expr: up{namespace="hostile"} == 0' in live(tmp_path)["hostile_rule-group-web"]
    assert collector.refusals() == []


def test_broken_version_leaves_the_last_good_one(collector: Collector, tmp_path: Path) -> None:
    """A typo costs no alert that was live; what is mended is live again."""
    collector.bring(item(group("web", "up == 0")), OWNER)
    before = live(tmp_path)

    collector.bring(item(group("web", "up ==")), OWNER)

    assert live(tmp_path) == before
    assert collector.refusals() == [(HOSTILE, "rule-group-web")]
    collector.bring(item(group("web", "up == 1")), OWNER)
    assert 'up{namespace="hostile"} == 1' in live(tmp_path)["hostile_rule-group-web"]
    assert collector.refusals() == []


def test_what_the_platform_no_longer_allows_goes(collector: Collector, tmp_path: Path) -> None:
    """The team has changed nothing, and still it is not live any more."""
    collector.bring(item(job("web")), OWNER)
    narrower = replace(PLATFORM, allowed=replace(ALLOWED, ports=PortRange.only(9000)))
    (tmp_path / "platform.json").write_text(json.dumps(narrower.to_contract()))
    collector.step(timedelta(0))

    collector.bring(item(job("web")), OWNER)

    assert live(tmp_path) == {}
    assert collector.refusals() == [(HOSTILE, "scrape-job-web")]


def test_namespace_that_is_another_teams_now_is_bound_again(collector: Collector, tmp_path: Path) -> None:
    """The label of the namespace changed; the job is the same."""
    collector.bring(item(job("web")), OWNER)
    collector.bring(item(job("web")), Owner(namespace=HOSTILE, team="others"))

    assert "replacement: others" in live(tmp_path)["hostile_scrape-job-web"]


def test_namespace_has_so_many_and_no_more(collector: Collector, tmp_path: Path) -> None:
    """Those after them, by name, are refused, also where they were live before."""
    for place, name in enumerate("abcd"):
        collector.bring(item(job(name)), OWNER, place=place)

    assert live(tmp_path).keys() == {f"hostile_scrape-job-{name}" for name in "abc"}
    assert collector.refusals() == [(HOSTILE, "scrape-job-d")]
    collector.bring(item(job("c")), OWNER, place=3)
    assert live(tmp_path).keys() == {f"hostile_scrape-job-{name}" for name in "ab"}


def test_promtool_that_gives_no_answer_decides_nothing(collector: Collector, tmp_path: Path) -> None:
    """What is live stays, nothing is refused, and it is asked again."""
    collector.bring(item(group("web", "up == 0")), OWNER)
    before, program = live(tmp_path), tmp_path / "killed"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && echo killed || kill -KILL $$\n")
    program.chmod(0o755)
    collector.promtool = Promtool(path=program, scratch=tmp_path / "collected" / ".new")

    with pytest.raises(NoVerdictError, match="ended by signal 9"):
        collector.bring(item(group("web", "up == 1")), OWNER)

    (tmp_path / "collected" / "checked-by").write_text("another version")
    collector.prepare()
    assert live(tmp_path) == before
    assert collector.refusals() == []


def test_name_that_no_file_could_have_is_refused(collector: Collector, tmp_path: Path) -> None:
    """And forgotten like any other."""
    document = job("web")
    document["metadata"]["name"] = "scrape-job-" + "x" * 240

    collector.bring(item(document), OWNER)

    assert live(tmp_path) == {}
    assert len(collector.refusals()) == 1


def test_another_prometheus_judges_what_is_live_before_anything_else(
    collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that the new one refuses would keep it from starting, so it is taken away, API server or not."""
    collector.bring(item(job("web")), OWNER)
    collector.bring(item(group("web", "up == 0")), OWNER)
    file = tmp_path / "collected" / RULES / "hostile_rule-group-web.yaml"
    file.write_text(file.read_text().replace("up{", "no_longer_a_function(){"))
    (tmp_path / "collected" / "checked-by").write_text("another version")

    collector.prepare()

    assert live(tmp_path).keys() == {"hostile_scrape-job-web"}
    assert "no longer accepted" in caplog.text


def test_restart_makes_nothing_again(collector: Collector, tmp_path: Path) -> None:
    """Files that are what they should be are left alone, so that Prometheus does not reload for them."""
    collector.bring(item(job("web")), OWNER)
    file = tmp_path / "collected" / JOBS / "hostile_scrape-job-web.yaml"
    before = file.stat()

    collector.bring(item(job("web")), OWNER)

    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"name": "web"}', "[" * 50_000, '{"name": 1e999}', "\x00"])
@pytest.mark.parametrize("kind", [SCRAPE_JOB, RULE_GROUP])
def test_whatever_a_config_map_holds_is_refused_alone(collector: Collector, kind: str, text: str) -> None:
    """No text ends the collector."""
    document = job("web")
    document["metadata"] |= {"name": f"{kind}-web", "labels": {"constructs-lib/collect": kind}}

    collector.bring(item({**document, "data": {"data.json": text}}), OWNER)

    assert collector.refusals() == [(HOSTILE, f"{kind}-web")]


def test_expression_that_prometheus_does_not_read_is_refused(promtool: Promtool) -> None:
    """Also one that the synth-time parser reads."""
    with pytest.raises(ConstructError, match="unknown function"):
        promtool.bind("nonsense(up)", "namespace", HOSTILE)


def test_collector_ends_when_it_is_told_to(tmp_path: Path, promtool: Promtool) -> None:
    """As the first process of its container it must handle SIGTERM itself, or every drain waits for ten minutes."""
    contract, kubeconfig = tmp_path / "platform.json", tmp_path / "kubeconfig"
    contract.write_text(json.dumps(PLATFORM.to_contract()))
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    kubeconfig.write_text(
        to_yaml(
            {"clusters": [cluster], "contexts": [context], "users": [{"name": "a", "user": {}}], "current-context": "a"}
        )
    )
    options = [f"--platform={contract}", f"--output={tmp_path / 'out'}", f"--promtool={promtool.path}", "--port=0"]
    command = [sys.executable, "-m", "constructs_lib.agent", "collect", *options]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            assert any("cannot watch" in line for line in running.stdout)  # it runs
            running.terminate()
            assert running.wait(timeout=20) == 0
        finally:
            running.kill()
