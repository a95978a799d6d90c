"""What a dashboard asks, with its variables filled in as Grafana does it: for whoever asks it of a real program."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Of a legend, `{{label}}`; and of an expression, `$name` or `${name:format}`.
LABEL, VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}"), re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
ANNOTATION = "annotation"
# Before what a pattern takes for something else, Grafana puts a backslash; two of them, since it stands within quotes.
# https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/escaping.ts
SPECIAL, ESCAPED = re.compile(r"[$^*{}\[\]+?.()|]"), r"\\\\\g<0>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One query.

    Args:
        dashboard: Its uid.
        panel: Its title; `annotation` of what is shown on all of them.
        source: The uid of the data source.
        expr: With all variables filled in.
        labels: That its legend uses.
        instant: Whether it is asked for one moment, instead of for a time.
        lines: Whether lines themselves are asked for.
    """

    dashboard: str
    panel: str
    source: str
    expr: str
    labels: frozenset[str]
    instant: bool = False
    lines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Where a variable's values come from.

    Args:
        dashboard: Its uid.
        variable: Its name.
        source: The uid of the data source.
        series: The selector of the series, with all other variables filled in; empty for all there are.
        label: Whose values are offered.
    """

    dashboard: str
    variable: str
    source: str
    series: str
    label: str


def asked(text: str, *, interval: str, span: str, values: Mapping[str, Sequence[str]] | None = None) -> list[Asked]:
    """Every query of a dashboard.

    Args:
        text: The dashboard.
        interval: What a rate is taken over, such as `1m`.
        span: The time that is looked at, such as `1h`.
        values: For each variable, what is chosen; all where nothing is.
    """
    board = json.loads(text)
    filling = _Filling(board, interval=interval, span=span, values=values or {})
    name = board["uid"]
    found = [
        Asked(
            dashboard=name,
            panel=panel["title"],
            source=target["datasource"]["uid"],
            expr=filling.fill(target["expr"]),
            labels=frozenset(LABEL.findall(target.get("legendFormat", ""))),
            instant=target.get("instant", False) or target.get("queryType") == "instant",
            lines=panel["type"] == "logs",
        )
        for panel in panels(board)
        for target in panel["targets"]
    ]
    for each in board["annotations"]["list"]:
        labels = LABEL.findall(each["titleFormat"])
        expr, source = filling.fill(each["target"]["expr"]), each["datasource"]["uid"]
        found.append(Asked(dashboard=name, panel=ANNOTATION, source=source, expr=expr, labels=frozenset(labels)))
    return found


def offered(text: str, *, values: Mapping[str, Sequence[str]] | None = None) -> list[Offered]:
    """Where the values of each variable come from that offers some.

    Args:
        text: The dashboard.
        values: For each variable, what is chosen; all where nothing is.
    """
    board = json.loads(text)
    filling = _Filling(board, interval="1m", span="1h", values=values or {})
    found = []
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((?:(.+), )?(\w+)\)", variable["query"])
            assert match, f"{variable['name']} is not asked for by label_values"
            found.append(
                Offered(
                    dashboard=board["uid"],
                    variable=variable["name"],
                    source=variable["datasource"]["uid"],
                    series=filling.fill(match[1] or ""),
                    label=match[2],
                )
            )
    return found


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All but the headings."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel


class _Filling:
    def __init__(
        self, board: Mapping[str, Any], *, interval: str, span: str, values: Mapping[str, Sequence[str]]
    ) -> None:
        # What is asked of lines is counted over as much as lies between two points.
        self._filled = {"__rate_interval": interval, "__auto": interval, "__range": span}
        for variable in board["templating"]["list"]:
            name = variable["name"]
            if variable["type"] == "textbox":
                self._filled[name] = "".join(values.get(name, [variable["query"]]))
            elif name in values:
                self._filled[name] = _pattern(values[name])
            else:
                self._filled[name] = variable["allValue"]

    def fill(self, text: str) -> str:
        """A variable that the dashboard does not have is an error, as Grafana leaves it as it is."""
        return VARIABLE.sub(lambda match: self._filled[match[1] or match[2]], text)


def _pattern(values: Sequence[str]) -> str:
    """As Grafana fills several values in, and so one of those that could be several."""
    escaped = [SPECIAL.sub(ESCAPED, value.replace("\\", "\\" * 4)) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
