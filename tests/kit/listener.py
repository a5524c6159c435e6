"""RTP in: what one party heard, as tones, digits, packets and gaps."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from tests.kit.g711 import ALAW, Law, Samples
from tests.kit.tones import Peak, peaks, rms_db

KEPT_MAX: Final = 9_000  # packets: the last three minutes
WINDOW_S: Final = 0.3
PACKET_S: Final = 0.02
PAUSE_S: Final = 0.03  # longer than this between two packets is a speaker who was kept from speaking
ON_THE_WAY_S: Final = 0.05
LOOK_AGAIN_S: Final = 0.06


Satisfied = Callable[[list[Peak]], bool]


class NotHeard(AssertionError):
    """The tone that had to be heard was not; says what was heard instead."""


@dataclass(frozen=True, slots=True)
class HeardPacket:
    arrived_at: float
    seq: int
    payload: bytes


class Listener:
    """The receiving side of an audio stream. Instants are monotonic seconds."""

    def __init__(self) -> None:
        self.law: Law = ALAW
        self.event_payload_type: int | None = None
        self.digits = ""
        self.packets_received = 0
        self._packets: deque[HeardPacket] = deque(maxlen=KEPT_MAX)
        self._event_timestamp = -1

    def take(self, payload_type: int, seq: int, timestamp: int, payload: bytes, arrived_at: float) -> None:
        """One packet; `arrived_at` is the kernel's word for when it came."""
        if payload_type == self.law.payload_type:
            self.packets_received += 1
            self._packets.append(HeardPacket(arrived_at, seq, payload))
        elif payload_type == self.event_payload_type and len(payload) >= 4 and timestamp != self._event_timestamp:
            self._event_timestamp = timestamp  # an event is one timestamp, however many packets
            self.digits += "0123456789*#ABCD"[payload[0] & 0x0F]

    def samples(self, window_s: float = WINDOW_S) -> Samples:
        """What arrived in the last `window_s` seconds, in order of sequence numbers."""
        since = time.monotonic() - window_s
        recent = [packet for packet in self._packets if packet.arrived_at >= since]
        if not recent:
            return np.zeros(0, np.int16)
        first = recent[0].seq
        recent.sort(key=lambda packet: (packet.seq - first + 0x8000) & 0xFFFF)
        return self.law.decode(b"".join(packet.payload for packet in recent))

    def since(self, at: float) -> list[HeardPacket]:
        """The audio packets that arrived after an instant, in order of arrival."""
        return [packet for packet in self._packets if packet.arrived_at > at]

    def tones(self, window_s: float = WINDOW_S, floor_db: float = -45.0) -> list[Peak]:
        """Dominant frequencies of the last `window_s` seconds, strongest first; empty for silence."""
        return peaks(self.samples(window_s), floor_db=floor_db)

    def level_db(self, window_s: float = WINDOW_S) -> float:
        """Loudness of the last `window_s` seconds: RMS relative to a full-scale sine; -120 for silence."""
        return rms_db(self.samples(window_s))

    def longest_gap_ms(
        self, since_at: float = 0.0, spoken_at: Sequence[float] = (), until_at: float = math.inf
    ) -> float:
        """Longest time without audio between the first and the last packet from `since_at` to `until_at`, in ms.

        `spoken_at`: when the speaker sent their packets. A silence of the speaker's own making, because their process
        was busy, is taken off: what remains was made on the way.
        """
        arrivals = [packet.arrived_at for packet in self._packets if since_at <= packet.arrived_at <= until_at]
        pauses = [(earlier, later) for earlier, later in pairwise(spoken_at) if later - earlier > PAUSE_S]
        return max((1000 * (b - a - _longest_pause_s(pauses, a, b)) for a, b in pairwise(arrivals)), default=0.0)

    def longest_silence_s(self, since_at: float, until_at: float, floor_db: float = -50.0) -> float:
        """The longest time between these instants in which nothing was audible, be it that nothing was sent."""
        loud = [
            packet.arrived_at for packet in self.since(since_at) if rms_db(self.law.decode(packet.payload)) > floor_db
        ]
        instants = [since_at, *(at for at in loud if at < until_at), until_at]
        return max(later - earlier for earlier, later in pairwise(instants))

    async def until_heard(self, hz: tuple[float, ...], within_s: float, tolerance_hz: float = 8.0) -> float:
        """Wait until all of `hz` sound at once; returns that instant. Raises NotHeard at the deadline."""
        return await self._until(lambda found: _covers(found, hz, tolerance_hz), f"{hz} Hz not heard", within_s)

    async def until_gone(self, hz: float, within_s: float, tolerance_hz: float = 8.0) -> float:
        """Wait until `hz` sounds no longer (silence counts); returns that instant. Raises NotHeard."""
        return await self._until(
            lambda found: not _covers(found, (hz,), tolerance_hz), f"{hz} Hz still heard", within_s
        )

    async def until_sound(self, within_s: float, level_db: float = -40.0) -> float:
        """Wait for any audio above a level (a prompt, music); returns that instant. Raises NotHeard."""
        return await self._until(lambda _: self.level_db() >= level_db, "no sound heard", within_s)

    async def until_quiet(self, within_s: float, level_db: float = -50.0) -> float:
        """Wait until nothing is above a level; returns that instant. Raises NotHeard."""
        return await self._until(lambda _: self.level_db() < level_db, "never quiet", within_s)

    async def until_digits(self, count: int, within_s: float) -> str:
        """Wait for `count` digits to have arrived; returns all digits so far. Raises NotHeard."""
        await self._until(lambda _: len(self.digits) >= count, f"{count} digits not heard", within_s)
        return self.digits

    async def _until(self, satisfied: Satisfied, complaint: str, within_s: float) -> float:
        deadline = time.monotonic() + within_s
        while not satisfied(self.tones()):
            if time.monotonic() > deadline:
                heard = ", ".join(f"{peak.hz:.0f} Hz {peak.level_db:.0f} dB" for peak in self.tones()) or "silence"
                raise NotHeard(f"{complaint} within {within_s} s; heard {heard} ({self.packets_received} packets)")
            await asyncio.sleep(LOOK_AGAIN_S)  # three more packets; waking for each would cost a core
        return time.monotonic()


def _longest_pause_s(pauses: Sequence[tuple[float, float]], from_at: float, to_at: float) -> float:
    """How long the speaker was silent of their own in this time, beyond the time between two packets."""
    met = [b - a - PACKET_S for a, b in pauses if a < to_at + ON_THE_WAY_S and b > from_at - ON_THE_WAY_S]
    return max(met, default=0.0)


def _covers(found: list[Peak], hz: tuple[float, ...], tolerance_hz: float) -> bool:
    return all(any(abs(peak.hz - one) <= tolerance_hz for peak in found) for one in hz)
