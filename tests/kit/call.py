"""A call as one party sees it, whoever began it: milestones to wait for, audio, hold, hang-up.

Instants are monotonic seconds (`time.monotonic`), so that a test can compare what two phones saw.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.kit import sdp, sip
from tests.kit.g711 import Law
from tests.kit.rtp import AudioStream
from tests.kit.sip import Header, SipMessage
from tests.kit.stack import SipStack
from tests.kit.tones import Peak
from tests.kit.udp import Address

Side = Literal["us", "them"]


class CallTimeout(AssertionError):
    """The call did not get where the test waited for it in time."""


class CallEnded(AssertionError):
    """The call ended before it got where the test waited for it."""


@dataclass(slots=True)
class CallTimes:
    """When each thing happened; None while it has not."""

    invited_at: float
    ringing_at: float | None = None
    answered_at: float | None = None
    cancelled_at: float | None = None
    bye_at: float | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class Dialog:
    """What makes the requests of one call recognisable to the other side."""

    call_id: str
    local: str  # our address with our tag
    remote: str  # theirs, with its tag once known
    target: str  # their Contact
    contact: str  # ours
    seq: int = 0

    def request(
        self, method: str, via: Header, *, seq: int, headers: tuple[Header, ...] = (), body: bytes = b""
    ) -> SipMessage:
        lines = [
            via,
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{seq} {method}"),
        ]
        lines += [("Max-Forwards", "70"), ("Contact", f"<{self.contact}>"), *headers]
        if body:
            lines.append(("Content-Type", "application/sdp"))
        return sip.request(method, self.target, lines, body)


class Call:
    """Common to both directions; OutgoingCall and IncomingCall add how it begins."""

    def __init__(
        self,
        stack: SipStack,
        server: Address,
        dialog: Dialog,
        laws: tuple[Law, ...],
        on_end: Callable[["Call"], None],
    ) -> None:
        self.audio = AudioStream(stack.address[0])
        self.times = CallTimes(invited_at=time.monotonic())
        self.status = 0  # final status of the INVITE
        self.reason = ""  # Reason header of the CANCEL or BYE that came
        self.ended_by: Side | None = None
        self.held_by_them = False
        self.acks = 0  # ACKs received
        self._stack = stack
        self._server = server
        self._dialog = dialog
        self._laws = laws
        self._on_end = on_end
        self._rang, self._was_answered, self._is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._sdp_version = 0

    # --- waiting ---

    async def ringing(self, within_s: float = 5.0) -> float:
        """Wait for 180 or 183; returns its instant. Raises CallTimeout or CallEnded."""
        return await self._reach(self._rang, "ringing", within_s, lambda: self.times.ringing_at)

    async def answered(self, within_s: float = 10.0) -> float:
        """Wait for the 200; returns its instant. Raises CallTimeout or CallEnded."""
        return await self._reach(self._was_answered, "answered", within_s, lambda: self.times.answered_at)

    async def ended(self, within_s: float = 10.0) -> float:
        """Wait for the end, whoever made it; returns its instant. Raises CallTimeout."""
        return await self._reach(self._is_over, "ended", within_s, lambda: self.times.ended_at)

    @property
    def is_up(self) -> bool:
        """Answered and not ended."""
        return self.times.answered_at is not None and self.times.ended_at is None

    @property
    def is_over(self) -> bool:
        return self.times.ended_at is not None

    # --- audio ---

    def speak_tone(self, hz: float | None, level_db: float = -12.0) -> None:
        """Speak a tone until told otherwise; None for silence."""
        self.audio.speak_tone(hz, level_db)

    async def press(self, digits: str, within_s: float = 10.0) -> None:
        """Press digits, RFC 4733, once there is somebody to hear them; returns when the last one is out.

        Raises CallTimeout or CallEnded.
        """
        if not self.audio.connected:
            await self.answered(within_s)
        await self.audio.press(digits, within_s)

    async def hears(self, *hz: float, within_s: float = 5.0) -> float:
        """Wait until all these tones are heard at once; returns that instant. Raises NotHeard."""
        return await self.audio.heard.until_heard(hz, within_s)

    async def hears_no_more(self, hz: float, within_s: float = 5.0) -> float:
        """Wait until a tone is gone; returns that instant. Raises NotHeard."""
        return await self.audio.heard.until_gone(hz, within_s)

    async def hears_sound(self, within_s: float = 5.0) -> float:
        """Wait for any audible sound, such as a prompt or music; returns that instant. Raises NotHeard."""
        return await self.audio.heard.until_sound(within_s)

    async def hears_silence(self, within_s: float = 5.0) -> float:
        """Wait until nothing is audible; returns that instant. Raises NotHeard."""
        return await self.audio.heard.until_quiet(within_s)

    async def hears_digits(self, count: int, within_s: float = 5.0) -> str:
        """Wait for digits pressed by the other side; returns all so far. Raises NotHeard."""
        return await self.audio.heard.until_digits(count, within_s)

    def longest_silence_s(self, since_at: float, until_at: float) -> float:
        """The longest time between two instants in which they heard nothing."""
        return self.audio.heard.longest_silence_s(since_at, until_at)

    def heard(self, window_s: float = 0.5) -> list[Peak]:
        """Dominant frequencies of the last `window_s` seconds, strongest first; empty for silence."""
        return self.audio.heard.tones(window_s)

    @property
    def packets_received(self) -> int:
        return self.audio.heard.packets_received

    def longest_gap_ms(
        self, since_at: float = 0.0, speaker: "Call | None" = None, *, until_at: float = math.inf
    ) -> float:
        """Longest time without audio between packets that arrived from `since_at` to `until_at`, in ms.

        With the `speaker` on the other side, silences that their own phone made do not count.
        """
        return self.audio.heard.longest_gap_ms(since_at, tuple(speaker.audio.sent_at) if speaker else (), until_at)

    # --- doing ---

    async def hang_up(self, within_s: float = 5.0) -> None:
        """End the call as its state demands (CANCEL, refusal or BYE) and wait until it is over."""
        self.begin_hang_up()
        await self.ended(within_s)

    def begin_hang_up(self) -> None:
        """Send what ends the call, without waiting."""
        if self.is_over:
            return
        if self.times.answered_at is None:
            self._give_up()
        elif self.times.bye_at is None:
            self._send_bye()

    async def hold(self, within_s: float = 5.0) -> None:
        """Put the other side on hold with a re-INVITE (sendonly)."""
        self.audio.mute()
        await self._reinvite("sendonly", within_s)

    async def resume(self, within_s: float = 5.0) -> None:
        """Take the other side off hold with a re-INVITE (sendrecv)."""
        await self._reinvite("sendrecv", within_s)
        self.audio.unmute()

    async def ask(self, method: str, *headers: Header, body: bytes = b"", within_s: float = 5.0) -> SipMessage:
        """Send any request inside the call (REFER, INFO, OPTIONS) and return its final response."""
        self._dialog.seq += 1
        message = self._dialog.request(method, self._stack.via(), seq=self._dialog.seq, headers=headers, body=body)
        return await self._stack.ask(message, self._server, within_s)

    # --- what the phone hands over ---

    def take_request(self, request: SipMessage, peer: Address) -> None:
        """A request of the other side inside this call."""
        match request.method:
            case "ACK":
                self.acks += 1
                self._aim(request.body)
            case "BYE":
                self.reason = request["Reason"]
                self._stack.respond(request, sip.response(request, 200), peer)
                self.times.bye_at = self.times.bye_at or time.monotonic()
                self._end("them")
            case "INVITE":
                self._take_reinvite(request, peer)
            case "INFO" | "UPDATE" | "NOTIFY" | "OPTIONS" | "MESSAGE":
                self._stack.respond(request, sip.response(request, 200), peer)
            case _:
                self._stack.respond(request, sip.response(request, 405), peer)

    def cut(self) -> None:
        """Forget the call without a word to the other side."""
        self._end("us")

    # --- below: shared with the two directions ---

    def _give_up(self) -> None:
        raise NotImplementedError  # each direction ends an unanswered call in its own way

    def _offer(self, direction: str = "sendrecv") -> bytes:
        self._sdp_version += 1
        return sdp.offer(self.audio.address, self._laws, session=1, version=self._sdp_version, direction=direction)

    def _aim(self, body: bytes) -> None:
        media = sdp.parse(body) if body else None
        if media is not None:
            self.held_by_them = media.direction in {"sendonly", "inactive"}
            self.audio.aim(media)

    def _mark_ringing(self) -> None:
        if self.times.ringing_at is None:
            self.times.ringing_at = time.monotonic()
            self._rang.set()

    def _mark_answered(self) -> None:
        if self.times.answered_at is None:
            self.times.answered_at = time.monotonic()
            self._was_answered.set()
            self.audio.start()

    def _send_bye(self) -> None:
        self._dialog.seq += 1
        self.times.bye_at = time.monotonic()
        bye = self._dialog.request("BYE", self._stack.via(), seq=self._dialog.seq)
        self._stack.start(bye, self._server, lambda _: self._end("us"), lambda: self._end("us"))

    def _end(self, by: Side) -> None:
        if self.is_over:
            return
        self.times.ended_at = time.monotonic()
        self.ended_by = by
        self.audio.close()
        for milestone in (self._rang, self._was_answered, self._is_over):
            milestone.set()
        self._on_end(self)

    def _take_reinvite(self, request: SipMessage, peer: Address) -> None:
        self._aim(request.body)
        direction = "recvonly" if self.held_by_them else "sendrecv"
        headers = (("Contact", f"<{self._dialog.contact}>"), ("Content-Type", "application/sdp"))
        answer = sip.response(request, 200, headers=headers, body=self._offer(direction))
        self._stack.respond(request, answer, peer)

    async def _reinvite(self, direction: str, within_s: float) -> None:
        answer = await self.ask("INVITE", body=self._offer(direction), within_s=within_s)
        if answer.status != 200:
            raise CallEnded(f"re-INVITE {direction} was refused: {answer.start}")
        self._aim(answer.body)
        ack = self._dialog.request("ACK", self._stack.via(), seq=answer.cseq[0])
        self._stack.send(ack, self._server)

    async def _reach(
        self, milestone: asyncio.Event, name: str, within_s: float, at: Callable[[], float | None]
    ) -> float:
        try:
            async with asyncio.timeout(within_s):
                await milestone.wait()
        except TimeoutError as error:
            raise CallTimeout(f"{self} was not {name} within {within_s} s") from error
        instant = at()
        if instant is None:
            raise CallEnded(f"{self} ended before it was {name}")
        return instant

    def __str__(self) -> str:
        status = f" status {self.status}" if self.status else ""
        us, them = (address.partition(";")[0] for address in (self._dialog.local, self._dialog.remote))
        return f"call {us} with {them}{status}"
