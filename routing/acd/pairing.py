"""The two searches that keep work conserved: a contact that waits looks for an agent, a free agent for a contact.

Only two small things can ever break the promise that no contact waits while an agent who may serve it is ready, and
each is mended where it happens: a contact begins to wait or its reach widens (`wait`), or an agent becomes ready
(`free`). Everything else is bookkeeping around these two.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from routing.acd.agents import Agent
from routing.acd.board import Board
from routing.acd.contacts import Contact
from routing.acd.ladder import CLOCK_GRAIN_S, Ladder
from routing.acd.match import Candidate, Line
from routing.acd.offers import Offer
from routing.acd.order import SortKey
from routing.acd.standing import Standing
from routing.acd.trace import TOLD_MAX, OfferTrace, Why
from routing.messages import CallbackOver, Diverted, StepTaken
from routing.model import Activity, Exit, Outcome, Presence
from routing.requirement import met

_AGENT_FREE, _STEP = Why.AGENT_FREE, Why.STEP
"""Looked up once: a member of an Enum is found ten times slower than a global."""


class Reach(Struct, frozen=True, gc=False):
    """Where a contact belongs: a line, on which rung and why, or the way out of its queue."""

    line: Line
    rung: int
    why: str
    exit_to: Exit | None = None


class Pairing:
    """Finds pairs on one board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    # --- a contact looks for an agent -----------------------------------------------------------------------------

    def wait(self, contact: Contact, now: float, why: Why = Why.ARRIVAL) -> None:
        """A contact in no line begins to wait, or goes on: offer it to the best ready agents, else put it in line."""
        if contact.waiting_since is None:
            contact.waiting_since = now
        if contact.away is not None:
            return
        if contact.superseded_by is not None:
            self._board.stand_still(contact, now)
            self._board.forget(contact)
            self._board.decisions.append(CallbackOver(contact.contact_id, "returned", contact.superseded_by))
            return
        if not self._place(contact, now):
            return
        if self._at_desk(contact):
            agent = self._board.agents[contact.entered.preferred_agent or ""]
            if agent.ready:
                self.offer_to_preferred(contact, agent, now)
                return
        elif self._board.idle and self._offer_to_first(contact, why, now):
            return
        self._board.push(contact, now)

    def widen(self, contact: Contact, now: float) -> None:
        """The reach of a waiting contact may have changed: it looks again, with the same key."""
        if contact.away is None:
            self._board.pull(contact)
            self.wait(contact, now, _STEP)

    def reach(self, contact: Contact, now: float) -> Reach:
        """Where a waiting contact belongs now, by its step clock and by who is logged in."""
        board, entered, ladder = self._board, contact.entered, contact.ladder
        clock_s = contact.clock(now)
        # Who was promised a call, called back, or called again instead is served.
        promised = entered.callback or contact.attempts or contact.took_up
        exit_to = None if promised else contact.rules.exit_to
        if exit_to is not None and ladder.leaves(clock_s):
            return Reach(contact.line, contact.rung, "last_step", exit_to)
        if contact.preferred_until_s > clock_s + CLOCK_GRAIN_S and self._is_preferred_there(contact):
            line = board.matching.desk_line(entered.preferred_agent or "", contact.rules, entered.value_tier)
            return Reach(line, contact.rung, "preferred")
        index, why = ladder.rung(clock_s, contact.rung), "time"
        while ladder.rungs[index].skip and not self._anybody(ladder, index):
            if index + 1 == len(ladder.rungs):
                if exit_to is not None:
                    return Reach(contact.line, index, "unstaffed", exit_to)
                break
            index, why = index + 1, "unstaffed"
        early = clock_s + CLOCK_GRAIN_S < ladder.spill_s
        experienced = early and self._anybody(ladder, index, experienced=True)
        return Reach(board.line(ladder, index, ladder.delay_s(clock_s), experienced=experienced), index, why)

    def _anybody(self, ladder: Ladder, rung: int, *, experienced: bool = False) -> bool:
        """Whether anybody is logged in who could serve on this rung, back-up members who do not see it yet included."""
        longest_s = ladder.delays[-1] if ladder.delays else 0.0
        return self._board.line(ladder, rung, longest_s, experienced=experienced).staffed

    def _place(self, contact: Contact, now: float) -> bool:
        """Bring a contact to its line, and tell its step if that changed; False if it has left its queue instead."""
        reach = self.reach(contact, now)
        if reach.exit_to is not None:
            self.divert(contact, reach.exit_to, reach.why, now)
            return False
        contact.rung, contact.line = reach.rung, reach.line
        if reach.why != "preferred":
            contact.preferred_until_s = 0.0  # given up: whoever comes back meets somebody who waits for all
        rung = contact.ladder.rungs[reach.rung]
        if rung.step != contact.step_told:
            contact.step_told = rung.step
            step = StepTaken(
                contact.contact_id,
                contact.rules.queue,
                rung.step,
                "unstaffed" if reach.why == "unstaffed" else "time",
                rung.text,
            )
            self._board.decisions.append(step)
        return True

    def divert(self, contact: Contact, exit_to: Exit, why: str, now: float) -> None:
        """The contact, in no line, leaves its queue by rule; it is out of the books."""
        self._board.stand_still(contact, now)
        self._board.forget(contact)
        self._board.decisions.append(Diverted(contact.contact_id, contact.rules.queue, exit_to, why))

    def _is_preferred_there(self, contact: Contact) -> bool:
        """Whether it makes sense to wait for the preferred agent: at work, with a phone, and able to serve."""
        agent = self._board.agents.get(contact.entered.preferred_agent or "")
        return (
            agent is not None
            and _worth_waiting_for(agent)
            and agent.agent_id not in contact.refusals
            and self.may_serve(agent, contact)
        )

    def may_serve(self, agent: Agent, contact: Contact) -> bool:
        """Whether the agent is of the contact's queue and meets what it requires in its widest step or this one."""
        if agent.profile.membership(contact.rules.queue) is None:
            return False
        rungs, profile = contact.ladder.rungs, agent.profile
        if met(rungs[-1].requires, profile):
            return True
        return contact.rung + 1 < len(rungs) and met(rungs[contact.rung].requires, profile)

    def _at_desk(self, contact: Contact) -> bool:
        preferred = contact.entered.preferred_agent
        if preferred is None:
            return False
        desk = self._board.matching.desks.get(preferred)
        return desk is not None and desk.get(contact.line.tier) is contact.line

    def offer_to_preferred(self, contact: Contact, agent: Agent, now: float) -> None:
        """Offer a contact in no line to its preferred agent, who is ready."""
        trace = self._trace(Why.AFFINITY, contact, agent, 0, now, agents=((0.0, 0.0, agent.agent_id),))
        self._board.offer(contact, agent, trace, now)

    def _offer_to_first(self, contact: Contact, why: Why, now: float) -> bool:
        """Offer the contact to as many of the best idle agents as its queue rings at once; False if there is none."""
        board = self._board
        bucket, heads = contact.line.first_agent(contact.refusals)
        for _ in range(contact.rules.ring_several):
            if bucket is None:
                break
            agent = board.agents[heads[0][2]]
            trace = self._trace(why, contact, agent, bucket.rank, now, agents=heads[:TOLD_MAX])
            board.offer(contact, agent, trace, now)
            if len(contact.offers) < contact.rules.ring_several:
                bucket, heads = contact.line.first_agent({**contact.refusals}) if board.idle else (None, [])
        return bool(contact.offers)

    # --- an agent looks for a contact -----------------------------------------------------------------------------

    def free(self, agent: Agent, now: float) -> None:
        """An agent may have become ready: give them the first contact they may serve, else list them as idle."""
        board = self._board
        if agent.retired and agent.activity is Activity.IDLE:
            if agent.agent_id in board.agents:
                board.dismiss(agent)
            return
        if not agent.ready:
            self._miss(agent, now)
            return
        if agent.agent_id in board.idle:
            return
        matching = board.matching
        desk = matching.desks.get(agent.agent_id)
        found = board.order.next_contact(matching.group_of[agent.agent_id], desk.values() if desk else (), now)
        if found is None:
            board.list(agent)
            return
        contact = board.contacts[found.contact_id]
        board.pull(contact)
        trace = self._trace(_AGENT_FREE, contact, agent, found.rank, now, contacts=found.heads, overdue=found.overdue)
        board.offer(contact, agent, trace, now)

    def withdraw(self, offer: Offer, outcome: Outcome, now: float) -> None:
        """Take an offer back from a phone that does not answer; its contact waits on, unless another phone rings."""
        contact, agent = self._board.rescind(offer, outcome, now)
        self.after_offer(contact, agent, now)

    def after_offer(self, contact: Contact, agent: Agent, now: float) -> None:
        """An offer came to nothing: the contact waits on, unless another phone rings; the agent may be free."""
        if not contact.offers:
            self.wait(contact, now)
        self.free(agent, now)

    def _miss(self, agent: Agent, now: float) -> None:
        """The agent cannot be asked: who waits for what they no longer are, looks again."""
        matching = self._board.matching
        desk = matching.desks.get(agent.agent_id)
        if desk is not None and not _worth_waiting_for(agent):
            for line in desk.values():
                self._look_again(line, now)
        group = None if agent.retired or agent.staffed else matching.group_of[agent.agent_id]
        if group is not None and not group.staffed:
            for line in [line for shelf in group.shelves for line in shelf.lines]:
                self._look_again(line, now)

    def _look_again(self, line: Line, now: float) -> None:
        """Those contacts of a line whose reach is another by now."""
        for _, contact_id in [*line.waiting]:
            contact = self._board.contacts.get(contact_id)
            if contact is None or contact.line is not line:
                continue
            reach = self.reach(contact, now)
            if reach.line is not line or reach.rung != contact.rung:
                self.widen(contact, now)

    def rematch(self, now: float) -> None:
        """Match all who wait with all who are ready, in the order of service; for a state that was not grown here."""
        waiting = [contact for contact in self._board.contacts.values() if contact.waits]
        for contact in waiting:
            self._board.pull(contact)
        self.place_all(waiting, now)

    def place_all(self, waiting: list[Contact], now: float) -> None:
        """These contacts, which wait but are in no line, look for agents in the order of service."""
        order = self._board.order
        exhausted: set[Line] = set()

        def key(contact: Contact) -> SortKey:
            entered = contact.entered
            return order.sort_key(entered.value_tier, entered.entered_at, entered.contact_id, now)

        for contact in sorted(waiting, key=key):
            if self._board.contacts.get(contact.contact_id) is not contact or contact.away is not None:
                continue
            if not self._place(contact, now):
                continue
            if contact.line not in exhausted and self._look(contact, now):
                continue
            exhausted.add(contact.line)
            self._board.push(contact, now)

    def _look(self, contact: Contact, now: float) -> bool:
        if not self._at_desk(contact):
            return bool(self._board.idle) and self._offer_to_first(contact, Why.REMATCH, now)
        agent = self._board.agents[contact.entered.preferred_agent or ""]
        if agent.ready:
            self.offer_to_preferred(contact, agent, now)
        return bool(contact.offers)

    # --- why ------------------------------------------------------------------------------------------------------

    def _trace(
        self,
        why: Why,
        contact: Contact,
        agent: Agent,
        rank: int,
        now: float,
        *,
        contacts: Sequence[Candidate] = (),
        agents: Sequence[Standing] = (),
        overdue: bool = False,
    ) -> OfferTrace:
        entered = contact.entered
        return OfferTrace(
            why,
            contact.rules.queue,
            contact.step_told,
            contact.line.requires,
            rank,
            entered.value_tier,
            self._board.order.policy,
            now,
            entered.entered_at,
            agent.ready_since,
            contact.ladder.rungs[contact.rung].skills,
            agent.profile.skills,
            contacts,
            agents,
            contact.line.order,
            _excluded(contact, agent) if contact.not_preferred is not None or contact.refusals else (),
            contact.comeback,
            overdue,
        )


def _excluded(contact: Contact, chosen: Agent) -> tuple[tuple[str, str], ...]:
    """Who might have been expected instead, and why not: the preferred agent, then the last to let an offer go."""
    told: list[tuple[str, str]] = []
    if contact.not_preferred is not None and contact.entered.preferred_agent is not None:
        told.append((contact.entered.preferred_agent, contact.not_preferred))
    for offer in reversed([*contact.refusals.values()]):
        if len(told) == TOLD_MAX:
            break
        if offer.outcome is not None and offer.agent_id != chosen.agent_id:
            told.append((offer.agent_id, offer.outcome.value))
    return tuple(told)


def _worth_waiting_for(agent: Agent) -> bool:
    """Whether the agent is at work, and will be for the next contact too."""
    return (
        not agent.retired
        and agent.presence is Presence.AVAILABLE
        and (agent.requested_next is None or agent.activity is Activity.IDLE)
        and agent.reachable
    )
