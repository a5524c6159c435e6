"""Surveys: what became of every invitation, told by the contacts' own events, and the contacts behind a number.

PostgreSQL groups the responses, so that alike ones come as one row with their number. An invitation belongs to the
time in which it was made.
"""

# ruff: noqa: S608 - statements are put together from constants of this module only

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db.engine import reaching
from callcenter.db.reports import (
    NO_ID,
    ReceiptCursor,
    ReportQuery,
    ReportTooLarge,
    contacts_of,
    in_turn,
)
from ivr.survey_figures import Reply, Response

DIFFERENT_MAX: Final = 100_000
"""A report holds so many different responses in memory at most."""

# A contact may be invited more than once: a response runs from one invitation to the next. One without an end (the
# caller is being asked, or the contact was lost) is partial if something was answered.
_RESPONSES: Final = """
WITH told AS (
    SELECT contact_id, seq, at, type, data, data ->> 'survey' AS survey,
        count(*) FILTER (WHERE type = 'survey.invited') OVER so_far AS n
    FROM contact_event
    WHERE day = ANY (CAST(:days AS date[]))
        AND contact_id >= CAST(:first AS uuid) AND contact_id < CAST(:last AS uuid)
        AND type IN ('survey.invited', 'survey.answered', 'survey.ended')
        AND (CAST(:survey AS text) IS NULL OR data ->> 'survey' = :survey)
    WINDOW so_far AS (PARTITION BY contact_id, data ->> 'survey' ORDER BY seq)
), response AS (
    SELECT contact_id, survey, min(seq) AS n, min(at) AS at,
        coalesce(
            max(data ->> 'outcome') FILTER (WHERE type = 'survey.ended'),
            CASE WHEN bool_or(type = 'survey.answered') THEN 'partial' ELSE 'pending' END
        ) AS outcome,
        coalesce(
            jsonb_agg(
                jsonb_build_object('question', data -> 'question', 'scale', data -> 'scale', 'answer', data -> 'answer')
                ORDER BY seq
            ) FILTER (WHERE type = 'survey.answered'),
            '[]'
        ) AS replies
    FROM told GROUP BY contact_id, survey, told.n
    HAVING min(at) >= :start AND min(at) < :end
)"""

_COUNT: Final = f"""{_RESPONSES}
SELECT survey, outcome, replies, count(*) AS times FROM response GROUP BY survey, outcome, replies"""

_BEHIND: Final = f"""{_RESPONSES}
SELECT CAST(contact_id AS text) AS contact_id, n, at, outcome, replies FROM response
WHERE outcome = ANY (CAST(:outcomes AS text[])) AND replies @> CAST(:with AS jsonb)
    AND (contact_id, n) > (CAST(:after_id AS uuid), CAST(:after_n AS integer))
ORDER BY contact_id, n LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class SurveyQuery:
    """Which responses: to invitations from `start` until before `end`, to `survey` or (None) to all."""

    start: float
    end: float
    survey: str | None = None


@dataclass(frozen=True, slots=True)
class Responses:
    """Which of them stand behind a number: those of these outcomes, with a reply of which all this is true.

    `reply` has the words question, scale and answer, or some of them; without any, the replies don't matter.
    """

    outcomes: Sequence[str]
    reply: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One invitation of a contact, made `at`, and what became of it; `n` is the seq of its first event."""

    contact_id: str
    n: int
    at: float
    response: Response


@dataclass(frozen=True, slots=True)
class ResponsePage:
    """Responses in order of contact, and where the next page begins (None: this was the last)."""

    rows: tuple[ResponseRow, ...]
    after: ReceiptCursor | None


class Surveys:
    """Responses out of the events. Methods raise DatabaseError when they can't be read, ReportTooLarge if it lasts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    async def responses(self, wanted: SurveyQuery) -> Mapping[str, Mapping[Response, int]]:
        """How many of each response there were, by survey."""
        found: dict[str, dict[Response, int]] = {}
        different = 0
        async with in_turn(self._turn), reaching("the surveys can't be counted"), self._engine.connect() as connection:
            for bounds in contacts_of(_range(wanted)):
                result = await connection.execute(text(_COUNT), _given(wanted) | bounds)
                for row in result.mappings():
                    counts = found.setdefault(row["survey"], {})
                    response = _response(row)
                    different += response not in counts
                    counts[response] = counts.get(response, 0) + row["times"]
                if different > DIFFERENT_MAX:
                    raise ReportTooLarge(f"hold more than {DIFFERENT_MAX} different responses")
        return found

    async def behind(
        self, wanted: SurveyQuery, which: Responses, *, after: ReceiptCursor | None = None, limit: int = 200
    ) -> ResponsePage:
        """A page of the responses behind a number."""
        after = after or ReceiptCursor(NO_ID, 0)
        given = _given(wanted) | {"outcomes": list(which.outcomes), "after_id": after.stream, "after_n": after.n}
        given["with"] = msgspec.json.encode([which.reply] if which.reply else []).decode()
        rows: list[ResponseRow] = []
        async with in_turn(self._turn), reaching("the contacts can't be read"), self._engine.connect() as connection:
            for bounds in contacts_of(_range(wanted), after.stream):
                result = await connection.execute(text(_BEHIND), given | bounds | {"limit": limit + 1 - len(rows)})
                rows += [
                    ResponseRow(row["contact_id"], row["n"], row["at"].timestamp(), _response(row))
                    for row in result.mappings()
                ]
                if len(rows) > limit:
                    last = rows[limit - 1]
                    return ResponsePage(tuple(rows[:limit]), ReceiptCursor(last.contact_id, last.n))
        return ResponsePage(tuple(rows), None)


def _range(wanted: SurveyQuery) -> ReportQuery:
    return ReportQuery((wanted.start, wanted.end), wanted.end)


def _given(wanted: SurveyQuery) -> dict[str, Any]:
    start, end = (datetime.fromtimestamp(at, UTC) for at in (wanted.start, wanted.end))
    return {"start": start, "end": end, "survey": wanted.survey}


def _response(row: Mapping[Any, Any]) -> Response:
    replies = (Reply(one["question"], one["scale"], one["answer"]) for one in row["replies"])
    return Response(row["outcome"], tuple(replies))
