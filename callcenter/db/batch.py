"""One batch of events as one transaction: the events themselves, what they change, and who may write them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table

from callcenter.db.journal_file import Stored
from callcenter.db.migrate import day_of
from callcenter.db.projections import (
    AGENT_CHANGED,
    AGENT_DECODER,
    AgentStateRow,
    ContactRow,
    ContactView,
    Fact,
    RecordingRow,
    SegmentRow,
    body_of,
    fold,
    fold_agent,
)
from callcenter.db.tables import agent_state_interval, contact, recording, segment, upsert

Row = ContactRow | SegmentRow | RecordingRow | AgentStateRow
R = TypeVar("R")
Connection = Any  # asyncpg's connection, inside its transaction or not; asyncpg has no types

CONTACT, AGENT = "contact/", "agent/"

INSERT_CONTACT_EVENTS = """
INSERT INTO contact_event
    (node, day, contact_id, seq, position, epoch, at, version, type, data, site, cause, hash)
SELECT $1, day, contact_id, seq, position, epoch, to_timestamp(at), version, type, data::jsonb, site, cause, hash
FROM unnest($2::date[], $3::uuid[], $4::int[], $5::bigint[], $6::bigint[], $7::float8[], $8::smallint[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[])
    AS incoming (day, contact_id, seq, position, epoch, at, version, type, data, site, cause, hash)
ON CONFLICT DO NOTHING RETURNING position
"""
INSERT_FLOOR_EVENTS = """
INSERT INTO floor_event
    (node, journal, stream, seq, position, epoch, at, version, type, data, site, cause, hash)
SELECT $1, $2, stream, seq, position, epoch, to_timestamp(at), version, type, data::jsonb, site, cause, hash
FROM unnest($3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::float8[], $8::smallint[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[])
    AS incoming (stream, seq, position, epoch, at, version, type, data, site, cause, hash)
ON CONFLICT DO NOTHING RETURNING position
"""
HELD_CONTACT_EVENTS = """
SELECT incoming.position, held.hash
FROM unnest($1::date[], $2::uuid[], $3::int[], $4::bigint[]) AS incoming (day, contact_id, seq, position)
JOIN contact_event held USING (day, contact_id, seq)
"""
HELD_FLOOR_EVENTS = """
SELECT incoming.position, held.hash
FROM unnest($3::text[], $4::int[], $5::bigint[]) AS incoming (stream, seq, position)
JOIN floor_event held ON (held.node, held.journal, held.stream, held.seq) = ($1, $2, incoming.stream, incoming.seq)
"""
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
SET_ASIDE = """
INSERT INTO event_conflict (node, reason, position, epoch, at, seq, stream, type, data, hash)
VALUES ($1, $2, $3, $4, to_timestamp($5), $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
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


@dataclass(frozen=True, slots=True)
class Owner:
    """Who writes: the node, the journal's epoch, and where its file was born."""

    node: str
    epoch: int
    journal: int


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


@dataclass(frozen=True, slots=True)
class Known:
    """The folds as of the last commit, kept by the writer; what is missing is read from the database."""

    contacts: Mapping[str, ContactView | None]
    agents: Mapping[str, AgentStateRow]


async def write(
    connection: Connection, owner: Owner, batch: Sequence[Stored], known: Known, unreadable: str | None = None
) -> Outcome:
    """Write `batch` (in order of position) and all that it changes, or nothing.

    A repeated event with the same hash changes nothing; one with another hash is set aside. `unreadable` sets the
    whole batch aside, with that reason. Raises NotOwner, and whatever asyncpg says.
    """
    outcome = Outcome()
    async with connection.transaction():
        if unreadable is not None:
            outcome.aside = [(event, unreadable) for event in batch]
        else:
            await _write_events(connection, owner, batch, outcome, known)
        for event, reason in outcome.aside:
            await _set_aside(connection, owner, event, reason)
        ours = await connection.fetch(ADVANCE_AND_NOTIFY, owner.node, owner.epoch, batch[-1].position)
        if not ours:
            raise NotOwner(owner.node)
    return outcome


async def _write_events(
    connection: Connection, owner: Owner, batch: Sequence[Stored], outcome: Outcome, known: Known
) -> None:
    contacts = [event for event in batch if event.entry.stream.startswith(CONTACT)]
    floor = [event for event in batch if not event.entry.stream.startswith(CONTACT)]
    if contacts:
        new = await _insert_contact_events(connection, owner, contacts, outcome)
        await _project_contacts(connection, owner, new, outcome, known)
    if floor:
        new = await _insert_floor_events(connection, owner, floor, outcome)
        await _project_agents(connection, owner, new, outcome, known)


async def _insert_contact_events(
    connection: Connection, owner: Owner, events: Sequence[Stored], outcome: Outcome
) -> Sequence[Stored]:
    ids = [contact_of(event) for event in events]
    days = [day_of(contact_id) for contact_id in ids]
    seqs = [event.entry.seq for event in events]
    inserted = await connection.fetch(INSERT_CONTACT_EVENTS, owner.node, days, ids, seqs, *_envelopes(events))
    if len(inserted) == len(events):
        outcome.written += len(events)
        return events
    positions = [event.position for event in events]
    held = await connection.fetch(HELD_CONTACT_EVENTS, days, ids, seqs, positions)
    return _told_apart(events, inserted, held, outcome)


async def _insert_floor_events(
    connection: Connection, owner: Owner, events: Sequence[Stored], outcome: Outcome
) -> Sequence[Stored]:
    streams = [event.entry.stream for event in events]
    seqs = [event.entry.seq for event in events]
    inserted = await connection.fetch(
        INSERT_FLOOR_EVENTS, owner.node, owner.journal, streams, seqs, *_envelopes(events)
    )
    if len(inserted) == len(events):
        outcome.written += len(events)
        return events
    positions = [event.position for event in events]
    held = await connection.fetch(HELD_FLOOR_EVENTS, owner.node, owner.journal, streams, seqs, positions)
    return _told_apart(events, inserted, held, outcome)


def _envelopes(events: Sequence[Stored]) -> tuple[list[object], ...]:
    """One list a column: position, epoch, at, version, type, data, site, cause, hash."""
    entries = [event.entry for event in events]
    return (
        [event.position for event in events],
        [event.epoch for event in events],
        [entry.at for entry in entries],
        [entry.version for entry in entries],
        [entry.type for entry in entries],
        [entry.data.decode() for entry in entries],
        [entry.site for entry in entries],
        [entry.cause for entry in entries],
        [event.hash for event in events],
    )


def _told_apart(
    events: Sequence[Stored], inserted: Iterable[Mapping[str, Any]], held: Iterable[Mapping[str, Any]], outcome: Outcome
) -> Sequence[Stored]:
    """The new events; replays are counted, forks set aside."""
    new = {record["position"] for record in inserted}
    hashes = {record["position"]: record["hash"] for record in held}
    for event in events:
        if event.position in new:
            continue
        if hashes.get(event.position) == event.hash:
            outcome.replayed += 1
        else:
            outcome.aside.append((event, "fork"))
    outcome.written += len(new)
    return [event for event in events if event.position in new]


async def _set_aside(connection: Connection, owner: Owner, event: Stored, why: str) -> None:
    entry = event.entry
    await connection.execute(
        SET_ASIDE,
        *(owner.node, _sayable(why), event.position, event.epoch, entry.at, entry.seq),
        *(_sayable(entry.stream), _sayable(entry.type), entry.data, event.hash),
    )


def _sayable(text: str) -> str:
    """What a text column and its index can hold of anything."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:300]


async def _project_contacts(
    connection: Connection, owner: Owner, new: Sequence[Stored], outcome: Outcome, known: Known
) -> None:
    firsts: dict[str, int] = {}
    for event in new:
        firsts.setdefault(contact_of(event), event.entry.seq)
    views = {contact_id: known.contacts[contact_id] for contact_id in firsts if contact_id in known.contacts}
    earlier = {contact_id: seq for contact_id, seq in firsts.items() if seq > 1 and contact_id not in views}
    views.update(await _earlier_views(connection, earlier))
    changed = Changed()
    for event in new:
        contact_id = contact_of(event)
        try:
            body = body_of(event.entry.type, event.entry.data)
        except msgspec.MsgspecError:
            outcome.misread.append(event)
            continue
        if body is not None:
            before = views.get(contact_id)
            after = fold(before, Fact(contact_id, owner.node, event.entry.seq, event.entry.at, body))
            changed.note(before, after)
            views[contact_id] = after
    outcome.contacts = views
    await changed.save(connection)


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
    connection: Connection, owner: Owner, new: Sequence[Stored], outcome: Outcome, known: Known
) -> None:
    changes = [event for event in new if event.entry.type == AGENT_CHANGED and event.entry.stream.startswith(AGENT)]
    agents = {event.entry.stream.removeprefix(AGENT) for event in changes}
    rows = {agent_id: known.agents[agent_id] for agent_id in agents & known.agents.keys()}
    missing = sorted(agents - rows.keys())
    if missing:
        for record in await connection.fetch(OPEN_INTERVALS, owner.node, missing):
            rows[record["agent_id"]] = AgentStateRow(**record)
    changed = Changed()
    for event in changes:
        agent_id = event.entry.stream.removeprefix(AGENT)
        record = {"node": owner.node, "position": event.position, "at": event.entry.at, "data": event.entry.data}
        try:
            rows[agent_id] = fold_agent_record(rows.get(agent_id), {**record, "stream": event.entry.stream}, changed)
        except msgspec.MsgspecError:
            outcome.misread.append(event)
    outcome.agents = rows
    await changed.save(connection)


def fold_agent_record(before: AgentStateRow | None, record: Mapping[str, Any], changed: "Changed") -> AgentStateRow:
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


class Changed:
    """The rows that a batch changed, each once, as they are at its end."""

    def __init__(self) -> None:
        self._rows: dict[Table, dict[object, Row]] = {}

    def note(self, before: ContactView | None, after: ContactView | None) -> None:
        """Whatever differs between two views of a contact."""
        if after is None or after is before:
            return
        if before is None or after.contact is not before.contact:
            self._rows.setdefault(contact, {})[after.contact.contact_id] = after.contact
        for row in _differing(before.segments if before else (), after.segments):
            self._rows.setdefault(segment, {})[row.contact_id, row.n] = row
        for made in _differing(before.recordings if before else (), after.recordings):
            self._rows.setdefault(recording, {})[made.recording_id] = made

    def note_agent(self, ended: AgentStateRow | None, began: AgentStateRow) -> None:
        """The interval that ended and the one that began."""
        for row in (ended, began):
            if row is not None:
                self._rows.setdefault(agent_state_interval, {})[row.node, row.position] = row

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    async def save(self, connection: Connection) -> None:
        """One statement a table."""
        for table, rows in self._rows.items():
            await connection.execute(upsert(table), msgspec.json.encode(list(rows.values())).decode())
        self._rows = {}


def _differing(before: tuple[R, ...], after: tuple[R, ...]) -> list[R]:
    """The rows of `after` that `before` does not hold at the same place."""
    return [row for n, row in enumerate(after) if n >= len(before) or row is not before[n]]


def contact_of(event: Stored) -> str:
    """The contact whose stream this is."""
    return event.entry.stream.removeprefix(CONTACT)
