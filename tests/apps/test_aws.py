"""The AWS half as it is called: by the command line of CDK, and by rendering; and what is committed of it."""

import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from configparser import RawConfigParser
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml
from aws_cdk import assertions

from apps import assembly
from apps.aws import new_app, stacks
from apps.environment import Environment
from apps.environments import DEV, PROD, STAGING
from constructs_lib.errors import ConstructError
from tests.alarms import seen
from tests.apps.test_external_secrets import OF_RDS, SERVER_OF_RDS
from tests.apps.test_kube import assembled as assembled_manifests
from tests.apps.test_synth import all_settings, environment
from tests.rendered import DIST, ENVIRONMENTS, ROOT

CDK = ROOT / "node_modules" / ".bin" / "cdk"
SUFFIX = ".template.json"
REPORT = "validation-report.json"
STACKS = ["MonitoringBackup", "MonitoringStores"]
TEMPLATES = sorted(DIST.glob(f"*/aws/*{SUFFIX}"))


def templates(directory: Path) -> dict[str, Any]:
    """By the id of its stack, each template of a directory."""
    return {
        path.name.removesuffix(SUFFIX): json.loads(path.read_text()) for path in sorted(directory.glob(f"*{SUFFIX}"))
    }


def assembled(directory: Path, name: str, values: Environment) -> list[cdk.Stack]:
    """The stacks of an environment, of which nothing is written yet."""
    return stacks(new_app(directory), name, values)


def run(directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the app as the command line of CDK does, in a directory that has no `.env`."""
    command = [sys.executable, "-m", "apps.assembly"]
    settings = {"CDK_OUTDIR": str(directory / "out"), **settings}
    return subprocess.run(
        command, check=False, cwd=directory, env=environment(**settings), capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (PROD, ["MonitoringStores", "MonitoringBackup"]),
        (STAGING, ["MonitoringStores", "MonitoringBackup"]),
        (PROD.but(backup_bucket_suffix=None, grafana_backup=False), ["MonitoringStores"]),
        (PROD.but(logs_bucket_suffix=None), ["MonitoringBackup"]),
        (
            STAGING.but(volume_zones=("us-east-1a",)),
            ["MonitoringStores", "MonitoringVolumes", "MonitoringBackup"],
        ),
        (DEV, []),
        (DEV.but(volume_zones=("us-east-1a",)), ["MonitoringVolumes"]),
    ],
    ids=["prod", "staging", "no-backup", "logs-on-volumes", "volumes", "dev", "dev-with-volumes"],
)
def test_an_environment_has_the_stacks_that_it_needs(values: Environment, ids: list[str], tmp_path: Path) -> None:
    """By plain ids, right below the app: `cdk deploy MonitoringBackup` finds it."""
    assert [stack.node.path for stack in assembled(tmp_path, "site", values)] == ids


def test_environments_share_an_account(tmp_path: Path) -> None:
    """Stacks of two environments have two names: the one deployed later does not replace the other."""
    names = [
        stack.stack_name
        for name, values in (("prod", PROD), ("staging", STAGING))
        for stack in assembled(tmp_path / name, name, values)
    ]
    assert names == [
        *("MonitoringStores-prod", "MonitoringBackup-prod"),
        *("MonitoringStores-staging", "MonitoringBackup-staging"),
    ]


def test_a_stack_goes_where_its_buckets_are(tmp_path: Path) -> None:
    """Whatever region the operator's own settings name; the account is the one of the credentials."""
    (_, backup) = assembled(tmp_path, "prod", PROD.but(region="eu-west-3"))
    assert backup.region == "eu-west-3"
    assert cdk.Token.is_unresolved(backup.account)


def backup(directory: Path, values: Environment) -> dict[str, list[dict[str, Any]]]:
    """The stack of restore points as it is rendered: properties of its resources, by type."""
    app = cdk.App(outdir=str(directory), builtin_cloud_formation_validation=False)
    stacks(app, "site", values)
    app.synth()
    found: dict[str, list[dict[str, Any]]] = {}
    for each in templates(directory)["MonitoringBackup"]["Resources"].values():
        found.setdefault(each["Type"], []).append(each.get("Properties", {}))
    return found


def ages(made: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """Replica -> above how many seconds its newest restore point is too old."""
    return {
        metric.dimensions["Replica"]: alarm["Threshold"]
        for alarm in made["AWS::CloudWatch::Alarm"]
        if (metric := seen(alarm)).metric == "RestorePointAge"
    }


def test_those_hear_of_alarms_who_are_named(tmp_path: Path) -> None:
    """People by their addresses, and webhooks by a URL that CloudFormation looks up."""
    made = backup(tmp_path, PROD.but(alarm_emails=("a@example.com", "b@example.com"), alarm_https=("ours/webhook",)))
    assert {(each["Protocol"], each["Endpoint"]) for each in made["AWS::SNS::Subscription"]} == {
        ("email", "a@example.com"),
        ("email", "b@example.com"),
        ("https", "{{resolve:secretsmanager:ours/webhook:SecretString:::}}"),
    }
    assert all(each["AlarmActions"] == each["OKActions"] for each in made["AWS::CloudWatch::Alarm"])
    assert {len(each["AlarmActions"]) for each in made["AWS::CloudWatch::Alarm"]} == {1}


def test_each_alarm_leads_to_its_page(tmp_path: Path) -> None:
    """Below the same URL as alerts of the cluster."""
    made = backup(tmp_path, PROD.but(runbooks_url="https://r.example.com/pages/"))
    for alarm in made["AWS::CloudWatch::Alarm"]:
        assert re.search(r" https://r\.example\.com/pages/\w+\.md$", alarm["AlarmDescription"])


def test_with_nobody_to_tell_the_alarms_are_there(tmp_path: Path) -> None:
    """In staging nobody is woken, and no topic or key is paid for."""
    made = backup(tmp_path, STAGING)
    assert not {"AWS::SNS::Topic", "AWS::SNS::Subscription", "AWS::KMS::Key"} & set(made)
    of_replicas, of_the_watch, of_servers, of_drills = 3 * 2, 2, 4, 1
    assert len(made["AWS::CloudWatch::Alarm"]) == of_replicas + of_the_watch + of_servers + of_drills
    assert not any("AlarmActions" in each for each in made["AWS::CloudWatch::Alarm"])


def test_who_tells_cloudwatch_nothing_has_no_alarm_of_it(tmp_path: Path) -> None:
    """It would hear of silence for ever."""

    def alarms(name: str, **values: Any) -> set[str]:
        made = backup(tmp_path / name, PROD.but(**values))["AWS::CloudWatch::Alarm"]
        return {page.rpartition("/")[2] for page in (each["AlarmDescription"] for each in made)}

    of_servers = {f"Prometheus{each}.md" for each in ("CpuHigh", "DiskAlmostFull", "MemoryHigh", "UsageUnknown")}
    everything = alarms("all")
    assert everything - alarms("nobody", cloudwatch_at=()) == of_servers | {"RestoreDrillTooOld.md"}
    assert everything - alarms("undrilled", drill_storage_class=None) == {"RestoreDrillTooOld.md"}


def test_each_replica_is_too_old_when_it_is_in_the_cluster(tmp_path: Path) -> None:
    """A server by BACKUP_EVERY, and the database, which is saved every day, by that; without it, it is not watched."""
    often = {"backup_every": timedelta(hours=2)}
    assert ages(backup(tmp_path / "often", PROD.but(**often, prometheus_replicas=3))) == {
        **{f"prometheus-{ordinal}": 4 * 3600 for ordinal in range(3)},
        "database": 26 * 3600,
    }
    assert ages(backup(tmp_path / "one", STAGING.but(**often, grafana_backup=False))) == {"prometheus-0": 4 * 3600}


def test_each_server_is_started_at_the_time_of_the_day(tmp_path: Path) -> None:
    """By a queue of its own; the database is saved by its CronJob, and without a time nothing here starts anything."""
    own = {"AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "AWS::Scheduler::ScheduleGroup", "AWS::Scheduler::Schedule"}

    def made(name: str, **values: Any) -> tuple[set[str], set[tuple[str, str]], dict[str, int]]:
        found = backup(tmp_path / name, PROD.but(**values))
        started = [each for each in found["AWS::Scheduler::Schedule"] if each["Target"].get("Input") == "start"]
        return (
            {each["QueueName"] for each in found["AWS::SQS::Queue"] if "QueueName" in each},
            {(each["ScheduleExpression"], each["ScheduleExpressionTimezone"]) for each in started},
            {kind: len(found[kind]) for kind in sorted(own)},
        )

    queues = {f"insurance-lead-gen-prod_monitoring_prometheus-{ordinal}" for ordinal in range(3)}
    at = {"backup_at": time(23, 5), "backup_time_zone": "Europe/Berlin", "prometheus_replicas": 3}
    # What looks at restore points has one of each, too.
    assert made("at", **at)[:2] == (queues, {("cron(5 23 * * ? *)", "Europe/Berlin")})
    assert set(made("more", **at)[2].values()) == {2, 4}
    assert made("never", backup_at=None) == (set(), set(), dict.fromkeys(sorted(own), 1))


def test_a_time_of_the_day_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A zone that nobody knows, and points that are to be made less often than they are started."""
    with pytest.raises(ConstructError, match=r"started by the clock of 'Berlin', which is none of the .* time zones"):
        assembled(tmp_path, "prod", PROD.but(backup_time_zone="Berlin"))
    with pytest.raises(ConstructError, match=r"^backup_every is 1d12h, but backup_at starts a backup every day"):
        assembled(tmp_path, "prod", PROD.but(backup_every=timedelta(hours=36)))


def test_two_buckets_of_one_name_are_refused(tmp_path: Path) -> None:
    """What expires in the bucket of restore points would take the index of the logs with it."""
    with pytest.raises(ConstructError, match=r"^there are two buckets replace-me-prod-logs, at MonitoringStores/Logs/"):
        assembled(tmp_path, "prod", PROD.but(backup_bucket_suffix=PROD.logs_bucket_suffix))


def test_both_halves_mean_the_same_database(tmp_path: Path) -> None:
    """Where the manifests look for the password, the template has put it; who logs in, to what, and by which port."""
    values = PROD.but(**OF_RDS, secret_store="aws", grafana_postgres_host=SERVER_OF_RDS, grafana_postgres_port=5433)  # noqa: S106
    app = new_app(tmp_path / "aws")
    assert [stack.node.path for stack in stacks(app, "prod", values)] == [
        *("MonitoringStores", "MonitoringBackup", "MonitoringDatabase")
    ]
    app.synth()
    template = templates(tmp_path / "aws")["MonitoringDatabase"]
    found = {each["Type"]: each["Properties"] for each in template["Resources"].values()}
    server, secret = found["AWS::RDS::DBInstance"], found["AWS::SecretsManager::Secret"]
    objects = assembled_manifests(tmp_path / "k8s", values)
    (of_store,) = (
        each["remoteRef"]
        for each in objects.named("ExternalSecret", "grafana")["spec"]["data"]
        if each["secretKey"] == "postgres-password"
    )
    assert of_store == {"key": secret["Name"], "property": secret["GenerateSecretString"]["GenerateStringKey"]}
    (ini,) = (each["data"]["grafana.ini"] for each in objects.of("ConfigMap") if "grafana.ini" in each["data"])
    said = RawConfigParser()
    said.read_string(ini)
    # RDS adds the rest to the name of the server.
    assert said["database"]["host"].startswith(f"{server['DBInstanceIdentifier']}.")
    assert (said["database"]["host"].rpartition(":")[2], said["database"]["name"], said["database"]["user"]) == (
        *(server["Port"], server["DBName"], server["MasterUsername"]),
    )
    saver = objects.named("CronJob", "grafana-backup")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert any(f"library/postgres:{server['EngineVersion']}." in each["image"] for each in saver["initContainers"])


@pytest.mark.parametrize(("replicas", "zones"), [(2, True), (1, False)])
def test_a_database_survives_what_its_grafana_does(replicas: int, zones: bool, tmp_path: Path) -> None:
    """Where Grafana is one pod, a standby in another zone is not paid for."""
    app = new_app(tmp_path)
    (made,) = stacks(app, "dev", DEV.but(**OF_RDS, grafana_replicas=replicas, grafana_postgres_host="sql.example.com"))
    found = assertions.Template.from_stack(made).find_resources("AWS::RDS::DBInstance").values()
    assert [each["Properties"]["MultiAZ"] for each in found] == [zones]


def test_who_has_no_database_does_not_wait_for_its_types() -> None:
    """They are many, and the command line of CDK starts the app each time."""
    code = "import sys, apps.aws, constructs_lib.aws; print('aws_cdk.aws_rds' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_production_is_the_default(tmp_path: Path) -> None:
    """Started as the command line of CDK starts it, the app writes what is committed for production."""
    done = run(tmp_path, CDK_VALIDATION="false")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert templates(tmp_path / "out") == templates(DIST / "prod" / "aws")
    assert not (tmp_path / "out" / REPORT).exists()  # as was asked


def test_the_command_line_of_cdk_renders_another_environment(tmp_path: Path) -> None:
    """`cdk synth -c env=staging`, in the repository, with the settings of `cdk.json` and validation: the same again."""
    command = [CDK, "synth", "--quiet", "--no-notices", "-c", "env=staging", "--output", tmp_path]
    telling = {"CDK_DISABLE_CLI_TELEMETRY": "true", "CI": "true", "CDK_VALIDATION": "true"}
    done = subprocess.run(
        command, check=True, cwd=ROOT, env=environment(**all_settings(), **telling), capture_output=True, text=True
    )
    assert templates(tmp_path) == templates(DIST / "staging" / "aws")
    assert (tmp_path / REPORT).exists()
    assert "not configured" not in done.stdout + done.stderr  # of feature flags


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"CDK_CONTEXT_JSON": '{"env": "production"}'},
            "error: there is no environment 'production': use -c env= with one of dev, staging, prod",
        ),
        (
            {"CDK_CONTEXT_JSON": '{"env": "dev"}'},
            "error: the environment dev needs nothing of AWS: choose another one by -c env=",
        ),
        (
            {"CONSTRUCTS_PROD__BUCKET_PREFIX": "acme.com"},
            "error: the bucket acme.com-prod-logs has a dot in its name, for which S3 has no certificate, and takes "
            "TLS alone: use dashes",
        ),
        (
            {"CONSTRUCTS_PROD__BACKUP_KEEP": "soon"},
            "error: CONSTRUCTS_PROD__BACKUP_KEEP is 'soon': 'soon' is not a duration: use days, hours, minutes and "
            "seconds, such as '30d' or '1m30s'",
        ),
        (
            {"CONSTRUCTS_PROD__ALARM_EMAILS": "platform"},
            "error: 'platform' is no address of email: use one such as 'team@example.com'",
        ),
        (
            {"CONSTRUCTS_PROD__ALARM_HTTPS": "https://hooks.example.com/T0/B0/secret"},
            "error: a webhook of MonitoringBackup/Alarms is given by its URL, a credential that would stand in the "
            "template: keep it, with https, in a secret of Secrets Manager, and give the secret's name",
        ),
    ],
    ids=["unknown", "without-aws", "refused-by-a-construct", "refused-setting", "no-address", "no-secret"],
)
def test_a_refusal_is_one_sentence(settings: dict[str, str], sentence: str, tmp_path: Path) -> None:
    """No traceback, an exit code, and nothing that could be deployed."""
    done = run(tmp_path, **settings)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{sentence}\n")
    assert templates(tmp_path / "out") == {}


@pytest.mark.parametrize("started", [list, assembly.validation], ids=["when-written", "before"])
def test_what_is_rendered_is_validated(
    started: Callable[[], list[cdk.CloudFormationValidatePlugin]], tmp_path: Path
) -> None:
    """CDK's own validation is on: what CloudFormation would refuse gets neither into dist/ nor to the command line."""
    plugins = started()
    app = new_app(tmp_path)
    cdk.Validations.of(app).add_plugins(*plugins)
    stack = cdk.Stack(app, "Stack")
    cdk.CfnResource(stack, "Bucket", type="AWS::S3::Bucket", properties={"BucketName": "No_Bucket"})
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()


# --- what is committed


def test_every_environment_that_needs_aws_has_its_templates() -> None:
    """And the one that does not has no directory for them."""
    assert {name: list(templates(DIST / name / "aws")) for name in ENVIRONMENTS} == {
        "dev": [],
        "prod": STACKS,
        "staging": STACKS,
    }
    assert not (DIST / "dev" / "aws").exists()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_kubernetes_is_not_told_of_templates(name: str) -> None:
    """`kubectl apply -k` would choke on them."""
    assert "aws" not in (DIST / name / "kustomization.yaml").read_text()
    assert list(yaml.safe_load((DIST / name / "kustomization.yaml").read_text())["resources"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(DIST)))
def test_a_template_is_of_no_account_and_no_machine(path: Path) -> None:
    """No numbers of accounts, no paths; of CDK's bootstrap and of what is published there, nothing but the code."""
    text = path.read_text()
    assert not re.search(r"\b\d{12}\b", text)
    assert not re.search(r"CDKMetadata|aws:cdk:|aws:asset", text)
    assert str(ROOT) not in text
    assert "/home/" not in text
    sections, published = {"Description", "Resources", "Rules"}, []
    if path.name.startswith("MonitoringBackup"):
        sections, published = {*sections, "Parameters"}, ["AWS::Lambda::Function"]
    template = json.loads(text)
    assert set(template) == sections
    bootstrapped = re.compile(r"cdk-hnb659fds|[0-9a-f]{32}")
    named = [each["Type"] for each in template["Resources"].values() if bootstrapped.search(json.dumps(each))]
    assert named == published
    assert set(template.get("Parameters", {})) == ({"BootstrapVersion"} if published else set())


@pytest.mark.trap(115)
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(DIST)))
def test_the_committed_templates_are_refused_until_a_prefix_is_chosen(path: Path, tmp_path: Path) -> None:
    """By a comparison that CloudFormation makes first; the same stack with a prefix of the site's passes."""
    values = {"prod": PROD, "staging": STAGING}[path.parent.parent.name]
    app = cdk.App(outdir=str(tmp_path), builtin_cloud_formation_validation=False)
    stacks(app, "site", values.but(bucket_prefix="acme"))
    app.synth()
    chosen = templates(tmp_path)[path.name.removesuffix(SUFFIX)]

    def passes(template: Any) -> list[bool]:
        asserted = [assertion["Assert"] for rule in template["Rules"].values() for assertion in rule["Assertions"]]
        denied = [each["Fn::Not"][0] for each in asserted if "Fn::Not" in each]
        compared = [each["Fn::Equals"] for each in denied if "Fn::Equals" in each]
        return [one != other for one, other in compared]

    assert passes(json.loads(path.read_text())) == [False]
    assert passes(chosen) == [True]
    assert "replace-me" in path.read_text()
    assert "acme-" in json.dumps(chosen["Resources"])


def test_feature_flags_are_those_that_are_recommended() -> None:
    """By the CDK whose version is pinned: all of them, but for telling what an app is made of."""
    (package,) = Path(cdk.__file__).parent.joinpath("_jsii").glob("*.tgz")
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/recommended-feature-flags.json")
        assert file
        recommended = json.load(file)
    settings = json.loads((ROOT / "cdk.json").read_text())
    assert settings["context"] == {**recommended, "@aws-cdk/core:enableAdditionalMetadataCollection": False}
    assert (settings["app"], settings["versionReporting"], settings["pathMetadata"]) == (
        "python -m apps.assembly",
        False,
        False,
    )
