"""The whole state of the ACD as plain values: for live reads, and to start an engine from where another stood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from routing.agents import Agent
from routing.contacts import Contact
from routing.messages import Entered
from routing.model import Activity, AgentProfile, Choice, Outcome, Presence
from routing.offers import Offer


@dataclass(frozen=True, slots=True)
class ContactView:
    """A contact in a queue. `offer` is pending or None; `refusals` are the last failed offers, one an agent."""

    entered: Entered
    offers_made: int
    offer: Offer | None = None
    refusals: tuple[Offer, ...] = ()
    not_preferred: str | None = None


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue and its contacts in the order of service, those being offered included."""

    queue: str
    waiting: tuple[ContactView, ...]

    @property
    def oldest_entered_at(self) -> float | None:
        """When the contact that has waited longest entered; None when nobody waits."""
        return min((view.entered.entered_at for view in self.waiting), default=None)


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent's state; the fields are those of `routing.agents.Agent`."""

    agent_id: str
    presence: Presence
    aux_code: str | None
    activity: Activity
    since: float
    ready_since: float
    requested_next: Choice | None = None
    contact_id: str | None = None
    reachable: bool = False
    spared_for: Outcome | None = None
    spared_until: float | None = None
    wrap_up_s: float = 0.0
    wrap_up_until: float | None = None

    @classmethod
    def of(cls, agent: Agent) -> AgentView:
        """What can be seen of this agent now."""
        return cls(
            agent_id=agent.agent_id,
            presence=agent.presence,
            aux_code=agent.aux_code,
            activity=agent.activity,
            since=agent.since,
            ready_since=agent.ready_since,
            requested_next=agent.requested_next,
            contact_id=agent.contact_id,
            reachable=agent.reachable,
            spared_for=agent.spared_for,
            spared_until=agent.spared_until,
            wrap_up_s=agent.wrap_up_s,
            wrap_up_until=agent.wrap_up_until,
        )

    def agent(self, profile: AgentProfile) -> Agent:
        """An agent in this state."""
        assert profile.agent_id == self.agent_id
        return Agent(
            profile=profile,
            presence=self.presence,
            aux_code=self.aux_code,
            activity=self.activity,
            since=self.since,
            ready_since=self.ready_since,
            requested_next=self.requested_next,
            contact_id=self.contact_id,
            reachable=self.reachable,
            spared_for=self.spared_for,
            spared_until=self.spared_until,
            wrap_up_s=self.wrap_up_s,
            wrap_up_until=self.wrap_up_until,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State as of `at`: queues by name, agents by id."""

    at: float
    queues: tuple[QueueView, ...]
    agents: tuple[AgentView, ...]

    def agents_by_state(self) -> dict[tuple[Presence, Activity], int]:
        """How many agents are in each presence × activity; states of nobody are left out."""
        counts: dict[tuple[Presence, Activity], int] = {}
        for agent in self.agents:
            state = (agent.presence, agent.activity)
            counts[state] = counts.get(state, 0) + 1
        return counts


def snapshot_of(queues: Iterable[str], contacts: Iterable[Contact], agents: Iterable[Agent], now: float) -> Snapshot:
    """The snapshot of these; a queue that only its contacts remember is shown too."""
    waiting: dict[str, list[ContactView]] = {queue: [] for queue in queues}
    for contact in sorted(contacts, key=lambda each: each.priority):
        view = ContactView(
            entered=contact.entered,
            offers_made=contact.offers_made,
            offer=contact.offer,
            refusals=tuple(contact.refusals.values()),
            not_preferred=contact.not_preferred,
        )
        waiting.setdefault(contact.entered.queue, []).append(view)
    return Snapshot(
        at=now,
        queues=tuple(QueueView(queue, tuple(waiting[queue])) for queue in sorted(waiting)),
        agents=tuple(AgentView.of(agent) for agent in sorted(agents, key=lambda each: each.agent_id)),
    )
