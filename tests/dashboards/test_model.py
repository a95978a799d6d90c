"""What a dashboard is, and what is refused."""

import json
from collections.abc import Callable

import pytest

from constructs_lib.dashboards.application import application_performance
from constructs_lib.dashboards.business import business
from constructs_lib.dashboards.layout import Row, dashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.dashboards.panels import COUNT, Panel, graph, series
from constructs_lib.errors import ConstructError


def text(uid: str = "fans", title: str = "Fans", **more: object) -> str:
    return json.dumps({"uid": uid, "title": title, **more})


def test_a_dashboard_is_a_value() -> None:
    """Two of the same text are the same, and its text is no part of how it is shown in a message."""
    one, same, other = (Dashboard(name="fans", title="Fans", text=text(says=says)) for says in ("a", "a", "b"))

    assert one == same != other
    assert len({one, same, other}) == 2
    assert repr(one) == "Dashboard(name='fans', title='Fans')"
    assert one.to_json() == text(says="a")


@pytest.mark.parametrize("name", ["", "Fans", "fans of all", "-fans", "f" * 41])
def test_a_name_that_cannot_be_a_uid_and_a_file_is_refused(name: str) -> None:
    """Grafana takes 40 characters, and a ConfigMap is named after it."""
    with pytest.raises(
        ConstructError, match="cannot be a dashboard: use up to 40 lower-case letters, digits and dashes"
    ):
        Dashboard(name=name, title="Fans", text=text(uid=name))


def test_the_longest_name_is_accepted() -> None:
    """Of 40 characters."""
    assert Dashboard(name="f" * 40, title="Fans", text=text(uid="f" * 40)).name == "f" * 40


def test_a_dashboard_without_a_title_is_refused() -> None:
    """It could not be found."""
    with pytest.raises(ConstructError, match="the dashboard fans has no title, so nobody finds it: give it one"):
        Dashboard(name="fans", title=" ", text=text(title=" "))


@pytest.mark.parametrize(("what", "own"), [("uid", "fans"), ("title", "Fans")])
def test_a_text_that_says_otherwise_is_refused(what: str, own: str) -> None:
    """Links lead to the uid in the text, and files are named by the other one."""
    with pytest.raises(ConstructError, match=f"the text of the dashboard fans has the {what} 'other': use '{own}'"):
        Dashboard(name="fans", title="Fans", text=text(**{what: "other"}))


def test_what_kubectl_cannot_apply_is_refused() -> None:
    """It keeps the whole ConfigMap, quoted, in an annotation, of which an object may have 256 KiB in all."""
    room = 252 * 1024 - len(json.dumps(text(description="")))

    fits = Dashboard(name="fans", title="Fans", text=text(description="x" * room))

    assert len(json.dumps(fits.to_json())) == 252 * 1024
    with pytest.raises(ConstructError, match="is 258049 bytes long once it is quoted, but 258048 are the most"):
        Dashboard(name="fans", title="Fans", text=text(description="x" * (room + 1)))


@pytest.mark.parametrize("widths", [(), (12,), (8, 8, 7), (12, 12, 1)])
def test_a_row_that_is_not_filled_is_refused(widths: tuple[int, ...]) -> None:
    """A panel beyond the last column would be moved, and one that is missing leaves a hole."""
    panels = tuple((width, graph("Fans", "They turn.", COUNT, series("up", "{{job}}"))) for width in widths)
    with pytest.raises(ConstructError, match=f"the row 'Air' has panels of {sum(widths)} columns: use 24 in all"):
        Row("Air", panels)


def test_a_query_that_does_not_parse_is_refused() -> None:
    """Its panel would show an error to whoever is woken by the alert."""
    with pytest.raises(ConstructError, match="the expression of the panel 'Fans' does not parse, "):
        graph("Fans", "They turn.", COUNT, series("rate(up[$__rate_interval]", "{{job}}"))


def test_a_dashboard_is_laid_out_from_top_to_bottom() -> None:
    """Headings over the whole width, panels beside each other, each where the one before it ends."""

    def fan(title: str) -> tuple[int, Panel]:
        return 12, graph(title, "They turn.", COUNT, series("up", "{{job}}"))

    rows = [Row("Air", (fan("a"), fan("b")), height=4), Row("More air", (fan("c"), fan("d")))]

    board = json.loads(dashboard(name="fans", title="Fans", says="They turn.", rows=rows).to_json())

    assert [(each["title"], *(each["gridPos"][key] for key in "xywh")) for each in board["panels"]] == [
        ("Air", 0, 0, 24, 1),
        ("a", 0, 1, 12, 4),
        ("b", 12, 1, 12, 4),
        ("More air", 0, 5, 24, 1),
        ("c", 0, 6, 12, 8),
        ("d", 12, 6, 12, 8),
    ]


@pytest.mark.parametrize(
    ("make", "name"), [(application_performance, "application-performance"), (business, "business")]
)
def test_a_dashboard_of_nothing_is_refused(make: Callable[..., Dashboard], name: str) -> None:
    """All its panels would be empty."""
    with pytest.raises(
        ConstructError, match=f"the dashboard {name} shows no job: name at least one, or leave the dash"
    ):
        make(jobs=[])
