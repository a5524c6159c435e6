"""Callers who do what they are told when they are told: SIPp makes the calls and ends them, we press the keys.

SIPp connects to us, by the socket that it has for third parties, and says of each call what became of it; we say when
to hang up. Each message is a few header lines that end with ESC. `scenarios/caller_led.xml` is the other side. Audio
goes to ports of our own: SIPp could send keys only from a raw socket, which takes root's rights, and the same key twice
is one to it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from api.demo.sipp import Address, SippPlan, SippRun
from api.dialing.keypad import Keypad

END: Final = b"\x1b"
ANSWERED_S: Final = 20.0
OVER_S: Final = 10.0
LASTS_S_MAX: Final = 7_200.0


class CallLost(Exception):
    """The call is over, or never came about, and more was wanted of it; the text is a sentence."""


class LedCall:
    """One call. It is answered, keys are pressed, one of the two sides hangs up."""

    def __init__(self, keypad: Keypad, host: str) -> None:
        self.keypad = keypad
        self._host = host
        self._call_id, self._port = "", 0
        self._writer: asyncio.StreamWriter | None = None
        self._answered, self._over = asyncio.Event(), asyncio.Event()

    async def answered(self) -> None:
        """Wait until the hotline has answered. Raises CallLost."""
        try:
            async with asyncio.timeout(ANSWERED_S):
                await self._answered.wait()
        except TimeoutError:
            raise CallLost(f"the call was not answered within {ANSWERED_S:g} s") from None

    async def press(self, keys: str) -> None:
        """Press keys one after the other; returns when the last one is up. Raises CallLost."""
        for key in keys:
            if self._over.is_set():
                raise CallLost(f"the call had ended before key {key} was pressed")
            await self.keypad.press(key, (self._host, self._port))

    async def ended(self, within_s: float) -> None:
        """Wait until the hotline hangs up. Raises CallLost if it does not."""
        try:
            async with asyncio.timeout(within_s):
                await self._over.wait()
        except TimeoutError:
            raise CallLost(f"the call goes on after {within_s:g} s") from None

    def hang_up(self) -> None:
        """Hang up, if that has not happened yet."""
        if self._writer is not None and not self._over.is_set():
            self._writer.write(f"Call-ID: {self._call_id}\r\nDo: hang up\r\n".encode() + END)
            self._over.set()

    def take(self, writer: asyncio.StreamWriter, said: Mapping[str, str]) -> None:
        """What SIPp says of the call."""
        if "Media" in said:
            self._writer, self._call_id, self._port = writer, said["Call-ID"], int(said["Media"])
            self._answered.set()
        else:
            self._over.set()

    def lose(self) -> None:
        """SIPp is gone."""
        self._over.set()


class Callers:
    """Calls to a server, each from a number of its own to one that it dials; `async with` makes them all at once."""

    def __init__(self, server: Address, numbers: Mapping[str, str], directory: Path) -> None:
        self.calls: dict[str, LedCall] = {}
        self._server = server
        self._numbers = numbers
        self._directory = directory
        self._readers: set[asyncio.Task[None]] = set()
        self._keypads = ExitStack()

    async def __aenter__(self) -> Self:
        self.calls = {
            caller: LedCall(self._keypads.enter_context(Keypad()), self._server[0]) for caller in self._numbers
        }
        rows = [(caller, dialed, str(self.calls[caller].keypad.port)) for caller, dialed in self._numbers.items()]
        self._listener = await asyncio.start_server(self._led, "127.0.0.1", 0)
        plan = SippPlan(
            "caller_led.xml",
            self._server,
            rows=rows,
            calls=len(rows),
            at_once_max=len(rows),
            leader=self._listener.sockets[0].getsockname(),
            time_limit_s=LASTS_S_MAX,
        )
        self._run = SippRun(plan, self._directory)
        try:
            await self._run.__aenter__()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in self.calls.values():
            call.hang_up()
        try:
            with suppress(TimeoutError):  # a call that was never answered is still being tried
                await self._run.wait(OVER_S)
        finally:
            await self._run.__aexit__(kind, error, trace)
            self._close()

    def _close(self) -> None:
        self._listener.close()
        self._keypads.close()
        for reader in self._readers:
            reader.cancel()

    async def _led(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = asyncio.current_task()
        assert ours is not None
        self._readers.add(ours)
        try:
            while True:
                message = (await reader.readuntil(END)).decode()
                said = dict(line.split(": ", 1) for line in message.splitlines() if ": " in line)
                self.calls[said["Caller"]].take(writer, said)
        except asyncio.IncompleteReadError:
            pass  # SIPp has ended
        finally:
            writer.close()
            for call in self.calls.values():
                call.lose()
