"""A SIP phone for tests, over UDP: registers, is called, calls. It has no tasks; closing it leaves nothing behind."""

import asyncio
from types import TracebackType
from typing import Final, Self

from tests.kit import sip
from tests.kit.behaviour import Answer, Behaviour
from tests.kit.call import Call, Dialog
from tests.kit.callee import IncomingCall
from tests.kit.caller import OutgoingCall
from tests.kit.g711 import ALAW, ULAW, Law
from tests.kit.registration import Registration
from tests.kit.sip import Header, SipMessage
from tests.kit.stack import SipStack
from tests.kit.udp import Address

CALLS_MAX: Final = 1_000
USER_AGENT: Final = "call center test kit"


class Phone:
    """One user agent on its own port. `async with Phone(...)` opens it; leaving ends calls and registration.

    As a trunk it needs no password. `behaviour` is what it does when called; set it any time.
    """

    def __init__(
        self,
        user: str,
        server: Address,
        *,
        password: str = "",
        behaviour: Behaviour | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        laws: tuple[Law, ...] = (ALAW, ULAW),
    ) -> None:
        self.user = user
        self.server = server
        self.password = password
        self.behaviour: Behaviour = behaviour or Answer()
        self.laws = laws
        self.calls: list[Call] = []
        self._bind = (host, port)
        self._live: dict[str, Call] = {}
        self._incoming: asyncio.Queue[IncomingCall] = asyncio.Queue(CALLS_MAX)
        self._registration: Registration | None = None
        self._stack: SipStack | None = None
        self._faults: list[Exception] = []

    async def __aenter__(self) -> Self:
        self._stack = SipStack(*self._bind, self._take_request)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def stack(self) -> SipStack:
        assert self._stack is not None, "the phone is not open"
        return self._stack

    @property
    def contact(self) -> str:
        host, port = self.stack.address
        return f"sip:{self.user}@{host}:{port}"

    async def close(self) -> None:
        """Hang up what is up, unregister, close the sockets; raises the bugs met in callbacks."""
        if self._stack is None:
            return
        stack = self._stack
        try:
            for call in list(self._live.values()):
                await self._end_politely(call)
            if self.registered:
                await self.unregister()
        finally:
            for call in list(self._live.values()):
                call.cut()
            stack.close()
            self._faults = stack.faults
            self._stack = None
        if self.faults:
            raise ExceptionGroup(f"phone {self.user} met bugs", self.faults)

    @property
    def faults(self) -> list[Exception]:
        """Bugs met in callbacks so far; `close` raises them."""
        met = self._stack.faults if self._stack else self._faults
        return [*met, *(fault for call in self.calls for fault in call.audio.faults)]

    def unplug(self) -> None:
        """Vanish without a word: sockets closed, calls cut, the registration left to expire."""
        for call in list(self._live.values()):
            call.cut()
        self._registration = None
        self.stack.close()

    # --- registration ---

    async def register(self, expires_s: int = 3600, within_s: float = 5.0) -> None:
        """Register with digest authentication; raises RegistrationRefused."""
        if self._registration is None:
            self._registration = Registration(self.stack, self.server, self.user, self.password)
        await self._registration.register(expires_s, within_s)

    async def unregister(self, within_s: float = 5.0) -> None:
        """Take the registration back."""
        await self.register(0, within_s)

    @property
    def registered(self) -> bool:
        return self._registration is not None and self._registration.active

    # --- calling ---

    def call(
        self,
        dialed: str,
        *,
        caller: str = "",
        display: str = "",
        extra_headers: tuple[Header, ...] = (),
        tone_hz: float | None = None,
    ) -> OutgoingCall:
        """Send an INVITE for `dialed`, a number or a SIP URI. `caller` is the From user (default: ours).

        Header values are sent as they are, so they may be absurd. A `tone_hz` is spoken from the answer on.
        """
        host, port = self.server
        uri = dialed if dialed.startswith("sip:") else f"sip:{dialed}@{host}:{port}"
        shown = f'"{display}" ' if display else ""
        local = f"{shown}<sip:{caller or self.user}@{self.stack.address[0]}>;tag={sip.token()}"
        dialog = Dialog(f"{sip.token()}@kit", local, f"<{uri}>", uri, self.contact)
        outgoing = OutgoingCall(self.stack, self.server, dialog, self.laws, self._forget)
        outgoing.user, outgoing.password = self.user, self.password
        outgoing.speak_tone(tone_hz)
        self._remember(dialog.call_id, outgoing)
        outgoing.invite(uri, (("User-Agent", USER_AGENT), *extra_headers))
        return outgoing

    def send_raw(self, datagram: bytes) -> None:
        """Send bytes to the server as they are."""
        self.stack.send_raw(datagram, self.server)

    # --- being called ---

    async def next_call(self, within_s: float = 10.0) -> IncomingCall:
        """The next call that came in, in order of arrival; raises TimeoutError."""
        async with asyncio.timeout(within_s):
            return await self._incoming.get()

    @property
    def calls_up(self) -> int:
        """Calls now answered and not ended."""
        return sum(call.is_up for call in self._live.values())

    def _take_request(self, request: SipMessage, peer: Address) -> None:
        call = self._live.get(request["Call-ID"])
        if call is not None:
            call.take_request(request, peer)
        elif request.method == "INVITE":
            self._take_invite(request, peer)
        elif request.method in {"OPTIONS", "NOTIFY", "MESSAGE"}:
            self.stack.respond(request, sip.response(request, 200, to_tag=sip.token()), peer)
        elif request.method != "ACK":
            self.stack.respond(request, sip.response(request, 481, to_tag=sip.token()), peer)

    def _take_invite(self, request: SipMessage, peer: Address) -> None:
        dialog = Dialog(
            request["Call-ID"],
            f"{request['To']};tag={sip.token()}",
            request["From"],
            sip.uri_of(request["Contact"]),
            self.contact,
        )
        incoming = IncomingCall(self.stack, peer, dialog, self.laws, self._forget)
        self._remember(dialog.call_id, incoming)
        self._incoming.put_nowait(incoming)
        incoming.arrive(request, peer, self.behaviour)

    def _remember(self, call_id: str, call: Call) -> None:
        assert len(self.calls) < CALLS_MAX, "too many calls for one phone"
        self.calls.append(call)
        self._live[call_id] = call

    def _forget(self, ended: Call) -> None:
        self._live = {call_id: call for call_id, call in self._live.items() if call is not ended}

    async def _end_politely(self, call: Call) -> None:
        try:
            await call.hang_up(within_s=2.0)
        except AssertionError:
            call.cut()  # the other side is gone: what matters here is that nothing stays behind
