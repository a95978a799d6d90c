"""Every value that a site chooses, for each environment; the one place that reads environment variables and `.env`.

A variable names its environment: `CONSTRUCTS_PROD__RETENTION=15d`. `.env.example` lists them all, and is printed by
`python -m apps.environments`.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import time, timedelta
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from apps.environment import Environment
from constructs_lib.contract import PLACEHOLDER, PortRange
from constructs_lib.ebs import EbsVolume
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.units import Bytes, Cpu, prometheus_duration

PREFIX, DELIMITER = "CONSTRUCTS_", "__"


PROD = Environment(
    cluster="insurance-lead-gen-prod",
    # EKS: the Service's address in the cluster's range, and the subnets of the control plane's network interfaces.
    api_server=("172.20.0.1/32", "10.20.0.0/24"),
    api_server_port=443,
    nodes=("10.20.16.0/20",),
    dns_cache=(),
    signed_kubelets=True,
    registry=None,
    pull_secrets=(),
    namespace="monitoring",
    storage_class="gp3",
    make_storage_class=True,
    volume_zones=(),
    volume_snapshots_at=None,
    volume_snapshots=7,
    static_volumes={},
    priority_class="system-cluster-critical",
    prometheus_url="https://prometheus.insurance-lead-gen.com",
    hosts_at=("0.0.0.0/0",),
    ingress="traefik",
    ingress_namespace="traefik",
    ingress_controller="traefik",
    ingress_class="traefik",
    ingress_issuer="letsencrypt",
    ingress_annotations={},
    ingress_body=Bytes.mib(10),
    ingress_timeout=timedelta(minutes=2),
    gateway_name="public",
    gateway_namespace="gateways",
    sign_in_issuer="https://login.insurance-lead-gen.com",
    sign_in_at=("0.0.0.0/0",),
    sign_in_client="monitoring",
    sign_in_scopes=(),
    sign_in_domains=("insurance-lead-gen.com",),
    sign_in_groups=(),
    sign_in_credentials="sign-in",
    sign_in_replicas=2,
    secret_store=None,
    secret_store_prefix="",
    runbooks_url="https://runbooks.insurance-lead-gen.com",
    prometheus_replicas=2,
    prometheus_cpu=Cpu(500),
    prometheus_memory=Bytes.gib(1),
    prometheus_volume=Bytes.gib(100),
    alertmanager_url="https://alertmanager.insurance-lead-gen.com",
    alertmanager_replicas=2,
    alertmanager_cpu=Cpu(100),
    alertmanager_memory=Bytes.mib(128),
    alertmanager_volume=Bytes.gib(5),
    receivers_at=("0.0.0.0/0",),
    receivers_credentials="alertmanager-receivers",
    heartbeat_interval=timedelta(minutes=1),
    pagerduty=True,
    slack_channel="#monitoring",
    teams_slack_channel="#alerts-{team}",
    email_to="database@insurance-lead-gen.com",
    email_from="alertmanager@insurance-lead-gen.com",
    smtp_host="smtp.insurance-lead-gen.com",
    smtp_port=587,
    smtp_user="alertmanager",
    postgres_service="postgresql",
    postgres_user="monitoring",
    redis_service="redis",
    databases_credentials="database-monitoring",
    cluster_sample_limit=200_000,
    loki_replicas=3,
    loki_cpu=Cpu(250),
    loki_memory=Bytes.mib(512),
    loki_volume=Bytes.gib(50),
    bucket_prefix=PLACEHOLDER,
    region="us-east-1",
    aws_account=None,
    oidc_issuer=None,
    logs_bucket_suffix="prod-logs",
    s3_at=("0.0.0.0/0",),
    logs_retention=timedelta(days=30),
    logs_rate=Bytes.mib(10),
    logs_streams=5000,
    grafana_url="https://grafana.insurance-lead-gen.com",
    grafana_replicas=2,
    grafana_cpu=Cpu(250),
    grafana_memory=Bytes.mib(256),
    grafana_volume=Bytes.gib(1),
    grafana_credentials="grafana",
    grafana_metrics_credentials="grafana-metrics",
    grafana_postgres_host="grafana-postgres.insurance-lead-gen.com",
    grafana_postgres_port=5432,
    grafana_postgres_at=("10.20.32.0/20",),  # the subnets of the databases
    grafana_postgres_database="grafana",
    grafana_postgres_user="grafana",
    grafana_postgres_ca=True,
    grafana_postgres_version=17,
    grafana_database_vpc=None,
    grafana_database_subnets=(),
    grafana_database_clients=None,
    grafana_backup=True,
    tracing=True,
    traces_host="opensearch.insurance-lead-gen.com",
    traces_port=443,
    traces_at=("0.0.0.0/0",),
    traces_user="jaeger",
    traces_credentials="tracing",
    traces_ca=False,
    traces_prefix="jaeger-prod",
    traces_shards=1,
    traces_copies=1,
    traces_nodes=3,
    traces_retention=timedelta(days=7),
    traces_volume=Bytes.gib(10),
    jaeger_url="https://jaeger.insurance-lead-gen.com",
    jaeger_collectors=2,
    jaeger_cpu=Cpu(200),
    jaeger_memory=Bytes.mib(512),
    retention=timedelta(days=30),
    backup_bucket_suffix="prod-backup",
    backup_every=timedelta(days=1),
    backup_at=time(2),
    backup_time_zone="Etc/UTC",
    sqs_at=("0.0.0.0/0",),
    backup_keep=timedelta(days=30),
    backup_expiry=timedelta(days=90),
    cloudwatch_at=("0.0.0.0/0",),
    drill_storage_class="gp3-thrown-away",
    alarm_emails=("platform@insurance-lead-gen.com",),
    alarm_https=(),
    scrape_interval=timedelta(seconds=15),
    application_namespace="insurance-lead-gen",
    application_services=("api", "backend", "data-service", "orchestrator"),
    infrastructure={"nats": 7777, "neo4j": 2004, "qdrant": 6333},
    scrape_ports=PortRange(8000, 9999),
    agent_image=Image.parse("registry.insurance-lead-gen.com/constructs-lib/agent:0.4.0"),
)
STAGING = PROD.but(
    cluster="insurance-lead-gen-staging",
    prometheus_url="https://prometheus.staging.insurance-lead-gen.com",
    prometheus_replicas=1,
    alertmanager_url="https://alertmanager.staging.insurance-lead-gen.com",
    alertmanager_replicas=1,
    sign_in_replicas=1,
    pagerduty=False,  # nobody is woken for it
    slack_channel="#monitoring-staging",
    teams_slack_channel="#alerts-{team}-staging",
    email_to=None,
    loki_replicas=1,
    logs_bucket_suffix="staging-logs",
    grafana_url="https://grafana.staging.insurance-lead-gen.com",
    grafana_replicas=1,
    grafana_postgres_host="grafana-postgres.staging.insurance-lead-gen.com",
    traces_prefix="jaeger-staging",
    jaeger_url="https://jaeger.staging.insurance-lead-gen.com",
    jaeger_collectors=1,
    backup_bucket_suffix="staging-backup",
    alarm_emails=(),  # nobody is woken for it
)
DEV = STAGING.but(
    cluster="insurance-lead-gen-dev",
    # As kind and kubeadm have them: one network for everything, kubelets that sign for themselves.
    api_server=("10.96.0.1/32", "172.18.0.0/16"),
    api_server_port=6443,
    nodes=("172.18.0.0/16",),
    signed_kubelets=False,
    storage_class=None,
    make_storage_class=False,
    prometheus_url="http://localhost:9090",
    hosts_at=(),
    ingress=None,
    sign_in_issuer=None,
    prometheus_volume=Bytes.gib(10),
    alertmanager_url="http://localhost:9093",
    alertmanager_volume=Bytes.gib(1),
    heartbeat_interval=None,
    slack_channel=None,
    teams_slack_channel=None,
    loki_volume=Bytes.gib(20),
    logs_bucket_suffix=None,
    logs_retention=timedelta(days=7),
    logs_rate=Bytes.mib(2),
    grafana_url="http://localhost:3000",
    grafana_volume=Bytes.gib(20),
    grafana_postgres_host=None,
    grafana_backup=False,
    traces_host=None,
    jaeger_url="http://localhost:16686",
    traces_retention=timedelta(days=2),
    retention=timedelta(days=7),
    backup_bucket_suffix=None,
    drill_storage_class=None,
    scrape_interval=timedelta(seconds=30),
)


class Environments(BaseSettings):
    """All environments, each as far as nothing outside overrides it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_file=".env",
        extra="ignore",  # of a .env that serves others too; `load` refuses what begins with our prefix
        nested_model_default_partial_update=True,
        arbitrary_types_allowed=True,
    )

    dev: Environment = DEV
    staging: Environment = STAGING
    prod: Environment = PROD

    def __iter__(self) -> Iterator[tuple[str, Environment]]:  # type: ignore[override]  # pydantic yields Any
        return iter({name: getattr(self, name) for name in type(self).model_fields}.items())


def load(env_file: str | None = ".env") -> Environments:
    """Read what the process' environment and `.env` override.

    Raises:
        ConstructError: the variable, its value and what is allowed.
    """
    for variable in (*os.environ, *(dotenv_values(env_file) if env_file else ())):
        if variable.upper().startswith(PREFIX):
            _refuse_unknown(variable.upper())
    try:
        return Environments(_env_file=env_file)
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + DELIMITER.join(str(part).upper() for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        raise ConstructError(f"{variable} is {first['input']!r}: {reason}") from error


def _refuse_unknown(variable: str) -> None:
    environment, _, setting = variable.removeprefix(PREFIX).partition(DELIMITER)
    environments, settings = ([n.upper() for n in model.model_fields] for model in (Environments, Environment))
    if environment not in environments or not setting:
        known = " or ".join(PREFIX + name + DELIMITER for name in environments)
        raise ConstructError(f"{variable} names no environment: begin with {known}")
    if setting not in settings:
        raise ConstructError(f"{variable} is not a setting: use one of {', '.join(settings)}")


def spelled(value: Any) -> str:
    """A value as its variable would say it."""
    match value:
        case None:
            text = ""
        case bool():
            text = str(value).lower()
        case timedelta():
            text = prometheus_duration(value)
        case time():
            text = f"{value:%H:%M}"
        case PortRange():
            text = f"{value.first}-{value.last}"
        case Image():
            text = value.reference()
        case tuple():
            text = ",".join(value)
        case dict() if any(isinstance(each, EbsVolume) for each in value.values()):
            text = json.dumps({claim: asdict(each) for claim, each in value.items()}, separators=(",", ":"))
        case dict():
            text = ",".join(f"{name}={number}" for name, number in value.items())
        case _:
            text = str(value)
    return text


def example() -> str:
    """The text of `.env.example`."""
    lines = ["# Copy to .env and set what differs. Variables of the process' environment win over .env."]
    defaults = {name: field.default for name, field in Environments.model_fields.items()}
    for name, setting in Environment.model_fields.items():
        lines += ["", f"# {setting.description}"]
        for environment, default in defaults.items():
            lines.append(f"# {PREFIX}{environment.upper()}{DELIMITER}{name.upper()}={spelled(getattr(default, name))}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(example(), end="")
