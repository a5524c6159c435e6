"""Reports on a real PostgreSQL: what SQL counts is what the pure rules count on the raw events, number by number."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db import reports as db
from callcenter.db.engine import make_engine
from callcenter.db.migrate import upgrade
from callcenter.db.reports import ReceiptCursor, ReceiptQuery, ReportQuery, Reports, ReportTooLarge
from callcenter.db.reports_sql import COUNTED
from routing.facts import AgentState as State
from routing.facts import By, Record, View, facts, groups, split
from routing.measure import Interval, Part, Receipt, Table, Totals, edges, figure, receipts, tabulate
from routing.metrics import METRICS, QUANTITIES, Source
from tests.integration.test_db_reads import store
from tests.report_days import AGENTS, recount, shift, story

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

MIDNIGHT = 1_795_017_600.0  # in Taipei
NOW = MIDNIGHT + 30 * 3600.0
ZONE = ZoneInfo("Asia/Taipei")
CONTACTS = 400
ANSWER_IN_S = {"orders": 20.0, "product": 30.0}  # vip has none: the default holds


@dataclass
class Day:
    """A day and a night of contacts in the database, and the same recounted from raw events."""

    reports: Reports
    engine: AsyncEngine
    records: Sequence[Record]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def day(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Day:
    await upgrade(database_url)
    dice = random.Random(241)
    entries = [
        event
        for n in range(1, CONTACTS + 1)
        for event in story(n, round(MIDNIGHT - 7200.0 + dice.randint(0, 30 * 3_600_000) / 1000, 3), dice)
    ]
    for agent_id in AGENTS:
        entries += shift(agent_id, MIDNIGHT - 50_000.0, MIDNIGHT + 80_000.0, dice)
    await store(tmp_path_factory.mktemp("day"), database_url, entries)
    engine = make_engine(database_url)
    return Day(Reports(engine), engine, await recount(database_url, NOW, ANSWER_IN_S))


def asked(by: By, view: View, interval: Interval | None, *, hours: float = 24.0) -> ReportQuery:
    at = edges(MIDNIGHT, MIDNIGHT + hours * 3600.0, interval, ZONE)
    return ReportQuery(at, NOW, by, view, ANSWER_IN_S)


def told(table: Table) -> dict[object, tuple[dict[str, int], list[int]]]:
    rows: list[tuple[object, Totals]] = [*table.rows.items(), ("total", table.total)]
    return {
        cell: ({name: amount for name, amount in totals.amounts.items() if amount}, sorted(totals.waits_us))
        for cell, totals in rows
    }


async def test_every_quantity_that_is_counted_in_python_is_counted_in_sql(day: Day) -> None:
    assert COUNTED.keys() == {name for name, quantity in QUANTITIES.items() if quantity.source is not Source.STATE}
    seen = {fact.quantity for record in day.records for fact in facts(record)}
    assert seen == QUANTITIES.keys(), "the day of the test has something of everything"


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("by", list(By))
@pytest.mark.parametrize("interval", [None, Interval.HALF_HOUR])
async def test_the_report_is_the_recount_from_raw_events(
    day: Day, by: By, view: View, interval: Interval | None
) -> None:
    wanted = asked(by, view, interval)
    found, expect = told(await day.reports.table(wanted)), told(tabulate(day.records, wanted.at, by=by, view=view))
    assert found.keys() == expect.keys()
    for cell, sums in expect.items():
        assert found[cell] == sums, cell


async def test_a_report_of_many_days_is_read_in_parts_and_is_the_same(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await day.reports.table(asked(By.SKILL, View.EVENT, Interval.HOUR))
    monkeypatch.setattr(db, "PART_S", 4_567.0)
    assert told(await day.reports.table(asked(By.SKILL, View.EVENT, Interval.HOUR))) == told(whole)


@pytest.mark.parametrize("view", list(View))
async def test_half_hours_of_the_report_sum_to_the_day(day: Day, view: View) -> None:
    """T10."""
    fine = await day.reports.table(asked(By.QUEUE, view, Interval.HALF_HOUR))
    whole = await day.reports.table(asked(By.QUEUE, view, None))
    for (_, queue), totals in whole.rows.items():
        for name, amount in totals.amounts.items():
            assert amount == sum(row.amounts.get(name, 0) for (_, q), row in fine.rows.items() if q == queue)


async def behind(day: Day, wanted: ReportQuery, number: ReceiptQuery, limit: int) -> list[Receipt]:
    after: ReceiptCursor | None = None
    found: list[Receipt] = []
    while True:
        page = await day.reports.receipts(wanted, number, after=after, limit=limit)
        assert len(page.receipts) <= limit
        found += page.receipts
        if page.after is None:
            return found
        after = page.after


def expected(records: Sequence[Record], wanted: ReportQuery, number: ReceiptQuery, part: Part) -> list[Receipt]:
    start, end = wanted.at
    parts = [piece for one in records for piece in (split(one, wanted.at) if isinstance(one, State) else [one])]
    known = [
        fact
        for record in parts
        if not number.grouped or number.key in groups(record, wanted.by)
        for fact in facts(record, wanted.view)
        if start <= fact.at < end
    ]
    return sorted(receipts(number.metric, part, known), key=repr)


@pytest.mark.parametrize("view", list(View))
@pytest.mark.parametrize("metric", [*(name for name in METRICS if METRICS[name].denominator), "lost", "waiting"])
@pytest.mark.parametrize("part", get_args(Part))
async def test_the_contacts_behind_a_number_are_those_that_were_counted(
    day: Day, metric: str, part: Part, view: View
) -> None:
    wanted = asked(By.SITE, view, None, hours=7.0)
    number = ReceiptQuery(METRICS[metric], part)
    found = await behind(day, wanted, number, 1000)
    assert sorted(found, key=repr) == expected(day.records, wanted, number, part)
    total = figure(METRICS[metric], (await day.reports.table(wanted)).total)
    assert sum(receipt.amount for receipt in found) == pytest.approx(getattr(total, part) or 0, abs=1e-6)


@pytest.mark.parametrize(
    ("by", "key", "metric"),
    [
        (By.QUEUE, "vip", "service_level"),
        (By.QUEUE, "nobody's", "service_level"),
        (By.AGENT, "agent02", "aht_s"),
        (By.AGENT, None, "abandonment"),
        (By.AGENT, "agent02", "occupancy"),
        (By.AGENT, "agent03", "agent_non_response"),
        (By.SKILL, "en", "sl_all"),
        (By.SKILL, "x' OR '1'='1", "sl_all"),
        (By.VALUE_TIER, "platinum", "wait_p80_s"),
        (By.DIALED, "0800000200", "asa_without_ring_s"),
        (By.LANGUAGE, "zh-TW", "sl_removed"),
        (By.QUEUE, "vip", "occupancy"),
    ],
)
async def test_the_contacts_behind_one_row_come_in_pages_without_gap_or_overlap(
    day: Day, by: By, key: str | None, metric: str
) -> None:
    wanted = asked(by, View.ENTERED, None)
    for part in get_args(Part):
        number = ReceiptQuery(METRICS[metric], part, grouped=True, key=key)
        found = await behind(day, wanted, number, 7)
        assert sorted(found, key=repr) == expected(day.records, wanted, number, part)


async def test_thresholds_are_applied_to_the_past_as_they_are_given(day: Day) -> None:
    strict = replace(asked(By.SITE, View.ENTERED, None), answer_in_s={}, answer_in_else_s=0.001, short_abandon_s=0.0)
    own = await day.reports.table(asked(By.SITE, View.ENTERED, None))
    found = await day.reports.table(strict)
    assert found.total.amounts["answered"] == own.total.amounts["answered"]
    assert found.total.amounts.get("answered_in_time", 0) < own.total.amounts["answered_in_time"]


async def test_a_report_with_too_many_rows_is_refused(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "ROWS_MAX", 10)
    with pytest.raises(ReportTooLarge, match="more than 10 rows"):
        await day.reports.table(asked(By.QUEUE, View.ENTERED, Interval.HALF_HOUR))


async def test_a_report_that_takes_too_long_is_ended(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "REPORT_S_MAX", 0.001)
    with pytest.raises(ReportTooLarge, match="longer than"):
        await day.reports.table(asked(By.QUEUE, View.ENTERED, Interval.HALF_HOUR))
