"""A Prometheus' history is backed up while it goes on, and comes back: a second Prometheus answers the same."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.agent.blocks import finished
from constructs_lib.restore_point import BLOCKS, Block, RestorePoint, blocks_prefix, point_key
from tests.cluster.waiting import wait
from tests.real.agents import SOON, Agent, Running
from tests.real.local_prometheus import END, FIRST, HOUR, LONGEST, Server, questions, running, write_history
from tests.real.s3 import Proxy, Request, Store, store

MEMORY = 256 * 2**20
LIVE = END + 18 * HOUR  # the samples that are told begin here
# Two series that are told are little; with that history, the blocks have 2 GB.
SMALL, LARGE = (20, 300), (6_000, 60)
QUESTIONS, SEED = 100, 9


@dataclass(slots=True)
class Story:
    """What happened, one after the other, and what is left in the end.

    Args:
        store: Where everything is.
        agent: Whose restore points they are.
        backup: Makes them, and goes on.
        server: Is backed up, and goes on.
    Attributes:
        points: Ids, by what came before them.
        sent: Bytes that the store took for each of them, by key.
        asked: Questions and the server's answers, before some of them.
        deleted: Blocks that were compacted away while they were read.
    """

    store: Store
    agent: Agent
    backup: Running
    server: Server
    points: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Counter[str]] = field(default_factory=dict)
    asked: dict[str, list[tuple[dict[str, str | float], Any]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    @property
    def proxy(self) -> Proxy:
        return self.store.proxy

    def manifest(self, name: str) -> RestorePoint:
        """What a restore point says, as it lies in the bucket."""
        key = point_key(self.agent.source, self.points[name])
        return RestorePoint.from_json(self.store.path(key).read_bytes())

    def make(self, name: str, make: Callable[[], str]) -> None:
        """Note a restore point, and what is sent for it."""
        before = self.proxy.sent.copy()
        self.points[name] = make()
        self.sent[name] = self.proxy.sent - before

    def ask(self, name: str, end: int) -> None:
        """Note what the server answers, of all its history until then."""
        asked = questions(QUESTIONS, FIRST, end, seed=SEED)
        self.asked[name] = [(question, self.server.ask("query_range", **question)) for question in asked]

    def grow(self, hours: range) -> None:
        """Tell the server of some hours more, until a block comes out of that."""
        blocks = self.server.blocks()
        for hour in hours:
            self.server.push(range(LIVE + hour * HOUR, LIVE + (hour + 1) * HOUR, 60))
        wait("the head has become a block", lambda: self.server.blocks() > blocks, SOON)


def sizes(blocks: Iterable[Block]) -> dict[str, int]:
    """Of all files, by key."""
    return {file.key: file.size for block in blocks for file in block.files}


@pytest.fixture(
    scope="module",
    params=[pytest.param(SMALL, id="small"), pytest.param(LARGE, id="2GB", marks=pytest.mark.soak)],
)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Backup, more samples, backup, compaction while the third one reads, and then what that has made, and less."""
    top = tmp_path_factory.mktemp("story")
    volume, (series, step) = top / "prometheus", request.param
    write_history(volume, series=series, step=step)
    with ExitStack() as stack:
        objects = stack.enter_context(store(top / "objects"))
        agent = Agent(objects.environment, "prod/monitoring/prometheus/prometheus-0")
        with running(volume) as server:
            server.push(range(LIVE, LIVE + HOUR, 60))
            backup = stack.enter_context(agent.running(volume))
            told = Story(objects, agent, backup, server)
            told.ask("first", LIVE - HOUR)
            backup.idle()  # it has made one by itself, as there was none
            told.make("first", lambda: only(objects.keys("points/")))
            told.sent["first"] = objects.proxy.sent.copy()
            told.grow(range(1, 4))
            told.make("incremental", backup.now)
            told.make("unchanged", backup.now)
            told.grow(range(4, 6))
            told.ask("while compacted", LIVE + 3 * HOUR)
        reached, opened = threading.Event(), threading.Event()

        def hold(request: Request) -> None:
            if request.method == "PUT" and request.key.startswith(BLOCKS):
                reached.set()
                opened.wait(timeout=SOON.total_seconds())

        objects.proxy.harm = hold
        with ThreadPoolExecutor(1) as beside:
            made = beside.submit(told.make, "while compacted", backup.now)
            assert reached.wait(timeout=SOON.total_seconds())
            before = finished(volume)
            told.server = stack.enter_context(running(volume, longest=LONGEST))
            wait("nine blocks become one", lambda: len(told.server.blocks()) == len(before) - 8, SOON)
            opened.set()
            made.result()
        told.deleted = set(before) - told.server.blocks()
        told.make("compacted", backup.now)
        told.server.delete('history_total{series="3"}')
        told.make("deleted", backup.now)
        told.ask("deleted", LIVE + 3 * HOUR)
        yield told


def only(keys: set[str]) -> str:
    """The id of the one restore point."""
    (key,) = keys
    return Path(key).stem


@pytest.mark.parametrize("name", ["first", "while compacted", "deleted"])
def test_a_second_prometheus_answers_the_same(story: Story, tmp_path: Path, name: str) -> None:
    """Queries over random ranges, of what was restored into an empty directory by one command."""
    restored = story.agent.restore(tmp_path, story.points[name])

    assert restored.returncode == 0, restored
    assert set(finished(tmp_path)) == {block.ulid for block in story.manifest(name).blocks}
    with running(tmp_path) as second:
        answers = [(question, second.ask("query_range", **question)) for question, _ in story.asked[name]]
    assert answers == story.asked[name]
    assert len(answers) == QUESTIONS
    assert sum(bool(answer["result"]) for _, answer in answers) > QUESTIONS / 2


def test_no_file_of_a_block_is_sent_twice(story: Story) -> None:
    """Each has come to the store once, in all runs together, and no byte more than it has."""
    everything: dict[str, int] = {}
    for name in story.points:
        everything |= sizes(story.manifest(name).blocks)

    sent = {key: size for key, size in story.proxy.sent.items() if key.startswith(blocks_prefix(story.agent.source))}

    assert sent == everything
    assert {story.proxy.puts[key] for key in sent} == {1}


@pytest.mark.parametrize("name", ["incremental", "unchanged", "while compacted", "compacted", "deleted"])
def test_a_run_sends_what_no_earlier_one_has(story: Story, name: str) -> None:
    """And the restore point itself."""
    names = list(story.points)
    known: dict[str, int] = {}
    for earlier in names[: names.index(name)]:
        known |= sizes(story.manifest(earlier).blocks)
    new = {key: size for key, size in sizes(story.manifest(name).blocks).items() if key not in known}

    manifest = point_key(story.agent.source, story.points[name])
    assert {key: size for key, size in story.sent[name].items() if key != manifest} == new
    assert story.sent[name][manifest] > 0
    assert (new == {}) == (name == "unchanged")


def test_what_is_deleted_changes_two_files_of_a_block(story: Story) -> None:
    """Its index and its chunks stay where they are."""
    source, manifest = story.agent.source, point_key(story.agent.source, story.points["deleted"])
    changed = {Path(key).name.partition("-")[0] for key in story.sent["deleted"] if key != manifest}

    assert changed == {"meta", "tombstones"}
    assert all(key.startswith(blocks_prefix(source)) for key in story.sent["deleted"] if key != manifest)


def test_blocks_that_vanish_while_they_are_read_are_in_the_restore_point(story: Story) -> None:
    """It is that of the moment at which the run began, and the next one is of what has come out of them."""
    held, after = ({block.ulid for block in story.manifest(name).blocks} for name in ("while compacted", "compacted"))

    assert len(story.deleted) == 9
    assert story.deleted <= held
    assert after == story.server.blocks()


def test_the_agent_tells_how_much_it_has_sent(story: Story) -> None:
    """The same as the store has counted, of blocks, and that the last attempt succeeded."""
    counted = sum(size for key, size in story.proxy.sent.items() if key.startswith(blocks_prefix(story.agent.source)))

    assert story.backup.metric("backup_sent_bytes_total") == counted
    assert story.backup.metric("backup_last_attempt_succeeded") == 1
    assert story.backup.metric('backup_runs_total{result="success"}') == len(story.points)


def test_the_agent_needs_little_memory(story: Story) -> None:
    """However much it sends."""
    assert story.backup.peak() <= MEMORY


def test_restore_points_are_listed_and_verified(story: Story) -> None:
    """By their ids, the oldest first; the newest one, if not told otherwise, or another to the last byte."""
    listed = story.agent.run("list")

    assert listed.returncode == 0, listed
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(story.points.values())
    for which, name in (((), "deleted"), ((f"--point={story.points['first']}", "--read"), "first")):
        verified = story.agent.run("verify", *which)
        assert verified.returncode == 0, verified
        assert story.points[name] in verified.stdout
