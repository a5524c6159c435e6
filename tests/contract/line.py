"""What the contract tests of callcenter/asterisk share: a sink that can be waited for, and a relay that can stall."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from callcenter.asterisk.link import LinkState
from callcenter.asterisk.telephony import Access, AsteriskTelephony
from callcenter.clock import AnchoredClock
from callcenter.contact.signals import Signal
from callcenter.ports import CallerAtTheDoor, DeviceSeen
from tests.kit.parts import RealAsterisk

WITHIN_S = 20.0


def access_to(asterisk: RealAsterisk) -> Access:
    companion = asterisk.companion
    return Access(
        ari_url=companion.ari_url,
        ari_user=companion.ari_user,
        ari_password=companion.ari_password,
        ami_host=companion.ami_host,
        ami_port=companion.ami_port,
        ami_user=companion.ami_user,
        ami_password=companion.ami_password,
        sounds=companion.sounds_dir_in_asterisk,
        cel=companion.cel_path,
    )


class News:
    """Something happens; somebody waits until enough of it has."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class Sink(News):
    """A SignalSink that keeps everything, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[CallerAtTheDoor] = []
        self.signals: list[tuple[str, Signal]] = []
        self.devices: list[DeviceSeen] = []

    def arrived(self, caller: CallerAtTheDoor) -> None:
        self.callers.append(caller)
        self.tell()

    def signal(self, resource_id: str, signal: Signal) -> None:
        self.signals.append((resource_id, signal))
        self.tell()

    def device(self, seen: DeviceSeen) -> None:
        self.devices.append(seen)
        self.tell()

    async def caller(self, number: str) -> CallerAtTheDoor:
        """The latest caller with this number."""
        await self.until(lambda: any(one.caller == number for one in self.callers))
        return next(one for one in reversed(self.callers) if one.caller == number)

    async def heard(self, resource_id: str, *wanted: Signal) -> None:
        """These signals have come to the resource, in this order, perhaps among others."""
        await self.until(lambda: _in_order(wanted, [signal for to, signal in self.signals if to == resource_id]))


def _in_order(wanted: tuple[Signal, ...], heard: list[Signal]) -> bool:
    rest = iter(heard)
    return all(one in rest for one in wanted)


async def eventually(holds: Callable[[], Awaitable[object]]) -> None:
    """Ask Asterisk, or whoever tells nobody of a change, until it is so."""
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - Asterisk has no event for every question
            await asyncio.sleep(0.01)


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run something beside the test; end it with the test."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def telephony_on(
    asterisk: RealAsterisk, sink: Sink, *, lease_s: float = 30.0
) -> AsyncIterator[AsteriskTelephony]:
    """Our telephony on a real Asterisk, connected; nothing is reconciled."""
    telephony = AsteriskTelephony(
        access_to(asterisk), AnchoredClock(), app=asterisk.plan.app, lease_s=lease_s, rng=random.Random(1)
    )
    connected = asyncio.Event()

    async def reconcile() -> None:
        connected.set()

    telephony.sink = sink
    telephony.reconcile = reconcile
    async with background(telephony.run()):
        await asyncio.wait_for(connected.wait(), WITHIN_S)
        await eventually(lambda: _both_up(telephony))
        yield telephony


async def _both_up(telephony: AsteriskTelephony) -> bool:
    return telephony.state is LinkState.UP and telephony.ami_up


class Relay:
    """A TCP relay that can cut its connections, be slow, or stall and keep them open: a half-open link."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.delay_s = 0.0  # of each piece, in each direction
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Relay"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    def cut(self) -> None:
        for writer in self._writers:
            writer.close()

    def stall(self) -> None:
        self.flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:  # nobody is there: whoever comes to us is told so
            writer.close()
            return
        self._writers |= {writer, far_writer}
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
        self._pumps.update(pumps)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self.flowing.wait()
                await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        writer.close()
