"""SNS, as tests know it: moto, which tells subscribers by HTTPS, and asks nobody whether they want to hear."""

from http.client import HTTPConnection
from urllib.parse import urlencode

from tests.cluster.errors import ClusterError
from tests.cluster.machine import Machine
from tests.cluster.outside.client import FORM, PATIENCE
from tests.cluster.outside.door import STORE
from tests.cluster.outside.moto import ACCOUNT

SERVICE, VERSION = "sns", "2010-03-31"


class Topics:
    """Those that moto keeps, on its machine."""

    def __init__(self, machine: Machine, *, region: str) -> None:
        self._machine, self._region = machine, region

    def make(self, arn: str) -> None:
        """Make a topic."""
        self._ask("CreateTopic", Name=arn.rpartition(":")[2])

    def subscribe(self, arn: str, url: str) -> None:
        """Tell an https URL what is published to a topic from now on; whoever is there is not asked first."""
        self._ask("Subscribe", TopicArn=arn, Protocol="https", Endpoint=url)

    def publish(self, arn: str, *, subject: str, message: str) -> None:
        """Tell all who are subscribed; it returns when they have heard."""
        self._ask("Publish", TopicArn=arn, Subject=subject, Message=message)

    def _ask(self, action: str, **parameters: str) -> None:
        body = urlencode({"Action": action, "Version": VERSION, **parameters})
        status, text = self._machine.call(lambda: _asked(body, self._region))
        if status != 200:
            raise ClusterError(f"{action} was answered by moto with {status}: {text}")


def _asked(body: str, region: str) -> tuple[int, str]:
    connection = HTTPConnection(*STORE, timeout=PATIENCE)
    by = {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261128/{region}/{SERVICE}/aws4_request"}
    try:
        connection.request("POST", "/", body, by | FORM)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
