"""Grafana's database is saved, and lost: it comes back from the bucket as it was, whole or not at all."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from apps.environments import PROD
from constructs_lib.contract import GRAFANA_BACKUP, PROMETHEUS
from constructs_lib.restore_point import DATABASE, blocks_prefix, dump_key, points_prefix
from tests.cluster.cluster import Cluster
from tests.cluster.outside.aws import Bucket
from tests.cluster.outside.sql import Sql
from tests.cluster.outside.world import Outside
from tests.cluster.programs import POSTGRES as PROGRAMS
from tests.real.jobs import NAMESPACE, Run, run, staying
from tests.real.outside import GRAFANA_PASSWORD, SQL
from tests.real.roles import given, tried
from tests.real.teams import documents
from tests.real.test_grafana import NAMES, GrafanaPod

# When nothing of other tests asks Grafana any more.
pytestmark = [pytest.mark.stage(7.2), pytest.mark.usefixtures("servers")]
SOURCE = f"{PROD.cluster}/{NAMESPACE}/{GRAFANA_BACKUP}/{DATABASE}"
GRAFANA, REQUESTS = "grafana", f"{GRAFANA_BACKUP}-restore"
SOON = timedelta(minutes=2)
FETCH, POSTGRES, SEND = "fetch", "postgres", "send"  # the containers, in the order in which they run
ALL = {FETCH: 0, POSTGRES: 0, SEND: 0}
# What people have made, and a replica that was there once, which Grafana itself tells of as long as it knows.
FORMER = "grafana-9"
FILL = """
CREATE TABLE dashboard (id serial PRIMARY KEY, title text NOT NULL UNIQUE, data bytea NOT NULL, made timestamptz);
CREATE INDEX ON dashboard (made);
INSERT INTO dashboard (title, data, made)
  SELECT 'Übersicht ' || n, sha512(n::text::bytea), timestamptz '2026-01-01' + n * interval '1 minute'
  FROM generate_series(1, 2000) n;
INSERT INTO stand_in_instances SELECT 'grafana-9', secret, 0 FROM stand_in_instances LIMIT 1;
"""
CHANGE = "UPDATE dashboard SET title = 'Anders' WHERE id = 1000; DELETE FROM dashboard WHERE id = 1"
TABLES = "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
# All that nobody changes meanwhile: rows, what the next one will be called, and what may not be there twice.
TELL = """
SELECT 'rows', md5(string_agg(d::text, E'\\n' ORDER BY id)) FROM dashboard d
UNION ALL SELECT 'next', last_value::text FROM dashboard_id_seq
UNION ALL SELECT 'indexes', string_agg(indexdef, ';' ORDER BY indexdef) FROM pg_indexes WHERE tablename = 'dashboard'
UNION ALL SELECT 'administrator', a::text FROM stand_in_admin a
UNION ALL SELECT 'former', i::text FROM stand_in_instances i WHERE name = 'grafana-9'
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Store:
    """What is in the bucket of the database."""

    bucket: Bucket

    def keys(self) -> list[str]:
        """Of its restore points, oldest first."""
        return self.bucket.keys(points_prefix(SOURCE))


@dataclass(frozen=True, slots=True)
class Done:
    """A Job that has ended.

    Args:
        run: Its pod.
        keys: Of the restore points that there are since.
        tables: Of the database, each with its owner, likewise.
    """

    run: Run
    keys: list[str]
    tables: list[list[str]]

    @property
    def newest(self) -> str:
        return self.keys[-1]


@pytest.fixture(scope="module")
def sql(outside: Outside) -> Sql:
    """The server of the database."""
    assert outside.sql
    return outside.sql


@pytest.fixture(scope="module")
def store(buckets: dict[str, Bucket]) -> Store:
    """The bucket that the template of dist/prod made."""
    assert PROD.restore_points
    return Store(buckets[PROD.restore_points.bucket.name])


@pytest.fixture(scope="module", autouse=True)
def before(cluster: Cluster, store: Store) -> Iterator[list[str]]:
    """The restore points that the clock has brought, which brings none meanwhile."""

    def suspend(what: str) -> None:
        patch = f'{{"spec": {{"suspend": {what}}}}}'
        cluster.kubectl("-n", NAMESPACE, "patch", "cronjob", GRAFANA_BACKUP, f"--patch={patch}")

    suspend("true")
    yield store.keys()
    suspend("false")


def ask(cluster: Cluster, point: str) -> None:
    """Ask for a restore point, as one would."""
    metadata = {"name": REQUESTS, "namespace": NAMESPACE}
    asked = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {DATABASE: point}}
    cluster.apply(documents(asked))


def unask(cluster: Cluster) -> None:
    cluster.kubectl("-n", NAMESPACE, "delete", "configmap", REQUESTS)


def job(cluster: Cluster, store: Store, sql: Sql, name: str) -> Done:
    """Have the saver do its work once."""
    return Done(run(cluster, GRAFANA_BACKUP, name), store.keys(), sql.query(TABLES))


@pytest.fixture(scope="module")
def first(cluster: Cluster, store: Store, sql: Sql) -> Done:
    """The database was saved while Grafana used it."""
    sql.query(f"SET ROLE {SQL.user}; {FILL}")
    return job(cluster, store, sql, "first")


@pytest.fixture(scope="module")
def changed(sql: Sql, first: Done) -> list[list[str]]:
    """What people have made since."""
    assert first
    sql.query(f"SET ROLE {SQL.user}; {CHANGE}")
    return sql.query(TELL)


@pytest.fixture(scope="module")
def refused(cluster: Cluster, store: Store, sql: Sql, changed: object) -> Done:
    """Somebody asked for what was there before, while Grafana used the database."""
    assert changed
    ask(cluster, "newest")
    done = job(cluster, store, sql, "refused")
    unask(cluster)
    return done


@pytest.fixture(scope="module")
def second(cluster: Cluster, store: Store, sql: Sql, refused: Done) -> Done:
    """The database was saved again."""
    assert refused
    return job(cluster, store, sql, "second")


@pytest.fixture(scope="module")
def lost(cluster: Cluster, sql: Sql, second: Done) -> None:
    """Grafana was stopped, and the database is another one, with nothing in it."""
    assert second
    cluster.kubectl("-n", NAMESPACE, "scale", f"statefulset/{GRAFANA}", "--replicas=0")
    pods = [f"pod/{name}" for name in NAMES]
    cluster.kubectl("-n", NAMESPACE, "wait", "--for=delete", *pods, "--timeout=60s")
    sql.lose()


@pytest.fixture(scope="module")
def unasked(cluster: Cluster, store: Store, sql: Sql, lost: None) -> Done:
    """Nobody asked for anything."""
    return job(cluster, store, sql, "unasked")


@pytest.fixture(scope="module")
def damaged(cluster: Cluster, store: Store, sql: Sql, second: Done, unasked: Done) -> Done:
    """The newest restore point was asked for, of which one bit was another one."""
    assert unasked
    path = store.bucket.directory / second.newest
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    ask(cluster, "newest")
    done = job(cluster, store, sql, "damaged")
    path.write_bytes(content)
    return done


@pytest.fixture(scope="module")
def restored(cluster: Cluster, store: Store, sql: Sql, damaged: Done) -> Done:
    """It was asked for once more, and is what it was."""
    assert damaged
    done = job(cluster, store, sql, "restored")
    unask(cluster)
    return done


@pytest.fixture(scope="module")
def replicas(cluster: Cluster, restored: Done) -> list[GrafanaPod]:
    """Both, started again."""
    assert restored
    cluster.kubectl("-n", NAMESPACE, "scale", f"statefulset/{GRAFANA}", f"--replicas={len(NAMES)}")
    cluster.wait_ready(NAMESPACE, f"statefulset/{GRAFANA}")
    return [GrafanaPod(cluster, name) for name in NAMES]


def test_a_job_leaves_one_restore_point(store: Store, before: list[str], first: Done) -> None:
    """It is the one that the agent tells of, below the database's own prefix, and PostgreSQL's own client reads it."""
    (point,) = set(re.findall(r"\b\d{8}T\d{6}Z\b", first.run.said[SEND]))
    listed = subprocess.run(
        [PROGRAMS / "pg_restore", "--list", store.bucket.directory / first.newest],
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert first.run.codes == ALL
    assert first.keys == [*before, dump_key(SOURCE, point)]
    assert first.newest == f"points/{PROD.cluster}/{NAMESPACE}/grafana-backup/database/{point}.dump"
    assert {f"TABLE DATA public {table} {owner}" for table, owner in first.tables} <= {
        line.partition("; ")[2].split(" ", 2)[2] for line in listed.splitlines() if " TABLE DATA " in line
    }


def test_each_container_is_given_what_it_needs_alone(first: Done) -> None:
    """Those of the agent the role, and nothing of the database; the clients its password, and nothing of the role."""
    nothing, all_of_it = (False, False), (True, True)
    spec = first.run.pod["spec"]
    of_secrets = {volume["name"]: volume["secret"] for volume in spec["volumes"] if "secret" in volume}
    keys = {item["key"] for secret in of_secrets.values() for item in secret["items"]}
    holders = {
        container["name"]
        for container in (*spec["initContainers"], *spec["containers"])
        if of_secrets.keys() & {mount["name"] for mount in container["volumeMounts"]}
    }

    assert given(first.run.pod) == {FETCH: all_of_it, POSTGRES: nothing, SEND: all_of_it}
    assert (holders, keys) == ({POSTGRES}, {"postgres-password", "postgres-ca"})
    assert "secretKeyRef" not in json.dumps(spec)
    assert SQL.password not in json.dumps([first.run.pod, *first.run.said.values()])


def test_a_database_in_use_is_left_alone(sql: Sql, first: Done, changed: list[list[str]], refused: Done) -> None:
    """Whatever is asked for: the Job fails and says why, and what it has found does not become the newest point."""
    assert sql.query(TELL) == changed  # before it is lost, which the tests below ask for
    assert refused.run.codes == {FETCH: 0, POSTGRES: 1}
    assert "has tables, so that nothing is restored, nor saved" in refused.run.said[POSTGRES]
    assert refused.tables == first.tables
    assert refused.keys == first.keys


def test_what_has_changed_is_saved_as_well(first: Done, second: Done) -> None:
    """By a later restore point; the one before stays."""
    assert second.run.codes == ALL
    assert second.keys[:-1] == first.keys
    assert second.newest > first.newest


def test_an_empty_database_is_not_saved(second: Done, unasked: Done) -> None:
    """Else it would become what is restored: the Job fails and says why, and all is as it was."""
    assert unasked.run.codes == {FETCH: 0, POSTGRES: 1}
    assert "nothing to save" in unasked.run.said[POSTGRES]
    assert unasked.keys == second.keys
    assert unasked.tables == []


def test_a_damaged_restore_point_is_named_and_nothing_is_touched(second: Done, damaged: Done) -> None:
    """The Job fails before anybody asks the database, which is as empty as it was."""
    assert damaged.run.codes == {FETCH: 3}
    assert second.newest in damaged.run.said[FETCH]
    assert damaged.keys == second.keys
    assert damaged.tables == []


def test_what_was_saved_comes_back(sql: Sql, second: Done, changed: list[list[str]], restored: Done) -> None:
    """Every row, index and number as it was when it was saved last, and all of it the user's own; it is saved anew."""
    assert restored.run.codes == ALL, restored.run.said
    assert sql.query(TELL) == changed
    assert restored.tables == second.tables
    assert {owner for _, owner in restored.tables} == {SQL.user}
    assert restored.keys[:-1] == second.keys


def test_grafana_goes_on_with_it(cluster: Cluster, replicas: list[GrafanaPod]) -> None:
    """Its replicas know what only the lost database knew, write to it, and let in whom they have let in before."""

    def known() -> bool:
        for each in replicas:
            database = each.report()["database"]
            assert (database["failing"], database["instances"].keys()) == ("", {*NAMES, FORMER})
        return True

    cluster.wait("both replicas know the database", known, SOON)
    assert [each.login(GRAFANA_PASSWORD) for each in replicas] == ["200", "200"]


def test_the_role_of_the_saver_is_its_own(
    cluster: Cluster, store: Store, buckets: dict[str, Bucket], first: Done
) -> None:
    """It adds and reads below its own prefix; it deletes nothing, and nobody reads what another one has saved."""
    ours, own, server = store.bucket.name, first.newest, "prometheus-1"
    (logs,) = set(buckets) - {ours}
    others = points_prefix(f"{PROD.cluster}/{NAMESPACE}/{PROMETHEUS}/{server}")
    theirs = f"{others}a.json"
    path = store.bucket.directory / theirs
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    may = [
        ("get_object", {"Bucket": ours, "Key": own}),
        ("put_object", {"Bucket": ours, "Key": f"{points_prefix(SOURCE)}a", "Body": "a"}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": points_prefix(SOURCE)}),
    ]
    may_not = [
        ("delete_object", {"Bucket": ours, "Key": own}),
        ("get_object", {"Bucket": ours, "Key": theirs}),
        ("put_object", {"Bucket": ours, "Key": theirs, "Body": "a"}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": others}),
        ("list_objects_v2", {"Bucket": ours}),
        ("put_object", {"Bucket": ours, "Key": f"{blocks_prefix(SOURCE)}a", "Body": "a"}),
        ("put_object", {"Bucket": ours, "Key": "a", "Body": "a"}),
        ("delete_bucket_policy", {"Bucket": ours}),
        ("get_object", {"Bucket": logs, "Key": "a"}),
        ("put_object", {"Bucket": logs, "Key": "a", "Body": "a"}),
    ]
    of_prometheus = [
        ("get_object", {"Bucket": ours, "Key": theirs}),
        ("get_object", {"Bucket": ours, "Key": own}),
        ("put_object", {"Bucket": ours, "Key": own, "Body": "a"}),
        ("list_objects_v2", {"Bucket": ours, "Prefix": points_prefix(SOURCE)}),
    ]

    with staying(cluster, GRAFANA_BACKUP, SEND) as pod:
        assert tried(cluster, pod, SEND, [*may, *may_not]) == ["may"] * len(may) + ["AccessDenied"] * len(may_not)
    assert tried(cluster, server, "backup", of_prometheus) == ["may", *["AccessDenied"] * 3]
