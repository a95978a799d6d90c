"""What templates of CloudFormation make of buckets, queues, schedules, functions, alarms, topics, roles and their
associations.

Only what a deployment in the tests' AWS needs is resolved; what is not known is refused, never skipped. What starts a
function and keeps what it gave up is known, and left out, with its roles: a test calls it. To it belong the queue
without a name, and the schedule that sends to no queue.

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
QUEUE, QUEUE_POLICY = "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"
SCHEDULE, GROUP = "AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup"
# Of a bucket, what versitygw has not, or has by default: the templates' own tests see to it.
NOT_MADE = {
    *("BucketEncryption", "LifecycleConfiguration", "OwnershipControls", "PublicAccessBlockConfiguration"),
    "VersioningConfiguration",
}
FUNCTION, ALARM = "AWS::Lambda::Function", "AWS::CloudWatch::Alarm"
TOPIC, TOPIC_POLICY, KEY = "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::KMS::Key"
# What the tests' AWS does not make: tests/real/test_cdk.py deploys it. To a topic, a test subscribes.
LEFT_OUT = {
    *("AWS::DLM::LifecyclePolicy", "AWS::EC2::Volume"),
    *("AWS::Lambda::EventInvokeConfig", "AWS::Logs::LogGroup", "AWS::SNS::Subscription"),
}
# Of a function, what says how Lambda runs it, and not what it does: the same deploys it.
NOT_RUN = {"Code", "Description", "LoggingConfig", "MemorySize", "Runtime", "Timeout"}
# Whose roles no pod takes.
SERVICES = {"dlm.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"}
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
class Queue:
    """A queue of SQS.

    Args:
        arn: By which policies name it.
        retention: Seconds after which a message is deleted.
        statements: Of its policy.
    """

    arn: str
    retention: int
    statements: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What EventBridge Scheduler sends to a queue, and when.

    Args:
        expression: When, as in "cron(0 2 * * ? *)".
        time_zone: Of that.
        input: The text of the message.
        target: ARN of the queue.
        role: ARN of the one by which it is sent.
        group: ARN of the schedule's group.
    """

    expression: str
    time_zone: str
    input: str
    target: str
    role: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of Lambda.

    Args:
        handler: What is called.
        environment: What it is told.
        role: ARN of the one that it has.
    """

    handler: str
    environment: Mapping[str, str]
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic of SNS.

    Args:
        arn: By which alarms name it.
        statements: Of its policy.
        of_key: Of the policy of the key by which it is encrypted.
    """

    arn: str
    statements: tuple[Mapping[str, Any], ...]
    of_key: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """All of it.

    Args:
        buckets: By name, the statements of the bucket's policy.
        queues: Those that have a name, by it.
        schedules: Those that send to such a queue.
        functions: By name.
        alarms: By name, their properties.
        topics: By ARN.
        roles: By ARN.
    """

    buckets: Mapping[str, tuple[Mapping[str, Any], ...]]
    queues: Mapping[str, Queue]
    schedules: tuple[Schedule, ...]
    functions: Mapping[str, Function]
    alarms: Mapping[str, Mapping[str, Any]]
    topics: Mapping[str, Topic]
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
        queues={queue.name: queue for stack in stacks for queue in stack.queues()},
        schedules=tuple(schedule for stack in stacks for schedule in stack.schedules()),
        functions={name: function for stack in stacks for name, function in stack.functions()},
        alarms={name: alarm for stack in stacks for name, alarm in stack.alarms()},
        topics={topic.arn: topic for stack in stacks for topic in stack.topics()},
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
        known = {
            *(BUCKET, BUCKET_POLICY, ROLE, POLICY, ASSOCIATION, QUEUE, QUEUE_POLICY, SCHEDULE, GROUP),
            *(FUNCTION, ALARM, TOPIC, TOPIC_POLICY, KEY, *LEFT_OUT),
        }
        for name, resource in self._resources.items():
            if resource["Type"] not in known:
                of = f"{self._name}/{name} of the type {resource['Type']}"
                raise ClusterError(f"the tests do not know what to do with {of}")
        self._left_out = set(self._of_what_is_not_made())
        for name, resource in self._resources.items():
            taken = {of.get("Ref") in self._left_out for of in _whose(resource)}
            if taken == {True}:
                self._left_out.add(name)
            elif taken == {False, True}:
                raise ClusterError(f"{self._name}/{name} is a policy of what is made here, and of what is left out")

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

    def queues(self) -> Iterator[Queue]:
        statements: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for name, found in self._of(QUEUE_POLICY):
            _only(found, {"PolicyDocument", "Queues"}, of=f"{self._name}/{name}")
            for url in found["Queues"]:
                statements[url] = (*statements.get(url, ()), *listed(found["PolicyDocument"]["Statement"]))
        for name, found in self._of(QUEUE):
            allowed = {"QueueName", "MessageRetentionPeriod", "SqsManagedSseEnabled"}
            _only(found, allowed, of=f"{self._name}/{name}")
            of = statements.pop(self._ref(name), ())
            yield Queue(arn=self._attribute(name, "Arn"), retention=found["MessageRetentionPeriod"], statements=of)
        if statements:
            raise ClusterError(f"{self._name} has policies of queues that it does not make: {', '.join(statements)}")

    def schedules(self) -> Iterator[Schedule]:
        for name, found in self._of(SCHEDULE):
            when = {"ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State"}
            _only(found, {"GroupName", "Target", *when}, of=f"{self._name}/{name}")
            target = found["Target"]
            if found["State"] != "ENABLED":
                raise ClusterError(f"{self._name}/{name} is {found['State']}, so nothing would ever be sent by it")
            _only(target, {"Arn", "RoleArn", "Input", "RetryPolicy"}, of=f"the target of {self._name}/{name}")
            yield Schedule(
                expression=found["ScheduleExpression"],
                time_zone=found["ScheduleExpressionTimezone"],
                input=target["Input"],
                target=target["Arn"],
                role=target["RoleArn"],
                group=self._of_group(found["GroupName"]),
            )

    def functions(self) -> Iterator[tuple[str, Function]]:
        for name, found in self._of(FUNCTION):
            _only(found, {"Environment", "Handler", "Role", *NOT_RUN}, of=f"{self._name}/{name}")
            environment = found["Environment"]["Variables"]
            yield self._ref(name), Function(handler=found["Handler"], environment=environment, role=found["Role"])

    def alarms(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, found in self._of(ALARM):
            yield f"{self._name}-{name}", found

    def topics(self) -> Iterator[Topic]:
        statements: dict[str, tuple[Mapping[str, Any], ...]] = {}
        for _, found in self._of(TOPIC_POLICY):
            for arn in found["Topics"]:
                statements[arn] = (*statements.get(arn, ()), *listed(found["PolicyDocument"]["Statement"]))
        keys = {self._attribute(name, "Arn"): found["KeyPolicy"]["Statement"] for name, found in self._of(KEY)}
        for name, found in self._of(TOPIC):
            _only(found, {"KmsMasterKeyId"}, of=f"{self._name}/{name}")
            arn = self._ref(name)
            of_key = tuple(keys[found["KmsMasterKeyId"]])
            yield Topic(arn=arn, statements=statements.pop(arn, ()), of_key=of_key)
        if statements:
            raise ClusterError(f"{self._name} has policies of topics that it does not make: {', '.join(statements)}")

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

    def _of_what_is_not_made(self) -> Iterator[str]:
        """The names of queues, schedules and roles of what starts a function, and keeps what it gave up."""
        taken = {_owner(each["Properties"]["Role"]) for each in self._resources.values() if each["Type"] == FUNCTION}
        named = {name for name, each in self._resources.items() if "QueueName" in each.get("Properties", {})}
        starters = set()
        for name, resource in self._resources.items():
            if resource["Type"] == SCHEDULE:
                target = resource["Properties"]["Target"]
                if _owner(target["Arn"]) in named:
                    starters.add(_owner(target["RoleArn"]))
                else:
                    yield name
        for name, resource in self._resources.items():
            if (resource["Type"] == QUEUE and name not in named) or (
                _of_service(resource) and name not in starters | taken
            ):
                yield name

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
                return str(resource["Properties"].get("RoleName", self._made_up(name)))
            case "AWS::SQS::Queue":
                queue = self._resolved(resource["Properties"].get("QueueName", self._made_up(name)))
                return f"https://sqs.{self._values['AWS::Region']}.amazonaws.com/{self._account}/{queue}"
            case "AWS::SNS::Topic":
                return self._arn("sns", self._made_up(name))
            case "AWS::Scheduler::ScheduleGroup" | "AWS::Lambda::Function" | "AWS::Logs::LogGroup" | "AWS::KMS::Key":
                return self._made_up(name)
        raise ClusterError(f"{self._name} refers to {name}, whose name the tests do not know")

    def _made_up(self, name: str) -> str:
        """What CloudFormation might call it: it ends as no other does."""
        return f"{self._name}-{name}"[-64:]

    def _arn(self, service: str, what: str) -> str:
        """Of something in the region and account."""
        return f"arn:aws:{service}:{self._values['AWS::Region']}:{self._account}:{what}"

    def _of_group(self, name: str) -> str:
        return self._arn("scheduler", f"schedule-group/{name}")

    def _attribute(self, name: str, attribute: str) -> str:
        kind, known = self._resources[name]["Type"], self._ref(name)
        last = known.rpartition("/")[2]
        attributes = {
            ("AWS::S3::Bucket", "Arn"): f"arn:aws:s3:::{known}",
            ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{self._account}:role/{known}",
            ("AWS::SQS::Queue", "Arn"): self._arn("sqs", last),
            ("AWS::SQS::Queue", "QueueName"): last,
            ("AWS::KMS::Key", "Arn"): self._arn("kms", f"key/{known}"),
            ("AWS::Logs::LogGroup", "Arn"): self._arn("logs", f"log-group:{known}:*"),
            ("AWS::Scheduler::ScheduleGroup", "Arn"): self._of_group(known),
        }
        if (kind, attribute) not in attributes:
            raise ClusterError(f"{self._name} refers to {attribute} of {name} ({kind}), which the tests do not know")
        return attributes[kind, attribute]


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


def _whose(resource: Mapping[str, Any]) -> list[Any]:
    """The roles, or the queues, that a policy is of."""
    whose = {POLICY: "Roles", QUEUE_POLICY: "Queues"}.get(resource["Type"])
    found = resource["Properties"][whose] if whose else []
    return [each if isinstance(each, dict) else {} for each in found]


def _owner(arn: Any) -> str | None:
    """The resource of which it is the ARN, where the template says so."""
    match arn:
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
    return None


def _only(found: Mapping[str, Any], allowed: Iterable[str], *, of: str) -> None:
    """Refuse what would change the access and is not taken notice of."""
    others = sorted(set(found) - set(allowed))
    if others:
        raise ClusterError(f"the tests do not know what to do with {', '.join(others)} of {of}")
