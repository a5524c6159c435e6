"""A recogniser of speech: a program of its own, spoken to over a WebSocket, one connection a listening.

The protocol (docs/recogniser.md): we send a JSON text that says what to listen for, then binary messages, each some
milliseconds of signed 16-bit little-endian mono samples. It may say once that somebody speaks, `{"type":
"speech"}`; then it sends one JSON text, `{"type": "result", "said": "…"}` or
`{"type": "no_match"}`, which ends the listening; texts of other types are passed over. Either side may close at any
time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import msgspec

from callcenter.errors import CallCenterError
from ivr.turn import Listen, SpeechHeard

CONNECT_S: Final = 1.0
SEND_S: Final = 2.0
MESSAGE_BYTES_MAX: Final = 16_384
SAID_MAX: Final = 200  # characters


class RecogniserAway(CallCenterError):
    """There is no recogniser, or it went away, or nobody understands what it says."""


class Message(msgspec.Struct):
    """What a recogniser says."""

    type: str
    said: str = ""


_decode = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


class WebSocketRecogniser:
    """Implements ports.Recogniser by a program at this URL, which gets `rate` samples a second."""

    def __init__(self, url: str, rate: int) -> None:
        self._url = url
        self._rate = rate

    async def recognise(
        self, listening_id: str, wanted: Listen, audio: AsyncIterator[bytes], began: Callable[[], None]
    ) -> SpeechHeard:
        """What is understood first; calls `began` at most once, as somebody begins to speak.

        Raises RecogniserAway, and what `audio` raises; asks for audio when connected.
        """
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                async with asyncio.timeout(CONNECT_S + SEND_S):
                    socket = await session.ws_connect(self._url, max_msg_size=MESSAGE_BYTES_MAX)
                    await socket.send_str(self._start(listening_id, wanted))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise RecogniserAway(f"{self._url}: {type(error).__name__}") from error
            async with socket:
                return await _first(socket, audio, began)

    def _start(self, listening_id: str, wanted: Listen) -> str:
        start: dict[str, object] = {"type": "start", "listening": listening_id, "language": wanted.language}
        start["rate"] = self._rate
        if wanted.digits_max:
            start["digits"] = {"min": wanted.digits_min, "max": wanted.digits_max}
        else:
            start["phrases"] = wanted.phrases
        return _encode(start).decode()


async def _first(
    socket: aiohttp.ClientWebSocketResponse, audio: AsyncIterator[bytes], began: Callable[[], None]
) -> SpeechHeard:
    """What comes first: a word of the recogniser, or the end of the audio, with which it has no more to hear."""
    sending = asyncio.create_task(_send(socket, audio))
    hearing = asyncio.create_task(_understood(socket, began))
    try:
        await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if not hearing.done():
            await sending  # raises what it ended with
            raise RecogniserAway("the audio ended")
        return hearing.result()
    finally:
        for task in (sending, hearing):
            task.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)


async def _send(socket: aiohttp.ClientWebSocketResponse, audio: AsyncIterator[bytes]) -> None:
    try:
        async for frame in audio:
            async with asyncio.timeout(SEND_S):
                await socket.send_bytes(frame)
    except (ConnectionError, TimeoutError) as error:
        raise RecogniserAway(f"it takes no audio: {type(error).__name__}") from error


async def _understood(socket: aiohttp.ClientWebSocketResponse, began: Callable[[], None]) -> SpeechHeard:
    speaking = False
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            continue
        try:
            told = _decode(message.data)
        except msgspec.MsgspecError as error:
            raise RecogniserAway(f"it says what nobody understands: {error}") from error
        if told.type == "result":
            return SpeechHeard("matched", told.said[:SAID_MAX])
        if told.type == "no_match":
            return SpeechHeard("no_match")
        if told.type == "speech" and not speaking:
            speaking = True
            began()
    raise RecogniserAway("it closed the connection")
