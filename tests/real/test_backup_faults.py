"""Whatever goes wrong: what is there to restore is whole, nobody says so when it is not, and the next run completes.

Each fault meets a replica of its own, which has one restore point, and since then a new block, and three compacted into
one. What is random comes of a seed that is printed: the variable SEED repeats a run.
"""

import os
import random
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Timer

import boto3
import botocore.auth
import pytest

from constructs_lib.agent.backup import Backup
from constructs_lib.agent.blocks import BACKUP, LINKS, TSDB, finished
from constructs_lib.agent.restore import restore, verify
from constructs_lib.agent.store import NEWEST, StoreError
from constructs_lib.agent.store import Store as Points
from constructs_lib.agent.trigger import Trigger
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import RestorePoint, object_key, point_key
from tests.cluster.programs import installed
from tests.cluster.waiting import wait
from tests.real.agents import OLDEST, SOON, Agent, command
from tests.real.local_prometheus import END, HOUR, write
from tests.real.loopback import free_port
from tests.real.s3 import BUCKET, REGION, Harm, Request, Store, environment, store

ROUNDS = 10  # of all faults, besides the one in CI
SEED = int(os.environ.get("SEED", "9"))
# With a store that does not answer: for the agent a minute, which is long for a test.
PATIENCE = timedelta(seconds=2)
PREPARES = 3  # requests of a restore, before it fetches files
FAILED = (ConstructError, StoreError, OSError)


@dataclass(frozen=True, slots=True)
class Blocks:
    """What replicas have, by directories.

    Args:
        old: Before the first restore point, three of which become the compacted one.
        new: What comes then.
        compacted: What comes out of three.
    """

    old: list[Path]
    new: Path
    compacted: Path

    def find(self, ulid: str) -> Path:
        """One of them."""
        (found,) = (block for block in (*self.old, self.new, self.compacted) if block.name == ulid)
        return found


@dataclass(slots=True)
class Replica:
    """One that a fault happens to.

    Args:
        store: That all of them share.
        source: Its own part of that.
        directory: For volumes.
        blocks: What it may have.
        random: What is random of it.
        typical: How many requests a run takes, by method, and how many a restore takes.
    """

    store: Store
    source: str
    directory: Path
    blocks: Blocks
    random: random.Random
    typical: dict[str, Counter[str]]
    damaged: set[str] = field(default_factory=set)  # restore points that are to be refused

    @property
    def volume(self) -> Path:
        return self.directory / "volume"

    def points(self, patience: timedelta = SOON) -> Points:
        """What it has in the bucket."""
        return Points.connect(bucket=BUCKET, region=REGION, source=self.source, patience=patience)

    def backup(self, patience: timedelta = SOON) -> Backup:
        """As an agent has it that has just started."""
        return Backup(self.points(patience), self.volume, oldest=OLDEST)

    def run(self) -> str | None:
        """Make a restore point; its id, or nothing where that fails."""
        with suppress(*FAILED):
            point = self.backup(PATIENCE).run()
            assert point is not None
            return point.id
        return None

    def put(self, block: Path) -> None:
        """As Prometheus does it: whole, by a rename."""
        fresh = self.volume / TSDB / f"{block.name}.tmp-for-creation"
        shutil.copytree(block, fresh, copy_function=os.link if self.linked else shutil.copy)
        fresh.rename(self.volume / TSDB / block.name)

    @property
    def linked(self) -> bool:
        """Whether blocks can be linked to its volume."""
        return self.volume.stat().st_dev == self.directory.stat().st_dev

    def compact(self) -> None:
        """As Prometheus does it: what comes out is there before the others go, each by a rename first."""
        self.put(self.blocks.compacted)
        for block in self.blocks.old[:3]:
            gone = (self.volume / TSDB / block.name).rename(self.volume / TSDB / f"{block.name}.tmp-for-deletion")
            shutil.rmtree(gone)

    def start(self) -> None:
        """Have old blocks, and one restore point."""
        (self.volume / TSDB).mkdir(parents=True, exist_ok=True)
        for block in self.blocks.old:
            self.put(block)
        assert self.backup().run()

    def go_on(self) -> None:
        """Have what comes then."""
        self.put(self.blocks.new)
        self.compact()

    def at(self, what: str, methods: str, act: Callable[[Request], Harm | None], *, earliest: int = 1) -> "Happening":
        """Let something happen at a random one of the requests of a run, or of a restore, that have these methods."""
        count = sum(self.typical[what][method] for method in methods.split())
        happening = Happening(self.random.randint(earliest, count), methods.split(), act)
        self.store.proxy.harm = happening
        return happening

    def restored(self, point: str, name: str = "restored") -> Path:
        """A new volume with all of a restore point, which is compared with what the blocks were."""
        volume = self.directory / name
        volume.mkdir()
        whole(restore(self.points(), point, volume), volume, self.blocks)
        return volume


@dataclass(slots=True)
class Happening:
    """What happens to one request.

    Args:
        number: Of those that count, from 1.
        methods: Of those that count.
        act: Makes it happen.
    """

    number: int
    methods: list[str]
    act: Callable[[Request], Harm | None]
    met: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Harm | None:
        with self.lock:
            self.met += request.method in self.methods
            now = request.method in self.methods and self.met == self.number
        return self.act(request) if now else None

    @property
    def happened(self) -> bool:
        return self.met >= self.number


def whole(point: RestorePoint, volume: Path, blocks: Blocks) -> None:
    """Compare what was restored with what was backed up."""
    assert finished(volume) == [block.ulid for block in point.blocks]
    for block in point.blocks:
        original, found = blocks.find(block.ulid), volume / TSDB / block.ulid
        files = {path.relative_to(original) for path in original.rglob("*") if path.is_file()}
        assert {path.relative_to(found) for path in found.rglob("*") if path.is_file()} == files
        assert all((found / path).read_bytes() == (original / path).read_bytes() for path in files)


def untouched(volume: Path) -> None:
    """A restore that failed has left nothing."""
    assert list(volume.iterdir()) == []


def flip(path: Path) -> None:
    """One bit, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    with path.open("r+b") as file:  # in place, with the attributes that the store has put on it
        file.write(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


# What happens: given a replica, it gives the ids of restore points that somebody said to have made.
Fault = Callable[[Replica], list[str | None]]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Something that can happen."""

    def note(happens: Fault) -> Fault:
        FAULTS[name] = happens
        return happens

    return note


def harmed(harm: Harm, methods: str) -> Fault:
    """One request of a run."""

    def happens(replica: Replica) -> list[str | None]:
        replica.go_on()
        happening = replica.at("backup", methods, lambda _: harm)
        said = replica.run()
        assert happening.happened
        return [said]

    return happens


def harmed_restore(harm: Harm) -> Fault:
    """One request of a restore."""

    def happens(replica: Replica) -> list[str | None]:
        volume = replica.directory / "empty"
        volume.mkdir()
        happening = replica.at("restore", "GET", lambda _: harm)
        try:
            point = restore(replica.points(PATIENCE), NEWEST, volume)
        except FAILED:
            untouched(volume)
        else:
            whole(point, volume, replica.blocks)
        assert happening.happened
        return []

    return happens


def damaged(harm: Callable[[Path], object], what: str) -> Fault:
    """What lies in the bucket, of the newest restore point alone."""

    def happens(replica: Replica) -> list[str | None]:
        points = replica.points()
        first = points.read(NEWEST)
        replica.go_on()
        point = replica.backup().run()
        assert point is not None
        new = sorted({file.key for file in point.files} - {file.key for file in first.files})
        key = replica.random.choice(new) if what == "object" else point_key(replica.source, point.id)
        harm(replica.store.path(key))
        agent = Agent(replica.store.environment, replica.source)
        volume = replica.directory / "empty"

        for result in (agent.run("verify", "--read"), agent.restore(volume)):
            assert result.returncode == 3
            assert key in result.stdout + result.stderr
        untouched(volume)
        replica.restored(first.id, "before")
        replica.damaged.add(point.id)
        return []

    return happens


def flipped(replica: Replica) -> list[str | None]:
    """No size tells of it, and S3 itself would: until it does, every restore point of the block is refused."""
    damaged(flip, "object")(replica)
    replica.damaged |= {replica.run() or ""}
    with pytest.raises(ConstructError):
        restore(replica.points(), NEWEST, replica.directory / "empty")
    return []


FAULTS |= {
    "failed": harmed(Harm.FAILED, "GET HEAD PUT"),
    "slow down": harmed(Harm.SLOW_DOWN, "GET HEAD PUT"),
    "unanswered": harmed(Harm.UNANSWERED, "GET HEAD PUT"),
    "upload cut": harmed(Harm.CUT, "PUT"),
    "upload flipped": harmed(Harm.FLIPPED, "PUT"),
    "answer lost": harmed(Harm.LOST, "PUT"),
    "answer cut": harmed(Harm.ANSWER_CUT, "GET"),
    "answer flipped": harmed(Harm.ANSWER_FLIPPED, "GET"),
    "restore failed": harmed_restore(Harm.FAILED),
    "restore unanswered": harmed_restore(Harm.UNANSWERED),
    "restore cut": harmed_restore(Harm.ANSWER_CUT),
    "restore flipped": harmed_restore(Harm.ANSWER_FLIPPED),
    "object cut": damaged(cut, "object"),
    "object missing": damaged(Path.unlink, "object"),
    "object flipped": flipped,
    "restore point cut": damaged(cut, "manifest"),
    "restore point flipped": damaged(flip, "manifest"),
}


@fault("foreign object")
def foreign_object(replica: Replica) -> list[str | None]:
    """Something else is already where a file of a new block belongs, of its size or of another one."""
    replica.go_on()
    block = replica.blocks.new
    path = replica.random.choice(["index", "chunks/000001"])
    content = bytes((block / path).stat().st_size - replica.random.randint(0, 1))
    key = object_key(replica.source, block.name, path, "")
    boto3.client("s3", region_name=REGION).put_object(
        Bucket=BUCKET, Key=key, Body=content, Metadata={"sha256": "0" * 64}
    )
    said = replica.run()
    assert said is not None
    return [said]


@fault("store gone")
def store_gone(replica: Replica) -> list[str | None]:
    """From a moment on, all of it, until the run has given up."""
    replica.go_on()
    gone = threading.Event()

    def harm(request: Request) -> Harm | None:
        happening(request)
        return Harm.FAILED if gone.is_set() else None

    happening = replica.at("backup", "GET HEAD PUT", lambda _: gone.set())
    replica.store.proxy.harm = harm
    said = replica.run()
    assert said is None
    return []


@fault("store gone while restoring")
def store_gone_while_restoring(replica: Replica) -> list[str | None]:
    """By the command, which says so in one line."""
    gone, volume = threading.Event(), replica.directory / "empty"

    def harm(request: Request) -> Harm | None:
        happening(request)
        return Harm.FAILED if gone.is_set() else None

    happening = replica.at("restore", "GET", lambda _: gone.set())
    replica.store.proxy.harm = harm
    result = Agent(replica.store.environment, replica.source).restore(volume)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    untouched(volume)
    return []


@contextmanager
def agent(replica: Replica) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of its own, which makes a restore point when it is asked for one."""
    program = Agent(replica.store.environment, replica.source).start(replica.volume, free_port())
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def asked(program: "subprocess.Popen[bytes]", replica: Replica) -> str | None:
    """The restore point that it says to have made; nothing if it is killed before that."""
    said: list[str] = []

    def ended() -> bool:
        if program.poll() is None:
            said.append(Trigger(replica.volume).ask(SOON))
        return True

    wait("the agent has said something, or ended", ended, SOON)
    return said[0] if said else None


@fault("killed before a request")
def killed_before_a_request(replica: Replica) -> list[str | None]:
    replica.go_on()
    with agent(replica) as program:
        happening = replica.at("backup", "GET HEAD PUT", lambda _: program.kill())
        said = asked(program, replica)
    assert happening.happened
    return [said]


@fault("killed after a request")
def killed_after_a_request(replica: Replica) -> list[str | None]:
    """The store has done it, and the agent never knows."""
    replica.go_on()
    with agent(replica) as program:
        happening = replica.at("backup", "PUT", lambda _: None)
        replica.store.proxy.after = lambda _: program.kill() if happening.happened else None
        said = asked(program, replica)
    assert happening.happened
    return [said]


@fault("killed in the middle of an upload")
def killed_in_the_middle(replica: Replica) -> list[str | None]:
    replica.go_on()

    def kill(_: Request) -> Harm:
        program.kill()
        return Harm.CUT

    with agent(replica) as program:
        happening = replica.at("backup", "PUT", kill)
        said = asked(program, replica)
    assert happening.happened
    return [said]


@fault("killed at a moment")
def killed_at_a_moment(replica: Replica) -> list[str | None]:
    replica.go_on()
    with agent(replica) as program:
        timer = Timer(replica.random.uniform(0.3, 2), program.kill)
        timer.start()
        said = asked(program, replica)
        timer.cancel()
    return [said]


@fault("killed while restoring")
def killed_while_restoring(replica: Replica) -> list[str | None]:
    """Nothing is where Prometheus looks, and the next one completes on the same volume."""
    volume = replica.directory / "killed"
    volume.mkdir()
    own = Agent(replica.store.environment, replica.source)
    whole_command = command("restore", f"--data={volume}", *own.place, f"--point={NEWEST}")
    with subprocess.Popen(whole_command, env=own.environment, stderr=subprocess.DEVNULL) as program:
        happening = replica.at("restore", "GET", lambda _: program.kill(), earliest=PREPARES + 1)
        program.wait(timeout=SOON.total_seconds())
    assert happening.happened
    assert not (volume / TSDB).exists()
    replica.store.proxy.harm = lambda _: None
    whole(restore(replica.points(), NEWEST, volume), volume, replica.blocks)
    return []


@fault("two at once")
def two_at_once(replica: Replica) -> list[str | None]:
    """Of one volume, at the same moment; both succeed, and may have made the very same."""
    replica.go_on()
    barrier = Barrier(2)

    def run() -> str:
        backup = replica.backup()
        barrier.wait()
        point = backup.run()
        assert point is not None
        return point.id

    with ThreadPoolExecutor(2) as both:
        return [each.result() for each in [both.submit(run), both.submit(run)]]


@fault("one of two killed")
def one_of_two_killed(replica: Replica) -> list[str | None]:
    """Both of one volume."""
    replica.go_on()
    with agent(replica) as program, ThreadPoolExecutor(1) as beside:
        replica.at("backup", "GET HEAD PUT", lambda _: program.kill())
        other = beside.submit(replica.run)
        said = asked(program, replica)
        return [said, other.result()]


def has_all(replica: Replica, said: str | None) -> None:
    """The run succeeded, and no sample is missing."""
    assert said is not None
    held = {block.ulid for block in replica.points().read(said).blocks}
    three, others = ({block.name for block in part} for part in (replica.blocks.old[:3], replica.blocks.old[3:]))
    assert held >= others | {replica.blocks.new.name}
    assert held >= three or replica.blocks.compacted.name in held


@fault("compacted at a request")
def compacted_at_a_request(replica: Replica) -> list[str | None]:
    """The restore point has the three, or what came out of them, or that and some of those; it is the first one."""
    replica.put(replica.blocks.new)
    replica.source += "-anew"
    happening = replica.at("backup", "GET PUT", lambda _: replica.compact())
    said = replica.run()
    assert happening.happened
    has_all(replica, said)
    return [said]


@fault("compacted at a moment")
def compacted_at_a_moment(replica: Replica) -> list[str | None]:
    replica.put(replica.blocks.new)
    replica.source += "-anew"
    timer = Timer(replica.random.uniform(0, 0.2), replica.compact)
    timer.start()
    said = replica.run()
    timer.join()
    has_all(replica, said)
    return [said]


@contextmanager
def small(directory: Path, options: str) -> Iterator[Path]:
    """A volume of its own that is soon full."""
    directory.mkdir(exist_ok=True)
    subprocess.run([installed("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run([installed("umount"), str(directory)], check=True)


def fill(volume: Path, free: int) -> None:
    """Leave so many bytes."""
    filler = volume / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    os.truncate(filler, filler.stat().st_size - free)


@fault("disk full of files")
def disk_full_of_files(replica: Replica) -> list[str | None]:
    """Somewhere among the links, there is no room for one more."""
    replica.go_on()
    kept = replica.volume.rename(replica.directory / "kept")
    with small(replica.volume, "nr_inodes=200"):
        shutil.copytree(kept, replica.volume, dirs_exist_ok=True)
        free = os.statvfs(replica.volume).f_ffree - replica.random.randint(1, 10)
        fillers = [replica.volume / f"filler-{number}" for number in range(free)]
        for filler in fillers:
            filler.touch()
        said = replica.run()
        assert said is None
        for filler in fillers:
            filler.unlink()
        said = replica.run()
        assert said is not None
    replica.volume.rmdir()
    kept.rename(replica.volume)
    return [said]


@fault("disk too small to restore")
def disk_too_small(replica: Replica) -> list[str | None]:
    """Which is said before anything is fetched."""
    size = replica.points().read(NEWEST).size
    with small(replica.directory / "small", f"size={size // 2}") as volume:
        with pytest.raises(ConstructError, match="free: use a larger volume"):
            restore(replica.points(), NEWEST, volume)
        untouched(volume)
    return []


@fault("disk full while restoring")
def disk_full_while_restoring(replica: Replica) -> list[str | None]:
    """Somebody else fills it meanwhile."""
    size = replica.points().read(NEWEST).size
    with small(replica.directory / "small", f"size={size + 2**20}") as volume:
        happening = replica.at("restore", "GET", lambda _: fill(volume, replica.random.randrange(2**17)))
        try:
            restore(replica.points(), NEWEST, volume)
        except FAILED:
            (volume / "filler").unlink()
            untouched(volume)
        else:  # all was there already
            whole(replica.points().read(NEWEST), volume, replica.blocks)
        assert happening.happened
    return []


@fault("store's clock jumps")
def clock_of_the_store(replica: Replica) -> list[str | None]:
    """In the middle of a run, by days; later restore points still have later ids."""
    replica.go_on()
    first = replica.points().points()
    jump = timedelta(hours=replica.random.uniform(-24 * 400, 24 * 400))

    def jumps(_: Request) -> None:
        replica.store.proxy.skew = jump

    happening = replica.at("backup", "GET HEAD PUT", jumps)
    said = replica.run()
    replica.store.proxy.skew = timedelta(0)
    assert happening.happened
    assert said is not None
    assert [*first, said] == replica.points().points()
    return [said]


@fault("agent's clock jumps")
def clock_of_the_agent(replica: Replica) -> list[str | None]:
    """Too far for the store, which refuses what is signed at another time than now, or not."""
    replica.go_on()
    jump = timedelta(minutes=replica.random.choice((-600, -60, -10, 10, 60, 600)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda **_: datetime.now(UTC).replace(tzinfo=None) + jump)
        said = replica.run()
    assert (said is None) == (abs(jump) > timedelta(minutes=15))
    return [said]


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Blocks:
    """Real ones, of small size."""
    volumes = [tmp_path_factory.mktemp(name) for name in ("old", "new", "compacted")]
    old, new, compacted = volumes
    write(old, until=END, days=2.25, block=54 * HOUR, series=20, step=60)
    write(old, until=END + 8 * HOUR, days=8 / 24, block=2 * HOUR, series=20, step=60)
    write(new, until=END + 10 * HOUR, days=2 / 24, block=2 * HOUR, series=20, step=60)
    write(compacted, until=END + 6 * HOUR, days=6 / 24, block=6 * HOUR, series=20, step=60)
    found = [[volume / TSDB / ulid for ulid in finished(volume)] for volume in volumes]
    return Blocks(old=[*found[0][1:4], found[0][0], found[0][4]], new=found[1][0], compacted=found[2][0])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for all replicas, which this process finds, too."""
    with store(tmp_path_factory.mktemp("objects")) as objects, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(objects.proxy.url).items():
            patch.setenv(name, value)
        yield objects


@pytest.fixture(scope="module")
def typical(shared: Store, blocks: Blocks, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """How many requests a run and a restore take when all goes well."""
    directory = tmp_path_factory.mktemp("typical")
    replica = Replica(shared, "c/n/prometheus/typical", directory, blocks, random.Random(SEED), {})  # noqa: S311
    counts = {}
    replica.start()
    for what, act in (("restore", lambda: replica.restored(NEWEST)), ("backup", replica.run)):
        if what == "backup":
            replica.go_on()
        before = len(shared.proxy.requests)
        assert act()
        counts[what] = Counter(request.method for request in shared.proxy.requests[before:])
    return counts


@pytest.fixture
def replica(
    request: pytest.FixtureRequest,
    shared: Store,
    blocks: Blocks,
    typical: dict[str, Counter[str]],
    tmp_path: Path,
) -> Iterator[Replica]:
    """One with a restore point, whatever happens next."""
    name = request.node.name
    source = f"c/n/prometheus/{''.join(letter if letter.isalnum() else '-' for letter in name)}"
    replica = Replica(shared, source, tmp_path, blocks, random.Random(f"{SEED} {name}"), typical)  # noqa: S311
    replica.start()
    yield replica
    shared.proxy.harm = shared.proxy.after = lambda _: None
    shared.proxy.skew = timedelta(0)
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def met(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The faults that nothing was lost by; counted in the end."""
    met: list[str] = []
    yield met
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{len(met)} faults by the seed {SEED}, and every restore point whole")  # noqa: T201 - for benchmarks/


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize(
    "round", [0, *(pytest.param(number, marks=pytest.mark.soak) for number in range(1, ROUNDS + 1))]
)
def test_fault(replica: Replica, met: list[str], name: str, round: int) -> None:
    """Every restore point that is visible is whole, each that somebody says to have made is, and the next is made."""
    said = FAULTS[name](replica)

    proxy = replica.store.proxy
    proxy.harm = proxy.after = lambda _: None
    points = replica.points()
    visible = points.points()
    assert {each for each in said if each} <= set(visible)
    for point in set(visible) - replica.damaged:
        verify(points, points.read(point), read=True)
    if name != "object flipped":
        made = replica.backup().run()
        assert made is not None
        assert [block.ulid for block in made.blocks] == finished(replica.volume)
        assert points.points()[-1] == made.id
        replica.restored(made.id)
    assert list((replica.volume / BACKUP / LINKS).iterdir()) == []
    met.append(name)


def test_faults_are_thirty_in_each_round() -> None:
    """And 300 in those that take longer."""
    assert len(FAULTS) >= 30
    assert len(FAULTS) * ROUNDS >= 300


def test_what_would_expire_too_early_is_sent_again(replica: Replica) -> None:
    """An object must outlive the last restore point that needs it; those that are young enough stay as they are."""
    young, old = replica.points().read(NEWEST).blocks[:2]
    for block, age in ((young, OLDEST - timedelta(hours=1)), (old, OLDEST + timedelta(minutes=1))):
        for file in block.files:
            put = (datetime.now(UTC) - age).timestamp()
            os.utime(replica.store.path(file.key), (put, put))
    before = replica.store.proxy.puts.copy()

    point = replica.backup().run()

    assert point is not None
    sent = set(replica.store.proxy.puts - before)
    assert sent == {file.key for file in old.files} | {point_key(replica.source, point.id)}
    replica.restored(point.id)
