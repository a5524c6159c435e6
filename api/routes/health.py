"""Is it alive, can it serve callers, and its numbers for Prometheus."""

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from api.auth import MetricsPermit, Public
from api.metrics import CONTENT_TYPE, exposition
from api.routes.common import NO_QUERY, BackendNow, problems
from api.schemas import Alive, PartBody, Readiness

PUBLIC: Final = Depends(Public())

router = APIRouter(tags=["health"], dependencies=[NO_QUERY])


@router.get("/v1/healthz", dependencies=[PUBLIC])
@router.get("/healthz", dependencies=[PUBLIC], include_in_schema=False)
async def healthz() -> Alive:
    """The process answers; nothing else is looked at."""
    return Alive()


@router.get("/v1/readyz", dependencies=[PUBLIC], responses={503: {"model": Readiness}})
@router.get("/readyz", dependencies=[PUBLIC], include_in_schema=False)
async def readyz(backend: BackendNow, response: Response) -> Readiness:
    """Whether callers can be served, and how each part is: 200 if so, 503 with the same body if not."""
    health = backend.health()
    if not health.ready:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return Readiness(ready=health.ready, parts=[PartBody.model_validate(part) for part in health.parts])


@router.get("/metrics", dependencies=[Depends(MetricsPermit())], responses=problems(), response_class=Response)
@router.get("/v1/metrics", dependencies=[Depends(MetricsPermit())], include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus metrics; no token is asked of a program on this machine."""
    return Response(exposition(request.app.state.metrics), headers={"Content-Type": CONTENT_TYPE})
