"""Whether a role's policies mean in the tests' AWS what they mean in the real one.

versitygw knows neither the principals of Pod Identity and of EventBridge nor the tags of sessions, so who may take a
role is decided here; what a role may do is decided by versitygw, for as long as it knows all that the policies ask
about.

Source: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.outside.templates import Association, Queue, Role, Schedule, Topic, actions, conditions, listed

SERVICE, SCHEDULER, LAMBDA = "pods.eks.amazonaws.com", "scheduler.amazonaws.com", "lambda.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"
NEEDED = {"sts:AssumeRole", "sts:TagSession"}
# What policies of a session may have conditions on, beside its own role's tags, of which the tests have none: what
# versitygw 1.8.0 knows of who asks, and by service, what it is told of a request, by its own S3 or by the door. A
# condition on anything else would never hold, or if it denies, always.
# https://github.com/versity/versitygw/blob/v1.8.0/auth/condition_context.go
# https://github.com/versity/versitygw/blob/v1.8.0/iamapi/internal/iammiddleware/policy.go
KNOWN = {"aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType", "aws:userid"}
TOLD = {
    "s3": {
        *("aws:CurrentTime", "aws:EpochTime", "aws:SecureTransport", "aws:SourceIp", "aws:UserAgent", "aws:Referer"),
        *("s3:prefix", "s3:delimiter", "s3:max-keys", "s3:x-amz-acl", "s3:VersionId"),
    },
    "cloudwatch": {"cloudwatch:namespace"},
}
# What nobody meets who comes by TLS.
PLAIN = {"Bool": {"aws:SecureTransport": "false"}}
VARIABLE = re.compile(r"\$\{([^*?$][^}]*)\}")


def refuse_untrusting(role: Role, association: Association, *, region: str, account: str) -> None:
    """Refuse a role that EKS may not take for a service account.

    Raises:
        ClusterError: no statement lets it, or a condition that is not known here.
    """
    cluster = f"arn:aws:eks:{region}:{account}:cluster/{association.cluster}"
    asked = {
        "aws:SourceAccount": account,
        "aws:SourceArn": cluster,
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/eks-cluster-name": association.cluster,
        "aws:RequestTag/kubernetes-namespace": association.namespace,
        "aws:RequestTag/kubernetes-service-account": association.service_account,
    }
    missing = ", ".join(sorted(NEEDED - _taken(role, SERVICE, asked)))
    if missing:
        raise ClusterError(f"the trust policy of {role.name} does not let EKS do {missing} for {association.key}")


def refuse_unstarting(role: Role, schedule: Schedule, *, account: str) -> None:
    """Refuse a role that EventBridge Scheduler may not take for the schedules of a group.

    Raises:
        ClusterError: no statement lets it, or a condition that is not known here.
    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    asked = {"aws:SourceAccount": account, "aws:SourceArn": schedule.group}
    if "sts:AssumeRole" not in _taken(role, SCHEDULER, asked):
        raise ClusterError(f"the trust policy of {role.name} does not let EventBridge take it for {schedule.group}")


def refuse_uncalled(role: Role) -> None:
    """Refuse a role that Lambda may not take.

    Raises:
        ClusterError: no statement lets it, or a condition that is not known here.
    """
    if "sts:AssumeRole" not in _taken(role, LAMBDA, {}):
        raise ClusterError(f"the trust policy of {role.name} does not let Lambda take it")


def refuse_unheard(topic: Topic, alarm: str, *, account: str) -> None:
    """Refuse a topic to which an alarm may not publish, or not by the topic's key: nobody would hear of that, either.

    Args:
        alarm: Its ARN.
    Raises:
        ClusterError: no statement lets it, or a condition that is not known here.
    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    asked = {"aws:SourceAccount": account, "aws:SourceArn": alarm}
    by_tls = [each for each in topic.statements if (each["Effect"], each.get("Condition")) != ("Deny", PLAIN)]
    for policy, statements, needed in (
        (f"the policy of {topic.arn}", by_tls, {"sns:Publish"}),
        (f"the policy of the key of {topic.arn}", topic.of_key, {"kms:Decrypt", "kms:GenerateDataKey*"}),
    ):
        missing = ", ".join(sorted(needed - _allowed(statements, policy, CLOUDWATCH, asked)))
        if missing:
            raise ClusterError(f"{policy} does not let CloudWatch do {missing} for {alarm}")


def refuse_plain(queue: Queue) -> None:
    """Refuse a queue whose policy says more than that nobody comes by plain HTTP: it is not asked here.

    Raises:
        ClusterError: any other statement.
    """
    if any((each["Effect"], each.get("Condition")) != ("Deny", PLAIN) for each in queue.statements):
        raise ClusterError(f"the policy of the queue {queue.name} says more than that it takes TLS alone")


def refuse_unknown(role: Role) -> None:
    """Refuse policies that mean something else here, since versitygw does not know what they ask about.

    Raises:
        ClusterError: conditions and variables of policies, each with its statement.
    """
    unknown = [
        f"{what} of {name}, {statement.get('Sid', actions(statement))}"
        for name, policy in role.policies.items()
        for statement in listed(policy["Statement"])
        for what in _asked(statement)
        if what not in _known_of(statement)
    ]
    if unknown:
        raise ClusterError(f"versitygw does not know what policies of {role.name} ask about: {'; '.join(unknown)}")


def _taken(role: Role, service: str, asked: Mapping[str, str]) -> set[str]:
    """What the trust policy of a role lets a service do with it."""
    return _allowed(listed(role.trust["Statement"]), f"the trust policy of {role.name}", service, asked)


def _allowed(statements: Iterable[Mapping[str, Any]], policy: str, service: str, asked: Mapping[str, str]) -> set[str]:
    """What a policy lets a service do."""
    allowed: set[str] = set()
    for statement in statements:
        if statement["Effect"] != "Allow":
            raise ClusterError(f"{policy} has a statement other than Allow: {statement}")
        if statement["Principal"] in ({"Service": service}, {"Service": [service]}) and _holds(
            statement, asked, policy
        ):
            allowed |= {*actions(statement)}
    return allowed


def _holds(statement: Mapping[str, Any], asked: Mapping[str, str], policy: str) -> bool:
    return all(
        any(_fits(operator, asked[key], value) for value in values)
        for operator, key, values in conditions(statement)
        if _known(operator, key, asked, policy)
    )


def _known(operator: str, key: str, asked: Mapping[str, str], policy: str) -> bool:
    if key not in asked or operator not in {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}:
        raise ClusterError(f"the tests do not know {operator} of {key}, which {policy} has")
    return True


def _fits(operator: str, given: str, value: str) -> bool:
    return given == value if operator == "StringEquals" else fnmatchcase(given, value)


def _known_of(statement: Mapping[str, Any]) -> set[str]:
    """What all services that a statement is about are told of a request, and what is known of who asks."""
    told = [TOLD.get(action.partition(":")[0], set()) for action in actions(statement)]
    return KNOWN | (set.intersection(*told) if told else set())


def _asked(statement: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a statement's conditions, and of the variables in it."""
    texts = [text for name in ("Resource", "NotResource") for text in listed(statement.get(name, []))]
    for _, key, values in conditions(statement):
        yield key
        texts += values
    for text in texts:
        yield from VARIABLE.findall(text)
