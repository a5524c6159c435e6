"""Why this pair: the explanation that travels with an offer, made only of what the decision itself looked at.

It is a tuple of what was at hand; `as_dict` spells it out when somebody reads it. What the decision did not need to
look at (why some agent far away was not asked) is told on demand by `routing.explain`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

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


class OfferTrace(NamedTuple):
    """One decision. `heads` are what was compared, the winner among them: (id, key).

    For an arrival they are idle agents by the queue's agent order; for a free agent they are contacts, one a value
    tier, and the key is the score. `excluded`: (agent id, reason) of who might have been expected instead.
    """

    why: Why
    queue: str
    step: int
    requires: Requirement
    rank: int
    value_tier: int
    wait_s: float
    score: float
    idle_s: float
    proficiency: int
    heads: tuple[tuple[str, float], ...]
    excluded: tuple[tuple[str, str], ...] = ()
    comeback: bool = False
    overdue: bool = False

    def as_dict(self) -> dict[str, object]:
        """Plain values under the names above."""
        told: dict[str, object] = self._asdict()
        told["why"] = self.why.value
        told["requires"] = show(self.requires)
        told["heads"] = [list(head) for head in self.heads]
        told["excluded"] = [list(each) for each in self.excluded]
        return told
