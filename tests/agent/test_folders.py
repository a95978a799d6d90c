"""Whole files in folders, and nothing at all before all are there."""

from pathlib import Path

import pytest

from constructs_lib.agent.folders import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    made.prepare()
    return made


def test_nothing_is_there_before_it_is_published(folders: Folders, tmp_path: Path) -> None:
    """Grafana deletes what it does not find, but not where there is no directory."""
    folders.write("shop", "dashboard-a", "{}\n")
    assert not (tmp_path / "live").exists()

    folders.publish()

    assert (tmp_path / "live" / "shop" / "dashboard-a.json").read_text() == "{}\n"
    assert list(folders.live()) == [("shop", "dashboard-a")]


def test_restart_begins_anew_before_all_is_there_and_keeps_it_afterwards(folders: Folders, tmp_path: Path) -> None:
    """Half of what there is, and half of a file, are worth nothing."""
    folders.write("shop", "dashboard-a", "{}\n")
    folders.prepare()
    assert list(folders.live()) == []

    folders.write("shop", "dashboard-b", "{}\n")
    folders.publish()
    (tmp_path / ".new" / "half.json").write_text("{")
    folders.prepare()

    assert folders.whole
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["dashboard-b.json"]


def test_files_of_a_namespace_are_its_own(folders: Folders) -> None:
    """Also where another one's name begins like it."""
    for namespace, name in (("shop", "b"), ("shop", "a"), ("shop-eu", "a")):
        folders.write(namespace, name, "{}\n")

    assert list(folders.live("shop")) == [("shop", "a"), ("shop", "b")]
    assert len(list(folders.live())) == 3
    assert folders.size() == 9


def test_folder_goes_with_its_last_file(folders: Folders, tmp_path: Path) -> None:
    """Taking away what is not there is no error."""
    for name in "ab":
        folders.write("shop", name, "{}\n")

    assert [folders.remove("shop", name) for name in "aab"] == [True, False, True]

    assert [path.name for path in (tmp_path / ".first").rglob("*")] == []
    assert folders.read("shop", "a") is None


def test_failed_write_leaves_the_file_before(folders: Folders, tmp_path: Path) -> None:
    """Nothing half written is left anywhere."""
    folders.write("shop", "a", "before\n")

    with pytest.raises(UnicodeEncodeError):
        folders.write("shop", "a", "\ud800")

    assert folders.read("shop", "a") == "before\n"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.json"]
