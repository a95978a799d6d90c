"""What was found is kept as it was, and there is a picture of each dashboard."""

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest

from pictures.answers import Answers, rounded
from pictures.files import ALL, ANSWERS, PICTURES, boards
from tests.dashboards.test_limits import TOLD
from tests.pictures.filled import answers
from tests.rendered import ROOT

MOST = 2 * 1024**2  # bytes of all pictures, which everybody who clones fetches


def test_answers_are_read_as_they_were_written() -> None:
    """All of them, and written the same again."""
    found = answers(*boards())

    again = Answers.from_json(found.to_json())

    assert again.to_json() == found.to_json()
    assert again.end - again.begin == again.step * 60
    (queues,), (same,) = (each.of("business", "Queues") for each in (found, again))
    assert [each.values for each in same] == [each.values for each in queues] != []
    assert again.of("business", "Fans") == ()


@pytest.mark.parametrize(
    ("value", "kept"), [("0.1234567", 0.12346), ("NaN", None), ("+Inf", None), ("3", 3.0), (math.pi, 3.1416)]
)
def test_a_value_is_kept_as_precisely_as_it_can_be_drawn(value: str | float, kept: float | None) -> None:
    """And what cannot be drawn is none."""
    assert rounded(value) == kept


def test_there_is_a_picture_of_each_dashboard_and_the_page_shows_it() -> None:
    """And one of all; `make pictures`, or `python -m pictures` when nothing has to be asked again, draws them."""
    names = {f"{name}.png" for name in (ALL, *(board["uid"] for board in boards()))}
    shown = (ROOT / "docs" / "dashboards.md").read_text()

    assert {path.name for path in PICTURES.glob("*.png")} == names
    assert all(f"](pictures/{name})" in shown for name in names)
    assert all(f"\n## {board['title']}\n" in shown for board in boards())
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < MOST


@pytest.mark.parametrize("board", boards(), ids=lambda board: board["uid"])
def test_the_page_names_the_alerts_whose_limits_are_drawn(board: Mapping[str, Any]) -> None:
    """With the way to what is to be done."""
    _, found, section = (ROOT / "docs" / "dashboards.md").read_text().partition(f"\n## {board['title']}\n")
    drawn = {name for names in TOLD.get(board["uid"], {}).values() for name in names}

    assert found
    named = re.findall(r"\[(\w+)\]\(runbooks/(\w+)\.md\)", section.partition("\n## ")[0])
    assert drawn <= {name for name, _ in named}
    assert all(name == page for name, page in named)


def test_what_was_found_is_of_the_dashboards() -> None:
    """Of each, though what has come to it since may lack its answers."""
    found = Answers.from_json(ANSWERS.read_text()).found

    assert found.keys() == {board["uid"] for board in boards()}
