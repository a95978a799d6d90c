"""SNS, as tests know it: moto, which tells subscribers by HTTPS, and asks nobody whether they want to hear."""

from urllib.parse import urlencode

from tests.cluster.outside.client import FORM
from tests.cluster.outside.moto import Moto

SERVICE, VERSION = "sns", "2010-03-31"


class Topics:
    """Those that moto keeps."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto

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
        self._moto.send(SERVICE, urlencode({"Action": action, "Version": VERSION, **parameters}), FORM)
