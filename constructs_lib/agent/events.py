"""What a team hears of in its own namespace: Events beside its ConfigMaps.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import hashlib
import logging
import time
from datetime import UTC, datetime, timedelta

import kubernetes
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from constructs_lib.agent.cluster import OFTEN, OVER, Item

LONGEST = 1000  # of a message, in characters: the API server takes 1024 bytes of ASCII
WARNING, NORMAL = "Warning", "Normal"
COMPONENT = "constructs-lib-collector"
SAY_AGAIN_AFTER = timedelta(minutes=30)
log = logging.getLogger(__name__)


class Events:
    """Tells teams; that nobody hears it stops nothing.

    Args:
        core: The client of the core API.
    """

    def __init__(self, core: "kubernetes.client.CoreV1Api") -> None:
        self._core = core
        self._said: dict[str, float] = {}

    def refused(self, item: Item, reason: str, made_of: str) -> None:
        """A ConfigMap is not live as it is: said once, and again where it stays so, since Events last an hour.

        Args:
            made_of: Tells this version of it from others, so that two collectors say it once.
        """
        self._say(_about(item), item.namespace, "Refused", reason, unique=f"{item.uid} {made_of} {_turn()}")

    def live(self, item: Item, made_of: str) -> None:
        """A ConfigMap that was refused is live as it is.

        Args:
            made_of: As of what is refused.
        """
        message = f"{item.name} is live as it is now"
        self._say(_about(item), item.namespace, "Live", message, unique=f"{item.uid} {made_of} {_turn()}", kind=NORMAL)

    def changes_often(self, namespace: str) -> None:
        """A namespace changes more often than is looked at."""
        last = self._said.get(namespace)
        if last is not None and time.monotonic() - last < SAY_AGAIN_AFTER.total_seconds():
            return
        self._said[namespace] = time.monotonic()
        about = kubernetes.client.V1ObjectReference(
            api_version="v1", kind="Namespace", name=namespace, namespace=namespace
        )  # an Event must lie where what it is about does
        reason = (
            f"ConfigMaps that are collected changed more than {OFTEN} times within {OVER.total_seconds():.0f} s: only "
            "now and then the newest version is taken"
        )
        self._say(about, namespace, "ChangesTooOften", reason, unique=f"{namespace} {_turn()}")

    def _say(
        self,
        about: "kubernetes.client.V1ObjectReference",
        namespace: str,
        reason: str,
        message: str,
        *,
        unique: str,
        kind: str = WARNING,
    ) -> None:
        now = datetime.now(UTC)
        digest = hashlib.sha256(f"{reason} {unique}".encode()).hexdigest()[:20]
        event = kubernetes.client.CoreV1Event(
            metadata=kubernetes.client.V1ObjectMeta(name=f"collector.{digest}", namespace=namespace),
            involved_object=about,
            type=kind,
            reason=reason,
            message=message[:LONGEST],
            source=kubernetes.client.V1EventSource(component=COMPONENT),
            reporting_component=COMPONENT,
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        try:
            self._core.create_namespaced_event(namespace, event, _request_timeout=(5, 10))
        except (ApiException, HTTPError, OSError) as error:
            if not (isinstance(error, ApiException) and error.status == 409):  # the other collector was first
                log.warning("cannot say in %s: %s", namespace, " ".join(str(error).split())[:300])


def _about(item: Item) -> "kubernetes.client.V1ObjectReference":
    return kubernetes.client.V1ObjectReference(
        api_version="v1", kind="ConfigMap", name=item.name, namespace=item.namespace, uid=item.uid
    )


def _turn() -> int:
    """The same for all collectors at a time, and another one when it is time to say things again."""
    return int(time.time() // SAY_AGAIN_AFTER.total_seconds())
