"""RTP out: a microphone that speaks a tone, silence or digits in 20 ms packets, by its own clock."""

import asyncio
import secrets
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from tests.kit.g711 import ALAW, Law
from tests.kit.listener import KEPT_MAX, Listener
from tests.kit.sdp import Media
from tests.kit.tones import RATE, tone
from tests.kit.udp import Address, UdpSocket

PACKET_S: Final = 0.02
PACKET_SAMPLES: Final = 160
BEHIND_PACKETS_MAX: Final = 10  # a stalled process skips ahead instead of sending a burst
DIGITS: Final = "0123456789*#ABCD"
DIGIT_PACKETS: Final = 5  # 100 ms
PAUSE_PACKETS: Final = 5
END_PACKETS: Final = 3  # RFC 4733 §2.5.1.4: the end of an event is sent three times


@dataclass(frozen=True, slots=True)
class RtpPacket:
    payload_type: int
    marker: bool
    seq: int
    timestamp: int
    payload: bytes


def pack(packet: RtpPacket, source: int) -> bytes:
    second = packet.payload_type | (0x80 if packet.marker else 0)
    header = struct.pack("!BBHII", 0x80, second, packet.seq & 0xFFFF, packet.timestamp & 0xFFFFFFFF, source)
    return header + packet.payload


def unpack(datagram: bytes) -> RtpPacket | None:
    """The packet in a datagram; None for RTCP and for anything else that is not RTP."""
    if len(datagram) < 12 or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
        return None
    first, second, seq, timestamp, _ = struct.unpack_from("!BBHII", datagram)
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:  # header extension
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * struct.unpack_from("!H", datagram, start + 2)[0]
    return RtpPacket(second & 0x7F, bool(second & 0x80), seq, timestamp, datagram[start:])


class AudioStream:
    """One RTP port of one call: speaks once aimed and started, listens at once."""

    def __init__(self, host: str) -> None:
        self.heard = Listener()
        self.packets_sent = 0
        self.sent_at: deque[float] = deque(maxlen=KEPT_MAX)
        self._socket = UdpSocket.even(host, self._arrived)
        self._media: Media | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._source = secrets.randbits(32)
        self._seq = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._next_at = 0.0
        self._voice: list[bytes] = []
        self._tone: tuple[float, float] | None = None
        self._muted = False
        self._digits: deque[str] = deque()
        self._digit_step = 0
        self._digits_done = asyncio.Event()
        self.key_down_at = self.key_up_at = 0.0  # of the last digit: its first packet, and the first of its end

    @property
    def address(self) -> Address:
        return self._socket.address

    @property
    def faults(self) -> list[Exception]:
        return self._socket.faults

    def aim(self, media: Media) -> None:
        """Speak to this address in this law from now on."""
        self._media = media
        self.heard.law = media.law
        self.heard.event_payload_type = media.event_payload_type
        self._render()

    def start(self) -> None:
        """Send a packet every 20 ms until closed. Silence is sent as silence, like a real phone does."""
        if self._timer is None and not self._socket.closed:
            self._next_at = time.monotonic()
            self._tick()

    def speak_tone(self, hz: float | None, level_db: float = -12.0) -> None:
        """Speak a tone of whole Hertz from now on; None for silence."""
        self._tone = None if hz is None else (hz, level_db)
        self._render()

    def mute(self) -> None:
        """Speak silence, and remember the tone for `unmute`."""
        self._muted = True
        self._render()

    def unmute(self) -> None:
        self._muted = False
        self._render()

    @property
    def connected(self) -> bool:
        """Whether the other side has said where its audio goes."""
        return self._media is not None

    async def press(self, digits: str, within_s: float) -> None:
        """Send digits as RFC 4733 events, 100 ms each and 100 ms apart; returns after the last one is out."""
        assert set(digits) <= set(DIGITS), f"not digits: {digits!r}"
        assert self._media is not None, "nobody to press digits to"
        assert self._media.event_payload_type is not None, "the other side takes no telephone-event"
        self._digits.extend(digits)
        self._digits_done.clear()
        async with asyncio.timeout(within_s):
            await self._digits_done.wait()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._digits_done.set()
        self._socket.close()

    def _arrived(self, datagram: bytes, _: Address) -> None:
        packet = unpack(datagram)
        if packet is not None:
            at = self._socket.arrived_at
            self.heard.take(packet.payload_type, packet.seq, packet.timestamp, packet.payload, at)

    def _render(self) -> None:
        law = self._media.law if self._media else ALAW
        self._voice = _second_of(law, None if self._muted else self._tone)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._next_at > BEHIND_PACKETS_MAX * PACKET_S:
            skipped = int((now - self._next_at) / PACKET_S)
            self._next_at += skipped * PACKET_S
            self._timestamp += skipped * PACKET_SAMPLES
        while self._next_at <= now:
            self._speak()
            self._next_at += PACKET_S
            self._timestamp += PACKET_SAMPLES
        self._timer = asyncio.get_running_loop().call_later(self._next_at - now, self._tick)

    def _speak(self) -> None:
        if self._digits:
            self._press_step()
        elif self._media is not None:
            voice = self._voice[(self._timestamp // PACKET_SAMPLES) % len(self._voice)]
            self._send(RtpPacket(self._media.law.payload_type, False, self._seq, self._timestamp, voice))

    def _press_step(self) -> None:
        """One 20 ms step of the digit in hand: its packets, the end three times, then a pause."""
        step, digit = self._digit_step, DIGITS.index(self._digits[0])
        self._digit_step += 1
        if step == 0:
            self.key_down_at = time.monotonic()
        elif step == DIGIT_PACKETS:
            self.key_up_at = time.monotonic()
        if step < DIGIT_PACKETS:
            self._send_event(digit, packets_into=step + 1, end=False)
        elif step == DIGIT_PACKETS:
            for _ in range(END_PACKETS):
                self._send_event(digit, packets_into=DIGIT_PACKETS, end=True)
        elif step == DIGIT_PACKETS + PAUSE_PACKETS:
            self._digits.popleft()
            self._digit_step = 0
            if not self._digits:
                self._digits_done.set()

    def _send_event(self, digit: int, *, packets_into: int, end: bool) -> None:
        assert self._media is not None
        assert self._media.event_payload_type is not None
        body = struct.pack("!BBH", digit, (0x80 if end else 0) | 10, packets_into * PACKET_SAMPLES)
        began = self._timestamp - self._digit_step_samples()
        first = packets_into == 1 and not end
        self._send(RtpPacket(self._media.event_payload_type, first, self._seq, began, body))

    def _digit_step_samples(self) -> int:
        # Every packet of an event carries the timestamp of its beginning; `_digit_step` is one ahead here.
        return (self._digit_step - 1) * PACKET_SAMPLES

    def _send(self, packet: RtpPacket) -> None:
        assert self._media is not None
        self._socket.send(pack(packet, self._source), self._media.address)
        self._seq = (self._seq + 1) & 0xFFFF
        self.packets_sent += 1
        self.sent_at.append(time.monotonic())


_seconds: dict[tuple[int, float, float], list[bytes]] = {}


def _second_of(law: Law, spoken: tuple[float, float] | None) -> list[bytes]:
    """A second of a tone or of silence, cut into packets; kept, since many phones speak few tones."""
    if spoken is None:
        return [law.silence * PACKET_SAMPLES]
    key = (law.payload_type, *spoken)
    if key not in _seconds:
        hz, level_db = spoken
        assert hz == int(hz), "whole Hertz only, so that a second repeats without a click"
        coded = law.encode(tone(hz, 1.0, level_db))
        _seconds[key] = [coded[at : at + PACKET_SAMPLES] for at in range(0, RATE, PACKET_SAMPLES)]
    return _seconds[key]
