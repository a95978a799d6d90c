"""The door of SQS and CloudWatch: `python -m tests.cluster.outside.door CONFIGURATION`.

Behind it moto keeps queues and metrics, and lets everybody do everything. What S3 checks by itself is checked here, and
by the same IAM: the signature, by the key of the user or of the session, whose token must be its own; and whether their
policies allow the action, on the queue or of the namespace. The latter alone are asked, as no policy of a queue may say
more than that it takes TLS alone; a request that names neither is refused, and so are the other protocols and
signatures in a URL, which no client of ours has.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

from tests.cluster.outside.iam import Iam
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import HandingOn, WebServer, context
from tests.cluster.outside.services import WEB_PORT
from tests.cluster.outside.signature import TIME, Credentials, Request, SignedBy

STORE = ("127.0.0.1", 5000)  # moto, on the machine of both
JSON, TOKEN = "application/x-amz-json-1.0", "x-amz-security-token"
APART = timedelta(minutes=15)  # how far clocks may be
SIGNED = {"host", "x-amz-date"}  # and the token, where there is one


@dataclass(frozen=True, slots=True)
class Api:
    """A service by the JSON protocol.

    Args:
        service: For which its clients sign.
        prefix: Of what they ask.
    """

    service: str
    prefix: str

    def target(self, action: str) -> dict[str, str]:
        """The headers by which it knows what is asked."""
        return {"Content-Type": JSON, "X-Amz-Target": f"{self.prefix}{action}"}


SQS, CLOUDWATCH = Api("sqs", "AmazonSQS."), Api("monitoring", "GraniteServiceVersion20100801.")


@dataclass(frozen=True, slots=True)
class Asked:
    """What policies are asked.

    Args:
        action: As they call it.
        conditions: By key, what they may have conditions on.
    """

    action: str
    resource: str
    conditions: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """What a client is told.

    Args:
        code: As AWS calls it.
    """

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class Door(WebServer):
    """Hands on what is allowed."""

    def __init__(self, configuration: Path) -> None:
        given = json.loads(configuration.read_text())
        self._iam = Iam(given["iam"], Credentials(access_key=given["access"], secret_key=given["secret"]))
        self._region, self._queues = given["region"], given["queues"]
        tls = context(given["certificate"], given["key"])
        super().__init__((given["address"], WEB_PORT), Handler, tls, Record(configuration.parent))

    def let_in(self, request: Request) -> None:
        """Let a request pass, or refuse it.

        Raises:
            RefusedError: why.
        """
        headers = request.headers
        by, token = SignedBy.read(headers.get("authorization", "")), headers.get(TOKEN, "")
        if by is None:
            raise RefusedError("MissingAuthenticationToken", "the request is not signed")
        api = asked_by(headers)
        refuse_scope(by, headers, service=api.service, region=self._region, now=datetime.now(UTC))
        key = self._iam.key(by.access_key, token, by.scope)
        if key is None:
            raise RefusedError("InvalidClientTokenId", "nobody has this key, or it is that of another token")
        if request.signature(key, by.scope, by.headers) != by.signature:
            raise RefusedError("SignatureDoesNotMatch", "the signature is not that of the request")
        asks = asked(api, headers, request.body, queues=self._queues)
        if not self._iam.allows(by.access_key, token, asks.action, asks.resource, asks.conditions):
            what = " ".join([f"the {asks.action} action on {asks.resource}", *asks.conditions.values()])
            raise RefusedError("AccessDeniedException", f"no identity-based policy allows {what}")


class Handler(HandingOn):
    """What the door says."""

    store = STORE

    def do_POST(self) -> None:  # noqa: N802 - the base class asks for this name
        door, body = cast("Door", self.server), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            door.let_in(Request(self.command, self.path, headers, body))
            status, _, content = self.handed_on(body, headers)
        except RefusedError as error:
            self._refuse(error)
        except (HTTPException, OSError) as error:
            self._refuse(RefusedError("ServiceUnavailable", f"moto does not answer: {error!r}", 503))
        else:
            # moto does not know that they came by TLS.
            self._say(status, content.replace(b'"QueueUrl": "http:', b'"QueueUrl": "https:'))

    def _refuse(self, error: RefusedError) -> None:
        self.log_message("%s: %s", error.code, error)
        self._say(error.status, json.dumps({"__type": error.code, "message": str(error)}).encode())

    def _say(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def asked_by(headers: Mapping[str, str]) -> Api:
    """Of which service something is asked.

    Args:
        headers: By names in lower case.
    """
    target = headers.get("x-amz-target", "")
    for api in (SQS, CLOUDWATCH):
        if target.startswith(api.prefix):
            return api
    raise RefusedError("UnsupportedOperation", "this is no request by the JSON protocol of a service that is here", 400)


def refuse_scope(by: SignedBy, headers: Mapping[str, str], *, service: str, region: str, now: datetime) -> None:
    """Refuse a signature for another service, region or time, and one beside which somebody may change the rest.

    Args:
        headers: By names in lower case.
    """
    needed = SIGNED | ({TOKEN} if TOKEN in headers else set())
    if not needed <= set(by.headers):
        raise RefusedError("IncompleteSignature", f"{', '.join(sorted(needed - set(by.headers)))} must be signed")
    if (by.scope.service, by.scope.region) != (service, region):
        raise RefusedError("SignatureDoesNotMatch", f"it is signed for {by.scope.service} in {by.scope.region}")
    try:
        at = datetime.strptime(headers["x-amz-date"], TIME).replace(tzinfo=UTC)
    except (LookupError, ValueError):
        raise RefusedError("IncompleteSignature", "it is not said when the request was signed") from None
    if abs(at - now) > APART or f"{at:%Y%m%d}" != by.scope.day:
        raise RefusedError("SignatureDoesNotMatch", f"it is signed at {at}, and now it is {now}")


def asked(api: Api, headers: Mapping[str, str], body: bytes, *, queues: str) -> Asked:
    """What policies are asked of a request.

    Args:
        headers: By names in lower case.
        queues: What the ARN of each queue begins with.
    """
    action = headers["x-amz-target"].removeprefix(api.prefix)
    try:
        given: Any = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise RefusedError("UnsupportedOperation", "this is no request by the JSON protocol", 400)
    if api is CLOUDWATCH:
        namespace = given.get("Namespace")
        if action != "PutMetricData" or not namespace:
            raise RefusedError("AccessDeniedException", "the request tells no metrics, which alone policies allow here")
        return Asked(f"cloudwatch:{action}", "*", {"cloudwatch:namespace": namespace})
    name = given.get("QueueName") or given.get("QueueUrl", "").rpartition("/")[2]
    if not name:
        raise RefusedError("AccessDeniedException", "the request names no queue, of which alone policies speak here")
    # One policy is asked for all messages of a batch.
    return Asked(f"sqs:{action.removesuffix('Batch')}", f"{queues}{name}")


if __name__ == "__main__":
    Door(Path(sys.argv[1])).serve_forever()
