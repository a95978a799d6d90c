"""Roles of service accounts: who gets them, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from constructs_lib.aws import PrivateBucket, ServiceAccountRole
from constructs_lib.contract import BucketAccess, Identity, Rights, WebIdentity
from constructs_lib.errors import ConstructError
from tests.aws.synthesized import ASSOCIATION, LOKI, POLICY, ROLE, STORE, TRUSTED, arn, only, statements, template

OTHER = replace(LOKI, service_account="ruler")


def role(
    scope: cdk.Stack, id: str = "Role", identity: Identity = LOKI, web_identity: WebIdentity | None = None
) -> ServiceAccountRole:
    return ServiceAccountRole(scope, id, identity=identity, web_identity=web_identity)


def by_token(scope: cdk.Stack, id: str = "Role", identity: Identity = LOKI) -> ServiceAccountRole:
    return role(scope, id, identity, TRUSTED)


def test_the_pods_of_the_service_account_get_the_role_and_nobody_else() -> None:
    """By EKS Pod Identity, which says whose pod it is; the account is the one that it is deployed to."""
    assert only(template(role), ROLE) == {
        "Type": ROLE,
        "Properties": {
            "Description": "Of loki in monitoring of the cluster blue.",
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "pods.eks.amazonaws.com"},
                        "Action": ["sts:AssumeRole", "sts:TagSession"],
                        "Condition": {
                            "StringEquals": {
                                "aws:SourceAccount": {"Ref": "AWS::AccountId"},
                                "aws:RequestTag/eks-cluster-name": "blue",
                                "aws:RequestTag/kubernetes-namespace": "monitoring",
                                "aws:RequestTag/kubernetes-service-account": "loki",
                            }
                        },
                    }
                ],
            },
        },
    }


@pytest.mark.trap(114)
def test_the_association_names_the_service_account() -> None:
    """Without an annotation there, without an issuer here; the session says whose it is, which the trust asks for."""
    made = template(role)
    assert only(made, ASSOCIATION) == {
        "Type": ASSOCIATION,
        "Properties": {
            "ClusterName": "blue",
            "Namespace": "monitoring",
            "ServiceAccount": "loki",
            "RoleArn": arn(made, ROLE),
        },
    }


def test_a_role_may_do_nothing_by_itself() -> None:
    """What it may do comes with each access."""
    template(role).resource_count_is(POLICY, 0)


def test_accesses_to_several_buckets_are_one_roles() -> None:
    """A service account has one role, and as many accesses as it needs."""

    def build(stack: cdk.Stack) -> None:
        made = role(stack)
        for name in ("acme-logs", "acme-ruler"):
            bucket = replace(STORE, name=name)
            private = PrivateBucket(stack, name, bucket=bucket, versioned=False)
            made.allow(private, BucketAccess(identity=LOKI, bucket=bucket, rights=Rights.READ))

    made = template(build)
    made.resource_count_is(ROLE, 1)
    assert len(statements(made)) == 4


@pytest.mark.parametrize("web_identity", [None, TRUSTED], ids=["pod-identity", "web-identity"])
def test_the_cdk_grants_to_it_as_to_a_role(web_identity: WebIdentity | None) -> None:
    """A bucket and a queue that another app has made: what is granted is in the policy of the role."""

    def build(stack: cdk.Stack) -> None:
        made = role(stack, web_identity=web_identity)
        s3.Bucket.from_bucket_name(stack, "Theirs", "acme-theirs").grant_read(made)
        queue = sqs.Queue(stack, "Queue")
        queue.grant_send_messages(made)

    made = template(build, account=TRUSTED.account)
    read, send = statements(made)
    assert "s3:GetObject*" in read["Action"]
    assert send["Action"] == ["sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
    (of_role,) = made.find_resources(ROLE)
    assert only(made, POLICY)["Properties"]["Roles"] == [{"Ref": of_role}]


def for_another(stack: cdk.Stack) -> None:
    bucket = PrivateBucket(stack, "Bucket", bucket=STORE, versioned=False)
    role(stack).allow(bucket, BucketAccess(identity=OTHER, bucket=STORE, rights=Rights.READ))


def twice(stack: cdk.Stack) -> None:
    role(stack)
    role(stack, "Again")


def named(**names: Any) -> Callable[[cdk.Stack], object]:
    return lambda stack: role(stack, identity=replace(LOKI, **names))


def test_a_role_by_web_identity_is_that_of_who_has_the_token() -> None:
    """By the name that the service account says, and by nothing of EKS."""
    made = template(by_token)
    assert only(made, ROLE) == {
        "Type": ROLE,
        "Properties": {
            "RoleName": "blue-monitoring-loki",
            "Description": "Of loki in monitoring of the cluster blue.",
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": f"arn:aws:iam::111122223333:oidc-provider/{TRUSTED.issuer}"},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {
                            "StringEquals": {
                                f"{TRUSTED.issuer}:sub": "system:serviceaccount:monitoring:loki",
                                f"{TRUSTED.issuer}:aud": "sts.amazonaws.com",
                            }
                        },
                    }
                ],
            },
        },
    }
    assert set(made.to_json()["Resources"]) == set(made.find_resources(ROLE))


def test_a_role_by_web_identity_is_made_in_its_account_alone() -> None:
    """Elsewhere it would have another ARN than the service account says: CloudFormation makes nothing there."""
    rules = template(by_token).to_json()["Rules"]
    (assertion,) = next(rule["Assertions"] for name, rule in rules.items() if "Account" in name)
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "AWS::AccountId"}, "111122223333"]}
    assert "Account" not in str(template(role).to_json()["Rules"])
    assert only(template(by_token, account="111122223333"), ROLE) == only(template(by_token), ROLE)


def test_clusters_of_two_regions_may_have_one_name() -> None:
    """EKS knows them apart, so a service account of each has its role; by token, a role has a name of the account's."""
    app = cdk.App(builtin_cloud_formation_validation=False)
    east, west, elsewhere = (
        cdk.Stack(app, name, env=cdk.Environment(account=account, region=region))
        for name, account, region in (
            ("East", "111122223333", "us-east-1"),
            ("West", "111122223333", "us-west-2"),
            ("Elsewhere", "444455556666", "us-east-1"),
        )
    )
    for stack in (east, west, elsewhere):
        ServiceAccountRole(stack, "Role", identity=LOKI)
    with pytest.raises(ConstructError, match="has two roles, at East/Role and East/Again"):
        ServiceAccountRole(east, "Again", identity=LOKI)
    by_token(east, "Token", replace(LOKI, service_account="prometheus"))
    with pytest.raises(ConstructError, match="would both have the role blue-monitoring-prometheus"):
        by_token(west, "Token", replace(LOKI, service_account="prometheus"))


REFUSED: Mapping[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "for-another": (
        for_another,
        "an access of blue/monitoring/ruler is granted to the role of blue/monitoring/loki: use the role of its own",
    ),
    "twice": (
        twice,
        "blue/monitoring/loki has two roles, at Stack/Role and Stack/Again, but EKS gives one to a service account: ",
    ),
    "by-token-twice": (
        lambda stack: (by_token(stack), by_token(stack, "Again")),
        "blue/monitoring/loki has two roles, at Stack/Role and Stack/Again, but EKS gives one to a service account: ",
    ),
    "long-name": (
        lambda stack: by_token(stack, identity=replace(LOKI, cluster="a" * 49)),
        "'a{49}-monitoring-loki' of 65 characters cannot be a role of IAM, which takes up to 64 letters, digits and ",
    ),
    "name-of-another": (
        lambda stack: (
            by_token(stack, identity=replace(LOKI, cluster="blue-eu")),
            by_token(stack, "Again", replace(LOKI, namespace="eu-monitoring")),
        ),
        "blue-eu/monitoring/loki and blue/eu-monitoring/loki would both have the role blue-eu-monitoring-loki: rename ",
    ),
    "no-cluster": (named(cluster=""), "'' cannot be a cluster of EKS: use up to 100 letters, digits, dashes and "),
    "dotted-cluster": (named(cluster="eu.blue"), "'eu.blue' cannot be a cluster of EKS: use up to 100 letters"),
    "long-cluster": (named(cluster="a" * 101), "'a{101}' cannot be a cluster of EKS: use up to 100 letters"),
    "namespace": (named(namespace="Monitoring"), "'Monitoring' cannot be a namespace: use up to 63 lower-case letters"),
    "account": (named(service_account="lo_ki"), "'lo_ki' cannot be a service account: use lower-case letters"),
}


@pytest.mark.parametrize(("build", "sentence"), REFUSED.values(), ids=list(REFUSED))
def test_what_would_fail_later_is_refused(build: Callable[[cdk.Stack], object], sentence: str) -> None:
    """At once and in one sentence, where EKS would say it, or nobody."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(build)


def test_a_stack_of_another_account_is_refused() -> None:
    """The role would not be the one that the service account names."""
    sentence = "names a role of the account 111122223333, but the stack is in 444455556666: use one account$"
    with pytest.raises(ConstructError, match=rf"^blue/monitoring/loki {sentence}"):
        template(by_token, account="444455556666")
    template(role, account="444455556666")


def test_the_same_account_in_another_cluster_is_another_one() -> None:
    """Two clusters, one app: each has its own role."""
    made = template(role, lambda stack: role(stack, "Green", replace(LOKI, cluster="green_1-A" + "a" * 91)))
    made.resource_count_is(ASSOCIATION, 2)
    named = template(by_token, lambda stack: by_token(stack, "Green", replace(LOKI, cluster="green")))
    assert {each["Properties"]["RoleName"] for each in named.find_resources(ROLE).values()} == {
        "blue-monitoring-loki",
        "green-monitoring-loki",
    }
