"""GET reports/estimates: what waiting contacts were told against what came, and the contacts behind it."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Permission, Permit, Viewer
from api.cursors import opaque_record, record_behind
from api.estimate_schemas import (
    FORMULAS,
    CalibrationBody,
    EstimatesBody,
    EstimatesRequest,
    ForecastBody,
    Forecasts,
    ForecastsRequest,
)
from api.problems import Mistake, Problem
from api.routes.common import BackendNow, problems
from api.schemas import instant
from callcenter.db.estimates import ForecastRow
from callcenter.db.reports import ReportTooLarge
from callcenter.feed.tally import told
from routing.waiting.calibration import Forecast, calibration

Reader = Annotated[Viewer, Depends(Permit(Permission.REPORTS_READ))]

router = APIRouter(prefix="/v1/reports/estimates", tags=["reports"])


@router.get("", responses=problems(503))
async def estimates(wanted: Annotated[EstimatesRequest, Query()], backend: BackendNow, _: Reader) -> EstimatesBody:
    """How good the forecasts of waits were: coverage of the P50–P90 interval, bias and errors, by queue."""
    span = wanted.from_.timestamp(), wanted.to.timestamp()
    try:
        rows = await backend.queries.estimates.forecasts(*span, queue=wanted.queue)
    except ReportTooLarge as error:
        raise _refused("query.to", str(error)) from error
    items, total = await asyncio.to_thread(_by_queue, rows)
    return EstimatesBody.model_validate(
        {"from": wanted.from_, "to": wanted.to, "formulas": FORMULAS, "items": items, "total": total}
    )


@router.get("/contacts", responses=problems(503))
async def contacts(wanted: Annotated[ForecastsRequest, Query()], backend: BackendNow, _: Reader) -> Forecasts:
    """The forecasts behind those numbers, one by one, with what came."""
    span = wanted.from_.timestamp(), wanted.to.timestamp()
    after = None if wanted.cursor is None else record_behind(wanted.cursor)
    page = await backend.queries.estimates.page(*span, queue=wanted.queue, after=after, limit=wanted.limit)
    return Forecasts(
        items=[_body(row) for row in page.forecasts],
        next_cursor=None if page.after is None else opaque_record(page.after),
    )


def _by_queue(rows: Sequence[ForecastRow]) -> tuple[list[CalibrationBody], CalibrationBody]:
    """The calibration of each queue, by name, and of all together."""
    by_queue: dict[str, list[Forecast]] = {}
    for row in rows:
        estimate = told(row.position, row.p50_s, row.p90_s, row.mean_s)
        forecast = Forecast(estimate, row.wait_s, answered=row.outcome == "answered")
        by_queue.setdefault(row.queue, []).append(forecast)
    everything = [forecast for forecasts in by_queue.values() for forecast in forecasts]
    return [_calibration(queue, by_queue[queue]) for queue in sorted(by_queue)], _calibration(None, everything)


def _calibration(queue: str | None, forecasts: Sequence[Forecast]) -> CalibrationBody:
    found = calibration(forecasts)
    return CalibrationBody(
        queue=queue,
        forecasts=found.forecasts,
        answered=found.answered,
        unknown=found.unknown,
        beyond_p50=found.beyond_p50,
        between=found.between,
        beyond_p90=found.beyond_p90,
        bias_s=found.bias_s,
        median_error=found.median_error,
        rase=found.rase,
    )


def _body(row: ForecastRow) -> ForecastBody:
    return ForecastBody(
        contact_id=row.contact_id,
        queue=row.queue,
        told_at=instant(row.at),
        position=row.position,
        p50_s=row.p50_s,
        p90_s=row.p90_s,
        mean_s=row.mean_s,
        wait_s=row.wait_s,
        outcome=row.outcome,
    )


def _refused(where: str, what: str) -> Problem:
    mistakes = [Mistake(where=where, what=what)]
    return Problem(422, "invalid_request", "The request is not valid", f"{where}: {what}", mistakes=mistakes)
