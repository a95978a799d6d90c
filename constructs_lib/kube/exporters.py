"""The usual exporters of databases: one process that logs in and asks."""

from datetime import timedelta
from typing import Literal

from constructs import Construct

from constructs_lib import versions
from constructs_lib.config.secrets import SecretKey
from constructs_lib.contract import Endpoint, ExternalHost, Namespace, Port
from constructs_lib.kube.component import Component
from constructs_lib.kube.pod import Container, OfSecret, Placement, Probe, Resources, Text
from constructs_lib.kube.volumes import Mount, SecretFiles
from constructs_lib.kube.workload import Stateless
from constructs_lib.units import Bytes, Cpu

POSTGRES_EXPORTER, REDIS_EXPORTER = "postgres-exporter", "redis-exporter"
SMALL = Resources(cpu=Cpu(50), memory=Bytes.mib(64))
CREDENTIALS = "/etc/exporter/credentials"


class PostgresExporter(Component):
    """Asks one PostgreSQL server how it is.

    Args:
        namespace: Where it lives; the Secret with the password is there too.
        name: Of its objects; one for each server.
        server: Pods of the cluster, or a server outside of it.
        user: Who logs in; the role `pg_monitor` is enough.
        password: Of that user.
        sslmode: Of the connection, as libpq has it.
        placement: On which nodes.
    Source: https://github.com/prometheus-community/postgres_exporter
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = POSTGRES_EXPORTER,
        server: Endpoint | ExternalHost,
        user: str,
        password: SecretKey,
        sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "require",
        placement: Placement = Placement(),
    ) -> None:
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=POSTGRES_EXPORTER,
            image=versions.POSTGRES_EXPORTER,
            workload=Stateless(user=65534),
            placement=placement,
        )
        port = Port(name="metrics", number=9187)
        self.metrics = self.endpoint(port)
        self.connect_to(server)
        self.add_container(
            Container(
                name=POSTGRES_EXPORTER,
                image=versions.POSTGRES_EXPORTER,
                ports=(port,),
                environment={
                    "DATA_SOURCE_URI": Text(f"{server.address}/postgres?sslmode={sslmode}"),
                    "DATA_SOURCE_USER": Text(user),
                    "DATA_SOURCE_PASS_FILE": Text(password.path_below(CREDENTIALS)),
                },
                mounts=(Mount(source=SecretFiles(password.secret), path=f"{CREDENTIALS}/{password.secret}"),),
                resources=SMALL,
                readiness=Probe(path="/", port=port, period=timedelta(seconds=10), failures=3),
                liveness=Probe(path="/", port=port, period=timedelta(seconds=30), failures=6),
            )
        )


class RedisExporter(Component):
    """Asks one Redis server how it is.

    Args:
        namespace: Where it lives; the Secret with the password is there too.
        name: Of its objects; one for each server.
        server: Pods of the cluster, or a server outside of it.
        password: Of the server; None where it wants none.
        scheme: `rediss` for a server that wants TLS.
        placement: On which nodes.
    Source: https://github.com/oliver006/redis_exporter
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        namespace: Namespace,
        name: str = REDIS_EXPORTER,
        server: Endpoint | ExternalHost,
        password: SecretKey | None = None,
        scheme: Literal["redis", "rediss"] = "redis",
        placement: Placement = Placement(),
    ) -> None:
        super().__init__(
            scope,
            id,
            namespace=namespace,
            name=name,
            program=REDIS_EXPORTER,
            image=versions.REDIS_EXPORTER,
            workload=Stateless(user=59000),
            placement=placement,
        )
        port = Port(name="metrics", number=9121)
        self.metrics = self.endpoint(port)
        self.connect_to(server)
        address = {"REDIS_ADDR": Text(f"{scheme}://{server.address}")}
        self.add_container(
            Container(
                name=REDIS_EXPORTER,
                image=versions.REDIS_EXPORTER,
                ports=(port,),
                # The only file that it reads holds a map of addresses to passwords, which nobody keeps in a Secret.
                environment={**address, **({"REDIS_PASSWORD": OfSecret(password)} if password else {})},
                resources=SMALL,
                readiness=Probe(path="/health", port=port, period=timedelta(seconds=10), failures=3),
                liveness=Probe(path="/health", port=port, period=timedelta(seconds=30), failures=6),
            )
        )
