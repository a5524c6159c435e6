"""The API describes itself: OpenAPI for programs, one page for people."""

from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse

from api.auth import Public
from api.docs_page import docs_page
from api.routes.common import NO_QUERY

PUBLIC: Final = Depends(Public())

router = APIRouter(prefix="/v1", dependencies=[NO_QUERY], include_in_schema=False)


@router.get("/openapi.json", dependencies=[PUBLIC])
async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI 3.1 description."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", dependencies=[PUBLIC], response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """The documentation page; complete without any other server."""
    return HTMLResponse(docs_page(request.app.openapi()))
