"""Every value that a site chooses, for each environment; the one place that reads environment variables and `.env`.

A variable names its environment: `CONSTRUCTS_PROD__RETENTION=15d`. `.env.example` lists them all, and is printed by
`python -m apps.environments`.
"""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from constructs_lib.contract import Cluster, PortRange, cidr, object_name
from constructs_lib.errors import ConstructError
from constructs_lib.units import Bytes, Cpu, parse_duration, prometheus_duration

PREFIX, DELIMITER = "CONSTRUCTS_", "__"


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


def _class_name(value: str | None) -> str | None:
    return object_name(value, of="a storage class") if value else None


Size = Annotated[Bytes, NoDecode, _read(Bytes.parse)]
Share = Annotated[Cpu, NoDecode, _read(Cpu.parse)]
Duration = Annotated[timedelta, _read(parse_duration)]
Words = Annotated[tuple[str, ...], NoDecode, _read(_words)]
Ranges = Annotated[Words, AfterValidator(_ranges)]
Ports = Annotated[PortRange, NoDecode, _read(_ports)]
NamedPorts = Annotated[dict[str, int], NoDecode, _read(_named_ports)]


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
    namespace: str = Field(description="Namespace of the monitoring; what needs the host lives in <namespace>-host.")
    storage_class: Annotated[str | None, AfterValidator(_class_name)] = Field(
        description="Of all volumes; empty for the cluster's default one."
    )
    make_storage_class: bool = Field(description="Whether to make that class: encrypted gp3 volumes of EBS.")
    prometheus_url: str = Field(description="Under which people reach Prometheus.")
    runbooks_url: str = Field(description="Below which every alert has a page of its name.")
    prometheus_replicas: int = Field(ge=1, description="Two survive the loss of one.")
    prometheus_cpu: Share = Field(description="Promised to each Prometheus; it may use four times as much.")
    prometheus_memory: Size = Field(
        description="Likewise, up to twice as much, which replaying the log after a crash may need."
    )
    prometheus_volume: Size = Field(description="Size of each Prometheus' volume.")
    cluster_sample_limit: int = Field(ge=1, description="Samples that one API server or kubelet may send.")
    retention: Duration = Field(description="How long samples stay on Prometheus' own disk.")
    scrape_interval: Duration = Field(description="Between two scrapes, and two evaluations of a rule.")
    application_namespace: str = Field(description="Where the application services and their databases run.")
    application_services: Words = Field(description="Each is a job of its own: pods by app.kubernetes.io/name.")
    infrastructure: NamedPorts = Field(description="Likewise, with the port of the metrics.")
    scrape_ports: Ports = Field(description="Where pods may serve annotated metrics: the network is open for these.")

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
        )


PROD = Environment(
    cluster="insurance-lead-gen-prod",
    # EKS: the Service's address in the cluster's range, and the subnets of the control plane's network interfaces.
    api_server=("172.20.0.1/32", "10.20.0.0/24"),
    api_server_port=443,
    nodes=("10.20.16.0/20",),
    dns_cache=(),
    signed_kubelets=True,
    registry=None,
    namespace="monitoring",
    storage_class="gp3",
    make_storage_class=True,
    prometheus_url="https://prometheus.insurance-lead-gen.com",
    runbooks_url="https://runbooks.insurance-lead-gen.com",
    prometheus_replicas=2,
    prometheus_cpu=Cpu(500),
    prometheus_memory=Bytes.gib(1),
    prometheus_volume=Bytes.gib(100),
    cluster_sample_limit=200_000,
    retention=timedelta(days=30),
    scrape_interval=timedelta(seconds=15),
    application_namespace="insurance-lead-gen",
    application_services=("api", "backend", "data-service", "orchestrator"),
    infrastructure={"nats": 7777, "neo4j": 2004, "qdrant": 6333},
    scrape_ports=PortRange(8000, 9999),
)
STAGING = PROD.but(
    cluster="insurance-lead-gen-staging",
    prometheus_url="https://prometheus.staging.insurance-lead-gen.com",
    prometheus_replicas=1,
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
    prometheus_volume=Bytes.gib(10),
    retention=timedelta(days=7),
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
        case PortRange():
            text = f"{value.first}-{value.last}"
        case tuple():
            text = ",".join(value)
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
