"""The site in use, and changing it without a restart: apply the folder, look back, roll back."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from api.auth import Permission, Permit, Viewer
from api.problems import Mistake, Problem, not_found
from api.routes.common import NO_QUERY, BackendNow, problems
from api.schemas import Nothing
from api.site_schemas import ChangeBody, Changes, Rollback, SiteBody, TakenBody
from callcenter.companions.errors import CompanionError
from callcenter.config.site import SiteError
from callcenter.site_history import HistoryError, SiteNotKept

SAID_MAX: Final = 1_000

Reader = Annotated[Viewer, Depends(Permit(Permission.SITE_READ))]
Operator = Annotated[Viewer, Depends(Permit(Permission.SITE_WRITE))]

router = APIRouter(prefix="/v1/site", tags=["site"], dependencies=[NO_QUERY])


@router.get("", responses=problems())
async def show(backend: BackendNow, _: Reader) -> SiteBody:
    """The site in use."""
    changes = backend.live_site.changes
    return SiteBody.of(backend.site(), changes[-1] if changes else None)


@router.get("/history", responses=problems())
async def history(backend: BackendNow, _: Reader) -> Changes:
    """The last 50 changes, newest first."""
    return Changes(items=[ChangeBody.of(change) for change in reversed(backend.live_site.changes)])


@router.post("/apply", responses=problems(409))
async def apply(backend: BackendNow, viewer: Operator, _: Nothing | None = None) -> TakenBody:
    """Check the site's folder whole and take it into use; with mistakes, all of them are said and nothing changes."""
    try:
        return TakenBody.of(await backend.live_site.apply(viewer.role.value))
    except SiteError as error:
        raise _refused(error) from error
    except (HistoryError, CompanionError) as error:
        raise _not_now(error) from error


@router.post("/rollback", responses=problems(404, 409))
async def rollback(wish: Rollback, backend: BackendNow, viewer: Operator) -> TakenBody:
    """Take a site into use again that was before; the folder stays as it is."""
    try:
        return TakenBody.of(await backend.live_site.roll_back(wish.digest, viewer.role.value))
    except SiteNotKept as error:
        raise not_found("site", wish.digest) from error
    except SiteError as error:
        raise _refused(error) from error
    except (HistoryError, CompanionError) as error:
        raise _not_now(error) from error


def _refused(error: SiteError) -> Problem:
    mistakes = [_mistake(text) for text in error.mistakes[:SAID_MAX]]
    count = "1 mistake" if len(error.mistakes) == 1 else f"{len(error.mistakes)} mistakes"
    detail = f"Nothing changed. The site has {count}; 'callcenter check-site' lists them too."
    return Problem(422, "site_refused", "The site has mistakes", detail, mistakes=mistakes)


def _mistake(text: str) -> Mistake:
    where, _, what = text.partition(": ")
    return Mistake(where=where, what=what)


def _not_now(error: HistoryError | CompanionError) -> Problem:
    return Problem(409, "site_not_taken", "The site was not taken into use", f"Nothing changed. {error}")
