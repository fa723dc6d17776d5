"""Free ports that stay free while their server is dead."""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 10_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _highest() -> int:
    """The last port below those that the kernel gives to outgoing connections.

    A client that keeps calling a dead server's port on loopback would, were the port among them,
    one day be given that very port and be connected with itself; and the server could not return.
    """
    try:
        return int(_EPHEMERAL.read_text().split()[0]) - 1
    except OSError:
        return 32_000


def free_ports(count: int) -> list[int]:
    """`count` ports on which nobody listens now, outside the range of outgoing connections."""
    chosen: dict[int, socket.socket] = {}
    numbers = random.SystemRandom()
    try:
        while len(chosen) < count:
            port = numbers.randint(LOWEST, _highest())
            held = socket.socket()
            try:
                held.bind((HOST, port))
            except OSError:
                held.close()
            else:
                chosen[port] = held
        return list(chosen)
    finally:
        for held in chosen.values():
            held.close()


def free_port() -> int:
    return free_ports(1)[0]


def listens(port: int) -> bool:
    """Whether somebody takes connections on `port` of loopback."""
    with socket.socket() as asked:
        asked.settimeout(1)
        return asked.connect_ex((HOST, port)) == 0
