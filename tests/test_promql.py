"""Selectors and the check of expressions, read by a parser that is not ours."""

import string

import promql_parser
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constructs_lib.errors import ConstructError
from constructs_lib.promql import (
    REPLICA_LABEL,
    Matcher,
    check,
    matches,
    matches_not,
    metric,
    not_equal,
    without_strings,
)

LETTERS = string.ascii_letters + "_"
# Words of the language are no names of metrics: see test_words_of_the_language_are_no_metrics.
METRICS = st.text(LETTERS + string.digits + ":", max_size=20).map("m_{}".format)
LABELS = st.text(LETTERS + string.digits, max_size=20).map("l_{}".format)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = 'quote " backslash \\ newline \n tab \t brace } \\n \\" {{ $value }} ü 🙂'


def selector(expression: str) -> promql_parser.VectorSelector:
    parsed = promql_parser.parse(expression)
    assert isinstance(parsed, promql_parser.VectorSelector)
    return parsed


@given(METRICS, st.dictionaries(LABELS, VALUES, max_size=4))
@example("m_up", {"l_odd": ODD})
def test_selectors_select_exactly_the_values_that_were_given(name: str, labels: dict[str, str]) -> None:
    """Any label value, however odd, is read back unchanged by the parser."""
    parsed = selector(metric(name, **labels))
    assert parsed.name == name
    assert {m.name: m.value for m in parsed.matchers.matchers} == labels
    assert all(m.op == promql_parser.MatchOp.Equal for m in parsed.matchers.matchers)


@pytest.mark.parametrize(
    ("condition", "operator"),
    [
        (not_equal(ODD), promql_parser.MatchOp.NotEqual),
        (matches("a|b.+"), promql_parser.MatchOp.Re),
        (matches_not(r"\d+"), promql_parser.MatchOp.NotRe),
    ],
)
def test_other_conditions_than_equality(condition: Matcher, operator: promql_parser.MatchOp) -> None:
    """Each condition is written with its own operator, and its value is read back unchanged."""
    (matcher,) = selector(metric("up", job=condition)).matchers.matchers
    assert matcher.op == operator
    # The parser hands regular expressions back with their anchors.
    assert condition.value in matcher.value


def test_a_selector_is_spelled_as_people_spell_it() -> None:
    """No braces without labels, and labels in the order that they were given in."""
    assert metric("up") == "up"
    assert metric("up", pod="p-0", job="a") == 'up{pod="p-0",job="a"}'


@pytest.mark.parametrize("name", ["", "9up", "a-b", "up{", "up\n", "größe"])
def test_names_that_are_no_metrics_are_refused(name: str) -> None:
    """A metric's name is of the classic character set."""
    with pytest.raises(ConstructError, match="is not a metric name: use letters, digits, underscores and colons"):
        metric(name)


@pytest.mark.parametrize("label", ["", "9a", "a-b", "a:b", 'a="b",c'])
def test_names_that_are_no_labels_are_refused(label: str) -> None:
    """A label's name is of the classic character set."""
    with pytest.raises(ConstructError, match="is not a label name: use letters, digits and underscores"):
        metric("up", **{label: "x"})


def test_the_replica_label_cannot_be_selected() -> None:
    """The external label is on no series inside Prometheus, so that a selector of it would match nothing."""
    with pytest.raises(ConstructError, match=r"up is selected by the label 'replica', .*: select by 'pod' instead"):
        metric("up", **{REPLICA_LABEL: "prometheus-0"})


@pytest.mark.parametrize("expression", ["", "sum(", "up ==", "rate(up)", 'up{job="a"', "up{job=a}"])
def test_expressions_that_do_not_parse_are_refused(expression: str) -> None:
    """The refusal says whose expression it is, and shows it."""
    with pytest.raises(ConstructError, match="the expression of the alert X does not parse, ") as refusal:
        check(expression, of="the alert X")
    assert str(refusal.value).endswith(f": {expression}")


def test_expressions_that_parse_are_accepted() -> None:
    """A sound expression passes in silence."""
    check(f"sum by (job) (rate({metric('http_requests_total', code=matches('5..'))}[5m])) > 0.1", of="a test")


@given(METRICS, st.dictionaries(LABELS, VALUES, max_size=4))
@example("m_up", {"l_odd": ODD})
def test_strings_can_be_left_out_of_sight(name: str, labels: dict[str, str]) -> None:
    """Whatever the values are, only names are left, and the expression still parses."""
    assert without_strings(metric(name, **labels)) == metric(name, **dict.fromkeys(labels, ""))


@pytest.mark.parametrize("name", ["bool", "on", "group_left", "inf", "nan"])
def test_words_of_the_language_are_no_metrics(name: str) -> None:
    """Prometheus reads them as numbers or operators, whatever stands behind them."""
    with pytest.raises(ConstructError, match=f"'{name}' is a word of PromQL, not a metric name"):
        metric(name)
