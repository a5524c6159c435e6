"""GET recordings: what was recorded, as a list and one by one, and its audio in any byte range."""

import asyncio
import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.cursors import FIRST, LAST, behind, opaque
from api.problems import Problem
from api.ranges import RangeUnsatisfiable, span_of
from api.reads import UUID, listed_body, recording_body, recording_for
from api.routes.common import NO_QUERY, BackendNow, RecordingId, RecordingsViewer, problems
from api.schemas import Page, RecordingBody
from callcenter.db.projections import RecordingRow
from callcenter.db.recording_lists import RecordingFilter
from recordings.stereo import AudioMissing, Span, StereoAudio, open_stereo

WAV: Final = "audio/wav"
_ID: Final = re.compile(r"[0-9A-Za-z.-]{1,64}")

log = structlog.get_logger()
router = APIRouter(prefix="/v1/recordings", tags=["recordings"])


class RecordingQuery(BaseModel):
    """Which recordings: all conditions hold together."""

    model_config = ConfigDict(extra="forbid")

    from_: AwareDatetime | None = Field(
        None, alias="from", ge=FIRST, le=LAST, description="Began at this instant or later, RFC 3339 with a zone"
    )
    to: AwareDatetime | None = Field(None, ge=FIRST, le=LAST, description="Began before this instant")
    verdict: Literal["verified", "truncated", "missing", "none"] | None = Field(
        None, description="What was found last as its files were looked at; none: they were not yet"
    )
    contact: str | None = Field(None, pattern=f"^{UUID.pattern}$", description="Id of the contact")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")


@router.get("", responses=problems(503))
async def recordings(
    query: Annotated[RecordingQuery, Query()], backend: BackendNow, viewer: RecordingsViewer
) -> Page[RecordingBody]:
    """Recordings, the latest first; an agent gets those of contacts they served."""
    wanted = RecordingFilter(
        started_from=query.from_.timestamp() if query.from_ else None,
        started_to=query.to.timestamp() if query.to else None,
        contact_id=query.contact,
        verdict=query.verdict,
        served_by=viewer.own,
    )
    after = None if query.cursor is None else behind(query.cursor, _ID)
    page = await backend.queries.recording_lists.page(wanted, after=after, limit=query.limit)
    last = page.recordings[-1] if page.more else None
    return Page(
        items=[listed_body(row) for row in page.recordings],
        next_cursor=None if last is None else opaque(last.started_at, last.recording_id),
    )


@router.get("/{recording_id}", responses=problems(404, 503), dependencies=[NO_QUERY])
async def recording(recording_id: RecordingId, backend: BackendNow, viewer: RecordingsViewer) -> RecordingBody:
    """One recording, and what was found as its files were looked at."""
    row = await recording_for(backend.queries, viewer, recording_id)
    return recording_body(row, (await backend.queries.verdicts([row])).get(recording_id))


@router.get(
    "/{recording_id}/audio",
    responses={**problems(404, 416, 503), 200: {"content": {WAV: {}}}, 206: {"content": {WAV: {}}}},
    response_class=StreamingResponse,
    dependencies=[NO_QUERY],
)
async def audio(
    recording_id: RecordingId,
    backend: BackendNow,
    viewer: RecordingsViewer,
    range_: Annotated[str | None, Header(alias="range", description="One range: bytes=first-last")] = None,
    if_range: Annotated[str | None, Header(description="Obey the range only for this ETag")] = None,
) -> Response:
    """The audio as a stereo wav, caller left, agent right; a recording still running plays as far as it is."""
    row = await recording_for(backend.queries, viewer, recording_id)
    try:
        folders = (backend.recordings_dir, backend.second_recordings_dir)
        sound = await asyncio.to_thread(open_stereo, folders[0], row.caller_file, row.agent_file, folders[1])
    except AudioMissing as error:
        log.warning("audio missing", recording_id=row.recording_id, error=str(error))
        raise Problem(
            404,
            "audio_not_found",
            "No audio",
            "The recording has no audio to play: it failed, has just begun, or its files were removed.",
        ) from error
    return _answer(row, sound, range_, if_range)


def _answer(row: RecordingRow, sound: StereoAudio, range_: str | None, if_range: str | None) -> Response:
    etag = f'"{row.recording_id}-{sound.length}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        # Our ids are letters, digits, dots and hyphens; nothing in them can end the quoted string.
        "Content-Disposition": f'inline; filename="{row.recording_id}.wav"',
    }
    try:
        span = span_of(range_ if if_range in {None, etag} else None, sound.length)
    except RangeUnsatisfiable as error:
        raise Problem(
            416,
            "range_not_satisfiable",
            "The range lies outside the audio",
            str(error),
            headers={"Content-Range": f"bytes */{error.length}"},
        ) from error
    whole = Span(0, sound.length - 1)
    sent = span or whole
    headers["Content-Length"] = str(sent.length)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{sound.length}"
    return StreamingResponse(_exactly(sound, sent), 200 if span is None else 206, headers, WAV)


def _exactly(sound: StereoAudio, span: Span) -> Iterator[bytes]:
    """The promised bytes, in a worker thread; a file that vanishes meanwhile ends the answer short."""
    try:
        yield from sound.read(span)
    except AudioMissing:
        log.warning("audio vanished while it was played")
