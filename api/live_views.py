"""Live state in the API's words: what the floor says now, with the site's names."""

from typing import Final

from api.auth import Viewer
from api.backend import Backend
from api.schemas import AgentBody, QueueLive, Snapshot, WaitingBody, instant
from callcenter.config.model import Agent, Site
from routing import snapshot as routing
from routing.model import Activity, Presence

WAITING_SHOWN_MAX: Final = 200


def snapshot_for(backend: Backend, viewer: Viewer) -> Snapshot:
    """Queues and agents now, as of the hub's position.

    The position is read first and nothing is awaited in between: the state may already hold events that are still
    on their way to the disk, never lack one that was published. Those few come again in the feed, and since each
    event says the whole new state, applying them again ends where it should.
    """
    position = backend.hub.position
    seen = backend.floor.snapshot()
    return Snapshot(
        position=position,
        at=instant(seen.at),
        queues=queues_live(seen, backend.site()),
        agents=agents_now(seen, backend.site(), viewer),
    )


def queues_live(seen: routing.Snapshot, site: Site) -> list[QueueLive]:
    """Every queue of the floor, by name."""
    return [_queue_live(queue, seen.at, site) for queue in seen.queues]


def agents_now(seen: routing.Snapshot, site: Site, viewer: Viewer) -> list[AgentBody]:
    """Every agent of the site, by id. An agent sees of colleagues what they do, not with whom."""
    states = {state.agent_id: state for state in seen.agents}
    return [_agent_body(agent, states.get(agent_id), viewer) for agent_id, agent in sorted(site.agents.items())]


def _queue_live(queue: routing.QueueView, now: float, site: Site) -> QueueLive:
    oldest_at = queue.oldest_entered_at
    return QueueLive(
        queue=queue.queue,
        waiting=len(queue.waiting),
        oldest_wait_s=0.0 if oldest_at is None else round(max(0.0, now - oldest_at), 3),
        contacts=[
            WaitingBody(
                place=place,
                contact_id=contact.entered.contact_id,
                value_tier=_tier(site, contact.entered.value_tier),
                entered_at=instant(contact.entered.entered_at),
                wait_s=round(max(0.0, now - contact.entered.entered_at), 3),
                offered_to=contact.offer.agent_id if contact.offer else None,
            )
            for place, contact in enumerate(queue.waiting[:WAITING_SHOWN_MAX], start=1)
        ],
    )


def _agent_body(agent: Agent, state: routing.AgentView | None, viewer: Viewer) -> AgentBody:
    known = state or routing.AgentView(
        agent_id=agent.agent_id,
        presence=Presence.LOGGED_OUT,
        aux_code=None,
        activity=Activity.IDLE,
        since=0.0,
        ready_since=0.0,
    )
    return AgentBody(
        agent_id=agent.agent_id,
        name=agent.name,
        skills=dict(agent.skills),
        presence=known.presence.value,
        aux_code=known.aux_code,
        activity=known.activity.value,
        since=instant(known.since) if known.since else None,
        requested_next=known.requested_next.presence.value if known.requested_next else None,
        reachable=known.reachable,
        contact_id=known.contact_id if viewer.agent_id in {None, agent.agent_id} else None,
    )


def _tier(site: Site, rank: int) -> str:
    return site.value_tiers[min(max(rank, 0), len(site.value_tiers) - 1)]
