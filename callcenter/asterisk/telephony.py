"""Asterisk as the application sees it: commands in, signals out, one object for one Asterisk.

Commands run side by side, except that those sharing a lane (a channel or a bridge) keep their order. None leaves
before the link is up, none is ever sent twice, and each failure comes back as CommandFailed to its contact.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from callcenter.asterisk.ami import AmiClient
from callcenter.asterisk.ari import Ari
from callcenter.asterisk.decode import Unknown
from callcenter.asterisk.events import ChannelHangupRequest, Event, PlaybackFinished
from callcenter.asterisk.faults import LinkDown, Refused, TelephonyTimeout, Unreachable
from callcenter.asterisk.leases import Leases
from callcenter.asterisk.link import Link, LinkState
from callcenter.asterisk.phones import Phones
from callcenter.asterisk.quiet import Quiet
from callcenter.asterisk.requests import Requests, version_of
from callcenter.asterisk.sayings import Sayings
from callcenter.asterisk.translate import ALLOWED, Addressed, LeftStasis, Stranger, Translator, channel_seen, is_ours
from callcenter.asterisk.unheeded import Unheeded
from callcenter.asterisk.witness import Witness
from callcenter.clock import Clock
from callcenter.contact.commands import DropBridge, HangUp, Say, TelephonyCommand, lanes, subject
from callcenter.contact.signals import CommandFailed, PromptEnded
from callcenter.errors import ChannelGone, TelephonyError
from callcenter.ports import CallerAtTheDoor, ChannelEnded, ChannelSeen, DeviceSeen, SignalSink

log = logging.getLogger(__name__)

# Commands on their way or waiting for their lane; beyond it Asterisk is not keeping up and more would only wait.
IN_FLIGHT_MAX = 5_000

# How long a command waits for a link that is being made again.
GATE_S = 5.0

# How long the end of the process waits for its callers' last leases.
LAST_LEASES_S = 2.0

# REST over WebSocket exists from here on, at half the cost of HTTP.
SOCKETS_SINCE = (22, 5)

# Refusals that say: the channel or its partner ended or left Stasis while the command travelled (ASTERISK.md 3.4).
_CROSSED = frozenset({400, 409, 412, 422})


@dataclass(frozen=True, slots=True)
class Access:
    """Where one Asterisk is and how to log in; `ari_url` ends in /ari, `sounds` is the prompts' folder over there.

    `trunk` is where it sends the calls that we make (`requests.dial_string`); None: it makes none. `cel` is where it
    writes its own account of every channel, None if nobody knows.
    """

    ari_url: str
    ari_user: str
    ari_password: str = field(repr=False)
    ami_host: str
    ami_port: int
    ami_user: str
    ami_password: str = field(repr=False)
    sounds: str
    trunk: str | None = None
    cel: Path | None = None


class AsteriskTelephony:
    """Implements ports.Telephony; construct it inside the event loop, set `sink` and `reconcile`, then `run` it.

    `reconcile` runs at every (re)connect, before any event is handed to `sink` and before any command leaves.
    `recordings` says what to put before the file names of a recording that begins now.
    """

    sink: SignalSink
    reconcile: Callable[[], Awaitable[None]]

    def __init__(
        self,
        access: Access,
        clock: Clock,
        *,
        app: str,
        lease_s: float,
        rng: random.Random,
        recordings: Callable[[], str] = str,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.witness = Witness(access.cel, clock.now)
        self._ari = Ari(access.ari_url, access.ari_user, access.ari_password, app=app)
        self._phones = Phones(self._phone_seen)
        self._ami = AmiClient(
            access.ami_host,
            access.ami_port,
            access.ami_user,
            access.ami_password,
            rng=rng,
            on_event=self._phones.heard,
            on_state=self._ami_state,
        )
        self._leases = Leases(self._ami, lease_s=lease_s)
        self._sayings = Sayings(asyncio.get_running_loop().time)
        self._quiet = Quiet(self._ari, in_charge=lambda: self.in_sync, saying=self._sayings.unheard)
        self._requests = Requests(
            self._ari,
            self._ami,
            self._leases,
            self._quiet,
            sounds=access.sounds,
            recordings=recordings,
            trunk=access.trunk,
        )
        self._translator = Translator()
        self._link = Link(
            self._ari,
            allowed=ALLOWED,
            on_event=self._heard,
            on_connected=self._connected,
            on_state=self._link_state,
            rng=rng,
        )
        self._up = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._rng = rng
        self._sockets: asyncio.Task[None] | None = None
        self._unheeded = Unheeded()
        self._learning = asyncio.Lock()
        self.syncs = 0

    async def run(self) -> None:
        """Hold both connections and the leases: a vital task. Ends with an error: see Link.run, AmiClient.run."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._link.run(), name="ari link")
                group.create_task(self._ami.run(), name="ami")
                group.create_task(self._leases.run(), name="leases")
                group.create_task(self._quiet.run(), name="quiet")
        finally:
            self._group = None
            await self._ari.close()

    @property
    def state(self) -> LinkState:
        """How far we are with Asterisk's events and requests."""
        return self._link.state

    @property
    def in_sync(self) -> bool:
        """Whether events come to us and commands may leave."""
        return self._link.state is LinkState.UP

    @property
    def ami_up(self) -> bool:
        """Whether leases can be renewed and talks recorded."""
        return self._ami.up

    @property
    def leases_held(self) -> int:
        """Callers whose lease we renew."""
        return self._leases.held

    # A successor -----------------------------------------------------------------------------------

    def let_yield(self) -> None:
        """A successor is about to take the application over; what we asked until then is still finished."""
        self._link.let_yield()

    def take_back(self) -> None:
        """The successor failed: events come to us again, after a reconcile if they had not."""
        self._link.take_back()

    async def renew_leases(self) -> None:
        """Give every caller who waits a whole lease: nobody will renew it for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_LEASES_S):
                await self._leases.round()

    def retire(self) -> None:
        """Ask nothing any more: somebody else decides now."""
        self._group = None

    # Out -----------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Commands on their way or waiting for their lane."""
        return self._in_flight

    def submit(self, command: TelephonyCommand) -> None:
        """Ask; never blocks. While `run` does not run, nothing is asked: the next start reconciles."""
        if self._group is None:
            self.counts["too_late"] += 1
            log.info("command after the end", extra={"command": type(command).__name__})
            return
        self.counts[f"command.{type(command).__name__}"] += 1
        self._unheeded.asked(command)
        if self._in_flight >= IN_FLIGHT_MAX:
            self._failed(command, "too many commands in flight")
            return
        touched = lanes(command)
        before = {tail for lane in touched if (tail := self._tails.get(lane)) is not None}
        task = self._spawn(self._in_turn(command, before), type(command).__name__)
        if task is None:
            self.counts["too_late"] += 1
            return
        self._in_flight += 1
        for lane in touched:
            self._tails[lane] = task
        task.add_done_callback(partial(self._out, touched))

    def under_way(self, resource_id: str) -> bool:
        """Whether a command that touches this channel or bridge has not been answered yet."""
        return resource_id in self._tails

    def ask_again(self) -> Collection[str]:
        """Ask once more what failed and nobody else would ask again; the channels that are to end or to leave."""
        commands = self._unheeded.take()
        for command in commands:
            self.submit(command)
        return self._unheeded.leaving(commands)

    def clear(self, legs: Iterable[str], bridges: Iterable[str]) -> None:
        """End what a reconcile found to belong to nobody."""
        for leg_id in legs:
            self.submit(HangUp(leg_id))
        for bridge_id in bridges:
            self.submit(DropBridge(bridge_id))

    def _out(self, touched: Sequence[str], task: asyncio.Task[None]) -> None:
        self._in_flight -= 1
        for lane in touched:
            if self._tails.get(lane) is task:
                del self._tails[lane]

    async def _in_turn(self, command: TelephonyCommand, before: set[asyncio.Task[None]]) -> None:
        """Wait for the lanes, which is bounded: each command before us ends by its own time-outs."""
        if before:
            await asyncio.wait(before)
        try:
            if not self._up.is_set():
                async with asyncio.timeout(GATE_S):
                    await self._up.wait()
            if isinstance(command, Say):
                self._sayings.asked(command.playback_id)
            await self._requests.carry_out(command)
            if isinstance(command, Say):
                self._sayings.taken(command.playback_id)
        except ChannelGone:
            self._failed(command, "gone", gone=True)
        except Unreachable:
            self._failed(command, "unreachable")
        except Refused as refused:
            self._failed(command, refused.reason, gone=refused.status in _CROSSED)
        except (TelephonyTimeout, TimeoutError):
            self._failed(command, "timeout")
        except LinkDown:
            self._failed(command, "link down")
        except TelephonyError as error:
            self._failed(command, str(error))
        except Exception:  # a bug in one command ends one contact, not the process
            log.exception("command met a bug", extra={"command": type(command).__name__})
            self._failed(command, "bug")

    def _failed(self, command: TelephonyCommand, reason: str, *, gone: bool = False) -> None:
        name = type(command).__name__
        about = subject(command)
        self._sayings.over(about)
        self.counts[f"failed.{name}"] += 1
        if not gone:
            self._unheeded.failed(command)
        log.info("command failed", extra={"command": name, "resource": about, "reason": reason})
        self.sink.signal(about, CommandFailed(name, about, reason, gone=gone))

    # In ------------------------------------------------------------------------------------------

    def _heard(self, event: Event | Unknown) -> None:
        """Take one event of the socket; returns at once."""
        if isinstance(event, PlaybackFinished):  # said to its end or not, it is over
            self._sayings.over(event.playback.id)
        match self._translator.heard(event):
            case None:
                if isinstance(event, Unknown):
                    self.counts[f"unknown.{event.kind}"] += 1
                    log.debug("unknown event", extra={"kind": event.kind, "why": event.why})
            case Addressed(resource_id, signal):
                self.sink.signal(resource_id, signal)
            case LeftStasis(channel_id, signal):
                self._leases.forget(channel_id)
                self.sink.signal(channel_id, signal)
            case CallerAtTheDoor() as caller:
                self.sink.arrived(caller)
            case Stranger(channel_id, args):
                self.counts["strangers"] += 1
                log.warning("a stranger is shown out", extra={"channel": channel_id, "stasis_args": args})
                self.submit(HangUp(channel_id, "congestion"))

    def tell_phones(self, agents: Collection[str]) -> None:
        """Tell of these agents' phones that can be reached: they joined a running site."""
        self._phones.tell(agents)

    def _phone_seen(self, seen: DeviceSeen) -> None:
        self.sink.device(seen)

    async def survey(self) -> Sequence[ChannelSeen]:
        """Every live channel of our application or with our contact's id, sorted by id, for a reconcile."""
        channels = await self._ari.channels()
        joined = {channel_id: bridge.id for bridge in await self._ari.bridges() for channel_id in bridge.channels}
        seen = [replace(channel_seen(each, self._ari.app), bridge_id=joined.get(each.id, "")) for each in channels]
        return sorted((one for one in seen if one.role), key=lambda one: one.channel_id)

    async def bridges(self) -> Sequence[str]:
        """Ids of the live bridges that carry an id of ours, sorted."""
        return sorted(one.id for one in await self._ari.bridges() if is_ours(one.id))

    async def how_ended(self, there_at: Mapping[str, float], since: float) -> Mapping[str, ChannelEnded]:
        """How channels ended that are gone; see Witness."""
        return await self.witness.how_ended(there_at, since)

    def soon_told(self) -> Collection[str]:
        """Channels whose end waits to be handed on, and says more of it than a look could."""
        return {event.channel.id for event in self._link.waiting if isinstance(event, ChannelHangupRequest)}

    async def silent(self, older_than_s: float) -> Sequence[str]:
        """Prompts taken so long ago at least whose end we did not hear, and that do not play any more."""
        return await self._sayings.silent(self._ari.plays, older_than_s)

    def tell_ended(self, playbacks: Iterable[str]) -> int:
        """These ended and nobody heard it: their callers would wait in silence for what comes next; how many."""
        unheard = [playback_id for playback_id in playbacks if self._sayings.over(playback_id)]
        for playback_id in unheard:
            self.sink.signal(playback_id, PromptEnded(playback_id))
        return len(unheard)

    # The connections -------------------------------------------------------------------------------

    async def _connected(self) -> None:
        self._translator.forget()
        info = await self._ari.info()
        self.witness.met(info.status.startup_time if info.status else "")
        system = info.system
        version = self._requests.version = version_of(system.version if system else "")
        if version >= SOCKETS_SINCE and self._sockets is None:
            self._sockets = self._spawn(self._ari.keep_sockets(self._rng), "sockets for requests")
        await self.reconcile()
        self.tell_ended(await self.silent(0.0))
        self.syncs += 1

    def _link_state(self, state: LinkState) -> None:
        if state in {LinkState.UP, LinkState.YIELDED}:
            self._up.set()
        elif self._up.is_set():
            self._up.clear()
            self.witness.deaf()
        log.info("ari link", extra={"state": state.value})

    def _ami_state(self, up: bool) -> None:
        log.info("ami link", extra={"up": up})
        if up:
            self._leases.hurry()
            self._spawn(self.relearn_phones(), "relearn phones")

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any] | None:
        """A task beside the vital ones; None while they end, for then nothing new begins."""
        if self._group is not None:
            try:
                return self._group.create_task(work, name=name)
            except RuntimeError:
                log.debug("the links are ending", extra={"work": name})
        work.close()
        return None

    async def _desks_online(self) -> Collection[str]:
        return {one.resource for one in await self._ari.endpoints() if one.state == "online"}

    async def relearn_phones(self, *, news_only: bool = False) -> int:
        """Ask for all phones; tell of each, or of those that were not as we believed; how many those were."""
        if not self._ami.up:
            return 0
        try:
            async with self._learning:
                return await self._phones.relearn(self._ami.pjsip_contacts, self._desks_online, news_only=news_only)
        except TelephonyError as error:
            # Lost again already: the next connection asks anew.
            log.warning("phones not learned", extra={"cause": str(error)})
            return 0
