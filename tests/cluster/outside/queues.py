"""SQS: moto, which keeps queues in its memory, and the door before it."""

import json
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.machine import Machine
from tests.cluster.outside.client import PATIENCE
from tests.cluster.outside.files import write
from tests.cluster.outside.queues_proxy import JSON, SERVICE, STORE, TARGET
from tests.cluster.outside.signature import Credentials
from tests.cluster.outside.templates import Queue
from tests.cluster.programs import python

ACCOUNT = "000000000000"  # versitygw knows no other
WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class Queues:
    """Those of one region, on a machine.

    What tests ask by these methods is asked on the machine itself, of moto: no door is in the way.

    Args:
        host: By which clients know SQS.
    """

    def __init__(self, machine: Machine, directory: Path, *, host: str, region: str) -> None:
        self._machine, self._directory, self._host, self._region = machine, directory, host, region

    def start(self, *, address: str, certificate: str, key: str, iam: str, root: Credentials) -> None:
        """Start everything.

        Args:
            address: At which the door is.
            certificate: Path of that of the host.
            key: Path of its key.
            iam: Path of the socket at which IAM is asked.
            root: Who may ask it.
        """
        configuration = {
            "certificate": certificate,
            "key": key,
            "address": address,
            "iam": iam,
            "access": root.access_key,
            "secret": root.secret_key,
            "region": self._region,
            "queues": f"arn:aws:sqs:{self._region}:{ACCOUNT}:",
        }
        host, port = STORE
        moto = [sys.executable, "-m", "moto.server", "--host", host, "--port", str(port)]
        self._machine.start("moto", ["env", f"MOTO_ACCOUNT_ID={ACCOUNT}", *moto])
        file = write(self._directory / "queues.json", configuration)
        self._machine.start("queues", python("tests.cluster.outside.queues_proxy", file))

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
        """What moto answers to a request of the JSON protocol."""
        status, text = self._machine.call(lambda: _asked(action, parameters, self._region))
        if status != 200:
            raise ClusterError(f"{action} of {parameters} was answered by moto with {status}: {text}")
        found: dict[str, Any] = json.loads(text or "{}")
        return found


def target(action: str) -> dict[str, str]:
    """The headers by which SQS knows what is asked."""
    return {"Content-Type": JSON, "X-Amz-Target": f"{TARGET}{action}"}


def _asked(action: str, parameters: object, region: str) -> tuple[int, str]:
    connection = HTTPConnection(*STORE, timeout=PATIENCE)
    # It reads there which service of which region is meant, and no more.
    by = {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261128/{region}/{SERVICE}/aws4_request"}
    try:
        connection.request("POST", "/", json.dumps(parameters), by | target(action))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
