"""Prompts: studio recordings checked and kept as drafts, published, taken away."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from api.auth import Permission, Permit, Viewer
from api.problems import Problem, not_found
from api.routes.common import NO_QUERY, BackendNow, problems
from callcenter.companions.errors import CompanionError
from callcenter.config.site import SiteError
from callcenter.flow_files import FolderDiffers, FolderReadOnly
from callcenter.prompts import NoSuchPrompt, PromptRefused
from callcenter.recorded import TARGET_DBFS, BadRecording
from callcenter.site_history import HistoryError

SAID_MAX: Final = 1_000
AUDIO: Final = {"type": "string", "format": "binary"}
NOT_NOW: Final = (HistoryError, CompanionError, FolderDiffers, FolderReadOnly)

Reader = Annotated[Viewer, Depends(Permit(Permission.SITE_READ))]
Operator = Annotated[Viewer, Depends(Permit(Permission.SITE_WRITE))]
Language = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{2,20}$", description="A language of the site")]
PromptId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$", description="A prompt's id")]

router = APIRouter(prefix="/v1/prompts", tags=["prompts"], dependencies=[NO_QUERY])


class PromptLine(BaseModel):
    """A prompt in one language: whether the site has it, and whether there is a draft."""

    language: str
    prompt: str
    in_use: bool
    draft: bool


class PromptLines(BaseModel):
    """Every prompt, by language and id."""

    items: list[PromptLine]


class RecordingBody(BaseModel):
    """What a studio recording became. Levels in dBFS; how loudness is measured: docs/ivr.md."""

    language: str
    prompt: str
    length_s: float
    loudness_before_dbfs: float
    loudness_dbfs: float = Field(description=f"brought to {TARGET_DBFS:g}, as far as the peak allows")
    peak_dbfs: float


class PromptChange(BaseModel):
    """A change of the site in use; `site` is its digest now."""

    language: str
    prompt: str
    changed: bool
    site: str
    notes: list[str]


@router.get("")
async def prompts(backend: BackendNow, _: Reader) -> PromptLines:
    """Every prompt in use and every draft."""
    in_use = {(language, prompt) for language, there in backend.prompts.in_use.items() for prompt in there}
    drafts = set(await asyncio.to_thread(backend.prompts.drafts))
    places = sorted(in_use | drafts)
    return PromptLines(
        items=[
            PromptLine(language=place[0], prompt=place[1], in_use=place in in_use, draft=place in drafts)
            for place in places
        ]
    )


@router.put(
    "/{language}/{prompt}/draft",
    responses=problems(409, 413),
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": AUDIO}}}},
)
async def record(
    language: Language, prompt: PromptId, request: Request, backend: BackendNow, _: Operator
) -> RecordingBody:
    """Keep a studio recording (wav, flac or aiff, the raw body, at most 10 MB) as a draft; nobody hears it yet."""
    try:
        made = await backend.prompts.record((language, prompt), await request.body())
    except (BadRecording, PromptRefused) as error:
        raise Problem(409, "recording_refused", "This can't be a prompt", str(error)[:SAID_MAX]) from error
    return RecordingBody(
        language=language,
        prompt=prompt,
        length_s=round(made.length_s, 3),
        loudness_before_dbfs=round(made.loudness_before_dbfs, 1),
        loudness_dbfs=round(made.loudness_dbfs, 1),
        peak_dbfs=round(made.peak_dbfs, 1),
    )


@router.delete("/{language}/{prompt}/draft", responses=problems(404, 409))
async def drop(language: Language, prompt: PromptId, backend: BackendNow, _: Operator) -> PromptLine:
    """Forget a draft; what is in use stays."""
    try:
        await backend.prompts.drop((language, prompt))
    except NoSuchPrompt as error:
        raise not_found("draft", f"{language}/{prompt}") from error
    except PromptRefused as error:
        raise _not_now(error) from error
    in_use = prompt in backend.prompts.in_use.get(language, ())
    return PromptLine(language=language, prompt=prompt, in_use=in_use, draft=False)


@router.post("/{language}/{prompt}/publish", responses=problems(404, 409))
async def publish(language: Language, prompt: PromptId, backend: BackendNow, viewer: Operator) -> PromptChange:
    """Take a draft into use: whoever is to hear the prompt hears this; who hears the former one is not disturbed."""
    try:
        taken = await backend.prompts.publish((language, prompt), viewer.role.value)
    except NoSuchPrompt as error:
        raise not_found("draft", f"{language}/{prompt}") from error
    except (SiteError, PromptRefused, *NOT_NOW) as error:
        raise _not_now(error) from error
    return PromptChange(
        language=language, prompt=prompt, changed=taken.changed, site=taken.change.digest, notes=list(taken.notes)
    )


@router.delete("/{language}/{prompt}", responses=problems(404, 409))
async def remove(language: Language, prompt: PromptId, backend: BackendNow, viewer: Operator) -> PromptChange:
    """Take a prompt away that nothing says; refused, with every place that says it, if something does."""
    try:
        taken = await backend.prompts.remove((language, prompt), viewer.role.value)
    except NoSuchPrompt as error:
        raise not_found("prompt", f"{language}/{prompt}") from error
    except (SiteError, *NOT_NOW) as error:
        raise _not_now(error) from error
    return PromptChange(
        language=language, prompt=prompt, changed=taken.changed, site=taken.change.digest, notes=list(taken.notes)
    )


def _not_now(error: Exception) -> Problem:
    return Problem(409, "not_now", "Nothing was changed", str(error)[:SAID_MAX])
