"""What Alloy reads: the way of a node's log lines from its files to Loki, in Alloy's own language.

Source: https://grafana.com/docs/alloy/latest/get-started/configuration-syntax/
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from constructs_lib.config.discovery import NAMESPACE, POD, POD_LABELS, meta
from constructs_lib.config.prometheus import KubernetesDiscovery, Relabel, replace
from constructs_lib.contract import Endpoint
from constructs_lib.errors import ConstructError
from constructs_lib.names import LABEL_NAME
from constructs_lib.units import Bytes

# Where the kubelet keeps the lines of every container of its node.
PODS_LOGS = "/var/log/pods"
NODE_NAME = "NODE_NAME"
DISCOVERY = KubernetesDiscovery(role="pod")
CONTAINER = meta("pod", "container_name")
# The uid is left open: that of a static pod is not the one that the API server knows. Neither does it matter whether a
# container runs: what has ended must be read to its end. What was rotated has another ending, and was read before.
PATH = replace(
    "__path__",
    *(NAMESPACE, POD, CONTAINER),
    regex="(.+);(.+);(.+)",
    replacement=f"{PODS_LOGS}/${{1}}_${{2}}_*/${{3}}/*.log",
)
# As metrics have them, so that one leads to the other. Loki's makers would rather not have the pod among them, but
# without it the pods of a workload on one node were one stream, in which Loki refuses what is an hour older than the
# newest line: of what waited while Loki was away, only the quickest file would arrive whole.
OWN_LABELS = (*POD_LABELS, replace("container", CONTAINER))
# Set while reading: whether a line is an output or an error, and where it is.
STREAM, FILENAME = "stream", "filename"
RESERVED = {*(str(rule.target_label) for rule in OWN_LABELS), STREAM, FILENAME}
# https://grafana.com/docs/loki/latest/configure/#limits_config (max_label_names_per_series)
LABELS_OF_A_STREAM = 15
# Kubernetes sets them on pods, with another value for each pod, revision or run.
# https://kubernetes.io/docs/reference/labels-annotations-taints/
UNBOUNDED = {
    *("pod-template-hash", "controller-revision-hash", "pod-template-generation"),
    *("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index"),
    *("job-name", "controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid"),
}


@dataclass(frozen=True, slots=True)
class Export:
    """What a block has for others, such as `discovery.kubernetes.pods.targets`."""

    path: str


@dataclass(frozen=True, slots=True)
class Variable:
    """A text and the value of an environment variable behind it."""

    name: str
    after: str


Value = str | int | bool | Export | Variable | Sequence["Value"]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of Alloy's language.

    Args:
        name: Such as `loki.write`.
        label: Tells blocks of the same name apart; an identifier.
        attributes: In the order in which they are written.
        blocks: Inside of it, below the attributes.
    """

    name: str
    label: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    blocks: tuple["Block", ...] = ()

    def export(self, name: str) -> Export:
        """What other blocks may refer to."""
        return Export(f"{self.name}.{self.label}.{name}")

    def lines(self) -> Iterator[str]:
        """As `alloy fmt` would write it."""
        head = self.name if self.label is None else f'{self.name} "{self.label}"'
        width = max(map(len, self.attributes), default=0)
        inside = [f"{name:{width}} = {_spelled(value)}" for name, value in self.attributes.items()]
        for block in self.blocks:
            inside += ["", *block.lines()] if inside else block.lines()
        yield f"{head} {{"
        yield from (f"\t{line}" if line else "" for line in inside)
        yield "}"


def to_alloy(blocks: Iterable[Block]) -> str:
    """Write a configuration."""
    return "\n".join(line for block in blocks for line in (*block.lines(), ""))


def _spelled(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():  # its escapes are those of JSON; a byte order mark is accepted at the very beginning alone
            return json.dumps(value, ensure_ascii=False).replace("\ufeff", r"\ufeff")
        case Export():
            return value.path
        case Variable():
            return f"{_spelled(value.after)} + sys.env({_spelled(value.name)})"
        case _:
            return f"[{', '.join(map(_spelled, value))}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What Loki keeps together as a stream, and how long its lines may be.

    A stream is told by namespace, pod, container, node, `app` and whether the line is an output or an error.

    Args:
        labels: Pairs of a further label, and of the pods' label that it is taken from: few values in all, and none that
            changes while a pod runs, since Alloy would read its files again.
        longest_line: What is longer is cut there, so that a line without an end fills no memory; Loki may have a lower
            limit of its own.
    Raises:
        ConstructError: a label that cannot be one, is taken or has a value for each pod; more than Loki takes; no line.
    Source: https://grafana.com/docs/loki/latest/get-started/labels/bp-labels/
    """

    labels: tuple[tuple[str, str], ...] = ()
    longest_line: Bytes = field(default=Bytes.mib(0.25))

    def __post_init__(self) -> None:
        names = [name for name, _ in self.labels]
        for name, source in self.labels:
            if not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", name) or not re.fullmatch(LABEL_NAME, source):
                raise ConstructError(
                    f"the label {name!r} of streams cannot be taken from the pods' label {source!r}: use letters, "
                    "digits and underscores for the one, and a label of Kubernetes for the other"
                )
            if name in RESERVED or names.count(name) > 1:
                raise ConstructError(
                    f"the label {name!r} of streams is taken: use another name than {', '.join(sorted(RESERVED))}, and "
                    "each once"
                )
            if source in UNBOUNDED:
                raise ConstructError(
                    f"the label {name!r} of streams would be {source} of the pods, which is new with each of them, and "
                    "so would be the stream, of which Loki takes some thousands: leave it out"
                )
        own = len(RESERVED - {FILENAME})
        if len(names) + own > LABELS_OF_A_STREAM:
            raise ConstructError(
                f"streams have {len(names)} further labels, and {own} of their own, but Loki takes "
                f"{LABELS_OF_A_STREAM}: use up to {LABELS_OF_A_STREAM - own}"
            )
        if self.longest_line < Bytes(1):
            raise ConstructError("the longest line is 0 bytes, so that nothing would be left: use 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Lines that go to one Loki.

    Args:
        loki: Its door.
        tenant: Whose they are, where Loki tells tenants apart.
    Raises:
        ConstructError: a tenant that Loki refuses.
    Source: https://grafana.com/docs/loki/latest/operations/multi-tenancy/
    """

    loki: Endpoint
    tenant: str | None = None

    def __post_init__(self) -> None:
        tenant = self.tenant
        if tenant is not None and (not re.fullmatch(r"[a-zA-Z0-9!_.*'()-]{1,150}", tenant) or tenant in {".", ".."}):
            raise ConstructError(f"{tenant!r} cannot be a tenant: use up to 150 letters, digits and !-_.*'()")

    @property
    def label(self) -> str:
        """Of its blocks, and so of the positions on the node's disk; names of Kubernetes have no capitals."""
        name = f"{self.loki.service} {self.loki.pods.namespace}"
        return name.translate({ord("-"): "_", ord("."): "_OF_", ord(" "): "_IN_"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlloyConfig:
    """From the files of a node's containers to each Loki.

    Args:
        shipments: One for each Loki.
        streams: What lines are told by.
    """

    shipments: tuple[Shipment, ...]
    streams: Streams

    @property
    def relabelings(self) -> tuple[Relabel, ...]:
        """What becomes of a container that was discovered: the labels of its lines, and where they are."""
        further = (replace(name, meta("pod_label", source)) for name, source in self.streams.labels)
        return (*OWN_LABELS, *further, PATH)

    def to_text(self) -> str:
        pods = Block(
            "discovery.kubernetes",
            "pods",
            DISCOVERY.to_dict(),
            # Else every node would be told of the pods of all the others.
            (Block("selectors", None, {"role": "pod", "field": Variable(NODE_NAME, after="spec.nodeName=")}),),
        )
        rules = tuple(Block("rule", None, each.to_dict()) for each in self.relabelings)
        files = Block("discovery.relabel", "files", {"targets": pods.export("targets")}, rules)
        ways = (self._way(files.export("output"), each) for each in self.shipments)
        return to_alloy((pods, files, *(block for way in ways for block in way)))

    def _way(self, files: Export, shipment: Shipment) -> tuple[Block, ...]:
        """One for each Loki: a reader that has several hands each line to all of them, and waits for the slowest."""
        endpoint: dict[str, Value] = {
            "url": f"{shipment.loki.url}/loki/api/v1/push",
            **({} if shipment.tenant is None else {"tenant_id": shipment.tenant}),
            "max_backoff_retries": 0,  # never give up: the files are read on when Loki is back
            "max_backoff_period": "10s",
        }
        write = Block("loki.write", shipment.label, blocks=(Block("endpoint", None, endpoint),))
        cri: dict[str, Value] = {
            "max_partial_line_size": self.streams.longest_line.count,
            "max_partial_line_size_truncate": True,
        }
        process = Block(
            "loki.process",
            shipment.label,
            {"forward_to": [write.export("receiver")]},
            # The parts of a line find each other by the name of their file: it is dropped behind that.
            (Block("stage.cri", None, cri), Block("stage.label_drop", None, {"values": [FILENAME]})),
        )
        matching: dict[str, Value] = {"enabled": True, "sync_period": "2s"}
        read = Block(
            "loki.source.file",
            shipment.label,
            {"targets": files, "forward_to": [process.export("receiver")]},
            (Block("file_match", None, matching),),
        )
        return read, process, write
