"""SQS, as tests know it."""

from typing import Any

from tests.cluster.outside.door import SQS
from tests.cluster.outside.moto import ACCOUNT, Moto
from tests.cluster.outside.templates import Queue

WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class Queues:
    """Those that moto keeps.

    Args:
        host: By which clients know SQS.
    """

    def __init__(self, moto: Moto, *, host: str) -> None:
        self._moto, self._host = moto, host

    def make(self, queue: Queue) -> None:
        """Make a queue."""
        attributes = {"MessageRetentionPeriod": str(queue.retention), "SqsManagedSseEnabled": "true"}
        self.ask("CreateQueue", QueueName=queue.name, Attributes=attributes)

    def waiting(self, name: str) -> tuple[int, int]:
        """How many messages of a queue can be received, and how many are hidden because somebody works on them."""
        found = self.ask("GetQueueAttributes", QueueUrl=self.url(name), AttributeNames=WAITING)["Attributes"]
        visible, hidden = (int(found[each]) for each in WAITING)
        return visible, hidden

    def url(self, name: str) -> str:
        """Of a queue."""
        return f"https://{self._host}/{ACCOUNT}/{name}"

    def ask(self, action: str, **parameters: object) -> dict[str, Any]:
        """What is answered to a request."""
        return self._moto.ask(SQS, action, **parameters)
