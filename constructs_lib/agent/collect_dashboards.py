"""The collector beside Grafana: other teams' dashboards become files that Grafana reads.

Every dashboard is judged, and written as a whole or not at all. What is refused leaves what was live before as it is,
and is said in an Event beside the ConfigMap and in a metric.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import kubernetes

from constructs_lib.agent.cluster import Item
from constructs_lib.agent.collecting import Collecting, digest, held, run
from constructs_lib.agent.folders import Folders
from constructs_lib.config.collected import DASHBOARD, DASHBOARDS, object_name
from constructs_lib.config.team_dashboards import ROOM, TeamDashboard
from constructs_lib.config.teams import Owner
from constructs_lib.errors import ConstructError

# A namespace that nobody can watch must not keep the others' dashboards from Grafana for ever.
SETTLED_WITHIN = timedelta(minutes=2)
PREFIX = object_name(DASHBOARD, "")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Args:
        platform: File with the platform's contract; read again when it changes.
        output: Directory of the files that Grafana reads.
        port: Of the metrics.
    """

    platform: Path
    output: Path
    port: int


class DashboardCollector(Collecting):
    """Dashboards, beside a Grafana.

    Args:
        options: The command line.
        core: The client of the core API.
    """

    def __init__(self, options: Options, core: "kubernetes.client.CoreV1Api") -> None:
        self._folders = Folders(options.output)
        self._titles: dict[tuple[str, str], str] = {}
        self._begun = time.monotonic()
        super().__init__(core, options.platform, holding=DASHBOARDS)

    def prepare(self) -> None:
        self._folders.prepare()
        for namespace, name in list(self._folders.live()):
            try:
                self._titles[namespace, name] = self._read(
                    self._folders.read(namespace, name) or "", namespace, name
                ).title
            except ConstructError as error:
                log.warning("%s/%s is no longer accepted, and so removed: %s", namespace, name, error)
                self._folders.remove(namespace, name)

    def step(self, timeout: timedelta) -> None:
        """Look at one ConfigMap, or wait for one; when all have been looked at once, Grafana reads them."""
        super().step(timeout)
        if self._folders.whole or not self._cluster.known or not self._queue.empty:
            return
        if self._cluster.settled or time.monotonic() - self._begun > SETTLED_WITHIN.total_seconds():
            self._folders.publish()
            log.info("from now on, Grafana reads what is live")
            self._changed("", None)  # somebody may just have looked where it was before

    def bring(self, item: Item, owner: Owner, *, place: int = 0) -> None:
        namespace, name = item.namespace, item.name
        live = self._folders.read(namespace, name)
        try:
            self._refuse_beyond(namespace, place)
            dashboard = self._read(held(item, rather="split the dashboard"), namespace, name)
            self._refuse_taken(dashboard.title, namespace, name)
            if dashboard.text != live:
                self._refuse_without_room(len(dashboard.text.encode()) - len((live or "").encode()), name)
        except ConstructError as error:
            if live is not None and not self._still_allowed(live, namespace, name, place):
                self._remove(namespace, name)
            self._refuse(item, str(error), digest(repr((item.data, str(error)))))
            return
        made_of = digest(dashboard.text)
        if dashboard.text != live:
            for each in self._titled(dashboard.title, namespace):
                if each > name:  # it will be looked at again, and refused; both together are there at no time
                    self._remove(namespace, each)
            self._folders.write(namespace, name, dashboard.text)
            self._titles[namespace, name] = dashboard.title
            log.info("live: %s/%s, made of %s", namespace, name, made_of)
        self._mended(item, made_of)

    def _live(self, namespace: str) -> Iterator[tuple[str, str]]:
        return self._folders.live(namespace)

    def _remove(self, namespace: str, name: str) -> bool:
        self._titles.pop((namespace, name), None)
        return self._folders.remove(namespace, name)

    def _kind(self, name: str) -> str | None:
        return DASHBOARD

    def _felt(self, namespace: str, name: str) -> str | None:
        """The title, which those after it cannot have."""
        return self._titles.get((namespace, name))

    def _read(self, text: str, namespace: str, name: str) -> TeamDashboard:
        if not name.startswith(PREFIX):
            raise ConstructError(f"the ConfigMap {name} holds a dashboard: call it {PREFIX}<name>")
        try:
            return TeamDashboard.read(text, namespace=namespace, name=name.removeprefix(PREFIX))
        except ConstructError:
            raise
        except Exception as error:  # it must stop no other team's
            log.exception("%s/%s", namespace, name)
            raise ConstructError(f"{name} cannot be read: {type(error).__name__}") from error

    def _refuse_beyond(self, namespace: str, place: int) -> None:
        taken = self._platform.dashboards
        if place >= (taken.allowed if taken else 0):
            raise ConstructError(
                f"the namespace {namespace} has {place} dashboards before this one already, which is what the platform "
                "allows: put the panels of several into one"
            )

    def _refuse_taken(self, title: str, namespace: str, name: str) -> None:
        first = next((each for each in self._titled(title, namespace) if each < name), None)
        if first is not None:
            raise ConstructError(
                f"the title {title!r} of {name} is that of {first} in the same folder already: give it another one"
            )

    def _refuse_without_room(self, more: int, name: str) -> None:
        used = self._folders.size()
        if used + more > ROOM.count:
            raise ConstructError(
                f"{name} needs {more // 1024} KiB, but of {ROOM} for all teams' dashboards {used // 1024} KiB are "
                "used: take away what nobody looks at"
            )

    def _still_allowed(self, text: str, namespace: str, name: str, place: int) -> bool:
        """Whether what a team has broken may stay as it was before."""
        try:
            self._refuse_beyond(namespace, place)
            self._refuse_taken(self._read(text, namespace, name).title, namespace, name)
        except ConstructError:
            return False
        return True

    def _titled(self, title: str, namespace: str) -> list[str]:
        """What is live in a folder under a title, by name."""
        return sorted(each for (of, each), taken in self._titles.items() if (of, taken) == (namespace, title))


def collect_dashboards(options: Options) -> None:
    """Bring what other teams release into Grafana's files, until the process is told to stop."""
    run(lambda core: DashboardCollector(options, core), options.port)
