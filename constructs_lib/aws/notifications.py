"""Who is told when an alarm of CloudWatch begins, and when it is over."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from constructs_lib.aws.places import differ
from constructs_lib.errors import ConstructError

CLOUDWATCH = "cloudwatch.amazonaws.com"
# What SNS asks of whoever publishes to a topic that is encrypted.
WITH_KEY = ["kms:Decrypt", "kms:GenerateDataKey*"]


class Notifications(Construct):
    """A topic of SNS that alarms of its account and region publish to, by TLS alone, encrypted by a key of KMS.

    SNS asks each subscriber first, and tells nobody who has not said yes within 48 hours: a person follows a link, a
    webhook the SubscribeURL that it is sent. Slack and Teams do not, nor do they read what SNS says.

    The URL of a webhook is a credential, so it is not in the template: it is the value of a secret, which whoever
    deploys may read. A URL that changes gets a secret of another name: CloudFormation looks nothing up again while the
    template says the same.

    Its own key goes with the stack: what it encrypted was delivered within hours, and KMS deletes no key at once.

    Args:
        emails: Addresses of people; they stand in the template.
        https: Names of secrets of Secrets Manager, in the stack's account and region, each of which is an https URL.
        encryption_key: Of KMS, made in the same app, in the stack's region; one of its own when absent.
    Raises:
        ConstructError: nobody to tell, somebody twice, an address that is none, a URL in place of a secret's name, a
            key of another region, or one whose policy cannot say that alarms may use it.
    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        emails: Sequence[str] = (),
        https: Sequence[str] = (),
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._refuse_subscribers(emails, https)
        self._refuse_place(encryption_key)
        key = encryption_key or kms.Key(
            self,
            "Key",
            description=f"Of the notifications {self.node.path}.",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic: sns.ITopic = topic
        # A policy replaces the one that SNS gives to each topic, so it has to name them.
        topic.add_to_resource_policy(self._statement(["sns:Publish"], topic.topic_arn))
        if not key.add_to_resource_policy(self._statement(WITH_KEY, "*")).statement_added:
            raise ConstructError(
                f"no alarm could tell {self.node.path} anything: CloudWatch must be let use its key by that key's "
                "policy, which is not this app's to change; give a key that the app makes, or leave it out"
            )
        for protocol, name, endpoint in (
            *((sns.SubscriptionProtocol.EMAIL, address, address) for address in emails),
            *((sns.SubscriptionProtocol.HTTPS, name, _value_of(name)) for name in https),
        ):
            sns.Subscription(self, f"{protocol.value}:{name}", topic=topic, protocol=protocol, endpoint=endpoint)
        self._stack, self._action = cdk.Stack.of(self), actions.SnsAction(topic)
        self._told: set[cloudwatch.AlarmBase] = set()

    def add_alarm(self, alarm: cloudwatch.AlarmBase) -> None:
        """Tell all who are subscribed when an alarm begins, and when it is over. Idempotent.

        Raises:
            ConstructError: an alarm of another region or account, which could not publish here.
        """
        if alarm in self._told:
            return
        here, there = self._stack, cdk.Stack.of(alarm)
        for what, mine, its in (
            () if here is there else (("region", here.region, there.region), ("account", here.account, there.account))
        ):
            if differ(mine, its):
                raise ConstructError(
                    f"the alarm {alarm.node.path} is in {its}, but {self.node.path} is told of those in {mine}: use "
                    f"notifications of its own {what}"
                )
        self._told.add(alarm)
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)

    def _statement(self, allowed: Sequence[str], resource: str) -> iam.PolicyStatement:
        """CloudWatch may do this for alarms of the stack's account and region, and for nobody else's."""
        stack = cdk.Stack.of(self)
        alarms = stack.format_arn(
            service="cloudwatch", resource="alarm", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        conditions: dict[str, Any] = {
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": alarms},
        }
        return iam.PolicyStatement(
            sid="Alarms",
            principals=[iam.ServicePrincipal(CLOUDWATCH)],
            actions=list(allowed),
            resources=[resource],
            conditions=conditions,
        )

    def _refuse_subscribers(self, emails: Sequence[str], https: Sequence[str]) -> None:
        if not emails and not https:
            raise ConstructError(
                f"nobody hears of the alarms of {self.node.path}: give an address of email, or the secret of a webhook"
            )
        for address in emails:
            if not re.fullmatch(r"[\w.+-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+", address, re.ASCII):
                raise ConstructError(f"{address!r} is no address of email: use one such as 'team@example.com'")
        for name in https:
            if "://" in name:  # which is not repeated: whoever knows it can write there
                raise ConstructError(
                    f"a webhook of {self.node.path} is given by its URL, a credential that would stand in the "
                    "template: keep it, with https, in a secret of Secrets Manager, and give the secret's name"
                )
            # An ARN would be that of a single account, and finds nothing where it lacks the last six characters:
            # https://github.com/aws/aws-cdk/issues/18354
            if not re.fullmatch(r"[\w/+=.@-]{1,512}", name, re.ASCII):
                raise ConstructError(
                    f"{name!r} cannot be a secret of Secrets Manager: use its name, up to 512 letters, digits and "
                    "/_+=.@-"
                )
        for name, count in Counter([*(address.lower() for address in emails), *https]).items():
            if count > 1:
                raise ConstructError(f"{name} is subscribed to {self.node.path} twice: name it once")

    def _refuse_place(self, key: kms.IKey | None) -> None:
        stack = cdk.Stack.of(self).region
        place = key.env.region if key else stack
        if differ(stack, place):
            raise ConstructError(
                f"the notifications {self.node.path} are in {stack}, but the key that they are given is in {place}: "
                "use one region"
            )


def _value_of(secret: str) -> str:
    """What CloudFormation replaces by the secret: who may list the topic's subscriptions sees it, a template does not.

    Source: https://github.com/aws/aws-cdk/pull/2938
    """
    return cdk.SecretValue.secrets_manager(secret).unsafe_unwrap()
