"""Events as rows of the event tables: put there at once where they are new, told apart where they may not be."""

import asyncio
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from callcenter.db import copying
from callcenter.db.copying import Connection, Copy
from callcenter.db.journal_file import birth_of
from callcenter.db.migrate import day_of
from callcenter.db.stored import Stored

LOOP_EVENTS_MAX = 100  # worked on in one go; then the event loop serves callers for a moment
CONTACT = "contact/"

NUMBERS = ("seq", "position", "epoch", "at", "version")
ENVELOPE = ("type", "data", "site", "cause", "hash", "node")
CONTACT_EVENT_COLUMNS = (*NUMBERS, "day", "contact_id", *ENVELOPE)
FLOOR_EVENT_COLUMNS = (*NUMBERS, "journal", "stream", *ENVELOPE)
FIELDS = 13  # of either
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

_numbers = struct.Struct("!h ii iq iq iq ih").pack  # how many fields a row has, then NUMBERS, each behind its length


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


async def contact_copy(owner: Owner, events: Sequence[Stored]) -> Copy:
    """New events of contacts, as COPY takes them. Raises OverflowError or ValueError if no row can hold one."""
    return Copy("contact_event", CONTACT_EVENT_COLUMNS, await _encoded(owner, events, _contact_place))


async def floor_copy(owner: Owner, events: Sequence[Stored]) -> Copy:
    """As `contact_copy`, for the streams that outlive contacts."""

    def place(event: Stored) -> bytes:
        return copying.long(owner.journal_of(event)) + copying.text(event.entry.stream)

    return Copy("floor_event", FLOOR_EVENT_COLUMNS, await _encoded(owner, events, place))


async def _encoded(owner: Owner, events: Sequence[Stored], place: Callable[[Stored], bytes]) -> list[bytes]:
    """Rows in portions; between two of them the event loop serves callers."""
    encoded = []
    for part in portions(events):
        encoded.append(_rows(owner, part, place))
        await asyncio.sleep(0)
    return encoded


def _rows(owner: Owner, events: Sequence[Stored], place: Callable[[Stored], bytes]) -> bytes:
    text, node = copying.text, copying.text(owner.node)
    parts: list[bytes] = []
    try:
        for event in events:
            position, entry, digest, epoch = event
            at = copying.microseconds(entry.at)
            parts += (
                _numbers(FIELDS, 4, entry.seq, 8, position, 8, epoch, 8, at, 2, entry.version),
                *(place(event), text(entry.type), copying.jsonb(entry.data), text(entry.site), text(entry.cause)),
                *(copying.field(digest), node),
            )
    except struct.error as error:
        raise OverflowError(str(error)) from error
    return b"".join(parts)


def _contact_place(event: Stored) -> bytes:
    return _identity(event.entry.stream)


@lru_cache(maxsize=4096)  # asked for each event of a contact
def _identity(stream: str) -> bytes:
    contact_id = stream.removeprefix(CONTACT)
    return copying.day(day_of(contact_id)) + copying.uuid_(contact_id)


def portions(events: Sequence[Stored]) -> Iterator[Sequence[Stored]]:
    """`events` in portions of LOOP_EVENTS_MAX."""
    return (events[start : start + LOOP_EVENTS_MAX] for start in range(0, len(events), LOOP_EVENTS_MAX))


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
    """One list a column, as INSERT_CONTACT_EVENTS and INSERT_FLOOR_EVENTS take them."""
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


def is_of_contact(event: Stored) -> bool:
    """Whether it is an event of a contact, and not of a stream that outlives contacts."""
    return event.entry.stream.startswith(CONTACT)


def contact_of(event: Stored) -> str:
    """The contact whose stream this is."""
    return event.entry.stream[len(CONTACT) :]
