"""The pipeline of restore points: a bucket, a role for each origin, and who else may read."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from constructs_lib.aws import BackupPipeline
from constructs_lib.contract import Identity
from constructs_lib.errors import ConstructError
from constructs_lib.restore_points import Origin
from tests.aws.synthesized import (
    ASSOCIATION,
    BUCKET,
    KEY,
    POINTS,
    POLICY,
    PROMETHEUS,
    ROLE,
    TRUSTED,
    arn,
    below,
    only,
    statements,
    template,
)

GREEN = replace(PROMETHEUS, cluster="green")
DUMPS = replace(PROMETHEUS, component="grafana-backup", database=True)


def pipeline(scope: cdk.Stack, *origins: Origin, **more: Any) -> BackupPipeline:
    replicas = {each: each.replicas(1 if each.database else 2) for each in origins or (PROMETHEUS,)}
    settings = {"restore_points": POINTS, "replicas": replicas, **more}
    return BackupPipeline(scope, "Pipeline", **settings)


def listing(made: assertions.Template, prefix: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": arn(made, BUCKET),
        "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*"]}},
    }


def test_a_role_adds_and_reads_below_its_prefixes() -> None:
    """Blocks and points of its component, replicas of which are apart by their pods' names; it deletes nothing."""
    made = template(pipeline)
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    of_blocks, of_points = "blocks/blue/monitoring/prometheus/", "points/blue/monitoring/prometheus/"
    assert statements(made) == [
        {"Effect": "Allow", "Action": actions, "Resource": below(made, of_blocks)},
        listing(made, of_blocks),
        {"Effect": "Allow", "Action": actions, "Resource": below(made, of_points)},
        listing(made, of_points),
    ]


def test_the_service_account_is_that_of_the_component() -> None:
    """By its name, in its namespace and cluster; the bucket is that of the restore points."""
    made = template(pipeline)
    association = only(made, ASSOCIATION)["Properties"]
    assert {name: association[name] for name in ("ClusterName", "Namespace", "ServiceAccount")} == {
        "ClusterName": "blue",
        "Namespace": "monitoring",
        "ServiceAccount": "prometheus",
    }
    assert only(made, BUCKET)["Properties"]["BucketName"] == "acme-backup"


def test_each_origin_has_a_role_of_its_own() -> None:
    """A bucket that two clusters share shows neither what the other has."""
    made = template(lambda stack: pipeline(stack, PROMETHEUS, GREEN))
    made.resource_count_is(ROLE, 2)
    policies = [str(policy) for policy in made.find_resources(POLICY).values()]
    assert sorted(("blocks/blue/" in policy, "blocks/green/" in policy) for policy in policies) == [
        (False, True),
        (True, False),
    ]


def test_each_origin_may_come_by_web_identity() -> None:
    """Each by a token of its own service account."""
    made = template(lambda stack: pipeline(stack, PROMETHEUS, GREEN, web_identity=TRUSTED))
    made.resource_count_is(ASSOCIATION, 0)
    assert {each["Properties"]["RoleName"] for each in made.find_resources(ROLE).values()} == {
        "blue-monitoring-prometheus",
        "green-monitoring-prometheus",
    }


def reading_green(made: assertions.Template) -> list[dict[str, Any]]:
    """What lets somebody read the restore points of green's Prometheus, and use the key."""
    of_blocks, of_points = "blocks/green/monitoring/prometheus/", "points/green/monitoring/prometheus/"
    return [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": below(made, of_blocks)},
        listing(made, of_blocks),
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": below(made, of_points)},
        listing(made, of_points),
    ]


def test_somebody_else_may_be_let_restore() -> None:
    """A drill, or a person: reading what one origin has, and the key, and nothing else."""

    def build(stack: cdk.Stack) -> None:
        made = pipeline(stack, PROMETHEUS, GREEN, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY))
        made.grant_read(iam.User(stack, "Person"), GREEN)

    made = template(build)
    (policy,) = (each for name, each in made.find_resources(POLICY).items() if name.startswith("Person"))
    assert policy["Properties"]["PolicyDocument"]["Statement"] == reading_green(made)


def test_a_drill_has_a_role_that_reads_alone() -> None:
    """That of a service account of its own, in the cluster and namespace of whose points it tries."""

    def build(stack: cdk.Stack) -> None:
        made = pipeline(stack, PROMETHEUS, GREEN, encryption_key=kms.Key.from_key_arn(stack, "Key", KEY))
        assert made.add_drill(GREEN).identity == Identity(
            cluster="green", namespace="monitoring", service_account="restore-drill"
        )

    made = template(build)
    accounts = [each["Properties"] for each in made.find_resources(ASSOCIATION).values()]
    assert sorted((each["ClusterName"], each["ServiceAccount"]) for each in accounts) == [
        ("blue", "prometheus"),
        ("green", "prometheus"),
        ("green", "restore-drill"),
    ]
    (policy,) = (each for name, each in made.find_resources(POLICY).items() if "restoredrill" in name)
    assert policy["Properties"]["PolicyDocument"]["Statement"] == reading_green(made)


def test_a_drill_may_come_by_web_identity() -> None:
    """As the origins do, by the name that the other half expects."""

    def build(stack: cdk.Stack) -> None:
        pipeline(stack, web_identity=TRUSTED).add_drill(PROMETHEUS, service_account="rehearsal")

    assert {each["Properties"]["RoleName"] for each in template(build).find_resources(ROLE).values()} == {
        "blue-monitoring-prometheus",
        "blue-monitoring-rehearsal",
    }


def test_it_knows_the_replicas_of_all_that_others_are_made_for() -> None:
    """Those of some origins, or of all; where no agent runs, those of databases have no part in it."""
    found: list[Mapping[Origin, tuple[str, ...]]] = []

    def build(stack: cdk.Stack) -> None:
        made = pipeline(stack, PROMETHEUS, GREEN, DUMPS)
        found.extend((made.replicas_of(), made.replicas_of(databases=False), made.replicas_of([GREEN])))

    template(build)
    pair = ("prometheus-0", "prometheus-1")
    assert found == [
        {PROMETHEUS: pair, GREEN: pair, DUMPS: ("database",)},
        {PROMETHEUS: pair, GREEN: pair},
        {GREEN: pair},
    ]


def test_what_it_made_can_be_used() -> None:
    """The bucket and each origin's role are there, for a statement more, or an alarm."""

    def build(stack: cdk.Stack) -> None:
        made = pipeline(stack)
        made.roles[PROMETHEUS].role.add_to_policy(
            iam.PolicyStatement(actions=["sns:Publish"], resources=[made.bucket.resource.bucket_arn])
        )

    assert statements(template(build))[-1]["Action"] == "sns:Publish"


def nobody(stack: cdk.Stack) -> None:
    BackupPipeline(stack, "Pipeline", restore_points=POINTS, replicas={})


def stranger(stack: cdk.Stack) -> None:
    pipeline(stack).grant_read(iam.User(stack, "Person"), GREEN)


def wildcard(stack: cdk.Stack) -> None:
    pipeline(stack, replace(PROMETHEUS, component="*"))


def itself(stack: cdk.Stack) -> None:
    pipeline(stack).add_drill(PROMETHEUS, service_account="prometheus")


def drilled(stack: cdk.Stack) -> None:
    pipeline(stack).add_drill(GREEN)


def unmeant(stack: cdk.Stack) -> None:
    pipeline(stack, DUMPS).replicas_of(databases=False)


def savers(stack: cdk.Stack) -> None:
    pipeline(stack, PROMETHEUS, DUMPS).replicas_of([DUMPS], databases=False)


def again(stack: cdk.Stack) -> None:
    made = pipeline(stack)
    made.add_drill(PROMETHEUS)
    made.add_drill(PROMETHEUS, service_account="rehearsal")


REFUSED: Mapping[Callable[[cdk.Stack], None], str] = {
    again: "blue/monitoring/prometheus has the drill restore-drill already: one is enough, which tries its replicas in",
    nobody: "nobody makes the restore points in the bucket acme-backup: name an origin, or leave the bucket out",
    lambda stack: pipeline(stack, replicas={PROMETHEUS: ("prometheus-0", "prometheus-0")}) and None: (
        "the restore points of blue/monitoring/prometheus/prometheus-0 are there twice: name each replica once"
    ),
    lambda stack: pipeline(stack, replicas={PROMETHEUS: ()}) and None: (
        "blue/monitoring/prometheus has no replica: name those whose restore points there are, or leave it out"
    ),
    lambda stack: pipeline(stack, replicas={PROMETHEUS: ("thanos-0",)}) and None: (
        "'thanos-0' is no replica of blue/monitoring/prometheus: use the name of a pod, such as 'prometheus-0'"
    ),
    lambda stack: pipeline(stack, replicas={DUMPS: ("grafana-0",)}) and None: (
        "'grafana-0' is no replica of blue/monitoring/grafana-backup: use 'database', as it is a database"
    ),
    unmeant: "none of the restore points in acme-backup is meant: name some of blue/monitoring/grafana-backup",
    savers: "blue/monitoring/grafana-backup is a database, beside which no agent runs: leave it out",
    stranger: "there are no restore points of green/monitoring/prometheus, but of blue/monitoring/prometheus: use one ",
    drilled: "there are no restore points of green/monitoring/prometheus, but of blue/monitoring/prometheus: use one ",
    itself: "blue/monitoring/prometheus has two roles, at ",
    wildcard: r"'\*' cannot be a service account: use lower-case letters",
}


@pytest.mark.parametrize(
    ("build", "sentence"),
    REFUSED.items(),
    ids=[
        *("again", "nobody", "twice", "no-replica", "another", "no-database", "unmeant", "savers"),
        *("stranger", "drilled", "itself", "wildcard"),
    ],
)
def test_what_cannot_work_is_refused(build: Callable[[cdk.Stack], None], sentence: str) -> None:
    """At once and in one sentence."""
    with pytest.raises(ConstructError, match=f"^{sentence}"):
        template(build)
