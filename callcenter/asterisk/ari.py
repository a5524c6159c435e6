"""ARI's requests: one small typed method each, over two sockets, and HTTP where Asterisk may block.

The caller chooses every id, so a repeated request changes nothing: 409 "already exists" is success, and so
is the 404 of a DELETE. Errors: ChannelGone (404), Unreachable (originate: no phone), Refused (other 4xx),
TelephonyTimeout, LoginRefused (401), LinkDown (no connection), TelephonyError (5xx).
"""

import asyncio
import base64
import logging
import random
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode
from zlib import crc32

import aiohttp
import msgspec
from yarl import URL

from callcenter.asterisk.events import Application, AsteriskInfo, Bridge, Channel, Endpoint
from callcenter.asterisk.faults import LinkDown, LoginRefused, Refused, TelephonyTimeout, Unreachable, backoff_s
from callcenter.asterisk.rest_socket import RestSocket
from callcenter.errors import ChannelGone, TelephonyError

log = logging.getLogger(__name__)

REQUEST_S = 2.0

# Of a call that no other one lends its codecs to.
FORMATS = "alaw,ulaw"

# Each serves its requests one by one; two keep one slow answer from holding up everybody.
SOCKETS = 2
CONNECTIONS_MAX = 16

# Asterisk closes an idle connection after 15 s (http.conf session_keep_alive). We let go first, else a
# command could be written into a connection that is just being closed.
KEEP_ALIVE_S = 10.0

_JSON = {"Content-Type": "application/json"}

_channels = msgspec.json.Decoder(list[Channel])
_bridges = msgspec.json.Decoder(list[Bridge])
_endpoints = msgspec.json.Decoder(list[Endpoint])
_application = msgspec.json.Decoder(Application)


class _Variable(msgspec.Struct):
    value: str


_variable = msgspec.json.Decoder(_Variable)
_info = msgspec.json.Decoder(AsteriskInfo)
_encode = msgspec.json.Encoder().encode


def basic_auth(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


class Ari:
    """REST requests to one Asterisk; close it at the end.

    `url` ends in /ari; `app` is our Stasis application's name.
    """

    def __init__(self, url: str, user: str, password: str, *, app: str, request_s: float = REQUEST_S) -> None:
        self.url = url.rstrip("/")
        self.app = app
        self.authorization = basic_auth(user, password)
        self._request_s = request_s
        self._session: aiohttp.ClientSession | None = None
        self._sockets: list[RestSocket] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give all connections back; requests on their way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def keep_sockets(self, rng: random.Random) -> None:
        """Ask by WebSocket from now on, as far as requests can't block; never returns. Asterisk ≥ 22.5 only."""
        names = [f"{self.app}-requests-{n}" for n in range(SOCKETS)]
        self._sockets = [RestSocket(self.url, self.authorization, name, rng) for name in names]
        try:
            async with asyncio.TaskGroup() as group:
                for socket in self._sockets:
                    group.create_task(self._keep(socket, rng))
        finally:
            self._sockets = []

    @property
    def sockets_up(self) -> int:
        """How many sockets take requests now."""
        return sum(socket.up for socket in self._sockets)

    async def _keep(self, socket: RestSocket, rng: random.Random) -> None:
        attempt = 0
        while True:
            try:
                await socket.run(self._pool())
            except LinkDown as error:
                log.info("socket for requests lost", extra={"cause": str(error)})
            attempt = 0 if socket.was_up else attempt + 1
            await asyncio.sleep(backoff_s(attempt, rng))

    # One channel ----------------------------------------------------------------------------------

    async def answer(self, channel_id: str) -> None:
        """Answer; blocks in Asterisk while the channel plays something."""
        await self._ask("POST", _channel(channel_id) + "/answer", channel_id)

    async def hang_up(self, channel_id: str, *, reason: str = "normal", cause: int | None = None) -> None:
        """End the channel; one that is gone already is fine.

        `reason` is ARI's word (normal, busy, congestion, no_answer, answered_elsewhere …); `cause` (Q.850)
        takes its place where ARI has no word.
        """
        why = f"reason_code={cause}" if cause is not None else f"reason={quote(reason, safe='')}"
        await self._ask("DELETE", f"{_channel(channel_id)}?{why}", channel_id)

    async def play(self, channel_id: str, playback_id: str, media: Sequence[str], *, language: str) -> None:
        """Play media URIs (`sound:…`) one after the other as one playback, behind one that is playing."""
        query = urlencode({"media": ",".join(media), "lang": language})
        await self._ask("POST", f"{_channel(channel_id)}/play/{quote(playback_id, safe='')}?{query}", channel_id)

    async def stop_playback(self, playback_id: str) -> None:
        """Stop a playback; one that has ended is fine."""
        await self._ask("DELETE", f"/playbacks/{quote(playback_id, safe='')}", playback_id)

    async def plays(self, playback_id: str) -> bool:
        """Whether a playback plays, or waits for its turn; Asterisk forgets those that have ended."""
        try:
            await self._ask("GET", f"/playbacks/{quote(playback_id, safe='')}", playback_id)
        except ChannelGone:
            return False
        return True

    async def start_music(self, channel_id: str, music_class: str) -> None:
        """Music on hold. A class that does not exist is silence, and Asterisk does not say so."""
        await self._ask("POST", f"{_channel(channel_id)}/moh?{urlencode({'mohClass': music_class})}", channel_id)

    async def stop_music(self, channel_id: str) -> None:
        """Stop the music."""
        await self._ask("DELETE", _channel(channel_id) + "/moh", channel_id)

    async def start_ringing(self, channel_id: str) -> None:
        """Let the channel hear that a phone rings; answered or not."""
        await self._ask("POST", _channel(channel_id) + "/ring", channel_id)

    async def stop_ringing(self, channel_id: str) -> None:
        """Stop that sound."""
        await self._ask("DELETE", _channel(channel_id) + "/ring", channel_id)

    async def set_variables(self, channel_id: str, variables: Mapping[str, str]) -> None:
        """Set channel variables in one request (Asterisk ≥ 22.10); blocks while the channel plays."""
        body = _encode({"variables": variables})
        await self._ask("POST", _channel(channel_id) + "/variables", channel_id, body)

    async def set_variable(self, channel_id: str, name: str, value: str) -> None:
        """Set one channel variable or function; blocks in Asterisk while the channel plays something."""
        query = urlencode({"variable": name, "value": value})
        await self._ask("POST", f"{_channel(channel_id)}/variable?{query}", channel_id)

    async def continue_in_dialplan(self, channel_id: str, *, context: str, extension: str, priority: int) -> None:
        """Let the channel leave Stasis for the dialplan."""
        query = urlencode({"context": context, "extension": extension, "priority": priority})
        await self._ask("POST", f"{_channel(channel_id)}/continue?{query}", channel_id)

    async def originate(
        self,
        channel_id: str,
        *,
        endpoint: str,
        app_args: str,
        originator: str,
        timeout_s: int,
        caller_id: str,
        variables: Mapping[str, str],
    ) -> None:
        """Ring `endpoint` (PJSIP/<name>); the channel enters our application when it is answered.

        `originator` is the channel that lends codecs and linkage, if there is one. An id that exists already is
        success; yet do not repeat it lightly: after one repetition, Asterisk 22.10.1 takes 15 s longer to stop
        (something is leaked).
        """
        query = urlencode(
            {
                "endpoint": endpoint,
                "app": self.app,
                "appArgs": app_args,
                **({"originator": originator} if originator else {"formats": FORMATS}),
                "timeout": timeout_s,
                "callerId": caller_id,
            }
        )
        path = f"{_channel(channel_id)}?{query}"
        try:
            await self._ask("POST", path, channel_id, _encode({"variables": variables}), repeatable=True)
        except _NoAllocation as error:
            raise Unreachable(endpoint) from error

    # What a caller says ---------------------------------------------------------------------------

    async def snoop(self, channel_id: str, snoop_id: str) -> None:
        """Make a channel of ours that hears what this one says, and ends with it."""
        query = urlencode({"spy": "in", "app": self.app})
        await self._ask("POST", f"{_channel(channel_id)}/snoop/{quote(snoop_id, safe='')}?{query}", channel_id)

    async def open_media(self, channel_id: str, audio_format: str) -> str:
        """Make a channel whose audio goes over a WebSocket to /media/<what this returns>; it begins as we connect."""
        where = {"external_host": "INCOMING", "transport": "websocket", "connection_type": "server"}
        query = urlencode({"app": self.app, "channelId": channel_id, "encapsulation": "none", **where})
        await self._ask("POST", f"/channels/externalMedia?{query}&format={audio_format}", channel_id)
        named = urlencode({"variable": "MEDIA_WEBSOCKET_CONNECTION_ID"})
        found = await self._ask("GET", f"{_channel(channel_id)}/variable?{named}", channel_id)
        return _variable.decode(found).value

    # Bridges --------------------------------------------------------------------------------------

    async def create_bridge(self, bridge_id: str, kind: str = "mixing") -> None:
        """Make a bridge; an id that exists already is success. Never reuse the id of a deleted one."""
        path = f"{_bridge(bridge_id)}?{urlencode({'type': kind})}"
        await self._ask("POST", path, bridge_id, repeatable=True)

    async def add_channels(self, bridge_id: str, channel_ids: Sequence[str], *, may_block: bool = True) -> None:
        """Put channels in a bridge, out of the one they are in; blocks while one of them plays a prompt."""
        query = urlencode({"channel": ",".join(channel_ids)})
        await self._ask("POST", f"{_bridge(bridge_id)}/addChannel?{query}", bridge_id, may_block=may_block)

    async def remove_channel(self, bridge_id: str, channel_id: str) -> None:
        """Take a channel out of a bridge; blocks while it plays something."""
        query = urlencode({"channel": channel_id})
        await self._ask("POST", f"{_bridge(bridge_id)}/removeChannel?{query}", channel_id, may_block=True)

    async def delete_bridge(self, bridge_id: str) -> None:
        """Delete a bridge, its channels stay in Stasis; one that is gone, or going (409), is fine."""
        await self._ask("DELETE", _bridge(bridge_id), bridge_id, repeatable=True)

    # What is there --------------------------------------------------------------------------------

    async def channels(self) -> list[Channel]:
        """Every live channel of this Asterisk, ours or not."""
        return _channels.decode(await self._ask("GET", "/channels", "channels"))

    async def bridges(self) -> list[Bridge]:
        """Every bridge of this Asterisk."""
        return _bridges.decode(await self._ask("GET", "/bridges", "bridges"))

    async def endpoints(self, technology: str = "PJSIP") -> list[Endpoint]:
        """Every endpoint of a technology with its state (online, offline, unknown)."""
        return _endpoints.decode(await self._ask("GET", f"/endpoints/{technology}", technology))

    async def application(self) -> Application:
        """Our application as Asterisk sees it: what it holds and is subscribed to."""
        return _application.decode(await self._ask("GET", self._application, self.app))

    async def info(self) -> AsteriskInfo:
        """Version, start-up time and the like."""
        return _info.decode(await self._ask("GET", "/asterisk/info", "asterisk"))

    # Our application ------------------------------------------------------------------------------

    async def allow_events(self, kinds: Sequence[str]) -> None:
        """Send us these event types and no others; Asterisk forgets it with the application."""
        body = _encode({"allowed": [{"type": kind} for kind in kinds]})
        await self._ask("PUT", self._application + "/eventFilter", self.app, body)

    async def tell_ourselves(self, word: str) -> None:
        """Send our application this event, as ChannelUserevent; refused if there is no such application now."""
        path = f"/events/user/{quote(word, safe='')}?{urlencode({'application': self.app})}"
        await self._ask("POST", path, self.app)

    @property
    def _application(self) -> str:
        return f"/applications/{quote(self.app, safe='')}"

    async def _ask(
        self,
        method: str,
        path: str,
        resource_id: str,
        body: bytes | None = None,
        *,
        repeatable: bool = False,
        may_block: bool = False,
    ) -> bytes:
        """The body of a 2xx answer, or the fault; `repeatable`: 409 "already exists" is not one.

        `may_block`: Asterisk may answer only when a prompt has ended; such a request never goes on a socket that
        others share. Lists go by HTTP too: they are rare and long.
        """
        socket = None if may_block or method == "GET" else self._socket_for(resource_id)
        try:
            if socket is not None:
                status, content = await socket.ask(method, path, body, self._request_s)
            else:
                status, content = await self._ask_http(method, path, body)
        except TimeoutError as error:
            raise TelephonyTimeout(_verb(method, path), self._request_s) from error
        except aiohttp.ClientError as error:
            raise LinkDown(f"{_verb(method, path)}: {type(error).__name__}") from error
        if status < 300 or (status == 409 and repeatable) or (status == 404 and method == "DELETE"):
            return content
        raise _fault(_verb(method, path), resource_id, status, content)

    async def _ask_http(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        async with self._pool().request(
            method,
            URL(self.url + path, encoded=True),
            data=body,
            headers=_JSON if body is not None else None,
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.read()

    def _socket_for(self, resource_id: str) -> RestSocket | None:
        """The same socket for the same resource, so that its requests keep their order; None while there is none."""
        if not self._sockets:
            return None
        socket = self._sockets[crc32(resource_id.encode()) % len(self._sockets)]
        return socket if socket.up else None

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=KEEP_ALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._request_s),
                headers={"Authorization": self.authorization},
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
                auto_decompress=False,
            )
        return self._session


class _NoAllocation(TelephonyError):
    """Asterisk could not make the channel: on originate, nobody is registered there."""


class _Reason(msgspec.Struct):
    """Asterisk explains a refusal in `message`, or in `error`."""

    message: str = ""
    error: str = ""


_reason = msgspec.json.Decoder(_Reason)


def _fault(verb: str, resource_id: str, status: int, content: bytes) -> TelephonyError:
    try:
        explained = _reason.decode(content)
        reason = explained.message or explained.error
    except msgspec.DecodeError:
        reason = content[:200].decode("utf-8", "replace")
    if status == 404:
        return ChannelGone(resource_id)
    if status == 401:
        return LoginRefused("ARI", reason or "401")
    if status < 500:
        return Refused(verb, resource_id, status, reason)
    if reason == "Allocation failed":
        return _NoAllocation(f"{verb} {resource_id}: {reason}")
    return TelephonyError(f"{verb} {resource_id}: {status} {reason}")


def _verb(method: str, path: str) -> str:
    """What was asked, without the query: numbers and names of callers stay out of messages."""
    return f"{method} {path.partition('?')[0]}"


def _channel(channel_id: str) -> str:
    return "/channels/" + quote(channel_id, safe="")


def _bridge(bridge_id: str) -> str:
    return "/bridges/" + quote(bridge_id, safe="")
