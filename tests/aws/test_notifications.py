"""Notifications: who may publish, who is told, and what is refused."""

from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms

from constructs_lib.aws import Notifications
from constructs_lib.errors import ConstructError
from tests.aws.synthesized import KEY as IMPORTED
from tests.aws.synthesized import REGION, arn, only, template
from tests.aws.test_nag import found, public
from tests.aws.test_policies import decided, policy

TOPIC, TOPIC_POLICY, SUBSCRIPTION = "AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"
KEY, ALARM = "AWS::KMS::Key", "AWS::CloudWatch::Alarm"
TEAM, WEBHOOK = "platform@example.com", "monitoring/webhook"
PASSWORD = "T0Ps3cr3t"  # noqa: S105  # of a URL that is refused
MINE, STRANGER = "111122223333", "444455556666"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{MINE}:told"
ACCOUNT = {"Ref": "AWS::AccountId"}
OF_ALARMS = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnLike": {
        "aws:SourceArn": {
            "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":cloudwatch:{REGION}:", ACCOUNT, ":alarm:*"]]
        }
    },
}
MAY_USE_THE_KEY = {
    "Sid": "Alarms",
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "*",
    "Condition": OF_ALARMS,
}


def notifications(scope: cdk.Stack, id: str = "Notifications", **more: Any) -> Notifications:
    return Notifications(scope, id, **(more or {"emails": [TEAM]}))


def alarm(scope: cdk.Stack, id: str = "Alarm") -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(namespace="Backups", metric_name="Age")
    return cloudwatch.Alarm(scope, id, metric=metric, evaluation_periods=1, threshold=1)


def subscribed(**to: Any) -> set[tuple[str, Any]]:
    """Protocol and endpoint of each subscription."""
    made = template(lambda stack: notifications(stack, **to)).find_resources(SUBSCRIPTION)
    return {(each["Properties"]["Protocol"], each["Properties"]["Endpoint"]) for each in made.values()}


@pytest.fixture(scope="module")
def made() -> assertions.Template:
    """One address, and a key of its own."""
    return template(notifications)


def test_alarms_of_this_account_and_region_may_publish_and_nothing_without_tls(made: assertions.Template) -> None:
    """Exactly this: no other service, no other account, and nobody by plain HTTP."""
    (topic,) = made.find_resources(TOPIC)
    assert only(made, TOPIC_POLICY)["Properties"] == {
        "Topics": [{"Ref": topic}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AllowPublishThroughSSLOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sns:Publish",
                    "Resource": {"Ref": topic},
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    "Sid": "Alarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": {"Ref": topic},
                    "Condition": OF_ALARMS,
                },
            ],
        },
    }


@pytest.mark.trap(102)
def test_a_topic_is_encrypted_by_a_key_that_alarms_may_use(made: assertions.Template) -> None:
    """Renewed every year; without its second statement no alarm is delivered, and nobody is told that."""
    assert only(made, TOPIC)["Properties"] == {"KmsMasterKeyId": arn(made, KEY)}
    key = only(made, KEY)
    assert key["Properties"]["EnableKeyRotation"] is True
    administrator, used = key["Properties"]["KeyPolicy"]["Statement"]
    assert administrator["Principal"] == {
        "AWS": {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::", ACCOUNT, ":root"]]}
    }
    assert used == MAY_USE_THE_KEY


def plain(value: Any) -> Any:
    """What CloudFormation makes of a policy in the account that is mine."""
    match value:
        case {"Fn::Join": [between, parts]}:
            return between.join(map(plain, parts))
        case {"Ref": name}:
            return {"AWS::Partition": "aws", "AWS::AccountId": MINE}.get(name, TOPIC_ARN)
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case list():
            return [plain(each) for each in value]
    return value


def asked(action: str, statements: Any, *, who: str = "cloudwatch.amazonaws.com", **context: str) -> dict[str, Any]:
    """A request for an alarm of mine by TLS, or of what else is said, as the evaluator takes it."""
    said = {"source_account": MINE, "secure_transport": "true", **context}
    said = {"source_arn": f"arn:aws:cloudwatch:{REGION}:{said['source_account']}:alarm:old", **said}
    keys = {"source_account": "aws:SourceAccount", "source_arn": "aws:SourceArn"}
    what = TOPIC_ARN if action.startswith("sns:") else IMPORTED
    return {
        "request": {
            "principal": who,
            "action": action,
            "resource": {"resource": what, "accountId": MINE},
            "contextVariables": {keys.get(key, "aws:SecureTransport"): value for key, value in said.items()},
        },
        "identityPolicies": [],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "resourcePolicy": policy(*plain(statements)),
    }


@pytest.mark.trap(101)
def test_nobody_but_alarms_of_this_account_can_publish(made: assertions.Template) -> None:
    """As an evaluator of IAM's policies decides, of the topic and of the key: anything else is denied."""
    policies = {
        "sns:Publish": only(made, TOPIC_POLICY)["Properties"]["PolicyDocument"]["Statement"],
        "kms:GenerateDataKey": only(made, KEY)["Properties"]["KeyPolicy"]["Statement"],
        "kms:Decrypt": only(made, KEY)["Properties"]["KeyPolicy"]["Statement"],
    }
    for action, statements in policies.items():
        assert decided(
            [
                asked(action, statements),
                asked(action, statements, source_account=STRANGER),
                asked(action, statements, source_arn=f"arn:aws:cloudwatch:us-east-1:{MINE}:alarm:old"),
                asked(action, statements, source_arn=f"arn:aws:s3:::{MINE}:alarm:old"),
                asked(action, statements, who="events.amazonaws.com"),
                asked(action, statements, who=f"arn:aws:iam::{STRANGER}:user/administrator"),
            ]
        ) == ["Allowed", *["ImplicitlyDenied"] * 5]
    publish = policies["sns:Publish"]
    assert decided([asked("sns:Publish", publish, secure_transport="false")]) == ["ExplicitlyDenied"]
    assert decided([asked("sns:Publish", publish[:1])]) == ["ImplicitlyDenied"]  # as the CDK leaves it
    assert decided([asked("kms:Decrypt", policies["kms:Decrypt"][:1])]) == ["ImplicitlyDenied"]


def test_its_own_key_goes_with_the_stack_and_not_at_once(made: assertions.Template) -> None:
    """KMS keeps it for its longest time, 30 days, unless it is told otherwise."""
    key = only(made, KEY)
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("Delete", "Delete")
    assert "PendingWindowInDays" not in key["Properties"]


def test_a_key_of_the_app_is_told_the_same() -> None:
    """One key for several things, and no other is made."""

    def build(stack: cdk.Stack) -> None:
        key = kms.Key(stack, "Shared", enable_key_rotation=True)
        for name in ("One", "Other"):
            notifications(stack, name, emails=[TEAM], encryption_key=key)

    keyed = template(build)
    assert only(keyed, KEY)["Properties"]["KeyPolicy"]["Statement"][1:] == [MAY_USE_THE_KEY]
    topics = keyed.find_resources(TOPIC).values()
    assert [topic["Properties"]["KmsMasterKeyId"] for topic in topics] == [arn(keyed, KEY)] * 2


@pytest.mark.trap(103)
def test_people_are_told_by_email_and_webhooks_by_a_url_that_the_template_does_not_have() -> None:
    """CloudFormation looks the URL up; the template says where."""
    assert subscribed(emails=[TEAM, "data@example.com"], https=[WEBHOOK]) == {
        ("email", TEAM),
        ("email", "data@example.com"),
        ("https", "{{resolve:secretsmanager:monitoring/webhook:SecretString:::}}"),
    }
    assert len(subscribed(https=[WEBHOOK, WEBHOOK.title()])) == 2  # names of secrets differ by their case


def test_who_is_subscribed_does_not_depend_on_the_others() -> None:
    """A subscription keeps its name when others come and go: a new one would have to be confirmed again."""

    def names(**to: Any) -> set[str]:
        return set(template(lambda stack: notifications(stack, **to)).find_resources(SUBSCRIPTION))

    assert names(emails=[TEAM]) < names(emails=["a@example.com", TEAM], https=[WEBHOOK])
    assert names(https=[WEBHOOK]) < names(emails=["a@example.com", TEAM], https=["a", WEBHOOK])


def test_an_alarm_tells_when_it_begins_and_when_it_is_over() -> None:
    """Once each, however often it is added."""

    def build(stack: cdk.Stack) -> None:
        told, rings = notifications(stack), alarm(stack)
        for _ in range(2):
            told.add_alarm(rings)

    rung = template(build)
    (topic,) = rung.find_resources(TOPIC)
    properties = only(rung, ALARM)["Properties"]
    assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": topic}]
    assert "InsufficientDataActions" not in properties


def test_several_alarms_tell_the_same() -> None:
    """What an alarm is made of does not matter."""

    def build(stack: cdk.Stack) -> None:
        told, one, other = notifications(stack), alarm(stack), alarm(stack, "Other")
        rule = cloudwatch.AlarmRule.any_of(one, other)
        for each in (one, other, cloudwatch.CompositeAlarm(stack, "Both", alarm_rule=rule)):
            told.add_alarm(each)

    rung = template(build)
    (topic,) = rung.find_resources(TOPIC)
    alarms = {**rung.find_resources(ALARM), **rung.find_resources("AWS::CloudWatch::CompositeAlarm")}
    assert [each["Properties"]["AlarmActions"] for each in alarms.values()] == [[{"Ref": topic}]] * 3


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"region": "us-east-1"}, f"is in us-east-1, but Here/Notifications is told of those in {REGION}: use "),
        ({"account": "444455556666"}, "is in 444455556666, but Here/Notifications is told of those in 111122223333: "),
    ],
    ids=["region", "account"],
)
def test_an_alarm_that_could_not_publish_here_is_refused(place: Mapping[str, str], sentence: str) -> None:
    """CloudWatch tells topics of its own region, and this one is told by those of its own account."""
    app = cdk.App(builtin_cloud_formation_validation=False)
    here = {"account": "111122223333", "region": REGION}
    told = notifications(cdk.Stack(app, "Here", env=cdk.Environment(**here)))
    with pytest.raises(ConstructError, match=f"^the alarm There/Alarm {sentence}"):
        told.add_alarm(alarm(cdk.Stack(app, "There", env=cdk.Environment(**{**here, **place}))))
    told.add_alarm(alarm(cdk.Stack(app, "Beside", env=cdk.Environment(**here))))


def test_a_key_of_another_region_is_refused() -> None:
    """SNS would refuse it when the topic is made."""
    app = cdk.App(builtin_cloud_formation_validation=False)
    key = kms.Key(cdk.Stack(app, "There", env=cdk.Environment(region="us-east-1")), "Key")
    here = cdk.Stack(app, "Here", env=cdk.Environment(region=REGION))
    sentence = f"the notifications Here/Notifications are in {REGION}, but the key that they are given is in us-east-1"
    with pytest.raises(ConstructError, match=f"^{sentence}: use one region$"):
        notifications(here, emails=[TEAM], encryption_key=key)


def with_imported_key(stack: cdk.Stack) -> None:
    notifications(stack, emails=[TEAM], encryption_key=kms.Key.from_key_arn(stack, "Key", IMPORTED))


def to(**who: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: notifications(stack, **{"emails": (), "https": (), **who})


REFUSED: Mapping[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "nobody": (
        to(),
        "nobody hears of the alarms of Stack/Notifications: give an address of email, or the secret of a webhook",
    ),
    "imported-key": (
        with_imported_key,
        "no alarm could tell Stack/Notifications anything: CloudWatch must be let use its key by that key's policy, ",
    ),
    "no-host": (to(emails=["team"]), "'team' is no address of email: use one such as 'team@example.com'"),
    "no-domain": (to(emails=["team@host"]), "'team@host' is no address of email"),
    "name-beside": (to(emails=["Team <team@example.com>"]), "'Team <team@example.com>' is no address of email"),
    "several": (to(emails=["a@example.com,b@example.com"]), "'a@example.com,b@example.com' is no address of email"),
    "twice": (
        to(emails=[TEAM, TEAM.title()]),
        "platform@example.com is subscribed to Stack/Notifications twice: name it once",
    ),
    "webhook-twice": (to(https=[WEBHOOK, WEBHOOK]), "monitoring/webhook is subscribed to Stack/Notifications twice"),
    "url": (
        to(https=[f"https://hooks.example.com/{PASSWORD}"]),
        "a webhook of Stack/Notifications is given by its URL, a credential that would stand in the template: keep ",
    ),
    "user": (to(https=[f"https://me:{PASSWORD}@hooks.example.com/sns"]), "a webhook of Stack/Notifications is given "),
    "query": (to(https=[f"https://hooks.example.com/sns?key={PASSWORD}"]), "a webhook of Stack/Notifications is given"),
    "plain": (to(https=[f"http://hooks.example.com/{PASSWORD}"]), "a webhook of Stack/Notifications is given by its "),
    "no-url": (
        to(https=[f"HTTPS://[{PASSWORD}"]),
        "a webhook of Stack/Notifications is given by its URL, a credential",
    ),
    "arn": (
        to(https=["arn:aws:secretsmanager:eu-central-1:111122223333:secret:webhook-a1b2c3"]),
        "'arn:aws:secretsmanager:eu-central-1:111122223333:secret:webhook-a1b2c3' cannot be a secret of Secrets ",
    ),
    "field": (to(https=["monitoring:url"]), "'monitoring:url' cannot be a secret of Secrets Manager: use its name, "),
    "no-name": (to(https=[""]), "'' cannot be a secret of Secrets Manager: use its name, up to 512 letters"),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_fail_later_is_refused(build: Callable[[cdk.Stack], object], sentence: str) -> None:
    """At once and in one sentence, where SNS or nobody would say it; what is in a URL is not repeated."""
    with pytest.raises(ConstructError, match=f"^{sentence}") as refusal:
        template(build)
    assert PASSWORD not in str(refusal.value)


def test_the_rules_of_cdk_nag_find_nothing() -> None:
    """With its own key, and with one that is given: what is found is all of a bucket beside them."""

    def build(app: cdk.App) -> None:
        public(app)
        stack = cdk.Stack(app, "Told", env=cdk.Environment(region=REGION))
        notifications(stack).add_alarm(alarm(stack))
        notifications(
            stack, "Keyed", https=[WEBHOOK], encryption_key=kms.Key(stack, "Shared", enable_key_rotation=True)
        )

    assert found(build) == found(public)
