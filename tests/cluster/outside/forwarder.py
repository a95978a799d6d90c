"""What a load balancer does: `python -m tests.cluster.outside.forwarder CONFIGURATION`.

Each connection goes to one of the nodes in turn; a node that does not take it is passed over.
"""

import itertools
import json
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import cast

CONNECT = 2  # seconds that a node may take
IDLE = 350  # seconds: https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html
PIECE = 65536  # bytes


class Forwarder(ThreadingTCPServer):
    """Listens at one port.

    Args:
        port: Of every node.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], nodes: Sequence[str], port: int) -> None:
        self._nodes, self._port, self._turns = nodes, port, itertools.count()
        super().__init__(address, Handler)

    def connected(self) -> socket.socket | None:
        """A connection to the node whose turn it is, or to the next one that takes it."""
        turn = next(self._turns)
        for number in range(len(self._nodes)):
            node = self._nodes[(turn + number) % len(self._nodes)]
            with suppress(OSError):
                return socket.create_connection((node, self._port), CONNECT)
        return None


class Handler(BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        node = cast("Forwarder", self.server).connected()
        if node is None:
            return
        with node:
            for end in (self.request, node):
                end.settimeout(IDLE)
            there = threading.Thread(target=copy, args=(self.request, node), daemon=True)
            there.start()
            copy(node, self.request)
            there.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Hand on all that comes, and that no more does."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main(configuration: Path) -> None:
    """Serve until the machine ends."""
    given = json.loads(configuration.read_text())
    servers = [
        Forwarder((given["address"], int(port)), given["nodes"], node_port)
        for port, node_port in given["ports"].items()
    ]
    serving = [threading.Thread(target=server.serve_forever) for server in servers]
    for each in serving:
        each.start()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
