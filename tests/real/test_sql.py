"""PostgreSQL outside, with what stands for Grafana as its client: the right settings reach it, and no others."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.cluster.authority import PUBLIC, SQL
from tests.cluster.fixture import needed
from tests.cluster.outside.sql import SERVER, Sql, alone
from tests.cluster.programs import require
from tests.cluster.spec import SqlSpec
from tests.cluster.stand_in.database import Database, DatabaseError
from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.settings import Settings

SPEC = SqlSpec(
    host="sql.example.com",
    address=IPv4Address("10.20.32.5"),
    port=5433,
    database="people",
    user="grafana",
    password="#;$a",  # noqa: S106 - of a server that lives as long as the test
)


@dataclass(frozen=True, slots=True)
class Server:
    """It runs, with certificates in a directory."""

    sql: Sql
    directory: Path

    def client(self, name: str = "grafana-0", /, **changes: str) -> Database:
        """A Grafana with the settings that it needs, or with others."""
        values = {
            "type": "postgres",
            "host": f"{SPEC.host}:{SPEC.port}",
            "name": SPEC.database,
            "user": SPEC.user,
            "password": SPEC.password,
            "ssl_mode": "verify-full",
            "ca_cert_path": str(self.directory / f"{SQL}-ca.crt"),
            **changes,
        }
        return Database(Place(Path("/"), {}), Settings({f"database.{key}": each for key, each in values.items()}), name)

    def instances(self, client: Database, now: int = 1) -> dict[str, str]:
        """What a client reads there after it has written: each instance, and when it was seen."""
        return {name: each["seen"] for name, each in self.sql.machine.call(lambda: client.instances(now)).items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On a machine of its own."""
    with needed():
        require([SERVER])
    directory = tmp_path_factory.mktemp("sql")
    with alone(SPEC, directory) as sql:
        yield Server(sql, directory / "authority")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the cluster's DNS knows the name, which stays that of the certificate."""
    monkeypatch.setenv("PGHOSTADDR", str(SPEC.address))


def test_replicas_share_what_they_write(server: Server) -> None:
    """Both prepare it at once, and each sees the other."""
    one, two = server.client("grafana-0"), server.client("grafana-1")
    for client in (one, two):
        server.sql.machine.call(client.prepare)

    server.instances(one, 7)

    assert server.instances(two, 8) == {"grafana-0": "7", "grafana-1": "8"}
    assert server.sql.query("SELECT tableowner FROM pg_tables WHERE tablename = 'stand_in_instances'") == [[SPEC.user]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"user": "postgres"}, "no pg_hba.conf entry"),
        ({"name": "postgres"}, "no pg_hba.conf entry"),
        ({"ssl_mode": "disable"}, "no pg_hba.conf entry .* no encryption"),
        ({"ca_cert_path": PUBLIC}, "certificate verify failed"),
        ({"host": f"other.example.com:{SPEC.port}"}, "does not match host name"),
    ],
    ids=["password", "user", "database", "no TLS", "authority", "name"],
)
def test_others_are_refused(server: Server, changes: dict[str, str], said: str) -> None:
    """Whoever has no password, no TLS, or the wrong name, and a server that nobody whom one trusts has signed."""
    if "ca_cert_path" in changes:
        changes = {"ca_cert_path": str(server.directory / f"{PUBLIC}-ca.crt")}
    with pytest.raises(DatabaseError, match=said):
        server.instances(server.client(**changes))


def test_what_was_written_outlives_a_stop(server: Server) -> None:
    """Meanwhile nobody is answered."""
    client = server.client("grafana-2")
    server.sql.machine.call(client.prepare)
    server.instances(client, 9)

    with server.sql.stopped(), pytest.raises(DatabaseError, match="Connection refused"):
        server.instances(client)

    assert server.instances(server.client("grafana-3"), 10)["grafana-2"] == "9"


def test_what_is_lost_is_gone(server: Server) -> None:
    """Also where somebody uses it; what comes in its place is the user's, who begins anew."""
    client = server.client("grafana-4")
    server.sql.machine.call(client.prepare)
    server.instances(client)

    server.sql.lose()

    with pytest.raises(DatabaseError, match="does not exist"):
        server.instances(client)
    server.sql.machine.call(client.prepare)
    assert server.instances(client, 11) == {"grafana-4": "11"}
