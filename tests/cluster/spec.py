"""What a test cluster is built to: addresses, names and volumes, normally those of an environment."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network

from tests.cluster.errors import ClusterError
from tests.cluster.outside.aws_hosts import AwsHosts
from tests.cluster.outside.services import Service

API_PORT = 443  # network policies see the port after the Service's translation, and managed clusters listen here


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One node."""

    name: str
    address: IPv4Address
    pods: IPv4Network
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """OpenSearch outside, and the one user who may use it."""

    host: str
    user: str
    password: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """The header by which the user is known."""
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSpec:
    """PostgreSQL outside, and the one user who may use its one database.

    Args:
        address: Inside the cluster's network, as a managed server's: not a public one.
    """

    host: str
    address: IPv4Address
    port: int
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerSpec:
    """The load balancer outside, by which people come in.

    Args:
        hosts: That lead to it, each with a certificate of its own.
        ports: Where it listens -> the same port on every node, to which it hands connections on.
    """

    hosts: tuple[str, ...]
    ports: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSpec:
    """Who logs people in outside, and the one client that may ask for it."""

    host: str
    client: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """The cluster's facts; one node per zone.

    Args:
        network: The bridge that joins the control plane and the nodes.
        control_plane: Address of the API server, inside `network`.
        node_range: Inside `network`; nodes take the addresses from .11 of it on.
        pod_range: Each node's pods have one /24 of it, the first node number 1.
        service_range: The API's Service is number 1 of it, cluster DNS number 10.
        storage_class: Class of the local volumes.
        create_storage_class: False when the manifests under test bring a class of that name.
        volumes_per_node: Local volumes, each of `volume_capacity` (nominal: nothing enforces it); none is used twice.
        thrown_away_class: Class of as many local volumes again; none when absent.
        cpus_per_node: Nominal too, so that the requests of a production environment fit: the scheduler counts them.
        outside: Public addresses of the outside world: number 1 is a host that is nobody's, AWS has those from number 2
            on, OpenSearch has number 6, the load balancer number 7, who logs people in number 8, SQS and CloudWatch
            number 9, and the hosts of `services` follow from number 10 on.
        outside_ports: Of the host that is nobody's, TCP and UDP.
        services: What receives notifications outside.
        search: OpenSearch outside, if there is one.
        sql: PostgreSQL outside, likewise.
        balancer: The load balancer outside, likewise.
        login: Who logs people in outside, likewise.
        lost_after: Silence after which a node counts as lost (`--node-monitor-grace-period`).
    """

    name: str = "test"
    network: IPv4Network = field(default=IPv4Network("10.20.0.0/16"))
    control_plane: IPv4Address = field(default=IPv4Address("10.20.0.10"))
    node_range: IPv4Network = field(default=IPv4Network("10.20.16.0/20"))
    pod_range: IPv4Network = field(default=IPv4Network("100.64.0.0/16"))
    service_range: IPv4Network = field(default=IPv4Network("172.20.0.0/16"))
    region: str = "us-east-1"
    zones: tuple[str, ...] = ("us-east-1a", "us-east-1b", "us-east-1c")
    storage_class: str = "gp3"
    create_storage_class: bool = True
    volumes_per_node: int = 8
    volume_capacity: str = "200Gi"
    thrown_away_class: str | None = None
    cpus_per_node: int = 8
    outside: IPv4Network = field(default=IPv4Network("203.0.113.0/24"))  # for examples: never in anybody's network
    outside_ports: tuple[int, ...] = (80, 5432, 8080, 9094)
    services: tuple[Service, ...] = ()
    search: SearchSpec | None = None
    sql: SqlSpec | None = None
    balancer: BalancerSpec | None = None
    login: LoginSpec | None = None
    lost_after: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        sql = [("PostgreSQL", self.sql.address)] if self.sql else []
        nodes = self.node_range.network_address
        for what, inside in (("control plane", self.control_plane), ("node range", nodes), *sql):
            if inside not in self.network:
                raise ClusterError(f"the {what} {inside} lies outside the network {self.network}: choose one inside it")

    @property
    def volume_classes(self) -> tuple[str, ...]:
        """Of each local volume of a node, its class."""
        classes = [self.storage_class, *([self.thrown_away_class] if self.thrown_away_class else [])]
        return tuple(each for each in classes for _ in range(self.volumes_per_node))

    @property
    def api_service(self) -> IPv4Address:
        """Address of the Service `kubernetes`."""
        return self.service_range[1]

    @property
    def dns_service(self) -> IPv4Address:
        """Address of the Service `kube-dns`."""
        return self.service_range[10]

    @property
    def outside_host(self) -> IPv4Address:
        """A host outside that is nobody's."""
        return self.outside[1]

    @property
    def outside_names(self) -> tuple[str, ...]:
        """The names outside that cluster DNS knows."""
        return tuple(dict.fromkeys(service.host for service in self.services))

    @property
    def outside_addresses(self) -> dict[str, IPv4Address]:
        """Name outside -> its address."""
        return {name: self.outside[10 + number] for number, name in enumerate(self.outside_names)}

    @property
    def search_addresses(self) -> dict[str, IPv4Address]:
        """Name of OpenSearch -> its address, if there is one."""
        return {self.search.host: self.outside[6]} if self.search else {}

    @property
    def sql_addresses(self) -> dict[str, IPv4Address]:
        """Name of PostgreSQL -> its address, if there is one."""
        return {self.sql.host: self.sql.address} if self.sql else {}

    @property
    def balancer_addresses(self) -> dict[str, IPv4Address]:
        """Name of a host that leads into the cluster -> the address of the load balancer, if there is one."""
        return dict.fromkeys(self.balancer.hosts, self.outside[7]) if self.balancer else {}

    @property
    def login_addresses(self) -> dict[str, IPv4Address]:
        """Name of who logs people in -> its address, if there is one."""
        return {self.login.host: self.outside[8]} if self.login else {}

    @property
    def aws(self) -> AwsHosts:
        """The hosts of AWS."""
        return AwsHosts(region=self.region, network=self.outside)

    @property
    def issuer(self) -> str:
        """Who signs service account tokens, in the form of a managed cluster."""
        return f"https://{self.aws.issuer}/id/{self.name.upper()}"

    @property
    def nodes(self) -> tuple[NodeSpec, ...]:
        """The nodes n1, n2, ..."""
        pod_ranges = list(self.pod_range.subnets(new_prefix=24))
        return tuple(
            NodeSpec(name=f"n{number}", address=self.node_range[10 + number], pods=pod_ranges[number], zone=zone)
            for number, zone in enumerate(self.zones, start=1)
        )


DEFAULT = ClusterSpec()
