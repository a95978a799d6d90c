"""The collector: other teams' scrape jobs and rule groups become files that Prometheus reads.

Every ConfigMap is bound to its namespace, judged by promtool, and written as a whole or not at all. What is refused
leaves what was live before as it is, and is said in an Event beside the ConfigMap and in a metric.
"""

import faulthandler
import hashlib
import json
import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import kubernetes
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from prometheus_client import REGISTRY, start_http_server
from pydantic import TypeAdapter, ValidationError

from constructs_lib.agent.cluster import Cluster, Item
from constructs_lib.agent.events import SAY_AGAIN_AFTER, Events
from constructs_lib.agent.files import JOBS, NEW, RULES, Files
from constructs_lib.agent.metrics import Metrics
from constructs_lib.agent.promtool import NoVerdictError, Promtool
from constructs_lib.agent.queue import Queue
from constructs_lib.config import to_yaml
from constructs_lib.config.collected import (
    COLLECT,
    DATA,
    LARGEST,
    RULE_GROUP,
    SCRAPE_JOB,
    GroupData,
    JobData,
    object_name,
)
from constructs_lib.config.platform import Platform
from constructs_lib.config.teams import Owner
from constructs_lib.errors import ConstructError

# The same bytes of a later version may be bound otherwise: what is live is made again.
VERSION = "1"
IDLE = timedelta(seconds=1)
STUCK = timedelta(minutes=10)  # longer than all answers of promtool on one ConfigMap can take
HICCUP = timedelta(seconds=2)
GONE = {"idle": 15, "interval": 5, "count": 3}  # in seconds: half a minute until a connection counts as dead
LONGEST_NAME = 63  # of a ConfigMap that can be one of these; a file has a longer one
SEPARATOR = "_"  # in no name of Kubernetes
CHECKED_BY = "checked-by"
AT_ONCE = 500  # files, in one call of promtool: seconds, and less than 100 MiB
WATCHES = 2000
LIMITED = re.compile(r"^  (?:sample|target)_limit: (\d+)$", re.MULTILINE)
KINDS = {SCRAPE_JOB: JOBS, RULE_GROUP: RULES}
JOB, GROUP = TypeAdapter(JobData), TypeAdapter(GroupData)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Args:
        platform: File with the platform's contract; read again when it changes.
        output: Directory of the files that Prometheus reads.
        promtool: Of the Prometheus that reads them.
        port: Of the metrics.
    """

    platform: Path
    output: Path
    promtool: Path
    port: int


@dataclass(slots=True)
class Refusal:
    """Why a ConfigMap is not live as it is.

    Args:
        made_of: What of, and beside how many series.
        reason: One sentence.
    """

    made_of: str
    reason: str


class Collector:
    """What the command does, one ConfigMap after the other.

    Args:
        options: The command line.
        core: The client of the core API.
        promtool: The judge.
    """

    def __init__(self, options: Options, core: "kubernetes.client.CoreV1Api", promtool: Promtool) -> None:
        self._options, self.promtool = options, promtool
        self._files, self._events = Files(options.output), Events(core)
        self._queue = Queue()
        self._text = options.platform.read_text()
        self._platform = Platform.from_contract(json.loads(self._text))
        self._cluster = Cluster(core, self._platform.namespace, self._changed)
        self._say_again = 0.0
        self._refused: dict[tuple[str, str], Refusal] = {}
        self.metrics = Metrics(self._cluster, self._queue, self.refusals)

    def refusals(self) -> list[tuple[str, str]]:
        """Namespace and name of what is not live as it is."""
        return list(self._refused)

    def prepare(self) -> None:
        """Before anything is asked: what is live stays live, unless this Prometheus would not start with it."""
        self._files.prepare()
        marker = self._options.output / CHECKED_BY
        if marker.exists() and marker.read_text() == self.promtool.version:
            return
        live = list(self._files.live())
        try:
            for kind in KINDS.values():
                names = [name for each, name in live if each == kind]
                for first in range(0, len(names), AT_ONCE):
                    self._judge(kind, names[first : first + AT_ONCE])
        except NoVerdictError as error:
            log.warning("what is live stays, unjudged: %s", error)
            return  # and is judged when this starts again
        marker.write_text(self.promtool.version)

    def start(self) -> None:
        """Begin to watch the cluster."""
        self._cluster.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._cluster.stop()

    def step(self, timeout: timedelta) -> None:
        """Look at one ConfigMap, or wait for one."""
        if self._read_again():
            for namespace in self._cluster.owners():
                self._changed(namespace, None)
        if time.monotonic() > self._say_again:
            self._say_again = time.monotonic() + SAY_AGAIN_AFTER.total_seconds()
            for key in list(self._refused):
                self._queue.add(*key)
        taken = self._queue.take(timeout)
        if taken is None:
            return
        begun = time.monotonic()
        since = self._queue.begin(*taken)
        try:
            self._look_at(*taken)
        except (OSError, NoVerdictError) as error:  # a full disk, a promtool that was killed
            log.warning("cannot say yet what becomes of %s/%s: %s", *taken, error)
            self._queue.add(*taken, since=since)
            begun -= HICCUP.total_seconds()
        self._queue.rest(taken[0], time.monotonic() - begun)

    def _changed(self, namespace: str, name: str | None) -> None:
        if self._cluster.changes_often(namespace):  # also where nothing stays as long as it takes to change
            self._events.changes_often(namespace)
        if name is not None:
            self._queue.add(namespace, name)
            return
        for _, file in self._files.live(file_name(namespace, "") if namespace else ""):
            owner, separator, object_name = file.partition(SEPARATOR)
            if separator:  # nobody else should write here, but who knows
                self._queue.add(owner, object_name)
        for key in [each for each in list(self._refused) if namespace in {"", each[0]}]:
            self._queue.add(*key)
        for each in self._cluster.items(namespace) or ():
            self._queue.add(namespace, each)

    def _look_at(self, namespace: str, name: str) -> None:
        before = self._series(file_name(namespace, name))
        self._bring_or_forget(namespace, name)
        if self._series(file_name(namespace, name)) != before:  # those after it have more left, or less
            for each in self._cluster.items(namespace) or ():
                if each > name and file_kind(each) == JOBS:
                    self._queue.add(namespace, each)

    def _bring_or_forget(self, namespace: str, name: str) -> None:
        owner, items = self._cluster.owner(namespace), self._cluster.items(namespace)
        if owner is None and self._cluster.known:
            self._forget(namespace, name)
        if owner is None or items is None:
            return
        if name not in items:
            self._forget(namespace, name)
            return
        alike = sorted(each for each in items if file_kind(each) == file_kind(name))
        self.bring(items[name], owner, place=alike.index(name))

    def bring(self, item: Item, owner: Owner, *, place: int = 0) -> None:
        """Make a ConfigMap live as it is, or refuse it.

        Args:
            place: How many of its kind come before it, by name.
        """
        key, kind, file = (item.namespace, item.name), file_kind(item.name), file_name(item.namespace, item.name)
        allowed = self._platform.allowed
        beyond = place >= (allowed.jobs if kind == JOBS else allowed.groups)
        bound_by = _digest(repr((owner, allowed, self.promtool.version, VERSION, beyond)))
        made_of = f"{_digest(repr((item.kind, item.data)))} {bound_by}"
        live = self._files.made_of(kind, file) if kind else None
        others = self._series_before(item.namespace, file) if kind == JOBS else 0
        crowded = live is not None and others + self._series(file) > allowed.series
        if made_of == live and not crowded:
            self._mended(item, made_of)
            return
        judged = f"{made_of} {others}"
        known = self._refused.get(key)
        if known is not None and known.made_of == judged:
            self._events.refused(item, known.reason, judged)
            return
        try:
            if beyond:
                raise ConstructError(
                    f"the namespace {item.namespace} has {place} {kind} before this one already, which is what the "
                    "platform allows: put several into one"
                )
            text = self._rendered(item, owner, others)
            if kind is not None:  # else it was refused
                self._files.write(kind, file, text, made_of=made_of, check=self._check(kind))
        except ConstructError as error:
            # What the team changed leaves its last good version; what it may no longer do does not.
            if kind and live and (crowded or not live.endswith(bound_by)):
                self._files.remove(kind, file)
            self._refused[key] = Refusal(judged, str(error))
            self._events.refused(item, str(error), judged)
            log.info("refused %s/%s: %s", *key, error)
            return
        log.info("live: %s/%s, made of %s", *key, made_of)
        self._mended(item, made_of)

    def _mended(self, item: Item, made_of: str) -> None:
        """If it was refused, it no longer is."""
        if self._refused.pop((item.namespace, item.name), None) is not None:
            self._events.live(item, made_of)

    def _series(self, file: str) -> int:
        """How many a live job may have, by what Prometheus reads of it; 0 where there is none."""
        path = self._files.path(JOBS, file)
        return math.prod(map(int, LIMITED.findall(path.read_text()))) if path.exists() else 0

    def _series_before(self, namespace: str, file: str) -> int:
        """How many the live jobs of a namespace may have together that come before one, by name."""
        live = self._files.live(file_name(namespace, ""))
        return sum(self._series(each) for kind, each in live if kind == JOBS and each < file)

    def _rendered(self, item: Item, owner: Owner, others: int) -> str:
        """What Prometheus reads of it.

        Raises:
            ConstructError: whatever is wrong with it.
        """
        try:
            return to_yaml(self._document(item, owner, others))
        except ConstructError:
            raise
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or DATA
            raise ConstructError(f"{where} of {item.name} is wrong: {first['msg']}") from error
        except (OSError, NoVerdictError):
            raise
        except Exception as error:  # it must stop no other team's
            log.exception("%s/%s", item.namespace, item.name)
            raise ConstructError(f"{item.name} cannot be read: {type(error).__name__}") from error

    def _document(self, item: Item, owner: Owner, others: int) -> dict[str, Any]:
        if item.kind not in KINDS:
            raise ConstructError(f"the label {COLLECT} is {item.kind!r}: use {' or '.join(KINDS)}")
        if item.data is None:
            raise ConstructError(
                f"{item.name} holds more than {LARGEST.count // 1024} KiB: put fewer rules into one group"
            )
        if set(item.data) != {DATA}:
            raise ConstructError(f"{item.name} holds {', '.join(sorted(item.data)) or 'nothing'}: it must hold {DATA}")
        data = (JOB if item.kind == SCRAPE_JOB else GROUP).validate_json(item.data[DATA])
        if item.name != object_name(item.kind, data.name):
            raise ConstructError(
                f"the ConfigMap {item.name} holds {data.name}: call it {object_name(item.kind, data.name)}, so that "
                "there is one of the name"
            )
        if isinstance(data, JobData):
            return {"scrape_configs": [data.bound(owner, self._platform.allowed, others=others).to_dict()]}
        return data.bound(
            owner, self._platform.allowed, lambda expr: self.promtool.bind(expr, "namespace", owner.namespace)
        )

    def _judge(self, kind: str, names: Sequence[str]) -> None:
        """Take away the files that Prometheus would not start with: of many, half by half."""
        try:
            self._check(kind)(*(self._files.path(kind, name) for name in names))
        except ConstructError as error:
            if len(names) > 1:
                half = len(names) // 2
                self._judge(kind, names[:half])
                self._judge(kind, names[half:])
                return
            log.warning("%s %s is no longer accepted, and so removed: %s", kind, names[0], error)
            self._files.remove(kind, names[0])

    def _check(self, kind: str) -> Callable[..., None]:
        return self.promtool.check_jobs if kind == JOBS else self.promtool.check_rules

    def _forget(self, namespace: str, name: str) -> None:
        """Nothing remains of it."""
        self._refused.pop((namespace, name), None)
        kind = file_kind(name)
        if kind and self._files.remove(kind, file_name(namespace, name)):
            log.info("gone: %s/%s", namespace, name)

    def _read_again(self) -> bool:
        """Whether the platform's contract is another one; one that this version cannot read changes nothing."""
        text = self._options.platform.read_text()
        if text == self._text:
            return False
        self._text = text
        try:
            self._platform = Platform.from_contract(json.loads(text))
        except (ConstructError, ValueError) as error:
            log.warning("the platform's contract stays as it was: %s", error)
            return False
        return True


def collect(options: Options) -> None:
    """Bring what other teams release into Prometheus' files, until the process is told to stop."""
    kubernetes.config.load_config()
    configuration = kubernetes.client.Configuration.get_default_copy()
    # A watch is silent for hours: else nobody notices that the other side is gone, or, by default, three minutes later.
    configuration.socket_options = tcp_keepalive_socket_options(**GONE)
    configuration.connection_pool_maxsize = WATCHES
    core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
    collector = Collector(options, core, Promtool(path=options.promtool, scratch=options.output / NEW))
    REGISTRY.register(collector.metrics)
    try:
        start_http_server(options.port, addr="::")  # of both families
    except OSError:
        start_http_server(options.port)
    collector.prepare()  # a new promtool may need a minute for all that is live, and a probe does not wait so long
    collector.start()
    while True:
        faulthandler.dump_traceback_later(STUCK.total_seconds(), exit=True)  # and the kubelet starts it again
        collector.step(IDLE)


def file_name(namespace: str, name: str) -> str:
    """Of a ConfigMap, without the suffix."""
    return f"{namespace}{SEPARATOR}{name}"


def file_kind(name: str) -> str | None:
    """Where the file of a ConfigMap lies, which its name tells; None where it can have none."""
    if len(name) > LONGEST_NAME:
        return None
    return next((files for kind, files in KINDS.items() if name.startswith(object_name(kind, ""))), None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
