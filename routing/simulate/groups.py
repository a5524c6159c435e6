"""Agents of a site who are alike: for sizing, one group of which there may be more or fewer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from routing.messages import Configured
from routing.model import AgentProfile
from routing.requirement import both, met
from routing.simulate.load import Kind


@dataclass(frozen=True, slots=True)
class Group:
    """Agents of the site who are alike: `members` are their ids, `queues` those of which they may serve contacts.

    `tiers` are those that ask for experience, if this group has it.
    """

    profile: AgentProfile
    members: tuple[str, ...]
    queues: tuple[str, ...]
    tiers: tuple[str, ...] = ()

    def agents(self, count: int) -> list[AgentProfile]:
        """So many of them: the site's own, and then further ones like them."""
        more = [f"{self.members[0]}+{at}" for at in range(1, count - len(self.members) + 1)]
        return [replace(self.profile, agent_id=agent_id) for agent_id in (*self.members, *more)[:count]]


def groups_of(site: Configured, kinds: Sequence[Kind]) -> tuple[Group, ...]:
    """The site's agents by what they can do, in the order of the site; only those who may serve any of these kinds."""
    members: dict[tuple[object, ...], list[AgentProfile]] = {}
    for agent in site.agents:
        parts = (
            None if agent.memberships is None else tuple(sorted(agent.memberships.items(), key=lambda each: each[0]))
        )
        key = (tuple(sorted(agent.skills.items())), parts, agent.experience, agent.team, agent.location)
        members.setdefault(key, []).append(agent)
    found = []
    for alike in members.values():
        queues = dict.fromkeys(kind.queue for kind in kinds if able(site, kind, alike[0]))
        if queues:
            tiers = [tier.name for tier in site.policy.tiers if 0 < tier.experience <= alike[0].experience]
            found.append(Group(alike[0], tuple(agent.agent_id for agent in alike), tuple(queues), tuple(tiers)))
    return tuple(found)


def able(site: Configured, kind: Kind, agent: AgentProfile) -> bool:
    """Whether the agent may serve such a contact in any step of its queue."""
    rules = next(each for each in site.queues if each.queue == kind.queue)
    part = agent.membership(kind.queue)
    return part is not None and any(
        met(both(rules.requires, kind.requires, step.requires), agent) for step in rules.steps
    )
