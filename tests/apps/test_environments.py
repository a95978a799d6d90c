"""Settings: every one of them can be overridden from outside, and a wrong one is refused by its name."""

import subprocess
import sys
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from apps.environment import Environment
from apps.environments import DEV, PROD, STAGING, Environments, example, load, spelled
from apps.synth import render
from constructs_lib.contract import WebIdentity
from constructs_lib.errors import ConstructError
from constructs_lib.rds import ManagedPostgres, PrivateNetwork
from tests.rendered import DIST, ROOT

ENVIRONMENTS = {"dev": DEV, "staging": STAGING, "prod": PROD}
# For every setting another value than any environment has, as its variable says it.
OTHERS = {
    "cluster": "another",
    "api_server": "10.1.0.0/24,10.2.0.1/32",
    "api_server_port": "8443",
    "nodes": "10.3.0.0/16",
    "dns_cache": "169.254.20.10/32",
    "signed_kubelets": "",
    "registry": "mirror.example.com",
    "namespace": "watching",
    "storage_class": "io2",
    "make_storage_class": "",
    "volume_zones": "eu-central-1a,eu-central-1b",
    "volume_snapshots_at": "04:30",
    "volume_snapshots": "14",
    "static_volumes": '{"data-loki-0":{"id":"vol-0123456789abcdef0","zone":"eu-central-1a"}}',
    "priority_class": "urgent",
    "prometheus_url": "https://p.example.com",
    "hosts_at": "198.51.100.0/24",
    "ingress": "annotated",
    "ingress_namespace": "public",
    "ingress_controller": "haproxy",
    "ingress_class": "internal",
    "ingress_issuer": "ours",
    "ingress_annotations": "haproxy.org/timeout-server=4m,haproxy.org/ssl-redirect=true",
    "ingress_body": "2Mi",
    "ingress_timeout": "4m",
    "gateway_name": "internal",
    "gateway_namespace": "entrances",
    "sign_in_issuer": "https://id.example.com/staff",
    "sign_in_at": "198.51.100.0/24",
    "sign_in_client": "watchers",
    "sign_in_scopes": "openid,offline_access",
    "sign_in_domains": "example.com,example.org",
    "sign_in_groups": "operators",
    "sign_in_credentials": "logins",
    "sign_in_replicas": "3",
    "secret_store": "vault",
    "secret_store_prefix": "monitoring/prod",
    "runbooks_url": "https://r.example.com",
    "prometheus_replicas": "3",
    "prometheus_cpu": "750m",
    "prometheus_memory": "3Gi",
    "prometheus_volume": "77Gi",
    "alertmanager_url": "https://a.example.com",
    "alertmanager_replicas": "3",
    "alertmanager_cpu": "150m",
    "alertmanager_memory": "384Mi",
    "alertmanager_volume": "7Gi",
    "receivers_at": "198.51.100.0/24",
    "receivers_credentials": "who-hears",
    "heartbeat_interval": "3m",
    "pull_secrets": "registry,mirror",
    "pagerduty": "",
    "slack_channel": "#elsewhere",
    "teams_slack_channel": "#{team}",
    "email_to": "somebody@example.com",
    "email_from": "nobody@example.com",
    "smtp_host": "mail.example.com",
    "smtp_port": "465",
    "smtp_user": "sender",
    "postgres_service": "db",
    "postgres_user": "reader",
    "redis_service": "cache",
    "databases_credentials": "databases",
    "cluster_sample_limit": "123456",
    "loki_replicas": "5",
    "loki_cpu": "350m",
    "loki_memory": "768Mi",
    "loki_volume": "78Gi",
    "bucket_prefix": "our",
    "region": "eu-central-1",
    "aws_account": "444455556666",
    "oidc_issuer": "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    "logs_bucket_suffix": "logs",
    "backup_bucket_suffix": "backup",
    "cloudwatch_at": "10.0.7.0/24",
    "drill_storage_class": "thrown-away",
    "backup_every": "6h",
    "backup_at": "03:30",
    "backup_time_zone": "Europe/Berlin",
    "sqs_at": "203.0.113.0/24",
    "backup_keep": "14d",
    "backup_expiry": "60d",
    "alarm_emails": "somebody@example.com,nobody@example.com",
    "alarm_https": "monitoring/webhook",
    "s3_at": "198.51.100.0/24",
    "logs_retention": "4d",
    "logs_rate": "3Mi",
    "logs_streams": "4321",
    "grafana_url": "https://g.example.com",
    "grafana_replicas": "3",
    "grafana_cpu": "350m",
    "grafana_memory": "384Mi",
    "grafana_volume": "21Gi",
    "grafana_credentials": "people",
    "grafana_metrics_credentials": "numbers",
    "grafana_postgres_host": "sql.example.com",
    "grafana_postgres_port": "5433",
    "grafana_postgres_at": "198.51.100.0/24",
    "grafana_postgres_database": "boards",
    "grafana_postgres_user": "somebody",
    "grafana_postgres_ca": "",
    "grafana_postgres_version": "18",
    "grafana_database_vpc": "vpc-0123456789abcdef0",
    "grafana_database_subnets": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "grafana_database_clients": "sg-0123456789abcdef0",
    "grafana_backup": "",
    "tracing": "",
    "traces_host": "search.example.com",
    "traces_port": "9200",
    "traces_at": "198.51.100.0/24",
    "traces_user": "somebody",
    "traces_credentials": "spans",
    "traces_ca": "",
    "traces_prefix": "spans",
    "traces_shards": "3",
    "traces_copies": "2",
    "traces_nodes": "5",
    "traces_retention": "3d",
    "traces_volume": "11Gi",
    "jaeger_url": "https://j.example.com",
    "jaeger_collectors": "3",
    "jaeger_cpu": "300m",
    "jaeger_memory": "768Mi",
    "retention": "1d12h",
    "scrape_interval": "20s",
    "application_namespace": "shop",
    "application_services": "cart,till",
    "infrastructure": "mongodb=9216",
    "scrape_ports": "9000-9009",
    "agent_image": "mirror.example.com:5000/monitoring/agent:1.2.3",
}
VOLUME = '{"data-loki-0":{"id":"vol-0123456789abcdef0","zone":"us-east-1a"}}'
WRONG = [
    ("api_server", "10.0.0.1/8", "cannot be an address range, .*: use an address range such as '10.0.0.0/16'"),
    ("nodes", "10.0.0.1", "cannot be an address range without a mask: did you mean '10.0.0.1/32'"),
    ("dns_cache", "cache", "use an address range such as '10.0.0.0/16'"),
    ("api_server_port", "0", "greater than or equal to 1"),
    ("api_server_port", "65536", "less than or equal to 65535"),
    ("signed_kubelets", "perhaps", "valid boolean"),
    ("make_storage_class", "2", "valid boolean"),
    ("volume_zones", "us-east-1", "'us-east-1' is no availability zone: use its name, such as 'us-east-1a'"),
    ("volume_snapshots_at", "3am", "'3am' is no time of a day: use hours and minutes, such as '02:30'"),
    ("volume_snapshots", "0", "greater than or equal to 1"),
    ("volume_snapshots", "1001", "less than or equal to 1000"),
    ("static_volumes", "vol-0123456789abcdef0", "use what the stack MonitoringVolumes says, such as '{\"data-prom"),
    ("static_volumes", '["data-loki-0"]', "use what the stack MonitoringVolumes says, such as"),
    ("static_volumes", '{"data-loki-0":"vol-1234abcd"}', "data-loki-0 has no id and zone: use what the stack says"),
    ("static_volumes", '{"data-loki-0":{"id":"unknown","zone":"us-east-1a"}}', "'unknown' is no volume of EBS"),
    ("static_volumes", f"{VOLUME} {VOLUME}", "data-loki-0 has two volumes: name it once"),
    ("prometheus_replicas", "0", "greater than or equal to 1"),
    ("prometheus_replicas", "two", "valid integer"),
    ("prometheus_volume", "100GB", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("prometheus_cpu", "half", "use whole cores, or thousandths such as '500m'"),
    ("prometheus_cpu", "0", "a CPU share is 0 thousandths of a core: use 1 or more"),
    ("prometheus_memory", "1G", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("alertmanager_replicas", "0", "greater than or equal to 1"),
    ("alertmanager_volume", "5GB", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("receivers_at", "anywhere", "use an address range such as '10.0.0.0/16'"),
    ("heartbeat_interval", "often", "use days, hours, minutes and seconds, such as '30d' or '1m30s'"),
    ("smtp_port", "0", "greater than or equal to 1"),
    ("cluster_sample_limit", "0", "greater than or equal to 1"),
    ("loki_replicas", "0", "greater than or equal to 1"),
    ("loki_replicas", "2", "two replicas of Loki survive the loss of none: use 1, or 3 or more"),
    ("logs_streams", "0", "greater than or equal to 1"),
    ("loki_volume", "50GB", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("s3_at", "vpce-1", "use an address range such as '10.0.0.0/16'"),
    ("backup_at", "2am", "'2am' is no time of a day: use hours and minutes, such as '02:30'"),
    ("backup_at", "24:00", "'24:00' is no time of a day: use hours and minutes, such as '02:30'"),
    ("backup_at", "02:30:15", "'02:30:15' is no time of a day: use hours and minutes, such as '02:30'"),
    ("sqs_at", "vpce-1", "use an address range such as '10.0.0.0/16'"),
    ("grafana_postgres_version", "14", "greater than or equal to 15"),
    ("grafana_postgres_version", "19", "less than or equal to 18"),
    ("logs_rate", "10MB/s", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("ingress", "nginx", "Input should be 'traefik', 'annotated' or 'gateway'"),
    ("ingress_annotations", "haproxy.org/check", "use names with a text each, such as 'haproxy.org/timeout-server=5m'"),
    ("ingress_annotations", "a=b,a=c", "'a=b,a=c' names something twice: use each name once"),
    ("ingress_body", "10MB", "use a whole number with Ki, Mi, .* such as '100Gi'"),
    ("ingress_timeout", "5", "use days, hours, minutes and seconds, such as '30d' or '1m30s'"),
    ("sign_in_at", "login.example.com", "use an address range such as '10.0.0.0/16'"),
    ("sign_in_replicas", "0", "greater than or equal to 1"),
    ("retention", "30", "use days, hours, minutes and seconds, such as '30d' or '1m30s'"),
    ("scrape_interval", "fast", "use days, hours, minutes and seconds, such as '30d' or '1m30s'"),
    ("infrastructure", "redis", "use names with a port each, such as 'neo4j=2004,qdrant=6333'"),
    ("infrastructure", "redis=x", "use names with a port each, such as 'neo4j=2004,qdrant=6333'"),
    ("scrape_ports", "8000-", "use a port, or two joined by a dash, such as '8000-9999'"),
    ("scrape_ports", "a-b", "use a port, or two joined by a dash, such as '8000-9999'"),
    ("scrape_ports", "9-8", "the port range 9 to 8 is empty: give the lower port first"),
    ("scrape_ports", "0-9", "0 is not a port: use 1 to 65535"),
    ("cloudwatch_at", "monitoring", "'monitoring'"),
    ("drill_storage_class", "Thrown Away", "'Thrown Away' cannot be a storage class"),
    ("agent_image", "agent", "use registry, repository and tag, such as 'quay.io/prometheus/prometheus:v3.13.3'"),
    ("agent_image", "registry.example.com/agent:latest", "the tag 'latest', which moves: pin a version"),
]


def another(environment: str, setting: str) -> str:
    """A valid value that differs from the environment's own; the other one of a boolean."""
    return OTHERS[setting] or str(not getattr(ENVIRONMENTS[environment], setting)).lower()


def variable(environment: str, setting: str) -> str:
    return f"CONSTRUCTS_{environment.upper()}__{setting.upper()}"


def texts(environments: Environments) -> dict[str, str]:
    """Every value, by its variable, as the variable would say it."""
    return {
        variable(name, setting): spelled(getattr(values, setting))
        for name, values in environments
        for setting in Environment.model_fields
    }


Way = Callable[[str, str], Environments]


@pytest.fixture(params=["variable", "file"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Way:
    """Say one setting from outside, each of both ways, and load."""

    def by_variable(name: str, value: str) -> Environments:
        monkeypatch.setenv(name, value)
        return load(env_file=None)

    def by_file(name: str, value: str) -> Environments:
        (tmp_path / ".env").write_text(f"{name}={value}\n")
        return load(env_file=str(tmp_path / ".env"))

    return by_variable if request.param == "variable" else by_file


def test_nothing_outside_means_the_values_in_the_code() -> None:
    """Without variables and without a file, every environment is what the code says."""
    assert dict(load(env_file=None)) == ENVIRONMENTS


def test_every_setting_has_another_value_to_try() -> None:
    """A new setting is tried below, too."""
    assert set(OTHERS) == set(Environment.model_fields)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("setting", OTHERS)
def test_every_setting_can_be_overridden(way: Way, environment: str, setting: str) -> None:
    """Its variable changes it, in its environment, and nothing else anywhere."""
    name, value = variable(environment, setting), another(environment, setting)
    assert texts(way(name, value)) == {**texts(load(env_file=None)), name: value}


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the process is told counts for more than what lies in its directory."""
    monkeypatch.setenv("CONSTRUCTS_PROD__RETENTION", "2d")
    (tmp_path / ".env").write_text("CONSTRUCTS_PROD__RETENTION=3d\nCONSTRUCTS_DEV__RETENTION=4d\n")
    loaded = load(env_file=str(tmp_path / ".env"))
    assert spelled(loaded.dev.retention) == "4d"
    assert spelled(loaded.prod.retention) == "2d"


@pytest.mark.parametrize(("setting", "value", "allowed"), WRONG)
def test_a_wrong_value_is_refused_by_name(way: Way, setting: str, value: str, allowed: str) -> None:
    """The sentence names the variable, the value and what is allowed, on one line."""
    name = variable("staging", setting)
    with pytest.raises(ConstructError, match=rf"\A{name} is .*{allowed}") as refusal:
        way(name, value)
    assert str(refusal.value).startswith(f"{name} is '{value}': ")
    assert "\n" not in str(refusal.value)


def test_a_setting_that_does_not_exist_is_refused(way: Way) -> None:
    """A slip in a variable's name would otherwise change nothing, in silence."""
    with pytest.raises(ConstructError, match=r"CONSTRUCTS_PROD__RETENTON is not a setting: use one of .*RETENTION"):
        way("CONSTRUCTS_PROD__RETENTON", "2d")


def test_the_example_lists_every_setting_with_its_value(tmp_path: Path) -> None:
    """Without its comment signs, the example is a file that changes nothing."""
    lines = [line.removeprefix("# ") for line in example().splitlines() if "=" in line]
    assert [line.partition("=")[0] for line in lines] == [
        variable(environment, setting) for setting in Environment.model_fields for environment in ENVIRONMENTS
    ]
    file = tmp_path / ".env"
    file.write_text("\n".join(lines))
    assert texts(load(env_file=str(file))) == texts(load(env_file=None))


def test_the_committed_example_is_the_printed_one() -> None:
    """`.env.example` is what `python -m apps.environments` prints."""
    command = [sys.executable, "-m", "apps.environments"]
    printed = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert (ROOT / ".env.example").read_text() == printed == example()


def test_the_environments_are_those_that_are_rendered() -> None:
    """dist/ has a directory for each, and no other."""
    assert {path.name for path in DIST.iterdir()} == set(ENVIRONMENTS)


@pytest.mark.parametrize("value", [{"registry": None}, {"registry": ""}])
def test_an_empty_mirror_is_none(value: dict[str, Any]) -> None:
    """A variable can only say the empty text."""
    assert PROD.model_copy(update=value).facts("prod").registry is None


def test_facts_of_the_cluster_are_handed_on() -> None:
    """Constructs get every fact, under the name of the environment."""
    facts = PROD.model_copy(update={"registry": "mirror", "dns_cache": ("169.254.20.10/32",)}).facts("blue")
    assert (facts.name, facts.environment) == (PROD.cluster, "blue")
    assert (facts.api_server, facts.api_server_port, facts.nodes) == (PROD.api_server, 443, PROD.nodes)
    assert (facts.dns, facts.signed_kubelets, facts.registry) == (("169.254.20.10/32",), True, "mirror")


def test_roles_by_tokens_need_the_account_and_the_issuer() -> None:
    """Half of it would be no role at all, in silence."""
    account, issuer = OTHERS["aws_account"], OTHERS["oidc_issuer"]
    both = PROD.but(aws_account=account, oidc_issuer=issuer)
    assert both.facts("blue").web_identity == WebIdentity(account=account, issuer=issuer)
    for region, partition in (("cn-north-1", "aws-cn"), ("eusc-de-east-1", "aws-eusc"), ("eu-west-3", "aws")):
        there = both.but(region=region).web_identity
        assert there == WebIdentity(account=account, issuer=issuer, partition=partition)
    for none in (None, ""):
        assert PROD.but(aws_account=none, oidc_issuer=none).web_identity is None
        for half in ({"aws_account": account, "oidc_issuer": none}, {"aws_account": none, "oidc_issuer": issuer}):
            with pytest.raises(ConstructError, match="give both, for IAM roles for service accounts, or none"):
                PROD.but(**half).facts("blue")


def test_backups_that_are_started_every_day_are_made_as_often() -> None:
    """Less often would be a promise that nobody keeps; midnight is a time, too, and without one nothing is refused."""
    seldom = {"backup_every": timedelta(days=2)}
    assert PROD.but(**seldom, backup_at=None).backups_start is None
    assert PROD.but(backup_at=time(0)).backups_start == time(0)
    for at in (time(0), time(2)):
        with pytest.raises(
            ConstructError,
            match=rf"^backup_every is 2d, but backup_at starts a backup every day, at {at:%H:%M}: use a day or less, "
            "or leave backup_at empty$",
        ):
            _ = PROD.but(**seldom, backup_at=at).backups_start


@pytest.mark.parametrize("name", [f"CONSTRUCTS_{rest}" for rest in ("", "PROD", "RETENTION", "PORD__RETENTION")])
def test_an_environment_that_does_not_exist_is_refused(way: Way, name: str) -> None:
    """A slip in the environment's name would otherwise change nothing, in silence."""
    begin = "begin with CONSTRUCTS_DEV__ or CONSTRUCTS_STAGING__ or CONSTRUCTS_PROD__"
    with pytest.raises(ConstructError, match=f"{name} names no environment: {begin}"):
        way(name, "2d")


def test_what_serves_others_is_ignored(way: Way) -> None:
    """A `.env` may hold more than our settings."""
    assert texts(way("SOMETHING_ELSE", "2d")) == texts(load(env_file=None))


def test_a_database_of_rds_needs_all_that_says_where_it_is() -> None:
    """Half of it would be no database, in silence; its certificate is of nobody public."""
    where = {
        "grafana_database_vpc": OTHERS["grafana_database_vpc"],
        "grafana_database_subnets": tuple(OTHERS["grafana_database_subnets"].split(",")),
        "grafana_database_clients": OTHERS["grafana_database_clients"],
    }
    server = {"grafana_postgres_user": "people", "grafana_postgres_database": "boards", "grafana_postgres_port": 5433}
    values = PROD.but(**where, **server, cluster="Blue_1", namespace="watching", grafana_postgres_version=18)
    assert PROD.grafana_database is None
    assert values.grafana_database == ManagedPostgres(
        name="blue-1-watching-grafana",
        secret="Blue_1/watching/grafana-postgres",  # noqa: S106  # its name
        network=PrivateNetwork(
            vpc="vpc-0123456789abcdef0",
            subnets=("subnet-0123456789abcdef0", "subnet-0123456789abcdef1"),
            clients="sg-0123456789abcdef0",
        ),
        user="people",
        database="boards",
        port=5433,
        version=18,
    )
    for missing in where:
        with pytest.raises(
            ConstructError, match=rf"{missing} (is )?''.*: give all three, for a database of RDS, or none$"
        ):
            assert values.but(**{missing: () if missing.endswith("subnets") else None}).grafana_database
    with pytest.raises(ConstructError, match=r"^grafana_database_vpc is set, but grafana_postgres_ca is off: "):
        assert values.but(grafana_postgres_ca=False).grafana_database


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("my__Cluster-", "my-cluster-monitoring-grafana"),
        ("1st", "c-1st-monitoring-grafana"),
        ("a" * 100, f"{'a' * 54}-d72faaff"),
    ],
    ids=["marks", "digit", "long"],
)
def test_clusters_of_any_name_have_a_server_of_rds(cluster: str, name: str) -> None:
    """EKS takes more than RDS does."""
    made = PROD.but(
        cluster=cluster,
        grafana_database_vpc=OTHERS["grafana_database_vpc"],
        grafana_database_subnets=tuple(OTHERS["grafana_database_subnets"].split(",")),
        grafana_database_clients=OTHERS["grafana_database_clients"],
    ).grafana_database
    assert made
    assert made.name == name


def test_values_in_code_are_checked_like_the_others() -> None:
    """An environment that differs from another one in code is a whole, valid environment."""
    assert PROD.but(retention=timedelta(days=1)).retention == timedelta(days=1)
    with pytest.raises(ValidationError, match="prometheus_replicas"):
        PROD.but(prometheus_replicas=0)
    with pytest.raises(ValidationError, match="retenton"):
        PROD.but(retenton=timedelta(days=1))


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [
        ("application_services", "api,two words", "'two words'"),
        ("infrastructure", "=7777", "''"),
        ("registry", "https://mirror.example.com", "'https://mirror.example.com'"),
        ("cluster", "", "''"),
        ("infrastructure", "nats=1,nats=2", "nats"),
        ("storage_class", "No Class", "'No Class'"),
    ],
)
def test_a_value_that_would_be_refused_later_is_refused_now(
    setting: str, value: str, shown: str, tmp_path: Path
) -> None:
    """The API server, the kubelet or Prometheus would refuse or misread what is rendered from it."""
    # Of dev, which makes no storage class.
    (tmp_path / ".env").write_text(f"{variable('dev', setting)}={value}\n")
    with pytest.raises(ConstructError, match=shown):
        render(load(env_file=str(tmp_path / ".env")), tmp_path / "out")


def test_every_interval_that_is_allowed_can_be_set(tmp_path: Path) -> None:
    """The timeout follows from a short interval."""
    (tmp_path / ".env").write_text("CONSTRUCTS_DEV__SCRAPE_INTERVAL=1s\nCONSTRUCTS_PROD__SCRAPE_INTERVAL=2m\n")
    render(load(env_file=str(tmp_path / ".env")), tmp_path / "out")
