"""The figures of simulated days, by tier and queue, each with its interval; two sites compared on the same customers.

Definitions are the glossary's. Service level: answered within the queue's `answer_in_s` ÷ (entered - short abandons);
`promise_kept`: the same within the tier's `target_s`. ASA: mean wait of the answered. Abandonment: (abandoned - short)
÷ (entered - short). Occupancy: (ring + talk + wrap-up) ÷ (that + idle). Redials are contacts of their own. Who found no
trunk (`blocked`), or was served by the IVR (`self_served`), entered no queue and counts nowhere else.

Who took a callback counts as entered, and as answered once they talk; waits of the answered are of those who stayed on
the line, and `callback_wait_s` is from entering to the talk. A callback's slot is kept if the first attempt to call
came no more than five minutes before the median or after the 90 % quantile of the wait told as it was taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.messages import Configured
from routing.simulate import intervals
from routing.simulate.intervals import Figure, Ratio
from routing.simulate.record import End, Record

SHORT_ABANDON_S = 5.0
SLOT_S = 300.0
BATCHES = 20
BATCH_VISITS_MIN = 30
STAFFED_S_MIN = 900.0
PERCENTILES = (50, 90, 99)

_Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose figures: `kind` is all, tier or queue."""

    kind: str
    name: str


ALL = Scope("all", "all")


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one scope. `counts` are means per day; `ratios` and `means` are the batches behind `figures`."""

    counts: dict[str, float]
    figures: dict[str, Figure]
    ratios: dict[str, Ratio]
    means: dict[str, tuple[float | None, ...]]


def summarise(site: Configured, records: Sequence[Record]) -> dict[Scope, Summary]:
    """The figures of replications of one day under one site: all, then each tier, then each queue, as they occur.

    With one replication the intervals come from stretches of the day, which says how much the day varies within
    itself; with several, from the replications, which is what another day may look like.
    """
    outside = {
        name: [record.those(record.end == end) for record in records]
        for name, end in (("blocked", End.BLOCKED), ("self_served", End.SELF_SERVED))
    }
    records = [record.in_queues() for record in records]
    pieces = _pieces(records)
    scopes: dict[Scope, Callable[[Record], _Mask]] = {ALL: lambda record: np.ones(len(record), dtype=bool)}
    for rank, tier in enumerate(site.policy.tiers):
        scopes[Scope("tier", tier.name)] = _of_tier(rank, len(site.policy.tiers))
    for queue in site.queues:
        scopes[Scope("queue", queue.queue)] = _of_queue(queue.queue)
    found: dict[Scope, Summary] = {}
    for scope, chosen in scopes.items():
        theirs = [piece.those(chosen(piece)) for piece in pieces]
        if any(len(piece) for piece in theirs):
            found[scope] = _summary(site, theirs, len(records))
            for name, those in outside.items():
                if any(map(len, those)):
                    found[scope].counts[name] = sum(int(chosen(each).sum()) for each in those) / len(records)
    if ALL in found:
        _add_agents(found[ALL], records)
    return found


def compare(ours: dict[Scope, Summary], theirs: dict[Scope, Summary]) -> dict[Scope, dict[str, Figure]]:
    """Theirs minus ours, figure by figure, for the scopes that both have; from the very same drawn days."""
    return {
        scope: {
            name: intervals.difference(ratio, theirs[scope].ratios[name])
            for name, ratio in ours[scope].ratios.items()
            if name in theirs[scope].ratios
        }
        | {
            name: intervals.mean(_minus(theirs[scope].means[name], values))
            for name, values in ours[scope].means.items()
            if name in theirs[scope].means
        }
        for scope in ours
        if scope in theirs
    }


def by_interval(
    site: Configured, records: Sequence[Record], interval_s: float = 1_800.0
) -> list[tuple[float, float | None]]:
    """(when the interval begins, service level of who entered in it), from the first to the last customer."""
    records = [record.in_queues() for record in records]
    entered = np.concatenate([record.entered_at for record in records])
    if not len(entered):
        return []
    in_time = np.concatenate([_in_time(record, _answer_in_s(site, record)) for record in records])
    counted = np.concatenate([~_short(record) for record in records])
    slots = (entered // interval_s).astype(int)
    over = np.bincount(slots, weights=in_time)
    under = np.bincount(slots, weights=counted)
    first = int(slots.min())
    return [
        (slot * interval_s, float(over[slot] / under[slot]) if under[slot] else None)
        for slot in range(first, len(under))
    ]


def _pieces(records: Sequence[Record]) -> list[Record]:
    """The batches: the replications, or the stretches of the only one."""
    if len(records) > 1:
        return list(records)
    (record,) = records
    count = min(BATCHES, len(record) // BATCH_VISITS_MIN)
    if count < 2:
        return [record]
    rank = np.argsort(np.argsort(record.entered_at, kind="stable"), kind="stable")
    edges = np.linspace(0, len(record), count + 1)
    return [record.those((rank >= low) & (rank < high)) for low, high in pairwise(edges)]


def _of_tier(rank: int, tiers: int) -> Callable[[Record], _Mask]:
    return lambda record: np.clip(record.tier, 0, tiers - 1) == rank


def _of_queue(queue: str) -> Callable[[Record], _Mask]:
    return lambda record: np.asarray(record.queue == queue, dtype=bool)


def _summary(site: Configured, pieces: Sequence[Record], days: int) -> Summary:
    ratios = {
        "service_level": _ratio(pieces, lambda r: _in_time(r, _answer_in_s(site, r)), lambda r: ~_short(r)),
        "promise_kept": _ratio(pieces, lambda r: _in_time(r, _target_s(site, r)), lambda r: ~_short(r)),
        "asa_s": _ratio(pieces, lambda r: np.where(_on_line(r), r.wait_s, 0.0), _on_line),
        "abandonment": _ratio(pieces, lambda r: r.abandoned() & ~_short(r), lambda r: ~_short(r)),
    }
    means = {
        f"wait_p{percent}_s": tuple(_percentile(piece.wait_s[_on_line(piece)], percent) for piece in pieces)
        for percent in PERCENTILES
    }
    counts = {
        "entered": sum(len(piece) for piece in pieces) / days,
        "answered": sum(int(piece.answered().sum()) for piece in pieces) / days,
        "abandoned": sum(int(piece.abandoned().sum()) for piece in pieces) / days,
        "short_abandons": sum(int(_short(piece).sum()) for piece in pieces) / days,
        "sent_away": sum(int((piece.end == End.SENT_AWAY).sum()) for piece in pieces) / days,
        "still_waiting": sum(int((piece.end == End.WAITING).sum()) for piece in pieces) / days,
        "redials": sum(int((piece.tries > 0).sum()) for piece in pieces) / days,
    }
    if any(piece.called_back().any() for piece in pieces):
        counts |= _callback_counts(pieces, days)
        ratios |= _callback_ratios(pieces)
    figures = {name: ratio.figure() for name, ratio in ratios.items()}
    figures |= {name: intervals.mean(values) for name, values in means.items()}
    return Summary(counts, figures, ratios, means)


def _callback_counts(pieces: Sequence[Record], days: int) -> dict[str, float]:
    """Callbacks taken per day, and what came of them."""
    return {"callbacks": sum(int(piece.called_back().sum()) for piece in pieces) / days} | {
        f"callbacks_{name}": sum(int((piece.called_back() & (piece.end == end)).sum()) for piece in pieces) / days
        for name, end in (
            ("kept", End.ANSWERED),
            ("unreached", End.UNREACHED),
            ("expired", End.EXPIRED),
            ("refused", End.REFUSED),
            ("hung_up", End.ABANDONED),
            ("still_waiting", End.WAITING),
        )
    }


def _callback_ratios(pieces: Sequence[Record]) -> dict[str, Ratio]:
    def talked(record: Record) -> _Mask:
        return record.called_back() & record.answered()

    return {
        "callback_wait_s": _ratio(pieces, lambda r: np.where(talked(r), r.wait_s, 0.0), talked),
        "callback_slot_kept": _ratio(pieces, lambda r: slots(r)[1], lambda r: slots(r)[0]),
        "callback_held_s": _ratio(pieces, lambda r: r.held_s, lambda r: r.called_back()),
    }


def slots(record: Record) -> tuple[_Mask, _Mask]:
    """Which callbacks were told when they come, and which of these came within SLOT_S of it."""
    told, kept = np.zeros(len(record), dtype=bool), np.zeros(len(record), dtype=bool)
    for visit in np.flatnonzero(record.called_back()):
        slot = record.slot[visit]
        if slot is not None and np.isfinite(slot.p90_s):
            told[visit] = True
            came_s = record.dialed_at[visit] - record.chosen_at[visit]  # nan if it never came
            kept[visit] = slot.p50_s - SLOT_S <= came_s <= slot.p90_s + SLOT_S
    return told, kept


def _on_line(record: Record) -> _Mask:
    """Who was answered while they waited on the line."""
    return record.answered() & ~record.called_back()


def _add_agents(summary: Summary, records: Sequence[Record]) -> None:
    """Occupancy of all agents, and how evenly it is spread over those who were there long enough to tell."""
    busy = tuple(sum(agent.busy_s for agent in record.agents.values()) for record in records)
    staffed = tuple(sum(agent.busy_s + agent.idle_s for agent in record.agents.values()) for record in records)
    summary.ratios["occupancy"] = Ratio(busy, staffed)
    summary.figures["occupancy"] = summary.ratios["occupancy"].figure()
    shares = [_occupancies(record) for record in records]
    for name, measure in (("occupancy_gini", gini), ("occupancy_spread", _spread)):
        summary.means[name] = tuple(measure(each) if len(each) else None for each in shares)
        summary.figures[name] = intervals.mean(summary.means[name])


def gini(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Gini's coefficient in [0, 1) of values ≥ 0: 0 if all are equal, near 1 if one has everything."""
    ordered = np.sort(np.asarray(values, dtype=float))
    total = float(ordered.sum())
    if total <= 0:
        return 0.0
    count = len(ordered)
    return float((2 * np.arange(1, count + 1) - count - 1) @ ordered) / (count * total)


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.max() - values.min())


def _occupancies(record: Record) -> NDArray[np.float64]:
    times = [(agent.busy_s, agent.busy_s + agent.idle_s) for agent in record.agents.values()]
    return np.array([busy_s / staffed_s for busy_s, staffed_s in times if staffed_s >= STAFFED_S_MIN])


def _ratio(pieces: Sequence[Record], over: Callable[[Record], Any], under: Callable[[Record], Any]) -> Ratio:
    return Ratio(
        tuple(float(np.sum(over(piece))) for piece in pieces), tuple(float(np.sum(under(piece))) for piece in pieces)
    )


def _percentile(waits_s: NDArray[np.float64], percent: float) -> float | None:
    return float(np.percentile(waits_s, percent, method="inverted_cdf")) if len(waits_s) else None


def _minus(after: Sequence[float | None], before: Sequence[float | None]) -> list[float | None]:
    return [None if new is None or old is None else new - old for new, old in zip(after, before, strict=True)]


def _short(record: Record) -> _Mask:
    return record.abandoned() & (_us(record.wait_s) <= _us(SHORT_ABANDON_S))


def _in_time(record: Record, within_s: NDArray[np.float64]) -> _Mask:
    return record.answered() & (_us(record.wait_s) <= _us(within_s))


def _us(duration_s: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Whole microseconds, as in the reports: a wait of a threshold's length is within it."""
    return np.round(np.asarray(duration_s, dtype=np.float64) * 1e6)


def _answer_in_s(site: Configured, record: Record) -> NDArray[np.float64]:
    by_queue = {queue.queue: queue.answer_in_s for queue in site.queues}
    return np.array([by_queue[queue] for queue in record.queue], dtype=float)


def _target_s(site: Configured, record: Record) -> NDArray[np.float64]:
    targets = np.array([tier.target_s for tier in site.policy.tiers])
    found: NDArray[np.float64] = targets[np.clip(record.tier, 0, len(targets) - 1)]
    return found
