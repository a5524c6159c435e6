"""What the API reads: contacts, events, recordings, customers; typed rows, instants as seconds since the epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, cast, func, literal, select, text, tuple_, union_all
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import Text

from callcenter.db.engine import reaching
from callcenter.db.estimates import Estimates
from callcenter.db.flow_paths import FlowPaths
from callcenter.db.migrate import day_of
from callcenter.db.projections import AgentStateRow, ContactRow, RecordingRow, Row, SegmentRow
from callcenter.db.recording_lists import RecordingLists
from callcenter.db.reports import Reports
from callcenter.db.surveys import Surveys
from callcenter.db.tables import (
    agent_state_interval,
    cell,
    contact,
    contact_event,
    customer,
    customer_identity,
    floor_event,
    recording,
    segment,
)

PAGE_MAX = 500
RECENT_CONTACTS = 10

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """Which contacts; None: any. `started_from` is included, `started_to` is not."""

    started_from: float | None = None
    started_to: float | None = None
    queue: str | None = None
    agent_id: str | None = None
    customer_id: str | None = None
    caller: str | None = None
    end_state: str | None = None


@dataclass(frozen=True, slots=True)
class ContactCursor:
    """The last contact of a page; the next page begins below it."""

    started_at: float
    contact_id: str


@dataclass(frozen=True, slots=True)
class ContactPage:
    """Contacts, latest first, and where the next page begins (None: this was the last)."""

    contacts: tuple[ContactRow, ...]
    after: ContactCursor | None


@dataclass(frozen=True, slots=True)
class ContactDetail:
    """A contact with its segments in order and its recordings."""

    contact: ContactRow
    segments: tuple[SegmentRow, ...]
    recordings: tuple[RecordingRow, ...]


class VerdictRow(Row, frozen=True):
    """What was found as a recording's files were looked at: `verdict` is verified, truncated or missing.

    `reason` is None for a verified one; else no_file, unreadable, short or silent.
    """

    recording_id: str
    verdict: Literal["verified", "truncated", "missing"]
    reason: str | None
    at: float


class EventRow(Row, frozen=True):
    """A stored event. `stream` is contact/<id>, agent/<id> or site; `position` orders the events of one node."""

    position: int
    node: str
    stream: str
    seq: int
    at: float
    type: str
    version: int
    data: Mapping[str, Any]
    site: str
    cause: str


class CustomerRow(Row, frozen=True):
    """A customer with the numbers and addresses they are known by: `identities` are (kind, value)."""

    customer_id: str
    name: str
    value_tier: str
    language: str | None
    created_at: float
    updated_at: float
    identities: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CustomerDetail:
    """A customer and their latest contacts, latest first."""

    customer: CustomerRow
    recent: tuple[ContactRow, ...]


class Queries:
    """The read side of the database. Every method raises DatabaseError when it can't be reached in time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.reports = Reports(engine)
        self.flow_paths = FlowPaths(engine)
        self.estimates = Estimates(engine)
        self.surveys = Surveys(engine)
        self.recording_lists = RecordingLists(engine)

    async def contacts(
        self, wanted: ContactFilter, *, after: ContactCursor | None = None, limit: int = 50
    ) -> ContactPage:
        """A page of contacts, latest first; at most `limit`, which lies in 1…PAGE_MAX."""
        assert 1 <= limit <= PAGE_MAX
        where = _conditions(wanted)
        if after is not None:
            below = tuple_(literal(_instant(after.started_at)), literal(after.contact_id, contact.c.contact_id.type))
            where.append(tuple_(contact.c.started_at, contact.c.contact_id) < below)
        latest_first = (contact.c.started_at.desc(), contact.c.contact_id.desc())
        rows = await self._rows(
            ContactRow, contact, select(contact).where(and_(True, *where)).order_by(*latest_first).limit(limit + 1)
        )
        page = rows[:limit]
        more = len(rows) > limit
        return ContactPage(tuple(page), ContactCursor(page[-1].started_at, page[-1].contact_id) if more else None)

    async def contact(self, contact_id: str) -> ContactDetail | None:
        """One contact; None if there is none of that id, or it is no id at all."""
        if not _is_uuid(contact_id):
            return None
        rows = await self._rows(ContactRow, contact, select(contact).where(contact.c.contact_id == contact_id))
        if not rows:
            return None
        ordered = select(segment).where(segment.c.contact_id == contact_id).order_by(segment.c.n)
        return ContactDetail(
            rows[0], tuple(await self._rows(SegmentRow, segment, ordered)), await self.recordings(contact_id)
        )

    async def contact_events(self, contact_id: str) -> tuple[EventRow, ...]:
        """All events of a contact in order of seq; empty if there is none."""
        try:
            day = day_of(contact_id)
        except ValueError:
            return ()
        ours = (contact_event.c.day == day, contact_event.c.contact_id == contact_id)
        return await self._events(_contact_events().where(*ours).order_by(contact_event.c.seq))

    async def open_contacts(self, node: str, started_from: float, started_to: float) -> tuple[ContactRow, ...]:
        """Contacts of the node that began in that time and were never closed, oldest first; at most PAGE_MAX."""
        wanted = _conditions(ContactFilter(started_from, started_to))
        ours = select(contact).where(*wanted, contact.c.node == node, contact.c.closed.is_(False))
        ordered = ours.order_by(contact.c.started_at, contact.c.contact_id).limit(PAGE_MAX)
        return tuple(await self._rows(ContactRow, contact, ordered))

    async def recordings(self, contact_id: str) -> tuple[RecordingRow, ...]:
        """The recordings of a contact, earliest first."""
        if not _is_uuid(contact_id):
            return ()
        ours = select(recording).where(recording.c.contact_id == contact_id)
        ordered = ours.order_by(recording.c.started_at, recording.c.recording_id)
        return tuple(await self._rows(RecordingRow, recording, ordered))

    async def recording(self, recording_id: str) -> RecordingRow | None:
        """One recording."""
        rows = await self._rows(
            RecordingRow, recording, select(recording).where(recording.c.recording_id == recording_id)
        )
        return rows[0] if rows else None

    async def verdicts(self, recordings: Sequence[RecordingRow]) -> Mapping[str, VerdictRow]:
        """What became of these recordings, by their ids; those that were not looked at yet are missing."""
        if not recordings:
            return {}
        ids = [row.recording_id for row in recordings]
        async with reaching("what became of recordings can't be read"), self._engine.connect() as connection:
            result = await connection.execute(text(_VERDICTS), {"ids": ids})
            return {row["recording_id"]: _typed(VerdictRow, row) for row in result.mappings()}

    async def agent_states(self, agent_id: str, started_from: float, started_to: float) -> tuple[AgentStateRow, ...]:
        """The agent's intervals that began in that time, in order; at most PAGE_MAX."""
        table = agent_state_interval
        ours = select(table).where(
            table.c.agent_id == agent_id,
            table.c.started_at >= _instant(started_from),
            table.c.started_at < _instant(started_to),
        )
        return tuple(
            await self._rows(AgentStateRow, table, ours.order_by(table.c.started_at, table.c.position).limit(PAGE_MAX))
        )

    async def customers_by_phone(self, phone: str) -> tuple[CustomerRow, ...]:
        """Everybody known under this E.164 number, by customer_id."""
        known = select(customer_identity.c.customer_id).where(
            customer_identity.c.kind == "phone", customer_identity.c.value == phone
        )
        return await self._customers(_customers().where(customer.c.customer_id.in_(known)))

    async def customer(self, customer_id: str) -> CustomerDetail | None:
        """One customer with their latest contacts."""
        rows = await self._customers(_customers().where(customer.c.customer_id == customer_id))
        if not rows:
            return None
        recent = await self.contacts(ContactFilter(customer_id=customer_id), limit=RECENT_CONTACTS)
        return CustomerDetail(rows[0], recent.contacts)

    async def events_after(self, node: str, position: int, limit: int) -> tuple[EventRow, ...]:
        """The node's events with a higher position, of all streams, in order; at most `limit`, in 1…PAGE_MAX."""
        assert 1 <= limit <= PAGE_MAX
        parts = [
            part.where(table.c.node == node, table.c.position > position).order_by(table.c.position).limit(limit)
            for part, table in ((_contact_events(), contact_event), (_floor_events(), floor_event))
        ]
        return await self._events(
            union_all(*(part.subquery().select() for part in parts)).order_by("position").limit(limit)
        )

    async def position(self, node: str) -> int:
        """The position of the last event of that node in the database; 0 if there is none."""
        async with reaching("the position can't be read"), self._engine.connect() as connection:
            return await connection.scalar(select(cell.c.position).where(cell.c.node == node)) or 0

    async def conflicts(self) -> int:
        """How many events could not take their place and were set aside."""
        async with reaching("the events set aside can't be counted"), self._engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM event_conflict")) or 0

    async def _rows(self, kind: type[R], table: Table, query: Select[Any]) -> list[R]:
        async with reaching(f"{table.name} can't be read"), self._engine.connect() as connection:
            result = await connection.execute(query)
            return [_typed(kind, row) for row in result.mappings()]

    async def _events(self, query: Any) -> tuple[EventRow, ...]:
        async with reaching("the events can't be read"), self._engine.connect() as connection:
            result = await connection.execute(query)
            return tuple(_typed(EventRow, row) for row in result.mappings())

    async def _customers(self, query: Select[Any]) -> tuple[CustomerRow, ...]:
        async with reaching("the customers can't be read"), self._engine.connect() as connection:
            result = await connection.execute(query)
            return tuple(
                _typed(CustomerRow, {**row, "identities": tuple((kind, value) for kind, value in row["identities"])})
                for row in result.mappings()
            )


def _conditions(wanted: ContactFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.started_from is not None:
        where.append(contact.c.started_at >= _instant(wanted.started_from))
    if wanted.started_to is not None:
        where.append(contact.c.started_at < _instant(wanted.started_to))
    for name in ("queue", "agent_id", "customer_id", "caller", "end_state"):
        value = getattr(wanted, name)
        if value is not None:
            where.append(contact.c[name] == value)
    return where


_VERDICTS = """
SELECT DISTINCT ON (data ->> 'recording_id') data ->> 'recording_id' AS recording_id, at,
    split_part(type, '.', 2) AS verdict, data ->> 'reason' AS reason
FROM floor_event
WHERE stream = 'recordings' AND data ->> 'recording_id' = ANY (:ids)
ORDER BY data ->> 'recording_id', position DESC
"""

_ENVELOPE = ("position", "node", "seq", "at", "type", "version", "data", "site", "cause")


def _contact_events() -> Select[Any]:
    stream = literal("contact/").concat(cast(contact_event.c.contact_id, Text)).label("stream")
    return select(*(contact_event.c[name] for name in _ENVELOPE), stream)


def _floor_events() -> Select[Any]:
    return select(*(floor_event.c[name] for name in _ENVELOPE), floor_event.c.stream)


def _customers() -> Select[Any]:
    """Customers, each with `identities`, a JSON array of [kind, value]."""
    pair = func.jsonb_build_array(customer_identity.c.kind, customer_identity.c.value)
    identities = (
        select(func.coalesce(func.jsonb_agg(aggregate_order_by(pair, pair)), cast("[]", JSONB)))
        .where(customer_identity.c.customer_id == customer.c.customer_id)
        .scalar_subquery()
        .label("identities")
    )
    return select(customer, identities).order_by(customer.c.customer_id)


def _typed(kind: type[R], row: Mapping[Any, Any]) -> R:
    return kind(**{name: _plain(row[name]) for name in kind.__struct_fields__})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.timestamp()
    return tuple(value) if isinstance(value, list) else value


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _is_uuid(text_: str) -> bool:
    try:
        UUID(text_)
    except ValueError:
        return False
    return True
