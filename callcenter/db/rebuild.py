"""Computes every projection again from the events alone."""

from contextlib import suppress

import msgspec

from callcenter.db.batch import fold_agent_record, fold_record
from callcenter.db.changed import Changed
from callcenter.db.engine import connect, reaching
from callcenter.db.projections import AGENT_CHANGED, AgentStateRow, ContactView
from callcenter.db.tables import PROJECTIONS

ROWS_MAX = 1_000  # changed rows held before they are saved

CONTACT_EVENTS = """
SELECT contact_id::text, node, seq, extract(epoch FROM at)::float8 AS at, type, data::text
FROM contact_event ORDER BY day, contact_id, seq
"""
AGENT_EVENTS = """
SELECT position, node, stream, extract(epoch FROM at)::float8 AS at, data::text
FROM floor_event WHERE type = $1 AND stream LIKE 'agent/%' ORDER BY node, stream, position
"""


async def rebuild(url: str) -> int:
    """Replace all projections in one transaction; returns how many events were read. Raises DatabaseError.

    Readers see the old rows until it is done; writers wait, and try again if that takes long.
    """
    read = 0
    async with reaching("the projections could not be rebuilt"):
        connection = await connect(url, "callcenter rebuild", statement_s=None)
        try:
            async with connection.transaction():
                await connection.execute("SELECT node FROM cell FOR UPDATE")
                for table in PROJECTIONS:
                    await connection.execute(str(table.delete()))
                changed = Changed()
                view: ContactView | None = None
                contact_id = ""
                async for record in connection.cursor(CONTACT_EVENTS, prefetch=ROWS_MAX):
                    read += 1
                    if record["contact_id"] != contact_id:
                        contact_id, view = record["contact_id"], None
                        if len(changed) > ROWS_MAX:
                            await changed.save(connection, new=True)
                    after = fold_record(view, record)
                    changed.note(view, after)
                    view = after
                await changed.save(connection, new=True)
                interval: AgentStateRow | None = None
                async for record in connection.cursor(AGENT_EVENTS, AGENT_CHANGED, prefetch=ROWS_MAX):
                    read += 1
                    with suppress(msgspec.MsgspecError):
                        interval = fold_agent_record(interval, record, changed)
                    if len(changed) > ROWS_MAX:
                        await changed.save(connection, new=True)
                await changed.save(connection, new=True)
        finally:
            await connection.close(timeout=5.0)
    return read
