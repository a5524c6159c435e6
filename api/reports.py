"""Reports in the API's words, for HTTP and the command line: the query, the body, and the same as CSV."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Final

from api.report_schemas import FigureBody, FormulaBody, ReportBody, ReportRange, ReportRequest, ReportRow
from api.schemas import instant
from callcenter.config.site import Site
from callcenter.db.reports import ReportQuery
from routing.facts import ANSWER_IN_S, By
from routing.measure import Interval, Table, Totals, edges, figure
from routing.metrics import Metric, Source

_FORMULA_OF_A_SHEET: Final = re.compile(r"[=@\t\r]|[+-](?!\d+$)")


def query_of(wanted: ReportRange, site: Site, now: float, interval: Interval | None = None) -> ReportQuery:
    """The database's query: intervals by the site's clock, thresholds as asked or else the queues' own."""
    own = {name: queue.sl_s for name, queue in site.queues.items()} if wanted.answer_in_s is None else {}
    return ReportQuery(
        at=edges(wanted.from_.timestamp(), wanted.to.timestamp(), interval, site.zone),
        now=now,
        by=wanted.by,
        view=wanted.view,
        answer_in_s=own,
        answer_in_else_s=ANSWER_IN_S if wanted.answer_in_s is None else wanted.answer_in_s,
        short_abandon_s=wanted.short_abandon_s,
    )


def sources_of(metrics: Sequence[Metric]) -> frozenset[Source]:
    """The records that these metrics are made of."""
    return frozenset(metric.source for metric in metrics)


def report_body(wanted: ReportRequest, query: ReportQuery, table: Table) -> ReportBody:
    """The report. In rows by queue, tier and the like the time of agents has no place; the total has it."""
    metrics = wanted.chosen
    in_rows = [
        metric for metric in metrics if metric.source is not Source.STATE or wanted.by in {By.AGENT, By.SITE}
    ]  # fmt: skip
    rows = sorted(table.rows.items(), key=lambda row: (row[0][0], row[0][1] is None, row[0][1] or ""))
    return ReportBody.model_construct(
        from_=instant(query.at[0]),
        to=instant(query.at[-1]),
        by=wanted.by,
        view=wanted.view,
        interval=wanted.interval,
        as_of=instant(query.now),
        answer_in_s=dict(query.answer_in_s),
        answer_in_else_s=query.answer_in_else_s,
        short_abandon_s=query.short_abandon_s,
        formulas=[formula_body(metric) for metric in metrics],
        items=[_row(query.at[i], query.at[i + 1], key, totals, in_rows) for (i, key), totals in rows],
        total=_row(query.at[0], query.at[-1], None, table.total, metrics),
    )


def _row(start: float, end: float, key: str | None, totals: Totals, metrics: Sequence[Metric]) -> ReportRow:
    # Our own numbers need no validation, and a report has many.
    found = {metric.id: figure(metric, totals) for metric in metrics}
    return ReportRow.model_construct(
        from_=instant(start),
        to=instant(end),
        key=key,
        metrics={
            name: FigureBody.model_construct(value=one.value, numerator=one.numerator, denominator=one.denominator)
            for name, one in found.items()
        },
    )


def formula_body(metric: Metric) -> FormulaBody:
    """A metric's entry in the catalogue."""
    return FormulaBody(
        id=metric.id,
        version=metric.version,
        unit=metric.unit.value,
        formula=metric.formula("en"),
        formula_zh=metric.formula("zh-TW"),
        meaning=metric.en,
        meaning_zh=metric.zh,
    )


def as_json(body: ReportBody) -> str:
    """The report as JSON."""
    return body.model_dump_json(by_alias=True)


def as_csv(body: ReportBody) -> str:
    """The report as CSV: a line per row and one for the total, a column per metric's value, empty for null."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = list(body.total.metrics)
    writer.writerow(["from", "to", body.by.value, *names])
    for row in body.items:
        writer.writerow([*_times(row), _cell(row.key), *_values(row, names)])
    writer.writerow([*_times(body.total), "TOTAL", *_values(body.total, names)])
    return out.getvalue()


def _times(row: ReportRow) -> Iterator[str]:
    return (at.isoformat().replace("+00:00", "Z") for at in (row.from_, row.to))


def _values(row: ReportRow, names: Sequence[str]) -> Iterator[float | str]:
    for name in names:
        found = row.metrics.get(name)
        yield "" if found is None or found.value is None else found.value


def _cell(key: str | None) -> str:
    """A name as a cell; one that a spreadsheet would take for a formula (a number dialed can be anything) is quoted."""
    text = key or ""
    return f"'{text}" if _FORMULA_OF_A_SHEET.match(text) else text
