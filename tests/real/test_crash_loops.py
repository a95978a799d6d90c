"""A crash loop is one incident, from its beginning to the end of its pod, however long the container runs between."""

from datetime import timedelta

import pytest

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS
from constructs_lib.rules.kubernetes import kubernetes
from constructs_lib.rules.model import Evaluator
from tests.real.promtool import alone, counts, simulated

EVERY = timedelta(seconds=15)
MINUTE = timedelta(minutes=1) // EVERY
# What the kubelet waits: 10 seconds at first, twice as long each time, and five minutes at most.
BACKOFFS = [1, 1, 3, 5, 11, *[5 * MINUTE] * 4]


@pytest.mark.parametrize("runs", [0.25, 1.5, 5, 9])
@pytest.mark.parametrize(("alertname", "kind"), [("ContainerCrashLooping", "container")])
def test_a_crash_loop_is_one_incident(alertname: str, kind: str, runs: float) -> None:
    """Once it fires, it fires without a break until the pod is gone, and for the two minutes of any restart."""
    by = Evaluator(interval=EVERY, job="prometheus", replicas=1, jobs=("kube-state-metrics",))
    (alert,) = (each for each in kubernetes(by).alerts if each.name == alertname)
    waiting = KUBE_STATE_METRICS.series(f"kube_pod_{kind}_status_waiting_reason", reason="CrashLoopBackOff")
    existing = KUBE_STATE_METRICS.series(f"kube_pod_{kind}_status_restarts_total")
    pauses = [f"1x{wait - 1} stale _x{round(runs * MINUTE) - 1}" for wait in BACKOFFS]
    length = sum(wait + round(runs * MINUTE) for wait in BACKOFFS)
    firing = f'count(ALERTS{{alertname="{alertname}",alertstate="firing"}}) or vector(0)'
    # It has waited for two minutes when the fifth wait begins, at the latest; and holds for two.
    begun = sum(wait + round(runs * MINUTE) for wait in BACKOFFS[:4]) + 2 * MINUTE + 2 * MINUTE
    last = length - 1
    fired = {
        # With all of the loop behind it, it is still there; then the pod is gone, and two minutes later the alert.
        f"min_over_time(({firing})[{(last - begun) * 15}s:15s])": (last, 1),
        firing: (last + 2 * MINUTE + 1, 0),
    }

    ran = simulated(
        alone(alert),
        EVERY,
        [
            (
                "loop",
                {waiting: " ".join(pauses), existing: f"0x{length - 1} stale"},
                [counts(expr, evaluation * EVERY, value) for expr, (evaluation, value) in fired.items()],
            )
        ],
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
