"""The rules of distribution said the obvious way: look at everyone, each time. The baseline of E4, and an oracle.

It follows an engine: it hears the same inputs, is told the same decisions, and can say at any instant which contact an
agent should be given or which agent a contact should be given, from the rules alone (routing/policy.py and
routing/model.py). It shares no index, no order and no timer with the engine; what it shares is what a requirement
means (`routing.requirement`) and what the tiers promise (`TierPolicy.score`).

As a baseline it is no straw man: whether an agent meets a requirement is worked out once and remembered.
"""

from dataclasses import dataclass, field

from routing.messages import (
    AgentChanged,
    Configured,
    Decision,
    Diverted,
    Entered,
    Input,
    Left,
    MakeOffer,
    OfferSettled,
    RescindOffer,
)
from routing.model import Activity, AgentOrder, AgentProfile, Outcome, Presence, QueueRules
from routing.policy import Discipline, Tier
from routing.requirement import Experience, Requirement, both, met, proficiency

GRAIN_S = 1e-6
"""Times closer than this are the same time: a timer that is due may be that much early."""

ALONE = 0
"""The rank of an agent for the contacts that wait for them alone."""


@dataclass(slots=True)
class Worker:
    """An agent as last told. `place`: where in the site; `spared_until`: no offer before that.

    `let_go`: the contact whose offer to them came to nothing last, and when; it looks for others first.
    """

    profile: AgentProfile
    place: int
    presence: Presence = Presence.LOGGED_OUT
    activity: Activity = Activity.IDLE
    reachable: bool = False
    ready_since: float = 0.0
    spared_until: float = 0.0
    let_go: tuple[str, float] | None = None

    def ready(self, now: float) -> bool:
        """Whether an offer may be made to them."""
        idle = self.activity is Activity.IDLE and self.presence is Presence.AVAILABLE
        return idle and self.reachable and self.spared_until <= now


@dataclass(slots=True)
class Reach:
    """A whole requirement, and which agents were found to meet it. `staffed`: the answer when `logins` was so many."""

    requires: Requirement
    known: dict[str, bool] = field(default_factory=dict)
    staffed: tuple[int, bool] = (-1, False)

    def met_by(self, profile: AgentProfile) -> bool:
        """Whether this agent meets it."""
        known = self.known.get(profile.agent_id)
        if known is None:
            known = self.known[profile.agent_id] = met(self.requires, profile)
        return known


@dataclass(slots=True)
class Caller:
    """A contact as last told. Its step clock stood at `clock_s` and runs since `since` (None: it stands).

    `rank` is its value tier. `reaches` by step and experience asked for; shared by those who require the same.
    """

    entered: Entered
    rules: QueueRules
    tier: Tier
    rank: int
    preferred_s: float
    clock_s: float
    since: float | None
    reaches: dict[tuple[int, int], Reach]
    refused_by: set[str] = field(default_factory=set)

    def clock(self, now: float) -> float:
        """How long it waited in this queue, without the time in which an offer rang."""
        return self.clock_s + (0.0 if self.since is None else now - self.since)

    def reach(self, step: int, least: int) -> Reach:
        """Whom it may be given to in this step, with at least this experience; memberships aside."""
        found = self.reaches.get((step, least))
        if found is None:
            extra = (Experience(least),) if least else ()
            parts = (self.rules.requires, self.entered.requires, self.rules.steps[step].requires, *extra)
            found = self.reaches[step, least] = Reach(both(*parts))
        return found


class Scan:
    """Everyone, and the two searches."""

    def __init__(self, site: Configured) -> None:
        self.policy = site.policy
        self.queues = {rules.queue: rules for rules in site.queues}
        self.workers = {profile.agent_id: Worker(profile, at) for at, profile in enumerate(site.agents)}
        self.callers: dict[str, Caller] = {}
        self.offers: dict[str, tuple[str, str]] = {}
        self.logins = 0
        self._reaches: dict[tuple[str, Requirement, int], dict[tuple[int, int], Reach]] = {}

    # --- following --------------------------------------------------------------------------------------------------

    def hear(self, given: Input, now: float) -> None:
        """What the engine was given; what it does to agents, the decisions tell."""
        match given:
            case Entered():
                rules, tier = self.queues[given.queue], self.policy.tier(given.value_tier)
                rank = self.policy.tiers.index(tier)
                preferred_s = max(given.preferred_wait_s, rules.preferred_wait_s, tier.preferred_wait_s)
                reaches = self._reaches.setdefault((given.queue, given.requires, rank), {})
                caller = Caller(given, rules, tier, rank, preferred_s, given.clock_s, now, reaches)
                self.callers[given.contact_id] = caller
            case Left():
                self.callers.pop(given.contact_id, None)
            case OfferSettled() if given.offer_id in self.offers:
                self._settled(given.offer_id, given.outcome, now)

    def told(self, decision: Decision, now: float) -> None:
        """What the engine decided: who is busy with whom. Whether it was right is asked before, with the searches."""
        match decision:
            case MakeOffer():
                caller = self.callers[decision.contact_id]
                caller.clock_s, caller.since = caller.clock(now), None
                self.offers[decision.offer_id] = (decision.contact_id, decision.agent_id)
                self.workers[decision.agent_id].activity = Activity.RESERVED
            case RescindOffer() if decision.offer_id in self.offers:
                self._settled(decision.offer_id, decision.outcome, now)
            case Diverted():
                self.callers.pop(decision.contact_id, None)
            case AgentChanged() if decision.activity is not Activity.RESERVED:
                self._changed(self.workers[decision.agent_id], decision)

    def _settled(self, offer_id: str, outcome: Outcome, now: float) -> None:
        contact_id, agent_id = self.offers.pop(offer_id)
        if outcome in {Outcome.ACCEPTED, Outcome.CALLER_GONE}:
            self.callers.pop(contact_id, None)
        elif (caller := self.callers.get(contact_id)) is not None:
            caller.since = now
            caller.refused_by.add(agent_id)
            worker = self.workers[agent_id]
            worker.spared_until, worker.let_go = now + caller.rules.delay_s(outcome), (contact_id, now)

    def _changed(self, worker: Worker, told: AgentChanged) -> None:
        done = told.activity is Activity.IDLE and worker.activity in {Activity.TALKING, Activity.WRAP_UP}
        back = told.presence is Presence.AVAILABLE and worker.presence is not Presence.AVAILABLE
        if done or back:
            worker.ready_since = told.since
        self.logins += Presence.LOGGED_OUT in {told.presence, worker.presence} and told.presence != worker.presence
        worker.presence, worker.activity, worker.reachable = told.presence, told.activity, told.reachable

    # --- the rules --------------------------------------------------------------------------------------------------

    def first_contact(self, agent_id: str, now: float) -> str | None:
        """The contact that this agent is given when they become ready: a look at all who wait."""
        worker = self.workers[agent_id]
        ranked = [(rank, each) for each in self.callers.values() if (rank := self.rank(worker, each, now)) is not None]
        overdue = [each for _, each in ranked if self._due_at(each) <= now]
        if overdue:
            return min((self._due_at(each), each.entered.entered_at, each.entered.contact_id) for each in overdue)[2]
        # Who waits for this agent alone competes with the best rank that has anybody, whatever it is.
        best = min((rank for rank, _ in ranked if rank != ALONE), default=ALONE)
        return min((self._turn(each, now) for rank, each in ranked if rank in {best, ALONE}), default=(None,))[-1]

    def first_agent(self, contact_id: str, now: float, *, enters: bool = False) -> str | None:
        """The agent that this contact is given to when it begins to wait: a look at all who are ready.

        When it `enters`, its preferred agent has it if they are ready, even if no other is to be waited for.
        """
        caller = self.callers[contact_id]
        if enters and (preferred := self._preferred(caller)) is not None and preferred.ready(now):
            return preferred.profile.agent_id
        able = [
            (rank, each)
            for each in self.workers.values()
            if each.ready(now)
            and each.let_go != (contact_id, now)
            and (rank := self.rank(each, caller, now)) is not None
        ]
        able = [each for each in able if each[1].profile.agent_id not in caller.refused_by] or able
        return min((self._place(rank, each, caller, now) for rank, each in able), default=(None,))[-1]

    def rank(self, worker: Worker, caller: Caller, now: float) -> int | None:
        """At which rank the agent serves the contact, were both free; None if they may not."""
        if caller.since is None:
            return None
        clock_s = caller.clock_s + now - caller.since
        if caller.entered.preferred_agent is not None and self._waits_for_preferred(caller, clock_s):
            return ALONE if caller.entered.preferred_agent == worker.profile.agent_id else None
        membership = worker.profile.membership(caller.rules.queue)
        if membership is None or membership.delay_s > clock_s + GRAIN_S:
            return None
        return membership.rank if self.reach(caller, clock_s).met_by(worker.profile) else None

    def reach(self, caller: Caller, clock_s: float) -> Reach:
        """Whom the contact may be given to at this step clock; what nobody at work could meet is left out."""
        steps, tier, step = caller.rules.steps, caller.tier, 0
        while step + 1 < len(steps) and steps[step + 1].after_s <= clock_s + GRAIN_S:
            step += 1
        queue, found = caller.rules.queue, caller.reach(step, 0)
        while steps[step].skip_if_unstaffed and step + 1 < len(steps) and not self._staffed(found, queue):
            step += 1
            found = caller.reach(step, 0)
        if tier.experience and clock_s + GRAIN_S < tier.spill_s:
            experienced = caller.reach(step, tier.experience)
            return experienced if self._staffed(experienced, queue) else found
        return found

    def _staffed(self, reach: Reach, queue: str) -> bool:
        if reach.staffed[0] != self.logins:
            at_work = [each.profile for each in self.workers.values() if each.presence is not Presence.LOGGED_OUT]
            members = [each for each in at_work if each.membership(queue) is not None]
            reach.staffed = (self.logins, any(reach.met_by(each) for each in members))
        return reach.staffed[1]

    def _waits_for_preferred(self, caller: Caller, clock_s: float) -> bool:
        if clock_s + GRAIN_S >= caller.preferred_s:
            return False
        preferred = self._preferred(caller)
        return preferred is not None and preferred.presence is Presence.AVAILABLE and preferred.reachable

    def _preferred(self, caller: Caller) -> Worker | None:
        """The preferred agent, if they have not let the contact go, and may serve it at last if nobody else did."""
        preferred = self.workers.get(caller.entered.preferred_agent or "")
        if preferred is None or preferred.profile.agent_id in caller.refused_by:
            return None
        member = preferred.profile.membership(caller.rules.queue) is not None
        last = caller.reach(len(caller.rules.steps) - 1, 0)
        return preferred if member and last.met_by(preferred.profile) else None

    def _due_at(self, caller: Caller) -> float:
        return caller.entered.entered_at + caller.tier.starvation_s

    def _turn(self, caller: Caller, now: float) -> tuple[float, float, str]:
        """Smaller is served first, among those who are not overdue; ends in (entered_at, contact id)."""
        entered = caller.entered
        match self.policy.discipline:
            case Discipline.STRICT:
                turn = float(caller.rank)
            case Discipline.LIFO:
                turn = -entered.entered_at
            case Discipline.QUEUE_RATIO:
                waiting = [each.rank for each in self.callers.values() if each.since is not None]
                share = caller.tier.share / sum(each.share for each in self.policy.tiers)
                turn = share * len(waiting) - waiting.count(caller.rank)
            case _:
                turn = -self.policy.score(caller.rank, now - entered.entered_at)
        return (turn, entered.entered_at, entered.contact_id)

    def _place(self, rank: int, worker: Worker, caller: Caller, now: float) -> tuple[int, float, float, str]:
        """Smaller is offered the contact first; ends in (ready since, agent id)."""
        skilled = proficiency(self.reach(caller, caller.clock(now)).requires, worker.profile.skills)
        measure = {
            AgentOrder.LONGEST_IDLE: 0.0,
            AgentOrder.MOST_PROFICIENT: -float(skilled),
            AgentOrder.LEAST_PROFICIENT: float(skilled),
            AgentOrder.LINEAR: float(worker.place),
        }[caller.rules.agent_order]  # the others need a memory of what agents did, and are not measured here
        return (rank, measure, worker.ready_since, worker.profile.agent_id)
