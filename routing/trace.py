"""Why this pair: the short explanation that travels with an offer, made only of what is at hand."""

from __future__ import annotations

from enum import StrEnum

from routing.agents import Agent
from routing.contacts import Contact

EXCLUDED_MAX = 3
"""Exclusions told with an offer; the full account is not the fast path's work."""


class Why(StrEnum):
    """What brought the pair together."""

    ARRIVAL = "arrival"  # a contact began to wait and found an agent
    AFFINITY = "affinity"  # its preferred agent was ready
    AGENT_FREE = "agent_free"  # an agent became ready and found a contact
    REMATCH = "rematch"  # the site changed, or the engine was restored


def trace(why: Why, contact: Contact, agent: Agent, *, candidates: int, now: float) -> dict[str, object]:
    """The trace of an offer, as `MakeOffer` documents it."""
    return {
        "why": why.value,
        "candidates": candidates,
        "proficiency": contact.line.needs.proficiency_of(agent.profile.skills),
        "idle_s": now - agent.ready_since,
        "value_tier": contact.entered.value_tier,
        "wait_s": now - contact.entered.entered_at,
        "excluded": _excluded(contact, agent),
    }


def _excluded(contact: Contact, chosen: Agent) -> list[tuple[str, str]]:
    """Who might have been expected instead, and why not: the preferred agent, then the last to let an offer go."""
    told: list[tuple[str, str]] = []
    if contact.not_preferred is not None and contact.entered.preferred_agent is not None:
        told.append((contact.entered.preferred_agent, contact.not_preferred))
    for offer in reversed(contact.refusals.values()):
        if len(told) == EXCLUDED_MAX:
            break
        if offer.outcome is not None and offer.agent_id != chosen.agent_id:
            told.append((offer.agent_id, offer.outcome.value))
    return told
