"""The books of the ACD: who waits, who is idle, what is offered and until when; every entry made in one place.

The moves here keep the books consistent with each other and tell what changed. None of them looks for a match: that
is the part of `routing.acd.pairing`, after each move.
"""

from __future__ import annotations

from routing.acd.agents import Agent, AgentSignal
from routing.acd.contacts import NO_REFUSALS, Contact
from routing.acd.deadlines import Deadlines
from routing.acd.ladder import CLOCK_GRAIN_S, Ladder, Rung, ladder, rungs
from routing.acd.match import Group, Line, Matching
from routing.acd.newcomers import Least
from routing.acd.offers import Offer
from routing.acd.order import Order
from routing.acd.standing import Standing, standing
from routing.acd.trace import OfferTrace
from routing.messages import AgentChanged, Configured, Decision, Entered, MakeOffer, RescindOffer
from routing.model import Activity, Choice, Outcome, Presence, QueueRules, UnknownQueueError
from routing.requirement import Requirement

OFFER, AGENT, CONTACT, CALLBACK, WATCH = "offer", "agent", "contact", "callback", "watch"
"""Kinds of deadline: an offer's ring time; an agent's wrap-up or delay, which never run together; the next change of a
contact's reach; a callback's next attempt or expiry; the next look at loans and callbacks."""

# Looked up once: a member of an Enum is found ten times slower than a global.
_OFFERED, _ACCEPTED = AgentSignal.OFFERED, AgentSignal.ACCEPTED


class Board:
    """State under `site`, and the decisions not yet told. Agents start logged out, their phones unreachable."""

    def __init__(self, site: Configured, now: float) -> None:
        self.decisions: list[Decision] = []
        self.contacts: dict[str, Contact] = {}
        self.agents: dict[str, Agent] = {}
        self.idle: dict[
            str, list[Standing]
        ] = {}  # who is listed in a group, and as what, by order of `matching.orders`
        self.offers: dict[str, Offer] = {}  # pending, and those in a contact's refusals
        self.deadlines = Deadlines((OFFER, AGENT, CONTACT, CALLBACK, WATCH))
        self.in_queue: dict[str, int] = {}
        self.turns = 0
        self.load(site, now)

    # --- contacts -------------------------------------------------------------------------------------------------

    def rules(self, queue: str) -> QueueRules:
        """The rules of a queue; raises UnknownQueueError."""
        rules = self.queues.get(queue)
        if rules is None:
            raise UnknownQueueError(queue)
        return rules

    def ladder(self, rules: QueueRules, tier: int, requires: Requirement) -> Ladder:
        """The ladder of contacts like this, made once."""
        key = (rules.queue, tier, requires)
        known = self._ladders.get(key)
        if known is None:
            policy = self.order.policy.tier(tier)
            alike = (rules.queue, policy.experience, requires)
            if alike not in self._rungs:
                self._rungs[alike] = rungs(rules, policy.experience, requires)
            delays = self.matching.delays(rules.queue)
            known = self._ladders[key] = ladder(rules, tier, policy, self._rungs[alike], delays)
        return known

    def line(self, reach: Ladder, rung: int, delay_s: float, *, experienced: bool = False) -> Line:
        """The line of contacts on this rung whom members up to this delay see, found once."""
        key = (rung, experienced, delay_s)
        line = reach.lines.get(key)
        if line is None:
            step = reach.rungs[rung]
            requires = step.experienced if experienced and step.experienced is not None else step.requires
            line = reach.lines[key] = self.matching.line(reach.rules, requires, delay_s, reach.tier)
        return line

    def new_contact(self, told: Entered, entered: Entered) -> Contact:
        """A contact, not yet in the books; raises UnknownQueueError."""
        rules = self.rules(entered.queue)
        reach = self.ladder(rules, entered.value_tier, entered.requires)
        return Contact(
            told=told,
            entered=entered,
            rules=rules,
            ladder=reach,
            line=self.line(reach, 0, reach.delay_s(entered.clock_s)),
            clock_s=entered.clock_s,
            offers_made=entered.offers_made,
            refusals=NO_REFUSALS,
            attempts=0 if told.so_far is None else told.so_far.attempts,
            preferred_until_s=self.preferred_until_s(rules, entered),
        )

    def add(self, contact: Contact) -> None:
        """Enter a contact in the books; it waits nowhere yet."""
        self.contacts[contact.contact_id] = contact
        self.in_queue[contact.rules.queue] = self.in_queue.get(contact.rules.queue, 0) + 1

    def push(self, contact: Contact, now: float) -> None:
        """Put a waiting contact into its line, and set its alarm for the next change of its reach."""
        entered = contact.entered
        contact.line.push(entered.entered_at, entered.contact_id)
        self.order.waiting_by_tier[contact.line.tier] += 1
        self.set_alarm(contact, now)

    def pull(self, contact: Contact) -> None:
        """Take a contact out of its line; its clock runs on."""
        entered = contact.entered
        contact.line.remove(entered.entered_at, entered.contact_id)
        self.order.waiting_by_tier[contact.line.tier] -= 1

    def set_alarm(self, contact: Contact, now: float) -> None:
        """The instant at which the contact's reach changes next, if it does while it waits on."""
        clock_s = contact.clock(now)
        changes_s = contact.ladder.next_s(clock_s, contact.rung)
        alone_s = contact.preferred_until_s
        if alone_s > clock_s + CLOCK_GRAIN_S and (changes_s is None or alone_s < changes_s):
            changes_s = alone_s
        if changes_s is not None:
            self.deadlines.set(now + changes_s - clock_s, CONTACT, contact.entered.contact_id)

    def stand_still(self, contact: Contact, now: float) -> None:
        """Stop the contact's step clock; it is in no line."""
        contact.clock_s = contact.clock(now)
        contact.waiting_since = None
        self.deadlines.drop(CONTACT, contact.entered.contact_id)

    def forget(self, contact: Contact) -> None:
        """Drop a contact that is in no line any more, with all its offers."""
        contact_id = contact.contact_id
        del self.contacts[contact_id]
        self.in_queue[contact.rules.queue] -= 1
        self.deadlines.drop(CONTACT, contact_id)
        self.deadlines.drop(CALLBACK, contact_id)
        for offer in contact.offers:
            self.deadlines.drop(OFFER, offer.offer_id)
            del self.offers[offer.offer_id]
        for offer in contact.refusals.values():
            del self.offers[offer.offer_id]

    # --- agents ---------------------------------------------------------------------------------------------------

    def tell(self, agent: Agent, cause: str) -> None:
        """Tell the agent's state, whole; and keep count of who is at work."""
        if agent.counted is not agent.presence:
            self._recount(agent)
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
        group = self.matching.group_of[agent.agent_id]
        orders = self.matching.orders
        standings = self.idle[agent.agent_id] = [standing(agent, order) for order in orders]
        for order, each in zip(orders, standings, strict=True):
            group.add(order, each)

    def unlist(self, agent: Agent) -> None:
        """Strike an agent off the idle, before anything that might make them unready."""
        standings = self.idle.pop(agent.agent_id, None)
        if standings is not None:
            group = self.matching.group_of[agent.agent_id]
            for order, each in zip(self.matching.orders, standings, strict=True):
                group.remove(order, each)

    def choose(self, agent: Agent, choice: Choice, now: float) -> None:
        """Apply what the agent chose, and tell it; the agent is not listed."""
        cause = agent.choose(choice, now)
        if cause is not None:
            self.tell(agent, cause)

    def _recount(self, agent: Agent) -> None:
        """The agent's presence changed; who logs in begins level with the others."""
        if agent.retired:
            return
        came = agent.counted is Presence.LOGGED_OUT
        self._count(agent, agent.counted)
        if came:
            agent.misses = 0
            agent.contacts = int(self._contacts.besides(agent))
            agent.stride = max(agent.stride, self._strides.besides(agent))
            self._join(agent)

    def recount_restored(self, agent: Agent) -> None:
        """Count an agent whose state was restored, whose measures stay as they are."""
        self._count(agent, Presence.LOGGED_OUT)
        if agent.presence is not Presence.LOGGED_OUT:
            self._join(agent)

    def _join(self, agent: Agent) -> None:
        self._contacts.join(agent)
        self._strides.join(agent)

    def _count(self, agent: Agent, before: Presence) -> None:
        group = self.matching.group_of[agent.agent_id]
        now = agent.counted = agent.presence
        group.staffed += (now is not Presence.LOGGED_OUT) - (before is not Presence.LOGGED_OUT)
        group.available += (now is Presence.AVAILABLE) - (before is Presence.AVAILABLE)

    def unspare(self, agent: Agent) -> None:
        """End an agent's delay, if one runs."""
        if agent.spared_until is not None:
            agent.unspare()
            self.deadlines.drop(AGENT, agent.agent_id)

    def dismiss(self, agent: Agent) -> None:
        """Drop an agent who is not the site's any more."""
        self.unlist(agent)
        self.unspare(agent)
        del self.agents[agent.agent_id]

    # --- offers ---------------------------------------------------------------------------------------------------

    def offer(self, contact: Contact, agent: Agent, trace: OfferTrace, now: float) -> None:
        """Offer a contact that is in no line to a ready agent."""
        self.unlist(agent)
        if contact.waiting_since is not None:
            self.stand_still(contact, now)
        contact_id, agent_id = contact.entered.contact_id, agent.agent_id
        contact.offers_made += 1
        offer_id = f"{contact_id}.o{contact.offers_made}"
        expires_at = now + contact.rules.ring_s
        offer = Offer(offer_id, contact_id, agent_id, now, expires_at)
        contact.offers = (*contact.offers, offer)
        self.offers[offer_id] = offer
        self.deadlines.set(expires_at, OFFER, offer_id)
        self.turns += 1
        agent.turn = self.turns
        agent.take(_OFFERED, now)
        agent.offer_id = offer_id
        agent.contact_id = contact_id
        self.tell(agent, "offered")
        callback = contact.entered.callback
        self.decisions.append(MakeOffer(offer_id, contact_id, agent_id, now, expires_at, trace, callback))

    def rescind(self, offer: Offer, outcome: Outcome, now: float) -> tuple[Contact, Agent]:
        """Settle an offer on our own account; returns as `close` does."""
        self.decisions.append(RescindOffer(offer.offer_id, offer.contact_id, outcome))
        return self.close(offer, outcome, now)

    def close(self, offer: Offer, outcome: Outcome, now: float) -> tuple[Contact, Agent]:
        """Settle an offer that came to nothing; returns its contact, in no line, and its agent, not listed."""
        contact, agent = self.contacts[offer.contact_id], self.agents[offer.agent_id]
        self.deadlines.drop(OFFER, offer.offer_id)
        contact.offers = tuple(each for each in contact.offers if each.offer_id != offer.offer_id)
        before = contact.refusals.get(offer.agent_id)
        if before is not None:
            del self.offers[before.offer_id]
        settled = self.offers[offer.offer_id] = offer.settled(outcome)
        others = {agent_id: each for agent_id, each in contact.refusals.items() if agent_id != offer.agent_id}
        contact.refusals = {**others, offer.agent_id: settled}
        agent.offer_id = None
        missed = False
        if outcome is Outcome.NO_ANSWER:
            agent.misses += 1
            missed = agent.misses >= contact.rules.misses_max
        delay_s = contact.rules.delay_s(outcome)
        if delay_s > 0 and not missed:
            agent.spare(outcome, now + delay_s)
            self.deadlines.set(now + delay_s, AGENT, agent.agent_id)
        agent.take(AgentSignal.MISSED if missed else AgentSignal.RELEASED, now)
        self.tell(agent, outcome.value)
        return contact, agent

    def talk(self, contact: Contact, agent: Agent, cause: str, now: float) -> None:
        """The two talk: the contact, which is in no line, is out of the books; the agent is bound to it."""
        self.forget(contact)
        self.engage(agent, contact.entered.contact_id, _ACCEPTED, cause, now)
        agent.wrap_up_s = contact.rules.wrap_up_s
        agent.talk_with = contact.entered
        agent.misses = 0
        agent.contacts += 1
        agent.stride += 1.0 / agent.profile.weight

    def engage(self, agent: Agent, contact_id: str, signal: AgentSignal, cause: str, now: float) -> None:
        """The agent talks in this contact from now on."""
        self.unlist(agent)
        self.unspare(agent)
        agent.offer_id = None
        agent.contact_id = contact_id
        agent.talk_since = now
        agent.take(signal, now)
        self.tell(agent, cause)

    # --- the site -------------------------------------------------------------------------------------------------

    def load(self, site: Configured, now: float) -> None:
        """Take over a site. Who is gone from it finishes what they are at; a queue that is gone serves its last.

        Every contact that waits is in no line afterwards: whoever calls this places it anew.
        """
        profiles = {profile.agent_id: profile for profile in site.agents}
        for agent in [*self.agents.values()]:
            if agent.agent_id not in profiles:
                self._retire(agent, now)
        self.site = site
        self.idle.clear()
        self.queues: dict[str, QueueRules] = {rules.queue: rules for rules in site.queues}
        self.matching = Matching(site.queues, site.agents, site.policy, self._moved)
        self.order = Order(site.policy)
        self._ladders: dict[tuple[str, int, Requirement], Ladder] = {}
        self._rungs: dict[tuple[str, int, Requirement], tuple[Rung, ...]] = {}  # by queue, experience, requirement
        for place, (agent_id, profile) in enumerate(profiles.items()):
            known = self.agents.get(agent_id)
            if known is None:
                known = self.agents[agent_id] = Agent(profile, since=now, ready_since=now)
            known.profile, known.retired, known.place = profile, False, place
            self._count(known, Presence.LOGGED_OUT)
            if known.ready:
                self.list(known)
        self._contacts = Least(self.agents, lambda agent: agent.contacts)
        self._strides = Least(self.agents, lambda agent: agent.stride)
        for contact in self.contacts.values():
            self.rebind(contact)

    def rebind(self, contact: Contact) -> None:
        """Bring a contact under the rules of the site as it is now."""
        entered = contact.entered
        contact.rules = self.queues.get(entered.queue, contact.rules)
        contact.ladder = self.ladder(contact.rules, entered.value_tier, entered.requires)
        contact.preferred_until_s = self.preferred_until_s(contact.rules, entered)
        contact.rung = 0

    def preferred_until_s(self, rules: QueueRules, entered: Entered) -> float:
        """Until which step clock the contact waits for its preferred agent alone: the longest that anybody says."""
        if entered.preferred_agent is None:
            return 0.0
        tier = self.order.policy.tier(entered.value_tier)
        return max(entered.preferred_wait_s, rules.preferred_wait_s, tier.preferred_wait_s)

    def _retire(self, agent: Agent, now: float) -> None:
        self.unlist(agent)
        if agent.choose(Choice(Presence.LOGGED_OUT), now) is not None:
            self.tell(agent, "configured")
        agent.retired = True
        if agent.activity is Activity.IDLE:
            self.dismiss(agent)

    def _moved(self, agent_id: str, before: Group, after: Group) -> None:
        """An agent came into a group of their own: what is listed of them moves along."""
        agent = self.agents.get(agent_id)
        if agent is None:
            return
        counted = agent.counted
        before.staffed -= counted is not Presence.LOGGED_OUT
        after.staffed += counted is not Presence.LOGGED_OUT
        before.available -= counted is Presence.AVAILABLE
        after.available += counted is Presence.AVAILABLE
        for order, each in zip(self.matching.orders, self.idle.get(agent_id, ()), strict=False):
            before.remove(order, each)
            after.add(order, each)
