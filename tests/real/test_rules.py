"""Every rule of every environment, judged by the real promtool."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import cdk8s
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.environments import load
from apps.kube import monitoring
from constructs_lib.config import to_yaml
from constructs_lib.promql import REPLICA_LABEL, metric
from constructs_lib.rules.model import Alert, Proof, RuleGroup, Severity
from constructs_lib.rules.proving import alone
from tests.real.promtool import interrupted, mutants, promtool, proven

ENVIRONMENTS = dict(load(env_file=None))
GROUPS = {name: monitoring(cdk8s.App(), name, values).prometheus.groups for name, values in ENVIRONMENTS.items()}
INTERVALS = {name: values.scrape_interval for name, values in ENVIRONMENTS.items()}


def distinct() -> Iterator[Any]:
    """Every alert, with what is recorded for it and the interval, once for the environments that share it."""
    seen: list[tuple[RuleGroup, timedelta]] = []
    for name, groups in GROUPS.items():
        for whole, alert in ((group, alert) for group in groups for alert in group.alerts):
            case = (alone(alert, whole.recordings), alert.proof.every or INTERVALS[name])
            if case not in seen:
                seen.append(case)
                yield pytest.param(*case, id=f"{name}-{alert.name}")


ALERTS = list(distinct())
# They outlive a gap in their series by themselves, since they look back.
LOOK_BACK = {"ContainerCpuNearLimit", "ContainerRestarting", "KubeStateMetricsErrors"}
# What is proven by fewer evaluations has none within the minutes that count here.
KEPT = [
    case
    for case in ALERTS
    for alert in case.values[0].alerts
    if alert.keep_firing and alert.name not in LOOK_BACK and alert.proof.every is None
]


@pytest.mark.parametrize("name", GROUPS)
def test_rules_are_accepted(name, tmp_path):
    """promtool reads every rule group and finds nothing to remark."""
    for group in GROUPS[name]:
        path = tmp_path / f"{group.name}.yaml"
        path.write_text(to_yaml(group.to_dict("https://runbooks.example.com")))

        checked = promtool("check", "rules", "--lint=all", "--lint-fatal", str(path))

        assert checked.returncode == 0, checked.stderr


NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_:]{0,20}", fullmatch=True)
LABELS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True).filter(lambda name: name != REPLICA_LABEL)
TEXTS = st.text(max_size=60).filter(lambda text: "{{" not in text and "}}" not in text and not text.endswith("{"))
SECONDS = st.integers(0, 30 * 24 * 3600).map(lambda count: timedelta(seconds=count))
ALERT = st.builds(
    Alert,
    name=st.from_regex(r"[A-Z][a-zA-Z0-9]{1,30}", fullmatch=True),
    expr=st.builds(
        lambda name, labels, threshold: f"rate({metric(name, **labels)}[5m]) > {threshold}",
        NAMES,
        st.dictionaries(LABELS, st.text(max_size=20), max_size=3),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    hold=SECONDS,
    severity=st.sampled_from(Severity),
    team=st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True),
    summary=TEXTS,
    description=st.builds(
        lambda *parts: "".join(parts), TEXTS, st.sampled_from(["{{ $value | humanize }}", "{{ $labels.pod }}"])
    ),
    proof=st.just(Proof(fires={}, at=timedelta(0), quiet={})),
    keep_firing=SECONDS,
)


@settings(
    max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(st.lists(ALERT, min_size=40, max_size=40, unique_by=lambda alert: alert.name))
def test_whatever_is_accepted_here_is_accepted_there(alerts: list[Alert]) -> None:
    """Nothing that the model accepts is refused by Prometheus: some hundreds of random alerts."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "rules.yaml")
        path.write_text(to_yaml(RuleGroup(name="random", alerts=tuple(alerts)).to_dict("https://runbooks.example.com")))

        checked = promtool("check", "rules", str(path))

        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("group", "interval"), ALERTS)
def test_alert_fires_when_it_must_and_only_then(group: RuleGroup, interval: timedelta):
    """The firing series fire first at the declared time, the quiet series never; a heartbeat, without any, always."""
    ran = proven(group, interval)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(("group", "interval"), ALERTS)
def test_proof_is_sharp(group: RuleGroup, interval: timedelta):
    """It fails when a threshold moves by a step, a window is halved or doubled, a matcher dropped, a hold moved.

    That holds for what is recorded for the alert, too; and a heartbeat must not wait for any series.
    """
    changes = dict(mutants(group, interval))

    with ThreadPoolExecutor(2) as workers:
        verdicts = workers.map(lambda mutant: proven(mutant, interval).returncode, changes.values())
        survivors = [change for change, verdict in zip(changes, verdicts, strict=True) if verdict == 0]

    assert len(changes) >= 2
    assert survivors == []


@pytest.mark.parametrize(("group", "interval"), KEPT)
def test_alert_outlives_a_restart_of_who_tells_of_it(group: RuleGroup, interval: timedelta):
    """Without its series for one minute, it goes on to fire; for three minutes, it ends after two."""
    (alert,) = group.alerts
    minute = timedelta(minutes=1)

    restarted = interrupted(group, interval, gap=minute, fires=minute + interval)
    gone = interrupted(group, interval, gap=3 * minute, fires=alert.keep_firing)

    assert restarted.returncode == 0, restarted.stdout + restarted.stderr
    assert gone.returncode == 0, gone.stdout + gone.stderr


def test_what_kube_state_metrics_tells_of_is_kept() -> None:
    """Alerts on its series, and no others."""
    assert {case.values[0].alerts[0].name for case in KEPT} == {
        *("NodeNotReady", "PodUnschedulable", "ContainerMemoryNearLimit", "ContainerOutOfMemory"),
        *("DeploymentReplicasMissing", "StatefulSetReplicasMissing", "DaemonSetPodsMissing", "ContainerCrashLooping"),
        *("InitContainerCrashLooping", "ContainerWaiting", "PersistentVolumeClaimPending", "DeploymentRolloutStuck"),
        *("SpansNotDeleted", "DatabaseBackupTooOld", "RestoreDrillTooOld"),
    }
