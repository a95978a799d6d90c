"""What starts backups: a queue and a schedule for each replica, who may do what with them, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, time
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_sqs as sqs

from constructs_lib.aws.backup_pipeline import BackupPipeline
from constructs_lib.aws.backup_schedule import BackupSchedule
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin
from tests.aws.synthesized import PAIR, POINTS, POLICY, PROMETHEUS, QUEUED, REGION, ROLE, template
from tests.aws.test_nag import found
from tests.aws.test_policies import ACCOUNT, STRANGER, decided, opened, policy

GREEN = replace(PROMETHEUS, cluster="green")
DUMPS = Origin(cluster="blue", namespace="monitoring", component="grafana-backup", database=True)
QUEUE, QUEUE_POLICY = "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"
SCHEDULE, GROUP = "AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup"
REPLICAS = {PROMETHEUS: PAIR, GREEN: PAIR, DUMPS: DUMPS.replicas()}
NAMES = [f"{cluster}_monitoring_{pod}" for cluster in ("blue", "green") for pod in PAIR]


def schedule(scope: cdk.Stack, id: str = "Schedule", **more: Any) -> BackupSchedule:
    pipeline = more.pop("pipeline", None) or BackupPipeline(scope, "Points", restore_points=QUEUED, replicas=REPLICAS)
    return BackupSchedule(scope, id, **{"pipeline": pipeline, **more})


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    """Two clusters of two replicas each, with the defaults."""
    return template(schedule)


def by_name(made: assertions.Template) -> dict[str, str]:
    """The logical id of each queue, by its name."""
    return {each["Properties"]["QueueName"]: key for key, each in made.find_resources(QUEUE).items()}


def arns(made: assertions.Template) -> dict[str, str]:
    """What the ARNs are in a region and an account, by logical id."""
    queues = {key: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name, key in by_name(made).items()}
    groups = {key: f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{key}" for key in made.find_resources(GROUP)}
    roles = {key: f"arn:aws:iam::{ACCOUNT}:role/{key}" for key in made.find_resources(ROLE)}
    buckets = {key: f"arn:aws:s3:::{key}" for key in made.find_resources("AWS::S3::Bucket")}
    return {**queues, **groups, **roles, **buckets}


def test_a_queue_for_each_replica_is_exactly_this(made: assertions.Template) -> None:
    """By the name that its agent looks for; encrypted, and what is in it is gone after half a day."""
    assert sorted(by_name(made)) == NAMES
    for name, key in by_name(made).items():
        assert made.find_resources(QUEUE)[key] == {
            "Type": QUEUE,
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"QueueName": name, "SqsManagedSseEnabled": True, "MessageRetentionPeriod": 43200},
        }


def test_each_queue_denies_all_but_tls(made: assertions.Template) -> None:
    """To everybody."""
    policies = [each["Properties"] for each in made.find_resources(QUEUE_POLICY).values()]
    assert sorted(queue["Ref"] for each in policies for queue in each["Queues"]) == sorted(by_name(made).values())
    for each in policies:
        (queue,) = each["Queues"]
        assert each["PolicyDocument"]["Statement"] == [
            {
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "sqs:*",
                "Resource": {"Fn::GetAtt": [queue["Ref"], "Arn"]},
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]


def test_a_schedule_for_each_replica_is_exactly_this(made: assertions.Template) -> None:
    """At two in the night of UTC, to the minute, into its own queue; when that fails, again for an hour."""
    (group,) = made.find_resources(GROUP)
    schedules = made.find_resources(SCHEDULE).values()
    targets = [each["Properties"].pop("Target") for each in schedules]
    assert [each["Properties"] for each in schedules] == 4 * [
        {
            "GroupName": {"Ref": group},
            "ScheduleExpression": "cron(0 2 * * ? *)",
            "ScheduleExpressionTimezone": "Etc/UTC",
            "State": "ENABLED",
            "FlexibleTimeWindow": {"Mode": "OFF"},
        }
    ]
    assert sorted(target.pop("Arn")["Fn::GetAtt"][0] for target in targets) == sorted(by_name(made).values())
    role = targets[0]["RoleArn"]
    assert role["Fn::GetAtt"][0] in made.find_resources(ROLE)
    assert targets == 4 * [{"RoleArn": role, "Input": "start", "RetryPolicy": {"MaximumEventAgeInSeconds": 3600}}]


@pytest.mark.parametrize(
    ("at", "zone", "expression"),
    [
        (time(0), "Europe/Berlin", "cron(0 0 * * ? *)"),
        (time(23, 59), "America/Argentina/ComodRivadavia", "cron(59 23 * * ? *)"),
        (time(14, 5), "UTC", "cron(5 14 * * ? *)"),
    ],
    ids=str,
)
def test_when_is_said_by_the_clock_of_a_time_zone(at: time, zone: str, expression: str) -> None:
    """Which is that of all schedules."""
    said = template(lambda stack: schedule(stack, at=at, time_zone=zone)).find_resources(SCHEDULE).values()
    assert {
        (each["Properties"]["ScheduleExpression"], each["Properties"]["ScheduleExpressionTimezone"]) for each in said
    } == {(expression, zone)}


def test_its_queues_can_be_used() -> None:
    """For an alarm on the age of what is in them, or a person who starts by hand."""
    queues: dict[str, sqs.IQueue] = {}
    template(lambda stack: queues.update(schedule(stack).queues))
    assert sorted(queues) == NAMES


def test_without_a_schedule_the_roles_may_do_no_more_than_before(made: assertions.Template) -> None:
    """Nothing but the starts is added to what they may; databases have no part in it."""

    def rights(of: assertions.Template) -> dict[str, list[str]]:
        return {
            key: [str(each) for each in policy["Properties"]["PolicyDocument"]["Statement"] if "sqs:" not in str(each)]
            for key, policy in of.find_resources(POLICY).items()
            if not key.startswith("Schedule")
        }

    alone = template(lambda stack: BackupPipeline(stack, "Points", restore_points=QUEUED, replicas=REPLICAS))
    assert rights(made) == rights(alone)
    (of_dumps,) = (each for key, each in made.find_resources(POLICY).items() if "grafanabackup" in key)
    assert "sqs:" not in str(of_dumps)


# --- who may do what, as a published evaluator of IAM's policies decides


def resolved(value: Any, of: Mapping[str, str]) -> Any:
    """A document with the ARNs of a deployment."""
    match value:
        case {"Fn::GetAtt": [key, "Arn"]}:
            return of[key]
        case {"Ref": "AWS::AccountId"}:
            return ACCOUNT
        case {"Fn::Join": ["", parts]}:
            return "".join(resolved(part, of) for part in parts)
        case dict():
            return {key: resolved(each, of) for key, each in value.items()}
        case list():
            return [resolved(each, of) for each in value]
    return value


def role_of(made: assertions.Template, beginning: str) -> str:
    """The logical id of a role."""
    (key,) = (key for key in made.find_resources(ROLE) if key.startswith(beginning))
    return key


BLUE, SAVER, STARTER = "Pointsbluemonitoringprometheus", "Pointsbluemonitoringgrafanabackup", "ScheduleRole"
OWN, SIBLING, OTHER = "blue_monitoring_prometheus-0", "blue_monitoring_prometheus-1", "green_monitoring_prometheus-0"
STRANGE = "blue_monitoring_prometheus-2"
Asked = tuple[str, str, str]
RECEIVE, FIND, HIDE, DELETE, SEND = (
    f"sqs:{each}"
    for each in ("ReceiveMessage", "GetQueueUrl", "ChangeMessageVisibility", "DeleteMessage", "SendMessage")
)
PAIRS: Mapping[str, tuple[Asked, Asked]] = {
    **{
        f"takes-its-own-{action[4:]}": ((BLUE, action, OWN), (BLUE, action, OTHER))
        for action in (RECEIVE, FIND, HIDE, DELETE)
    },
    "takes-of-its-component": ((BLUE, RECEIVE, SIBLING), (BLUE, RECEIVE, STRANGE)),
    "takes-and-sends-none": ((BLUE, RECEIVE, OWN), (BLUE, SEND, OWN)),
    "takes-and-empties-none": ((BLUE, DELETE, OWN), (BLUE, "sqs:PurgeQueue", OWN)),
    "takes-and-deletes-no-queue": ((BLUE, DELETE, OWN), (BLUE, "sqs:DeleteQueue", OWN)),
    "takes-and-changes-no-queue": ((BLUE, HIDE, OWN), (BLUE, "sqs:SetQueueAttributes", OWN)),
    "a-database-takes-none": ((BLUE, RECEIVE, OWN), (SAVER, RECEIVE, OWN)),
    "sends-to-its-queues": ((STARTER, SEND, OWN), (STARTER, SEND, STRANGE)),
    "sends-to-all-of-them": ((STARTER, SEND, OTHER), (STARTER, SEND, f"{OTHER}0")),
    "sends-and-takes-none": ((STARTER, SEND, OWN), (STARTER, RECEIVE, OWN)),
    "sends-and-deletes-none": ((STARTER, SEND, OWN), (STARTER, DELETE, OWN)),
    "sends-and-reads-no-restore-points": (
        (STARTER, SEND, OWN),
        (STARTER, "s3:GetObject", "arn:aws:s3:::acme-backup/points/a"),
    ),
}


def simulation(made: assertions.Template, asked: Asked, *, tls: bool = True) -> dict[str, Any]:
    """A request as the evaluator takes it, with the policies of both sides."""
    who, action, what = asked
    of, role = arns(made), role_of(made, who)
    own = [
        {"name": key, "policy": resolved(each["Properties"]["PolicyDocument"], of)}
        for key, each in made.find_resources(POLICY).items()
        if {"Ref": role} in each["Properties"]["Roles"]
    ]
    theirs = [
        resolved(each["Properties"]["PolicyDocument"], of)
        for each in made.find_resources(QUEUE_POLICY).values()
        if each["Properties"]["Queues"] == [{"Ref": by_name(made).get(what)}]
    ]
    return {
        "request": {
            "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session",
            "action": action,
            "resource": {
                "resource": what if what.startswith("arn:") else f"arn:aws:sqs:{REGION}:{ACCOUNT}:{what}",
                "accountId": ACCOUNT,
            },
            "contextVariables": {"aws:SecureTransport": "true" if tls else "false"},
        },
        "identityPolicies": own,
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        **({"resourcePolicy": theirs[0]} if theirs else {}),
    }


def test_the_one_is_allowed_and_the_other_is_not(made: assertions.Template) -> None:
    """And it is the policies that say so: if everybody might do everything, the other would be allowed, too."""
    may = [simulation(made, one) for one, _ in PAIRS.values()]
    may_not = [simulation(made, other) for _, other in PAIRS.values()]
    count = len(PAIRS)
    answers = decided([*may, *may_not, *map(opened, may_not)])
    assert dict(zip(PAIRS, answers[:count], strict=True)) == dict.fromkeys(PAIRS, "Allowed")
    assert dict(zip(PAIRS, answers[count : 2 * count], strict=True)) == dict.fromkeys(PAIRS, "ImplicitlyDenied")
    assert dict(zip(PAIRS, answers[2 * count :], strict=True)) == dict.fromkeys(PAIRS, "Allowed")


def test_nothing_is_done_without_tls(made: assertions.Template) -> None:
    """By those who may: it is the queue's policy that denies it, and without it plain requests would pass."""
    asked = [(BLUE, RECEIVE, OWN), (STARTER, SEND, OWN)]
    plain = [simulation(made, each, tls=False) for each in asked]
    bare = [{name: part for name, part in each.items() if name != "resourcePolicy"} for each in plain]
    assert decided([*plain, *bare]) == ["ExplicitlyDenied", "ExplicitlyDenied", "Allowed", "Allowed"]


def test_the_schedules_of_the_group_take_the_role_and_no_others(made: assertions.Template) -> None:
    """EventBridge says for whom it asks: for schedules of another group, or account, it gets nothing."""
    of, role = arns(made), role_of(made, STARTER)
    trust = resolved(made.find_resources(ROLE)[role]["Properties"]["AssumeRolePolicyDocument"], of)
    (group,) = (of[key] for key in made.find_resources(GROUP))

    def takes(who: str, account: str, source: str) -> dict[str, Any]:
        return {
            "request": {
                "principal": who,
                "action": "sts:AssumeRole",
                "resource": {"resource": of[role], "accountId": ACCOUNT},
                "contextVariables": {"aws:SourceAccount": account, "aws:SourceArn": source},
            },
            "identityPolicies": [],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            "resourcePolicy": trust,
        }

    service = "scheduler.amazonaws.com"
    refused = [
        takes(service, STRANGER, group),
        takes(service, ACCOUNT, f"{group}s"),
        takes(service, ACCOUNT, group.replace("schedule-group", "schedule")),
        takes("events.amazonaws.com", ACCOUNT, group),
    ]
    answers = decided([takes(service, ACCOUNT, group), *refused, *map(opened, refused)])
    assert answers == ["Allowed", *["ImplicitlyDenied"] * 4, *["Allowed"] * 4]
    assert policy(*trust["Statement"]) == trust


def test_nothing_is_found_by_cdk_nag_but_that_there_are_no_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is acknowledged, with its reason, at each queue."""

    def build(app: cdk.App) -> None:
        schedule(cdk.Stack(app, "Stack", env=cdk.Environment(region=REGION)))

    assert found(build) == set()
    monkeypatch.setattr(cdk.Validations, "acknowledge", lambda *_: None)
    without = {(rule.partition("[")[0], path) for rule, path in found(build) if not path.startswith("Stack/Points")}
    assert without == {("AwsSolutions-SQS3", f"Stack/Schedule/{name}/Queue/Resource") for name in NAMES}


# --- what is refused


def elsewhere(stack: cdk.Stack) -> None:
    other = cdk.Stack(stack, "Other", env=cdk.Environment(region=REGION))
    schedule(stack, pipeline=BackupPipeline(other, "Points", restore_points=QUEUED, replicas=REPLICAS))


def twice(stack: cdk.Stack) -> None:
    first = schedule(stack)
    schedule(stack, "Again", pipeline=first.pipeline, origins=[PROMETHEUS])


def starting(**more: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: schedule(stack, **more)


LONG = replace(PROMETHEUS, cluster="a" * 57)
REFUSED: Mapping[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "nobody": (
        starting(origins=()),
        "none of the restore points in acme-backup is meant: name some of blue/monitoring/grafana-backup, ",
    ),
    "stranger": (
        starting(origins=[replace(PROMETHEUS, namespace="shop")]),
        "there are no restore points of blue/shop/prometheus, but of blue/monitoring/grafana-backup, blue/monitoring/p",
    ),
    "database": (
        starting(origins=[DUMPS]),
        "blue/monitoring/grafana-backup is a database, beside which no agent runs: leave it out",
    ),
    "long-name": (
        lambda stack: schedule(
            stack,
            pipeline=BackupPipeline(stack, "Points", restore_points=QUEUED, replicas={LONG: PAIR}),
        ),
        "'a{57}_monitoring_prometheus-0' of 81 characters cannot be a queue of SQS, which takes up to 80 letters",
    ),
    "seconds": (
        starting(at=time(2, 0, 30)),
        "backups are started at 02:00:30, but EventBridge knows whole minutes, and the time zone by its name: use a",
    ),
    "zone-of-time": (
        starting(at=time(2, tzinfo=UTC)),
        r"backups are started at 02:00:00\+00:00, but EventBridge knows",
    ),
    "zone": (
        starting(time_zone="CEST"),
        r"backups are started by the clock of 'CEST', which is none of the \d+ time zones that are known here: use a ",
    ),
    "zone-of-nowhere": (starting(time_zone="localtime"), "backups are started by the clock of 'localtime', which is "),
    "no-queue": (
        lambda stack: schedule(
            stack, pipeline=BackupPipeline(stack, "Points", restore_points=POINTS, replicas=REPLICAS)
        ),
        "a schedule starts backups to acme-backup, but no queue does, as BackupLimits.queued says, so that no agent "
        "would ask its queue: let queues start them, or leave the schedule out",
    ),
    "another-stack": (
        elsewhere,
        f"backups to acme-backup are started from another stack than its own, but the agents look for their queues in "
        f"{REGION}, where that one must be: make the schedule in the stack of the pipeline",
    ),
    "second-schedule": (
        twice,
        "there are two queues blue_monitoring_prometheus-0, at Stack/Schedule and Stack/Again: start a replica by one",
    ),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_work_is_refused(build: Callable[[cdk.Stack], object], sentence: str) -> None:
    """At once and in one sentence, where AWS or nobody would say it."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(build)


def test_two_schedules_of_one_pipeline_may_start_different_replicas() -> None:
    """At another time each; the longest name that SQS takes is one."""
    longest = replace(LONG, cluster="a" * 56)

    def build(stack: cdk.Stack) -> None:
        pipeline = BackupPipeline(stack, "Points", restore_points=QUEUED, replicas={PROMETHEUS: PAIR, longest: PAIR})
        schedule(stack, pipeline=pipeline, origins=[PROMETHEUS])
        schedule(stack, "Later", pipeline=pipeline, origins=[longest], at=time(3))

    made = template(build)
    made.resource_count_is(QUEUE, 4)
    assert max(map(len, by_name(made))) == 80
