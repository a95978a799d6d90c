"""Other teams release into their own namespaces, and are monitored; none of them can hurt anybody."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.environments import PROD
from constructs_lib.kube.prometheus import WEB
from constructs_lib.promql import metric
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.kubernetes import Kubernetes
from tests.cluster.outside.world import Outside
from tests.cluster.programs import built
from tests.real.notifications import turn_is_over, within
from tests.real.outside import SLACK
from tests.real.prometheus import PrometheusPod
from tests.real.teams import CLUMSY, CONFINED, HOSTILE, REFUSED, SHOP, churn, documents, namespace, rendered_example
from tests.real.test_grafana import NAMES as GRAFANAS
from tests.real.test_grafana import GrafanaPod

SOON = timedelta(minutes=2)
ROLE = "monitoring-prometheus-collected"
ACCOUNT = "system:serviceaccount:monitoring:prometheus"
CHANGES = 1000
HOLD = timedelta(seconds=30)  # of the example's alert


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of the example."""
    return rendered_example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="session")
def platform(cluster: Kubernetes, servers: list[PrometheusPod]) -> dict[str, str]:
    """Every pod of the platform before anybody joined, and its identity."""
    assert servers
    return identities(cluster)


def identities(cluster: Kubernetes) -> dict[str, str]:
    """Of every pod of the platform, by name."""
    pods = [pod["metadata"] for space in ("monitoring", "monitoring-host") for pod in cluster.find("pods", space)]
    return {pod["name"]: pod["uid"] for pod in pods}


@pytest.fixture(scope="session")
def released(cluster: Kubernetes, platform: dict[str, str], example: Path) -> Iterator[float]:
    """When the example was released, in seconds since 1970."""
    assert platform
    cluster.apply(example, server_side=False)  # as the README of the example has it
    yield time.time()
    cluster.kubectl("delete", "--wait=false", "--ignore-not-found", "-R", "-f", str(example))


@pytest.fixture(scope="session")
def hostile(cluster: Kubernetes, platform: dict[str, str]) -> Iterator[float]:
    """When the hostile team has released."""
    assert platform
    cluster.apply(documents(*namespace(HOSTILE, ROLE), *namespace(CLUMSY, ROLE)))
    cluster.apply(documents(*CONFINED, churn(0), *(document for document, _ in REFUSED.values())))
    yield time.time()
    cluster.kubectl("delete", "--wait=false", "namespace", HOSTILE, CLUMSY)


def rules(server: PrometheusPod, namespace: str) -> dict[str, str]:
    """The alerts of a namespace that a server evaluates, and their expressions."""
    return rules_of(server.api("rules"), namespace)


def rules_of(data: Any, namespace: str) -> dict[str, str]:
    """The same, of what the server answered."""
    found = [group for group in data["groups"] if group["name"].startswith(f"{namespace}/")]
    return {rule["name"]: rule["query"] for group in found for rule in group["rules"]}


def up(server: PrometheusPod, job: str) -> list[tuple[dict[str, str], str]]:
    """Every target of a job, and whether it answers."""
    return [(each["metric"], each["value"][1]) for each in server.query(metric("up", job=job))]


def starts(cluster: Kubernetes, pod: str) -> int:
    """How often the running collector of a pod was started again; an error while none runs."""
    statuses = cluster.get("pod", pod, "monitoring")["status"]["containerStatuses"]
    (running,) = (each for each in statuses if each["name"] == "collector" and "running" in each["state"])
    count: int = running["restartCount"]
    return count


def heard(outside: Outside, team: str, alertname: str) -> list[float]:
    """When a team's channel heard of an alert."""
    return [
        each.at
        for each in outside.received(SLACK.host)
        if each.body.get("channel") == f"#alerts-{team}" and alertname in json.dumps(each.body)
    ]


@pytest.mark.stage(2.5)
def test_other_teams_release(released: float, hostile: float) -> None:
    """Both at once, when all that must be quiet without them has been."""
    assert 0 < released < hostile


@pytest.mark.stage(3)
def test_a_team_is_monitored_within_two_minutes(
    cluster: Kubernetes, servers: list[PrometheusPod], released: float
) -> None:
    """Its two pods are scraped by both servers, under its own labels, and its rules evaluated."""
    for server in servers:

        def monitored(server: PrometheusPod = server) -> list[tuple[dict[str, str], str]]:
            found = up(server, "shop/checkout")
            assert [value for _, value in found] == ["1", "1"]
            return found

        found = cluster.wait(f"{server.name} scrapes the team's pods", monitored, SOON)
        for labels, _ in found:
            assert labels.items() >= {"namespace": SHOP, "team": SHOP, "origin": SHOP, "app": "checkout"}.items()
        oldest = f"min_over_time(timestamp({metric('up', job='shop/checkout')})[10m:1s])"
        # A subquery sees a sample from the next whole second on.
        first = cluster.wait("a second has passed", lambda s=server, q=oldest: s.query(q), SOON)  # type: ignore[misc]
        assert max(float(each["value"][1]) for each in first) - released < SOON.total_seconds()
        (expr,) = rules(server, SHOP).values()
        assert expr == '(sum(up{job="shop/checkout",namespace="shop"}) or vector(0)) == 0'


def boards(cluster: Cluster, name: str) -> dict[str, str]:
    """The uids of the team's dashboards that a Grafana shows, and their titles; none may have a fault."""
    found = [each for each in GrafanaPod(cluster, name).report()["dashboards"].values() if each["folder"] == SHOP]
    assert [each["faults"] for each in found if each["faults"]] == []
    return {each["uid"]: each["title"] for each in found}


@pytest.mark.stage(3)
@pytest.mark.parametrize("name", GRAFANAS)
def test_its_dashboard_is_in_both_grafanas(cluster: Cluster, released: float, name: str) -> None:
    """In the folder of its namespace."""
    assert released
    cluster.wait(f"{name} shows it", lambda: boards(cluster, name) == {"shop_checkout": "Checkout"}, SOON)


@pytest.fixture(scope="session")
def gone(cluster: Kubernetes, released: float) -> float:
    """When the team's pods were taken away."""
    assert released
    cluster.kubectl("-n", SHOP, "scale", "deployment/checkout", "--replicas=0")
    return time.time()


@pytest.mark.stage(3)
def test_its_pods_go(gone: float) -> None:
    """It takes a while until somebody hears of it."""
    assert gone


@pytest.mark.stage(5)
def test_its_alert_is_delivered_to_its_own_receiver(cluster: Kubernetes, outside: Outside, gone: float) -> None:
    """Once, in time, and to nobody else, though it is critical."""
    stops = timedelta(seconds=60)  # a pod that does not listen to SIGTERM, and discovery that must see it

    first = cluster.wait("the team hears", lambda: heard(outside, SHOP, "CheckoutGone"), 2 * SOON)[0]

    assert first - gone < within(HOLD) + stops.total_seconds()
    turn_is_over(cluster, first)
    assert len(heard(outside, SHOP, "CheckoutGone")) == 1
    others = [host for host in outside.addresses if host != SLACK.host]
    assert [host for host in others if "CheckoutGone" in str([each.body for each in outside.received(host)])] == []


@pytest.mark.stage(4)
@pytest.mark.parametrize("name", REFUSED)
def test_what_could_hurt_is_refused_and_said_to_its_team(
    cluster: Kubernetes, servers: list[PrometheusPod], hostile: float, name: str
) -> None:
    """In an Event beside the ConfigMap, and in a metric of both collectors; nothing of it reaches Prometheus."""
    assert hostile
    document, told = REFUSED[name]
    space = document["metadata"]["namespace"]

    def events() -> list[str]:
        field = f"involvedObject.name={name}"
        found = json.loads(cluster.kubectl("-n", space, "get", "events", "--field-selector", field, "-o", "json"))
        return [each["message"] for each in found["items"] if each["reason"] == "Refused"]

    message = cluster.wait(f"{name} is refused", events, SOON)[0]

    assert told in message
    for server in servers:
        refused = metric("collector_refused", origin=space, team=space, config_map=name)
        cluster.wait("the metric says so", lambda s=server, q=refused: len(s.query(q)) == 2, SOON)  # type: ignore[misc]
        plain = name.removeprefix("rule-group-").removeprefix("scrape-job-")
        assert f"{space}/{plain}" not in json.dumps([server.api("rules"), server.api("targets")])


@pytest.mark.stage(4)
def test_what_is_taken_over_is_bound_to_its_namespace(servers: list[PrometheusPod], hostile: float) -> None:
    """Whatever namespace an expression named, and whatever regular expression."""
    assert hostile
    for server in servers:
        found = rules(server, HOSTILE)
        assert found["Peeping0"] == 'up{namespace="hostile"} == 1'
        assert found["Peeping1"] == 'count({__name__=~".+",namespace="hostile"}) > 0'
        assert up(server, "hostile/checkout") == []


@pytest.mark.stage(4)
def test_flood_is_refused_whole_and_alone(cluster: Kubernetes, servers: list[PrometheusPod], hostile: float) -> None:
    """Ten thousand series from one target: none of them is stored, and the target counts as down."""
    assert hostile
    for server in servers:
        found = cluster.wait("the flood is scraped", lambda s=server: up(s, "hostile/flood"), SOON)  # type: ignore[misc]
        assert [value for _, value in found] == ["0"]
        assert server.query(metric("flood")) == []
        sent = server.query(metric("scrape_samples_post_metric_relabeling", job="hostile/flood"))
        assert float(sent[0]["value"][1]) >= 10_000


@pytest.mark.stage(4)
def test_nobody_speaks_for_prometheus_or_for_others(
    cluster: Kubernetes, servers: list[PrometheusPod], hostile: float
) -> None:
    """Series with names of scrapes, alerts and recordings are dropped; labels of the owner are those of the owner."""
    assert hostile
    owner = {"namespace": HOSTILE, "team": HOSTILE, "origin": HOSTILE}
    for server in servers:
        (honest,) = cluster.wait("the liar is scraped", lambda s=server: s.query("honest"), SOON)  # type: ignore[misc]
        assert honest["metric"].items() >= owner.items()
        assert [value for _, value in up(server, "hostile/liar")] == ["1"]
        found = server.query('count by (__name__) ({job="hostile/liar"})')
        names = {each["metric"]["__name__"] for each in found}
        own = {"honest", "up", "ALERTS", "ALERTS_FOR_STATE"}  # of the team's own rules
        assert names - own == {name for name in names if name.startswith("scrape_")}
        assert server.query('ALERTS{alertname="NodeNotReady",job="hostile/liar"}') == []
        assert server.query('scrape_sample_limit{job="hostile/liar"} == 1') == []


@pytest.mark.stage(5)
def test_team_of_what_is_refused_hears_of_it(cluster: Kubernetes, outside: Outside, hostile: float) -> None:
    """In its own channel, which is named after it."""
    assert hostile
    cluster.wait("the team hears", lambda: heard(outside, HOSTILE, "TeamReleaseRefused"), SOON)


@pytest.mark.stage(4)
def test_thousand_changes_in_a_minute_and_a_killed_collector_leave_no_gap(
    cluster: Kubernetes, servers: list[PrometheusPod], released: float, hostile: float
) -> None:
    """The newest version is live in the end, nothing half, and nobody else's scrapes or rules missed a turn."""
    assert released < hostile
    begun, killed = time.time(), dict[str, int]()
    with ThreadPoolExecutor(1) as thread:
        changing = thread.submit(
            cluster.kubectl, "replace", "-f", "-", input=documents(*(churn(number) for number in range(1, CHANGES + 1)))
        )
        for pod in ("prometheus-0", "prometheus-1", "prometheus-1"):
            time.sleep(random.uniform(1, 6))  # noqa: S311 - at a moment that nobody chose
            cluster.wait("the collector runs", lambda p=pod: starts(cluster, p) > killed.get(p, -1), SOON)  # type: ignore[misc]
            killed[pod] = starts(cluster, pod)
            cluster.kill_process("monitoring", pod, "collector")
        changing.result()
    assert time.time() - begun < 60

    newest = {"Churn0": f"vector({CHANGES}) < 0"}
    for server in servers:
        cluster.wait("the newest version is live", lambda s=server: rules(s, HOSTILE).items() >= newest.items(), SOON)  # type: ignore[misc]
    over = f"{time.time() - begun + 60:.0f}s"
    for server in servers:
        own = metric("up", job="prometheus", pod=server.name)
        (count,) = server.query(f"count_over_time({own}[{over}])")
        expected = (time.time() - begun + 60) / PROD.scrape_interval.total_seconds()
        assert float(count["value"][1]) >= expected - 2
        for never in (
            f"increase(prometheus_rule_group_iterations_missed_total[{over}]) > 0",
            f"min_over_time(prometheus_config_last_reload_successful[{over}]) == 0",
            f"max_over_time({metric('scrape_samples_scraped', job='shop/checkout')}[{over}]) == 0",
        ):
            assert server.query(never) == []
    events = cluster.kubectl("-n", HOSTILE, "get", "events", "--field-selector", "reason=ChangesTooOften")
    assert "only now and then the newest version is taken" in events


@pytest.mark.stage(4)
def test_connection_that_dies_without_a_word_is_noticed(
    cluster: Kubernetes, servers: list[PrometheusPod], hostile: float
) -> None:
    """Every connection of a collector to the API server is silently lost: what changes then is live all the same."""
    assert hostile
    server = servers[1]
    inside = cluster.in_network_of("monitoring", server.name)
    listed = subprocess.run(
        [*inside, "ss", "--no-header", "--numeric", "--tcp", "state", "established", "dport", "=", ":443"],
        check=True,
        capture_output=True,
        text=True,
    )
    ports = {line.split()[2].rpartition(":")[2] for line in listed.stdout.splitlines()}
    assert ports
    for port in ports:
        subprocess.run([*inside, "iptables", "-A", "INPUT", "-p", "tcp", "--dport", port, "-j", "DROP"], check=True)
    begun = time.time()

    cluster.apply(documents(churn(CHANGES + 1)))

    newest = {"Churn0": f"vector({CHANGES + 1}) < 0"}
    cluster.wait("the change is live", lambda: rules(server, HOSTILE).items() >= newest.items(), 2 * SOON)
    assert time.time() - begun < SOON.total_seconds()


@pytest.mark.stage(4)
def test_rights_cover_exactly_the_namespaces_that_gave_them(cluster: Kubernetes, released: float) -> None:
    """ConfigMaps are read, and Events written, where the team bound the role: nowhere else, and nothing more."""
    assert released

    def may(verb: str, resource: str, namespace: str) -> bool:
        try:
            return (
                cluster.kubectl("auth", "can-i", verb, resource, "--namespace", namespace, "--as", ACCOUNT) == "yes\n"
            )
        except ClusterError as error:  # its exit code is the answer, too
            if not str(error).endswith(": no"):
                raise
            return False

    for resource, verb in (("configmaps", "list"), ("configmaps", "watch"), ("events", "create")):
        assert [may(verb, resource, space) for space in (SHOP, HOSTILE)] == [True, True]
        assert [may(verb, resource, space) for space in ("stranger", "monitoring", "kube-system")] == [False] * 3
    for resource, verb in (("secrets", "list"), ("configmaps", "update"), ("pods", "delete")):
        assert not may(verb, resource, SHOP)


@pytest.mark.stage(4)
def test_admin_of_a_namespace_may_join(cluster: Kubernetes, released: float, example: Path) -> None:
    """Whoever has the role `admin` in the namespace can bind the role that the platform offers."""
    assert released
    deployer = f"system:serviceaccount:{SHOP}:deployer"
    cluster.kubectl(
        "-n", SHOP, "create", "rolebinding", "deployer", "--clusterrole=admin", f"--serviceaccount={SHOP}:deployer"
    )
    try:
        said = cluster.kubectl(
            "apply",
            "--dry-run=server",
            "-R",
            "-f",
            str(example),
            "--as",
            deployer,
            "-l",
            "app.kubernetes.io/managed-by=constructs-lib",
        )
    finally:
        cluster.kubectl("-n", SHOP, "delete", "rolebinding", "deployer")
    assert "rolebinding" in said


@pytest.mark.stage(4)
def test_nothing_of_the_platform_restarted(cluster: Kubernetes, platform: dict[str, str], released: float) -> None:
    """Other teams joined, and every pod is the one that it was."""
    assert released
    assert identities(cluster).items() >= platform.items()


@pytest.mark.stage(6)
def test_removing_the_release_removes_all_of_it(
    cluster: Cluster, servers: list[PrometheusPod], example: Path, released: float
) -> None:
    """Within two minutes no target, no rule and no dashboard of it is left."""
    assert released
    begun = time.time()
    cluster.kubectl("delete", "--wait=false", "-R", "-f", str(example))

    def nothing() -> bool:
        for server in servers:
            pools = [each for each in server.api("scrape_pools")["scrapePools"] if each.startswith(f"{SHOP}/")]
            assert (server.name, rules(server, SHOP), pools) == (server.name, {}, [])
        for grafana in GRAFANAS:
            assert (grafana, boards(cluster, grafana)) == (grafana, {})
        return True

    cluster.wait("nothing of the team is left", nothing, 2 * SOON)
    assert time.time() - begun < SOON.total_seconds()


@pytest.mark.stage(8)
def test_what_was_live_stays_live_without_the_api_server(
    cluster: Cluster, servers: list[PrometheusPod], hostile: float
) -> None:
    """The API server is away, collector and Prometheus are killed: the rules are there as they were."""
    assert hostile
    without_api_server(cluster, servers[1], timedelta(seconds=30))


def without_api_server(cluster: Cluster, server: PrometheusPod, away: timedelta) -> None:
    """Take the API server away, kill both containers of a pod, and look from within the pod meanwhile."""
    before = rules(server, HOSTILE)
    assert "Churn0" in before
    kills = [cluster.killer("monitoring", server.name, container) for container in ("collector", "prometheus")]
    ask = [
        *cluster.in_network_of("monitoring", server.name),
        built("probe"),
        "get",
        f"http://localhost:{WEB.number}/api/v1/rules",
    ]

    def live() -> bool:
        ran = subprocess.run(ask, check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert rules_of(json.loads(ran.stdout[ran.stdout.index("{") :])["data"], HOSTILE) == before
        return True

    with cluster.without_api_server():
        until = time.monotonic() + away.total_seconds()
        for kill in kills:
            kill()
        cluster.wait("the rules are live", live, SOON)
        cluster.wait("the API server was away for long enough", lambda: live() and time.monotonic() > until, 2 * away)

    cluster.apply(documents(churn(-1)))
    newest = {"Churn0": "vector(-1) < 0"}
    cluster.wait("changes are live again", lambda: rules(server, HOSTILE).items() >= newest.items(), SOON)
