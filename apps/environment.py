"""What a site chooses for one environment: each value's name, type and meaning."""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import time, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from constructs_lib.contract import Bucket, Cluster, PortRange, WebIdentity
from constructs_lib.ebs import EbsVolume, region_of
from constructs_lib.errors import ConstructError
from constructs_lib.image import Image
from constructs_lib.names import cidr, object_name
from constructs_lib.rds import LONGEST_NAME, ManagedPostgres, PrivateNetwork
from constructs_lib.restore_points import BackupLimits, RestorePoints
from constructs_lib.units import Bytes, Cpu, parse_duration, prometheus_duration

TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
DAY = timedelta(days=1)
SAID = '{"data-prometheus-0":{"id":"vol-0123456789abcdef0","zone":"us-east-1a"}}'


def _read(parse: Callable[[str], object]) -> BeforeValidator:
    """Values in code are typed; values from outside are text."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _ranges(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cidr(value, of="an address range") for value in values)


def _ports(text: str) -> PortRange:
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise ConstructError("use a port, or two joined by a dash, such as '8000-9999'")
    return PortRange(int(first), int(last or first))


def _named_ports(text: str) -> dict[str, int]:
    pairs = [word.partition("=") for word in _words(text)]
    if any(not number.isdecimal() for _, _, number in pairs):
        raise ConstructError("use names with a port each, such as 'neo4j=2004,qdrant=6333'")
    named = {name: int(number) for name, _, number in pairs}
    if len(named) < len(pairs):
        raise ConstructError(f"{text!r} names something twice: use each name once")
    return named


def _named_texts(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in _words(text)]
    if any(not name or not value for name, _, value in pairs):
        raise ConstructError("use names with a text each, such as 'haproxy.org/timeout-server=5m'")
    named = {name: value for name, _, value in pairs}
    if len(named) < len(pairs):
        raise ConstructError(f"{text!r} names something twice: use each name once")
    return named


def _zones(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        region_of(value)
    return values


def _volumes(text: str) -> dict[str, EbsVolume]:
    """One JSON text after the other, as a stack says several outputs."""
    named: dict[str, EbsVolume] = {}
    rest = text.strip()
    while rest:
        try:
            said, end = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            said, end = None, 0
        if not isinstance(said, dict):
            raise ConstructError(f"use what the stack MonitoringVolumes says, such as {SAID!r}")
        for claim, volume in said.items():
            if claim in named:
                raise ConstructError(f"{claim} has two volumes: name it once")
            match volume:
                case {"id": str(id), "zone": str(zone)}:
                    named[claim] = EbsVolume(id=id, zone=zone)
                case _:
                    raise ConstructError(f"{claim} has no id and zone: use what the stack says, such as {SAID!r}")
        rest = rest[end:].strip()
    return named


def _time(text: str) -> time | None:
    if text and not TIME.fullmatch(text):
        raise ConstructError(f"{text!r} is no time of a day: use hours and minutes, such as '02:30'")
    return time.fromisoformat(text) if text else None


def _class_name(value: str | None) -> str | None:
    return object_name(value, of="a storage class") if value else None


def _members(value: int) -> int:
    if value == 2:
        raise ConstructError("two replicas of Loki survive the loss of none: use 1, or 3 or more")
    return value


def _priority(value: str | None) -> str | None:
    return object_name(value, of="a priority class") if value else None


Size = Annotated[Bytes, NoDecode, _read(Bytes.parse)]
Share = Annotated[Cpu, NoDecode, _read(Cpu.parse)]
Duration = Annotated[timedelta, _read(parse_duration)]
OptionalDuration = Annotated[timedelta | None, _read(lambda text: parse_duration(text) if text else None)]
OptionalTime = Annotated[time | None, _read(_time)]
Words = Annotated[tuple[str, ...], NoDecode, _read(_words)]
Ranges = Annotated[Words, AfterValidator(_ranges)]


def _server(name: str) -> str:
    """As RDS takes it: clusters may have other characters, and longer names."""
    made = re.sub(r"^(?=[0-9])", "c-", re.sub(r"[^a-z0-9]+", "-", name.lower()))
    if len(made) <= LONGEST_NAME:
        return made
    # What was cut off still tells two of them apart.
    last = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{made[: LONGEST_NAME - len(last) - 1].rstrip('-')}-{last}"


Zones = Annotated[Words, AfterValidator(_zones)]
Volumes = Annotated[dict[str, EbsVolume], NoDecode, _read(_volumes)]
Ports = Annotated[PortRange, NoDecode, _read(_ports)]
OptionalImage = Annotated[Image | None, NoDecode, _read(lambda text: Image.parse(text) if text else None)]
NamedPorts = Annotated[dict[str, int], NoDecode, _read(_named_ports)]
NamedTexts = Annotated[dict[str, str], NoDecode, _read(_named_texts)]
OptionalSize = Annotated[Bytes | None, NoDecode, _read(lambda text: Bytes.parse(text) if text else None)]
Controllers = Annotated[Literal["traefik", "annotated", "gateway"] | None, _read(lambda text: text or None)]


# Of regions whose names begin so; the others are of `aws`.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
}


class Environment(BaseModel):
    """The values of one environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    cluster: str = Field(description="Name of the Kubernetes cluster; external label of every alert and block.")
    api_server: Ranges = Field(
        description="Address ranges of the API server: of the Service `kubernetes` and of the endpoints behind it."
    )
    api_server_port: int = Field(ge=1, le=65535, description="Port of those endpoints.")
    nodes: Ranges = Field(description="Address ranges of the nodes.")
    dns_cache: Ranges = Field(
        description="Address ranges of a DNS cache on the nodes, such as 169.254.20.10/32; or none."
    )
    signed_kubelets: bool = Field(description="Whether the cluster's authority signs the kubelets' certificates.")
    registry: str | None = Field(description="A mirror of all images; empty for their own registries.")
    pull_secrets: Words = Field(description="Secrets with the credentials of registries, by name; or none.")
    namespace: str = Field(description="Namespace of the monitoring; what needs the host lives in <namespace>-host.")
    storage_class: Annotated[str | None, AfterValidator(_class_name)] = Field(
        description="Of all volumes; empty for the cluster's default one."
    )
    make_storage_class: bool = Field(description="Whether to make that class: encrypted gp3 volumes of EBS.")
    volume_zones: Zones = Field(
        description="The zone of REGION in which AWS makes the volumes of each component's first replica, before they "
        "are claimed, that of the second, and so on: as many as the most replicas. Or none, where STORAGE_CLASS makes "
        "all volumes."
    )
    volume_snapshots_at: OptionalTime = Field(
        description="The time of the day, in UTC, at which a snapshot is made of each of these volumes, such as 03:00; "
        "empty for none."
    )
    volume_snapshots: int = Field(ge=1, le=1000, description="How many of each volume are kept.")
    static_volumes: Volumes = Field(
        description="What the stack MonitoringVolumes says of these volumes, once it is deployed: JSON, by claim. Or "
        "none, without VOLUME_ZONES."
    )
    priority_class: Annotated[str | None, AfterValidator(_priority)] = Field(
        description="Of Prometheus, Alertmanager, Loki, Jaeger and kube-state-metrics, so that nobody else's pods push "
        "them off full nodes; it must exist. Empty for none."
    )
    prometheus_url: str = Field(description="Under which people reach Prometheus.")
    hosts_at: Ranges = Field(
        description="Address ranges in which the hosts that are served resolve, which are asked whether they answer; "
        "empty where nobody asks."
    )
    ingress: Controllers = Field(
        description="What people come in by: traefik; annotated for another controller, which INGRESS_ANNOTATIONS tell "
        "of redirects and limits; gateway; empty where nobody does."
    )
    ingress_namespace: str = Field(description="Where the controller's pods are: nobody else's are let in.")
    ingress_controller: str = Field(description="The app.kubernetes.io/name of these pods.")
    ingress_class: str = Field(description="The IngressClass that they serve.")
    ingress_issuer: str = Field(description="The ClusterIssuer of cert-manager that signs each host's certificate.")
    ingress_annotations: NamedTexts = Field(description="Of every Ingress, where it is another controller's; or none.")
    ingress_body: OptionalSize = Field(
        description="Of a request, at most; empty for as much as the controller takes, which is all that a Gateway and "
        "another controller can be told."
    )
    ingress_timeout: OptionalDuration = Field(
        description="Until when an answer must have begun, or with a Gateway have ended: more than the minute after "
        "which the proxies with the login give up. Empty for as long as the controller waits, which is all that "
        "another controller can be told."
    )
    gateway_name: str = Field(description="The Gateway that serves the hosts, where INGRESS is gateway.")
    gateway_namespace: str = Field(description="Where it is; its listeners http and https admit routes from ours.")
    sign_in_issuer: str | None = Field(
        description="URL of the provider, by OpenID Connect, that logs people in before Prometheus, Alertmanager and "
        "Jaeger, which have no login; empty where these are not served."
    )
    sign_in_at: Ranges = Field(
        description="Address ranges in which the provider's hosts resolve; 0.0.0.0/0 means everywhere but private "
        "networks."
    )
    sign_in_client: str = Field(description="The client that the provider knows us as, with a redirect URL a host.")
    sign_in_scopes: Words = Field(
        description="What the provider is asked for; or none, for openid, email and profile. Many providers renew "
        "sessions only for who asks for offline_access, too."
    )
    sign_in_domains: Words = Field(
        description="Of e-mail addresses that may come in: * for all that the provider knows."
    )
    sign_in_groups: Words = Field(description="One of which who comes in must be in; or none.")
    sign_in_credentials: str = Field(
        description="Secret with the keys client-secret, and cookie-secret of 32 random characters."
    )
    sign_in_replicas: int = Field(ge=1, description="Of the proxy before each; two survive the loss of one.")
    secret_store: str | None = Field(
        description="The ClusterSecretStore of the External Secrets Operator that has all credentials but "
        "PULL_SECRETS; empty where somebody makes these Secrets."
    )
    secret_store_prefix: str = Field(
        description="Before the name of each there, such as monitoring/prod; it has a property for each key."
    )
    runbooks_url: str = Field(description="Below which every alert has a page of its name.")
    prometheus_replicas: int = Field(ge=1, description="Two survive the loss of one.")
    prometheus_cpu: Share = Field(description="Promised to each Prometheus; it may use four times as much.")
    prometheus_memory: Size = Field(
        description="Likewise, up to twice as much, which replaying the log after a crash may need."
    )
    prometheus_volume: Size = Field(description="Size of each Prometheus' volume.")
    alertmanager_url: str = Field(description="Under which people reach Alertmanager.")
    alertmanager_replicas: int = Field(ge=1, description="Two survive the loss of one.")
    alertmanager_cpu: Share = Field(description="Promised to each Alertmanager; it may use four times as much.")
    alertmanager_memory: Size = Field(description="Likewise, up to twice as much.")
    alertmanager_volume: Size = Field(description="Size of each Alertmanager's volume.")
    receivers_at: Ranges = Field(
        description="Address ranges of all receivers; 0.0.0.0/0 means everywhere but private networks."
    )
    receivers_credentials: str = Field(
        description="Secret with the receivers' credentials, by the keys webhook-url, heartbeat-url, and where their "
        "receivers are on, pagerduty-key, slack-url, smtp-password."
    )
    heartbeat_interval: OptionalDuration = Field(
        description="How often the heartbeat is sent, which its receiver must expect; empty for none."
    )
    pagerduty: bool = Field(description="Whether PagerDuty hears of what is critical; else the webhook does.")
    slack_channel: str | None = Field(
        description="Where the teams backend and ml hear of warnings; empty for the webhook."
    )
    teams_slack_channel: str | None = Field(
        description="Where other teams hear of the alerts of their own releases, {team} being the team's name; empty "
        "for the webhook."
    )
    email_to: str | None = Field(description="Where the team database hears of warnings; empty for the webhook.")
    email_from: str = Field(description="The sender of these.")
    smtp_host: str = Field(description="Name of the mail server, which must offer STARTTLS.")
    smtp_port: int = Field(ge=1, le=65535, description="Of the mail server.")
    smtp_user: str = Field(description="Who logs in there.")
    postgres_service: str | None = Field(
        description="PostgreSQL's Service in the application namespace, and its pods' app.kubernetes.io/name; or none."
    )
    postgres_user: str = Field(description="Who logs in there; the role pg_monitor is enough.")
    redis_service: str | None = Field(description="Likewise, of Redis.")
    databases_credentials: str = Field(
        description="Secret with the passwords of the databases, by the keys postgres-password and redis-password."
    )
    cluster_sample_limit: int = Field(
        ge=1, description="Samples that one API server, kubelet or kube-state-metrics may send."
    )
    loki_replicas: Annotated[int, AfterValidator(_members)] = Field(
        ge=1, description="3 survive the loss of one; 1 is enough where that may stop the logs."
    )
    loki_cpu: Share = Field(description="Promised to each Loki; it may use four times as much.")
    loki_memory: Size = Field(description="Likewise.")
    loki_volume: Size = Field(
        description="Size of each Loki's volume: of what is not stored yet, and of all logs where there is no bucket."
    )
    bucket_prefix: str = Field(
        description="Before the name of each of our buckets, with a dash, since names are of all of AWS: choose your "
        "own, for CloudFormation refuses the placeholder."
    )
    region: str = Field(description="Of these buckets, and of VOLUME_ZONES.")
    aws_account: str | None = Field(
        description="The account of the cluster, twelve digits, where pods get their roles by OIDC_ISSUER; empty for "
        "EKS Pod Identity."
    )
    oidc_issuer: str | None = Field(
        description="The cluster's issuer of tokens, which AWS_ACCOUNT trusts, without https://; empty for EKS Pod "
        "Identity."
    )
    logs_bucket_suffix: str | None = Field(
        description="Bucket of S3 that is Loki's alone, by what comes after BUCKET_PREFIX; empty for its volume."
    )
    s3_at: Ranges = Field(
        description="Address ranges of S3, and of STS where OIDC_ISSUER is set; 0.0.0.0/0 means everywhere but private "
        "networks, where interface endpoints would be."
    )
    logs_retention: Duration = Field(description="How long logs stay: whole days.")
    logs_rate: Size = Field(
        description="Of logs, that all containers may write in a second; each Loki takes its part, and a node asks one."
    )
    logs_streams: int = Field(
        ge=1, description="Streams of logs: two a container that writes, and for half an hour after it ended."
    )
    grafana_url: str = Field(description="Under which people reach Grafana, where links of alerts on logs lead.")
    grafana_replicas: int = Field(ge=1, description="2 survive the loss of one, and need PostgreSQL; 1 without it.")
    grafana_cpu: Share = Field(description="Promised to each Grafana; it may use four times as much.")
    grafana_memory: Size = Field(description="Likewise.")
    grafana_volume: Size = Field(
        description="Size of each Grafana's volume: of all that people make, where there is no PostgreSQL."
    )
    grafana_credentials: str = Field(
        description="Secret with the keys admin-password and secret-key, and where there is PostgreSQL "
        "postgres-password, and postgres-ca where GRAFANA_POSTGRES_CA is on."
    )
    grafana_metrics_credentials: str = Field(
        description="Secret with the key password, which Grafana and Prometheus read where people come in by INGRESS: "
        "nobody else reads Grafana's metrics."
    )
    grafana_postgres_host: str | None = Field(
        description="PostgreSQL that keeps what people make in Grafana, by TLS; empty for a volume of a single Grafana."
    )
    grafana_postgres_port: int = Field(ge=1, le=65535, description="Of PostgreSQL.")
    grafana_postgres_at: Ranges = Field(
        description="Address ranges of PostgreSQL; RDS has private ones of its VPC, which 0.0.0.0/0 does not hold."
    )
    grafana_postgres_database: str = Field(description="The database there, which its user owns.")
    grafana_postgres_user: str = Field(description="Who logs in there.")
    grafana_postgres_ca: bool = Field(
        description="Whether an authority that is not public has signed PostgreSQL's certificate, as that of RDS."
    )
    grafana_postgres_version: int = Field(
        ge=15, le=18, description="The major version of PostgreSQL, whose own programs save and restore it."
    )
    grafana_database_vpc: str | None = Field(
        description="The VPC in which RDS makes that PostgreSQL, by id, by the stack MonitoringDatabase; empty where "
        "it is somebody else's."
    )
    grafana_database_subnets: Words = Field(description="Of the same, by id, in two zones or more; or none.")
    grafana_database_clients: str | None = Field(
        description="The security group that is let in, by id: of the nodes of CLUSTER. Empty where there is no VPC."
    )
    grafana_backup: bool = Field(
        description="Whether that database is saved every day by AGENT_IMAGE, into the bucket of BACKUP_BUCKET_SUFFIX; "
        "GRAFANA_POSTGRES_CA must be on."
    )
    tracing: bool = Field(description="Whether there is tracing; without it, nothing of it remains.")
    traces_host: str | None = Field(
        description="OpenSearch that keeps the spans, by TLS; empty for a volume of a single collector."
    )
    traces_port: int = Field(ge=1, le=65535, description="Of OpenSearch.")
    traces_at: Ranges = Field(
        description="Address ranges of OpenSearch; 0.0.0.0/0 means everywhere but private networks, where a domain in "
        "a VPC would be."
    )
    traces_user: str = Field(description="Who logs in there.")
    traces_credentials: str = Field(
        description="Secret with the key opensearch-password, and opensearch-ca where TRACES_CA is on."
    )
    traces_ca: bool = Field(description="Whether an authority of your own has signed OpenSearch's certificate.")
    traces_prefix: str = Field(description="Of the indices: nobody else's there may end with all of it.")
    traces_shards: int = Field(ge=1, description="Of the index of each day.")
    traces_copies: int = Field(ge=0, description="Of each shard; 0 where OpenSearch is a single node.")
    traces_nodes: int = Field(ge=1, description="Of OpenSearch's data, each of which takes a thousand shards.")
    traces_retention: Duration = Field(description="How long spans stay: whole days in OpenSearch.")
    traces_volume: Size = Field(description="Size of the single collector's volume, where there is no OpenSearch.")
    jaeger_url: str = Field(description="Under which people reach Jaeger.")
    jaeger_collectors: int = Field(ge=1, description="Two survive the loss of one; 1 without OpenSearch.")
    jaeger_cpu: Share = Field(description="Promised to each collector; it may use four times as much.")
    jaeger_memory: Size = Field(description="Likewise, up to twice as much.")
    retention: Duration = Field(description="How long samples stay on Prometheus' own disk.")
    backup_bucket_suffix: str | None = Field(
        description="Bucket of S3 that keeps restore points, by what comes after BUCKET_PREFIX, to which AGENT_IMAGE "
        "brings them; empty for no backup."
    )
    backup_every: Duration = Field(
        description="After which a restore point is made, at the latest: two hours or more, which a block takes. Where "
        "BACKUP_AT is set, a day or less, and an hour and a quarter later."
    )
    backup_at: OptionalTime = Field(
        description="The time of the day at which AWS starts each backup of Prometheus by a queue of SQS, such as "
        "02:00; empty for the agents' own timer alone."
    )
    backup_time_zone: str = Field(description="Of that time, by its name, such as Etc/UTC or Europe/Berlin.")
    sqs_at: Ranges = Field(
        description="Address ranges of SQS, where BACKUP_AT is set; 0.0.0.0/0 means everywhere but private networks, "
        "where an interface endpoint would be."
    )
    backup_keep: Duration = Field(
        description="How long each is kept: whole days. Before it grows, BACKUP_EXPIRY must have grown by as much for "
        "as long as restore points are kept, or those of before may lose objects."
    )
    backup_expiry: Duration = Field(
        description="After which anything in that bucket expires: whole days, a week more than RETENTION, the longest "
        "block (a tenth of it) and BACKUP_KEEP are together."
    )
    cloudwatch_at: Ranges = Field(
        description="Address ranges of CloudWatch, which the agents tell what each Prometheus uses, and that a drill "
        "has succeeded; empty where nobody does, so that AWS has no alarms of it."
    )
    drill_storage_class: Annotated[str | None, AfterValidator(_class_name)] = Field(
        description="Class of the volume into which a restore point is restored every day, to see that it can be: its "
        "volumes must go with their claims. It is made where MAKE_STORAGE_CLASS is on; empty for no "
        "drill, of which there is none without a backup."
    )
    alarm_emails: Words = Field(
        description="Addresses of email that hear of alarms on restore points, drills and Prometheus; each says yes "
        "first, by a link. Or none."
    )
    alarm_https: Words = Field(
        description="Likewise, the names of secrets of Secrets Manager in REGION, each of which is an https URL. Or "
        "none: with no address either, the alarms are there and tell nobody."
    )
    scrape_interval: Duration = Field(description="Between two scrapes, and two evaluations of a rule.")
    application_namespace: str = Field(description="Where the application services and their databases run.")
    application_services: Words = Field(description="Each is a job of its own: pods by app.kubernetes.io/name.")
    infrastructure: NamedPorts = Field(description="Likewise, with the port of the metrics.")
    scrape_ports: Ports = Field(description="Where pods may serve annotated metrics: the network is open for these.")
    agent_image: OptionalImage = Field(
        description="Our own image, built by agent/README.md, which takes over what other teams' releases bring, and "
        "makes restore points; empty for none of these."
    )

    @property
    def logs_store(self) -> Bucket | None:
        """Where Loki keeps logs; None for its volume."""
        return self._bucket(self.logs_bucket_suffix) if self.logs_bucket_suffix else None

    @property
    def restore_points(self) -> RestorePoints | None:
        """Where restore points are, and how often they are made; None where there is no backup."""
        if not self.backup_bucket_suffix:
            return None
        bucket = self._bucket(self.backup_bucket_suffix)
        limits = BackupLimits(every=self.backup_every, queued=self.backups_start is not None)
        return RestorePoints(bucket=bucket, keep=self.backup_keep, expiry=self.backup_expiry, limits=limits)

    @property
    def backups_start(self) -> time | None:
        """When queues start backups, each day; None where the agents' own timers do alone."""
        if self.backup_at is not None and self.backup_every > DAY:
            raise ConstructError(
                f"backup_every is {prometheus_duration(self.backup_every)}, but backup_at starts a backup every day, "
                f"at {self.backup_at:%H:%M}: use a day or less, or leave backup_at empty"
            )
        return self.backup_at

    @property
    def web_identity(self) -> WebIdentity | None:
        """Whose tokens AWS trusts; None for EKS Pod Identity."""
        if not self.aws_account and not self.oidc_issuer:
            return None
        if not self.aws_account or not self.oidc_issuer:
            raise ConstructError(
                f"aws_account is {self.aws_account or ''!r} and oidc_issuer {self.oidc_issuer or ''!r}: give both, for "
                "IAM roles for service accounts, or none, for EKS Pod Identity"
            )
        partition = next((name for begin, name in PARTITIONS.items() if self.region.startswith(begin)), "aws")
        return WebIdentity(account=self.aws_account, issuer=self.oidc_issuer, partition=partition)

    @property
    def grafana_database(self) -> ManagedPostgres | None:
        """The PostgreSQL that RDS makes for Grafana; None where it is somebody else's."""
        vpc, subnets, clients = self.grafana_database_vpc, self.grafana_database_subnets, self.grafana_database_clients
        if not vpc and not subnets and not clients:
            return None
        if not vpc or not subnets or not clients:
            raise ConstructError(
                f"grafana_database_vpc is {vpc or ''!r}, grafana_database_subnets {','.join(subnets)!r} and "
                f"grafana_database_clients {clients or ''!r}: give all three, for a database of RDS, or none"
            )
        if not self.grafana_postgres_ca:
            raise ConstructError(
                "grafana_database_vpc is set, but grafana_postgres_ca is off: no public authority signs the "
                "certificates of RDS, so turn it on"
            )
        return ManagedPostgres(
            name=_server(f"{self.cluster}-{self.namespace}-grafana"),
            secret=f"{self.cluster}/{self.namespace}/grafana-postgres",
            network=PrivateNetwork(vpc=vpc, subnets=subnets, clients=clients),
            database=self.grafana_postgres_database,
            user=self.grafana_postgres_user,
            port=self.grafana_postgres_port,
            version=self.grafana_postgres_version,
        )

    def _bucket(self, name: str) -> Bucket:
        return Bucket(name=f"{self.bucket_prefix}-{name}", region=self.region, reached_at=self.s3_at)

    def but(self, **differences: Any) -> "Environment":
        """The same values but for some, checked like the others."""
        return Environment(**{**dict(self), **differences})

    def facts(self, name: str) -> Cluster:
        """The cluster as constructs know it.

        Args:
            name: Of the environment.
        """
        return Cluster(
            name=self.cluster,
            environment=name,
            api_server=self.api_server,
            api_server_port=self.api_server_port,
            nodes=self.nodes,
            dns=self.dns_cache,
            signed_kubelets=self.signed_kubelets,
            registry=self.registry or None,
            pull_secrets=self.pull_secrets,
            web_identity=self.web_identity,
        )
