"""A day as it was, for the simulation: who entered which queue when, how it went, and when the agents were there.

Read from the events, an hour of contacts per statement, so that no day is too long for the statement's limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import and_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from callcenter.db.customers import RECORDS
from callcenter.db.engine import reaching
from callcenter.db.tables import agent_state_interval, contact_event
from routing.messages import Configured
from routing.model import Outcome, Presence
from routing.requirement import ANYONE, Requirement, RequirementError, needing, parse
from routing.rules import Facts
from routing.simulate.recorded import Recorded, Seen, SelfServed, Spell, own_part

HOUR_S: Final = 3_600.0
ROUTED: Final = ("contact.started", "routing.decided")
QUEUED: Final = ("queue.entered", "queue.left", "offer.settled", "talk.ended", "wrap_up.ended")
TYPES: Final = (*ROUTED, "ivr.left", *QUEUED, "contact.ended")
AGENTS_DAY_S: Final = 2 * 86_400.0
"""A presence that began longer ago than this before the day is not looked for."""


LeadsTo: TypeAlias = Callable[[str], tuple[str, str | None]]
"""Where a number that was dialed leads: its hotline, and that one's queue if it leads straight into one."""


async def recorded_day(
    engine: AsyncEngine, site: Configured, start: float, end: float, leads_to: LeadsTo | None = None
) -> Recorded:
    """What happened to the contacts that arrived in [start, end), instants in seconds; empty if nobody did.

    `site` names the tiers and tells what its queues require; a tier it does not have counts as its last. With
    `leads_to` the first visit of every contact bears the facts that rules decide by: as of that day, but for the
    customer's record, which is that of now. Raises DatabaseError.
    """
    fold = _Fold(site, start, leads_to)
    async with reaching("reading the recorded day"), engine.connect() as connection:
        at = start
        while at < end:
            rows = await connection.execute(_contacts(at, min(at + HOUR_S, end)))
            fold.add(rows.mappings())
            at += HOUR_S
        spells = _spells((await connection.execute(_presences(start, end))).mappings(), start)
        fold.close()
        ids = sorted({seen.facts.customer_id for seen in fold.visits if seen.facts and seen.facts.customer_id})
        rows = await connection.execute(text(_OF_THAT_DAY), {"ids": ids})
        records = {row["customer_id"]: row for row in rows.mappings()}
    visits = [_with_record(seen, records) for seen in fold.visits]
    return Recorded(visits, spells, fold.missed(), fold.wrap_up_share(), fold.self_served)


_OF_THAT_DAY: Final = RECORDS.format(which="c.customer_id = ANY (:ids)")


def _with_record(seen: Seen, records: Mapping[str, Mapping[Any, Any]]) -> Seen:
    """The visit with what the customer's record says."""
    record = records.get(seen.facts.customer_id or "") if seen.facts is not None else None
    if record is None or seen.facts is None:
        return seen
    names = ("segment", "preferred_agent", "case_owner", "open_case", "usage")
    facts = replace(seen.facts, at_risk=bool(record["at_risk"]), **{name: record[name] for name in names})
    return replace(seen, facts=facts)


def _contacts(start: float, end: float) -> Any:
    table = contact_event.c
    days = (datetime.fromtimestamp(start, UTC).date(), datetime.fromtimestamp(end, UTC).date())
    return (
        select(table.contact_id, table.at, table.type, table.data)
        .where(
            and_(
                table.day.between(*days),
                table.contact_id >= _first_id(start),
                table.contact_id < _first_id(end),
                table.type.in_(TYPES),
            )
        )
        .order_by(table.contact_id, table.seq)
    )


def _first_id(at: float) -> str:
    """The least UUIDv7 of that millisecond."""
    return str(UUID(int=max(0, int(at * 1000)) << 80))


def _presences(start: float, end: float) -> Any:
    table = agent_state_interval.c
    began, ends = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    oldest = datetime.fromtimestamp(max(0.0, start - AGENTS_DAY_S), UTC)
    return (
        select(table.agent_id, table.started_at, table.presence, table.aux_code)
        .where(
            table.started_at >= oldest, table.started_at < ends, or_(table.ended_at.is_(None), table.ended_at > began)
        )
        .order_by(table.agent_id, table.started_at, table.position)
    )


def _spells(rows: Iterable[Mapping[Any, Any]], start: float) -> Sequence[Spell]:
    return tuple(
        Spell(
            row["agent_id"],
            max(0.0, row["started_at"].timestamp() - start),
            Presence(row["presence"]),
            row["aux_code"],
        )
        for row in rows
    )


@dataclass(slots=True)
class _Visit:
    """A visit in the making."""

    entered_at: float
    data: Mapping[str, Any]
    left_at: float | None = None
    outcome: str = ""
    talk_s: float = 0.0
    wrap_up_s: float = 0.0
    ring_s: float | None = None
    arrived: Mapping[str, Any] | None = None
    decided: Mapping[str, Any] | None = None
    ivr_s: float = 0.0


@dataclass(slots=True)
class _Fold:
    """Events in order of contact and seq become visits. Moves from queue to queue by rule are one visit.

    Who leaves the IVR for a queue has been there for `ivr_s`; who is promised a call there is not on the line by the
    time they come to the queue. Whose call ends before any queue was served by the IVR, unless something failed.
    """

    site: Configured
    start: float
    leads_to: LeadsTo | None = None
    visits: list[Seen] = field(default_factory=list)
    self_served: list[SelfServed] = field(default_factory=list)
    _contact_id: str = ""
    _talked_s: float = 0.0
    _started_at: float = 0.0
    _ivr_s: float = 0.0
    _arrived: Mapping[str, Any] | None = None
    _decided: Mapping[str, Any] | None = None
    _visit: _Visit | None = None
    _rung: int = 0
    _rung_out: int = 0
    _handled_s: float = 0.0
    _wrapped_s: float = 0.0

    def add(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        """Some more."""
        for row in rows:
            if row["contact_id"] != self._contact_id:
                self.close()
                self._contact_id, self._talked_s = row["contact_id"], 0.0
                self._arrived = self._decided = None
            self._event(row["type"], row["data"], row["at"].timestamp())

    def missed(self) -> float:
        """The share of the offers that rang until their time was up."""
        return self._rung_out / self._rung if self._rung else 0.0

    def wrap_up_share(self) -> float:
        """Which part of the handling time was wrap-up."""
        return self._wrapped_s / self._handled_s if self._handled_s else 0.0

    def _event(self, kind: str, data: Mapping[str, Any], at: float) -> None:
        visit = self._visit
        if kind == "contact.started":
            self._arrived, self._started_at, self._ivr_s = data, at, 0.0
        elif kind == "ivr.left":
            self._ivr_s = 0.0 if data["exit"] == "callback" else self._ivr_s + data["ivr_s"]
        elif kind == "contact.ended":
            self._ended(data)
        elif kind == "routing.decided":
            self._decided = data
        elif kind == "queue.entered":
            if visit is None or not data.get("moves"):
                self.close()
                self._visit = _Visit(at, data, arrived=self._arrived, decided=self._decided, ivr_s=self._ivr_s)
                self._arrived = self._decided = None  # a contact is routed once
                self._ivr_s = 0.0
        elif visit is None:
            return
        elif kind == "queue.left":
            visit.left_at, visit.outcome = at, data["outcome"]
        elif kind == "offer.settled":
            self._settled(visit, data)
        elif kind == "talk.ended":
            # Totals of the contact so far: what is new since the last talk is this one's.
            total_s = data["talk_s"] + data["hold_s"]
            visit.talk_s, self._talked_s = visit.talk_s + total_s - self._talked_s, total_s
        elif kind == "wrap_up.ended":
            visit.wrap_up_s += data["wrap_up_s"]

    def _ended(self, data: Mapping[str, Any]) -> None:
        arrived = self._arrived
        if arrived is None or self._ivr_s == 0.0 or data["end_state"] == "failed":
            return  # it was in a queue, or in no flow
        called_at, tier = self._started_at - self.start, self._rank(arrived["value_tier"])
        self.self_served.append(SelfServed(called_at, self._ivr_s, tier))

    def _settled(self, visit: _Visit, data: Mapping[str, Any]) -> None:
        if data["outcome"] in {Outcome.ACCEPTED, Outcome.NO_ANSWER}:
            self._rung += 1
            self._rung_out += data["outcome"] == Outcome.NO_ANSWER
        if data["outcome"] == Outcome.ACCEPTED:
            visit.ring_s = data["ring_s"]

    def close(self) -> None:
        """The visit at hand is over; one that never left its queue, or left in the middle of a failure, is left out."""
        visit, self._visit = self._visit, None
        if visit is None or visit.left_at is None or visit.outcome == "failed":
            return
        answered = visit.outcome == "answered" and visit.talk_s > 0
        self.visits.append(
            Seen(
                entered_at=visit.entered_at - self.start,
                queue=visit.data["queue"],
                requires=self._own(visit),
                value_tier=self._rank(visit.data["value_tier"]),
                wait_s=max(0.0, visit.left_at - visit.entered_at),
                abandoned=visit.outcome == "abandoned",
                handle_s=visit.talk_s + visit.wrap_up_s if answered else None,
                ring_s=visit.ring_s if answered else None,
                preferred_agent=visit.data.get("preferred_agent"),
                preferred_wait_s=visit.data.get("preferred_wait_s") or 0.0,
                facts=self._facts(visit),
                ivr_s=visit.ivr_s,
            )
        )
        if answered:
            self._handled_s += visit.talk_s + visit.wrap_up_s
            self._wrapped_s += visit.wrap_up_s

    def _own(self, visit: _Visit) -> Requirement:
        """Without what its queue requires, nor what rules asked for that decide anew.

        From the skills alone for events that were written before expressions.
        """
        data = visit.data
        try:
            whole = parse(data["requires"]) if data.get("requires") else needing(data["needs"])
        except RequirementError:
            whole = needing(data["needs"])
        queue = next((each.requires for each in self.site.queues if each.queue == data["queue"]), ANYONE)
        own = own_part(whole, queue)
        if self.leads_to is None or visit.decided is None:
            return own
        try:
            return own_part(own, parse(visit.decided["requires"]))
        except RequirementError:
            return own

    def _facts(self, visit: _Visit) -> Facts | None:
        """What the rules may decide by, as far as the day tells it; a flow's queue that a rule changed is not known."""
        if self.leads_to is None or visit.arrived is None:
            return None
        dialed, straight = self.leads_to(visit.arrived["dialed"])
        decided, data = visit.decided or {}, visit.data
        return Facts(
            dialed=dialed,
            queue=straight or data["queue"],
            language=visit.arrived["language"],
            value_tier=visit.arrived["value_tier"],
            customer_id=visit.arrived["customer_id"],
            last_agent=None if decided.get("preferred_wait_s") else data.get("preferred_agent"),
        )

    def _rank(self, tier: str) -> int:
        names = [each.name for each in self.site.policy.tiers]
        return names.index(tier) if tier in names else len(names) - 1
