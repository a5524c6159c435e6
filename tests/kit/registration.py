"""Registrations with digest authentication: one phone's own, and those of a whole team behind one port."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tests.kit import sip
from tests.kit.sip import Header, SipMessage
from tests.kit.stack import SipStack
from tests.kit.udp import Address

AT_ONCE_MAX: Final = 20


class RegistrationRefused(AssertionError):
    """The registrar said no; `status` says how."""

    def __init__(self, user: str, status: int) -> None:
        super().__init__(f"{user} was not registered: {status}")
        self.status = status


class Registration:
    """One user's registration of the stack's own address: the registrar keeps where the REGISTER came from."""

    def __init__(self, stack: SipStack, server: Address, user: str, password: str) -> None:
        self.active = False
        self._stack = stack
        self._server = server
        self._user = user
        self._password = password
        self._call_id = f"{sip.token()}@kit"
        self._seq = 0

    async def register(self, expires_s: int, within_s: float = 5.0) -> None:
        """Register, or with 0 seconds take it back. Raises RegistrationRefused, NoResponse."""
        uri = f"sip:{self._server[0]}:{self._server[1]}"
        answer = await self._ask(uri, expires_s, (), within_s)
        if answer.status in {401, 407} and self._password:
            credentials = sip.answer_challenge(
                answer, user=self._user, password=self._password, method="REGISTER", uri=uri
            )
            answer = await self._ask(uri, expires_s, (credentials,), within_s)
        if answer.status != 200:
            raise RegistrationRefused(self._user, answer.status)
        self.active = expires_s > 0

    async def _ask(self, uri: str, expires_s: int, credentials: tuple[Header, ...], within_s: float) -> SipMessage:
        self._seq += 1
        host, port = self._stack.address
        address = f"<sip:{self._user}@{self._server[0]}>"
        headers = [self._stack.via(), ("From", f"{address};tag={sip.token()}"), ("To", address)]
        headers += [("Call-ID", self._call_id), ("CSeq", f"{self._seq} REGISTER"), ("Max-Forwards", "70")]
        headers += [("Contact", f"<sip:{self._user}@{host}:{port}>"), ("Expires", str(expires_s)), *credentials]
        return await self._stack.ask(sip.request("REGISTER", uri, headers), self._server, within_s)


async def register_team(
    passwords: Mapping[str, str],
    server: Address,
    *,
    port: int,
    host: str = "127.0.0.1",
    expires_s: int = 3600,
    within_s: float = 10.0,
) -> None:
    """Register all users (name to password) at one port, then leave it free for the SIPp agent that serves them all.

    Returns once Asterisk has asked each new contact whether it is there (OPTIONS) and been answered: it asks again
    only after its qualify_frequency, and would not dial a contact that was silent. Raises TimeoutError.
    """
    unasked = set(passwords)
    all_asked = asyncio.Event()

    def answer(request: SipMessage, peer: Address) -> None:
        if request.method == "OPTIONS":
            stack.respond(request, sip.response(request, 200, to_tag=sip.token()), peer)
            unasked.discard(sip.user_of(f"<{request.uri}>"))
            if not unasked:
                all_asked.set()

    stack = SipStack(host, port, answer)
    few = asyncio.Semaphore(AT_ONCE_MAX)

    async def register(user: str, password: str) -> None:
        async with few:
            registration = Registration(stack, server, user, password)
            await registration.register(0)  # a contact that is merely refreshed would not be asked
            await registration.register(expires_s)

    try:
        async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
            for user, password in passwords.items():
                group.create_task(register(user, password))
            group.create_task(all_asked.wait())
    finally:
        stack.close()
