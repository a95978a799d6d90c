"""The cluster of Grafana's own alerting: instances that find each other by TCP and by UDP, at one port.

The protocol is simpler than Grafana's, and asks the same of the network: each asks each, both ways.

Source: https://grafana.com/docs/grafana/latest/alerting/set-up/configure-high-availability/
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.stand_in.settings import Settings

HELLO = b"grafana "
PATIENCE = 2.0  # seconds
EVERY = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Peers:
    """The peers of an instance.

    Attributes:
        seen: Address of each peer -> "tcp" and "udp" -> the name by which it answered, or what went wrong.
        asked: The same of those that have asked us -> protocols.
    """

    settings: Settings
    name: str
    seen: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Whether there is such a cluster."""
        return bool(self.settings["unified_alerting.ha_peers"].strip())

    def start(self) -> None:
        """Listen, and ask the others again and again."""
        host, _, port = self.settings["unified_alerting.ha_listen_address"].rpartition(":")
        stream, packets = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for each in (stream, packets):
            each.bind((host.strip("[]"), int(port)))
        stream.listen()
        for serve in (lambda: self._answer_streams(stream), lambda: self._answer_packets(packets), self._ask_all):
            threading.Thread(target=_for_ever, args=(serve,), daemon=True).start()

    def members(self) -> int:
        """How many there are, this one among them, that answer by both protocols."""
        return 1 + sum(not any(said.startswith("error") for said in told.values()) for told in self.seen.values())

    def _answer_streams(self, listener: socket.socket) -> None:
        connection, (address, _) = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            if connection.recv(1024).startswith(HELLO):
                self.asked.setdefault(address, set()).add("tcp")
                connection.sendall(HELLO + self.name.encode())

    def _answer_packets(self, listener: socket.socket) -> None:
        packet, sender = listener.recvfrom(1024)
        if packet.startswith(HELLO):
            self.asked.setdefault(sender[0], set()).add("udp")
            listener.sendto(HELLO + self.name.encode(), sender)

    def _ask_all(self) -> None:
        found = {target for peer in self.settings["unified_alerting.ha_peers"].split(",") for target in _resolved(peer)}
        own = self.settings["unified_alerting.ha_advertise_address"]
        others = {target for target in found if f"{target[0]}:{target[1]}" != own}
        for gone in self.seen.keys() - {address for address, _ in others}:
            del self.seen[gone]
        for address, port in others:
            self.seen[address] = {"tcp": self._ask_stream(address, port), "udp": self._ask_packet(address, port)}
        time.sleep(EVERY)

    def _ask_stream(self, address: str, port: int) -> str:
        try:
            with socket.create_connection((address, port), PATIENCE) as connection:
                connection.sendall(HELLO + self.name.encode())
                return _named(connection.recv(1024))
        except OSError as error:
            return f"error: {error}"

    def _ask_packet(self, address: str, port: int) -> str:
        try:
            with socket.socket(type=socket.SOCK_DGRAM) as packets:
                packets.settimeout(PATIENCE)
                packets.sendto(HELLO + self.name.encode(), (address, port))
                return _named(packets.recv(1024))
        except OSError as error:
            return f"error: {error}"


def _for_ever(serve: Callable[[], None]) -> None:
    while True:
        try:
            serve()
        except OSError as error:  # of one client, or one moment
            print(f"level=warn logger=peers msg={str(error)!r}", flush=True)  # noqa: T201 - the container's log
            time.sleep(PATIENCE)


def _resolved(peer: str) -> list[tuple[str, int]]:
    host, _, port = peer.strip().rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return [(str(address[0]), int(address[1])) for *_, address in found]


def _named(answer: bytes) -> str:
    return answer.removeprefix(HELLO).decode() if answer.startswith(HELLO) else f"error: {answer!r} is no answer"
