"""The machine outside the cluster."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.errors import ClusterError
from tests.cluster.machine import Machine, in_network
from tests.cluster.outside.aws import Aws
from tests.cluster.outside.balancer import Balancer
from tests.cluster.outside.login import Login
from tests.cluster.outside.record import Received, Record
from tests.cluster.outside.search import Search
from tests.cluster.outside.services import MAIL_PORT, WEB_PORT
from tests.cluster.outside.sql import Sql
from tests.cluster.programs import built, python
from tests.cluster.spec import ClusterSpec
from tests.cluster.waiting import wait


class Outside:
    """A machine with public addresses, on which all services outside run, and a host that is nobody's.

    Attributes:
        address: Of that host: it accepts TCP and echoes UDP at the specification's `outside_ports`.
        addresses: Name of a service's host -> its address; cluster DNS answers with it.
        aws: On a machine of its own.
        search: OpenSearch, likewise, if the specification asks for it.
        sql: PostgreSQL, likewise.
        balancer: Which hands people's connections on to the nodes, likewise.
        login: Who logs people in, likewise.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        authority: Authority,
        directory: Path,
        aws: Aws,
        *,
        search: Search | None,
        sql: Sql | None,
        balancer: Balancer | None,
        login: Login | None,
    ) -> None:
        self.aws, self.search, self.sql, self.balancer, self.login = aws, search, sql, balancer, login
        self.machine = Machine("outside", directory)
        self.address: IPv4Address = spec.outside_host
        self.addresses: Mapping[str, IPv4Address] = spec.outside_addresses
        self._spec, self._authority, self._directory = spec, authority, directory
        self._record = Record(directory)

    def start(self) -> None:
        """Start everything, on a machine that has its network."""
        configuration = self._directory / "receivers.json"
        configuration.write_text(
            json.dumps(
                {
                    "certificate": self._authority.path(f"{PUBLIC}.crt"),
                    "key": self._authority.path(f"{PUBLIC}.key"),
                    "hosts": {str(address): host for host, address in self.addresses.items()},
                    "services": [{"kind": type(each).__name__, **asdict(each)} for each in self._spec.services],
                }
            )
        )
        self.machine.start("receivers", python("tests.cluster.outside.receivers", str(configuration)))
        self.machine.start("listen", [built("probe"), "listen", *map(str, self._spec.outside_ports)])

    def wait_ready(self) -> None:
        """Wait until everything answers."""
        ports = {WEB_PORT, MAIL_PORT, *self._spec.outside_ports}
        targets = [f"{self.address}:{port}/tcp" for port in sorted(ports)]

        def ready() -> bool:
            self.machine.check()
            closed = [
                line for line in self.machine.run(built("probe"), "scan", *targets).splitlines() if "OPEN" not in line
            ]
            if closed:
                raise ClusterError("; ".join(closed))
            return True

        wait("the outside world answers", ready, timedelta(seconds=30))

    @property
    def enter(self) -> list[str]:
        """The beginning of a command line that runs a command of this machine in the network outside.

        It ends with the thread that starts it: see `Kubernetes.in_network_of`.
        """
        return in_network(self.machine.network)

    def received(self, host: str) -> list[Received]:
        """What one host has accepted, in the order of arrival."""
        return [received for received in self._record.read(self._known(host)) if received.accepted]

    def refused(self, host: str) -> list[Received]:
        """What one host has refused: a wrong credential, a wrong form, or a fault that a test gave it."""
        return [received for received in self._record.read(self._known(host)) if not received.accepted]

    @contextmanager
    def failing(self, host: str, status: int = 503) -> Iterator[None]:
        """Let one host answer with an error for a while; a mail server answers 421, whatever the status."""
        with self._record.failing(self._known(host), status):
            yield

    def _known(self, host: str) -> str:
        if host not in self.addresses:
            raise ClusterError(f"nobody serves {host} outside: choose from {', '.join(self.addresses) or 'nobody'}")
        return host
