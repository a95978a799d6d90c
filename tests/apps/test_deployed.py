"""What sites have deployed keeps its logical id: CloudFormation takes what has another one for something else."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from apps.aws import stacks
from apps.environments import PROD
from tests.apps.test_aws import templates
from tests.rendered import DIST, ROOT

# Stack -> logical id -> type, and what AWS knows it by where that is ours to say.
LIST = ROOT / "tests" / "fixtures" / "deployed" / "prod.json"
NAMES = {
    "AWS::EKS::PodIdentityAssociation": ("ClusterName", "Namespace", "ServiceAccount"),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::SQS::Queue": ("QueueName",),
}
MOVED = """Sites have deployed these, which have other logical ids, types or names now: {}
CloudFormation makes what is new to it first, and then removes the old one: it fails where AWS knows both by one name or
service account, and elsewhere loses what the old one holds, such as messages, a log, or who is subscribed. Give the
construct its old id, or the resource its logical id by override_logical_id; take out of {} what is meant to go."""
NEW = """These are to stay as they are from now on: add them to {}: {}"""

Resources = dict[str, str]


def resources(found: dict[str, Any]) -> Resources:
    """Type and name of each, by stack and logical id."""
    made = {}
    for stack, template in found.items():
        for logical, each in template["Resources"].items():
            kind, properties = each["Type"], each.get("Properties", {})
            name = "/".join(properties[key] for key in NAMES.get(kind, ()) if key in properties)
            made[f"{stack} {logical}"] = f"{kind} {name}".rstrip()
    return made


def listed() -> Resources:
    """What was deployed, likewise."""
    found = json.loads(LIST.read_text())
    return {f"{stack} {logical}": what for stack, each in found.items() for logical, what in each.items()}


def moved(found: Resources) -> Resources:
    """What is in the list, and not found as it is there."""
    return {key: what for key, what in listed().items() if found.get(key) != what}


def rendered(directory: Path, **values: Any) -> Resources:
    """Production with other values."""
    app = cdk.App(outdir=str(directory), builtin_cloud_formation_validation=False)
    stacks(app, "prod", PROD.but(**values))
    app.synth()
    return resources(templates(directory))


def test_what_is_deployed_keeps_its_logical_id_and_its_name() -> None:
    """As production is committed; and what it has more than is listed is listed from then on."""
    found, where = resources(templates(DIST / "prod" / "aws")), LIST.relative_to(ROOT)
    assert not moved(found), MOVED.format(json.dumps(moved(found), indent=1), where)
    new = {key: what for key, what in found.items() if key not in listed()}
    assert not new, NEW.format(where, json.dumps(new, indent=1))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"prometheus_replicas": 1}, "prometheus1"),
        ({"backup_bucket_suffix": "points"}, "RestorePointsBucket60BB1A20"),
        ({"backup_at": None}, "MonitoringBackup Schedule"),
    ],
    ids=["gone", "name", "construct"],
)
def test_what_moves_is_noticed(values: dict[str, Any], what: str, tmp_path: Path) -> None:
    """A server less, a bucket of another name, a construct that is not there: exactly what is of them."""
    lost = moved(rendered(tmp_path, **values))
    assert lost == {key: each for key, each in listed().items() if what in key}
    assert lost


def test_roles_by_web_identity_have_the_same_logical_ids(tmp_path: Path) -> None:
    """So that the list keeps those, too, which have names of their own there; in place of associations."""
    found = rendered(tmp_path, aws_account="111122223333", oidc_issuer="oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE")
    roles = {key for key, each in listed().items() if each.startswith("AWS::IAM::Role")}
    assert roles <= found.keys()
    assert {each.partition(" ")[0] for each in moved(found).values()} == {
        "AWS::EKS::PodIdentityAssociation",
        "AWS::IAM::Role",
    }
