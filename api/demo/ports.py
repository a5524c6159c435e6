"""Free ports on loopback for servers that live as long as a test or a demo, below the range the kernel hands out."""

import os
import socket
from typing import Final

SERVERS: Final = range(20_000, 32_000)
MEDIA: Final = range(10_000, 20_000)

_taken: set[int] = set()


def free_port(host: str = "127.0.0.1") -> int:
    """A port free for UDP and TCP, given once. Each process begins its search at another place."""
    start = os.getpid() * 97 % len(SERVERS)
    for step in range(len(SERVERS)):
        port = SERVERS[(start + step) % len(SERVERS)]
        if port not in _taken and _is_free(host, port):
            _taken.add(port)
            return port
    raise OSError("no free port for a server")


def free_port_range(count: int, host: str = "127.0.0.1", among: range = MEDIA) -> tuple[int, int]:
    """First (even) and last of `count` neighbouring ports free for UDP, for an RTP range."""
    first = among.start + os.getpid() * 194 % (len(among) - count) // 2 * 2
    for start in (*range(first, among.stop - count, count), *range(among.start, first, count)):
        ports = range(start, start + count)
        if _taken.isdisjoint(ports) and all(_is_free(host, port, tcp=False) for port in ports):
            _taken.update(ports)
            return ports.start, ports.stop - 1
    raise OSError(f"no {count} neighbouring free ports for RTP")


def _is_free(host: str, port: int, *, tcp: bool = True) -> bool:
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM) if tcp else (socket.SOCK_DGRAM,)
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
