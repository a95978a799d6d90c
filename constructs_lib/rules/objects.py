"""What the alerts have in common that read kube-state-metrics: their thresholds, and how they outlive its restart."""

from dataclasses import dataclass
from datetime import timedelta

from constructs_lib.thresholds import check_counts, check_durations

CONTAINER = "namespace, pod, container"
# kube-state-metrics restarts within that time, and its series are gone meanwhile.
KEEP_FIRING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesLimits:
    """What the group `kubernetes` bears.

    Args:
        crash_looping: How long a container that restarts may not run in all, within ten minutes more.
        unschedulable: How long a pod may have no node: longer than an autoscaler takes to add one.
        restarts: How many times a container may restart ...
        restarts_within: ... in this time.
        incomplete: How long a workload may lack pods without a rollout, or a rollout may take for one pod before that.
        waiting: How long a container may wait for its image or configuration, or a claim that a pod wants for a volume.
        stuck: How long a Deployment may have passed its own deadline, `progressDeadlineSeconds`, 10 minutes by default.
        failed_since: For how long it is spoken of that a Job failed: its CronJob's history may keep it for ever.
    Raises:
        ConstructError: a duration below 1 minute, or no restart.
    """

    crash_looping: timedelta = timedelta(minutes=2)
    unschedulable: timedelta = timedelta(minutes=3)
    restarts: int = 5
    restarts_within: timedelta = timedelta(hours=1)
    incomplete: timedelta = timedelta(minutes=10)
    waiting: timedelta = timedelta(minutes=10)
    stuck: timedelta = timedelta(minutes=5)
    failed_since: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        check_counts(restarts=self.restarts)
        check_durations(
            crash_looping=self.crash_looping,
            unschedulable=self.unschedulable,
            restarts_within=self.restarts_within,
            incomplete=self.incomplete,
            waiting=self.waiting,
            stuck=self.stuck,
            failed_since=self.failed_since,
        )


LIMITS = KubernetesLimits()
