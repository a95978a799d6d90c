"""The collector: other teams' scrape jobs and rule groups become files that Prometheus reads.

Every ConfigMap is bound to its namespace, judged by promtool, and written as a whole or not at all. What is refused
leaves what was live before as it is, and is said in an Event beside the ConfigMap and in a metric.
"""

import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
from pydantic import TypeAdapter, ValidationError

from constructs_lib.agent.cluster import Item
from constructs_lib.agent.collecting import Collecting, digest, held, run
from constructs_lib.agent.files import JOBS, NEW, RULES, Files
from constructs_lib.agent.promtool import NoVerdictError, Promtool
from constructs_lib.config import to_yaml
from constructs_lib.config.collected import (
    ALL_BUT_DASHBOARDS,
    COLLECT,
    DATA,
    RULE_GROUP,
    SCRAPE_JOB,
    GroupData,
    JobData,
    object_name,
)
from constructs_lib.config.teams import Owner
from constructs_lib.errors import ConstructError

# The same bytes of a later version may be bound otherwise: what is live is made again.
VERSION = "1"
LONGEST_NAME = 63  # of a ConfigMap that can be one of these; a file has a longer one
SEPARATOR = "_"  # in no name of Kubernetes
CHECKED_BY = "checked-by"
AT_ONCE = 500  # files, in one call of promtool: seconds, and less than 100 MiB
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


class Collector(Collecting):
    """Jobs and rules, beside a Prometheus.

    Args:
        options: The command line.
        core: The client of the core API.
        promtool: The judge.
    """

    def __init__(self, options: Options, core: "kubernetes.client.CoreV1Api", promtool: Promtool) -> None:
        self._options, self.promtool = options, promtool
        self._files = Files(options.output)
        super().__init__(core, options.platform, holding=ALL_BUT_DASHBOARDS)

    def prepare(self) -> None:
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

    def _live(self, namespace: str) -> Iterator[tuple[str, str]]:
        for _, file in self._files.live(file_name(namespace, "") if namespace else ""):
            owner, separator, object_name = file.partition(SEPARATOR)
            if separator:  # nobody else should write here, but who knows
                yield owner, object_name

    def _remove(self, namespace: str, name: str) -> bool:
        kind = file_kind(name)
        return kind is not None and self._files.remove(kind, file_name(namespace, name))

    def _kind(self, name: str) -> str | None:
        return file_kind(name)

    def _felt(self, namespace: str, name: str) -> int:
        """Those after it have the more left of the budget of series, the fewer it has."""
        return self._series(file_name(namespace, name))

    def bring(self, item: Item, owner: Owner, *, place: int = 0) -> None:
        key, kind, file = (item.namespace, item.name), file_kind(item.name), file_name(item.namespace, item.name)
        allowed = self._platform.allowed
        beyond = place >= (allowed.jobs if kind == JOBS else allowed.groups)
        bound_by = digest(repr((owner, allowed, self.promtool.version, VERSION, beyond)))
        made_of = f"{digest(repr((item.kind, item.data)))} {bound_by}"
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
            self._refuse(item, str(error), judged)
            return
        log.info("live: %s/%s, made of %s", *key, made_of)
        self._mended(item, made_of)

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
        text = held(item, rather="put fewer rules into one group")
        data = (JOB if item.kind == SCRAPE_JOB else GROUP).validate_json(text)
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


def collect(options: Options) -> None:
    """Bring what other teams release into Prometheus' files, until the process is told to stop."""

    def make(core: "kubernetes.client.CoreV1Api") -> Collector:
        return Collector(options, core, Promtool(path=options.promtool, scratch=options.output / NEW))

    run(make, options.port)


def file_name(namespace: str, name: str) -> str:
    """Of a ConfigMap, without the suffix."""
    return f"{namespace}{SEPARATOR}{name}"


def file_kind(name: str) -> str | None:
    """Where the file of a ConfigMap lies, which its name tells; None where it can have none."""
    if len(name) > LONGEST_NAME:
        return None
    return next((files for kind, files in KINDS.items() if name.startswith(object_name(kind, ""))), None)
