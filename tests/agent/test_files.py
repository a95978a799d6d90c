"""Whole files, or none."""

from pathlib import Path

import pytest

from constructs_lib.agent.files import JOBS, RULES, Files
from constructs_lib.errors import ConstructError


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.prepare()
    return made


def refuse(path: Path) -> None:
    """The check of a file that Prometheus would refuse."""
    assert path.read_text() == "# of\nbad\n"
    raise ConstructError("no")


def accept(path: Path) -> None:
    assert path.exists()


def test_written_file_says_what_it_was_made_of(files: Files):
    """The first line is a comment; the rest is what Prometheus reads."""
    files.write(RULES, "shop_checkout", "groups: []\n", made_of="this", check=accept)

    assert files.path(RULES, "shop_checkout").read_text() == "# this\ngroups: []\n"
    assert files.made_of(RULES, "shop_checkout") == "this"
    assert list(files.live()) == [(RULES, "shop_checkout")]


def test_refused_file_leaves_the_one_before(files: Files, tmp_path: Path):
    """Nothing half written is left anywhere."""
    files.write(JOBS, "shop_checkout", "good\n", made_of="this", check=accept)

    with pytest.raises(ConstructError, match="no"):
        files.write(JOBS, "shop_checkout", "bad\n", made_of="of", check=refuse)

    assert files.made_of(JOBS, "shop_checkout") == "this"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["shop_checkout.yaml"]


def test_what_a_kill_left_is_removed(files: Files, tmp_path: Path):
    """A new start finds no half of a file, and what is live as it was."""
    files.write(JOBS, "shop_checkout", "good\n", made_of="this", check=accept)
    (tmp_path / ".new" / "half.yaml").write_text("ha")

    files.prepare()

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["shop_checkout.yaml"]


def test_removing_tells_whether_there_was_anything(files: Files):
    """Twice is not an error."""
    files.write(JOBS, "shop_checkout", "good\n", made_of="this", check=accept)

    assert [files.remove(JOBS, "shop_checkout"), files.remove(JOBS, "shop_checkout")] == [True, False]
    assert files.made_of(JOBS, "shop_checkout") is None
