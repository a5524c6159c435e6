"""Rows of the database in the API's words, and which of them a viewer may see: the one place that decides it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict

from api.auth import Viewer
from api.masking import masked_name, masked_phone
from api.problems import not_found
from api.schemas import (
    ContactBody,
    ContactDetail,
    CustomerBody,
    EventBody,
    RecordingBody,
    SegmentBody,
    instant,
    instant_or_none,
)
from callcenter.db import queries as db
from callcenter.db.projections import ContactRow, RecordingRow, SegmentRow
from callcenter.db.recording_lists import ListedRecording

UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def contact_for(queries: db.Queries, viewer: Viewer, contact_id: str) -> db.ContactDetail:
    """The contact, if this viewer may see it; raises Problem 404 otherwise, whether it exists or not."""
    found = await queries.contact(contact_id) if UUID.fullmatch(contact_id) else None
    if found is None or not _serves(viewer, found):
        raise not_found("contact", contact_id)
    return found


async def recording_for(queries: db.Queries, viewer: Viewer, recording_id: str) -> RecordingRow:
    """The recording, if this viewer may see its contact; raises Problem 404 otherwise."""
    found = await queries.recording(recording_id)
    if found is None:
        raise not_found("recording", recording_id)
    if viewer.own is not None:
        contact = await queries.contact(found.contact_id)
        if contact is None or not _serves(viewer, contact):
            raise not_found("recording", recording_id)
    return found


async def knows(queries: db.Queries, viewer: Viewer, customer_id: str) -> bool:
    """Whether this viewer may read the customer's name and numbers: an agent who served them may."""
    if viewer.own is None:
        return True
    served = db.ContactFilter(customer_id=customer_id, agent_id=viewer.own)
    return bool((await queries.contacts(served, limit=1)).contacts)


def _serves(viewer: Viewer, found: db.ContactDetail) -> bool:
    own = viewer.own
    if own is None or found.contact.agent_id == own:
        return True
    return any(segment.kind == "talk" and segment.agent_id == own for segment in found.segments)


def contact_body(row: ContactRow) -> ContactBody:
    """A contact of the list."""
    return ContactBody(**_contact_fields(row))


def contact_detail(found: db.ContactDetail, verdicts: Mapping[str, db.VerdictRow]) -> ContactDetail:
    """A contact with its segments and recordings, and what became of these."""
    return ContactDetail(
        **_contact_fields(found.contact),
        segments=[segment_body(row) for row in found.segments],
        recordings=[recording_body(row, verdicts.get(row.recording_id)) for row in found.recordings],
    )


def segment_body(row: SegmentRow) -> SegmentBody:
    """A segment."""
    return SegmentBody(
        n=row.n,
        kind=row.kind,
        queue=row.queue,
        agent_id=row.agent_id,
        started_at=instant(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        outcome=row.outcome,
    )


def recording_body(row: RecordingRow, verdict: db.VerdictRow | None) -> RecordingBody:
    """A recording and what became of it; where its files are is nobody's business."""
    return RecordingBody(
        recording_id=row.recording_id,
        contact_id=row.contact_id,
        agent_id=row.agent_id,
        started_at=instant(row.started_at),
        duration_s=row.duration_s,
        state=row.state,
        reason=row.reason,
        verdict=verdict.verdict if verdict else None,
        verdict_reason=verdict.reason if verdict else None,
        verdict_at=instant_or_none(verdict.at if verdict else None),
    )


def listed_body(row: ListedRecording) -> RecordingBody:
    """A recording of the list."""
    fields = asdict(row)
    instants = {"started_at": instant(row.started_at), "verdict_at": instant_or_none(row.verdict_at)}
    return RecordingBody(**{**fields, **instants})


def event_body(row: db.EventRow) -> EventBody:
    """An event."""
    return EventBody(
        position=row.position,
        event_id=f"{row.stream}/{row.seq}",
        stream=row.stream,
        seq=row.seq,
        at=instant(row.at),
        type=row.type,
        version=row.version,
        data=dict(row.data),
        site=row.site,
        cause=row.cause,
    )


def customer_body(row: db.CustomerRow, *, known: bool) -> CustomerBody:
    """A customer; name and numbers masked unless `known`."""
    phones = [value for kind, value in row.identities if kind == "phone"]
    return CustomerBody(
        customer_id=row.customer_id,
        name=row.name if known else masked_name(row.name),
        phones=phones if known else [masked_phone(phone) or "" for phone in phones],
        value_tier=row.value_tier,
        language=row.language,
    )


def _contact_fields(row: ContactRow) -> dict[str, Any]:
    fields = asdict(row)
    for name in ("node", "last_seq", "closed"):
        del fields[name]
    for name in ("started_at", "answered_at", "ended_at"):
        fields[name] = instant_or_none(fields[name])
    return {**fields, "recording_ids": list(row.recording_ids)}
