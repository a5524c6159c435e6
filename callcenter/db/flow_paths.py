"""Where callers went in a flow: how often each node was entered and each way taken, and the contacts behind a number.

Counted from the contacts' own events, whatever the flow looks like now. A contact belongs to the time in which it
began. Nodes of sub-flows are `flow/node`, as in the events.
"""

# ruff: noqa: S608 - statements are put together from constants of this module only

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db.engine import reaching
from callcenter.db.reports import NO_ID, ReportTooLarge, contacts_between, in_turn

Kind = Literal["entered", "node", "way", "left"]

NUMBERS_MAX: Final = 50_000

# A visit begins as the flow is entered; within it a run begins anew where the version was gone and the caller started
# over. The way out of a sub-flow lies in the node that entered it: the last one of the same flow.
_THINGS: Final = """
WITH told AS (
    SELECT contact_id, seq, at, type, data,
        count(*) FILTER (WHERE type = 'ivr.entered') OVER so_far AS visit,
        count(*) FILTER (WHERE type IN ('ivr.entered', 'ivr.flow_restarted')) OVER so_far AS run
    FROM contact_event
    WHERE day = ANY (CAST(:days AS date[]))
        AND contact_id >= CAST(:first AS uuid) AND contact_id < CAST(:last AS uuid)
        AND type IN ('ivr.entered', 'ivr.flow_restarted', 'ivr.node_entered', 'ivr.left')
    WINDOW so_far AS (PARTITION BY contact_id ORDER BY seq)
), read AS (
    SELECT contact_id, seq, at, type, run, data ->> 'exit' AS exit, coalesce(data ->> 'by', '') AS by,
        CASE WHEN type = 'ivr.node_entered' THEN data ->> 'node' END AS node,
        CASE WHEN data ->> 'node' LIKE '%/%' THEN split_part(data ->> 'node', '/', 1) ELSE '' END AS inside,
        max(data ->> 'flow') FILTER (WHERE type = 'ivr.entered') OVER (PARTITION BY contact_id, visit) AS flow,
        max(data ->> 'flow_version') OVER (PARTITION BY contact_id, run) AS version
    FROM told
), step AS (
    SELECT contact_id, at, type, exit, by, node, version, lag(node) OVER in_order AS before,
        lag(node) OVER (PARTITION BY contact_id, run, inside ORDER BY seq) AS before_here
    FROM read WHERE flow = :flow AND (CAST(:version AS text) IS NULL OR version = :version)
    WINDOW in_order AS (PARTITION BY contact_id, run ORDER BY seq)
), thing AS (
    SELECT contact_id, at, 'node' AS kind, '' AS out_of, '' AS way, node FROM step WHERE type = 'ivr.node_entered'
    UNION ALL
    SELECT contact_id, at, 'way', coalesce(CASE WHEN by LIKE 'outcomes.%' THEN before_here ELSE before END, ''),
        by, node
    FROM step WHERE type = 'ivr.node_entered'
    UNION ALL
    SELECT contact_id, at, 'left', coalesce(before, ''), exit, '' FROM step WHERE type = 'ivr.left'
    UNION ALL
    SELECT contact_id, at, 'entered', '', version, '' FROM step WHERE type = 'ivr.entered'
)"""

_COUNT: Final = f"""{_THINGS}
SELECT kind, out_of, way, node, count(*) AS times, count(DISTINCT contact_id) AS contacts
FROM thing GROUP BY kind, out_of, way, node"""

_BEHIND: Final = f"""{_THINGS}
SELECT CAST(contact_id AS text) AS contact_id, min(at) AS at, count(*) AS times
FROM thing WHERE kind = :kind AND out_of = :out_of AND way = :way AND node = :node
    AND contact_id > CAST(:after AS uuid)
GROUP BY thing.contact_id ORDER BY thing.contact_id LIMIT :limit"""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """What is counted.

    entered: the flow, in the version `way`. node: `node` was entered. way: from `out_of` by `way` to `node`; out of
    nothing by "start". left: the flow was left at `out_of`, by `way`: queue, hang_up, caller_left, flow_gone …
    """

    kind: Kind
    out_of: str = ""
    way: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """How often it happened, and to how many contacts."""

    times: int = 0
    contacts: int = 0


@dataclass(frozen=True, slots=True)
class PathQuery:
    """Which visits: of `flow`, by contacts that began from `start` until before `end`; `version` None: in any."""

    flow: str
    start: float
    end: float
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """A contact behind a number: when it happened first, and how often."""

    contact_id: str
    at: float
    times: int


@dataclass(frozen=True, slots=True)
class Paths:
    """Every number there is of a flow."""

    numbers: Mapping[Thing, Number] = field(default_factory=dict)

    def of(self, kind: Kind) -> Sequence[tuple[Thing, Number]]:
        """The numbers of one kind, in order of what they count."""
        return sorted((thing, number) for thing, number in self.numbers.items() if thing.kind == kind)


class FlowPaths:
    """Counts out of the events. Methods raise DatabaseError when they can't be read, ReportTooLarge if it lasts."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()

    async def count(self, wanted: PathQuery) -> Paths:
        """Every number of the flow in that time."""
        found: dict[Thing, Number] = {}
        async with in_turn(self._turn), reaching("the paths can't be counted"), self._engine.connect() as connection:
            for bounds in contacts_between(wanted.start, wanted.end):
                result = await connection.execute(text(_COUNT), _given(wanted) | bounds)
                for row in result.mappings():
                    thing = Thing(row["kind"], row["out_of"], row["way"], row["node"])
                    so_far = found.get(thing, Number())
                    found[thing] = Number(so_far.times + row["times"], so_far.contacts + row["contacts"])
                if len(found) > NUMBERS_MAX:
                    raise ReportTooLarge(f"have more than {NUMBERS_MAX} numbers")
        return Paths(found)

    async def behind(
        self, wanted: PathQuery, thing: Thing, *, after: str | None = None, limit: int = 200
    ) -> Sequence[Behind]:
        """The contacts behind a number, in order of id, from `after` on; over all pages their times add up to it."""
        found: list[Behind] = []
        given = _given(wanted) | {"kind": thing.kind, "out_of": thing.out_of, "way": thing.way, "node": thing.node}
        given["after"] = after or NO_ID
        async with in_turn(self._turn), reaching("the contacts can't be read"), self._engine.connect() as connection:
            for bounds in contacts_between(wanted.start, wanted.end, after or NO_ID):
                result = await connection.execute(text(_BEHIND), given | bounds | {"limit": limit - len(found)})
                found += [Behind(row["contact_id"], row["at"].timestamp(), row["times"]) for row in result.mappings()]
                if len(found) >= limit:
                    break
        return found


def _given(wanted: PathQuery) -> dict[str, Any]:
    return {"flow": wanted.flow, "version": wanted.version}
