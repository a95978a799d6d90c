"""A database is saved and comes back, by the very script and commands of the pod; PostgreSQL here is Debian's 15.

The versions of the server that the pod is rendered for are those of its image, which is not run here.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from constructs_lib.agent.store import SECOND
from constructs_lib.kube.postgres_backup import CREDENTIALS, FILE, SCRIPT
from constructs_lib.restore_point import dump_key, moment, points_prefix
from tests.cluster.debian import OWNER
from tests.cluster.fixture import needed
from tests.cluster.outside.sql import SERVER
from tests.cluster.programs import POSTGRES, require
from tests.cluster.waiting import wait
from tests.real.agents import SOON, command
from tests.real.databases import CA, CLIENTS, PASSWORD, SPEC, Ran, Rendered, Saver, Server, render, server
from tests.real.s3 import Harm, Request, store

FILL = """
CREATE TYPE mood AS ENUM ('calm', 'späť');
CREATE TABLE folder (id serial PRIMARY KEY, title text NOT NULL UNIQUE, parent int REFERENCES folder, feels mood);
CREATE TABLE dashboard (
  id bigint GENERATED ALWAYS AS IDENTITY, folder int REFERENCES folder, data jsonb, body text, image bytea,
  at timestamptz DEFAULT '2026-11-28T02:00:00Z', size int GENERATED ALWAYS AS (length(body)) STORED
);
CREATE INDEX by_title ON folder (lower(title) text_pattern_ops) WHERE parent IS NULL;
CREATE VIEW roots AS SELECT title FROM folder WHERE parent IS NULL;
CREATE FUNCTION twice(number int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * number; END $$;
CREATE SCHEMA "of Teams";
CREATE TABLE "of Teams"."größe; DROP" (wert numeric CHECK (wert > 0), "NULL" float8);
INSERT INTO folder (title, parent, feels)
  VALUES ('root', NULL, 'calm'), (E'\\u4f60\\U0001f600 \\\\N "\\'\\t\\n', 1, 'späť');
INSERT INTO dashboard (folder, data, body, image)
  SELECT 1 + number % 2, jsonb_build_object('n', number, 'ü', '€'), repeat(md5(number::text), 50),
    decode(repeat(md5(number::text), 20), 'hex') FROM generate_series(1, 3000) number;
INSERT INTO dashboard (body, image) VALUES (repeat('ž€\U0001f600', 500000), decode('00ff0a5c27', 'hex')), ('', '');
INSERT INTO "of Teams"."größe; DROP" VALUES (0.1, 'NaN'), (123456789012345678901234567890.5, 'Infinity'), (NULL, NULL);
SELECT setval('folder_id_seq', 4711);
DELETE FROM dashboard WHERE id % 7 = 0;
UPDATE dashboard SET folder = NULL WHERE id % 5 = 0;
"""
ONE = "CREATE TABLE other AS SELECT 'stays' AS word;"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server."""
    with needed():
        require([SERVER, "postgresql-client-15"])
    with server(tmp_path_factory.mktemp("sql")) as running:
        yield running


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    """The pod."""
    return render()


@pytest.fixture
def saver(postgres: Server, rendered: Rendered, tmp_path: Path) -> Iterator[Saver]:
    """An empty database, and an empty bucket."""
    postgres.sql.lose()
    with store(tmp_path / "s3") as bucket:
        yield Saver(rendered, postgres, bucket, tmp_path)


def damage(path: Path, at: int) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_all_of_a_database_comes_back(postgres: Server, saver: Saver) -> None:
    """As it was, the user's own, and of use; the next pod saves it again."""
    postgres.run(FILL)
    before = postgres.content()
    first = saver.save()
    postgres.sql.lose()
    saver.request("newest")
    ran = saver.run()

    assert ran.succeeded, ran
    assert f"restored {SPEC.database}, with tables: 3\n" in ran.said["postgres"]
    assert postgres.content() == before
    assert postgres.run("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname !~ '^(pg_|info)'") == SPEC.user
    assert postgres.run("INSERT INTO folder (title) VALUES ('new') RETURNING id") == "4712"
    assert saver.points() == [first, ran.said["send"].split()[0]]


def test_an_earlier_state_comes_back(postgres: Server, saver: Saver) -> None:
    """By its id."""
    postgres.run(FILL)
    before, first = postgres.content(), saver.save()
    postgres.run("DROP TABLE dashboard; " + ONE)
    second = saver.save()
    postgres.sql.lose()
    saver.request(f"{first}\n")

    assert saver.run().succeeded
    assert postgres.content() == before
    assert saver.points()[:2] == [first, second]


def test_nothing_is_restored_that_nobody_asks_for(postgres: Server, saver: Saver) -> None:
    """A database that was lost stays so, and does not become the newest restore point: the Job fails, and says so."""
    postgres.run(FILL)
    point = saver.save()
    postgres.sql.lose()
    saver.store.proxy.requests.clear()
    ran = saver.run()

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert "asks for no restore point of the database: nothing is restored" in ran.said["fetch"]
    assert f"{SPEC.database} has no table, so there is nothing to save" in ran.said["postgres"]
    assert saver.store.proxy.requests == []
    assert (postgres.objects(), saver.points()) == ("0", [point])
    assert list(ran.scratch.iterdir()) == []


def test_a_database_with_a_table_stays_as_it_is(postgres: Server, saver: Saver) -> None:
    """What was asked for is not restored over it, and what is there does not become the newest point."""
    postgres.run(FILL)
    point = saver.save()
    postgres.sql.lose()
    postgres.run('CREATE SCHEMA "of Teams"; CREATE TABLE "of Teams".other AS SELECT 1 AS number')
    before = postgres.content()
    saver.request(point)
    ran = saver.run()

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert f"{SPEC.database} has tables, so that nothing is restored, nor saved" in ran.said["postgres"]
    assert postgres.content() == before
    assert saver.points() == [point]


@pytest.mark.parametrize("part", [0.001, 0.5, 1], ids=["first", "middle", "last"])
def test_a_flipped_bit_is_named_and_nothing_remains(postgres: Server, saver: Saver, part: float) -> None:
    """Wherever it is; `verify` says so, too, when it reads."""
    postgres.run(FILL)
    point = saver.save()
    key = dump_key(saver.rendered.source, point)
    path = saver.store.path(key)
    assert saver.agent.run("verify", "--read").returncode == 0
    damage(path, int(part * (path.stat().st_size - 1)))
    postgres.sql.lose()
    saver.request("newest")
    ran = saver.run()

    assert ran.codes == {"fetch": 3}
    assert f"{key} is not what was sent, by its sum: use another restore point" in ran.said["fetch"]
    assert (list(ran.scratch.iterdir()), postgres.objects()) == ([], "0")
    verified = saver.agent.run("verify", "--read")
    assert (verified.returncode, verified.stderr.count("\n")) == (3, 1)
    assert key in verified.stderr


def test_a_truncated_dump_is_named_and_nothing_remains(postgres: Server, saver: Saver) -> None:
    """The one before is restored when it is asked for."""
    postgres.run(FILL)
    before, first = postgres.content(), saver.save()
    key = dump_key(saver.rendered.source, saver.save())
    path = saver.store.path(key)
    os.truncate(path, path.stat().st_size - 1)
    postgres.sql.lose()
    saver.request("newest")
    ran = saver.run()

    assert (ran.codes, list(ran.scratch.iterdir()), postgres.objects()) == ({"fetch": 3}, [], "0")
    assert key in ran.said["fetch"]
    saver.request(first)
    assert saver.run().succeeded
    assert postgres.content() == before


def test_commands_tell_people(postgres: Server, saver: Saver) -> None:
    """What there is and how large, whether every byte is as it was, and the dump itself, which pg_restore reads."""
    postgres.run(FILL)
    points = [saver.save() for _ in range(2)]
    sizes = [saver.store.path(dump_key(saver.rendered.source, point)).stat().st_size for point in points]
    lines = [f"{point}  database  {size} bytes" for point, size in zip(points, sizes, strict=True)]

    assert saver.agent.run("list").stdout.splitlines() == lines
    assert saver.agent.run("verify", "--read").stdout == f"{lines[1]}  every byte is as it was sent\n"
    target = saver.directory / "fetched"
    assert saver.agent.run("fetch-dump", f"--file={target}", f"--point={points[0]}").stdout == f"{lines[0]}\n"
    with target.open("rb") as dump:
        listed = subprocess.run(["pg_restore", "--list"], stdin=dump, capture_output=True, text=True, check=True)
    assert "TABLE DATA public dashboard grafana" in listed.stdout


def send(saver: Saver, path: Path) -> dict[str, int]:
    """Send a dump; its id, and its size."""
    sent = saver.agent.run("send-dump", f"--file={path}")
    assert sent.returncode == 0, sent
    return {sent.stdout.split()[0]: path.stat().st_size}


def test_two_in_the_same_second_have_two_ids(postgres: Server, saver: Saver) -> None:
    """And both are whole."""
    postgres.run(FILL)
    saver.save()
    (path,) = saver.directory.glob("scratch-1/database.dump")
    sizes: dict[str, int] = {}
    with ThreadPoolExecutor(3) as pool:
        for number in range(3):
            copy = path.with_name(str(number))
            copy.write_bytes(path.read_bytes() + bytes(number))
        for sent in pool.map(lambda number: send(saver, path.with_name(str(number))), range(3)):
            sizes.update(sent)
    for _ in range(2):
        sizes.update(send(saver, path))  # the same once more

    assert len(sizes) == 5
    assert [*sizes][-1] > [*sizes][-2] > max([*sizes][:3])
    listed = [line.split() for line in saver.agent.run("list").stdout.splitlines()]
    assert {point: int(size) for point, _, size, _ in listed[1:]} == sizes
    for point in sizes:
        assert saver.agent.run("verify", "--read", f"--point={point}").returncode == 0


def test_a_killed_send_leaves_no_restore_point(postgres: Server, saver: Saver) -> None:
    """Half of it has arrived; nor does what somebody keeps there stop the next one."""
    postgres.run(FILL)
    point = saver.save()
    (path,) = saver.directory.glob("scratch-1/database.dump")
    for name in ("note", "20991231T000000Z", "20991231T000000Z.dump.part", "99991231T235959Z.json", "newest.dump"):
        saver.store.path(points_prefix(saver.rendered.source) + name).write_text("of somebody")
    other = saver.store.path(dump_key(saver.rendered.source.replace("/database", "/database-2"), "20991231T000000Z"))
    other.parent.mkdir()
    other.write_text("of another one")
    put: list[Request] = []

    def act(request: Request) -> Harm | None:
        put.extend([request] if request.method == "PUT" else [])
        return Harm.UNANSWERED if put else None

    saver.store.proxy.harm = act
    whole = [*command("send-dump", f"--file={path}"), *saver.agent.place]
    with subprocess.Popen(whole, env=saver.store.environment) as sending:
        wait("it sends", lambda: bool(put), SOON)
        sending.kill()
    saver.store.proxy.harm = lambda _: None

    assert put[0].size == path.stat().st_size
    assert saver.points() == [point]
    assert saver.agent.run("verify", "--read").stdout.split()[0] == point
    assert moment(saver.save()) - moment(point) >= SECOND


def truncated(postgres: Server, dump: bytes) -> bytes:
    """Most of it is there, above all what says what there is."""
    return dump[: len(dump) * 9 // 10]


def without_role(postgres: Server, dump: bytes) -> bytes:
    """A role that a policy names is gone."""
    postgres.run("DROP ROLE reader", OWNER, OWNER)
    return dump


ROLE = "CREATE ROLE reader; CREATE POLICY read ON folder TO reader"
FAILURES = [
    pytest.param("", truncated, "end of file", id="truncated"),
    pytest.param(ROLE, without_role, 'role "reader" does not exist', id="role"),
]


def failing(postgres: Server, saver: Saver, more: str, change: Callable[[Server, bytes], bytes]) -> Ran:
    """A restore that fails midway, into an empty database."""
    postgres.run(FILL)
    postgres.run(more, OWNER)
    ran = saver.run()
    assert ran.succeeded, ran
    dump = ran.scratch.joinpath("database.dump").read_bytes()
    postgres.sql.lose()
    return saver.run_script(change(postgres, dump))


def test_what_an_administrator_has_added_is_left_to_administrators(postgres: Server, saver: Saver) -> None:
    """An extension that the user may not make, as RDS' own for statistics: what is the user's comes back without it."""
    postgres.run(FILL)
    before = postgres.content()
    postgres.run("CREATE EXTENSION pageinspect; COMMENT ON EXTENSION pageinspect IS 'Pages'", OWNER)
    saver.save()
    postgres.sql.lose()
    saver.request("newest")

    assert saver.run().succeeded
    assert postgres.content() == before


@pytest.mark.parametrize(("more", "change", "said"), FAILURES)
def test_a_restore_that_fails_leaves_the_database_empty(
    postgres: Server, saver: Saver, more: str, change: Callable[[Server, bytes], bytes], said: str
) -> None:
    """It says why, and nothing is dumped."""
    ran = failing(postgres, saver, more, change)

    assert ran.codes == {"postgres": 1}
    assert said in ran.said["postgres"]
    assert (
        ran.said["postgres"].splitlines()[-1].startswith(f"postgres-backup: nothing is restored into {SPEC.database}")
    )
    assert postgres.objects() == "0"
    assert not ran.scratch.joinpath("database.dump").exists()


@pytest.mark.parametrize(("more", "change", "said"), FAILURES[:2])
def test_without_one_transaction_half_of_it_would_stay(
    postgres: Server, saver: Saver, more: str, change: Callable[[Server, bytes], bytes], said: str
) -> None:
    """As the same restores show without it: they do fail midway."""
    script = saver.rendered.script.replace(" --single-transaction", "")
    assert script != saver.rendered.script
    saver.write(f"{SCRIPT}/{FILE}", script)
    ran = failing(postgres, saver, more, change)

    assert (ran.codes, said in ran.said["postgres"]) == ({"postgres": 1}, True)
    assert int(postgres.objects()) > 5


def wrong_password(saver: Saver) -> None:
    saver.write(PASSWORD.path_below(CREDENTIALS), "wr#ng")


def no_password(saver: Saver) -> None:
    saver.path(PASSWORD.path_below(CREDENTIALS)).unlink()


def wrong_authority(saver: Saver) -> None:
    _, other = saver.server.authorities
    saver.write(CA.path_below(CREDENTIALS), other)


def wrong_name(saver: Saver) -> None:
    saver.changes["PGHOST"] = "other.example.com"


def wrong_database(saver: Saver) -> None:
    saver.changes["PGDATABASE"] = "others"


def away(saver: Saver) -> None:
    saver.changes["PGPORT"] = "5434"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wrong_password, "password authentication failed"),
        (no_password, "there is no password in .*: add this key to the Secret"),
        (wrong_authority, "certificate verify failed"),
        (wrong_name, "does not match host name"),
        (wrong_database, "no pg_hba.conf entry"),
        (away, "Connection refused"),
    ],
)
def test_who_is_not_let_in_says_why(postgres: Server, saver: Saver, change: Callable[[Saver], None], said: str) -> None:
    """Once, without the password, and nothing is sent."""
    postgres.run(FILL)
    change(saver)
    ran = saver.run()

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert len(re.findall(said, ran.said["postgres"])) == 1
    *client, line = ran.said["postgres"].splitlines()
    assert line.startswith("postgres-backup: ")
    assert all(each.startswith(("psql: error: ", "\t")) for each in client)
    assert not any(password in ran.said["postgres"] for password in (SPEC.password, "wr#ng"))
    assert saver.store.keys() == set()


def test_the_password_is_no_argument(postgres: Server, saver: Saver) -> None:
    """Of no program that the script runs, each of which is seen here by its command line."""
    log = saver.directory / "commands"
    for name in CLIENTS:
        saver.wrap(name, f"tr '\\0' ' ' </proc/$$/cmdline >>{log}; echo >>{log}; exec {POSTGRES / name} \"$@\"")
    postgres.run(FILL)
    point = saver.save()
    postgres.sql.lose()
    saver.request(point)
    assert saver.run().succeeded

    commands = log.read_text()
    assert {Path(line.split()[1]).name for line in commands.splitlines()} == set(CLIENTS)
    assert SPEC.password not in commands


@pytest.mark.parametrize("number", ["140019", "160009", "170005"])
def test_a_server_of_another_version_is_refused(postgres: Server, saver: Saver, number: str) -> None:
    """Nothing is restored, dumped or sent. Only the number is another one here, that of Debian's server is 15."""
    postgres.run(FILL)
    point = saver.save()
    postgres.sql.lose()
    saver.request(point)
    real = POSTGRES / "psql"
    saver.wrap("psql", f'case "$*" in *server_version_num*) echo {number};; *) exec {real} "$@";; esac')
    ran = saver.run()

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert f"the server is PostgreSQL {number[:2]}, but the clients are of 15" in ran.said["postgres"]
    assert (postgres.objects(), saver.points()) == ("0", [point])
    assert [path.name for path in ran.scratch.iterdir()] == ["restore.dump"]


def test_a_dump_that_does_not_fit_is_not_sent(postgres: Server, saver: Saver) -> None:
    """Though much of it was written."""
    postgres.run(FILL)
    saver.limits = ("--fsize=50000",)
    ran = saver.run()

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert f"{SPEC.database} is not dumped" in ran.said["postgres"]
    assert saver.store.keys() == set()


def test_a_locked_table_is_not_waited_for(postgres: Server, saver: Saver) -> None:
    """For longer than is said: what holds it may never end."""
    postgres.run(FILL)
    saver.changes["LOCK_WITHIN"] = "1s"
    statements = "BEGIN; LOCK TABLE folder; SELECT pg_sleep(60);"
    with ThreadPoolExecutor(1) as pool:
        locking = pool.submit(postgres.run, statements)
        held = "SELECT pid FROM pg_locks WHERE relation = 'folder'::regclass AND mode = 'AccessExclusiveLock'"
        pid = wait("it is locked", lambda: postgres.run(held), SOON)
        ran = saver.run()
        postgres.run(f"SELECT pg_terminate_backend({pid})")
        assert locking.exception() is not None

    assert ran.codes == {"fetch": 0, "postgres": 1}
    assert re.search("timeout\n.*LOCK TABLE public.folder", ran.said["postgres"])
    assert saver.store.keys() == set()
    assert saver.save()
