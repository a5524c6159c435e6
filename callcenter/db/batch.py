"""One batch of events as one transaction: the events themselves, what they change, and who may write them."""

import asyncio
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from callcenter.db.changed import Changed, Saving
from callcenter.db.copying import Connection, Copy
from callcenter.db.event_rows import (
    LOOP_EVENTS_MAX,
    Apart,
    Owner,
    contact_copy,
    contact_of,
    floor_copy,
    insert_contact_events,
    insert_floor_events,
    instant,
    is_of_contact,
    portions,
    set_aside,
)
from callcenter.db.migrate import day_of
from callcenter.db.projections import (
    AGENT_CHANGED,
    AGENT_DECODER,
    AgentStateRow,
    ContactView,
    Fact,
    Fold,
    body_of,
    fold,
    fold_agent,
)
from callcenter.db.stored import Stored

AGENT = "agent/"

EARLIER_EVENTS = """
SELECT contact_id::text, node, seq, extract(epoch FROM at)::float8 AS at, type, data::text
FROM unnest($1::date[], $2::uuid[], $3::int[]) AS wanted (day, contact_id, before)
JOIN contact_event USING (day, contact_id)
WHERE seq < before ORDER BY contact_id, seq
"""
OPEN_INTERVALS = """
SELECT position, node, agent_id, presence, activity, extract(epoch FROM started_at)::float8 AS started_at,
    aux_code, contact_id, cause
FROM agent_state_interval WHERE node = $1 AND agent_id = ANY ($2::text[]) AND ended_at IS NULL ORDER BY position
"""
TAKE_OVER = """
INSERT INTO cell (node, epoch, position, written_at) VALUES ($1, $2, 0, now())
ON CONFLICT (node) DO UPDATE SET epoch = excluded.epoch WHERE cell.epoch <= excluded.epoch
RETURNING position
"""
ADVANCE_AND_NOTIFY = """
WITH ours AS (UPDATE cell SET position = $3, written_at = now() WHERE node = $1 AND epoch = $2 RETURNING position)
SELECT pg_notify('callcenter_events', position::text) FROM ours
"""


class NotOwner(Exception):
    """The database has seen a newer epoch of this node: somebody else took over."""


@dataclass(slots=True)
class Outcome:
    """What a batch came to: counts, and the state of the folds after it (valid once it is committed)."""

    written: int = 0
    replayed: int = 0
    aside: list[tuple[Stored, str]] = field(default_factory=list)
    misread: list[Stored] = field(default_factory=list)
    contacts: dict[str, ContactView | None] = field(default_factory=dict)
    agents: dict[str, AgentStateRow] = field(default_factory=dict)

    def took(self, apart: Apart) -> Sequence[Stored]:
        """Count what became of events that may have been there; the new ones."""
        self.written += len(apart.new)
        self.replayed += apart.replayed
        self.aside += [(event, "fork") for event in apart.forks]
        return apart.new


@dataclass(frozen=True, slots=True)
class Known:
    """The folds as of the last commit, kept by the writer; what is missing is read from the database."""

    contacts: Mapping[str, ContactView | None]
    agents: Mapping[str, AgentStateRow]

    def after(self, outcome: Outcome) -> "Known":
        """The folds as they will be when a batch that came to `outcome` is committed."""
        return Known(ChainMap(outcome.contacts, self.contacts), ChainMap(outcome.agents, self.agents))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of events that the database does not have yet, with all they change, encoded as they are sent."""

    events: Sequence[Stored]
    outcome: Outcome
    copies: Sequence[Copy]
    changes: Sequence[Saving]


async def prepare(reads: Connection, owner: Owner, batch: Sequence[Stored], known: Known) -> Prepared:
    """All of a batch's work that is ours and not PostgreSQL's; `known` is as it will be before the batch.

    Folds that are not known are read over `reads`. Raises OverflowError or ValueError if no row can hold an event.
    """
    outcome = Outcome(written=len(batch))
    contacts, floor = await _sorted(batch)
    copies = [await contact_copy(owner, contacts), await floor_copy(owner, floor)]
    changed = await _fold_contacts(reads, owner, contacts, outcome, known)
    agents = await _fold_agents(reads, owner, floor, outcome, known)
    return Prepared(batch, outcome, copies, [await changed.saving(new=True), await agents.saving(new=True)])


async def send(connection: Connection, owner: Owner, prepared: Prepared) -> None:
    """Write a batch as it was prepared, or nothing: in one transaction.

    Raises asyncpg.UniqueViolationError if some of it is there already, NotOwner, and whatever else asyncpg says.
    """
    async with connection.transaction():
        for copy in prepared.copies:
            await copy.send(connection)
        for saving in prepared.changes:
            await saving.send(connection)
        await _advance(connection, owner, prepared.events)


async def write(
    connection: Connection, owner: Owner, batch: Sequence[Stored], known: Known, *, unreadable: str | None = None
) -> Outcome:
    """Write `batch` (in order of position) and all that it changes, or nothing; some of it may be there already.

    A repeated event with the same hash changes nothing; one with another hash is set aside. `unreadable` sets the
    whole batch aside, with that reason. Raises NotOwner, and whatever else asyncpg says.
    """
    outcome = Outcome()
    async with connection.transaction():
        if unreadable is not None:
            outcome.aside = [(event, unreadable) for event in batch]
        else:
            await _write_missing(connection, owner, batch, outcome, known)
        for event, reason in outcome.aside:
            await set_aside(connection, owner, event, reason)
        await _advance(connection, owner, batch)
    return outcome


async def _advance(connection: Connection, owner: Owner, batch: Sequence[Stored]) -> None:
    if not await connection.fetch(ADVANCE_AND_NOTIFY, owner.node, owner.epoch, batch[-1].position):
        raise NotOwner(owner.node)


async def _write_missing(
    connection: Connection, owner: Owner, batch: Sequence[Stored], outcome: Outcome, known: Known
) -> None:
    contacts, floor = await _sorted(batch)
    if contacts:
        missing = outcome.took(await insert_contact_events(connection, owner, contacts))
        await (await _fold_contacts(connection, owner, missing, outcome, known)).save(connection)
    if floor:
        missing = outcome.took(await insert_floor_events(connection, owner, floor))
        await (await _fold_agents(connection, owner, missing, outcome, known)).save(connection)


async def _sorted(batch: Sequence[Stored]) -> tuple[list[Stored], list[Stored]]:
    """The events of contacts, and all others."""
    contacts: list[Stored] = []
    floor: list[Stored] = []
    for part in portions(batch):
        for event in part:
            (contacts if is_of_contact(event) else floor).append(event)
        await asyncio.sleep(0)
    return contacts, floor


async def _fold_contacts(
    reads: Connection, owner: Owner, events: Sequence[Stored], outcome: Outcome, known: Known
) -> Changed:
    """The views of contacts after `events`; gives way to the event loop now and then."""
    changed, together = Changed(), 0
    by_contact = await _by_contact(events)
    views = await _views_before(reads, by_contact, known)
    for contact_id, own in by_contact.items():
        before = views[contact_id]
        after = _folded(Fold(contact_id, owner.node, before), own, outcome.misread)
        changed.note(before, after)
        outcome.contacts[contact_id] = after
        together += len(own)
        if together >= LOOP_EVENTS_MAX:
            together = 0
            await asyncio.sleep(0)
    return changed


async def _by_contact(events: Sequence[Stored]) -> Mapping[str, Sequence[Stored]]:
    own: dict[str, list[Stored]] = {}
    for part in portions(events):
        for event in part:
            own.setdefault(contact_of(event), []).append(event)
        await asyncio.sleep(0)
    return own


def _folded(total: Fold, events: Sequence[Stored], misread: list[Stored]) -> ContactView | None:
    for event in events:
        entry = event.entry
        try:
            body = body_of(entry.type, entry.data)
        except msgspec.MsgspecError:
            misread.append(event)
            continue
        if body is not None:
            total.add(entry.seq, instant(entry.at), body)
    return total.view()


async def _views_before(
    reads: Connection, by_contact: Mapping[str, Sequence[Stored]], known: Known
) -> Mapping[str, ContactView | None]:
    """The views of contacts as they were before their events: what is not known is read from the database."""
    views: dict[str, ContactView | None] = {}
    earlier: dict[str, int] = {}
    for contact_id, own in by_contact.items():
        seq = own[0].entry.seq
        if contact_id in known.contacts:
            views[contact_id] = known.contacts[contact_id]
        elif seq == 1:
            views[contact_id] = None
        else:
            earlier[contact_id] = seq
    views.update(await _earlier_views(reads, earlier))
    return views


async def _earlier_views(connection: Connection, earlier: Mapping[str, int]) -> dict[str, ContactView | None]:
    """The folds of contacts whose first events are in the database already; `earlier` says before which seq."""
    if not earlier:
        return {}
    views: dict[str, ContactView | None] = dict.fromkeys(earlier)
    days = [day_of(contact_id) for contact_id in earlier]
    for record in await connection.fetch(EARLIER_EVENTS, days, list(earlier), list(earlier.values())):
        views[record["contact_id"]] = fold_record(views[record["contact_id"]], record)
    return views


def fold_record(view: ContactView | None, record: Mapping[str, Any]) -> ContactView | None:
    """The view after an event read from the database (contact_id, node, seq, at, type, data)."""
    try:
        body = body_of(record["type"], record["data"])
    except msgspec.MsgspecError:
        return view
    if body is None:
        return view
    return fold(view, Fact(record["contact_id"], record["node"], record["seq"], record["at"], body))


async def _fold_agents(
    reads: Connection, owner: Owner, events: Sequence[Stored], outcome: Outcome, known: Known
) -> Changed:
    """As `_fold_contacts`, for the intervals of agents."""
    changed = Changed()
    changes = [event for event in events if event.entry.type == AGENT_CHANGED and event.entry.stream.startswith(AGENT)]
    latest = outcome.agents = await _intervals_before(reads, owner, changes, known)
    for part in portions(changes):
        for event in part:
            entry = event.entry
            agent_id = entry.stream.removeprefix(AGENT)
            try:
                body = AGENT_DECODER.decode(entry.data)
            except msgspec.MsgspecError:
                outcome.misread.append(event)
                continue
            at = instant(entry.at)
            ended, began = fold_agent(
                latest.get(agent_id), body, agent_id=agent_id, node=owner.node, position=event.position, at=at
            )
            changed.note_agent(ended, began)
            latest[agent_id] = began
        await asyncio.sleep(0)
    return changed


async def _intervals_before(
    reads: Connection, owner: Owner, changes: Sequence[Stored], known: Known
) -> dict[str, AgentStateRow]:
    """The open intervals of those agents who had one; what is not known is read from the database."""
    agents = {event.entry.stream.removeprefix(AGENT) for event in changes}
    latest = {agent_id: known.agents[agent_id] for agent_id in agents if agent_id in known.agents}
    unknown = sorted(agents - latest.keys())
    if unknown:
        for record in await reads.fetch(OPEN_INTERVALS, owner.node, unknown):
            latest[record["agent_id"]] = AgentStateRow(**record)
    return latest


def fold_agent_record(before: AgentStateRow | None, record: Mapping[str, Any], changed: Changed) -> AgentStateRow:
    """The interval that begins with an `agent.changed` (node, stream, position, at, data); `changed` hears of both.

    Raises msgspec.MsgspecError if the body is not what the floor writes.
    """
    agent_id = record["stream"].removeprefix(AGENT)
    if before is not None and (before.node, before.agent_id) != (record["node"], agent_id):
        before = None
    ended, began = fold_agent(
        before,
        AGENT_DECODER.decode(record["data"]),
        agent_id=agent_id,
        node=record["node"],
        position=record["position"],
        at=record["at"],
    )
    changed.note_agent(ended, began)
    return began
