"""What Grafana may read of other teams' dashboards."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constructs_lib.config.team_dashboards import RESERVED_FOLDERS, TeamDashboard, dashboard_uid
from constructs_lib.dashboards.business import business
from constructs_lib.errors import ConstructError
from constructs_lib.kube.grafana import PLATFORM

PANEL = {"type": "timeseries", "title": "Orders", "datasource": {"type": "prometheus", "uid": "prometheus"}}
label = st.from_regex(r"\A[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z")
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


def text(name: str = "orders", **more: Any) -> str:
    """A dashboard of the namespace shop."""
    return json.dumps({"uid": dashboard_uid("shop", name), "title": name.title(), "panels": [PANEL], **more})


def read(said: str, *, name: str = "orders", namespace: str = "shop") -> TeamDashboard:
    return TeamDashboard.read(said, namespace=namespace, name=name)


def test_dashboard_is_read_as_it_was_written() -> None:
    """Nothing is added to it, and nothing is lost."""
    found = read(text())

    assert found.title == "Orders"
    assert json.loads(found.text) == json.loads(text())


def test_dashboard_of_this_librarys_panels_is_accepted() -> None:
    """A team may make its own of them."""
    ours = business(jobs=["orders"])

    assert read(json.dumps({**json.loads(ours.to_json()), "uid": "shop_orders"})).title == ours.title


@pytest.mark.parametrize(
    "source",
    [
        None,
        "loki",
        {"type": "alertmanager", "uid": "alertmanager"},
        {"type": "datasource", "uid": "grafana"},
        {"uid": "-- Mixed --"},
        "$source",
        {"uid": "${source}"},
        "${source:text}",
        "[[source]]",
    ],
)
def test_data_source_that_is_there_may_be_named(source: Any) -> None:
    """By its uid, by a variable of the dashboard, or as what every Grafana has."""
    variables = {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]}

    assert read(text(templating=variables, panels=[{**PANEL, "targets": [{"datasource": source}]}])).title


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("", "orders is no JSON, Expecting value.*: correct it"),
        ("[]", "orders is a JSON list: use an object"),
        ('{"refresh": NaN}', "is no JSON, NaN is no number"),
        ('{"refresh": 1e999}', "is no JSON, Out of range float"),
        ('{"a": ' * 50_000, "is nested too deeply: make it flatter"),
        ('{"a": "\\ud800"}', "has half of a character in a text"),
        (text(description="a\0"), "a text with the character 0 in it"),
        (text(**{"a\0": 1}), "a text with the character 0 in it"),
        (text(uid=None), "the uid of the dashboard orders is None, but only 'shop_orders' is nobody else's: use it"),
        (text(uid="system-health"), "is 'system-health', but only 'shop_orders' is nobody else's"),
        ('{"uid": "shop_orders", "uid": "another"}', "is 'another', but only 'shop_orders'"),
        (text(apiVersion="dashboard.grafana.app/v2"), "has the key 'apiVersion', of a Kubernetes object"),
        (text(metadata={"name": "system-health"}), "has the key 'metadata', of a Kubernetes object"),
        (text(__inputs=[{"name": "DS"}]), "has '__inputs', since it was exported to be shared"),
        (text(__elements={"a": {}}), "has '__elements', since it was exported to be shared"),
        (text(title=" \n"), "the title of the dashboard orders has 0 characters: give it one of 1 to 189"),
        (text(title=["a"]), "has 0 characters"),
        (text(title="x" * 190), "has 190 characters: give it one of 1 to 189"),
        (text(tags=["x" * 51]), "use a list of texts of up to 50 characters"),
        (text(tags="a b " * 20), "use a list of texts of up to 50 characters"),
        (text(tags=[1]), "has the tag '1'"),
        (text(panels=[{"panels": [{"libraryPanel": {"uid": "a"}}]}]), "orders has a library panel"),
        (text(panels=[{"datasource": "another"}]), "the data source 'another': use prometheus, loki, jaeger, alertm"),
        (text(panels=[{"datasource": {"uid": "${unknown}"}}]), r"the data source '\$\{unknown\}'"),
        (text(annotations={"list": [{"datasource": {"uid": "P1809"}}]}), "the data source 'P1809'"),
        (text(panels=[{"datasource": {"uid": ["loki"]}}]), r"""the data source "\['loki'\]\""""),
        (text(panels=[{"datasource": 7}]), "the data source '7'"),
    ],
)
def test_what_grafana_could_not_show_is_refused(said: str, sentence: str) -> None:
    """And what would be another dashboard than it says, in one sentence."""
    with pytest.raises(ConstructError, match=sentence):
        read(said)


@pytest.mark.parametrize("namespace", RESERVED_FOLDERS)
def test_namespace_whose_folder_is_another_ones_is_refused(namespace: str) -> None:
    """Where Grafana cannot make a folder, it leaves all other files alone."""
    said = json.dumps({**json.loads(text()), "uid": dashboard_uid(namespace, "orders")})

    with pytest.raises(ConstructError, match=f"of the namespace {namespace} would be in a folder of that name"):
        read(said, namespace=namespace)
    assert PLATFORM.lower() in RESERVED_FOLDERS


def test_name_that_is_none_is_refused() -> None:
    """It is part of the uid."""
    with pytest.raises(ConstructError, match="'A_b' cannot be a dashboard of a team: use up to 40"):
        read(text(), name="A_b")


@given(one=st.tuples(label, label), another=st.tuples(label, label))
@example(one=("shop", "eu-orders"), another=("shop-eu", "orders"))
@example(one=("a" * 30, "b" * 30), another=("a" * 30, "b" * 31))
def test_no_other_namespace_has_the_same_uid(one: tuple[str, str], another: tuple[str, str]) -> None:
    """Nor has the platform, whose names are DNS labels; and Grafana takes it."""
    uid = dashboard_uid(*one)

    assert (uid == dashboard_uid(*another)) == (one == another)
    assert re.fullmatch(r"[-_a-zA-Z0-9]{1,40}", uid)
    assert "_" in uid


def test_cut_uid_is_none_that_another_namespace_could_choose() -> None:
    """Also where its name is the end of it."""
    uid = dashboard_uid("a" * 40, "orders")

    head, tail = uid.split("__")
    assert dashboard_uid(head, tail) != uid


@given(more=st.dictionaries(st.sampled_from(["panels", "tags", "templating", "annotations", "refresh", "a"]), values))
def test_whatever_a_team_says_is_refused_or_read_again_as_the_same(more: dict[str, Any]) -> None:
    """What is live can be judged again, and no text ends the collector."""
    try:
        found = read(text(**more))
    except ConstructError:
        return

    assert read(found.text) == found
    assert json.loads(found.text, parse_constant=pytest.fail)["uid"] == "shop_orders"
