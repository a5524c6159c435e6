"""The people of the simulation: callers with patience and keys, agents with phones and moods."""

import asyncio

from routing.model import Presence
from tests.sim.asterisk import Asterisk, Channel
from tests.sim.plan import AgentPlan, CallerPlan
from tests.sim.service import Service

LONELY_S = 25.0
"""How long somebody stays on a line on which nobody is any more."""

_PRESENCES = {"available": Presence.AVAILABLE, "aux": Presence.AUX, "out": Presence.LOGGED_OUT}


class Caller:
    """Calls, keys, waits, talks, and hangs up at last."""

    def __init__(self, plan: CallerPlan, asterisk: Asterisk) -> None:
        self.plan = plan
        self.channel: Channel | None = None
        self.done = False
        self.unserved = False
        self.asterisk = self._asterisk = asterisk
        self._timers: list[asyncio.TimerHandle] = []
        self._talked = False
        asterisk.loop.call_at(plan.at, self._call)

    def _call(self) -> None:
        if not self._asterisk.up:
            self.done = self.unserved = True  # the trunk is dead
            return
        self.channel = channel = self._asterisk.call(self.plan.number, self.plan.dialed)
        channel.told.append(self._changed)
        for at, digit in self.plan.keys:
            self._later(at, self._press, digit)
        self._later(self.plan.patience_s, self._give_up)

    def _later(self, delay_s: float, what: object, *args: object) -> None:
        assert callable(what)
        self._timers.append(self._asterisk.loop.call_later(delay_s, what, *args))

    def _press(self, digit: str) -> None:
        assert self.channel is not None
        if self.channel.alive:
            self._asterisk.pressed(self.channel, digit)

    def _give_up(self) -> None:
        assert self.channel is not None
        if self.channel.alive and not together(self.channel):
            self._asterisk.hang_up(self.channel, "caller")

    def _end_talk(self) -> None:
        assert self.channel is not None
        if self.channel.alive:
            self._asterisk.hang_up(self.channel, "caller")

    def _changed(self, channel: Channel) -> None:
        if not channel.alive:
            self.done = True
            for timer in self._timers:
                timer.cancel()
        elif together(channel) and not self._talked:
            self._talked = True
            # Who leaves the end to the agent does so with patience.
            self._later(self.plan.talk_s if self.plan.hangs_up else 300.0, self._end_talk)
        elif self._talked and not together(channel):
            self._later(LONELY_S, self._give_up)


class Customer:
    """Who is called back, at the number that they had called from."""

    def __init__(self, caller: Caller) -> None:
        self.plan = caller.plan
        self.rung = 0
        self._asterisk = caller.asterisk
        self._talked = False

    def ring(self, channel: Channel) -> None:
        """Their phone rings."""
        does, after_s = self.plan.called[self.rung % len(self.plan.called)]
        self.rung += 1
        self._talked = False
        channel.told.append(self._changed)
        loop = self._asterisk.loop
        loop.call_later(0.05, self._asterisk.ringing, channel)
        if does == "answer":
            loop.call_later(after_s, self._pick_up, channel)
        elif does == "busy":
            loop.call_later(0.1, self._refuse, channel)

    def _refuse(self, channel: Channel) -> None:
        if channel.alive and channel.state != "Up":
            self._asterisk.hang_up(channel, "caller", cause=17, sip=486)

    def _pick_up(self, channel: Channel) -> None:
        self._asterisk.answered(channel)
        if channel.alive:
            self._asterisk.loop.call_later(self.plan.patience_s, self._leave_if_alone, channel)

    def _changed(self, channel: Channel) -> None:
        loop = self._asterisk.loop
        if channel.alive and together(channel) and not self._talked:
            self._talked = True
            loop.call_later(self.plan.talk_s if self.plan.hangs_up else 300.0, self._hang_up, channel)
        elif channel.alive and self._talked and not together(channel):
            loop.call_later(LONELY_S, self._leave_if_alone, channel)

    def _leave_if_alone(self, channel: Channel) -> None:
        if not together(channel):
            self._hang_up(channel)

    def _hang_up(self, channel: Channel) -> None:
        if channel.alive:
            self._asterisk.hang_up(channel, "caller")


class Desk:
    """An agent at a desk with one phone."""

    def __init__(self, plan: AgentPlan, asterisk: Asterisk, service: Service) -> None:
        self.plan = plan
        self.leg: Channel | None = None
        self.rung = 0
        self.plugged = True
        self._asterisk = asterisk
        self._service = service
        self._talked = False
        loop = asterisk.loop
        loop.call_at(0.5, self._choose, "plug")
        loop.call_at(1.0, self._choose, "available")
        for at, choice in plan.chooses:
            loop.call_at(at, self._choose, choice)

    @property
    def agent_id(self) -> str:
        """Whose desk this is."""
        return self.plan.agent_id

    def be_good(self) -> None:
        """The faults are over: plugged in, and at work."""
        self._choose("plug")
        self._choose("available")

    def _choose(self, choice: str) -> None:
        if choice in {"plug", "unplug"}:
            self.plugged = choice == "plug"
            self._asterisk.register(self.agent_id, there=self.plugged)
            return
        aux_code = "break" if choice == "aux" else None
        chosen = self._service.run(
            lambda center: center.floor.choose_presence(self.agent_id, _PRESENCES[choice], aux_code)
        )
        if not chosen:
            self._asterisk.loop.call_later(1.0, self._choose, choice)

    def register_again(self) -> None:
        """Asterisk is another one: the phone notices after a while."""
        if self.plugged:
            self._asterisk.register(self.agent_id, there=True)

    # --- the phone -------------------------------------------------------------------------------------------------

    def ring(self, channel: Channel) -> None:
        """A call comes in."""
        if self.leg is not None and self.leg.alive:
            self._asterisk.loop.call_later(0.02, self._refuse, channel, 17, 486)
            return
        self.leg, self._talked = channel, False
        channel.told.append(self._changed)
        does, after_s = self.plan.rings[self.rung % len(self.plan.rings)]
        self.rung += 1
        loop = self._asterisk.loop
        loop.call_later(0.01, self._asterisk.ringing, channel)
        match does:
            case "answer":
                loop.call_later(after_s, self._pick_up, channel)
            case "reject":
                loop.call_later(after_s, self._refuse, channel, 21, 603)
            case "busy":
                loop.call_later(0.02, self._refuse, channel, 17, 486)

    def _refuse(self, channel: Channel, cause: int, sip: int) -> None:
        if channel.alive and channel.state != "Up":
            self._asterisk.hang_up(channel, "agent", cause=cause, sip=sip)

    def _pick_up(self, channel: Channel) -> None:
        self._asterisk.answered(channel)
        if channel.alive:
            self._asterisk.loop.call_later(LONELY_S, self._leave_if_alone, channel)

    def _changed(self, channel: Channel) -> None:
        loop = self._asterisk.loop
        if channel.alive and together(channel) and not self._talked:
            self._talked = True
            loop.call_later(self.plan.talk_s, self._hang_up, channel)
            if self.plan.holds:
                loop.call_later(0.3 * self.plan.talk_s, self._hold, channel, True)
                loop.call_later(0.6 * self.plan.talk_s, self._hold, channel, False)
        elif channel.alive and self._talked and not together(channel):
            loop.call_later(LONELY_S, self._leave_if_alone, channel)

    def _hold(self, channel: Channel, on: bool) -> None:
        if channel.alive:
            self._asterisk.hold(channel, on=on)

    def _leave_if_alone(self, channel: Channel) -> None:
        if not together(channel):
            self._hang_up(channel)

    def _hang_up(self, channel: Channel) -> None:
        if channel.alive:
            self._asterisk.hang_up(channel, "agent")


def together(channel: Channel) -> bool:
    """Whether somebody else is in the same bridge."""
    return channel.bridge is not None and len(channel.bridge.channels) > 1
