"""Flows: drafts and their check, publishing for the next call, versions and rolling back to one."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path

from api.auth import Permission, Permit, Viewer
from api.flow_schemas import (
    DraftBody,
    DraftText,
    FlowBody,
    FlowLine,
    FlowLines,
    FlowRollback,
    Publish,
    PublishedBody,
    VersionBody,
    Versions,
    mistake_of,
)
from api.problems import Problem, not_found
from api.routes.common import NO_QUERY, BackendNow, problems
from callcenter.companions.errors import CompanionError
from callcenter.config.site import SiteError
from callcenter.flow_drafts import DraftsError, NoDraft
from callcenter.flow_files import FolderDiffers, FolderReadOnly
from callcenter.flows import DraftMoved, NoVersion
from callcenter.live_site import FlowMoved
from callcenter.site_history import HistoryError, SiteNotKept

SAID_MAX: Final = 1_000
NOT_NOW: Final = (HistoryError, CompanionError, DraftsError, DraftMoved, FlowMoved, FolderDiffers, FolderReadOnly)

Reader = Annotated[Viewer, Depends(Permit(Permission.SITE_READ))]
Operator = Annotated[Viewer, Depends(Permit(Permission.SITE_WRITE))]
FlowId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="A flow's id")]

router = APIRouter(prefix="/v1/flows", tags=["flows"], dependencies=[NO_QUERY])


@router.get("", responses=problems(409))
async def flows(backend: BackendNow, _: Reader) -> FlowLines:
    """Every flow in use and every draft."""
    in_use = {flow_id: flow.version for flow_id, flow in backend.flows.in_use.items()}
    return FlowLines.of(in_use, await backend.flows.drafts())


@router.get("/{flow}", responses=problems(404))
async def show(flow: FlowId, backend: BackendNow, _: Reader) -> FlowBody:
    """A flow in use."""
    if flow not in backend.flows.in_use:
        raise not_found("flow", flow)
    try:
        text = await backend.flows.text(flow)
    except (NoVersion, SiteNotKept) as error:
        raise not_found("flow", flow) from error
    return FlowBody(flow=flow, version=backend.flows.in_use[flow].version, text=text)


@router.get("/{flow}/draft", responses=problems(404, 409))
async def draft(flow: FlowId, backend: BackendNow, _: Reader) -> DraftBody:
    """The draft, and every mistake it has in the site of now."""
    try:
        return DraftBody.of(await backend.flows.draft(flow))
    except NoDraft as error:
        raise not_found("draft", flow) from error
    except NOT_NOW as error:
        raise _not_now(error) from error


@router.put("/{flow}/draft", responses=problems(409))
async def write(flow: FlowId, wish: DraftText, backend: BackendNow, viewer: Operator) -> DraftBody:
    """Keep a draft, with mistakes or without, instead of a former one; callers do not meet it."""
    try:
        return DraftBody.of(await backend.flows.write(flow, wish.text, viewer.role.value))
    except NOT_NOW as error:
        raise _not_now(error) from error


@router.delete("/{flow}/draft", responses=problems(404, 409))
async def drop(flow: FlowId, backend: BackendNow, _: Operator) -> FlowLine:
    """Forget a draft; what is in use stays."""
    try:
        await backend.flows.drop(flow)
    except NoDraft as error:
        raise not_found("draft", flow) from error
    except DraftsError as error:
        raise _not_now(error) from error
    in_use = backend.flows.in_use.get(flow)
    return FlowLine(flow=flow, version=in_use.version if in_use else None, draft=None)


@router.post("/{flow}/publish", responses=problems(404, 409))
async def publish(flow: FlowId, backend: BackendNow, viewer: Operator, wish: Publish | None = None) -> PublishedBody:
    """Take the draft into use for the next call; with mistakes, all of them are said and nothing changes."""
    try:
        digest = wish.digest if wish else None
        return PublishedBody.of(await backend.flows.publish(flow, viewer.role.value, digest))
    except NoDraft as error:
        raise not_found("draft", flow) from error
    except SiteError as error:
        raise _refused(error) from error
    except NOT_NOW as error:
        raise _not_now(error) from error


@router.get("/{flow}/versions", responses=problems(404))
async def versions(flow: FlowId, backend: BackendNow, _: Reader) -> Versions:
    """The versions among the last 50 changes of the site, newest first."""
    found = backend.flows.versions(flow)
    if not found and flow not in backend.flows.in_use:
        raise not_found("flow", flow)
    return Versions(items=[VersionBody.of(version) for version in found])


@router.get("/{flow}/versions/{version}", responses=problems(404))
async def version(
    flow: FlowId, version: Annotated[str, Path(pattern="^[0-9a-f]{16}$")], backend: BackendNow, _: Reader
) -> FlowBody:
    """A version's text."""
    try:
        return FlowBody(flow=flow, version=version, text=await backend.flows.version_text(flow, version))
    except (NoVersion, SiteNotKept) as error:
        raise not_found("version", version) from error


@router.post("/{flow}/rollback", responses=problems(404, 409))
async def rollback(
    flow: FlowId, backend: BackendNow, viewer: Operator, wish: FlowRollback | None = None
) -> PublishedBody:
    """Take a former version into use for the next call, its sub-flows included."""
    version = wish.version if wish else None
    try:
        return PublishedBody.of(await backend.flows.roll_back(flow, viewer.role.value, version))
    except (NoVersion, SiteNotKept) as error:
        if not backend.flows.versions(flow):
            raise not_found("flow", flow) from error
        if version is None:
            detail = f"Nothing changed. There is no version of flow {flow} before the one in use."
            raise Problem(404, "version_not_found", "No such version", detail) from error
        raise not_found("version", version) from error
    except SiteError as error:
        raise _refused(error) from error
    except NOT_NOW as error:
        raise _not_now(error) from error


def _refused(error: SiteError) -> Problem:
    mistakes = [mistake_of(text) for text in error.mistakes[:SAID_MAX]]
    counted = f"{len(error.mistakes)} mistake{'s' if len(error.mistakes) != 1 else ''}"
    detail = f"Nothing changed. The flow has {counted}; the check of its draft lists them too."
    return Problem(422, "flow_refused", "The flow has mistakes", detail, mistakes=mistakes)


def _not_now(error: Exception) -> Problem:
    return Problem(409, "flow_not_taken", "Not possible as things are", f"Nothing changed. {error}")
