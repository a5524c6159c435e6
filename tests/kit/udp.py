"""A datagram socket that opens and closes at once: no transport, no task, nothing to leak."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, Self

Address = tuple[str, int]
Deliver = Callable[[bytes, Address], None]

READ_MAX: Final = 64  # datagrams taken per wake-up, so that one busy socket cannot starve the others
EVEN_TRIES_MAX: Final = 64
SO_TIMESTAMPNS: Final = 35  # Linux; Python has no name for it
_STAMP: Final = struct.Struct("qq")
_ANCILLARY: Final = socket.CMSG_SPACE(_STAMP.size)


class UdpSocket:
    """Delivers each datagram to one callback on the loop; `faults` keeps what the callback raised.

    `arrived_at` is when the kernel got the datagram that is being delivered, in monotonic seconds: a test process that
    was busy meanwhile sees it late, and must not take that for a silence on the line.
    """

    def __init__(self, host: str, port: int, deliver: Deliver) -> None:
        self._deliver = deliver
        self._socket = _bound(host, port)
        self.faults: list[Exception] = []
        self.closed = False
        self.arrived_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @classmethod
    def even(cls, host: str, deliver: Deliver) -> Self:
        """A socket on an even port, so that the RTCP a peer sends one port higher meets nobody's RTP."""
        for _ in range(EVEN_TRIES_MAX):
            candidate = cls(host, 0, deliver)
            if candidate.address[1] % 2 == 0:
                return candidate
            candidate.close()
        raise OSError(f"no free even port on {host}")

    @property
    def address(self) -> Address:
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    def send(self, datagram: bytes, to: Address) -> None:
        """Send, or lose the datagram as a full network would."""
        if self.closed:
            return
        try:
            self._socket.sendto(datagram, to)
        except (BlockingIOError, ConnectionRefusedError):
            return

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(READ_MAX):
            if self.closed:  # the callback may close us
                return
            try:
                datagram, ancillary, _, peer = self._socket.recvmsg(65_535, _ANCILLARY)
            except (BlockingIOError, ConnectionRefusedError):
                return
            seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
            self.arrived_at = time.monotonic() - (time.time() - seconds - nanoseconds * 1e-9)
            try:
                self._deliver(datagram, (peer[0], peer[1]))
            except Exception as error:  # noqa: BLE001  a bug of the kit: kept, and raised when its phone closes
                self.faults.append(error)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
