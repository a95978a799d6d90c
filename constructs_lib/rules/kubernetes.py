"""What Kubernetes itself could not do: keep containers running, place pods, finish jobs.

Of its own programs only the API server is read, through kube-state-metrics: schedulers and controllers are hidden on
managed clusters.
"""

from constructs_lib.metrics.kube_state_metrics import KUBE_STATE_METRICS, TELEMETRY
from constructs_lib.rules.model import Evaluator, RuleGroup
from constructs_lib.rules.objects import LIMITS, KubernetesLimits
from constructs_lib.rules.pods import pod_alerts
from constructs_lib.rules.starting import starting_alerts
from constructs_lib.rules.watching import object_alerts
from constructs_lib.rules.workloads import workload_alerts

__all__ = ["KubernetesLimits", "kubernetes"]


def kubernetes(
    by: Evaluator,
    *,
    objects: str = KUBE_STATE_METRICS.job,
    telemetry: str | None = TELEMETRY.job,
    limits: KubernetesLimits = LIMITS,
) -> RuleGroup:
    """The group `kubernetes`.

    Args:
        by: Who evaluates it.
        objects: The job of kube-state-metrics.
        telemetry: The job of what it says of itself; None when that is not scraped.
        limits: From where on somebody must hear of it.
    """
    return RuleGroup(
        name="kubernetes",
        alerts=(
            *pod_alerts(by, objects, limits),
            *starting_alerts(by, objects, limits),
            *workload_alerts(by, objects, limits),
            *object_alerts(by, telemetry),
        ),
    )
