"""What Lambda does with a function: its code, its name, its environment, and the credentials of its role."""

import sys
from importlib.util import find_spec
from pathlib import Path

from tests.cluster.outside.signature import Credentials
from tests.cluster.outside.templates import Function

# The handler, and the directories in which code is; the event is read from a pipe.
CALL = """
import importlib, json, logging, sys

sys.path[:0] = sys.argv[2:]
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
module, _, name = sys.argv[1].rpartition(".")
context = type("Context", (), {"get_remaining_time_in_millis": lambda self: 900_000})()
getattr(importlib.import_module(module), name)(json.load(sys.stdin), context)
"""


def command(function: Function, code: Path, credentials: Credentials, *, region: str, authority: str) -> list[str]:
    """The command line that calls a function with the event that it reads, and writes what that logs.

    Args:
        code: The directory in which it is.
        credentials: Of its role.
        region: Of the function.
        authority: Path of the certificate of whom it trusts.
    """
    botocore = find_spec("botocore")
    assert botocore
    assert botocore.origin
    environment = {
        **function.environment,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_CA_BUNDLE": authority,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    said = [f"{name}={value}" for name, value in environment.items()]
    # Nothing else of this machine's Python is there, but boto3, which Lambda brings.
    program = [sys.executable, "-I", "-S", "-B", "-c", CALL, function.handler]
    return ["env", "--ignore-environment", *said, *program, str(code), str(Path(botocore.origin).parents[1])]
