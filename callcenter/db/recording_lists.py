"""Recordings in pages, latest first, each with what was last found as its files were looked at."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db.engine import reaching
from callcenter.db.projections import Row

PAGE_MAX: Final = 500

Verdict = Literal["verified", "truncated", "missing"]

# Of a recording that was looked at twice, the later look counts; floor_event_recording finds both.
LISTED: Final = """
SELECT r.recording_id, r.contact_id::text AS contact_id, r.agent_id, r.state, r.reason, r.duration_s,
    extract(epoch FROM r.started_at)::float8 AS started_at,
    v.verdict, v.reason AS verdict_reason, extract(epoch FROM v.at)::float8 AS verdict_at
FROM recording r LEFT JOIN LATERAL (
    SELECT at, split_part(type, '.', 2) AS verdict, data ->> 'reason' AS reason FROM floor_event
    WHERE stream = 'recordings' AND data ->> 'recording_id' = r.recording_id ORDER BY position DESC LIMIT 1
) v ON true
WHERE (CAST(:started_from AS timestamptz) IS NULL OR r.started_at >= :started_from)
    AND (CAST(:started_to AS timestamptz) IS NULL OR r.started_at < :started_to)
    AND (CAST(:contact_id AS uuid) IS NULL OR r.contact_id = :contact_id)
    AND (CAST(:verdict AS text) IS NULL OR coalesce(v.verdict, 'none') = :verdict)
    AND (CAST(:served_by AS text) IS NULL
        OR EXISTS (SELECT FROM contact c WHERE c.contact_id = r.contact_id AND c.agent_id = :served_by)
        OR EXISTS (
            SELECT FROM segment s WHERE s.contact_id = r.contact_id AND s.kind = 'talk' AND s.agent_id = :served_by
        ))
    AND (CAST(:after_at AS timestamptz) IS NULL OR (r.started_at, r.recording_id) < (:after_at, :after_id))
ORDER BY r.started_at DESC, r.recording_id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Which recordings; None: any. `started_from` is included, `started_to` is not.

    `verdict` "none": not looked at yet. `served_by`: of contacts that this agent talked with.
    """

    started_from: float | None = None
    started_to: float | None = None
    contact_id: str | None = None
    verdict: Verdict | Literal["none"] | None = None
    served_by: str | None = None


class ListedRecording(Row, frozen=True):
    """A recording and its verdict, None until it was looked at; instants in seconds."""

    recording_id: str
    contact_id: str
    agent_id: str | None
    state: str
    reason: str | None
    duration_s: float | None
    started_at: float
    verdict: Verdict | None
    verdict_reason: str | None
    verdict_at: float | None


@dataclass(frozen=True, slots=True)
class RecordingPage:
    """Recordings, latest first, and whether there are more."""

    recordings: tuple[ListedRecording, ...]
    more: bool


class RecordingLists:
    """Reads over the engine of `Queries`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(
        self, wanted: RecordingFilter, *, after: tuple[float, str] | None = None, limit: int = 50
    ) -> RecordingPage:
        """A page, latest first, below the instant and id `after`; at most `limit`, in 1…PAGE_MAX. DatabaseError."""
        assert 1 <= limit <= PAGE_MAX
        asked: dict[str, Any] = {
            "started_from": _instant(wanted.started_from),
            "started_to": _instant(wanted.started_to),
            "contact_id": wanted.contact_id,
            "verdict": wanted.verdict,
            "served_by": wanted.served_by,
            "after_at": _instant(after[0]) if after else None,
            "after_id": after[1] if after else None,
            "limit": limit + 1,
        }
        async with reaching("the recordings can't be read"), self._engine.connect() as connection:
            rows = (await connection.execute(text(LISTED), asked)).mappings().all()
        found = tuple(ListedRecording(**row) for row in rows[:limit])
        return RecordingPage(found, more=len(rows) > limit)


def _instant(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
