"""A backup that silently stopped is heard of: from the schedule to whoever listens by HTTPS.

A schedule starts the agents, the function of the template looks at what they have put into the bucket, by its own
role, and what it tells is judged as the alarms of the template say. Then an agent hangs, and nothing new comes.

An hour is as long as from one look to the next. In it, what is in the bucket gets an hour older.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.environments import PROD
from constructs_lib.aws.backup_watch import FILES, PACKAGE
from constructs_lib.cloudwatch import AGE, BACKUPS, PUT_OFF, SIZE, WHOLE, dimensions
from constructs_lib.contract import PROMETHEUS
from constructs_lib.restore_point import points_prefix
from constructs_lib.restore_points import Origin
from constructs_lib.watch.contract import TIME
from tests.alarms import Change, Seen, State, judge, seen
from tests.cluster.cluster import Cluster
from tests.cluster.outside.aws import Bucket
from tests.cluster.outside.moto import ACCOUNT
from tests.cluster.outside.record import Received
from tests.cluster.outside.world import Outside
from tests.real.history import History
from tests.real.outside import ALARMS

# After the schedule has started one of them, and before anything in the bucket is damaged.
pytestmark = pytest.mark.stage(6.6)
STOPPED, OTHER = "prometheus-0", "prometheus-1"
ORIGIN = Origin(cluster=PROD.cluster, namespace=PROD.namespace, component=PROMETHEUS)
SOURCES = {pod: ORIGIN.source(pod) for pod in (STOPPED, OTHER)}
HOUR, SOON = timedelta(hours=1), timedelta(minutes=1)
BEGIN = datetime(2026, 11, 28, 2, tzinfo=UTC)
METRICS = (AGE, SIZE, WHOLE, PUT_OFF)
STATISTICS = {"Maximum": max, "Minimum": min, "Sum": sum}


@dataclass(slots=True)
class Watch:
    """The function, and who judges what it tells.

    Args:
        code: Where that of the function is.
        begun: When each hour began, in seconds since 1970; one in which nobody looked is over when it begins.
        states: Of the alarms on both servers, by name.
        put: When each restore point was really put, likewise.
    """

    outside: Outside
    bucket: Bucket
    code: Path
    begun: list[float] = field(default_factory=list)
    states: dict[str, State] = field(default_factory=dict)
    put: dict[Path, float] = field(default_factory=dict)

    @property
    def alarms(self) -> dict[str, Mapping[str, Any]]:
        """Those on restore points of both servers, by name."""
        ours = [dimensions(source) for source in SOURCES.values()]
        found = {name: (alarm, seen(alarm)) for name, alarm in self.outside.aws.alarms.items()}
        return {
            name: alarm
            for name, (alarm, metric) in found.items()
            if metric.namespace == BACKUPS and metric.dimensions in ours
        }

    def points(self, pod: str) -> list[str]:
        """The restore points of a server, oldest first."""
        return self.bucket.keys(points_prefix(SOURCES[pod]))

    def pass_by(self, hours: int) -> None:
        """Hours pass in which nobody looks."""
        self.begun += [time.time()] * hours
        self._age(hours)

    def look(self) -> str:
        """An hour passes in which the function looks, and the alarms are judged at its end: what it logged."""
        self.begun.append(time.time())
        time.sleep(1)  # moto has whole seconds
        (function,) = self.outside.aws.functions
        event = {TIME: f"{self.now - HOUR:%Y-%m-%dT%H:%M:%SZ}"}
        said = self.outside.aws.call(function, event, self.code)
        self._judge()
        self._age(1)
        return said

    @property
    def now(self) -> datetime:
        """The end of the last hour."""
        return BEGIN + len(self.begun) * HOUR

    def state(self, pod: str, alarm: str) -> State:
        """Of an alarm on a server, as it was judged last."""
        (found,) = (
            state
            for name, state in self.states.items()
            if alarm in name and seen(self.alarms[name]).dimensions["Replica"] == pod
        )
        return found

    def told(self, metric: Seen, begin: datetime, end: datetime) -> float | None:
        """What was told in some hours."""
        first, last = (self._moment(each) for each in (begin, end))
        told = self.outside.aws.metrics.told(metric.namespace, metric.metric, metric.dimensions)
        values = [each.value for each in told if first <= each.at < last]
        return STATISTICS[metric.statistic](values) if values else None

    def _moment(self, at: datetime) -> float:
        """When an hour began, in seconds since 1970."""
        number = max((at - BEGIN) // HOUR, 0)
        return self.begun[number] if number < len(self.begun) else time.time()

    def _judge(self) -> None:
        aws = self.outside.aws
        for name, alarm in self.alarms.items():
            was = self.states.get(name, State.UNKNOWN)
            now = self.states[name] = judge(alarm, self.told, self.now, was)
            if now != was:
                change = Change(
                    name=name, alarm=alarm, was=was, now=now, at=self.now, region=PROD.region, account=ACCOUNT
                )
                for topic in change.actions:
                    aws.topics.publish(topic, subject=change.subject, message=change.message)

    def _age(self, hours: int) -> None:
        for pod in SOURCES:
            for key in self.points(pod):
                path = self.bucket.directory / key
                put = path.stat().st_mtime
                self.put.setdefault(path, put)
                put_at(path, put - hours * HOUR.total_seconds())


def put_at(path: Path, moment: float) -> None:
    """Let an object be put at a moment, in seconds since 1970."""
    os.utime(path, (moment, moment))


@pytest.fixture(scope="module")
def watch(
    outside: Outside, buckets: dict[str, Bucket], history: History, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watch]:
    """Of dist/prod, with a receiver of what it tells; what is in the bucket is as old as before afterwards."""
    assert history.first
    assert PROD.restore_points
    code = tmp_path_factory.mktemp("code")
    for file in FILES:
        path = code / PACKAGE.name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / file, path)
    made = Watch(outside, buckets[PROD.restore_points.bucket.name], code)
    (topic,) = {action for alarm in made.alarms.values() for action in alarm["AlarmActions"]}
    outside.aws.topics.subscribe(topic, f"https://{ALARMS.host}{ALARMS.path}")
    yield made
    for path, moment in made.put.items():
        put_at(path, moment)


def fire(cluster: Cluster, watch: Watch, *pods: str) -> None:
    """It is time for a backup of both servers, and there is one of some of them."""
    aws, before = watch.outside.aws, {pod: watch.points(pod) for pod in SOURCES}
    for pod in SOURCES:
        aws.fire(ORIGIN.queue(pod))
    for pod in pods:
        arrived(cluster, watch, pod, before[pod])


def arrived(cluster: Cluster, watch: Watch, pod: str, before: list[str]) -> None:
    """Wait for one more restore point, and until the message that asked for it is gone."""
    queue = ORIGIN.queue(pod)
    cluster.wait(f"{pod} has another restore point", lambda: watch.points(pod)[len(before) :], SOON)
    cluster.wait("the message is gone", lambda: watch.outside.aws.queues.waiting(queue) == (0, 0), SOON)


def heard(watch: Watch) -> dict[str, list[str]]:
    """What the receiver was told of each alarm on a restore point, by name: its states, in order."""
    found: dict[str, list[str]] = {}
    for each in watch.outside.received(ALARMS.host):
        message = json.loads(each.body["Message"])
        found.setdefault(message["AlarmName"], []).append(message["NewStateValue"])
    return found


def newest(watch: Watch) -> Received:
    """What the receiver heard last."""
    return watch.outside.received(ALARMS.host)[-1]


@pytest.fixture(scope="module")
def looked(cluster: Cluster, watch: Watch) -> str:
    """What the function logged when it had looked, after the schedule had started both."""
    fire(cluster, watch, *SOURCES)
    return watch.look()


def test_the_function_finds_what_the_schedule_started(watch: Watch, looked: str) -> None:
    """Of both servers: young, whole, with nothing put off, by the role that the template gives it."""
    for source in SOURCES.values():
        assert f"{source}: " in looked
        told = {name: watch.outside.aws.metrics.told(BACKUPS, name, dimensions(source)) for name in METRICS}
        ((age,), (size,), (whole,), (put_off,)) = told.values()
        assert 0 <= age.value < SOON.total_seconds()
        assert size.value > 0
        assert (whole.value, put_off.value) == (1, 0)


def test_no_alarm_sounds(watch: Watch, looked: str) -> None:
    """Each is judged for the first time, and says that it is well."""
    assert looked
    assert set(watch.states.values()) == {State.OK}
    assert len(watch.states) == 6
    assert heard(watch) == {name: ["OK"] for name in watch.states}


@pytest.fixture(scope="module")
def stopped(cluster: Cluster, watch: Watch, looked: str) -> list[tuple[State, State]]:
    """The states of the alarms on the age of both, in each of three hours, when one has missed the next backup."""
    assert looked
    with cluster.stopped(PROD.namespace, STOPPED, "backup"):
        watch.pass_by(24)
        before = watch.points(STOPPED)
        fire(cluster, watch, OTHER)
        states = []
        for _ in range(3):
            watch.look()
            states.append((watch.state(STOPPED, "RestorePointTooOld"), watch.state(OTHER, "RestorePointTooOld")))
        assert watch.points(STOPPED) == before
    arrived(cluster, watch, STOPPED, before)
    return states


def test_an_agent_that_hangs_is_heard_of(watch: Watch, stopped: list[tuple[State, State]]) -> None:
    """By HTTPS, when its newest restore point was too old twice; not before, and nothing else sounds."""
    assert stopped == [(State.OK, State.OK), (State.OK, State.OK), (State.ALARM, State.OK)]
    told = newest(watch)
    message = json.loads(told.body["Message"])

    assert told.body["Type"] == "Notification"
    assert "RestorePointTooOld" in message["AlarmName"]
    assert SOURCES[STOPPED] in message["AlarmDescription"]
    assert f"{PROD.runbooks_url}/RestorePointTooOld.md" in message["AlarmDescription"]
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert heard(watch) == {name: ["OK", "ALARM"] if name == message["AlarmName"] else ["OK"] for name in watch.states}


def test_it_is_said_that_it_is_over(watch: Watch, stopped: list[tuple[State, State]]) -> None:
    """The agent goes on, takes what waited in its queue, and the next look finds what it has made."""
    assert stopped
    watch.look()
    assert set(watch.states.values()) == {State.OK}
    message = json.loads(newest(watch).body["Message"])
    assert SOURCES[STOPPED] in message["AlarmDescription"]
    assert (message["OldStateValue"], message["NewStateValue"]) == ("ALARM", "OK")
    assert sorted(heard(watch).values()) == [["OK"]] * 5 + [["OK", "ALARM", "OK"]]
