"""cdk-nag's rules of AwsSolutions over all stacks: nothing is found but what is acknowledged with its reason."""

import json
import tempfile
from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from cdk_nag import AwsSolutionsChecks

from apps import aws, environments
from constructs_lib.aws import BackupPipeline, ObjectStore
from tests.aws.synthesized import KEY, LOKI, PAIR, POINTS, PROMETHEUS, REGION, STORE, TRUSTED

PACK = "AwsSolutions"
PIPELINE, WATCH = "MonitoringBackup/RestorePoints", "MonitoringBackup/Watch"
Build = Callable[[cdk.App], object]


def committed(app: cdk.App) -> None:
    """The stacks of production."""
    values = environments.PROD
    assert len(aws.stacks(app, "prod", values)) == 2


def with_volumes(app: cdk.App) -> None:
    """The stacks of production where a site has AWS make its volumes, and snapshots of them."""
    values = environments.PROD.but(volume_zones=("us-east-1a", "us-east-1b", "us-east-1c"), volume_snapshots_at=time(3))
    assert len(aws.stacks(app, "prod", values)) == 3


def with_key(app: cdk.App) -> None:
    """What the library makes with a key."""
    stack = cdk.Stack(app, "Keyed", env=cdk.Environment(region=REGION))
    key = kms.Key.from_key_arn(stack, "Key", KEY)
    ObjectStore(stack, "Logs", bucket=STORE, identity=LOKI, encryption_key=key)
    BackupPipeline(stack, "Points", restore_points=POINTS, replicas={PROMETHEUS: PAIR}, encryption_key=key)


def by_token(app: cdk.App) -> None:
    """What the library makes where roles are had by web identity."""
    stack = cdk.Stack(app, "Trusting", env=cdk.Environment(region=REGION))
    ObjectStore(stack, "Logs", bucket=STORE, identity=LOKI, web_identity=TRUSTED)
    BackupPipeline(stack, "Points", restore_points=POINTS, replicas={PROMETHEUS: PAIR}, web_identity=TRUSTED)


def public(app: cdk.App) -> None:
    """What no construct of ours would be."""
    cdk.aws_s3.Bucket(cdk.Stack(app, "Open"), "Bucket")


def found(build: Build) -> set[tuple[str, str]]:
    """The rules that are broken and not acknowledged, each with what breaks it."""
    with tempfile.TemporaryDirectory() as directory:
        app = cdk.App(outdir=directory, analytics_reporting=False, builtin_cloud_formation_validation=False)
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        build(app)
        try:
            app.synth()
        except RuntimeError as error:  # what was found is in the report
            assert "ValidationFailed" in str(error)  # noqa: PT017
        report: dict[str, Any] = json.loads((Path(directory) / "validation-report.json").read_text())
    (of_pack,) = (plugin for plugin in report["pluginReports"] if plugin["pluginName"] == PACK)
    return {
        (violation["ruleName"], construct["constructPath"])
        for violation in of_pack["violations"]
        for construct in violation["violatingConstructs"]
    }


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Acknowledgements are told to nobody, but collected."""
    told: list[str] = []

    def acknowledge(_: cdk.Validations, *rules: cdk.Acknowledgment) -> None:
        assert all(len(rule.reason) > 50 for rule in rules)
        told.extend(rule.id.removeprefix(f"{PACK}::") for rule in rules)

    monkeypatch.setattr(cdk.Validations, "acknowledge", acknowledge)
    return told


@pytest.mark.parametrize("build", [committed, with_volumes, with_key, by_token], ids=lambda build: build.__name__)
def test_nothing_is_found(build: Build) -> None:
    """In the stacks as they are rendered, with volumes, with keys, and with roles by web identity."""
    assert found(build) == set()


def test_something_would_be_found() -> None:
    """The pack looks at what it is shown: a bucket of the CDK's defaults."""
    assert {rule for rule, _ in found(public)} == {"AwsSolutions-S1", "AwsSolutions-S10"}


def test_each_acknowledgement_is_needed_and_stands_beside_what_it_is_for(unheard: list[str]) -> None:
    """Without them, exactly this is found: access logs of each bucket, the objects below each prefix, metrics, which
    have no names there, queues whose messages say nothing, and one whose messages nothing takes.
    """
    without = found(committed)
    assert {rule for rule, _ in without} == set(unheard)
    assert sorted((rule.partition("[")[0], construct) for rule, construct in without) == [
        *(
            ("AwsSolutions-IAM5", f"{PIPELINE}/insurance-lead-gen-prod--monitoring--{each}/Role/DefaultPolicy/Resource")
            for each in ("grafana-backup", *3 * ["prometheus--restore-drill"], *3 * ["prometheus"])
        ),
        *4 * [("AwsSolutions-IAM5", f"{WATCH}/Role/DefaultPolicy/Resource")],
        ("AwsSolutions-IAM5", "MonitoringStores/Logs/User/Role/DefaultPolicy/Resource"),
        ("AwsSolutions-S1", f"{PIPELINE}/Bucket/Resource/Resource"),
        ("AwsSolutions-S1", "MonitoringStores/Logs/Bucket/Resource/Resource"),
        *(
            (
                "AwsSolutions-SQS3",
                f"MonitoringBackup/Schedule/insurance-lead-gen-prod_monitoring_prometheus-{ordinal}/Queue/Resource",
            )
            for ordinal in range(2)
        ),
        ("AwsSolutions-SQS3", f"{WATCH}/DeadLetters/Resource"),
    ]
