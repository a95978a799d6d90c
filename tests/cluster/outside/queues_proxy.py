"""The door of SQS: `python -m tests.cluster.outside.queues_proxy CONFIGURATION`.

Behind it moto keeps the queues, and lets everybody do everything. What S3 checks by itself is checked here, and by the
same IAM: the signature, by the key of the user or of the session, whose token must be its own; and whether their
policies allow the action on the queue. The latter alone are asked, as no policy of a queue may say more than that it
takes TLS alone; a request that names no queue is refused, and so are the older protocol and signatures in a URL, which
no client of ours has.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast

from tests.cluster.outside.iam import Iam
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import PATIENCE, WebServer, context
from tests.cluster.outside.services import WEB_PORT
from tests.cluster.outside.signature import TIME, Credentials, Request, SignedBy

STORE = ("127.0.0.1", 5000)  # moto, on the machine of both
TARGET, JSON = "AmazonSQS.", "application/x-amz-json-1.0"
SERVICE, TOKEN = "sqs", "x-amz-security-token"
APART = timedelta(minutes=15)  # how far clocks may be
SIGNED = {"host", "x-amz-date"}  # and the token, where there is one


class RefusedError(Exception):
    """What a client is told.

    Args:
        code: As SQS calls it.
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
        refuse_scope(by, headers, region=self._region, now=datetime.now(UTC))
        key = self._iam.key(by.access_key, token, by.scope)
        if key is None:
            raise RefusedError("InvalidClientTokenId", "nobody has this key, or it is that of another token")
        if request.signature(key, by.scope, by.headers) != by.signature:
            raise RefusedError("SignatureDoesNotMatch", "the signature is not that of the request")
        action, name = asked(headers, request.body)
        arn = f"{self._queues}{name}"
        if not self._iam.allows(by.access_key, token, action, arn):
            raise RefusedError("AccessDeniedException", f"no identity-based policy allows the {action} action on {arn}")


class Handler(BaseHTTPRequestHandler):
    """One connection, with one request after the other, and one to moto for it."""

    protocol_version = "HTTP/1.1"
    timeout = 10 * PATIENCE  # seconds: longer than clients keep a connection that nobody uses
    wbufsize = -1  # else the second packet of an answer would wait for the client to acknowledge the first one

    def setup(self) -> None:
        super().setup()
        self._store = HTTPConnection(*STORE, timeout=PATIENCE)

    def finish(self) -> None:
        self._store.close()
        super().finish()

    def do_POST(self) -> None:
        door, body = cast("Door", self.server), self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            door.let_in(Request(self.command, self.path, headers, body))
            self._store.request("POST", "/", body, headers)
            answer = self._store.getresponse()
            status, content = answer.status, answer.read()
        except RefusedError as error:
            self._refuse(error)
        except (HTTPException, OSError) as error:
            self._store.close()  # the next request opens it again
            self._refuse(RefusedError("ServiceUnavailable", f"the queues do not answer: {error!r}", 503))
        else:
            # moto does not know that they came by TLS.
            self._say(status, content.replace(b'"QueueUrl": "http:', b'"QueueUrl": "https:'))

    def _refuse(self, error: RefusedError) -> None:
        self.log_message("%s: %s", error.code, error)
        told = {"__type": f"com.amazonaws.sqs#{error.code}", "message": str(error)}
        self._say(error.status, json.dumps(told).encode())

    def _say(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def refuse_scope(by: SignedBy, headers: Mapping[str, str], *, region: str, now: datetime) -> None:
    """Refuse a signature for another service, region or time, and one beside which somebody may change the rest.

    Args:
        headers: By names in lower case.
    """
    needed = SIGNED | ({TOKEN} if TOKEN in headers else set())
    if not needed <= set(by.headers):
        raise RefusedError("IncompleteSignature", f"{', '.join(sorted(needed - set(by.headers)))} must be signed")
    if (by.scope.service, by.scope.region) != (SERVICE, region):
        raise RefusedError("SignatureDoesNotMatch", f"it is signed for {by.scope.service} in {by.scope.region}")
    try:
        at = datetime.strptime(headers["x-amz-date"], TIME).replace(tzinfo=UTC)
    except (LookupError, ValueError):
        raise RefusedError("IncompleteSignature", "it is not said when the request was signed") from None
    if abs(at - now) > APART or f"{at:%Y%m%d}" != by.scope.day:
        raise RefusedError("SignatureDoesNotMatch", f"it is signed at {at}, and now it is {now}")


def asked(headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """The action as policies call it, and the name of the queue.

    Args:
        headers: By names in lower case.
    """
    target = headers.get("x-amz-target", "")
    try:
        given: Any = json.loads(body)
    except ValueError:
        given = None
    if not target.startswith(TARGET) or not isinstance(given, dict):
        raise RefusedError("UnsupportedOperation", "this is no request by the JSON protocol of SQS", 400)
    name = given.get("QueueName") or given.get("QueueUrl", "").rpartition("/")[2]
    if not name:
        raise RefusedError("AccessDeniedException", "the request names no queue, of which alone policies speak here")
    # One policy is asked for all messages of a batch.
    return f"sqs:{target.removeprefix(TARGET).removesuffix('Batch')}", name


if __name__ == "__main__":
    Door(Path(sys.argv[1])).serve_forever()
