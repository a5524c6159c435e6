"""Keys of a telephone as RTP events (RFC 4733): what a caller's phone sends while it says nothing else."""

import asyncio
import socket
import struct
from typing import Final, Self

from api.demo.sipp import Address

KEYS: Final = "0123456789*#ABCD"  # by their event codes
PAYLOAD_TYPE: Final = 96
PACKET_S: Final = 0.02
PACKET_SAMPLES: Final = 160
DOWN_PACKETS: Final = 5  # 100 ms
END_PACKETS: Final = 3  # RFC 4733 §2.5.1.4: the end of an event is sent three times
PAUSE_S: Final = 0.1
VOLUME: Final = 10  # -10 dBm0


class Keypad:
    """One phone's port for audio. It hears nothing: whatever is played to it is thrown away."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self._seq = 1
        self._timestamp = PACKET_SAMPLES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """Where it takes audio."""
        port: int = self._socket.getsockname()[1]
        return port

    async def press(self, key: str, to: Address) -> None:
        """Press a key; returns when it is up again and another may be pressed."""
        for n in range(1, DOWN_PACKETS + 1):
            self._send(key, n, to, ended=False, first=n == 1)
            await asyncio.sleep(PACKET_S)
        for _ in range(END_PACKETS):
            self._send(key, DOWN_PACKETS, to, ended=True, first=False)
        await asyncio.sleep(PAUSE_S)
        self._timestamp += PACKET_SAMPLES * (2 * DOWN_PACKETS + 2)

    def _send(self, key: str, packets: int, to: Address, *, ended: bool, first: bool) -> None:
        """One packet of an event that has lasted for so many."""
        payload_type = PAYLOAD_TYPE | (0x80 if first else 0)
        header = struct.pack("!BBHII", 0x80, payload_type, self._seq & 0xFFFF, self._timestamp & 0xFFFFFFFF, self.port)
        event = struct.pack("!BBH", KEYS.index(key), VOLUME | (0x80 if ended else 0), packets * PACKET_SAMPLES)
        self._socket.sendto(header + event, to)
        self._seq += 1
