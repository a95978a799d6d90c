"""What there is in the cluster: the namespaces that opted in, and the labelled ConfigMaps in each of them.

One watch follows the namespaces, and one each the ConfigMaps of a namespace: nobody may read those of all.
The client's own informer would hold whole lists of objects of 1 MiB each, as many as somebody cares to make.
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import kubernetes
from kubernetes.client.exceptions import ApiException

from constructs_lib.config.collected import COLLECT, largest
from constructs_lib.config.teams import Owner
from constructs_lib.contract import MONITORED_BY, TEAM_OF_NAMESPACE

PAGE = 20  # of ConfigMaps that may have 1 MiB each
AT_ONCE = threading.Semaphore(4)  # lists, which hold a page in memory
WATCH_FOR = timedelta(minutes=5)
FIRST_WAIT, TRY_AGAIN_AFTER = 1.0, timedelta(seconds=30)  # at most
MOST = 100  # ConfigMaps of one namespace that are looked at, of those that are too many, too
# A binding that is taken away is the team's word, but a mistake of the platform's own can look the same for a while.
WITHDRAWN_AFTER = timedelta(minutes=5)
JITTER = random.Random()  # noqa: S311 - no secret
OFTEN, OVER = 60, timedelta(minutes=1)  # changes of one namespace

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A labelled ConfigMap.

    Args:
        kind: What its label says that it holds.
        data: None when there is too much of it.
    """

    namespace: str
    name: str
    uid: str
    kind: str
    data: Mapping[str, str] | None = field(repr=False)

    @classmethod
    def of(cls, config_map: Any) -> "Item":
        """From what the client returns."""
        data = config_map.data or {}
        size = sum(len(text.encode()) for text in data.values())
        kind = config_map.metadata.labels.get(COLLECT, "")
        return cls(
            namespace=config_map.metadata.namespace,
            name=config_map.metadata.name,
            uid=config_map.metadata.uid,
            kind=kind,
            data=data if size <= largest(kind).count else None,
        )


@dataclass(slots=True)
class _Namespace:
    owner: Owner
    stop: threading.Event = field(default_factory=threading.Event)
    items: dict[str, Item] = field(default_factory=dict)
    known: bool = False
    answered: bool = False
    failing: bool = False
    changes: deque[float] = field(default_factory=lambda: deque(maxlen=OFTEN))


class Cluster:
    """What there is, brought up to date in the background.

    Args:
        core: The client of the core API.
        namespace: Of the monitoring, which namespaces name that opt in.
        changed: Called, from any thread, with the namespace and the name of what changed; without a name where
            everything of the namespace may have, and with an empty namespace where everything at all may.
        holding: Selector of the labels of ConfigMaps.
    """

    def __init__(
        self,
        core: "kubernetes.client.CoreV1Api",
        namespace: str,
        changed: Callable[[str, str | None], None],
        *,
        holding: str = COLLECT,
    ) -> None:
        self._core, self._namespace, self._changed, self._holding = core, namespace, changed, holding
        self._lock = threading.Lock()
        self._namespaces: dict[str, _Namespace] = {}
        self._known = self._blind = False
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._in_background("namespaces", self._follow_namespaces)

    def stop(self) -> None:
        """Watch no longer; a thread that waits for the API server ends with its answer."""
        self._stop.set()
        with self._lock:
            for each in self._namespaces.values():
                each.stop.set()

    @property
    def known(self) -> bool:
        """Whether the API server has told all namespaces: until then, none is known to be gone."""
        return self._known

    @property
    def settled(self) -> bool:
        """Whether every namespace was told of, or refused once."""
        with self._lock:
            return self._known and all(each.answered for each in self._namespaces.values())

    def owners(self) -> dict[str, Owner]:
        """Who opted in, by namespace."""
        with self._lock:
            return {name: each.owner for name, each in self._namespaces.items()}

    def owner(self, namespace: str) -> Owner | None:
        """Of one namespace, if it opted in."""
        with self._lock:
            found = self._namespaces.get(namespace)
            return found.owner if found else None

    def items(self, namespace: str) -> dict[str, Item] | None:
        """The ConfigMaps of a namespace by name; None while the API server has not told them."""
        with self._lock:
            found = self._namespaces.get(namespace)
            return dict(found.items) if found and found.known else None

    def failing(self) -> int:
        """How many namespaces cannot be watched at the moment, though we may; and one for all of them together."""
        with self._lock:
            return sum(each.failing for each in self._namespaces.values()) + self._blind

    def changes_often(self, namespace: str) -> bool:
        """Whether a namespace changes more often than anybody could mean it."""
        with self._lock:
            found = self._namespaces.get(namespace)
            changes = found.changes if found else deque()
            return len(changes) == OFTEN and time.monotonic() - changes[0] < OVER.total_seconds()

    def _in_background(self, name: str, target: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=target, args=arguments, name=name, daemon=True).start()

    def _follow_namespaces(self) -> None:
        def told(found: list[tuple[Owner, bool]]) -> None:
            staying = [owner for owner, leaving in found if not leaving]
            for owner in staying:
                self._opted_in(owner)
            for gone in self.owners().keys() - {owner.namespace for owner in staying}:
                self._opted_out(gone)
            self._known, self._blind = True, False
            self._changed("", None)

        def changed(kind: str, namespace: tuple[Owner, bool]) -> None:
            owner, leaving = namespace
            self._opted_out(owner.namespace) if leaving or kind == "DELETED" else self._opted_in(owner)

        def failed(status: int | None) -> None:
            self._blind = True
            if status == 403:
                log.warning("may not watch namespaces")

        selector = f"{MONITORED_BY}={self._namespace}"
        _follow(self._core.list_namespace, _owner, told, changed, failed, stop=self._stop, label_selector=selector)

    def _opted_in(self, owner: Owner) -> None:
        name = owner.namespace
        with self._lock:
            if self._stop.is_set():
                return
            former = self._namespaces.get(name)
            if former is None:
                self._namespaces[name] = _Namespace(owner)
            elif former.owner == owner:
                return
            else:
                former.owner = owner
        if former is None:
            self._in_background(name, self._follow_config_maps, self._namespaces[name])
        self._changed(name, None)

    def _opted_out(self, name: str) -> None:
        with self._lock:
            found = self._namespaces.pop(name, None)
            if found is not None:
                found.stop.set()
        self._changed(name, None)

    def _follow_config_maps(self, namespace: _Namespace) -> None:
        name = namespace.owner.namespace
        refused_since: float | None = None

        def told(found: list[Item]) -> None:
            nonlocal refused_since
            refused_since = None
            with self._lock:
                namespace.items = {each.name: each for each in found[:MOST]}
                namespace.known, namespace.failing = True, False
            if len(found) > MOST:
                log.warning("%s has more than %d labelled ConfigMaps: the others are not looked at", name, MOST)
            self._changed(name, None)
            namespace.answered = True

        def changed(kind: str, item: Item) -> None:
            with self._lock:
                namespace.changes.append(time.monotonic())
                known = item.name in namespace.items
                if kind == "DELETED":
                    namespace.items.pop(item.name, None)
                elif known or len(namespace.items) < MOST:
                    namespace.items[item.name] = item
            # One that comes or goes may move others' places.
            self._changed(name, item.name if known and kind != "DELETED" else None)

        def failed(status: int | None) -> None:
            nonlocal refused_since
            with self._lock:
                # Most namespaces never gave the right; one that did and does no longer may not know.
                namespace.failing = status != 403 or bool(namespace.items)
                if status != 403:
                    return
                namespace.answered = True
                refused_since = refused_since or time.monotonic()
                empty = namespace.known and not namespace.items
                if empty or time.monotonic() - refused_since < WITHDRAWN_AFTER.total_seconds():
                    return
                namespace.items, namespace.known, namespace.failing = {}, True, False
            self._changed(name, None)

        _follow(
            self._core.list_namespaced_config_map,
            Item.of,
            told,
            changed,
            failed,
            namespace=name,
            label_selector=self._holding,
            stop=namespace.stop,
            most=MOST,
        )


def _owner(namespace: Any) -> tuple[Owner, bool]:
    """Of a namespace, from what the client returns, and whether it is being deleted: until it is empty, it is there."""
    metadata = namespace.metadata
    team = (metadata.labels or {}).get(TEAM_OF_NAMESPACE)
    return Owner(namespace=metadata.name, team=team or metadata.name), metadata.deletion_timestamp is not None


def _follow(
    listing: Callable[..., Any],
    of: Callable[[Any], T],
    told: Callable[[list[T]], None],
    changed: Callable[[str, T], None],
    failed: Callable[[int | None], None],
    *,
    stop: threading.Event,
    most: int | None = None,
    **scope: str,
) -> None:
    """List, and watch from there, again and again.

    Args:
        of: What is kept of an object, of which the rest may be large.
        told: Gets everything that there is.
        changed: Gets the kind of a change, and what is kept of the object.
        failed: Gets the status of a refusal; None when there was no answer.
        stop: Set when nobody wants to know any more.
        most: Of how many objects something is kept; all when absent.
        scope: What is listed.
    """
    wait = FIRST_WAIT
    while not stop.is_set():
        try:
            with AT_ONCE:
                found, version = _listed(listing, of, most, scope)
            if not stop.is_set():
                told(found)
            del found
            wait = FIRST_WAIT
            _watch(listing, version, lambda kind, each: changed(kind, of(each)), stop, scope)
        except Exception as error:  # whatever it is: a thread that ends would see nothing any more
            status = error.status if isinstance(error, ApiException) and error.status else None
            if status != 410:  # what was told is too old to be continued
                if status != 403:
                    log.warning("cannot watch %s: %s", scope, " ".join(str(error).split())[:300])
                failed(status)
            stop.wait(wait * JITTER.uniform(0.8, 1.2))
            wait = min(2 * wait, TRY_AGAIN_AFTER.total_seconds())


def _listed(
    listing: Callable[..., Any], of: Callable[[Any], T], most: int | None, scope: Mapping[str, str]
) -> tuple[list[T], str]:
    found: list[T] = []
    more: dict[str, str] = {}
    while True:
        page = listing(**scope, **more, limit=PAGE, _request_timeout=(5, 30))
        if most is None or len(found) <= most:  # one too many tells that there are more
            found += [of(each) for each in page.items]
        if not page.metadata._continue:
            return found, page.metadata.resource_version
        more = {"_continue": page.metadata._continue}


def _watch(
    listing: Callable[..., Any],
    version: str,
    changed: Callable[[str, Any], None],
    stop: threading.Event,
    scope: Mapping[str, str],
) -> None:
    """Pass on changes until the watch is broken; a watch that only comes to its end goes on from there."""
    while not stop.is_set():
        watch = kubernetes.watch.Watch()
        seconds = int(WATCH_FOR.total_seconds() * JITTER.uniform(1, 2))
        for event in watch.stream(
            listing,
            **scope,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=seconds,
            _request_timeout=(5, seconds + 30),
        ):
            version = watch.resource_version or version  # of a bookmark, too
            if stop.is_set():
                return
            if event["type"] != "BOOKMARK":
                changed(event["type"], event["object"])
        stop.wait(FIRST_WAIT)  # one that ends at once, again and again, must not be asked for all the time
