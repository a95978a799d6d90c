"""The AWS half as the command line of CDK deploys it, changes it and takes it away, against AWS on loopback.

What the stand-in does not do, the tests of the templates assert: it has no lifecycle, no Pod Identity and no rules of
CloudFormation; it makes every bucket private and encrypted, whether it is told to or not; it changes no bucket. It has
no days of a log, calls no function, keeps no schedule, and judges no alarm that fills the gaps of its metric: the code
that is deployed is run here, as it is, with the environment that is deployed.
"""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import jmespath
import pytest
from botocore.exceptions import ClientError

from apps import environments
from apps.environments import PROD
from constructs_lib.aws.backup_watch import FILES
from constructs_lib.contract import GRAFANA_BACKUP, LOKI, PROMETHEUS, RESTORE_DRILL
from constructs_lib.restore_point import DATABASE
from constructs_lib.restore_points import Origin
from tests.alarms import seen
from tests.cluster.outside.functions import CALL
from tests.cluster.outside.provider import openssl
from tests.cluster.outside.record import Record
from tests.cluster.outside.servers import WebServer, context
from tests.cluster.outside.services import Webhook
from tests.cluster.outside.web import WebHandler
from tests.cluster.waiting import wait
from tests.real.localstack import ACCOUNT, AWS, REGION, running
from tests.rendered import ROOT

CDK = ROOT / "node_modules" / ".bin" / "cdk"
# As operators set them for themselves; nothing else differs from production.
WEBHOOK, HOOK = "monitoring-webhook", Webhook(host="127.0.0.1", path="/hooks/T0B0")
SITE = {"CONSTRUCTS_PROD__BUCKET_PREFIX": "acme", "CONSTRUCTS_PROD__ALARM_HTTPS": WEBHOOK}
VOLUMES = "MonitoringVolumes-prod"
WITH_VOLUMES = {
    **SITE,
    "CONSTRUCTS_PROD__VOLUME_ZONES": f"{REGION}a,{REGION}b,{REGION}c",
    "CONSTRUCTS_PROD__VOLUME_SNAPSHOTS_AT": "03:00",
}
CHANGED = {**SITE, "CONSTRUCTS_PROD__BACKUP_KEEP": "20d"}
BACKUP, LOGS = "acme-prod-backup", "acme-prod-logs"
ORIGINS = {
    component: Origin(cluster=PROD.cluster, namespace=PROD.namespace, component=component, database=database)
    for component, database in ((PROMETHEUS, False), (GRAFANA_BACKUP, True))
}
POINT = f"{ORIGINS[PROMETHEUS].prefixes[1]}prometheus-0/20261128T020000Z.json"
SOURCES = {
    *(f"{ORIGINS[PROMETHEUS].path}/prometheus-{ordinal}" for ordinal in range(PROD.prometheus_replicas)),
    f"{ORIGINS[GRAFANA_BACKUP].path}/{DATABASE}",
}
SERVERS = {source for source in SOURCES if not source.endswith(DATABASE)}
TELLS_USAGE, TELLS_SUCCESS = (
    ("cloudwatch:PutMetricData", "*", f"constructs-lib/{each}") for each in ("prometheus", "restore-drill")
)
CONDITIONS = {("StringLike", "s3:prefix"), ("StringEquals", "cloudwatch:namespace")}
STACK, REPLICA = "MonitoringBackup-prod", ("Cluster", "Namespace", "Component", "Replica")
PODS, SCHEDULER = "pods.eks.amazonaws.com", "scheduler.amazonaws.com"
FUNCTIONS, SCHEDULES, STARTS = "Watch/lambda.amazonaws.com", f"Watch/{SCHEDULER}", f"Schedule/{SCHEDULER}"
QUEUES = {ORIGINS[PROMETHEUS].queue(f"{PROMETHEUS}-{ordinal}") for ordinal in range(PROD.prometheus_replicas)}
TAKE = ("GetQueueUrl", "ReceiveMessage", "ChangeMessageVisibility", "DeleteMessage")
SOON = timedelta(seconds=30)
ACCOUNT_OF_PODS = "aws:RequestTag/kubernetes-service-account"


@dataclass(frozen=True, slots=True)
class Listener:
    """Who takes what is posted to the webhook.

    Args:
        url: A credential.
        record: Of what came.
    """

    url: str
    record: Record

    def heard(self, kind: str) -> dict[str, Any]:
        """The newest message of a kind, as SNS calls it, once there is one."""

        def found() -> list[dict[str, Any]]:
            bodies = [each.body for each in self.record.read(HOOK.host) if each.accepted]
            return [body for body in bodies if body["Type"] == kind]

        return wait(f"the webhook has heard a {kind}", found, SOON)[-1]


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody in a clone, with an account of AWS.

    Args:
        aws: Where the account is.
        directory: For what the command line of CDK keeps.
    """

    aws: AWS
    directory: Path

    def cdk(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the README has it, whatever comes of it."""
        output = self.directory / "-".join([arguments[0], *settings.values()])  # two at once do not share it
        environment = {
            **self.aws.environment,
            **settings,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "CDK_HOME": str(self.directory),
            "CDK_DISABLE_CLI_TELEMETRY": "1",
            "CI": "true",  # all that it says goes to one stream
        }
        command = [str(CDK), *arguments, "-c", "env=prod", "--no-notices", "--no-color", "--output", str(output)]
        return subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)

    def done(self, *arguments: str, **settings: str) -> str:
        """What a command said that did what it was told to."""
        ran = self.cdk(*arguments, **settings)
        assert ran.returncode == 0, f"cdk {' '.join(arguments)}:\n{ran.stdout}{ran.stderr}"
        return ran.stdout + ran.stderr

    def deploy(self, *arguments: str, **settings: str) -> str:
        """Deploy, without being asked whether the roles are right, as one is at a terminal."""
        return self.done("deploy", *arguments, "--require-approval", "never", **settings)

    def stack(self, name: str) -> dict[str, Any]:
        """What CloudFormation has of a stack."""
        (found,) = self.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return dict(found)

    def resources(self, name: str) -> dict[str, dict[str, Any]]:
        """Those of a stack, by the name that the template has for them."""
        found = self.aws.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
        return {resource["LogicalResourceId"]: resource for resource in found}

    def physical(self, kind: str, of: str = "") -> str:
        """By what name the one resource of a type is known, in the stack of restore points or in a part of it."""
        (found,) = self.all_physical(kind, of)
        return found

    def all_physical(self, kind: str, of: str = "") -> list[str]:
        """Likewise, of several."""
        return [
            str(each["PhysicalResourceId"])
            for name, each in self.resources(STACK).items()
            if each["ResourceType"] == kind and name.startswith(of)
        ]

    def template(self, name: str) -> dict[str, Any]:
        """The one that is deployed."""
        body: dict[str, Any] = self.aws.client("cloudformation").get_template(StackName=name)["TemplateBody"]
        return body

    def policy(self, bucket: str) -> dict[str, Any]:
        """Of a bucket."""
        found: dict[str, Any] = json.loads(self.aws.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
        return found

    def roles(self, stack: str) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Service account, or part of the stack and service -> who may take its role, and the one policy it has."""
        iam, found = self.aws.client("iam"), {}
        for resource in self.resources(stack).values():
            if resource["ResourceType"] != "AWS::IAM::Role":
                continue
            name = resource["PhysicalResourceId"]
            assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
            (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
            allowed = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            trusted = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            (statement,) = trusted["Statement"]
            service = statement["Principal"]["Service"]
            if service == PODS:
                who = statement["Condition"]["StringEquals"][ACCOUNT_OF_PODS]
            else:
                part = re.match(r"Schedule|Watch", resource["LogicalResourceId"])
                who = f"{part[0] if part else ''}/{service}"
            assert who not in found
            found[who] = (trusted, allowed)
        return found


def allowed(policy: dict[str, Any]) -> set[tuple[str, str, str]]:
    """What a policy allows: each action, on what, and the prefix or the namespace of metrics that it is about."""
    found = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}
        actions, resources = (
            [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
        )
        condition = statement.get("Condition", {"StringLike": {"s3:prefix": ""}})
        ((operator, about),) = condition.items()
        ((key, values),) = about.items()
        assert (operator, key) in CONDITIONS
        for value in [values] if isinstance(values, str) else values:
            found |= {(action, resource, value) for action in actions for resource in resources}
    return found


def tls_alone(bucket: str) -> dict[str, Any]:
    """The policy of a bucket that nobody reaches by plain HTTP."""
    arn = f"arn:aws:s3:::{bucket}"
    denied = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [denied]}


def taken_by(service_account: str) -> dict[str, Any]:
    """The policy of a role that EKS gives to pods of one service account of prod."""
    said = {
        "aws:SourceAccount": ACCOUNT,
        "aws:RequestTag/eks-cluster-name": PROD.cluster,
        "aws:RequestTag/kubernetes-namespace": PROD.namespace,
        ACCOUNT_OF_PODS: service_account,
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": PODS},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": said},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def expiry(template: dict[str, Any]) -> dict[str, int]:
    """After how many days what expires, by the rules of the one bucket of a template."""
    (bucket,) = (item for item in template["Resources"].values() if item["Type"] == "AWS::S3::Bucket")
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule["Id"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    """On loopback, by TLS; the stand-in believes any certificate."""
    directory = tmp_path_factory.mktemp("listener")
    certificate, key = (str(directory / name) for name in ("crt", "key"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=any", "-keyout", key, "-out", certificate)
    record = Record(directory)
    server = WebServer((HOOK.host, 0), WebHandler, context(certificate, key), record)
    server.services = [HOOK]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Listener(f"https://{HOOK.host}:{server.server_address[1]}{HOOK.path}", record)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[Operator]:
    """With an account that CDK was never used in, until now."""
    with running(tmp_path_factory.mktemp("aws")) as aws:
        operator = Operator(aws, tmp_path_factory.mktemp("operator"))
        operator.done("bootstrap", f"aws://{ACCOUNT}/{REGION}")
        aws.client("secretsmanager").create_secret(Name=WEBHOOK, SecretString=listener.url)
        yield operator


@pytest.fixture(scope="module")
def deployed(operator: Operator) -> dict[str, dict[str, Any]]:
    """What the stack consists of at first; into its bucket comes a restore point."""
    operator.deploy("MonitoringBackup", **SITE)
    operator.aws.client("s3").put_object(Bucket=BACKUP, Key=POINT, Body=b"a restore point", IfNoneMatch="*")
    return operator.resources("MonitoringBackup-prod")


@pytest.fixture(scope="module")
def changed(operator: Operator, deployed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """And after a deployment of both stacks, with a setting that has changed."""
    operator.deploy("MonitoringStores", "MonitoringBackup", **CHANGED)
    return operator.resources("MonitoringBackup-prod")


@pytest.fixture(scope="module")
def destroyed(operator: Operator, changed: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What it consisted of before it was taken away."""
    operator.done("destroy", "--force", "MonitoringBackup", **CHANGED)
    return changed


def test_nothing_but_pod_identity_is_left_out(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """All that the template has is made; the stand-in passes over the association, and says so."""
    assert operator.stack("MonitoringBackup-prod")["StackStatus"] == "CREATE_COMPLETE"
    assert set(deployed) == set(operator.template("MonitoringBackup-prod")["Resources"])
    assert {resource["ResourceStatus"] for resource in deployed.values()} == {"CREATE_COMPLETE"}
    out = {r["ResourceType"] for r in deployed.values() if "not supported" in r.get("ResourceStatusReason", "")}
    assert out == {"AWS::EKS::PodIdentityAssociation"}


def test_the_bucket_keeps_versions_and_takes_tls_alone(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """By the name that the site's prefix makes; CloudFormation has resolved what the policy names."""
    assert operator.aws.client("s3").get_bucket_versioning(Bucket=BACKUP)["Status"] == "Enabled"
    assert operator.policy(BACKUP) == tls_alone(BACKUP)


def test_pods_of_each_add_below_their_prefixes(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """They read there, too, take from their queues, and tell what a server uses; nothing else is theirs to do, and the
    role is nobody else's.
    """
    roles = operator.roles("MonitoringBackup-prod")
    arn, actions = f"arn:aws:s3:::{BACKUP}", ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
    assert roles.keys() == {*ORIGINS, RESTORE_DRILL, FUNCTIONS, SCHEDULES, STARTS}
    for component, origin in ORIGINS.items():
        taken, policy = roles[component]
        objects = {(action, f"{arn}/{prefix}*", "") for action in actions for prefix in origin.prefixes}
        queues = QUEUES if component == PROMETHEUS else set()
        assert allowed(policy) == (
            objects
            | {("s3:ListBucket", arn, f"{prefix}*") for prefix in origin.prefixes}
            | {(f"sqs:{action}", queue_arn(name), "") for action in TAKE for name in queues}
            | ({TELLS_USAGE} if component == PROMETHEUS else set())
        )
        assert taken == taken_by(component)


def test_a_drill_reads_restore_points_of_servers(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """And tells that it has succeeded; it does nothing else, and nobody but it gets the role."""
    taken, policy = operator.roles("MonitoringBackup-prod")[RESTORE_DRILL]
    arn, prefixes = f"arn:aws:s3:::{BACKUP}", ORIGINS[PROMETHEUS].prefixes
    listed = {("s3:ListBucket", arn, f"{prefix}*") for prefix in prefixes}
    read = {("s3:GetObject", f"{arn}/{prefix}*", "") for prefix in prefixes}
    assert allowed(policy) == listed | read | {TELLS_SUCCESS}
    assert taken == taken_by(RESTORE_DRILL)


def queue_arn(name: str) -> str:
    """As roles name a queue."""
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def test_each_server_is_started_by_a_queue_of_its_own(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """At 02:00 UTC, by a role that schedules of this group alone take, and that sends to these queues alone."""
    aws, group = operator.aws, operator.physical("AWS::Scheduler::ScheduleGroup", "Schedule")
    scheduler, queues, targets = aws.client("scheduler"), {}, set()
    for url in operator.all_physical("AWS::SQS::Queue", "Schedule"):
        queue = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        (denied,) = json.loads(queue["Policy"])["Statement"]
        assert (queue["MessageRetentionPeriod"], queue["SqsManagedSseEnabled"]) == (str(12 * 3600), "true")
        assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
        queues[url.rpartition("/")[2]] = queue["QueueArn"]
    for name in operator.all_physical("AWS::Scheduler::Schedule", "Schedule"):
        schedule = scheduler.get_schedule(GroupName=group, Name=name)
        said = (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"], schedule["Target"]["Input"])
        assert said == ("cron(0 2 * * ? *)", "Etc/UTC", "start")
        assert (schedule["State"], schedule["FlexibleTimeWindow"]["Mode"]) == ("ENABLED", "OFF")
        targets.add((schedule["Target"]["Arn"], schedule["Target"]["RoleArn"].rpartition("/")[2]))
    taken, policy = operator.roles(STACK)[STARTS]
    (statement,) = taken["Statement"]
    role = operator.physical("AWS::IAM::Role", "Schedule")

    assert queues == {name: queue_arn(name) for name in QUEUES}
    assert targets == {(arn, role) for arn in queues.values()}
    assert allowed(policy) == {("sqs:SendMessage", arn, "") for arn in queues.values()}
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}",
    }


def of_alarms() -> dict[str, Any]:
    """By whom, and for what, a topic and its key are used: alarms of this account and region."""
    return {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"},
    }


def test_those_who_are_named_are_asked(
    operator: Operator, deployed: dict[str, dict[str, Any]], listener: Listener
) -> None:
    """The address, and the URL that the secret has, which is not in the template; none has said yes."""
    found = operator.aws.client("sns").list_subscriptions()["Subscriptions"]
    assert {each["TopicArn"] for each in found} == {operator.physical("AWS::SNS::Topic")}
    assert {(each["Protocol"], each["Endpoint"]) for each in found} == {
        ("https", listener.url),
        *(("email", address) for address in PROD.alarm_emails),
    }
    assert {each["SubscriptionArn"] for each in found} == {"PendingConfirmation"}
    assert listener.url not in json.dumps(operator.template(STACK))


def test_alarms_alone_may_tell_them(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """By TLS, through a topic that is encrypted by a key that alarms may use, and that changes each year."""
    sns, topic = operator.aws.client("sns"), operator.physical("AWS::SNS::Topic")
    kms, key = operator.aws.client("kms"), operator.physical("AWS::KMS::Key")
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    (denied, told) = json.loads(attributes["Policy"])["Statement"]
    (owner, used) = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])["Statement"]

    assert attributes["KmsMasterKeyId"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert told == {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
        "Condition": of_alarms(),
    }
    assert (owner["Principal"], owner["Action"]) == ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "kms:*")
    assert used == {**told, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"}
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]


def test_each_alarm_says_that_it_begins_and_that_it_is_over(
    operator: Operator, deployed: dict[str, dict[str, Any]]
) -> None:
    """Of each replica's age and wholeness, with silence for an alarm; of what is put off, fails, and was given up; of
    what each server uses, and of its drills.

    Each leads to its page, by whose name it is called.
    """
    topic, found = operator.physical("AWS::SNS::Topic"), {}
    logical = {each["PhysicalResourceId"]: name for name, each in deployed.items()}
    for alarm in operator.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        metric = seen(alarm)
        said = metric.dimensions
        of = "/".join(said[name] for name in REPLICA) if said.keys() == {*REPLICA} else "".join(said.values())
        assert alarm["AlarmActions"] == alarm["OKActions"] == [topic]
        page = alarm["AlarmDescription"].rpartition(f" {PROD.runbooks_url}/")[2].removesuffix(".md")
        assert page in logical[alarm["AlarmName"]]
        assert (ROOT / "docs" / "runbooks" / f"{page}.md").exists()
        found[page, of] = (metric.metric, alarm["Threshold"], metric.silence, alarm["TreatMissingData"])
    queue = operator.physical("AWS::SQS::Queue", "Watch").rpartition("/")[2]
    of_sources = {
        "RestorePointTooOld": ("RestorePointAge", 26 * 3600, 52 * 3600, "breaching"),
        "RestorePointNotWhole": ("RestorePointWhole", 1, 0, "breaching"),
        "RestorePointPutOff": ("RestorePointPutOff", 0, None, "notBreaching"),
    }
    of_servers = {
        "PrometheusCpuHigh": ("CpuUsed", 80, None, "ignore"),
        "PrometheusMemoryHigh": ("MemoryUsed", 85, None, "ignore"),
        "PrometheusDiskAlmostFull": ("VolumeUsed", 85, None, "ignore"),
        "PrometheusUsageUnknown": ("VolumeUsed", 100, 200, "breaching"),
        "RestoreDrillTooOld": ("RestoreDrillSucceeded", 1, 0, "breaching"),
    }
    assert found == {
        **{(page, source): said for page, said in of_sources.items() for source in SOURCES},
        **{(page, server): said for page, said in of_servers.items() for server in SERVERS},
        ("BackupWatchFailing", operator.physical("AWS::Lambda::Function")): ("Errors", 0, None, "notBreaching"),
        ("BackupWatchGaveUp", queue): ("ApproximateNumberOfMessagesVisible", 0, None, "notBreaching"),
    }


def test_a_webhook_that_says_yes_hears_of_an_alarm(
    operator: Operator, deployed: dict[str, dict[str, Any]], listener: Listener
) -> None:
    """That it begins and that it is over, through the topic that is deployed; what begins it is said here."""
    aws, topic = operator.aws, operator.physical("AWS::SNS::Topic")
    (name,) = (each["PhysicalResourceId"] for of, each in deployed.items() if "prometheus0RestorePointTooOld" in of)
    asked = listener.heard("SubscriptionConfirmation")
    assert asked["TopicArn"] == topic
    aws.client("sns").confirm_subscription(TopicArn=topic, Token=asked["Token"])  # as its SubscribeURL does

    for state in ("ALARM", "OK"):
        aws.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="tried")

        def told(state: str = state) -> dict[str, Any]:
            notification = listener.heard("Notification")
            message: dict[str, Any] = json.loads(notification["Message"])
            assert (notification["TopicArn"], message["NewStateValue"]) == (topic, state)
            return message

        message = wait("it is told", told, SOON)
        assert message["AlarmName"] == name
        assert message["AlarmDescription"].endswith(f" {PROD.runbooks_url}/RestorePointTooOld.md")


def test_what_fails_is_kept_in_a_queue(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """For two weeks, encrypted, by TLS alone: Lambda and the schedule bring there what they gave up."""
    aws, url = operator.aws, operator.physical("AWS::SQS::Queue", "Watch")
    function, group = (
        operator.physical("AWS::Lambda::Function"),
        operator.physical("AWS::Scheduler::ScheduleGroup", "Watch"),
    )
    queue = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    given_up = aws.client("lambda").get_function_event_invoke_config(FunctionName=function)
    schedule = aws.client("scheduler").get_schedule(
        GroupName=group, Name=operator.physical("AWS::Scheduler::Schedule", "Watch")
    )
    (denied,) = json.loads(queue["Policy"])["Statement"]

    assert (queue["MessageRetentionPeriod"], queue["SqsManagedSseEnabled"]) == (str(14 * 24 * 3600), "true")
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert (given_up["MaximumRetryAttempts"], given_up["MaximumEventAgeInSeconds"]) == (2, 3600)
    assert given_up["DestinationConfig"]["OnFailure"] == {"Destination": queue["QueueArn"]}
    assert schedule["ScheduleExpression"] == "rate(1 hour)"
    assert schedule["Target"]["DeadLetterConfig"] == {"Arn": queue["QueueArn"]}
    assert schedule["Target"]["Arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    assert json.loads(schedule["Target"]["Input"]) == {"time": "<aws.scheduler.scheduled-time>"}


def test_schedules_of_the_group_alone_start_it(operator: Operator, deployed: dict[str, dict[str, Any]]) -> None:
    """By the role that the schedule has, which starts this function and gives up into this queue, and no more."""
    group = operator.physical("AWS::Scheduler::ScheduleGroup", "Watch")
    taken, policy = operator.roles(STACK)[SCHEDULES]
    (statement,) = taken["Statement"]
    assert statement["Condition"]["StringEquals"] == {
        "aws:SourceAccount": ACCOUNT,
        "aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{group}",
    }
    assert {each["Action"] for each in policy["Statement"]} == {"lambda:InvokeFunction", "sqs:SendMessage"}


def test_the_code_that_is_deployed_says_what_it_finds(
    operator: Operator, deployed: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """As the template names it and CDK has published it, with the environment that is deployed: of each replica."""
    aws = operator.aws
    (resource,) = (
        each for each in operator.template(STACK)["Resources"].values() if each["Type"] == "AWS::Lambda::Function"
    )
    function = aws.client("lambda").get_function(FunctionName=operator.physical("AWS::Lambda::Function"))
    made = function["Configuration"]
    place = {"Bucket": f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}", "Key": resource["Properties"]["Code"]["S3Key"]}
    packed = aws.client("s3").get_object(**place)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(packed)) as code:
        assert {each for each in code.namelist() if not each.endswith("/")} == {f"constructs_lib/{f}" for f in FILES}
        code.extractall(tmp_path)
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(packed).digest()).decode()
    assert (made["Runtime"], made["Timeout"], made["MemorySize"]) == ("python3.14", 900, 1024)

    environment = {**aws.environment, **made["Environment"]["Variables"]}
    command = [sys.executable, "-P", "-c", CALL, made["Handler"], str(tmp_path)]
    event = json.dumps({"time": "2026-11-28T02:00:00Z"})
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, input=event, text=True)
    told = aws.client("cloudwatch").list_metrics(Namespace="constructs-lib/backup")["Metrics"]
    named = [(each["MetricName"], {d["Name"]: d["Value"] for d in each["Dimensions"]}) for each in told]
    assert {(metric, "/".join(said[name] for name in REPLICA)) for metric, said in named} == {
        (metric, source) for source in SOURCES for metric in ("RestorePointWhole", "RestorePointPutOff")
    }


def test_a_change_is_made_in_place(
    operator: Operator, deployed: dict[str, dict[str, Any]], changed: dict[str, dict[str, Any]]
) -> None:
    """Points that are kept for 20 days: CloudFormation changes the bucket, tells the function, and replaces nothing."""
    events = operator.aws.client("cloudformation").describe_stack_events(StackName="MonitoringBackup-prod")
    touched = {e["LogicalResourceId"] for e in events["StackEvents"] if "CREATE" not in e["ResourceStatus"]}
    (bucket,) = (name for name, r in changed.items() if r["ResourceType"] == "AWS::S3::Bucket")
    physical = [
        {name: resource["PhysicalResourceId"] for name, resource in resources.items()}
        for resources in (deployed, changed)
    ]

    assert operator.stack("MonitoringBackup-prod")["StackStatus"] == "UPDATE_COMPLETE"
    (function,) = (name for name, r in changed.items() if r["ResourceType"] == "AWS::Lambda::Function")
    # AWS looks no secret up again while the template says the same of it; the stand-in does each time, and finds it so.
    (webhook,) = (name for name, r in operator.template(STACK)["Resources"].items() if WEBHOOK in json.dumps(r))
    assert touched == {bucket, function, webhook, "MonitoringBackup-prod"}
    assert physical[0] == physical[1]
    assert physical[1][bucket] == BACKUP
    assert expiry(operator.template("MonitoringBackup-prod")) == {"points": 20, "everything": 90}


def test_the_store_of_logs_comes_by_the_same_command(operator: Operator, changed: dict[str, dict[str, Any]]) -> None:
    """Loki deletes in its own bucket, too, all by itself: what it deletes is gone."""
    ((taken, policy),) = operator.roles("MonitoringStores-prod").values()
    arn, s3 = f"arn:aws:s3:::{LOGS}", operator.aws.client("s3")
    actions = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject")
    assert operator.stack("MonitoringStores-prod")["StackStatus"] == "CREATE_COMPLETE"
    assert allowed(policy) == {("s3:ListBucket", arn, ""), *((action, f"{arn}/*", "") for action in actions)}
    assert taken == taken_by(LOKI)
    assert operator.policy(LOGS) == tls_alone(LOGS)
    assert "Status" not in s3.get_bucket_versioning(Bucket=LOGS)


def test_volumes_are_made_before_the_manifests_know_them(operator: Operator, tmp_path: Path) -> None:
    """By the one command, while nothing can be applied yet; what the stack says is then a line of `.env`.

    The stand-in makes no volume for a stack, and no policy of snapshots. So EC2 is asked for each as the template has
    it, and takes it; its ids stand where the stack says none.
    """
    operator.deploy("MonitoringVolumes", **WITH_VOLUMES)
    stack, resources = operator.stack(VOLUMES), operator.resources(VOLUMES)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    out = {r["ResourceType"] for r in resources.values() if "not supported" in r.get("ResourceStatusReason", "")}
    assert out == {"AWS::EC2::Volume", "AWS::DLM::LifecyclePolicy"}

    template = operator.template(VOLUMES)
    (query,) = re.findall(rf"--stack-name {VOLUMES} --query '(.*?)'", (ROOT / "docs" / "operations.md").read_text())
    said = "\t".join(jmespath.search(query, {"Stacks": [stack]}))
    ec2, made = operator.aws.client("ec2"), {}
    for volume in (each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::EC2::Volume"):
        tags = volume.pop("Tags")
        asked = {**volume, "TagSpecifications": [{"ResourceType": "volume", "Tags": tags}]}
        claim = next(tag["Value"] for tag in tags if tag["Key"] == "Name").rpartition("/")[2]
        made[claim] = ec2.create_volume(**asked)
        said = said.replace(f'"{claim}":{{"id":"unknown"', f'"{claim}":{{"id":"{made[claim]["VolumeId"]}"')
    assert {(each["VolumeType"], each["Encrypted"], each["Iops"]) for each in made.values()} == {("gp3", True, 3000)}

    (tmp_path / ".env").write_text(f"CONSTRUCTS_PROD__STATIC_VOLUMES={said}\n")
    found = environments.load(env_file=str(tmp_path / ".env")).prod.static_volumes
    assert {claim: (each.id, each.zone) for claim, each in found.items()} == {
        claim: (each["VolumeId"], each["AvailabilityZone"]) for claim, each in made.items()
    }
    assert {claim[:-2] for claim in found} == {f"data-{each}" for each in (PROMETHEUS, "alertmanager", LOKI, "grafana")}


def test_a_diff_shows_what_has_changed_alone(operator: Operator, changed: dict[str, dict[str, Any]]) -> None:
    """Nothing when nothing has, of both stacks; and with the former setting, the days that would change back, twice."""
    with ThreadPoolExecutor() as both:
        same, other = both.map(lambda settings: operator.cdk("diff", "--fail", **settings), (CHANGED, SITE))

    changes = [line.partition("[")[2] for line in other.stdout.splitlines() if re.search(r"\[[-+~]\]", line)]
    assert same.returncode == 0, same.stdout
    assert "Number of stacks with differences: 0" in same.stdout
    assert other.returncode == 1, other.stdout
    assert changes[0].startswith("~] AWS::S3::Bucket RestorePoints/")
    assert changes[1:3] == ["~] LifecycleConfiguration", "~] .Rules:"]
    assert [change.split() for change in changes[3:5]] == [
        ["-]", '"ExpirationInDays":', "20,"],
        ["+]", '"ExpirationInDays":', "30,"],
    ]
    assert changes[5].startswith("~] AWS::Lambda::Function Watch/")
    assert changes[6:9] == ["~] Environment", "~] .Variables:", "~] .WATCHED:"]
    told = [(change[0], json.loads(change[2:])["keep"]) for change in changes[9:]]
    assert told == [("-", 20 * 24 * 3600), ("+", 30 * 24 * 3600)]


def test_what_is_stored_stays_when_the_stack_goes(operator: Operator, destroyed: dict[str, dict[str, Any]]) -> None:
    """The bucket, its policy and the restore point do, which has come through the change; roles and all else go."""
    with pytest.raises(ClientError, match=r"MonitoringBackup-prod.* does not exist"):
        operator.stack("MonitoringBackup-prod")
    s3 = operator.aws.client("s3")
    assert s3.get_object(Bucket=BACKUP, Key=POINT)["Body"].read() == b"a restore point"
    assert s3.get_bucket_versioning(Bucket=BACKUP)["Status"] == "Enabled"
    assert operator.policy(BACKUP) == tls_alone(BACKUP)
    roles = {r["PhysicalResourceId"] for r in destroyed.values() if r["ResourceType"] == "AWS::IAM::Role"}
    assert not roles & {role["RoleName"] for role in operator.aws.client("iam").list_roles()["Roles"]}
    assert operator.aws.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert operator.aws.client("lambda").list_functions()["Functions"] == []
    assert operator.aws.client("sns").list_topics()["Topics"] == []
