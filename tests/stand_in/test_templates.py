"""What the tests' AWS makes of templates: all that gives or takes access, or a refusal that says what is not known."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.outside.templates import LEFT_OUT, Association, Function, Schedule, deployment
from tests.cluster.outside.trust import (
    refuse_plain,
    refuse_uncalled,
    refuse_unheard,
    refuse_unknown,
    refuse_unstarting,
    refuse_untrusting,
)

ACCOUNT, REGION = "000000000000", "us-east-1"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "pods.eks.amazonaws.com"},
    "Action": ["sts:AssumeRole", "sts:TagSession"],
    "Condition": {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}, "aws:RequestTag/kubernetes-namespace": "shop"}
    },
}
BELOW = {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/mine/*"]]}
MAY = [
    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": BELOW},
    {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket}"},
        "Condition": {"StringLike": {"s3:prefix": "mine/*"}},
    },
]
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "things"}},
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": {"Statement": [{"Sid": "Tls"}]}},
        },
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [TRUST]}}},
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "own", "PolicyDocument": {"Statement": MAY}, "Roles": [{"Ref": "Role"}]},
        },
        "Association": {
            "Type": "AWS::EKS::PodIdentityAssociation",
            "Properties": {
                "ClusterName": "blue",
                "Namespace": "shop",
                "ServiceAccount": "till",
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        },
    }
}
WHO = Association(cluster="blue", namespace="shop", service_account="till", role=f"arn:aws:iam::{ACCOUNT}:role/S-Role")


def read(directory: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> Any:
    """The deployment of the template, with its resources changed."""
    template = copy.deepcopy(TEMPLATE)
    change(template["Resources"])
    (directory / "S.template.json").write_text(json.dumps(template))
    return deployment(directory, region=REGION, account=ACCOUNT)


def test_references_become_names(tmp_path: Path) -> None:
    """Of buckets, roles, policies and associations, as CloudFormation would have them."""
    made = read(tmp_path)
    role = made.roles[WHO.role]
    (below, listing) = role.policies["own"]["Statement"]

    assert made.buckets == {"things": ({"Sid": "Tls"},)}
    assert made.associations == (WHO,)
    assert role.trust["Statement"][0]["Condition"]["StringEquals"]["aws:SourceAccount"] == ACCOUNT
    assert (below["Resource"], listing["Resource"]) == ("arn:aws:s3:::things/mine/*", "arn:aws:s3:::things")
    refuse_untrusting(role, WHO, region=REGION, account=ACCOUNT)
    refuse_unknown(role)


def test_a_role_that_has_a_name_bears_it(tmp_path: Path) -> None:
    """The other half names it so; others are named as CloudFormation might."""
    made = read(tmp_path, lambda resources: resources["Role"]["Properties"].update(RoleName="blue-shop-till"))
    (role,) = made.roles.values()
    assert role.arn == made.associations[0].role == f"arn:aws:iam::{ACCOUNT}:role/blue-shop-till"
    assert set(role.policies) == {"own"}


def started(resources: dict[str, Any]) -> None:
    """Add a queue that a schedule sends to, from which the pods take, and which asks for TLS."""
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sqs:*", "Resource": at("Queue"), "Condition": plain}
    target = {"Arn": at("Queue"), "RoleArn": at("Sender"), "Input": "go", "RetryPolicy": {}}
    when = {"ScheduleExpression": "cron(0 2 * * ? *)", "ScheduleExpressionTimezone": "Etc/UTC", "State": "ENABLED"}
    trust = {**of_service(SCHEDULER)["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]}
    source = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}, "aws:SourceArn": at("Group")}
    trust["Condition"] = {"StringEquals": source}
    may = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": at("Queue")}
    named = {"QueueName": "blue_shop_till-0", "MessageRetentionPeriod": 600, "SqsManagedSseEnabled": True}
    resources |= {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": named},
        "QueueTls": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"PolicyDocument": {"Statement": [deny]}, "Queues": [{"Ref": "Queue"}]},
        },
        "Group": {"Type": "AWS::Scheduler::ScheduleGroup"},
        "Schedule": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {**when, "GroupName": {"Ref": "Group"}, "FlexibleTimeWindow": {}, "Target": target},
        },
        "Sender": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}}},
        "May": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "m", "PolicyDocument": {"Statement": [may]}, "Roles": [{"Ref": "Sender"}]},
        },
    }


def of_service(*principals: Any) -> dict[str, Any]:
    """A role that these may take."""
    statements = [{"Effect": "Allow", "Principal": each, "Action": "sts:AssumeRole"} for each in principals]
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": statements}}}


def at(resource: str) -> dict[str, Any]:
    """Its ARN."""
    return {"Fn::GetAtt": [resource, "Arn"]}


FUNCTION, SCHEDULER = {"Service": "lambda.amazonaws.com"}, {"Service": ["scheduler.amazonaws.com"]}
# What nothing here can resolve.
ELSEWHERE = {"Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["Queue", "Arn"]}}


def watched(*roles: str) -> Callable[[dict[str, Any]], None]:
    """Add what starts a function and what keeps what that gave up, and a policy of these roles."""

    def change(resources: dict[str, Any]) -> None:
        resources |= {kind.replace(":", ""): {"Type": kind, "Properties": {"Of": ELSEWHERE}} for kind in LEFT_OUT}
        resources["Letters"] = {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 30}}
        resources["Tls"] = {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Letters"}]}}
        started = {"Arn": at("Look"), "RoleArn": at("Starter"), "DeadLetterConfig": {"Arn": at("Letters")}}
        resources["Hourly"] = {"Type": "AWS::Scheduler::Schedule", "Properties": {"Target": started}}
        resources["Watch"], resources["Starter"] = of_service(FUNCTION), of_service(SCHEDULER)  # of no function here
        of = {"PolicyName": "more", "PolicyDocument": {"Statement": [ELSEWHERE]}, "Roles": [{"Ref": r} for r in roles]}
        resources["More"] = {"Type": "AWS::IAM::Policy", "Properties": of}

    return change


def both(*changes: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """One after the other."""

    def change(resources: dict[str, Any]) -> None:
        for each in changes:
            each(resources)

    return change


NAMED = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:S-Alarm"
PUBLISH, ENCRYPT = "sns:Publish", ("kms:Decrypt", "kms:GenerateDataKey*")
TLS = {"Effect": "Deny", "Principal": "*", "Action": PUBLISH, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
OWNER = {"Effect": "Allow", "Principal": {"AWS": "owner"}, "Action": "kms:*"}


def by_alarms(*allowed: str) -> dict[str, Any]:
    """What alarms of this account may do."""
    source = {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {"aws:SourceArn": {"Fn::Sub": "arn:aws:cloudwatch:*:${AWS::AccountId}:alarm:*"}},
    }
    principal = {"Service": "cloudwatch.amazonaws.com"}
    return {"Effect": "Allow", "Principal": principal, "Action": list(allowed), "Condition": source}


def looks(resources: dict[str, Any]) -> None:
    """Add a function that looks at the bucket, an alarm on it, and who is told."""
    may = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": BELOW}, {**ELSEWHERE, "Resource": at("Letters")}]
    environment = {"Variables": {"BUCKET": {"Ref": "Bucket"}}}
    dimensions = [
        {"Name": "Function", "Value": {"Ref": "Look"}},
        {"Name": "Queue", "Value": {"Fn::GetAtt": ["Letters", "QueueName"]}},
    ]
    resources |= {
        "Look": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                **{"Handler": "a.b", "Role": at("Looker"), "Environment": environment, "Timeout": 900},
                "LoggingConfig": {"LogGroup": {"Ref": "Lines"}},
            },
        },
        "Looker": of_service(FUNCTION),
        "Looks": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "l", "PolicyDocument": {"Statement": may}, "Roles": [{"Ref": "Looker"}]},
        },
        "Lines": {"Type": "AWS::Logs::LogGroup"},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": at("Key")}},
        "Publish": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": {"Statement": [TLS, by_alarms(PUBLISH)]}},
        },
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Statement": [OWNER, by_alarms(*ENCRYPT)]}},
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"AlarmActions": [{"Ref": "Topic"}], "Dimensions": dimensions},
        },
    }


def test_what_starts_a_function_is_left_out(tmp_path: Path) -> None:
    """With its roles and their policy, by name: buckets and roles of pods are as they are without it."""
    without = read(tmp_path)
    assert read(tmp_path, watched("Watch", "Starter")) == without


def test_functions_and_alarms_are_made(tmp_path: Path) -> None:
    """What is called, by which role, and who is told; what starts the function stays out, and so does its queue."""
    made = read(tmp_path, both(watched("Starter"), looks))
    role, topic = f"arn:aws:iam::{ACCOUNT}:role/S-Looker", f"arn:aws:sns:{REGION}:{ACCOUNT}:S-Topic"
    (below, letters) = made.roles[role].policies["l"]["Statement"]

    assert made.functions == {"S-Look": Function(handler="a.b", environment={"BUCKET": "things"}, role=role)}
    assert set(made.topics) == {topic}
    assert set(made.roles) == {WHO.role, role}
    assert (below["Resource"], letters["Resource"]) == (
        "arn:aws:s3:::things/mine/*",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:S-Letters",
    )
    assert {name: alarm["AlarmActions"] for name, alarm in made.alarms.items()} == {"S-Alarm": [topic]}
    assert [each["Value"] for each in made.alarms["S-Alarm"]["Dimensions"]] == ["S-Look", "S-Letters"]
    assert (made.queues, made.schedules) == ({}, ())
    refuse_uncalled(made.roles[role])
    refuse_unheard(made.topics[topic], NAMED, account=ACCOUNT)


@pytest.mark.parametrize(
    ("policy", "change", "message"),
    [
        ("Publish", {"Principal": SCHEDULER}, "policy of arn:.*:S-Topic does not let CloudWatch do sns:Publish for"),
        ("Publish", {"Action": "sns:Subscribe"}, "does not let CloudWatch do sns:Publish for"),
        ("Publish", {"Condition": {"ArnLike": {"aws:SourceArn": f"{NAMED}er"}}}, "does not let CloudWatch do sns:Pub"),
        ("Publish", {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, "does not let CloudWatch do sns:Pub"),
        ("Publish", {"Condition": {"StringEquals": {"aws:a": "b"}}}, "do not know StringEquals of aws:a"),
        ("Publish", {"Effect": "Deny"}, "a statement other than Allow"),
        ("Key", {"Principal": SCHEDULER}, "of the key of arn:.*:S-Topic does not let CloudWatch do kms:Decrypt, kms:G"),
        ("Key", {"Action": "kms:Decrypt"}, r"does not let CloudWatch do kms:GenerateDataKey\* for"),
        ("Key", {"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, "does not let CloudWatch do kms:Decrypt"),
    ],
)
def test_alarms_publish_to_a_topic_that_lets_them(
    tmp_path: Path, policy: str, change: dict[str, Any], message: str
) -> None:
    """By its own policy and by that of its key, neither of which moto asks."""

    def refuse(resources: dict[str, Any]) -> None:
        properties = resources[policy]["Properties"]
        (_, statement) = (properties.get("KeyPolicy") or properties["PolicyDocument"])["Statement"]
        statement |= change

    made = read(tmp_path, both(watched("Starter"), looks, refuse))
    (topic,) = made.topics.values()
    with pytest.raises(ClusterError, match=message):
        refuse_unheard(topic, NAMED, account=ACCOUNT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Principal": SCHEDULER}, "does not let Lambda take it"),
        ({"Action": "sts:TagSession"}, "does not let Lambda take it"),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}, "do not know StringEquals of aws:SourceAccount"),
    ],
    ids=["principal", "action", "condition"],
)
def test_functions_have_a_role_that_trusts_lambda(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Whose stand-in is a user."""

    def distrust(resources: dict[str, Any]) -> None:
        (statement,) = resources["Looker"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        statement |= change

    made = read(tmp_path, both(watched("Starter"), looks, distrust))
    (function,) = made.functions.values()
    with pytest.raises(ClusterError, match=message):
        refuse_uncalled(made.roles[function.role])


@pytest.mark.parametrize(
    "principals",
    [
        [FUNCTION, {"Service": "pods.eks.amazonaws.com"}],
        [{"Service": ["lambda.amazonaws.com", "ec2.amazonaws.com"]}],
        [{**FUNCTION, "AWS": "*"}],
        ["*"],
    ],
    ids=["pods", "instances", "accounts", "everybody"],
)
def test_a_role_that_others_may_take_is_not_left_out(tmp_path: Path, principals: list[Any]) -> None:
    """Whoever else may: somebody in the cluster might."""
    made = read(tmp_path, lambda resources: resources.update(Another=of_service(*principals)))
    assert {role.name for role in made.roles.values()} == {"S-Role", "S-Another"}


def test_queues_and_what_sends_to_them_are_made(tmp_path: Path) -> None:
    """By name, with the role by which it is sent; what looks at restore points has queues of its own, and stays out."""
    made = read(tmp_path, both(started, watched("Watch", "Starter")))
    arn, role = f"arn:aws:sqs:{REGION}:{ACCOUNT}:blue_shop_till-0", f"arn:aws:iam::{ACCOUNT}:role/S-Sender"
    (queue,), (schedule,) = made.queues.values(), made.schedules

    assert (queue.name, queue.arn, queue.retention) == ("blue_shop_till-0", arn, 600)
    assert [each["Resource"] for each in queue.statements] == [arn]
    assert schedule == Schedule(
        expression="cron(0 2 * * ? *)",
        time_zone="Etc/UTC",
        input="go",
        target=arn,
        role=role,
        group=f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/S-Group",
    )
    assert set(made.roles) == {WHO.role, role}
    assert made.roles[role].policies["m"]["Statement"][0]["Resource"] == arn
    refuse_unstarting(made.roles[role], schedule, account=ACCOUNT)
    refuse_plain(queue)


def set_in(resource: str, name: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Change a property of a resource."""

    def change(resources: dict[str, Any]) -> None:
        resources[resource]["Properties"][name] = value

    return change


def dead_letters(resources: dict[str, Any]) -> None:
    """Keep what could not be sent."""
    resources["Schedule"]["Properties"]["Target"]["DeadLetterConfig"] = {"Arn": at("Queue")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda resources: resources.update(Table={"Type": "AWS::DynamoDB::Table"}),
            "what to do with S/Table of the type AWS::DynamoDB::Table",
        ),
        (set_in("Role", "ManagedPolicyArns", ["a"]), "what to do with ManagedPolicyArns of S/Role"),
        (set_in("Association", "DisableSessionTags", True), "what to do with DisableSessionTags of S/Association"),
        (set_in("Bucket", "ObjectLockEnabled", True), "what to do with ObjectLockEnabled of S/Bucket"),
        (set_in("Bucket", "BucketName", {"Fn::ImportValue": "name"}), "Fn::ImportValue of name, which"),
        (watched("Watch", "Role"), "S/More is a policy of what is made here, and of what is left out"),
        (set_in("Policy", "Roles", ["another"]), "policies of roles that it does not make: another"),
        (set_in("BucketPolicy", "Bucket", "another"), "policies of buckets that it does not make: another"),
        (set_in("Association", "Namespace", {"Ref": "Nothing"}), "refers to Nothing"),
        (set_in("Association", "RoleArn", {"Fn::GetAtt": ["Role", "RoleId"]}), r"RoleId of Role \(AWS::IAM::Role\)"),
        (both(started, set_in("Queue", "FifoQueue", True)), "what to do with FifoQueue of S/Queue"),
        (both(started, set_in("QueueTls", "Queues", ["url"])), "policies of queues that it does not make: url"),
        (both(started, set_in("Schedule", "StartDate", "2030")), "what to do with StartDate of S/Schedule"),
        (both(started, set_in("Schedule", "State", "DISABLED")), "S/Schedule is DISABLED"),
        (both(started, dead_letters), "what to do with DeadLetterConfig of the target of S/Schedule"),
        (both(watched("Starter"), looks, set_in("Look", "Layers", ["a"])), "what to do with Layers of S/Look"),
    ],
    ids=[
        *("type", "policy", "session", "bucket", "function", "mixed", "role", "bucket policy", "reference"),
        *("attribute", "queue", "queue policy", "schedule", "disabled", "target", "layers"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    """Nothing that changes who may do what is skipped."""
    with pytest.raises(ClusterError, match=message):
        read(tmp_path, change)


def test_a_directory_without_templates_is_no_deployment(tmp_path: Path) -> None:
    """A wrong path makes no AWS in which nothing is allowed."""
    with pytest.raises(ClusterError, match="there is no template in"):
        deployment(tmp_path, region=REGION, account=ACCOUNT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"Principal": {"Service": "ec2.amazonaws.com"}},
            "does not let EKS do sts:AssumeRole, sts:TagSession for blue/",
        ),
        ({"Action": "sts:AssumeRole"}, "does not let EKS do sts:TagSession for blue/shop/till"),
        ({"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": ["a", "b"]}}}, "does not let EKS"),
        ({"Condition": {"StringLike": {"aws:SourceArn": "arn:aws:eks:*:cluster/green"}}}, "does not let EKS"),
        (
            {"Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}},
            "do not know StringNotEquals of aws:SourceAcc",
        ),
        (
            {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
            "do not know StringEquals of aws:PrincipalOrgID",
        ),
        ({"Effect": "Deny"}, "a statement other than Allow"),
    ],
    ids=["principal", "tags", "namespace", "cluster", "operator", "key", "deny"],
)
def test_a_role_is_given_to_whom_it_trusts(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """By its trust policy, of which versitygw can read nothing."""
    statement = TRUST | change
    made = read(tmp_path, set_in("Role", "AssumeRolePolicyDocument", {"Statement": [statement]}))

    with pytest.raises(ClusterError, match=message):
        refuse_untrusting(made.roles[WHO.role], WHO, region=REGION, account=ACCOUNT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Principal": FUNCTION}, "does not let EventBridge take it for arn:.*:schedule-group/S-Group"),
        ({"Action": "sts:TagSession"}, "does not let EventBridge take it"),
        (
            {"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:scheduler:::schedule-group/o"}}},
            "does not let",
        ),
        ({"Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}}, "do not know StringEquals of aws:RequestTag/a"),
        ({"Effect": "Deny"}, "a statement other than Allow"),
    ],
    ids=["principal", "action", "group", "key", "deny"],
)
def test_schedules_take_a_role_that_trusts_their_group(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """By its trust policy, whose stand-in is a user."""

    def distrust(resources: dict[str, Any]) -> None:
        (statement,) = resources["Sender"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        statement |= change

    made = read(tmp_path, both(started, distrust))
    (schedule,) = made.schedules
    with pytest.raises(ClusterError, match=message):
        refuse_unstarting(made.roles[schedule.role], schedule, account=ACCOUNT)


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": at("Queue")},
        {"Effect": "Deny", "Principal": "*", "Action": "sqs:ReceiveMessage", "Resource": at("Queue")},
    ],
    ids=["allow", "deny"],
)
def test_a_queue_whose_policy_says_more_is_refused(tmp_path: Path, statement: dict[str, Any]) -> None:
    """Roles alone are asked what they may do; and nobody comes but by TLS."""
    made = read(tmp_path, both(started, set_in("QueueTls", "PolicyDocument", {"Statement": statement})))
    with pytest.raises(ClusterError, match="the policy of the queue blue_shop_till-0 says more than that it takes TLS"):
        refuse_plain(made.queues["blue_shop_till-0"])


NAMESPACE = {"StringEquals": {"cloudwatch:namespace": "constructs-lib/prometheus"}}


def test_the_door_tells_versitygw_of_namespaces(tmp_path: Path) -> None:
    """So a role that may tell the metrics of one alone means the same here."""
    tell = {"Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": NAMESPACE}
    refuse_unknown(read(tmp_path, set_in("Policy", "PolicyDocument", {"Statement": tell})).roles[WHO.role])


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            {"Sid": "Deny", "Condition": {"StringNotEquals": {"s3:if-none-match": "*"}}},
            "S-Role ask about: s3:if-none-match of own, Deny$",
        ),
        (
            {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::things/${aws:PrincipalTag/kubernetes-namespace}/*"},
            r"aws:PrincipalTag/kubernetes-namespace of own, \['s3:GetObject'\]",
        ),
        (
            {"Action": ["cloudwatch:PutMetricData", "s3:GetObject"], "Condition": NAMESPACE},
            r"cloudwatch:namespace of own, \['cloudwatch:PutMetricData', 's3:GetObject'\]",
        ),
        (
            {"Action": "sqs:SendMessage", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            "aws:SourceIp of own",
        ),
    ],
    ids=["condition", "variable", "of-another-service", "of-the-door"],
)
def test_what_versitygw_does_not_know_is_told(tmp_path: Path, statement: dict[str, Any], message: str) -> None:
    """A condition that would never hold, and a variable that would stay one, are no policy that is proven."""
    made = read(tmp_path, set_in("Policy", "PolicyDocument", {"Statement": statement}))

    with pytest.raises(ClusterError, match=message):
        refuse_unknown(made.roles[WHO.role])
