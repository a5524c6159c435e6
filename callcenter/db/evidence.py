"""What journal and database say of a span of time, read for the audit: events as written, and the rows beside them."""

import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Table

from callcenter.contact.events import Body, ContactEnded, ContactStarted
from callcenter.db.copying import Connection
from callcenter.db.engine import connect, reaching
from callcenter.db.event_rows import CONTACT
from callcenter.db.forgotten import Forgotten
from callcenter.db.journal_reads import EVENTS_AFTER
from callcenter.db.journal_status import reading
from callcenter.db.migrate import day_of
from callcenter.db.projections import ContactRow, ContactView, Fold, RecordingRow, SegmentRow, body_of
from callcenter.db.stored import Stored, content_hash
from callcenter.db.tables import contact, recording, segment
from callcenter.ports import Entry

PREFETCH = 2_000
CHUNK = 1_000

EVENTS = """
SELECT contact_id::text, node, seq, extract(epoch FROM at)::float8 AS at, type, version, data::text, site, cause, hash
FROM contact_event WHERE node = $1 AND day BETWEEN $2 AND $3 ORDER BY day, contact_id, seq
"""
CONFLICTS = """
SELECT stream, seq, reason FROM event_conflict WHERE node = $1 AND at >= $2 AND at < $3 ORDER BY position
"""
FLOOR_GAPS = """
SELECT stream, journal, min(seq) AS first, max(seq) AS last, count(*) AS held FROM floor_event
WHERE node = $1 AND (stream, journal) IN (
    SELECT DISTINCT stream, journal FROM floor_event WHERE node = $1 AND at >= $2 AND at < $3
)
GROUP BY stream, journal HAVING max(seq) - min(seq) + 1 <> count(*) ORDER BY stream, journal
"""
GAPS = """
SELECT data->>'events' AS events, data->>'from_at' AS from_at, data->>'to_at' AS to_at FROM floor_event
WHERE node = $1 AND stream = 'journal' AND type = 'journal.gap' ORDER BY position
"""
NOT_HELD = """
SELECT incoming.position
FROM unnest($1::date[], $2::uuid[], $3::int[], $4::bytea[], $5::bigint[])
    AS incoming (day, contact_id, seq, hash, position)
LEFT JOIN contact_event held USING (day, contact_id, seq)
WHERE held.hash IS DISTINCT FROM incoming.hash ORDER BY incoming.position
"""


@dataclass(slots=True)
class Told:
    """One contact as its events tell it. `forged` are seqs whose content is not what their hash says."""

    contact_id: str
    seqs: list[int] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    forged: list[int] = field(default_factory=list)
    channel: str = ""
    channel_id: str = ""
    seq_total: int | None = None
    view: ContactView | None = None

    @property
    def closed(self) -> bool:
        """Whether its last event is the last one."""
        return bool(self.types) and self.types[-1] == ContactEnded.type

    @property
    def began_at(self) -> float:
        """When it began, by its id."""
        return began_at(self.contact_id)


def began_at(contact_id: str) -> float:
    """The instant in a contact's UUIDv7, in seconds; it counts milliseconds."""
    return int(contact_id.replace("-", "")[:12], 16) / 1000


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Connection]:
    """A connection that sees the database as of one moment, and can't change it. Raises DatabaseError."""
    async with reaching("the audit could not read the database"):
        connection = await connect(url, "callcenter audit", statement_s=None)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection
        finally:
            await connection.close(timeout=5.0)


async def contacts_told(connection: Connection, node: str, from_at: float, to_at: float) -> AsyncIterator[Told]:
    """Every contact of `node` that began in the span, by its events alone."""
    days = (datetime.fromtimestamp(at, UTC).date() for at in (from_at, to_at))
    told: Told | None = None
    fold: Fold | None = None
    async for record in connection.cursor(EVENTS, node, *days, prefetch=PREFETCH):
        contact_id = record["contact_id"]
        if not from_at <= began_at(contact_id) < to_at:
            continue
        if told is None or fold is None or told.contact_id != contact_id:
            if told is not None and fold is not None:
                told.view = fold.view()
                yield told
            told, fold = Told(contact_id), Fold(contact_id, node, None)
        _add(told, fold, record)
    if told is not None and fold is not None:
        told.view = fold.view()
        yield told


def _add(told: Told, fold: Fold, record: Mapping[str, Any]) -> None:
    entry = Entry(
        CONTACT + told.contact_id,
        *(record["seq"], record["at"], record["type"], record["version"]),
        record["data"].encode(),
        *(record["site"], record["cause"]),
    )
    if content_hash(entry) != record["hash"]:
        told.forged.append(entry.seq)
    body = _note(told, entry)
    if body is not None:
        fold.add(entry.seq, entry.at, body)


def _note(told: Told, entry: Entry) -> Body | None:
    """Add an event to what was told; its body, if that is understood."""
    told.seqs.append(entry.seq)
    told.types.append(entry.type)
    try:
        body = body_of(entry.type, entry.data)
    except msgspec.MsgspecError:
        return None
    if isinstance(body, ContactStarted):
        told.channel, told.channel_id = body.channel, body.channel_id
    if isinstance(body, ContactEnded):
        told.seq_total = body.seq_total
    return body


async def views_held(connection: Connection, contact_ids: Sequence[str]) -> dict[str, ContactView]:
    """What the projections hold of these contacts."""
    segments: dict[str, list[SegmentRow]] = defaultdict(list)
    for part in await _rows(connection, segment, SegmentRow, contact_ids, "contact_id, n"):
        segments[part.contact_id].append(part)
    recordings: dict[str, list[RecordingRow]] = defaultdict(list)
    for made in await _rows(connection, recording, RecordingRow, contact_ids, "contact_id, recording_id"):
        recordings[made.contact_id].append(made)
    return {
        row.contact_id: ContactView(row, tuple(segments[row.contact_id]), tuple(recordings[row.contact_id]))
        for row in await _rows(connection, contact, ContactRow, contact_ids, "contact_id")
    }


async def _rows(connection: Connection, table: Table, kind: type[Any], ids: Sequence[str], order: str) -> list[Any]:
    sql = f"SELECT * FROM {table.name} WHERE contact_id = ANY ($1::uuid[]) ORDER BY {order}"  # noqa: S608 - our names
    names = kind.__struct_fields__
    return [kind(**{name: _plain(row[name]) for name in names}) for row in await connection.fetch(sql, ids)]


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.timestamp()
        case list():
            return tuple(value)
        case UUID():
            return str(value)
        case _:
            return value


async def conflicts(connection: Connection, node: str, from_at: float, to_at: float) -> list[tuple[str, int, str]]:
    """Stream, seq and reason of the events that could not take their place in the span."""
    rows = await connection.fetch(CONFLICTS, node, *_instants(from_at, to_at))
    return [(row["stream"], row["seq"], row["reason"]) for row in rows]


async def floor_gaps(connection: Connection, node: str, from_at: float, to_at: float) -> list[tuple[str, int, int]]:
    """Streams beside the contacts' that lack events: the stream, how many it should have, how many it has."""
    rows = await connection.fetch(FLOOR_GAPS, node, *_instants(from_at, to_at))
    return [(row["stream"], row["last"] - row["first"] + 1, row["held"]) for row in rows]


async def gaps(connection: Connection, node: str, from_at: float, to_at: float) -> list[Forgotten]:
    """What the database lacks for good, as its writer found when it had been set back; those that touch the span."""
    found = [
        Forgotten(int(row["events"]), float(row["from_at"]), float(row["to_at"]))
        for row in await connection.fetch(GAPS, node)
    ]
    return [gap for gap in found if gap.from_at < to_at and gap.to_at >= from_at]


def _instants(*ats: float) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(at, UTC) for at in ats)


@dataclass(frozen=True, slots=True)
class JournalEvidence:
    """What a journal that nobody has open holds: its events of contacts, its live contacts, how far it was sent."""

    events: list[Stored]
    live: frozenset[str]
    drained: int

    def unsent(self) -> dict[str, Told]:
        """What waits to be sent, by contact; of a contact of which the database knows nothing, that is all of it."""
        waiting: dict[str, Told] = {}
        for event in self.events:
            if event.position > self.drained:
                contact_id = event.entry.stream.removeprefix(CONTACT)
                _note(waiting.setdefault(contact_id, Told(contact_id)), event.entry)
        return waiting


def journal_evidence(path: Path) -> JournalEvidence | None:
    """None while a service has the journal open. Raises JournalError."""
    with reading(path) as found:
        if found is None:
            return None
        database, facts = found
        live = {stream for (stream,) in database.execute("SELECT stream FROM live_state")}
        events = [event for event in _events(database) if event.entry.stream.startswith(CONTACT)]
        return JournalEvidence(events, frozenset(stream.removeprefix(CONTACT) for stream in live), facts.drained)


def _events(database: sqlite3.Connection) -> Iterator[Stored]:
    after = 0
    while rows := database.execute(EVENTS_AFTER, (after, CHUNK)).fetchall():
        yield from (Stored(row[0], Entry(*row[1:9]), row[9], row[10]) for row in rows)
        after = rows[-1][0]


async def not_held(connection: Connection, events: Sequence[Stored]) -> list[Stored]:
    """Those of a journal's events of contacts that the database lacks, or holds otherwise."""
    missing = []
    for start in range(0, len(events), CHUNK):
        part = events[start : start + CHUNK]
        ids = [event.entry.stream.removeprefix(CONTACT) for event in part]
        days: list[date] = [day_of(contact_id) for contact_id in ids]
        columns = ([event.entry.seq for event in part], [event.hash for event in part])
        rows = await connection.fetch(NOT_HELD, days, ids, *columns, [event.position for event in part])
        lacking = {row["position"] for row in rows}
        missing += [event for event in part if event.position in lacking]
    return missing
