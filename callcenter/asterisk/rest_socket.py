"""REST over WebSocket (Asterisk ≥ 22.5): one request is one text frame each way, at about half of HTTP's cost.

Asterisk serves one socket's requests one after the other, so a request that blocks there (adding a channel that is
still playing) holds up all behind it. Such requests belong on HTTP; everything quick may come here.

A socket may be deaf: when one connection of an application ends while the next is made, Asterisk 22.10 may take the
application away from the new one. It goes on carrying requests out, answers pings and drops every answer. So a socket
is used only after it has answered, each connection takes another name, and one that answers nothing is made anew.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
import msgspec

from callcenter.asterisk.faults import LinkDown

CONNECT_S = 3.0
HEARTBEAT_S = 4.0
UNANSWERED_MAX = 2_000  # on their way at once; beyond it this socket is stuck
NAMES = 16
"""How many names a socket draws its application's from: Asterisk keeps a small context for each for ever."""


class _Response(msgspec.Struct):
    """The frame that answers a request; other frames of the socket have no request_id."""

    request_id: str = ""
    status_code: int = 0
    message_body: str = ""


_response = msgspec.json.Decoder(_Response)
_encode = msgspec.json.Encoder().encode
_FIRST = "0"
_FIRST_REQUEST = _encode(
    {"type": "RESTRequest", "request_id": _FIRST, "method": "GET", "uri": "asterisk/ping"}
).decode()


class RestSocket:
    """One socket for requests, under an application name of its own that never gets a channel.

    `run` keeps the connection until it ends or answers nothing, then raises LinkDown; `ask` works while `up`.
    """

    def __init__(self, url: str, authorization: str, app: str, rng: random.Random) -> None:
        self._url = url
        self._app = app
        self._rng = rng
        self._authorization = authorization
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: dict[str, asyncio.Future[_Response]] = {}
        self._numbers = itertools.count(1)
        self._answers = 0
        self._deaf = asyncio.Event()
        self.was_up = False

    @property
    def up(self) -> bool:
        """Whether requests can be asked here now."""
        return self._socket is not None and len(self._waiting) < UNANSWERED_MAX

    async def run(self, session: aiohttp.ClientSession) -> None:
        """One connection's life; always ends with LinkDown."""
        self.was_up = False
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await self._connect(session)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LinkDown(f"no socket for requests: {type(error).__name__}") from error
        self._socket = socket
        self._deaf.clear()
        self.was_up = True
        reader = asyncio.create_task(self._read(socket), name="answers")
        deaf = asyncio.create_task(self._deaf.wait(), name="no answers")
        try:
            await asyncio.wait({reader, deaf}, return_when=asyncio.FIRST_COMPLETED)
            raise LinkDown("the socket for requests " + ("answered nothing" if deaf.done() else "was closed"))
        finally:
            self._socket = None
            for task in (reader, deaf):
                task.cancel()
            await asyncio.gather(reader, deaf, return_exceptions=True)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LinkDown("the socket for requests was closed"))
            await _close(socket)

    async def _connect(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """A socket that has answered a request."""
        query = urlencode({"app": f"{self._app}-{self._rng.randrange(NAMES)}", "subscribeAll": "false"})
        socket = await session.ws_connect(
            f"{self._url}/events?{query}",
            headers={"Authorization": self._authorization},
            heartbeat=HEARTBEAT_S,
            max_msg_size=0,
        )
        try:
            await socket.send_str(_FIRST_REQUEST)
            while _decoded(await socket.receive_str()).request_id != _FIRST:
                pass
        except BaseException as error:
            await _close(socket)
            if isinstance(error, TypeError):  # aiohttp's word for a frame that is no text: it was closed
                raise LinkDown("the socket for requests was closed") from error
            raise
        return socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._answered(frame.data)

    async def ask(self, method: str, path: str, body: bytes | None, answer_s: float) -> tuple[int, bytes]:
        """Status and body; raises TimeoutError after `answer_s`, LinkDown when the connection ends first."""
        socket = self._socket
        if socket is None:
            raise LinkDown("no socket for requests")
        number = str(next(self._numbers))
        request: Mapping[str, str] = {"type": "RESTRequest", "request_id": number, "method": method, "uri": path[1:]}
        if body is not None:
            request = {**request, "content_type": "application/json", "message_body": body.decode()}
        loop = asyncio.get_running_loop()
        future = self._waiting[number] = loop.create_future()
        # A timer of our own: asyncio.timeout() costs more than the rest of this method.
        timer = loop.call_later(answer_s, _expire, future)
        answers = self._answers
        try:
            await socket.send_str(_encode(request).decode())
            answer = await future
        except TimeoutError:
            if answers == self._answers and socket is self._socket:
                self._deaf.set()
            raise
        except aiohttp.ClientError as error:
            raise LinkDown("the socket for requests was closed") from error
        finally:
            timer.cancel()
            del self._waiting[number]
        return answer.status_code, answer.message_body.encode()

    def _answered(self, frame: str) -> None:
        answer = _decoded(frame)
        future = self._waiting.get(answer.request_id)
        if future is not None:
            self._answers += 1
            if not future.done():
                future.set_result(answer)


def _decoded(frame: str) -> _Response:
    """The answer; without a request's id if it is an event of an application that has none: nobody waits for it."""
    try:
        return _response.decode(frame)
    except msgspec.DecodeError:
        return _Response()


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        await asyncio.wait_for(socket.close(), CONNECT_S)


def _expire(future: "asyncio.Future[_Response]") -> None:
    if not future.done():
        future.set_exception(TimeoutError("no answer on the socket for requests"))
