"""A team's dashboards, in a chart of its own."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cdk8s
import pytest

from constructs_lib.config.platform import DashboardsTaken
from constructs_lib.config.team_dashboards import TeamDashboard
from constructs_lib.dashboards.model import Dashboard
from constructs_lib.errors import ConstructError
from constructs_lib.kube import Monitored
from tests.config.test_platform import PLATFORM
from tests.config.test_team_dashboards import PANEL
from tests.rendered import Objects, rendered

TAKEN = DashboardsTaken(account="grafana", role="monitoring-grafana-collected", allowed=2)
TAKING = replace(PLATFORM, dashboards=TAKEN)


def dashboard(name: str, title: str | None = None, **more: Any) -> Dashboard:
    title = title or name.title()
    text = json.dumps({"uid": name, "title": title, "panels": [PANEL], **more})
    return Dashboard(name=name, title=title, text=text)


def monitored(chart: cdk8s.Chart, **more: Any) -> Monitored:
    settings = {"namespace": "shop", "team": "sales", "platform": TAKING, "runbooks": "https://example.com", **more}
    return Monitored(chart, "monitored", **settings)


def adding(*dashboards: Dashboard, **more: Any) -> Callable[[cdk8s.Chart], None]:
    def build(chart: cdk8s.Chart) -> None:
        made = monitored(chart, **more)
        for each in dashboards:
            made.add_dashboard(each)

    return build


@pytest.fixture(scope="module")
def objects() -> Objects:
    return rendered(adding(dashboard("orders"), dashboard("stock"), dashboard("orders")))


def test_each_dashboard_is_labelled_data_of_its_own(objects: Objects):
    """Once, however often it is added; its name says what it holds."""
    found = {each["metadata"]["name"]: each for each in objects.of("ConfigMap")}

    assert sorted(found) == ["dashboard-orders", "dashboard-stock"]
    assert {each["metadata"]["labels"]["constructs-lib/collect"] for each in found.values()} == {"dashboard"}
    assert {each["metadata"]["namespace"] for each in objects.documents} == {"shop"}


def test_uid_is_that_of_no_other_namespace(objects: Objects):
    """The text is what the collector takes, and all else of it is as it was."""
    text = objects.named("ConfigMap", "dashboard-orders")["data"]["data.json"]

    assert json.loads(text) == {"uid": "shop_orders", "title": "Orders", "panels": [PANEL]}
    assert TeamDashboard.read(text, namespace="shop", name="orders").title == "Orders"


def test_team_learns_under_which_uid_its_dashboard_is():
    """For a link in a runbook, or in another dashboard; twice the same."""

    def build(chart: cdk8s.Chart) -> None:
        made = monitored(chart)
        assert [made.add_dashboard(dashboard("orders")) for _ in range(2)] == ["shop_orders"] * 2

    rendered(build)


def test_rights_of_grafana_are_given_where_there_is_a_dashboard(objects: Objects):
    """By a binding of its own, once for all of them."""
    bindings = {each["metadata"]["name"]: each for each in objects.of("RoleBinding")}

    assert sorted(bindings) == ["monitoring-grafana-collected-monitored", "monitoring-prometheus-collected-monitored"]
    binding = bindings["monitoring-grafana-collected-monitored"]
    assert binding["roleRef"]["name"] == TAKEN.role
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "grafana", "namespace": "monitoring"}]
    assert len(rendered(monitored).of("RoleBinding")) == 1


LONG = dashboard("orders", description="x" * 257_830)


@pytest.mark.parametrize(
    ("dashboards", "sentence"),
    [
        ((dashboard("a"), dashboard("a", "B")), "there are two different dashboards 'a': rename one"),
        (
            (dashboard("a", "Shop"), dashboard("b", "Shop ")),
            "'a' and 'b' have the same title, 'Shop': give one another",
        ),
        (tuple(map(dashboard, "abc")), "shop has 2 dashboards, which is what the platform allows a namespace"),
        (
            (LONG,),
            r"orders is 258\d+ bytes long once it is quoted, but 258048 are the most .* in an annotation: make two",
        ),
        ((dashboard("a", description="<" * 43_000),), "a is 258[0-9]{3} bytes long once it is quoted"),
        ((dashboard("a", panels=[{"datasource": "mine"}]),), "a names the data source 'mine'"),
        ((dashboard("a", libraryPanel={"uid": "b"}),), "a has a library panel"),
        ((dashboard("a", "x" * 190),), "the title of the dashboard a has 190 characters"),
    ],
)
def test_what_the_platform_would_refuse_is_refused_here(dashboards: tuple[Dashboard, ...], sentence: str):
    """A team hears of it when it renders, not when it has released."""
    with pytest.raises(ConstructError, match=sentence):
        rendered(adding(*dashboards))


def test_platform_that_takes_none_is_said():
    """Nobody would look at the ConfigMap."""
    with pytest.raises(
        ConstructError, match="the platform takes over no dashboards, and so not 'orders': leave it out"
    ):
        rendered(adding(dashboard("orders"), platform=PLATFORM))


def test_name_that_is_none_is_refused():
    """It is part of the ConfigMap's name and of the uid."""
    with pytest.raises(ConstructError, match="'Orders' cannot be a dashboard"):
        dashboard("Orders")
