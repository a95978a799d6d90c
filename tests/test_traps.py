"""docs/traps.md: every row is shown by tests that bear its number, and every such test has its row."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rendered import ROOT

ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \| `(.+?)::(.+?)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "traps.md").read_text())
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def marked(path: Path) -> Iterator[tuple[str, int]]:
    """The tests of a file that bear numbers, a pair for each; parameters may bear some, too."""
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            for call in ast.walk(decorator):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.trap":
                    yield function.name, ast.literal_eval(call.args[0])


MARKED = {(str(path.relative_to(ROOT)), name, number) for path in TESTS for name, number in marked(path)}
NUMBERS = {number for *_, number in MARKED}


def test_the_table_is_read_as_a_whole() -> None:
    """No row is spelled such that it would be left out here, and none comes twice."""
    lines = [line for line in (ROOT / "docs" / "traps.md").read_text().splitlines() if re.match(r"\| *\d", line)]
    assert len(ROWS) == len(lines) > 0
    numbers = [int(number) for number, *_ in ROWS]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(("number", "path", "name"), [(int(row[0]), row[3], row[4]) for row in ROWS])
def test_every_row_names_a_test_that_bears_its_number(number: int, path: str, name: str) -> None:
    """The test exists, under that path, with that mark."""
    assert (path, name, number) in MARKED


@pytest.mark.parametrize("number", sorted(NUMBERS))
def test_every_number_has_its_row(number: int) -> None:
    """A test that shows something is told to the users."""
    assert str(number) in {row[0] for row in ROWS}


@pytest.mark.parametrize(("number", "outcome"), [(row[0], row[2]) for row in ROWS])
def test_every_outcome_is_one_of_three_and_true(number: str, outcome: str) -> None:
    """A row that says that it is tested on the real programs has a test there."""
    assert re.match(r"(Impossible|Refused)\b", outcome)
    real = any(path.startswith("tests/real/") and str(trap) == number for path, _, trap in MARKED)
    assert real or "Tested" not in outcome
