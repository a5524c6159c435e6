"""Who may serve whom, said from the rules and from what can be seen: an oracle for the laws of the ACD.

It looks at everybody each time and remembers nothing. It shares with the engine what a requirement means
(`routing.requirement`) and the site; no line, group, rung, order or timer.
"""

from dataclasses import dataclass, field, replace

from routing.acd.snapshot import AgentView, ContactView, Snapshot
from routing.messages import Configured
from routing.model import Activity, AgentProfile, Membership, Presence, QueueRules
from routing.policy import Tier
from routing.requirement import Experience, Requirement, both, met

GRAIN_S = 1e-6
"""Times closer than this are the same: a timer that is due may be that much early."""


@dataclass
class Floor:
    """A site, what can be seen of it now, and which loans are on, as (borrower, lender)."""

    site: Configured
    seen: Snapshot
    lent: frozenset[tuple[str, str]] = frozenset()
    profiles: dict[str, AgentProfile] = field(init=False)
    queues: dict[str, QueueRules] = field(init=False)
    agents: dict[str, AgentView] = field(init=False)

    def __post_init__(self) -> None:
        self.profiles = {profile.agent_id: profile for profile in self.site.agents}
        self.queues = {rules.queue: rules for rules in self.site.queues}
        self.agents = {view.agent_id: view for view in self.seen.agents}

    def contacts(self) -> list[ContactView]:
        """Everybody in a queue."""
        return [view for queue in self.seen.queues for view in queue.waiting]

    def waiting(self) -> list[ContactView]:
        """Those whom nobody is asked for, though somebody could be."""
        return [view for view in self.contacts() if not view.offers and view.away is None]

    def ready(self, agent_id: str) -> bool:
        """Whether an offer may be made to this agent now."""
        view = self.agents[agent_id]
        idle = view.presence is Presence.AVAILABLE and view.activity is Activity.IDLE
        return agent_id in self.profiles and idle and view.reachable and view.spared_until is None

    def part(self, profile: AgentProfile, queue: str) -> Membership | None:
        """The agent's own part in the queue, or the one by a loan that is on."""
        own = profile.membership(queue)
        if own is not None:
            return own
        lenders = [loan.lender for loan in self.queues[queue].loans if (queue, loan.lender) in self.lent]
        return Membership() if any(profile.membership(lender) is not None for lender in lenders) else None

    def staffed(self, requires: Requirement, queue: str) -> bool:
        """Whether anybody is logged in who meets this and has a part in the queue, whatever they do now."""
        return any(
            met(requires, profile) and self.part(profile, queue) is not None
            for profile in self.site.agents
            if self.agents[profile.agent_id].presence is not Presence.LOGGED_OUT
        )

    def tier(self, view: ContactView) -> Tier:
        """The contact's tier."""
        return self.site.policy.tier(view.entered.value_tier)

    def step_at(self, view: ContactView) -> int:
        """The step of the contact: as its clock says, or later if steps were left; unstaffed ones are skipped."""
        steps = self.queues[view.entered.queue].steps
        step = min(view.step, len(steps) - 1)
        while step + 1 < len(steps) and steps[step + 1].after_s <= view.clock_s + GRAIN_S:
            step += 1
        while steps[step].skip_if_unstaffed and step + 1 < len(steps) and not self._staffed_step(view, step):
            step += 1
        return step

    def _staffed_step(self, view: ContactView, step: int) -> bool:
        return self.staffed(self.of_step(view, step), view.entered.queue)

    def of_step(self, view: ContactView, step: int) -> Requirement:
        """The whole requirement in a step, experience aside."""
        rules = self.queues[view.entered.queue]
        return both(rules.requires, view.entered.requires, rules.steps[step].requires)

    def wanted(self, view: ContactView, step: int) -> Requirement:
        """What is required of agents now: in this step, the experienced first."""
        plain, tier = self.of_step(view, step), self.tier(view)
        if tier.experience > 0 and view.clock_s + GRAIN_S < tier.spill_s:
            experienced = both(plain, Experience(tier.experience))
            if self.staffed(experienced, view.entered.queue):
                return experienced
        return plain

    def sees(self, profile: AgentProfile, view: ContactView) -> bool:
        """Whether the agent has a part in the contact's queue and the contact is old enough for it."""
        part = self.part(profile, view.entered.queue)
        return part is not None and part.delay_s <= view.clock_s + GRAIN_S

    def waited_for(self, view: ContactView) -> str | None:
        """The preferred agent whom the contact waits for alone now, if it does; once given up, it waits for all."""
        entered = view.entered
        rules, tier = self.queues[entered.queue], self.tier(view)
        preferred = self.agents.get(entered.preferred_agent or "")
        longest_s = max(entered.preferred_wait_s, rules.preferred_wait_s, tier.preferred_wait_s)
        if preferred is None or view.clock_s + GRAIN_S >= min(longest_s, view.preferred_until_s):
            return None
        stays = preferred.requested_next is None or preferred.activity is Activity.IDLE
        there = preferred.presence is Presence.AVAILABLE and stays and preferred.reachable
        refused = any(offer.agent_id == preferred.agent_id for offer in view.refusals)
        able = there and not refused and self.may_be_preferred(preferred.agent_id, view)
        return preferred.agent_id if able else None

    def may_be_preferred(self, agent_id: str, view: ContactView) -> bool:
        """Whether the agent may serve the contact as its preferred one: a member, by this step or by the last."""
        profile = self.profiles.get(agent_id)
        last = len(self.queues[view.entered.queue].steps) - 1
        return (
            profile is not None
            and profile.membership(view.entered.queue) is not None
            and any(met(self.of_step(view, step), profile) for step in (min(view.step, last), last))
        )

    def may_serve(self, agent_id: str, view: ContactView) -> bool:
        """Whether the agent, were they ready, may be given this contact, which waits."""
        profile = self.profiles.get(agent_id)
        if profile is None:
            return False
        waited_for = self.waited_for(view)
        if waited_for is not None:
            return waited_for == agent_id
        return self.sees(profile, view) and met(self.wanted(view, self.step_at(view)), profile)

    def may_serve_surely(self, agent_id: str, view: ContactView) -> bool:
        """As `may_serve`, and a moment ago too: a timer that is due at this very instant need not have been told."""
        earlier = replace(view, clock_s=view.clock_s - 3 * GRAIN_S)
        return self.may_serve(agent_id, view) and self.may_serve(agent_id, earlier)

    def due_at(self, view: ContactView) -> float:
        """When the contact is overdue."""
        return view.entered.entered_at + self.tier(view).starvation_s
