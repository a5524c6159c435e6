"""What is encoded by hand for COPY is what PostgreSQL gives back."""

import asyncio
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import DateTime

from callcenter.db.copying import Copy, encoded
from callcenter.db.engine import connect
from callcenter.db.projections import AgentStateRow, ContactRow, RecordingRow, SegmentRow
from callcenter.db.tables import agent_state_interval, contact, recording, segment
from tests.database import Server, contact_id, database_server

pytestmark = pytest.mark.integration
__all__ = ["database_server"]

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
INTS = st.integers(-(2**31), 2**31 - 1)
INSTANTS = st.integers(0, 4 * 10**15).map(lambda us: us / 1e6)
ROWS = {
    contact: st.builds(
        ContactRow,
        contact_id=st.integers(0, 2**62 - 1).map(contact_id),
        node=TEXT, direction=TEXT, channel=TEXT, dialed=TEXT, value_tier=TEXT, language=TEXT,
        caller=st.none() | TEXT, customer_id=st.none() | TEXT,
        started_at=INSTANTS, answered_at=st.none() | INSTANTS, ended_at=st.none() | INSTANTS,
        ivr_s=st.floats(allow_nan=False), last_seq=INTS, closed=st.booleans(),
        recording_ids=st.lists(TEXT, max_size=3).map(tuple),
    ),
    segment: st.builds(
        SegmentRow,
        contact_id=st.integers(0, 2**62 - 1).map(contact_id), n=INTS, node=TEXT, kind=TEXT, started_at=INSTANTS,
        queue=st.none() | TEXT, ended_at=st.none() | INSTANTS, outcome=st.none() | TEXT,
    ),
    recording: st.builds(
        RecordingRow,
        recording_id=TEXT, contact_id=st.integers(0, 2**62 - 1).map(contact_id), node=TEXT, agent_id=st.none() | TEXT,
        started_at=INSTANTS, caller_file=TEXT, agent_file=TEXT, policy=TEXT,
        duration_s=st.none() | st.floats(allow_nan=False), state=TEXT, reason=st.none() | TEXT,
    ),
    agent_state_interval: st.builds(
        AgentStateRow,
        position=st.integers(-(2**63), 2**63 - 1), node=TEXT, agent_id=TEXT, presence=TEXT, activity=TEXT,
        started_at=INSTANTS, aux_code=st.none() | TEXT, contact_id=st.none() | TEXT, cause=TEXT,
    ),
}  # fmt: skip


@pytest.mark.parametrize("table", ROWS, ids=lambda table: table.name)
def test_every_row_comes_back_as_it_was(server: Server, table: Any) -> None:
    url = asyncio.run(server.fresh())
    names = [column.name for column in table.c]
    instants = {column.name for column in table.c if isinstance(column.type, DateTime)}

    def told(row: object) -> tuple[object, ...]:
        return tuple(_as_read(getattr(row, name), instant=name in instants) for name in names)

    async def back(rows: Sequence[object]) -> list[tuple[object, ...]]:
        connection = await connect(url, "tests")
        try:
            async with connection.transaction():
                await connection.execute(f"CREATE TEMP TABLE copied ON COMMIT DROP AS TABLE {table.name} WITH NO DATA")
                await Copy("copied", names, [encoded(table, rows)]).send(connection)
                return [
                    tuple(str(v) if name == "contact_id" and v else v for name, v in row.items())
                    for row in await connection.fetch(f"SELECT {', '.join(names)} FROM copied")
                ]
        finally:
            await connection.close()

    @settings(max_examples=40, deadline=None)
    @given(st.lists(ROWS[table], min_size=1, max_size=20))
    def law(rows: Sequence[object]) -> None:
        assert asyncio.run(back(rows)) == [told(row) for row in rows]

    law()


def _as_read(value: object, *, instant: bool) -> object:
    if instant and isinstance(value, float):
        return datetime.fromtimestamp(value, UTC)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 1e12, -1e12], ids=str)
def test_an_instant_that_nobody_could_read_back_is_refused(at: float) -> None:
    row = SegmentRow(contact_id(1), 1, "n1", "ivr", at)
    with pytest.raises((OverflowError, ValueError)):
        encoded(segment, [row])


def test_a_number_that_has_no_room_is_refused() -> None:
    with pytest.raises(OverflowError):
        encoded(segment, [SegmentRow(contact_id(1), 2**31, "n1", "ivr", 1.0)])
