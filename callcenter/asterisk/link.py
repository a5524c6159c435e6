"""ARI's event socket: connected for as long as we live, reconciled at every connect, read without working.

Asterisk never repeats an event and drops a reader who is slow. So the reader only decodes and hands over;
while `on_connected` takes its snapshot (syncing), events wait in a bounded buffer and are handed over then.

A connection that answers pings may still be deaf: when one ends while the next is made, Asterisk 22.10 may take the
application away from the new one, and no event comes any more. So we tell ourselves something, now and then, by way of
Asterisk; a link that does not hear it is made anew.
"""

import asyncio
import contextlib
import enum
import itertools
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlencode

import aiohttp

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.decode import Unknown, decode
from callcenter.asterisk.events import ApplicationReplaced, ChannelUserevent, Event
from callcenter.asterisk.faults import AppReplaced, LinkDown, LoginRefused, TelephonyTimeout, backoff_s
from callcenter.errors import TelephonyError

log = logging.getLogger(__name__)

# A ping every 4 s and 2 s for its pong: a half-open connection is found within 6 s.
HEARTBEAT_S = 4.0
CONNECT_S = 3.0
SYNC_S = 15.0

# We tell ourselves something every 4 s and hear it within 4 s: a deaf connection is found within 8 s.
TELL_S = 4.0
HEAR_S = 4.0

# A minute of events at 100 calls/s; beyond it we lost the thread and start over with a new snapshot.
SYNCING_MAX = 100_000


class LinkState(enum.Enum):
    """How far we are with Asterisk; commands may leave when it is UP or YIELDED.

    YIELDED: a successor has the events now, and what we asked before may still be finished.
    """

    DOWN = "down"
    CONNECTING = "connecting"
    SYNCING = "syncing"
    UP = "up"
    YIELDED = "yielded"


class Link:
    """The event socket of one application on one Asterisk; `run` is a vital task.

    `on_event` gets every event in order and must not block; `on_connected` reconciles (its TelephonyError
    means: connect again); `on_state` hears every change of `state`. `allowed` are the event types we want.

    We subscribe to nothing beside our own channels and bridges: with `endpoint:PJSIP`, Asterisk sends every event
    of a channel twice, digits included, and goes on after a reconnect (measured on 22.10.1). Phones that come and
    go are told by AMI.
    """

    def __init__(
        self,
        ari: Ari,
        *,
        allowed: Sequence[str],
        on_event: Callable[[Event | Unknown], None],
        on_connected: Callable[[], Awaitable[None]],
        on_state: Callable[[LinkState], None],
        rng: random.Random,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self.state = LinkState.DOWN
        self._ari = ari
        self._allowed = (*allowed, ApplicationReplaced.__name__, ChannelUserevent.__name__)
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_state = on_state
        self._rng = rng
        self._heartbeat_s = heartbeat_s
        self._buffer: list[Event | Unknown] = []
        self._words = (f"hearing-{number}" for number in itertools.count(1))
        self._told = ""
        self._heard = asyncio.Event()
        self._was_up = False
        self._attempt = 0
        self._yields = False
        self._take_back = asyncio.Event()

    @property
    def waiting(self) -> Sequence[Event | Unknown]:
        """What was heard while syncing and is not handed on yet."""
        return self._buffer

    def let_yield(self) -> None:
        """From now on a process that takes the application over is our successor: YIELDED, not AppReplaced."""
        self._yields = True
        self._take_back.clear()

    def take_back(self) -> None:
        """The successor failed: the application is ours again, by a new connection if it was yielded."""
        self._yields = False
        self._take_back.set()

    async def run(self) -> None:
        """Never returns. Raises AppReplaced (another process took over), LoginRefused (the first time)."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                try:
                    await self._one_connection(session)
                except LoginRefused:
                    if not self._was_up:
                        raise
                    log.exception("ari login refused")
                except AppReplaced:
                    if not self._yields:
                        raise
                except (TelephonyError, aiohttp.ClientError, TimeoutError) as error:
                    log.warning("ari link lost", extra={"cause": f"{type(error).__name__}: {error}"})
                finally:
                    self._enter(LinkState.DOWN)
                if self._yields:  # however it ended: to connect again would take it from the successor
                    self._enter(LinkState.YIELDED)
                    await self._take_back.wait()
                await asyncio.sleep(backoff_s(self._attempt, self._rng))
                self._attempt += 1

    async def _one_connection(self, session: aiohttp.ClientSession) -> None:
        """Connect, sync, read until the connection ends or is deaf; always ends with an error."""
        self._enter(LinkState.CONNECTING)
        socket = await self._connect(session)
        self._buffer.clear()
        self._enter(LinkState.SYNCING)
        reader = asyncio.create_task(self._read(socket), name="ari reader")
        staying = asyncio.create_task(self._stay(), name="ari sync")
        try:
            # Whichever ends first: a lost connection ends a sync that would wait for it in vain.
            await asyncio.wait({reader, staying}, return_when=asyncio.FIRST_COMPLETED)
            await (reader if reader.done() else staying)
        finally:
            for task in (reader, staying):
                task.cancel()
            await asyncio.gather(reader, staying, return_exceptions=True)
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await asyncio.wait_for(socket.close(), CONNECT_S)

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        query = urlencode({"app": self._ari.app, "subscribeAll": "false"})
        try:
            async with asyncio.timeout(CONNECT_S):
                return await session.ws_connect(
                    f"{self._ari.url}/events?{query}",
                    # By header, not ?api_key=: that would end up in logs.
                    headers={"Authorization": self._ari.authorization},
                    heartbeat=self._heartbeat_s,
                    max_msg_size=0,
                )
        except aiohttp.WSServerHandshakeError as error:
            if error.status in {401, 403}:
                raise LoginRefused("ARI", f"{error.status} {error.message}") from error
            raise

    async def _stay(self) -> None:
        """Sync, then see that events go on coming; ends with an error."""
        await self._sync()
        while True:
            await asyncio.sleep(TELL_S)
            await self._hear_ourselves()

    async def _hear_ourselves(self) -> None:
        """Tell ourselves a word by way of Asterisk; raises LinkDown if it does not come back.

        While requests are not answered there is nothing to be heard, and nothing to be said of events.
        """
        self._heard.clear()
        self._told = next(self._words)
        try:
            await self._ari.tell_ourselves(self._told)
        except (TelephonyTimeout, LinkDown) as error:
            log.info("told ourselves nothing", extra={"cause": str(error)})
            return
        try:
            async with asyncio.timeout(HEAR_S):
                await self._heard.wait()
        except TimeoutError as error:
            raise LinkDown(f"deaf: no event came of what Asterisk took {HEAR_S:g} s ago") from error

    async def _sync(self) -> None:
        """Say what we want, take the snapshot, then hand over what came meanwhile: no await from there on."""
        async with asyncio.timeout(SYNC_S):
            # The filter may have died with the application, so it is said each time.
            await self._ari.allow_events(self._allowed)
            await self._hear_ourselves()
            await self._on_connected()
        buffered, self._buffer = self._buffer, []
        self._was_up = True
        self._attempt = 0
        self._enter(LinkState.UP)
        for event in buffered:
            self._on_event(event)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Hand over every frame; raises when the connection has ended: a clean close is a loss as well."""
        while True:
            frame = await socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                raise LinkDown(f"event socket closed: {frame.type.name} {socket.close_code} {socket.exception()}")
            event = decode(frame.data)
            if type(event) is ApplicationReplaced:
                raise AppReplaced(f"another process serves the application {event.application!r} now")
            if type(event) is ChannelUserevent:
                if event.eventname == self._told:
                    self._heard.set()
            elif self.state is LinkState.UP:
                self._on_event(event)
            elif len(self._buffer) < SYNCING_MAX:
                self._buffer.append(event)
            else:
                raise LinkDown(f"more than {SYNCING_MAX} events while syncing")

    def _enter(self, state: LinkState) -> None:
        if state is not self.state:
            self.state = state
            self._on_state(state)
