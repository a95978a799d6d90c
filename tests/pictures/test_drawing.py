"""Pictures of dashboards show what was found, and the same of the same."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from constructs_lib.dashboards.model import Dashboard
from pictures.answers import Answers, Series
from pictures.drawing import CELL, COLUMNS, GAP, HEAD, NO_DATA, dashboard, sheet
from pictures.page import FAINT, NAMED, PALETTE, PANEL, SCALE, TEXT, WIDTH, Box, Picture, page, png
from tests.dashboards.filled import panels
from tests.dashboards.made import DASHBOARDS
from tests.pictures.filled import COUNT, answers
from tests.rendered import ROOT

# Of what is drawn of each type, a colour that an empty panel has not.
INK = {"timeseries": {PALETTE[0]}, "stat": set(NAMED.values()), "table": {TEXT}, "logs": {NAMED["red"]}}


def read(board: Dashboard) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(board.to_json())
    return said


def alone(title: str, of: str = "application-performance") -> dict[str, Any]:
    """A dashboard of one of its panels."""
    board = read(DASHBOARDS[of])
    (panel,) = (each for each in panels(board) if each["title"] == title)
    panel["gridPos"] |= {"x": 0, "y": 0}
    return {**board, "panels": [panel]}


def place(panel: Mapping[str, Any]) -> Box:
    """Where a panel is, without its title."""
    at, column = panel["gridPos"], (WIDTH - GAP) / COLUMNS
    box = Box(GAP + at["x"] * column, HEAD + at["y"] * CELL, at["w"] * column - GAP, at["h"] * CELL - GAP)
    return box.inner(0, 28, 0, 0)


def part(picture: Picture, box: Box) -> Picture:
    left, top, right, bottom = (round(each * SCALE) for each in (box.left, box.top, box.right, box.bottom))
    return picture.crop((left, top, right, bottom))


def colours(picture: Picture) -> set[str]:
    counted: Any = picture.getcolors(picture.width * picture.height)
    return {f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in counted}


def valued(found: Answers, change: Callable[[float], float | None]) -> Answers:
    """The same with other values."""
    boards = {
        board: {
            panel: [
                [replace(each, values=[change(value or 0) for value in each.values]) for each in query]
                for query in queries
            ]
            for panel, queries in told.items()
        }
        for board, told in found.found.items()
    }
    return replace(found, found=boards)


@pytest.mark.parametrize("board", DASHBOARDS.values(), ids=list(DASHBOARDS))
def test_every_panel_of_every_dashboard_is_drawn(board: Dashboard) -> None:
    """In its place, whatever its type and its unit."""
    said = read(board)

    picture = dashboard(said, answers(said))

    assert picture.width == WIDTH * SCALE
    for panel in panels(said):
        assert colours(part(picture, place(panel))) & INK[panel["type"]], panel["title"]


def test_a_panel_without_data_says_so() -> None:
    """And nothing else: neither where nothing was found, nor where nothing has a value, nor where nobody asked."""
    board = alone("Requests, by service")
    box = place(board["panels"][0]).inner(0, -28, 0, 0)
    around = Box(box.middle[0] - 50, box.middle[1] - 10, 100, 20)
    some = answers(board)
    nothing = [
        replace(some, found={board["uid"]: {"Requests, by service": [[]]}}),
        replace(some, found={}),
        valued(some, lambda _: None),
    ]
    for each in nothing:
        picture = dashboard(board, each)
        with page(picture.height / SCALE) as on:
            on.box(box, PANEL)
            on.text(box.middle, NO_DATA, colour=FAINT, align="center")
            expected = on.picture()
        assert part(picture, around).tobytes() == part(expected, around).tobytes()
        assert not colours(picture) & {*PALETTE}


def test_an_unknown_panel_and_an_unknown_unit_are_errors() -> None:
    """Nothing is passed over."""
    for change, name in ((lambda panel: panel.update(type="piechart"), "piechart"), (_other_unit, "furlongs")):
        board = alone("Requests, by service")
        found = answers(board)
        change(board["panels"][0])
        with pytest.raises(KeyError, match=name):
            dashboard(board, found)


def _other_unit(panel: dict[str, Any]) -> None:
    panel["fieldConfig"]["defaults"]["unit"] = "furlongs"


@pytest.mark.parametrize(
    ("high", "seen"), [(0.01, set()), (0.1, {"orange"}), (0.4, {"orange", "red"})], ids=["below", "one", "both"]
)
def test_a_limit_is_drawn_where_the_scale_has_it(high: float, seen: set[str]) -> None:
    """As in Grafana, whose scale follows from the values alone."""
    board = alone("Failed requests, by service")
    board["panels"][0]["gridPos"]["y"] = 48  # with room above, in which nothing may be
    found = replace(valued(answers(board), lambda _: high), marks=())

    there = colours(dashboard(board, found))

    assert {name for name in ("orange", "red") if NAMED[name] in there} == seen


@pytest.mark.parametrize(
    ("title", "value", "colour"),
    [
        ("Failed requests", 0.049, "green"),
        ("Failed requests", 0.05, "orange"),
        ("Failed requests", 0.25, "red"),
        # Of which its dashboard says nothing: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-thresholds/
        ("Requests", 79, "green"),
        ("Requests", 80, "red"),
    ],
)
def test_a_number_has_the_colour_of_the_limit_that_it_has_reached(title: str, value: float, colour: str) -> None:
    """Behind it, where its dashboard has limits."""
    board = alone(title)
    if title == "Requests":
        board["panels"][0]["fieldConfig"]["defaults"].pop("thresholds", None)
    found = valued(answers(board), lambda _: value)

    there = colours(part(dashboard(board, found), place(board["panels"][0])))

    assert {name for name in ("green", "orange", "red") if NAMED[name] in there} == {colour}


def test_curves_of_a_whole_are_on_top_of_each_other() -> None:
    """Two of the same height are told apart only then."""
    for title, both in (("Requests, by answer", True), ("Requests, by service", False)):
        board = alone(title)
        curve = [1 + number / COUNT for number in range(COUNT)]
        twins = [Series(labels={"code": name, "service": name}, values=curve) for name in ("one", "other")]
        found = replace(answers(board), found={board["uid"]: {title: [twins]}}, marks=())
        box = place(board["panels"][0])

        graph = colours(part(dashboard(board, found), box.inner(0, 0, 0, 40)))

        assert (PALETTE[0] in graph) is both
        assert PALETTE[1] in graph


def test_alerts_that_fired_are_marked() -> None:
    """In red, on every graph."""
    board = alone("Requests, by service")
    found = answers(board)

    with_it, without = (dashboard(board, each) for each in (found, replace(found, marks=())))

    assert NAMED["red"] in colours(with_it)
    assert NAMED["red"] not in colours(without)


def test_long_texts_stay_where_they_belong() -> None:
    """In a table, a line, a legend and a title."""
    for title, of in (("Firing alerts", "system-health"), ("Lines", "logs"), ("Pods missing", "system-health")):
        board = alone(title, of)
        board["panels"][0]["gridPos"]["w"] = 12
        long = Series(
            labels={"namespace": "x" * 400, "detected_level": "error"},
            values=[1.0] * COUNT if title == "Pods missing" else [1.0],
            lines=[(0.0, "$y$ " * 400)] if title == "Lines" else [],
        )
        found = replace(answers(board), found={of: {title: [[long]]}})
        right = Box(WIDTH / 2 + GAP, HEAD, WIDTH / 2 - GAP, 200)

        assert len(colours(part(dashboard(board, found), right))) == 1


def test_the_sheet_has_all_of_them() -> None:
    """Each in a place of its own."""
    inks = ("#123456", "#654321", "#abcdef", "#fedcba", "#0f0f0f")
    several = {ink: Image.new("RGB", (round(WIDTH * SCALE), 900 + 100 * at), ink) for at, ink in enumerate(inks)}

    assert {*inks} < colours(sheet(several))


def test_the_file_keeps_the_colours_of_curves() -> None:
    """Though it has few: of what is drawn thin, too."""
    board = read(DASHBOARDS["system-health"])
    drawn = dashboard(board, answers(board))  # some of its curves are seen in a legend alone

    there = colours(Image.open(io.BytesIO(png(drawn))).convert("RGB"))

    assert {*PALETTE[:6], PANEL} <= there
    assert len(there) <= 256 < len(colours(drawn))


def test_the_same_answers_are_the_same_bytes(tmp_path: Path) -> None:
    """In another process, with another order of sets, and whatever somebody's matplotlib is told."""
    own = tmp_path / "matplotlibrc"
    own.write_text("lines.antialiased: False\ntext.antialiased: False\npatch.antialiased: False\n")
    code = (
        "import hashlib; from tests.pictures.test_drawing import *; "
        "board = alone('Requests, by service'); "
        "print(hashlib.sha256(png(dashboard(board, answers(board)))).hexdigest())"
    )
    board = alone("Requests, by service")
    here = hashlib.sha256(png(dashboard(board, answers(board)))).hexdigest()

    own_settings = {"PYTHONHASHSEED": "1", "MATPLOTLIBRC": str(own), "TZ": "Asia/Tokyo"}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | own_settings,
    )

    assert ran.stdout.strip() == here
