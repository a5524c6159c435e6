"""Why this pair: the explanation that travels with an offer, made only of what the decision itself looked at.

It is a tuple of what was at hand; `as_dict` spells it out when somebody reads it. What the decision did not need to
look at (why some agent far away was not asked) is told on demand by `routing.acd.explain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from routing.acd.standing import Standing
from routing.model import AgentOrder
from routing.policy import TierPolicy
from routing.requirement import Requirement, show

TOLD_MAX = 5
"""Heads and exclusions told with an offer, each."""


class Why(StrEnum):
    """What brought the pair together."""

    ARRIVAL = "arrival"  # a contact began to wait and found an agent
    AFFINITY = "affinity"  # it began to wait and its preferred agent was ready
    STEP = "step"  # its reach widened and found an agent
    AGENT_FREE = "agent_free"  # an agent became ready and found a contact
    REMATCH = "rematch"  # the site changed, a queue began to lend, or the engine was restored


class OfferTrace(Struct, frozen=True, gc=False):
    """One decision: what was at hand, and by properties what follows from it.

    `made_at` is the instant of the decision, `entered_at` that at which the contact entered, `ready_since` that at
    which the agent became ready. `asked` are the skills that the contact's step asks for, `skills` what the agent
    holds. What was compared, the winner among it: for a free agent `contacts`, one a value tier, as (tier, (entered at,
    contact id)); for a contact that looked for agents `agents`, their standings by the order `by`.
    `excluded`: (agent id, reason) of who might have been expected instead.
    """

    why: Why
    queue: str
    step: int
    requires: Requirement
    rank: int
    value_tier: int
    policy: TierPolicy
    made_at: float
    entered_at: float
    ready_since: float
    asked: Sequence[str]
    skills: Mapping[str, int]
    contacts: Sequence[tuple[int, tuple[float, str]]] = ()
    agents: Sequence[Standing] = ()
    by: AgentOrder = AgentOrder.LONGEST_IDLE
    excluded: tuple[tuple[str, str], ...] = ()
    comeback: bool = False
    overdue: bool = False

    @property
    def wait_s(self) -> float:
        """The contact's age, in seconds."""
        return self.made_at - self.entered_at

    @property
    def score(self) -> float:
        """The contact's score."""
        return self.policy.score(self.value_tier, self.wait_s)

    @property
    def idle_s(self) -> float:
        """How long the agent had been ready, in seconds."""
        return self.made_at - self.ready_since

    @property
    def proficiency(self) -> int:
        """The sum of the levels that the agent holds in the skills asked for."""
        return sum(self.skills.get(skill, 0) for skill in self.asked)

    @property
    def heads(self) -> tuple[tuple[str, float], ...]:
        """What was compared as (id, key): a contact with its score, an agent with what the agent order goes by."""
        scores = ((head[1], self.policy.score(tier, self.made_at - head[0])) for tier, head in self.contacts)
        by_age = self.by is AgentOrder.LONGEST_IDLE
        agents = ((agent_id, ready_since if by_age else measure) for measure, ready_since, agent_id in self.agents)
        return (*scores, *agents)

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return {
            "why": self.why.value,
            "queue": self.queue,
            "step": self.step,
            "requires": show(self.requires),
            "rank": self.rank,
            "value_tier": self.value_tier,
            "wait_s": self.wait_s,
            "score": self.score,
            "idle_s": self.idle_s,
            "proficiency": self.proficiency,
            "heads": [list(head) for head in self.heads],
            "excluded": [list(each) for each in self.excluded],
            "comeback": self.comeback,
            "overdue": self.overdue,
        }
