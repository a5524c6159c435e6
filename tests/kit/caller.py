"""The calling side: INVITE, its answers, CANCEL, and the digest challenge an agent's phone meets."""

import asyncio
import time

from tests.kit import sip
from tests.kit.call import Call
from tests.kit.sip import Header, SipMessage


class OutgoingCall(Call):
    """A call we made. `answers` keeps every response to the `sent_invite`, in order."""

    password = ""
    user = ""

    async def trying(self, within_s: float = 5.0) -> float:
        """Wait for any answer to the INVITE: the server has it. Returns that instant; raises CallTimeout."""
        return await self._reach(self._heard_of, "heard of", within_s, lambda: self.heard_of_at)

    def invite(self, uri: str, headers: tuple[Header, ...] = ()) -> None:
        """Send the INVITE."""
        self.answers: list[SipMessage] = []
        self.heard_of_at: float | None = None
        self._heard_of = asyncio.Event()
        self._cancelled = False
        self._cancel_sent = False
        self._challenged = False
        self._dialog.target = uri
        self._headers = headers
        self._send_invite(self._offer())

    def _send_invite(self, body: bytes, credentials: tuple[Header, ...] = ()) -> None:
        self._dialog.seq += 1
        headers = (
            *credentials,
            ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY"),
            *self._headers,
        )
        self.sent_invite = self._dialog.request(
            "INVITE", self._stack.via(), seq=self._dialog.seq, headers=headers, body=body
        )
        self._stack.start(self.sent_invite, self._server, self._take_answer, lambda: self._end("them"))

    def _take_answer(self, answer: SipMessage) -> None:
        self.answers.append(answer)
        if self.heard_of_at is None:
            self.heard_of_at = time.monotonic()
            self._heard_of.set()
        if answer.status < 200:
            self._take_progress(answer)
        elif answer.status < 300:
            self._take_success(answer)
        elif answer.status in {401, 407} and self.password and not self._challenged:
            self._challenged = True
            credentials = sip.answer_challenge(
                answer, user=self.user, password=self.password, method="INVITE", uri=self.sent_invite.uri
            )
            self._send_invite(self.sent_invite.body, (credentials,))
        elif not self.is_over:
            self.status = answer.status
            self.reason = answer["Reason"]
            self._end("us" if self._cancelled and answer.status == 487 else "them")

    def _take_progress(self, answer: SipMessage) -> None:
        if answer.status > 100:
            self._aim(answer.body)  # early media is heard
            self._mark_ringing()
        if self._cancelled:
            self._send_cancel()

    def _take_success(self, answer: SipMessage) -> None:
        self._dialog.remote = answer["To"]
        self._dialog.target = sip.uri_of(answer["Contact"]) or self._dialog.target
        self._stack.send(self._dialog.request("ACK", self._stack.via(), seq=answer.cseq[0]), self._server)
        if self.times.answered_at is not None or self.is_over:
            return  # the 200 was repeated: our ACK was lost, now sent again
        self.status = answer.status
        self._aim(answer.body)
        self._mark_answered()
        if self._cancelled:  # the answer crossed our CANCEL
            self._send_bye()

    def _give_up(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self.times.cancelled_at = time.monotonic()
            if self.answers:  # RFC 3261 §9.1: no CANCEL before a provisional response
                self._send_cancel()

    def _send_cancel(self) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        invite = self.sent_invite
        copied = [(name, invite[name]) for name in ("Via", "From", "To", "Call-ID", "Max-Forwards")]
        cancel = sip.request("CANCEL", invite.uri, [*copied, ("CSeq", f"{invite.cseq[0]} CANCEL")])
        self._stack.start(cancel, self._server, lambda _: None, lambda: self._end("us"))
