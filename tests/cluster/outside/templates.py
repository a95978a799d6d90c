"""What templates of CloudFormation make of buckets, roles and their associations.

Only what a deployment in the tests' AWS needs is resolved; what is not known is refused, never skipped. What looks at
restore points is known, and left out: it is in no cluster, and its roles are of services, not of pods.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError

BUCKET, BUCKET_POLICY, ROLE, POLICY = "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::IAM::Role", "AWS::IAM::Policy"
ASSOCIATION = "AWS::EKS::PodIdentityAssociation"
# Of a bucket, what versitygw has not, or has by default: the templates' own tests see to it.
NOT_MADE = {
    *("BucketEncryption", "LifecycleConfiguration", "OwnershipControls", "PublicAccessBlockConfiguration"),
    "VersioningConfiguration",
}
# What the tests' AWS does not make: tests/real/test_cdk.py deploys it.
LEFT_OUT = {
    "AWS::CloudWatch::Alarm",
    "AWS::KMS::Key",
    *("AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Function"),
    "AWS::Logs::LogGroup",
    *("AWS::SNS::Subscription", "AWS::SNS::Topic", "AWS::SNS::TopicPolicy"),
    *("AWS::SQS::Queue", "AWS::SQS::QueuePolicy"),
    *("AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup"),
}
# Whose roles no pod takes.
SERVICES = {"lambda.amazonaws.com", "scheduler.amazonaws.com"}
VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role: who may take it, and by policy what it may do."""

    arn: str
    trust: Mapping[str, Any]
    policies: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """A service account of a cluster, and the ARN of its role."""

    cluster: str
    namespace: str
    service_account: str
    role: str

    @property
    def key(self) -> str:
        """By which EKS Auth knows it."""
        return f"{self.cluster}/{self.namespace}/{self.service_account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """All of it.

    Args:
        buckets: By name, the statements of the bucket's policy.
        roles: By ARN.
    """

    buckets: Mapping[str, tuple[Mapping[str, Any], ...]]
    roles: Mapping[str, Role]
    associations: tuple[Association, ...]


def deployment(directory: Path, *, region: str, account: str) -> Deployment:
    """What the deployment of each template of a directory makes."""
    paths = sorted(directory.glob("*.template.json"))
    if not paths:
        raise ClusterError(f"there is no template in {directory}")
    stacks = [_Stack(path, region=region, account=account) for path in paths]
    return Deployment(
        buckets={name: statements for stack in stacks for name, statements in stack.buckets()},
        roles={role.arn: role for stack in stacks for role in stack.roles()},
        associations=tuple(association for stack in stacks for association in stack.associations()),
    )


class _Stack:
    """One template, resolved as far as it is asked for."""

    def __init__(self, path: Path, *, region: str, account: str) -> None:
        template = json.loads(path.read_text())
        self._name = path.name.partition(".")[0]
        self._account = account
        self._resources: dict[str, Any] = template["Resources"]
        self._values = {"AWS::Partition": "aws", "AWS::Region": region, "AWS::AccountId": account}
        known = {BUCKET, BUCKET_POLICY, ROLE, POLICY, ASSOCIATION} | LEFT_OUT
        for name, resource in self._resources.items():
            if resource["Type"] not in known:
                of = f"{self._name}/{name} of the type {resource['Type']}"
                raise ClusterError(f"the tests do not know what to do with {of}")
        self._left_out = {name for name, resource in self._resources.items() if _of_service(resource)}
        for name, resource in self._resources.items():
            taken = {role.get("Ref") in self._left_out for role in _roles(resource)}
            if taken == {True}:
                self._left_out.add(name)
            elif taken == {False, True}:
                raise ClusterError(f"{self._name}/{name} is a policy of roles of pods and of services")

    def buckets(self) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
        statements: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for _, found in self._of(BUCKET_POLICY):
            name = found["Bucket"]
            statements[name] = (*statements.get(name, ()), *listed(found["PolicyDocument"]["Statement"]))
        for name, found in self._of(BUCKET):
            _only(found, {"BucketName", *NOT_MADE}, of=f"{self._name}/{name}")
            bucket = self._ref(name)
            yield bucket, statements.pop(bucket, ())
        if statements:
            raise ClusterError(f"{self._name} has policies of buckets that it does not make: {', '.join(statements)}")

    def roles(self) -> Iterator[Role]:
        policies: dict[str, dict[str, Mapping[str, Any]]] = {}
        for name, found in self._of(POLICY):
            _only(found, {"PolicyName", "PolicyDocument", "Roles"}, of=f"{self._name}/{name}")
            for role in found["Roles"]:
                policies.setdefault(role, {})[found["PolicyName"]] = found["PolicyDocument"]
        for name, found in self._of(ROLE):
            _only(found, {"AssumeRolePolicyDocument", "Description", "RoleName"}, of=f"{self._name}/{name}")
            arn, trust = self._attribute(name, "Arn"), found["AssumeRolePolicyDocument"]
            yield Role(arn=arn, trust=trust, policies=policies.pop(self._ref(name), {}))
        if policies:
            raise ClusterError(f"{self._name} has policies of roles that it does not make: {', '.join(policies)}")

    def associations(self) -> Iterator[Association]:
        for name, found in self._of(ASSOCIATION):
            _only(found, {"ClusterName", "Namespace", "ServiceAccount", "RoleArn"}, of=f"{self._name}/{name}")
            yield Association(
                cluster=found["ClusterName"],
                namespace=found["Namespace"],
                service_account=found["ServiceAccount"],
                role=found["RoleArn"],
            )

    def _of(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names and resolved properties of all resources of a type."""
        for name, resource in self._resources.items():
            if resource["Type"] == kind and name not in self._left_out:
                yield name, self._resolved(resource.get("Properties", {}))

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        name, argument = next(iter(value.items()), ("", None))
        if len(value) == 1 and (name == "Ref" or name.startswith("Fn::")):
            return self._called(name, argument)
        return {key: self._resolved(each) for key, each in value.items()}

    def _called(self, function: str, argument: Any) -> str:
        match function, argument:
            case "Ref", str(name):
                return self._ref(name)
            case "Fn::GetAtt", [str(name), str(attribute)]:
                return self._attribute(name, attribute)
            case "Fn::Join", [str(between), list(parts)]:
                return between.join(self._resolved(parts))
            case "Fn::Sub", str(text):
                return VARIABLE.sub(self._variable, text)
        raise ClusterError(f"{self._name} has {function} of {argument}, which the tests cannot resolve")

    def _variable(self, match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else self._ref(name)

    def _ref(self, name: str) -> str:
        if name in self._values:
            return self._values[name]
        resource = self._resources.get(name, {"Type": None})
        match resource["Type"]:
            case "AWS::S3::Bucket":
                return str(self._resolved(resource["Properties"]["BucketName"]))
            case "AWS::IAM::Role":
                made_up = f"{self._name}-{name}"[-64:]  # which ends as no other does
                return str(resource["Properties"].get("RoleName", made_up))
        raise ClusterError(f"{self._name} refers to {name}, whose name the tests do not know")

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self._resources[name]["Type"]
        match kind, attribute:
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{self._ref(name)}"
            case "AWS::IAM::Role", "Arn":
                return f"arn:aws:iam::{self._account}:role/{self._ref(name)}"
        raise ClusterError(f"{self._name} refers to {attribute} of {name} ({kind}), which the tests do not know")


def conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Operator, key and values of each condition of a statement."""
    for operator, block in statement.get("Condition", {}).items():
        for key, values in block.items():
            yield operator, key, [str(value) for value in listed(values)]


def listed(value: Any) -> list[Any]:
    """One value stands for a list of it, in policies."""
    return value if isinstance(value, list) else [value]


def actions(statement: Mapping[str, Any]) -> list[str]:
    """What a statement is about."""
    return listed(statement.get("Action", []))


def _of_service(resource: Mapping[str, Any]) -> bool:
    """Whether it is a role that a service takes which runs nowhere near a pod, and nobody else."""
    if resource["Type"] != ROLE:
        return False
    statements = listed(resource["Properties"]["AssumeRolePolicyDocument"]["Statement"])
    principals = [statement.get("Principal") for statement in statements]
    return all(
        isinstance(principal, dict) and principal.keys() == {"Service"} and {*listed(principal["Service"])} <= SERVICES
        for principal in principals
    )


def _roles(resource: Mapping[str, Any]) -> list[Any]:
    """Those that a policy is of."""
    found = resource["Properties"]["Roles"] if resource["Type"] == POLICY else []
    return [role if isinstance(role, dict) else {} for role in found]


def _only(found: Mapping[str, Any], allowed: Iterable[str], *, of: str) -> None:
    """Refuse what would change the access and is not taken notice of."""
    others = sorted(set(found) - set(allowed))
    if others:
        raise ClusterError(f"the tests do not know what to do with {', '.join(others)} of {of}")
