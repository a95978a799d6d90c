"""Accounts and regions: what is known of them when rendered, and what CloudFormation asserts when it deploys."""

import aws_cdk as cdk
from constructs import Construct


def differ(one: str, another: str) -> bool:
    """Whether two accounts or regions are known to be two: one that is not known yet may be any."""
    return one != another and not cdk.Token.is_unresolved(one) and not cdk.Token.is_unresolved(another)


def assert_when_deployed(scope: Construct, id: str, condition: cdk.ICfnRuleConditionExpression, sentence: str) -> None:
    """Have CloudFormation refuse all of the stack, before it makes anything, where a condition does not hold.

    Args:
        scope: What it is about.
        id: Of the rule.
        condition: What must hold.
        sentence: What is said where it does not, without the period.
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
    """
    cdk.CfnRule(scope, id, assertions=[cdk.CfnRuleAssertion(assert_=condition, assert_description=f"{sentence}.")])
