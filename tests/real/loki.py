"""A real Loki on loopback, and what tests tell and ask it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from constructs_lib.config import to_yaml
from constructs_lib.kube.loki import STOP_WITHIN
from tests.cluster.programs import built
from tests.real.loopback import free_port, soon

ENVIRONMENT = {**os.environ, "POD_IP": "127.0.0.1"}
NANOSECONDS = 10**9
PUSH = "/loki/api/v1/push"


def loki(document: dict[str, Any], directory: Path, *arguments: str) -> list[str]:
    """The command that runs it."""
    path = directory / "loki.yaml"
    path.write_text(to_yaml(document))
    return [built("loki"), f"-config.file={path}", "-config.expand-env=true", "-target=all", *arguments]


def verified(document: dict[str, Any], directory: Path) -> subprocess.CompletedProcess[str]:
    """Let it read a configuration, whatever it says."""
    command = loki(document, directory, "-verify-config")
    return subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)


@contextmanager
def running(document: dict[str, Any], directory: Path, *arguments: str) -> Iterator[str]:
    """A Loki on loopback, and its URL; it is asked to stop in the end, and has as long for it as a pod.

    Storing what it holds takes a second, or more than a minute where its old index is locked, and it tries again.
    """
    http, grpc = free_port(), free_port()
    listen = [f"-server.{name}-listen-address=127.0.0.1" for name in ("http", "grpc")]
    ports = [f"-server.http-listen-port={http}", f"-server.grpc-listen-port={grpc}"]
    environment = {**ENVIRONMENT, "TMPDIR": document["common"]["path_prefix"]}
    with (directory / "loki.log").open("a") as log:
        command = loki(document, directory, *listen, *ports, *arguments)
        program = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd="/")
    try:
        yield f"http://127.0.0.1:{http}"
        program.terminate()
        assert program.wait(timeout=STOP_WITHIN.total_seconds()) == 0
    finally:
        program.kill()
        program.wait()


def found(url: str, at: int, app: str = "shop", *, since: int | None = None, tenant: str | None = None) -> list[str]:
    """The lines around a time, in nanoseconds, or since an earlier one, as one query finds them: the newest first."""
    start = at if since is None else since
    query = {"query": f'{{app="{app}"}}', "start": start - 60 * NANOSECONDS, "end": at + 60 * NANOSECONDS}
    answer = json.loads(soon(f"{url}/loki/api/v1/query_range?{urlencode(query)}", tenant=tenant))
    values = [value for stream in answer["data"]["result"] for value in stream["values"]]
    return [line for _, line in sorted(values, key=lambda value: int(value[0]), reverse=True)]


def pushed(line: str, at: int, app: str = "shop", **metadata: str) -> dict[str, Any]:
    """What is pushed: a line, and what it comes with."""
    return {"streams": [{"stream": {"app": app}, "values": [[str(at), line, *([metadata] if metadata else [])]]}]}


def push(url: str, line: str, at: int, app: str = "shop", **metadata: str) -> None:
    soon(f"{url}{PUSH}", pushed(line, at, app, **metadata))
