"""The program in the container: `python3 -m tests.cluster.stand_in.server ARGUMENTS`, with the arguments of /run.sh.

It is ready when all that it read is in order and its database takes what it writes, and says what is wrong in its log
and at `/stand-in/report`. What it says beside that, it says as Grafana does.
"""

import json
import math
import os
import signal
import socket
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.cluster.stand_in.boards import Board
from tests.cluster.stand_in.check import Grafana, all_boards, assembled, of_boards
from tests.cluster.stand_in.database import Database, DatabaseError, fingerprint
from tests.cluster.stand_in.expanding import Place
from tests.cluster.stand_in.names import SECRETS
from tests.cluster.stand_in.peers import Peers
from tests.cluster.stand_in.provisioning import Source
from tests.cluster.stand_in.settings import Settings

VERSION = "13.2.3"
PATIENCE = 5.0  # seconds
EVERY = 5.0  # seconds, in which data sources and database are asked
# What Grafana itself asks a data source that is to be tested, or something as small.
HEALTH = {
    "prometheus": "/api/v1/query?query=1%2B1",
    "loki": "/loki/api/v1/query?query=vector(1)%2Bvector(1)",
    "jaeger": "/api/services",
    "alertmanager": "/api/v2/status",
}
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, math.inf)


@dataclass(slots=True)
class State:
    """What is known at the moment.

    Args:
        faults: That let it not become ready.
        found: The dashboards.
        broken: Path of a dashboard -> what is wrong with it.
        instances: Those that share the database.
        failing: What is wrong with the database just now.
        reached: uid of a data source -> "ok", or what went wrong.
        answers: Handler, method and status -> how long each answer took, in seconds.
    """

    grafana: Grafana
    database: Database
    peers: Peers
    faults: list[str]
    found: list[Board] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)
    instances: dict[str, dict[str, str]] = field(default_factory=dict)
    failing: str = "it was not asked yet"
    reached: dict[str, str] = field(default_factory=dict)
    answers: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def report(self) -> dict[str, Any]:
        """All of it, without secrets."""
        values = self.grafana.settings.values
        return {
            "faults": self.faults,
            "settings": {name: fingerprint(value) if name in SECRETS else value for name, value in values.items()},
            "datasources": {
                source.uid: {
                    "name": source.name,
                    "type": source.kind,
                    "url": source.url,
                    "isDefault": source.default,
                    "reached": self.reached.get(source.uid, "it was not asked yet"),
                }
                for source in self.grafana.sources
            },
            "dashboards": {
                board.path: {
                    "uid": board.uid,
                    "title": board.title,
                    "folder": board.folder,
                    "faults": self.broken.get(board.path, []),
                }
                for board in self.found
            },
            "database": {
                "type": self.grafana.settings["database.type"],
                "failing": self.failing,
                "instances": self.instances,
            },
            "peers": {
                "seen": self.peers.seen,
                "asked": {address: sorted(how) for address, how in self.peers.asked.items()},
            },
        }


def start(place: Place, arguments: list[str]) -> State:
    """Read everything once, and begin to look after what changes."""
    grafana = assembled(place, arguments)
    name = place.environment.get("HOSTNAME") or socket.gethostname()
    peers = Peers(grafana.settings, name)
    state = State(grafana, Database(place, grafana.settings, name), peers, list(grafana.faults))
    _read_boards(place, state)
    # Of other teams' dashboards nothing may depend but themselves.
    ours = [each.path for each in grafana.providers if not each.folders_from_files]
    for path, faults in state.broken.items():
        if any(Path(path).is_relative_to(each) for each in ours):
            state.faults += [f"{path}: {fault}" for fault in faults]
    for fault in state.faults:
        _log("error", fault)
    intervals = [provider.interval for provider in grafana.providers]
    _repeat(lambda: _read_boards(place, state), min(intervals, default=10))
    _repeat(lambda: _look(state), EVERY)
    if peers.wanted and not state.faults:
        peers.start()
    return state


def _read_boards(place: Place, state: State) -> None:
    state.found = all_boards(place, state.grafana)
    broken = of_boards(state.found)
    for path, faults in broken.items():
        if faults != state.broken.get(path):
            _log("error", f"{path}: {'; '.join(faults)}")
    state.broken = broken


def _look(state: State) -> None:
    """Ask the database and the data sources how they are."""
    try:
        if not state.instances:
            state.database.prepare()
        state.instances = state.database.instances(int(time.time()))
        secrets = {each["secret"] for each in state.instances.values()}
        state.failing = "" if len(secrets) == 1 else "it holds what was encrypted with another secret_key"
    except DatabaseError as error:
        state.failing = str(error)
    if state.failing:
        _log("error", f"database: {state.failing}")
    for source in state.grafana.sources:
        state.reached[source.uid] = _asked(source)


def _asked(source: Source) -> str:
    url = f"{source.url.rstrip('/')}{HEALTH.get(source.kind, '/')}"
    try:
        with urlopen(Request(url, headers=dict(source.headers)), timeout=PATIENCE) as answer:  # noqa: S310
            json.load(answer)
    except HTTPError as error:
        return f"{url} answers with {error.code}"
    except (URLError, OSError, ValueError) as error:
        return f"{url} does not answer: {error}"
    return "ok"


def _repeat(work: Callable[[], None], seconds: float) -> None:
    def run() -> None:
        while True:
            work()
            time.sleep(seconds)

    threading.Thread(target=run, daemon=True).start()


def _log(level: str, text: str) -> None:
    print(f"logger=stand-in level={level} msg={json.dumps(text)}", flush=True)  # noqa: T201 - the container's log


def metrics(state: State) -> str:
    """What Grafana tells of itself, as far as it is known here."""
    build = f'branch="HEAD",edition="oss",goversion="none",revision="stand-in",version="{VERSION}"'
    name = "grafana_http_request_duration_seconds"
    lines = ["# TYPE grafana_build_info gauge", f"grafana_build_info{{{build}}} 1", f"# TYPE {name} histogram"]
    for (handler, method, status), took in sorted(state.answers.items()):
        labels = f'handler="{handler}",method="{method}",slo_group="none",status_code="{status}",status_source="server"'
        lines += [f'{name}_bucket{{{labels},le="{_le(le)}"}} {sum(each <= le for each in took)}' for le in BUCKETS]
        lines += [f"{name}_sum{{{labels}}} {sum(took)}", f"{name}_count{{{labels}}} {len(took)}"]
    lines += ["# TYPE grafana_stat_total_dashboards gauge", f"grafana_stat_total_dashboards {len(state.found)}"]
    if state.peers.wanted:
        members = "grafana_alertmanager_cluster_members"
        lines += [f"# TYPE {members} gauge", f"{members} {state.peers.members()}"]
    return "\n".join([*lines, ""])


def _le(bound: float) -> str:
    return "+Inf" if bound == math.inf else f"{bound:g}"


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        state, path = cast("Server", self.server).state, urlsplit(self.path).path
        if path == "/api/health":
            status, working = (503, "failing") if state.faults or state.failing else (200, "ok")
            self._say(path, status, {"commit": "stand-in", "database": working, "version": VERSION})
        elif path == "/metrics" and state.grafana.settings.truth("metrics.enabled"):
            known = self._reads_metrics(state.grafana.settings)
            self._say(path, 200 if known else 401, metrics(state) if known else "Unauthorized")
        elif path == "/stand-in/report":
            self._say(path, 200, state.report())
        elif path == "/healthz":  # whatever the database does
            self._say(path, 200, "Ok")
        elif path == "/login":
            self._say(path, 200, "<!DOCTYPE html><title>Grafana</title>", kind="text/html; charset=UTF-8")
        elif path == "/":
            self._say(path, 302, "", location="/login")
        else:
            self._say("notfound", 404, {"message": "Not found"})

    def do_POST(self) -> None:
        state = cast("Server", self.server).state
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if urlsplit(self.path).path != "/login":
            self._say("notfound", 404, {"message": "Not found"})
            return
        try:
            given = json.loads(body)
            known = state.database.admits(str(given.get("user")), str(given.get("password")))
        except (ValueError, AttributeError):
            self._say("/login", 400, {"message": "bad login data"})
        except DatabaseError as error:
            self._say("/login", 500, {"message": str(error)})
        else:
            status, said = (200, "Logged in") if known else (401, "Invalid username or password")
            self._say("/login", status, {"message": said})

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: Grafana logs no requests, either."""

    def _reads_metrics(self, settings: Settings) -> bool:
        """Grafana asks for a password only where both are set."""
        user, password = (settings[f"metrics.basic_auth_{name}"] for name in ("username", "password"))
        told = b64encode(f"{user}:{password}".encode()).decode()
        return not (user and password) or self.headers.get("Authorization") == f"Basic {told}"

    def _say(self, handler: str, status: int, content: object, *, kind: str = "", location: str = "") -> None:
        answers = cast("Server", self.server).state.answers
        text = content if isinstance(content, str) else json.dumps(content)
        plain = "text/plain; version=0.0.4; charset=utf-8" if isinstance(content, str) else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind or plain)
        self.send_header("Content-Length", str(len(text.encode())))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())
        answers.setdefault((handler, self.command, status), []).append(time.monotonic() - self._begun)

    def parse_request(self) -> bool:
        """Note when a request began."""
        self._begun = time.monotonic()
        return super().parse_request()


class Server(ThreadingHTTPServer):
    """Serves what is known."""

    daemon_threads = True

    def __init__(self, state: State) -> None:
        self.state = state
        settings = state.grafana.settings
        super().__init__((settings["server.http_addr"], int(settings["server.http_port"])), Handler)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM, for which the first process of a container needs a handler."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.umask(0o027)
    server = Server(start(Place(Path("/"), dict(os.environ)), arguments))
    _log("info", f"HTTP Server Listen on {server.server_address}")
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
