"""REST over WebSocket (Asterisk ≥ 22.5): one request is one text frame each way, at about half of HTTP's cost.

Asterisk serves one socket's requests one after the other, so a request that blocks there (adding a channel that is
still playing) holds up all behind it. Such requests belong on HTTP; everything quick may come here.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
import msgspec

from callcenter.asterisk.faults import LinkDown

CONNECT_S = 3.0
HEARTBEAT_S = 4.0
UNANSWERED_MAX = 2_000  # on their way at once; beyond it this socket is stuck


class _Response(msgspec.Struct):
    """The frame that answers a request; other frames of the socket have no request_id."""

    request_id: str = ""
    status_code: int = 0
    message_body: str = ""


_response = msgspec.json.Decoder(_Response)
_encode = msgspec.json.Encoder().encode


class RestSocket:
    """One socket for requests, under an application name of its own that never gets a channel.

    `run` keeps the connection until it ends, then raises LinkDown; `ask` works while `up`.
    """

    def __init__(self, url: str, authorization: str, app: str) -> None:
        query = urlencode({"app": app, "subscribeAll": "false"})
        self._url = f"{url}/events?{query}"
        self._authorization = authorization
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: dict[str, asyncio.Future[_Response]] = {}
        self._numbers = itertools.count(1)
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
                socket = await session.ws_connect(
                    self._url, headers={"Authorization": self._authorization}, heartbeat=HEARTBEAT_S, max_msg_size=0
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LinkDown(f"no socket for requests: {type(error).__name__}") from error
        self._socket = socket
        self.was_up = True
        try:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self._answered(frame.data)
            raise LinkDown("the socket for requests was closed")
        finally:
            self._socket = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LinkDown("the socket for requests was closed"))
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                await asyncio.wait_for(socket.close(), CONNECT_S)

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
        try:
            await socket.send_str(_encode(request).decode())
            answer = await future
        except aiohttp.ClientError as error:
            raise LinkDown("the socket for requests was closed") from error
        finally:
            timer.cancel()
            del self._waiting[number]
        return answer.status_code, answer.message_body.encode()

    def _answered(self, frame: str) -> None:
        try:
            answer = _response.decode(frame)
        except msgspec.DecodeError:
            return  # an event of an application that has none; nobody waits for it
        future = self._waiting.get(answer.request_id)
        if future is not None and not future.done():
            future.set_result(answer)


def _expire(future: "asyncio.Future[_Response]") -> None:
    if not future.done():
        future.set_exception(TimeoutError("no answer on the socket for requests"))
