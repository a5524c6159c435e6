"""What waiting contacts were told against what came: every `queue.estimated` with the `queue.left` that followed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callcenter.db.engine import reaching
from callcenter.db.reports import NO_ID, ReceiptCursor, ReportQuery, ReportTooLarge, contacts_of

FORECASTS_MAX: Final = 300_000
"""A report holds so many forecasts in memory at most."""

# A contact that still waits has no end yet and is left out. The day is that of the contact's arrival: its partition.
_FORECASTS: Final = """
SELECT CAST(told.contact_id AS text) AS contact_id, told.seq AS n, told.at, told.data AS told, came.data AS came
FROM contact_event AS told
CROSS JOIN LATERAL (
    SELECT data FROM contact_event AS ended
    WHERE ended.day = told.day AND ended.contact_id = told.contact_id AND ended.seq > told.seq
        AND ended.type = 'queue.left'
    ORDER BY ended.seq LIMIT 1
) AS came
WHERE told.day = ANY(CAST(:days AS date[]))
    AND told.contact_id >= CAST(:first AS uuid) AND told.contact_id < CAST(:last AS uuid)
    AND told.type = 'queue.estimated' AND told.at >= :start AND told.at < :end
    AND (CAST(:queue AS text) IS NULL OR told.data ->> 'queue' = :queue)
    AND (told.contact_id, told.seq) > (CAST(:after_id AS uuid), CAST(:after_n AS integer))
ORDER BY told.contact_id, told.seq LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A forecast and what came. Waits told are None where no end was in sight; `outcome` is how it left the queue."""

    contact_id: str
    n: int
    queue: str
    at: float
    position: int
    p50_s: float | None
    p90_s: float | None
    mean_s: float | None
    wait_s: float
    outcome: str


@dataclass(frozen=True, slots=True)
class ForecastPage:
    """Forecasts in order of contact, and where the next page begins (None: this was the last)."""

    forecasts: tuple[ForecastRow, ...]
    after: ReceiptCursor | None


class Estimates:
    """Forecasts out of the stored events. Every method raises DatabaseError when they can't be read in time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def forecasts(self, start: float, end: float, *, queue: str | None = None) -> Sequence[ForecastRow]:
        """All that were told from `start` to `end`, of contacts that have left their queue. Raises ReportTooLarge."""
        page = await self.page(start, end, queue=queue, limit=FORECASTS_MAX)
        if page.after is not None:
            raise ReportTooLarge(f"hold more than {FORECASTS_MAX} forecasts")
        return page.forecasts

    async def page(
        self, start: float, end: float, *, queue: str | None = None, after: ReceiptCursor | None = None, limit: int
    ) -> ForecastPage:
        """A page of them, at most `limit`."""
        after = after or ReceiptCursor(NO_ID, 0)
        given: dict[str, Any] = {"start": _instant(start), "end": _instant(end), "queue": queue}
        given |= {"after_id": after.stream, "after_n": after.n}
        rows: list[ForecastRow] = []
        async with reaching("the estimates can't be read"), self._engine.connect() as connection:
            for bounds in contacts_of(ReportQuery((start, end), end), after.stream):
                rows += await _rows(connection, given | bounds | {"limit": limit + 1 - len(rows)})
                if len(rows) > limit:
                    return ForecastPage(
                        tuple(rows[:limit]), ReceiptCursor(rows[limit - 1].contact_id, rows[limit - 1].n)
                    )
        return ForecastPage(tuple(rows), None)


async def _rows(connection: AsyncConnection, given: Mapping[str, Any]) -> list[ForecastRow]:
    result = await connection.execute(text(_FORECASTS), dict(given))
    return [_row(row) for row in result.mappings()]


def _row(row: Mapping[Any, Any]) -> ForecastRow:
    told, came = row["told"], row["came"]
    return ForecastRow(
        contact_id=row["contact_id"],
        n=row["n"],
        queue=told["queue"],
        at=row["at"].timestamp(),
        position=told["position"],
        p50_s=told["p50_s"],
        p90_s=told["p90_s"],
        mean_s=told.get("mean_s"),
        wait_s=came["wait_s"],
        outcome=came["outcome"],
    )


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
