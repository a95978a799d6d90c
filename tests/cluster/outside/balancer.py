"""The load balancer by which people come in: it knows TCP alone, as a network load balancer of AWS."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

from tests.cluster.authority import PUBLIC, Authority
from tests.cluster.machine import Machine
from tests.cluster.outside.client import PATIENCE
from tests.cluster.outside.files import write
from tests.cluster.programs import python
from tests.cluster.spec import BalancerSpec
from tests.cluster.waiting import wait

REFUSING = """
table ip refusing {{
  chain everybody {{
    type filter hook input priority filter
    iifname "eth0" tcp dport {{ {ports} }} reject with tcp reset
  }}
}}
"""
SOON = timedelta(seconds=30)


class Balancer:
    """A machine that hands connections on to the nodes.

    Attributes:
        addresses: Name of a host -> its own address; cluster DNS answers with it.
        authority: Path of the certificate of who signed those of the hosts.
    """

    def __init__(
        self,
        spec: BalancerSpec,
        addresses: Mapping[str, IPv4Address],
        nodes: Sequence[IPv4Address],
        authority: Authority,
        directory: Path,
    ) -> None:
        self.machine = Machine("balancer", directory)
        self.addresses, self.authority = addresses, authority.path(f"{PUBLIC}-ca.crt")
        self._spec, self._nodes, self._authority, self._directory = spec, nodes, authority, directory

    @property
    def address(self) -> IPv4Address:
        """Its own, to which all hosts lead."""
        return next(iter(self.addresses.values()))

    def start(self) -> None:
        """Start it, on a machine that has its network."""
        configuration = write(
            self._directory / "balancer.json",
            {
                "address": str(self.address),
                "ports": {str(port): node_port for port, node_port in self._spec.ports.items()},
                "nodes": [str(node) for node in self._nodes],
            },
        )
        self.machine.start("forwarder", python("tests.cluster.outside.forwarder", configuration))

    def wait_ready(self) -> None:
        """Wait until it listens; whether somebody on the nodes does is not its own matter."""
        wait("the load balancer listens", self._ready, SOON)

    def certificate(self, host: str) -> tuple[str, str]:
        """The certificate of a host, and its key."""
        certificate, key = (Path(self._authority.path(f"{host}.{ending}")).read_text() for ending in ("crt", "key"))
        return certificate, key

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Let it refuse all connections for a while, and cut those that it has."""
        ports = ", ".join(str(port) for port in self._spec.ports)
        self.machine.run("nft", "--file", "-", stdin=REFUSING.format(ports=ports))
        try:
            yield
        finally:
            self.machine.run("nft", "delete", "table", "ip", "refusing")

    def _ready(self) -> bool:
        self.machine.check()
        for port in self._spec.ports:
            self.machine.call(
                lambda port=port: socket.create_connection((str(self.address), port), PATIENCE).close()  # type: ignore[misc]
            )
        return True
