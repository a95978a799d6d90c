"""Packets sent and seen in a network namespace: whether a policy lets them through, whoever listens there or not.

    python packets.py send 500 < targets     to each line `HOST PORT`, a datagram and the first packet of a connection
    python packets.py see                    a line `tcp|udp SOURCE PORT` for each of these that arrives, until SIGTERM

It runs in network namespaces of pods, so with the standard library alone.
"""

import socket
import struct
import sys
from contextlib import suppress

MARK = b"matrix"
IPV4, TCP, UDP = 0x0800, 6, 17
SYN, ACK = 0x02, 0x10
FIRST_PORT = 20_000  # of the sender, below those that the kernel gives: tells these packets from all others
LAST_PORT = 30_000


def send(targets: list[tuple[str, int]]) -> None:
    """Send to every target, and give the kernel the time to send again what was lost."""
    connections = []
    for number, (host, port) in enumerate(targets):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("", FIRST_PORT + number))
            for _ in range(2):
                with suppress(OSError):  # a policy's rejection of the first datagram
                    datagrams.sendto(MARK, (host, port))
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", FIRST_PORT + number))
        connection.setblocking(False)
        connection.connect_ex((host, port))
        connections.append(connection)
    for connection in connections:
        connection.close()


def see() -> None:
    """Print what arrives: packets that a policy drops never reach a pod's own network namespace."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(IPV4)) as packets:
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        _say("ready")
        seen = set()
        while True:
            packet, (_, _, kind, *_) = packets.recvfrom(2048)
            if kind == socket.PACKET_OUTGOING:
                continue
            body = packet[(packet[0] & 15) * 4 :]
            source_port, port = struct.unpack("!HH", body[:4])
            wanted = (packet[9] == UDP and body[8:] == MARK) or (packet[9] == TCP and body[13] & (SYN | ACK) == SYN)
            line = f"{'tcp' if packet[9] == TCP else 'udp'} {socket.inet_ntoa(packet[12:16])} {port}"
            if wanted and FIRST_PORT <= source_port < LAST_PORT and line not in seen:
                seen.add(line)
                _say(line)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "see":
        see()
    else:
        send([(host, int(port)) for host, port in (line.split() for line in sys.stdin)])
