"""The whole state of the ACD as plain values: for live reads, and to start an engine from where another stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from routing.acd.agents import Agent, AgentSignal
from routing.acd.board import AGENT, CALLBACK, OFFER, Board
from routing.acd.comeback import Departed
from routing.acd.contacts import NO_REFUSALS, Away, Contact
from routing.acd.offers import Offer
from routing.acd.order import SortKey
from routing.messages import Entered, QueueClosed
from routing.model import Activity, AgentProfile, Choice, Outcome, Presence
from routing.waiting.forecast import QueueLearned


@dataclass(frozen=True, slots=True)
class ContactView:
    """A contact in a queue. `entered` is as it counts, `told` as it was told; `clock_s` is the step clock now.

    `offers` are pending, `refusals` are the last failed offers, one an agent; `away` is set while nobody is offered a
    callback because its customer is to be called first.
    """

    entered: Entered
    told: Entered
    offers_made: int
    clock_s: float = 0.0
    waiting: bool = True
    step: int = 0
    rung: int = 0
    score: float = 0.0
    offers: tuple[Offer, ...] = ()
    refusals: tuple[Offer, ...] = ()
    not_preferred: str | None = None
    preferred_until_s: float = 0.0
    away: Away | None = None
    attempts: int = 0
    expires_at: float | None = None
    retry_at: float | None = None
    superseded_by: str | None = None
    comeback: bool = False
    took_up: bool = False

    @property
    def offer(self) -> Offer | None:
        """The pending offer, the first of several; None while it waits."""
        return self.offers[0] if self.offers else None


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
    """An agent's state; the fields are those of `routing.acd.agents.Agent`."""

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
    misses: int = 0
    talk_since: float = 0.0
    talk_with: Entered | None = None
    engaged_outbound: bool = False
    occupancy: float = 0.0
    occupancy_at: float = 0.0
    contacts: int = 0
    turn: int = 0
    stride: float = 0.0

    @classmethod
    def of(cls, agent: Agent) -> AgentView:
        """What can be seen of this agent now."""
        return cls(agent.agent_id, **{name: getattr(agent, name) for name in _SHARED})

    def agent(self, profile: AgentProfile, place: int = 0) -> Agent:
        """An agent in this state."""
        assert profile.agent_id == self.agent_id
        return Agent(profile, place=place, **{name: getattr(self, name) for name in _SHARED})


_SHARED = tuple(each.name for each in fields(AgentView) if each.name != "agent_id")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State as of `at`: queues by name, agents by id, what is closed, who may come back, what estimates rest on."""

    at: float
    queues: tuple[QueueView, ...]
    agents: tuple[AgentView, ...]
    closed: tuple[QueueClosed, ...] = ()
    departed: tuple[Departed, ...] = ()
    calling: tuple[ContactView, ...] = ()
    dials_held: tuple[int, ...] = ()
    learned: tuple[QueueLearned, ...] = ()
    turns: int = 0

    def agents_by_state(self) -> dict[tuple[Presence, Activity], int]:
        """How many agents are in each presence × activity; states of nobody are left out."""
        counts: dict[tuple[Presence, Activity], int] = {}
        for agent in self.agents:
            state = (agent.presence, agent.activity)
            counts[state] = counts.get(state, 0) + 1
        return counts


def snapshot_of(
    board: Board,
    now: float,
    closed: Mapping[str, QueueClosed],
    departed: tuple[Departed, ...],
    calling: tuple[Contact, ...],
    dials_held: tuple[int, ...],
    learned: tuple[QueueLearned, ...],
) -> Snapshot:
    """The snapshot of this board; a queue that only its contacts remember is shown too."""
    order = board.order

    def key(contact: Contact) -> SortKey:
        entered = contact.entered
        return order.sort_key(entered.value_tier, entered.entered_at, entered.contact_id, now)

    waiting: dict[str, list[ContactView]] = {queue: [] for queue in board.queues}
    for contact in sorted(board.contacts.values(), key=key):
        waiting.setdefault(contact.rules.queue, []).append(_view(board, contact, now))
    return Snapshot(
        at=now,
        queues=tuple(QueueView(queue, tuple(waiting[queue])) for queue in sorted(waiting)),
        agents=tuple(AgentView.of(board.agents[agent_id]) for agent_id in sorted(board.agents)),
        closed=tuple(closed[queue] for queue in sorted(closed)),
        departed=departed,
        calling=tuple(_view(board, contact, now) for contact in calling),
        dials_held=dials_held,
        learned=learned,
        turns=board.turns,
    )


def _view(board: Board, contact: Contact, now: float) -> ContactView:
    entered = contact.entered
    return ContactView(
        entered=entered,
        told=contact.told,
        offers_made=contact.offers_made,
        clock_s=contact.clock(now),
        waiting=contact.waiting_since is not None,
        step=contact.step_told,
        rung=contact.rung,
        score=board.order.score(entered.value_tier, entered.entered_at, now),
        offers=contact.offers,
        refusals=tuple(contact.refusals.values()),
        not_preferred=contact.not_preferred,
        preferred_until_s=contact.preferred_until_s,
        away=contact.away,
        attempts=contact.attempts,
        expires_at=contact.expires_at,
        retry_at=contact.retry_at,
        superseded_by=contact.superseded_by,
        comeback=contact.comeback,
        took_up=contact.took_up,
    )


def restore_board(board: Board, snapshot: Snapshot) -> tuple[Contact, ...]:
    """Make a fresh board's state that of `snapshot`, as `Acd.restore` says; returns the contacts being called.

    Contacts that wait are in no line yet: the engine places them with its first step.
    """
    board.turns = snapshot.turns
    for seen in snapshot.agents:
        known = board.agents.get(seen.agent_id)
        if known is not None:
            board.agents[seen.agent_id] = agent = seen.agent(known.profile, known.place)
            board.recount_restored(agent)
    for queue in snapshot.queues:
        for view in queue.waiting:
            contact = _contact(board, view)
            board.add(contact)
            _restore_offers(board, contact, view)
            if view.waiting or not contact.offers:
                contact.waiting_since = snapshot.at
            due_at = contact.retry_at if contact.away is Away.RESTING else contact.expires_at
            if due_at is not None:
                board.deadlines.set(due_at, CALLBACK, contact.contact_id)
    for agent in board.agents.values():
        _restore_agent(board, agent, snapshot.at)
    return tuple(_contact(board, view) for view in snapshot.calling)


def _contact(board: Board, view: ContactView) -> Contact:
    contact = board.new_contact(view.told, view.entered)
    contact.clock_s = view.clock_s
    contact.rung = min(view.rung, len(contact.ladder.rungs) - 1)
    contact.step_told = view.step
    contact.offers_made = view.offers_made
    contact.not_preferred = view.not_preferred
    contact.preferred_until_s = view.preferred_until_s
    contact.away = view.away
    contact.retry_at = view.retry_at
    contact.superseded_by = view.superseded_by
    contact.attempts = view.attempts
    contact.expires_at = view.expires_at
    contact.comeback = view.comeback
    contact.took_up = view.took_up
    return contact


def _restore_offers(board: Board, contact: Contact, view: ContactView) -> None:
    contact.refusals = {refused.agent_id: refused for refused in view.refusals} or NO_REFUSALS
    board.offers.update((refused.offer_id, refused) for refused in view.refusals)
    for offer in view.offers:
        agent = board.agents.get(offer.agent_id)
        if agent is None or agent.activity is not Activity.RESERVED or agent.offer_id is not None:
            continue
        contact.offers = (*contact.offers, offer)
        board.offers[offer.offer_id] = offer
        agent.offer_id = offer.offer_id
        agent.contact_id = offer.contact_id
        board.deadlines.set(offer.expires_at, OFFER, offer.offer_id)


def _restore_agent(board: Board, agent: Agent, now: float) -> None:
    if agent.activity is Activity.RESERVED and agent.offer_id is None:
        agent.take(AgentSignal.RELEASED, now)
        board.tell(agent, Outcome.FAILED.value)
    until = agent.wrap_up_until if agent.activity is Activity.WRAP_UP else agent.spared_until
    if until is not None:
        board.deadlines.set(until, AGENT, agent.agent_id)
    if agent.ready:
        board.list(agent)
