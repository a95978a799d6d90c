"""moto, which keeps in its memory what SQS and CloudWatch are told, and the door before it."""

import json
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.machine import Machine
from tests.cluster.outside.client import PATIENCE
from tests.cluster.outside.door import STORE, Api
from tests.cluster.outside.files import write
from tests.cluster.outside.signature import Credentials
from tests.cluster.programs import python

ACCOUNT = "000000000000"  # versitygw knows no other


class Moto:
    """That of one region, on a machine; there it takes everything from everybody at `STORE`.

    What tests ask is asked on the machine itself: no door is in the way.
    """

    def __init__(self, machine: Machine, directory: Path, *, region: str) -> None:
        self._machine, self._directory, self._region = machine, directory, region

    def start(self, *, address: str, certificate: str, key: str, authority: str, iam: str, root: Credentials) -> None:
        """Start it, and the door.

        Args:
            address: At which the door is.
            certificate: Path of that of its hosts.
            key: Path of its key.
            authority: Path of the certificate of whom moto trusts, where it tells others something.
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
        environment = (f"MOTO_ACCOUNT_ID={ACCOUNT}", f"REQUESTS_CA_BUNDLE={authority}", "NO_PROXY=*")
        self._machine.start("moto", ["env", *environment, *moto])
        file = write(self._directory / "door.json", configuration)
        self._machine.start("door", python("tests.cluster.outside.door", file))

    def ask(self, api: Api, action: str, **parameters: object) -> dict[str, Any]:
        """What it answers to a request of the JSON protocol.

        Raises:
            ClusterError: it refuses the request.
        """
        text = self.send(api.service, json.dumps(parameters), api.target(action))
        found: dict[str, Any] = json.loads(text or "{}")
        return found

    def send(self, service: str, body: str, headers: Mapping[str, str]) -> str:
        """What it answers to a request, by whatever protocol.

        Raises:
            ClusterError: it refuses the request.
        """
        status, text = self._machine.call(lambda: _sent(service, body, headers, self._region))
        if status != 200:
            raise ClusterError(f"{body} was answered by moto with {status}: {text}")
        return text


def _sent(service: str, body: str, headers: Mapping[str, str], region: str) -> tuple[int, str]:
    connection = HTTPConnection(*STORE, timeout=PATIENCE)
    # It reads there which service of which region is meant, and no more.
    by = {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261128/{region}/{service}/aws4_request"}
    try:
        connection.request("POST", "/", body, {**by, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
