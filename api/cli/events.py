"""events tail: the latest events from the database, and those that come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from api.cli.database import engine
from api.cli.output import Exit, err, out, say_line_json
from api.reads import event_body
from callcenter.config.settings import Settings
from callcenter.db.queries import PAGE_MAX, EventRow, Queries

POLL_S: Final = 0.5


async def tail(settings: Settings, *, follow: bool, contact_id: str | None, count: int, as_json: bool) -> Exit:
    """Print the latest `count` events, or all of one contact; with `follow` the next ones too, until interrupted.

    FINDING if the contact has none. Raises DatabaseError, CompanionError.
    """
    async with engine(settings) as database:
        queries = Queries(database)
        position = await queries.position(settings.node)
        rows = await _first(queries, settings.node, position, contact_id, count)
        if contact_id is not None and not rows and not follow:
            err().print(f"callcenter: nothing is remembered of a contact {contact_id!r}", markup=False)
            return Exit.FINDING
        _print(rows, as_json=as_json)
        if follow:
            after = max([position, *(row.position for row in rows)])
            async for new in _next(queries, settings.node, after):
                _print([row for row in new if contact_id is None or _is_of(row, contact_id)], as_json=as_json)
    return Exit.OK


async def _first(queries: Queries, node: str, position: int, contact_id: str | None, count: int) -> Sequence[EventRow]:
    if contact_id is not None:
        return await queries.contact_events(contact_id)
    # Positions have no gaps but at the beginning of a journal file, so this is `count` events, or a few less.
    found: list[EventRow] = []
    after = max(0, position - count)
    while rows := await queries.events_after(node, after, PAGE_MAX):
        found += rows
        after = rows[-1].position
    return found[-count:] if count else []


async def _next(queries: Queries, node: str, after: int) -> AsyncIterator[Sequence[EventRow]]:
    while True:
        rows = await queries.events_after(node, after, PAGE_MAX)
        if rows:
            after = rows[-1].position
            yield rows
        else:
            await asyncio.sleep(POLL_S)


def _is_of(row: EventRow, contact_id: str) -> bool:
    return row.stream == f"contact/{contact_id}"


def _print(rows: Sequence[EventRow], *, as_json: bool) -> None:
    for row in rows:
        if as_json:
            say_line_json(event_body(row).model_dump(mode="json"))
            continue
        at = datetime.fromtimestamp(row.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = msgspec.json.encode(row.data).decode()
        out().print(f"{at}  {row.stream} #{row.seq}  {row.type}  {data}", markup=False)
