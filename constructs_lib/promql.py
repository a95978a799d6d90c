"""PromQL: the one place that writes label braces, and the check of every expression's syntax.

Source: https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

import re
from dataclasses import dataclass
from typing import Literal

import promql_parser

from constructs_lib.errors import ConstructError

METRIC_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")  # Prometheus does not read a name that begins with a colon
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Every member of a highly available pair carries it as an external label, and it is dropped from alerts:
# a series label of that name would be merged away.
REPLICA_LABEL = "replica"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A condition on a label's value other than equality; made by `not_equal`, `matches` and `matches_not`."""

    operator: Literal["!=", "=~", "!~"]
    value: str


def not_equal(value: str) -> Matcher:
    """The label has another value, or none."""
    return Matcher("!=", value)


def matches(pattern: str) -> Matcher:
    """The label's whole value matches a regular expression."""
    return Matcher("=~", pattern)


def matches_not(pattern: str) -> Matcher:
    """The label's whole value does not match a regular expression."""
    return Matcher("!~", pattern)


def metric(name: str, /, **labels: str | Matcher) -> str:
    """A selector of series: `metric("up", job="prometheus")` is `up{job="prometheus"}`.

    Args:
        name: The metric's name.
        labels: For each label the value that it must equal, or a condition.
    Raises:
        ConstructError: a name that the classic character set does not allow, or the label `replica`, which only
            exists outside of Prometheus.
    """
    if not METRIC_NAME.fullmatch(name):
        raise ConstructError(f"{name!r} is not a metric name: use letters, digits, underscores and colons")
    if not _reads_as_metric(name):
        raise ConstructError(f"{name!r} is a word of PromQL, not a metric name: choose another one")
    conditions = []
    for label, condition in labels.items():
        if not LABEL_NAME.fullmatch(label):
            raise ConstructError(f"{label!r} is not a label name: use letters, digits and underscores")
        if label == REPLICA_LABEL:
            raise ConstructError(
                f"{name} is selected by the label {REPLICA_LABEL!r}, which series do not carry inside Prometheus: "
                "select by 'pod' instead"
            )
        matcher = condition if isinstance(condition, Matcher) else None
        value = matcher.value if matcher else str(condition)
        conditions.append(f"{label}{matcher.operator if matcher else '='}{quoted(value)}")
    return f"{name}{{{','.join(conditions)}}}" if conditions else name


def quoted(text: str) -> str:
    """A text in double quotes, as PromQL and LogQL have it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _reads_as_metric(name: str) -> bool:
    """False for `bool`, `inf` and the like."""
    try:
        return isinstance(promql_parser.parse(name), promql_parser.VectorSelector)
    except ValueError:
        return False


def check(expression: str, *, of: str) -> None:
    """Refuse an expression that does not parse.

    Args:
        expression: PromQL.
        of: Whose expression it is, for the message.
    Raises:
        ConstructError: the parser's own words.
    """
    try:
        promql_parser.parse(expression)
    except ValueError as error:
        raise ConstructError(f"the expression of {of} does not parse, {error}: {expression}") from error


def without_strings(expression: str) -> str:
    """The expression with every quoted value emptied, for a look at its names alone."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
