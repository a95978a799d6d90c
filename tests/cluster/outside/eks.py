"""What AWS has besides S3 and IAM: `python -m tests.cluster.outside.eks CONFIGURATION`.

It publishes the documents of the cluster's issuer, gives pods sessions of their roles as EKS Auth does, and answers in
the place of S3 while that fails.

Source: https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
"""

import json
import re
import sys
from base64 import urlsafe_b64decode
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from tests.cluster.outside.client import FORM, ask
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import WebServer, context
from tests.cluster.outside.services import WEB_PORT, Answer

S3 = "s3"  # all its hosts fail together, and their faults are noted under this name
ASSUME = re.compile(r"/clusters/([\w-]+)/assume-role-for-pod-identity")
SUBJECT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
# Error of STS -> that of EKS Auth.
ERRORS = {"AccessDenied": "AccessDeniedException", "ExpiredTokenException": "ExpiredTokenException"}


class Eks(WebServer):
    """Knows the cluster by a configuration, beside which lie the files that tests write."""

    def __init__(self, configuration: Path) -> None:
        given = json.loads(configuration.read_text())
        self.directory = configuration.parent
        self.issuer, self.auth = urlsplit(given["issuer"]), given["auth"]
        self._sts: tuple[str, str] = given["sts"]
        self._authority: str = given["authority"]
        tls = context(given["certificate"], given["key"])
        super().__init__((given["address"], WEB_PORT), Handler, tls, Record(self.directory))

    def document(self, path: str) -> Answer:
        """A document of the issuer."""
        files = {"/.well-known/openid-configuration": "issuer.json", "/keys": "keys.json"}
        file = files.get(path.removeprefix(self.issuer.path))
        return Answer(200, json.loads((self.directory / file).read_text())) if file else Answer(404, "not found")

    def session(self, cluster: str, token: str) -> Answer:
        """A session of the role that is associated with a token's service account; STS verifies the token."""
        try:
            claims = json.loads(urlsafe_b64decode(f"{token.split('.')[1]}==="))
            namespace, account = cast("re.Match[str]", SUBJECT.fullmatch(claims["sub"])).groups()
        except (LookupError, ValueError, TypeError, AttributeError):
            return _refusal("InvalidTokenException", "this is no token of a service account")
        associations = json.loads((self.directory / "associations.json").read_text())
        role = associations.get(f"{cluster}/{namespace}/{account}")
        if role is None:
            message = f"no association of {account} in {namespace} is known in the cluster {cluster}"
            return _refusal("ResourceNotFoundException", message, 404)
        pod = claims.get("kubernetes.io", {}).get("pod", {}).get("name", account)
        return self._assume(role, f"eks-{cluster}-{pod}"[:64], token)

    def _assume(self, role: str, session: str, token: str) -> Answer:
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role,
            "RoleSessionName": session,
            "WebIdentityToken": token,
        }
        (host, address), body = self._sts, urlencode(form).encode()
        status, text = ask(host, address, "POST", "/", body, headers=FORM, authority=self._authority)
        if status != 200:
            code = ERRORS.get(_element(text, "Code"), "InvalidTokenException")
            return _refusal(code, _element(text, "Message"))
        names = ("accessKeyId", "secretAccessKey", "sessionToken", "expiration")
        return Answer(
            200,
            {
                "credentials": {name: _element(text, name[0].upper() + name[1:]) for name in names},
                "assumedRoleUser": {"arn": _element(text, "Arn"), "assumeRoleId": _element(text, "AssumedRoleId")},
            },
        )


class Handler(BaseHTTPRequestHandler):
    """One connection, with one request after the other."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        eks = cast("Eks", self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        host = self.headers.get("Host", "").partition(":")[0]
        if host == eks.issuer.netloc:
            self._say(eks.document(self.path))
        elif host == eks.auth:
            found = ASSUME.fullmatch(self.path)
            self._say(eks.session(found[1], json.loads(body)["token"]) if found else Answer(404, "not found"))
        else:
            status = eks.record.fault(S3) or 503
            error = "<Code>ServiceUnavailable</Code><Message>S3 fails just now.</Message>"
            self._say(Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}</Error>'))

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the base class asks for these names

    def _say(self, answer: Answer) -> None:
        json_body = not isinstance(answer.body, str)
        content = (json.dumps(answer.body) if json_body else cast("str", answer.body)).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json" if json_body else "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")  # the next request of a client of S3 may find that itself again
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _refusal(code: str, message: str, status: int = 400) -> Answer:
    return Answer(status, {"__type": code, "message": message})


def _element(text: str, name: str) -> str:
    found: Any = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


if __name__ == "__main__":
    Eks(Path(sys.argv[1])).serve_forever()
