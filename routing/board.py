"""The books of the ACD: who waits, who is idle, what is offered and until when; every entry made in one place.

The moves here keep the books consistent with each other and tell what changed. None of them looks for a match: that
is the engine's part, after each move.
"""

from __future__ import annotations

from routing.agents import Agent, AgentSignal
from routing.contacts import Contact
from routing.heap import LazyHeap
from routing.match import Idle, Matching
from routing.messages import AgentChanged, Configured, Decision, Entered, MakeOffer, RescindOffer
from routing.model import Activity, Choice, Outcome, Presence, QueueRules, UnknownQueueError
from routing.offers import Offer
from routing.priority import priority
from routing.snapshot import ContactView, Snapshot, snapshot_of
from routing.trace import Why, trace

OFFER, AGENT = "offer", "agent"
"""Kinds of deadline: an offer's ring time; an agent's wrap-up or delay, which never run together."""


class Board:
    """State under `site`, and the decisions not yet told. Agents start logged out, their phones unreachable."""

    def __init__(self, site: Configured, now: float) -> None:
        self.decisions: list[Decision] = []
        self.contacts: dict[str, Contact] = {}
        self.agents: dict[str, Agent] = {}
        self.idle: dict[str, Idle] = {}  # who is listed in a group, and as what
        self.offers: dict[str, Offer] = {}  # pending, and those in a contact's refusals
        self.deadlines: LazyHeap[float, tuple[str, str]] = LazyHeap()
        self.load(site, now)

    def snapshot(self, now: float) -> Snapshot:
        """The whole state as plain values."""
        return snapshot_of(self.queues, self.contacts.values(), self.agents.values(), now)

    # --- contacts -------------------------------------------------------------------------------------------------

    def new_contact(self, entered: Entered) -> Contact:
        """A contact, not yet in the books; raises UnknownQueueError."""
        rules = self.queues.get(entered.queue)
        if rules is None:
            raise UnknownQueueError(entered.queue)
        return Contact(
            entered=entered,
            rules=rules,
            line=self.matching.line(rules, entered.needs),
            priority=priority(entered.value_tier, entered.entered_at, entered.contact_id),
            offers_made=entered.offers_made,
        )

    def forget(self, contact: Contact) -> None:
        """Drop a contact that is in no line any more, with all its offers."""
        del self.contacts[contact.contact_id]
        if contact.offer is not None:
            self.deadlines.remove((OFFER, contact.offer.offer_id))
            del self.offers[contact.offer.offer_id]
        for offer in contact.refusals.values():
            del self.offers[offer.offer_id]

    # --- agents ---------------------------------------------------------------------------------------------------

    def tell(self, agent: Agent, cause: str) -> None:
        """Tell the agent's state, whole."""
        self.decisions.append(
            AgentChanged(
                agent.agent_id,
                agent.presence,
                agent.aux_code,
                agent.activity,
                agent.since,
                agent.contact_id,
                cause,
                agent.requested_next,
                agent.reachable,
            )
        )

    def list(self, agent: Agent) -> None:
        """Enter a ready agent among the idle of their group."""
        idle = self.idle[agent.agent_id] = (agent.ready_since, agent.agent_id)
        self.matching.group(agent.agent_id).add(idle)

    def unlist(self, agent: Agent) -> None:
        """Strike an agent off the idle, before anything that might make them unready."""
        idle = self.idle.pop(agent.agent_id, None)
        if idle is not None:
            self.matching.group(agent.agent_id).remove(idle)

    def unspare(self, agent: Agent) -> None:
        """End an agent's delay, if one runs."""
        if agent.spared_until is not None:
            agent.unspare()
            self.deadlines.remove((AGENT, agent.agent_id))

    def dismiss(self, agent: Agent) -> None:
        """Drop an agent who is not the site's any more."""
        self.unlist(agent)
        self.unspare(agent)
        del self.agents[agent.agent_id]

    # --- offers ---------------------------------------------------------------------------------------------------

    def offer(self, contact: Contact, agent: Agent, why: Why, *, candidates: int, now: float) -> None:
        """Offer a contact that is in no line to a ready agent."""
        self.unlist(agent)
        contact.offers_made += 1
        offer_id = f"{contact.contact_id}.o{contact.offers_made}"
        expires_at = now + contact.rules.ring_s
        offer = Offer(offer_id, contact.contact_id, agent.agent_id, now, expires_at)
        contact.offer = self.offers[offer_id] = offer
        self.deadlines.push(expires_at, (OFFER, offer_id))
        agent.take(AgentSignal.OFFERED, now)
        agent.offer_id = offer_id
        agent.contact_id = contact.contact_id
        self.tell(agent, "offered")
        reasons = trace(why, contact, agent, candidates=candidates, now=now)
        self.decisions.append(MakeOffer(offer_id, contact.contact_id, agent.agent_id, now, expires_at, reasons))

    def rescind(self, offer: Offer, outcome: Outcome, now: float) -> tuple[Contact, Agent]:
        """Settle an offer on our own account; returns as `close` does."""
        self.decisions.append(RescindOffer(offer.offer_id, offer.contact_id, outcome))
        return self.close(offer, outcome, now)

    def close(self, offer: Offer, outcome: Outcome, now: float) -> tuple[Contact, Agent]:
        """Settle an offer that came to nothing; returns its contact, now in no line, and its agent, not listed."""
        contact, agent = self.contacts[offer.contact_id], self.agents[offer.agent_id]
        self.deadlines.remove((OFFER, offer.offer_id))
        contact.offer = None
        before = contact.refusals.pop(offer.agent_id, None)
        if before is not None:
            del self.offers[before.offer_id]
        contact.refusals[offer.agent_id] = self.offers[offer.offer_id] = offer.settled(outcome)
        agent.offer_id = None
        delay_s = contact.rules.delay_s(outcome)
        if delay_s > 0:
            agent.spare(outcome, now + delay_s)
            self.deadlines.push(now + delay_s, (AGENT, agent.agent_id))
        agent.take(AgentSignal.MISSED if outcome is Outcome.NO_ANSWER else AgentSignal.RELEASED, now)
        self.tell(agent, outcome.value)
        return contact, agent

    def talk(self, contact: Contact, agent: Agent, cause: str, now: float) -> None:
        """The two talk: the contact, which is in no line, is out of the books; the agent is bound to it."""
        self.forget(contact)
        self.unlist(agent)
        self.unspare(agent)
        agent.offer_id = None
        agent.contact_id = contact.contact_id
        agent.wrap_up_s = contact.rules.wrap_up_s
        agent.take(AgentSignal.ACCEPTED, now)
        self.tell(agent, cause)

    # --- the site, and restoring ----------------------------------------------------------------------------------

    def load(self, site: Configured, now: float) -> None:
        """Take over a site. Who is gone from it finishes what they are at; a queue that is gone serves its last."""
        profiles = {profile.agent_id: profile for profile in site.agents}
        for agent in [*self.agents.values()]:
            if agent.agent_id not in profiles:
                self._retire(agent, now)
        self.idle.clear()
        self.queues: dict[str, QueueRules] = {rules.queue: rules for rules in site.queues}
        self.matching = Matching(profiles.values())
        for agent_id, profile in profiles.items():
            known = self.agents.get(agent_id)
            if known is None:
                self.agents[agent_id] = Agent(profile, since=now, ready_since=now)
                continue
            known.profile, known.retired = profile, False
            if known.ready:
                self.list(known)
        for contact in self.contacts.values():
            contact.rules = self.queues.get(contact.entered.queue, contact.rules)
            contact.line = self.matching.line(contact.rules, contact.entered.needs)
            if contact.offer is None:
                contact.line.waiting.push(contact.priority, contact.contact_id)

    def restore(self, snapshot: Snapshot) -> None:
        """Make a fresh board's state that of `snapshot`, as `Acd.restore` says."""
        for seen in snapshot.agents:
            known = self.agents.get(seen.agent_id)
            if known is not None:
                self.agents[seen.agent_id] = seen.agent(known.profile)
        for queue in snapshot.queues:
            for view in queue.waiting:
                self._restore_contact(view)
        for agent in self.agents.values():
            self._restore_agent(agent, snapshot.at)

    def _retire(self, agent: Agent, now: float) -> None:
        agent.retired = True
        self.unlist(agent)
        if agent.choose(Choice(Presence.LOGGED_OUT), now) is not None:
            self.tell(agent, "configured")
        if agent.activity is Activity.IDLE:
            self.dismiss(agent)

    def _restore_contact(self, view: ContactView) -> None:
        contact = self.contacts[view.entered.contact_id] = self.new_contact(view.entered)
        contact.offers_made = view.offers_made
        contact.not_preferred = view.not_preferred
        for refused in view.refusals:
            contact.refusals[refused.agent_id] = self.offers[refused.offer_id] = refused
        offer = view.offer
        agent = self.agents.get(offer.agent_id) if offer is not None else None
        if offer is None or agent is None or agent.activity is not Activity.RESERVED or agent.offer_id is not None:
            contact.line.waiting.push(contact.priority, contact.contact_id)
            return
        contact.offer = self.offers[offer.offer_id] = offer
        agent.offer_id = offer.offer_id
        agent.contact_id = offer.contact_id
        self.deadlines.push(offer.expires_at, (OFFER, offer.offer_id))

    def _restore_agent(self, agent: Agent, now: float) -> None:
        if agent.activity is Activity.RESERVED and agent.offer_id is None:
            agent.take(AgentSignal.RELEASED, now)
            self.tell(agent, Outcome.FAILED.value)
        until = agent.wrap_up_until if agent.activity is Activity.WRAP_UP else agent.spared_until
        if until is not None:
            self.deadlines.push(until, (AGENT, agent.agent_id))
        if agent.ready:
            self.list(agent)
