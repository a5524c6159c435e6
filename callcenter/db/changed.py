"""The projections' rows that a batch changed, each once, and how they are saved."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from sqlalchemy import Table

from callcenter.db.copying import Connection, Copy, encoded
from callcenter.db.projections import AgentStateRow, ContactView, Row
from callcenter.db.tables import agent_state_interval, contact, recording, segment, upsert

R = TypeVar("R")
PORTION_ROWS = 100  # encoded in one go; then the event loop serves callers for a moment


@dataclass(frozen=True, slots=True)
class Saving:
    """Changed rows, ready to be sent: those that no table has yet, and the others as arrays of JSON objects."""

    copies: Sequence[Copy] = ()
    assigned: Sequence[tuple[Table, str]] = ()

    async def send(self, connection: Connection) -> None:
        """Raises asyncpg.UniqueViolationError if a row of `copies` is there after all."""
        for copy in self.copies:
            await copy.send(connection)
        for table, rows in self.assigned:
            await connection.execute(upsert(table), rows)


class Changed:
    """Rows that began (no table has them yet) and rows that were altered, as they are in the end."""

    def __init__(self) -> None:
        self._began: dict[Table, dict[object, Row]] = {}
        self._altered: dict[Table, dict[object, Row]] = {}

    def note(self, before: ContactView | None, after: ContactView | None) -> None:
        """Whatever differs between two views of a contact."""
        if after is None or after is before:
            return
        if before is None or after.contact is not before.contact:
            self._put(contact, after.contact.contact_id, after.contact, began=before is None)
        segments = before.segments if before else ()
        for n, part in _differing(segments, after.segments):
            self._put(segment, (part.contact_id, part.n), part, began=n >= len(segments))
        recordings = before.recordings if before else ()
        for n, made in _differing(recordings, after.recordings):
            self._put(recording, made.recording_id, made, began=n >= len(recordings))

    def note_agent(self, ended: AgentStateRow | None, began: AgentStateRow) -> None:
        """The interval that ended and the one that began."""
        if ended is not None:
            self._put(agent_state_interval, (ended.node, ended.position), ended, began=False)
        self._put(agent_state_interval, (began.node, began.position), began, began=True)

    def rows(self) -> Mapping[Table, Mapping[object, Row]]:
        """All of them by table and key."""
        tables = self._began.keys() | self._altered.keys()
        return {table: {**self._altered.get(table, {}), **self._began.get(table, {})} for table in tables}

    def __len__(self) -> int:
        return sum(len(rows) for kind in (self._began, self._altered) for rows in kind.values())

    async def save(self, connection: Connection, *, new: bool = False) -> None:
        """Save and forget all of them. With `new`, rows that began are known not to be there, which is faster.

        Where that is wrong, asyncpg.UniqueViolationError ends the transaction.
        """
        await (await self.saving(new=new)).send(connection)
        self._began, self._altered = {}, {}

    async def saving(self, *, new: bool) -> Saving:
        """What `save` sends; made in portions."""
        copies, assigned = [], []
        for table, rows in self._began.items():
            if new:
                copies.append(await _copy(table, list(rows.values())))
            else:
                assigned.append((table, _json(rows)))
        assigned += [(table, _json(rows)) for table, rows in self._altered.items()]
        return Saving(copies, assigned)

    def _put(self, table: Table, key: object, row: Row, *, began: bool) -> None:
        if began or key in self._began.get(table, ()):
            self._began.setdefault(table, {})[key] = row
        else:
            self._altered.setdefault(table, {})[key] = row


async def _copy(table: Table, rows: Sequence[Row]) -> Copy:
    portions = []
    for part in _portions(rows):
        portions.append(encoded(table, part))
        await asyncio.sleep(0)
    return Copy(table.name, [column.name for column in table.c], portions)


def _portions(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + PORTION_ROWS] for start in range(0, len(rows), PORTION_ROWS))


def _json(rows: Mapping[object, Row]) -> str:
    return msgspec.json.encode(list(rows.values())).decode()


def _differing(before: tuple[R, ...], after: tuple[R, ...]) -> list[tuple[int, R]]:
    """The rows of `after`, with their places, that `before` does not hold at the same place."""
    return [(n, row) for n, row in enumerate(after) if n >= len(before) or row is not before[n]]
