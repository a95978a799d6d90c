"""The team's dashboard shows what the team has."""

import json

from alerts import CHECKOUT
from dashboard import DASHBOARD


def test_every_query_reads_the_teams_own_job() -> None:
    """Grafana shows everybody's series, so a panel without its job would be of all of them."""
    panels = json.loads(DASHBOARD.to_json())["panels"]

    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert [f'job="{CHECKOUT.label("shop")}"' in query for query in queries] == [True, True]  # noqa: S101
