"""The ACD: one input at a time, at a given instant, becomes the list of decisions that follow from it.

One owner feeds `step` and obeys what it returns. The engine keeps one promise after every step, work conservation:
no contact waits while an agent who may serve it is ready. It can be kept cheaply, because only two small things ever
break it, and each is mended where it happens: a contact begins to wait (`_wait` looks for an agent), or an agent
becomes ready (`_free` looks for a contact). Everything else is bookkeeping around these two.
"""

from __future__ import annotations

from typing import assert_never

from routing import agents, offers
from routing.agents import Agent, AgentSignal
from routing.board import AGENT, OFFER, Board
from routing.contacts import Contact
from routing.match import Line
from routing.messages import (
    Configured,
    Decision,
    DeviceChanged,
    Entered,
    Input,
    Left,
    OfferSettled,
    PresenceChosen,
    TalkEnded,
    Tick,
    WrapUpFinished,
    WrapUpOver,
)
from routing.model import Activity, Choice, Outcome, Presence, Race, UnknownAgentError
from routing.offers import Offer
from routing.snapshot import Snapshot
from routing.trace import Why


class Acd:
    """The engine under `site`. Agents start logged out, their phones unreachable until told otherwise."""

    def __init__(self, site: Configured, now: float) -> None:
        self._board = Board(site, now)
        self._now = now
        self._unsettled = False

    @classmethod
    def restore(cls, site: Configured, snapshot: Snapshot) -> Acd:
        """An engine in the state of `snapshot` under `site`.

        Agents that the site no longer has are left behind; raises UnknownQueueError for a contact whose queue is
        gone. What does not fit together (an agent reserved without an offer, someone waiting for a ready agent) is
        mended, and told, by the first step.
        """
        acd = cls(site, snapshot.at)
        acd._board.restore(snapshot)
        acd._unsettled = True
        return acd

    def step(self, given: Input, now: float) -> list[Decision]:
        """What follows from `given` and from the time passed, in order.

        Raises UnknownQueueError or UnknownAgentError when a contact or a presence names what the site does not
        have; nothing has changed then. Any other input that fits nothing is the late half of a race: no decision.
        Time does not run backwards: an earlier `now` than the last one counts as the last one.
        """
        now = self._now = max(now, self._now)
        if self._unsettled:
            self._rematch(now)
        self._handle(given, now)
        self._expire(now)
        decisions, self._board.decisions = self._board.decisions, []
        return decisions

    def next_at(self) -> float | None:
        """The earliest deadline, when a Tick is due; None when time alone will change nothing."""
        if self._unsettled:
            return self._now
        entries = self._board.deadlines.entries
        return entries[0][0] if entries else None

    def snapshot(self) -> Snapshot:
        """The whole state, as of the last step."""
        return self._board.snapshot(self._now)

    # --- inputs ---------------------------------------------------------------------------------------------------

    def _handle(self, given: Input, now: float) -> None:
        match given:
            case OfferSettled():
                self._offer_settled(given, now)
            case Entered():
                self._entered(given, now)
            case TalkEnded():
                self._talk_ended(given, now)
            case Left():
                self._left(given, now)
            case WrapUpFinished():
                self._wrapped_up(given.agent_id, now)
            case PresenceChosen():
                self._presence_chosen(given, now)
            case DeviceChanged():
                self._device_changed(given, now)
            case Configured():
                self._board.load(given, now)
                self._rematch(now)
            case Tick():
                pass
            case _:
                assert_never(given)

    def _entered(self, given: Entered, now: float) -> None:
        contact = self._board.new_contact(given)
        known = self._board.contacts.get(given.contact_id)
        released: Agent | None = None
        if known is not None:
            if known.entered == given:
                return  # told twice
            released = self._take_out(known, Outcome.RESCINDED, now)  # it moves, perhaps within the queue
            contact.offers_made = max(contact.offers_made, known.offers_made)
        self._board.contacts[given.contact_id] = contact
        preferred = self._board.agents.get(given.preferred_agent) if given.preferred_agent is not None else None
        if preferred is not None:
            contact.not_preferred = preferred.why_not(contact.line.needs)
        if preferred is None or preferred is released or contact.not_preferred is not None:
            self._wait(contact, now)
        else:
            self._board.offer(contact, preferred, Why.AFFINITY, candidates=1, now=now)
        if released is not None:
            self._free(released, now)

    def _left(self, given: Left, now: float) -> None:
        contact = self._board.contacts.get(given.contact_id)
        if contact is None:
            return  # it was accepted, or has left already
        released = self._take_out(contact, Outcome.CALLER_GONE if given.abandoned else Outcome.RESCINDED, now)
        if released is not None:
            self._free(released, now)

    def _take_out(self, contact: Contact, outcome: Outcome, now: float) -> Agent | None:
        """Take a contact out of the books; returns the agent whose offer of it is hereby settled, if there is one."""
        released: Agent | None = None
        if contact.offer is None:
            contact.line.waiting.remove(contact.contact_id)
        else:
            _, released = self._board.rescind(contact.offer, outcome, now)
        self._board.forget(contact)
        return released

    def _offer_settled(self, given: OfferSettled, now: float) -> None:
        offer = self._board.offers.get(given.offer_id)
        if offer is None:
            return  # its contact was accepted elsewhere or has left
        after = offers.NEXT[offer.outcome, given.outcome]
        if after is offers.PICKED_UP:
            self._picked_up(offer, now)
        elif isinstance(after, Race):
            return
        elif after is Outcome.ACCEPTED:
            self._board.talk(
                self._board.contacts[offer.contact_id], self._board.agents[offer.agent_id], "accepted", now
            )
        else:
            contact, agent = self._board.close(offer, after, now)
            if after is Outcome.CALLER_GONE:
                self._board.forget(contact)
            else:
                self._wait(contact, now)
            self._free(agent, now)

    def _talk_ended(self, given: TalkEnded, now: float) -> None:
        agent = self._board.agents.get(given.agent_id)
        if agent is None or agent.contact_id != given.contact_id:
            return  # the end of an earlier talk, told late
        if agent.take(AgentSignal.TALK_ENDED, now) is not None:
            return
        wrap_up_s = agent.wrap_up_s if given.wrap_up_s is None else given.wrap_up_s
        agent.wrap_up_until = now + wrap_up_s
        self._board.tell(agent, "talk_ended")
        if wrap_up_s > 0:
            self._board.deadlines.push(agent.wrap_up_until, (AGENT, agent.agent_id))
        else:
            self._wrapped_up(agent.agent_id, now)

    def _wrapped_up(self, agent_id: str, now: float) -> None:
        agent = self._board.agents.get(agent_id)
        if agent is None:
            return
        contact_id = agent.contact_id
        if agent.take(AgentSignal.WRAPPED_UP, now) is not None:
            return
        assert contact_id is not None, "wrap-up belongs to a contact"
        self._board.deadlines.remove((AGENT, agent_id))
        self._board.decisions.append(WrapUpOver(agent_id, contact_id))
        self._board.tell(agent, "wrap_up_over")
        self._free(agent, now)

    def _presence_chosen(self, given: PresenceChosen, now: float) -> None:
        agent = self._board.agents.get(given.agent_id)
        if agent is None or agent.retired:
            raise UnknownAgentError(given.agent_id)
        aux_code = given.aux_code if given.presence is Presence.AUX else None
        self._board.unlist(agent)
        cause = agent.choose(Choice(given.presence, aux_code), now)
        if cause is not None:
            self._board.tell(agent, cause)
        self._free(agent, now)

    def _device_changed(self, given: DeviceChanged, now: float) -> None:
        agent = self._board.agents.get(given.agent_id)
        if agent is None:
            return  # not an agent's phone
        if given.reachable and agent.spared_for is Outcome.UNREACHABLE:
            self._board.unspare(agent)
        if given.reachable is not agent.reachable:
            self._board.unlist(agent)
            agent.reachable = given.reachable
            self._board.tell(agent, "phone_back" if given.reachable else "phone_lost")
        if not given.reachable and agent.offer_id is not None:
            self._withdraw(self._board.offers[agent.offer_id], Outcome.UNREACHABLE, now)
        else:
            self._free(agent, now)

    def _expire(self, now: float) -> None:
        deadlines = self._board.deadlines
        while deadlines.entries and deadlines.entries[0][0] <= now:
            _, (kind, item_id) = deadlines.pop()
            if kind == OFFER:
                self._withdraw(self._board.offers[item_id], Outcome.NO_ANSWER, now)
                continue
            agent = self._board.agents[item_id]
            if agent.activity is Activity.WRAP_UP:
                self._wrapped_up(item_id, now)
            else:
                agent.unspare()
                self._free(agent, now)

    # --- the two searches -----------------------------------------------------------------------------------------

    def _wait(self, contact: Contact, now: float) -> None:
        """A contact begins to wait, or goes on waiting: offer it to the best ready agent, else put it in its line."""
        line = contact.line
        if not line.waiting.entries:  # where one waits already, nobody is ready for the next
            agent_id, compared = line.first_agent(contact.refusals)
            if agent_id is not None:
                self._board.offer(contact, self._board.agents[agent_id], Why.ARRIVAL, candidates=compared, now=now)
                return
        line.waiting.push(contact.priority, contact.contact_id)

    def _free(self, agent: Agent, now: float) -> None:
        """An agent may have become ready: give them the first contact they may serve, else list them as idle."""
        if agent.retired and agent.activity is Activity.IDLE:
            self._board.dismiss(agent)
            return
        if not agent.ready or agent.agent_id in self._board.idle:
            return
        line, compared = self._board.matching.group(agent.agent_id).first_line()
        if line is None:
            self._board.list(agent)
            return
        _, contact_id = line.waiting.pop()
        self._board.offer(self._board.contacts[contact_id], agent, Why.AGENT_FREE, candidates=compared, now=now)

    def _rematch(self, now: float) -> None:
        """Match all who wait with all who are ready, in the order of priority; for a state that was not grown here."""
        self._unsettled = False
        exhausted: set[Line] = set()
        waiting = [contact for contact in self._board.contacts.values() if contact.offer is None]
        for contact in sorted(waiting, key=lambda each: each.priority):
            line = contact.line
            if line in exhausted:
                continue
            agent_id, compared = line.first_agent(contact.refusals)
            if agent_id is None:
                exhausted.add(line)
                continue
            line.waiting.remove(contact.contact_id)
            self._board.offer(contact, self._board.agents[agent_id], Why.REMATCH, candidates=compared, now=now)

    def _withdraw(self, offer: Offer, outcome: Outcome, now: float) -> None:
        """Take an offer back from a phone that does not answer; its contact waits on."""
        contact, agent = self._board.rescind(offer, outcome, now)
        self._wait(contact, now)
        self._free(agent, now)

    def _picked_up(self, offer: Offer, now: float) -> None:
        """The session took up an offer that we had withdrawn: it has the contact, and the agent talks to it."""
        contact, agent = self._board.contacts[offer.contact_id], self._board.agents.get(offer.agent_id)
        released = passed_on = None
        if contact.offer is None:
            contact.line.waiting.remove(contact.contact_id)
        else:
            _, released = self._board.rescind(contact.offer, Outcome.RESCINDED, now)
        if agent is None or isinstance(agents.NEXT[agent.activity, AgentSignal.ACCEPTED], Race):
            self._board.forget(contact)
        else:
            if agent.offer_id is not None:
                passed_on, _ = self._board.rescind(self._board.offers[agent.offer_id], Outcome.RESCINDED, now)
            agent.forgive_rona()
            self._board.talk(contact, agent, "answered_late", now)
        if passed_on is not None:
            self._wait(passed_on, now)
        if released is not None:
            self._free(released, now)
