"""The contract between both halves, read from what is rendered: no engine, and none of our constructs, has a say here.

What the manifests name is exactly what the templates make: clusters, namespaces, service accounts, buckets, prefixes,
regions, and days; by which queues backups are started; whose restore points are looked at, and when they are too old;
where the account trusts the cluster's issuer of tokens, the ARNs of roles; and where AWS makes the volumes, each one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alarms import Seen, seen
from tests.cluster.outside.templates import Role, actions, conditions, deployment, listed

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
ENVIRONMENTS = sorted(path.name for path in DIST.iterdir())
PROD, STAGING = "prod", "staging"
ACCOUNT = "111122223333"
SECONDS_OF_A_DAY = 24 * 60 * 60
POD_IDENTITY = "169.254.170.23/32"
# Whose of a component's restore points: a replica's, or those of its one database.
DATABASE = "database"
# Which alert of the cluster says that the newest of them is too old.
TOO_OLD, DATABASE_TOO_OLD = "BackupTooOld", "DatabaseBackupTooOld"
# Of the alarm that says it in AWS, by which dimensions it tells replicas apart.
AGE, DIMENSIONS = "RestorePointAge", ("Cluster", "Namespace", "Component", "Replica")
# Where alarms look at what servers use, and at drills that have succeeded.
USAGE, DRILLS = "constructs-lib/prometheus", "constructs-lib/restore-drill"
# What is done with a queue, on either end.
SEND = {"sqs:SendMessage"}
TAKE = {"sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"}
ROLE_ARN = "eks.amazonaws.com/role-arn"
SUBJECT = "system:serviceaccount:"
# Of the environment that is rendered here, since no committed one has it.
TRUSTED_ACCOUNT = "444455556666"
TRUSTED_ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A service account of a cluster uses what is below a prefix of a bucket."""

    cluster: str
    namespace: str
    service_account: str
    bucket: str
    region: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Somebody must hear when the newest restore point of a replica is older than so many seconds."""

    source: str
    bucket: str
    region: str
    keep_days: int | None
    oldest: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Something is sent to a queue, and a service account takes it from there."""

    namespace: str
    service_account: str
    queue: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A service account tells CloudWatch metrics, and an alarm looks at them."""

    service_account: str
    metrics: str
    source: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A volume of so many gibibytes is for one claim, in one zone."""

    cluster: str
    namespace: str
    claim: str
    zone: str
    size: int


@dataclass(frozen=True, slots=True)
class Half:
    """What one half says.

    Args:
        uses: Of buckets.
        accounts: Namespace and name of those that have a role, or reach the agent that gives them one.
        days: Bucket of restore points -> after how many days points expire, and everything does.
        roles: Namespace, service account and the ARN of its role, where it has one by web identity.
        watched: Replicas whose restore points are looked at.
        started: Queues by which backups are started.
        told: Metrics of servers, and of drills.
        reserved: Volumes that are made before they are claimed.
    """

    uses: frozenset[Use] = frozenset()
    accounts: frozenset[tuple[str, str]] = frozenset()
    days: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    roles: frozenset[tuple[str, str, str]] = frozenset()
    watched: frozenset[Watched] = frozenset()
    started: frozenset[Started] = frozenset()
    told: frozenset[Told] = frozenset()
    reserved: frozenset[Reserved] = frozenset()


# --- the manifests


def of_manifests(directory: Path) -> Half:
    """What the manifests of an environment name."""
    documents = [each for path in sorted((directory / "k8s").glob("*.yaml")) for each in parsed(path.read_text())]
    pods = [each for each in documents if {"template", "jobTemplate"} & set(each.get("spec", {}))]
    # Prometheus and Loki's ruler each say it of their alerts.
    labelled = {
        file["global" if "global" in file else "ruler"]["external_labels"]["cluster"]
        for _, file in files(documents, "external_labels:")
    }
    uses: set[Use] = set()
    days: dict[str, tuple[int, int]] = {}
    told: list[tuple[str, str, str, str]] = []
    started: set[Started] = set()
    for workload in pods:
        who = {"namespace": workload["metadata"]["namespace"], "service_account": spec(workload)["serviceAccountName"]}
        for options in agents(workload):
            queues = replicas(workload, options["queue"]) if "queue" in options else ()
            started |= {Started(**who, queue=queue, region=options["region"]) for queue in queues}
            bucket, (source, slash, whose) = options["bucket"], options["source"].rpartition("/")
            told += [(f"{source}/{each}", bucket, options["region"], whose) for each in replicas(workload, whose)]
            uses |= {
                use(cluster, workload, bucket, options["region"], f"{below}/{source}{slash}")
                for cluster in {*labelled, source.split("/")[0]}
                for below in (("points",) if whose == DATABASE else ("blocks", "points"))
            }
            if "keep-days" in options:
                days[bucket] = (int(options["keep-days"]), int(options["expiry-days"]))
    for config_map, file in files(documents, "bucketnames"):
        s3 = file["storage_config"]["aws"]
        (workload,) = (each for each in pods if f'"{config_map}"' in json.dumps(spec(each).get("volumes")))
        uses |= {use(cluster, workload, s3["bucketnames"], s3["region"], "") for cluster in labelled}
    accounts, roles = reaching(POD_IDENTITY, documents, pods), annotated(documents)
    too_old = thresholds(documents)
    watched = {
        Watched(
            source=source,
            bucket=bucket,
            region=region,
            keep_days=days.get(bucket, (None,))[0],
            oldest=too_old.get(DATABASE_TOO_OLD if whose == DATABASE else TOO_OLD),
        )
        for source, bucket, region, whose in told
    }
    told_metrics = {each for workload in pods for each in telling(workload)}
    return Half(
        frozenset(uses),
        frozenset(accounts),
        days,
        frozenset(roles),
        frozenset(watched),
        frozenset(started),
        frozenset(told_metrics),
        frozenset(each for cluster in labelled for each in volumes(cluster, documents)),
    )


def volumes(cluster: str, documents: list[dict[str, Any]]) -> Iterator[Reserved]:
    """What is reserved for claims."""
    for found in (each["spec"] for each in documents if each["kind"] == "PersistentVolume"):
        (term,) = found["nodeAffinity"]["required"]["nodeSelectorTerms"]
        (expression,) = term["matchExpressions"]
        (zone,) = expression["values"]
        assert (expression["key"], expression["operator"]) == ("topology.kubernetes.io/zone", "In")
        assert found["csi"]["driver"] == "ebs.csi.aws.com"
        yield Reserved(
            cluster=cluster,
            namespace=found["claimRef"]["namespace"],
            claim=found["claimRef"]["name"],
            zone=zone,
            size=int(found["capacity"]["storage"].removesuffix("Gi")),
        )


def telling(workload: Mapping[str, Any]) -> Iterator[Told]:
    """What an agent beside a server tells of it, and a drill of each server in its turn."""
    account, sources = spec(workload)["serviceAccountName"], [each["source"] for each in agents(workload)]
    for options in agents(workload):
        if "server" in options:
            path, _, whose = options["source"].rpartition("/")
            for replica in replicas(workload, whose):
                source, region = f"{path}/{replica}", options["region"]
                yield Told(service_account=account, metrics=USAGE, source=source, region=region)
    for container in (*spec(workload).get("initContainers", ()), *spec(workload)["containers"]):
        for region in (each.partition("=")[2] for each in container.get("args", ()) if each.startswith("--tell=")):
            for source in sources:
                yield Told(service_account=account, metrics=DRILLS, source=source, region=region)


@cache
def parsed(text: str) -> list[dict[str, Any]]:
    """The documents of a file, each of which is read once."""
    return list(yaml.load_all(text, Loader=yaml.CSafeLoader))


def template_of(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of its pods, which may be those of its jobs."""
    found: Mapping[str, Any] = workload["spec"].get("jobTemplate", workload)["spec"]["template"]
    return found


def spec(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of its pods."""
    found: Mapping[str, Any] = template_of(workload)["spec"]
    return found


def use(cluster: str, workload: Mapping[str, Any], bucket: str, region: str, prefix: str) -> Use:
    return Use(
        cluster=cluster,
        namespace=workload["metadata"]["namespace"],
        service_account=spec(workload)["serviceAccountName"],
        bucket=bucket,
        region=region,
        prefix=prefix,
    )


def replicas(workload: Mapping[str, Any], whose: str) -> list[str]:
    """Names of those whose restore points, or whose queues, are kept apart: each pod, or all that there is."""
    name, members = workload["metadata"]["name"], workload["spec"].get("replicas", 1)
    return [whose.replace("$(POD_NAME)", f"{name}-{ordinal}") for ordinal in range(members)]


def thresholds(documents: list[dict[str, Any]]) -> dict[str, int]:
    """Above how many seconds an alert says that a restore point is too old."""
    return {
        rule["alert"]: int(rule["expr"].rpartition("> ")[2])
        for _, file in files(documents, "- alert: BackupTooOld")
        for group in file["groups"]
        for rule in group["rules"]
        if rule.get("alert") in (TOO_OLD, DATABASE_TOO_OLD)
    }


def files(documents: list[dict[str, Any]], word: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of the ConfigMap, and the data, of each file in which a word is."""
    for document in documents:
        for text in (document.get("data") or {}).values() if document["kind"] == "ConfigMap" else ():
            if word in text:
                yield document["metadata"]["name"], *parsed(text)


def agents(workload: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The options of the containers that have restore points, once for each source."""
    for container in (*spec(workload).get("initContainers", ()), *spec(workload)["containers"]):
        options = [option.removeprefix("--").split("=", 1) for option in container.get("args", ()) if option.count("=")]
        for source in (value for name, value in options if name == "source"):
            yield {**dict(options), "source": source}


def reaching(address: str, documents: list[dict[str, Any]], pods: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Namespace and service account of the pods whose policies open the way to an address."""
    for policy in documents:
        rules = policy["spec"].get("egress") or () if policy["kind"] == "NetworkPolicy" else ()
        if not any(peer.get("ipBlock", {}).get("cidr") == address for rule in rules for peer in rule.get("to", ())):
            continue
        namespace, wanted = policy["metadata"]["namespace"], policy["spec"]["podSelector"]["matchLabels"].items()
        for workload in pods:
            labels = template_of(workload)["metadata"]["labels"]
            if workload["metadata"]["namespace"] == namespace and wanted <= labels.items():
                yield namespace, spec(workload)["serviceAccountName"]


def annotated(documents: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Namespace, name and role of the service accounts that name one."""
    for metadata in (each["metadata"] for each in documents if each["kind"] == "ServiceAccount"):
        if arn := metadata.get("annotations", {}).get(ROLE_ARN):
            yield metadata["namespace"], metadata["name"], arn


# --- the templates


def of_templates(directory: Path) -> Half:
    """What the templates of an environment make; nothing where there are none."""
    templates = directory / "aws"
    if not templates.exists():
        return Half()
    regions: dict[str, str] = {}
    days, known, watched, heard, reserved = {}, set(), set(), set(), set()
    for path in templates.glob("*.json"):
        template = json.loads(path.read_text())
        (region,) = set(asserted("AWS::Region", template))
        known |= set(asserted("AWS::AccountId", template))
        watched |= set(looked_at(template["Resources"].values()))
        heard |= {(*each, region) for each in alarming(template["Resources"].values())}
        reserved |= {each for each in made_volumes(template["Resources"].values()) if each.zone[:-1] == region}
        regions |= dict.fromkeys(queue_names(template["Resources"].values()), region)
        for bucket in (each["Properties"] for each in template["Resources"].values() if of_bucket(each)):
            regions[bucket["BucketName"]] = region
            expired = {
                rule.get("Prefix", ""): rule["ExpirationInDays"]
                for rule in bucket["LifecycleConfiguration"]["Rules"]
                if "ExpirationInDays" in rule
            }
            if expired:
                days[bucket["BucketName"]] = (expired["points/"], expired[""])
    made = deployment(templates, region="us-east-1", account=min(known, default=ACCOUNT))
    uses = {
        Use(**who, bucket=bucket, region=regions.get(bucket, "nowhere"), prefix=prefix)
        for association in made.associations
        for who in (
            {
                "cluster": association.cluster,
                "namespace": association.namespace,
                "service_account": association.service_account,
            },
            trusted(made.roles[association.role].trust),
        )
        for policy in made.roles[association.role].policies.values()
        for bucket, prefix in places(policy)
    }
    takers = [(each.namespace, each.service_account, made.roles[each.role]) for each in made.associations]
    roles = set()
    for role in made.roles.values():
        for who, arn in by_token(role):
            takers.append((who["namespace"], who["service_account"], role))
            roles.add((who["namespace"], who["service_account"], arn))
            uses |= {
                Use(**who, bucket=bucket, region=regions.get(bucket, "nowhere"), prefix=prefix)
                for policy in role.policies.values()
                for bucket, prefix in places(policy)
            }
    accounts = {(association.namespace, association.service_account) for association in made.associations}
    sent = {each.target for each in made.schedules if may(made.roles[each.role], SEND, each.target)}
    started = {
        Started(namespace=namespace, service_account=account, queue=name, region=regions[name])
        for namespace, account, role in takers
        for name, queue in made.queues.items()
        if queue.arn in sent and may(role, TAKE, queue.arn)
    }
    told = {
        Told(service_account=account, metrics=metrics, source=source, region=region)
        for metrics, source, region in heard
        for _, account, role in takers
        if metrics in {each for policy in role.policies.values() for each in telling_allowed(policy)}
    }
    return Half(
        frozenset(uses),
        frozenset(accounts),
        days,
        frozenset(roles),
        frozenset(watched),
        frozenset(started),
        frozenset(told),
        frozenset(reserved),
    )


def made_volumes(resources: Iterable[Mapping[str, Any]]) -> Iterator[Reserved]:
    """What EC2 makes, that the driver may attach, by the name that says what it is for."""
    for volume in (each["Properties"] for each in resources if each["Type"] == "AWS::EC2::Volume"):
        tags = {each["Key"]: each["Value"] for each in volume["Tags"]}
        if "ebs.csi.aws.com/cluster" in tags:
            cluster, namespace, claim = tags["Name"].split("/")
            zone, size = volume["AvailabilityZone"], volume["Size"]
            yield Reserved(cluster=cluster, namespace=namespace, claim=claim, zone=zone, size=size)


def queue_names(resources: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Of those queues that have one."""
    for resource in resources:
        if resource["Type"] == "AWS::SQS::Queue" and "QueueName" in resource["Properties"]:
            yield resource["Properties"]["QueueName"]


def may(role: Role, wanted: set[str], arn: str) -> bool:
    """Whether a role may do all of it with what has an ARN."""
    allowed: set[str] = set()
    for policy in role.policies.values():
        for statement in policy["Statement"]:
            if statement["Effect"] == "Allow" and arn in listed(statement["Resource"]):
                allowed |= {*actions(statement)}
    return wanted <= allowed


def telling_allowed(policy: Mapping[str, Any]) -> Iterator[str]:
    """The namespaces of metrics that a policy lets somebody tell."""
    for statement in policy["Statement"]:
        if "cloudwatch:PutMetricData" in actions(statement):
            ((_, key, names),) = conditions(statement)
            assert key == "cloudwatch:namespace"
            yield from names


def alarming(resources: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Where alarms look that are on servers and on drills: the namespace, and the values of the dimensions."""
    for alarm in (each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"):
        if (metric := seen(alarm)).namespace in (USAGE, DRILLS):
            yield metric.namespace, source_of(metric)


def source_of(metric: Seen) -> str:
    """Whose metric it is: cluster, namespace, component and replica, with slashes between them."""
    return "/".join(metric.dimensions[name] for name in DIMENSIONS)


def looked_at(resources: Iterable[Mapping[str, Any]]) -> Iterator[Watched]:
    """Replicas that the function is told of, each with the age above which an alarm sounds."""
    properties = [(each["Type"], each.get("Properties", {})) for each in resources]
    oldest = {}
    for alarm in (each for kind, each in properties if kind == "AWS::CloudWatch::Alarm"):
        if (metric := seen(alarm)).metric == AGE:
            oldest[source_of(metric)] = alarm["Threshold"]
    for function in (each for kind, each in properties if kind == "AWS::Lambda::Function"):
        told = json.loads(function["Environment"]["Variables"]["WATCHED"])
        for source in told["sources"]:
            yield Watched(
                source=source,
                bucket=told["bucket"],
                region=told["region"],
                keep_days=told["keep"] // SECONDS_OF_A_DAY,
                oldest=oldest.get(source),
            )


def of_bucket(resource: Mapping[str, Any]) -> bool:
    return bool(resource["Type"] == "AWS::S3::Bucket")


def asserted(parameter: str, template: Mapping[str, Any]) -> Iterator[str]:
    """Where alone CloudFormation makes what is in a template: the one region, or account."""
    for rule in template["Rules"].values():
        for assertion in rule["Assertions"]:
            match assertion["Assert"]:
                case {"Fn::Equals": [{"Ref": ref}, value]} if ref == parameter:
                    yield value


def trusted(trust: Mapping[str, Any]) -> dict[str, str]:
    """Whose pods get a role, by what its trust asks of the session's tags."""
    (statement,) = trust["Statement"]
    asked = {key: value for _, key, (value,) in conditions(statement)}
    tags = {"cluster": "eks-cluster-name", "namespace": "kubernetes-namespace"}
    tags["service_account"] = "kubernetes-service-account"
    return {name: asked[f"aws:RequestTag/{tag}"] for name, tag in tags.items()}


def by_token(role: Role) -> Iterator[tuple[dict[str, str], str]]:
    """Whose tokens get a role, by what its trust asks of them, and its ARN; each as often as it is said."""
    (statement,) = role.trust["Statement"]
    provider, _, issuer = statement["Principal"].get("Federated", "").partition(":oidc-provider/")
    asked = {key: value for _, key, (value,) in conditions(statement)}
    if asked.get(f"{issuer}:aud") != "sts.amazonaws.com" or f"{issuer}:sub" not in asked:
        return
    namespace, account = asked[f"{issuer}:sub"].removeprefix(SUBJECT).split(":")
    cluster = role.name.removesuffix(f"-{namespace}-{account}")
    for arn in (role.arn, f"{provider}:role/{role.name}"):
        yield {"cluster": cluster, "namespace": namespace, "service_account": account}, arn


def places(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Bucket and prefix of each place in which a policy allows to get or to list."""
    for statement in policy["Statement"]:
        resources = (resource.removeprefix("arn:aws:s3:::") for resource in listed(statement["Resource"]))
        for bucket, _, key in (resource.partition("/") for resource in resources):
            if "s3:GetObject" in actions(statement):
                assert key.endswith("*")
                yield bucket, key.removesuffix("*")
            elif actions(statement) == ["s3:ListBucket"]:
                for prefix in [value for _, _, values in conditions(statement) for value in values] or ["*"]:
                    yield bucket, prefix.removesuffix("*")


# --- both


@pytest.mark.trap(116)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_both_halves_say_the_same(name: str) -> None:
    """Who uses what and where, who gets a role, how long what is there lives, and what starts whom."""
    assert of_manifests(DIST / name) == of_templates(DIST / name)


@pytest.mark.trap(117)
@pytest.mark.parametrize("name", [PROD, STAGING])
def test_there_is_something_to_say(name: str) -> None:
    """Whoever is saved has blocks and points of its own, and Loki a bucket for itself."""
    half = of_manifests(DIST / name)
    below, saved = f"insurance-lead-gen-{name}/monitoring", ("prometheus", "grafana-backup")
    drill = "restore-drill"
    assert {(each.service_account, each.bucket, each.prefix) for each in half.uses} == {
        ("prometheus", f"replace-me-{name}-backup", f"blocks/{below}/prometheus/"),
        *((each, f"replace-me-{name}-backup", f"points/{below}/{each}/") for each in saved),
        *((drill, f"replace-me-{name}-backup", f"{top}/{below}/prometheus/") for top in ("blocks", "points")),
        ("loki", f"replace-me-{name}-logs", ""),
    }
    assert half.accounts == {("monitoring", each) for each in (*saved, "loki", drill)}
    assert half.days == {f"replace-me-{name}-backup": (30, 90)}
    members = {PROD: 2, STAGING: 1}[name]
    assert half.watched == {
        Watched(
            source=f"{below}/{whose}",
            bucket=f"replace-me-{name}-backup",
            region="us-east-1",
            keep_days=30,
            oldest=26 * 3600,
        )
        for whose in ("grafana-backup/database", *(f"prometheus/prometheus-{ordinal}" for ordinal in range(members)))
    }
    assert half.started == {
        Started(
            namespace="monitoring",
            service_account="prometheus",
            queue=f"insurance-lead-gen-{name}_monitoring_prometheus-{ordinal}",
            region="us-east-1",
        )
        for ordinal in range(members)
    }


def test_an_environment_without_aws_names_nothing_of_it() -> None:
    """No bucket, and no way to credentials."""
    assert of_manifests(DIST / "dev") == Half()


MANIFESTS, LOGS, SAVER = "k8s/prometheus.k8s.yaml", "k8s/loki.k8s.yaml", "k8s/grafana-backup.k8s.yaml"
DRILL = "k8s/restore-drill.k8s.yaml"
BACKUP, STORES = "aws/MonitoringBackup.template.json", "aws/MonitoringStores.template.json"
RENAMED = [
    (MANIFESTS, "--bucket=replace-me-prod-backup", "--bucket=replace-me-prod-backups"),
    (MANIFESTS, "--region=us-east-1", "--region=us-east-2"),
    (MANIFESTS, "=insurance-lead-gen-prod/monitoring/prometheus/$", "=insurance-lead-gen-prod/monitoring/prom/$"),
    (MANIFESTS, "=insurance-lead-gen-prod/monitoring/prometheus/$", "=insurance-lead-gen-prod/observed/prometheus/$"),
    (MANIFESTS, "serviceAccountName: prometheus\n", "serviceAccountName: prom\n"),
    (MANIFESTS, "namespace: monitoring\n", "namespace: observed\n"),
    (MANIFESTS, "insurance-lead-gen-prod", "insurance-lead-gen"),
    (MANIFESTS, "/$(POD_NAME)", ""),
    (MANIFESTS, "--keep-days=30", "--keep-days=31"),
    (MANIFESTS, "--expiry-days=90", "--expiry-days=89"),
    (MANIFESTS, POD_IDENTITY, "169.254.170.24/32"),
    (MANIFESTS, 'timestamp_seconds{job="backup"}) > 93600', 'timestamp_seconds{job="backup"}) > 93601'),
    (MANIFESTS, 'cronjob=~"grafana-backup"}) > 93600', 'cronjob=~"grafana-backup"}) > 93601'),
    (MANIFESTS, "replicas: 2\n", "replicas: 3\n"),
    (MANIFESTS, "--queue=insurance-lead-gen-prod_monitoring_$", "--queue=insurance-lead-gen-prod_observed_$"),
    (MANIFESTS, "_$(POD_NAME)", "_prometheus-0"),
    (MANIFESTS, "--queue=", "--starts="),
    (SAVER, "--bucket=replace-me-prod-backup", "--bucket=replace-me-prod-dumps"),
    (SAVER, "--region=us-east-1", "--region=us-east-2"),
    (SAVER, "/monitoring/grafana-backup/database", "/monitoring/grafana/database"),
    (SAVER, "serviceAccountName: grafana-backup\n", "serviceAccountName: grafana\n"),
    (SAVER, "namespace: monitoring\n", "namespace: observed\n"),
    (SAVER, POD_IDENTITY, "169.254.170.24/32"),
    (DRILL, "--bucket=replace-me-prod-backup", "--bucket=replace-me-prod-backups"),
    (DRILL, "--region=us-east-1", "--region=us-east-2"),
    (DRILL, "/monitoring/prometheus/prometheus-1", "/monitoring/prometheus/prometheus-2"),
    (DRILL, "/monitoring/prometheus/prometheus-1", "/monitoring/prom/prometheus-1"),
    (DRILL, "serviceAccountName: restore-drill\n", "serviceAccountName: prometheus\n"),
    (DRILL, "namespace: monitoring\n", "namespace: observed\n"),
    (DRILL, POD_IDENTITY, "169.254.170.24/32"),
    (MANIFESTS, "--server=127.0.0.1:9090", "--serves=127.0.0.1:9090"),
    (DRILL, "--tell=us-east-1", "--tell=us-east-2"),
    (DRILL, "--tell=us-east-1", "--tells=us-east-1"),
    (LOGS, "bucketnames: replace-me-prod-logs", "bucketnames: replace-me-prod-log"),
    (LOGS, "region: us-east-1", "region: us-west-1"),
    (LOGS, "insurance-lead-gen-prod", "insurance-lead-gen"),
    (LOGS, "serviceAccountName: loki\n", "serviceAccountName: loki-0\n"),
    (LOGS, "namespace: monitoring\n", "namespace: logs\n"),
    (LOGS, POD_IDENTITY, "169.254.170.24/32"),
    (BACKUP, '"BucketName": "replace-me-prod-backup"', '"BucketName": "replace-me-prod-points"'),
    (BACKUP, '"us-east-1"', '"eu-central-1"'),
    (BACKUP, '"ClusterName": "insurance-lead-gen-prod"', '"ClusterName": "insurance-lead-gen"'),
    (BACKUP, '"Namespace": "monitoring"', '"Namespace": "observed"'),
    (BACKUP, '"ServiceAccount": "prometheus"', '"ServiceAccount": "prom"'),
    (BACKUP, '"ServiceAccount": "grafana-backup"', '"ServiceAccount": "grafana"'),
    (BACKUP, '"ServiceAccount": "restore-drill"', '"ServiceAccount": "drill"'),
    (BACKUP, '-cluster-name": "insurance-lead-gen-prod"', '-cluster-name": "insurance-lead-gen"'),
    (BACKUP, '-namespace": "monitoring"', '-namespace": "observed"'),
    (BACKUP, '-service-account": "prometheus"', '-service-account": "prom"'),
    (BACKUP, '-service-account": "restore-drill"', '-service-account": "drill"'),
    (BACKUP, '"/blocks/insurance-lead-gen-prod/monitoring/prometheus/*"', '"/blocks/*"'),
    (BACKUP, '"/points/insurance-lead-gen-prod/monitoring/prometheus/*"', '"/point/*"'),
    (BACKUP, '"blocks/insurance-lead-gen-prod/monitoring/prometheus/*"', '"blocks/*"'),
    (BACKUP, '"ExpirationInDays": 30', '"ExpirationInDays": 29'),
    (BACKUP, '"ExpirationInDays": 90', '"ExpirationInDays": 91'),
    (BACKUP, "/monitoring/prometheus/prometheus-1", "/monitoring/prometheus/prometheus-2"),
    (BACKUP, r"\"bucket\":\"replace-me-prod-backup", r"\"bucket\":\"replace-me-prod-points"),
    (BACKUP, r"\"region\":\"us-east-1", r"\"region\":\"us-east-2"),
    (BACKUP, r"\"keep\":2592000", r"\"keep\":1728000"),
    (BACKUP, '"Threshold": 93600', '"Threshold": 93601'),
    (BACKUP, '"Value": "prometheus-1"', '"Value": "prometheus-0"'),
    (BACKUP, '"QueueName": "insurance-lead-gen-prod_monitoring_', '"QueueName": "insurance-lead-gen_monitoring_'),
    (BACKUP, '_monitoring_prometheus-1"', '_monitoring_prometheus-2"'),
    (BACKUP, '"sqs:GetQueueUrl"', '"sqs:ListQueues"'),
    (BACKUP, '"sqs:ReceiveMessage"', '"sqs:SendMessage"'),
    (BACKUP, '"sqs:DeleteMessage"', '"sqs:DeleteQueue"'),
    (BACKUP, '"sqs:ChangeMessageVisibility"', '"sqs:SetQueueAttributes"'),
    (BACKUP, '"sqs:SendMessage"', '"sqs:ReceiveMessage"'),
    (BACKUP, '"constructs-lib/prometheus"', '"constructs-lib/prometheuses"'),
    (BACKUP, '"Namespace": "constructs-lib/restore-drill"', '"Namespace": "constructs-lib/drill"'),
    (
        BACKUP,
        '"cloudwatch:namespace": "constructs-lib/restore-drill"',
        '"cloudwatch:namespace": "constructs-lib/drill"',
    ),
    (STORES, '"BucketName": "replace-me-prod-logs"', '"BucketName": "replace-me-prod-log"'),
    (STORES, '"us-east-1"', '"eu-central-1"'),
    (STORES, '"ServiceAccount": "loki"', '"ServiceAccount": "loki-0"'),
    (STORES, '-service-account": "loki"', '-service-account": "loki-0"'),
    (STORES, '"/*"', '"/fake/*"'),
]


def renamed(rendered: Path, file: str, said: str, instead: str, *, into: Path) -> None:
    """An environment that says something else in one of its files."""
    assert said in (rendered / file).read_text()
    for path in rendered.rglob("*.*"):
        copy = into / path.relative_to(rendered)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace(said, instead) if copy == into / file else path.read_text())


@pytest.mark.parametrize(("file", "said", "instead"), RENAMED, ids=lambda value: value.strip())
def test_one_side_alone_renamed_is_noticed(file: str, said: str, instead: str, tmp_path: Path) -> None:
    """Whatever it is, and on whichever side: the halves no longer say the same."""
    renamed(DIST / PROD, file, said, instead, into=tmp_path)
    assert of_manifests(tmp_path) != of_templates(tmp_path)


# --- the same where the account trusts the cluster's issuer of tokens


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Production as a site renders it that says its account and its issuer."""
    directory = tmp_path_factory.mktemp("trusting") / "dist"
    said = {"CONSTRUCTS_PROD__AWS_ACCOUNT": TRUSTED_ACCOUNT, "CONSTRUCTS_PROD__OIDC_ISSUER": TRUSTED_ISSUER}
    command = [sys.executable, "-m", "apps.synth", str(directory)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=os.environ | said)
    return directory / PROD


def test_both_halves_say_the_same_of_roles_by_token(trusting: Path) -> None:
    """The ARN that a service account names is that of the role that trusts it; and they use what they used before."""
    half, default = of_manifests(trusting), of_manifests(DIST / PROD)
    assert half == of_templates(trusting)
    assert half.uses == default.uses
    assert half.days == default.days
    assert half.roles == {
        (namespace, account, f"arn:aws:iam::{TRUSTED_ACCOUNT}:role/insurance-lead-gen-prod-{namespace}-{account}")
        for namespace, account in default.accounts
    }
    assert not half.accounts
    assert not default.roles


NAMED = f"arn:aws:iam::{TRUSTED_ACCOUNT}:role/insurance-lead-gen-prod-monitoring"
RENAMED_BY_TOKEN = [
    (MANIFESTS, f"{NAMED}-prometheus", f"{NAMED}-prom"),
    (MANIFESTS, f"{NAMED}-prometheus", NAMED.replace(TRUSTED_ACCOUNT, ACCOUNT) + "-prometheus"),
    (MANIFESTS, f"{NAMED}-prometheus", NAMED.replace("arn:aws:", "arn:aws-cn:") + "-prometheus"),
    (MANIFESTS, "namespace: monitoring\n", "namespace: observed\n"),
    (MANIFESTS, "name: prometheus\n", "name: prom\n"),
    (SAVER, f"{NAMED}-grafana-backup", f"{NAMED}-grafana"),
    (DRILL, f"{NAMED}-restore-drill", f"{NAMED}-drill"),
    (LOGS, f"{NAMED}-loki", f"{NAMED}-prometheus"),
    (LOGS, ROLE_ARN, "eks.amazonaws.com/audience"),
    (BACKUP, '"RoleName": "insurance-lead-gen-prod-', '"RoleName": "insurance-lead-gen-'),
    (BACKUP, f'oidc-provider/{TRUSTED_ISSUER}"', f'oidc-provider/{TRUSTED_ISSUER}"'.replace("oidc.eks", "oidc")),
    (BACKUP, f"iam::{TRUSTED_ACCOUNT}:oidc", f"iam::{ACCOUNT}:oidc"),
    (BACKUP, "arn:aws:iam", "arn:aws-cn:iam"),
    (BACKUP, "serviceaccount:monitoring:prometheus", "serviceaccount:observed:prometheus"),
    (BACKUP, "serviceaccount:monitoring:prometheus", "serviceaccount:monitoring:prom"),
    (BACKUP, "serviceaccount:monitoring:grafana-backup", "serviceaccount:monitoring:grafana"),
    (BACKUP, "serviceaccount:monitoring:restore-drill", "serviceaccount:monitoring:drill"),
    (STORES, '-monitoring-loki"', '-monitoring-lokis"'),
    (STORES, f'"{TRUSTED_ACCOUNT}"', f'"{ACCOUNT}"'),
    (STORES, "serviceaccount:monitoring:loki", "serviceaccount:monitoring:loki-0"),
    (STORES, '"sts.amazonaws.com"', '"sts.amazonaws.com.cn"'),
]


@pytest.mark.parametrize(("file", "said", "instead"), RENAMED_BY_TOKEN, ids=lambda value: value.strip())
def test_one_side_alone_renamed_is_noticed_of_roles_by_token(
    trusting: Path, file: str, said: str, instead: str, tmp_path: Path
) -> None:
    """Likewise: a role of another account, name or service account, and tokens of another issuer or for others."""
    renamed(trusting, file, said, instead, into=tmp_path)
    assert of_manifests(tmp_path) != of_templates(tmp_path)


# --- the same where AWS makes the volumes


ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
REPLICAS = {"prometheus": 2, "alertmanager": 2, "loki": 3, "grafana": 2}
CLAIMS = {f"data-{name}-{ordinal}": ZONES[ordinal] for name, members in REPLICAS.items() for ordinal in range(members)}
VOLUMES = "aws/MonitoringVolumes.template.json"
FOUNDATION = "k8s/00-foundation.k8s.yaml"


@pytest.fixture(scope="module")
def with_volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Production as a site renders it that has deployed its volumes, and has snapshots made of them."""
    directory = tmp_path_factory.mktemp("volumes") / "dist"
    stack = {claim: {"id": f"vol-{ordinal:017x}", "zone": CLAIMS[claim]} for ordinal, claim in enumerate(CLAIMS)}
    said = {
        "CONSTRUCTS_PROD__VOLUME_ZONES": ",".join(ZONES),
        "CONSTRUCTS_PROD__VOLUME_SNAPSHOTS_AT": "03:00",
        "CONSTRUCTS_PROD__STATIC_VOLUMES": json.dumps(stack),
    }
    command = [sys.executable, "-m", "apps.synth", str(directory)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=os.environ | said)
    return directory / PROD


def test_both_halves_say_the_same_of_volumes(with_volumes: Path) -> None:
    """Each is made where it is reserved, for all that is claimed; and all else is as it was before."""
    half, default = of_manifests(with_volumes), of_manifests(DIST / PROD)
    assert half == of_templates(with_volumes)
    assert {each.claim: each.zone for each in half.reserved} == CLAIMS
    assert replace(half, reserved=default.reserved) == default
    assert not default.reserved


RENAMED_OF_VOLUMES = [
    (FOUNDATION, "name: data-loki-2\n", "name: data-loki-3\n"),
    (FOUNDATION, "namespace: monitoring\n", "namespace: observed\n"),
    (FOUNDATION, "us-east-1c", "us-east-1d"),
    (FOUNDATION, "storage: 50Gi", "storage: 60Gi"),
    (FOUNDATION, "kind: PersistentVolume\n", "kind: PersistentVolumes\n"),
    (VOLUMES, "monitoring/data-prometheus-1", "monitoring/data-prometheus-2"),
    (VOLUMES, "insurance-lead-gen-prod/monitoring/data", "insurance-lead-gen/monitoring/data"),
    (VOLUMES, '"AvailabilityZone": "us-east-1b"', '"AvailabilityZone": "us-east-1a"'),
    (VOLUMES, '"us-east-1"', '"us-east-2"'),
    (VOLUMES, '"Size": 100', '"Size": 90'),
    (VOLUMES, "ebs.csi.aws.com/cluster", "ebs.csi.aws.com/clusters"),
]


@pytest.mark.parametrize(("file", "said", "instead"), RENAMED_OF_VOLUMES, ids=lambda value: value.strip())
def test_one_side_alone_renamed_is_noticed_of_volumes(
    with_volumes: Path, file: str, said: str, instead: str, tmp_path: Path
) -> None:
    """Likewise: a volume of another claim, place or size, or one that nobody may attach."""
    renamed(with_volumes, file, said, instead, into=tmp_path)
    assert of_manifests(tmp_path) != of_templates(tmp_path)


def test_no_engine_has_a_say() -> None:
    """What is read here is what users apply and deploy, as it is committed."""
    code = f"import sys, {__name__}; print({{'aws_cdk', 'cdk8s', 'constructs', 'jsii'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "set()\n"
