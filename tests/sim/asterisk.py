"""A model of Asterisk as its REST interface and its events show it: channels, bridges, playbacks, leases, the dialplan.

It knows nothing of our service but the name of its application. What it says, it says in ARI's own words, with the
types that the service reads them by; which events come in which order was taken from real ones (tests/golden/ari).
Time passes by the loop's timers only. When it dies, everything in it is gone.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from callcenter.asterisk import events as ari

APP = "callcenter"
LEASE_S = 30.0
PLEASE_HOLD_S = 3.0
TRY_EVERY_S = 3.0
TRIES_MAX = 14
PROMPT_S = 2.0  # how long each prompt lasts

NOBODY = ari.CallerID(name="", number="")


@dataclass(eq=False, slots=True)
class Channel:
    """One leg. `left` is where it goes when it leaves our application: a context, or "" when it is hung up."""

    channel_id: str
    name: str
    number: str
    dialed: str = ""
    state: str = "Ring"
    args: tuple[str, ...] = ()
    in_stasis: bool = False
    alive: bool = True
    visits: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    bridge: "Bridge | None" = None
    playback_id: str | None = None
    music: bool = False
    recordings: list[tuple[str, float]] = field(default_factory=list)
    recorded: bool = False
    lease: asyncio.TimerHandle | None = None
    left: "asyncio.Future[str] | None" = None
    dialplan: asyncio.Task[None] | None = None
    hung_up_by: str = ""
    told: list[Callable[["Channel"], None]] = field(default_factory=list)

    @property
    def is_leg(self) -> bool:
        """Whether it is an agent's, whom our service dialed."""
        return ".o" in self.channel_id

    @property
    def is_called(self) -> bool:
        """Whether it is that of a customer, whom our service dialed."""
        return ".c" in self.channel_id

    @property
    def heard(self) -> bool:
        """Whether who is on this leg hears anything: a prompt, music, or somebody in the same bridge."""
        return self.playback_id is not None or self.music or (self.bridge is not None and len(self.bridge.channels) > 1)


@dataclass(eq=False, slots=True)
class Bridge:
    """A mixing bridge."""

    bridge_id: str
    channels: list[Channel] = field(default_factory=list)


class Refusal(Exception):
    """The answer is not 2xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class Asterisk:
    """One Asterisk. `ring` is asked to ring a desk's phone; `hear` gets its events while somebody listens."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.playbacks: dict[str, Channel] = {}
        self.bridge_ids: set[str] = set()
        self.registered: set[str] = set()
        self.up = True
        self.lives = 1
        self.hear: Callable[[ari.Event], None] | None = None
        self.phone_news: Callable[[str, bool], None] = lambda _desk, _there: None
        self.ring: Callable[[Channel, str], None]
        self.ring_customer: Callable[[Channel, str], None]
        self.lapsed: Callable[[Channel], None] = lambda _channel: None
        self.ended: list[Channel] = []
        self.voicemails = 0
        self._made = 0

    # --- the dialplan: asterisk-config/templates/callcenter_dialplan.conf ------------------------------------------

    def call(self, number: str, dialed: str) -> Channel:
        """Somebody calls; they are in [arrival] from now on."""
        self._made += 1
        channel = Channel(f"n1-{self.lives}.{self._made}", f"PJSIP/trunk-{self._made:08x}", number, dialed)
        self.channels[channel.channel_id] = channel
        channel.dialplan = self.loop.create_task(self._arrival(channel))
        return channel

    async def _arrival(self, channel: Channel) -> None:
        self.set_lease(channel, LEASE_S)
        to = await self._stasis(channel, ("in", channel.dialed))
        await self._go_on(channel, "fallback" if to == "failed" else to)

    async def _go_on(self, channel: Channel, to: str) -> None:
        while channel.alive and to:
            to = await {"fallback": self._fallback, "emergency": self._emergency, "message": self._message}[to](channel)
        if channel.alive:
            self.hang_up(channel, "dialplan")

    async def _fallback(self, channel: Channel) -> str:
        self.set_lease(channel, 0.0)
        channel.recorded = False
        channel.visits += 1
        if channel.visits > 1:
            return "emergency"
        channel.state = "Up"
        await asyncio.sleep(PLEASE_HOLD_S + 1.0)
        for _ in range(TRIES_MAX):
            self.set_lease(channel, LEASE_S)
            to = await self._stasis(channel, ("in", channel.dialed))
            self.set_lease(channel, 0.0)
            if to != "failed":
                return to
            await asyncio.sleep(TRY_EVERY_S)
        return "emergency"

    async def _emergency(self, channel: Channel) -> str:
        """A person whom Asterisk rings by itself takes care of the caller."""
        channel.state = "Up"
        await asyncio.sleep(30.0)
        return ""

    async def _message(self, channel: Channel) -> str:
        self.voicemails += 1
        await asyncio.sleep(8.0)
        return ""

    async def _stasis(self, channel: Channel, args: tuple[str, ...]) -> str:
        """In our hands until it leaves: "failed" if nobody listens, "" if it was hung up, else the next context."""
        if self.hear is None:
            return "failed"
        channel.args = args
        channel.in_stasis = True
        channel.left = self.loop.create_future()
        self._say(ari.StasisStart(**_BASE, args=list(args), channel=self.seen(channel)))
        return await channel.left

    def set_lease(self, channel: Channel, seconds: float) -> None:
        """TIMEOUT(absolute): the extension T leads to the fallback. 0: none."""
        if channel.lease is not None:
            channel.lease.cancel()
        channel.lease = self.loop.call_later(seconds, self._lapsed, channel) if seconds > 0.0 else None

    def _lapsed(self, channel: Channel) -> None:
        if channel.in_stasis:
            self.lapsed(channel)
            if channel.is_called and channel.dialplan is None:
                self.hang_up(channel, "lease")  # it has no dialplan to go on with
            else:
                self.leave(channel, "fallback")

    def leave(self, channel: Channel, to: str) -> None:
        """Out of our application."""
        self._unplug(channel)
        channel.in_stasis = False
        self._say(ari.StasisEnd(**_BASE, channel=self.seen(channel)))
        if channel.left is not None and not channel.left.done():
            channel.left.set_result(to)
        elif channel.is_called and to and channel.dialplan is None:
            channel.dialplan = self.loop.create_task(self._go_on(channel, to))

    # --- legs ------------------------------------------------------------------------------------------------------

    def originate(self, channel_id: str, desk: str, originator: str, args: str, timeout_s: float, contact: str) -> None:
        """Dial a desk."""
        if channel_id in self.channels:
            raise Refusal(409, "Channel with given unique ID already exists")
        if originator and originator not in self.channels:
            raise Refusal(400, "Invalid originator channel")
        if desk not in self.registered:
            raise Refusal(500, "Allocation failed")
        channel = Channel(channel_id, f"PJSIP/{desk}", "", state="Down", args=tuple(args.split(",")))
        channel.variables = {"CC_CONTACT": contact, "CC_ROLE": "agent"}
        self.channels[channel_id] = channel
        self._dial(channel, "")
        self.set_lease(channel, timeout_s)
        assert channel.lease is not None
        channel.lease.cancel()
        channel.lease = self.loop.call_later(timeout_s, self._no_answer, channel)
        self.ring(channel, desk)

    def originate_out(
        self, channel_id: str, number: str, args: str, timeout_s: float, variables: dict[str, str]
    ) -> None:
        """Dial a customer by the trunk."""
        if channel_id in self.channels:
            raise Refusal(409, "Channel with given unique ID already exists")
        channel = Channel(channel_id, f"PJSIP/trunk-{channel_id}", number, state="Down", args=tuple(args.split(",")))
        channel.variables, channel.dialed = dict(variables), variables["CC_DIALED"]
        self.channels[channel_id] = channel
        self._dial(channel, "")
        channel.lease = self.loop.call_later(timeout_s, self._no_answer, channel)
        self.ring_customer(channel, variables["CC_CUSTOMER"])

    def _no_answer(self, channel: Channel) -> None:
        if channel.state != "Up":
            self.hang_up(channel, "ring time-out", cause=19)

    def ringing(self, channel: Channel) -> None:
        """The phone says 180."""
        if channel.alive and channel.state == "Down":
            channel.state = "Ringing"
            self._dial(channel, "RINGING")

    def answered(self, channel: Channel) -> None:
        """The phone was picked up."""
        if not channel.alive or channel.state == "Up":
            return
        channel.state = "Up"
        self.set_lease(channel, 0.0)
        self._dial(channel, "ANSWER")
        if self.hear is None:
            self.hang_up(channel, "nobody listens")  # Stasis() fails and the leg has no dialplan to go on with
            return
        channel.in_stasis = True
        self._say(ari.StasisStart(**_BASE, args=list(channel.args), channel=self.seen(channel)))

    def hold(self, channel: Channel, *, on: bool) -> None:
        """The phone's hold key."""
        if channel.in_stasis:
            kind = ari.ChannelHold if on else ari.ChannelUnhold
            self._say(kind(**_BASE, channel=self.seen(channel)))

    def pressed(self, channel: Channel, digit: str) -> None:
        """A key of the caller."""
        if channel.in_stasis:
            seen = self.seen(channel)
            self._say(ari.ChannelDtmfReceived(**_BASE, channel=seen, digit=digit, duration_ms=80))

    def hang_up(self, channel: Channel, by: str, *, cause: int = 16, sip: int | None = None) -> None:
        """The leg ends; `by` is service, caller, agent, or what in the dialplan ended it."""
        if not channel.alive:
            return
        channel.alive = False
        channel.hung_up_by = by
        self.ended.append(channel)
        soft = by == "service"
        request = ari.ChannelHangupRequest(
            **_BASE, channel=self.seen(channel), soft=soft or None, cause=32 if soft else None if cause == 16 else cause
        )
        if channel.in_stasis or channel.is_leg or channel.is_called:
            self._say(request)
        if channel.in_stasis:
            self.leave(channel, "")
        self._unplug(channel)
        self.set_lease(channel, 0.0)
        del self.channels[channel.channel_id]
        if channel.is_leg or channel.is_called:
            seen = self.seen(channel)
            self._say(ari.ChannelDestroyed(**_BASE, channel=seen, cause=cause, cause_txt="", tech_cause=sip))
        if channel.dialplan is not None and channel.dialplan is not asyncio.current_task():
            channel.dialplan.cancel()
        for tell in channel.told:
            tell(channel)

    # --- media -----------------------------------------------------------------------------------------------------

    def play(self, channel: Channel, playback_id: str, prompts: int) -> None:
        """Play that many prompts; a second playback waits behind the first, here by taking its place."""
        if playback_id in self.playbacks:
            raise Refusal(409, "a playback of this id exists")
        self._stop(channel)
        channel.playback_id = playback_id
        self.playbacks[playback_id] = channel
        self.loop.call_later(PROMPT_S * prompts, self._played, channel, playback_id)

    def _played(self, channel: Channel, playback_id: str) -> None:
        if channel.playback_id == playback_id:
            self._stop(channel)

    def stop_playback(self, playback_id: str) -> None:
        """Stop it, if it plays."""
        channel = self.playbacks.get(playback_id)
        if channel is None:
            raise Refusal(404, "Playback not found")
        self._stop(channel)

    def _stop(self, channel: Channel) -> None:
        playback_id, channel.playback_id = channel.playback_id, None
        if playback_id is not None:
            del self.playbacks[playback_id]
            target = f"channel:{channel.channel_id}"
            played = ari.Playback(id=playback_id, media_uri="sound:x", state="done", target_uri=target)
            self._say(ari.PlaybackFinished(**_BASE, playback=played))

    def make_bridge(self, bridge_id: str) -> Bridge:
        """A new bridge."""
        if bridge_id in self.bridges:
            raise Refusal(409, "Bridge with given id already exists")
        assert bridge_id not in self.bridge_ids, f"the id of the deleted bridge {bridge_id} is used again"
        self.bridge_ids.add(bridge_id)
        self.bridges[bridge_id] = bridge = Bridge(bridge_id)
        return bridge

    def join(self, bridge_id: str, channel_ids: Collection[str]) -> None:
        """Put channels into a bridge, all or none."""
        bridge = self.bridges.get(bridge_id)
        if bridge is None:
            raise Refusal(404, "Bridge not found")
        joining = [self.channels.get(channel_id) for channel_id in channel_ids]
        if None in joining:
            raise Refusal(400, "Channel not found")
        for channel in joining:
            assert channel is not None
            if not channel.in_stasis:
                raise Refusal(422, "Channel not in Stasis application")
        for channel in joining:
            assert channel is not None
            if channel.bridge is not bridge:
                self._out_of_bridge(channel)
                channel.bridge = bridge
                bridge.channels.append(channel)
        self._tell_bridge(bridge)

    def drop_bridge(self, bridge_id: str) -> None:
        """Delete a bridge; who is in it stays in our hands."""
        bridge = self.bridges.pop(bridge_id, None)
        if bridge is None:
            raise Refusal(404, "Bridge not found")
        for channel in bridge.channels:
            channel.bridge = None
            for tell in channel.told:
                tell(channel)

    def _unplug(self, channel: Channel) -> None:
        self._stop(channel)
        channel.music = False
        self._out_of_bridge(channel)

    def _out_of_bridge(self, channel: Channel) -> None:
        bridge, channel.bridge = channel.bridge, None
        if bridge is not None:
            bridge.channels.remove(channel)
            self._tell_bridge(bridge)

    def _tell_bridge(self, bridge: Bridge) -> None:
        for channel in bridge.channels:
            for tell in channel.told:
                tell(channel)

    # --- its own life ----------------------------------------------------------------------------------------------

    def die(self) -> None:
        """As kill -9: no dialog, no bridge and no registration is left; nobody is told anything."""
        self.up = False
        self.hear = None
        channels, self.channels, self.bridges, self.playbacks = list(self.channels.values()), {}, {}, {}
        self.registered.clear()
        for channel in channels:
            channel.alive, channel.in_stasis, channel.bridge, channel.hung_up_by = False, False, None, "asterisk died"
            channel.music, channel.playback_id = False, None
            self.ended.append(channel)
            if channel.lease is not None:
                channel.lease.cancel()
            if channel.dialplan is not None:
                channel.dialplan.cancel()
            for tell in channel.told:
                tell(channel)

    def rise(self) -> None:
        """It is there again, another one."""
        self.up = True
        self.lives += 1

    def register(self, desk: str, *, there: bool) -> None:
        """A phone registers, or its registration ends."""
        if self.up and there is not (desk in self.registered):
            (self.registered.add if there else self.registered.discard)(desk)
            self.phone_news(desk, there)

    def tell(self, word: str) -> None:
        """Whoever listens told themselves something."""
        self._say(ari.ChannelUserevent(**_BASE, eventname=word, userevent={}))

    def _say(self, event: ari.Event) -> None:
        if self.hear is not None:
            self.hear(event)

    def _dial(self, channel: Channel, status: str) -> None:
        self._say(ari.Dial(**_BASE, dialstatus=status, peer=self.seen(channel)))

    def seen(self, channel: Channel) -> ari.Channel:
        """The channel as ARI shows it."""
        data = ",".join((APP, *channel.args))
        place = (
            ("Stasis", data)
            if channel.in_stasis
            else ("AppDial2" if channel.is_leg or channel.is_called else "MusicOnHold", "")
        )
        return ari.Channel(
            accountcode="",
            caller=ari.CallerID(name="", number=channel.number),
            connected=NOBODY,
            creationtime="",
            channelvars=channel.variables,
            dialplan=ari.DialplanCEP(
                app_name=place[0], app_data=place[1], context="arrival", exten=channel.dialed, priority=1
            ),
            id=channel.channel_id,
            language="en",
            name=channel.name,
            protocol_id="",
            state=channel.state,
        )


_BASE: Any = {"application": APP, "timestamp": ""}
