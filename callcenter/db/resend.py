"""Sends the journal's kept events to the database again: after it was restored from a backup, say."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from callcenter.clock import AnchoredClock
from callcenter.db.copying import Connection
from callcenter.db.engine import connect, reaching
from callcenter.db.journal import SqliteJournal
from callcenter.db.journal_status import status_of
from callcenter.db.writer import APPLICATION, Writer
from callcenter.entropy import Entropy
from callcenter.errors import DatabaseError

END_MS = 5_000
POLL_S = 0.2
SENT_S = 3_600.0

LOWER = "UPDATE cell SET position = least(position, $2) WHERE node = $1"
END_WRITER = """
SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity
WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()
"""
BEFORE = """
SELECT coalesce(max(position), 0) FROM (
    SELECT max(position) AS position FROM contact_event WHERE node = $1 AND at < $2
    UNION ALL SELECT max(position) FROM floor_event WHERE node = $1 AND at < $2
) AS earlier
"""
HELD = """
SELECT (SELECT count(*) FROM contact_event WHERE node = $1)
    + (SELECT count(*) FROM floor_event WHERE node = $1) AS rows,
    (SELECT count(*) FROM event_conflict WHERE node = $1) AS aside
"""


@dataclass(frozen=True, slots=True)
class Resent:
    """What a replay came to: events that the database lacked and has now, and forks that were set aside."""

    mended: int
    aside: int


async def resend(url: str, node: str, since: float | None, journal: Path) -> Resent:
    """Send what the journal keeps, or its part from `since` (an instant) on; what is there already stays as it is.

    A running service is made to do it: its writer loses its connection and finds the database behind. Without one we
    write ourselves. Raises DatabaseError, JournalError.
    """
    async with reaching("the events could not be sent again"):
        connection = await connect(url, "callcenter replay", statement_s=None)
        try:
            until = await connection.fetchval("SELECT position FROM cell WHERE node = $1", node)
            if until is None:
                raise DatabaseError(f"the database knows nothing of node {node!r}; the service sends it everything")
            before = await connection.fetchrow(HELD, node)
            kept = await asyncio.to_thread(status_of, journal)
            served = await _set_back(connection, node, since, kept.position - kept.held)
            if served:
                await _until_sent(connection, node, until)
            else:
                await _send(url, node, journal)
            after = await connection.fetchrow(HELD, node)
        finally:
            await connection.close(timeout=5.0)
    return Resent(after["rows"] - before["rows"], after["aside"] - before["aside"])


async def _set_back(connection: Connection, node: str, since: float | None, forgotten: int) -> bool:
    """Make the database say that it has less than it has; whether there was a writer who will notice.

    What the journal does not hold any more, up to the position `forgotten`, is not asked for: it would seem to be lost.
    """
    position = forgotten
    if since is not None:
        position = max(position, await connection.fetchval(BEFORE, node, datetime.fromtimestamp(since, UTC)))
    async with connection.transaction():
        # The writer can't move its mark forward again behind our back: it waits for this row until it is gone.
        await connection.execute("SELECT 1 FROM cell WHERE node = $1 FOR UPDATE", node)
        await connection.execute(LOWER, node, position)
        return bool(await connection.fetch(END_WRITER, APPLICATION, END_MS))


async def _until_sent(connection: Connection, node: str, position: int) -> None:
    for _ in range(int(SENT_S / POLL_S)):
        if await connection.fetchval("SELECT position FROM cell WHERE node = $1", node) >= position:
            return
        await asyncio.sleep(POLL_S)
    raise DatabaseError(f"the service did not send everything within {SENT_S:.0f} s; its log says why")


async def _send(url: str, node: str, path: Path) -> None:
    clock = AnchoredClock()
    journal = SqliteJournal(path, node, clock.now(), lambda _: None)
    await journal.open()
    writer = Writer(journal, url, clock, Entropy().stream("replay"), linger_s=0.0)
    running = asyncio.create_task(writer.run())
    sent = asyncio.create_task(writer.until(journal.position, SENT_S))
    try:
        await asyncio.wait({running, sent}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
    finally:
        for task in (running, sent):
            task.cancel()
        await asyncio.gather(running, sent, return_exceptions=True)
        await journal.close()
