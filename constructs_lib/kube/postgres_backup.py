"""What saves a database of PostgreSQL every day, and restores one that is empty."""

from datetime import time, timedelta

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config.grafana import PostgresStore
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import GRAFANA_BACKUP, Namespace, Rights
from constructs_lib.errors import ConstructError, DamagedError
from constructs_lib.image import Image
from constructs_lib.kube.component import Component
from constructs_lib.kube.manifest import ConfigMap
from constructs_lib.kube.pod import Container, Placement, Resources, Text
from constructs_lib.kube.restore_points import REQUESTS, RESOURCES, requested, requests_of, where
from constructs_lib.kube.volumes import ConfigMapFiles, Mount, Scratch, SecretFiles
from constructs_lib.kube.workload import Scheduled
from constructs_lib.restore_point import DATABASE
from constructs_lib.restore_points import Origin, RestorePoints
from constructs_lib.units import Bytes, whole_seconds

PROGRAM, FETCH, POSTGRES, SEND = "postgres-backup", "fetch", "postgres", "send"
USER = 65534  # of the agent's image; the clients of PostgreSQL run as any
SCRATCH = "/scratch"
SCRIPT, FILE, CREDENTIALS = "/etc/postgres-backup/script", "run.sh", "/etc/postgres-backup/credentials"
FETCHED, DUMPED = f"{SCRATCH}/restore.dump", f"{SCRATCH}/database.dump"
# By the server's major version.
CLIENTS = {
    15: versions.POSTGRES_15,
    16: versions.POSTGRES_16,
    17: versions.POSTGRES_17,
    18: versions.POSTGRES_18,
}
SMALLEST = Bytes.mib(64)  # less is a mistaken unit
EVERY = timedelta(days=1)
CONNECT_WITHIN = timedelta(seconds=10)
LOCK_WITHIN = timedelta(minutes=1)  # a migration of the database holds locks
END_WITHIN = timedelta(minutes=30)
RETRIES = 6  # within ten minutes: a database that fails over is away for some

# https://www.postgresql.org/docs/current/app-pgdump.html
# https://www.postgresql.org/docs/current/app-pgrestore.html
RUN = r"""#!/bin/sh
# Restores a dump that was fetched, if the database is empty, and dumps the database.
set -eu
umask 077

say() { printf 'postgres-backup: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}
ask() {
  psql --no-psqlrc --no-password --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --command="$1" ||
    fail "$PGDATABASE at $PGHOST:$PGPORT gives $PGUSER no answer: mend what psql says above"
}
count() { ask "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname !~ '^(pg_|information_schema\$)'"; }

[ -r "$PASSWORD_FILE" ] || fail "there is no password in $PASSWORD_FILE: add this key to the Secret"
PGPASSWORD=$(cat "$PASSWORD_FILE")
export PGPASSWORD

# What later clients dump does not restore into this server.
client=$(pg_dump --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
number=$(ask 'SHOW server_version_num')
server=$((number / 10000))
[ "$client" = "$server" ] ||
  fail "the server is PostgreSQL $server, but the clients are of $client: set the version of this backup to $server"

tables=$(count)
if [ -e "$FETCHED" ]; then
  # Else what is there, which somebody wanted to replace, would become the newest restore point.
  [ "$tables" -eq 0 ] ||
    fail "$PGDATABASE has tables, so that nothing is restored, nor saved: empty it, or take the request away"
  # Extensions are made by who administers the server: the owner of a database may not make most of them.
  parts=$(pg_restore --list "$FETCHED") || fail "nothing is restored into $PGDATABASE: mend what pg_restore says above"
  printf '%s\n' "$parts" | sed -E '/^[0-9]+; [0-9]+ [0-9]+ (COMMENT - )?EXTENSION /d' >"$FETCHED.list"
  pg_restore --no-password --single-transaction --exit-on-error --no-owner --no-privileges \
    --use-list="$FETCHED.list" --dbname="$PGDATABASE" "$FETCHED" ||
    fail "nothing is restored into $PGDATABASE: mend what pg_restore says above"
  tables=$(count)
  say "restored $PGDATABASE, with tables: $tables"
  rm "$FETCHED" "$FETCHED.list"
fi

# A database that was lost must not become the newest restore point.
[ "$tables" -gt 0 ] || fail "$PGDATABASE has no table, so there is nothing to save: request that it be restored"
pg_dump --no-password --format=custom --no-owner --no-privileges --lock-wait-timeout="$LOCK_WITHIN" \
  --file="$DUMPED" ||
  fail "$PGDATABASE is not dumped: mend what pg_dump says above"
pg_restore --list "$DUMPED" >/dev/null || fail "the dump of $PGDATABASE cannot be read: mend what pg_restore says above"
say "dumped $PGDATABASE, with tables: $tables, bytes: $(wc -c <"$DUMPED")"
"""


class PostgresBackup(Component):
    """A restore point of one database every day, and whenever a Job is made of its CronJob; and the way back.

    The clients of PostgreSQL dump the database as one transaction sees it, and an agent sends that in one piece. Before
    that, if the ConfigMap `requests` says so, a dump is fetched and restored, as a whole or not at all, into a database
    that has no table yet. The clients get no credentials of the bucket, the agent none of the database. Nothing but a
    scratch of the pod is written on the way: `kubectl drain` refuses its node while it runs, unless told otherwise.

    Args:
        namespace: Where it lives; `restricted` suffices.
        name: Of the CronJob, and of whose restore points they are.
        store: The database; its owner reads it and restores it.
        version: The major version of the server.
        image: Of the agent, from a registry of yours: `agent/README.md` says how to build it.
        points: Where restore points go, and how long they are kept.
        at: When, in UTC, to the minute.
        scratch: How large a dump may be, compressed; on the node's disk.
        resources: Of each container; they run one after the other.
        placement: On which nodes.
    Raises:
        ConstructError: a version without clients, a store whose certificate they could not verify, restore points that
            leave none in between, a scratch that is too small for a dump, or a time that is no whole minute.
    Source: https://www.postgresql.org/docs/current/backup-dump.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = GRAFANA_BACKUP,
        store: PostgresStore,
        version: int = 17,
        image: Image,
        points: RestorePoints,
        at: time = time(2),
        scratch: Bytes = Bytes.gib(2),
        resources: Resources = RESOURCES,
        placement: Placement = Placement(),
    ) -> None:
        ca = _authority(name, store)
        _refuse(name, version, points, scratch)
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=PROGRAM,
            image=image,
            workload=Scheduled(
                at=at, user=USER, retries=RETRIES, hopeless=DamagedError.exit_code, end_within=END_WITHIN
            ),
            placement=placement,
        )
        self.origin = Origin(cluster=namespace.cluster.name, namespace=namespace.name, component=name, database=True)
        self.source = self.origin.source(DATABASE)
        self.requests = requests_of(name)
        self._image, self._points, self._resources = image, points, resources
        self._scratch = Mount(source=Scratch("scratch", scratch), path=SCRATCH, read_only=False)
        self.add_init_container(
            self._agent(FETCH, "fetch-dump", FETCHED, f"--requests={REQUESTS}", mounts=(requested(name),))
        )
        self.add_init_container(self._clients(store, ca, version))
        self.add_container(self._agent(SEND, "send-dump", DUMPED))
        self.connect_to(store.server)
        for prefix in self.origin.prefixes:
            self.use_bucket(points.bucket, prefix=prefix, rights=Rights.ADD, containers=(FETCH, SEND))

    def _agent(self, name: str, command: str, file: str, *more: str, mounts: tuple[Mount, ...] = ()) -> Container:
        return Container(
            name=name,
            image=self._image,
            args=(command, f"--file={file}", *where(self._points, self.source), *more),
            mounts=(self._scratch, *mounts),
            resources=self._resources,
        )

    def _clients(self, store: PostgresStore, ca: SecretKey, version: int) -> Container:
        """https://www.postgresql.org/docs/current/libpq-envars.html"""
        script = f"{self.name}-script"
        ConfigMap(
            self,
            "script",
            name=script,
            namespace=self.namespace.name,
            labels=self.labels,
            files=lambda: {FILE: RUN},
        )
        # Nothing else of the Secret: what Grafana encrypts with is no part of a backup.
        secrets = {
            secret: SecretFiles(secret, keys=tuple(sorted(key.key for key in store.secrets if key.secret == secret)))
            for secret in sorted({key.secret for key in store.secrets})
        }
        host, _, port = store.server.address.rpartition(":")
        return Container(
            name=POSTGRES,
            image=CLIENTS[version],
            command=("sh", f"{SCRIPT}/{FILE}"),
            environment={
                "PGHOST": Text(host),
                "PGPORT": Text(port),
                "PGDATABASE": Text(store.database),
                "PGUSER": Text(store.user),
                "PGSSLMODE": Text("verify-full"),
                "PGSSLROOTCERT": Text(ca.path_below(CREDENTIALS)),
                "PGCONNECT_TIMEOUT": Text(str(whole_seconds(CONNECT_WITHIN))),
                "PASSWORD_FILE": Text(store.password.path_below(CREDENTIALS)),
                "FETCHED": Text(FETCHED),
                "DUMPED": Text(DUMPED),
                "LOCK_WITHIN": Text(f"{whole_seconds(LOCK_WITHIN)}s"),
                # Where the clients look for a certificate and a password, and must be allowed to.
                "HOME": Text(SCRATCH),
            },
            mounts=(
                self._scratch,
                Mount(source=ConfigMapFiles("script", script), path=SCRIPT),
                *(Mount(source=files, path=f"{CREDENTIALS}/{name}") for name, files in secrets.items()),
            ),
            resources=self._resources,
        )


def _authority(name: str, store: PostgresStore) -> SecretKey:
    if store.ca is None:  # https://github.com/docker-library/postgres/issues/1331
        raise ConstructError(
            f"{name} could not verify the certificate of {store.server.address}, since the image of PostgreSQL's "
            "clients knows no public authority: give the store a ca"
        )
    return store.ca


def _refuse(name: str, version: int, points: RestorePoints, scratch: Bytes) -> None:
    if version not in CLIENTS:
        raise ConstructError(
            f"{name} has no clients of PostgreSQL {version}: use a server of {', '.join(map(str, CLIENTS))}"
        )
    points.refuse_interval(EVERY)
    if scratch < SMALLEST:
        raise ConstructError(f"the scratch of {name} is {scratch}, too small for a dump: use {SMALLEST} or more")
