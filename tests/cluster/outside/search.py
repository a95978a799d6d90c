"""OpenSearch, as somebody else runs it: a machine of its own, with TLS and a password."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.errors import ClusterError
from tests.cluster.machine import Machine
from tests.cluster.outside.client import PATIENCE, ask
from tests.cluster.outside.files import Numbers, write
from tests.cluster.outside.record import Record
from tests.cluster.outside.search_proxy import AGED, BULK, EVERYTHING, STORE
from tests.cluster.programs import built, java, python
from tests.cluster.spec import SearchSpec
from tests.cluster.waiting import wait

NOBODY = 65534  # OpenSearch refuses to run as root
PROGRAM, HOME = "/run/opensearch", "/var/lib/opensearch"  # of the machine's own /run and /var/lib
MEMORY = "256m"
SETTINGS = {
    "discovery.type": "single-node",
    "http.host": STORE[0],
    "http.port": STORE[1],
    "transport.host": STORE[0],
    "path.data": f"{HOME}/data",
    "path.logs": f"{HOME}/logs",
    "node.processors": 1,
    "cluster.routing.allocation.disk.threshold_enabled": False,  # the disk is not its own
}
LOGGING = """
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1.}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
# The program's own script starts Java three times, and writes below the directory of the program.
ARGUMENTS = (
    *(f"-Xms{MEMORY}", f"-Xmx{MEMORY}", "-XX:+UseSerialGC"),
    *("-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),  # a quick start, and no file beside its own
    *("-Djava.security.manager=allow", f"-Djava.io.tmpdir={HOME}/scratch", "-Dlog4j2.disable.jmx=true"),
    *(f"-Dopensearch.path.home={PROGRAM}", f"-Dopensearch.path.conf={HOME}/config"),
    *("-cp", f"{PROGRAM}/lib/*", "org.opensearch.bootstrap.OpenSearch"),
)
SOON = timedelta(minutes=1)
ONE_COPY = {"settings": {"number_of_shards": 1, "number_of_replicas": 0}}


class Search:
    """A machine that runs OpenSearch, and in front of it TLS with a certificate that everybody trusts.

    What tests ask it by these methods is asked on the machine itself: no password and no fault is in the way.

    Attributes:
        address: Of its host; cluster DNS answers with it.
    """

    def __init__(self, spec: SearchSpec, address: IPv4Address, authority: Authority, directory: Path) -> None:
        self.machine = Machine("search", directory)
        self.address = address
        self._spec, self._authority, self._directory = spec, authority, directory
        self._record, self._ages = Record(directory), Numbers(directory / AGED)

    def start(self) -> None:
        """Start everything, on a machine that has its network."""
        self._prepare()
        setpriv = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
        self.machine.start("opensearch", [*setpriv, java(), *ARGUMENTS])
        configuration = write(
            self._directory / "search.json",
            {
                "certificate": self._authority.path(f"{PUBLIC}.crt"),
                "key": self._authority.path(f"{PUBLIC}.key"),
                "authorization": self._spec.authorization,
            },
        )
        self.machine.start("proxy", python("tests.cluster.outside.search_proxy", configuration))

    def wait_ready(self) -> None:
        """Wait until everything answers."""
        wait("OpenSearch answers", self._ready, SOON)

    def get(self, path: str) -> Any:
        """What the JSON means with which it answers a path."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What the JSON means with which it answers a request.

        Args:
            body: What becomes JSON.
        """
        status, text = self.machine.call(lambda: _asked(method, path, body))
        if status >= 300:
            raise ClusterError(f"{method} {path} was answered by OpenSearch with {status}: {text}")
        return json.loads(text)

    def indices(self, pattern: str = "*") -> list[str]:
        """The names of the indices that match a pattern, sorted."""
        return sorted(index["index"] for index in self.get(f"/_cat/indices/{pattern}?format=json&h=index"))

    def put_index(self, name: str) -> None:
        """Make an empty index."""
        self.ask("PUT", f"/{name}", ONE_COPY)

    def documents(self, pattern: str) -> list[dict[str, Any]]:
        """All that is stored in the indices that match a pattern, also what was stored just now."""
        self.ask("POST", f"/{pattern}/_refresh")
        found: list[dict[str, Any]] = []
        page = self.ask("POST", f"/{pattern}/_search?scroll=1m&size=5000")
        while hits := page["hits"]["hits"]:
            found += [hit["_source"] for hit in hits]
            page = self.ask("POST", "/_search/scroll", {"scroll": "1m", "scroll_id": page["_scroll_id"]})
        self.ask("DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]})
        return found

    @contextmanager
    def failing(self, status: int = 503, what: str = BULK) -> Iterator[None]:
        """Let requests be answered with an error for a while.

        Args:
            what: `BULK`, the requests that write, or `EVERYTHING`.
        """
        if what not in {BULK, EVERYTHING}:
            raise ClusterError(f"requests of {what} cannot fail by themselves: choose {BULK} or {EVERYTHING}")
        with self._record.failing(what, status):
            yield

    @contextmanager
    def aged(self, index: str, by: timedelta) -> Iterator[None]:
        """Let an index look older for a while to those who ask for its settings."""
        with self._ages.set(index, by // timedelta(milliseconds=1)):
            yield

    def _prepare(self) -> None:
        """Make the program readable and a directory writable for nobody, who may read no directory of the tests."""
        self.machine.run("mkdir", PROGRAM)
        self.machine.run("mount", "--bind", "-o", "ro", str(Path(built("opensearch")).resolve()), PROGRAM)
        directories = [f"{HOME}/{name}" for name in ("config", "data", "logs", "scratch")]
        self.machine.run("mkdir", "-p", *directories)
        for file, text in (("opensearch.yml", json.dumps(SETTINGS)), ("log4j2.properties", LOGGING)):
            self.machine.run("tee", f"{HOME}/config/{file}", stdin=text)
        self.machine.run("chown", "-R", f"{NOBODY}:{NOBODY}", HOME)

    def _ready(self) -> bool:
        self.machine.check()
        authority = self._authority.path(f"{PUBLIC}-ca.crt")
        headers = {"Authorization": self._spec.authorization}
        host, address, path = self._spec.host, str(self.address), "/_cluster/health"
        status, text = self.machine.call(lambda: ask(host, address, "GET", path, headers=headers, authority=authority))
        if status != 200:
            raise ClusterError(f"it answers with {status}: {text}")
        return True


def _asked(method: str, path: str, body: object) -> tuple[int, str]:
    connection = HTTPConnection(*STORE, timeout=PATIENCE)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
