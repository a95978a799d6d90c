"""A volume of Prometheus is lost: its history comes back from the bucket, and the other server goes on meanwhile.

Before that, a queue tells an agent that it is time for a backup, and a drill tries what would come back.
"""

import itertools
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.environments import PROD
from constructs_lib.cloudwatch import BACKUPS, CPU, DRILLED, DRILLS, MEMORY, USAGE, VOLUME, dimensions
from constructs_lib.contract import PROMETHEUS, RESTORE_DRILL
from constructs_lib.errors import DamagedError
from constructs_lib.metrics.backup import BACKUP
from constructs_lib.promql import metric
from constructs_lib.restore_point import RestorePoint, blocks_prefix, point_key, points_prefix
from constructs_lib.restore_points import Origin
from constructs_lib.rules.model import HEARTBEAT
from tests.alarms import Seen, seen
from tests.cluster.cluster import Cluster
from tests.cluster.outside.aws import Bucket
from tests.cluster.outside.metrics import Told
from tests.cluster.outside.world import Outside
from tests.real.history import History, bring
from tests.real.jobs import ended, made, pods_of, run, staying
from tests.real.outside import HEARTBEAT as BEATS
from tests.real.prometheus import DIST, PrometheusPod
from tests.real.roles import PYTHON, Request, given, tried
from tests.real.teams import documents

# When nothing of other tests needs the history that they have made themselves.
pytestmark = [pytest.mark.stage(7.5), pytest.mark.usefixtures("servers")]
NAMESPACE, LOST, OTHER = PROD.namespace, "prometheus-0", "prometheus-1"
REQUESTS = f"{PROMETHEUS}-restore"
ORIGIN = Origin(cluster=PROD.cluster, namespace=NAMESPACE, component=PROMETHEUS)
SOURCES = {pod: ORIGIN.source(pod) for pod in (LOST, OTHER)}
SOURCE, ANOTHER = SOURCES.values()
QUEUE, ANOTHERS = ORIGIN.queue(LOST), ORIGIN.queue(OTHER)
AGENT = (PYTHON, "-m", "constructs_lib.agent")
SOON, LOADED = timedelta(minutes=1), timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Lost:
    """A volume that is no more.

    Args:
        at: When its pod was stopped, in seconds since 1970.
        volume: The directory of the one that came in its place.
    """

    at: float
    volume: Path


@pytest.fixture(scope="session")
def known(cluster: Cluster, servers: list[PrometheusPod], history: History) -> History:
    """The history, once both servers have loaded it, with all that they tell of it."""

    def loaded() -> bool:
        return all(len(history.asked(server)) == history.series for server in servers)

    cluster.wait("both servers have loaded the history", loaded, LOADED)
    told, other = (history.asked(server) for server in servers)
    assert told == other
    return replace(history, told=told)


def agent(cluster: Cluster, pod: str, *arguments: str) -> str:
    """Run a command of the agent beside a server."""
    return cluster.exec(NAMESPACE, pod, *AGENT, *arguments, container="backup")


@dataclass(frozen=True, slots=True)
class Store:
    """What is in the bucket of the server that is lost later."""

    bucket: Bucket

    def point(self, id: str) -> RestorePoint:
        """A restore point, whose manifest is whole."""
        return RestorePoint.from_json(self.bucket.read(point_key(SOURCE, id)))

    def points(self, source: str = SOURCE) -> list[str]:
        """The keys of a server's restore points, oldest first."""
        return self.bucket.keys(points_prefix(source))

    def blocks(self) -> dict[str, int]:
        """By key, when each object of its blocks was put there, in nanoseconds since 1970."""
        keys = self.bucket.keys(blocks_prefix(SOURCE))
        return {key: (self.bucket.directory / key).stat().st_mtime_ns for key in keys}


@pytest.fixture(scope="session")
def store(buckets: dict[str, Bucket]) -> Store:
    """The bucket that the template of dist/prod made."""
    assert PROD.restore_points
    return Store(buckets[PROD.restore_points.bucket.name])


def backed_up(cluster: Cluster, pod: str = LOST) -> str:
    """Make a restore point now."""
    (point,) = re.findall(r"\b\d{8}T\d{6}Z\b", agent(cluster, pod, "backup-now", "--data=/prometheus"))
    return str(point)


def metrics(cluster: Cluster, pod: str) -> str:
    """What an agent tells of itself."""
    status, told = cluster.http_get(NAMESPACE, pod, 8083, "/metrics")
    assert status == 200
    return told


@pytest.fixture(scope="session")
def first(cluster: Cluster, store: Store, known: History) -> RestorePoint:
    """The first restore point of the history."""
    assert known.told
    return store.point(backed_up(cluster))


@pytest.fixture(scope="module")
def sent(store: Store, first: RestorePoint) -> dict[str, int]:
    """What was in the bucket then."""
    assert first
    return store.blocks()


@pytest.fixture(scope="module")
def second(cluster: Cluster, store: Store, history: History, sent: dict[str, int]) -> RestorePoint:
    """Another one, after one more block was finished."""
    assert sent
    bring(cluster, LOST, history.second)
    return store.point(backed_up(cluster))


@pytest.mark.stage(1)
def test_there_is_a_history(history: History) -> None:
    """The servers load it while other tests run."""
    assert history.first
    assert history.second


@pytest.mark.stage(6.5)  # before dashboards are asked, which show it
def test_a_restore_point_is_made_on_a_trigger(
    cluster: Cluster, store: Store, history: History, first: RestorePoint
) -> None:
    """It holds the whole history, every object that it names is in the bucket, and its agent tells of it."""
    assert first.source == SOURCE
    assert first.samples >= history.samples
    assert first.min_time == history.begins
    assert {file.key: file.size for file in first.files} == {
        file.key: (store.bucket.directory / file.key).stat().st_size for file in first.files
    }
    assert store.points()[-1] == point_key(SOURCE, first.id)
    told = metrics(cluster, LOST)
    (made,) = re.findall(r"^backup_last_success_timestamp_seconds (\S+)$", told, re.MULTILINE)
    assert float(made) == first.made.timestamp()
    assert re.findall(r"^backup_last_attempt_succeeded (\S+)$", told, re.MULTILINE) == ["1.0"]
    for each in BACKUP.metrics:  # without labels of its own
        assert f"# TYPE {each.name} {each.kind.value}\n" in told


@pytest.fixture(scope="module")
def due(cluster: Cluster, outside: Outside, store: Store, first: RestorePoint) -> dict[str, list[str]]:
    """The restore points of both servers when it was time for one of this server; both timers are far away."""
    backed_up(cluster, OTHER)
    before = {source: store.points(source) for source in SOURCES.values()}
    assert before[SOURCE][-1] == point_key(SOURCE, first.id)
    outside.aws.fire(QUEUE)
    return before


@pytest.mark.stage(6.5)
def test_a_backup_is_started_by_its_schedule(
    cluster: Cluster, outside: Outside, store: Store, due: dict[str, list[str]]
) -> None:
    """The agent takes what the queue tells it, makes a restore point, and only then deletes the message."""
    made = cluster.wait("there is another restore point", lambda: store.points()[len(due[SOURCE]) :], SOON)
    cluster.wait("the message is gone", lambda: outside.aws.queues.waiting(QUEUE) == (0, 0), SOON)
    assert len(made) == 1
    assert store.points() == [*due[SOURCE], *made]
    assert "backup_queue_reached 1.0\n" in metrics(cluster, LOST)


@pytest.mark.stage(6.5)
def test_the_other_server_is_not_started(
    cluster: Cluster, outside: Outside, store: Store, due: dict[str, list[str]]
) -> None:
    """It has a queue of its own, which its agent asks, too; its restore points are those of before."""
    assert outside.aws.queues.waiting(ANOTHERS) == (0, 0)
    assert "backup_queue_reached 1.0\n" in metrics(cluster, OTHER)
    assert store.points(ANOTHER) == due[ANOTHER] != []


@pytest.mark.stage(6.5)
def test_the_agent_takes_from_its_queues_alone(cluster: Cluster, outside: Outside, due: dict[str, list[str]]) -> None:
    """By the role that the template makes: it starts nobody, empties nothing, and is alone with it in its pod."""
    assert due
    own, foreign = {"QueueUrl": outside.aws.queues.url(QUEUE)}, {"QueueName": QUEUE.replace(PROD.cluster, "another")}
    may = [
        ("get_queue_url", {"QueueName": QUEUE}),
        ("get_queue_url", {"QueueName": ANOTHERS}),
        ("receive_message", {**own, "WaitTimeSeconds": 0}),
    ]
    may_not = [
        ("get_queue_url", foreign),
        ("create_queue", foreign),
        ("send_message", {**own, "MessageBody": "start"}),
        ("purge_queue", own),
        ("delete_queue", own),
        ("set_queue_attributes", {**own, "Attributes": {"MessageRetentionPeriod": "60"}}),
        ("get_queue_attributes", own),
    ]

    answers = tried(cluster, LOST, "backup", [*may, *may_not], service="sqs")
    assert answers == ["may"] * len(may) + ["AccessDeniedException"] * len(may_not)
    assert set(tried(cluster, LOST, "collector", [*may, *may_not], service="sqs")) == {"nobody"}
    assert outside.aws.queues.waiting(QUEUE) == (0, 0)


def alarms() -> Iterator[Seen]:
    """What the rendered alarms look at."""
    template = json.loads((DIST / "aws" / "MonitoringBackup.template.json").read_text())
    for each in template["Resources"].values():
        if each["Type"] == "AWS::CloudWatch::Alarm":
            yield seen(each["Properties"])


def put(namespace: str) -> Request:
    """Tell CloudWatch something of a namespace."""
    return "put_metric_data", {"Namespace": namespace, "MetricData": [{"MetricName": "Tried", "Value": 1}]}


@pytest.mark.stage(6.5)
def test_each_agent_tells_what_its_server_uses_where_alarms_look(cluster: Cluster, outside: Outside) -> None:
    """Of each server, all three; for what is told there is no history needed, and no backup."""
    looked_at = {(each.metric, *each.dimensions.items()): each for each in alarms() if each.namespace == USAGE}
    assert {each.metric for each in looked_at.values()} == {CPU, MEMORY, VOLUME}
    assert {each.dimensions["Replica"] for each in looked_at.values()} == {LOST, OTHER}
    assert len(looked_at) == 6

    def told() -> list[Told]:
        found = [outside.aws.metrics.told(USAGE, each.metric, each.dimensions) for each in looked_at.values()]
        assert all(found), found
        return [each for of in found for each in of]

    for each in cluster.wait("all of it is told", told, LOADED):
        assert each.unit == "Percent"
        assert each.value > 0


@pytest.mark.stage(6.5)
def test_the_agent_tells_of_its_servers_alone(cluster: Cluster, servers: list[PrometheusPod]) -> None:
    """By its role: it says of no drill that it has succeeded, and of no restore point how old it is."""
    assert servers
    answers = tried(cluster, LOST, "backup", map(put, (USAGE, DRILLS, BACKUPS)), service="cloudwatch")
    assert answers == ["may", "AccessDeniedException", "AccessDeniedException"]
    assert set(tried(cluster, LOST, "collector", [put(USAGE)], service="cloudwatch")) == {"nobody"}


def test_what_is_there_is_not_sent_again(
    store: Store, history: History, first: RestorePoint, sent: dict[str, int], second: RestorePoint
) -> None:
    """The next restore point shares the blocks of the one before, as far as Prometheus has not made others of them."""
    (new,) = (block.name for block in history.second)
    assert second.id > first.id
    assert new in {block.ulid for block in second.blocks} - {block.ulid for block in first.blocks}
    assert {file.key for file in second.files} <= store.blocks().keys()
    assert store.blocks().items() >= sent.items()


def test_backup_and_restore_alone_get_credentials(servers: list[PrometheusPod]) -> None:
    """The role of the service account is not for Prometheus, nor for what else is in its pod."""
    nothing, all_of_it = (False, False), (True, True)
    for server in servers:
        found = given(server.pod())
        assert {name for name, its in found.items() if its == all_of_it} == {"backup", "restore"}
        assert {its for name, its in found.items() if name not in {"backup", "restore"}} == {nothing}


def test_the_role_of_the_template_is_what_the_agent_may(
    cluster: Cluster, store: Store, buckets: dict[str, Bucket], first: RestorePoint
) -> None:
    """It adds to its own prefixes and reads there; it deletes nothing, sees nobody else's, and changes no bucket."""
    ours, own = store.bucket.name, point_key(SOURCE, first.id)
    (logs,) = set(buckets) - {ours}
    foreign = f"{points_prefix('another/monitoring/prometheus/prometheus-0')}a.json"
    store.bucket.directory.joinpath(foreign).parent.mkdir(parents=True)
    store.bucket.directory.joinpath(foreign).write_text("{}")
    may = [
        ("get_object", {"Bucket": ours, "Key": own}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": points_prefix(SOURCE)}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": blocks_prefix(SOURCE)}),
    ]
    may_not = [
        ("delete_object", {"Bucket": ours, "Key": own}),
        ("get_object", {"Bucket": ours, "Key": foreign}),
        ("put_object", {"Bucket": ours, "Key": foreign, "Body": "a"}),
        ("put_object", {"Bucket": ours, "Key": "a", "Body": "a"}),
        ("list_objects_v2", {"Bucket": ours}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": "points/another"}),
        ("delete_bucket_policy", {"Bucket": ours}),
        ("list_objects_v2", {"Bucket": logs}),
        ("put_object", {"Bucket": logs, "Key": "a", "Body": "a"}),
    ]

    assert tried(cluster, LOST, "backup", [*may, *may_not]) == ["may"] * len(may) + ["AccessDenied"] * len(may_not)
    assert set(tried(cluster, LOST, "collector", [*may, *may_not])) == {"nobody"}


def volume_goes(cluster: Cluster, name: str) -> None:
    """Wait until nothing of a drill is left."""

    def gone() -> bool:
        claims = {each["metadata"]["name"] for each in cluster.find("pvc", NAMESPACE)}
        assert not [claim for claim in claims if claim.startswith(name)], claims
        return True

    cluster.wait("the volume of the drill is thrown away", gone, SOON)


def succeeded(outside: Outside, since: float) -> dict[str, list[float]]:
    """Of each server, what CloudWatch was told of drills."""
    return {
        pod: [each.value for each in outside.aws.metrics.told(DRILLS, DRILLED, dimensions(SOURCES[pod]), since=since)]
        for pod in (LOST, OTHER)
    }


@pytest.fixture(scope="module")
def tries(cluster: Cluster, second: RestorePoint) -> dict[str, str]:
    """Of each server, the id of the newest restore point, whichever's turn it is."""
    return {LOST: second.id, OTHER: backed_up(cluster, OTHER)}


def test_a_drill_tries_the_newest_restore_point_of_one_server(
    cluster: Cluster, outside: Outside, tries: dict[str, str]
) -> None:
    """A real Prometheus on it has every sample that its manifest says, which CloudWatch is told of this server alone;
    the volume goes with the pod.
    """
    begin = time.time()
    ran = run(cluster, RESTORE_DRILL, "drill-whole")
    volume_goes(cluster, "drill-whole")
    assert ran.codes == {"restore": 0, "prometheus": 0, "compare": 0}, ran.said
    ((pod, point),) = ((pod, point) for pod, point in tries.items() if f"turn of {SOURCES[pod]}" in ran.said["restore"])
    assert point in ran.said["restore"]
    assert point in ran.said["compare"]
    assert succeeded(outside, begin) == {LOST: [], OTHER: []} | {pod: [1]}
    assert re.search(r"\b[1-9]\d* series, [1-9]\d* samples$", ran.said["compare"], re.MULTILINE), ran.said


def test_the_role_of_the_drill_reads_and_does_nothing_else(
    cluster: Cluster, store: Store, buckets: dict[str, Bucket], first: RestorePoint
) -> None:
    """What backup may add, it may not; and it sees nobody else's."""
    ours, own = store.bucket.name, point_key(SOURCE, first.id)
    (logs,) = set(buckets) - {ours}
    may = [
        ("get_object", {"Bucket": ours, "Key": own}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": points_prefix(SOURCE)}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": blocks_prefix(SOURCE)}),
    ]
    may_not = [
        ("put_object", {"Bucket": ours, "Key": own, "Body": "a"}),
        ("delete_object", {"Bucket": ours, "Key": own}),
        ("list_objects_v2", {"Bucket": ours}),
        ("list_objects_v2", {"Bucket": logs}),
    ]
    with staying(cluster, RESTORE_DRILL, "restore") as pod:
        assert tried(cluster, pod, "restore", [*may, *may_not]) == ["may"] * len(may) + ["AccessDenied"] * len(may_not)
        answers = tried(cluster, pod, "restore", map(put, (DRILLS, USAGE, BACKUPS)), service="cloudwatch")
        assert answers == ["may", "AccessDeniedException", "AccessDeniedException"]


def of_newest(first: RestorePoint, second: RestorePoint) -> str:
    """The key of an object with samples that the first one has not."""
    old = {file.key for file in first.files}
    return next(file.key for file in second.files if file.key not in old and "/chunks/" in file.key)


def flip(store: Store, key: str) -> None:
    """Change one bit of an object; once more, and it is what it was."""
    path = store.bucket.directory / key
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def harmed(store: Store, first: RestorePoint, tries: dict[str, str]) -> Iterator[str]:
    """The key of an object of the newest restore point, of which one bit is another one for a while."""
    key = of_newest(first, store.point(tries[LOST]))
    flip(store, key)
    yield key
    flip(store, key)


def test_a_drill_fails_on_a_damaged_object_and_is_not_tried_again(
    cluster: Cluster, outside: Outside, servers: list[PrometheusPod], harmed: str
) -> None:
    """The Job says which one, an alert says that it has failed, and CloudWatch hears of no success; its volume goes."""

    def of_one(job: dict[str, Any]) -> None:
        (container,) = job["spec"]["template"]["spec"]["initContainers"]
        container["args"] = [each for each in container["args"] if each != f"--source={ANOTHER}"]
        assert f"--source={SOURCE}" in container["args"]

    def failed() -> bool:
        conditions = cluster.get("job", "drill-damaged", NAMESPACE)["status"]["conditions"]
        assert ("Failed", "PodFailurePolicy") in {(each["type"], each.get("reason")) for each in conditions}
        return True

    def heard() -> list[dict[str, Any]]:
        return servers[1].query(metric("ALERTS", alertname="JobFailed", alertstate="firing", job_name="drill-damaged"))

    begin = time.time()
    with made(cluster, RESTORE_DRILL, "drill-damaged", of_one):
        ran = ended(cluster, "drill-damaged")
        cluster.wait("the Job has failed", failed, SOON)
        cluster.wait("an alert says so", heard, LOADED)
        pods = pods_of(cluster, "drill-damaged")
    volume_goes(cluster, "drill-damaged")

    assert ran.codes == {"restore": DamagedError.exit_code}, ran.said
    assert harmed in ran.said["restore"]
    assert [pod["metadata"]["name"] for pod in pods] == [ran.pod["metadata"]["name"]]
    assert succeeded(outside, begin) == {LOST: [], OTHER: []}


def request(cluster: Cluster, point: str) -> None:
    """Ask for a restore point, as one would."""
    metadata = {"name": REQUESTS, "namespace": NAMESPACE}
    cluster.apply(documents({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {LOST: point}}))


def lose(cluster: Cluster) -> Lost:
    """Lose the volume, and wait until the pod has another one."""
    claim, lost = f"data-{LOST}", cluster.volume(NAMESPACE, f"data-{LOST}")
    at = time.time()
    cluster.kubectl("-n", NAMESPACE, "delete", "pvc", claim, "--wait=false")  # it goes with the last pod that has it
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", LOST)
    for path in lost.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def another() -> Path:
        found = cluster.volume(NAMESPACE, claim)
        assert found != lost
        return found

    return Lost(at, cluster.wait("the claim is bound to another volume", another, SOON))


def said(cluster: Cluster) -> str:
    """What the init container wrote last."""
    return cluster.kubectl("-n", NAMESPACE, "logs", LOST, "--container=restore")


@pytest.fixture(scope="module")
def emptied(cluster: Cluster, second: RestorePoint) -> Lost:
    """The volume was lost, and nobody has asked for anything."""
    assert second
    lost = lose(cluster)
    cluster.wait_ready(NAMESPACE, f"pod/{LOST}")
    return lost


def test_without_a_request_a_server_starts_empty(
    cluster: Cluster, servers: list[PrometheusPod], history: History, emptied: Lost
) -> None:
    """Restoring needs a decision: a new server starts with what it scrapes, and its init container says why."""
    assert emptied
    assert history.asked(servers[0]) == {}
    assert REQUESTS not in {each["metadata"]["name"] for each in cluster.find("configmaps", NAMESPACE)}
    assert "asks for no restore point" in said(cluster)


@pytest.fixture(scope="module")
def damaged(store: Store, first: RestorePoint, second: RestorePoint) -> str:
    """The key of an object of the newest restore point alone, of which one bit is another one."""
    key = of_newest(first, second)
    flip(store, key)
    return key


@pytest.fixture(scope="module")
def waiting(cluster: Cluster, emptied: Lost, damaged: str) -> Iterator[Lost]:
    """The volume was lost, and the damaged restore point is asked for."""
    assert emptied
    assert damaged
    request(cluster, "newest")
    lost = lose(cluster)

    def failed() -> bool:
        (status,) = (
            each
            for each in cluster.get("pod", LOST, NAMESPACE)["status"]["initContainerStatuses"]
            if each["name"] == "restore"
        )
        ended = status["state"].get("terminated") or status["lastState"]["terminated"]
        assert ended["exitCode"] == 3, status
        return True

    cluster.wait("the init container has failed", failed, SOON)
    yield lost
    cluster.kubectl("-n", NAMESPACE, "delete", "configmap", REQUESTS)


def test_a_damaged_restore_point_is_named_and_nothing_is_touched(cluster: Cluster, damaged: str, waiting: Lost) -> None:
    """The init container names the object; the pod waits, with its volume as empty as it was."""
    cluster.wait("the object is named", lambda: damaged in said(cluster), SOON)  # at each try
    assert list(waiting.volume.glob("tsdb/*")) == []
    assert list(waiting.volume.rglob("chunks")) == []


@pytest.fixture(scope="module")
def restored(cluster: Cluster, first: RestorePoint, waiting: Lost) -> str:
    """What was said when the restore point before was asked for, and the pod has started."""
    assert waiting
    request(cluster, first.id)
    cluster.kubectl("-n", NAMESPACE, "delete", "pod", LOST)  # the kubelet takes a minute to bring it into the pod
    cluster.wait_ready(NAMESPACE, f"pod/{LOST}")
    return said(cluster)


def test_the_history_comes_back(
    servers: list[PrometheusPod], known: History, first: RestorePoint, restored: str
) -> None:
    """Every sample of it, as this server had it before and as the other one has it."""
    assert first.id in restored
    assert known.asked(servers[0]) == known.told
    assert known.asked(servers[1]) == known.told


def test_a_request_that_stands_changes_nothing(
    cluster: Cluster, servers: list[PrometheusPod], known: History, restored: str, waiting: Lost
) -> None:
    """A pod that starts again with its volume keeps what is in it: what came back, and what was scraped since."""
    assert restored
    own = metric("up", job="prometheus", pod=LOST)
    (sample,) = cluster.wait("it scrapes", lambda: servers[0].query(own), SOON)

    cluster.kubectl("-n", NAMESPACE, "delete", "pod", LOST)
    cluster.wait_ready(NAMESPACE, f"pod/{LOST}")

    assert "not empty" in said(cluster)
    assert cluster.volume(NAMESPACE, f"data-{LOST}") == waiting.volume
    assert servers[0].query(own, sample["value"][0]) == [sample]
    assert known.asked(servers[0]) == known.told


def gaps(moments: list[float]) -> float:
    """The longest time between two of them."""
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def test_the_other_server_kept_alerting(
    cluster: Cluster, outside: Outside, servers: list[PrometheusPod], emptied: Lost, restored: str
) -> None:
    """Since the volume was lost first it missed no evaluation and told both Alertmanagers; the heart beat on."""
    assert restored
    server = servers[1]

    def told() -> bool:  # each minute, of what still fires
        window = f"[{time.time() - emptied.at:.0f}s]"
        sent = server.query(f"{metric('prometheus_notifications_sent_total', pod=OTHER)}{window}", time.time())
        return len(sent) == 2 and all(float(each["values"][-1][1]) > float(each["values"][0][1]) for each in sent)

    cluster.wait("both Alertmanagers have heard from it since", told, LOADED)
    now = time.time()
    since = f"[{now - emptied.at:.0f}s]"
    firing = metric("ALERTS", alertname=HEARTBEAT, alertstate="firing")
    (evaluated,) = server.query(f"{firing}{since}", now)
    failed = server.query(f"{metric('prometheus_notifications_errors_total', pod=OTHER)}{since}", now)

    assert gaps([emptied.at, *(at for at, _ in evaluated["values"]), now]) < 3 * PROD.scrape_interval.total_seconds()
    assert len(failed) == 2
    assert all(series["values"][-1][1] == series["values"][0][1] for series in failed)
    assert PROD.heartbeat_interval
    interval = PROD.heartbeat_interval.total_seconds()
    beats = [each.at for each in outside.received(BEATS.host)]
    assert gaps([*(at for at in beats if at > emptied.at - 2 * interval), now]) < 2 * interval
