"""A day on the production ACD: one heap of what happens next, and the engine in the middle.

The simulation plays everybody the engine talks to: customers who enter, give up and call again, agents who come, answer
or let it ring, talk and wrap up. It decides nothing that the engine decides. Whatever comes first is next: a customer's
first call, a deadline of the engine, or an entry of the heap. At one instant the engine's deadlines go first, then
the heap in the order in which its entries were made, then new customers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any, TypeAlias

from msgspec import structs

from routing.acd.engine import Acd
from routing.messages import (
    AgentChanged,
    CallbackChosen,
    CallbackOver,
    Configured,
    CustomerDialed,
    Decision,
    DeviceChanged,
    DialCustomer,
    DialOutcome,
    DialsHeld,
    Diverted,
    Entered,
    Input,
    Left,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
    QueueClosed,
    QueueOpened,
    RescindOffer,
    TalkEnded,
    Tick,
)
from routing.model import RONA, Activity, ExitKind, Outcome, Presence
from routing.simulate.calling import Calling, Columns, Course
from routing.simulate.draw import Day, Turn
from routing.simulate.record import AWAY, BUSY, IDLE, OUT, AgentTime, End, Record
from routing.simulate.surroundings import NOTHING_AROUND, Surroundings, Trunks, routed
from routing.simulate.visits import Visits

Observer: TypeAlias = Callable[[float, Input, Sequence[Decision]], None]
"""Told every step: the instant, what the engine was given, what it decided."""

Progress: TypeAlias = Callable[[float], None]
"""Told now and then which share in [0, 1] of the day's customers has called."""

PROGRESS_CALLS = 1_000

CLOSING_S = 7_200.0
"""So long after the last thing anybody does, the engine alone may still move somebody: a step, a wrap-up that ends."""


_ANSWER, _TALK_OVER, _GIVE_UP, _REDIAL, _TURN, _BACK, _CHOOSE, _DIALED, _DOOR, _THROUGH = range(10)
"""What an entry of the heap is about, and whom it names: an agent picks up (offer id, visit); a talk is over (agent id,
visit); a customer hangs up (visit); calls again (the visit that they gave up); an agent chooses a presence (Turn); is
back from RONA (agent id); a customer would rather be called back (visit); an attempt to call them is over (outcome,
visit); a queue closes or opens (what the engine is told); a customer is through with the IVR (visit)."""

# Looked up once: a member of an Enum is found ten times slower than a global.
_ACCEPTED, _AGENT_IDLE, _WAITING, _ANSWERED = Outcome.ACCEPTED, Activity.IDLE, End.WAITING, End.ANSWERED

_TICK = Tick()
_OVER = {"expired": End.EXPIRED, "unreached": End.UNREACHED, "refused": End.REFUSED}
_STANDING = {Presence.LOGGED_OUT: OUT, Presence.AVAILABLE: IDLE, Presence.AUX: AWAY}


def simulate(
    site: Configured,
    day: Day,
    *,
    around: Surroundings = NOTHING_AROUND,
    announce: bool = False,
    observe: Observer | None = None,
    progress: Progress | None = None,
) -> Record:
    """What came of this day under this site, with what is `around` the ACD there.

    With `announce` everybody who must wait is told an estimate, as the floor does; the ACD learns from what then comes,
    which can move what depends on estimates: bounds on the wait, loans, when to call back. It takes time in proportion
    to the agents.

    It ends when nothing is left to happen: every customer was served, gave up or was sent away, or waits for agents
    who do not come (CLOSING_S). Agents of the day that the site does not have never show up. Raises
    UnknownQueueError if a kind's queue is not one of the site's.
    """
    day = replace(day, kinds=routed(day.kinds, around.rules, site.policy))
    run = _Run(site, day, around, announce, observe)
    run.all(progress)
    return run.record()


class _Run:
    """The state of a day in progress. A *visit* is one call of a customer."""

    def __init__(
        self, site: Configured, day: Day, around: Surroundings, announce: bool, observe: Observer | None
    ) -> None:
        self._acd = Acd(site, 0.0)
        self._step = self._acd.step
        self._day = day
        self._announce = announce
        self._observe = observe
        self._calling = Calling(day.callbacks)
        self._trunks = Trunks(around.trunks, site.policy)
        self._visits = Visits(len(day))
        self._rung: dict[str, str] = {}  # offer not settled → the agent who will pick up
        self._agents = {profile.agent_id: AgentTime() for profile in site.agents}
        self._heap: list[tuple[float, int, int, object, int]] = []
        self._serial = 0
        self._answered = 0
        self._inputs = 0
        self._end = 0.0
        self._obeys: dict[type, Callable[[Any, float], None]] = {
            AgentChanged: self._agent_changed,
            MakeOffer: self._ring,
            RescindOffer: self._rescind,
            Diverted: self._divert,
            DialCustomer: self._dial,
            CallbackOver: self._callback_over,
        }
        for profile in site.agents:
            self._give(DeviceChanged(profile.agent_id, reachable=True), 0.0)
        for at_s, door in around.doors:
            self._push(at_s, _DOOR, door, 0)
        for turn in day.turns:
            if turn.agent_id in self._agents and turn.at_s < math.inf:
                self._push(turn.at_s, _TURN, turn, 0)

    def all(self, progress: Progress | None) -> None:
        """Let everything happen."""
        heap, arrivals, deadline = self._heap, [*self._day.at_s, math.inf], self._acd.next_at
        first = 0
        customers, agents = (self._give_up, self._redial), (self._turn, self._back)
        acts = (
            self._answer,
            self._talk_over,
            *customers,
            *agents,
            self._choose,
            self._dialed,
            self._door,
            self._through,
        )
        while True:
            at = heap[0][0] if heap else math.inf
            arrival = arrivals[first]
            due = deadline()
            if due is not None and due <= at and due <= arrival:
                if at == arrival == math.inf and (self._visits.waiting == 0 or due > self._end + CLOSING_S):
                    break
                self._give(_TICK, due)
            elif arrival < at:
                self._end = arrival
                self._enter(first, arrival)
                first += 1
                if progress is not None and first % PROGRESS_CALLS == 0:
                    progress(first / len(self._day))
            elif at < math.inf:
                _, _, what, whom, visit = heappop(heap)
                if what is not _DOOR:
                    self._end = at
                acts[what](whom, visit, at)
            else:
                break
        if progress is not None:
            progress(1.0)

    def record(self) -> Record:
        """What came of it."""
        for time in self._agents.values():
            time.become(time.situation, self._end)
        called = Columns.of(self._calling.courses, len(self._visits.of))
        return self._visits.record(self._day, called, self._agents, self._inputs)

    def _push(self, at: float, what: int, whom: object, visit: int) -> None:
        self._serial += 1
        heappush(self._heap, (at, self._serial, what, whom, visit))

    # --- customers ------------------------------------------------------------------------------------------------

    def _enter(self, visit: int, now: float) -> None:
        """A customer calls, and is in the IVR first if there is one; how long they will wait is settled already."""
        customer = self._visits.of[visit]
        kind, ivr = self._day.kinds[self._day.kind[customer]], self._day.ivr
        if not self._trunks.admits(kind.value_tier):
            self._visits.entered(visit, kind.queue, now)
            self._visits.leave(visit, End.BLOCKED, now)
            self._call_again(visit, now)
            return
        self._tell_trunks(self._trunks.take(visit), now)
        if ivr is not None and (ivr.lasts_s[customer] > 0 or ivr.self_served[customer]):
            self._push(now + ivr.lasts_s[customer], _THROUGH, ivr.self_served[customer], visit)
        else:
            self._line_up(visit, customer, now)

    def _through(self, self_served: object, visit: int, now: float) -> None:
        """The IVR has done what it can."""
        customer = self._visits.of[visit]
        if self_served:
            self._visits.entered(visit, self._day.kinds[self._day.kind[customer]].queue, now)
            self._visits.leave(visit, End.SELF_SERVED, now)
            self._tell_trunks(self._trunks.free(visit), now)
        else:
            self._line_up(visit, customer, now)

    def _line_up(self, visit: int, customer: int, now: float) -> None:
        """A customer who has a trunk joins their queue."""
        kind = self._day.kinds[self._day.kind[customer]]
        self._visits.entered(visit, kind.queue, now)
        patience_s = self._day.patience_s[self._visits.tries[visit]][customer]
        if patience_s < math.inf:
            self._push(now + patience_s, _GIVE_UP, None, visit)
        if self._calling.takes(customer) and self._calling.after_s < math.inf:
            self._push(now + self._calling.after_s, _CHOOSE, None, visit)
        entered = Entered(
            str(visit), kind.queue, kind.requires, kind.value_tier, now, kind.preferred_agent, kind.preferred_wait_s
        )
        self._tell_entry(entered, visit, now)

    def _tell_entry(self, entered: Entered, visit: int, now: float) -> None:
        """A visit joins a queue; if it must wait there, it may be announced how long."""
        offers = self._visits.offers[visit]
        self._give(entered, now)
        if self._announce and self._visits.offers[visit] == offers and self._visits.end[visit] is _WAITING:
            self._visits.announce(visit, self._acd.promise(entered.contact_id, now))

    def _give_up(self, holding: object, visit: int, now: float) -> None:
        """Patience is over; `holding` is the course of a callback whose customer waits on their phone."""
        if self._visits.end[visit] is not _WAITING:
            return  # they were answered or sent away in the meantime
        course = self._calling.courses.get(visit)
        if course is not holding or (course is not None and not course.on_line):
            return  # they had hung up already, to be called back
        self._visits.leave(visit, End.ABANDONED, now)
        self._give(Left(str(visit)), now)
        self._tell_trunks(self._trunks.free(visit), now)
        if course is None:
            self._call_again(visit, now)

    def _call_again(self, visit: int, now: float) -> None:
        redial_s = self._day.redial_s[self._visits.tries[visit]][self._visits.of[visit]]
        if redial_s < math.inf:
            self._push(now + redial_s, _REDIAL, None, visit)

    def _redial(self, _: object, gave_up: int, now: float) -> None:
        self._enter(self._visits.again(gave_up), now)

    # --- callbacks ------------------------------------------------------------------------------------------------

    def _choose(self, _: object, visit: int, now: float) -> None:
        """A customer in line takes a callback; they are told when it comes."""
        if self._visits.end[visit] is _WAITING and visit not in self._calling.courses:
            self._calling.courses[visit] = Course(now, self._acd.estimate(str(visit), now))
            self._tell_trunks(self._trunks.free(visit), now)
            self._give(CallbackChosen(str(visit)), now)

    def _dial(self, dial: DialCustomer, now: float) -> None:
        visit = int(dial.contact_id)
        if not self._trunks.may_dial(self._day.kinds[self._day.kind[self._visits.of[visit]]].value_tier):
            self._calling.courses[visit].agent_id = None
            self._push(now, _DIALED, DialOutcome.HELD_BACK, visit)
            return
        self._tell_trunks(self._trunks.take(visit), now)
        rings_s, outcome = self._calling.dial(visit, self._visits.of[visit], dial.attempt, now)
        self._push(now + rings_s, _DIALED, outcome, visit)

    def _dialed(self, outcome: object, visit: int, now: float) -> None:
        assert isinstance(outcome, DialOutcome)
        course = self._calling.courses[visit]
        agent_id, course.agent_id = course.agent_id, None
        if outcome is DialOutcome.ANSWERED and agent_id is not None:
            self._talk(visit, agent_id, now)
        elif outcome is DialOutcome.ANSWERED:
            course.on_line = True
            self._push(now + self._calling.holds_s, _GIVE_UP, course, visit)
        elif outcome is not DialOutcome.HELD_BACK:
            self._tell_trunks(self._trunks.free(visit), now)
        self._give(CustomerDialed(str(visit), outcome), now)

    # --- trunks and doors -----------------------------------------------------------------------------------------

    def _tell_trunks(self, held: DialsHeld | None, now: float) -> None:
        if held is not None:
            self._give(held, now)

    def _door(self, door: object, _: int, now: float) -> None:
        assert isinstance(door, QueueClosed | QueueOpened)
        self._give(door, now)

    # --- agents ---------------------------------------------------------------------------------------------------

    def _answer(self, offer_id: object, visit: int, now: float) -> None:
        assert isinstance(offer_id, str)
        agent_id = self._rung.pop(offer_id, None)
        if agent_id is None:
            return  # withdrawn while it rang
        course = self._calling.courses.get(visit)
        if course is None or course.on_line:
            self._talk(visit, agent_id, now)
        else:
            course.agent_id = agent_id  # and waits for the customer to pick up
        self._give(OfferSettled(offer_id, _ACCEPTED), now)

    def _talk(self, visit: int, agent_id: str, now: float) -> None:
        """Agent and customer talk from now on; for how long is settled already."""
        self._visits.leave(visit, _ANSWERED, now, agent_id)
        handle_s = self._day.handle_s[self._answered if self._day.in_order else self._visits.of[visit]]
        if self._day.speed:
            handle_s *= self._day.speed.get(agent_id, 1.0)
        self._visits.handle_s[visit] = handle_s
        self._answered += 1
        self._push(now + handle_s * (1 - self._day.wrap_up_share), _TALK_OVER, agent_id, visit)

    def _talk_over(self, agent_id: object, visit: int, now: float) -> None:
        assert isinstance(agent_id, str)
        wrap_up_s = self._visits.handle_s[visit] * self._day.wrap_up_share
        self._give(TalkEnded(agent_id, str(visit), wrap_up_s), now)
        self._tell_trunks(self._trunks.free(visit), now)

    def _turn(self, turn: object, _: int, now: float) -> None:
        assert isinstance(turn, Turn)
        self._give(PresenceChosen(turn.agent_id, turn.presence, turn.aux_code), now)

    def _back(self, agent_id: object, _: int, now: float) -> None:
        assert isinstance(agent_id, str)
        if self._agents[agent_id].rona:
            self._give(PresenceChosen(agent_id, Presence.AVAILABLE), now)

    # --- the engine -----------------------------------------------------------------------------------------------

    def _give(self, given: Input, now: float) -> None:
        """Tell the engine, and obey."""
        self._inputs += 1
        decisions = self._step(given, now)
        if self._observe is not None:
            self._observe(now, given, decisions)
        for decision in decisions:
            obey = self._obeys.get(type(decision))
            if obey is not None:
                obey(decision, now)

    def _rescind(self, rescinded: RescindOffer, _now: float) -> None:
        self._rung.pop(rescinded.offer_id, None)

    def _callback_over(self, over: CallbackOver, now: float) -> None:
        self._visits.leave(int(over.contact_id), _OVER[over.why], now)

    def _agent_changed(self, changed: AgentChanged, now: float) -> None:
        agent = self._agents[changed.agent_id]
        agent.become(_STANDING[changed.presence] if changed.activity is _AGENT_IDLE else BUSY, now)
        agent.rona = agent.situation == AWAY and changed.aux_code == RONA
        if agent.rona:
            self._push(now + self._day.back_s, _BACK, changed.agent_id, 0)

    def _ring(self, offer: MakeOffer, now: float) -> None:
        visit = int(offer.contact_id)
        rings = self._day.ring_s
        ring_s = rings[min(self._visits.offers[visit], len(rings) - 1)][self._visits.of[visit]]
        self._visits.offers[visit] += 1
        if now + ring_s < offer.expires_at:  # else the engine withdraws it before anybody picks up
            self._rung[offer.offer_id] = offer.agent_id
            self._push(now + ring_s, _ANSWER, offer.offer_id, visit)

    def _divert(self, diverted: Diverted, now: float) -> None:
        """A rule moves the contact on with its age: to another queue, to be called back if they like that, or out."""
        visit, queue = int(diverted.contact_id), diverted.exit_to.queue or diverted.queue
        customer, entered_at = self._visits.of[visit], self._visits.entered_at[visit]
        kind, courses = self._day.kinds[self._day.kind[customer]], self._calling.courses
        offered = diverted.exit_to.kind is ExitKind.CALLBACK and visit not in courses
        again = Entered(
            str(visit), queue, kind.requires, kind.value_tier, entered_at, offers_made=self._visits.offers[visit]
        )
        if diverted.exit_to.kind is ExitKind.QUEUE:
            self._tell_entry(again, visit, now)
        elif offered and self._calling.takes(customer):
            courses[visit] = course = Course(now, None)
            self._tell_trunks(self._trunks.free(visit), now)
            self._give(structs.replace(again, callback=True, clock_s=now - entered_at), now)
            course.slot = self._acd.estimate(str(visit), now)
        else:
            self._visits.leave(visit, End.SENT_AWAY, now)
            self._tell_trunks(self._trunks.free(visit), now)
