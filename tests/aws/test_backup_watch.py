"""The watch over restore points: what is deployed, who may do what, when an alarm sounds, and what is refused."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_

from constructs_lib.aws import BackupPipeline, BackupWatch, Notifications, backup_watch
from constructs_lib.cloudwatch import DIMENSIONS
from constructs_lib.errors import ConstructError
from constructs_lib.restore_point import DATABASE
from constructs_lib.restore_points import BackupLimits, Origin
from constructs_lib.watch import contract
from constructs_lib.watch.contract import Watched
from tests.alarms import seen
from tests.aws import test_nag, test_policies
from tests.aws.synthesized import KEY, POINTS, POLICY, PROMETHEUS, REGION, ROLE, template

HOUR, DAY = timedelta(hours=1), 24 * 3600
GRAFANA = Origin(cluster="blue", namespace="monitoring", component="grafana-backup", database=True)
REPLICAS: Mapping[Origin, tuple[str, ...]] = {PROMETHEUS: ("prometheus-0", "prometheus-1"), GRAFANA: (DATABASE,)}
SOURCES = tuple(f"{origin.path}/{name}" for origin, names in REPLICAS.items() for name in names)
ALARM, FUNCTION, QUEUE = "AWS::CloudWatch::Alarm", "AWS::Lambda::Function", "AWS::SQS::Queue"
SCHEDULE, GROUP, LOG = "AWS::Scheduler::Schedule", "AWS::Scheduler::ScheduleGroup", "AWS::Logs::LogGroup"


def watch(stack: cdk.Stack, **more: Any) -> BackupWatch:
    """Both replicas of Prometheus, and Grafana's database."""
    key, replicas = more.pop("encryption_key", None), more.pop("replicas", REPLICAS)
    points = replace(POINTS, limits=more.pop("limits", BackupLimits()))
    pipeline = BackupPipeline(stack, "Pipeline", restore_points=points, replicas=replicas, encryption_key=key)
    return BackupWatch(stack, "Watch", pipeline=pipeline, **more)


def heard(stack: cdk.Stack) -> BackupWatch:
    return watch(stack, notify=[Notifications(stack, "Heard", emails=["team@example.com"])])


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    """With somebody who hears of alarms."""
    return template(heard)


def of_watch(made: assertions.Template, kind: str) -> dict[str, Mapping[str, Any]]:
    """Properties of what the watch makes of a type, by logical id."""
    found = made.find_resources(kind)
    return {name: each.get("Properties", {}) for name, each in found.items() if name.startswith("Watch")}


def one(made: assertions.Template, kind: str, part: str = "") -> Mapping[str, Any]:
    (found,) = (each for name, each in of_watch(made, kind).items() if part in name)
    return found


def at(made: assertions.Template, kind: str, part: str = "", attribute: str = "Arn") -> dict[str, list[str]]:
    (name,) = (name for name in of_watch(made, kind) if part in name)
    return {"Fn::GetAtt": [name, attribute]}


@pytest.mark.trap(112)
def test_the_function_is_exactly_this(made: assertions.Template) -> None:
    """Newest Python, 15 minutes, lines of JSON in a log of its own that ends by itself."""
    found = dict(one(made, FUNCTION))
    assert set(found.pop("Code")) == {"S3Bucket", "S3Key"}
    (variables,) = found.pop("Environment").values()
    assert found == {
        "Description": "Looks at the restore points in acme-backup.",
        "Handler": "constructs_lib.watch.handler.handler",
        "LoggingConfig": {
            "ApplicationLogLevel": "INFO",
            "LogFormat": "JSON",
            "LogGroup": {"Ref": at(made, LOG)["Fn::GetAtt"][0]},
            "SystemLogLevel": "WARN",
        },
        "MemorySize": 1024,
        "Role": at(made, ROLE, "Role"),
        "Runtime": "python3.14",
        "Timeout": 900,
    }
    assert one(made, LOG) == {"RetentionInDays": 30}
    assert set(variables) == {"WATCHED"}
    assert Watched.from_json(variables["WATCHED"]) == Watched(
        bucket="acme-backup", region=REGION, sources=SOURCES, keep=timedelta(days=30), every=HOUR
    )


def test_no_python_of_lambda_is_newer(made: assertions.Template) -> None:
    """That the CDK knows of."""
    pythons = [each.name for each in lambda_.Runtime.ALL if each.family == lambda_.RuntimeFamily.PYTHON]
    assert max(pythons, key=lambda name: int(name.rpartition(".")[2])) == one(made, FUNCTION)["Runtime"]


def test_what_fails_is_tried_again_and_kept(made: assertions.Template) -> None:
    """By Lambda, until the next run; then it waits in a queue that takes no plain HTTP."""
    assert one(made, "AWS::Lambda::EventInvokeConfig") == {
        "DestinationConfig": {"OnFailure": {"Destination": at(made, QUEUE)}},
        "FunctionName": {"Ref": at(made, FUNCTION)["Fn::GetAtt"][0]},
        "MaximumEventAgeInSeconds": 3600,
        "MaximumRetryAttempts": 2,
        "Qualifier": "$LATEST",
    }
    assert one(made, QUEUE) == {"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": True}
    (statement,) = one(made, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "sqs:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(
    ("every", "rate"),
    [(HOUR, "1 hour"), (HOUR * 1.5, "90 minutes"), (12 * HOUR, "12 hours")],
    ids=str,
)
def test_it_is_started_by_schedule(every: timedelta, rate: str) -> None:
    """As often as is said, and told for when: a call that is tried again knows that it is the same one."""
    made = template(lambda stack: watch(stack, every=every))
    assert one(made, SCHEDULE) == {
        "GroupName": {"Ref": at(made, GROUP)["Fn::GetAtt"][0]},
        "ScheduleExpression": f"rate({rate})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": at(made, FUNCTION),
            "RoleArn": at(made, ROLE, "Starter"),
            "Input": '{"time": "<aws.scheduler.scheduled-time>"}',
            "RetryPolicy": {"MaximumEventAgeInSeconds": every.total_seconds(), "MaximumRetryAttempts": 2},
            "DeadLetterConfig": {"Arn": at(made, QUEUE)},
        },
    }
    assert (
        one(made, "AWS::Lambda::EventInvokeConfig")["MaximumEventAgeInSeconds"] == min(every, 6 * HOUR).total_seconds()
    )


@pytest.mark.trap(113)
def test_the_scheduler_starts_it_for_its_schedules_alone(made: assertions.Template) -> None:
    """Of this account, of the group that holds this one: not for whoever else names the role."""
    (statement,) = one(made, ROLE, "Starter")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}, "aws:SourceArn": at(made, GROUP)}
    }


def alarms(made: assertions.Template) -> list[dict[str, Any]]:
    return [dict(each) for each in of_watch(made, ALARM).values()]


def judged(alarm: Mapping[str, Any]) -> tuple[Any, ...]:
    """What an alarm makes of the metric that it looks at."""
    of_days = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]), alarm["EvaluationPeriods"]
    return alarm["ComparisonOperator"], alarm["Threshold"], *of_days, alarm["TreatMissingData"]


@pytest.mark.trap(108)
def test_each_replica_has_its_alarms(made: assertions.Template) -> None:
    """Too old, by two looks in a row; not whole, by any look of a day; both when nobody looks, which counts at once.

    And what is put off, where that is not over by itself.
    """
    for source in SOURCES:
        named = dict(zip(DIMENSIONS, source.split("/"), strict=True))
        found = {}
        for alarm in alarms(made):
            metric = seen(alarm)
            if metric.dimensions == named:
                assert metric.namespace == "constructs-lib/backup"
                assert source in alarm["AlarmDescription"]
                found[metric.metric] = (metric.statistic, metric.period, metric.silence, *judged(alarm))
        assert found == {
            "RestorePointAge": ("Maximum", 3600, 52 * 3600, "GreaterThanThreshold", 26 * 3600, 2, 2, "breaching"),
            "RestorePointWhole": ("Minimum", DAY, 0, "LessThanThreshold", 1, 1, 1, "breaching"),
            "RestorePointPutOff": ("Maximum", DAY, None, "GreaterThanThreshold", 0, 3, 6, "notBreaching"),
        }


@pytest.mark.parametrize("every", [HOUR, 1.5 * HOUR, 12 * HOUR], ids=str)
def test_silence_is_worse_than_what_an_alarm_sounds_at(every: timedelta) -> None:
    """Where a metric's gaps are filled, what they are filled with breaches, and each of its periods has a value.

    The metric itself is not judged, and its period is not that of an expression by default.
    """
    filled = [alarm for alarm in alarms(template(lambda stack: watch(stack, every=every))) if "Metrics" in alarm]
    assert {seen(alarm).metric for alarm in filled} == {"RestorePointAge", "RestorePointWhole"}
    for alarm in filled:
        silence, above = seen(alarm).silence, alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert silence is not None
        assert (silence > alarm["Threshold"]) if above else (silence < alarm["Threshold"])
        assert {each["Id"]: each["ReturnData"] for each in alarm["Metrics"]} == {"expr_1": True, "said": False}
        assert {"Period", "Statistic", "MetricName"}.isdisjoint(alarm)
        assert seen(alarm).period == (every.total_seconds() if above else DAY)


def test_what_is_saved_less_often_may_be_older() -> None:
    """A database by an age of its own, whatever that of servers."""
    limits = BackupLimits(every=2 * HOUR, unsaved=50 * HOUR)
    found = {
        seen(alarm).dimensions["Replica"]: alarm["Threshold"]
        for alarm in alarms(template(lambda stack: watch(stack, limits=limits)))
        if seen(alarm).metric == "RestorePointAge"
    }
    assert found == {"prometheus-0": 4 * 3600, "prometheus-1": 4 * 3600, DATABASE: 50 * 3600}


def test_its_own_failures_have_alarms(made: assertions.Template) -> None:
    """Where silence is no failure, since the others hear it; not by one attempt, which is tried again."""
    found = {
        metric.metric: (metric.namespace, metric.dimensions, metric.statistic, metric.period, *judged(alarm))
        for alarm in alarms(made)
        if (metric := seen(alarm)).namespace != "constructs-lib/backup"
    }
    function, queue = {"Ref": at(made, FUNCTION)["Fn::GetAtt"][0]}, at(made, QUEUE, attribute="QueueName")
    assert found == {
        "Errors": (
            *("AWS/Lambda", {"FunctionName": function}, "Sum", 3600),
            *("GreaterThanThreshold", 0, 3, 3, "notBreaching"),
        ),
        "ApproximateNumberOfMessagesVisible": (
            *("AWS/SQS", {"QueueName": queue}, "Maximum", 300),
            *("GreaterThanThreshold", 0, 1, 1, "notBreaching"),
        ),
    }


def test_the_attempts_of_one_look_are_no_alarm() -> None:
    """Lambda waits a minute, and two more: they are over within an hour, of three in which something must fail.

    What the last one says comes before two periods have had nothing, which would be silence.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    waits = timedelta(minutes=1) + timedelta(minutes=2)
    longest = (backup_watch.ATTEMPTS + 1) * backup_watch.LONGEST_RUN + waits
    assert longest <= (backup_watch.PERSISTENT - 2) * contract.OFTENEST


def test_alarms_are_heard_where_somebody_hears(made: assertions.Template) -> None:
    """Of each of them, that it begins and that it is over; without anybody, none has an action."""
    (topic,) = made.find_resources("AWS::SNS::Topic")
    assert len(alarms(made)) == 3 * len(SOURCES) + 2
    for actions in ("AlarmActions", "OKActions"):
        assert all(alarm[actions] == [{"Ref": topic}] for alarm in alarms(made))
        assert not any(actions in alarm for alarm in alarms(template(watch)))


@pytest.mark.parametrize("url", ["https://runbooks.example.com/pages", "https://runbooks.example.com/pages/"])
def test_each_alarm_leads_to_the_page_of_its_name(url: str) -> None:
    """Below a URL that somebody chose; where nobody did, it says its sentence alone."""
    without = of_watch(template(watch), ALARM)
    for name, alarm in of_watch(template(lambda stack: watch(stack, runbooks=url)), ALARM).items():
        sentence, _, link = alarm["AlarmDescription"].rpartition(" ")
        page = re.fullmatch(r"https://runbooks\.example\.com/pages/(\w+)\.md", link)
        assert page
        assert page[1] in name
        assert without[name]["AlarmDescription"] == sentence


@pytest.mark.parametrize("every", [HOUR, 1.5 * HOUR, 12 * HOUR], ids=str)
def test_cloudwatch_takes_the_windows_of_the_alarms(every: timedelta) -> None:
    """A day at most where a period is below an hour, seven else; periods are whole minutes."""
    for alarm in alarms(template(lambda stack: watch(stack, every=every))):
        period = seen(alarm).period
        assert period % 60 == 0
        assert period * alarm["EvaluationPeriods"] <= (24 if period < 3600 else 7 * 24) * 3600


# --- what is sent


def staged(directory: Path) -> tuple[str, Path]:
    """The hash by which the code is known, and where it is staged."""
    app = cdk.App(outdir=str(directory), analytics_reporting=False, builtin_cloud_formation_validation=False)
    stack = cdk.Stack(app, "Stack", env=cdk.Environment(region=REGION))
    watch(stack)
    app.synth()
    (asset,) = directory.glob("asset.*")
    return asset.name, asset


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the library somewhere else, as pip would install it."""
    copy = tmp_path / "site-packages" / "constructs_lib"
    shutil.copytree(backup_watch.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(backup_watch, "PACKAGE", copy)
    return copy


def test_its_own_files_alone_are_sent(tmp_path: Path) -> None:
    """What it imports of the library, and nothing that lies beside it."""
    _, asset = staged(tmp_path)
    found = {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}
    assert found == {f"constructs_lib/{file}" for file in backup_watch.FILES}


def test_its_hash_is_that_of_what_is_sent(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is, with what modes and times, whatever Python compiled there, and whatever else is installed."""
    for name in (
        "__pycache__/contract.cpython-314.pyc",
        "watch/__pycache__/verify.cpython-311.pyc",
        "watch/.verify.py.swp",
    ):
        (library / name).parent.mkdir(exist_ok=True)
        (library / name).write_bytes(b"compiled")
    for other in ("boto3/__init__.py", ".hidden", "constructs_lib-0.4.0.dist-info/RECORD", "watch/verify.py"):
        (library.parent / other).parent.mkdir(exist_ok=True)
        (library.parent / other).write_text("of others")
    (library / "agent" / "store.py").write_text("changed")
    for path in library.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (0, 0))
    there, _ = staged(tmp_path / "there")
    monkeypatch.undo()
    here, _ = staged(tmp_path / "here")
    assert there == here


@pytest.mark.parametrize("file", backup_watch.FILES)
def test_its_hash_is_another_when_what_is_sent_changes(tmp_path: Path, library: Path, file: str) -> None:
    """Each of its files counts: what changes is deployed."""
    with (library / file).open("a") as code:
        code.write("# changed\n")
    changed, _ = staged(tmp_path / "changed")
    backup_watch.PACKAGE = Path(backup_watch.__file__).parents[1]
    unchanged, _ = staged(tmp_path / "unchanged")
    assert changed != unchanged


# --- what it may do


READER, STARTER = "reader", "starter"
ACCOUNT = test_policies.ACCOUNT
BUCKET_ARN, FUNCTION_ARN = "arn:aws:s3:::acme-backup", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:watch"
QUEUE_ARN, LOG_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:watch:*"
STREAM = LOG_ARN.replace("*", "log-stream:1")
BELOW = "blue/monitoring/prometheus/prometheus-0/"
POINT, CHUNK = f"{BUCKET_ARN}/points/{BELOW}20261128T020000Z.json", f"{BUCKET_ARN}/blocks/{BELOW}01J/chunks/000001"
DUMP = f"{BUCKET_ARN}/points/blue/monitoring/grafana-backup/database/20261128T020000Z.dump"
Asked = tuple[str, str, str, Mapping[str, str]]


def asks(who: str, action: str, what: str, **context: str) -> Asked:
    return who, action, what, {name.replace("_", ":"): value for name, value in context.items()}


READS, SAYS = (
    asks(READER, "s3:GetObject", CHUNK),
    asks(READER, "cloudwatch:PutMetricData", "*", cloudwatch_namespace="constructs-lib/backup"),
)
LISTS = asks(READER, "s3:ListBucket", BUCKET_ARN, s3_prefix=f"points/{BELOW}")
STARTS = asks(STARTER, "lambda:InvokeFunction", FUNCTION_ARN)
PAIRS: Mapping[str, tuple[Asked, Asked]] = {
    "reads-and-adds-nothing": (READS, asks(READER, "s3:PutObject", CHUNK)),
    "reads-and-deletes-nothing": (asks(READER, "s3:GetObject", POINT), asks(READER, "s3:DeleteObject", POINT)),
    "reads-of-its-origins": (READS, asks(READER, "s3:GetObject", CHUNK.replace("/prometheus/", "/thanos/"))),
    "reads-of-their-cluster": (READS, asks(READER, "s3:GetObject", CHUNK.replace("/blue/", "/green/"))),
    "reads-dumps-and-no-blocks-of-a-database": (
        asks(READER, "s3:GetObject", DUMP),
        asks(READER, "s3:GetObject", DUMP.replace("/points/", "/blocks/")),
    ),
    "reads-its-bucket": (READS, asks(READER, "s3:GetObject", CHUNK.replace("acme-backup", "acme-logs"))),
    "lists-below-its-origins": (LISTS, asks(READER, "s3:ListBucket", BUCKET_ARN, s3_prefix="points/")),
    "says-its-own-metrics": (SAYS, asks(READER, "cloudwatch:PutMetricData", "*", cloudwatch_namespace="AWS/EC2")),
    "says-metrics-and-asks-for-none": (SAYS, asks(READER, "cloudwatch:GetMetricData", "*")),
    "says-metrics-and-silences-no-alarm": (
        SAYS,
        asks(READER, "cloudwatch:DisableAlarmActions", f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:a"),
    ),
    "writes-its-log": (
        asks(READER, "logs:PutLogEvents", STREAM),
        asks(READER, "logs:PutLogEvents", STREAM.replace("watch", "other")),
    ),
    "writes-its-log-and-makes-none": (
        asks(READER, "logs:CreateLogStream", LOG_ARN),
        asks(READER, "logs:CreateLogGroup", LOG_ARN),
    ),
    "gives-up-and-takes-nothing-back": (
        asks(READER, "sqs:SendMessage", QUEUE_ARN),
        asks(READER, "sqs:ReceiveMessage", QUEUE_ARN),
    ),
    "starts-its-function": (STARTS, asks(STARTER, "lambda:InvokeFunction", FUNCTION_ARN.replace("watch", "other"))),
    "starts-and-changes-nothing": (STARTS, asks(STARTER, "lambda:UpdateFunctionCode", FUNCTION_ARN)),
    "starter-gives-up": (asks(STARTER, "sqs:SendMessage", QUEUE_ARN), asks(STARTER, "sqs:PurgeQueue", QUEUE_ARN)),
    "starter-reads-nothing": (STARTS, asks(STARTER, "s3:GetObject", POINT)),
}


def resolved(value: Any, arns: Mapping[str, str]) -> Any:
    """What CloudFormation makes of a policy in which resources are named."""
    match value:
        case {"Fn::GetAtt": [name, "Arn"]}:
            return arns[name]
        case {"Fn::Join": ["", parts]}:
            return "".join(resolved(part, arns) for part in parts)
        case dict():
            return {key: resolved(each, arns) for key, each in value.items()}
        case list():
            return [resolved(each, arns) for each in value]
    return value


@pytest.fixture(scope="module")
def decisions(made: assertions.Template) -> list[str]:
    """Of all requests, one after the other."""
    kinds = {FUNCTION: FUNCTION_ARN, QUEUE: QUEUE_ARN, LOG: LOG_ARN, "AWS::S3::Bucket": BUCKET_ARN}
    arns = {name: kinds[kind] for kind in kinds for name in made.find_resources(kind)}
    policies = {
        who: resolved(one(made, POLICY, part)["PolicyDocument"], arns)
        for who, part in ((READER, "WatchRole"), (STARTER, "WatchStarter"))
    }
    simulations = [
        {
            "request": {
                "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/{who}/session",
                "action": action,
                "resource": {"resource": what, "accountId": ACCOUNT},
                "contextVariables": {"aws:SecureTransport": "true", **context},
            },
            "identityPolicies": [{"name": who, "policy": policies[who]}],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        for pair in PAIRS.values()
        for who, action, what, context in pair
    ]
    return test_policies.decided(simulations)


@pytest.mark.parametrize("name", PAIRS)
def test_the_one_is_allowed_and_the_other_is_not(decisions: list[str], name: str) -> None:
    """Of the function's role and of the scheduler's."""
    at = 2 * list(PAIRS).index(name)
    assert decisions[at : at + 2] == ["Allowed", "ImplicitlyDenied"]


def test_the_key_comes_with_the_bucket() -> None:
    """To read what is encrypted by it, and no more."""
    made = template(lambda stack: watch(stack, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY)))
    of_key = [each for each in one(made, POLICY, "WatchRole")["PolicyDocument"]["Statement"] if each["Resource"] == KEY]
    assert {each["Action"] for each in of_key} == {"kms:Decrypt"}


# --- cdk-nag


WITHOUT = {
    ("AwsSolutions-IAM5", "Role/DefaultPolicy/Resource"),
    ("AwsSolutions-SQS3", "DeadLetters/Resource"),
}


def in_app(app: cdk.App) -> None:
    heard(cdk.Stack(app, "Watched", env=cdk.Environment(region=REGION)))


def found(build: Callable[[cdk.App], None]) -> set[tuple[str, str]]:
    """By rule and construct, of the watch alone."""
    return {
        (rule.partition("[")[0], path.removeprefix("Watched/Watch/"))
        for rule, path in test_nag.found(build)
        if path.startswith("Watched/Watch/")
    }


def test_nothing_is_found() -> None:
    """By cdk-nag's rules of AwsSolutions, but what is acknowledged with its reason."""
    assert found(in_app) == set()


unheard = test_nag.unheard


def test_each_acknowledgement_is_needed(unheard: list[str]) -> None:
    """Without them, this is found: metrics and objects that have no names yet, and a queue that is the last one."""
    assert found(in_app) == WITHOUT
    assert "AwsSolutions-IAM5[Resource::*]" in unheard


# --- what is refused


REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "nobody": ({"origins": ()}, "none of the restore points in acme-backup is meant: name some of blue/monitoring/"),
    "stranger": (
        {"origins": [replace(PROMETHEUS, cluster="green")]},
        "there are no restore points of green/monitoring/prometheus, but of blue/monitoring/grafana-backup, ",
    ),
    "too-often": ({"every": timedelta(minutes=59)}, "restore points in acme-backup are looked at every 0:59:00: use "),
    "seldom": ({"every": timedelta(hours=13)}, "restore points in acme-backup are looked at every 13:00:00: use whole"),
    "seconds": ({"every": timedelta(seconds=3601)}, "restore points in acme-backup are looked at every 1:00:01: use "),
    "never-old": (
        {"limits": BackupLimits(every=timedelta(days=30) - 2 * HOUR)},
        f"a restore point of {PROMETHEUS.path} is too old after 30 days, 0:00:00, by every and late of BackupLimits: ",
    ),
    "one-never-old": (
        {"limits": BackupLimits(unsaved=timedelta(days=30))},
        f"a restore point of {GRAFANA.path} is too old after 30 days, 0:00:00, by unsaved of BackupLimits: use more ",
    ),
    "old-at-once": (
        {"limits": BackupLimits(unsaved=HOUR)},
        f"a restore point of {GRAFANA.path} is too old after 1:00:00, by unsaved of BackupLimits: use more than",
    ),
    "runbooks": ({"runbooks": "runbooks"}, "runbooks is 'runbooks': use a URL such as "),
    "many": (
        {"replicas": {PROMETHEUS: tuple(f"prometheus-{number}" for number in range(100))}},
        "100 replicas are more than fit into the 4096 bytes of a function's environment: use several watches",
    ),
}


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_work_is_refused(settings: Mapping[str, Any], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(lambda stack: watch(stack, **settings))
