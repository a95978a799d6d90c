"""What dashboards ask is what programs expose: every metric, every label, every variable."""

import json
import re
from collections.abc import Mapping

import promql_parser
import pytest

from constructs_lib.config.alloy import OWN_LABELS, STREAM
from constructs_lib.config.datasources import LOKI, PROMETHEUS
from constructs_lib.dashboards.firing import ALERTS
from constructs_lib.dashboards.model import Dashboard
from tests.dashboards.filled import ANNOTATION, Asked, asked, offered, panels
from tests.dashboards.made import DASHBOARDS, GROUPS, LESSER
from tests.dashboards.test_panels import links
from tests.rules.reading import NONE, Labels, Reader
from tests.rules.test_contracts import PROGRAMS

ALL = [*DASHBOARDS.values(), *LESSER]
QUERIES = [each for board in ALL for each in asked(board.to_json(), interval="1m", span="1h")]
OF_PROMETHEUS = [each for each in QUERIES if each.source == PROMETHEUS]
OF_LOKI = [each for each in QUERIES if each.source == LOKI]
# What the collector sets, and what Loki finds out of each line.
LABELS_OF_LINES = {*(str(rule.target_label) for rule in OWN_LABELS), STREAM, "detected_level"}
# Names that are chosen, and of each something that a pattern would take otherwise.
CHOSEN = {
    "service": ["api.v1", "a+b"],
    "namespace": ["shop"],
    "app": ["a|b", "c"],
    "pod": ["cart-0"],
    "text": ['say "no"'],
}


class Dashboards(Reader):
    """Reads what dashboards ask, of programs and of what rules record."""

    def __init__(self) -> None:
        super().__init__((*PROGRAMS, ALERTS))
        for group in GROUPS:
            for recording in group.recordings:
                self._recorded[recording.name] = self.labels(promql_parser.parse(recording.expr)) or NONE

    def kept(self, expr: str) -> Labels:
        """The labels that every curve has: of either side, where there are two."""
        return self._kept(promql_parser.parse(expr))

    def _kept(self, node: object) -> Labels:
        if isinstance(node, promql_parser.ParenExpr):
            return self._kept(node.expr)
        if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "or":
            return self._kept(node.lhs) & self._kept(node.rhs)
        return self.labels(node) or NONE


def of_logql(expr: str) -> Labels:
    """The labels of what is counted of lines: those of its outermost aggregation."""
    match = re.match(r"(?:topk\(\d+, )?sum(?: by \(([^)]*)\))? ?\(", expr)
    assert match, expr
    return frozenset(match[1].split(", ") if match[1] else ())


def named(queries: list[Asked]) -> Mapping[str, object]:
    return {"argvalues": queries, "ids": [f"{each.dashboard}-{each.panel}" for each in queries]}


@pytest.mark.parametrize("query", **named(OF_PROMETHEUS))  # type: ignore[arg-type]
def test_a_query_reads_what_programs_expose_and_keeps_what_its_legend_says(query: Asked) -> None:
    """Every metric is in a contract or recorded, with the labels by which it is chosen, aggregated and joined."""
    reader = Dashboards()

    kept = reader.kept(query.expr)

    assert reader.complaints == []
    assert query.labels <= kept


@pytest.mark.parametrize(
    ("expr", "labels", "complaint"),
    [
        ("sum by (job) (upp)", {"job"}, "no program exposes upp"),
        ("sum by (zone) (up)", {"zone"}, "up is aggregated by the label zone"),
        ('sum by (job) (up{zone="a"})', {"job"}, "up is selected by the label zone"),
        (
            "sum by (pod) (node:cpu_utilisation:ratio)",
            {"pod"},
            "node:cpu_utilisation:ratio is aggregated by the label pod",
        ),
        ("sum by (job) (up)", {"pod"}, None),
        ("sum by (job) (up) or vector(0)", {"job"}, None),
    ],
)
def test_what_nobody_exposes_and_what_a_legend_lacks_is_found(
    expr: str, labels: set[str], complaint: str | None
) -> None:
    """The test above can fail."""
    reader = Dashboards()

    kept = reader.kept(expr)

    assert not labels <= kept or f": {complaint}" in reader.complaints


@pytest.mark.parametrize("query", **named([each for each in OF_LOKI if not each.lines]))  # type: ignore[arg-type]
def test_what_is_counted_of_lines_keeps_what_its_legend_says(query: Asked) -> None:
    """And is counted by labels that lines have."""
    counted = of_logql(query.expr)

    assert query.labels <= counted
    assert counted <= LABELS_OF_LINES


@pytest.mark.parametrize("query", **named(OF_LOKI))  # type: ignore[arg-type]
def test_lines_are_chosen_by_labels_that_they_have(query: Asked) -> None:
    """Those of the collector; and never by nothing alone, which Loki refuses."""
    selectors = re.findall(r"\{([^}]*)\}", query.expr)

    assert selectors
    for selector in selectors:
        conditions = dict(re.findall(r'(\w+)=~?"([^"]*)"', selector))
        assert conditions.keys() <= LABELS_OF_LINES
        assert any(not re.fullmatch(pattern, "") for pattern in conditions.values())


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_a_variable_offers_what_there_is(board: Dashboard) -> None:
    """Values of a label that series or lines have, of series that exist."""
    for each in offered(board.to_json()):
        if each.source == PROMETHEUS:
            reader = Dashboards()
            assert each.label in reader.kept(each.series)
            assert reader.complaints == []
        else:
            assert each.label in LABELS_OF_LINES
            assert set(re.findall(r"(\w+)=~", each.series)) <= LABELS_OF_LINES


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_a_variable_is_used_as_what_it_is(board: Dashboard) -> None:
    """One of several values is a pattern, which Grafana escapes only where nothing else is said of its format."""
    said = json.loads(board.to_json())
    texts = [target["expr"] for panel in panels(said) for target in panel["targets"]]
    texts += [str(each["query"]) for each in said["templating"]["list"]]
    for variable in said["templating"]["list"]:
        name = variable["name"]
        uses = [text[max(found.start() - 4, 0) :] for text in texts for found in re.finditer(rf"\$\{{?{name}\b", text)]
        assert uses, f"nobody uses {name}"
        if variable["type"] == "query":
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["allValue"] in {".+", ".*"}
            assert variable["current"] == {"text": ["All"], "value": ["$__all"]}
            assert all(re.match(rf'.=~"\${name}"', use) for use in uses), name
        else:
            assert all(use.startswith("|= `${" + name + ":raw}`") or use[1:].startswith("= `${") for use in uses), name


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_every_query_parses_whatever_is_chosen(board: Dashboard) -> None:
    """Also values with what a pattern takes for something else."""
    for each in asked(board.to_json(), interval="2m", span="6h", values=CHOSEN):
        assert "$" not in each.expr
        if each.source == PROMETHEUS:
            promql_parser.parse(each.expr)


def test_what_is_chosen_is_filled_in_as_grafana_does_it() -> None:
    """Alternatives in brackets, with two backslashes before what a pattern takes otherwise; a text as it is."""
    of = {name: asked(DASHBOARDS[name].to_json(), interval="2m", span="6h", values=CHOSEN) for name in DASHBOARDS}
    (pods,) = (each.expr for each in of["application-performance"] if each.panel == "Pods")
    (lines,) = (each.expr for each in of["logs"] if each.panel == "Lines" and each.lines)

    assert r'service=~"(api\\.v1|a\\+b)"' in pods
    assert lines == r'{namespace=~"shop", app=~"(a\\|b|c)", pod=~"cart-0"} |= `say "no"`'
    assert any("[2m]" in each.expr for each in of["application-performance"])
    assert any("[6h]" in each.expr for each in of["application-performance"])


def test_a_variable_that_there_is_not_is_an_error() -> None:
    """Grafana would ask for its name."""
    unknown = DASHBOARDS["application-performance"].to_json().replace("$service", "$servis")
    with pytest.raises(KeyError, match="servis"):
        asked(unknown, interval="1m", span="1h")


@pytest.mark.parametrize("board", ALL, ids=lambda board: board.name)
def test_a_curve_has_what_its_way_takes_along(board: Dashboard) -> None:
    """The labels that a link fills variables with."""
    queries = asked(board.to_json(), interval="1m", span="1h")
    for panel in panels(json.loads(board.to_json())):
        wanted = {label for link in links(panel) for label in re.findall(r"__field\.labels\.(\w+)", link["url"])}
        for query in (each for each in queries if each.panel == panel["title"] and not each.lines):
            kept = Dashboards().kept(query.expr) if query.source == PROMETHEUS else of_logql(query.expr)
            assert wanted <= kept, panel["title"]


def test_exemplars_are_asked_for_where_time_is_measured() -> None:
    """Of the buckets themselves: what is recorded of them has none; and of nothing else."""
    for board in ALL:
        for panel in panels(json.loads(board.to_json())):
            for target in panel["targets"]:
                if target.get("exemplar"):
                    assert re.search(r"rate\(\w+_bucket\{", target["expr"])
                elif "_bucket" in target["expr"]:
                    # Of several quantiles of the same requests, one has them; a single number cannot show any.
                    assert panel["type"] == "stat" or any(each.get("exemplar") for each in panel["targets"])


def test_rates_are_taken_over_what_is_scraped() -> None:
    """No window is typed that an environment with another interval between two scrapes could not fill."""
    windows = {
        window
        for board in ALL
        for panel in panels(json.loads(board.to_json()))
        for target in panel["targets"]
        for window in re.findall(r"rate\([^\[]*\[([^\]]*)\]", target["expr"])
    }

    assert windows == {"$__rate_interval", "$__auto", "1h"}


def test_marks_are_asked_for_on_every_dashboard() -> None:
    """The helper finds them, too."""
    assert [each.dashboard for each in QUERIES if each.panel == ANNOTATION] == [board.name for board in ALL]


def test_what_is_asked_for_one_moment_is_told_apart() -> None:
    """Numbers of the whole time that is looked at, and nothing else."""
    instant = {each.panel for each in QUERIES if each.instant}

    assert {"Leads", "Lines in all", "Firing alerts"} <= instant
    assert all(each.instant for each in QUERIES if "[1h]" in each.expr and each.source == LOKI)
