"""How events are read from the journal's file: row by row, or spelled as JSON, many in one row.

sqlite3 gives the interpreter lock away at every row and must win it back from a busy event loop. A backlog is read
while the loop has most to do: there one row of many events, spelled by SQLite itself, is read far sooner than many.
"""

import sqlite3

import msgspec

from callcenter.db.stored import Stored
from callcenter.ports import Entry

SPELLED_EVENTS = 500  # in one text
TICKS = 16_777_216  # a second has so many: a power of two, so that an instant in ticks is what it was in seconds

EVENTS_AFTER = """
SELECT position, stream, seq, at, type, version, data, site, cause, hash, epoch FROM event
WHERE position > ? ORDER BY position LIMIT ?
"""
# Instants in ticks are whole numbers; of a fraction SQLite's JSON spells 15 digits, and an instant needs 16.
EVENTS_AFTER_SPELLED = """
SELECT max(position), json_group_array(json_array(
    position, stream, seq, CAST(at * 16777216 AS INTEGER), type, version, CAST(data AS TEXT), site, cause, hex(hash),
    epoch
)) FROM (SELECT * FROM event WHERE position > ? ORDER BY position LIMIT ?)
"""


def read_after(db: sqlite3.Connection, position: int, limit: int) -> list[Stored]:
    """At most `limit` events with a higher position, in order."""
    rows = db.execute(EVENTS_AFTER, (position, limit)).fetchall()
    return [Stored(row[0], Entry(*row[1:9]), row[9], row[10]) for row in rows]


def spelled_after(db: sqlite3.Connection, position: int, limit: int) -> list[str]:
    """What `read_after` finds, as texts for `read_spelled`, SPELLED_EVENTS in each at most."""
    texts: list[str] = []
    for start in range(0, limit, SPELLED_EVENTS):
        last, text = db.execute(EVENTS_AFTER_SPELLED, (position, min(SPELLED_EVENTS, limit - start))).fetchone()
        if last is None:
            break
        position = last
        texts.append(text)
    return texts


def read_spelled(text: str) -> list[Stored]:
    """The events of a text. Raises msgspec.MsgspecError or ValueError if it is not what was written."""
    return [_stored(*one) for one in _SPELLED.decode(text)]


_Spelled = tuple[int, str, int, int, str, int, str, str, str, str, int]
_SPELLED = msgspec.json.Decoder(list[_Spelled])


def _stored(
    position: int, stream: str, seq: int, ticks: int, kind: str, version: int, data: str, site: str, cause: str,
    digest: str, epoch: int,
) -> Stored:  # fmt: skip
    entry = Entry(stream, seq, ticks / TICKS, kind, version, data.encode(), site, cause)
    return Stored(position, entry, bytes.fromhex(digest), epoch)
