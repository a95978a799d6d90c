"""PostgreSQL, as somebody else runs it: a machine of its own, with TLS by an authority of its own, and a password."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.cluster.authority import SQL, Authority
from tests.cluster.debian import OWNER
from tests.cluster.machine import Machine
from tests.cluster.programs import POSTGRES
from tests.cluster.spec import ClusterSpec, SqlSpec
from tests.cluster.waiting import wait

SERVER = "postgresql-15"  # Debian's package
PROGRAM = "postgres"
HOME, SOCKETS = "/var/lib/postgresql", "/run/postgresql"  # of the machine's own /var/lib and /run
DATA = f"{HOME}/data"
SETTINGS = {
    "ssl": "on",
    "ssl_cert_file": f"{HOME}/server.crt",
    "ssl_key_file": f"{HOME}/server.key",
    "ssl_min_protocol_version": "TLSv1.2",
    "unix_socket_directories": SOCKETS,
    "fsync": "off",  # the machine lives as long as the tests
    "max_connections": "60",
}
# Who is on the machine may do all; who is not must come by TLS, to the one database, with a password.
ACCESS = """\
local all all trust
hostssl {database} {user} all scram-sha-256
"""
SOON = timedelta(seconds=30)


class Sql:
    """A machine that runs PostgreSQL.

    What tests ask it by these methods is asked on the machine itself: no password and no policy is in the way.

    Attributes:
        address: Of its host; cluster DNS answers with it.
        authority: The certificate of who signed its own, which nobody trusts by himself.
    """

    def __init__(self, spec: SqlSpec, authority: Authority, directory: Path) -> None:
        self.machine = Machine("sql", directory)
        self.address = spec.address
        self.authority = Path(authority.path(f"{SQL}-ca.crt")).read_text()
        self._spec, self._certificates = spec, authority

    def start(self) -> None:
        """Start it, with its empty database, on a machine that has its network."""
        own = ("--owner", OWNER, "--group", OWNER)
        self.machine.run("install", "--directory", *own, HOME, SOCKETS)
        for ending in ("crt", "key"):
            source = self._certificates.path(f"{SQL}.{ending}")
            self.machine.run("install", *own, "--mode", "600", source, f"{HOME}/server.{ending}")
        options = ("--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.machine.run(*self._command("initdb", "--pgdata", DATA, *options))
        spec = self._spec
        self.machine.run("tee", f"{DATA}/pg_hba.conf", stdin=ACCESS.format(database=spec.database, user=spec.user))
        role = f"CREATE ROLE {spec.user} LOGIN PASSWORD '{spec.password}'"
        made = f"{role}\nCREATE DATABASE {spec.database} OWNER {spec.user}\n"
        self.machine.run(*self._command(PROGRAM, "--single", "-D", DATA, "postgres"), stdin=made)
        self._serve()

    def wait_ready(self) -> None:
        """Wait until it answers."""
        wait("PostgreSQL answers", self._ready, SOON)

    def query(self, statement: str) -> list[list[str]]:
        """The rows of a statement's result, each value as text."""
        return self._ask(self._on(self._spec.database), statement)

    def lose(self) -> None:
        """Lose the database, whoever uses it: one with nothing in it comes in its place."""
        database, user = self._spec.database, self._spec.user
        for statement in (f"DROP DATABASE {database} WITH (FORCE)", f"CREATE DATABASE {database} OWNER {user}"):
            self._ask(self._on(OWNER), statement)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it be stopped for a while, as for maintenance: what it holds is kept."""
        self.machine.run(*self._command("pg_ctl", "--pgdata", DATA, "--mode=fast", "--wait", "stop"))
        self.machine.wait(PROGRAM)
        try:
            yield
        finally:
            self._serve()
            self.wait_ready()

    def _serve(self) -> None:
        where = {"listen_addresses": str(self.address), "port": str(self._spec.port)}
        options = [part for name, value in {**SETTINGS, **where}.items() for part in ("-c", f"{name}={value}")]
        self.machine.start(PROGRAM, self._command(PROGRAM, "-D", DATA, *options))

    def _on(self, database: str) -> str:
        return f"host={SOCKETS} port={self._spec.port} dbname={database} user={OWNER}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        """A command line of PostgreSQL's own user, since it refuses to run as root."""
        return [
            "setpriv",
            f"--reuid={OWNER}",
            f"--regid={OWNER}",
            "--clear-groups",
            str(POSTGRES / program),
            *arguments,
        ]

    def _ready(self) -> bool:
        self.machine.check()
        spec, authority = self._spec, self._certificates.path(f"{SQL}-ca.crt")
        server = (
            f"host={spec.host} hostaddr={spec.address} port={spec.port} sslmode=verify-full sslrootcert={authority}"
        )
        who = f"dbname={spec.database} user={spec.user} password={spec.password}"
        return self._ask(f"{server} {who}", "SELECT 1") == [["1"]]

    def _ask(self, where: str, statement: str) -> list[list[str]]:
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t")
        answer = self.machine.run(str(POSTGRES / "psql"), *options, "--command", statement, where)
        return [line.split("\t") for line in answer.splitlines() if line]


@contextmanager
def alone(spec: SqlSpec, directory: Path) -> Iterator[Sql]:
    """A server outside of any cluster, whose network is its loopback and one cable that leads nowhere.

    Args:
        spec: Of the server.
        directory: For its machine, and in `authority` for its certificates.
    """
    sql = Sql(spec, Authority(directory / "authority", ClusterSpec(sql=spec)), directory / "machine")
    sql.machine.boot()
    try:
        cable = "link add eth0 type veth peer name eth1"
        sql.machine.ip(cable, f"address add {spec.address}/16 dev eth0", "link set eth0 up", "link set eth1 up")
        sql.start()
        sql.wait_ready()
        yield sql
    finally:
        sql.machine.stop()
