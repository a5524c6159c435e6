"""Where callers went in a flow: every number from real traffic, and the contacts behind it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Permission, Permit, Viewer
from api.path_schemas import BehindBody, BehindPage, BehindRequest, PathsBody, PathsRequest
from api.problems import Mistake, Problem
from api.reads import UUID
from api.routes.common import BackendNow, problems
from api.routes.flows import FlowId
from callcenter.db.reports import ReportTooLarge

Reader = Annotated[Viewer, Depends(Permit(Permission.REPORTS_READ))]

router = APIRouter(prefix="/v1/flows/{flow}/paths", tags=["flows"])


@router.get("", responses=problems(503))
async def paths(flow: FlowId, wanted: Annotated[PathsRequest, Query()], backend: BackendNow, _: Reader) -> PathsBody:
    """How often each node was entered and each way taken, by contacts that began in this time; none: not at all."""
    query = wanted.query(flow)
    try:
        return PathsBody.of(query, await backend.queries.flow_paths.count(query))
    except ReportTooLarge as error:
        raise _refused("query.to", str(error)) from error


@router.get("/contacts", responses=problems(503))
async def contacts(
    flow: FlowId, wanted: Annotated[BehindRequest, Query()], backend: BackendNow, _: Reader
) -> BehindPage:
    """The contacts behind a number: give `of` (its list) and its row's node, out_of and way."""
    if wanted.cursor is not None and not UUID.fullmatch(wanted.cursor):
        raise _refused("query.cursor", "is no next_cursor of ours; begin again without it")
    try:
        found = await backend.queries.flow_paths.behind(
            wanted.query(flow), wanted.thing, after=wanted.cursor, limit=wanted.limit + 1
        )
    except ReportTooLarge as error:
        raise _refused("query.to", str(error)) from error
    page = found[: wanted.limit]
    last = page[-1].contact_id if len(found) > wanted.limit else None
    return BehindPage(items=[BehindBody.of(one) for one in page], next_cursor=last)


def _refused(where: str, what: str) -> Problem:
    mistakes = [Mistake(where=where, what=what)]
    return Problem(422, "invalid_request", "The request is not valid", f"{where}: {what}", mistakes=mistakes)
