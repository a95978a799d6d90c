"""What the containers of a pod may do in AWS, asked there with the credentials that an SDK finds in them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.environments import PROD
from tests.cluster.kubernetes import Kubernetes

PYTHON = "/usr/bin/python3"  # of the agent's image
Request = tuple[str, Mapping[str, object]]  # a method of boto3's client, and its parameters
# Each request, and how it was answered.
TRY = """
import json, sys
import boto3, botocore.exceptions
from botocore.config import Config
config = Config(s3={"us_east_1_regional_endpoint": "regional"})
for name, parameters in json.loads(sys.argv[3]):
    # A connection of its own: what was refused may leave its content on it.
    client = boto3.client(sys.argv[1], region_name=sys.argv[2], config=config)
    try:
        getattr(client, name)(**parameters)
        print("may")
    except botocore.exceptions.ClientError as error:
        print(error.response["Error"]["Code"])
    except botocore.exceptions.NoCredentialsError:
        print("nobody")
"""


def tried(
    cluster: Kubernetes, pod: str, container: str, requests: Iterable[Request], *, service: str = "s3"
) -> list[str]:
    """How S3, or another service, answers each request of a container of the agent."""
    arguments = (PYTHON, "-c", TRY, service, PROD.region, json.dumps([*requests]))
    return cluster.exec(PROD.namespace, pod, *arguments, container=container).split()


def given(pod: Mapping[str, Any]) -> dict[str, tuple[bool, bool]]:
    """Of each container, whether it is told of credentials for AWS, and whether it holds the token for them."""
    return {
        container["name"]: (
            any(each["name"].startswith("AWS_CONTAINER_") for each in container.get("env", [])),
            any(mount["name"] == "eks-pod-identity-token" for mount in container["volumeMounts"]),
        )
        for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
    }
