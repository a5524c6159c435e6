"""The projections' rows that a batch changed, each once, and how they are saved."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import DateTime, Table

from callcenter.db.projections import AgentStateRow, ContactRow, ContactView, RecordingRow, SegmentRow
from callcenter.db.tables import agent_state_interval, contact, recording, segment, upsert

Row = ContactRow | SegmentRow | RecordingRow | AgentStateRow
R = TypeVar("R")
Connection = Any  # asyncpg's connection, inside its transaction; asyncpg has no types


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
        """Two statements a table at most. With `new`, rows that began are known not to be there, which is faster.

        Where that is wrong, asyncpg.UniqueViolationError ends the transaction.
        """
        for table, rows in self._began.items():
            if new:
                names, values = _copied(table)
                records = [values(row) for row in rows.values()]
                await connection.copy_records_to_table(table.name, records=records, columns=names)
            else:
                await _assign(connection, table, rows)
        for table, rows in self._altered.items():
            await _assign(connection, table, rows)
        self._began, self._altered = {}, {}

    def _put(self, table: Table, key: object, row: Row, *, began: bool) -> None:
        if began or key in self._began.get(table, ()):
            self._began.setdefault(table, {})[key] = row
        else:
            self._altered.setdefault(table, {})[key] = row


async def _assign(connection: Connection, table: Table, rows: Mapping[object, Row]) -> None:
    await connection.execute(upsert(table), msgspec.json.encode(list(rows.values())).decode())


@cache
def _copied(table: Table) -> tuple[list[str], Callable[[Row], list[Any]]]:
    """The table's columns, and what makes a row's values for them as COPY wants them."""
    names = [column.name for column in table.c]
    fields = attrgetter(*names)
    instants = [n for n, column in enumerate(table.c) if isinstance(column.type, DateTime)]

    def values(row: Row) -> list[Any]:
        found = list(fields(row))
        for n in instants:
            if found[n] is not None:
                found[n] = datetime.fromtimestamp(found[n], UTC)
        return found

    return names, values


def _differing(before: tuple[R, ...], after: tuple[R, ...]) -> list[tuple[int, R]]:
    """The rows of `after`, with their places, that `before` does not hold at the same place."""
    return [(n, row) for n, row in enumerate(after) if n >= len(before) or row is not before[n]]
