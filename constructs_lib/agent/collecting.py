"""What every collector does: it follows what other teams release, and looks at one ConfigMap after the other.

What becomes of a ConfigMap, files for Prometheus or for Grafana, is `collect` and `collect_dashboards`.
"""

import faulthandler
import hashlib
import json
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import kubernetes
from kubernetes.utils.keepalive import tcp_keepalive_socket_options

from constructs_lib.agent.cluster import Cluster, Item
from constructs_lib.agent.events import SAY_AGAIN_AFTER, Events
from constructs_lib.agent.metrics import Metrics
from constructs_lib.agent.promtool import NoVerdictError
from constructs_lib.agent.queue import Queue
from constructs_lib.agent.serving import serve
from constructs_lib.config.collected import DATA, largest
from constructs_lib.config.platform import Platform
from constructs_lib.config.teams import Owner
from constructs_lib.errors import ConstructError

IDLE = timedelta(seconds=1)
STUCK = timedelta(minutes=10)  # longer than all answers of promtool on one ConfigMap can take
HICCUP = timedelta(seconds=2)
GONE = {"idle": 15, "interval": 5, "count": 3}  # in seconds: half a minute until a connection counts as dead
WATCHES = 2000
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Refusal:
    """Why a ConfigMap is not live as it is.

    Args:
        made_of: What of, and beside what of others.
        reason: One sentence.
    """

    made_of: str
    reason: str


class Collecting(ABC):
    """What a command does, one ConfigMap after the other.

    Args:
        core: The client of the core API.
        platform: File with the platform's contract; read again when it changes.
        holding: Selector of the labels of ConfigMaps.
    """

    def __init__(self, core: "kubernetes.client.CoreV1Api", platform: Path, *, holding: str) -> None:
        self._contract, self._text = platform, platform.read_text()
        self._platform = Platform.from_contract(json.loads(self._text))
        self._events = Events(core)
        self._queue = Queue()
        self._cluster = Cluster(core, self._platform.namespace, self._changed, holding=holding)
        self._say_again = 0.0
        self._refused: dict[tuple[str, str], Refusal] = {}
        self.metrics = Metrics(self._cluster, self._queue, self.refusals)

    @abstractmethod
    def prepare(self) -> None:
        """Before anything is asked: what is live stays live, unless its reader would not start with it."""

    @abstractmethod
    def bring(self, item: Item, owner: Owner, *, place: int = 0) -> None:
        """Make a ConfigMap live as it is, or refuse it.

        Args:
            item: The ConfigMap.
            owner: Of its namespace.
            place: How many of its kind come before it, by name.
        """

    @abstractmethod
    def _live(self, namespace: str) -> Iterator[tuple[str, str]]:
        """Namespace and name of what is live of a namespace; of all of them when empty."""

    @abstractmethod
    def _remove(self, namespace: str, name: str) -> bool:
        """Take away what is live of a ConfigMap; False where there is nothing."""

    @abstractmethod
    def _kind(self, name: str) -> str | None:
        """Which ConfigMaps count together, as the name of each tells."""

    @abstractmethod
    def _felt(self, namespace: str, name: str) -> object:
        """What of a ConfigMap that is live those of its kind feel that come after it, by name."""

    def refusals(self) -> list[tuple[str, str]]:
        """Namespace and name of what is not live as it is."""
        return list(self._refused)

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
        for key in self._live(namespace):
            self._queue.add(*key)
        for key in [each for each in list(self._refused) if namespace in {"", each[0]}]:
            self._queue.add(*key)
        for each in self._cluster.items(namespace) or ():
            self._queue.add(namespace, each)

    def _look_at(self, namespace: str, name: str) -> None:
        before = self._felt(namespace, name)
        self._bring_or_forget(namespace, name)
        if self._felt(namespace, name) != before:
            for each in self._cluster.items(namespace) or ():
                if each > name and self._kind(each) == self._kind(name):
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
        alike = sorted(each for each in items if self._kind(each) == self._kind(name))
        self.bring(items[name], owner, place=alike.index(name))

    def _refuse(self, item: Item, reason: str, made_of: str) -> None:
        """It is not live as it is, and its team hears of it.

        Args:
            made_of: Tells this version of it, and what of others it was refused for, from any other.
        """
        key, refusal = (item.namespace, item.name), Refusal(made_of, reason)
        if self._refused.get(key) != refusal:
            log.info("refused %s/%s: %s", *key, reason)
        self._refused[key] = refusal
        self._events.refused(item, reason, made_of)

    def _mended(self, item: Item, made_of: str) -> None:
        """If it was refused, it no longer is."""
        if self._refused.pop((item.namespace, item.name), None) is not None:
            self._events.live(item, made_of)

    def _forget(self, namespace: str, name: str) -> None:
        """Nothing remains of it."""
        self._refused.pop((namespace, name), None)
        if self._remove(namespace, name):
            log.info("gone: %s/%s", namespace, name)

    def _read_again(self) -> bool:
        """Whether the platform's contract is another one; one that this version cannot read changes nothing."""
        text = self._contract.read_text()
        if text == self._text:
            return False
        self._text = text
        try:
            self._platform = Platform.from_contract(json.loads(text))
        except (ConstructError, ValueError) as error:
            log.warning("the platform's contract stays as it was: %s", error)
            return False
        return True


def held(item: Item, *, rather: str) -> str:
    """The one text that a ConfigMap must hold.

    Args:
        item: The ConfigMap.
        rather: What to do where it is too long.
    Raises:
        ConstructError: too much of it, or something else.
    """
    if item.data is None:
        raise ConstructError(f"{item.name} holds more than {largest(item.kind).count // 1024} KiB: {rather}")
    if set(item.data) != {DATA}:
        raise ConstructError(f"{item.name} holds {', '.join(sorted(item.data)) or 'nothing'}: it must hold {DATA}")
    return item.data[DATA]


def digest(text: str) -> str:
    """Tells a text from others."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def run(make: Callable[["kubernetes.client.CoreV1Api"], Collecting], port: int) -> None:
    """Collect until the process is told to stop.

    Args:
        make: Gets the client of the core API.
        port: Of the metrics.
    """
    kubernetes.config.load_config()
    configuration = kubernetes.client.Configuration.get_default_copy()
    # A watch is silent for hours: else nobody notices that the other side is gone, or, by default, three minutes later.
    configuration.socket_options = tcp_keepalive_socket_options(**GONE)
    configuration.connection_pool_maxsize = WATCHES
    collector = make(kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration)))
    serve(collector.metrics, port)
    collector.prepare()  # a new promtool may need a minute for all that is live, and a probe does not wait so long
    collector.start()
    while True:
        faulthandler.dump_traceback_later(STUCK.total_seconds(), exit=True)  # and the kubelet starts it again
        collector.step(IDLE)
