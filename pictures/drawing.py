"""Dashboards drawn as Grafana has them in its dark theme: of the same answers, the same picture.

Only what the platform's dashboards use of panels is known here; anything else is an error.

Source: https://grafana.com/docs/grafana/latest/panels-visualizations/
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from typing import Any

from PIL import Image

from pictures.answers import Answers, Series
from pictures.page import (
    EDGE,
    FAINT,
    GRID,
    MONO,
    NAMED,
    NORMAL,
    PALETTE,
    PANEL,
    SCALE,
    SMALL,
    TEXT,
    WHITE,
    WIDTH,
    Box,
    Page,
    Picture,
    page,
)
from pictures.units import formatted, spacing

COLUMNS, CELL, GAP, HEAD, LINE = 24, 38, 8, 44, 17
TITLE, LARGE = 30, 40
LEVELS = {"critical": "purple", "error": "red", "warn": "yellow", "info": "green", "debug": "blue"}
# Where a panel says nothing of limits.
# https://grafana.com/docs/grafana/latest/panels-visualizations/configure-thresholds/#default-thresholds
UNSAID = ({"color": "green", "value": None}, {"color": "red", "value": 80})
OF_LEGEND = 0.35  # of a panel's height, beyond which Grafana scrolls
NO_DATA = "No data"
LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Panel = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Curve:
    """What was found, with the name that the legend gives it."""

    name: str
    series: Series

    @property
    def last(self) -> float | None:
        """Its newest value."""
        return next((value for value in reversed(self.series.values) if value is not None), None)


def dashboard(board: Mapping[str, Any], answers: Answers) -> Picture:
    """A dashboard as people see it, whole.

    Args:
        board: What Grafana reads.
        answers: What its queries found.
    Raises:
        KeyError: a panel, a unit or a colour of a kind that is not known here.
    """
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in board["panels"])
    with page(HEAD + rows * CELL + GAP) as on:
        _head(on, board, answers)
        for panel in board["panels"]:
            _panel(on, panel, answers.of(board["uid"], panel["title"]), answers)
        return on.picture()


def sheet(pictures: Mapping[str, Picture]) -> Picture:
    """All of them beside each other, small, each below its title."""
    across, head = 4, 26
    width = (WIDTH - GAP) / across - GAP
    height = head + GAP + max(each.height for each in pictures.values()) * width / WIDTH / SCALE
    places = [
        Box(GAP + number % across * (width + GAP), number // across * height, width, height)
        for number in range(len(pictures))
    ]
    with page(max(place.bottom for place in places)) as on:
        for place, title in zip(places, pictures, strict=True):
            on.text((place.left, place.top + head / 2), title, bold=True)
        whole = on.picture()
    for place, picture in zip(places, pictures.values(), strict=True):
        size = round(width * SCALE), round(picture.height * width / WIDTH)
        at = round(place.left * SCALE), round((place.top + head) * SCALE)
        whole.paste(picture.resize(size, Image.Resampling.LANCZOS), at)
    return whole


def _head(on: Page, board: Mapping[str, Any], answers: Answers) -> None:
    """The title, what is chosen, and the time."""
    middle = HEAD / 2 + 2
    x = GAP + 4 + on.text((GAP + 4, middle), board["title"], size=16, bold=True) + 24
    for variable in board["templating"]["list"]:
        chosen = "All" if variable["type"] == "query" else variable["query"]
        x += on.text((x, middle), f"{variable['label']}: {chosen}", colour=FAINT) + 16
    begin, end = (datetime.fromtimestamp(each, UTC) for each in (answers.begin, answers.end))
    when = f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC"
    on.text((WIDTH - GAP - 4, middle), when, colour=FAINT, align="right")


def _panel(on: Page, panel: Panel, found: Sequence[Sequence[Series]], answers: Answers) -> None:
    """One panel where it is; a row is its title."""
    x, y, width, height = (panel["gridPos"][key] for key in "xywh")
    column = (WIDTH - GAP) / COLUMNS
    box = Box(GAP + x * column, HEAD + y * CELL, width * column - GAP, height * CELL - GAP)
    if panel["type"] == "row":
        on.text((box.left + 4, box.middle[1]), f"⌄  {panel['title']}", bold=True)
        return
    on.box(box, PANEL, edge=EDGE)
    draw, curves = DRAWN[panel["type"]], _curves(panel, found)
    if curves:
        draw(on, box, panel, curves, answers)
    else:
        on.text(box.middle, NO_DATA, colour=FAINT, align="center")
    title = WHITE if curves and _filled(panel) else TEXT
    on.text((box.left + 9, box.top + 16), panel["title"], bold=True, colour=title, room=box.width - 18)


def _curves(panel: Panel, found: Sequence[Sequence[Series]]) -> list[Curve]:
    """All that was found for a panel, in the order of its queries; nothing of what has no value."""
    named = [(target.get("legendFormat", ""), query) for target, query in zip(panel["targets"], found, strict=False)]
    return [
        Curve(_named(legend, series.labels), series)
        for legend, query in named
        for series in query
        if series.lines or any(value is not None for value in series.values)
    ]


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return LABEL.sub(lambda match: labels.get(match[1], ""), legend)


def _steps(panel: Panel) -> Sequence[Mapping[str, Any]]:
    """Where a panel changes its colour."""
    steps: Sequence[Mapping[str, Any]] = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", UNSAID)
    return steps


def _filled(panel: Panel) -> bool:
    """Whether a number colours what is behind it, instead of itself."""
    return panel["type"] == "stat" and bool(panel["options"]["colorMode"] == "background")


def _graph(on: Page, box: Box, panel: Panel, curves: Sequence[Curve], answers: Answers) -> None:
    """Curves over a scale, a line at each limit that is in sight, marks of alerts, and a legend."""
    custom, unit = panel["fieldConfig"]["defaults"]["custom"], panel["fieldConfig"]["defaults"]["unit"]
    plot = box.inner(0, TITLE, 12, _legend(on, box, curves, unit) + LINE)
    values = [_values(curve) for curve in curves]
    below = [[0.0] * answers.count for _ in curves]
    if custom.get("stacking", {}).get("mode") == "normal":
        values = list(accumulate(([each or 0.0 for each in curve.series.values] for curve in curves), _added))
        below[1:] = values[:-1]
    top = 1.1 * max(0.0, *(value for each in values for value in each if not math.isnan(value))) or 1.0

    def height(value: float) -> float:
        return plot.bottom - max(value, 0.0) / top * plot.height

    apart = spacing(top, unit, most=max(int(plot.height / 36), 1))
    scale = {number * apart: _short(formatted(number * apart, unit)) for number in range(int(top / apart) + 1)}
    plot = plot.inner(max(on.width(text, SMALL) for text in scale.values()) + 18, 0, 0, 0)
    for value, text in scale.items():
        on.line((plot.left, plot.right), (height(value),) * 2, GRID)
        on.text((plot.left - 6, height(value)), text, size=SMALL, colour=FAINT, align="right")
    _times(on, plot, answers)
    xs = [plot.left + number / (answers.count - 1) * plot.width for number in range(answers.count)]
    lines = [[height(value) for value in line] for line in values]
    for number, (ys, floor) in enumerate(zip(lines, below, strict=True)):
        colour = PALETTE[number % len(PALETTE)]
        on.area(xs, ys, [height(value) for value in floor], colour, custom["fillOpacity"] / 100)
    for number, ys in enumerate(lines):
        on.line(xs, ys, PALETTE[number % len(PALETTE)], 1.2 * custom["lineWidth"])
    dashed = custom.get("thresholdsStyle", {}).get("mode") == "dashed"
    for step in _steps(panel)[1:] if dashed else ():
        if step["value"] <= top:
            on.line((plot.left, plot.right), (height(step["value"]),) * 2, NAMED[step["color"]], 1.5, (0, (6, 4)))


def _values(curve: Curve) -> list[float]:
    return [math.nan if value is None else value for value in curve.series.values]


def _added(low: list[float], high: list[float]) -> list[float]:
    return [one + other for one, other in zip(low, high, strict=True)]


def _short(text: str) -> str:
    """Without the zeros at the end of its number."""
    return re.sub(r"(?<=\.)(\d*?)0+(?!\d)", r"\1", text).replace(". ", " ").replace(".%", "%").rstrip(".")


def _times(on: Page, plot: Box, answers: Answers) -> None:
    """The time below a graph, and marks of the alerts that fired."""
    span = answers.end - answers.begin
    every = next(each for each in (60, 120, 300, 600, 900, 1800, 3600) if span / each <= plot.width / 60)

    def at(seconds: float) -> float:
        return plot.left + (seconds - answers.begin) / span * plot.width

    for seconds in range(math.ceil(answers.begin / every) * every, int(answers.end) + 1, every):
        on.line((at(seconds), at(seconds)), (plot.top, plot.bottom), GRID)
        text = f"{datetime.fromtimestamp(seconds, UTC):%H:%M}"
        x = min(at(seconds), plot.right - 8)
        on.text((x, plot.bottom + 11), text, size=SMALL, colour=FAINT, align="center")
    for series in answers.marks:
        moments = [answers.begin + number * answers.step for number in range(answers.count)]
        there = zip(moments, series.values, strict=True)
        for fires, run in groupby(there, key=lambda each: each[1] is not None):
            first, *_, last = [moment for moment, _ in run] * 2
            if fires:
                on.line((at(first), at(last)), (plot.bottom + 1.5,) * 2, NAMED["red"], 3)
                if first > answers.begin:
                    on.line((at(first), at(first)), (plot.top, plot.bottom), NAMED["red"], 0.8, (0, (2, 3)))


def _legend(on: Page, box: Box, curves: Sequence[Curve], unit: str) -> float:
    """What the curves are called, and their last values, in as many lines as there may be; how high it is."""
    lines: list[list[tuple[float, int, str]]] = [[]]
    x = 0.0
    for number, curve in enumerate(curves):
        last = "" if curve.last is None else f"  Last *: {formatted(curve.last, unit)}"
        text = f"{curve.name}{last}"
        width = 22 + on.width(text, SMALL) + 12
        if lines[-1] and x + width > box.width - 20:
            lines.append([])
            x = 0.0
        lines[-1].append((x, number, text))
        x += width
    seen = lines[: max(int(box.height * OF_LEGEND / LINE), 1)]
    height = len(seen) * LINE + 8
    for down, line in enumerate(seen):
        y = box.bottom - height + (down + 0.5) * LINE
        for x, number, text in line:
            left = box.left + 12 + x
            on.line((left, left + 14), (y, y), PALETTE[number % len(PALETTE)], 4)
            on.text((left + 20, y), text, size=SMALL, room=box.right - left - 28)
    return height


def _stat(on: Page, box: Box, panel: Panel, curves: Sequence[Curve], answers: Answers) -> None:
    """Large numbers, in the colour of the limit that they have reached, each above its course."""
    width = box.width / len(curves)
    for number, curve in enumerate(curves):
        part = Box(box.left + number * width, box.top, width, box.height)
        value = curve.last or 0.0
        reached = [step for step in _steps(panel) if step["value"] is None or value >= step["value"]]
        colour = NAMED[reached[-1]["color"]]
        if _filled(panel):
            on.box(part, colour)
        ink, values = WHITE if _filled(panel) else colour, _values(curve)
        if len(values) > 1 and panel["options"]["graphMode"] == "area":
            _sparkline(on, part.inner(2, 0.65 * part.height, 2, 2), values, ink)
        text, (x, y) = formatted(value, panel["fieldConfig"]["defaults"]["unit"]), part.middle
        size = min(LARGE, LARGE * (width - 24) / on.width(text, LARGE))
        on.text((x, y + 6), text, size=size, colour=ink, align="center", bold=True)
        if len(curves) > 1:
            on.text((x, y - 26), curve.name, colour=ink, align="center", room=width - 16)


def _sparkline(on: Page, box: Box, values: Sequence[float], ink: str) -> None:
    """The course of a number, without a scale."""
    there = [each for each in values if not math.isnan(each)]
    low = min(*there, 0)
    height = (max(*there, 0) - low) or 1.0
    xs = [box.left + number / (len(values) - 1) * box.width for number in range(len(values))]
    ys = [box.bottom - (each - low) / height * box.height for each in values]
    on.area(xs, ys, [box.bottom] * len(xs), ink, 0.2)
    on.line(xs, ys, ink)


def _table(on: Page, box: Box, panel: Panel, curves: Sequence[Curve], answers: Answers) -> None:
    """A row for each series: its labels by name, and its value."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    names = sorted({name for curve in curves for name in curve.series.labels})
    (renamed,) = (each["options"]["renameByName"] for each in panel["transformations"])
    rows = [
        [*(curve.series.labels.get(name, "") for name in names), formatted(curve.last or 0.0, unit)] for curve in curves
    ]
    heads = [*names, renamed["Value"]]
    wanted = [max(on.width(each, NORMAL) for each in column) + 20 for column in zip(heads, *rows, strict=True)]
    share = min((box.width - 16) / sum(wanted), 1.6)
    y = box.top + TITLE + 12
    for row in [heads, *rows]:
        if y + 12 > box.bottom:
            break
        x = box.left + 10
        for width, text in zip(wanted, row, strict=True):
            on.text((x, y), text, bold=row is heads, room=width * share - 8)
            x += width * share
        on.line((box.left + 8, box.right - 8), (y + 13, y + 13), GRID)
        y += 26


def _logs(on: Page, box: Box, panel: Panel, curves: Sequence[Curve], answers: Answers) -> None:
    """Lines, the newest first, each beside the colour of its level."""
    found = [(at, text, curve.series.labels) for curve in curves for at, text in curve.series.lines]
    y = box.top + TITLE + 10
    for at, text, labels in sorted(found, key=lambda each: (-each[0], each[1])):
        if y + 9 > box.bottom:
            break
        level = LEVELS.get(labels.get("detected_level", ""))
        on.box(Box(box.left + 10, y - 8, 3, 16), NAMED[level] if level else FAINT)
        time = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]
        x = box.left + 22 + on.text((box.left + 22, y), time, size=11, colour=FAINT, font=MONO) + 12
        on.text((x, y), text.splitlines()[0] if text else "", size=11, font=MONO, room=box.right - x - 10)
        y += 19


DRAWN: dict[str, Callable[[Page, Box, Panel, Sequence[Curve], Answers], None]] = {
    "timeseries": _graph,
    "stat": _stat,
    "table": _table,
    "logs": _logs,
}
