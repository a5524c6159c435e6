"""A day drawn from a load: every lot is drawn before the first customer calls, one random stream per purpose.

This is what makes two policies comparable: the n-th customer calls at the same instant, wants the same, takes the same
time and is as patient, whatever the policy did to the customers before (common random numbers). A purpose never takes
lots from another's stream, and an agent's lots depend on their id alone, so that one agent more changes no other.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from routing.model import Presence
from routing.simulate.durations import LogNormal, Seconds
from routing.simulate.load import NO_IVR, Arrivals, Callbacks, Kind, Load, Roster, Shift

RINGS = 4
"""So many offers of a customer ring out at most; the next is answered."""

ATTEMPTS = 5
"""So many attempts to call a customer back are drawn; any further one goes like the last."""

BREAK = "break"
"""The aux code of a break."""


class Purpose(IntEnum):
    """What lots are drawn for; the number is part of the stream's seed, so it never changes."""

    ARRIVALS = 1
    KINDS = 2
    HANDLING = 3
    PATIENCE = 4
    REDIALS = 5
    RINGING = 6
    AGENTS = 7
    CALLBACKS = 8
    IVR = 9


@dataclass(frozen=True, slots=True)
class Turn:
    """An agent's choice of presence, made at `at_s` whatever happens."""

    at_s: float
    agent_id: str
    presence: Presence
    aux_code: str | None = None


@dataclass(frozen=True, slots=True)
class Callees:
    """Which customers take a callback, and how each attempt to reach them goes; lists by customer.

    `ring_s[k]` is how long the k-th attempt rings until they pick up, inf if they do not within `ring_max_s`; beyond
    the last list, the last one holds. `refuses`: they pick up, and want no call any more.
    """

    takes: Sequence[bool]
    refuses: Sequence[bool]
    ring_s: Sequence[Sequence[float]]
    after_s: float
    ring_max_s: float
    holds_s: float


@dataclass(frozen=True, slots=True)
class InIvr:
    """How long each customer is in the IVR whenever they call, and who is served there; lists by customer."""

    lasts_s: Sequence[float]
    self_served: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Day:
    """All that is settled beforehand; lists by customer, in the order of their first call.

    `handle_s`: talk and wrap-up with an agent of average speed. `patience_s[k]` and `redial_s[k]` belong to the k-th
    call of a customer: how long they wait, and how long after giving up they call again (inf: never). `ring_s[k]` is
    how long the k-th offer rings until it is answered, inf if it is not. `in_order`: handling times belong to the
    n-th customer *served*; with one law for all, this leaves the number waiting the same under every policy that
    never idles an agent, which tells policies apart with far fewer customers. `callbacks`: None if nobody takes one.
    `ivr`: None if all come to their queue as they call.
    """

    kinds: tuple[Kind, ...]
    at_s: Sequence[float]
    kind: Sequence[int]
    handle_s: Sequence[float]
    patience_s: Sequence[Sequence[float]]
    redial_s: Sequence[Sequence[float]]
    ring_s: Sequence[Sequence[float]]
    turns: Sequence[Turn]
    speed: dict[str, float]
    wrap_up_share: float = 0.0
    back_s: float = 60.0
    in_order: bool = False
    callbacks: Callees | None = None
    ivr: InIvr | None = None

    def __len__(self) -> int:
        return len(self.at_s)


def draw(load: Load, seed: int, replication: int = 0, *, in_order: bool = False) -> Day:
    """The day of this load, seed ≥ 0 and replication ≥ 0; equal arguments give equal days."""

    def stream(purpose: Purpose) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, replication, purpose))))

    at = _arrivals(load.arrivals, stream(Purpose.ARRIVALS))
    count = len(at)
    kind = _kinds(load.kinds, stream(Purpose.KINDS), count)
    attempts = load.redials.attempts_max if load.redials.share > 0 else 1
    patience = stream(Purpose.PATIENCE)
    return Day(
        kinds=load.kinds,
        at_s=at.tolist(),
        kind=kind.tolist(),
        handle_s=_by_kind([each.handling for each in load.kinds], kind, stream(Purpose.HANDLING)).tolist(),
        patience_s=[_by_kind([each.patience for each in load.kinds], kind, patience).tolist() for _ in range(attempts)],
        redial_s=_redials(load, stream(Purpose.REDIALS), count, attempts),
        ring_s=_rings(load, stream(Purpose.RINGING), count),
        turns=_turns(load.roster, seed, replication),
        speed=_speeds(load.roster, seed),
        wrap_up_share=load.roster.wrap_up_share,
        back_s=load.answering.back_s,
        in_order=in_order,
        callbacks=_callees(load.callbacks, stream(Purpose.CALLBACKS), count),
        ivr=_in_ivr(load.kinds, kind, stream(Purpose.IVR)),
    )


def _arrivals(arrivals: Arrivals, lots: np.random.Generator) -> Seconds:
    """Instants of a Poisson process whose rate is itself drawn, interval by interval."""
    count = len(arrivals.means)
    rates = np.array(arrivals.means) * _gamma(lots, arrivals.cv, count) * _gamma(lots, arrivals.day_cv, 1)
    rates = np.where(lots.random(count) < arrivals.spike_share, rates * arrivals.spike_factor, rates)
    calls = lots.poisson(rates)
    starts = np.repeat(np.arange(count), calls) * arrivals.interval_s
    instants: Seconds = arrivals.from_s + np.sort(starts + lots.random(int(calls.sum())) * arrivals.interval_s)
    return instants


def _gamma(lots: np.random.Generator, cv: float, count: int) -> Seconds:
    return lots.gamma(1 / cv**2, cv**2, count) if cv > 0 else np.ones(count)


def _kinds(kinds: Sequence[Kind], lots: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    weights = np.cumsum([kind.weight for kind in kinds])
    return np.minimum(np.searchsorted(weights / weights[-1], lots.random(count), side="right"), len(kinds) - 1)


def _by_kind(
    durations: Sequence[object], kind: np.ndarray[tuple[int], np.dtype[np.intp]], lots: np.random.Generator
) -> Seconds:
    """One sample per customer, from the duration of their kind; equal durations are drawn together, so it is quick."""
    drawn = np.empty(len(kind))
    distinct = list(dict.fromkeys(durations))
    which = np.array([distinct.index(each) for each in durations], dtype=np.intp)[kind]
    for at, each in enumerate(distinct):
        theirs = np.flatnonzero(which == at)
        drawn[theirs] = each.draw(lots, len(theirs))  # type: ignore[attr-defined]
    return drawn


def _redials(load: Load, lots: np.random.Generator, count: int, attempts: int) -> list[list[float]]:
    """After each call but the last one that a customer may make."""
    redials = load.redials
    drawn = [
        np.where(lots.random(count) < redials.share, lots.random(count) * redials.within_s, math.inf).tolist()
        for _ in range(attempts - 1)
    ]
    return [*drawn, [math.inf] * count]


def _rings(load: Load, lots: np.random.Generator, count: int) -> list[list[float]]:
    answering = load.answering
    ring_s = answering.ring.draw(lots, count).tolist()
    missed = [np.where(lots.random(count) < answering.missed, math.inf, ring_s).tolist() for _ in range(RINGS)]
    return [*missed, ring_s]


def _callees(callbacks: Callbacks, lots: np.random.Generator, count: int) -> Callees | None:
    if callbacks.taken <= 0:
        return None
    takes, refuses = lots.random(count) < callbacks.taken, lots.random(count) < callbacks.refused
    attempts = []
    for _ in range(ATTEMPTS):
        ring_s, unreached = callbacks.ring.draw(lots, count), lots.random(count) < callbacks.unreached
        attempts.append(np.where(unreached | (ring_s > callbacks.ring_max_s), math.inf, ring_s).tolist())
    return Callees(
        takes.tolist(), refuses.tolist(), attempts, callbacks.after_s, callbacks.ring_max_s, callbacks.holds_s
    )


def _in_ivr(
    kinds: Sequence[Kind], kind: np.ndarray[tuple[int], np.dtype[np.intp]], lots: np.random.Generator
) -> InIvr | None:
    if all(each.ivr == NO_IVR for each in kinds):
        return None
    lasts_s = _by_kind([each.ivr.lasts for each in kinds], kind, lots)
    self_served = lots.random(len(kind)) < np.array([each.ivr.self_served for each in kinds])[kind]
    return InIvr(lasts_s.tolist(), self_served.tolist())


def _turns(roster: Roster, seed: int, replication: int) -> list[Turn]:
    """Everything that the agents do of their own accord, in order."""
    turns: list[Turn] = []
    drawn = roster.absent > 0 or roster.jitter_s > 0
    for shift in roster.shifts:
        lots = _agents_own(shift.agent_id, seed, 1 + replication) if drawn else None
        if lots is not None and lots.random() < roster.absent:
            continue
        turns += _shift(shift, roster.jitter_s, lots)
    turns.sort(key=lambda turn: turn.at_s)  # stable: at one instant, in the order of the roster
    return turns


def _shift(shift: Shift, jitter_s: float, lots: np.random.Generator | None) -> list[Turn]:
    turns = [Turn(shift.from_s, shift.agent_id, Presence.AVAILABLE)]
    for begins_s, lasts_s in shift.breaks:
        late_s = float(lots.uniform(-jitter_s, jitter_s)) if lots is not None else 0.0
        begin = min(max(begins_s + late_s, turns[-1].at_s), shift.to_s)
        end = min(begin + lasts_s, shift.to_s)
        turns.append(Turn(begin, shift.agent_id, Presence.AUX, BREAK))
        turns.append(Turn(end, shift.agent_id, Presence.AVAILABLE))
    turns.append(Turn(shift.to_s, shift.agent_id, Presence.LOGGED_OUT))
    return turns


def _speeds(roster: Roster, seed: int) -> dict[str, float]:
    """How long each agent takes, times the average; it does not change from one day to the next."""
    if roster.speed_cv <= 0:
        return {}
    around = LogNormal.of(1.0, roster.speed_cv)
    agents = dict.fromkeys(shift.agent_id for shift in roster.shifts)
    return {agent: float(around.draw(_agents_own(agent, seed, 0), 1)[0]) for agent in agents}


def _agents_own(agent_id: str, seed: int, day: int) -> np.random.Generator:
    key = (seed, day, Purpose.AGENTS, zlib.crc32(agent_id.encode()))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
