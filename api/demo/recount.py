"""The second computation: the same figures by PostgreSQL itself, from the rows of contact_event and nothing else."""

import json
from collections.abc import Mapping
from typing import Any, Final

from api.demo.figures import SHORT_ABANDON_S, US_PER_S, Figures, Group
from callcenter.db.engine import connect, reaching

STATEMENT_S: Final = 300.0

# One row a contact that began after a position. Numerics are exact, so their sums do not depend on the order.
_VISITS: Final = """
WITH begun AS (
    SELECT day, contact_id FROM contact_event WHERE node = $1 AND position > $2 AND type = 'contact.started'
), story AS (
    SELECT e.contact_id, e.seq, e.type, e.data FROM contact_event AS e JOIN begun USING (day, contact_id)
), visit AS (
    SELECT contact_id,
        count(*) AS events,
        max(seq) AS last_seq,
        max((data->>'seq_total')::int) FILTER (WHERE type = 'contact.ended') AS seq_total,
        max(data->>'end_state') FILTER (WHERE type = 'contact.ended') AS end_state,
        max(data->>'queue') FILTER (WHERE type = 'queue.entered') AS queue,
        max(data->>'value_tier') FILTER (WHERE type = 'queue.entered') AS value_tier,
        max(data->>'outcome') FILTER (WHERE type = 'queue.left') AS outcome,
        max(round((data->>'wait_s')::numeric * 1000000)) FILTER (WHERE type = 'queue.left') AS wait_us,
        max(round(((data->>'talk_s')::numeric + (data->>'hold_s')::numeric + (data->>'wrap_up_s')::numeric)
            * 1000000)) FILTER (WHERE type = 'contact.ended') AS handled_us
    FROM story GROUP BY contact_id
)
"""

_CONTACTS: Final = """
SELECT end_state, count(*) AS contacts, sum(events)::bigint AS events,
    count(*) FILTER (WHERE events = seq_total AND last_seq = seq_total) AS whole
FROM visit GROUP BY end_state
"""

_OFFERS: Final = """
SELECT data->>'outcome' AS outcome, count(*) AS offers FROM story WHERE type = 'offer.settled' GROUP BY 1
"""

_GROUPS: Final = """
SELECT queue, value_tier,
    count(*) AS entered,
    count(*) FILTER (WHERE outcome = 'answered') AS answered,
    count(*) FILTER (WHERE outcome = 'answered' AND wait_us <= ($3::jsonb->>queue)::numeric * 1000000)
        AS answered_in_time,
    count(*) FILTER (WHERE outcome = 'abandoned') AS abandoned,
    count(*) FILTER (WHERE outcome = 'abandoned' AND wait_us <= $4::bigint) AS short_abandons,
    coalesce(sum(wait_us) FILTER (WHERE outcome = 'answered'), 0)::bigint AS wait_us,
    coalesce(sum(handled_us) FILTER (WHERE outcome = 'answered'), 0)::bigint AS handled_us
FROM visit WHERE queue IS NOT NULL GROUP BY GROUPING SETS ((queue), (value_tier), ())
"""


async def recount(url: str, node: str, after: int, sl_s: Mapping[str, float]) -> Figures:
    """Figures of the node's contacts that began after position `after`; `sl_s` as for a Tally. Raises DatabaseError."""
    async with reaching("the events can't be recounted"):
        connection = await connect(url, "callcenter demo", statement_s=STATEMENT_S)
        try:
            contacts = await connection.fetch(_VISITS + _CONTACTS, node, after)
            offers = await connection.fetch(_VISITS + _OFFERS, node, after)
            short_us = round(SHORT_ABANDON_S * US_PER_S)
            groups = await connection.fetch(_VISITS + _GROUPS, node, after, json.dumps(dict(sl_s)), short_us)
        finally:
            await connection.close(timeout=5.0)
    figures = Figures(
        contacts=sum(row["contacts"] for row in contacts),
        events=sum(row["events"] for row in contacts),
        whole=sum(row["whole"] for row in contacts),
        end_states={row["end_state"]: row["contacts"] for row in contacts if row["end_state"] is not None},
        offers={row["outcome"]: row["offers"] for row in offers},
    )
    for row in groups:
        group = _group(row)
        if row["queue"] is not None:
            figures.queues[row["queue"]] = group
        elif row["value_tier"] is not None:
            figures.tiers[row["value_tier"]] = group
        else:
            figures.total = group
    return figures


def _group(row: Mapping[str, Any]) -> Group:
    counted = {name: row[name] for name in row.keys() if name not in {"queue", "value_tier"}}  # noqa: SIM118 - a Record
    return Group(**counted)
