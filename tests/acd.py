"""Small centers for tests of the ACD: a site, its agents ready, and what was decided in short."""

from collections.abc import Mapping

from routing.engine import Acd
from routing.messages import (
    Configured,
    Decision,
    DeviceChanged,
    Entered,
    Input,
    MakeOffer,
    OfferSettled,
    PresenceChosen,
)
from routing.model import AgentProfile, Needs, Outcome, Presence, QueueRules
from routing.snapshot import AgentView


def site(agents: Mapping[str, Mapping[str, int]], *queues: QueueRules) -> Configured:
    """A site with these agents, and one queue `orders` unless others are given."""
    profiles = tuple(AgentProfile(agent_id, skills) for agent_id, skills in agents.items())
    return Configured(queues or (QueueRules("orders"),), profiles)


def staffed(config: Configured) -> Acd:
    """An engine whose agents became available one second apart, in the order of the site."""
    acd = Acd(config, 0.0)
    for at, profile in enumerate(config.agents, start=1):
        acd.step(DeviceChanged(profile.agent_id, reachable=True), at)
        acd.step(PresenceChosen(profile.agent_id, Presence.AVAILABLE), at)
    return acd


def entered(contact_id: str, entered_at: float, **more: object) -> Entered:
    """A contact that entered `orders` with no needs of its own, unless told otherwise."""
    fields: dict[str, object] = {"queue": "orders", "needs": Needs(), "value_tier": 1} | more
    return Entered(contact_id, entered_at=entered_at, **fields)  # type: ignore[arg-type]


def offers(decisions: list[Decision]) -> list[tuple[str, str]]:
    """Who is offered whom: (contact, agent)."""
    return [(each.contact_id, each.agent_id) for each in decisions if isinstance(each, MakeOffer)]


def agent(acd: Acd, agent_id: str) -> AgentView:
    """What is seen of this agent now."""
    return next(view for view in acd.snapshot().agents if view.agent_id == agent_id)


def run(acd: Acd, now: float, *given: Input) -> list[Decision]:
    """All decisions of these inputs at one instant."""
    return [decision for each in given for decision in acd.step(each, now)]


def settled(offer_id: str, outcome: Outcome) -> OfferSettled:
    """The session's word about an offer."""
    return OfferSettled(offer_id, outcome)
