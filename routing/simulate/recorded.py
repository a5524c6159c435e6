"""A recorded day as a day to simulate: the same customers at the same instants, under another site.

What was seen is kept: who entered when and wants what, how long talks took, when agents were there, when somebody gave
up. What an answer or a rule cut short must be drawn: the patience of who was answered, given that it lasted longer than
their wait (Kaplan-Meier over the day), and the handling time of who was not, from the answered of the same queue.
Redials are among the arrivals already, and stay there even if a draft would have answered the first call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from routing.model import RONA, Presence
from routing.requirement import All, Requirement, both
from routing.rules import Facts
from routing.simulate.draw import Day, InIvr, Purpose, Turn
from routing.simulate.durations import Seconds, kaplan_meier
from routing.simulate.load import Kind

T = TypeVar("T")

NO_QUEUE = ""
"""The queue of those who enter none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One visit as recorded; `entered_at` in seconds since the day began.

    `handle_s` (talk, hold, wrap-up) and `ring_s` (of the offer that was accepted) are None unless it was answered.
    With `facts` the rules of a site route it anew; `requires` is then without what the rules of that day asked for.
    `ivr_s`: how long the customer was in the IVR right before.
    """

    entered_at: float
    queue: str
    requires: Requirement
    value_tier: int
    wait_s: float
    abandoned: bool
    handle_s: float | None = None
    ring_s: float | None = None
    preferred_agent: str | None = None
    preferred_wait_s: float = 0.0
    facts: Facts | None = None
    ivr_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SelfServed:
    """A call as recorded that ended in the IVR; `called_at` in seconds since the day began."""

    called_at: float
    ivr_s: float
    value_tier: int


@dataclass(frozen=True, slots=True)
class Spell:
    """An agent in one presence from `from_s` on, whatever they were doing."""

    agent_id: str
    from_s: float
    presence: Presence
    aux_code: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A day as it was: visits, agents' presences in order, the share of offers that rang out, who entered no queue."""

    visits: Sequence[Seen]
    spells: Sequence[Spell]
    missed: float = 0.0
    wrap_up_share: float = 0.0
    self_served: Sequence[SelfServed] = ()


def own_part(whole: Requirement, queues: Requirement) -> Requirement:
    """What a contact itself required, of what it and its queue required together.

    The queue's part is taken out so that another site can put its own in its place.
    """
    parts = whole.parts if isinstance(whole, All) else (whole,)
    theirs = queues.parts if isinstance(queues, All) else (queues,)
    return both(*(part for part in parts if part not in theirs))


def day_of(recorded: Recorded, seed: int, replication: int = 0) -> Day:
    """The day to simulate; equal arguments give equal days. Replications differ in what had to be drawn."""

    def stream(purpose: Purpose) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, replication, purpose))))

    visits = sorted(recorded.visits, key=lambda visit: visit.entered_at)
    kinds: dict[Kind, int] = {}
    kind = [kinds.setdefault(_kind(visit), len(kinds)) for visit in visits]
    ring_s = _filled([visit.ring_s for visit in visits], [None] * len(visits), stream(Purpose.RINGING), 0.0)
    missed = stream(Purpose.KINDS).random(len(visits)) < recorded.missed
    day = Day(
        kinds=tuple(kinds),
        at_s=[visit.entered_at - visit.ivr_s for visit in visits],
        kind=kind,
        handle_s=_filled(
            [visit.handle_s for visit in visits], [visit.queue for visit in visits], stream(Purpose.HANDLING), 180.0
        ).tolist(),
        patience_s=[_patience(visits, stream(Purpose.PATIENCE)).tolist()],
        redial_s=[[math.inf] * len(visits)],
        ring_s=[np.where(missed, math.inf, ring_s).tolist(), ring_s.tolist()],
        turns=_turns(recorded.spells),
        speed={},
        wrap_up_share=recorded.wrap_up_share,
    )
    return _through_ivr(day, [visit.ivr_s for visit in visits], recorded.self_served)


def _through_ivr(day: Day, lasts_s: Sequence[float], self_served: Sequence[SelfServed]) -> Day:
    """The day with those whom the IVR served, and with everybody as long in the IVR as they were."""
    if not self_served and not any(lasts_s):
        return day
    kinds = {kind: at for at, kind in enumerate(day.kinds)}
    others = [kinds.setdefault(Kind(NO_QUEUE, value_tier=each.value_tier), len(kinds)) for each in self_served]
    at_s = [*day.at_s, *(each.called_at for each in self_served)]
    order = sorted(range(len(at_s)), key=at_s.__getitem__)

    def ordered(values: Sequence[T], theirs: Sequence[T]) -> list[T]:
        every = [*values, *theirs]
        return [every[at] for at in order]

    never, nothing = [math.inf for _ in self_served], [0.0 for _ in self_served]
    return replace(
        day,
        kinds=tuple(kinds),
        at_s=[at_s[at] for at in order],
        kind=ordered(day.kind, others),
        handle_s=ordered(day.handle_s, nothing),
        patience_s=[ordered(each, never) for each in day.patience_s],
        redial_s=[ordered(each, never) for each in day.redial_s],
        ring_s=[ordered(each, nothing) for each in day.ring_s],
        ivr=InIvr(ordered(lasts_s, [each.ivr_s for each in self_served]), [at >= len(lasts_s) for at in order]),
    )


def _kind(seen: Seen) -> Kind:
    return Kind(
        seen.queue,
        requires=seen.requires,
        value_tier=seen.value_tier,
        preferred_agent=seen.preferred_agent,
        preferred_wait_s=seen.preferred_wait_s,
        facts=seen.facts,
    )


def _filled(
    values: Sequence[float | None], groups: Sequence[str | None], lots: np.random.Generator, otherwise: float
) -> Seconds:
    """Each gap filled with a value of its group, else of all, else with `otherwise`."""
    known: dict[str | None, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        if value is not None:
            known.setdefault(group, []).append(value)
    everybody = [value for value in values if value is not None] or [otherwise]
    picks = lots.random(len(values))
    return np.array(
        [
            value if value is not None else _pick(known.get(group, everybody), pick)
            for value, group, pick in zip(values, groups, picks, strict=True)
        ],
        dtype=float,
    )


def _pick(values: Sequence[float], pick: float) -> float:
    return values[min(int(pick * len(values)), len(values) - 1)]


def _patience(visits: Sequence[Seen], lots: np.random.Generator) -> Seconds:
    """As seen of who gave up; drawn beyond their wait for the others; for ever if nobody gave up that day."""
    waits = np.array([visit.wait_s for visit in visits], dtype=float)
    gave_up = np.array([visit.abandoned for visit in visits], dtype=bool)
    if not gave_up.any():
        return np.full(len(visits), math.inf)
    beyond = kaplan_meier(waits.tolist(), gave_up.tolist()).draw_beyond(lots, waits)
    return np.where(gave_up, waits, beyond)


def _turns(spells: Sequence[Spell]) -> list[Turn]:
    """What the agents chose. RONA was imposed, not chosen: such an agent counts as available, as they had been."""
    turns: list[Turn] = []
    now: dict[str, tuple[Presence, str | None]] = {}
    for spell in sorted(spells, key=lambda spell: spell.from_s):
        imposed = spell.presence is Presence.AUX and spell.aux_code == RONA
        chosen = (Presence.AVAILABLE, None) if imposed else (spell.presence, spell.aux_code)
        if now.get(spell.agent_id) != chosen:
            now[spell.agent_id] = chosen
            turns.append(Turn(spell.from_s, spell.agent_id, *chosen))
    return turns


def counts(recorded: Recorded) -> Mapping[str, int]:
    """How much there is of the day: visits, answered, abandoned, agents."""
    return {
        "visits": len(recorded.visits),
        "answered": sum(visit.handle_s is not None for visit in recorded.visits),
        "abandoned": sum(visit.abandoned for visit in recorded.visits),
        "agents": len({spell.agent_id for spell in recorded.spells}),
    }
