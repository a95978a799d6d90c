"""The function as it is deployed: what the construct stages runs by itself, where there is boto3 and nothing else."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from constructs_lib.aws import BackupPipeline, BackupWatch
from constructs_lib.cloudwatch import WHOLE
from constructs_lib.contract import Bucket
from constructs_lib.restore_points import Origin, RestorePoints
from tests.agent.volume import Volume
from tests.real.s3 import BUCKET, REGION
from tests.watch.conftest import Place

# What Lambda brings, and what that needs.
BROUGHT = ("boto3", "botocore", "dateutil", "jmespath", "six", "urllib3")
CALL = """
import importlib, sys

sys.path[:0] = sys.argv[1:3]
module, _, name = sys.argv[3].rpartition(".")
context = type("Context", (), {"get_remaining_time_in_millis": lambda self: 900_000})()
print(getattr(importlib.import_module(module), name)({"time": "2026-11-28T02:00:00Z"}, context))
"""


@pytest.fixture
def deployed(prometheus: Place) -> Iterator[tuple[Path, str, Mapping[str, str]]]:
    """Where the code is staged, what is called, and the environment, as the template says them for one replica."""
    cluster, namespace, component, replica = prometheus.source.split("/")
    origin = Origin(cluster=cluster, namespace=namespace, component=component)
    points = RestorePoints(bucket=Bucket(name=BUCKET, region=REGION))
    with tempfile.TemporaryDirectory() as directory:
        app = cdk.App(outdir=directory, analytics_reporting=False, builtin_cloud_formation_validation=False)
        stack = cdk.Stack(app, "Stack", env=cdk.Environment(region=REGION))
        pipeline = BackupPipeline(stack, "Pipeline", restore_points=points, replicas={origin: [replica]})
        BackupWatch(stack, "Watch", pipeline=pipeline)
        (function,) = assertions.Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
        (code,) = Path(directory).glob("asset.*")
        yield code, function["Properties"]["Handler"], function["Properties"]["Environment"]["Variables"]


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    """A directory of what Lambda brings alone."""
    for name in BROUGHT:
        found = find_spec(name)
        assert found
        assert found.origin
        path = Path(found.origin)
        path = path.parent if path.name == "__init__.py" else path
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def test_what_is_deployed_runs_by_itself(
    prometheus: Place, volume: Volume, deployed: tuple[Path, str, Mapping[str, str]], brought: Path
) -> None:
    """By the name that Lambda calls, in its environment, without what else is installed here; it says what it finds."""
    prometheus.back_up(volume)
    code, called, variables = deployed
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environment |= {
        "AWS_ENDPOINT_URL_CLOUDWATCH": f"http://127.0.0.1:{prometheus.proxy.upstream}",
        "AWS_REGION": REGION,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", CALL, str(code), str(brought), called],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        cwd=brought,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("None\n")
    assert prometheus.told()[WHOLE] == (1, 1, 1)
