"""Every dashboard as people see it: what its panels say, where they are, and where they lead."""

import hashlib
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Read

from constructs_lib.config.datasources import LOKI, PROMETHEUS
from constructs_lib.dashboards.layout import TAG
from constructs_lib.dashboards.model import Dashboard
from tests.dashboards.filled import LABEL, panels
from tests.dashboards.made import DASHBOARDS, LESSER, made
from tests.rendered import ROOT

# A capital first, a full stop at the end, and none between them but within a number.
SENTENCE = re.compile(r"[A-Z](?:[^.!?]|\.(?=\d))*\.")
SOURCES = {PROMETHEUS, LOKI}
# With a way for the curves of which each has a pod, a service or a program.
LINK = re.compile(r"/d/([a-z-]+)\?\$\{__url_time_range\}((?:&var-\w+=\$\{__field\.labels\.\w+\})*)")

every_dashboard = pytest.mark.parametrize(
    "board",
    [*DASHBOARDS.values(), *LESSER],
    ids=[*DASHBOARDS, *(f"lesser-{each.name}" for each in LESSER)],
)


def read(board: Dashboard) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(board.to_json())
    return said


def links(panel: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("links", [])
    return found


@every_dashboard
def test_every_panel_says_what_it_shows(board: Dashboard) -> None:
    """By a title of its own, one sentence, and a unit."""
    shown = list(panels(read(board)))

    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert SENTENCE.fullmatch(panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@every_dashboard
def test_every_dashboard_and_every_variable_says_what_it_is(board: Dashboard) -> None:
    """In one sentence each."""
    said = read(board)

    assert all(SENTENCE.fullmatch(each["description"]) for each in (said, *said["templating"]["list"]))


@pytest.mark.parametrize("text", ["", "No stop", "no capital.", "Two. Sentences.", "Is this one? Yes."])
def test_what_is_not_one_sentence_is_found(text: str) -> None:
    """The tests above can fail."""
    assert not SENTENCE.fullmatch(text)


@every_dashboard
def test_every_query_is_named_and_asks_a_known_data_source(board: Dashboard) -> None:
    """The same one as its panel, by the uid with which it is provisioned; each query has a letter and a legend."""
    for panel in panels(read(board)):
        targets = panel["targets"]
        assert [target["refId"] for target in targets] == ["A", "B", "C", "D", "E", "F"][: len(targets)]
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in targets)} < {*SOURCES, None}
        assert len({panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in targets)}) == 1
        assert all(each["type"] == each["uid"] for each in (panel["datasource"], *(t["datasource"] for t in targets)))
        assert panel["type"] == "logs" or all(target["legendFormat"] for target in targets)
        # What a curve is called tells it from the others of its panel.
        assert (
            panel["type"] == "logs"
            or len({target["legendFormat"] for target in targets}) == len(targets)
            or all(LABEL.search(target["legendFormat"]) for target in targets)
        )


@every_dashboard
def test_panels_do_not_overlap(board: Dashboard) -> None:
    """Each is within the 24 columns, and no cell of the grid belongs to two."""
    cells: set[tuple[int, int]] = set()
    for panel in read(board)["panels"]:
        x, y, width, height = (panel["gridPos"][key] for key in "xywh")
        own = {(column, line) for column in range(x, x + width) for line in range(y, y + height)}
        assert x + width <= 24
        assert own
        assert cells.isdisjoint(own), panel["title"]
        cells |= own
    # No hole either.
    assert len(cells) == 24 * (1 + max(line for _, line in cells))


@every_dashboard
def test_panels_have_numbers_of_their_own(board: Dashboard) -> None:
    """A link to a single panel has its number."""
    numbers = [panel["id"] for panel in read(board)["panels"]]

    assert numbers == list(range(1, len(numbers) + 1))


@every_dashboard
def test_a_dashboard_can_be_taken_in_at_a_glance(board: Dashboard) -> None:
    """Of whoever is woken by an alert."""
    assert 6 <= len(list(panels(read(board)))) <= 15


@every_dashboard
def test_nobody_changes_a_dashboard_in_the_browser(board: Dashboard) -> None:
    """It is code; times are the reader's own, and it is asked again each minute."""
    said = read(board)

    assert said["editable"] is False
    assert (said["timezone"], said["refresh"], said["time"]) == ("browser", "1m", {"from": "now-1h", "to": "now"})
    assert said["schemaVersion"] == 41
    assert (said["uid"], said["title"], said["tags"]) == (board.name, board.title, [TAG])


def test_dashboards_have_names_and_titles_of_their_own() -> None:
    """Two of a uid would replace each other."""
    assert len({board.name for board in DASHBOARDS.values()}) == 7
    assert len({board.title for board in DASHBOARDS.values()}) == 7


@every_dashboard
def test_nothing_is_left_out_by_saying_null(board: Dashboard) -> None:
    """But where Grafana's own form has it: the lowest threshold is below everything."""

    def nulls(value: Any, path: str) -> list[str]:
        match value:
            case None:
                return [path]
            case dict():
                return [found for key, each in value.items() for found in nulls(each, f"{path}.{key}")]
            case list():
                return [found for each in value for found in nulls(each, path)]
        return []

    assert {path.rpartition(".defaults.")[2] for path in nulls(read(board), "")} <= {"thresholds.steps.value"}


@every_dashboard
def test_the_sdk_reads_what_it_wrote(board: Dashboard) -> None:
    """All of it but what it does not know of annotations."""
    register_default_plugins()
    said = read(board)

    again = json.loads(JSONEncoder().encode(Read.from_json(json.loads(board.to_json()))))

    for each in (said, again):
        each.pop("annotations")
    assert again == said


def test_dashboards_are_written_alike_every_time() -> None:
    """In this process, and in another one with another order of sets: else each rendering would be a change."""
    code = (
        "import hashlib; from tests.dashboards.made import made; "
        "print(hashlib.sha256(''.join(board.to_json() for board in made()).encode()).hexdigest())"
    )

    def elsewhere(seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT, env=environment
        ).stdout.strip()

    here = hashlib.sha256("".join(board.to_json() for board in made()).encode()).hexdigest()

    assert made() == tuple(DASHBOARDS.values())
    assert {elsewhere("1"), elsewhere("2")} == {here}


@every_dashboard
def test_every_dashboard_leads_to_all_others_over_the_same_time(board: Dashboard) -> None:
    """By what they have in common."""
    (link,) = read(board)["links"]

    assert (link["type"], link["tags"], link["keepTime"], link["asDropdown"]) == ("dashboards", [TAG], True, False)


@every_dashboard
def test_links_lead_to_dashboards_and_variables_that_exist(board: Dashboard) -> None:
    """Over the same time."""
    for panel in panels(read(board)):
        for link in links(panel):
            match = LINK.fullmatch(link["url"])
            assert match, link["url"]
            variables = {each["name"] for each in read(DASHBOARDS[match[1]])["templating"]["list"]}
            assert set(re.findall(r"&var-(\w+)=", match[2])) <= variables
            assert link["title"]


def test_who_looks_finds_the_way_from_a_curve_to_its_lines_and_spans() -> None:
    """The ways that an incident takes: from all to what Prometheus, a service or a pod says."""
    ways = {
        (board.name, found[1])
        for board in DASHBOARDS.values()
        for panel in panels(read(board))
        for link in links(panel)
        if (found := LINK.fullmatch(link["url"]))
    }

    assert {
        ("system-health", "logs"),
        ("system-health", "prometheus"),
        ("application-performance", "logs"),
        ("application-performance", "jaeger"),
        ("jaeger", "logs"),
        ("logs", "logs"),
    } <= ways


def test_without_spans_no_link_leads_to_them() -> None:
    """Where there is no dashboard of them."""
    assert "/d/jaeger" not in LESSER[0].to_json()


@every_dashboard
def test_times_of_firing_alerts_are_marked(board: Dashboard) -> None:
    """But for the heartbeat, which always fires."""
    (mark,) = read(board)["annotations"]["list"]

    assert mark["datasource"] == {"type": PROMETHEUS, "uid": PROMETHEUS}
    assert mark["target"]["expr"] == mark["expr"] == 'ALERTS{alertstate="firing",severity!="none"}'
    assert mark["enable"] is True
    assert mark["titleFormat"] == "{{alertname}}"
