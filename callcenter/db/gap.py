"""What neither the database nor the journal has: a database set back further than the journal's memory goes."""

from callcenter.db.copying import Connection
from callcenter.db.forgotten import Forgotten
from callcenter.db.journal import SqliteJournal

HELD = """
SELECT (SELECT count(*) FROM contact_event WHERE node = $1 AND position > $2 AND position < $3)
    + (SELECT count(*) FROM floor_event WHERE node = $1 AND position > $2 AND position < $3)
    + (SELECT count(*) FROM event_conflict WHERE node = $1 AND position > $2 AND position < $3)
"""
LAST_AT = """
SELECT extract(epoch FROM max(at))::float8 FROM (
    (SELECT at FROM contact_event WHERE node = $1 AND position <= $2 ORDER BY position DESC LIMIT 1)
    UNION ALL (SELECT at FROM floor_event WHERE node = $1 AND position <= $2 ORDER BY position DESC LIMIT 1)
) AS latest
"""


async def gap_after(connection: Connection, journal: SqliteJournal, held: int, now: float) -> Forgotten | None:
    """What is missing in the database after its position `held` and is not in the journal either; None if nothing is.

    `from_at` is that of the last event before it, `to_at` of the first one after it: the events themselves are gone.
    How many is exact unless the journal was damaged in between, which leaves a hole in the positions: what is older
    than the damage is not counted then.
    """
    file, oldest = journal.file, await journal.oldest()
    first, to_at = (journal.position + 1, now) if oldest is None else oldest
    after = max(held, file.births[0], *(birth for birth in file.births if birth < first))
    if first - after <= 1:
        return None
    there = await connection.fetchval(HELD, journal.node, after, first)
    missing = first - after - 1 - there
    if missing <= 0:
        return None
    before = await connection.fetchval(LAST_AT, journal.node, held)
    from_at, to_at = sorted((float(file.births[0] >> 20) if before is None else before, to_at))
    return Forgotten(missing, from_at, to_at)
