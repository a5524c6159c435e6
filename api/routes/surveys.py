"""GET reports/surveys: who took part in surveys, what was answered, and the responses behind each number."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Permission, Permit, Viewer
from api.cursors import opaque_record, record_behind
from api.problems import Mistake, Problem
from api.routes.common import BackendNow, problems
from api.survey_schemas import (
    ResponseBody,
    ResponsePageBody,
    ResponsesRequest,
    SurveysBody,
    SurveysRequest,
    surveys_body,
)
from callcenter.db.reports import ReportTooLarge

Reader = Annotated[Viewer, Depends(Permit(Permission.REPORTS_READ))]

router = APIRouter(prefix="/v1/reports/surveys", tags=["reports"])


@router.get("", responses=problems(503))
async def surveys(wanted: Annotated[SurveysRequest, Query()], backend: BackendNow, _: Reader) -> SurveysBody:
    """By survey: who took part, each question's figures, and how well its questions agree."""
    try:
        found = await backend.queries.surveys.responses(wanted.query)
    except ReportTooLarge as error:
        raise _refused(error) from error
    return await asyncio.to_thread(surveys_body, wanted, found)


@router.get("/contacts", responses=problems(503))
async def contacts(wanted: Annotated[ResponsesRequest, Query()], backend: BackendNow, _: Reader) -> ResponsePageBody:
    """The responses behind a number, with their contacts: of a question's figures by its words, of alpha complete."""
    after = None if wanted.cursor is None else record_behind(wanted.cursor)
    try:
        page = await backend.queries.surveys.behind(wanted.query, wanted.which, after=after, limit=wanted.limit)
    except ReportTooLarge as error:
        raise _refused(error) from error
    return ResponsePageBody(
        items=[ResponseBody.of(row) for row in page.rows],
        next_cursor=None if page.after is None else opaque_record(page.after),
    )


def _refused(error: ReportTooLarge) -> Problem:
    mistakes = [Mistake(where="query.to", what=str(error))]
    return Problem(422, "invalid_request", "The request is not valid", f"query.to: {error}", mistakes=mistakes)
