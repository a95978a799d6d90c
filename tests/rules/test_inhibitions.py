"""The inhibitions that come with the rules: both sides exist, and always have what must be equal."""

import cdk8s
import promql_parser
import pytest

from apps.environments import PROD
from apps.kube import monitoring
from constructs_lib.config.alertmanager import DEFAULT_INHIBITIONS
from constructs_lib.config.inhibitions import Inhibition
from tests.rules.reading import Reader
from tests.rules.test_contracts import PROGRAMS

GROUPS = monitoring(cdk8s.App(), "prod", PROD).prometheus.groups
ALERTS = {alert.name: (alert, group) for group in GROUPS for alert in group.alerts}
EXTERNAL = {"cluster"}  # on every alert that leaves


@pytest.mark.parametrize("inhibition", DEFAULT_INHIBITIONS, ids=lambda each: "-".join(each.source.values()))
def test_both_sides_have_what_must_be_equal(inhibition: Inhibition) -> None:
    """A label that neither had would count as equal, and silence alerts about anything."""
    for side in (inhibition.source, inhibition.target):
        alert, group = ALERTS[side["alertname"]]
        reader = Reader(PROGRAMS)
        reader.read_groups([group])
        assert set(inhibition.equal) - EXTERNAL <= reader.labels(promql_parser.parse(alert.expr)), alert.name
