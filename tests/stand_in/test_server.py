"""What stands for Grafana on the test cluster answers as Grafana does, on a database that is really there."""

import json
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cluster.stand_in.database import Database, DatabaseError
from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.peers import Peers
from tests.cluster.stand_in.server import Server, start
from tests.cluster.stand_in.settings import Settings
from tests.stand_in.whole import Files, board

T = TypeVar("T")
SALES = "etc/grafana/teams/shop/sales.sales.json"
SYSTEM = "etc/grafana/dashboards/system.json"
SOON = 10.0  # seconds


def soon(condition: Callable[[], T]) -> T:
    """What it becomes, once it is true."""
    end = time.monotonic() + SOON
    while not (found := condition()):
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.1)
    return found


class Running:
    """One that runs on loopback."""

    def __init__(self, files: Files) -> None:
        arguments = ["cfg:server.http_addr=127.0.0.1", "cfg:server.http_port=0"]
        self.server = Server(start(Place(files.root, files.environment), arguments))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def ask(self, path: str, data: object = None, *, password: str | None = None) -> tuple[int, str]:
        """Status and body of its answer to a user of a password, or to nobody."""
        body = None if data is None else json.dumps(data).encode()
        told = {} if password is None else {"Authorization": f"Basic {b64encode(f'ops:{password}'.encode()).decode()}"}
        request = Request(f"http://127.0.0.1:{self.server.server_port}{path}", body, told)
        try:
            with urlopen(request, timeout=SOON) as answer:  # noqa: S310
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def report(self) -> Any:
        """What it says of itself."""
        return json.loads(self.ask("/stand-in/report")[1])

    def ready(self) -> bool:
        """Whether its health is that of one that works."""
        return self.ask("/api/health")[0] == 200


class Answers(BaseHTTPRequestHandler):
    """A data source: it answers by JSON to a tenant, and to nobody else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.headers.get("X-Scope-OrgID") == "us" else 401)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A Grafana with which nothing is wrong."""
    made = Files(tmp_path)
    made.write()
    return made


@pytest.fixture
def running(files: Files) -> Iterator[Running]:
    """It runs, and is ready."""
    grafana = Running(files)
    soon(grafana.ready)
    yield grafana
    grafana.server.shutdown()


def test_it_says_that_it_works(running: Running) -> None:
    """By the database that is asked, and its version."""
    status, body = running.ask("/api/health")

    assert (status, json.loads(body)["database"], json.loads(body)["version"]) == (200, "ok", "13.2.3")
    assert running.ask("/healthz") == (200, "Ok")


def test_its_report_has_all_that_it_read(running: Running) -> None:
    """Data sources, dashboards with their folders, and no secret."""
    report = running.report()

    assert report["faults"] == []
    assert {uid: each["isDefault"] for uid, each in report["datasources"].items()} == {
        "prometheus": True,
        "loki": False,
        "jaeger": False,
        "alertmanager": False,
    }
    assert {each["uid"]: each["folder"] for each in report["dashboards"].values()} == {
        "system": "Platform",
        "shop-sales": "shop",
    }
    assert list(report["database"]["instances"]) == ["grafana-0"]
    assert "pa#ss" not in json.dumps(report)


def test_its_administrator_logs_in(running: Running) -> None:
    """With the password of the first start alone."""
    assert running.ask("/login")[0] == 200
    assert running.ask("/login", {"user": "boss", "password": "pa#ss"})[0] == 200
    assert running.ask("/login", {"user": "boss", "password": "admin"})[0] == 401


def test_a_later_password_is_not_that_of_the_database(files: Files, running: Running) -> None:
    """As with Grafana: the Secret's is the first one's."""
    files.at("etc/grafana/credentials/admin/password").write_text("another")
    later = Running(files)
    soon(later.ready)

    assert later.ask("/login", {"user": "boss", "password": "pa#ss"})[0] == 200
    assert later.ask("/login", {"user": "boss", "password": "another"})[0] == 401
    later.server.shutdown()


def test_it_tells_metrics(running: Running) -> None:
    """Its version, and how soon each of its pages was answered, once it was asked for."""
    running.ask("/login")

    _, body = running.ask("/metrics")

    assert 'version="13.2.3"} 1\n' in body
    of_login = [line for line in body.splitlines() if 'handler="/login",method="GET"' in line]
    assert [line.rsplit(" ", 1)[1] for line in of_login if 'le="+Inf"' in line or "_count{" in line] == ["1", "1"]


@pytest.mark.parametrize(("password", "status"), [(None, 401), ("pa#s", 401), ("pa#ss", 200)])
def test_metrics_may_have_a_password(files: Files, password: str | None, status: int) -> None:
    """Where both it and its user are set: who says neither, or another one, reads nothing."""
    both = "basic_auth_username = ops\nbasic_auth_password = $__file{/etc/grafana/credentials/admin/password}"
    files.change("etc/grafana/config/grafana.ini", "[metrics]", f"[metrics]\n{both}")
    guarded = Running(files)
    soon(guarded.ready)

    answered, body = guarded.ask("/metrics", password=password)

    assert answered == status
    assert ("grafana_build_info" in body) == (status == 200)
    guarded.server.shutdown()


def test_it_reads_dashboards_again(files: Files, running: Running) -> None:
    """One that comes later is there, and a fault of another team's lets nobody down."""
    files.at("etc/grafana/teams/shop/new.json").write_text(json.dumps(board("shop-new", "New")))
    files.edit(SALES, lambda content: content.update(title=""))
    path = "/etc/grafana/teams/shop/sales.sales.json"

    report = soon(lambda: (found := running.report())["dashboards"][path]["faults"] and found)

    assert "shop-new" in {each["uid"] for each in report["dashboards"].values()}
    assert report["dashboards"][path]["faults"] == ["it has no title"]
    assert running.ready()


@pytest.mark.parametrize(
    ("path", "old", "new", "fault"),
    [
        (SYSTEM, '"System"', '""', "/etc/grafana/dashboards/system.json: it has no title"),
        ("etc/grafana/config/grafana.ini", "root_url", "url", "grafana.ini: section [server] has no key url"),
        ("etc/grafana/provisioning/datasources/all.yaml", "uid: loki", "uid: logs", "tracesToLogsV2 leads to 'loki'"),
    ],
    ids=["dashboard", "setting", "data source"],
)
def test_it_does_not_become_ready_with_a_fault(files: Files, path: str, old: str, new: str, fault: str) -> None:
    """It says which in its report."""
    files.change(path, old, new)
    broken = Running(files)

    soon(lambda: broken.report()["database"]["failing"] == "")

    assert not broken.ready()
    assert any(fault in each for each in broken.report()["faults"])
    broken.server.shutdown()


def test_it_does_not_become_ready_without_its_database(files: Files) -> None:
    """What cannot be written is no database."""
    files.at("var/lib/grafana/grafana.db").mkdir()
    broken = Running(files)

    soon(lambda: "SQLite's grafana.db" in broken.report()["database"]["failing"])
    assert not broken.ready()
    broken.server.shutdown()


def test_it_asks_its_data_sources(files: Files) -> None:
    """As the tenant that they are for; one that is not there, or answers another, is told."""
    source = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=source.serve_forever, daemon=True).start()
    provisioned = "etc/grafana/provisioning/datasources/all.yaml"
    for url in ("http://loki:3100", "http://jaeger-query:16686"):
        files.change(provisioned, url, f"http://127.0.0.1:{source.server_port}")
    files.change(provisioned, "http://alertmanager:9093", "http://127.0.0.1:1")
    grafana = Running(files)

    def told() -> dict[str, str]:
        found = {uid: each["reached"] for uid, each in grafana.report()["datasources"].items()}
        return {} if any("not asked yet" in each for each in found.values()) else found

    reached = soon(told)

    assert reached["loki"] == "ok"
    assert "answers with 401" in reached["jaeger"]
    assert "does not answer" in reached["alertmanager"]
    grafana.server.shutdown()
    source.shutdown()


def test_instances_with_different_keys_are_told(files: Files) -> None:
    """What one encrypts, the other could not read."""
    place = Place(files.root, {})
    shared = {"paths.data": "/var/lib/grafana"}
    one = Database(place, Settings({**shared, "security.secret_key": "one"}), "grafana-0")
    two = Database(place, Settings({**shared, "security.secret_key": "two"}), "grafana-1")
    one.prepare()
    two.prepare()

    one.instances(1)
    seen = two.instances(2)

    assert len({each["secret"] for each in seen.values()}) == 2
    assert {name: each["seen"] for name, each in seen.items()} == {"grafana-0": "1", "grafana-1": "2"}


def test_a_database_of_another_kind_is_refused(files: Files) -> None:
    """Nothing stands for MySQL."""
    with pytest.raises(DatabaseError, match="database of the type mysql"):
        Database(Place(files.root, {}), Settings({"database.type": "mysql"}), "grafana-0").prepare()


def peers(own: str, others: str) -> Peers:
    """One that listens at its address, and asks the others."""
    names = ("ha_listen_address", "ha_advertise_address")
    values = {f"unified_alerting.{name}": own for name in names} | {"unified_alerting.ha_peers": others}
    return Peers(Settings(values), own)


def test_peers_find_each_other_by_both_protocols() -> None:
    """Each asks each, itself left out; one that is not there is no member."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one, two, gone = (f"127.0.0.{host}:{port}" for host in (1, 2, 3))
    both = [peers(own, f"{one},{two},{gone}") for own in (one, two)]
    for each in both:
        each.start()

    first = both[0]
    soon(lambda: first.seen.get("127.0.0.2", {}).get("tcp") == two)
    soon(lambda: both[1].asked.get("127.0.0.1") == {"tcp", "udp"})

    assert first.seen["127.0.0.2"] == {"tcp": two, "udp": two}
    soon(lambda: first.seen.get("127.0.0.3", {}).get("tcp", "").startswith("error"))
    assert first.members() == 2
    assert "127.0.0.1" not in first.seen


def test_one_alone_has_no_peers() -> None:
    """It does not listen, either."""
    assert not Peers(Settings({}), "grafana-0").wanted
