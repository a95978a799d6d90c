"""A database that is saved: PostgreSQL outside, a bucket, and the pod of `PostgresBackup` as it is rendered.

Directories of the test are in place of what the pod mounts; the server's machine is the script's network.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import cdk8s

from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Bucket, ExternalHost
from constructs_lib.kube import PostgresBackup, PostgresStore
from constructs_lib.kube.postgres_backup import CREDENTIALS, FILE, SCRATCH, SCRIPT
from constructs_lib.kube.restore_points import REQUESTS
from constructs_lib.restore_point import DATABASE
from constructs_lib.restore_points import RestorePoints
from tests.cluster.authority import PUBLIC, SQL
from tests.cluster.debian import OWNER
from tests.cluster.outside.sql import SOCKETS, Sql, alone
from tests.cluster.programs import POSTGRES
from tests.cluster.spec import SqlSpec
from tests.minimal import IMAGE, NAMESPACE
from tests.real.agents import Agent
from tests.real.s3 import BUCKET, REGION, Store
from tests.rendered import rendered, template

SPEC = SqlSpec(
    host="sql.example.com",
    address=IPv4Address("10.20.32.6"),
    port=5433,
    database="people",
    user="grafana",
    password="#;$a&%",  # noqa: S106 - of a server that lives as long as the test
)
PASSWORD, CA = SecretKey("grafana-database", "password"), SecretKey("grafana-database", "ca.crt")
CLIENTS = ("psql", "pg_dump", "pg_restore")


@dataclass(frozen=True, slots=True)
class Server:
    """PostgreSQL with one database.

    Args:
        sql: It runs.
        directory: Of the authorities.
    """

    sql: Sql
    directory: Path

    def run(self, statements: str, user: str = SPEC.user, database: str = SPEC.database) -> str:
        """Run statements, all of them, and give back the rows of their results."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--file=-")
        return self.sql.machine.run(
            str(POSTGRES / "psql"), *options, self._where(user, database), stdin=statements
        ).strip()

    def content(self) -> str:
        """All of the database, as one would write it; what differs from one dump to the next is left out."""
        text = self.sql.machine.run(str(POSTGRES / "pg_dump"), "--format=plain", self._where(OWNER, SPEC.database))
        return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

    def objects(self) -> str:
        """How many tables, sequences and such the database has, of whatever schema that is not the server's own."""
        return self.run("SELECT count(*) FROM pg_class WHERE oid >= 16384")

    @property
    def authorities(self) -> tuple[str, str]:
        """The certificate of who has signed the server's, and of another one."""
        own, other = ((self.directory / f"{each}-ca.crt").read_text() for each in (SQL, PUBLIC))
        return own, other

    @staticmethod
    def _where(user: str, database: str) -> str:
        return f"host={SOCKETS} port={SPEC.port} dbname={database} user={user}"


@contextmanager
def server(directory: Path) -> Iterator[Server]:
    """On a machine of its own."""
    with alone(SPEC, directory) as sql:
        yield Server(sql, directory / "authority")


@dataclass(frozen=True, slots=True)
class Rendered:
    """The pod.

    Args:
        containers: In the order in which they run.
        script: That the clients run.
        source: Whose restore points it makes.
    """

    containers: Sequence[Mapping[str, Any]]
    script: str
    source: str

    @property
    def mounts(self) -> set[str]:
        """The paths of all mounts."""
        return {each["mountPath"] for container in self.containers for each in container["volumeMounts"]}


def render() -> Rendered:
    """What an app of one `PostgresBackup` renders."""
    made: list[PostgresBackup] = []
    store = PostgresStore(
        server=ExternalHost(host=SPEC.host, port=SPEC.port, addresses=(f"{SPEC.address}/32",)),
        database=SPEC.database,
        user=SPEC.user,
        password=PASSWORD,
        ca=CA,
    )
    points = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION))

    def build(chart: cdk8s.Chart) -> None:
        made.append(PostgresBackup(chart, "saver", namespace=NAMESPACE, store=store, image=IMAGE, points=points))

    objects = rendered(build)
    pod = template(objects.only("CronJob"))["spec"]
    (script,) = (each["data"][FILE] for each in objects.of("ConfigMap") if FILE in each.get("data", {}))
    return Rendered((*pod["initContainers"], *pod["containers"]), script, made[0].source)


@dataclass(frozen=True, slots=True)
class Ran:
    """A pod that has ended.

    Args:
        scratch: What is left in it.
    Attributes:
        codes: With which its containers ended, in the order in which they ran.
        said: What each of them wrote.
    """

    scratch: Path
    codes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        return list(self.codes.items()) == [("fetch", 0), ("postgres", 0), ("send", 0)]


@dataclass(slots=True)
class Saver:
    """What runs the pods of a database.

    Args:
        rendered: The pod.
        server: The database.
        store: Where restore points go.
        directory: For what pods mount.
    Attributes:
        limits: Of the clients, as `prlimit` takes them.
        changes: Variables of the clients that are other ones.
    """

    rendered: Rendered
    server: Server
    store: Store
    directory: Path
    limits: tuple[str, ...] = ()
    changes: dict[str, str] = field(default_factory=dict)
    _runs: int = 0

    def __post_init__(self) -> None:
        authority, _ = self.server.authorities
        self.write(PASSWORD.path_below(CREDENTIALS), SPEC.password + "\n")
        self.write(CA.path_below(CREDENTIALS), authority)
        self.write(f"{SCRIPT}/{FILE}", self.rendered.script)

    @property
    def agent(self) -> Agent:
        """For people."""
        return Agent(self.store.environment, self.rendered.source)

    @property
    def programs(self) -> Path:
        """The first directory in which the script finds programs."""
        return self.directory / "programs"

    def write(self, path: str, content: str) -> None:
        """Let a file that the pod mounts have this content."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(content)

    def path(self, path: str) -> Path:
        """Where a file is that the pod mounts."""
        return self.directory / path.lstrip("/")

    def wrap(self, name: str, script: str) -> None:
        """Put a script in place of a client."""
        self.programs.mkdir(exist_ok=True)
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def request(self, point: str) -> None:
        """As the ConfigMap does it."""
        self.write(f"{REQUESTS}/{DATABASE}", point)

    def points(self) -> list[str]:
        """The ids of what is listed, as people see it."""
        listed = self.agent.run("list")
        assert listed.returncode == 0, listed.stderr
        assert "damaged" not in listed.stdout
        return [line.split()[0] for line in listed.stdout.splitlines()]

    def save(self) -> str:
        """Run a pod to its end, and give back the id of the restore point that it has made."""
        ran = self.run()
        assert ran.succeeded, ran
        return ran.said["send"].split()[0]

    def run(self) -> Ran:
        """Run a pod, its containers one after the other, until one of them fails."""
        ran = Ran(self._scratch())
        for container in self.rendered.containers:
            self.run_one(container, ran)
            if ran.codes[container["name"]]:
                break
        return ran

    def run_script(self, fetched: bytes) -> Ran:
        """Run the clients alone, with something that was fetched."""
        ran = Ran(self._scratch())
        ran.scratch.joinpath("restore.dump").write_bytes(fetched)
        (clients,) = (each for each in self.rendered.containers if each["name"] == "postgres")
        self.run_one(clients, ran)
        return ran

    def run_one(self, container: Mapping[str, Any], ran: Ran) -> None:
        """Run one container: the agent is found by its image, and the clients by their command."""
        given = [self._local(each, ran) for each in (*container.get("command", ()), *container.get("args", ()))]
        variables = {each["name"]: self._local(each["value"], ran) for each in container.get("env", ())}
        if container["image"] == IMAGE.reference():
            command = [sys.executable, "-m", "constructs_lib.agent", *given]
            ended = self._ended(command, {**self.store.environment, **variables})
        else:
            path = f"{self.programs}:{POSTGRES}:/usr/bin:/bin"
            # Nobody but the cluster's DNS knows the name, which stays that of the certificate.
            known = {"PATH": path, "PGHOSTADDR": str(SPEC.address), **variables, **self.changes}
            command = ["prlimit", *self.limits, *given] if self.limits else given
            ended = self.server.sql.machine.call(lambda: self._ended(command, known))
        ran.codes[container["name"]] = ended.returncode
        ran.said[container["name"]] = ended.stdout

    @staticmethod
    def _ended(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        streams: Mapping[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(command, check=False, env=environment, cwd="/", timeout=120, **streams)

    def _scratch(self) -> Path:
        """Each pod has one of its own."""
        self._runs += 1
        scratch = self.directory / f"scratch-{self._runs}"
        scratch.mkdir()
        return scratch

    def _local(self, value: str, ran: Ran) -> str:
        for path in sorted(self.rendered.mounts, key=len, reverse=True):
            if path in value:
                return value.replace(path, str(ran.scratch if path == SCRATCH else self.path(path)))
        return value
