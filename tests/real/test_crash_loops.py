"""A crash loop is one incident, from its beginning to the end of its pod, however long the container runs between."""

from datetime import timedelta

import pytest

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.rules.crash_loops import KINDS
from constructs_lib.rules.kubernetes import kubernetes
from constructs_lib.rules.model import Evaluator
from constructs_lib.rules.proving import alone, counts
from tests.real.promtool import simulated

EVERY = timedelta(seconds=15)
MINUTE = timedelta(minutes=1) // EVERY
# What the kubelet waits: 10 seconds at first, twice as long each time, and five minutes at most.
BACKOFFS = [1, 1, 3, 5, 11, *[5 * MINUTE] * 4]


@pytest.mark.parametrize("runs", [0.25, 1.5, 5, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_loop_is_one_incident(kind: str, runs: float) -> None:
    """Once it fires, it fires without a break until the pod is gone, and for the two minutes of any restart."""
    by = Evaluator(interval=EVERY, job="prometheus", replicas=1, jobs=("kube-state-metrics",))
    (alert,) = (each for each in kubernetes(by).alerts if each.name == f"{kind}CrashLooping")
    ran = round(runs * MINUTE)
    running = [seen for wait in BACKOFFS for seen in (*[0] * wait, *[1] * ran)]
    restarts = [number for number, wait in enumerate(BACKOFFS) for _ in range(wait + ran)]
    series = {
        KUBE_STATE_METRICS.series(f"{KINDS[kind][1]}_status_{what}"): f"{' '.join(map(str, values))} stale"
        for what, values in (("running", running), ("restarts_total", restarts))
    }
    firing = f'count(ALERTS{{alertname="{alert.name}",alertstate="firing"}}) or vector(0)'
    # It has not run for two minutes when the fifth wait is over, at the latest.
    begun = sum(wait + ran for wait in BACKOFFS[:4]) + BACKOFFS[4]
    last = len(running) - 1
    fired = {
        # With all of the loop behind it, it is still there; then the pod is gone, and two minutes later the alert.
        f"min_over_time(({firing})[{(last - begun) * 15}s:15s])": (last, 1),
        firing: (last + 2 * MINUTE + 1, 0),
    }

    verdict = simulated(
        alone(alert),
        EVERY,
        [("loop", series, [counts(expr, evaluation * EVERY, value) for expr, (evaluation, value) in fired.items()])],
    )

    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
