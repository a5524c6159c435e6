"""The called side: an INVITE that came, and what the phone's behaviour makes of it."""

import asyncio
import time
from collections.abc import Callable
from typing import assert_never

from tests.kit import sip
from tests.kit.behaviour import Answer, AnswerDespiteCancel, Behaviour, Reject, RingForEver, StaySilent
from tests.kit.call import Call, Side
from tests.kit.sip import SipMessage
from tests.kit.udp import Address

Act = Callable[[], None]


class IncomingCall(Call):
    """A call somebody made to us. `invite` and `cancel` are the messages as they came."""

    invite: SipMessage
    cancel: SipMessage | None = None

    @property
    def caller(self) -> str:
        """User part of From: the number shown to the agent."""
        return sip.user_of(self.invite["From"])

    @property
    def display(self) -> str:
        """Display name of From."""
        return sip.display_of(self.invite["From"])

    def header(self, name: str) -> str:
        """A header of the INVITE, such as P-Asserted-Identity; empty when absent."""
        return self.invite[name]

    def arrive(self, invite: SipMessage, peer: Address, behaviour: Behaviour) -> None:
        """Take the INVITE and begin to behave."""
        self.invite = invite
        self._peer = peer
        self._behaviour = behaviour
        self._timer: asyncio.TimerHandle | None = None
        self._final_sent = False
        self._aim(invite.body)
        match behaviour:
            case Answer(after_s=after_s):
                self.ring()
                self._later(after_s, self.answer)
            case RingForEver() | AnswerDespiteCancel():
                self.ring()
            case Reject(status=status, after_s=after_s):
                if after_s:
                    self.ring()
                self._later(after_s, lambda: self.reject(status))
            case StaySilent():
                pass
            case _:
                assert_never(behaviour)

    def ring(self) -> None:
        """Send 180."""
        self._respond(180)
        self._mark_ringing()

    def answer(self) -> None:
        """Send 200 and begin to speak. Does nothing once the call is answered, refused or cancelled."""
        if self._final_sent or self.is_over:
            return
        self._final_sent = True
        self.status = 200
        if isinstance(self._behaviour, Answer) and self._behaviour.tone_hz is not None:
            self.speak_tone(self._behaviour.tone_hz)
        self._respond(200, self._offer())
        self._mark_answered()
        if isinstance(self._behaviour, Answer) and self._behaviour.hang_up_after_s is not None:
            self._later(self._behaviour.hang_up_after_s, self.begin_hang_up)

    def reject(self, status: int = 486) -> None:
        """Send a final refusal. Does nothing once the call is answered, refused or cancelled."""
        if self._final_sent or self.is_over:
            return
        self._final_sent = True
        self.status = status
        self._respond(status)
        self._end("us")

    def take_request(self, request: SipMessage, peer: Address) -> None:
        if request.method != "CANCEL":
            super().take_request(request, peer)
            return
        self.cancel = request
        self.reason = request["Reason"]
        self.times.cancelled_at = self.times.cancelled_at or time.monotonic()
        self._stack.respond(request, sip.response(request, 200), peer)
        if isinstance(self._behaviour, AnswerDespiteCancel):
            self.answer()
        elif not self._final_sent and not isinstance(self._behaviour, StaySilent):
            self._final_sent = True
            self.status = 487
            self._respond(487)
            self._end("them")

    def _give_up(self) -> None:
        self.reject(480)

    def _end(self, by: Side) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super()._end(by)

    def _later(self, after_s: float, act: Act) -> None:
        if after_s <= 0:
            act()
        else:
            self._timer = asyncio.get_running_loop().call_later(after_s, act)

    def _respond(self, status: int, body: bytes = b"") -> None:
        contact = (("Contact", f"<{self._dialog.contact}>"),)
        headers = (*contact, ("Content-Type", "application/sdp")) if body else contact
        tag = sip.tag_of(self._dialog.local)
        answer = sip.response(self.invite, status, to_tag=tag, headers=headers, body=body)
        self._stack.respond(self.invite, answer, self._peer)
