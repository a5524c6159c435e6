"""panoramisk behind guards: one AMI connection; everything of it dies with it.

panoramisk 1.4 writes our actions, reads messages, matches answers to ActionIDs, gathers lists, dispatches
events. What it may not do (tests/unit/test_ami_guards.py holds it to that):

- send again after a reconnect what was not answered, for a second Originate rings a second time: there is one
  Manager per connection, and `close` forgets instead of saving up;
- decode half a character at the end of a TCP segment: messages are cut out of the bytes, then decoded;
- reconnect or ping by itself: the owner of the connection does, and looks at the pong;
- let a value carry CR, LF or NUL, which would start an action of its own;
- send an Originate that is not Async: its answer would break panoramisk's reader.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager
from panoramisk.message import Message

from callcenter.asterisk.faults import InjectionRefused, LinkDown, Refused, TelephonyTimeout

# Asterisk's longest messages are a few KB; a peer that sends this much without a blank line is not Asterisk.
MESSAGE_MAX = 1 << 20

_FORBIDDEN = ("\r", "\n", "\0")
_END = b"\r\n\r\n"

Fields = Mapping[str, Any]


class Wire(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """The byte side of one connection; `lost` is done when it has ended."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Cut whole messages out of the stream; a character split between two segments survives."""
        self._unread += data
        if self.factory is None:
            return  # the Manager takes over in a moment and asks for what came early
        while (end := self._unread.find(_END)) >= 0:
            text = self._unread[:end].decode("utf-8", "replace").strip()
            del self._unread[: end + len(_END)]
            message = Message.from_line(text)
            if message is not None:
                self.handle_message(message)
        if len(self._unread) > MESSAGE_MAX:
            self.transport.abort()

    def connection_lost(self, exc: object) -> None:  # noqa: ARG002 - asyncio's signature
        """Also called by panoramisk when Asterisk announces its shutdown."""
        self.close()
        if not self.lost.done():
            self.lost.set_result(None)

    def close(self) -> None:
        """End the connection; actions on their way fail and are never sent again."""
        for action in self.responses.values():
            if not action.future.done():
                action.future.set_exception(LinkDown("the AMI connection was lost before the answer"))
        self.responses.clear()
        self.closed = True
        self.transport.abort()


class Connection(Manager):  # type: ignore[misc]  # panoramisk has no types
    """One connection, from connect to loss; there is no second life. Not logged in yet when made."""

    @classmethod
    async def open(cls, host: str, port: int, on_event: Callable[[Fields], None] | None) -> "Connection":
        """Connect, or OSError. `on_event` gets every event in the order of arrival."""
        loop = asyncio.get_running_loop()
        connected = loop.create_future()
        connected.set_result(await loop.create_connection(Wire, host, port))
        connection = cls(host=host, port=port, loop=loop)
        connection.callbacks.clear()  # panoramisk's own: it would send unanswered actions again
        connection.patterns.clear()
        if on_event is not None:
            connection.register_event("*", lambda _manager, event: on_event(event))
        connection.connection_made(connected)
        connection.pinger.cancel()
        connection.protocol.data_received(b"")
        return connection

    async def act(self, name: str, fields: Fields, *, answer_s: float) -> list[Fields]:
        """Send one action and return its answer, for a list the opening answer and the items.

        Raises InjectionRefused (nothing sent), Refused (an Originate not Async), TelephonyTimeout, LinkDown.
        """
        _refuse_control_characters(fields)
        if name.lower() == "originate" and str(fields.get("Async", "")).lower() != "true":
            raise Refused("Originate", str(fields.get("Channel", "")), 0, "must be Async")
        if self.protocol.closed:
            raise LinkDown("the AMI connection is closed")
        action = Action({"Action": name, **fields})
        future = self.send_action(action)
        try:
            async with asyncio.timeout(answer_s):
                answer = await future
        except TimeoutError as error:
            raise TelephonyTimeout(f"AMI {name}", answer_s) from error
        finally:
            self.protocol.responses.pop(action.id, None)
        return list(answer) if isinstance(answer, list) else [answer]

    @property
    def unanswered(self) -> int:
        """Actions on their way."""
        return len(self.protocol.responses)

    async def ended_within(self, seconds: float) -> bool:
        """Whether the connection ended within that time."""
        done, _ = await asyncio.wait({self.protocol.lost}, timeout=seconds)
        return bool(done)

    def ping(self) -> None:
        """Panoramisk's pinger never looks at the pong; ours does (ami.py)."""

    def connection_lost(self, exc: object) -> None:
        """Panoramisk would reconnect every two seconds for ever."""


def _refuse_control_characters(fields: Fields) -> None:
    for key, value in fields.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        if any(mark in text for text in map(str, (key, *values)) for mark in _FORBIDDEN):
            raise InjectionRefused(key)
