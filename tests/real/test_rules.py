"""Every rule of every environment, judged by the real promtool."""

from datetime import timedelta

import pytest

from apps.environments import load
from apps.kube import rule_groups
from constructs_lib.config import to_yaml
from constructs_lib.rules.model import Alert
from tests.real.promtool import mutants, promtool, proven

ENVIRONMENTS = dict(load(env_file=None))
ALERTS = [
    pytest.param(alert, values.scrape_interval, id=f"{name}-{alert.name}")
    for name, values in ENVIRONMENTS.items()
    for group in rule_groups(values)
    for alert in group.alerts
]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_rules_are_accepted(name, tmp_path):
    """promtool reads every rule group and finds nothing to remark."""
    for group in rule_groups(ENVIRONMENTS[name]):
        path = tmp_path / f"{group.name}.yaml"
        path.write_text(to_yaml(group.to_dict("https://runbooks.example.com")))

        checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))

        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("alert", "interval"), ALERTS)
def test_alert_fires_when_it_must_and_only_then(alert: Alert, interval: timedelta):
    """The firing series fire first at the declared time, the quiet series never."""
    ran = proven(alert, interval)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("alert", "interval"), ALERTS)
def test_proof_is_sharp(alert: Alert, interval: timedelta):
    """It fails when a threshold moves by a step, a window is halved or doubled, a matcher dropped, a hold moved."""
    changes = dict(mutants(alert, interval))

    survivors = [change for change, mutant in changes.items() if proven(mutant, interval).returncode == 0]

    assert len(changes) >= 4
    assert survivors == []
