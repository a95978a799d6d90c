"""The drill, by the command lines of its CronJob: a real Prometheus on what came back answers all that it must, or not.

What was backed up is a history with all that is special: markers of series that ended, blocks of the same time, one
that was compacted while the point was made, and samples that were deleted.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from constructs_lib.agent.blocks import finished, read_meta
from constructs_lib.agent.drill import POINT, compare
from constructs_lib.agent.prometheus import Prometheus, PrometheusError
from constructs_lib.contract import Bucket
from constructs_lib.kube import Backup, RestoreDrill, Volume
from constructs_lib.restore_point import Block, RestorePoint, point_key
from constructs_lib.restore_points import RestorePoints
from constructs_lib.units import Bytes
from tests.cluster.programs import built
from tests.cluster.waiting import wait
from tests.minimal import IMAGE, prometheus
from tests.real.agents import SOON, Agent, command
from tests.real.local_prometheus import END, HOUR, Server, running, write, write_history
from tests.real.loopback import free_port
from tests.real.s3 import BUCKET, REGION, Store, store
from tests.rendered import Objects, containers_of, rendered, template

SOURCE = "blue/monitoring/prometheus/prometheus-0"
LIVE = END + 18 * HOUR
POINTS = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION))
IN_WORDS = ("restore", "prometheus", "compare")
NO_VALUE = 1  # the flag of OTLP of which Prometheus makes the marker of a series that has ended


@pytest.fixture(scope="module")
def objects() -> Objects:
    """What is rendered for the drill of a Prometheus with one server."""
    return rendered(
        lambda chart: (
            RestoreDrill(
                chart,
                "drill",
                backup=Backup(chart, "backup", prometheus=prometheus(chart, replicas=1), image=IMAGE, points=POINTS),
                volume=Volume(Bytes.gib(100)),
            )
            and None
        )
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pod of the drill ended.

    Args:
        codes: Of its containers, by name, as far as they were started.
        said: What the agent wrote.
        answered: Likewise, of a success.
        log: What Prometheus wrote.
        volume: What was thrown away.
    """

    codes: Mapping[str, int]
    said: str
    answered: str
    log: str
    volume: Path


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that the CronJob makes, without a cluster: its command lines, with paths and ports of this machine.

    Args:
        objects: What is rendered.
        store: Of the restore points.
    """

    objects: Objects
    store: Store

    def run(self, directory: Path) -> Ended:
        """Run its containers as a kubelet does: one to its end, then two beside each other, until both have ended."""
        volume, config = directory / "volume", directory / "config"
        volume.mkdir(parents=True)
        config.mkdir()
        for name, text in self.objects.named("ConfigMap", "restore-drill-config")["data"].items():
            (config / name).write_text(text)
        here = {"/etc/prometheus/config": str(config), "/drill": str(volume), "127.0.0.1:9090": _address()}
        lines = {name: self._arguments(name, here) for name in IN_WORDS}
        restore = self._agent(lines["restore"])
        if restore.returncode:
            return Ended({"restore": restore.returncode}, restore.stderr, restore.stdout, "", volume)
        log = directory / "log"
        with log.open("w") as to:
            server = subprocess.Popen([built("prometheus"), *lines["prometheus"]], stdout=to, stderr=to, cwd=directory)
        try:
            found = self._agent(lines["compare"])
            codes = {"restore": 0, "compare": found.returncode, "prometheus": server.wait(timeout=60)}
        finally:
            server.kill()
            server.wait()
        return Ended(codes, found.stderr, found.stdout, log.read_text(), volume)

    def _arguments(self, container: str, here: Mapping[str, str]) -> list[str]:
        found = containers_of(template(self.objects.only("CronJob")))[container]
        return [_there(argument, here) for argument in found["args"]]

    def _agent(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        environment = self.store.environment
        return subprocess.run(
            command(*arguments), check=False, capture_output=True, text=True, env=environment, timeout=300
        )


def _there(argument: str, here: Mapping[str, str]) -> str:
    for in_pod, outside in here.items():
        argument = argument.replace(in_pod, outside)
    return argument


def _address() -> str:
    return f"127.0.0.1:{free_port()}"


History = Callable[[Path], Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """A restore point of a history.

    Args:
        store: Where it is.
        volume: What it was made of, which Prometheus writes no more.
        point: Its manifest.
    """

    store: Store
    volume: Path
    point: RestorePoint


Saving = Callable[[History], Saved]


def save(store: Store, volume: Path) -> Saved:
    """Make a restore point of a volume as it is."""
    agent = Agent(store.environment, SOURCE)
    with agent.running(volume) as backup:
        key = point_key(SOURCE, backup.now())
    return Saved(store, volume, RestorePoint.from_json(store.path(key).read_bytes()))


def mark(server: Server, at: int) -> None:
    """Tell that a series has ended."""
    point = {"timeUnixNano": str(at * 10**9), "flags": NO_VALUE, "attributes": []}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "ended", "gauge": {"dataPoints": [point]}}]}]}]}
    server._post("otlp/v1/metrics", json.dumps(body).encode())


def special(volume: Path) -> None:
    """A history of 30 days and 18 hours, and what makes a count of samples differ from what is in a block."""
    write_history(volume, series=20, step=300)
    with running(volume) as server:
        blocks = server.blocks()
        for hour in range(6):
            server.push(range(LIVE + hour * HOUR, LIVE + (hour + 1) * HOUR, 60))
            for at in range(LIVE + hour * HOUR, LIVE + (hour + 1) * HOUR, 600):
                mark(server, at)
        wait("the head has become a block", lambda: server.blocks() > blocks, SOON)
        server.delete('history_total{series="7"}')
        wait("blocks tell what was deleted", lambda: any(_deleted(volume, each) for each in blocks), SOON)
    # Blocks of the same time as three others, with samples of the same series at other times.
    write(volume, until=END + 6 * HOUR, days=0.25, block=6 * HOUR, series=30, step=420)
    # The one after was compacted when the point was made, and what it consists of was not deleted yet.
    begin = 1000 * (END + 8 * HOUR)
    parent = next(ulid for ulid in finished(volume) if read_meta(volume / "tsdb" / ulid).min_time == begin)
    other = "0" if parent[-1] != "0" else "1"
    child = shutil.copytree(volume / "tsdb" / parent, volume / "tsdb" / f"{parent[:-1]}{other}")
    body = json.loads((child / "meta.json").read_text())
    described = {"ulid": parent, "minTime": body["minTime"], "maxTime": body["maxTime"]}
    body["compaction"] |= {"level": 2, "parents": [described]}
    (child / "meta.json").write_text(json.dumps({**body, "ulid": child.name}))


def _deleted(volume: Path, ulid: str) -> int:
    body = json.loads((volume / "tsdb" / ulid / "meta.json").read_text())
    return int(body["stats"].get("numTombstones", 0))


def plain(volume: Path) -> None:
    """Some hours of a few series."""
    write(volume, until=END, days=0.5, block=2 * HOUR, series=8, step=60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saving]:
    """Makes the restore point of a history, once each."""
    made: dict[History, Saved] = {}
    top = tmp_path_factory.mktemp("drill")
    with store(top / "objects") as objects:

        def make(history: History) -> Saved:
            if history not in made:
                volume = top / history.__name__
                (volume / "tsdb").mkdir(parents=True)
                history(volume)
                made[history] = save(objects, volume)
            return made[history]

        yield make


def test_a_whole_point_comes_back_and_all_of_it_is_answered(objects: Objects, saved: Saving, tmp_path: Path) -> None:
    """The newest one; Prometheus leaves its blocks as they are, and all containers end by themselves."""
    of = saved(special)
    metas = {ulid: read_meta(of.volume / "tsdb" / ulid) for ulid in finished(of.volume)}
    assert {block.ulid: block.samples for block in of.point.blocks} == {
        ulid: meta.samples for ulid, meta in metas.items()
    }
    ended = Pod(objects, of.store).run(tmp_path / "pod")
    assert ended.codes == {"restore": 0, "compare": 0, "prometheus": 0}, ended.said
    assert ended.answered == (
        f"{of.point.id}  {len(of.point.blocks)} blocks  {of.point.size} bytes  {of.point.samples} samples, and "
        "Prometheus answers them\n"
    )
    there = set(finished(ended.volume))
    assert len(of.point.blocks) - 1 == len(there)
    assert there < {block.ulid for block in of.point.blocks}  # but for the one that another one replaces
    assert "level=ERROR" not in ended.log


def test_the_history_has_what_a_query_does_not_count(saved: Saving, tmp_path: Path) -> None:
    """Else a drill that asked by PromQL would pass as well: ends of series, deletions, and blocks of the same time."""
    of = saved(special)
    last = max(of.point.blocks, key=lambda block: block.max_time)
    assert any(_deleted(of.volume, block.ulid) for block in of.point.blocks)
    assert any(_same_time(one, other) for one in of.point.blocks for other in of.point.blocks if one is not other)
    with running(shutil.copytree(of.volume, tmp_path / "volume")) as server:
        seconds = (last.max_time - last.min_time) // 1000
        (counted,) = server.ask(
            "query", query=f'sum(count_over_time({{__name__=~".+"}}[{seconds}s]))', time=last.max_time / 1000 - 0.001
        )["result"]
    assert 0 < int(counted["value"][1]) < last.samples


def _same_time(one: Block, other: Block) -> bool:
    return one.min_time < other.max_time and other.min_time < one.max_time


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Half of it."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


HARMS: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (flip, "is not what was sent, by its sum"),
    "truncated": (truncate, "has .* bytes: use another one"),
    "missing": (Path.unlink, "is missing: use another one"),
}


@pytest.mark.parametrize("part", ["index", "meta.json", "chunks/000001"])
@pytest.mark.parametrize("harm", HARMS)
def test_an_object_that_was_harmed_is_named(
    objects: Objects, saved: Saving, tmp_path: Path, harm: str, part: str
) -> None:
    """The pod fails before Prometheus is started, and says which object it is."""
    of = saved(plain)
    key = next(file.key for file in of.point.blocks[2].files if file.path == part)
    path = of.store.path(key)
    kept = shutil.copy2(path, tmp_path / "kept")
    change, told = HARMS[harm]
    try:
        change(path)
        ended = Pod(objects, of.store).run(tmp_path / "pod")
    finally:
        shutil.copy2(kept, path)
    assert ended.codes == {"restore": 3}
    (sentence,) = (line for line in ended.said.splitlines() if " ERROR " in line)
    assert key in sentence
    assert re.search(told, sentence), sentence
    assert finished(ended.volume) == []


def one_sample_less(volume: Path) -> None:
    """Blocks as a program with an error would write them: one says that it has a sample more than it has."""
    plain(volume)
    ulid = finished(volume)[3]
    path = volume / "tsdb" / ulid / "meta.json"
    body = json.loads(path.read_text())
    body["stats"]["numSamples"] += 1
    path.write_text(json.dumps(body))


def test_a_block_that_holds_less_than_it_says_is_named(objects: Objects, saved: Saving, tmp_path: Path) -> None:
    """Every byte is as it was sent, and Prometheus starts: the count alone tells; all containers end."""
    of = saved(one_sample_less)
    block = of.point.blocks[3]
    ended = Pod(objects, of.store).run(tmp_path / "pod")
    assert ended.codes == {"restore": 0, "compare": 3, "prometheus": 0}
    assert ended.answered == ""
    assert ended.said.splitlines()[-1].endswith(
        f"ERROR the restore point {of.point.id} of {SOURCE} came back, but not all of it: Prometheus answers 960 "
        f"samples of 8 series for the block {block.ulid}, but the manifest says 961 of 8: the server's own "
        "blocks are the same, so that another server has to help"
    )


def torn_chunk(volume: Path) -> None:
    """Blocks as a bad disk gives them to the backup: bytes of a chunk are others than Prometheus has written."""
    plain(volume)
    flip(volume / "tsdb" / finished(volume)[1] / "chunks" / "000001")


def test_a_chunk_that_was_damaged_before_it_was_sent_is_found(objects: Objects, saved: Saving, tmp_path: Path) -> None:
    """Its sum in the bucket is right: reading all of it finds what Prometheus' own sums do not match."""
    of = saved(torn_chunk)
    ended = Pod(objects, of.store).run(tmp_path / "pod")
    assert ended.codes == {"restore": 0, "compare": 1, "prometheus": 0}
    assert "did not answer to the end, but says: b'" in ended.said
    assert "checksum" in ended.said


def torn_index(volume: Path) -> None:
    """Likewise, of an index."""
    plain(volume)
    truncate(volume / "tsdb" / finished(volume)[1] / "index")


def test_a_prometheus_that_does_not_start_fails_the_drill(saved: Saving, tmp_path: Path) -> None:
    """Of an index that is torn it says so in its log, and ends: whoever waits for it does not wait for ever."""
    of = saved(torn_index)
    restored = Agent(of.store.environment, SOURCE).restore(tmp_path)
    assert restored.returncode == 0, restored.stderr
    (tmp_path / POINT).write_bytes(of.point.to_json())
    address = _address()
    arguments = [f"--storage.tsdb.path={tmp_path / 'tsdb'}", f"--web.listen-address={address}"]
    (tmp_path / "empty.yml").write_text("")
    server = subprocess.run(
        [built("prometheus"), f"--config.file={tmp_path / 'empty.yml'}", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert server.returncode != 0
    assert of.point.blocks[1].ulid in server.stderr
    with pytest.raises(PrometheusError, match=r"^Prometheus has not started within 0:00:02, and its log says why"):
        compare(tmp_path, Prometheus(address, starting=timedelta(seconds=2)))
