"""How a component's pods run: the part that differs between a StatefulSet and its siblings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from constructs_lib.contract import Pods
from constructs_lib.errors import ConstructError
from constructs_lib.kube.storage import Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Stateful:
    """Pods with a name and a volume of their own each, as a StatefulSet.

    Args:
        replicas: At least 1.
        volume: What each pod claims; its containers mount it as `Claimed()`.
        user: The id of user and group that own the files and run every container.
        stop_within: How long a pod may take to end by itself.
    Raises:
        ConstructError: no replica.
    Source: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
    """

    api_version: ClassVar[str] = "apps/v1"
    kind: ClassVar[str] = "StatefulSet"

    replicas: int
    volume: Volume
    user: int
    stop_within: timedelta

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise ConstructError(f"there are {self.replicas} replicas: use 1 or more, or leave the construct out")

    def spec(self, *, pods: Pods, headless: str, template: Mapping[str, Any]) -> dict[str, Any]:
        """The body below `spec`.

        Args:
            pods: Which the workload owns.
            headless: The Service under which each pod has a name.
            template: Of a pod.
        """
        labels = dict(pods.labels)
        return {
            "replicas": self.replicas,
            "serviceName": headless,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": template,
            "volumeClaimTemplates": [{"metadata": {"name": "data", "labels": labels}, "spec": self.volume.to_dict()}],
        }
