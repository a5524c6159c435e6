"""Between the service and the model Asterisk: requests, the event socket and AMI, with what can go wrong on the way.

The service's own classes stay (Ari, Link, AmiClient, and all above them); only their last inch is ours: the request,
the frame, the action. A request that has left is carried out even if the service dies meanwhile.
"""

import asyncio
import contextvars
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec

from callcenter.asterisk import events as ari
from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.faults import LinkDown, TelephonyTimeout
from callcenter.asterisk.link import HEAR_S, Link
from callcenter.drift import EVERY_S, GRACE_S
from callcenter.errors import ChannelGone
from tests.sim.asterisk import Asterisk
from tests.sim.loop import Process, running_process
from tests.sim.plan import Odds
from tests.sim.rest import Manager, Rest

REQUEST_S = 2.0  # as Ari's and AmiClient's own
FOUND_S = EVERY_S + GRACE_S + 2 * REQUEST_S  # what is lost on a healthy connection is found by then
STEP_S = 1e-6  # timers of the same instant fire in any order
NOTICED_S = 6.0  # a half-open socket is found by its pings
DEAF_S = HEAR_S + 4 * REQUEST_S  # a deaf one by what it does not hear
_OF_THE_LINK = ("/applications", "/events/user")  # never refused, and what it says of itself is never lost

_encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One frame of the event socket."""

    type: aiohttp.WSMsgType
    data: bytes


_END = Frame(aiohttp.WSMsgType.CLOSED, b"")


class Socket:
    """The event socket of one connection."""

    close_code = 1006

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self.silent = False
        self.last_at = 0.0
        self.last_of: dict[str, float] = {}

    def put(self, frame: Frame) -> None:
        """A frame arrives."""
        if self.silent and frame is not _END:
            return
        self._frames.append(frame)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def receive(self) -> Frame:
        """The next frame."""
        while not self._frames:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._frames.popleft()

    async def close(self) -> None:
        """Nothing is left to do."""

    def exception(self) -> None:
        """There is none."""


class Line:
    """What lies between one Asterisk and the service of the moment. `requests` counts, `on_request` hears of each."""

    def __init__(self, asterisk: Asterisk, rng: random.Random, odds: Odds) -> None:
        self.asterisk = asterisk
        self.odds = odds
        self.rest = Rest(asterisk)
        self.loop = asyncio.get_running_loop()
        self.manager = Manager(asterisk, self.loop.time)
        self.socket: Socket | None = None
        self.ami_there = True
        self.requests = 0
        self.events = 0
        self.lose = frozenset[float]()
        self.refuse = frozenset[float]()
        self.on_request: Callable[[int, str], None] = lambda _number, _when: None
        self.troubled_at = -1e9
        self._rng = rng
        self._deafens = False
        self._ami: dict[Process, Callable[[Mapping[str, str]], None] | None] = {}
        asterisk.phone_news = self._phone_news

    def trouble(self, for_s: float = 0.0) -> None:
        """Something goes wrong from now on, for so long; what follows at once is not held against the service."""
        self.troubled_at = max(self.troubled_at, self.loop.time() + for_s)

    # --- requests --------------------------------------------------------------------------------------------------

    async def request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """One REST request of the service."""
        self.requests += 1
        number = self.requests
        self.on_request(number, "before")
        answer: asyncio.Future[tuple[int, bytes]] = self.loop.create_future()
        contextvars.Context().run(self._send, method, path, body, number, answer)
        async with asyncio.timeout(REQUEST_S):
            return await answer

    def _send(
        self, method: str, path: str, body: bytes | None, number: int, answer: "asyncio.Future[tuple[int, bytes]]"
    ) -> None:
        fate = self._rng.random()
        refused = number in self.refuse or (fate < self.odds.refused and method != "GET")
        unheard = self.odds.refused <= fate < self.odds.refused + self.odds.unheard

        def act() -> None:
            if not self.asterisk.up:
                self._fail(answer)
                return
            if refused and not path.startswith(_OF_THE_LINK):
                self.trouble(FOUND_S)
                self._answer(answer, 503, b'{"message":"no"}')
                return
            status, content = self.rest.ask(method, path, body)
            self.on_request(number, "after")
            if unheard:
                self.trouble(FOUND_S)  # it did what was asked, and nobody hears that
            else:
                self._answer(answer, status, content)

        self.loop.call_later(self._latency(), act)

    def _answer(self, answer: "asyncio.Future[tuple[int, bytes]]", status: int, content: bytes) -> None:
        def tell() -> None:
            if not answer.done():
                answer.set_result((status, content))

        self.loop.call_later(self._latency(), tell)

    def _fail(self, answer: "asyncio.Future[tuple[int, bytes]]") -> None:
        if not answer.done():
            answer.set_exception(aiohttp.ClientConnectionError("connection refused"))

    def _latency(self) -> float:
        if self._rng.random() < self.odds.late:
            return self._rng.uniform(0.0, self.odds.late_s)
        return self._rng.uniform(0.0002, 0.003)

    # --- the event socket --------------------------------------------------------------------------------------------

    async def connect(self) -> Socket:
        """The service connects its application; whoever was connected before is not any more."""
        await asyncio.sleep(self._latency())
        if not self.asterisk.up:
            raise aiohttp.ClientConnectionError("connection refused")
        self.socket = Socket()
        self.asterisk.hear = None if self._deafens else self._heard
        if self._deafens:
            self.trouble(DEAF_S)
        self._deafens = False
        return self.socket

    def deafen_next(self) -> None:
        """The next connection gets no event, and Asterisk gives it no caller."""
        self._deafens = True

    def cut(self) -> None:
        """The socket ends, and both sides know it."""
        self.trouble()
        if self.socket is not None:
            self.socket.put(_END)
        self.socket = None
        self.asterisk.hear = None

    def go_half_open(self) -> None:
        """What Asterisk says is lost from now on, until the service's pings find out."""
        self.trouble()
        socket = self.socket
        if socket is not None:
            socket.silent = True
            self.loop.call_later(NOTICED_S, self._noticed, socket)

    def _noticed(self, socket: Socket) -> None:
        self.trouble()
        socket.put(_END)
        if self.socket is socket:
            self.socket = None
            self.asterisk.hear = None

    def _heard(self, event: ari.Event) -> None:
        socket = self.socket
        if socket is None:
            return
        about = _about(event)
        self.events += about != ""
        if about and (self.events in self.lose or self._rng.random() < self.odds.lost):
            self.trouble(FOUND_S)
            return
        frame = Frame(aiohttp.WSMsgType.TEXT, _encode(event))
        at = self.loop.time() + self._latency()
        # What is said of one channel or playback keeps its order; what is said of two may not.
        at = max(at, socket.last_of.get(about, 0.0) + STEP_S)
        if self._rng.random() >= self.odds.overtaken:
            at = socket.last_at = max(at, socket.last_at + STEP_S)
        socket.last_of[about] = at
        self.loop.call_at(at, socket.put, frame)
        if self._rng.random() < self.odds.doubled:
            socket.last_of[about] = at + self._latency()
            self.loop.call_at(socket.last_of[about], socket.put, frame)

    # --- AMI ---------------------------------------------------------------------------------------------------------

    def listen(self, process: Process, heard: Callable[[Mapping[str, str]], None] | None) -> None:
        """The service's AMI connection is there."""
        self._ami[process] = heard

    def ami_up(self) -> bool:
        """Whether a connection to AMI can be held."""
        return self.asterisk.up and self.ami_there

    def _phone_news(self, desk: str, there: bool) -> None:
        status = "Reachable" if there else "Removed"
        event = {"Event": "ContactStatus", "EndpointName": desk, "URI": f"sip:{desk}@desk", "ContactStatus": status}
        for process, heard in self._ami.items():
            if heard is not None and not process.dead and self.ami_up():
                process.run(heard, event)

    async def act(self, name: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One AMI action of the service."""
        await asyncio.sleep(self._latency())
        if not self.ami_up():
            raise TelephonyTimeout(name, REQUEST_S)
        return contextvars.Context().run(self._acted, name, fields)

    def _acted(self, name: str, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
        match name:
            case "AbsoluteTimeout":
                there = self.manager.absolute_timeout(fields["Channel"], float(fields["Timeout"]))
            case "MixMonitor":
                there = self.manager.mixmonitor(fields["Channel"], fields["Options"])
            case "StopMixMonitor":
                there = self.manager.stop_mixmonitor(fields["Channel"])
            case "PJSIPShowContacts":
                return [{"Response": "Success"}, *map(_listed, self.manager.phones())]
            case _:
                raise AssertionError(f"the model Asterisk has no action {name}")
        return [{"Response": "Success"} if there else {"Response": "Error", "Message": "No such channel"}]


def _listed(desk: str) -> dict[str, str]:
    return {"Event": "ContactList", "Endpoint": desk, "Uri": f"sip:{desk}@desk", "Status": "Reachable"}


def _about(event: ari.Event) -> str:
    match event:
        case ari.Dial(peer=peer):
            return peer.id
        case ari.PlaybackFinished(playback=playback):
            return playback.id
        case ari.ChannelUserevent():
            return ""  # of the application itself
        case _:
            channel = getattr(event, "channel", None)
            assert channel is not None, f"of what does {event} speak?"
            return str(channel.id)


class SimAri(Ari):
    """The service's own requests, to the model."""

    async def keep_sockets(self, rng: random.Random) -> None:
        """All goes by HTTP here."""
        await asyncio.get_running_loop().create_future()

    async def _ask_http(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        return await line().request(method, path, body)


class SimLink(Link):
    """The service's own link, to the model."""

    async def _connect(self, session: aiohttp.ClientSession) -> Any:
        return await line().connect()


class SimAmi(AmiClient):
    """The service's own AMI client; the connection is the model's."""

    _connection: Any

    async def run(self) -> None:
        """Hold the connection while there is one to be held."""
        while True:
            if line().ami_up() is not self.up:
                self._connection = None if self.up else object()
                line().listen(running_process(), self._on_event if self.up else None)
                self._tell(self.up)
            await asyncio.sleep(0.25)

    async def _ask(self, name: str, fields: Any, resource_id: str) -> list[Any]:
        if self._connection is None:
            raise LinkDown("no AMI connection")
        return self._judged(await line().act(name, fields), name, resource_id)

    def _judged(self, answers: list[Any], name: str, resource_id: str) -> list[Any]:
        if answers[0]["Response"] == "Error":
            raise ChannelGone(resource_id)
        return answers


def line() -> Line:
    """The line of the process that runs now."""
    found = getattr(running_process(), "line", None)
    assert isinstance(found, Line)
    return found
