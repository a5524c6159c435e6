"""One batch of events as one transaction: the events themselves, what they change, and who may write them."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from callcenter.db.changed import Changed, Connection
from callcenter.db.event_rows import (
    CONTACT,
    Apart,
    Owner,
    contact_of,
    copy_contact_events,
    copy_floor_events,
    insert_contact_events,
    insert_floor_events,
    instant,
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

A = TypeVar("A")
B = TypeVar("B")

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


async def write(
    connection: Connection,
    owner: Owner,
    batch: Sequence[Stored],
    known: Known,
    *,
    new: bool = False,
    unreadable: str | None = None,
) -> Outcome:
    """Write `batch` (in order of position) and all that it changes, or nothing.

    A repeated event with the same hash changes nothing; one with another hash is set aside. With `new`, the caller
    believes that none of it is there yet, which is several times faster; where that is wrong, nothing is written and
    asyncpg.UniqueViolationError is raised. `unreadable` sets the whole batch aside, with that reason. Raises NotOwner,
    and whatever else asyncpg says.
    """
    outcome = Outcome()
    async with connection.transaction():
        if unreadable is not None:
            outcome.aside = [(event, unreadable) for event in batch]
        else:
            await _write_events(connection, owner, batch, outcome, known, new=new)
        for event, reason in outcome.aside:
            await set_aside(connection, owner, event, reason)
        ours = await connection.fetch(ADVANCE_AND_NOTIFY, owner.node, owner.epoch, batch[-1].position)
        if not ours:
            raise NotOwner(owner.node)
    return outcome


async def _write_events(
    connection: Connection, owner: Owner, batch: Sequence[Stored], outcome: Outcome, known: Known, *, new: bool
) -> None:
    contacts = [event for event in batch if event.entry.stream.startswith(CONTACT)]
    floor = [event for event in batch if not event.entry.stream.startswith(CONTACT)]
    if contacts and new:
        views = await _views_before(connection, contacts, known)
        folding = _fold_contacts(owner, contacts, views, outcome)
        changed, _ = await _both(folding, copy_contact_events(connection, owner, contacts))
        await changed.save(connection, new=True)
    elif contacts:
        missing = outcome.took(await insert_contact_events(connection, owner, contacts))
        changed = await _fold_contacts(owner, missing, await _views_before(connection, missing, known), outcome)
        await changed.save(connection)
    if floor and new:
        await copy_floor_events(connection, owner, floor)
        await _project_agents(connection, owner, floor, outcome, known, new=True)
    elif floor:
        missing = outcome.took(await insert_floor_events(connection, owner, floor))
        await _project_agents(connection, owner, missing, outcome, known, new=False)
    if new:
        outcome.written = len(batch)


async def _both(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """Both results; the first one's error if both fail. Neither is left running."""
    done = await asyncio.gather(one, other, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return done  # type: ignore[return-value]  # what is no exception is a result


async def _views_before(
    connection: Connection, events: Sequence[Stored], known: Known
) -> dict[str, ContactView | None]:
    """The views of the contacts of `events` as they were before: what is not known is read from the database."""
    firsts: dict[str, int] = {}
    for event in events:
        firsts.setdefault(contact_of(event), event.entry.seq)
    views: dict[str, ContactView | None] = {}
    earlier: dict[str, int] = {}
    for contact_id, seq in firsts.items():
        if contact_id in known.contacts:
            views[contact_id] = known.contacts[contact_id]
        elif seq == 1:
            views[contact_id] = None
        else:
            earlier[contact_id] = seq
    views.update(await _earlier_views(connection, earlier))
    return views


async def _fold_contacts(
    owner: Owner, events: Sequence[Stored], views: Mapping[str, ContactView | None], outcome: Outcome
) -> Changed:
    """Add `events` to `views`; gives way to the event loop now and then."""
    totals = {contact_id: Fold(contact_id, owner.node, view) for contact_id, view in views.items()}
    for part in portions(events):
        for event in part:
            entry = event.entry
            try:
                body = body_of(entry.type, entry.data)
            except msgspec.MsgspecError:
                outcome.misread.append(event)
                continue
            if body is not None:
                totals[contact_of(event)].add(entry.seq, instant(entry.at), body)
        await asyncio.sleep(0)
    changed = Changed()
    for contact_id, total in totals.items():
        after = total.view()
        changed.note(views[contact_id], after)
        outcome.contacts[contact_id] = after
    return changed


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


async def _project_agents(
    connection: Connection, owner: Owner, events: Sequence[Stored], outcome: Outcome, known: Known, *, new: bool
) -> None:
    changes = [event for event in events if event.entry.type == AGENT_CHANGED and event.entry.stream.startswith(AGENT)]
    agents = {event.entry.stream.removeprefix(AGENT) for event in changes}
    rows = {agent_id: known.agents[agent_id] for agent_id in agents & known.agents.keys()}
    missing = sorted(agents - rows.keys())
    if missing:
        for record in await connection.fetch(OPEN_INTERVALS, owner.node, missing):
            rows[record["agent_id"]] = AgentStateRow(**record)
    changed = Changed()
    for event in changes:
        agent_id = event.entry.stream.removeprefix(AGENT)
        record = {
            "node": owner.node,
            "position": event.position,
            "at": instant(event.entry.at),
            "data": event.entry.data,
        }
        try:
            rows[agent_id] = fold_agent_record(rows.get(agent_id), {**record, "stream": event.entry.stream}, changed)
        except msgspec.MsgspecError:
            outcome.misread.append(event)
    outcome.agents = rows
    await changed.save(connection, new=new)


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
