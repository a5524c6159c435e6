"""The SQL of reports: visits and offers out of segments, agents' time out of their states, and the quantities on them.

Everything given is a parameter. What counts in which quantity is said in `routing.facts` too, in the other language; a
test lets both count the same days.
"""

# ruff: noqa: S608 - statements are put together from constants of this module only

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from routing.facts import By, View
from routing.metrics import QUANTITIES, Source, Sum

# A contact's segments from one queue to the next are one visit. Contacts that ended before `awake` have nothing to
# tell. The tables are joined where they lie, by their keys: planners guess badly about what is computed.
_PIECES: Final = """
WITH piece AS (
    SELECT contact_id, n, kind, segment.queue, segment.agent_id, outcome, segment.started_at,
        greatest(segment.ended_at, segment.started_at) AS ended_at, segment.ended_at IS NULL AS is_open,
        dialed, language, value_tier,
        count(*) FILTER (WHERE kind = 'queue') OVER so_far AS visit,
        max(segment.started_at) FILTER (WHERE kind = 'queue') OVER so_far AS entered_at
    FROM segment JOIN contact USING (contact_id)
    WHERE segment.contact_id >= CAST(:first AS uuid) AND segment.contact_id < CAST(:last AS uuid)
        AND contact.contact_id >= CAST(:first AS uuid) AND contact.contact_id < CAST(:last AS uuid)
        AND (contact.ended_at IS NULL OR contact.ended_at >= :awake)
    WINDOW so_far AS (PARTITION BY contact_id ORDER BY n)
)"""


def _us(interval: str) -> str:
    return f"CAST(extract(epoch FROM coalesce({interval}, interval '0')) * 1000000 AS bigint)"


# Who was rung by several phones at once was rung once: hence the union of ranges.
_VISITS: Final = f"""{_PIECES}, stay AS (
    SELECT contact_id, visit, dialed, language, value_tier, entered_at,
        min(queue) FILTER (WHERE kind = 'queue') AS queue,
        min(ended_at) FILTER (WHERE kind = 'queue' AND NOT is_open) AS left_at,
        min(outcome) FILTER (WHERE kind = 'queue') AS outcome,
        min(agent_id) FILTER (WHERE kind = 'talk') AS agent_id,
        range_agg(tstzrange(started_at, ended_at)) FILTER (WHERE kind = 'ring' AND NOT is_open) AS rung,
        sum(ended_at - started_at) FILTER (WHERE kind = 'talk') AS talked,
        sum(ended_at - started_at) FILTER (WHERE kind = 'hold') AS held,
        sum(ended_at - started_at) FILTER (WHERE kind = 'wrap_up') AS wrapped,
        max(ended_at) FILTER (WHERE kind IN ('talk', 'wrap_up')) AS done_at,
        bool_or(is_open) FILTER (WHERE kind IN ('talk', 'wrap_up')) AS is_busy
    FROM piece WHERE visit > 0 GROUP BY contact_id, visit, dialed, language, value_tier, entered_at
), visit AS (
    SELECT contact_id, visit, visit AS n, queue, entered_at, entered_at AS at, left_at, agent_id,
        dialed, language, value_tier,
        CASE WHEN left_at IS NOT NULL THEN coalesce(CAST(:endings AS jsonb) ->> outcome, 'lost') END AS ending,
        CASE WHEN NOT is_busy THEN done_at END AS done_at,
        {_us("left_at - entered_at")} AS wait_us,
        (SELECT {_us("sum(upper(span) - lower(span))")} FROM unnest(rung) AS span) AS ring_us,
        {_us("talked - coalesce(held, interval '0')")} AS talk_us,
        {_us("held")} AS hold_us,
        {_us("wrapped")} AS wrap_up_us,
        coalesce(CAST(CAST(:answer_in_us AS jsonb) ->> queue AS bigint), :answer_in_us_else) AS answer_in_us
    FROM stay
)"""

_OFFERS: Final = f"""{_PIECES}, offer AS (
    SELECT contact_id, visit, n, queue, entered_at, started_at AS at, ended_at AS settled_at, agent_id,
        dialed, language, value_tier,
        coalesce(CAST(:settlements AS jsonb) ->> outcome, 'offers_withdrawn') AS settlement
    FROM piece WHERE kind = 'ring' AND NOT is_open
)"""

# What a contact needed as it entered: the k-th queue.entered began its k-th visit.
_NEEDS: Final = """JOIN LATERAL (
                SELECT data -> 'needs' AS needs FROM contact_event AS event
                WHERE day = ANY (CAST(:days AS date[])) AND event.contact_id = {records}.contact_id
                    AND type = 'queue.entered' ORDER BY seq OFFSET {records}.visit - 1 LIMIT 1
            ) AS need ON true"""

# Who is in the table at all is found by leaps through its index; of each, the state they were in at `start`, and those
# they came to later. A state that goes on is counted until `now`.
_STATES: Final = """
WITH RECURSIVE agent AS (
    SELECT min(agent_id) AS agent_id FROM agent_state_interval
    UNION ALL
    SELECT (SELECT min(agent_id) FROM agent_state_interval AS next WHERE next.agent_id > agent.agent_id)
    FROM agent WHERE agent_id IS NOT NULL
), state AS (
    SELECT agent.agent_id, position AS n, greatest(started_at, :start) AS at,
        least(coalesce(ended_at, :now), :end) AS ended_at, contact_id,
        CASE WHEN activity <> 'idle' THEN 'agent_' || activity || '_s'
             WHEN presence = 'available' THEN 'agent_idle_s' END AS quantity
    FROM agent CROSS JOIN LATERAL (
        SELECT * FROM agent_state_interval AS one WHERE one.agent_id = agent.agent_id AND one.started_at < :end
            AND one.started_at >= coalesce((
                SELECT max(started_at) FROM agent_state_interval AS last
                WHERE last.agent_id = agent.agent_id AND last.started_at <= :start), '-infinity')
    ) AS held
), time AS (
    SELECT agent_id, n, contact_id, quantity, bucket, greatest(at, edge[bucket]) AS at,
        CAST(extract(epoch FROM least(ended_at, edge[bucket + 1]) - greatest(at, edge[bucket])) * 1000000 AS bigint)
            AS us
    FROM (SELECT CAST(:edges AS timestamptz[]) AS edge) AS edges CROSS JOIN state CROSS JOIN LATERAL
        generate_series(width_bucket(at, edge), width_bucket(ended_at - interval '1 microsecond', edge)) AS bucket
    WHERE at < ended_at AND quantity IS NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A quantity on visits or offers: of whom, at which of their instants, and how much."""

    when: str
    who: str
    us: str | None = None

    @property
    def amount(self) -> str:
        return self.us or "1"

    def counts(self, view: View) -> str:
        """The condition on a row of `happened`, where by event a record lies once for each of its instants."""
        return self.who if view is View.ENTERED else f"what = '{self.when}' AND {self.who}"


_ANSWERED: Final = "ending = 'answered'"
_HANDLED: Final = "ending IN ('answered', 'callbacks') AND done_at IS NOT NULL"
_IN_TIME: Final = "wait_us <= answer_in_us"

COUNTED: Final[Mapping[str, _Counted]] = {
    "entered": _Counted("entered", "true"),
    "waiting": _Counted("entered", "left_at IS NULL"),
    **{name: _Counted("left", f"ending = '{name}'") for name in ("answered", "abandoned", "callbacks")},
    **{name: _Counted("left", f"ending = '{name}'") for name in ("flow_outs", "lost")},
    **{
        f"{name}_in_time": _Counted("left", f"ending = '{name}' AND {_IN_TIME}")
        for name in ("answered", "abandoned", "callbacks")
    },
    "short_abandons": _Counted("left", "ending = 'abandoned' AND wait_us <= :short_abandon_us"),
    "handled": _Counted("done", _HANDLED),
    "wait_s": _Counted("left", _ANSWERED, "wait_us"),
    "ring_s": _Counted("left", _ANSWERED, "ring_us"),
    "talk_s": _Counted("done", _HANDLED, "talk_us"),
    "hold_s": _Counted("done", _HANDLED, "hold_us"),
    "wrap_up_s": _Counted("done", _HANDLED, "wrap_up_us"),
    **{
        name: _Counted("settled", f"settlement = '{name}'")
        for name, quantity in QUANTITIES.items()
        if quantity.source is Source.OFFER
    },
}

_INSTANTS: Final[Mapping[Source, Sequence[str]]] = {
    Source.VISIT: ("entered", "left", "done"),
    Source.OFFER: ("settled",),
}

_GROUP: Final[Mapping[By, str]] = {
    By.SITE: "CAST(NULL AS text)",
    By.SKILL: "CAST(needs AS text)",
    **{by: by.value for by in (By.QUEUE, By.VALUE_TIER, By.DIALED, By.LANGUAGE)},
    By.AGENT: "agent_id",
}


def counting(source: Source, by: By, view: View) -> str:
    """Rows (bucket, group, each quantity of the source[, waits]); with :edges, :start and :end, and _VISITS' own."""
    columns = [
        f"coalesce(sum({counted.amount}) FILTER (WHERE {counted.counts(view)}), 0) AS {name}"
        for name, counted in COUNTED.items()
        if QUANTITIES[name].source is source
    ]
    if source is Source.VISIT:
        columns.append(f"array_agg(wait_us) FILTER (WHERE {COUNTED['wait_s'].counts(view)}) AS waits")
    return f"""{_records(source, by, view)}
        SELECT width_bucket(happened_at, CAST(:edges AS timestamptz[])) - 1 AS bucket, {_GROUP[by]} AS grouped,
            {", ".join(columns)}
        FROM happened GROUP BY bucket, grouped"""


def receipt(source: Source, wanted: Sum, by: By, view: View, *, grouped: bool, limited: bool) -> str:
    """Rows (contact_id, n, agent_id, at, amount) behind the sum, after (:after_id, :after_n), :limit at most.

    `grouped`: only of the group :key; `limited`: only who waited no longer than :wait_us_max.
    """
    terms = [(sign, COUNTED[name]) for sign, name in wanted.terms]
    amount = " + ".join(
        f"coalesce(sum({sign} * {counted.amount}) FILTER (WHERE {counted.counts(view)}), 0)" for sign, counted in terms
    )
    behind = (
        f"bool_or({' OR '.join(f'({counted.counts(view)})' for _, counted in terms)})"
        if wanted.is_time
        else f"{amount} <> 0"
    )
    within = [
        "(contact_id, n) > (CAST(:after_id AS uuid), CAST(:after_n AS bigint))",
        *([_in_group(by)] if grouped else []),
        *(["wait_us <= :wait_us_max"] if limited else []),
    ]
    return f"""{_records(source, by, view)}
        SELECT CAST(contact_id AS text) AS contact_id, n, min(agent_id) AS agent_id, min(at) AS at, {amount} AS amount
        FROM happened WHERE {" AND ".join(within)}
        GROUP BY happened.contact_id, n HAVING {behind} ORDER BY happened.contact_id, n LIMIT :limit"""


def counting_states(by: By) -> str:
    """Rows (bucket, group, quantity, us); with :edges, :start, :end and :now."""
    return f"""{_STATES}
        SELECT bucket - 1 AS bucket, {_GROUP[by] if by is By.AGENT else _GROUP[By.SITE]} AS grouped, quantity,
            CAST(sum(us) AS bigint) AS us
        FROM time GROUP BY 1, 2, 3"""


def receipt_of_states(wanted: Sum, *, grouped: bool) -> str:
    """Rows (contact_id, n, agent_id, at, amount) behind the sum, after (:after_id, :after_n), :limit at most."""
    names = ", ".join(f"'{name}'" for _, name in wanted.terms)
    assert all(sign > 0 for sign, _ in wanted.terms), "times of different states are added, never taken away"
    return f"""{_STATES}
        SELECT contact_id, n, agent_id, at, us AS amount FROM time
        WHERE quantity IN ({names}) AND (agent_id, n) > (:after_id, CAST(:after_n AS bigint))
            {"AND agent_id = :key" if grouped else ""}
        ORDER BY agent_id, n LIMIT :limit"""


def _records(source: Source, by: By, view: View) -> str:
    """CTEs up to `happened`: the visits or offers at the instants that a quantity may lie at, within the range."""
    records = "visit" if source is Source.VISIT else "offer"
    by_event = ", ".join(f"('{what}', {what}_at)" for what in _INSTANTS[source])
    instants = "('entered', entered_at)" if view is View.ENTERED else by_event
    needs = by is By.SKILL
    return f"""{_VISITS if source is Source.VISIT else _OFFERS}, happened AS (
            SELECT {records}.*, what, happened_at{", needs" if needs else ""}
            FROM {records} CROSS JOIN LATERAL (VALUES {instants}) AS instant (what, happened_at)
            {_NEEDS.format(records=records) if needs else ""}
            WHERE happened_at >= :start AND happened_at < :end
        )"""


def _in_group(by: By) -> str:
    if by is By.SKILL:
        return "needs -> :key IS NOT NULL"
    return f"{_GROUP[by]} IS NOT DISTINCT FROM CAST(:key AS text)"
