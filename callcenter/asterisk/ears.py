"""What a caller says, as audio: a snoop channel hears them, bridged with a media channel that is a WebSocket to us.

The caller's own channel is left alone: what they hear goes on, and their bridge is what it was. All three things carry
ids made of the listening's, `<contact_id>.l1`, which is the bridge's own; the snoop's is `.s1`, the media channel's
`.m1`. Asterisk waits for the socket (chan_websocket, as a server), so nobody needs to reach us.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Final

import aiohttp
import structlog

from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import LinkDown, Refused
from callcenter.asterisk.telephony import Access
from callcenter.contact.model import ear_channels
from callcenter.errors import TelephonyError

log = structlog.get_logger()

FORMATS: Final[Mapping[int, str]] = {8_000: "slin", 16_000: "slin16"}
FRAMES_MAX: Final = 250  # 5 s: what a slow recogniser has not taken by then, it does not get
OPEN_S: Final = 2.0
LOOK_S: Final = 0.02
LOOKS: Final = 100


class AsteriskEars:
    """Implements ports.Ears on one Asterisk; close it at the end. `rate` is 8000 or 16000 samples a second."""

    def __init__(self, access: Access, app: str, rate: int) -> None:
        self._ari = Ari(access.ari_url, access.ari_user, access.ari_password, app=app)
        self._media_url = access.ari_url.rstrip("/").removesuffix("/ari") + "/media/"
        self._format = FORMATS[rate]
        self._session: aiohttp.ClientSession | None = None
        self._opening: dict[str, asyncio.Task[aiohttp.ClientWebSocketResponse]] = {}

    async def hear(self, listening_id: str, channel_id: str) -> AsyncGenerator[bytes, None]:
        """What the caller says from now on, as 16-bit samples, until their leg or the socket ends.

        Raises TelephonyError. Asterisk is always read from, for a reader that stops can hold it up; what is not taken
        in time is dropped, the oldest first. `shut` is for the caller of this to ask for.
        """
        opening = asyncio.create_task(self._open(listening_id, channel_id), name=f"open {listening_id}")
        self._opening[listening_id] = opening
        async with await asyncio.shield(opening) as socket:
            frames: asyncio.Queue[bytes | None] = asyncio.Queue(FRAMES_MAX)
            reading = asyncio.create_task(_read(socket, frames))
            try:
                while (frame := await frames.get()) is not None:
                    yield frame
            finally:
                reading.cancel()

    async def shut(self, listening_id: str) -> None:
        """End all of it in Asterisk; what is gone already is fine, and what can't be ended the drift check finds."""
        snoop, media = ear_channels(listening_id)
        opening = self._opening.pop(listening_id, None)
        if opening is not None:  # what it still asks for must not come after its end
            with suppress(TelephonyError):
                await (await opening).close()
        try:
            await self._ari.hang_up(media)
            await self._ari.hang_up(snoop)
            await self._ari.delete_bridge(listening_id)
        except TelephonyError as error:
            log.warning("a listening could not be ended", listening=listening_id, cause=str(error))

    async def close(self) -> None:
        """Give all connections back."""
        await self._ari.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self, listening_id: str, channel_id: str) -> aiohttp.ClientWebSocketResponse:
        """Make all three, and connect; each request is bounded in time, and whoever gave up meanwhile shuts it."""
        snoop, media = ear_channels(listening_id)
        await self._ari.snoop(channel_id, snoop)
        connection = await self._ari.open_media(media, self._format)
        try:
            async with asyncio.timeout(OPEN_S):
                socket = await self._http().ws_connect(self._media_url + connection, protocols=("media",))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LinkDown(f"media: {type(error).__name__}") from error
        await self._ari.create_bridge(listening_id)
        await self._join(listening_id, snoop, media)
        return socket

    async def _join(self, bridge_id: str, snoop: str, media: str) -> None:
        """Join both; the media channel comes into our hands a moment after its socket is open, until when it can't."""
        for _ in range(LOOKS):
            with suppress(Refused):
                return await self._ari.add_channels(bridge_id, (snoop, media))
            await asyncio.sleep(LOOK_S)
        raise LinkDown(f"{media} did not come into our hands")

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Authorization": self._ari.authorization},
            )
        return self._session


async def _read(socket: aiohttp.ClientWebSocketResponse, frames: "asyncio.Queue[bytes | None]") -> None:
    """Hand on the audio until the socket ends, then None; texts tell of the channel and are of no use here."""
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            _put(frames, message.data)
    _put(frames, None)


def _put(frames: "asyncio.Queue[bytes | None]", frame: bytes | None) -> None:
    if frames.full():
        frames.get_nowait()
    frames.put_nowait(frame)
