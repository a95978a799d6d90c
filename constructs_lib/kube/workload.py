"""How a component's pods run: the part that differs between a StatefulSet, a Deployment, a DaemonSet and a CronJob."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, ClassVar, Protocol

from constructs_lib.contract import Pods
from constructs_lib.errors import ConstructError
from constructs_lib.kube.storage import Volume
from constructs_lib.units import whole_seconds

# Kubernetes' own five minutes are for pods whose volumes must follow them; these have none.
MOVE_AFTER = timedelta(seconds=60)
# What was missed is done as soon as the control plane is back, if that is on the same day.
CATCH_UP = timedelta(hours=12)
# https://karpenter.sh/docs/concepts/disruption/#pod-level-controls
# https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md#what-types-of-pods-can-prevent-ca-from-removing-a-node
STAYS = {"karpenter.sh/do-not-disrupt": "true", "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


class Workload(Protocol):
    """What a component asks of its workload."""

    api_version: ClassVar[str]
    kind: ClassVar[str]
    tolerations: ClassVar[tuple[Mapping[str, Any], ...]]

    @property
    def on_host(self) -> bool:
        """Whether its pods share the network and the processes of their node."""

    @property
    def replicas(self) -> int | None:
        """How many pods there are; None when the nodes decide."""

    @property
    def user(self) -> int:
        """The id of user and group that own the files and run every container."""

    @property
    def stop_within(self) -> timedelta:
        """How long a pod may take to end by itself."""

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        """The body below `spec`.

        Args:
            pods: Which the workload owns.
            headless: The Service under which each pod has a name, where pods have names.
            template: Of a pod.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """Pods with a name and a volume of their own each, as a StatefulSet.

    Args:
        replicas: At least 1.
        volume: What each pod claims; its containers mount it as `Claimed()`.
        user: The id of user and group that own the files and run every container.
        stop_within: How long a pod may take to end by itself.
        settle: How long a new pod must be ready before the next one is replaced.
    Raises:
        ConstructError: no replica.
    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
    """

    api_version: ClassVar[str] = "apps/v1"
    kind: ClassVar[str] = "StatefulSet"
    on_host: ClassVar[bool] = False
    tolerations: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    replicas: int
    volume: Volume
    user: int
    stop_within: timedelta
    settle: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        _refuse_none(self.replicas)

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        labels = dict(pods.labels)
        return {
            "replicas": self.replicas,
            "serviceName": headless,
            "podManagementPolicy": "Parallel",
            **({"minReadySeconds": whole_seconds(self.settle)} if self.settle else {}),
            "selector": {"matchLabels": labels},
            "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": labels}, "spec": self.volume.to_dict()}],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateless:
    """Pods that any other may replace, as a Deployment.

    A single one is gone before its successor starts: two would be scraped both, and every series be there twice.

    Args:
        replicas: At least 1.
        user: The id of user and group that run every container.
        stop_within: How long a pod may take to end by itself.
    Raises:
        ConstructError: no replica.
    Source: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
    """

    api_version: ClassVar[str] = "apps/v1"
    kind: ClassVar[str] = "Deployment"
    on_host: ClassVar[bool] = False
    tolerations: ClassVar[tuple[Mapping[str, Any], ...]] = tuple(
        {
            "key": f"node.kubernetes.io/{reason}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": whole_seconds(MOVE_AFTER),
        }
        for reason in ("not-ready", "unreachable")
    )

    replicas: int = 1
    user: int
    stop_within: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        _refuse_none(self.replicas)

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "replicas": self.replicas,
            "strategy": {"type": "Recreate"} if self.replicas == 1 else {"type": "RollingUpdate"},
            "selector": {"matchLabels": dict(pods.labels)},
            "template": template,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PerNode:
    """One pod on every node, whatever its taints, as a DaemonSet.

    Args:
        user: The id of user and group that run every container.
        stop_within: How long a pod may take to end by itself.
        on_host: Whether it sees its node's network and processes; no NetworkPolicy holds for it then.
    Source: https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
    """

    api_version: ClassVar[str] = "apps/v1"
    kind: ClassVar[str] = "DaemonSet"
    tolerations: ClassVar[tuple[Mapping[str, Any], ...]] = ({"operator": "Exists"},)
    replicas: ClassVar[int | None] = None

    user: int
    stop_within: timedelta = timedelta(seconds=30)
    on_host: bool = True

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "selector": {"matchLabels": dict(pods.labels)},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": template,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A pod once a day, which does one thing and ends, as a CronJob; nobody asks it anything.

    What fails is tried again, and what is evicted until its time is over. A Job that failed stays until three
    others have, so that its log can be read, unless it is told to go: volumes that are thrown away go with their pods,
    which go with their Job.

    Autoscalers that move pods to empty a node let it end.

    Args:
        at: When, in UTC, to the minute.
        user: The id of user and group that run every container.
        retries: How often what failed is tried again: after 10 seconds, and twice as long each time.
        hopeless: The exit code of a container by which it says that to try again helps nobody.
        end_within: How long it may take, all tries together: a minute or more.
        stop_within: How long a pod may take to end by itself when it is told to.
        gone_after: How long a Job stays that has ended, however it has.
    Raises:
        ConstructError: a time that is not a whole minute or is of another zone, or too little time.
    Source: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
    """

    api_version: ClassVar[str] = "batch/v1"
    kind: ClassVar[str] = "CronJob"
    on_host: ClassVar[bool] = False
    tolerations: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    replicas: ClassVar[int | None] = None

    at: time
    user: int
    retries: int = 2
    hopeless: int | None = None
    end_within: timedelta = timedelta(minutes=30)
    stop_within: timedelta = timedelta(seconds=30)
    gone_after: timedelta | None = None

    def __post_init__(self) -> None:
        if self.at != time(self.at.hour, self.at.minute):
            raise ConstructError(
                f"a pod is started at {self.at} every day: use a whole minute, in UTC without saying so"
            )
        if self.end_within < timedelta(minutes=1):
            raise ConstructError(f"what is scheduled must end within {self.end_within}: use a minute or more")

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        # Whoever drains a node takes none of these tries.
        rules: list[Any] = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        if self.hopeless is not None:
            codes = {"operator": "In", "values": [self.hopeless]}
            rules.append({"action": "FailJob", "onExitCodes": codes, "onPodConditions": []})  # 1.27 and 1.28 want both
        annotations = {**template["metadata"].get("annotations", {}), **STAYS}
        job = {
            "backoffLimit": self.retries,
            "podFailurePolicy": {"rules": rules},
            "activeDeadlineSeconds": whole_seconds(self.end_within),
            **({"ttlSecondsAfterFinished": whole_seconds(self.gone_after)} if self.gone_after else {}),
            "template": {
                "metadata": {**template["metadata"], "annotations": annotations},
                "spec": {**template["spec"], "restartPolicy": "Never"},
            },
        }
        return {
            "schedule": f"{self.at.minute} {self.at.hour} * * *",
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": whole_seconds(CATCH_UP),
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": {"labels": dict(pods.labels)}, "spec": job},
        }


def _refuse_none(replicas: int) -> None:
    if replicas < 1:
        raise ConstructError(f"there are {replicas} replicas: use 1 or more, or leave the construct out")
