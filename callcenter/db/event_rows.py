"""Events as rows of the event tables: put there at once where they are new, told apart where they may not be."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any

from callcenter.db.changed import Connection
from callcenter.db.journal_file import birth_of
from callcenter.db.migrate import day_of
from callcenter.db.stored import Stored

LOOP_EVENTS_MAX = 100  # worked on in one go; then the event loop serves callers for a moment
CONTACT = "contact/"

ENVELOPE = ("position", "epoch", "at", "version", "type", "data", "site", "cause", "hash", "node")
CONTACT_EVENT_COLUMNS = ("day", "contact_id", "seq", *ENVELOPE)
FLOOR_EVENT_COLUMNS = ("journal", "stream", "seq", *ENVELOPE)
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
SELECT $1, journal, stream, seq, position, epoch, to_timestamp(at), version, type, data::jsonb, site, cause, hash
FROM unnest($2::bigint[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::float8[], $8::smallint[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[])
    AS incoming (journal, stream, seq, position, epoch, at, version, type, data, site, cause, hash)
ON CONFLICT DO NOTHING RETURNING position
"""
HELD_CONTACT_EVENTS = """
SELECT incoming.position, held.hash
FROM unnest($1::date[], $2::uuid[], $3::int[], $4::bigint[]) AS incoming (day, contact_id, seq, position)
JOIN contact_event held USING (day, contact_id, seq)
"""
HELD_FLOOR_EVENTS = """
SELECT incoming.position, held.hash
FROM unnest($2::bigint[], $3::text[], $4::int[], $5::bigint[]) AS incoming (journal, stream, seq, position)
JOIN floor_event held USING (journal, stream, seq) WHERE held.node = $1
"""
SET_ASIDE = """
INSERT INTO event_conflict (node, reason, position, epoch, at, seq, stream, type, data, hash)
VALUES ($1, $2, $3, $4, to_timestamp($5), $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who writes: the node, the journal's epoch, and the positions at which the journals in its file began."""

    node: str
    epoch: int
    births: tuple[int, ...]

    def journal_of(self, event: Stored) -> int:
        """Which journal gave the event its seq: together they are the identity of an event of the floor."""
        return birth_of(self.births, event.position)


@dataclass(frozen=True, slots=True)
class Apart:
    """What became of a batch: new events, how many were there already, and those at whose place another one is."""

    new: Sequence[Stored]
    replayed: int = 0
    forks: Sequence[Stored] = ()


def contact_event_row(owner: Owner, event: Stored) -> tuple[object, ...]:
    """An event of a contact as a row of CONTACT_EVENT_COLUMNS."""
    return (*_identity(contact_of(event)), event.entry.seq, *_envelope(event), owner.node)


def floor_event_row(owner: Owner, event: Stored) -> tuple[object, ...]:
    """An event of another stream as a row of FLOOR_EVENT_COLUMNS."""
    return (owner.journal_of(event), event.entry.stream, event.entry.seq, *_envelope(event), owner.node)


async def copy_contact_events(connection: Connection, owner: Owner, events: Sequence[Stored]) -> None:
    """Put them all; raises asyncpg.UniqueViolationError if one is there already."""
    records = _in_portions(partial(contact_event_row, owner), events)
    await connection.copy_records_to_table("contact_event", records=records, columns=CONTACT_EVENT_COLUMNS)


async def copy_floor_events(connection: Connection, owner: Owner, events: Sequence[Stored]) -> None:
    """As `copy_contact_events`, for the streams that outlive contacts."""
    records = _in_portions(partial(floor_event_row, owner), events)
    await connection.copy_records_to_table("floor_event", records=records, columns=FLOOR_EVENT_COLUMNS)


async def _in_portions(
    row: Callable[[Stored], tuple[object, ...]], events: Sequence[Stored]
) -> AsyncIterator[tuple[object, ...]]:
    for part in portions(events):
        for event in part:
            yield row(event)
        await asyncio.sleep(0)


def portions(events: Sequence[Stored]) -> Iterator[Sequence[Stored]]:
    """`events` in portions of LOOP_EVENTS_MAX."""
    return (events[start : start + LOOP_EVENTS_MAX] for start in range(0, len(events), LOOP_EVENTS_MAX))


@lru_cache(maxsize=4096)  # asked for each event of a contact
def _identity(contact_id: str) -> tuple[date, uuid.UUID]:
    return day_of(contact_id), uuid.UUID(contact_id)


def _envelope(event: Stored) -> tuple[object, ...]:
    """position, epoch, at, version, type, data, site, cause, hash."""
    position, entry, digest, epoch = event
    at = datetime.fromtimestamp(instant(entry.at), UTC)
    return position, epoch, at, entry.version, entry.type, entry.data.decode(), entry.site, entry.cause, digest


def instant(at: float) -> float:
    """The nearest whole microsecond, as `content_hash` counts it: whoever rounds it after this gets the same."""
    return round(at * 1e6) / 1e6


async def insert_contact_events(connection: Connection, owner: Owner, events: Sequence[Stored]) -> Apart:
    """Put those that are not there yet."""
    ids = [contact_of(event) for event in events]
    days = [day_of(contact_id) for contact_id in ids]
    seqs = [event.entry.seq for event in events]
    inserted = await connection.fetch(INSERT_CONTACT_EVENTS, owner.node, days, ids, seqs, *_envelopes(events))
    if len(inserted) == len(events):
        return Apart(events)
    positions = [event.position for event in events]
    held = await connection.fetch(HELD_CONTACT_EVENTS, days, ids, seqs, positions)
    return _told_apart(events, inserted, held)


async def insert_floor_events(connection: Connection, owner: Owner, events: Sequence[Stored]) -> Apart:
    """As `insert_contact_events`, for the streams that outlive contacts."""
    journals = [owner.journal_of(event) for event in events]
    streams = [event.entry.stream for event in events]
    seqs = [event.entry.seq for event in events]
    inserted = await connection.fetch(INSERT_FLOOR_EVENTS, owner.node, journals, streams, seqs, *_envelopes(events))
    if len(inserted) == len(events):
        return Apart(events)
    positions = [event.position for event in events]
    held = await connection.fetch(HELD_FLOOR_EVENTS, owner.node, journals, streams, seqs, positions)
    return _told_apart(events, inserted, held)


def _envelopes(events: Sequence[Stored]) -> tuple[list[object], ...]:
    """One list a column, as `_envelope` has them, but `at` in seconds."""
    entries = [event.entry for event in events]
    return (
        [event.position for event in events],
        [event.epoch for event in events],
        [instant(entry.at) for entry in entries],
        [entry.version for entry in entries],
        [entry.type for entry in entries],
        [entry.data.decode() for entry in entries],
        [entry.site for entry in entries],
        [entry.cause for entry in entries],
        [event.hash for event in events],
    )


def _told_apart(
    events: Sequence[Stored], inserted: Iterable[Mapping[str, Any]], held: Iterable[Mapping[str, Any]]
) -> Apart:
    new = {record["position"] for record in inserted}
    hashes = {record["position"]: record["hash"] for record in held}
    there = [event for event in events if event.position not in new]
    forks = [event for event in there if hashes.get(event.position) != event.hash]
    return Apart([event for event in events if event.position in new], len(there) - len(forks), forks)


async def set_aside(connection: Connection, owner: Owner, event: Stored, why: str) -> None:
    """Keep an event that can't take its place, as it is, with the reason."""
    entry = event.entry
    await connection.execute(
        SET_ASIDE,
        *(owner.node, _sayable(why), event.position, event.epoch, entry.at, entry.seq),
        *(_sayable(entry.stream), _sayable(entry.type), entry.data, event.hash),
    )


def _sayable(text: str) -> str:
    """What a text column and its index can hold of anything."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")[:300]


def contact_of(event: Stored) -> str:
    """The contact whose stream this is."""
    return event.entry.stream[len(CONTACT) :]
