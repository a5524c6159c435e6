"""GET reports: what the center did, by interval and group; what each number means, and the contacts behind it."""

import asyncio
import base64
import binascii
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Response

from api.auth import Permission, Permit, Viewer
from api.problems import Mistake, Problem
from api.reads import UUID
from api.report_schemas import Formulas, ReceiptBody, ReceiptRequest, Receipts, ReportBody, ReportRequest
from api.reports import as_csv, as_json, formula_body, query_of, report_body, sources_of
from api.routes.common import NO_QUERY, BackendNow, problems
from api.schemas import instant
from callcenter.db.reports import ReceiptCursor, ReceiptQuery, ReportQuery, ReportTooLarge
from routing.measure import Table
from routing.metrics import METRICS, Source

CSV: Final = "text/csv"
Reader = Annotated[Viewer, Depends(Permit(Permission.REPORTS_READ))]

router = APIRouter(prefix="/v1/reports", tags=["reports"])


@router.get("/metrics", responses=problems(), dependencies=[NO_QUERY])
async def metrics(_: Reader) -> Formulas:
    """Every metric: id, version, formula and meaning in both languages. The formula shown is the one computed."""
    return Formulas(items=[formula_body(metric) for metric in METRICS.values()])


@router.get(
    "/queues",
    responses={**problems(503), 200: {"content": {CSV: {}}}},
    response_model=ReportBody,
)
async def report(
    wanted: Annotated[ReportRequest, Query()],
    backend: BackendNow,
    _: Reader,
    accept: Annotated[str | None, Header(description="text/csv for CSV")] = None,
) -> Response:
    """Metrics by interval and group, from the contacts' own events."""
    query = query_of(wanted, backend.site(), backend.clock.now(), wanted.interval)
    try:
        table = await backend.queries.reports.table(query, sources_of(wanted.chosen))
    except ReportTooLarge as error:
        raise _refused("query.to", str(error)) from error
    wants_csv = wanted.format == "csv" or (wanted.format is None and CSV in (accept or ""))
    # Thousands of rows take a moment to write: not on the thread that serves the calls.
    text = await asyncio.to_thread(_written, wanted, query, table, csv=wants_csv)
    return Response(text, media_type=f"{CSV}; charset=utf-8" if wants_csv else "application/json")


@router.get("/queues/contacts", responses=problems(503))
async def contacts(wanted: Annotated[ReceiptRequest, Query()], backend: BackendNow, _: Reader) -> Receipts:
    """The contacts behind a number of a report: give the row's from, to and key, the metric and which part of it."""
    metric = METRICS[wanted.metric]
    number = ReceiptQuery(metric, wanted.part, grouped=wanted.key is not None, key=wanted.key or None)
    query = query_of(wanted, backend.site(), backend.clock.now())
    after = None if wanted.cursor is None else _cursor(wanted.cursor, metric.source)
    try:
        page = await backend.queries.reports.receipts(query, number, after=after, limit=wanted.limit)
    except ReportTooLarge as error:
        raise _refused("query.to", str(error)) from error
    return Receipts(
        metric=metric.id,
        version=metric.version,
        formula=metric.formula(),
        part=wanted.part,
        items=[
            ReceiptBody(contact_id=one.contact_id, agent_id=one.agent_id, at=instant(one.at), amount=one.amount)
            for one in page.receipts
        ],
        next_cursor=None if page.after is None else _opaque(page.after),
    )


def _written(wanted: ReportRequest, query: ReportQuery, table: Table, *, csv: bool) -> str:
    body = report_body(wanted, query, table)
    return as_csv(body) if csv else as_json(body)


def _opaque(cursor: ReceiptCursor) -> str:
    return base64.urlsafe_b64encode(f"{cursor.n} {cursor.stream}".encode()).decode()


def _cursor(opaque: str, source: Source) -> ReceiptCursor:
    """The cursor that `_opaque` hid; raises Problem 422 for anything else."""
    try:
        n, stream = base64.b64decode(opaque, altchars=b"-_", validate=True).decode().split(" ", 1)
        after = ReceiptCursor(stream, int(n))
    except (ValueError, binascii.Error):
        after = ReceiptCursor("", -1)
    is_ours = after.stream.isprintable() if source is Source.STATE else bool(UUID.fullmatch(after.stream))
    if not is_ours or not 0 <= after.n < 1 << 63:
        raise _refused("query.cursor", "is no next_cursor of ours; begin again without it")
    return after


def _refused(where: str, what: str) -> Problem:
    mistakes = [Mistake(where=where, what=what)]
    return Problem(422, "invalid_request", "The request is not valid", f"{where}: {what}", mistakes=mistakes)
