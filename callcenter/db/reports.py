"""What reports read: the quantities of `routing.facts` added up by PostgreSQL, and the records behind a number.

Counting is the database's work, so that a report of a month takes no time from the process that serves calls. It goes
contact by contact in order of id, a day of contacts per statement: ids are UUIDv7, so the primary keys find them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callcenter.db import reports_sql as sql
from callcenter.db.engine import reaching
from callcenter.errors import CallCenterError
from routing.facts import ANSWER_IN_S, ENDINGS, SETTLEMENTS, SHORT_ABANDON_S, US_PER_S, By, View
from routing.measure import Part, Receipt, Table, Totals, percentile
from routing.metrics import QUANTITIES, Metric, Source

PART_S: Final = 21_600.0
"""A statement reads the contacts of so long a time; of the largest centers, some 30,000."""
CONTACT_S_MAX: Final = 172_800.0
"""A contact that enters a queue later than this after its arrival, callbacks included, is in no report."""
AWAKE_S: Final = 7_200.0
"""Wrap-up may go on this long after the caller left."""
ROWS_MAX: Final = 10_000
REPORT_S_MAX: Final = 120.0
AT_ONCE_MAX: Final = 2
"""So many reports are made at the same time; others wait, for the calls' own reads need the database too."""

NO_ID: Final = "00000000-0000-0000-0000-000000000000"


class ReportTooLarge(CallCenterError):
    """The report would have more than ROWS_MAX rows, or take longer than REPORT_S_MAX."""

    def __init__(self, bound: str) -> None:
        super().__init__(f"the report would {bound}; ask for a shorter range, longer intervals or other groups")


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """What a report is about: between the edges `at`, each instant in seconds, at `now`.

    `answer_in_s` by queue is the threshold of "in time", `answer_in_else_s` that of the queues not in it. They are
    applied to the past as they are given, whatever they were then.
    """

    at: tuple[float, ...]
    now: float
    by: By = By.SITE
    view: View = View.ENTERED
    answer_in_s: Mapping[str, float] = field(default_factory=dict)
    answer_in_else_s: float = ANSWER_IN_S
    short_abandon_s: float = SHORT_ABANDON_S


@dataclass(frozen=True, slots=True)
class ReceiptQuery:
    """Which number: a part of a metric, in all rows together or (`grouped`) in that of the group `key`."""

    metric: Metric
    part: Part
    grouped: bool = False
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ReceiptCursor:
    """The last record of a page: `stream` is its contact's id, or the agent's for the time of agents."""

    stream: str
    n: int


@dataclass(frozen=True, slots=True)
class ReceiptPage:
    """Records behind a number, and where the next page begins (None: this was the last)."""

    receipts: tuple[Receipt, ...]
    after: ReceiptCursor | None


@asynccontextmanager
async def in_turn(turns: asyncio.Lock | asyncio.Semaphore) -> AsyncIterator[None]:
    """A report's turn. Raises ReportTooLarge when waiting for it and all that is done in it exceed REPORT_S_MAX."""
    try:
        async with asyncio.timeout(REPORT_S_MAX), turns:
            yield
    except TimeoutError as error:
        raise ReportTooLarge(f"take longer than {REPORT_S_MAX:g} s") from error


class Reports:
    """Sums and receipts out of the projections. Every method raises DatabaseError when they can't be read in time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def table(self, wanted: ReportQuery, sources: frozenset[Source] = frozenset(Source)) -> Table:
        """The quantities of these sources, by interval and group. Raises ReportTooLarge."""
        table = Table()
        async with in_turn(self._turns), reaching("the report can't be made"), self._engine.connect() as connection:
            await connection.execute(text("SET LOCAL work_mem = '64MB'"))
            for source in (Source.VISIT, Source.OFFER):
                if source in sources:
                    await self._count(connection, source, wanted, table)
            if Source.STATE in sources:
                await self._count_states(connection, wanted, table)
        return table

    async def receipts(
        self, wanted: ReportQuery, number: ReceiptQuery, *, after: ReceiptCursor | None = None, limit: int = 200
    ) -> ReceiptPage:
        """A page of the records behind a number of one row, in order of id; over all pages their amounts add up to it.

        The range of `wanted` is the row's, undivided.
        """
        assert len(wanted.at) == 2
        limit_us = None
        if number.metric.percent is not None and number.part == "numerator":
            limit_us = await self._percentile_us(wanted, number)
            if limit_us is None:
                return ReceiptPage((), None)
        async with in_turn(self._turns), reaching("the contacts can't be read"), self._engine.connect() as connection:
            if number.metric.source is Source.STATE:
                rows = await self._behind_states(connection, wanted, number, after, limit + 1)
            else:
                rows = await self._behind(connection, wanted, number, limit_us, after, limit + 1)
        page = rows[:limit]
        last = ReceiptCursor(page[-1][0], page[-1][1]) if len(rows) > limit else None
        return ReceiptPage(tuple(receipt for _, _, receipt in page), last)

    async def _count(self, connection: AsyncConnection, source: Source, wanted: ReportQuery, table: Table) -> None:
        names = [name for name, quantity in QUANTITIES.items() if quantity.source is source]
        statement = text(sql.counting(source, wanted.by, wanted.view))
        for bounds in contacts_of(wanted):
            result = await connection.execute(statement, _given(wanted) | bounds)
            for row in result.mappings():
                waits = row.get("waits") or ()
                totals = Totals({name: int(row[name]) for name in names if row[name]}, list(waits))
                table.total.merge(totals)
                for group in _groups(wanted.by, row["grouped"]):
                    _add(table, row["bucket"], group, totals)

    async def _count_states(self, connection: AsyncConnection, wanted: ReportQuery, table: Table) -> None:
        statement = text(sql.counting_states(wanted.by))
        for start, end in _parts(wanted.at[0], wanted.at[-1]):
            result = await connection.execute(
                statement, _span(wanted) | {"start": _instant(start), "end": _instant(end)}
            )
            for row in result.mappings():
                totals = Totals({row["quantity"]: row["us"]})
                table.total.merge(totals)
                if wanted.by in {By.AGENT, By.SITE}:
                    _add(table, row["bucket"], row["grouped"], totals)

    async def _behind(
        self,
        connection: AsyncConnection,
        wanted: ReportQuery,
        number: ReceiptQuery,
        limit_us: int | None,
        after: ReceiptCursor | None,
        limit: int,
    ) -> list[tuple[str, int, Receipt]]:
        metric = number.metric
        counted = metric.denominator if number.part == "denominator" or metric.percent is not None else metric.numerator
        if counted is None:
            return []
        statement = text(
            sql.receipt(
                metric.source, counted, wanted.by, wanted.view, grouped=number.grouped, limited=limit_us is not None
            )
        )
        given = _given(wanted) | {"after_id": after.stream if after else NO_ID, "after_n": after.n if after else 0}
        given |= {"key": number.key} if number.grouped else {}
        given |= {} if limit_us is None else {"wait_us_max": limit_us}
        rows: list[tuple[str, int, Receipt]] = []
        for bounds in contacts_of(wanted, after.stream if after else NO_ID):
            result = await connection.execute(statement, given | bounds | {"limit": limit - len(rows)})
            rows += [_receipt(row, row["contact_id"], is_time=counted.is_time) for row in result.mappings()]
            if len(rows) >= limit:
                break
        return rows

    async def _behind_states(
        self,
        connection: AsyncConnection,
        wanted: ReportQuery,
        number: ReceiptQuery,
        after: ReceiptCursor | None,
        limit: int,
    ) -> list[tuple[str, int, Receipt]]:
        counted = number.metric.numerator if number.part == "numerator" else number.metric.denominator
        # An agent's time belongs to no queue, tier or language, and somebody's always.
        if counted is None or (number.grouped and (wanted.by is not By.AGENT or number.key is None)):
            return []
        given = _span(wanted) | {"after_id": after.stream if after else "", "after_n": after.n if after else 0}
        given |= {"limit": limit} | ({"key": number.key} if number.grouped else {})
        result = await connection.execute(text(sql.receipt_of_states(counted, grouped=number.grouped)), given)
        return [_receipt(row, row["agent_id"], is_time=True) for row in result.mappings()]

    async def _percentile_us(self, wanted: ReportQuery, number: ReceiptQuery) -> int | None:
        table = await self.table(wanted, frozenset({Source.VISIT}))
        totals = table.rows.get((0, number.key), Totals()) if number.grouped else table.total
        assert number.metric.percent is not None
        return percentile(totals.waits_us, number.metric.percent)[0]


def _add(table: Table, interval: int, group: str | None, totals: Totals) -> None:
    table.rows.setdefault((interval, group), Totals()).merge(totals)
    if len(table.rows) > ROWS_MAX:
        raise ReportTooLarge(f"have more than {ROWS_MAX} rows")


def _groups(by: By, grouped: str | None) -> Sequence[str | None]:
    if by is not By.SKILL:
        return (grouped,)
    return sorted(msgspec.json.decode(grouped or "{}", type=dict[str, Any]))


def _receipt(row: Mapping[Any, Any], stream: str, *, is_time: bool) -> tuple[str, int, Receipt]:
    amount = int(row["amount"]) / US_PER_S if is_time else int(row["amount"])
    return stream, row["n"], Receipt(row["contact_id"], row["agent_id"], row["at"].timestamp(), amount)


def contacts_of(wanted: ReportQuery, after: str = NO_ID) -> Iterator[dict[str, Any]]:
    """The bounds of each day of contacts that may tell something of this range, from the contact `after` on."""
    yield from contacts_between(wanted.at[0] - CONTACT_S_MAX, wanted.at[-1], after)


def contacts_between(begin: float, until: float, after: str = NO_ID) -> Iterator[dict[str, Any]]:
    """The bounds of each part of the contacts that began in this time, from the contact `after` on."""
    for start, end in _parts(begin, until):
        first, last = _first_id(start), _first_id(end)
        if last > after:
            yield {"first": first, "last": last, "days": sorted({_instant(at).date() for at in (start, end)})}


def _parts(start: float, end: float) -> Iterator[tuple[float, float]]:
    """The time from `start` to `end` in parts that one statement can do."""
    for n in range(math.ceil((end - start) / PART_S)):
        yield start + n * PART_S, min(start + (n + 1) * PART_S, end)


def _first_id(at: float) -> str:
    """The least UUIDv7 of that millisecond."""
    return str(UUID(int=max(0, math.floor(at * 1000)) << 80))


def _span(wanted: ReportQuery) -> dict[str, Any]:
    return {
        "edges": [_instant(at) for at in wanted.at],
        "start": _instant(wanted.at[0]),
        "end": _instant(wanted.at[-1]),
        "now": _instant(wanted.now),
    }


def _given(wanted: ReportQuery) -> dict[str, Any]:
    given = _span(wanted)
    del given["now"]
    return given | {
        "awake": _instant(wanted.at[0] - AWAKE_S),
        "endings": _json(ENDINGS),
        "settlements": _json(SETTLEMENTS),
        "answer_in_us": _json({queue: _us(limit_s) for queue, limit_s in wanted.answer_in_s.items()}),
        "answer_in_us_else": _us(wanted.answer_in_else_s),
        "short_abandon_us": _us(wanted.short_abandon_s),
    }


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()


def _us(duration_s: float) -> int:
    return round(duration_s * US_PER_S)


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
