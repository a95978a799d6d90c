"""What rules read, compared with what programs say that they expose: the labels of every part of an expression."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import promql_parser

from constructs_lib.metrics.model import TARGET_LABELS, Program
from constructs_lib.rules.model import Alert, RuleGroup

Labels = frozenset[str]
ONE, NONE = "VectorMatchCardinality.OneToOne", frozenset[str]()


class Reader:
    """Reads rules, and remembers which series they read and what is wrong with that.

    Args:
        programs: What there is to be read.
    """

    def __init__(self, programs: Iterable[Program]) -> None:
        self.programs = tuple(programs)
        self.read: set[str] = set()
        self.complaints: list[str] = []
        self._recorded: dict[str, Labels] = {}
        self._rule = ""

    def read_groups(self, groups: Iterable[RuleGroup]) -> None:
        """All recordings, alerts, texts and proofs; only the same group's recordings can be read, as in the proofs."""
        for group in groups:
            self._recorded = {}
            for recording in group.recordings:
                self._rule = recording.name
                self._recorded[recording.name] = self.labels(promql_parser.parse(recording.expr)) or NONE
            for alert in group.alerts:
                self._read_alert(alert)
        for program in self.programs:
            for metric in program.metrics:
                self._rule = program.name
                self._demand(not self.read.isdisjoint(metric.series()), f"nobody reads {metric.name}")

    def labels(self, node: Any) -> Labels | None:
        """The labels that the result of an expression can have; None for a scalar."""
        kind = type(node).__name__
        if kind in {"NumberLiteral", "StringLiteral"}:
            return None
        if kind in {"ParenExpr", "UnaryExpr", "SubqueryExpr"}:
            return self.labels(node.expr)
        if kind == "MatrixSelector":
            return self._selected(node.vector_selector)
        readers: dict[str, Callable[[Any], Labels | None]] = {
            "VectorSelector": self._selected,
            "AggregateExpr": self._aggregated,
            "Call": self._called,
            "BinaryExpr": self._combined,
        }
        return readers[kind](node)

    def _demand(self, condition: object, complaint: str) -> None:
        if not condition:
            self.complaints.append(f"{self._rule}: {complaint}")

    def _read_alert(self, alert: Alert) -> None:
        self._rule = alert.name
        labels = self.labels(promql_parser.parse(alert.expr)) or NONE
        for label in re.findall(r"\$labels\.(\w+)", alert.summary + alert.description):
            self._demand(label in labels, f"the text says the label {label}")
        self._demand(alert.team or "team" in labels, "no label says whose it is")
        for selector in (*alert.proof.fires, *alert.proof.quiet):
            series = promql_parser.parse(selector)
            assert isinstance(series, promql_parser.VectorSelector)
            given = {matcher.name for matcher in series.matchers.matchers}
            exposed = [own for program in self.programs if (own := program.labels_of(str(series.name))) is not None]
            whole = any(own | {"job"} <= given <= own | TARGET_LABELS for own in exposed)
            self._demand(whole, f"the proof has {selector}, which no program exposes")

    def _selected(self, node: Any) -> Labels:
        named: Labels = frozenset(matcher.name for matcher in node.matchers.matchers)
        if node.name in self._recorded:
            labels = self._recorded[node.name]
        else:
            exposed = [own for program in self.programs if (own := program.labels_of(node.name)) is not None]
            self._demand(exposed, f"no program exposes {node.name}")
            labels = frozenset().union(TARGET_LABELS, *exposed)
        self.read.add(node.name)
        self._within(named, labels, f"{node.name} is selected")
        return labels

    def _within(self, named: Labels, labels: Labels, doing: str) -> None:
        for label in sorted(named - labels):
            self._demand(False, f"{doing} by the label {label}")

    def _aggregated(self, node: Any) -> Labels:
        inner = self.labels(node.expr) or NONE
        named = frozenset(node.modifier.labels if node.modifier else ())
        self._within(named, inner, f"{node.expr.prettify()} is aggregated")
        if str(node.op) in {"topk", "bottomk"}:  # they choose, and keep what they chose
            return inner
        if node.modifier is None:
            return NONE
        return named if str(node.modifier.type).endswith("By") else inner - named

    def _called(self, node: Any) -> Labels | None:
        arguments = [self.labels(argument) for argument in node.args]
        match node.func.name:
            case "vector":
                return NONE
            case "time" | "scalar" | "pi":
                return None
            case "absent" | "absent_over_time":
                (argument,) = node.args
                selector = getattr(argument, "vector_selector", argument)
                return frozenset(each.name for each in selector.matchers.matchers if str(each.op).endswith("Equal"))
            case "histogram_quantile":
                self._within(frozenset({"le"}), arguments[1] or NONE, "a quantile is taken")
                return (arguments[1] or NONE) - {"le"}
            case "label_replace" | "label_join":
                return (arguments[0] or NONE) | {node.args[1].val}
        return next((labels for labels in arguments if labels is not None), None)

    def _combined(self, node: Any) -> Labels | None:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        modifier, operator = node.modifier, str(node.op)
        matching = modifier.matching if modifier else None
        named = frozenset(matching.labels) if matching else NONE
        if matching and str(matching.type).endswith("Include"):
            self._within(named, left & right, "sides are matched")
            common = named
        else:
            self._within(named, left | right, "sides are matched, but not")
            common = (left | right) - named
            if operator != "or":
                self._within(common, left & right, "sides are matched")
        if operator in {"and", "unless"}:
            return left
        if operator == "or":
            return left | right
        if modifier is None or str(modifier.card) == ONE or "One" not in str(modifier.card):
            return common
        extra = frozenset(modifier.group_labels or ())
        many, one = (left, right) if str(modifier.card).endswith("ManyToOne") else (right, left)
        self._within(extra, one, "a side is joined")
        return many | extra


def complaints(programs: Iterable[Program], groups: Iterable[RuleGroup]) -> Iterator[str]:
    """What the rules read that no program exposes, and what programs expose for nobody."""
    reader = Reader(programs)
    reader.read_groups(groups)
    yield from reader.complaints


def reads_as_sentences(alert: Alert) -> None:
    """The summary holds no values, and both end as sentences do."""
    assert "{{" not in alert.summary
    assert "{{" in alert.description
    assert alert.summary.endswith(".")
    assert alert.description.endswith(".")
