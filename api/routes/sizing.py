"""GET sizing: how many agents and trunks a load needs, for those who plan."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Permission, Permit, Viewer
from api.problems import Mistake, Problem
from api.routes.common import problems
from api.schemas import SizingBody, SizingQuery
from routing.sizing import TooMuchTraffic, sizing

Planner = Annotated[Viewer, Depends(Permit(Permission.METRICS_READ))]

router = APIRouter(prefix="/v1/sizing", tags=["sizing"])


@router.get("", responses=problems())
async def size(query: Annotated[SizingQuery, Query()], _: Planner) -> SizingBody:
    """The fewest agents that meet the target, by Erlang C, or Erlang A with a patience; and trunks, by Erlang B."""
    try:
        # Up to half a second of arithmetic for the largest load: not on the thread that serves the calls.
        found = await asyncio.to_thread(sizing, **query.model_dump())
    except TooMuchTraffic as error:
        mistake = Mistake(where="query.calls_per_hour", what=str(error))
        detail = f"{error}; ask for fewer calls, or for shorter ones."
        raise Problem(422, "invalid_request", "The request is not valid", detail, mistakes=[mistake]) from error
    return SizingBody.model_validate(found)
