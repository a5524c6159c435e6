"""Live state in the API's words: what the floor says now, with the site's names."""

from collections import Counter
from math import isfinite
from typing import Final

from api.auth import Viewer
from api.backend import Backend
from api.schemas import AgentBody, ClosingBody, LoanBody, QueueLive, Snapshot, WaitingBody, instant
from callcenter.closings import Closing
from callcenter.config.model import Agent, Site
from callcenter.contact.exit_steps import exit_text
from routing.acd import snapshot as routing
from routing.model import Activity, Presence
from routing.waiting.estimate import Promise
from routing.waiting.forecast import Prospect

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
        at=instant(backend.clock.now()),
        queues=queues_live(seen, backend),
        agents=agents_now(seen, backend.site(), viewer),
    )


def queues_live(seen: routing.Snapshot, backend: Backend) -> list[QueueLive]:
    """Every queue of the floor, by name; `seen` is the floor's snapshot of this moment."""
    told: dict[str, list[tuple[str, Prospect, Promise | None]]] = {}
    for contact_id, (prospect, promise) in backend.floor.told(WAITING_SHOWN_MAX).items():
        told.setdefault(prospect.queue, []).append((contact_id, prospect, promise))
    loans: dict[str, list[LoanBody]] = {}
    for borrower, lender, on in backend.floor.loans():
        loans.setdefault(borrower, []).append(LoanBody(lender=lender, on=on))
    calling = Counter(view.entered.queue for view in seen.calling)
    now, site = backend.clock.now(), backend.site()
    return [
        QueueLive(
            queue=queue.queue,
            waiting=len(queue.waiting),
            waiting_by_tier=_by_tier(queue, site),
            oldest_wait_s=_wait_s(queue.oldest_entered_at, now),
            callbacks=calling[queue.queue] + sum(view.entered.callback for view in queue.waiting),
            closed=[closing_body(closing) for closing in backend.floor.closings(queue.queue)],
            loans=loans.get(queue.queue, []),
            contacts=_contacts(queue, told.get(queue.queue, []), now, site),
        )
        for queue in seen.queues
    ]


def agents_now(seen: routing.Snapshot, site: Site, viewer: Viewer) -> list[AgentBody]:
    """Every agent of the site, by id. An agent sees of colleagues what they do, not with whom."""
    states = {state.agent_id: state for state in seen.agents}
    return [_agent_body(agent, states.get(agent_id), viewer) for agent_id, agent in sorted(site.agents.items())]


def closing_body(closing: Closing) -> ClosingBody:
    """A reason for being closed."""
    return ClosingBody(reason=closing.reason, newcomers_to=exit_text(closing.newcomers_to))


def finite(wait_s: float) -> float | None:
    """A wait to the millisecond; None for one without an end."""
    return round(wait_s, 3) if isfinite(wait_s) else None


def _by_tier(queue: routing.QueueView, site: Site) -> dict[str, int]:
    counts = Counter(tier_name(site, view.entered.value_tier) for view in queue.waiting)
    return {tier: counts[tier] for tier in site.value_tiers}


def _contacts(
    queue: routing.QueueView, told: list[tuple[str, Prospect, Promise | None]], now: float, site: Site
) -> list[WaitingBody]:
    views = {view.entered.contact_id: view for view in queue.waiting}
    return [
        _waiting_body(place, views[contact_id], prospect, promise, now, site)
        for place, (contact_id, prospect, promise) in enumerate(told, start=1)
    ]


def _waiting_body(
    place: int, view: routing.ContactView, prospect: Prospect, promise: Promise | None, now: float, site: Site
) -> WaitingBody:
    entered = view.entered
    told = None if promise is None else promise.told
    return WaitingBody(
        place=place,
        contact_id=entered.contact_id,
        value_tier=tier_name(site, entered.value_tier),
        entered_at=instant(entered.entered_at),
        wait_s=_wait_s(entered.entered_at, now),
        offered_to=view.offer.agent_id if view.offer else None,
        callback=entered.callback,
        step=prospect.step,
        requires=prospect.requires,
        score=round(prospect.score, 3),
        overdue=prospect.overdue,
        position=None if told is None else told.position,
        p50_s=None if told is None else finite(told.p50_s),
        p90_s=None if told is None else finite(told.p90_s),
        rose_because=None if promise is None else promise.rose_because,
    )


def _wait_s(entered_at: float | None, now: float) -> float:
    return 0.0 if entered_at is None else round(max(0.0, now - entered_at), 3)


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


def tier_name(site: Site, rank: int) -> str:
    """The name of a value tier's rank."""
    return site.value_tiers[min(max(rank, 0), len(site.value_tiers) - 1)]
