"""AWS on loopback, as far as LocalStack is it, for the command line of CDK, and what a test asks it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.cluster.programs import built
from tests.real.loopback import free_port, soon
from tests.rendered import ROOT

ACCOUNT = "000000000000"
REGION = "us-east-1"
SERVE = ROOT / "tools" / "localstack" / "serve.py"
# Nobody's own credentials, profile or settings get to where a test deploys.
OWN = ("AWS_", "CDK_", "CONSTRUCTS_")


@dataclass(frozen=True, slots=True)
class AWS:
    """Services of AWS behind one URL.

    Args:
        url: Of all of them.
        environment: With which a program finds them, and nothing else of AWS.
        session: With which a test does.
    """

    url: str
    environment: dict[str, str]
    session: boto3.Session

    def client(self, service: str) -> Any:
        """Of one service."""
        return self.session.client(service, endpoint_url=self.url)  # type: ignore[call-overload]  # stubs know S3 alone


@contextmanager
def running(directory: Path) -> Iterator[AWS]:
    """LocalStack that keeps what it has in a directory, and nothing of it when it ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    settings = {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "FILESYSTEM_ROOT": str(directory),
        "OVERRIDE_IN_DOCKER": "false",  # in any container, it would take the file system for that of its own image
        # It is deployed to, and by nobody outside: nothing is told, fetched, or resolved.
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        # What it does not know is left out, and says so in the stack: Pod Identity.
        "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "1",
    }
    found = {
        "AWS_ENDPOINT_URL": url,
        # CloudFormation is told the address of a template as if it were that of AWS, unless it is told this one.
        "AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION": url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": ACCOUNT,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [f"{built('localstack')}/bin/python", str(SERVE)]
    with (directory / "localstack.log").open("w") as log:
        program = subprocess.Popen(command, env={**inherited, **settings}, stdout=log, stderr=log)
    try:
        soon(f"{url}/_localstack/health")
        yield AWS(url, {**inherited, **found}, boto3.Session(ACCOUNT, ACCOUNT, region_name=REGION))
    finally:
        program.kill()
        program.wait()
