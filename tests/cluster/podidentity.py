"""The agent of EKS Pod Identity, which runs on each node: `python -m tests.cluster.podidentity CONFIGURATION`.

It exchanges a pod's token for a session of the role that is associated with its service account, as the real one does.

Source: https://github.com/aws/eks-pod-identity-agent
"""

import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from tests.cluster.outside.client import ask

ADDRESS = "169.254.170.23"
PORT = 80
PATH = "/v1/credentials"


class Agent(ThreadingHTTPServer):
    """Asks EKS Auth."""

    daemon_threads = True

    def __init__(self, configuration: Path) -> None:
        self._given = json.loads(configuration.read_text())
        super().__init__((ADDRESS, PORT), Handler)

    def ask(self, token: str) -> tuple[int, Any]:
        """Status and answer of EKS Auth."""
        given = self._given
        path, body = f"/clusters/{given['cluster']}/assume-role-for-pod-identity", json.dumps({"token": token}).encode()
        status, answer = ask(
            given["host"], given["address"], "POST", path, body, headers={}, authority=given["authority"]
        )
        return status, json.loads(answer)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "")
        if self.path != PATH:
            self._say(HTTPStatus.NOT_FOUND, "404 page not found")
        elif self.headers.get("Host", "").partition(":")[0] != ADDRESS:
            self._say(HTTPStatus.FORBIDDEN, "Access Denied. Called agent through invalid address")
        elif token.count(".") != 2:
            self._say(HTTPStatus.BAD_REQUEST, f"Service account token cannot be {'parsed' if token else 'empty'}")
        else:
            self._exchange(token)

    def _exchange(self, token: str) -> None:
        status, answer = cast("Agent", self.server).ask(token)
        if status != HTTPStatus.OK:
            code, message = answer["__type"], answer["message"]
            self._say(status, f"unable to fetch credentials from EKS Auth: ({code}): {message}, fault: client")
            return
        session = answer["credentials"]
        credentials = {
            "AccessKeyId": session["accessKeyId"],
            "SecretAccessKey": session["secretAccessKey"],
            "Token": session["sessionToken"],
            "AccountId": answer["assumedRoleUser"]["arn"].split(":")[4],
            "Expiration": session["expiration"],
        }
        self._say(status, json.dumps(credentials), "application/json")

    def _say(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    Agent(Path(sys.argv[1])).serve_forever()
