"""Whether a simulated center meets what is asked of its queues and tiers, and how far it is from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from routing.messages import Configured
from routing.simulate.intervals import Figure, Ratio
from routing.simulate.record import Record

WARM_UP = 0.1
"""So much of the customers met a center that was still filling."""
BATCHES = 20

_Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of every queue: `share` answered within `within_s` ÷ entered, at most `abandonment_max` gave up.

    And with `tiers` of every tier: the same share within its own target.
    """

    share: float
    within_s: float
    abandonment_max: float = 1.0
    tiers: bool = True


@dataclass(frozen=True, slots=True)
class Achieved:
    """What one queue or tier got, with its 95 % intervals. `spare`: how far above its targets it is; < 0 if missed."""

    within_s: float
    service_level: Figure
    abandonment: Figure
    spare: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a crew achieves. `occupancy`: which part of their time the agents talk or wrap up."""

    queues: Mapping[str, Achieved]
    tiers: Mapping[str, Achieved]
    occupancy: float

    @property
    def met(self) -> bool:
        """Whether every target is."""
        return all(each.spare >= 0 for each in (*self.queues.values(), *self.tiers.values()))


def judge(site: Configured, record: Record, wanted: Wanted) -> Result:
    """Every queue and tier of which there were contacts."""
    record = record.those(np.arange(len(record)) >= WARM_UP * len(record))
    in_order = np.argsort(record.entered_at, kind="stable")
    batch = np.empty(len(record), dtype=int)
    batch[in_order] = np.arange(len(record)) * BATCHES // max(len(record), 1)
    queues = {
        queue.queue: _achieved(record, record.queue == queue.queue, batch, wanted.within_s, wanted)
        for queue in site.queues
        if (record.queue == queue.queue).any()
    }
    ranks = np.clip(record.tier, 0, len(site.policy.tiers) - 1)
    tiers = {
        tier.name: _achieved(record, ranks == rank, batch, tier.target_s, replace(wanted, abandonment_max=1.0))
        for rank, tier in enumerate(site.policy.tiers)
        if wanted.tiers and (ranks == rank).any()
    }
    return Result(queues, tiers, _occupancy(record))


def _occupancy(record: Record) -> float:
    """Which part of the agents' time they served, while customers came; ringing is not counted."""
    if not len(record) or not record.agents:
        return 0.0
    begin, end = record.entered_at.min(), record.entered_at.max()
    served = record.answered() & (record.left_at <= end)
    return float(record.handle_s[served].sum() / (len(record.agents) * (end - begin))) if end > begin else 0.0


def _achieved(
    record: Record,
    theirs: _Mask,
    batch: NDArray[np.int_],
    within_s: float,
    wanted: Wanted,
) -> Achieved:
    def sums(which: _Mask) -> tuple[float, ...]:
        return tuple(np.bincount(batch, weights=which & theirs, minlength=BATCHES).tolist())

    entered = sums(theirs)
    in_time = Ratio(sums(record.answered() & (record.wait_s <= within_s + 1e-6)), entered)
    gave_up = Ratio(sums(record.abandoned()), entered)
    spare = min((in_time.value() or 0.0) - wanted.share, wanted.abandonment_max - (gave_up.value() or 0.0))
    return Achieved(within_s, in_time.figure(), gave_up.figure(), spare)
